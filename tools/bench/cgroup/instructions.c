// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions of an operation, under QEMU's -icount shift=0: one CPU, and each
 * instruction takes one virtual nanosecond.  So CPU time in ns is a number of
 * instructions; unlike the clock, which also advances while the CPU is idle, it
 * can be had from series that sleep.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/log.h"

/* Per operation. */
struct cost {
	int64_t launch, background;
	struct spread phase[NR_PHASES];
};

/*
 * Is the clock what we take it for?  A loop of 2 instructions may by chance take
 * 2 ns a round on any machine; the same loop with 16 instructions more that do
 * nothing then takes hardly longer, unless it is instructions that are counted.
 */
static int check_clock(void)
{
	uint64_t rounds = 5000000, start = now_ns(), n = rounds;
	double of_2, of_18;

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(n));
	of_2 = (double)(now_ns() - start) / rounds;
	n = rounds;
	start = now_ns();
	__asm__ volatile("1: .rept 16\n\tnop\n\t.endr\n\tdec %0\n\tjnz 1b" : "+r"(n));
	of_18 = (double)(now_ns() - start) / rounds;
	if (of_2 > 1.9 && of_2 < 2.2 && of_18 > 17.1 && of_18 < 19.8)
		return 0;
	return log_errno(
		-EINVAL,
		"loops of 2 and of 18 instructions take %.2f and %.2f ns: time does not count "
		"instructions here; run this as: tools/lab/rund-lab --icount -- "
		"tools/bench/bench-cgroup --instructions",
		of_2, of_18);
}

static int count(struct bench *b, unsigned int ops, struct cost *cost)
{
	__cleanup_free struct op *rec = calloc(ops, sizeof(*rec));
	__cleanup_free uint64_t *v = calloc(ops, sizeof(*v));
	struct pass p = {.bench = b, .threads = 1, .ops = ops, .rec = rec};
	struct cpu_time start, launch, all;
	struct dying dying;
	int ret;

	if (!rec || !v)
		return log_errno(-ENOMEM, "%u operations: out of memory", ops);
	ret = cpu_time_read(&start);
	if (!ret)
		ret = pass_run(&p);
	launch = cpu_time_since(&start);
	if (!ret)
		ret = tree_quiet(b, &dying);
	all = cpu_time_since(&start);
	cost->launch = launch.own / ops;
	cost->background = all.kthreads / ops;
	for (int phase = 0; phase < NR_PHASES && !ret; phase++) {
		for (unsigned int i = 0; i < ops; i++)
			v[i] = rec[i].ns[phase];
		spread_of(v, ops, &cost->phase[phase]);
	}
	return ret;
}

static int count_series(const struct config *cfg, const struct series *s, struct cost *cost)
{
	struct bench b;
	int ret = tree_open(&b, s);

	if (!ret)
		ret = measure_setup(cfg, &b);
	if (!ret)
		ret = measure_warm_up(&b);
	if (!ret)
		ret = count(&b, cfg->sandboxes, cost);
	if (s->teardown)
		s->teardown(&b);
	tree_close(&b);
	return ret;
}

static void print_cost(const struct config *cfg, const struct series *s, const struct cost *c,
		       const struct cost *floor, bool is_first)
{
	int64_t launch = c->launch - floor->launch, background = c->background - floor->background;

	if (!cfg->json) {
		printf("%-26s %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRIu64 " %10" PRIu64
		       " %10" PRIu64 "\n",
		       s->name, launch, background, launch + background, c->phase[PHASE_GET].p50,
		       c->phase[PHASE_SPAWN].p50, c->phase[PHASE_RELEASE].p50);
		return;
	}
	printf("%s\n{\"name\": \"%s\", \"ops\": %u, \"launch_instructions\": %" PRId64
	       ", \"background_instructions\": %" PRId64 ", \"total_instructions\": %" PRId64
	       ",\n \"get_p50_instructions\": %" PRIu64 ", \"spawn_p50_instructions\": %" PRIu64
	       ", \"release_p50_instructions\": %" PRIu64 "}",
	       is_first ? "" : ",", s->name, cfg->sandboxes, launch, background,
	       launch + background, c->phase[PHASE_GET].p50, c->phase[PHASE_SPAWN].p50,
	       c->phase[PHASE_RELEASE].p50);
}

static void print_begin(const struct config *cfg, const struct cost *floor)
{
	if (cfg->json) {
		printf("{\n\"benchmark\": \"cgroup-instructions\", \"version\": 1,\n"
		       "\"sandboxes\": %u, \"pool\": %u,\n\"floor_instructions\": %" PRId64
		       ", \"floor_background_instructions\": %" PRId64 ",\n\"series\": [",
		       cfg->sandboxes, cfg->pool, floor->launch, floor->background);
		return;
	}
	printf("Instructions of one sandbox's cgroup work, mean of %u; the process itself is\n"
	       "subtracted: %" PRId64 ", and %" PRId64 " in kernel threads.\n\n",
	       cfg->sandboxes, floor->launch, floor->background);
	printf("%-26s %10s %10s %10s %10s %10s %10s\n", "series", "launch", "background", "total",
	       "get p50", "spawn p50", "release p50");
}

int instructions_run(const struct config *cfg)
{
	struct cost floor, cost;
	bool is_first = true;
	int ret = check_clock();

	if (!ret)
		ret = count_series(cfg, &series_all[0], &floor);
	if (!ret)
		print_begin(cfg, &floor);
	for (unsigned int i = 1; i < nr_series && !ret; i++) {
		if (!cfg->wanted[i])
			continue;
		ret = count_series(cfg, &series_all[i], &cost);
		if (!ret) {
			print_cost(cfg, &series_all[i], &cost, &floor, is_first);
			fflush(stdout);
		}
		is_first = false;
	}
	if (!ret && cfg->json)
		printf("\n]\n}\n");
	return ret;
}
