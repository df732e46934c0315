// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many leases leave nothing behind: acquire, spawn, release, over and over, and
 * kernel memory and cgroups do not grow.  RUND_SOAK=N asks for N leases; 2,000 on
 * the release kernel and 100 on the slow one by default.
 */
#include "lwcg_test.h"

/* What is watched, and by how much it may be more at the end than at the start. */
enum { SLAB, UNRECLAIM, PERCPU, DESCENDANTS, DYING, NR_METRICS };

static const struct {
	const char *file, *name;
	/* KiB or cgroups; slabs are partly filled, and per-CPU caches hold a few cgroups */
	long slack;
} metrics[NR_METRICS] = {
	[SLAB] = {"/proc/meminfo", "Slab:", 1024},
	[UNRECLAIM] = {"/proc/meminfo", "SUnreclaim:", 1024},
	[PERCPU] = {"/proc/meminfo", "Percpu:", 512},
	[DESCENDANTS] = {CGROUP_ROOT "/cgroup.stat", "nr_descendants", 0},
	[DYING] = {CGROUP_ROOT "/cgroup.stat", "nr_dying_descendants", 16},
};

struct sample {
	long v[NR_METRICS];
};

static struct sample sample(void)
{
	struct sample s;
	const char *text, *p;
	int i;

	for (i = 0; i < NR_METRICS; i++) {
		text = read_at(AT_FDCWD, metrics[i].file);
		p = strstr(text, metrics[i].name);
		/* "nr_descendants" alone is at the start of its file */
		s.v[i] = p ? atol(p + strlen(metrics[i].name)) : -1;
	}
	return s;
}

/* KASAN keeps freed objects for a while: there kmemleak looks for lost ones instead. */
static bool is_watched(int metric)
{
	return !ktap_slow() || metric >= PERCPU;
}

/* Which metric has grown by more than its slack, or -1. */
static int grown(const struct sample *before)
{
	struct sample now = sample();
	int i;

	for (i = 0; i < NR_METRICS; i++)
		if (is_watched(i) && (now.v[i] < 0 || now.v[i] > before->v[i] + metrics[i].slack))
			return i;
	return -1;
}

/*
 * Exactly 32 slots are ready.  A pool keeps more than its target of what comes back,
 * and does without some that do not, so it is made to fill up and then to give back.
 */
static bool is_level(int dev)
{
	struct lwcg_info i = info(dev);

	if (i.target == 32 && i.ready == 32)
		return true;
	(void)!resize(dev, i.ready < 32 ? 64 : 32, 0);
	return false;
}

/* Let the background finish, and give back what is only cached. */
static bool settle(int dev)
{
	bool ok = WAIT_FOR(!info(dev).recycling && !info(dev).leased) && WAIT_FOR(is_level(dev));

	(void)!write_at(AT_FDCWD, "/proc/sys/vm/drop_caches", "2");
	return ok;
}

/* One lease with a process that exits, or that RELEASE has to kill. */
static int cycle(int dev, unsigned long i, bool leak)
{
	struct lwcg_acquire arg;
	char name[32];
	pid_t pid;
	int ret;

	snprintf(name, sizeof(name), "soak-%lu", i);
	arg = acquire_arg(name);
	arg.memory_max = 64 << 20;
	arg.pids_max = 8;
	ret = acquire_wait(dev, &arg);
	if (ret)
		return ret;
	pid = i % 2 ? sleeper_in(arg.dir_fd) : clone_into(arg.dir_fd);
	if (!pid)
		_exit(0);
	if (pid < 0)
		return pid;
	if (i % 2 == 0 && waitpid(pid, NULL, 0) != pid)
		return -errno;
	ret = release(dev, arg.slot_id);
	if (!leak)
		close(arg.dir_fd);
	return i % 2 && waitpid(pid, NULL, 0) != pid ? -errno : ret;
}

static int soak(int dev, unsigned long n, bool leak)
{
	unsigned long i;
	int ret = 0;

	for (i = 0; i < n && !ret; i++)
		ret = cycle(dev, i, leak);
	if (ret)
		ktap_diag("lease %lu of %lu: %s", i, n, strerror(-ret));
	return ret;
}

static unsigned long nr_leases(void)
{
	const char *n = getenv("RUND_SOAK");

	return n ? strtoul(n, NULL, 0) : ktap_slow() ? 100 : 2000;
}

/* @n leases; returns 1 if something has grown meanwhile, 0, or -1 on failure. */
static int round_grows(int dev, unsigned long n)
{
	struct sample before, after;
	int i, more = -1, ret = 0;

	if (!settle(dev))
		return -1;
	before = sample();
	if (soak(dev, n, false) || !settle(dev))
		return -1;
	if (!WAIT_FOR(is_level(dev) && (more = grown(&before)) < 0))
		ret = more < 0 ? -1 : 1;
	if (ret > 0)
		ktap_diag("%s has grown", metrics[more].name);
	after = sample();
	for (i = 0; i < NR_METRICS; i++)
		ktap_diag("%lu leases: %s %ld before, %ld after%s", n, metrics[i].name, before.v[i],
			  after.v[i], is_watched(i) ? "" : " (not watched here)");
	return ret;
}

/*
 * What leaks does so in every round.  What grows in one only is a cache, or a free list
 * with holes, that reaches the size of the longest burst that there has been.
 */
static int test_leases_leave_nothing(void)
{
	int dev = device_open_bound(32), rounds = 0, ret;
	unsigned long n = nr_leases();

	EXPECT_EQ(soak(dev, n < 5000 ? n : 5000, false), 0);
	do {
		ret = round_grows(dev, n);
	} while (ret > 0 && ++rounds < 3);
	EXPECT_EQ(ret, 0);
	close(dev);
	return KTAP_PASS;
}

/* The test above would notice a leak of one open directory a lease, and long before its end. */
static int test_growth_is_noticed(void)
{
	int dev = device_open_bound(32), more = -1;
	struct sample before;
	unsigned long n;

	if (!is_watched(SLAB)) {
		close(dev);
		return ktap_skip("slab is not watched on this kernel; kmemleak is");
	}
	EXPECT(settle(dev));
	before = sample();
	for (n = 0; n < 2000 && more < 0; n += 250) {
		EXPECT_EQ(soak(dev, 250, true), 0);
		EXPECT(settle(dev));
		more = grown(&before);
	}
	EXPECT(more >= 0);
	ktap_diag("%s has grown after %lu leases, as it should", metrics[more].name, n);
	close_range(dev + 1, ~0U, 0);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_leases_leave_nothing),
		T(test_growth_is_noticed),
	};

	setup("soak", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
