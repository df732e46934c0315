// SPDX-License-Identifier: GPL-2.0-only
/*
 * The size of a pool: RESIZE, what happens when slots cannot be made, and whose
 * names they avoid.
 */
#include "lwcg_test.h"

/* A cgroup of its own below the parent, and a file bound to a new pool there. */
static int open_pool(const char *name, int *dir, uint32_t target, uint32_t low_water)
{
	int dev = device_open(), ret;

	if (mkdirat(parent_fd, name, 0755))
		return -errno;
	*dir = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = pool_bind(dev, *dir, target, low_water);
	if (!ret)
		return dev;
	close(dev);
	return ret;
}

static int close_pool(const char *name, int dir, int dev)
{
	if (drain(dev))
		return -EBUSY;
	close(dev);
	close(dir);
	return unlinkat(parent_fd, name, AT_REMOVEDIR) ? -errno : 0;
}

static int test_up_and_down(void)
{
	int dir, dev = open_pool("updown", &dir, 2, 0);

	EXPECT(dev >= 0);
	EXPECT_EQ(resize(dev, 20, 0), 0);
	EXPECT_EQ(info(dev).target, 20);
	EXPECT(WAIT_FOR(info(dev).ready == 20));
	EXPECT_EQ(resize(dev, 3, 0), 0);
	EXPECT_EQ(info(dev).target, 3);
	EXPECT(WAIT_FOR(nr_descendants(dir) == 3));
	EXPECT_EQ(info(dev).ready, 3);
	/* a slot is there before, and gone before, it is counted */
	EXPECT(WAIT_FOR(stats(dev).refilled == 20));
	EXPECT(WAIT_FOR(stats(dev).trimmed == 17));
	/* LWCG_POOL raises, and only raises */
	EXPECT_EQ(pool_bind(dev, dir, 2, 0), 0);
	EXPECT_EQ(info(dev).target, 3);
	EXPECT_EQ(pool_bind(dev, dir, 5, 0), 0);
	EXPECT_EQ(info(dev).ready, 5);
	EXPECT_EQ(close_pool("updown", dir, dev), 0);
	return KTAP_PASS;
}

static int test_leases_stay(void)
{
	int dir, dev = open_pool("stay", &dir, 3, 0);
	struct lwcg_acquire a = acquire_arg("a"), b = acquire_arg("b");

	EXPECT(dev >= 0);
	EXPECT_EQ(acquire(dev, &a), 0);
	EXPECT_EQ(acquire(dev, &b), 0);
	EXPECT_EQ(resize(dev, 0, 0), 0);
	EXPECT(WAIT_FOR(nr_descendants(dir) == 2));
	EXPECT_EQ(info(dev).ready, 0);
	EXPECT_EQ(info(dev).leased, 2);
	EXPECT(exists_at(dir, "a") && exists_at(dir, "b"));
	EXPECT_EQ(release(dev, a.slot_id), 0);
	EXPECT(WAIT_FOR(nr_descendants(dir) == 1));
	a = acquire_arg("c");
	EXPECT_EQ(acquire(dev, &a), -EAGAIN);
	sleep_ms(100);
	EXPECT_EQ(acquire(dev, &a), -EAGAIN);
	EXPECT_EQ(resize(dev, 1, 0), 0);
	EXPECT_EQ(acquire_wait(dev, &a), 0);
	EXPECT_EQ(release(dev, a.slot_id), 0);
	EXPECT_EQ(release(dev, b.slot_id), 0);
	close(a.dir_fd);
	close(b.dir_fd);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	EXPECT_EQ(close_pool("stay", dir, dev), 0);
	return KTAP_PASS;
}

static int test_arguments(void)
{
	int dir, dev = open_pool("args", &dir, 1, 0);

	EXPECT(dev >= 0);
	EXPECT_EQ(resize(dev, LWCG_TARGET_MAX + 1, 0), -EINVAL);
	EXPECT_EQ(resize(dev, 2, 3), -EINVAL);
	EXPECT_EQ(resize(dev, 0, 1), -EINVAL);
	EXPECT_EQ(info(dev).target, 1);
	EXPECT_EQ(drain(dev), 0);
	EXPECT_EQ(resize(dev, 2, 0), -ESHUTDOWN);
	close(dev);
	close(dir);
	EXPECT_EQ(unlinkat(parent_fd, "args", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}

static int test_low_water(void)
{
	int dir, dev = open_pool("water", &dir, 2, 2), other = device_open();

	EXPECT(dev >= 0);
	EXPECT_EQ(pool_bind_existing(other, dir), 0);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "2"), 0);
	EXPECT_EQ(poll_events(dev), 0);
	EXPECT_EQ(resize(other, 4, 3), 0);
	EXPECT_EQ(poll_events(other), POLLIN);
	EXPECT_EQ(poll_events(dev), 0);
	/* a mark above the target counts as the target */
	EXPECT_EQ(resize(other, 1, 1), 0);
	/* again, as what was just being made may come after what was removed for it */
	EXPECT(WAIT_FOR(!resize(other, 1, 1) && info(dev).ready == 1));
	EXPECT_EQ(poll_events(dev), 0);
	EXPECT_EQ(poll_events(other), 0);
	close(other);
	EXPECT_EQ(close_pool("water", dir, dev), 0);
	return KTAP_PASS;
}

/* Up and down from several files at once; what comes out is what was asked last. */
static int test_resizers_race(void)
{
	int dir, dev = open_pool("race", &dir, 1, 0), i, j, rounds = ktap_slow() ? 60 : 300;
	struct lwcg_acquire arg;
	pid_t pids[4];

	EXPECT(dev >= 0);
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (!pids[i]) {
			char name[8];
			int mine = device_open();

			snprintf(name, sizeof(name), "r%d", i);
			if (pool_bind_existing(mine, dir))
				_exit(1);
			for (j = 0; j < rounds; j++) {
				if (resize(mine, (i * 5 + j * 7) % 16, 0))
					_exit(2);
				arg = acquire_arg(name);
				if (!acquire(mine, &arg) && release(mine, arg.slot_id))
					_exit(3);
				close(arg.dir_fd);
			}
			_exit(0);
		}
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(reap(pids[i]), 0);
	EXPECT_EQ(resize(dev, 6, 0), 0);
	/* of what comes back up to twice the target is kept; the rest goes in the background */
	EXPECT(WAIT_FOR(!info(dev).recycling && is_filled(dev, 6) && info(dev).ready <= 12));
	EXPECT(WAIT_FOR(nr_descendants(dir) == info(dev).ready));
	EXPECT_EQ(close_pool("race", dir, dev), 0);
	return KTAP_PASS;
}

/* A refill that failed is repeated without anybody asking for a slot. */
static int test_refill_is_repeated(void)
{
	int dir, dev = open_pool("repeat", &dir, 1, 0);
	uint64_t failed;
	int64_t start;

	EXPECT(dev >= 0);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "1"), 0);
	start = now_ms();
	EXPECT_EQ(resize(dev, 3, 0), 0);
	EXPECT(WAIT_FOR(stats(dev).refill_failed >= 1));
	/* less and less often: after 1 s, 2 s more, 4 s more ... */
	sleep_ms(2000);
	failed = stats(dev).refill_failed;
	EXPECT(failed >= 1 && (1000LL << (failed - 1)) - 1000 <= now_ms() - start + 100);
	EXPECT_EQ(info(dev).ready, 1);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "max"), 0);
	EXPECT(WAIT_FOR(info(dev).ready == 3));
	EXPECT_EQ(close_pool("repeat", dir, dev), 0);
	return KTAP_PASS;
}

/* Draining does not wait for the next try, and none comes after it. */
static int test_drain_while_waiting_to_repeat(void)
{
	int dir, dev = open_pool("idle", &dir, 1, 0);

	EXPECT(dev >= 0);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "1"), 0);
	EXPECT_EQ(resize(dev, 3, 0), 0);
	EXPECT(WAIT_FOR(stats(dev).refill_failed >= 1));
	EXPECT_EQ(close_pool("idle", dir, dev), 0);
	return KTAP_PASS;
}

/* Slots are numbered; somebody has made directories with the next few names. */
static int test_foreign_names_are_skipped(void)
{
	int dir, dev = open_pool("foreign", &dir, 1, 0), i;
	struct lwcg_acquire arg = acquire_arg("probe");
	char name[64];

	EXPECT(dev >= 0);
	EXPECT_EQ(acquire(dev, &arg), 0);
	close(arg.dir_fd);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	/* with the pool goes what it was just making */
	EXPECT_EQ(drain(dev), 0);
	close(dev);
	EXPECT_EQ(nr_descendants(dir), 0);
	for (i = 1; i <= 20; i++) {
		snprintf(name, sizeof(name), ".lwcg-%llu", arg.slot_id + i);
		EXPECT_EQ(mkdirat(dir, name, 0755), 0);
	}
	dev = device_open();
	EXPECT_EQ(pool_bind(dev, dir, 4, 0), 0);
	EXPECT_EQ(info(dev).ready, 4);
	EXPECT_EQ(stats(dev).refill_failed, 0);
	for (i = 1; i <= 20; i++) {
		snprintf(name, sizeof(name), ".lwcg-%llu", arg.slot_id + i);
		EXPECT_EQ(unlinkat(dir, name, AT_REMOVEDIR), 0);
	}
	EXPECT_EQ(close_pool("foreign", dir, dev), 0);
	return KTAP_PASS;
}

/* A parent without slots can go; its pool stays empty, its name is free for another. */
static int test_removed_parent(void)
{
	int dir, again, dev = open_pool("gone", &dir, 1, 0), other;
	struct lwcg_acquire arg = acquire_arg("late");
	uint64_t failed;

	EXPECT(dev >= 0);
	EXPECT(unlinkat(parent_fd, "gone", AT_REMOVEDIR) < 0);
	EXPECT_EQ(errno, EBUSY);
	EXPECT_EQ(resize(dev, 0, 0), 0);
	EXPECT(WAIT_FOR(nr_descendants(dir) == 0));
	EXPECT_EQ(unlinkat(parent_fd, "gone", AT_REMOVEDIR), 0);
	EXPECT_EQ(pool_bind(dev, dir, 2, 0), -ENODEV);
	EXPECT_EQ(acquire(dev, &arg), -EAGAIN);
	/* not repeated: it would never succeed */
	EXPECT_EQ(resize(dev, 2, 0), 0);
	EXPECT(WAIT_FOR(stats(dev).refill_failed >= 1));
	failed = stats(dev).refill_failed;
	sleep_ms(1500);
	EXPECT_EQ(stats(dev).refill_failed, failed);

	other = open_pool("gone", &again, 1, 0);
	EXPECT(other >= 0);
	EXPECT_EQ(info(other).ready, 1);
	EXPECT_EQ(info(dev).ready, 0);
	EXPECT_EQ(drain(dev), 0);
	close(dev);
	close(dir);
	EXPECT_EQ(close_pool("gone", again, other), 0);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_up_and_down),
		T(test_leases_stay),
		T(test_arguments),
		T(test_low_water),
		T(test_resizers_race),
		T(test_refill_is_repeated),
		T(test_drain_while_waiting_to_repeat),
		T(test_foreign_names_are_skipped),
		T(test_removed_parent),
	};

	setup("resize", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
