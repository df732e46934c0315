// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ABI of /dev/lwcg: which arguments are refused, and with which error.  Every
 * check names a sentence of include/uapi/linux/lwcg.h.
 */
#include "lwcg_test.h"

#include <linux/capability.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static int test_sizes_are_frozen(void)
{
	EXPECT_EQ(sizeof(struct lwcg_pool), LWCG_POOL_SIZE_V1);
	EXPECT_EQ(sizeof(struct lwcg_acquire), LWCG_ACQUIRE_SIZE_V1);
	EXPECT_EQ(sizeof(struct lwcg_release), LWCG_RELEASE_SIZE_V1);
	/* it has grown since */
	EXPECT_EQ(offsetof(struct lwcg_info, recycled), LWCG_INFO_SIZE_V1);
	EXPECT_EQ(sizeof(struct lwcg_drain), LWCG_DRAIN_SIZE_V1);
	EXPECT_EQ(sizeof(struct lwcg_adopt), LWCG_ADOPT_SIZE_V1);
	EXPECT_EQ(sizeof(struct lwcg_resize), LWCG_RESIZE_SIZE_V1);
	EXPECT_EQ(sizeof(struct lwcg_stats), LWCG_STATS_SIZE_V1);
	return KTAP_PASS;
}

static int test_node_is_private(void)
{
	struct stat st;

	EXPECT_EQ(stat(LWCG_DEVICE, &st), 0);
	EXPECT(S_ISCHR(st.st_mode));
	EXPECT_EQ(st.st_mode & 07777, 0600);
	return KTAP_PASS;
}

/* Open the device without CAP_SYS_ADMIN, but with the rights of the node. */
static int open_unprivileged(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	int fd;

	if (syscall(SYS_capget, &head, data))
		return 1;
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &head, data))
		return 1;
	fd = device_open();
	return fd == -EPERM ? 0 : 2;
}

static int test_open_needs_cap_sys_admin(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(open_unprivileged());
	EXPECT_EQ(reap(pid), 0);
	return KTAP_PASS;
}

static int test_unknown_ioctl(void)
{
	int dev = device_open();
	char arg[256] = {0};

	EXPECT_EQ(xioctl(dev, _IO(LWCG_IOC, 0x7f), arg), -ENOTTY);
	EXPECT_EQ(xioctl(dev, _IO(0x7f, 0), arg), -ENOTTY);
	EXPECT_EQ(xioctl(dev, TCGETS, arg), -ENOTTY);
	close(dev);
	return KTAP_PASS;
}

/* Each ioctl with the size of its argument, now and at first, and its flags. */
static const struct {
	unsigned long cmd;
	uint32_t size;
	uint32_t size_v1;
	uint32_t flags;
} all[] = {
	{LWCG_POOL, sizeof(struct lwcg_pool), LWCG_POOL_SIZE_V1, LWCG_POOL_EXISTING},
	{LWCG_ACQUIRE, sizeof(struct lwcg_acquire), LWCG_ACQUIRE_SIZE_V1, LWCG_ACQUIRE_PERSISTENT},
	{LWCG_RELEASE, sizeof(struct lwcg_release), LWCG_RELEASE_SIZE_V1, 0},
	{LWCG_INFO, sizeof(struct lwcg_info), LWCG_INFO_SIZE_V1, 0},
	{LWCG_DRAIN, sizeof(struct lwcg_drain), LWCG_DRAIN_SIZE_V1, LWCG_DRAIN_ORPHANS},
	{LWCG_ADOPT, sizeof(struct lwcg_adopt), LWCG_ADOPT_SIZE_V1, 0},
	{LWCG_RESIZE, sizeof(struct lwcg_resize), LWCG_RESIZE_SIZE_V1, 0},
	{LWCG_STATS, sizeof(struct lwcg_stats), LWCG_STATS_SIZE_V1, 0},
};

static int test_size_and_flags(void)
{
	uint32_t buf[2048], size, i, bit;
	int dev = device_open_bound(1);

	EXPECT(dev >= 0);
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		size = all[i].size;
		memset(buf, 0, sizeof(buf));
		EXPECT_EQ(xioctl(dev, all[i].cmd, buf), -EINVAL);
		buf[0] = all[i].size_v1 - 1;
		EXPECT_EQ(xioctl(dev, all[i].cmd, buf), -EINVAL);
		buf[0] = 4097;
		EXPECT_EQ(xioctl(dev, all[i].cmd, buf), -E2BIG);
		buf[0] = 0xffffffff;
		EXPECT_EQ(xioctl(dev, all[i].cmd, buf), -E2BIG);
		/* one non-zero byte past the structure */
		buf[0] = size + 8;
		((char *)buf)[size + 7] = 1;
		EXPECT_EQ(xioctl(dev, all[i].cmd, buf), -E2BIG);
		((char *)buf)[size + 7] = 0;
		buf[0] = size;
		for (bit = 0; bit < 32; bit++) {
			buf[1] = 1u << bit;
			if (!(all[i].flags & buf[1]))
				EXPECT_EQ(xioctl(dev, all[i].cmd, buf), -EINVAL);
		}
		EXPECT_EQ(xioctl(dev, all[i].cmd, NULL), -EFAULT);
	}
	close(dev);
	return KTAP_PASS;
}

/* What is only written may hold anything, and is written as far as it is known. */
static int test_results_are_overwritten(void)
{
	int dev = device_open_bound(1);
	struct lwcg_info i;
	struct {
		struct lwcg_stats stats;
		uint64_t future[4];
	} s;

	EXPECT(dev >= 0);
	memset(&i, 0xa5, sizeof(i));
	i.size = sizeof(i);
	i.flags = 0;
	EXPECT_EQ(xioctl(dev, LWCG_INFO, &i), 0);
	EXPECT_EQ(i.orphans, 0);
	memset(&s, 0xa5, sizeof(s));
	memset(s.future, 0, sizeof(s.future));
	s.stats.size = sizeof(s);
	s.stats.flags = 0;
	EXPECT_EQ(xioctl(dev, LWCG_STATS, &s), 0);
	EXPECT_EQ(s.stats.size, sizeof(s));
	EXPECT_EQ(s.stats.adopted, 0);
	EXPECT_EQ(s.stats.acquire_ns[LWCG_HIST_BUCKETS - 1], 0);
	s.future[3] = 1;
	EXPECT_EQ(xioctl(dev, LWCG_STATS, &s), -E2BIG);
	close(dev);
	return KTAP_PASS;
}

static int test_longer_argument_of_zeroes(void)
{
	struct {
		struct lwcg_info info;
		uint64_t future[4];
	} arg = {.info.size = sizeof(arg)};
	int dev = device_open();

	EXPECT_EQ(xioctl(dev, LWCG_INFO, &arg), 0);
	EXPECT_EQ(arg.info.abi, LWCG_ABI_VERSION);
	EXPECT_EQ(arg.info.target, 0);
	close(dev);
	return KTAP_PASS;
}

/* The structure's end is not readable: nothing is read past @size. */
static int test_argument_at_page_end(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct lwcg_info *arg;
	int dev = device_open();

	EXPECT(p != MAP_FAILED);
	EXPECT_EQ(mprotect(p + page, page, PROT_NONE), 0);
	arg = (void *)(p + page - sizeof(*arg));
	arg->size = sizeof(*arg);
	EXPECT_EQ(xioctl(dev, LWCG_INFO, arg), 0);
	arg = (void *)(p + page - 8);
	arg->size = sizeof(*arg);
	EXPECT_EQ(xioctl(dev, LWCG_INFO, arg), -EFAULT);
	munmap(p, 2 * page);
	close(dev);
	return KTAP_PASS;
}

static int test_reserved_must_be_zero(void)
{
	struct lwcg_pool pool = {
		.size = sizeof(pool), .parent_fd = parent_fd, .target = 1, .reserved = 1};
	struct lwcg_adopt a = adopt_arg("reserved");
	struct lwcg_acquire arg = acquire_arg("reserved");
	int dev = device_open_bound(1);

	arg.reserved = 1;
	a.reserved = 1;
	EXPECT_EQ(xioctl(dev, LWCG_POOL, &pool), -EINVAL);
	EXPECT_EQ(adopt(dev, &a), -EINVAL);
	EXPECT_EQ(acquire(dev, &arg), -EINVAL);
	close(dev);
	return KTAP_PASS;
}

static int test_unbound(void)
{
	struct lwcg_acquire arg = acquire_arg("unbound");
	struct lwcg_stats s = {.size = sizeof(s)};
	struct lwcg_adopt a = adopt_arg("unbound");
	int dev = device_open();

	EXPECT_EQ(acquire(dev, &arg), -ENOTCONN);
	EXPECT_EQ(release(dev, 1), -ENOTCONN);
	EXPECT_EQ(drain(dev), -ENOTCONN);
	EXPECT_EQ(adopt(dev, &a), -ENOTCONN);
	EXPECT_EQ(resize(dev, 1, 0), -ENOTCONN);
	EXPECT_EQ(xioctl(dev, LWCG_STATS, &s), -ENOTCONN);
	close(dev);
	return KTAP_PASS;
}

static int test_pool_arguments(void)
{
	int dev = device_open(), tmp, file;

	tmp = open("/", O_RDONLY | O_DIRECTORY);
	file = openat(parent_fd, "cgroup.procs", O_RDONLY);
	EXPECT(dev >= 0 && tmp >= 0 && file >= 0);
	EXPECT_EQ(pool_bind(dev, parent_fd, 0, 0), -EINVAL);
	EXPECT_EQ(pool_bind(dev, parent_fd, LWCG_TARGET_MAX + 1, 0), -EINVAL);
	EXPECT_EQ(pool_bind(dev, parent_fd, 1, 2), -EINVAL);
	EXPECT_EQ(pool_bind(dev, -1, 1, 0), -EBADF);
	EXPECT_EQ(pool_bind(dev, 9999, 1, 0), -EBADF);
	EXPECT_EQ(pool_bind(dev, tmp, 1, 0), -EBADF);
	EXPECT_EQ(pool_bind(dev, file, 1, 0), -EBADF);
	EXPECT_EQ(pool_bind(dev, dev, 1, 0), -EBADF);
	EXPECT_EQ(info(dev).target, 0);
	close(file);
	close(tmp);
	close(dev);
	return KTAP_PASS;
}

static int test_existing_pool(void)
{
	struct lwcg_pool arg = {.size = sizeof(arg), .flags = LWCG_POOL_EXISTING};
	int dev = device_open(), other = device_open(), dir;

	EXPECT_EQ(mkdirat(parent_fd, "existing", 0755), 0);
	dir = openat(parent_fd, "existing", O_RDONLY | O_DIRECTORY);
	EXPECT(dir >= 0);
	EXPECT_EQ(pool_bind_existing(dev, dir), -ENOENT);
	EXPECT_EQ(info(dev).target, 0);
	EXPECT_EQ(pool_bind(dev, dir, 2, 0), 0);
	EXPECT_EQ(pool_bind_existing(dev, dir), 0);
	EXPECT_EQ(pool_bind_existing(other, dir), 0);
	EXPECT_EQ(info(other).target, 2);
	arg.parent_fd = dir;
	arg.target = 1;
	EXPECT_EQ(xioctl(other, LWCG_POOL, &arg), -EINVAL);
	arg.target = 0;
	arg.low_water = LWCG_TARGET_MAX + 1;
	EXPECT_EQ(xioctl(other, LWCG_POOL, &arg), -EINVAL);
	/* what exceeds the target counts as the target */
	arg.low_water = LWCG_TARGET_MAX;
	EXPECT_EQ(xioctl(other, LWCG_POOL, &arg), 0);
	EXPECT_EQ(poll_events(other), 0);
	EXPECT_EQ(drain(dev), 0);
	EXPECT_EQ(pool_bind_existing(other, dir), -ESHUTDOWN);
	close(other);
	other = device_open();
	EXPECT_EQ(pool_bind_existing(other, dir), -ENOENT);
	close(other);
	close(dir);
	close(dev);
	EXPECT_EQ(unlinkat(parent_fd, "existing", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}

static int test_pool_of_removed_parent(void)
{
	int dev = device_open(), dir;

	EXPECT_EQ(mkdirat(parent_fd, "gone", 0755), 0);
	dir = openat(parent_fd, "gone", O_RDONLY | O_DIRECTORY);
	EXPECT(dir >= 0);
	EXPECT_EQ(unlinkat(parent_fd, "gone", AT_REMOVEDIR), 0);
	EXPECT_EQ(pool_bind(dev, dir, 1, 0), -ENODEV);
	close(dir);
	close(dev);
	return KTAP_PASS;
}

static int test_pool_of_other_parent(void)
{
	int dev = device_open_bound(1), dir;

	EXPECT_EQ(mkdirat(parent_fd, "other", 0755), 0);
	dir = openat(parent_fd, "other", O_PATH | O_DIRECTORY);
	EXPECT_EQ(pool_bind(dev, dir, 1, 0), -EBUSY);
	EXPECT_EQ(pool_bind(dev, parent_fd, 1, 0), 0);
	close(dev);

	/* O_PATH is enough */
	dev = device_open();
	EXPECT_EQ(pool_bind(dev, dir, 2, 0), 0);
	EXPECT_EQ(info(dev).ready, 2);
	EXPECT_EQ(drain(dev), 0);
	close(dev);
	close(dir);
	EXPECT_EQ(unlinkat(parent_fd, "other", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}

static int test_pool_limits_of_parent(void)
{
	int dev = device_open(), dir;

	EXPECT_EQ(mkdirat(parent_fd, "small", 0755), 0);
	dir = openat(parent_fd, "small", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "3"), 0);
	EXPECT_EQ(pool_bind(dev, dir, 5, 0), -EAGAIN);
	EXPECT_EQ(info(dev).ready, 3);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "max"), 0);
	EXPECT_EQ(pool_bind(dev, dir, 5, 0), 0);
	EXPECT(WAIT_FOR(info(dev).ready == 5));
	EXPECT_EQ(drain(dev), 0);
	close(dir);
	close(dev);
	EXPECT_EQ(unlinkat(parent_fd, "small", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}

static int test_threaded_parent(void)
{
	int dev = device_open(), dir, sub;

	EXPECT_EQ(mkdirat(parent_fd, "dom", 0755), 0);
	EXPECT_EQ(mkdirat(parent_fd, "dom/thr", 0755), 0);
	dir = openat(parent_fd, "dom", O_RDONLY | O_DIRECTORY);
	sub = openat(parent_fd, "dom/thr", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(write_at(sub, "cgroup.type", "threaded"), 0);
	EXPECT_EQ(pool_bind(dev, sub, 1, 0), -EOPNOTSUPP);
	EXPECT_EQ(info(dev).ready, 0);
	EXPECT_EQ(drain(dev), 0);
	close(dev);
	close(sub);
	close(dir);
	EXPECT_EQ(unlinkat(parent_fd, "dom/thr", AT_REMOVEDIR), 0);
	EXPECT_EQ(unlinkat(parent_fd, "dom", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}

static int test_bad_names(void)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		".lwcg-1",
		".hidden",
		"a/b",
		"a\nb",
		"a b",
		"-a",
		"_a",
		"/",
		"a\x01",
		"a\xc3\xa9",
		"\xe9",
		"cgroup.foo",
		"cpu.max",
		"memory.max",
		"io.x",
		"pids.1",
		"hugetlb.1G",
		"perf_event.",
		"cpuset.a",
		"debug.controllers",
		"irq.pressure",
	};
	int dev = device_open_bound(1);
	struct lwcg_acquire arg;
	struct lwcg_adopt a;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		arg = acquire_arg(bad[i]);
		a = adopt_arg(bad[i]);
		if (acquire(dev, &arg) != -EINVAL || adopt(dev, &a) != -EINVAL) {
			ktap_diag("name '%s' was not refused", bad[i]);
			return KTAP_FAIL;
		}
	}
	/* no terminating NUL */
	arg = acquire_arg("x");
	memset(arg.name, 'x', sizeof(arg.name));
	EXPECT_EQ(acquire(dev, &arg), -EINVAL);
	EXPECT_EQ(info(dev).leased, 0);
	close(dev);
	return KTAP_PASS;
}

static int test_good_names(void)
{
	static const char *const good[] = {"a",	     "0",	 "Sandbox-1_x.y", "cpuset",
					   "memory", "cgroup-1", "cpu-1.2",	  "lwcg-1"};
	int dev = device_open_bound(1);
	struct lwcg_acquire arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		arg = acquire_arg(good[i]);
		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		EXPECT(exists_at(parent_fd, good[i]));
		close(arg.dir_fd);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
	}
	/* the longest one: 63 characters */
	arg = acquire_arg("x");
	memset(arg.name, 'x', sizeof(arg.name) - 1);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(exists_at(parent_fd, arg.name));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* The result cannot be written back: no descriptor, no lease, no name is left. */
static int test_result_not_writable(void)
{
	struct lwcg_acquire *arg =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int dev = device_open_bound(1), before, after;

	EXPECT(arg != MAP_FAILED);
	*arg = acquire_arg("readonly");
	EXPECT_EQ(mprotect(arg, 4096, PROT_READ), 0);
	before = dup(0);
	EXPECT_EQ(acquire_wait(dev, arg), -EFAULT);
	after = dup(0);
	EXPECT_EQ(after, before + 1);
	EXPECT_EQ(info(dev).leased, 0);
	EXPECT(!exists_at(parent_fd, "readonly"));
	munmap(arg, 4096);
	close(before);
	close(after);
	close(dev);
	return KTAP_PASS;
}

static int test_poll_unbound_is_an_error(void)
{
	int dev = device_open();

	EXPECT_EQ(poll_events(dev), POLLERR);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_sizes_are_frozen),
		T(test_node_is_private),
		T(test_open_needs_cap_sys_admin),
		T(test_unknown_ioctl),
		T(test_size_and_flags),
		T(test_results_are_overwritten),
		T(test_longer_argument_of_zeroes),
		T(test_argument_at_page_end),
		T(test_reserved_must_be_zero),
		T(test_unbound),
		T(test_pool_arguments),
		T(test_existing_pool),
		T(test_pool_of_removed_parent),
		T(test_pool_of_other_parent),
		T(test_pool_limits_of_parent),
		T(test_threaded_parent),
		T(test_bad_names),
		T(test_good_names),
		T(test_result_not_writable),
		T(test_poll_unbound_is_an_error),
	};

	setup("abi", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
