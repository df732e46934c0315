// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's side of `rund-agent trace`: times waits on the locks whose
 * addresses are in the map "locks".
 *
 * Locks tell of waits by lock:contention_begin and _end.  Two kinds do not show
 * there and are timed by probes on a function:
 *
 * - percpu_down_write() waits for an RCU grace period before it contends;
 * - a spinlock is silent in a virtual machine, and everywhere about the first who
 *   waits, who spins on the lock word instead of queueing.  This probe is only
 *   attached when asked for, since every contended spinlock runs into it.
 *
 * The kernel needs no BTF: nothing here looks into its structures.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "trace.h"

/* include/trace/events/lock.h */
#define LCB_F_WRITE (1U << 2)

/* include/trace/events/sched.h; the agent checks the offsets before it attaches. */
struct sched_process_fork {
	__u64 common;
	char parent_comm[TRACE_COMM_LEN];
	__s32 parent_pid;
	char child_comm[TRACE_COMM_LEN];
	__s32 child_pid;
};

struct sched_process_free {
	__u64 common;
	char comm[TRACE_COMM_LEN];
	__s32 pid;
};

/* A wait that goes on.  A task waits for one lock at a time, an interrupt meanwhile for another. */
struct wait_key {
	__u32 tid;
	__u32 lock;
};

struct wait {
	__u64 since;
	__u64 row;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TRACE_MAX_LOCKS);
	__type(key, __u64);
	__type(value, __u32);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TRACE_MAX_TASKS);
	__type(key, struct wait_key);
	__type(value, struct wait);
} waiting SEC(".maps");

/* When this CPU began to spin on css_set_lock, or 0: interrupts are off meanwhile. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} spinning SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TRACE_NR_SCOPES *TRACE_NR_ROWS);
	__type(key, __u32);
	__type(value, struct trace_stat);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TRACE_MAX_COMMS);
	__type(key, struct trace_comm_key);
	__type(value, struct trace_sum);
} comms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TRACE_MAX_TASKS);
	__type(key, __u32);
	__type(value, struct trace_task);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TRACE_MAX_LAUNCHES);
	__type(key, __u64);
	__type(value, struct trace_launch);
} launches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TRACE_MAX_LAUNCHES *TRACE_NR_ROWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct trace_launch_key);
	__type(value, struct trace_sum);
} launch_waits SEC(".maps");

static __always_inline struct trace_config *get_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline void count_lost(void)
{
	struct trace_config *c = get_config();

	if (c)
		__sync_fetch_and_add(&c->lost, 1);
}

static __always_inline __u32 log2_of(__u64 v)
{
	__u32 n = 0;

	for (__u32 step = 32; step; step /= 2) {
		if (v >> step) {
			v >>= step;
			n += step;
		}
	}
	return n;
}

static __always_inline void count_stat(__u32 scope, __u32 row, __u64 ns)
{
	__u32 key = scope * TRACE_NR_ROWS + row, n = log2_of(ns);
	struct trace_stat *s = bpf_map_lookup_elem(&stats, &key);

	if (!s)
		return;
	s->waits++;
	s->ns += ns;
	if (ns > s->max_ns)
		s->max_ns = ns;
	if (n >= TRACE_BUCKETS)
		n = TRACE_BUCKETS - 1;
	s->bucket[n]++;
}

static __always_inline void add_to(void *map, const void *key, __u64 ns)
{
	struct trace_sum *s = bpf_map_lookup_elem(map, key);

	if (!s) {
		struct trace_sum none = {};

		bpf_map_update_elem(map, key, &none, BPF_NOEXIST);
		s = bpf_map_lookup_elem(map, key);
	}
	if (!s) {
		count_lost();
		return;
	}
	__sync_fetch_and_add(&s->waits, 1);
	__sync_fetch_and_add(&s->ns, ns);
}

static __always_inline void count_comm(__u32 row, __u64 ns)
{
	struct trace_comm_key key = {.row = row};

	bpf_get_current_comm(key.comm.text, sizeof(key.comm.text));
	add_to(&comms, &key, ns);
}

static __always_inline void count_launch(__u64 launch, __u32 row, __u64 ns)
{
	struct trace_launch *l = bpf_map_lookup_elem(&launches, &launch);
	struct trace_launch_key key = {.launch = launch, .row = row};

	if (l && !l->spawn_ns)
		add_to(&launch_waits, &key, ns);
}

static __always_inline struct trace_task *this_task(void)
{
	__u32 tid = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&tasks, &tid);
}

static __always_inline void count_wait(__u32 row, __u64 ns)
{
	struct trace_task *t = this_task();

	count_stat(TRACE_SYSTEM, row, ns);
	count_comm(row, ns);
	if (!t)
		return;
	if (t->chosen)
		count_stat(TRACE_CHOSEN, row, ns);
	if (t->launch)
		count_launch(t->launch, row, ns);
}

static __always_inline struct wait_key wait_key(__u32 lock)
{
	struct wait_key key = {.tid = bpf_get_current_pid_tgid(), .lock = lock};

	/* Each CPU has an idle task, in whose name interrupts may wait; all are 0. */
	if (!key.tid)
		key.tid = ~bpf_get_smp_processor_id();
	return key;
}

/* A mutex may say several times that it waits: the first one counts. */
static __always_inline void begin_wait(__u32 lock, __u32 row)
{
	struct wait w = {.since = bpf_ktime_get_ns(), .row = row};
	struct wait_key key = wait_key(lock);

	if (bpf_map_lookup_elem(&waiting, &key))
		return;
	if (bpf_map_update_elem(&waiting, &key, &w, BPF_ANY))
		count_lost();
}

static __always_inline void end_wait(__u32 lock)
{
	struct wait_key key = wait_key(lock);
	struct wait *w = bpf_map_lookup_elem(&waiting, &key);
	__u64 since, row;

	if (!w)
		return;
	since = w->since;
	row = w->row;
	bpf_map_delete_elem(&waiting, &key);
	count_wait(row, bpf_ktime_get_ns() - since);
}

static __always_inline bool is_lock(__u64 addr, __u32 lock)
{
	__u32 *l = bpf_map_lookup_elem(&locks, &addr);

	return l && *l == lock;
}

static __always_inline __u32 row_of(__u32 lock, bool write)
{
	if (lock == TRACE_CGROUP_MUTEX)
		return TRACE_ROW_CGROUP_MUTEX;
	if (lock == TRACE_CSS_SET_LOCK)
		return TRACE_ROW_CSS_SET_LOCK;
	if (lock == TRACE_KERNFS_RWSEM)
		return write ? TRACE_ROW_KERNFS_WRITE : TRACE_ROW_KERNFS_READ;
	if (lock == TRACE_THREADGROUP_RWSEM && !write)
		return TRACE_ROW_THREADGROUP_READ;
	return TRACE_NR_ROWS; /* timed by the probes */
}

SEC("raw_tp/contention_begin")
int contention_begin(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 addr = ctx->args[0];
	__u32 *lock = bpf_map_lookup_elem(&locks, &addr);
	__u32 row;

	if (!lock)
		return 0;
	row = row_of(*lock, ctx->args[1] & LCB_F_WRITE);
	if (row < TRACE_NR_ROWS)
		begin_wait(*lock, row);
	return 0;
}

SEC("raw_tp/contention_end")
int contention_end(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 addr = ctx->args[0];
	__u32 *lock = bpf_map_lookup_elem(&locks, &addr);

	/* A writer of the percpu rwsem waits on, until percpu_down_write() returns. */
	if (lock && *lock == TRACE_THREADGROUP_RWSEM) {
		struct wait_key key = wait_key(*lock);
		struct wait *w = bpf_map_lookup_elem(&waiting, &key);

		if (w && w->row == TRACE_ROW_THREADGROUP_WRITE)
			return 0;
	}
	if (lock)
		end_wait(*lock);
	return 0;
}

SEC("kprobe")
int spin_begin(struct pt_regs *ctx)
{
	__u32 zero = 0;
	__u64 *since;

	if (!is_lock(PT_REGS_PARM1(ctx), TRACE_PROBED_CSS_SET_LOCK))
		return 0;
	since = bpf_map_lookup_elem(&spinning, &zero);
	if (since)
		*since = bpf_ktime_get_ns();
	return 0;
}

SEC("kretprobe")
int spin_end(struct pt_regs *ctx)
{
	__u32 zero = 0;
	__u64 *since = bpf_map_lookup_elem(&spinning, &zero);

	if (!since || !*since)
		return 0;
	count_wait(TRACE_ROW_CSS_SET_LOCK, bpf_ktime_get_ns() - *since);
	*since = 0;
	return 0;
}

SEC("kprobe/percpu_down_write")
int write_begin(struct pt_regs *ctx)
{
	if (is_lock(PT_REGS_PARM1(ctx), TRACE_THREADGROUP_RWSEM))
		begin_wait(TRACE_THREADGROUP_RWSEM, TRACE_ROW_THREADGROUP_WRITE);
	return 0;
}

/* Other percpu rwsems return here as well, but to a task that waits for none of ours. */
SEC("kretprobe/percpu_down_write")
int write_end(struct pt_regs *ctx)
{
	end_wait(TRACE_THREADGROUP_RWSEM);
	return 0;
}

/*
 * Two breakpoints of the agent's own thread, which looks a name up, learn where a
 * kernfs_rwsem is: a lookup takes it before any other rwsem.
 */
SEC("perf_event")
int learn_lookup(struct bpf_perf_event_data *ctx)
{
	struct trace_config *c = get_config();

	if (c)
		c->in_lookup = 1;
	return 0;
}

SEC("perf_event")
int learn_rwsem(struct bpf_perf_event_data *ctx)
{
	struct trace_config *c = get_config();

	if (!c || !c->in_lookup)
		return 0;
	c->in_lookup = 0;
	c->learnt = PT_REGS_PARM1(&ctx->regs);
	return 0;
}

/* A child belongs where its parent does; this runs before the child does. */
SEC("tp/sched/sched_process_fork")
int process_fork(struct sched_process_fork *ctx)
{
	__u32 child = ctx->child_pid;
	struct trace_task *parent = this_task(), copy;

	if (!parent)
		return 0;
	copy = *parent;
	if (bpf_map_update_elem(&tasks, &child, &copy, BPF_ANY))
		count_lost();
	return 0;
}

/* After the last lock that an exiting task takes. */
SEC("tp/sched/sched_process_free")
int process_free(struct sched_process_free *ctx)
{
	__u32 tid = ctx->pid;

	bpf_map_delete_elem(&tasks, &tid);
	return 0;
}

static __always_inline void begin_launch(__u32 tid, __u32 chosen)
{
	struct trace_launch l = {.start_ns = bpf_ktime_get_ns()};
	struct trace_task t = {.chosen = chosen};

	t.launch = (__u64)tid << TRACE_LAUNCH_PID | (l.start_ns & ((1ULL << TRACE_LAUNCH_PID) - 1));
	if (bpf_map_update_elem(&launches, &t.launch, &l, BPF_ANY) ||
	    bpf_map_update_elem(&tasks, &tid, &t, BPF_ANY))
		count_lost();
}

static __always_inline void end_launch(__u32 tid, __u64 launch)
{
	struct trace_launch *l = bpf_map_lookup_elem(&launches, &launch);

	if (!l || l->spawn_ns)
		return;
	l->vmm = tid;
	l->spawn_ns = bpf_ktime_get_ns();
}

static __always_inline bool same_comm(const union trace_comm *a, const union trace_comm *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct trace_config *c = get_config();
	struct trace_task *t = this_task();
	union trace_comm comm = {};

	if (!c)
		return 0;
	bpf_get_current_comm(comm.text, sizeof(comm.text));
	if (same_comm(&comm, &c->agent))
		begin_launch(tid, t ? t->chosen : 0);
	else if (t && t->launch && same_comm(&comm, &c->vmm))
		end_launch(tid, t->launch);
	return 0;
}

/* Attached where the module has this tracepoint. */
SEC("raw_tp/lwcg_acquire")
int lwcg_acquire(struct bpf_raw_tracepoint_args *ctx)
{
	struct trace_task *t = this_task();
	struct trace_launch *l;

	if (!t || !t->launch)
		return 0;
	l = bpf_map_lookup_elem(&launches, &t->launch);
	if (l)
		__sync_fetch_and_add(&l->slots, 1);
	return 0;
}

char gpl[] SEC("license") = "GPL";
