// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cgroups that a series works below, one parent for each, and the mount
 * option that some series are about.
 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/cgroup2.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

#define QUIET_TIMEOUT_NS 120000000000ULL

static const char *const controllers[] = {"memory", "cpu", "pids"};

/* As production nodes mount them; pids is for the third limit. */
#define V1_PATH	   "/run/rund-bench-v1"
#define V1_OPTIONS "cpu,cpuacct,cpuset,blkio,memory,freezer,pids"

static bool use_v1;

int tree_use_v1(void)
{
	struct statfs fs;

	if (mkdir(V1_PATH, 0755) && errno != EEXIST)
		return log_errno(-errno, "mkdir %s: %m", V1_PATH);
	use_v1 = !statfs(V1_PATH, &fs) && fs.f_type == CGROUP_SUPER_MAGIC;
	if (!use_v1 && mount("cgroup", V1_PATH, "cgroup", 0, V1_OPTIONS))
		return log_errno(-errno, "mount -t cgroup -o " V1_OPTIONS " cgroup " V1_PATH
					 ": %m; is cgroup v2 using the controllers?");
	use_v1 = true;
	return 0;
}

bool tree_is_v1(void)
{
	return use_v1;
}

void tree_unmount_v1(void)
{
	if (use_v1 && (umount(V1_PATH) || rmdir(V1_PATH)))
		log_warn("unmounting %s: %m", V1_PATH);
}

/* A cpuset takes no processes before it has CPUs and memory nodes; children get the same. */
static int fill_cpuset(int dir, const char *path)
{
	static const char *const files[][2] = {
		{"cpuset.cpus", "Cpus_allowed_list: %255s"},
		{"cpuset.mems", "Mems_allowed_list: %255s"},
	};
	__cleanup_file FILE *f = fopen("/proc/self/status", "re");
	__cleanup_free char *line = NULL;
	char text[256];
	size_t cap = 0;
	int ret = f ? 0 : -errno;

	/* not the isolated ones, to which nobody comes but by asking */
	while (!ret && getline(&line, &cap, f) > 0)
		for (int i = 0; i < 2 && !ret; i++)
			if (sscanf(line, files[i][1], text) == 1)
				ret = io_write_file(dir, files[i][0], text);
	if (!ret)
		ret = io_write_file(dir, "cgroup.clone_children", "1");
	return ret ? log_errno(ret, "%s: filling its cpuset: %s", path, strerror(-ret)) : 0;
}

static int controllers_enable(int dir, const char *path)
{
	int ret;

	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
		ret = cg2_enable(dir, controllers[i]);
		if (ret)
			return log_errno(
				ret, "%s: enabling %s for children: %s; is it bound to cgroup v1?",
				path, controllers[i], strerror(-ret));
	}
	return 0;
}

static int root_path(char *path, size_t len)
{
	int ret;

	if (use_v1) {
		snprintf(path, len, "%s", V1_PATH);
		return 0;
	}
	ret = cg2_mount(path, len);

	return ret ? log_errno(ret, "no cgroup v2 is mounted: mount -t cgroup2 none /sys/fs/cgroup")
		   : 0;
}

/* The options of the superblock as in mountinfo: " - cgroup2 SOURCE OPTIONS". */
static int super_options(char *options, size_t len)
{
	__cleanup_file FILE *f = fopen("/proc/self/mountinfo", "re");
	__cleanup_free char *line = NULL;
	size_t cap = 0;
	const char *p;

	while (f && getline(&line, &cap, f) > 0) {
		p = strstr(line, " - cgroup2 ");
		if (!p)
			continue;
		p = strchr(p + strlen(" - cgroup2 "), ' ');
		if (!p)
			continue;
		snprintf(options, len, "%.*s", (int)strcspn(p + 1, "\n"), p + 1);
		return 0;
	}
	return -ENOENT;
}

/* A change names all options that are to be on: those not named go off. */
static int reconfigure(int fs, char *options, bool on)
{
	char *save = NULL;

	for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		if (!strcmp(o, "rw") || !strcmp(o, "ro") || strstr(o, "favordynmods"))
			continue;
		if (fsconfig(fs, FSCONFIG_SET_FLAG, o, NULL, 0))
			return -errno;
	}
	if (on && fsconfig(fs, FSCONFIG_SET_FLAG, "favordynmods", NULL, 0))
		return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		return -errno;
	return 0;
}

static int favordynmods_is(char *options, size_t len)
{
	int ret = super_options(options, len);

	return ret ? ret : !!strstr(options, "favordynmods");
}

int tree_favordynmods(bool on)
{
	char root[128], options[512];
	__cleanup_fd int fs = -1;
	int ret, before;

	/* an option of each mount; that of cgroup v1 is left alone */
	if (use_v1)
		return 0;
	ret = root_path(root, sizeof(root));
	if (ret)
		return ret;
	before = favordynmods_is(options, sizeof(options));
	if (before < 0 || before == on)
		return before;
	fs = fspick(AT_FDCWD, root, FSPICK_CLOEXEC);
	ret = fs < 0 ? -errno : reconfigure(fs, options, on);
	if (ret)
		return log_errno(ret, "%s: switching favordynmods: %s", root, strerror(-ret));
	if (favordynmods_is(options, sizeof(options)) != on)
		return log_errno(-EIO,
				 "%s: favordynmods does not show after remounting; leave "
				 "its series out",
				 root);
	return before;
}

/*
 * Cgroup v1 does not count them: there are so many more cgroups than directories, of
 * which each has a link to its parent.
 */
static int v1_dying(struct bench *b, struct dying *dying)
{
	__cleanup_file FILE *f = fopen("/proc/cgroups", "re");
	__cleanup_free char *line = NULL;
	struct stat root, parent;
	uint64_t cgroups = 0, dirs;
	size_t cap = 0;

	/* first: one that is made meanwhile looks like one more dying, and not like less */
	if (stat(V1_PATH, &root) || fstat(b->parent_fd, &parent))
		return log_errno(-errno, "%s: %m", V1_PATH);
	while (f && getline(&line, &cap, f) > 0)
		if (sscanf(line, "memory %*d %" SCNu64, &cgroups) == 1)
			break;
	if (!cgroups)
		return log_errno(-EIO, "/proc/cgroups does not count memory cgroups");
	/* a directory has two links, and one of each of its children */
	dirs = 1 + (root.st_nlink - 2) + (parent.st_nlink - 2);
	/* one that goes meanwhile is still among these; those from before may go, too */
	dying->cgroups = cgroups > dirs + b->dying_before ? cgroups - dirs - b->dying_before : 0;
	dying->memory = dying->cgroups;
	return 0;
}

static int open_v1(struct bench *b)
{
	struct dying before = {};
	int ret = v1_dying(b, &before);

	b->dying_before = before.cgroups;
	return ret ?: fill_cpuset(b->parent_fd, b->path);
}

int tree_open(struct bench *b, const struct series *s)
{
	char root[128];
	__cleanup_fd int root_fd = -1;
	int ret;

	*b = (struct bench){.series = s, .parent_fd = -1, .dev = -1};
	ret = root_path(root, sizeof(root));
	if (ret)
		return ret;
	ret = tree_favordynmods(s->favordynmods);
	if (ret < 0)
		return ret;
	b->favordynmods_before = ret;
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return log_errno(-errno, "%s: %m", root);
	ret = use_v1 ? 0 : controllers_enable(root_fd, root);
	if (ret)
		return ret;
	snprintf(b->path, sizeof(b->path), "%s/rund-bench-%d-%s", root, getpid(), s->name);
	if (mkdir(b->path, 0755))
		return log_errno(-errno, "mkdir %s: %m; run as root", b->path);
	b->parent_fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->parent_fd < 0)
		return log_errno(-errno, "%s: %m", b->path);
	return use_v1 ? open_v1(b) : controllers_enable(b->parent_fd, b->path);
}

/* What an operation that failed left behind goes as well. */
static void remove_children(int parent)
{
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int child;

	while (dir && (e = readdir(dir))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		child = openat(parent, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (child < 0)
			continue;
		cg2_kill_wait(child, 10000);
		close(child);
		unlinkat(parent, e->d_name, AT_REMOVEDIR);
	}
	if (dir)
		closedir(dir);
}

void tree_close(struct bench *b)
{
	if (b->parent_fd >= 0) {
		remove_children(b->parent_fd);
		close(b->parent_fd);
		b->parent_fd = -1;
	}
	if (*b->path && rmdir(b->path) && errno != ENOENT)
		log_warn("rmdir %s: %m; remove it by hand", b->path);
	tree_favordynmods(b->favordynmods_before);
}

static int v2_dying(struct bench *b, struct dying *dying)
{
	int ret =
		cg2_read_key(b->parent_fd, "cgroup.stat", "nr_dying_descendants", &dying->cgroups);

	if (ret)
		return log_errno(ret, "%s/cgroup.stat: no nr_dying_descendants: %s", b->path,
				 strerror(-ret));
	/* since 6.12; a memory cgroup may stay after its cgroup */
	if (cg2_read_key(b->parent_fd, "cgroup.stat", "nr_dying_subsys_memory", &dying->memory))
		dying->memory = dying->cgroups;
	return 0;
}

int tree_dying(struct bench *b, struct dying *dying)
{
	return use_v1 ? v1_dying(b, dying) : v2_dying(b, dying);
}

int tree_quiet(struct bench *b, struct dying *dying)
{
	uint64_t start = now_ns(), changed = start;
	struct timespec ms5 = {.tv_nsec = 5000000};
	struct dying last = {0, 0};
	int ret;

	for (;;) {
		bool quiet = !b->series->is_quiet || b->series->is_quiet(b);

		ret = tree_dying(b, dying);
		if (ret)
			return ret;
		if (!quiet || dying->cgroups != last.cgroups || dying->memory != last.memory)
			changed = now_ns();
		if (quiet && !dying->cgroups && !dying->memory)
			return 0;
		if (now_ns() - changed >= SETTLED_NS)
			return 0;
		if (now_ns() - start >= QUIET_TIMEOUT_NS || bench_stop)
			return log_errno(bench_stop ? -EINTR : -ETIMEDOUT,
					 "%s: still busy in the background", b->path);
		last = *dying;
		nanosleep(&ms5, NULL);
	}
}
