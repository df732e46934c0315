/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/lwcg: leases on ready-made cgroups.  This comment is the specification.
 *
 * Concepts
 *
 *   pool    A stock of empty cgroups ("slots") below one parent cgroup, which
 *           must be a directory of the cgroup v2 hierarchy.  There is at most
 *           one pool a parent.  A background worker keeps @target slots ready.
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
 *
 * When a lease ends, the name is free again at once.  In the background
 * everything in the cgroup is killed, and when it is empty it is removed and
 * a new one takes its place: no cgroup ever has a second tenant, so a tenant
 * finds every controller file as mkdir(2) would have made it.
 *
 * The device
 *
 *   Mode 0600.  open(2) needs CAP_SYS_ADMIN in the initial user namespace
 *   (EPERM); having the device open is the authority for everything below.
 *   The module cannot be unloaded while the device is open or a cgroup is
 *   still being emptied.  A pool lives until LWCG_DRAIN or until the module is
 *   unloaded, whether or not a file is bound to it, and keeps the mount busy
 *   through which its parent was opened.
 *
 * Arguments
 *
 *   Every ioctl takes a pointer to a structure that begins with
 *
 *       __u32 size;     sizeof() the structure as the caller knows it
 *       __u32 flags;    none is defined: must be zero
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
 *            LWCG_ACQUIRE, LWCG_DRAIN)
 *
 * poll(2), after LWCG_POOL
 *
 *   EPOLLIN   fewer than @low_water slots are ready in the pool of this file
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

/**
 * struct lwcg_pool - LWCG_POOL: bind this file to the pool of a parent cgroup
 * @size: sizeof(struct lwcg_pool)
 * @flags: zero
 * @parent_fd: a directory of cgroup v2; O_PATH is enough
 * @target: slots to keep ready, 1 to LWCG_TARGET_MAX
 * @low_water: poll() reports this file readable while fewer are ready; at most
 *	@target, 0 for never
 * @reserved: zero
 *
 * Makes the pool if the parent has none.  The pool's target is the largest that
 * was asked for since it was made.  A call that makes the pool or raises its target
 * returns when the target has been reached, any other as soon as one slot is
 * ready; the rest follows in the background.  May be repeated on a bound file, for
 * the same parent.
 *
 * EBADF @parent_fd is not open or not a directory of cgroup v2;
 * EINVAL @target or @low_water out of range;
 * EBUSY the file is bound to the pool of another parent;
 * EACCES, EROFS the caller may not make directories in @parent_fd;
 * ENODEV the parent was removed; EOPNOTSUPP the parent is threaded;
 * EAGAIN the parent's or an ancestor's cgroup.max.descendants or
 * cgroup.max.depth is reached; EINTR killed while waiting; ENOMEM.
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
 * @flags: zero
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
 *	clone3(2) with CLONE_INTO_CGROUP
 * @reserved: zero
 *
 * Where the memory controller is enabled, memory.oom.group is set to 1: running
 * out of memory kills the tenant as a whole.
 *
 * EAGAIN no slot is ready: the pool is being refilled; wait for @ready in
 * LWCG_INFO or raise @target, or make a cgroup of one's own meanwhile;
 * EINVAL the name is malformed, or the controller rejects a limit;
 * EEXIST the name is taken;
 * EOPNOTSUPP a limit was given whose controller is not enabled in the parent's
 * cgroup.subtree_control; EMFILE, ENFILE, ENOMEM.
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
 * @slot_id: from LWCG_ACQUIRE
 *
 * Returns before the processes are dead; LWCG_INFO counts the slot as recycling
 * until they are.  Read what is to be read (memory.events, cpu.stat) before.
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
 * @ready: written: slots that LWCG_ACQUIRE can hand out now; for a moment it can
 *	exceed @target
 * @leased: written: slots leased, by this and by other files
 * @recycling: written: slots whose lease ended and that are not yet removed
 * @reserved: zero
 * @acquired: written: leases given since the pool was made
 * @retired: written: slots removed after a lease since the pool was made
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
	__u32 reserved;
	__u64 acquired;
	__u64 retired;
};

/**
 * struct lwcg_drain - LWCG_DRAIN: remove the pool of this file
 * @size: sizeof(struct lwcg_drain)
 * @flags: zero
 *
 * Waits until recycling slots are gone and removes the ready ones.  Every file
 * bound to the pool gets ESHUTDOWN from then on.
 *
 * EBUSY leases are held, by this or by another file; nothing was changed;
 * EINTR a signal arrived before the recycling slots were gone: the pool is
 * drained all the same, and they go by themselves.
 */
struct lwcg_drain {
	__u32 size;
	__u32 flags;
};

/* The structures' sizes in their first version, the least that is accepted. */
#define LWCG_POOL_SIZE_V1    24
#define LWCG_ACQUIRE_SIZE_V1 128
#define LWCG_RELEASE_SIZE_V1 16
#define LWCG_INFO_SIZE_V1    48
#define LWCG_DRAIN_SIZE_V1   8

#endif /* _UAPI_LINUX_LWCG_H */
