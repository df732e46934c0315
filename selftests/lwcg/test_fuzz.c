// SPDX-License-Identifier: GPL-2.0-only
/*
 * A million random ioctls from four threads on shared files: almost well-formed
 * arguments, so that they get past the first checks.  What must hold afterwards is
 * that the counters add up, that nothing is left, and that the device works.
 */
#include "lwcg_test.h"

#include <pthread.h>

#define THREADS 4
#define FILES	3

static int files[FILES];
static unsigned long count_per_thread;

struct fuzzer {
	pthread_t thread;
	uint64_t state;
	unsigned long done, succeeded;
};

/* xorshift64; the seed is printed, so a run can be repeated. */
static uint64_t rnd(struct fuzzer *f)
{
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return f->state;
}

static uint64_t pick_limit(struct fuzzer *f)
{
	switch (rnd(f) % 4) {
	case 0:
		return LWCG_MAX;
	case 1:
		return rnd(f);
	case 2:
		return rnd(f) % 200000;
	default:
		return 0;
	}
}

static void fill_acquire(struct fuzzer *f, struct lwcg_acquire *arg)
{
	size_t i, n = rnd(f) % 8;

	/* few names, so that they collide; now and then one of random bytes */
	snprintf(arg->name, sizeof(arg->name), "f%d", (int)(rnd(f) % 16));
	for (i = 0; n == 0 && i < sizeof(arg->name); i++)
		arg->name[i] = rnd(f);
	arg->memory_max = rnd(f) % 2 ? LWCG_MAX : pick_limit(f);
	arg->cpu_quota_us = rnd(f) % 2 ? LWCG_MAX : pick_limit(f);
	arg->cpu_period_us = pick_limit(f);
	arg->pids_max = rnd(f) % 2 ? LWCG_MAX : pick_limit(f);
	arg->slot_id = rnd(f);
	arg->dir_fd = rnd(f) % 64;
	arg->reserved = 0;
}

/* One call, with up to two mistakes put into its argument. */
static void one(struct fuzzer *f)
{
	static const uint32_t sizes[] = {
		LWCG_POOL_SIZE_V1,  LWCG_ACQUIRE_SIZE_V1, LWCG_RELEASE_SIZE_V1, LWCG_INFO_SIZE_V1,
		LWCG_DRAIN_SIZE_V1, LWCG_ADOPT_SIZE_V1,	  LWCG_RESIZE_SIZE_V1,	LWCG_STATS_SIZE_V1};
	static __thread uint64_t last_id;
	union {
		struct lwcg_pool pool;
		struct lwcg_acquire acquire;
		struct lwcg_release release;
		struct lwcg_adopt adopt;
		struct lwcg_resize resize;
		struct lwcg_stats stats;
		uint32_t words[512];
	} arg = {0};
	/* acquire and release most of the time, drain rarely */
	static const int nrs[] = {0, 1, 1, 1, 1, 2, 2, 2, 3, 5, 5, 6, 7};
	int nr = rnd(f) % 512 ? nrs[rnd(f) % ARRAY_SIZE(nrs)] : 4, ret;

	switch (nr) {
	case 0:
		arg.pool.parent_fd = rnd(f) % 8 ? parent_fd : (int)(rnd(f) % 64);
		arg.pool.target = rnd(f) % 12;
		arg.pool.low_water = rnd(f) % 4;
		arg.pool.flags = rnd(f) % 8 ? 0 : LWCG_POOL_EXISTING;
		break;
	case 1:
		fill_acquire(f, &arg.acquire);
		arg.acquire.flags = rnd(f) % 2 ? 0 : LWCG_ACQUIRE_PERSISTENT;
		break;
	case 2:
		arg.release.slot_id = rnd(f) % 4 ? last_id : rnd(f) % (last_id + 8);
		break;
	case 4:
		arg.words[1] = rnd(f) % 2 ? 0 : LWCG_DRAIN_ORPHANS;
		break;
	case 5:
		snprintf(arg.adopt.name, sizeof(arg.adopt.name), "f%d", (int)(rnd(f) % 16));
		break;
	case 6:
		arg.resize.target = rnd(f) % 12;
		arg.resize.low_water = rnd(f) % 4;
		break;
	}
	arg.words[0] = sizes[nr];
	while (rnd(f) % 8 == 0)
		arg.words[rnd(f) % 40] = rnd(f) % 2 ? rnd(f) : rnd(f) % 256;

	ret = xioctl(files[rnd(f) % FILES], _IO(LWCG_IOC, nr), rnd(f) % 256 ? &arg : NULL);
	f->done++;
	f->succeeded += !ret;
	if (nr == 1 && !ret) {
		last_id = arg.acquire.slot_id;
		close(arg.acquire.dir_fd);
	}
	if (nr == 5 && !ret) {
		last_id = arg.adopt.slot_id;
		close(arg.adopt.dir_fd);
	}
}

/* Put another open file in the place of one: its leases end or become orphans. */
static void reopen(struct fuzzer *f)
{
	int dev = device_open();

	if (dev < 0)
		return;
	if (!pool_bind(dev, parent_fd, 1 + rnd(f) % 8, 0))
		dup3(dev, files[rnd(f) % FILES], O_CLOEXEC);
	close(dev);
}

static void *fuzz(void *data)
{
	struct fuzzer *f = data;

	while (f->done < count_per_thread) {
		one(f);
		if (rnd(f) % 1024 == 0)
			reopen(f);
	}
	return NULL;
}

static int test_random_ioctls(void)
{
	unsigned long total = 0, succeeded = 0;
	struct fuzzer fuzzers[THREADS] = {0};
	uint64_t seed = now_ms();
	struct lwcg_stats s;
	int i, dev;

	count_per_thread = (ktap_slow() ? 30000 : 1000000) / THREADS;
	ktap_diag("seed %llu", (unsigned long long)seed);
	for (i = 0; i < FILES; i++) {
		files[i] = device_open_bound(4);
		EXPECT(files[i] >= 0);
	}
	for (i = 0; i < THREADS; i++) {
		fuzzers[i].state = seed * 6364136223846793005ULL + i + 1;
		EXPECT_EQ(pthread_create(&fuzzers[i].thread, NULL, fuzz, &fuzzers[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(fuzzers[i].thread, NULL);
		total += fuzzers[i].done;
		succeeded += fuzzers[i].succeeded;
	}
	ktap_diag("%lu ioctls, %lu succeeded", total, succeeded);
	for (i = 0; i < FILES; i++)
		close(files[i]);

	EXPECT_EQ(total, count_per_thread * THREADS);
	/* a fuzzer that never gets through tests nothing */
	EXPECT(succeeded > total / 20);
	dev = device_open_bound(4);
	EXPECT(dev >= 0);
	EXPECT(WAIT_FOR(info(dev).leased == info(dev).orphans && info(dev).recycling == 0));
	EXPECT(WAIT_FOR(is_filled(dev, info(dev).target)));
	s = stats(dev);
	EXPECT_EQ(s.acquired - s.released, info(dev).orphans);
	EXPECT_EQ(s.orphaned - s.adopted >= info(dev).orphans, 1);
	EXPECT_EQ(drain_orphans(dev), 0);
	close(dev);
	EXPECT(WAIT_FOR(strstr(read_at(parent_fd, "cgroup.stat"), "nr_descendants 0") != NULL));
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_random_ioctls),
	};

	setup("fuzz", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
