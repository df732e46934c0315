// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of series, and those that make and remove a cgroup for each sandbox.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

static int limit_write(int dir, const char *prefix, const char *file, const char *text)
{
	char path[NAME_LEN + 32];
	int ret;

	snprintf(path, sizeof(path), "%s%s", prefix, file);
	ret = io_write_file(dir, path, text);
	return ret ? log_errno(ret, "writing '%s' to %s: %s", text, path, strerror(-ret)) : 0;
}

int limits_set(int dir, const char *prefix)
{
	bool v1 = tree_is_v1();
	char text[48];
	int ret;

	snprintf(text, sizeof(text), "%llu", LIMIT_MEMORY);
	ret = limit_write(dir, prefix, v1 ? "memory.limit_in_bytes" : "memory.max", text);
	if (ret)
		return ret;
	/* the period is what it is by default, in either version */
	snprintf(text, sizeof(text), v1 ? "%d" : "%d 100000", LIMIT_QUOTA_US);
	ret = limit_write(dir, prefix, v1 ? "cpu.cfs_quota_us" : "cpu.max", text);
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "%d", LIMIT_PIDS);
	return limit_write(dir, prefix, "pids.max", text);
}

/* The floor: what is left of an operation without a cgroup. */

static int none_get(struct bench *b, struct sandbox *sb)
{
	return 0;
}

static int none_spawn(struct bench *b, struct sandbox *sb)
{
	int ret = spawn_child(sb, -1, false);

	return ret ? log_errno(ret, "clone3: %s", strerror(-ret)) : 0;
}

/* mkdir, limits, and then either of two ways to get the process into it */

static int mkdir_get(struct bench *b, struct sandbox *sb)
{
	char prefix[NAME_LEN + 1];

	if (mkdirat(b->parent_fd, sb->name, 0755))
		return log_errno(-errno, "mkdir %s/%s: %m", b->path, sb->name);
	snprintf(prefix, sizeof(prefix), "%s/", sb->name);
	return limits_set(b->parent_fd, prefix);
}

/* Started outside, moved, and only then let go. */
static int procs_spawn(struct bench *b, struct sandbox *sb)
{
	char path[NAME_LEN + 16], text[16];
	int ret = spawn_child(sb, -1, true);

	if (ret)
		return log_errno(ret, "clone3: %s", strerror(-ret));
	snprintf(path, sizeof(path), "%s/cgroup.procs", sb->name);
	snprintf(text, sizeof(text), "%d", sb->pid);
	ret = io_write_file(b->parent_fd, path, text);
	spawn_release(sb);
	if (ret) {
		spawn_reap(sb);
		return log_errno(ret, "writing %s to %s: %s", text, path, strerror(-ret));
	}
	return 0;
}

static int into_spawn(struct bench *b, struct sandbox *sb)
{
	int ret = spawn_child(sb, sb->dir, false);

	return ret ? log_errno(ret, "clone3 into %s: %s", sb->name, strerror(-ret)) : 0;
}

static int mkdir_into_spawn(struct bench *b, struct sandbox *sb)
{
	int ret;

	sb->dir = openat(b->parent_fd, sb->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (sb->dir < 0)
		return log_errno(-errno, "opening %s/%s: %m", b->path, sb->name);
	ret = into_spawn(b, sb);
	close(sb->dir);
	return ret;
}

/* On cgroup v1, where only the process itself gets there without a write lock. */
static int attach_spawn(struct bench *b, struct sandbox *sb, int dir, const char *path)
{
	int tasks = openat(dir, path, O_WRONLY | O_CLOEXEC), ret;

	if (tasks < 0)
		return log_errno(-errno, "opening %s of %s: %m", path, sb->name);
	ret = spawn_attached(sb, tasks);
	close(tasks);
	return ret ? log_errno(ret, "clone3: %s", strerror(-ret)) : 0;
}

static int mkdir_attach_spawn(struct bench *b, struct sandbox *sb)
{
	char path[NAME_LEN + 16];

	snprintf(path, sizeof(path), "%s/tasks", sb->name);
	return attach_spawn(b, sb, b->parent_fd, path);
}

static int lwcg_attach_spawn(struct bench *b, struct sandbox *sb)
{
	return attach_spawn(b, sb, sb->dir, "tasks");
}

static int rmdir_release(struct bench *b, struct sandbox *sb)
{
	if (unlinkat(b->parent_fd, sb->name, AT_REMOVEDIR))
		return log_errno(-errno, "rmdir %s/%s: %m", b->path, sb->name);
	return 0;
}

#define MKDIR_PROCS                                                              \
	.what = "mkdir, limits, write to cgroup.procs, rmdir", .get = mkdir_get, \
	.spawn = procs_spawn, .least_mutex = 3, .release = rmdir_release
#define MKDIR_INTO                                                                       \
	.what = "mkdir, limits, clone3 with CLONE_INTO_CGROUP, rmdir", .get = mkdir_get, \
	.spawn = mkdir_into_spawn, .least_mutex = 3, .release = rmdir_release
#define MKDIR_V1                                                                   \
	.what = "mkdir, limits, child writes 0 to tasks, rmdir", .get = mkdir_get, \
	.spawn = mkdir_attach_spawn, .least_mutex = 3, .release = rmdir_release
#define POOL_USER                                                                              \
	.what = "pool in user space: limits, clone3 with CLONE_INTO_CGROUP, wait until empty", \
	.least_mutex = 1, .setup = stock_setup, .get = stock_get, .spawn = into_spawn,         \
	.release = stock_release, .teardown = stock_teardown

/* A way to add: one entry, in the order of the output. */
const struct series series_all[] = {
	{
		.name = SERIES_FLOOR,
		.what = "clone3 without any cgroup: the floor",
		.get = none_get,
		.spawn = none_spawn,
		.release = none_get,
	},
	{.name = SERIES_REFERENCE, MKDIR_PROCS},
	{.name = SERIES_REFERENCE "-favordynmods", MKDIR_PROCS, .favordynmods = true},
	{.name = "mkdir-into", MKDIR_INTO},
	{.name = "mkdir-into-favordynmods", MKDIR_INTO, .favordynmods = true},
	{.name = "pool-user", POOL_USER},
	{.name = "pool-user-favordynmods", POOL_USER, .favordynmods = true},
	{
		.name = "lwcg",
		.what = "LWCG_ACQUIRE with limits, clone3 with CLONE_INTO_CGROUP, LWCG_RELEASE",
		.setup = lwcg_setup,
		.get = lwcg_get,
		.spawn = into_spawn,
		.release = lwcg_release,
		.teardown = lwcg_teardown,
		.is_quiet = lwcg_is_quiet,
	},
	{.name = SERIES_REFERENCE_V1, MKDIR_V1, .cgroup1 = true},
	{
		.name = "lwcg-v1",
		.what = "LWCG_ACQUIRE with limits, child writes 0 to tasks, LWCG_RELEASE",
		.cgroup1 = true,
		.least_mutex = 1,
		.setup = lwcg_setup,
		.get = lwcg_get,
		.spawn = lwcg_attach_spawn,
		.release = lwcg_release,
		.teardown = lwcg_teardown,
		.is_quiet = lwcg_is_quiet,
	},
};

const unsigned int nr_series = sizeof(series_all) / sizeof(series_all[0]);
_Static_assert(sizeof(series_all) / sizeof(series_all[0]) <= MAX_SERIES, "raise MAX_SERIES");
