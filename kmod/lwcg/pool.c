// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools: at most one a parent cgroup.  A pool brings itself back to its target
 * in the background when slots have left it, and lives until it is drained or
 * the module is unloaded, with or without clients.
 *
 * Slots come back after their lease, so a pool does not replace each one that
 * leaves: it waits until a quarter of the target is neither ready nor about to
 * come back, or an eighth is all that is ready, and keeps up to twice the target of
 * what comes back.  Launches that come and go in between make and remove no cgroups
 * at all.
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
#include <linux/timekeeping.h>

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
	free_percpu(pool->stats);
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

/*
 * Slots that are ready or will be.  Those on their way back are as good as new ones,
 * and cheaper; but when there are next to none ready they may be too late.
 */
static u32 pool_stock(const struct pool *pool)
{
	lockdep_assert_held(&pool->lock);

	if (pool->n_ready <= pool->target / 8)
		return pool->n_ready;
	return pool->n_ready + atomic_read(&pool->n_coming);
}

/* Is a slot missing to @want, at most the target?  Zero: to what there should be. */
static bool pool_is_short(struct pool *pool, u32 want)
{
	bool is;

	spin_lock(&pool->lock);
	if (want)
		is = pool->n_ready < min(want, pool->target);
	else
		is = pool_stock(pool) < pool->target;
	is &= !pool->dead;
	spin_unlock(&pool->lock);
	return is;
}

/* Add a new slot, if it is still wanted: the pool may have been drained or shrunk. */
static bool pool_push(struct pool *pool, struct slot *slot)
{
	bool room;
	u64 since;

	since = pool_lock(pool);
	room = !pool->dead && pool->n_ready < pool->target;
	if (room) {
		list_add(&slot->list, &pool->ready);
		pool->n_ready++;
	}
	pool_unlock(pool, since);
	return room;
}

/* Add a slot if pool_is_short(); returns how many, or -errno. */
static int pool_fill_one(struct pool *pool, u32 want)
{
	struct slot *slot;

	lockdep_assert_held(&pool->fill_mutex);

	if (!pool_is_short(pool, want))
		return 0;

	slot = lwcg_slot_create(pool);
	/* somebody's mkdir(2) has taken the name: the next slot has another one */
	if (slot == ERR_PTR(-EEXIST))
		return 0;
	if (IS_ERR(slot))
		return PTR_ERR(slot);

	if (!pool_push(pool, slot)) {
		lwcg_slot_destroy(slot);
		return 0;
	}
	pool_count(pool, COUNT_REFILLED);
	return 1;
}

/*
 * Add slots until the pool is no longer short; those made before an error stay.  The
 * mutex is given up after each slot, so that nobody who waits for one has to wait for
 * all.
 */
static int pool_fill(struct pool *pool, u32 want)
{
	u64 start = ktime_get_ns();
	u32 made = 0;
	int ret = 0;

	while (ret >= 0 && pool_is_short(pool, want)) {
		ret = mutex_lock_killable(&pool->fill_mutex);
		if (ret)
			break;
		ret = pool_fill_one(pool, want);
		mutex_unlock(&pool->fill_mutex);

		if (ret > 0)
			made++;
		if (ret >= 0 && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	ret = min(ret, 0);
	lwcg_stats_refill(pool, made, start, ret);
	return ret;
}

static void pool_fill_work(struct work_struct *work)
{
	struct pool *pool = container_of(work, struct pool, fill);
	int ret = pool_fill(pool, 0);
	unsigned int delay = lwcg_size_filled(pool, ret);

	if (ret)
		pr_warn_ratelimited("pool of cgroup %llu: refill failed: error %d; next try in %u s or with the next acquire\n",
				    cgroup_id(pool->parent), ret, delay);
}

static struct pool *pool_create(struct cgroup *parent, const struct path *dir)
{
	/* not accounted: a pool outlives its maker, and would keep the maker's cgroup */
	struct pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (!pool)
		return NULL;

	pool->stats = alloc_percpu(struct pool_stats);
	if (!pool->stats) {
		kfree(pool);
		return NULL;
	}

	kref_init(&pool->ref);
	cgroup_get(parent);
	pool->parent = parent;
	pool->cgroup1 = parent->root != &cgrp_dfl_root;
	pool->dir = *dir;
	path_get(&pool->dir);
	pool->cred = get_current_cred();
	init_waitqueue_head(&pool->wait);
	mutex_init(&pool->fill_mutex);
	INIT_WORK(&pool->fill, pool_fill_work);
	lwcg_recycle_init(pool);
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->ready);
	pool->names = RB_ROOT;
	pool->expected = lwcg_limits_none();
	lwcg_size_init(pool);
	return pool;
}

/* The pool of @parent, with a reference for the caller. */
static struct pool *pool_find(struct cgroup *parent)
{
	struct pool *pool;

	lockdep_assert_held(&pools_mutex);

	list_for_each_entry(pool, &pools, node) {
		if (pool->parent == parent) {
			lwcg_pool_get(pool);
			return pool;
		}
	}
	return ERR_PTR(-ENOENT);
}

static struct pool *pool_find_or_create(struct cgroup *parent, const struct path *dir)
{
	struct pool *pool = pool_find(parent);

	if (!IS_ERR(pool))
		return pool;

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
				const struct path *dir, bool create)
{
	struct pool *pool;

	lockdep_assert_held(&pools_mutex);

	pool = client->pool;
	if (pool)
		return pool->parent == parent ? pool : ERR_PTR(-EBUSY);

	pool = create ? pool_find_or_create(parent, dir) : pool_find(parent);
	if (!IS_ERR(pool))
		/* pairs with the acquire in lwcg_client_pool() */
		smp_store_release(&client->pool, pool);
	return pool;
}

/*
 * Returns how many slots the caller has to wait for, or -ESHUTDOWN.  A @target of
 * zero changes nothing and waits for nothing.
 */
static int pool_raise_target(struct pool *pool, u32 target)
{
	int wait_for = target ? 1 : 0;

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
	pool = client_bind(client, parent, dir, arg->target);
	ret = IS_ERR(pool) ? PTR_ERR(pool) : pool_raise_target(pool, arg->target);
	if (ret >= 0)
		WRITE_ONCE(client->low_water, arg->low_water);
	mutex_unlock(&pools_mutex);
	if (ret <= 0)
		return ret;

	/* the client's reference keeps the pool */
	ret = pool_fill(pool, ret);
	lwcg_size_filled(pool, ret);
	if (!ret)
		lwcg_pool_refill(pool);
	return ret;
}

/* Whoever makes the pool says how large it is to be, and only he does. */
static bool target_is_valid(const struct lwcg_pool *arg)
{
	if (arg->flags & LWCG_POOL_EXISTING)
		return !arg->target && arg->low_water <= LWCG_TARGET_MAX;

	return arg->target && arg->target <= LWCG_TARGET_MAX && arg->low_water <= arg->target;
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

	if (!target_is_valid(arg))
		return -EINVAL;

	file = fget_raw(arg->parent_fd);
	if (!file)
		return -EBADF;

	parent = cgroup_v1v2_get_from_file(file);
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
	u64 since;

	since = pool_lock(pool);
	slot = list_first_entry_or_null(&pool->ready, struct slot, list);
	if (pool->dead) {
		slot = ERR_PTR(-ESHUTDOWN);
	} else if (!slot) {
		slot = ERR_PTR(-EAGAIN);
	} else {
		list_del_init(&slot->list);
		pool->n_ready--;
		pool->n_leased++;
		WRITE_ONCE(pool->leased_at, jiffies);
		if (pool->n_ready == lwcg_pool_hurry_mark(pool))
			lwcg_recycle_hurry(pool);
	}
	pool_unlock(pool, since);
	return slot;
}

/**
 * lwcg_pool_refill() - a slot has left, or was asked for in vain
 * @pool: the pool
 *
 * Context: Process context, does not sleep.
 */
void lwcg_pool_refill(struct pool *pool)
{
	u64 since;

	/*
	 * Under the lock, so that nothing is queued once the pool is dead: the work
	 * has no reference, pool_dismantle() cancels it before the last one can go.
	 */
	since = pool_lock(pool);
	if (!pool->dead && pool_stock(pool) < pool->target - pool->target / 4)
		queue_work(lwcg_wq, &pool->fill);
	pool_unlock(pool, since);
	/* pollers whose low-water mark this may have crossed */
	if (wq_has_sleeper(&pool->wait))
		wake_up_interruptible_poll(&pool->wait, EPOLLIN);
}

/**
 * lwcg_pool_unpop() - put a slot back that was popped and has its name again
 * @slot: the slot
 */
void lwcg_pool_unpop(struct slot *slot)
{
	struct pool *pool = slot->pool;
	u64 since;

	since = pool_lock(pool);
	/* a pool with a leased slot is not drained */
	list_add(&slot->list, &pool->ready);
	pool->n_ready++;
	pool->n_leased--;
	pool_unlock(pool, since);
}

/**
 * lwcg_pool_recycled() - put a slot back that is ready for another lease
 * @slot: the slot; the caller must not touch it any more if it was put back
 * @lease: its id during the lease
 *
 * Return: false if the pool does not want it any more.
 */
bool lwcg_pool_recycled(struct slot *slot, u64 lease)
{
	struct pool *pool = slot->pool;
	u64 ended = slot->ended, since;
	bool room;

	since = pool_lock(pool);
	room = !pool->dead && pool->n_ready < 2 * pool->target;
	if (room) {
		atomic_dec(&pool->n_coming);
		list_move(&slot->list, &pool->ready);
		pool->n_ready++;
		pool->n_recycling--;
		pool->recycled++;
	}
	pool_unlock(pool, since);

	if (room)
		lwcg_stats_recycled(pool, lease, ended);
	return room;
}

/**
 * lwcg_pool_retired() - a recycling slot was removed
 * @pool: its pool
 * @id: the slot's id
 * @ended: when its lease ended
 * @why: the error that kept it from being used again, or 0
 */
void lwcg_pool_retired(struct pool *pool, u64 id, u64 ended, int why)
{
	lwcg_stats_retired(pool, id, ended, why);

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
	info->cgroup_version = pool->cgroup1 ? 1 : 2;
	spin_lock(&pool->lock);
	info->target = pool->target;
	info->ready = pool->n_ready;
	info->leased = pool->n_leased;
	info->orphans = pool->n_orphans;
	info->recycling = pool->n_recycling;
	info->acquired = pool->acquired;
	info->retired = pool->retired;
	info->recycled = pool->recycled;
	spin_unlock(&pool->lock);
}

/*
 * Close the pool for good and take its ready slots, and its orphans, unless
 * @orphans is NULL: then they keep it open, as leases do that a file holds.
 */
static int pool_shut(struct pool *pool, struct list_head *slots, struct rb_root *orphans)
{
	int ret = 0;

	lockdep_assert_held(&pools_mutex);

	spin_lock(&pool->lock);
	if (pool->dead) {
		ret = -ESHUTDOWN;
	} else if (pool->n_leased > (orphans ? pool->n_orphans : 0)) {
		ret = -EBUSY;
	} else {
		pool->dead = true;
		if (orphans)
			swap(*orphans, pool->names);
		pool->n_orphans = 0;
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

	/* first what can queue the other */
	lwcg_size_cancel(pool);
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
 * @end_orphans: LWCG_DRAIN_ORPHANS
 *
 * Context: Process context, takes cgroup_mutex.
 * Return: 0 or an error of LWCG_DRAIN.
 */
int lwcg_pool_drain(struct pool *pool, bool end_orphans)
{
	struct rb_root orphans = RB_ROOT;
	LIST_HEAD(slots);
	int ret;

	mutex_lock(&pools_mutex);
	ret = pool_shut(pool, &slots, end_orphans ? &orphans : NULL);
	mutex_unlock(&pools_mutex);
	if (ret)
		return ret;

	lwcg_orphans_end(&orphans);
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
		WARN_ON_ONCE(pool_shut(pool, &slots, NULL));
		pool_dismantle(pool, &slots);
		INIT_LIST_HEAD(&slots);
	}
	mutex_unlock(&pools_mutex);
}
