/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF programs of `rund-agent trace`: loading them, telling them where the
 * locks are, and reading what they counted.
 */
#ifndef RUND_AGENT_TRACEPROBE_H
#define RUND_AGENT_TRACEPROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ra_trace_result;

#define RA_TRACE_LINKS	    16
#define RA_TRACE_SPIN_FUNCS 3

/**
 * struct ra_trace - programs in the kernel
 * @obj: they and their maps; NULL when not loaded
 * @links: what they are attached to
 * @probe_spin: time waits for spinlocks by probes; set by the caller
 * @lookup: address of kernfs_iop_lookup()
 * @down_read: address of down_read()
 * @spin: functions of this kernel that wait for a spinlock, or NULL
 * @started: when that was (CLOCK_MONOTONIC, ns)
 * @has_chosen: ra_trace_choose() was called
 * @has_slots: lwcg.ko tells of the slots it gives
 */
struct ra_trace {
	struct bpf_object *obj;
	struct bpf_link *links[RA_TRACE_LINKS];
	unsigned int nr_links;
	bool probe_spin;
	uint64_t lookup, down_read;
	const char *spin[RA_TRACE_SPIN_FUNCS];
	uint64_t started;
	bool has_chosen, has_slots;
};

/**
 * ra_trace_load() - load the programs and find the locks
 *
 * Reports what is missing, and the remedy.  ra_trace_close() undoes it, also
 * when it failed.
 *
 * Return: 0 or -errno.
 */
int ra_trace_load(struct ra_trace *t);

/**
 * ra_trace_choose() - count a process and its future descendants on their own
 * @pid: a process; all its threads are meant
 *
 * Return: 0, -ESRCH when there is no such process, or -errno; reported.
 */
int ra_trace_choose(struct ra_trace *t, pid_t pid);

/**
 * ra_trace_start() - begin to count
 * Return: 0 or -errno, reported.
 */
int ra_trace_start(struct ra_trace *t);

/**
 * ra_trace_stop() - end counting, and read what was counted
 * @r: receives it; ra_trace_result_free() frees what it points to
 *
 * Return: 0 or -errno, reported.
 */
int ra_trace_stop(struct ra_trace *t, struct ra_trace_result *r);

/**
 * ra_trace_close() - take everything out of the kernel
 */
void ra_trace_close(struct ra_trace *t);

#endif
