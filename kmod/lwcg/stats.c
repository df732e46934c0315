// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happened in a pool, for LWCG_STATS and for the tracepoints.  Counters and
 * histograms are per CPU: a launch writes to no cache line that another CPU writes
 * to, except pool.lock's.
 */
#include "lwcg_internal.h"

#include <linux/errno.h>
#include <linux/timekeeping.h>

#include "trace.h"

static u64 pool_id(const struct pool *pool)
{
	return cgroup_id(pool->parent);
}

/**
 * lwcg_stats_acquire() - an ACQUIRE whose argument was well-formed is over
 * @pool: the pool
 * @arg: its argument; the slot's id is 0 if no slot was ready
 * @start: when it began, ktime_get_ns()
 * @ret: what it returns
 */
void lwcg_stats_acquire(struct pool *pool, const struct lwcg_acquire *arg, u64 start, int ret)
{
	u64 ns = ktime_get_ns() - start;

	/* it is about to begin again */
	if (ret == -ERESTARTNOINTR)
		return;

	if (!ret)
		pool_time(pool, TIME_ACQUIRE, ns);
	else if (ret == -EAGAIN)
		pool_count(pool, COUNT_ACQUIRE_EAGAIN);
	else
		pool_count(pool, COUNT_ACQUIRE_FAILED);
	trace_lwcg_acquire(pool_id(pool), arg->slot_id, arg->name, ns, ret);
}

/**
 * lwcg_stats_adopt() - an ADOPT whose argument was well-formed is over
 * @pool: the pool
 * @arg: its argument; the slot's id is 0 if it failed early
 * @start: when it began, ktime_get_ns()
 * @ret: what it returns
 */
void lwcg_stats_adopt(struct pool *pool, const struct lwcg_adopt *arg, u64 start, int ret)
{
	if (!ret)
		pool_count(pool, COUNT_ADOPTED);
	trace_lwcg_adopt(pool_id(pool), arg->slot_id, arg->name, ktime_get_ns() - start, ret);
}

/**
 * lwcg_stats_release() - a lease has ended and its name is free
 * @pool: the pool
 * @id: the slot's id
 * @name: the lease's name
 * @start: when its end began, ktime_get_ns()
 */
void lwcg_stats_release(struct pool *pool, u64 id, const char *name, u64 start)
{
	u64 ns = ktime_get_ns() - start;

	pool_count(pool, COUNT_RELEASED);
	pool_time(pool, TIME_RELEASE, ns);
	trace_lwcg_release(pool_id(pool), id, name, ns, 0);
}

/**
 * lwcg_stats_recycled() - a slot is ready again after a lease
 * @pool: the pool
 * @id: the slot's id during the lease
 * @ended: when the lease ended, ktime_get_ns()
 */
void lwcg_stats_recycled(struct pool *pool, u64 id, u64 ended)
{
	u64 ns = ktime_get_ns() - ended;

	pool_count(pool, COUNT_RECYCLED);
	pool_time(pool, TIME_RECYCLE, ns);
	trace_lwcg_recycled(pool_id(pool), id, ns, 0);
}

/**
 * lwcg_stats_retired() - a slot was removed after a lease
 * @pool: the pool, which counts it itself
 * @id: the slot's id
 * @ended: when the lease ended, ktime_get_ns()
 * @why: the error that kept it from being used again, or 0
 */
void lwcg_stats_retired(struct pool *pool, u64 id, u64 ended, int why)
{
	u64 ns = ktime_get_ns() - ended;

	pool_time(pool, TIME_RECYCLE, ns);
	trace_lwcg_retired(pool_id(pool), id, ns, why);
}

/**
 * lwcg_stats_refill() - filling a pool has come to an end
 * @pool: the pool
 * @made: slots that were made
 * @start: when it began, ktime_get_ns()
 * @ret: 0 or why it ended early
 */
void lwcg_stats_refill(struct pool *pool, u32 made, u64 start, int ret)
{
	if (ret)
		pool_count(pool, COUNT_REFILL_FAILED);
	if (ret || made)
		trace_lwcg_refill(pool_id(pool), made, ktime_get_ns() - start, ret);
}

/* All counters of one kind, where each is what it is at some time during the call. */
static void sum_times(struct pool *pool, enum pool_time what, __u64 *sums)
{
	const struct pool_stats *stats;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		stats = per_cpu_ptr(pool->stats, cpu);
		for (i = 0; i < LWCG_HIST_BUCKETS; i++)
			sums[i] += READ_ONCE(stats->times[what][i]);
	}
}

static u64 sum_counts(struct pool *pool, enum pool_count what)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(pool->stats, cpu)->counts[what]);
	return sum;
}

/**
 * lwcg_stats_read() - LWCG_STATS
 * @pool: the pool
 * @stats: zeroed, but for its size; receives the statistics
 */
void lwcg_stats_read(struct pool *pool, struct lwcg_stats *stats)
{
	spin_lock(&pool->lock);
	stats->acquired = pool->acquired;
	stats->retired = pool->retired;
	spin_unlock(&pool->lock);

	stats->acquire_eagain = sum_counts(pool, COUNT_ACQUIRE_EAGAIN);
	stats->acquire_failed = sum_counts(pool, COUNT_ACQUIRE_FAILED);
	stats->adopted = sum_counts(pool, COUNT_ADOPTED);
	stats->orphaned = sum_counts(pool, COUNT_ORPHANED);
	stats->released = sum_counts(pool, COUNT_RELEASED);
	stats->kills = sum_counts(pool, COUNT_KILLS);
	stats->recycled = sum_counts(pool, COUNT_RECYCLED);
	stats->refilled = sum_counts(pool, COUNT_REFILLED);
	stats->refill_failed = sum_counts(pool, COUNT_REFILL_FAILED);
	stats->trimmed = sum_counts(pool, COUNT_TRIMMED);

	sum_times(pool, TIME_ACQUIRE, stats->acquire_ns);
	sum_times(pool, TIME_RELEASE, stats->release_ns);
	sum_times(pool, TIME_RECYCLE, stats->recycle_ns);
	sum_times(pool, TIME_LOCK, stats->lock_ns);
}
