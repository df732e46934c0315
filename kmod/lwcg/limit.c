// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of a slot.  They are written to the control files as a user would,
 * through kernfs: the controllers' own parsers and checks apply, and none of
 * these files takes cgroup_mutex.
 */
#include "lwcg_internal.h"

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/namei.h>

/* Period of cpu.max when none is given, microseconds: the kernel's default. */
#define CPU_PERIOD_US 100000

/**
 * lwcg_file_open() - open an entry of a directory, whatever is mounted there
 * @dir: the directory
 * @name: a single path component
 * @flags: open(2) flags
 *
 * Permissions of the entry are not checked: opening /dev/lwcg was the check.
 *
 * Context: Process context, takes the directory's inode lock when @name is not
 * cached.
 * Return: an open file, or ERR_PTR(-ENOENT) and what else a lookup may return.
 */
struct file *lwcg_file_open(const struct path *dir, const char *name, int flags)
{
	struct path path = {.mnt = dir->mnt};
	struct file *file;

	path.dentry = lookup_positive_unlocked(name, dir->dentry, strlen(name));
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);

	file = dentry_open(&path, flags, current_cred());
	dput(path.dentry);
	return file;
}

static int file_write(const struct path *dir, const char *name, const char *text)
{
	struct file *file;
	loff_t pos = 0;
	ssize_t n;

	file = lwcg_file_open(dir, name, O_WRONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);

	n = kernel_write(file, text, strlen(text), &pos);
	fput(file);
	return n < 0 ? n : 0;
}

/* A limit's file is missing when its controller is not enabled. */
static int limit_write(const struct path *dir, const char *name, const char *text)
{
	int ret = file_write(dir, name, text);

	return ret == -ENOENT ? -EOPNOTSUPP : ret;
}

/**
 * lwcg_limits_apply() - give a slot that was just leased its limits
 * @dir: the slot's directory
 * @arg: the limits; LWCG_MAX leaves a file as it was made, at "max"
 *
 * Context: Process context.
 * Return: 0, -EOPNOTSUPP if the controller of a limit is not enabled, -EINVAL if
 * it rejects the value, -ENOMEM.  On error some limits may have been written.
 */
int lwcg_limits_apply(const struct path *dir, const struct lwcg_acquire *arg)
{
	char text[48];
	int ret;

	/* a sandbox with half of its processes killed is of no use to anyone */
	ret = file_write(dir, "memory.oom.group", "1");
	if (ret && ret != -ENOENT)
		return ret;

	if (arg->memory_max != LWCG_MAX) {
		snprintf(text, sizeof(text), "%llu", arg->memory_max);
		ret = limit_write(dir, "memory.max", text);
		if (ret)
			return ret;
	}

	if (arg->cpu_quota_us != LWCG_MAX) {
		snprintf(text, sizeof(text), "%llu %llu", arg->cpu_quota_us,
			 arg->cpu_period_us ?: CPU_PERIOD_US);
		ret = limit_write(dir, "cpu.max", text);
		if (ret)
			return ret;
	}

	if (arg->pids_max != LWCG_MAX) {
		snprintf(text, sizeof(text), "%llu", arg->pids_max);
		ret = limit_write(dir, "pids.max", text);
		if (ret)
			return ret;
	}

	return 0;
}
