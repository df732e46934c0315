// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of an operation is made to fail in turn (fail-nth of the fault
 * injection framework).  Each failure must be reported as one, leave nothing
 * behind, and leave a device that works.
 */
#include "lwcg_fault.h"

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

/* CLONE_INTO_CGROUP that fails leaves nobody in the slot, nor anything on its way there. */
static int test_spawn_fails_cleanly(void)
{
	int nth, dev, status, skip = fault_setup(), failures = 0;
	struct lwcg_acquire arg = acquire_arg("sterile");
	uint64_t before;
	bool hit = true;
	pid_t pid;

	if (skip)
		return skip;
	dev = device_open_bound(1);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	for (nth = 1; nth < MAX_NTH && hit; nth++) {
		fail_nth(nth);
		pid = clone_into(arg.dir_fd);
		if (!pid)
			_exit(0);
		hit = fail_nth_hit();
		if (pid < 0) {
			EXPECT_EQ(pid, -ENOMEM);
			EXPECT(hit);
			failures++;
		} else {
			status = reap(pid);
			EXPECT(WIFEXITED(status));
		}
		EXPECT(WAIT_FOR(strstr(read_at(arg.dir_fd, "cgroup.events"), "populated 0")));
		EXPECT(WAIT_FOR(!strcmp(read_at(arg.dir_fd, "pids.current"), "0")));
	}
	EXPECT(nth < MAX_NTH);
	EXPECT(failures > 10);
	/* a fork that is still counted would keep the slot recycling */
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	before = ended(dev);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WAIT_FOR(ended(dev) == before + 1));
	ktap_diag("%d allocations, %d errors", nth - 2, failures);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* A file is closed: leases end, or become orphans. */
static int close_with_leases(int dev)
{
	close(dev);
	return 0;
}

static int resize_up(int dev)
{
	return resize(dev, 3, 1);
}

static int poll_now(int dev)
{
	return poll_events(dev) < 0;
}

/* What cannot fail does not, and has done its work. */
static int test_the_rest_never_fails(void)
{
	static const struct {
		const char *name;
		int (*fn)(int dev);
	} ops[] = {
		{"poll", poll_now},
		{"resize", resize_up},
		{"close", close_with_leases},
		{"drain", drain},
	};
	int nth, i, dev, other, dir, skip = fault_setup();
	struct lwcg_acquire plain, kept;
	bool hit;

	if (skip)
		return skip;
	EXPECT_EQ(mkdirat(parent_fd, "rest", 0755), 0);
	dir = openat(parent_fd, "rest", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (nth = 1, hit = true; nth < MAX_NTH && hit; nth++) {
			dev = device_open();
			other = device_open();
			EXPECT_EQ(pool_bind(other, dir, 2, 0), 0);
			EXPECT_EQ(pool_bind(dev, dir, 2, 0), 0);
			plain = acquire_arg("plain");
			kept = acquire_arg("kept");
			kept.flags = LWCG_ACQUIRE_PERSISTENT;
			if (ops[i].fn == close_with_leases) {
				EXPECT_EQ(acquire_wait(dev, &plain), 0);
				EXPECT_EQ(acquire_wait(dev, &kept), 0);
				close(plain.dir_fd);
				close(kept.dir_fd);
			}
			fail_nth(nth);
			EXPECT_EQ(ops[i].fn(dev), 0);
			hit = fail_nth_hit();
			if (ops[i].fn == close_with_leases) {
				EXPECT(WAIT_FOR(!exists_at(dir, "plain")));
				EXPECT(WAIT_FOR(info(other).orphans == 1));
				EXPECT(exists_at(dir, "kept"));
			} else {
				close(dev);
			}
			EXPECT_EQ(drain_orphans(other), ops[i].fn == drain ? -ESHUTDOWN : 0);
			EXPECT_EQ(nr_descendants(dir), 0);
			close(other);
		}
		EXPECT(nth < MAX_NTH);
		ktap_diag("%s: %d allocations", ops[i].name, nth - 2);
	}
	close(dir);
	EXPECT_EQ(unlinkat(parent_fd, "rest", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_open_fails_cleanly),    T(test_fill_fails_cleanly),
		T(test_acquire_fails_cleanly), T(test_release_never_fails),
		T(test_adopt_fails_cleanly),   T(test_stats_fail_cleanly),
		T(test_spawn_fails_cleanly),   T(test_the_rest_never_fails),
	};

	setup("fault", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
