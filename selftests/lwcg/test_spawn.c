// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that start in a slot by clone3(CLONE_INTO_CGROUP): without
 * cgroup_mutex, and therefore against everything that this mutex used to keep
 * out: the end of the lease, changes of the parent's controllers and of its type.
 */
#include "lwcg_test.h"

/* A child in the cgroup that ends at once; 0, or -errno of clone3(). */
static int spawn_and_reap(int cgroup_fd)
{
	pid_t pid = clone_into(cgroup_fd);

	if (!pid)
		_exit(0);
	return pid < 0 ? pid : reap(pid) < 0;
}

/*
 * Two processes start children in the slot while its lease ends at a random
 * moment: all children die, nothing comes in later, and the slot is recycled.  What
 * the loser sees is an idle slot, a dead one, or none any more.
 */
static int test_release_during_spawns(void)
{
	int dev = device_open_bound(4), rounds = ktap_slow() ? 40 : 300, i, k, status, err;
	struct lwcg_info before, after;
	unsigned int seed = getpid();
	pid_t pids[2];

	EXPECT(WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0));
	before = info(dev);
	for (i = 0; i < rounds; i++) {
		struct lwcg_acquire arg = acquire_arg("raced");

		/* should the release come late */
		arg.pids_max = 300;
		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		for (k = 0; k < 2; k++) {
			pids[k] = fork();
			/* the children are init's when this one is gone */
			if (!pids[k])
				_exit(-spawn_until_refused(arg.dir_fd));
		}
		usleep(rand_r(&seed) % 4000);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		for (k = 0; k < 2; k++) {
			EXPECT_EQ(waitpid(pids[k], &status, 0), pids[k]);
			EXPECT(WIFEXITED(status));
			err = WEXITSTATUS(status);
			if (err != EBUSY && err != ENODEV && err != ENOENT)
				ktap_diag("refused with %s", strerror(err));
			EXPECT(err == EBUSY || err == ENODEV || err == ENOENT);
		}
		close(arg.dir_fd);
	}
	EXPECT(WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0));
	after = info(dev);
	EXPECT_EQ(after.retired + after.recycled - before.retired - before.recycled, rounds);
	close(dev);
	return KTAP_PASS;
}

/* A controller comes and goes for all slots while processes start in them. */
static int test_controllers_change_during_spawns(void)
{
	int dev = device_open_bound(4), rounds = ktap_slow() ? 40 : 300, i, status, ret = 0;
	pid_t toggler = fork();

	if (!toggler)
		for (;;) {
			write_at(parent_fd, "cgroup.subtree_control", "-pids");
			write_at(parent_fd, "cgroup.subtree_control", "+pids");
		}
	for (i = 0; i < rounds && !ret; i++) {
		struct lwcg_acquire arg = acquire_arg("toggled");
		pid_t pid;

		ret = acquire_wait(dev, &arg);
		if (ret)
			break;
		pid = clone_into(arg.dir_fd);
		if (!pid)
			_exit(!strstr(read_at(AT_FDCWD, "/proc/self/cgroup"), "/toggled"));
		status = pid < 0 ? pid : reap(pid);
		if (status) {
			ktap_diag("round %d: clone3() %d, status %#x", i, pid, status);
			ret = -1;
		}
		close(arg.dir_fd);
		release(dev, arg.slot_id);
	}
	kill(toggler, SIGKILL);
	reap(toggler);
	EXPECT_EQ(write_at(parent_fd, "cgroup.subtree_control", "+pids"), 0);
	EXPECT_EQ(ret, 0);
	EXPECT(WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0));
	close(dev);
	return KTAP_PASS;
}

/* Slots are there to hold processes, so their parent stays a domain. */
static int test_parent_cannot_become_threaded(void)
{
	static const char *const domain[] = {"-memory", "-io", "-hugetlb", "-misc", "-rdma"};
	int dev = device_open(), dir, beside;
	size_t i;

	EXPECT_EQ(mkdirat(parent_fd, "plain", 0755), 0);
	dir = openat(parent_fd, "plain", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT_EQ(pool_bind(dev, dir, 1, 0), 0);
	EXPECT(WAIT_FOR(info(dev).ready == 1));
	/* what the parent enables does not allow it either */
	for (i = 0; i < ARRAY_SIZE(domain); i++)
		(void)!write_at(parent_fd, "cgroup.subtree_control", domain[i]);
	EXPECT_EQ(write_at(dir, "cgroup.type", "threaded"), -EOPNOTSUPP);
	/* nor the root of a threaded subtree */
	EXPECT_EQ(mkdirat(dir, "beside", 0755), 0);
	beside = openat(dir, "beside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT_EQ(write_at(beside, "cgroup.type", "threaded"), -EOPNOTSUPP);
	EXPECT_EQ(drain(dev), 0);
	EXPECT_EQ(write_at(beside, "cgroup.type", "threaded"), 0);
	close(beside);
	EXPECT_EQ(unlinkat(dir, "beside", AT_REMOVEDIR), 0);
	close(dir);
	close(dev);
	EXPECT(WAIT_FOR(!unlinkat(parent_fd, "plain", AT_REMOVEDIR)));
	EXPECT_EQ(enable_controllers(parent_fd), 0);
	return KTAP_PASS;
}

/* lwcg_hold.ko holds cgroup_mutex until it is unloaded. */
static int mutex_hold(void)
{
	return test_module_load("lwcg_hold");
}

static int mutex_release(void)
{
	return syscall(SYS_delete_module, "lwcg_hold", 0) ? -errno : 0;
}

/* The launch path from end to end; 0, or the line where it failed. */
static int launch_and_release(int dev, struct lwcg_acquire *arg)
{
	int i;

	if (acquire(dev, arg))
		return __LINE__;
	for (i = 0; i < 20; i++)
		if (spawn_and_reap(arg->dir_fd))
			return __LINE__;
	if (!strstr(read_at(arg->dir_fd, "memory.max"), "67108864"))
		return __LINE__;
	return release(dev, arg->slot_id) ? __LINE__ : 0;
}

static int test_launch_while_cgroup_mutex_is_held(void)
{
	struct lwcg_acquire arg = acquire_arg("unhindered");
	int dev = device_open_bound(2), ret, failed, blocked;
	pid_t maker;

	/* slots made after the last change of the parent's controllers */
	EXPECT_EQ(drain(dev), 0);
	close(dev);
	dev = device_open_bound(2);
	EXPECT(dev >= 0);
	EXPECT(WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0));
	arg.memory_max = 64 << 20;
	arg.cpu_quota_us = 50000;
	arg.pids_max = 100;
	ret = mutex_hold();
	if (ret == -ENOENT && access("/proc/lockdep", F_OK))
		return ktap_skip("only a kernel with CONFIG_PROVE_RCU exports cgroup_mutex");
	EXPECT_EQ(ret, 0);
	/* The counter-proof that it is held; and it keeps the parent's inode locked. */
	maker = fork();
	if (!maker)
		_exit(mkdirat(parent_fd, "hindered", 0755) ? 1 : 0);
	blocked = WAIT_FOR(is_blocked(maker));
	failed = blocked ? launch_and_release(dev, &arg) : 0;
	sleep_ms(200);
	blocked &= is_blocked(maker);
	EXPECT_EQ(mutex_release(), 0);
	close(arg.dir_fd);
	EXPECT_EQ(failed, 0);
	EXPECT(blocked);
	EXPECT_EQ(reap(maker), 0);
	EXPECT_EQ(unlinkat(parent_fd, "hindered", AT_REMOVEDIR), 0);
	EXPECT(WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0));
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_release_during_spawns),
		T(test_controllers_change_during_spawns),
		T(test_parent_cannot_become_threaded),
		T(test_launch_while_cgroup_mutex_is_held),
	};

	setup("spawn", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
