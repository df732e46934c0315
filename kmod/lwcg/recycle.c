// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between two leases.  A slot that has become empty is closed, so that nobody can
 * find it any more.  When nothing of its tenant is left it gets its next life, and
 * goes back to the ready ones.  One recycler a pool does so with all of its slots,
 * so that one RCU grace period serves all that are closed together, and takes no
 * cgroup_mutex.
 *
 * A slot that cannot be used again retires: its cgroup is removed, by somebody
 * else, as that takes cgroup_mutex.  So does one of which something is still in
 * use after a while: a process that nobody reaps, pages that stay charged.
 */
#include "lwcg_internal.h"

#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

/*
 * A slot waits one jiffy, then twice as long each time.  Most become free with
 * the next grace period, when the last task_struct is freed.  What is still charged
 * after some dozen milliseconds has to be reclaimed.  About four seconds have passed
 * before a wait would be longer than GIVE_UP: the OOM killer holds on to its victims
 * for two.
 */
#define RECLAIM (HZ / 32 + 1)
#define GIVE_UP (4 * HZ)

/*
 * Launches come in bursts, and whatever is recycled meanwhile competes with them
 * for CPUs, for the kernfs root's rwsem and for the controllers' locks.  So a slot
 * stays as it is until there was no lease for LULL, but no longer than PATIENCE,
 * and not at all when the pool runs short.
 */
#define LULL (HZ / 50 + 1)
#define PATIENCE HZ

/* So many slots share a grace period: the first need not wait for hundreds. */
#define BATCH 64

/*
 * Run the recycler after @delay, also if it was to run later.  Queued, it keeps the
 * pool and the module.
 */
static void recycle_queue(struct pool *pool, unsigned long delay)
{
	__module_get(THIS_MODULE);
	lwcg_pool_get(pool);
	if (mod_delayed_work(lwcg_recycle_wq, &pool->recycle, delay)) {
		lwcg_pool_put(pool);
		module_put(THIS_MODULE);
	}
}

/* What a slot being recycled, or a queued recycler, kept need not be kept any more. */
static void recycle_done(struct pool *pool)
{
	lwcg_pool_put(pool);
	/* unloading waits for the workqueues, and so for the return from here */
	module_put(THIS_MODULE);
}

static bool pool_runs_short(const struct pool *pool)
{
	/* nothing depends on this being exact: the recycler looks again after each LULL */
	return data_race(pool->n_ready <= lwcg_pool_hurry_mark(pool) || pool->dead);
}

/* Hand a slot to the recycler. */
static void recycle_hand_over(struct slot *slot)
{
	struct pool *pool = slot->pool;
	bool now = slot->state != SLOT_EMPTIED || pool_runs_short(pool);

	/* after this the slot may be recycled and freed, but the pool stays */
	lwcg_pool_get(pool);
	slot->due = jiffies;
	if (llist_add(&slot->emptied, &pool->emptied) || now)
		recycle_queue(pool, now ? 0 : LULL);
	lwcg_pool_put(pool);
}

/**
 * lwcg_recycle_hurry() - a pool has begun to run short
 * @pool: the pool
 *
 * Context: Any, pool->lock may be held.
 */
void lwcg_recycle_hurry(struct pool *pool)
{
	if (atomic_read(&pool->n_coming))
		recycle_queue(pool, 0);
}

/**
 * lwcg_recycle_start() - recycle a slot
 * @slot: a slot that was taken back and is empty
 *
 * Context: Any, css_set_lock may be held.
 */
void lwcg_recycle_start(struct slot *slot)
{
	slot->state = SLOT_EMPTIED;
	slot->delay = 1;
	atomic_inc(&slot->pool->n_coming);
	recycle_hand_over(slot);
}

/* A work item of its own for each slot: it may take long. */
static void reclaim_work(struct work_struct *work)
{
	struct slot *slot = container_of(work, struct slot, work);

	cgroup_pool_reclaim(&slot->member);
	slot->state = SLOT_RECLAIMED;
	recycle_hand_over(slot);
}

static void retire_work(struct work_struct *work)
{
	struct slot *slot = container_of(work, struct slot, work);
	u64 id = slot->id, ended = slot->ended;
	struct pool *pool = slot->pool;
	int why = slot->why;

	lwcg_slot_destroy(slot);
	lwcg_pool_retired(pool, id, ended, why);
	lwcg_pool_refill(pool);
	recycle_done(pool);
}

/* Take a slot out of the recycler's lists and let somebody else work on it. */
static void pass_on(struct slot *slot, struct workqueue_struct *wq, work_func_t fn)
{
	list_del_init(&slot->list);
	INIT_WORK(&slot->work, fn);
	queue_work(wq, &slot->work);
}

static void retire(struct slot *slot, int why)
{
	slot->why = why;
	atomic_dec(&slot->pool->n_coming);
	pass_on(slot, lwcg_wq, retire_work);
}

/* Take over what was handed to the recycler, in that order. */
static void take_emptied(struct pool *pool)
{
	struct llist_node *emptied = llist_reverse_order(llist_del_all(&pool->emptied));
	struct slot *slot, *next;

	llist_for_each_entry_safe(slot, next, emptied, emptied)
		list_add_tail(&slot->list, slot->state == SLOT_EMPTIED ? &pool->open :
									  &pool->waiting);
}

/* Are there launches for which this slot had better be left alone? */
static bool slot_can_wait(const struct slot *slot)
{
	struct pool *pool = slot->pool;

	return !pool_runs_short(pool) &&
	       time_before(jiffies, READ_ONCE(pool->leased_at) + LULL) &&
	       time_before(jiffies, slot->due + PATIENCE);
}

/* First part: close slots that have become empty, the first ones first. */
static void close_emptied(struct pool *pool)
{
	unsigned int closed = 0;
	struct slot *slot;
	int ret;

	while (closed < BATCH) {
		slot = list_first_entry_or_null(&pool->open, struct slot, list);
		if (!slot || slot_can_wait(slot))
			break;
		list_move_tail(&slot->list, &pool->waiting);
		slot->state = SLOT_CLOSED;
		ret = lwcg_slot_close(slot);
		if (ret)
			retire(slot, ret);
		else
			closed++;
		cond_resched();
	}
	if (closed)
		synchronize_rcu();
}

/* What to do with a slot that is not free yet. */
static void put_off(struct slot *slot)
{
	if (READ_ONCE(slot->pool->dead) || slot->delay >= GIVE_UP) {
		retire(slot, -EAGAIN);
	} else if (slot->delay >= RECLAIM && slot->state == SLOT_CLOSED) {
		pass_on(slot, lwcg_recycle_wq, reclaim_work);
	} else {
		slot->due = jiffies + slot->delay;
		slot->delay *= 2;
	}
}

/* Second part: give the slots whose last life is over the next one. */
static void renew_waiting(struct pool *pool)
{
	struct slot *slot, *next;
	u64 lease;
	int ret;

	list_for_each_entry_safe(slot, next, &pool->waiting, list) {
		if (time_before(jiffies, slot->due))
			continue;

		lease = slot->id;
		ret = lwcg_slot_renew(slot);
		if (ret == -EAGAIN) {
			put_off(slot);
		} else if (!ret && lwcg_pool_recycled(slot, lease)) {
			recycle_done(pool);
		} else {
			/* what is reported is the end of the lease */
			slot->id = lease;
			retire(slot, ret);
		}
		cond_resched();
	}
}

/* When the recycler has something to do again, jiffies from now; LONG_MAX if nothing. */
static long next_run(struct pool *pool)
{
	long delay = LONG_MAX;
	struct slot *slot;

	/* handed over meanwhile: whoever did so may be in a hurry */
	if (!llist_empty(&pool->emptied))
		return 0;
	slot = list_first_entry_or_null(&pool->open, struct slot, list);
	if (slot)
		delay = slot_can_wait(slot) ? LULL : 0;
	list_for_each_entry(slot, &pool->waiting, list)
		delay = clamp((long)(slot->due - jiffies), 0L, delay);
	return delay;
}

static void recycle_work(struct work_struct *work)
{
	struct pool *pool = container_of(to_delayed_work(work), struct pool, recycle);
	long delay;

	take_emptied(pool);
	close_emptied(pool);
	renew_waiting(pool);

	delay = next_run(pool);
	if (delay != LONG_MAX)
		recycle_queue(pool, delay);
	recycle_done(pool);
}

/**
 * lwcg_recycle_init() - prepare a new pool for recycling
 * @pool: the pool
 */
void lwcg_recycle_init(struct pool *pool)
{
	INIT_DELAYED_WORK(&pool->recycle, recycle_work);
	init_llist_head(&pool->emptied);
	INIT_LIST_HEAD(&pool->open);
	INIT_LIST_HEAD(&pool->waiting);
	atomic_set(&pool->n_coming, 0);
}
