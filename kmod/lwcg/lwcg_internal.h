/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of lwcg share.
 *
 *   main.c     load and unload
 *   chardev.c  /dev/lwcg: arguments in, results out
 *   client.c   one open file description: its pool and its leases
 *   orphan.c   persistent leases that outlive their file
 *   pool.c     the stock of slots below one parent cgroup
 *   size.c     its target: up, down, and again after a failure
 *   stats.c    counters and histograms; trace.c the tracepoints
 *   slot.c     one cgroup, from its making to its removal
 *   recycle.c  what happens to a slot between two leases
 *   limit.c    what a slot is limited to
 *   name.c     which names a tenant may ask for
 *
 * Lock order, outermost first; Documentation/lwcg.rst explains it:
 *
 *   pools_mutex > pool.fill_mutex > cgroup_mutex > css_set_lock > workqueue
 *   pool.fill_mutex > the parent directory's i_rwsem, namespace_sem
 *   pool.lock > workqueue; pool.lock is held for a few list operations
 *
 * Two workqueues: lwcg_wq for what takes cgroup_mutex, and lwcg_recycle_wq for
 * what must not wait for that.
 */
#ifndef LWCG_INTERNAL_H
#define LWCG_INTERNAL_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kconfig.h>

#ifndef CONFIG_CGROUP_POOL
#error "lwcg needs a kernel with CONFIG_CGROUP_POOL=y: apply kernel/patches/host and enable it"
#endif

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/cgroup_pool.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/lwcg.h>
#include <linux/math.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/sched/clock.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct client;
struct cred;
struct dentry;
struct file;

/* What a pool counts on each CPU; the rest of struct lwcg_stats is in struct pool. */
enum pool_count {
	COUNT_ACQUIRE_EAGAIN,
	COUNT_ACQUIRE_FAILED,
	COUNT_ADOPTED,
	COUNT_ORPHANED,
	COUNT_RELEASED,
	COUNT_KILLS,
	COUNT_RECYCLED,
	COUNT_REFILLED,
	COUNT_REFILL_FAILED,
	COUNT_TRIMMED,
	NR_COUNTS,
};

/* What a pool measures; see the histograms of struct lwcg_stats. */
enum pool_time {
	TIME_ACQUIRE,
	TIME_RELEASE,
	TIME_RECYCLE,
	TIME_LOCK,
	NR_TIMES,
};

/**
 * struct pool_stats - the statistics of a pool on one CPU
 * @counts: by enum pool_count
 * @times: by enum pool_time, log2 buckets of nanoseconds
 */
struct pool_stats {
	u64 counts[NR_COUNTS];
	u64 times[NR_TIMES][LWCG_HIST_BUCKETS];
};

/*
 * Limits of a slot, as in struct lwcg_acquire but for a period that is given, and
 * memory.oom.group.
 */
struct limits {
	u64 memory_max;
	u64 cpu_quota_us;
	u64 cpu_period_us;
	u64 pids_max;
	bool oom_group;
};

/**
 * struct pool - the slots below one parent cgroup
 * @ref: one for the list of pools, one for each bound client, one for each slot
 *	being recycled, one for @recycle when it is queued; the latter two come with
 *	one on the module
 * @node: in the list of pools, under pools_mutex
 * @parent: the parent cgroup, referenced
 * @cgroup1: the parent is on a hierarchy of cgroup v1
 * @dir: how the parent was reached: slots' files are opened through this mount
 * @cred: who made the pool; the slots' directories belong to them
 * @wait: woken when @n_ready falls, @n_recycling falls or @dead is set
 * @fill_mutex: held while a slot is added, so that fillers do not overshoot
 * @fill: brings the pool back to its target in the background
 * @retry: starts @fill again some time after it failed
 * @trim: removes ready slots in excess of the target
 * @stats: counters and histograms of each CPU, so that keeping them shares nothing
 * @recycle: prepares the slots of the next three for another lease
 * @emptied: slots handed to it
 * @open: slots that are empty but not closed yet; used by @recycle alone
 * @waiting: slots whose last life is not over yet; used by @recycle alone
 * @n_coming: slots that are empty and not given up: they will be ready before long
 * @leased_at: when a slot was leased last, jiffies; a hint
 * @lock: protects everything below, and the leases of all clients of this pool.
 *	Short: nothing is allocated, created or searched linearly under it
 * @ready: slots that can be leased, the most recently added first
 * @target: slots to keep ready
 * @n_ready: length of @ready
 * @n_leased: slots handed out, orphans included
 * @n_orphans: persistent leases that no file holds; each has a reference on the
 *	pool and one on the module
 * @n_recycling: slots being emptied, prepared or removed after a lease
 * @acquired: leases given so far
 * @retired: slots removed after a lease so far
 * @recycled: slots made ready again after a lease so far
 * @names: persistent leases by name, orphans or not
 * @expected: the limits of the latest lease, which the next one may want as well
 * @retry_s: how long @retry waits the next time, seconds; 0 after a success
 * @dead: drained; nothing is added or leased from here on
 */
struct pool {
	struct kref ref;
	struct list_head node;
	struct cgroup *parent;
	bool cgroup1;
	struct path dir;
	const struct cred *cred;
	wait_queue_head_t wait;
	struct mutex fill_mutex; /* one filler adds at a time */
	struct work_struct fill;
	struct delayed_work retry;
	struct work_struct trim;
	struct pool_stats __percpu *stats;
	struct delayed_work recycle;
	struct llist_head emptied;
	struct list_head open;
	struct list_head waiting;
	atomic_t n_coming;
	unsigned long leased_at;

	spinlock_t lock; /* protects what follows, and clients' leases */
	struct list_head ready;
	u32 target;
	u32 n_ready;
	u32 n_leased;
	u32 n_orphans;
	u32 n_recycling;
	u64 acquired;
	u64 retired;
	u64 recycled;
	struct rb_root names;
	struct limits expected;
	unsigned int retry_s;
	bool dead;
};

/* How far a slot is on its way from one lease to the next. */
enum slot_state {
	SLOT_EMPTIED,	/* nobody is in there, but there may still be somebody watching */
	SLOT_CLOSED,	/* nobody can find it; what it was used for has to wear off */
	SLOT_RECLAIMED,	/* the same, and memory was reclaimed */
};

/**
 * struct slot - one cgroup
 * @member: its face to the cgroup core
 * @pool: the pool it was made for
 * @id: unique until the machine restarts; the ready slot's name contains it.
 *	Each life has its own
 * @list: in pool->ready, or in a list of the recycler
 * @node: in client->leases while leased
 * @emptied: in pool->emptied
 * @due: when the recycler tries again, or got it, jiffies
 * @delay: how long it waits the next time, jiffies
 * @state: what the recycler has done so far
 * @why: the error that kept it from being used again, or 0
 * @work: reclaims its memory, or removes the cgroup
 * @name: the lease's name
 * @persistent: the lease outlives its file
 * @by_name: in pool->names while leased and @persistent
 * @client: who holds a lease that is @persistent, NULL for an orphan; under
 *	pool->lock
 * @dir: the directory of its life, opened in advance; the lease takes it.  NULL then
 * @dentry: of the same directory: what the kernel has cached of it goes with it
 * @limits: what its control files say, if @limits_known and nobody but the pool has
 *	touched them: cgroup_pool_changes() is still @changes
 * @changes: see @limits
 * @limits_known: see @limits
 * @ended: when the lease ended, ktime_get_ns()
 */
struct slot {
	struct cgroup_pool_member member;
	struct pool *pool;
	u64 id;
	struct list_head list;
	struct rb_node node;
	struct llist_node emptied;
	unsigned long due;
	unsigned long delay;
	enum slot_state state;
	int why;
	struct work_struct work;
	char name[LWCG_NAME_MAX];
	bool persistent;
	struct rb_node by_name;
	struct client *client;
	struct file *dir;
	struct dentry *dentry;
	struct limits limits;
	unsigned long changes;
	bool limits_known;
	u64 ended;
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
extern struct workqueue_struct *lwcg_recycle_wq;

/* With so few slots ready there may be none left before long. */
static inline u32 lwcg_pool_hurry_mark(const struct pool *pool)
{
	return DIV_ROUND_UP(pool->target, 4);
}

static inline void pool_count(struct pool *pool, enum pool_count what)
{
	this_cpu_inc(pool->stats->counts[what]);
}

static inline void pool_time(struct pool *pool, enum pool_time what, u64 ns)
{
	unsigned int bucket = fls64(ns | 1) - 1;

	this_cpu_inc(pool->stats->times[what][min(bucket, LWCG_HIST_BUCKETS - 1)]);
}

/*
 * Take pool->lock where a launch passes, and measure how long it is held.  The
 * clock is the CPU's own: whoever holds a spinlock stays on its CPU.
 */
static inline u64 pool_lock(struct pool *pool) __acquires(&pool->lock)
{
	spin_lock(&pool->lock);
	return local_clock();
}

static inline void pool_unlock(struct pool *pool, u64 since) __releases(&pool->lock)
{
	u64 ns = local_clock() - since;

	spin_unlock(&pool->lock);
	pool_time(pool, TIME_LOCK, ns);
}

int lwcg_chardev_init(void);
void lwcg_chardev_exit(void);

struct client *lwcg_client_create(void);
void lwcg_client_destroy(struct client *client);
struct pool *lwcg_client_pool(const struct client *client);
void lwcg_client_add(struct client *client, struct slot *slot, const struct lwcg_acquire *arg);
void lwcg_client_add_adopted(struct client *client, struct slot *slot);
int lwcg_client_end_lease(struct client *client, u64 id);
void lwcg_lease_end(struct slot *slot);

void lwcg_name_add(struct slot *slot);
void lwcg_name_del(struct slot *slot);
void lwcg_orphan_keep(struct slot *slot);
struct slot *lwcg_orphan_take(struct client *client, const char *name);
void lwcg_orphans_end(struct rb_root *orphans);

int lwcg_pool_bind(struct client *client, const struct lwcg_pool *arg);
struct slot *lwcg_pool_pop(struct pool *pool);
void lwcg_pool_unpop(struct slot *slot);
void lwcg_pool_refill(struct pool *pool);
bool lwcg_pool_recycled(struct slot *slot, u64 lease);
void lwcg_pool_retired(struct pool *pool, u64 id, u64 ended, int why);
void lwcg_pool_info(struct pool *pool, struct lwcg_info *info);
int lwcg_pool_drain(struct pool *pool, bool end_orphans);
void lwcg_pool_get(struct pool *pool);
void lwcg_pool_put(struct pool *pool);
void lwcg_pools_destroy(void);

int lwcg_size_set(struct client *client, const struct lwcg_resize *arg);
unsigned int lwcg_size_filled(struct pool *pool, int ret);
void lwcg_size_init(struct pool *pool);
void lwcg_size_cancel(struct pool *pool);

void lwcg_stats_acquire(struct pool *pool, const struct lwcg_acquire *arg, u64 start, int ret);
void lwcg_stats_adopt(struct pool *pool, const struct lwcg_adopt *arg, u64 start, int ret);
void lwcg_stats_release(struct pool *pool, u64 id, const char *name, u64 start);
void lwcg_stats_recycled(struct pool *pool, u64 id, u64 ended);
void lwcg_stats_retired(struct pool *pool, u64 id, u64 ended, int why);
void lwcg_stats_refill(struct pool *pool, u32 made, u64 start, int ret);
void lwcg_stats_read(struct pool *pool, struct lwcg_stats *stats);

struct slot *lwcg_slot_create(struct pool *pool);
void lwcg_slot_destroy(struct slot *slot);
int lwcg_slot_close(struct slot *slot);
int lwcg_slot_renew(struct slot *slot);
struct file *lwcg_slot_open(const struct slot *slot, const char *name);
struct file *lwcg_slot_lease(struct slot *slot, const struct lwcg_acquire *arg);
void lwcg_slot_recycle(struct slot *slot);

void lwcg_recycle_init(struct pool *pool);
void lwcg_recycle_start(struct slot *slot);
void lwcg_recycle_hurry(struct pool *pool);

struct limits lwcg_limits_none(void);
struct limits lwcg_limits_of(const struct lwcg_acquire *arg);
int lwcg_limits_apply(struct slot *slot, const struct limits *want);
void lwcg_limits_expect(struct slot *slot, unsigned long changes);

int lwcg_name_check(const struct pool *pool, const char *name, size_t size);

#endif /* LWCG_INTERNAL_H */
