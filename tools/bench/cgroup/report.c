// SPDX-License-Identifier: GPL-2.0-only
/*
 * Results as JSON for programs, and as a table for people.  The keys are explained
 * in Documentation/lwcg.rst.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *const phase_name[NR_PHASES] = {"get", "spawn", "reap", "release"};

/* The reference series' results, which others are compared with. */
static struct {
	uint64_t total, sum;
} reference[MAX_THREADS + 1];

static const char *reference_name(void)
{
	return tree_is_v1() ? SERIES_REFERENCE_V1 : SERIES_REFERENCE;
}

static bool first;

int uint64_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Nearest rank: the least value that the share @p of all values does not exceed. */
uint64_t percentile(const uint64_t *sorted, unsigned int n, double p)
{
	unsigned int rank = p * n;

	if (rank < p * n)
		rank++;
	return n ? sorted[rank ? rank - 1 : 0] : 0;
}

void spread_of(uint64_t *values, unsigned int n, struct spread *out)
{
	qsort(values, n, sizeof(*values), uint64_cmp);
	out->p50 = percentile(values, n, 0.50);
	out->p99 = percentile(values, n, 0.99);
	out->max = percentile(values, n, 1);
	out->sum = 0;
	for (unsigned int i = 0; i < n; i++)
		out->sum += values[i];
}

void report_begin(const struct config *cfg, uint64_t bystander_alone)
{
	struct utsname u;

	uname(&u);
	if (!cfg->json) {
		printf("%u sandboxes a run, pools of %u; kernel %s, %ld CPUs.  Times in us, of the "
		       "cgroup work;\n'x' columns: how many times less than %s on as many "
		       "threads.  Lock counts are per sandbox.\n",
		       cfg->sandboxes, cfg->pool, u.release, sysconf(_SC_NPROCESSORS_ONLN),
		       reference_name());
		if (cfg->forks)
			printf("A bystander's fork takes %.0f us (p99) when nothing else runs.\n",
			       bystander_alone / 1e3);
		printf("\n%-26s %3s %9s %6s %9s %9s %9s %6s %8s %8s %8s %6s %6s %6s %5s %9s\n",
		       "series", "thr", "total ms", "x", "p50", "p99", "max", "work x", "get",
		       "spawn", "release", "cpu ms", "mutex", "rwsem", "dying", "bystander");
		return;
	}
	first = true;
	printf("{\n\"benchmark\": \"cgroup\", \"version\": 1,\n\"kernel\": \"%s\", \"cpus\": %ld,\n"
	       "\"sandboxes\": %u, \"pool\": %u, \"probe_ops\": %u, \"bystander_forks\": %u,\n",
	       u.release, sysconf(_SC_NPROCESSORS_ONLN), cfg->sandboxes, cfg->pool, cfg->probe_ops,
	       cfg->forks);
	if (cfg->forks)
		printf("\"bystander_alone_fork_p99_ns\": %" PRIu64 ",\n", bystander_alone);
	printf("\"series\": [");
}

static void json_spread(const char *name, const struct spread *s)
{
	printf("\"%s\": {\"sum_ns\": %" PRIu64 ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64
	       ", \"max_ns\": %" PRIu64 "}",
	       name, s->sum, s->p50, s->p99, s->max);
}

/* Counts of the counting pass; null when there was none: not measured is not zero. */
static void json_locks(const struct config *cfg, const struct result *r)
{
	for (int i = 0; i < NR_LOCK_COUNTS; i++) {
		if (cfg->locks)
			printf(",\n \"%s\": %" PRIu64 ", \"%s_launch\": %" PRIu64,
			       lock_count_name[i], r->locks.all[i], lock_count_name[i],
			       r->locks.launch[i]);
		else
			printf(",\n \"%s\": null, \"%s_launch\": null", lock_count_name[i],
			       lock_count_name[i]);
	}
}

static void json_cdf(const struct result *r)
{
	printf(",\n \"cdf\": [");
	for (int i = 0; i <= CDF_POINTS; i++)
		printf("%s[%.2f, %" PRIu64 "]", i ? ", " : "", (double)i / CDF_POINTS, r->cdf[i]);
	printf("]");
}

static void json_result(const struct config *cfg, const struct result *r)
{
	printf("%s\n{\"name\": \"%s\", \"threads\": %u, \"ops\": %u,\n \"total_ns\": %" PRIu64
	       ", \"work_ns\": %" PRIu64 ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64
	       ", \"max_ns\": %" PRIu64 ",\n \"phases\": {",
	       first ? "" : ",", r->series->name, r->threads, r->ops, r->total_ns, r->op.sum,
	       r->op.p50, r->op.p99, r->op.max);
	for (int i = 0; i < NR_PHASES; i++) {
		printf("%s", i ? ",\n  " : "");
		json_spread(phase_name[i], &r->phase[i]);
	}
	printf("},\n ");
	json_spread("without_runqueue", &r->no_runqueue);
	printf(",\n \"setup_ns\": %" PRIu64 ", \"quiet_ns\": %" PRIu64 ", \"empty_waits\": %" PRIu64
	       ",\n \"cpu_ns\": %" PRIu64 ", \"kthread_cpu_ns\": %" PRIu64
	       ", \"system_cpu_ns\": %" PRIu64 ",\n \"dying_at_end\": %" PRIu64
	       ", \"dying_after\": %" PRIu64 ", \"dying_memory_after\": %" PRIu64
	       ",\n \"probe_ops\": %u",
	       r->setup_ns, r->quiet_ns, r->empty, r->cpu.own, r->cpu.kthreads, r->cpu.system,
	       r->dying_at_end.cgroups, r->dying_after.cgroups, r->dying_after.memory,
	       r->probe_ops);
	json_locks(cfg, r);
	if (cfg->forks)
		printf(",\n \"bystander_fork_p99_ns\": %" PRIu64, r->bystander_p99);
	else
		printf(",\n \"bystander_fork_p99_ns\": null");
	json_cdf(r);
	printf("}");
	first = false;
}

static const char *ratio(char *text, size_t len, uint64_t ref, uint64_t value)
{
	snprintf(text, len, ref && value ? "%.1f" : "-", (double)ref / (value ?: 1));
	return text;
}

static void table_result(const struct config *cfg, const struct result *r)
{
	char x[2][16], mutex[16] = "-", rwsem[16] = "-", by[16] = "-";

	if (cfg->locks) {
		snprintf(mutex, sizeof(mutex), "%.2f",
			 (double)r->locks.all[LOCK_MUTEX] / r->probe_ops);
		snprintf(rwsem, sizeof(rwsem), "%.2f",
			 (double)r->locks.all[LOCK_RWSEM] / r->probe_ops);
	}
	if (cfg->forks)
		snprintf(by, sizeof(by), "%.0f", r->bystander_p99 / 1e3);
	printf("%-26s %3u %9.0f %6s %9.0f %9.0f %9.0f %6s %8.0f %8.0f %8.0f %6.0f %6s %6s %5" PRIu64
	       " %9s\n",
	       r->series->name, r->threads, r->total_ns / 1e6,
	       ratio(x[0], sizeof(x[0]), reference[r->threads].total, r->total_ns), r->op.p50 / 1e3,
	       r->op.p99 / 1e3, r->op.max / 1e3,
	       ratio(x[1], sizeof(x[1]), reference[r->threads].sum, r->op.sum),
	       r->phase[PHASE_GET].p50 / 1e3, r->phase[PHASE_SPAWN].p50 / 1e3,
	       r->phase[PHASE_RELEASE].p50 / 1e3, (r->cpu.own + r->cpu.kthreads) / 1e6, mutex,
	       rwsem, r->dying_after.cgroups, by);
}

void report_result(const struct config *cfg, const struct result *r)
{
	if (!strcmp(r->series->name, reference_name())) {
		reference[r->threads].total = r->total_ns;
		reference[r->threads].sum = r->op.sum;
	}
	if (cfg->json)
		json_result(cfg, r);
	else
		table_result(cfg, r);
	fflush(stdout);
}

void report_end(const struct config *cfg)
{
	if (cfg->json)
		printf("\n]\n}\n");
}
