// SPDX-License-Identifier: GPL-2.0-only
/*
 * A slot's life: made, ready, leased, recycled, ready again.  Each step is taken
 * by whoever holds the slot, and only one does at any time: the filler that makes
 * it, the pool's list, the client that leased it, the recycler.  So a slot needs
 * no lock of its own.
 */
#include "lwcg_internal.h"

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

/* ".lwcg-" and 20 digits */
#define READY_NAME_MAX 32

static atomic64_t last_id = ATOMIC64_INIT(0);

static void slot_ready_name(const struct slot *slot, char *name)
{
	snprintf(name, READY_NAME_MAX, ".lwcg-%llu", slot->id);
}

/* Called with css_set_lock held. */
static void slot_emptied(struct cgroup_pool_member *member)
{
	struct slot *slot = container_of(member, struct slot, member);

	lwcg_recycle_start(slot);
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
 * lwcg_slot_open() - open the directory of a leased slot, whatever is mounted there
 * @slot: the slot
 * @name: its name
 *
 * Its permissions are not checked: opening /dev/lwcg was the check.  Those of the
 * pool's directory are, of the caller's to search it.
 *
 * Context: Process context, takes the parent directory's inode lock if @name is not
 * cached.
 * Return: an open file, or ERR_PTR(-ENOENT) and what else a lookup may return.
 */
struct file *lwcg_slot_open(const struct slot *slot, const char *name)
{
	const struct path *parent = &slot->pool->dir;
	struct path path = {.mnt = parent->mnt};
	struct file *file;

	path.dentry = lookup_positive_unlocked(name, parent->dentry, strlen(name));
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);

	file = dentry_open(&path, O_RDONLY | O_DIRECTORY, current_cred());
	dput(path.dentry);
	return file;
}

/*
 * The directory is gone or about to go.  As after rmdir(2) nothing is mounted there any
 * more, and neither it nor what was looked up in it stays in the caches.
 */
static void slot_forget_dir(struct slot *slot)
{
	/* at once: the pool has the mount, so that this is not its last reference */
	if (slot->dir)
		__fput_sync(slot->dir);
	slot->dir = NULL;
	if (slot->dentry) {
		/* who has it open cannot look anything up in there any more */
		inode_set_flags(d_inode(slot->dentry), S_DEAD, S_DEAD);
		dont_mount(slot->dentry);
		d_invalidate(slot->dentry);
		/* which does nothing once somebody has looked for the old name */
		shrink_dcache_parent(slot->dentry);
		dput(slot->dentry);
	}
	slot->dentry = NULL;
}

/*
 * Open the directory of a new life, so that a launch need not: it would have to look
 * the name up, for which the parent's inode is locked, and to make an inode, a
 * dentry and a file.  Whoever leases the slot gets the file.
 */
static int slot_open_ahead(struct slot *slot)
{
	char name[READY_NAME_MAX];
	const struct cred *old;
	struct file *dir;

	slot_ready_name(slot, name);
	old = override_creds(slot->pool->cred);
	dir = lwcg_slot_open(slot, name);
	revert_creds(old);
	if (IS_ERR(dir))
		return PTR_ERR(dir);

	slot->dir = dir;
	slot->dentry = dget(file_dentry(dir));
	return 0;
}

/**
 * lwcg_slot_create() - make a slot and its cgroup
 * @pool: the pool that it will belong to; the caller adds it there
 *
 * Context: Process context, takes cgroup_mutex.
 * Return: the slot, or an ERR_PTR() as of cgroup_pool_create() and lwcg_slot_open(),
 * -EROFS.
 */
struct slot *lwcg_slot_create(struct pool *pool)
{
	unsigned long changes = cgroup_pool_changes();
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

	ret = slot_create_cgroup(slot);
	if (ret) {
		kfree(slot);
		return ERR_PTR(ret);
	}
	ret = slot_open_ahead(slot);
	if (ret) {
		lwcg_slot_destroy(slot);
		return ERR_PTR(ret);
	}
	lwcg_limits_expect(slot, changes);
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
	slot_forget_dir(slot);
	kfree(slot);
}

/**
 * lwcg_slot_close() - end the life that a slot is known by
 * @slot: a slot that was taken back and is empty
 *
 * Context: Process context, does not take cgroup_mutex.
 * Return: 0 or an error of cgroup_pool_close().
 */
int lwcg_slot_close(struct slot *slot)
{
	int ret = cgroup_pool_close(&slot->member);

	if (!ret)
		slot_forget_dir(slot);
	return ret;
}

/**
 * lwcg_slot_renew() - begin the next life of a slot, under another name and id
 * @slot: a slot that was taken back, is empty and closed
 *
 * Context: Process context, does not take cgroup_mutex.
 * Return: 0, or -EAGAIN of cgroup_pool_renew(): try again.  After any other error, one
 * of cgroup_pool_renew() or lwcg_slot_open() or -EROFS, it has to be removed.
 */
int lwcg_slot_renew(struct slot *slot)
{
	unsigned long changes = cgroup_pool_changes();
	struct pool *pool = slot->pool;
	char name[READY_NAME_MAX];
	const struct cred *old;
	u64 lease = slot->id;
	int ret;

	ret = mnt_want_write(pool->dir.mnt);
	if (ret)
		return ret;

	slot->id = atomic64_inc_return(&last_id);
	slot_ready_name(slot, name);
	old = override_creds(pool->cred);
	ret = cgroup_pool_renew(&slot->member, name);
	revert_creds(old);
	mnt_drop_write(pool->dir.mnt);
	if (ret) {
		slot->id = lease;
		return ret;
	}

	ret = slot_open_ahead(slot);
	if (!ret)
		lwcg_limits_expect(slot, changes);
	/* it has begun its next life: there is no trying again */
	return ret == -EAGAIN ? -EIO : ret;
}

/* Nobody was let in, and what its limits are is not known any more: as good as new. */
static bool slot_put_back(struct slot *slot)
{
	char name[READY_NAME_MAX];

	slot_ready_name(slot, name);
	if (cgroup_pool_rename(&slot->member, name))
		return false;

	lwcg_pool_unpop(slot);
	return true;
}

/**
 * lwcg_slot_lease() - turn a slot popped from its pool into a tenant's cgroup
 * @slot: the slot
 * @arg: the tenant's name and limits, checked
 *
 * On error the slot is back in the pool, or recycled when it has got limits.
 *
 * Context: Process context, does not take cgroup_mutex nor the parent's inode lock.
 * Return: the cgroup's open directory, or an ERR_PTR(): -EEXIST if the name is
 * taken, and as of lwcg_limits_apply().
 */
struct file *lwcg_slot_lease(struct slot *slot, const struct lwcg_acquire *arg)
{
	struct limits limits = lwcg_limits_of(arg);
	struct file *dir;
	int ret;

	ret = cgroup_pool_rename(&slot->member, arg->name);
	if (ret) {
		lwcg_pool_unpop(slot);
		return ERR_PTR(ret);
	}
	/* nobody is let in before the limits are there */
	ret = lwcg_limits_apply(slot, &limits);
	if (ret == -ERESTARTNOINTR && slot_put_back(slot))
		return ERR_PTR(ret);

	cgroup_pool_lease(&slot->member);
	lwcg_pool_refill(slot->pool);
	if (ret) {
		lwcg_slot_recycle(slot);
		return ERR_PTR(ret);
	}

	dir = slot->dir;
	slot->dir = NULL;
	return dir;
}

/**
 * lwcg_slot_recycle() - take a leased slot back, without waiting
 * @slot: the slot, which the caller must not touch any more
 *
 * The tenant's name is free on return, and the tenant is dying; the rest happens
 * in the background.  Until it has happened the module cannot be unloaded.
 *
 * Context: Process context, does not take cgroup_mutex.  The caller holds a
 * reference on the module.
 */
void lwcg_slot_recycle(struct slot *slot)
{
	struct pool *pool = slot->pool;
	char name[READY_NAME_MAX];
	u64 since;
	int ret;

	slot->ended = ktime_get_ns();
	__module_get(THIS_MODULE);
	lwcg_pool_get(pool);
	since = pool_lock(pool);
	pool->n_leased--;
	pool->n_recycling++;
	pool_unlock(pool, since);

	slot_ready_name(slot, name);
	ret = cgroup_pool_rename(&slot->member, name);
	if (ret)
		pr_warn_ratelimited("slot %llu keeps its name until it is recycled: error %d\n",
				    slot->id, ret);

	if (cgroup_is_populated(slot->member.cgrp))
		pool_count(pool, COUNT_KILLS);
	cgroup_pool_kill(&slot->member);
}
