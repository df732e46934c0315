// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools: at most one a parent cgroup.  A pool brings itself back to its target
 * in the background whenever a slot leaves it, and lives until it is drained or
 * the module is unloaded, with or without clients.
 */
#include "lwcg_internal.h"

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/path.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

/* The pools that are not drained, and which pool a client gets. */
static DEFINE_MUTEX(pools_mutex);
static LIST_HEAD(pools);

static void pool_release(struct kref *ref)
{
	struct pool *pool = container_of(ref, struct pool, ref);

	WARN_ON_ONCE(pool->n_ready || pool->n_leased || pool->n_recycling);
	put_cred(pool->cred);
	path_put(&pool->dir);
	cgroup_put(pool->parent);
	kfree(pool);
}

/**
 * lwcg_pool_get() - take another reference
 * @pool: the pool
 */
void lwcg_pool_get(struct pool *pool)
{
	kref_get(&pool->ref);
}

/**
 * lwcg_pool_put() - give a reference back
 * @pool: the pool; freed with the last one
 *
 * Context: Process context.
 */
void lwcg_pool_put(struct pool *pool)
{
	kref_put(&pool->ref, pool_release);
}

/* Fewer slots than the target are ready, and fewer than @want? */
static bool pool_is_short(struct pool *pool, u32 want)
{
	bool is;

	spin_lock(&pool->lock);
	is = !pool->dead && pool->n_ready < min(want, pool->target);
	spin_unlock(&pool->lock);
	return is;
}

/* Add a ready slot, unless the pool was drained meanwhile. */
static bool pool_push(struct pool *pool, struct slot *slot)
{
	bool dead;

	spin_lock(&pool->lock);
	dead = pool->dead;
	if (!dead) {
		list_add(&slot->list, &pool->ready);
		pool->n_ready++;
	}
	spin_unlock(&pool->lock);
	return !dead;
}

/*
 * Add slots until @want are ready, at most the target; those made before an error
 * stay.  The mutex is given up after each slot, so that nobody who waits for one
 * has to wait for all.
 */
static int pool_fill(struct pool *pool, u32 want)
{
	struct slot *slot;
	int ret = 0;

	while (!ret && pool_is_short(pool, want)) {
		if (mutex_lock_killable(&pool->fill_mutex))
			return -EINTR;
		if (pool_is_short(pool, want)) {
			slot = lwcg_slot_create(pool);
			ret = PTR_ERR_OR_ZERO(slot);
			if (!ret && !pool_push(pool, slot))
				lwcg_slot_destroy(slot);
		}
		mutex_unlock(&pool->fill_mutex);

		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	return ret;
}

static void pool_fill_work(struct work_struct *work)
{
	struct pool *pool = container_of(work, struct pool, fill);
	int ret = pool_fill(pool, LWCG_TARGET_MAX);

	if (ret)
		pr_warn_ratelimited("pool of cgroup %llu: refill failed: error %d; the next acquire retries\n",
				    cgroup_id(pool->parent), ret);
}

static struct pool *pool_create(struct cgroup *parent, const struct path *dir)
{
	/* not accounted: a pool outlives its maker, and would keep the maker's cgroup */
	struct pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (!pool)
		return NULL;

	kref_init(&pool->ref);
	cgroup_get(parent);
	pool->parent = parent;
	pool->dir = *dir;
	path_get(&pool->dir);
	pool->cred = get_current_cred();
	init_waitqueue_head(&pool->wait);
	mutex_init(&pool->fill_mutex);
	INIT_WORK(&pool->fill, pool_fill_work);
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->ready);
	return pool;
}

/* The pool of @parent with a reference for the caller, made if there is none. */
static struct pool *pool_find_or_create(struct cgroup *parent, const struct path *dir)
{
	struct pool *pool;

	lockdep_assert_held(&pools_mutex);

	list_for_each_entry(pool, &pools, node) {
		if (pool->parent == parent) {
			lwcg_pool_get(pool);
			return pool;
		}
	}

	pool = pool_create(parent, dir);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	/* one reference stays with the list */
	list_add_tail(&pool->node, &pools);
	lwcg_pool_get(pool);
	return pool;
}

/* Bind @client, or find that it is bound to the right pool already. */
static struct pool *client_bind(struct client *client, struct cgroup *parent,
				const struct path *dir)
{
	struct pool *pool;

	lockdep_assert_held(&pools_mutex);

	pool = client->pool;
	if (pool)
		return pool->parent == parent ? pool : ERR_PTR(-EBUSY);

	pool = pool_find_or_create(parent, dir);
	if (!IS_ERR(pool))
		/* pairs with the acquire in lwcg_client_pool() */
		smp_store_release(&client->pool, pool);
	return pool;
}

/* Returns how many slots the caller has to wait for, or -ESHUTDOWN. */
static int pool_raise_target(struct pool *pool, u32 target)
{
	int wait_for = 1;

	spin_lock(&pool->lock);
	if (pool->dead) {
		wait_for = -ESHUTDOWN;
	} else if (pool->target < target) {
		pool->target = target;
		wait_for = target;
	}
	spin_unlock(&pool->lock);
	return wait_for;
}

static int pool_bind_parent(struct client *client, const struct lwcg_pool *arg,
			    struct cgroup *parent, const struct path *dir)
{
	struct pool *pool;
	int ret;

	/* an O_PATH descriptor was never checked for this */
	ret = inode_permission(mnt_idmap(dir->mnt), d_inode(dir->dentry), MAY_WRITE | MAY_EXEC);
	if (ret)
		return ret;

	mutex_lock(&pools_mutex);
	pool = client_bind(client, parent, dir);
	ret = IS_ERR(pool) ? PTR_ERR(pool) : pool_raise_target(pool, arg->target);
	if (ret > 0)
		WRITE_ONCE(client->low_water, arg->low_water);
	mutex_unlock(&pools_mutex);
	if (ret < 0)
		return ret;

	/* the client's reference keeps the pool */
	ret = pool_fill(pool, ret);
	if (!ret)
		lwcg_pool_refill(pool);
	return ret;
}

/**
 * lwcg_pool_bind() - LWCG_POOL
 * @client: the client to bind
 * @arg: the argument, its fields not checked yet
 *
 * Context: Process context, takes cgroup_mutex.
 * Return: 0 or an error of LWCG_POOL.
 */
int lwcg_pool_bind(struct client *client, const struct lwcg_pool *arg)
{
	struct cgroup *parent;
	struct file *file;
	int ret;

	if (!arg->target || arg->target > LWCG_TARGET_MAX || arg->low_water > arg->target)
		return -EINVAL;

	file = fget_raw(arg->parent_fd);
	if (!file)
		return -EBADF;

	parent = cgroup_get_from_file(file);
	if (IS_ERR(parent)) {
		/* a removed cgroup */
		ret = PTR_ERR(parent) == -ENOENT ? -ENODEV : PTR_ERR(parent);
		goto out_file;
	}

	ret = pool_bind_parent(client, arg, parent, &file->f_path);
	cgroup_put(parent);
out_file:
	fput(file);
	return ret;
}

/**
 * lwcg_pool_pop() - take a ready slot out; it counts as leased
 * @pool: the pool
 *
 * Context: Process context, does not sleep.
 * Return: the slot, ERR_PTR(-EAGAIN) if none is ready, ERR_PTR(-ESHUTDOWN) if the
 * pool was drained.
 */
struct slot *lwcg_pool_pop(struct pool *pool)
{
	struct slot *slot;

	spin_lock(&pool->lock);
	slot = list_first_entry_or_null(&pool->ready, struct slot, list);
	if (pool->dead) {
		slot = ERR_PTR(-ESHUTDOWN);
	} else if (!slot) {
		slot = ERR_PTR(-EAGAIN);
	} else {
		list_del_init(&slot->list);
		pool->n_ready--;
		pool->n_leased++;
	}
	spin_unlock(&pool->lock);
	return slot;
}

/**
 * lwcg_pool_refill() - a slot has left for good, or was asked for in vain
 * @pool: the pool
 *
 * Context: Process context, does not sleep.
 */
void lwcg_pool_refill(struct pool *pool)
{
	/*
	 * Under the lock, so that nothing is queued once the pool is dead: the work
	 * has no reference, pool_dismantle() cancels it before the last one can go.
	 */
	spin_lock(&pool->lock);
	if (!pool->dead && pool->n_ready < pool->target)
		queue_work(lwcg_wq, &pool->fill);
	spin_unlock(&pool->lock);
	/* pollers whose low-water mark this may have crossed */
	if (wq_has_sleeper(&pool->wait))
		wake_up_interruptible_poll(&pool->wait, EPOLLIN);
}

/**
 * lwcg_pool_unpop() - put a slot back that was popped and not changed
 * @slot: the slot
 */
void lwcg_pool_unpop(struct slot *slot)
{
	struct pool *pool = slot->pool;

	spin_lock(&pool->lock);
	/* a pool with a leased slot is not drained */
	list_add(&slot->list, &pool->ready);
	pool->n_ready++;
	pool->n_leased--;
	spin_unlock(&pool->lock);
}

/**
 * lwcg_pool_retired() - a recycling slot was removed
 * @pool: its pool
 */
void lwcg_pool_retired(struct pool *pool)
{
	spin_lock(&pool->lock);
	pool->n_recycling--;
	pool->retired++;
	spin_unlock(&pool->lock);

	/* for lwcg_pool_drain() */
	wake_up(&pool->wait);
}

/**
 * lwcg_pool_info() - read the counters, all at one moment
 * @pool: the pool
 * @info: receives them
 */
void lwcg_pool_info(struct pool *pool, struct lwcg_info *info)
{
	spin_lock(&pool->lock);
	info->target = pool->target;
	info->ready = pool->n_ready;
	info->leased = pool->n_leased;
	info->recycling = pool->n_recycling;
	info->acquired = pool->acquired;
	info->retired = pool->retired;
	spin_unlock(&pool->lock);
}

/* Close the pool for good and take its ready slots. */
static int pool_shut(struct pool *pool, struct list_head *slots)
{
	int ret = 0;

	lockdep_assert_held(&pools_mutex);

	spin_lock(&pool->lock);
	if (pool->dead) {
		ret = -ESHUTDOWN;
	} else if (pool->n_leased) {
		ret = -EBUSY;
	} else {
		pool->dead = true;
		list_splice_init(&pool->ready, slots);
		pool->n_ready = 0;
	}
	spin_unlock(&pool->lock);

	if (!ret)
		list_del(&pool->node);
	return ret;
}

/* Destroy what pool_shut() took; the reference of the list of pools goes with it. */
static void pool_dismantle(struct pool *pool, struct list_head *slots)
{
	struct slot *slot, *next;

	cancel_work_sync(&pool->fill);
	wake_up_poll(&pool->wait, EPOLLHUP);

	/* after whoever is just making a slot: it removes what it cannot add */
	mutex_lock(&pool->fill_mutex);
	list_for_each_entry_safe(slot, next, slots, list)
		lwcg_slot_destroy(slot);
	mutex_unlock(&pool->fill_mutex);

	lwcg_pool_put(pool);
}

static bool pool_is_recycling(struct pool *pool)
{
	bool is;

	spin_lock(&pool->lock);
	is = pool->n_recycling;
	spin_unlock(&pool->lock);
	return is;
}

/**
 * lwcg_pool_drain() - LWCG_DRAIN
 * @pool: the pool; the caller has a reference
 *
 * Context: Process context, takes cgroup_mutex.
 * Return: 0 or an error of LWCG_DRAIN.
 */
int lwcg_pool_drain(struct pool *pool)
{
	LIST_HEAD(slots);
	int ret;

	mutex_lock(&pools_mutex);
	ret = pool_shut(pool, &slots);
	mutex_unlock(&pools_mutex);
	if (ret)
		return ret;

	pool_dismantle(pool, &slots);
	if (wait_event_interruptible(pool->wait, !pool_is_recycling(pool)))
		return -EINTR;
	return 0;
}

/**
 * lwcg_pools_destroy() - remove all pools
 *
 * Context: Process context, when there are no clients and no recycling slots: the
 * module's reference count is zero.
 */
void lwcg_pools_destroy(void)
{
	struct pool *pool, *next;
	LIST_HEAD(slots);

	mutex_lock(&pools_mutex);
	list_for_each_entry_safe(pool, next, &pools, node) {
		WARN_ON_ONCE(pool_shut(pool, &slots));
		pool_dismantle(pool, &slots);
		INIT_LIST_HEAD(&slots);
	}
	mutex_unlock(&pools_mutex);
}
