/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the lwcg selftests share: the device, a parent cgroup of their own, and
 * reading and writing control files.  Everything returns 0 or a value, or -errno.
 *
 * The parent is on cgroup v2, or with LWCG_V1 defined on a hierarchy of cgroup v1
 * with the controllers that sandboxes need on one mount.
 */
#ifndef LWCG_TEST_H
#define LWCG_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/lwcg.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#ifdef LWCG_V1
#define CGROUP_ROOT "/run/lwcg-v1"
#else
#define CGROUP_ROOT "/sys/fs/cgroup"
#endif

/* The parent cgroup of this program, and a descriptor of it. */
static char parent_path[128];
static int parent_fd = -1;
static pid_t parent_owner;

static inline int xioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

static inline int write_at(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* A small file's text without the last newline, in a static buffer; "" on error. */
static inline const char *read_at(int dir, const char *name)
{
	static char buf[4096];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return buf;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	if (n > 0 && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	return buf;
}

static inline bool exists_at(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
}

static inline void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

static inline int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* How long a wait may last: a machine that is emulated on a busy one is slow. */
#define WAIT_MS 120000

/* Wait until a condition holds; the value is the condition. */
#define WAIT_FOR(cond)                                     \
	({                                                 \
		int64_t _end = now_ms() + WAIT_MS;         \
		bool _ok;                                  \
		while (!(_ok = (cond)) && now_ms() < _end) \
			sleep_ms(5);                       \
		_ok;                                       \
	})

static inline int device_open(void)
{
	int fd = open(LWCG_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int pool_bind(int dev, int dir, uint32_t target, uint32_t low_water)
{
	struct lwcg_pool arg = {
		.size = sizeof(arg), .parent_fd = dir, .target = target, .low_water = low_water};

	return xioctl(dev, LWCG_POOL, &arg);
}

/* Bind to the pool that is there. */
static inline int pool_bind_existing(int dev, int dir)
{
	struct lwcg_pool arg = {.size = sizeof(arg), .flags = LWCG_POOL_EXISTING, .parent_fd = dir};

	return xioctl(dev, LWCG_POOL, &arg);
}

static inline struct lwcg_acquire acquire_arg(const char *name)
{
	struct lwcg_acquire arg = {
		.size = sizeof(arg),
		.memory_max = LWCG_MAX,
		.cpu_quota_us = LWCG_MAX,
		.pids_max = LWCG_MAX,
		.dir_fd = -1,
	};

	strncpy(arg.name, name, sizeof(arg.name) - 1);
	return arg;
}

static inline int acquire(int dev, struct lwcg_acquire *arg)
{
	return xioctl(dev, LWCG_ACQUIRE, arg);
}

/* Acquire, and wait for the refill as long as the pool is empty. */
static inline int acquire_wait(int dev, struct lwcg_acquire *arg)
{
	int64_t end = now_ms() + WAIT_MS;
	int ret;

	while ((ret = acquire(dev, arg)) == -EAGAIN && now_ms() < end)
		sleep_ms(2);
	return ret;
}

static inline int release(int dev, uint64_t id)
{
	struct lwcg_release arg = {.size = sizeof(arg), .slot_id = id};

	return xioctl(dev, LWCG_RELEASE, &arg);
}

static inline int drain(int dev)
{
	struct lwcg_drain arg = {.size = sizeof(arg)};

	return xioctl(dev, LWCG_DRAIN, &arg);
}

static inline int drain_orphans(int dev)
{
	struct lwcg_drain arg = {.size = sizeof(arg), .flags = LWCG_DRAIN_ORPHANS};

	return xioctl(dev, LWCG_DRAIN, &arg);
}

static inline struct lwcg_adopt adopt_arg(const char *name)
{
	struct lwcg_adopt arg = {.size = sizeof(arg), .dir_fd = -1};

	strncpy(arg.name, name, sizeof(arg.name) - 1);
	return arg;
}

static inline int adopt(int dev, struct lwcg_adopt *arg)
{
	return xioctl(dev, LWCG_ADOPT, arg);
}

static inline int resize(int dev, uint32_t target, uint32_t low_water)
{
	struct lwcg_resize arg = {.size = sizeof(arg), .target = target, .low_water = low_water};

	return xioctl(dev, LWCG_RESIZE, &arg);
}

static inline struct lwcg_stats stats(int dev)
{
	struct lwcg_stats arg = {.size = sizeof(arg)};

	if (xioctl(dev, LWCG_STATS, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

static inline struct lwcg_info info(int dev)
{
	struct lwcg_info arg = {.size = sizeof(arg)};

	if (xioctl(dev, LWCG_INFO, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

/* How many leases have ended for good. */
static inline uint64_t ended(int dev)
{
	struct lwcg_info i = info(dev);

	return i.recycled + i.retired;
}

/*
 * As many slots are ready as there are sooner or later: a pool makes new ones when a
 * quarter of its target is missing, and not before.
 */
static inline bool is_filled(int dev, uint32_t target)
{
	return info(dev).ready >= target - target / 4;
}

#ifdef LWCG_V1

/* Nothing counts them; slots have no children. */
static inline int nr_descendants(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;
	int n = 0;

	if (!d)
		return -1;
	while ((de = readdir(d)))
		n += de->d_type == DT_DIR && strcmp(de->d_name, ".") && strcmp(de->d_name, "..");
	closedir(d);
	return n;
}

/* No slot is just being made.  Nothing forbids it, but nothing asks for it either. */
static inline bool refill_stop(int dev)
{
	return WAIT_FOR(!info(dev).recycling && is_filled(dev, info(dev).target) &&
			nr_descendants(parent_fd) == info(dev).ready + info(dev).leased);
}

static inline bool refill_go(void)
{
	return true;
}

static inline bool is_populated(int dir)
{
	return *read_at(dir, "tasks");
}

#else

static inline int nr_descendants(int dir)
{
	int n = -1;

	sscanf(read_at(dir, "cgroup.stat"), "nr_descendants %d", &n);
	return n;
}

/* No more slots are made below the parent, and none is just being made; or they are again. */
static inline bool refill_stop(int dev)
{
	return !write_at(parent_fd, "cgroup.max.descendants", "0") &&
	       WAIT_FOR(!info(dev).recycling &&
			nr_descendants(parent_fd) == info(dev).ready + info(dev).leased);
}

static inline bool refill_go(void)
{
	return !write_at(parent_fd, "cgroup.max.descendants", "max");
}

static inline bool is_populated(int dir)
{
	return strstr(read_at(dir, "cgroup.events"), "populated 1");
}

#endif /* LWCG_V1 */

/* A file says just this. */
static inline bool says(int dir, const char *file, const char *want)
{
	const char *text = read_at(dir, file);

	if (!strcmp(text, want))
		return true;
	ktap_diag("%s is '%s', not '%s'", file, text, want);
	return false;
}

/* The files of a cgroup, below @prefix, say that these are its limits. */
static inline bool has_limits(int dir, const char *prefix, const char *memory, const char *quota,
			      const char *period, const char *pids)
{
	char file[128], cpu[64];

#ifdef LWCG_V1
	/* the largest number of pages there is */
	if (!strcmp(memory, "max"))
		memory = "9223372036854771712";
	snprintf(file, sizeof(file), "%smemory.limit_in_bytes", prefix);
	if (!says(dir, file, memory))
		return false;
	snprintf(file, sizeof(file), "%scpu.cfs_quota_us", prefix);
	if (!says(dir, file, strcmp(quota, "max") ? quota : "-1"))
		return false;
	snprintf(file, sizeof(file), "%scpu.cfs_period_us", prefix);
	snprintf(cpu, sizeof(cpu), "%s", period);
	if (!says(dir, file, cpu))
		return false;
#else
	snprintf(file, sizeof(file), "%smemory.max", prefix);
	if (!says(dir, file, memory))
		return false;
	snprintf(file, sizeof(file), "%smemory.oom.group", prefix);
	if (!says(dir, file, "1"))
		return false;
	snprintf(file, sizeof(file), "%scpu.max", prefix);
	snprintf(cpu, sizeof(cpu), "%s %s", quota, period);
	if (!says(dir, file, cpu))
		return false;
#endif
	snprintf(file, sizeof(file), "%spids.max", prefix);
	return says(dir, file, pids);
}

/* The device, bound to the parent's pool, with that many slots ready, or almost. */
static inline int device_open_bound(uint32_t target)
{
	int dev = device_open(), ret;

	if (dev < 0)
		return dev;
	ret = pool_bind(dev, parent_fd, target, 0);
	if (!ret && !WAIT_FOR(is_filled(dev, target)))
		ret = -ETIMEDOUT;
	if (ret) {
		close(dev);
		return ret;
	}
	return dev;
}

/* What poll(2) says now. */
static inline int poll_events(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

/* Fork into a cgroup; the child's pid, 0 in the child, or -errno. */
#ifdef LWCG_V1
static inline pid_t clone_into(int cgroup_fd)
{
	int pipefd[2], ret = 0;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		close(pipefd[0]);
		ret = write_at(cgroup_fd, "tasks", "0");
		if (write(pipefd[1], &ret, sizeof(ret)) != sizeof(ret) || ret)
			_exit(1);
		close(pipefd[1]);
		return 0;
	}
	close(pipefd[1]);
	/* nothing to read: killed, which it can be when it is there */
	if (pid > 0 && read(pipefd[0], &ret, sizeof(ret)) == sizeof(ret) && ret)
		waitpid(pid, NULL, 0);
	close(pipefd[0]);
	return pid < 0 ? -errno : ret ? ret : pid;
}
#else
static inline pid_t clone_into(int cgroup_fd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup_fd};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : pid;
}
#endif

/* A child in the cgroup that does nothing until it is killed. */
static inline pid_t sleeper_in(int cgroup_fd)
{
	pid_t pid = clone_into(cgroup_fd);

	if (!pid)
		for (;;)
			pause();
	return pid;
}

/* Does the process, or thread, wait for something that no signal ends? */
static inline bool is_blocked(pid_t tid)
{
	char name[32];
	const char *p;

	snprintf(name, sizeof(name), "/proc/%d/stat", tid);
	p = strrchr(read_at(AT_FDCWD, name), ')');
	return p && p[2] == 'D';
}

static inline int unlink_dir(int dir, const char *name)
{
	return unlinkat(dir, name, AT_REMOVEDIR) ? -errno : 0;
}

static inline int make_dir(int dir, const char *name)
{
	return mkdirat(dir, name, 0755) ? -errno : 0;
}

/* Wait for a child; its wait status, or -1 if it does not end. */
static inline int reap(pid_t pid)
{
	int status = -1;

	if (!WAIT_FOR(waitpid(pid, &status, WNOHANG) != 0))
		return -1;
	return status;
}

/* Start processes until that is refused for ever; -errno of the refusal. */
static inline int spawn_until_refused(int cgroup_fd)
{
	for (;;) {
		pid_t pid = clone_into(cgroup_fd);

		/* enough of them */
		if (pid == -EAGAIN)
			continue;
		if (pid < 0)
			return pid;
		if (!pid)
			for (;;)
				pause();
	}
}

static inline int insmod(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* Load lwcg.ko if it is not, the one named by RUND_MODULE or the installed one; 0 or -errno. */
static inline int module_load(void)
{
	const char *path = getenv("RUND_MODULE");

	if (!access(LWCG_DEVICE, F_OK))
		return 0;
	if (!path)
		return system("modprobe -q lwcg") ? -ENOENT : 0;
	return insmod(path);
}

/* Load a module of the tests' own, from test/ next to lwcg.ko; 0 or -errno. */
static inline int test_module_load(const char *name)
{
	const char *lwcg = getenv("RUND_MODULE") ?: "";
	const char *slash = strrchr(lwcg, '/');
	char path[4096];

	snprintf(path, sizeof(path), "%.*stest/%s.ko", slash ? (int)(slash - lwcg) + 1 : 0, lwcg,
		 name);
	return insmod(path);
}

static inline int module_unload(void)
{
	return syscall(SYS_delete_module, "lwcg", O_NONBLOCK) ? -errno : 0;
}

/* Called at exit, by children of the tests as well. */
static inline void hierarchy_unmount(void);

static inline void parent_remove(void)
{
	int dev;

	if (parent_owner != getpid())
		return;
	dev = device_open_bound(1);
	if (dev >= 0) {
		(void)!drain_orphans(dev);
		close(dev);
	}
	close(parent_fd);
	rmdir(parent_path);
	hierarchy_unmount();
}

#ifdef LWCG_V1

/* The value of a line of /proc/self/status, in a static buffer. */
static inline const char *own_status(const char *key)
{
	const char *text = read_at(AT_FDCWD, "/proc/self/status"), *p = strstr(text, key);
	static char value[256];

	value[0] = '\0';
	if (p)
		sscanf(p + strlen(key), " %255[^\n]", value);
	return value;
}

/*
 * All controllers of the hierarchy are there for everybody; a cpuset needs to be filled.
 * Not with all CPUs: whoever is attached may run on any of them, isolated or not.
 */
static inline int enable_controllers(int dir)
{
	static const char *const files[][2] = {
		{"cpuset.cpus", "Cpus_allowed_list:"},
		{"cpuset.mems", "Mems_allowed_list:"},
	};
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (*read_at(dir, files[i][0]))
			continue;
		ret = write_at(dir, files[i][0], own_status(files[i][1]));
		if (ret)
			return ret;
	}
	return 0;
}

/* The hierarchy stays mounted in the lab: what dies slowly would keep it from coming back. */
static inline void hierarchy_unmount(void)
{
	if (parent_owner == getpid() && !getenv("RUND_LAB") && !umount(CGROUP_ROOT))
		rmdir(CGROUP_ROOT);
}

/* Fails if cgroup v2, or another hierarchy, has the controllers. */
static inline int hierarchy_mount(void)
{
	struct statfs fs;

	if (mkdir(CGROUP_ROOT, 0755) && errno != EEXIST)
		return -errno;
	if (!statfs(CGROUP_ROOT, &fs) && fs.f_type == CGROUP_SUPER_MAGIC)
		return 0;
	return mount("cgroup", CGROUP_ROOT, "cgroup", 0,
		     "cpu,cpuacct,cpuset,blkio,memory,freezer,pids")
		       ? -errno
		       : 0;
}

#else

/* Enable for the children what the tests need, and what else there is. */
static inline int enable_controllers(int dir)
{
	static const char *const rest[] = {"+io", "+cpuset", "+hugetlb", "+misc", "+rdma"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rest); i++)
		(void)!write_at(dir, "cgroup.subtree_control", rest[i]);
	return write_at(dir, "cgroup.subtree_control", "+memory +cpu +pids");
}

static inline void hierarchy_unmount(void)
{
}

static inline int hierarchy_mount(void)
{
	return 0;
}

#endif /* LWCG_V1 */

/*
 * Load the module and make the parent cgroup, with memory, cpu and pids enabled
 * for its children.  On failure the program skips all its tests with the reason:
 * what is missing is the kernel's configuration, the module or root.  The lab has
 * all three, so there it fails them.
 */
static inline void setup(const char *name, unsigned int nr)
{
	const char *what = "load lwcg.ko (is it installed, or RUND_MODULE set?)";
	bool lab = getenv("RUND_LAB");
	int root, ret = module_load();
	unsigned int i;

	if (!ret) {
		what = "mount cpu,cpuacct,cpuset,blkio,memory,freezer,pids as cgroup v1";
		ret = hierarchy_mount();
	}
	if (!ret) {
		what = "make a cgroup with memory, cpu and pids below " CGROUP_ROOT;
		snprintf(parent_path, sizeof(parent_path), CGROUP_ROOT "/lwcg-%s-%d", name,
			 getpid());
		root = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		enable_controllers(root);
		close(root);
		if (mkdir(parent_path, 0755))
			ret = -errno;
	}
	if (!ret) {
		parent_fd = open(parent_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ret = enable_controllers(parent_fd);
	}
	if (!ret) {
		parent_owner = getpid();
		atexit(parent_remove);
		return;
	}

	printf("KTAP version 1\n1..%u\n", nr);
	for (i = 1; i <= nr; i++)
		printf("%sok %u %s_%u # %s cannot %s: %s\n", lab ? "not " : "", i, name, i,
		       lab ? "in the lab:" : "SKIP", what, strerror(-ret));
	exit(lab ? 1 : KTAP_SKIP);
}

#endif
