// SPDX-License-Identifier: GPL-2.0-only
/*
 * The passes of one result: time, run-queue waits, locks, bystander.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/log.h"

/* What counts of an operation: all but the reap. */
static uint64_t work_ns(const struct op *op)
{
	return op->ns[PHASE_GET] + op->ns[PHASE_SPAWN] + op->ns[PHASE_RELEASE];
}

static int summarize(const struct op *rec, unsigned int n, struct result *r)
{
	__cleanup_free uint64_t *v = calloc(n, sizeof(*v));

	if (!v)
		return log_errno(-ENOMEM, "%u operations: out of memory", n);
	for (int phase = 0; phase < NR_PHASES; phase++) {
		for (unsigned int i = 0; i < n; i++)
			v[i] = rec[i].ns[phase];
		spread_of(v, n, &r->phase[phase]);
	}
	for (unsigned int i = 0; i < n; i++)
		v[i] = work_ns(&rec[i]);
	spread_of(v, n, &r->op);
	for (int i = 0; i <= CDF_POINTS; i++)
		r->cdf[i] = percentile(v, n, (double)i / CDF_POINTS);
	return 0;
}

static int timed_pass(struct bench *b, struct pass *p, struct result *r)
{
	struct cpu_time start;
	uint64_t end;
	int ret = cpu_time_read(&start);

	if (ret)
		return ret;
	atomic_store(&b->empty, 0);
	ret = pass_run(p);
	if (!ret)
		ret = tree_dying(b, &r->dying_at_end);
	end = now_ns();
	if (!ret)
		ret = tree_quiet(b, &r->dying_after);
	if (ret)
		return ret;
	r->quiet_ns = now_ns() - end;
	r->cpu = cpu_time_since(&start);
	r->total_ns = p->wall_ns;
	r->empty = atomic_load(&b->empty);
	return summarize(p->rec, p->ops, r);
}

/* Reading the waits costs system calls: in a pass of their own. */
static int runqueue_pass(struct bench *b, struct pass *p, struct result *r)
{
	__cleanup_free uint64_t *v = calloc(p->ops, sizeof(*v));
	struct dying dying;
	int ret;

	if (!v)
		return log_errno(-ENOMEM, "%u operations: out of memory", p->ops);
	ret = pass_run(p);
	if (!ret)
		ret = tree_quiet(b, &dying);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < p->ops; i++) {
		uint64_t ns = work_ns(&p->rec[i]);

		v[i] = ns > p->rec[i].runqueue ? ns - p->rec[i].runqueue : 0;
	}
	spread_of(v, p->ops, &r->no_runqueue);
	return 0;
}

static int locks_pass(struct bench *b, struct pass *p, struct result *r)
{
	struct dying dying;
	uint64_t least;
	int ret = locks_start(), err;

	if (ret)
		return ret;
	ret = pass_run(p);
	if (!ret)
		ret = tree_quiet(b, &dying);
	err = locks_stop(&r->locks);
	if (ret || err)
		return ret ?: err;
	least = (uint64_t)r->probe_ops * b->series->least_mutex;
	if (r->locks.launch[LOCK_MUTEX] >= least)
		return 0;
	return log_errno(-EIO,
			 "%s: cgroup_mutex was counted %" PRIu64 " times, and must have been taken "
			 "%" PRIu64 " times at least: the probes lose hits; give --no-locks",
			 b->series->name, r->locks.launch[LOCK_MUTEX], least);
}

static int measure_threads(const struct config *cfg, struct bench *b, struct result *r)
{
	__cleanup_free struct op *rec = calloc(cfg->sandboxes, sizeof(*rec));
	struct pass p = {.bench = b, .threads = r->threads, .ops = cfg->sandboxes, .rec = rec};
	struct dying dying;
	int ret;

	if (!rec)
		return log_errno(-ENOMEM, "%u operations: out of memory", cfg->sandboxes);
	r->ops = p.ops;
	r->probe_ops = cfg->probe_ops;
	ret = timed_pass(b, &p, r);
	p.ops = cfg->probe_ops;
	if (!ret) {
		p.runqueue = true;
		ret = runqueue_pass(b, &p, r);
	}
	if (!ret && cfg->locks) {
		p.runqueue = false;
		ret = locks_pass(b, &p, r);
	}
	if (!ret && cfg->forks) {
		ret = bystander_run(b, r->threads, cfg->forks, &r->bystander_p99);
		if (!ret)
			ret = tree_quiet(b, &dying);
	}
	return ret;
}

int measure_setup(const struct config *cfg, struct bench *b)
{
	uint64_t start = now_ns();
	struct dying dying;
	int ret = b->series->setup ? b->series->setup(b, cfg->pool) : 0;

	if (!ret)
		ret = tree_quiet(b, &dying);
	b->setup_ns = now_ns() - start;
	return ret;
}

/* Caches of the kernel and of the emulator are filled before anything is measured. */
int measure_warm_up(struct bench *b)
{
	struct op rec[20];
	struct pass p = {.bench = b, .threads = 2, .ops = 20, .rec = rec};
	struct dying dying;
	int ret = pass_run(&p);

	return ret ?: tree_quiet(b, &dying);
}

static int measure_all_threads(const struct config *cfg, struct bench *b)
{
	int ret;

	ret = measure_setup(cfg, b);
	if (!ret)
		ret = measure_warm_up(b);
	for (unsigned int i = 0; i < cfg->nr_threads && !ret; i++) {
		struct result r = {.series = b->series, .threads = cfg->threads[i]};

		r.setup_ns = b->setup_ns;
		ret = measure_threads(cfg, b, &r);
		if (!ret)
			report_result(cfg, &r);
	}
	if (b->series->teardown)
		b->series->teardown(b);
	return ret;
}

static int measure_series(const struct config *cfg)
{
	struct bench b;
	int ret = 0;

	for (unsigned int i = 0; i < nr_series && !ret; i++) {
		if (!cfg->wanted[i])
			continue;
		ret = tree_open(&b, &series_all[i]);
		if (!ret)
			ret = measure_all_threads(cfg, &b);
		tree_close(&b);
	}
	return ret;
}

int measure_run(const struct config *cfg)
{
	uint64_t alone = 0;
	int ret = 0;

	if (cfg->locks)
		ret = locks_setup();
	if (!ret && cfg->forks)
		ret = bystander_run(NULL, 0, cfg->forks, &alone);
	if (!ret) {
		report_begin(cfg, alone);
		ret = measure_series(cfg);
		/* half of a JSON document is none: nobody takes it for the result */
		if (!ret)
			report_end(cfg);
	}
	if (cfg->locks)
		locks_teardown();
	return ret;
}
