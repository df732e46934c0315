// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits on cgroup v1: other files, two for the CPU, and the rule that a child must
 * not have more CPU time than its parent.
 */
#define LWCG_V1
#include "../lwcg/lwcg_test.h"

#include <pthread.h>
#include <stdatomic.h>

static struct lwcg_acquire limited(uint64_t memory, uint64_t quota, uint64_t period, uint64_t pids)
{
	struct lwcg_acquire arg = acquire_arg("limited");

	arg.memory_max = memory;
	arg.cpu_quota_us = quota;
	arg.cpu_period_us = period;
	arg.pids_max = pids;
	return arg;
}

/* A lease with these limits, as text, has them; then it ends. */
static int lease_once(int dev, struct lwcg_acquire arg, const char *memory, const char *quota,
		      const char *period, const char *pids)
{
	int ret = acquire_wait(dev, &arg);

	if (ret)
		return ret;
	ret = has_limits(arg.dir_fd, "", memory, quota, period, pids) ? 0 : -EILSEQ;
	close(arg.dir_fd);
	if (release(dev, arg.slot_id) || !WAIT_FOR(!info(dev).recycling))
		return -ETIMEDOUT;
	return ret;
}

/* Whatever the slot had in advance: any order of requests, periods shorter and longer. */
static int test_leases_get_what_they_ask_for(void)
{
	int dev = device_open_bound(1), round;

	for (round = 0; round < 3; round++) {
		EXPECT_EQ(lease_once(dev, limited(64 << 20, 20000, 50000, 77), "67108864", "20000",
				     "50000", "77"),
			  0);
		EXPECT_EQ(lease_once(dev, limited(64 << 20, 900000, 1000000, 77), "67108864",
				     "900000", "1000000", "77"),
			  0);
		EXPECT_EQ(lease_once(dev, limited(LWCG_MAX, 1000, 1000, 7), "max", "1000", "1000",
				     "7"),
			  0);
		EXPECT_EQ(lease_once(dev, limited(LWCG_MAX, LWCG_MAX, 0, LWCG_MAX), "max", "max",
				     "100000", "max"),
			  0);
		EXPECT_EQ(lease_once(dev, limited(LWCG_MAX, LWCG_MAX, 5000, LWCG_MAX), "max", "max",
				     "100000", "max"),
			  0);
	}
	close(dev);
	return KTAP_PASS;
}

static int test_limits_that_are_rejected(void)
{
	int dev = device_open_bound(1);
	struct lwcg_acquire arg;

	arg = limited(LWCG_MAX, 1, 100000, LWCG_MAX);
	EXPECT_EQ(acquire_wait(dev, &arg), -EINVAL);
	arg = limited(LWCG_MAX, LWCG_MAX - 1, 100000, LWCG_MAX);
	EXPECT_EQ(acquire_wait(dev, &arg), -EINVAL);
	arg = limited(LWCG_MAX, LWCG_MAX, 100000, LWCG_MAX - 1);
	EXPECT_EQ(acquire_wait(dev, &arg), -EINVAL);
	arg = limited(LWCG_MAX, 20000, 2000000, LWCG_MAX);
	EXPECT_EQ(acquire_wait(dev, &arg), -EINVAL);
	EXPECT_EQ(info(dev).leased, 0);
	EXPECT(WAIT_FOR(!info(dev).recycling));
	EXPECT_EQ(lease_once(dev, limited(LWCG_MAX, LWCG_MAX, 0, 9), "max", "max", "100000", "9"),
		  0);
	close(dev);
	return KTAP_PASS;
}

#define NAMED "/run/lwcg-named"

/* A hierarchy without controllers has pools, and no limits. */
static int test_hierarchy_without_controllers(void)
{
	struct lwcg_acquire arg;
	int dir, dev = device_open();

	EXPECT_EQ(mkdir(NAMED, 0755), 0);
	EXPECT_EQ(mount("cgroup", NAMED, "cgroup", 0, "none,name=lwcg-test"), 0);
	EXPECT_EQ(mkdir(NAMED "/parent", 0755), 0);
	dir = open(NAMED "/parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT_EQ(pool_bind(dev, dir, 1, 0), 0);
	EXPECT_EQ(info(dev).cgroup_version, 1);

	arg = acquire_arg("free");
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(exists_at(dir, "free/tasks"));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	arg = limited(64 << 20, LWCG_MAX, 0, LWCG_MAX);
	EXPECT_EQ(acquire_wait(dev, &arg), -EOPNOTSUPP);
	arg = limited(LWCG_MAX, 10000, 0, LWCG_MAX);
	EXPECT_EQ(acquire_wait(dev, &arg), -EOPNOTSUPP);
	EXPECT(WAIT_FOR(!info(dev).recycling && !info(dev).leased));
	EXPECT(info(dev).ready >= 1);

	EXPECT_EQ(drain(dev), 0);
	close(dev);
	close(dir);
	EXPECT_EQ(rmdir(NAMED "/parent"), 0);
	EXPECT_EQ(umount(NAMED), 0);
	EXPECT_EQ(rmdir(NAMED), 0);
	return KTAP_PASS;
}

/* Half a CPU is what the parent has. */
static int test_quota_of_the_parent(void)
{
	int dev = device_open_bound(1);
	struct lwcg_acquire arg;

	EXPECT_EQ(lease_once(dev, acquire_arg("none"), "max", "max", "100000", "max"), 0);
	EXPECT_EQ(write_at(parent_fd, "cpu.cfs_quota_us", "50000"), 0);
	arg = limited(LWCG_MAX, 60000, 100000, LWCG_MAX);
	EXPECT_EQ(acquire_wait(dev, &arg), -EINVAL);
	EXPECT(WAIT_FOR(!info(dev).recycling));
	/* more in a longer period is not more */
	EXPECT_EQ(lease_once(dev, limited(LWCG_MAX, 80000, 200000, LWCG_MAX), "max", "80000",
			     "200000", "max"),
		  0);
	EXPECT_EQ(lease_once(dev, limited(LWCG_MAX, 10000, 20000, LWCG_MAX), "max", "10000",
			     "20000", "max"),
		  0);
	EXPECT_EQ(lease_once(dev, limited(LWCG_MAX, 80000, 200000, LWCG_MAX), "max", "80000",
			     "200000", "max"),
		  0);
	/* a change that was refused has left nothing behind: others are as free as before */
	EXPECT_EQ(mkdirat(parent_fd, "beside", 0755), 0);
	EXPECT_EQ(write_at(parent_fd, "beside/cpu.cfs_quota_us", "50000"), 0);
	EXPECT_EQ(write_at(parent_fd, "cpu.cfs_quota_us", "40000"), -EINVAL);
	EXPECT_EQ(write_at(parent_fd, "beside/cpu.cfs_quota_us", "50001"), -EINVAL);
	EXPECT_EQ(write_at(parent_fd, "beside/cpu.cfs_quota_us", "49000"), 0);
	EXPECT_EQ(write_at(parent_fd, "beside/cpu.cfs_quota_us", "50000"), 0);
	EXPECT_EQ(unlinkat(parent_fd, "beside", AT_REMOVEDIR), 0);
	EXPECT_EQ(write_at(parent_fd, "cpu.cfs_quota_us", "-1"), 0);
	close(dev);
	return KTAP_PASS;
}

static void on_signal(int sig)
{
}

static atomic_bool quiet;

static void *send_signals(void *to)
{
	while (!quiet) {
		pthread_kill(*(pthread_t *)to, SIGUSR1);
		usleep(10);
	}
	return NULL;
}

/*
 * memory.limit_in_bytes is not written while a signal is pending.  Nobody sees that: the
 * pool's only slot is still there when ACQUIRE begins again, and nothing has failed.
 */
static int test_signals_do_not_matter(void)
{
	int dev = device_open_bound(1), i, rounds = ktap_slow() ? 20 : 100, ret = 0;
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	pthread_t self = pthread_self(), sender;
	struct lwcg_info before = info(dev);
	struct lwcg_stats failed = stats(dev);
	struct lwcg_acquire arg;

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < rounds; i++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		/* never the limit that the slot has in advance */
		arg = limited((uint64_t)(i % 7 + 16) << 20, LWCG_MAX, 0, LWCG_MAX);
		quiet = false;
		EXPECT_EQ(pthread_create(&sender, NULL, send_signals, &self), 0);
		usleep(rand() % 300);
		ret = acquire(dev, &arg);
		quiet = true;
		pthread_join(sender, NULL);
		EXPECT_EQ(ret, 0);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		close(arg.dir_fd);
	}
	EXPECT(WAIT_FOR(!info(dev).recycling));
	signal(SIGUSR1, SIG_DFL);
	EXPECT_EQ(info(dev).acquired - before.acquired, rounds);
	EXPECT_EQ(info(dev).recycled + info(dev).retired,
		  before.recycled + before.retired + rounds);
	EXPECT_EQ(stats(dev).acquire_failed, failed.acquire_failed);
	EXPECT_EQ(stats(dev).acquire_eagain, failed.acquire_eagain);
	close(dev);
	return KTAP_PASS;
}

static int test_tenants_change_their_limits(void)
{
	struct lwcg_acquire arg = limited(64 << 20, 20000, 50000, 77);
	int dev = device_open_bound(1);

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "memory.limit_in_bytes", "-1"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cpu.cfs_quota_us", "-1"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cpu.cfs_period_us", "70000"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "pids.max", "5"), 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	EXPECT(WAIT_FOR(!info(dev).recycling));
	EXPECT_EQ(lease_once(dev, limited(64 << 20, 20000, 50000, 77), "67108864", "20000", "50000",
			     "77"),
		  0);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_leases_get_what_they_ask_for), T(test_limits_that_are_rejected),
		T(test_quota_of_the_parent),	      T(test_signals_do_not_matter),
		T(test_tenants_change_their_limits),  T(test_hierarchy_without_controllers),
	};

	setup("limits", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
