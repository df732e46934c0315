// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client is one open file description of /dev/lwcg.  It is bound to a pool
 * once and for all, and holds leases, which end at the latest with it.
 */
#include "lwcg_internal.h"

#include <linux/errno.h>
#include <linux/slab.h>

/* Order of leases in client->leases: by id. */
static bool lease_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct slot, node)->id < rb_entry(b, struct slot, node)->id;
}

static int lease_cmp(const void *key, const struct rb_node *node)
{
	u64 id = *(const u64 *)key, other = rb_entry(node, struct slot, node)->id;

	return id < other ? -1 : id > other;
}

/**
 * lwcg_client_create() - a client for a file being opened
 * Return: the client, or NULL when out of memory.
 */
struct client *lwcg_client_create(void)
{
	struct client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (client)
		client->leases = RB_ROOT;
	return client;
}

/**
 * lwcg_client_destroy() - end all leases of a file being released
 * @client: the client; nobody else uses it any more
 *
 * Context: Process context.
 */
void lwcg_client_destroy(struct client *client)
{
	struct pool *pool = client->pool;
	struct rb_node *node;
	struct slot *slot;

	/* nobody else can reach the leases of a released file: no lock */
	while ((node = rb_first(&client->leases))) {
		slot = rb_entry(node, struct slot, node);
		rb_erase(node, &client->leases);
		lwcg_slot_recycle(slot);
	}

	if (pool)
		lwcg_pool_put(pool);
	kfree(client);
}

/**
 * lwcg_client_pool() - the pool a client is bound to
 * @client: the client
 *
 * Return: the pool, which lives as long as the client, or NULL.
 */
struct pool *lwcg_client_pool(const struct client *client)
{
	/* pairs with the release in lwcg_pool_bind() */
	return smp_load_acquire(&client->pool);
}

/**
 * lwcg_client_add() - record a lease
 * @client: who holds it
 * @slot: the leased slot
 */
void lwcg_client_add(struct client *client, struct slot *slot)
{
	spin_lock(&slot->pool->lock);
	rb_add(&slot->node, &client->leases, lease_less);
	slot->pool->acquired++;
	spin_unlock(&slot->pool->lock);
}

/**
 * lwcg_client_end_lease() - end a lease
 * @client: who holds it
 * @id: the slot's id
 *
 * Context: Process context.
 * Return: 0, or -ENOENT if @client has no lease on that slot.
 */
int lwcg_client_end_lease(struct client *client, u64 id)
{
	struct pool *pool = lwcg_client_pool(client);
	struct rb_node *node;

	spin_lock(&pool->lock);
	node = rb_find(&id, &client->leases, lease_cmp);
	if (node)
		rb_erase(node, &client->leases);
	spin_unlock(&pool->lock);

	if (!node)
		return -ENOENT;

	lwcg_slot_recycle(rb_entry(node, struct slot, node));
	return 0;
}
