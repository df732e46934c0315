/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench-cgroup: what it costs to give a sandbox a cgroup, by the way it is got.
 *
 * A series is one way.  Its operation has four phases, the same in every series:
 *
 *   get      a cgroup with memory.max, cpu.max and pids.max set
 *   spawn    start a process in it
 *   reap     the process exits and is waited for: not cgroup work, not counted
 *   release  give the cgroup back
 *
 * A run is about cgroup v2, or with the series that are made for it about cgroup v1,
 * where the limits have other names and a process attaches itself.
 *
 * A pass runs operations of one series on a number of threads.  Each result is
 * made of several passes, so that no measurement disturbs another.
 */
#ifndef BENCH_CGROUP_H
#define BENCH_CGROUP_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define MAX_THREADS 256
#define MAX_SERIES  16
#define NAME_LEN    64

/* What has not moved for so long stays as it is: dying cgroups are pinned by then. */
#define SETTLED_NS 1000000000ULL

/* Limits that every sandbox gets. */
#define LIMIT_MEMORY   (256ULL << 20)
#define LIMIT_QUOTA_US 50000
#define LIMIT_PIDS     1024

/* Ends the run in good order; set by a signal. */
extern volatile sig_atomic_t bench_stop;

/**
 * struct config - the command line
 * @sandboxes: operations of a timed pass
 * @probe_ops: operations of a pass that counts locks or run-queue waits
 * @pool: cgroups that the pooled series have ready
 * @forks: forks of the bystander; 0 for no bystander
 * @threads: numbers of threads to run with
 * @wanted: by index of the table of series
 */
struct config {
	unsigned int sandboxes, probe_ops, pool, forks;
	unsigned int threads[16], nr_threads;
	bool wanted[MAX_SERIES];
	bool json, locks, instructions;
};

/* series.c: the ways */

/* A series at work: its parent cgroup and what it keeps ready. */
struct bench {
	const struct series *series;
	char path[256];
	int parent_fd, dev;
	bool favordynmods_before;
	struct stock *stock;
	atomic_ulong empty;
	uint64_t setup_ns;
	uint64_t dying_before; /* on cgroup v1, of the whole hierarchy */
	uint32_t ready;	       /* of a pool, for lwcg_is_quiet() */
	uint64_t ready_since;
};

/* One operation's cgroup and process. */
struct sandbox {
	char name[NAME_LEN];
	int dir;
	uint64_t id;
	pid_t pid;
	void *stack;
	int tasks; /* the child attaches itself by this file of cgroup v1, or -1 */
	_Atomic uint32_t gate, attached;
};

/**
 * struct series - one way to give a sandbox a cgroup
 * @name: as in the output and for --series
 * @what: a line for --help
 * @favordynmods: with the mount option of that name
 * @cgroup1: on cgroup v1, only when it is asked for, and with none of cgroup v2
 * @least_mutex: so often at least an operation takes cgroup_mutex itself; if
 *	less is counted, the count is wrong
 * @setup: before the first pass; may be NULL
 * @get: fill in @name and what @spawn and @release need
 * @spawn: start the child; sets @pid
 * @release: the child has been waited for
 * @teardown: undoes @setup; may be NULL
 * @is_quiet: no work is left in the background; may be NULL
 *
 * All return 0 or -errno and log what failed.
 */
struct series {
	const char *name, *what;
	bool favordynmods, cgroup1;
	unsigned int least_mutex;
	int (*setup)(struct bench *b, unsigned int nr);
	int (*get)(struct bench *b, struct sandbox *sb);
	int (*spawn)(struct bench *b, struct sandbox *sb);
	int (*release)(struct bench *b, struct sandbox *sb);
	void (*teardown)(struct bench *b);
	bool (*is_quiet)(struct bench *b);
};

extern const struct series series_all[];
extern const unsigned int nr_series;

/* The series that do no cgroup work, and the ones that others are compared with. */
#define SERIES_FLOOR	    "spawn"
#define SERIES_REFERENCE    "mkdir-procs"
#define SERIES_REFERENCE_V1 "mkdir-v1"

/* pool.c: cgroups kept ready in user space, and by lwcg */
int stock_setup(struct bench *b, unsigned int nr);
int stock_get(struct bench *b, struct sandbox *sb);
int stock_release(struct bench *b, struct sandbox *sb);
void stock_teardown(struct bench *b);
int lwcg_setup(struct bench *b, unsigned int nr);
int lwcg_get(struct bench *b, struct sandbox *sb);
int lwcg_release(struct bench *b, struct sandbox *sb);
void lwcg_teardown(struct bench *b);
bool lwcg_is_quiet(struct bench *b);

/**
 * limits_set() - write the three limits
 * @dir: a directory
 * @prefix: what leads from there to the cgroup: "" or "NAME/"
 */
int limits_set(int dir, const char *prefix);

/* spawn.c: a process that shares everything with its parent, so that only the
 * cgroup makes a difference to what it costs */

void *spawn_stack(void);
void spawn_stack_free(void *stack);

/**
 * spawn_child() - start a process that exits at once
 * @sb: whose stack it uses; @sb->pid is set
 * @cgroup: the cgroup to start it in, or -1 for that of the caller
 * @gated: it waits for spawn_release() first
 *
 * Return: 0 or -errno, not logged.
 */
int spawn_child(struct sandbox *sb, int cgroup, bool gated);
void spawn_release(struct sandbox *sb);

/**
 * spawn_attached() - start a process that attaches itself, and wait until it has
 * @sb: as of spawn_child()
 * @tasks: the file "tasks" of the cgroup, open for writing
 *
 * Return: 0 or -errno, not logged.  spawn_reap() tells whether the attach failed.
 */
int spawn_attached(struct sandbox *sb, int tasks);
int spawn_reap(struct sandbox *sb);

/* run.c: passes */

enum phase { PHASE_GET, PHASE_SPAWN, PHASE_REAP, PHASE_RELEASE, NR_PHASES };

/* One operation, in ns.  @runqueue is what it waited for a CPU, without the reap. */
struct op {
	uint64_t ns[NR_PHASES];
	uint64_t runqueue;
};

/**
 * struct pass - operations of a series on threads
 * @ops: how many; 0 to go on until @until is set
 * @runqueue: measure the waits for a CPU as well
 * @rec: receives what was measured, @ops of them
 * @wall_ns: receives the time from the first operation's begin to the last one's end
 */
struct pass {
	struct bench *bench;
	unsigned int threads, ops;
	bool runqueue;
	const atomic_int *until;
	struct op *rec;
	uint64_t wall_ns;
};

int pass_run(struct pass *p);

/* locks.c: who takes the locks of the cgroup core, by kprobes and tracepoints */

enum lock_count {
	LOCK_MUTEX,	    /* cgroup_mutex taken */
	LOCK_MUTEX_WAITS,   /* ... and not at once */
	LOCK_RWSEM,	    /* cgroup_threadgroup_rwsem taken for write */
	LOCK_RWSEM_WRITERS, /* ... and another writer was there */
	LOCK_RWSEM_READERS, /* a fork or an exit waited for a writer */
	LOCK_CSS_SET,	    /* css_set_lock taken */
	LOCK_CSS_SET_WAITS, /* ... in the queue of waiters */
	NR_LOCK_COUNTS
};

extern const char *const lock_count_name[NR_LOCK_COUNTS];

struct lock_counts {
	uint64_t all[NR_LOCK_COUNTS], launch[NR_LOCK_COUNTS];
};

int locks_setup(void);

/* The probes are armed from start to stop, and slow everything down. */
int locks_start(void);
int locks_stop(struct lock_counts *counts);
void locks_teardown(void);

/* tree.c: the cgroups that a series works below */

/**
 * tree_use_v1() - make all trees of this run on a hierarchy of cgroup v1
 *
 * Mounts one with all controllers that a sandbox needs, unless it is mounted already.
 *
 * Return: 0 or -errno, logged.
 */
int tree_use_v1(void);
bool tree_is_v1(void);
void tree_unmount_v1(void);

/**
 * tree_open() - make a series' parent cgroup, with its controllers
 * @b: is initialised
 */
int tree_open(struct bench *b, const struct series *s);

/* Remove it with everything in it. */
void tree_close(struct bench *b);

/**
 * tree_favordynmods() - switch the mount option
 * Return: 1 if it was on before, 0 if it was off, -errno.
 */
int tree_favordynmods(bool on);

/* Cgroups below the parent that were removed and are still there. */
struct dying {
	uint64_t cgroups, memory;
};

int tree_dying(struct bench *b, struct dying *dying);

/**
 * tree_quiet() - wait until no work for the series is left in the background
 * @dying: what is left, if that does not go away
 */
int tree_quiet(struct bench *b, struct dying *dying);

/* cpu.c: time and CPU time, ns */

uint64_t now_ns(void);

/* Since boot: this process and its children, the kernel threads, and the whole
 * system (with the resolution of a clock tick). */
struct cpu_time {
	uint64_t own, kthreads, system;
};

int cpu_time_read(struct cpu_time *t);
struct cpu_time cpu_time_since(const struct cpu_time *start);

/* bystander.c */

/**
 * bystander_run() - fork in a cgroup of its own while a series runs
 * @b: the series, or NULL for a bystander alone
 * @threads: of the series
 * @forks: how many forks to measure
 * @p99_ns: receives the 99th percentile of the time of a fork
 */
int bystander_run(struct bench *b, unsigned int threads, unsigned int forks, uint64_t *p99_ns);

/* report.c */

#define CDF_POINTS 100

struct spread {
	uint64_t p50, p99, max, sum;
};

struct result {
	const struct series *series;
	unsigned int threads, ops;
	uint64_t total_ns, quiet_ns, empty;
	struct spread op, phase[NR_PHASES], no_runqueue;
	uint64_t cdf[CDF_POINTS + 1];
	struct cpu_time cpu;
	unsigned int probe_ops;
	struct lock_counts locks;
	struct dying dying_at_end, dying_after;
	uint64_t setup_ns, bystander_p99;
};

int uint64_cmp(const void *a, const void *b);
uint64_t percentile(const uint64_t *sorted, unsigned int n, double p);
void spread_of(uint64_t *values, unsigned int n, struct spread *out);
void report_begin(const struct config *cfg, uint64_t bystander_alone);
void report_result(const struct config *cfg, const struct result *r);
void report_end(const struct config *cfg);

/* measure.c */
int measure_setup(const struct config *cfg, struct bench *b);
int measure_warm_up(struct bench *b);
int measure_run(const struct config *cfg);

/* instructions.c */
int instructions_run(const struct config *cfg);

#endif
