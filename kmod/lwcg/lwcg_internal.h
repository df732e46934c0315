/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of lwcg share.
 *
 *   main.c     load and unload
 *   chardev.c  /dev/lwcg: arguments in, results out
 *   client.c   one open file description: its pool and its leases
 *   pool.c     the stock of slots below one parent cgroup
 *   slot.c     one cgroup, from its making to its removal
 *   limit.c    control files below a slot
 *   name.c     which names a tenant may ask for
 *
 * Lock order, outermost first; Documentation/lwcg.rst explains it:
 *
 *   pools_mutex > pool.fill_mutex > cgroup_mutex > css_set_lock > workqueue
 *   pool.lock > workqueue; pool.lock is held for a few list operations
 */
#ifndef LWCG_INTERNAL_H
#define LWCG_INTERNAL_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kconfig.h>

#ifndef CONFIG_CGROUP_POOL
#error "lwcg needs a kernel with CONFIG_CGROUP_POOL=y: apply kernel/patches/host and enable it"
#endif

#include <linux/cgroup_pool.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/lwcg.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct cred;
struct file;

/**
 * struct pool - the slots below one parent cgroup
 * @ref: one for the list of pools, one for each bound client, one for each slot
 *	being recycled
 * @node: in the list of pools, under pools_mutex
 * @parent: the parent cgroup, referenced
 * @dir: how the parent was reached: slots' files are opened through this mount
 * @cred: who made the pool; the slots' directories belong to them
 * @wait: woken when @n_ready falls, @n_recycling falls or @dead is set
 * @fill_mutex: held while a slot is added, so that fillers do not overshoot
 * @fill: brings the pool back to its target in the background
 * @lock: protects everything below, and the leases of all clients of this pool.
 *	Short: nothing is allocated, created or searched linearly under it
 * @ready: slots that can be leased, the most recently added first
 * @target: slots to keep ready
 * @n_ready: length of @ready
 * @n_leased: slots handed out
 * @n_recycling: slots being emptied or removed after a lease
 * @acquired: leases given so far
 * @retired: slots removed after a lease so far
 * @dead: drained; nothing is added or leased from here on
 */
struct pool {
	struct kref ref;
	struct list_head node;
	struct cgroup *parent;
	struct path dir;
	const struct cred *cred;
	wait_queue_head_t wait;
	struct mutex fill_mutex; /* one filler adds at a time */
	struct work_struct fill;

	spinlock_t lock; /* protects what follows, and clients' leases */
	struct list_head ready;
	u32 target;
	u32 n_ready;
	u32 n_leased;
	u32 n_recycling;
	u64 acquired;
	u64 retired;
	bool dead;
};

/**
 * struct slot - one cgroup
 * @member: its face to the cgroup core
 * @pool: the pool it was made for
 * @id: unique until the machine restarts; the ready slot's name contains it
 * @list: in pool->ready
 * @node: in client->leases while leased
 * @recycle: kills the tenant, and when the cgroup is empty removes it
 * @killed: @recycle has done its first part
 */
struct slot {
	struct cgroup_pool_member member;
	struct pool *pool;
	u64 id;
	struct list_head list;
	struct rb_node node;
	struct work_struct recycle;
	bool killed;
};

/**
 * struct client - one open file description of /dev/lwcg
 * @pool: set once, by the first LWCG_POOL; NULL before
 * @leases: slots leased through this file by id, under pool->lock
 * @low_water: poll() reports EPOLLIN while fewer slots are ready
 */
struct client {
	struct pool *pool;
	struct rb_root leases;
	u32 low_water;
};

extern struct workqueue_struct *lwcg_wq;

int lwcg_chardev_init(void);
void lwcg_chardev_exit(void);

struct client *lwcg_client_create(void);
void lwcg_client_destroy(struct client *client);
struct pool *lwcg_client_pool(const struct client *client);
void lwcg_client_add(struct client *client, struct slot *slot);
int lwcg_client_end_lease(struct client *client, u64 id);

int lwcg_pool_bind(struct client *client, const struct lwcg_pool *arg);
struct slot *lwcg_pool_pop(struct pool *pool);
void lwcg_pool_unpop(struct slot *slot);
void lwcg_pool_refill(struct pool *pool);
void lwcg_pool_retired(struct pool *pool);
void lwcg_pool_info(struct pool *pool, struct lwcg_info *info);
int lwcg_pool_drain(struct pool *pool);
void lwcg_pool_get(struct pool *pool);
void lwcg_pool_put(struct pool *pool);
void lwcg_pools_destroy(void);

struct slot *lwcg_slot_create(struct pool *pool);
void lwcg_slot_destroy(struct slot *slot);
struct file *lwcg_slot_lease(struct slot *slot, const struct lwcg_acquire *arg);
void lwcg_slot_recycle(struct slot *slot);

struct file *lwcg_file_open(const struct path *dir, const char *name, int flags);
int lwcg_limits_apply(const struct path *dir, const struct lwcg_acquire *arg);

int lwcg_name_check(const char *name, size_t size);

#endif /* LWCG_INTERNAL_H */
