// SPDX-License-Identifier: GPL-2.0-only
/*
 * Persistent leases.  A pool knows its persistent leases by name.  When the file
 * that holds one is closed the lease becomes an orphan: the tenant goes on, and
 * another file can adopt it.  An orphan keeps the pool, and the module loaded.
 */
#include "lwcg_internal.h"

#include <linux/err.h>
#include <linux/module.h>
#include <linux/string.h>

static struct slot *to_slot(const struct rb_node *node)
{
	return rb_entry(node, struct slot, by_name);
}

static bool name_less(struct rb_node *a, const struct rb_node *b)
{
	return strcmp(to_slot(a)->name, to_slot(b)->name) < 0;
}

static int name_cmp(const void *key, const struct rb_node *node)
{
	return strcmp(key, to_slot(node)->name);
}

/**
 * lwcg_name_add() - a persistent lease begins
 * @slot: the leased slot; no other has its name, or renaming it had failed
 */
void lwcg_name_add(struct slot *slot)
{
	lockdep_assert_held(&slot->pool->lock);
	rb_add(&slot->by_name, &slot->pool->names, name_less);
}

/**
 * lwcg_name_del() - a persistent lease ends
 * @slot: the leased slot
 */
void lwcg_name_del(struct slot *slot)
{
	lockdep_assert_held(&slot->pool->lock);
	rb_erase(&slot->by_name, &slot->pool->names);
}

/**
 * lwcg_orphan_keep() - nobody holds a persistent lease any more
 * @slot: the leased slot, which the caller must not touch any more
 *
 * Context: Process context.  The caller holds references on pool and module.
 */
void lwcg_orphan_keep(struct slot *slot)
{
	struct pool *pool = slot->pool;

	__module_get(THIS_MODULE);
	lwcg_pool_get(pool);

	spin_lock(&pool->lock);
	slot->client = NULL;
	pool->n_orphans++;
	spin_unlock(&pool->lock);
}

/**
 * lwcg_orphan_take() - an orphan is to be adopted
 * @client: by whom
 * @name: its name, terminated
 *
 * Until the caller has added it to @client or kept it as an orphan, it is held but
 * nobody can end it.
 *
 * Context: Process context.  The caller holds references on pool and module.
 * Return: the leased slot, or ERR_PTR(-ENOENT) if there is no persistent lease of
 * that name, ERR_PTR(-EBUSY) if a file holds it, ERR_PTR(-ESHUTDOWN) if the pool
 * was drained.
 */
struct slot *lwcg_orphan_take(struct client *client, const char *name)
{
	struct pool *pool = lwcg_client_pool(client);
	struct rb_node *node;
	struct slot *slot;

	spin_lock(&pool->lock);
	node = rb_find(name, &pool->names, name_cmp);
	if (pool->dead) {
		slot = ERR_PTR(-ESHUTDOWN);
	} else if (!node) {
		slot = ERR_PTR(-ENOENT);
	} else if (to_slot(node)->client) {
		slot = ERR_PTR(-EBUSY);
	} else {
		slot = to_slot(node);
		slot->client = client;
		pool->n_orphans--;
	}
	spin_unlock(&pool->lock);
	if (IS_ERR(slot))
		return slot;

	lwcg_pool_put(pool);
	module_put(THIS_MODULE);
	return slot;
}

/**
 * lwcg_orphans_end() - end the leases of a drained pool, all of them orphans
 * @orphans: what was pool->names
 *
 * Context: Process context.  The caller holds references on pool and module.
 */
void lwcg_orphans_end(struct rb_root *orphans)
{
	struct rb_node *node;
	struct pool *pool;
	struct slot *slot;

	while ((node = rb_first(orphans))) {
		slot = to_slot(node);
		pool = slot->pool;
		rb_erase(node, orphans);
		lwcg_lease_end(slot);
		lwcg_pool_put(pool);
		module_put(THIS_MODULE);
	}
}
