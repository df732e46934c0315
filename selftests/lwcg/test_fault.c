// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of an operation is made to fail in turn (fail-nth of the fault
 * injection framework).  Each failure must be reported as one, leave nothing
 * behind, and leave a device that works.
 */
#include "lwcg_test.h"

/* The more there are, the more an operation allocates; a bound against bugs. */
#define MAX_NTH 2000

static int fail_nth_fd = -1;

/* Make the nth allocation of this thread from now on fail; 0 for none. */
static int fail_nth(int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	return pwrite(fail_nth_fd, text, len, 0) == len ? 0 : -errno;
}

/* Was there an allocation to fail?  Disarms it in any case. */
static bool fail_nth_hit(void)
{
	char text[16] = "";

	if (pread(fail_nth_fd, text, sizeof(text) - 1, 0) <= 0)
		return false;
	fail_nth(0);
	return atoi(text) == 0;
}

static int fault_setup(void)
{
	static const char dir[] = "/sys/kernel/debug/failslab";

	if (access(dir, F_OK))
		mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (access(dir, F_OK))
		return ktap_skip("the kernel has no CONFIG_FAILSLAB");
	write_at(AT_FDCWD, "/sys/kernel/debug/failslab/verbose", "0");
	if (write_at(AT_FDCWD, "/sys/kernel/debug/failslab/ignore-gfp-wait", "N"))
		return ktap_skip("cannot configure %s", dir);
	if (fail_nth_fd < 0)
		fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth_fd < 0)
		return ktap_skip("no /proc/thread-self/fail-nth");
	return 0;
}

static int test_open_fails_cleanly(void)
{
	int nth, dev, skip = fault_setup(), failures = 0;

	if (skip)
		return skip;
	for (nth = 1; nth < MAX_NTH; nth++) {
		fail_nth(nth);
		dev = device_open();
		if (!fail_nth_hit())
			break;
		if (dev < 0) {
			EXPECT_EQ(dev, -ENOMEM);
			failures++;
		} else {
			close(dev);
		}
	}
	EXPECT(nth < MAX_NTH);
	EXPECT(failures > 0);
	EXPECT(dev >= 0);
	close(dev);
	ktap_diag("%d allocations, %d errors", nth - 1, failures);
	return KTAP_PASS;
}

/* Make a pool: its structure, then slot by slot everything that a cgroup consists of. */
static int test_fill_fails_cleanly(void)
{
	int nth, ret, dir, dev, skip = fault_setup(), failures = 0;
	int64_t start;
	bool hit;

	if (skip)
		return skip;
	EXPECT_EQ(mkdirat(parent_fd, "fault", 0755), 0);
	dir = openat(parent_fd, "fault", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT(dir >= 0);
	EXPECT_EQ(write_at(dir, "cgroup.subtree_control", "+memory +cpu +pids"), 0);
	for (nth = 1; nth < MAX_NTH; nth++) {
		dev = device_open();
		EXPECT(dev >= 0);
		start = now_ms();
		fail_nth(nth);
		ret = pool_bind(dev, dir, 1, 0);
		hit = fail_nth_hit();
		if (ret) {
			EXPECT_EQ(ret, -ENOMEM);
			EXPECT(hit);
			failures++;
			/* none, until the pool itself tries again after a second */
			EXPECT(!info(dev).ready || now_ms() - start >= 1000);
			/* it can be repeated */
			EXPECT_EQ(pool_bind(dev, dir, 1, 0), 0);
		}
		EXPECT_EQ(info(dev).ready, 1);
		EXPECT_EQ(drain(dev), 0);
		close(dev);
		EXPECT(strstr(read_at(dir, "cgroup.stat"), "nr_descendants 0"));
		if (!hit)
			break;
	}
	EXPECT(nth < MAX_NTH);
	EXPECT(failures > 10);
	ktap_diag("%d allocations, %d errors", nth - 1, failures);
	close(dir);
	EXPECT_EQ(unlinkat(parent_fd, "fault", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}

static int test_acquire_fails_cleanly(void)
{
	int nth, ret, dev, before, after, skip = fault_setup(), failures = 0;
	struct lwcg_acquire arg;
	bool hit;

	if (skip)
		return skip;
	dev = device_open_bound(4);
	EXPECT(dev >= 0);
	for (nth = 1; nth < MAX_NTH; nth++) {
		EXPECT(WAIT_FOR(info(dev).ready > 0));
		arg = acquire_arg("faulty");
		arg.memory_max = 64 << 20;
		arg.cpu_quota_us = 50000;
		arg.pids_max = 10;
		before = dup(0);
		fail_nth(nth);
		ret = acquire(dev, &arg);
		hit = fail_nth_hit();
		if (ret) {
			EXPECT_EQ(ret, -ENOMEM);
			EXPECT(hit);
			failures++;
			after = dup(0);
			EXPECT_EQ(after, before + 1);
			close(after);
			EXPECT_EQ(info(dev).leased, 0);
			EXPECT(!exists_at(parent_fd, "faulty"));
		} else {
			EXPECT(!strcmp(read_at(arg.dir_fd, "pids.max"), "10"));
			close(arg.dir_fd);
			EXPECT_EQ(release(dev, arg.slot_id), 0);
		}
		close(before);
		if (!hit)
			break;
	}
	EXPECT(nth < MAX_NTH);
	EXPECT(failures > 0);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	ktap_diag("%d allocations, %d errors", nth - 1, failures);
	close(dev);
	return KTAP_PASS;
}

/* A release cannot fail: at worst the slot keeps its name until it is gone. */
static int test_release_never_fails(void)
{
	int nth, dev, skip = fault_setup();
	struct lwcg_acquire arg;
	char name[32];
	bool hit;

	if (skip)
		return skip;
	dev = device_open_bound(4);
	EXPECT(dev >= 0);
	for (nth = 1; nth < MAX_NTH; nth++) {
		snprintf(name, sizeof(name), "released-%d", nth);
		arg = acquire_arg(name);
		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		close(arg.dir_fd);
		fail_nth(nth);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		hit = fail_nth_hit();
		EXPECT(WAIT_FOR(!exists_at(parent_fd, name)));
		if (!hit)
			break;
	}
	EXPECT(nth < MAX_NTH);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	ktap_diag("%d allocations", nth - 1);
	close(dev);
	return KTAP_PASS;
}

/* ADOPT that fails leaves an orphan; STATS that fails leaves nothing. */
static int test_adopt_fails_cleanly(void)
{
	int nth, ret, dev, before, after, skip = fault_setup(), failures = 0;
	struct lwcg_acquire arg = acquire_arg("adoptee");
	struct lwcg_adopt a;
	bool hit = true;

	if (skip)
		return skip;
	dev = device_open_bound(1);
	arg.flags = LWCG_ACQUIRE_PERSISTENT;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	close(arg.dir_fd);
	for (nth = 1; nth < MAX_NTH && hit; nth++) {
		close(dev);
		dev = device_open_bound(1);
		EXPECT(dev >= 0);
		EXPECT(WAIT_FOR(info(dev).orphans == 1));
		a = adopt_arg("adoptee");
		before = dup(0);
		close(before);
		fail_nth(nth);
		ret = adopt(dev, &a);
		hit = fail_nth_hit();
		if (ret) {
			EXPECT_EQ(ret, -ENOMEM);
			EXPECT(hit);
			failures++;
			after = dup(0);
			close(after);
			EXPECT_EQ(after, before);
			EXPECT_EQ(info(dev).orphans, 1);
		} else {
			EXPECT_EQ(a.slot_id, arg.slot_id);
			EXPECT_EQ(info(dev).orphans, 0);
			close(a.dir_fd);
		}
	}
	EXPECT(nth < MAX_NTH);
	EXPECT(failures > 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	ktap_diag("%d allocations, %d errors", nth - 2, failures);
	close(dev);
	return KTAP_PASS;
}

static int test_stats_fail_cleanly(void)
{
	int dev, nth, skip = fault_setup(), failures = 0;
	struct lwcg_stats s = {.size = sizeof(s)};
	bool hit = true;
	int ret;

	if (skip)
		return skip;
	dev = device_open_bound(1);
	EXPECT(dev >= 0);
	for (nth = 1; nth < MAX_NTH && hit; nth++) {
		fail_nth(nth);
		ret = xioctl(dev, LWCG_STATS, &s);
		hit = fail_nth_hit();
		/* an allocation that the kernel's own checks make may fail unnoticed */
		if (ret) {
			EXPECT_EQ(ret, -ENOMEM);
			EXPECT(hit);
			failures++;
		}
	}
	EXPECT(nth < MAX_NTH);
	EXPECT_EQ(failures, 1);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_open_fails_cleanly),    T(test_fill_fails_cleanly),
		T(test_acquire_fails_cleanly), T(test_release_never_fails),
		T(test_adopt_fails_cleanly),   T(test_stats_fail_cleanly),
	};

	setup("fault", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
