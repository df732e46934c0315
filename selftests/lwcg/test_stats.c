// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the module says about itself: LWCG_STATS, and events/lwcg in tracefs.
 */
#include "lwcg_test.h"

#define TRACEFS "/sys/kernel/tracing"

/* The parent's pool made anew, so that its counters begin at zero. */
static int open_fresh(uint32_t target)
{
	int dev = device_open_bound(1);

	if (dev < 0)
		return dev;
	if (!WAIT_FOR(info(dev).leased == 0) || drain_orphans(dev)) {
		close(dev);
		return -EBUSY;
	}
	close(dev);
	return device_open_bound(target);
}

static uint64_t sum(const __u64 *hist)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < LWCG_HIST_BUCKETS; i++)
		n += hist[i];
	return n;
}

static int test_counters(void)
{
	int dev = open_fresh(2), other = device_open_bound(2), i;
	struct lwcg_acquire arg;
	struct lwcg_stats s;
	pid_t pid = 0;

	EXPECT(dev >= 0);
	s = stats(dev);
	EXPECT_EQ(s.acquired + s.released + s.retired + s.acquire_failed + s.adopted, 0);
	EXPECT_EQ(s.refilled, 2);
	EXPECT_EQ(sum(s.acquire_ns), 0);
	for (i = 0; i < 5; i++) {
		arg = acquire_arg("counted");
		EXPECT(WAIT_FOR(info(dev).ready >= 2));
		EXPECT_EQ(acquire(dev, &arg), 0);
		if (i == 2)
			pid = sleeper_in(arg.dir_fd);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		close(arg.dir_fd);
	}
	EXPECT(WIFSIGNALED(reap(pid)));
	EXPECT(WAIT_FOR(info(dev).ready >= 2 && info(dev).recycling == 0));
	arg = acquire_arg("counted");
	arg.cpu_quota_us = 1;
	EXPECT_EQ(acquire(dev, &arg), -EINVAL);
	EXPECT(WAIT_FOR(info(dev).ready >= 2 && info(dev).recycling == 0));
	/* ends with the file */
	arg = acquire_arg("closed");
	EXPECT_EQ(acquire(dev, &arg), 0);
	close(arg.dir_fd);
	close(dev);
	EXPECT(WAIT_FOR(info(other).leased == 0 && info(other).recycling == 0));
	/* ready again before it is counted, and counted before it is measured */
	EXPECT(WAIT_FOR(sum(stats(other).recycle_ns) == 7));

	s = stats(other);
	EXPECT_EQ(s.acquired, 6);
	EXPECT_EQ(s.released, 6);
	EXPECT_EQ(s.acquire_failed, 1);
	EXPECT_EQ(s.acquire_eagain, 0);
	EXPECT_EQ(s.kills, 1);
	EXPECT_EQ(s.recycled + s.retired, 7);
	EXPECT(s.refilled >= 2);
	EXPECT_EQ(s.refill_failed, 0);
	EXPECT_EQ(sum(s.acquire_ns), 6);
	EXPECT_EQ(sum(s.release_ns), 6);
	/* a launch takes the lock three times, its end twice more */
	EXPECT(sum(s.lock_ns) >= 5 * 6);
	EXPECT_EQ(resize(other, 0, 0), 0);
	EXPECT(WAIT_FOR(info(other).ready == 0));
	arg = acquire_arg("none");
	EXPECT_EQ(acquire(other, &arg), -EAGAIN);
	EXPECT_EQ(stats(other).acquire_eagain, 1);
	/* readable after the end of the pool */
	EXPECT_EQ(drain(other), 0);
	EXPECT_EQ(stats(other).acquired, 6);
	close(other);
	return KTAP_PASS;
}

static int test_orphans_are_counted(void)
{
	int dev = open_fresh(1), other = device_open_bound(1);
	struct lwcg_adopt a = adopt_arg("orphan");
	struct lwcg_acquire arg = acquire_arg("orphan");
	struct lwcg_stats s;

	EXPECT(dev >= 0);
	arg.flags = LWCG_ACQUIRE_PERSISTENT;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	close(arg.dir_fd);
	close(dev);
	EXPECT(WAIT_FOR(info(other).orphans == 1));
	s = stats(other);
	EXPECT_EQ(s.orphaned, 1);
	EXPECT_EQ(s.released, 0);
	EXPECT_EQ(adopt(other, &a), 0);
	EXPECT_EQ(release(other, a.slot_id), 0);
	close(a.dir_fd);
	s = stats(other);
	EXPECT_EQ(s.adopted, 1);
	EXPECT_EQ(s.released, 1);
	close(other);
	return KTAP_PASS;
}

/* The slowest of ten sleeping releases shows up where it belongs. */
static int test_recycle_takes_as_long_as_it_takes(void)
{
	struct lwcg_acquire arg = acquire_arg("slow");
	int dev = open_fresh(1), i, bucket = 0;
	struct lwcg_stats s;
	int64_t start, ns;

	EXPECT(dev >= 0);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	start = now_ms();
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WAIT_FOR(sum(stats(dev).recycle_ns) > 0));
	ns = (now_ms() - start + 1) * 1000000;
	s = stats(dev);
	for (i = 0; i < LWCG_HIST_BUCKETS; i++)
		if (s.recycle_ns[i])
			bucket = i;
	EXPECT_EQ(sum(s.recycle_ns), 1);
	/* the wait is seen from outside, so it is an upper bound */
	EXPECT(1LL << bucket <= ns);
	EXPECT(bucket > 10);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int trace_write(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), TRACEFS "/%s", file);
	return write_at(AT_FDCWD, path, text);
}

/* Everything in the trace buffer that fits; static. */
static const char *trace_read(void)
{
	static char buf[65536];
	int fd = open(TRACEFS "/trace", O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	while (fd >= 0 && used < sizeof(buf) - 1 &&
	       (n = read(fd, buf + used, sizeof(buf) - 1 - used)) > 0)
		used += n;
	buf[used] = '\0';
	if (fd >= 0)
		close(fd);
	return buf;
}

/* Is there a line of that event with that text in it? */
static bool traced(const char *event, const char *text)
{
	const char *line = trace_read(), *end, *at;

	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		at = strstr(line, event);
		if (!at || at > end)
			continue;
		at = strstr(at, text);
		if (at && at < end)
			return true;
	}
	return false;
}

static int test_tracepoints(void)
{
	struct lwcg_acquire arg = acquire_arg("traced"), bad = acquire_arg("traced");
	char pool[32], ok[96], failed[96], after[96];
	struct lwcg_adopt a = adopt_arg("traced");
	struct stat st;
	int dev;

	if (access(TRACEFS "/trace", F_OK))
		mount("none", TRACEFS, "tracefs", 0, NULL);
	if (access(TRACEFS "/events/lwcg", F_OK))
		return ktap_skip("no " TRACEFS "/events/lwcg: the kernel has no tracepoints");
	dev = open_fresh(2);
	EXPECT(dev >= 0);
	EXPECT_EQ(trace_write("trace", ""), 0);
	EXPECT_EQ(trace_write("tracing_on", "1"), 0);
	EXPECT_EQ(trace_write("events/lwcg/enable", "1"), 0);

	EXPECT_EQ(fstat(parent_fd, &st), 0);
	snprintf(pool, sizeof(pool), "pool=%llu ", (unsigned long long)st.st_ino);
	arg.flags = LWCG_ACQUIRE_PERSISTENT;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(acquire_wait(dev, &bad), -EEXIST);
	close(dev);
	dev = device_open_bound(2);
	EXPECT(WAIT_FOR(info(dev).orphans == 1));
	EXPECT_EQ(adopt(dev, &a), 0);
	EXPECT_EQ(release(dev, a.slot_id), 0);
	snprintf(ok, sizeof(ok), "%sslot=%llu name=traced ns=", pool, arg.slot_id);
	snprintf(after, sizeof(after), "%sslot=%llu ns=", pool, arg.slot_id);
	snprintf(failed, sizeof(failed), "ret=-%d", EEXIST);
	EXPECT(traced("lwcg_acquire:", ok));
	EXPECT(traced("lwcg_acquire:", failed));
	EXPECT(traced("lwcg_adopt:", ok));
	EXPECT(traced("lwcg_release:", ok));
	/* these are written in the background, after what they are about */
	EXPECT(WAIT_FOR(traced("lwcg_retired:", after) || traced("lwcg_recycled:", after)));
	EXPECT(WAIT_FOR(traced("lwcg_refill:", "made=")));
	EXPECT_EQ(trace_write("events/lwcg/enable", "0"), 0);
	EXPECT_EQ(trace_write("trace", ""), 0);
	close(arg.dir_fd);
	close(a.dir_fd);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_counters),
		T(test_orphans_are_counted),
		T(test_recycle_takes_as_long_as_it_takes),
		T(test_tracepoints),
	};

	setup("stats", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
