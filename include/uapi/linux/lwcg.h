/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/lwcg: leases on ready-made cgroups.  This comment is the specification.
 *
 * Concepts
 *
 *   pool    A stock of empty cgroups ("slots") below one parent cgroup, which
 *           is a directory of the cgroup v2 hierarchy or of one of cgroup v1.
 *           There is at most one pool a parent.  Background workers keep about
 *           @target slots ready: they make new ones when a quarter is neither
 *           ready nor on its way back from a lease, or when no more than an
 *           eighth is ready, and keep up to twice @target of those that come back.
 *   slot    A cgroup owned by the pool.  While it is ready its directory is
 *           named ".lwcg-<number>", every write to its files and every attempt
 *           to put a process into it fails with EBUSY.  Ready or leased,
 *           others can neither remove it, nor make cgroups below it, nor write
 *           its cgroup.type or cgroup.subtree_control (EBUSY).
 *   lease   The right to use one slot under a name of one's own.  It belongs
 *           to the open file description on which LWCG_ACQUIRE was called: a
 *           descriptor inherited over fork() or passed over a socket keeps it.
 *           It ends with LWCG_RELEASE, or with the last close() of the
 *           description, however that comes about.
 *   orphan  A lease that was acquired as persistent and whose description was
 *           closed.  The tenant goes on; the pool keeps the lease until it is
 *           adopted by name (LWCG_ADOPT) or ended with all other orphans of
 *           the pool (LWCG_DRAIN_ORPHANS).
 *
 * When a lease ends, the name is free again at once, and everything in the
 * cgroup is being killed.  When nothing is left that belonged to the tenant, the
 * slot is recycled in the background, at the latest about a second later if there
 * are launches all the time: it gets a new directory, with another
 * cgroup id, and every controller file is as mkdir(2) would have made it; what
 * the tenant left open returns ENODEV.  A slot of which something is still in use
 * after about four seconds, or to which something was done that cannot be undone,
 * retires: it is removed and a new one takes its place.
 *
 * cgroup v1
 *
 *   The hierarchy may have any controllers, but slots are used again only where all
 *   of them can start over: cpu, cpuacct, cpuset, blkio, memory, freezer, pids, misc
 *   and perf_event.  Slots have the cpuset.cpus and cpuset.mems of the parent from
 *   when they were made.  What is different from cgroup v2:
 *
 *   - CLONE_INTO_CGROUP is not possible.  The child attaches itself by writing "0"
 *     to the file "tasks" in the leased directory before it does anything else.  This
 *     takes the kernel's cgroup_mutex, but not cgroup_threadgroup_rwsem for write as
 *     a write to cgroup.procs does;
 *   - limits are written to memory.limit_in_bytes, cpu.cfs_quota_us and
 *     cpu.cfs_period_us, and pids.max.  A quota larger in relation to its period
 *     than the parent's is rejected (EINVAL).  There is no memory.oom.group: running
 *     out of memory kills one process;
 *   - rename(2) of a slot by others fails with EBUSY, ready or leased;
 *   - a name must not be tasks, notify_on_release or release_agent, nor
 *     "X.anything" with X being blkio, cpuacct, devices, freezer, net_cls or
 *     net_prio;
 *   - a tenant that an ancestor's freezer.state has frozen does not die before that
 *     is thawed.  Its own freezer.state does not matter.
 *
 *   LWCG_INFO tells which of the two a pool belongs to.
 *
 * The device
 *
 *   Mode 0600.  open(2) needs CAP_SYS_ADMIN in the initial user namespace
 *   (EPERM); having the device open is the authority for everything below.
 *   The module cannot be unloaded while the device is open, there is an orphan
 *   or a cgroup is still being emptied.  A pool lives until LWCG_DRAIN or until
 *   the module is unloaded, whether or not a file is bound to it, and keeps the
 *   mount busy through which its parent was opened.  Its slots keep the parent
 *   from being removed.  Without any, after LWCG_RESIZE to 0 or when none could be
 *   made, the parent can be removed: the pool then stays empty, and another
 *   cgroup of the same name gets another pool.
 *
 * Arguments
 *
 *   Every ioctl takes a pointer to a structure that begins with two 32-bit words:
 *
 *       size            sizeof() the structure as the caller knows it
 *       flags           LWCG_<ioctl>_*; must be zero where none is defined
 *
 *   A caller may know a shorter or a longer structure than the kernel.  What
 *   the caller does not pass counts as zero and is not written back; what the
 *   kernel does not know must be zero.  Fields called reserved must be zero.
 *   All ioctls share these errors:
 *
 *   EFAULT   the structure cannot be read or written
 *   EINVAL   @size is below the structure's first version (LWCG_*_SIZE_V1), a
 *            flag is unknown, or a reserved field is not zero
 *   E2BIG    there are non-zero bytes past what this kernel knows, or @size is
 *            more than a page
 *   ENOTTY   the ioctl is unknown
 *   ENOTCONN the file is not bound to a pool by LWCG_POOL (not LWCG_INFO)
 *   ESHUTDOWN the pool was drained; open the device again (LWCG_POOL,
 *            LWCG_ACQUIRE, LWCG_DRAIN, LWCG_ADOPT, LWCG_RESIZE)
 *
 * poll(2), after LWCG_POOL
 *
 *   EPOLLIN   fewer than @low_water slots, and fewer than the target, are ready
 *             in the pool of this file
 *   EPOLLHUP  the pool was drained
 *   EPOLLERR  the file is not bound to a pool
 */
#ifndef _UAPI_LINUX_LWCG_H
#define _UAPI_LINUX_LWCG_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Changes when a rule above changes; new fields and ioctls do not change it. */
#define LWCG_ABI_VERSION 1

#define LWCG_DEVICE "/dev/lwcg"

/* Longest name of a leased cgroup, with its terminating NUL. */
#define LWCG_NAME_MAX 64

/* The most slots one pool keeps ready. */
#define LWCG_TARGET_MAX 16384

/* "No limit" in every limit of struct lwcg_acquire. */
#define LWCG_MAX (~(__u64)0)

/*
 * The size is part of the argument and not of the number, so that structures
 * can grow: _IO, not _IOWR.
 */
#define LWCG_IOC     0xC1
#define LWCG_POOL    _IO(LWCG_IOC, 0x00)
#define LWCG_ACQUIRE _IO(LWCG_IOC, 0x01)
#define LWCG_RELEASE _IO(LWCG_IOC, 0x02)
#define LWCG_INFO    _IO(LWCG_IOC, 0x03)
#define LWCG_DRAIN   _IO(LWCG_IOC, 0x04)
#define LWCG_ADOPT   _IO(LWCG_IOC, 0x05)
#define LWCG_RESIZE  _IO(LWCG_IOC, 0x06)
#define LWCG_STATS   _IO(LWCG_IOC, 0x07)

/* In lwcg_pool.flags: bind to the pool that there is, make none. */
#define LWCG_POOL_EXISTING (1u << 0)

/* In lwcg_acquire.flags: when this file is closed the lease becomes an orphan. */
#define LWCG_ACQUIRE_PERSISTENT (1u << 0)

/* In lwcg_drain.flags: end orphans instead of refusing to drain because of them. */
#define LWCG_DRAIN_ORPHANS (1u << 0)

/* Buckets of a histogram in struct lwcg_stats. */
#define LWCG_HIST_BUCKETS 32

/**
 * struct lwcg_pool - LWCG_POOL: bind this file to the pool of a parent cgroup
 * @size: sizeof(struct lwcg_pool)
 * @flags: LWCG_POOL_EXISTING or zero
 * @parent_fd: a directory of cgroup v2 or v1; O_PATH is enough
 * @target: slots to keep ready, 1 to LWCG_TARGET_MAX; with LWCG_POOL_EXISTING zero
 * @low_water: poll() reports this file readable while fewer are ready; at most
 *	@target (LWCG_TARGET_MAX with LWCG_POOL_EXISTING), 0 for never
 * @reserved: zero
 *
 * Makes the pool if the parent has none.  The pool's target is the largest that
 * was asked for since it was made or resized.  A call that makes the pool or raises
 * its target returns when the target has been reached, any other as soon as one slot
 * is ready; the rest follows in the background.  May be repeated on a bound file,
 * for the same parent.
 *
 * With LWCG_POOL_EXISTING it only binds the file: it makes no pool, leaves the
 * target as it is and waits for nothing.
 *
 * In the background, slots that cannot be made are tried again after a second, then
 * after twice as long each time, up to 30 seconds, and with every LWCG_ACQUIRE,
 * unless the parent was removed.
 *
 * On cgroup v1 the parent needs cpuset.cpus and cpuset.mems before this call, if
 * cpuset is there: slots have what it had when they were made, and attaching to one
 * that has none fails with ENOSPC.
 *
 * EBADF @parent_fd is not open or not a directory of a cgroup hierarchy;
 * EINVAL @target or @low_water out of range;
 * ENOENT LWCG_POOL_EXISTING was given and the parent has no pool;
 * EBUSY the file is bound to the pool of another parent;
 * EACCES, EROFS the caller may not make directories in @parent_fd;
 * ENODEV the parent was removed; EOPNOTSUPP the parent is threaded;
 * EAGAIN the parent's or an ancestor's cgroup.max.descendants or
 * cgroup.max.depth is reached; EINTR killed while waiting; ENOMEM;
 * ENFILE the system's limit of open files is reached (each ready slot is one).
 * After an error in filling, the file is bound and the slots made so far stay.
 */
struct lwcg_pool {
	__u32 size;
	__u32 flags;
	__s32 parent_fd;
	__u32 target;
	__u32 low_water;
	__u32 reserved;
};

/**
 * struct lwcg_acquire - LWCG_ACQUIRE: lease a slot under a name, with limits
 * @size: sizeof(struct lwcg_acquire)
 * @flags: LWCG_ACQUIRE_PERSISTENT or zero
 * @name: what the directory below the parent is to be called:
 *	[a-zA-Z0-9][a-zA-Z0-9_.-]*, terminated by a NUL, and not "X.anything"
 *	with X being cgroup or a controller (cpu, cpuset, io, memory, hugetlb,
 *	pids, rdma, misc, dmem, irq, perf_event, debug), which are control files
 * @memory_max: memory.max in bytes (rounded down to pages), or LWCG_MAX
 * @cpu_quota_us: CPU time a period, microseconds, or LWCG_MAX (cpu.max)
 * @cpu_period_us: the period, 1000 to 1000000; 0 is taken as 100000; ignored
 *	without @cpu_quota_us
 * @pids_max: pids.max, or LWCG_MAX
 * @slot_id: written: names the lease in LWCG_RELEASE; never used twice
 * @cgroup_id: written: the cgroup's id (inode number of the directory)
 * @dir_fd: written: the directory, O_RDONLY|O_CLOEXEC, for openat(2) and
 *	clone3(2) with CLONE_INTO_CGROUP (cgroup v2).  It was opened before the slot had this
 *	name: until somebody looks @name up, /proc/<pid>/fd shows the ready slot's
 * @reserved: zero
 *
 * Where the memory controller is enabled, memory.oom.group is set to 1: running
 * out of memory kills the tenant as a whole.  "cgroup v1" above says what is different
 * there.
 *
 * EAGAIN no slot is ready: the pool is being refilled; wait for @ready in
 * LWCG_INFO or raise @target, or make a cgroup of one's own meanwhile;
 * EINVAL the name is malformed, or the controller rejects a limit;
 * EEXIST the name is taken;
 * EOPNOTSUPP a limit was given whose controller is not enabled in the parent's
 * cgroup.subtree_control or, on cgroup v1, not on the hierarchy; EMFILE, ENOMEM.
 */
struct lwcg_acquire {
	__u32 size;
	__u32 flags;
	char name[LWCG_NAME_MAX];
	__u64 memory_max;
	__u64 cpu_quota_us;
	__u64 cpu_period_us;
	__u64 pids_max;
	__u64 slot_id;
	__u64 cgroup_id;
	__s32 dir_fd;
	__u32 reserved;
};

/**
 * struct lwcg_release - LWCG_RELEASE: end a lease
 * @size: sizeof(struct lwcg_release)
 * @flags: zero
 * @slot_id: from LWCG_ACQUIRE or LWCG_ADOPT
 *
 * Ends a persistent lease too.  Returns before the processes are dead; LWCG_INFO
 * counts the slot as recycling until they are.  Read what is to be read
 * (memory.events, cpu.stat) before.
 *
 * ENOENT this open file description holds no such lease.
 */
struct lwcg_release {
	__u32 size;
	__u32 flags;
	__u64 slot_id;
};

/**
 * struct lwcg_info - LWCG_INFO: version, and the counters of this file's pool
 * @size: sizeof(struct lwcg_info)
 * @flags: zero
 * @abi: written: LWCG_ABI_VERSION of the module
 * @target: written: slots the pool keeps ready; 0 when the file is not bound
 * @ready: written: slots that LWCG_ACQUIRE can hand out now; up to twice @target
 * @leased: written: slots leased, by this and by other files, orphans included
 * @recycling: written: slots whose lease ended and that are neither ready again
 *	nor removed
 * @orphans: written: persistent leases that no file holds
 * @acquired: written: leases given since the pool was made
 * @retired: written: slots removed after a lease since the pool was made
 * @recycled: written: slots made ready again after a lease since the pool was made
 * @cgroup_version: written: 2 or 1, the version of cgroup that the pool's parent
 *	belongs to; 0 when the file is not bound
 *
 * On a file without a pool only @abi is written, the rest is zero.
 */
struct lwcg_info {
	__u32 size;
	__u32 flags;
	__u32 abi;
	__u32 target;
	__u32 ready;
	__u32 leased;
	__u32 recycling;
	__u32 orphans;
	__u64 acquired;
	__u64 retired;
	__u64 recycled;
	__u64 cgroup_version;
};

/**
 * struct lwcg_drain - LWCG_DRAIN: remove the pool of this file
 * @size: sizeof(struct lwcg_drain)
 * @flags: LWCG_DRAIN_ORPHANS or zero
 *
 * Waits until recycling slots are gone and removes the ready ones.  Every file
 * bound to the pool gets ESHUTDOWN from then on.
 *
 * With LWCG_DRAIN_ORPHANS, orphans are ended as LWCG_RELEASE would end them; without,
 * they count as leases that are held.
 *
 * EBUSY leases are held, by this or by another file; nothing was changed, orphans
 * included;
 * EINTR a signal arrived before the recycling slots were gone: the pool is
 * drained all the same, and they go by themselves.
 */
struct lwcg_drain {
	__u32 size;
	__u32 flags;
};

/**
 * struct lwcg_adopt - LWCG_ADOPT: take over an orphan
 * @size: sizeof(struct lwcg_adopt)
 * @flags: zero
 * @name: the lease's name in LWCG_ACQUIRE
 * @slot_id: written: as LWCG_ACQUIRE wrote it
 * @cgroup_id: written: as LWCG_ACQUIRE wrote it
 * @dir_fd: written: the directory, as of LWCG_ACQUIRE
 * @reserved: zero
 *
 * The lease belongs to this open file description from now on, and stays persistent.
 * On error it is as it was.
 *
 * EINVAL the name is malformed;
 * ENOENT the pool has no persistent lease of that name;
 * EBUSY an open file holds it, this or another one; a holder that was killed does
 * until the kernel has closed its files;
 * EMFILE, ENFILE, ENOMEM.
 */
struct lwcg_adopt {
	__u32 size;
	__u32 flags;
	char name[LWCG_NAME_MAX];
	__u64 slot_id;
	__u64 cgroup_id;
	__s32 dir_fd;
	__u32 reserved;
};

/**
 * struct lwcg_resize - LWCG_RESIZE: set the pool's target, up or down
 * @size: sizeof(struct lwcg_resize)
 * @flags: zero
 * @target: slots to keep ready, 0 to LWCG_TARGET_MAX
 * @low_water: as in LWCG_POOL, of this file; at most @target
 *
 * Returns at once: in the background slots are made, or ready slots in excess of
 * the target removed.  Leases stay.  With a target of 0 no slot is made in advance
 * and LWCG_ACQUIRE fails with EAGAIN.  A later LWCG_POOL that asks for more raises
 * the target again.
 *
 * EINVAL @target or @low_water out of range.
 */
struct lwcg_resize {
	__u32 size;
	__u32 flags;
	__u32 target;
	__u32 low_water;
};

/**
 * struct lwcg_stats - LWCG_STATS: what has happened in this file's pool
 * @size: sizeof(struct lwcg_stats)
 * @flags: zero
 * @acquired: leases given
 * @acquire_eagain: calls of LWCG_ACQUIRE that found no slot ready
 * @acquire_failed: calls of LWCG_ACQUIRE with a well-formed argument that failed
 *	otherwise
 * @adopted: orphans adopted
 * @orphaned: persistent leases whose file was closed
 * @released: leases that ended, however: @acquired - @released are held
 * @kills: slots taken back with processes in them
 * @recycled: slots used for another lease
 * @retired: slots removed after a lease
 * @refilled: slots made
 * @refill_failed: times that making slots ended with an error
 * @trimmed: ready slots removed because they exceeded the target
 * @acquire_ns: how long LWCG_ACQUIRE took where it succeeded
 * @release_ns: how long it took to end a lease, until its name was free
 * @recycle_ns: how long after that until the slot was ready again or removed
 * @lock_ns: how long the pool's lock was held, each time that a lease or a slot
 *	coming or going took it
 *
 * ENOMEM.
 *
 * Everything is written and counts since the pool was made; it can be read after
 * LWCG_DRAIN as well.  Numbers that change meanwhile need not be of one moment.
 * Bucket i of a histogram counts times from 2^i up to but excluding 2^(i+1)
 * nanoseconds; the first counts shorter ones too, the last longer ones.
 */
struct lwcg_stats {
	__u32 size;
	__u32 flags;
	__u64 acquired;
	__u64 acquire_eagain;
	__u64 acquire_failed;
	__u64 adopted;
	__u64 orphaned;
	__u64 released;
	__u64 kills;
	__u64 recycled;
	__u64 retired;
	__u64 refilled;
	__u64 refill_failed;
	__u64 trimmed;
	__u64 acquire_ns[LWCG_HIST_BUCKETS];
	__u64 release_ns[LWCG_HIST_BUCKETS];
	__u64 recycle_ns[LWCG_HIST_BUCKETS];
	__u64 lock_ns[LWCG_HIST_BUCKETS];
};

/* The structures' sizes in their first version, the least that is accepted. */
#define LWCG_POOL_SIZE_V1    24
#define LWCG_ACQUIRE_SIZE_V1 128
#define LWCG_RELEASE_SIZE_V1 16
#define LWCG_INFO_SIZE_V1    48
#define LWCG_DRAIN_SIZE_V1   8
#define LWCG_ADOPT_SIZE_V1   96
#define LWCG_RESIZE_SIZE_V1  16
#define LWCG_STATS_SIZE_V1   1128

#endif /* _UAPI_LINUX_LWCG_H */
