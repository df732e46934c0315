// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scheduling and limits.  Policies and attributes are set on the child itself, so that the
 * kernel has to accept them; limits are only read, since what their defaults are is what a
 * program meets.
 */
#include "probe.h"
#include <sys/resource.h>

struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static int limit(long resource, long unused)
{
	struct rlimit lim;

	if (getrlimit(resource, &lim))
		return -errno;
	/* The defaults of these two come from the size of the memory. */
	if (resource != RLIMIT_NPROC && resource != RLIMIT_SIGPENDING)
		say("%lld/%lld", (long long)lim.rlim_cur, (long long)lim.rlim_max);
	return 0;
}

static const struct sched_attributes deadline = {
	.size = 48, .policy = 6, .runtime = 1000000, .deadline = 10000000, .period = 10000000};
static const struct sched_attributes reclaim = {.size = 48,
						.policy = 6,
						.flags = 2,
						.runtime = 1000000,
						.deadline = 10000000,
						.period = 10000000};
static const struct sched_attributes reset_on_fork = {.size = 56, .flags = 1};
static const struct sched_attributes clamp_min = {.size = 56, .flags = 0x20, .util_min = 100};
static const struct sched_attributes clamp_max = {.size = 56, .flags = 0x40, .util_max = 100};

static const struct call calls[] = {
	{"process/sched_setattr-DEADLINE", 0, SYS_sched_setattr, {0, P(&deadline), 0}},
	{"process/sched_setattr-RECLAIM", 0, SYS_sched_setattr, {0, P(&reclaim), 0}},
	{"process/sched_setattr-RESET_ON_FORK", 0, SYS_sched_setattr, {0, P(&reset_on_fork), 0}},
	{"process/sched_setattr-UTIL_CLAMP_MIN", 0, SYS_sched_setattr, {0, P(&clamp_min), 0}},
	{"process/sched_setattr-UTIL_CLAMP_MAX", 0, SYS_sched_setattr, {0, P(&clamp_max), 0}},
	{"process/setpriority", 0, SYS_setpriority, {PRIO_PROCESS, 0, -5}},
};

void probe_sched(enum pass pass)
{
	static const char *const policies[] = {"OTHER", "FIFO", "RR", "BATCH",
					       "ISO",	"IDLE", NULL, "EXT"};
	unsigned int i;
	int prio;

	if (pass == CALLS)
		run_calls(calls, ARRAY_SIZE(calls));
	if (pass != LAST)
		return;
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		prio = i == SCHED_FIFO || i == SCHED_RR;
		if (policies[i])
			CALL(fmt("process/sched_setscheduler-%s", policies[i]), 0,
			     SYS_sched_setscheduler, 0, i, P(&prio));
	}
	for (i = 0; i < RLIM_NLIMITS; i++)
		probe(fmt("process/getrlimit-%u", i), limit, i, 0);
	for (i = 0; i <= 3; i++)
		CALL(fmt("process/ioprio_set-class-%u", i), 0, SYS_ioprio_set, 1, 0, i << 13);
}
