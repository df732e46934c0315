// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation that is made in the background, and while the module is loaded, is
 * made to fail in turn.  A pool loses at most the slot that was being worked on, and
 * makes up for it; nobody sees a cgroup that is half made.
 */
#include "lwcg_fault.h"

#define TARGET 2

static const uint64_t memory_max = 64 << 20;

/* A pool of its own below the parent. */
static int open_pool(int *dir)
{
	int dev = device_open();

	if (dev < 0 || mkdirat(parent_fd, "workers", 0755))
		return -1;
	*dir = openat(parent_fd, "workers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)!enable_controllers(*dir);
	return pool_bind(dev, *dir, TARGET, 0) ? -1 : dev;
}

static int close_pool(int dir, int dev)
{
	(void)!fault_function("");
	if (drain(dev))
		return -1;
	close(dev);
	close(dir);
	return unlinkat(parent_fd, "workers", AT_REMOVEDIR);
}

/* No work is left, the counters agree with what is there, and nothing is dying. */
static bool is_at_rest(int dev, int dir)
{
	struct lwcg_info i = info(dev);

	return !i.recycling && !i.leased && i.ready >= TARGET && i.ready <= 2 * TARGET &&
	       nr_descendants(dir) == i.ready;
}

/* What a lease does, between ACQUIRE and RELEASE, to make the function do something. */
typedef int (*tenant_fn)(const struct lwcg_acquire *arg);

/* A lease with limits, which every next slot gets in advance.  0, or where it failed. */
static int lease(int dev, int dir, tenant_fn tenant)
{
	struct lwcg_acquire arg = acquire_arg("tenant");
	pid_t pid;

	arg.memory_max = memory_max;
	arg.cpu_quota_us = 50000;
	arg.pids_max = 10;
	if (acquire_wait(dev, &arg))
		return __LINE__;
	if (strcmp(read_at(arg.dir_fd, "memory.max"), "67108864") ||
	    strcmp(read_at(arg.dir_fd, "cpu.max"), "50000 100000") ||
	    strcmp(read_at(arg.dir_fd, "pids.max"), "10") ||
	    strcmp(read_at(arg.dir_fd, "pids.current"), "0") ||
	    !strstr(read_at(arg.dir_fd, "cgroup.controllers"), "memory"))
		return __LINE__;
	pid = clone_into(arg.dir_fd);
	if (!pid)
		_exit(0);
	if (pid < 0 || reap(pid))
		return __LINE__;
	if (tenant && tenant(&arg))
		return __LINE__;
	if (release(dev, arg.slot_id) || exists_at(dir, "tenant"))
		return __LINE__;
	close(arg.dir_fd);
	return 0;
}

/*
 * Lease after lease, with one allocation of the function failing behind each, until it
 * succeeds with all allocations.
 */
static int fail_behind_leases(const char *function, tenant_fn tenant, int least)
{
	int dir, dev, nth, lost = 0, skip = fault_setup_function();
	struct lwcg_info before, after;
	char result = 'f';

	if (skip)
		return skip;
	dev = open_pool(&dir);
	EXPECT(dev >= 0);
	EXPECT_EQ(fault_function(function), 0);
	EXPECT_EQ(lease(dev, dir, tenant), 0);
	for (nth = 1; nth < MAX_NTH && result == 'f'; nth++) {
		EXPECT(WAIT_FOR(is_at_rest(dev, dir)));
		before = info(dev);
		EXPECT_EQ(fault_arm(nth), 0);
		EXPECT_EQ(lease(dev, dir, tenant), 0);
		EXPECT(WAIT_FOR(is_at_rest(dev, dir)));
		result = fault_result();
		/* it has not run, or not allocated anything this time, which some need not */
		if (result == 'a')
			EXPECT(nth == 1 || !least);
		after = info(dev);
		EXPECT_EQ(after.recycled + after.retired, before.recycled + before.retired + 1);
		lost += after.retired - before.retired;
	}
	EXPECT(nth < MAX_NTH);
	EXPECT_EQ(fault_arm(0), 0);
	ktap_diag("%s: %d allocations; %d slots retired", function, nth - 2, lost);
	EXPECT(nth - 2 >= least);
	EXPECT_EQ(lease(dev, dir, tenant), 0);
	EXPECT(WAIT_FOR(is_at_rest(dev, dir)));
	EXPECT_EQ(close_pool(dir, dev), 0);
	return KTAP_PASS;
}

/* One run of the recycler: the directory and files of a slot's next life, and its limits. */
static int test_recycler_fails_cleanly(void)
{
	return fail_behind_leases("recycle_work", NULL, 20);
}

static int freeze(const struct lwcg_acquire *arg)
{
	return write_at(arg->dir_fd, "cgroup.freeze", "1");
}

static int test_retirement_never_fails(void)
{
	return fail_behind_leases("retire_work", freeze, 0);
}

/* A file whose pages the tenant is the first to read: they stay charged to the slot. */
static int cached_file = -1;

static int read_file(const struct lwcg_acquire *arg)
{
	static char buf[65536];
	pid_t pid;

	posix_fadvise(cached_file, 0, 0, POSIX_FADV_DONTNEED);
	pid = clone_into(arg->dir_fd);
	if (!pid) {
		lseek(cached_file, 0, SEEK_SET);
		while (read(cached_file, buf, sizeof(buf)) > 0)
			;
		_exit(0);
	}
	return pid < 0 || reap(pid) || !atol(read_at(arg->dir_fd, "memory.current"));
}

static int test_reclaim_fails_cleanly(void)
{
	static char buf[1 << 20];

	cached_file = open("/var/lib/rund", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (cached_file < 0)
		return ktap_skip("no file on a disk at /var/lib/rund");
	EXPECT_EQ(write(cached_file, buf, sizeof(buf)), sizeof(buf));
	EXPECT_EQ(fsync(cached_file), 0);
	return fail_behind_leases("reclaim_work", read_file, 0);
}

/* Making a slot, its controllers and files, and its limits. */
static int test_refill_fails_cleanly(void)
{
	int dir, dev, nth, skip = fault_setup_function(), failures = 0;
	char result = 'f';
	uint64_t failed;

	if (skip)
		return skip;
	dev = open_pool(&dir);
	EXPECT(dev >= 0);
	EXPECT_EQ(fault_function("pool_fill_work"), 0);
	/* the limits that are expected from here on */
	EXPECT_EQ(lease(dev, dir, NULL), 0);
	EXPECT(WAIT_FOR(is_at_rest(dev, dir)));
	for (nth = 1; nth < MAX_NTH && result == 'f'; nth++) {
		EXPECT_EQ(resize(dev, 0, 0), 0);
		EXPECT(WAIT_FOR(!nr_descendants(dir) && !info(dev).ready));
		failed = stats(dev).refill_failed;
		EXPECT_EQ(fault_arm(nth), 0);
		EXPECT_EQ(resize(dev, 1, 0), 0);
		EXPECT(WAIT_FOR(fault_is_over()));
		result = fault_result();
		if (stats(dev).refill_failed != failed) {
			EXPECT_EQ(result, 'f');
			failures++;
			/* it would try again by itself, after a second, and may just do so */
			EXPECT_EQ(resize(dev, 1, 0), 0);
		}
		EXPECT(WAIT_FOR(info(dev).ready == 1));
		/* every now and then, as it takes longer than all the rest */
		if (nth % 16 == 0) {
			EXPECT_EQ(lease(dev, dir, NULL), 0);
			EXPECT(WAIT_FOR(!info(dev).recycling));
		}
	}
	EXPECT(nth < MAX_NTH);
	ktap_diag("pool_fill_work: %d allocations, %d errors", nth - 2, failures);
	EXPECT(failures > 20);
	EXPECT_EQ(resize(dev, TARGET, 0), 0);
	EXPECT_EQ(lease(dev, dir, NULL), 0);
	EXPECT(WAIT_FOR(is_at_rest(dev, dir)));
	EXPECT_EQ(close_pool(dir, dev), 0);
	return KTAP_PASS;
}

static int test_trimming_never_fails(void)
{
	int dir, dev, nth, skip = fault_setup_function();
	char result = 'f';

	if (skip)
		return skip;
	dev = open_pool(&dir);
	EXPECT(dev >= 0);
	EXPECT_EQ(fault_function("size_trim_work"), 0);
	for (nth = 1; nth < MAX_NTH && result == 'f'; nth++) {
		EXPECT(WAIT_FOR(is_at_rest(dev, dir)));
		EXPECT_EQ(fault_arm(nth), 0);
		EXPECT_EQ(resize(dev, 0, 0), 0);
		EXPECT(WAIT_FOR(!info(dev).ready && !nr_descendants(dir)));
		sleep_ms(10);
		result = fault_result();
		EXPECT_EQ(resize(dev, TARGET, 0), 0);
	}
	EXPECT(nth < MAX_NTH);
	ktap_diag("size_trim_work: %d allocations", nth - 2);
	EXPECT(WAIT_FOR(is_at_rest(dev, dir)));
	EXPECT_EQ(close_pool(dir, dev), 0);
	return KTAP_PASS;
}

/* Each step of loading fails in turn, and what was done before it is undone. */
static int test_loading_fails_cleanly(void)
{
	int dev, nth, ret, skip = fault_setup_function(), failures = 0;
	char result = 'f';

	if (skip)
		return skip;
	EXPECT(WAIT_FOR(module_unload() == 0));
	EXPECT_EQ(fault_function("do_one_initcall"), 0);
	for (nth = 1; nth < MAX_NTH && result == 'f'; nth++) {
		EXPECT_EQ(fault_arm(nth), 0);
		ret = module_load();
		result = fault_result();
		EXPECT(result == 'f' || result == 'p');
		if (ret) {
			EXPECT_EQ(ret, -ENOMEM);
			EXPECT_EQ(result, 'f');
			EXPECT(access(LWCG_DEVICE, F_OK) < 0);
			EXPECT(access("/sys/class/misc/lwcg", F_OK) < 0);
			failures++;
			EXPECT_EQ(module_load(), 0);
		}
		EXPECT(WAIT_FOR(!access(LWCG_DEVICE, F_OK)));
		dev = device_open();
		EXPECT(dev >= 0);
		EXPECT_EQ(info(dev).abi, LWCG_ABI_VERSION);
		close(dev);
		EXPECT(WAIT_FOR(module_unload() == 0));
	}
	EXPECT(nth < MAX_NTH);
	ktap_diag("do_one_initcall: %d allocations, %d errors", nth - 2, failures);
	EXPECT(failures > 5);
	EXPECT_EQ(fault_function(""), 0);
	EXPECT_EQ(module_load(), 0);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_retirement_never_fails), T(test_trimming_never_fails),
		T(test_reclaim_fails_cleanly),	T(test_recycler_fails_cleanly),
		T(test_refill_fails_cleanly),	T(test_loading_fails_cleanly),
	};

	setup("workers", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
