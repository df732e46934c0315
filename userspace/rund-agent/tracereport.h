/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a trace has found, as a table for people and as JSON.
 */
#ifndef RUND_AGENT_TRACEREPORT_H
#define RUND_AGENT_TRACEREPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "bpf/trace.h"

/**
 * struct ra_waiter - waits of the tasks of one name on one lock
 */
struct ra_waiter {
	char comm[TRACE_COMM_LEN];
	enum trace_row row;
	struct trace_sum sum;
};

/**
 * struct ra_launch_waits - what a launch waited for until it had started its VMM
 * @pid: the rund-agent that was started
 * @vmm: the VMM that it started
 * @slots: cgroups it was given by lwcg.ko
 * @ns: from the one to the other
 * @row: its waits, by row of the table
 */
struct ra_launch_waits {
	pid_t pid, vmm;
	unsigned int slots;
	uint64_t ns;
	struct trace_sum row[TRACE_NR_ROWS];
};

/* Which waits for css_set_lock could be seen. */
enum ra_spin {
	RA_SPIN_QUEUED, /* all but the first who waits */
	RA_SPIN_HIDDEN, /* none: this is a virtual machine */
	RA_SPIN_PROBED, /* all */
};

/**
 * struct ra_trace_result - everything a trace has found
 * @ns: how long was traced
 * @lost: waits or tasks that could not be counted
 * @has_chosen: processes were asked for; else that scope is empty
 * @has_slots: lwcg.ko tells of the slots it gives
 * @spin: which waits for css_set_lock could be seen
 * @stat: waits, by scope and row
 * @waiters: who waited, those who waited longest first
 * @launches: launches whose VMM was started
 */
struct ra_trace_result {
	uint64_t ns, lost;
	bool has_chosen, has_slots;
	enum ra_spin spin;
	struct trace_stat stat[TRACE_NR_SCOPES][TRACE_NR_ROWS];
	struct ra_waiter *waiters;
	size_t nr_waiters;
	struct ra_launch_waits *launches;
	size_t nr_launches;
};

/**
 * ra_trace_result_free() - free what a result points to
 */
void ra_trace_result_free(struct ra_trace_result *r);

/**
 * ra_trace_percentile() - how long a share of the waits took at most
 * @s: a histogram
 * @percent: the share, 1 to 100
 *
 * Return: nanoseconds, by powers of two but never more than the longest wait; 0
 * when there was none.
 */
uint64_t ra_trace_percentile(const struct trace_stat *s, unsigned int percent);

/**
 * ra_trace_format_ns() - a time in three digits and a unit
 */
void ra_trace_format_ns(uint64_t ns, char *buf, size_t len);

/**
 * ra_trace_table() - print a result for people
 */
void ra_trace_table(const struct ra_trace_result *r, FILE *out);

/**
 * ra_trace_json() - print a result as one line of JSON
 * Return: 0 or -ENOMEM.
 */
int ra_trace_json(const struct ra_trace_result *r, FILE *out);

#endif
