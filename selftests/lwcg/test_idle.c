// SPDX-License-Identifier: GPL-2.0-only
/*
 * Idle slots are left out of the kernel's walks over memory cgroups.  Leased ones must
 * not be, nor may an idle one miss what it has to know when it is leased.
 */
#include "lwcg_test.h"

#include <sched.h>
#include <sys/mman.h>

#define CACHE_FILE  "/var/lib/rund/idle-test"
#define CACHE_BYTES (16L << 20)
#define OVERLAY	    "/tmp/idle-overlay"
/* The kernel's maps of shrinkers grow with every 64, and a mount has one. */
#define NR_MOUNTS 140
#define NR_NAMES  200

/* A number in a file. */
static long number_at(int dir, const char *file)
{
	return atol(read_at(dir, file));
}

/* Run a function in the slot; 0 when its process has succeeded. */
static int run_in(const struct lwcg_acquire *arg, int (*fn)(void))
{
	pid_t pid = clone_into(arg->dir_fd);

	if (!pid)
		_exit(fn());
	return pid < 0 ? pid : reap(pid);
}

/* All holes: page cache, and no disk. */
static int fill_cache(void)
{
	int fd = open(CACHE_FILE, O_RDONLY | O_CLOEXEC);
	static char buf[1 << 20];
	long n = 0;

	while (fd >= 0 && n < CACHE_BYTES && read(fd, buf, sizeof(buf)) == sizeof(buf))
		n += sizeof(buf);
	return n < CACHE_BYTES;
}

/* Who reclaims from the parent finds the pages of a tenant, in every life of its slot. */
static int test_reclaim_finds_leased_slots(void)
{
	int dev = device_open_bound(1), fd, i;
	struct lwcg_acquire arg;

	fd = open(CACHE_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0);
	EXPECT_EQ(ftruncate(fd, CACHE_BYTES), 0);
	for (i = 0; i < 3; i++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		/* a slot that retired has left what was not reclaimed to the parent */
		EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
		arg = acquire_arg("reclaimed");
		EXPECT_EQ(acquire(dev, &arg), 0);
		EXPECT_EQ(run_in(&arg, fill_cache), 0);
		EXPECT(number_at(arg.dir_fd, "memory.current") >= CACHE_BYTES);
		/* there is not that much, which is an error */
		(void)!write_at(parent_fd, "memory.reclaim", "64M");
		EXPECT(number_at(arg.dir_fd, "memory.current") < CACHE_BYTES / 4);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		close(arg.dir_fd);
	}
	close(fd);
	EXPECT_EQ(unlink(CACHE_FILE), 0);
	close(dev);
	return KTAP_PASS;
}

/* Names that the kernel remembers, and can forget, on the file system mounted last. */
static int look_up_names(void)
{
	char path[64];
	struct stat st;
	int i;

	for (i = 0; i < NR_NAMES; i++) {
		snprintf(path, sizeof(path), OVERLAY "/merged/%d", i);
		if (stat(path, &st))
			return 1;
	}
	return 0;
}

static int make_names(void)
{
	char path[64];
	int i, fd;

	for (i = 0; i < NR_NAMES; i++) {
		snprintf(path, sizeof(path), OVERLAY "/lower/%d", i);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

/* In a mount namespace of its own, which takes everything with it. */
static int mount_many(void)
{
	int i;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    (mkdir(OVERLAY, 0700) && errno != EEXIST) || mount("idle", OVERLAY, "tmpfs", 0, NULL) ||
	    mkdir(OVERLAY "/lower", 0700) || mkdir(OVERLAY "/merged", 0700) ||
	    mkdir(OVERLAY "/other", 0700) || make_names())
		return -errno;
	for (i = 0; i < NR_MOUNTS; i++)
		if (mount("idle", OVERLAY "/other", "tmpfs", 0, NULL))
			return -errno;
	if (mount("idle", OVERLAY "/merged", "overlay", 0,
		  "lowerdir=" OVERLAY "/lower:" OVERLAY "/other"))
		return -errno;
	return 0;
}

/*
 * The kernel warns when an object goes to a list of a shrinker that is not in the map
 * of the object's memory cgroup, and the lab takes that for a failure.
 */
static int lease_after_mounts(void)
{
	int dev = device_open_bound(2), ret, i;
	struct lwcg_acquire arg;

	EXPECT(dev >= 0);
	EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
	ret = mount_many();
	if (ret)
		ktap_diag("mount: %s", strerror(-ret));
	EXPECT_EQ(ret, 0);
	for (i = 0; i < 4; i++) {
		arg = acquire_arg("mounts");
		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		EXPECT_EQ(run_in(&arg, look_up_names), 0);
		(void)!write_at(arg.dir_fd, "memory.reclaim", "1M");
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		close(arg.dir_fd);
	}
	close(dev);
	return KTAP_PASS;
}

static int test_idle_slots_learn_of_shrinkers(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(lease_after_mounts());
	EXPECT_EQ(reap(pid), 0);
	rmdir(OVERLAY);
	return KTAP_PASS;
}

static int look_around(void)
{
	return access("/", F_OK);
}

/* Lease, use and give back, with or without a memory controller, which often changes. */
static int use_slots(volatile int *toggles)
{
	int dev = device_open_bound(4);
	struct lwcg_acquire arg;
	int64_t end = now_ms() + WAIT_MS;
	int n = 0;

	while (dev >= 0 && (n < 50 || *toggles < 3) && now_ms() < end) {
		arg = acquire_arg("toggled");
		if (acquire(dev, &arg)) {
			sleep_ms(1);
			continue;
		}
		if (run_in(&arg, look_around) || release(dev, arg.slot_id))
			return 2;
		close(arg.dir_fd);
		n++;
	}
	return n < 50;
}

/* The parent's memory controller goes and comes back while slots are in all states. */
static int test_controller_goes_and_comes(void)
{
	struct lwcg_acquire arg = acquire_arg("limited");
	int dev = device_open_bound(4), status = -1;
	volatile int *toggles;
	pid_t pid;

	toggles = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(toggles != MAP_FAILED);
	pid = fork();
	if (!pid)
		_exit(use_slots(toggles));
	while (!waitpid(pid, &status, WNOHANG)) {
		EXPECT_EQ(write_at(parent_fd, "cgroup.subtree_control", "-memory"), 0);
		sleep_ms(20);
		EXPECT_EQ(write_at(parent_fd, "cgroup.subtree_control", "+memory"), 0);
		sleep_ms(50);
		++*toggles;
	}
	ktap_diag("%d times", *toggles);
	EXPECT_EQ(status, 0);
	EXPECT(*toggles > 2);
	munmap((void *)toggles, 4096);
	arg.memory_max = 64 << 20;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(number_at(arg.dir_fd, "memory.max"), 64 << 20);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_reclaim_finds_leased_slots),
		T(test_idle_slots_learn_of_shrinkers),
		T(test_controller_goes_and_comes),
	};

	setup("idle", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
