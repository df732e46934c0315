/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the BPF programs of `rund-agent trace` and the agent both know: the
 * layout of the maps between them.
 */
#ifndef RUND_AGENT_BPF_TRACE_H
#define RUND_AGENT_BPF_TRACE_H

#include <linux/types.h>

/* The locks, and the value of their addresses in the map "locks". */
enum trace_lock {
	TRACE_CGROUP_MUTEX,
	TRACE_CSS_SET_LOCK,
	TRACE_THREADGROUP_RWSEM,
	TRACE_KERNFS_RWSEM,
	TRACE_PROBED_CSS_SET_LOCK, /* instead of TRACE_CSS_SET_LOCK: see the probes */
	TRACE_NR_LOCKS
};

/* The rows of the table: readers and writers of an rwsem wait for different things. */
enum trace_row {
	TRACE_ROW_CGROUP_MUTEX,
	TRACE_ROW_CSS_SET_LOCK,
	TRACE_ROW_THREADGROUP_READ,
	TRACE_ROW_THREADGROUP_WRITE,
	TRACE_ROW_KERNFS_READ,
	TRACE_ROW_KERNFS_WRITE,
	TRACE_NR_ROWS
};

/* Whose waits a table counts: everyone's, or those of the processes asked for. */
enum trace_scope { TRACE_SYSTEM, TRACE_CHOSEN, TRACE_NR_SCOPES };

#define TRACE_BUCKETS	   40 /* the last one begins at nine minutes */
#define TRACE_COMM_LEN	   16 /* TASK_COMM_LEN */
#define TRACE_MAX_LOCKS	   64
#define TRACE_MAX_COMMS	   4096
#define TRACE_MAX_TASKS	   65536
#define TRACE_MAX_LAUNCHES 16384

/* A task's name, so that two of them compare as numbers. */
union trace_comm {
	char text[TRACE_COMM_LEN];
	__u64 word[2];
};

/* Map "config", one entry: set before anything is attached. */
struct trace_config {
	union trace_comm agent; /* a launch begins when this is executed ... */
	union trace_comm vmm;	/* ... and ends when it has started this */
	__u64 in_lookup;	/* the agent is in kernfs_iop_lookup() */
	__u64 learnt;		/* the rwsem it took there first */
	__u64 lost;		/* waits not counted because a map was full */
};

/* Map "stats", one entry per scope and row, on each CPU: a histogram by powers of two. */
struct trace_stat {
	__u64 waits;
	__u64 ns;
	__u64 max_ns;
	__u64 bucket[TRACE_BUCKETS]; /* n: 2^n ns up to 2^(n+1) */
};

/* Map "comms": who waited. */
struct trace_comm_key {
	union trace_comm comm;
	__u32 row;
	__u32 pad;
};

struct trace_sum {
	__u64 waits;
	__u64 ns;
};

/* Map "tasks", by thread: those that belong to a launch or to a process asked for. */
struct trace_task {
	__u64 launch; /* its key in "launches", or 0 */
	__u32 chosen;
	__u32 pad;
};

/* Map "launches", by (pid of rund-agent << TRACE_LAUNCH_PID) | low bits of its start. */
#define TRACE_LAUNCH_PID 40

struct trace_launch {
	__u64 start_ns;
	__u64 spawn_ns; /* 0 until the VMM runs; what happens later is not counted */
	__u32 vmm;
	__u32 slots; /* acquired from lwcg.ko, if that can be traced */
};

/* Map "launch_waits": what a launch waited for until it had started its VMM. */
struct trace_launch_key {
	__u64 launch;
	__u32 row;
	__u32 pad;
};

#endif
