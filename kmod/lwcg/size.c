// SPDX-License-Identifier: GPL-2.0-only
/*
 * The size of a pool: its target can be set up and down at any time.  Ready slots
 * in excess are removed in the background, and a fill that failed is tried again
 * after a while that doubles each time.
 */
#include "lwcg_internal.h"

#include <linux/errno.h>
#include <linux/sched.h>

/* How long to wait after a fill that failed: first, and at most. */
#define RETRY_MIN_S 1u
#define RETRY_MAX_S 30u

static void size_retry_work(struct work_struct *work)
{
	struct pool *pool = container_of(to_delayed_work(work), struct pool, retry);

	lwcg_pool_refill(pool);
}

/* The ready slot that has waited longest, if there are more than the target. */
static struct slot *pop_surplus(struct pool *pool)
{
	struct slot *slot = NULL;

	spin_lock(&pool->lock);
	if (!pool->dead && pool->n_ready > pool->target) {
		slot = list_last_entry(&pool->ready, struct slot, list);
		list_del_init(&slot->list);
		pool->n_ready--;
	}
	spin_unlock(&pool->lock);
	return slot;
}

static void size_trim_work(struct work_struct *work)
{
	struct pool *pool = container_of(work, struct pool, trim);
	struct slot *slot;

	while ((slot = pop_surplus(pool))) {
		lwcg_slot_destroy(slot);
		pool_count(pool, COUNT_TRIMMED);
		cond_resched();
	}
}

/**
 * lwcg_size_init() - prepare a new pool
 * @pool: the pool
 */
void lwcg_size_init(struct pool *pool)
{
	INIT_DELAYED_WORK(&pool->retry, size_retry_work);
	INIT_WORK(&pool->trim, size_trim_work);
}

/**
 * lwcg_size_cancel() - wait until nothing of this file works on a pool
 * @pool: the pool, dead: nothing is queued any more
 *
 * Context: Process context, waits for cgroup_mutex.
 */
void lwcg_size_cancel(struct pool *pool)
{
	cancel_delayed_work_sync(&pool->retry);
	cancel_work_sync(&pool->trim);
}

/**
 * lwcg_size_filled() - filling a pool has come to an end
 * @pool: the pool
 * @ret: 0 or why
 *
 * Return: in how many seconds it will be tried again, 0 for not at all.
 */
unsigned int lwcg_size_filled(struct pool *pool, int ret)
{
	unsigned int delay = 0;

	/* a caller was killed: no reason to do it for him */
	if (ret == -EINTR)
		return 0;

	spin_lock(&pool->lock);
	if (!ret) {
		pool->retry_s = 0;
	} else if (!pool->dead && ret != -ENODEV) {
		delay = clamp(pool->retry_s, RETRY_MIN_S, RETRY_MAX_S);
		pool->retry_s = 2 * delay;
		queue_delayed_work(lwcg_wq, &pool->retry, delay * HZ);
	}
	spin_unlock(&pool->lock);
	return delay;
}

/**
 * lwcg_size_set() - LWCG_RESIZE
 * @client: a client with a pool
 * @arg: the argument, its fields not checked yet
 *
 * Context: Process context, does not sleep.
 * Return: 0 or an error of LWCG_RESIZE.
 */
int lwcg_size_set(struct client *client, const struct lwcg_resize *arg)
{
	struct pool *pool = lwcg_client_pool(client);
	int ret = 0;

	if (arg->target > LWCG_TARGET_MAX || arg->low_water > arg->target)
		return -EINVAL;

	spin_lock(&pool->lock);
	if (pool->dead) {
		ret = -ESHUTDOWN;
	} else {
		pool->target = arg->target;
		WRITE_ONCE(client->low_water, arg->low_water);
		if (pool->n_ready > pool->target)
			queue_work(lwcg_wq, &pool->trim);
	}
	spin_unlock(&pool->lock);

	if (!ret)
		lwcg_pool_refill(pool);
	return ret;
}
