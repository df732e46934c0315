// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client is one open file description of /dev/lwcg.  It is bound to a pool
 * once and for all, and holds leases, which end at the latest with it, unless
 * they are persistent: see orphan.c.
 */
#include "lwcg_internal.h"

#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

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
 * lwcg_lease_end() - end a lease that nobody else can reach any more
 * @slot: the slot, which the caller must not touch any more; the caller keeps its
 *	pool
 *
 * Context: Process context, does not take cgroup_mutex.
 */
void lwcg_lease_end(struct slot *slot)
{
	struct pool *pool = slot->pool;
	u64 id = slot->id, start = ktime_get_ns();
	char name[LWCG_NAME_MAX];

	strscpy(name, slot->name);
	lwcg_slot_recycle(slot);
	lwcg_stats_release(pool, id, name, start);
}

/**
 * lwcg_client_destroy() - end or orphan all leases of a file being released
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
		if (slot->persistent) {
			lwcg_orphan_keep(slot);
			pool_count(pool, COUNT_ORPHANED);
		} else {
			lwcg_lease_end(slot);
		}
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
 * lwcg_client_add() - record a new lease
 * @client: who holds it
 * @slot: the leased slot
 * @arg: what the lease was asked for with
 */
void lwcg_client_add(struct client *client, struct slot *slot, const struct lwcg_acquire *arg)
{
	struct pool *pool = slot->pool;
	u64 since;

	strscpy(slot->name, arg->name);
	slot->persistent = arg->flags & LWCG_ACQUIRE_PERSISTENT;
	slot->client = client;

	since = pool_lock(pool);
	rb_add(&slot->node, &client->leases, lease_less);
	if (slot->persistent)
		lwcg_name_add(slot);
	pool->acquired++;
	pool->expected = slot->limits;
	pool_unlock(pool, since);
}

/**
 * lwcg_client_add_adopted() - record a lease that was an orphan
 * @client: who holds it
 * @slot: from lwcg_orphan_take()
 */
void lwcg_client_add_adopted(struct client *client, struct slot *slot)
{
	spin_lock(&slot->pool->lock);
	rb_add(&slot->node, &client->leases, lease_less);
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
	struct slot *slot = NULL;
	struct rb_node *node;
	u64 since;

	since = pool_lock(pool);
	node = rb_find(&id, &client->leases, lease_cmp);
	if (node) {
		slot = rb_entry(node, struct slot, node);
		rb_erase(node, &client->leases);
		if (slot->persistent)
			lwcg_name_del(slot);
	}
	pool_unlock(pool, since);

	if (!slot)
		return -ENOENT;

	lwcg_lease_end(slot);
	return 0;
}
