// SPDX-License-Identifier: GPL-2.0-only
/*
 * A slot's life: made, ready, leased, recycled.  Each step is taken by whoever
 * holds the slot, and only one does at any time: the filler that makes it, the
 * pool's list, the client that leased it, the recycler.  So a slot needs no
 * lock of its own.
 *
 * A slot has one tenant at most: recycling removes the cgroup.
 */
#include "lwcg_internal.h"

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/slab.h>

/* ".lwcg-" and 20 digits */
#define READY_NAME_MAX 32

static atomic64_t last_id = ATOMIC64_INIT(0);

static void slot_ready_name(const struct slot *slot, char *name)
{
	snprintf(name, READY_NAME_MAX, ".lwcg-%llu", slot->id);
}

/*
 * Runs twice: first to kill the tenant, then, queued by slot_emptied(), to
 * remove the cgroup.  It is one work item so that the two cannot overlap.
 */
static void slot_recycle_work(struct work_struct *work)
{
	struct slot *slot = container_of(work, struct slot, recycle);
	struct pool *pool = slot->pool;

	if (!slot->killed) {
		slot->killed = true;
		cgroup_pool_kill(&slot->member);
		/* the slot may be gone */
		return;
	}

	lwcg_slot_destroy(slot);
	lwcg_pool_retired(pool);
	lwcg_pool_put(pool);
	/* unloading waits for the workqueue, and so for the return from here */
	module_put(THIS_MODULE);
}

/* Called with css_set_lock held. */
static void slot_emptied(struct cgroup_pool_member *member)
{
	struct slot *slot = container_of(member, struct slot, member);

	queue_work(lwcg_wq, &slot->recycle);
}

/* Create the directory with the rights of the pool's maker, on a writable mount. */
static int slot_create_cgroup(struct slot *slot)
{
	struct pool *pool = slot->pool;
	char name[READY_NAME_MAX];
	const struct cred *old;
	int ret;

	ret = mnt_want_write(pool->dir.mnt);
	if (ret)
		return ret;

	slot_ready_name(slot, name);
	old = override_creds(pool->cred);
	ret = cgroup_pool_create(&slot->member, pool->parent, name);
	revert_creds(old);
	mnt_drop_write(pool->dir.mnt);
	return ret;
}

/**
 * lwcg_slot_create() - make a slot and its cgroup
 * @pool: the pool that it will belong to; the caller adds it there
 *
 * Context: Process context, takes cgroup_mutex.
 * Return: the slot, or an ERR_PTR() as of cgroup_pool_create(), -EROFS.
 */
struct slot *lwcg_slot_create(struct pool *pool)
{
	struct slot *slot;
	int ret;

	slot = kzalloc(sizeof(*slot), GFP_KERNEL);
	if (!slot)
		return ERR_PTR(-ENOMEM);

	slot->member.emptied = slot_emptied;
	slot->pool = pool;
	slot->id = atomic64_inc_return(&last_id);
	INIT_LIST_HEAD(&slot->list);
	RB_CLEAR_NODE(&slot->node);
	INIT_WORK(&slot->recycle, slot_recycle_work);

	ret = slot_create_cgroup(slot);
	if (ret) {
		kfree(slot);
		return ERR_PTR(ret);
	}
	return slot;
}

/**
 * lwcg_slot_destroy() - remove a slot and its cgroup
 * @slot: a slot that is on no list and has no processes
 *
 * Context: Process context, takes cgroup_mutex.
 */
void lwcg_slot_destroy(struct slot *slot)
{
	/* there are neither processes nor children; nothing else is an error */
	WARN_ON_ONCE(cgroup_pool_destroy(&slot->member));
	kfree(slot);
}

/**
 * lwcg_slot_lease() - turn a slot popped from its pool into a tenant's cgroup
 * @slot: the slot
 * @arg: the tenant's name and limits, checked
 *
 * On error the slot is back in the pool, or recycled when it was changed.
 *
 * Context: Process context, does not take cgroup_mutex.
 * Return: the cgroup's open directory, or an ERR_PTR(): -EEXIST if the name is
 * taken, and as of lwcg_limits_apply() and lwcg_file_open().
 */
struct file *lwcg_slot_lease(struct slot *slot, const struct lwcg_acquire *arg)
{
	struct file *dir;
	int ret;

	ret = cgroup_pool_rename(&slot->member, arg->name);
	if (ret) {
		lwcg_pool_unpop(slot);
		return ERR_PTR(ret);
	}
	cgroup_pool_lease(&slot->member);
	lwcg_pool_refill(slot->pool);

	dir = lwcg_file_open(&slot->pool->dir, arg->name, O_RDONLY | O_DIRECTORY);
	if (IS_ERR(dir)) {
		ret = PTR_ERR(dir);
		goto err_recycle;
	}

	ret = lwcg_limits_apply(&dir->f_path, arg);
	if (ret)
		goto err_dir;

	return dir;

err_dir:
	fput(dir);
err_recycle:
	lwcg_slot_recycle(slot);
	return ERR_PTR(ret);
}

/**
 * lwcg_slot_recycle() - take a leased slot back, without waiting
 * @slot: the slot, which the caller must not touch any more
 *
 * The tenant's name is free on return, the rest happens in the background.  Until
 * it has happened the module cannot be unloaded.
 *
 * Context: Process context, does not take cgroup_mutex.  The caller holds a
 * reference on the module.
 */
void lwcg_slot_recycle(struct slot *slot)
{
	struct pool *pool = slot->pool;
	char name[READY_NAME_MAX];
	int ret;

	__module_get(THIS_MODULE);
	lwcg_pool_get(pool);
	spin_lock(&pool->lock);
	pool->n_leased--;
	pool->n_recycling++;
	spin_unlock(&pool->lock);

	slot_ready_name(slot, name);
	ret = cgroup_pool_rename(&slot->member, name);
	if (ret)
		pr_warn_ratelimited("slot %llu keeps its name until it is removed: error %d\n",
				    slot->id, ret);

	queue_work(lwcg_wq, &slot->recycle);
}
