// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits: a slot gets those of the latest lease in advance, and a lease gets those
 * that it asks for, whatever the slot had and whatever happened to it meanwhile.
 */
#include "lwcg_test.h"

#include <dirent.h>

#define MEM (64ULL << 20)

static struct lwcg_acquire limited(const char *name)
{
	struct lwcg_acquire arg = acquire_arg(name);

	arg.memory_max = MEM;
	arg.cpu_quota_us = 20000;
	arg.cpu_period_us = 50000;
	arg.pids_max = 77;
	return arg;
}

static bool is_limited(int dir)
{
	return says(dir, "memory.max", "67108864") && says(dir, "cpu.max", "20000 50000") &&
	       says(dir, "pids.max", "77") && says(dir, "memory.oom.group", "1");
}

static bool is_unlimited(int dir)
{
	return says(dir, "memory.max", "max") && says(dir, "cpu.max", "max 100000") &&
	       says(dir, "pids.max", "max") && says(dir, "memory.oom.group", "1");
}

/* How many ready slots have @file with @text in it? */
static int ready_with(const char *file, const char *text)
{
	DIR *dir = fdopendir(openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;
	char path[64];
	int n = 0;

	while (dir && (de = readdir(dir))) {
		if (strncmp(de->d_name, ".lwcg-", 6))
			continue;
		snprintf(path, sizeof(path), "%.31s/%s", de->d_name, file);
		if (exists_at(parent_fd, path) && strstr(read_at(parent_fd, path), text))
			n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* One lease of a slot of its own, so that the next one finds what it has left. */
static int lease_once(int dev, struct lwcg_acquire arg, bool (*check)(int dir))
{
	int ret = acquire_wait(dev, &arg);

	if (ret)
		return ret;
	ret = check(arg.dir_fd) ? 0 : -EILSEQ;
	close(arg.dir_fd);
	if (release(dev, arg.slot_id) || !WAIT_FOR(!info(dev).recycling))
		return -ETIMEDOUT;
	return ret;
}

/*
 * Make limited() the limits that are expected, and see a ready slot with them.  A slot
 * that replaces the one being leased may be made before the lease counts as the latest;
 * whatever follows the second lease was made or recycled after the first.
 */
static bool get_expected(int dev, const char *name)
{
	return !lease_once(dev, limited(name), is_limited) &&
	       !lease_once(dev, limited(name), is_limited) &&
	       WAIT_FOR(ready_with("memory.max", "67108864") >= 1) &&
	       WAIT_FOR(ready_with("cpu.max", "20000 50000") >= 1) &&
	       WAIT_FOR(ready_with("pids.max", "77") >= 1);
}

static int test_latest_limits_in_advance(void)
{
	int dev = device_open_bound(1);

	EXPECT_EQ(ready_with("memory.oom.group", "1"), 1);
	EXPECT_EQ(ready_with("pids.max", "max"), 1);
	EXPECT(get_expected(dev, "first"));
	close(dev);
	return KTAP_PASS;
}

/* Any order of requests: nothing is left of the limits that were expected. */
static int test_leases_get_what_they_ask_for(void)
{
	struct lwcg_acquire none = acquire_arg("none"), some = limited("some");
	int dev = device_open_bound(1), round;

	for (round = 0; round < 3; round++) {
		EXPECT_EQ(lease_once(dev, some, is_limited), 0);
		EXPECT_EQ(lease_once(dev, some, is_limited), 0);
		EXPECT_EQ(lease_once(dev, none, is_unlimited), 0);
		EXPECT_EQ(lease_once(dev, none, is_unlimited), 0);
	}
	close(dev);
	return KTAP_PASS;
}

/* A period without a quota means nothing, then and for the next lease. */
static int test_period_without_quota(void)
{
	struct lwcg_acquire arg = acquire_arg("period");
	int dev = device_open_bound(1);

	arg.cpu_period_us = 20000;
	EXPECT_EQ(lease_once(dev, arg, is_unlimited), 0);
	EXPECT_EQ(lease_once(dev, acquire_arg("next"), is_unlimited), 0);
	close(dev);
	return KTAP_PASS;
}

static int toggle(const char *off, const char *on)
{
	int ret = write_at(parent_fd, "cgroup.subtree_control", off);

	return ret ?: write_at(parent_fd, "cgroup.subtree_control", on);
}

/* A controller that others need stays when it is disabled, out of sight and reset. */
static int test_hidden_controller_forgets(void)
{
	int dev = device_open_bound(1), ret;

	if (write_at(parent_fd, "cgroup.subtree_control", "+io"))
		return KTAP_SKIP;
	EXPECT(get_expected(dev, "before"));
	EXPECT_EQ(toggle("-memory", "+memory"), 0);
	EXPECT(WAIT_FOR(ready_with("memory.max", "max") >= 1));
	ret = lease_once(dev, limited("after"), is_limited);
	EXPECT_EQ(write_at(parent_fd, "cgroup.subtree_control", "-io"), 0);
	EXPECT_EQ(ret, 0);
	close(dev);
	return KTAP_PASS;
}

/* A controller that goes takes the limit with it, and comes back without. */
static int test_controllers_forget(void)
{
	static const char *const which[][2] = {
		{"-pids", "+pids"},
		{"-cpu", "+cpu"},
		{"-memory", "+memory"},
	};
	int dev = device_open_bound(1);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(which); i++) {
		EXPECT(get_expected(dev, "before"));
		EXPECT_EQ(toggle(which[i][0], which[i][1]), 0);
		EXPECT_EQ(lease_once(dev, limited("after"), is_limited), 0);
	}
	close(dev);
	return KTAP_PASS;
}

static bool has_no_pids(int dir)
{
	return !exists_at(dir, "pids.max") && says(dir, "memory.max", "max");
}

static int test_limit_without_controller(void)
{
	struct lwcg_acquire arg = limited("refused");
	int dev = device_open_bound(1);

	EXPECT_EQ(lease_once(dev, limited("before"), is_limited), 0);
	EXPECT_EQ(write_at(parent_fd, "cgroup.subtree_control", "-pids"), 0);
	EXPECT_EQ(acquire_wait(dev, &arg), -EOPNOTSUPP);
	EXPECT_EQ(lease_once(dev, acquire_arg("none"), has_no_pids), 0);
	EXPECT_EQ(write_at(parent_fd, "cgroup.subtree_control", "+pids"), 0);
	EXPECT_EQ(lease_once(dev, limited("after"), is_limited), 0);
	close(dev);
	return KTAP_PASS;
}

/* A tenant may write to the files of its slot; the next one has its own limits. */
static int test_tenants_change_their_limits(void)
{
	struct lwcg_acquire arg = limited("changed");
	int dev = device_open_bound(1);

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "memory.max", "max"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cpu.max", "max"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "pids.max", "5"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "memory.oom.group", "0"), 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	EXPECT(WAIT_FOR(!info(dev).recycling));
	EXPECT_EQ(lease_once(dev, limited("next"), is_limited), 0);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_latest_limits_in_advance),    T(test_leases_get_what_they_ask_for),
		T(test_period_without_quota),	     T(test_hidden_controller_forgets),
		T(test_controllers_forget),	     T(test_limit_without_controller),
		T(test_tenants_change_their_limits),
	};

	setup("limits", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
