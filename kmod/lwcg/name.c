// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of leased cgroups.  A name that passes is a single path component, needs
 * no quoting in a shell, cannot be mistaken for a control file of the parent,
 * present or future, and is never the name of a ready slot, which begins with a
 * dot.
 */
#include "lwcg_internal.h"

#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/string.h>

/* "X." begins the control files of X; see Documentation/admin-guide/cgroup-v2.rst */
static const char *const reserved[] = {
	"cgroup", "cpu",  "cpuset", "io",  "memory",	 "hugetlb", "pids",
	"rdma",	  "misc", "dmem",   "irq", "perf_event", "debug",
};

/* The same for what only cgroup v1 has, and its files that are called just so. */
static const char *const reserved_v1[] = {
	"blkio", "cpuacct", "devices", "freezer", "net_cls", "net_prio",
};

static const char *const files_v1[] = {"tasks", "notify_on_release", "release_agent"};

static bool name_begins_with(const char *name, const char *const *prefixes, size_t nr)
{
	size_t i, len;

	for (i = 0; i < nr; i++) {
		len = strlen(prefixes[i]);
		if (!strncmp(name, prefixes[i], len) && name[len] == '.')
			return true;
	}
	return false;
}

static bool name_is_reserved(const struct pool *pool, const char *name)
{
	if (name_begins_with(name, reserved, ARRAY_SIZE(reserved)))
		return true;
	if (!pool->cgroup1)
		return false;
	return name_begins_with(name, reserved_v1, ARRAY_SIZE(reserved_v1)) ||
	       match_string(files_v1, ARRAY_SIZE(files_v1), name) >= 0;
}

/* isalnum() of the kernel knows Latin-1 letters, which are no letters in UTF-8 */
static bool char_is_alnum(char c)
{
	return isascii(c) && isalnum(c);
}

/**
 * lwcg_name_check() - may a lease be called this?
 * @pool: its pool
 * @name: the name as user space passed it, not necessarily terminated
 * @size: size of the array it is in
 *
 * Return: 0 or -EINVAL.
 */
int lwcg_name_check(const struct pool *pool, const char *name, size_t size)
{
	size_t i, len = strnlen(name, size);

	if (len == size || !char_is_alnum(name[0]))
		return -EINVAL;

	for (i = 1; i < len; i++)
		if (!char_is_alnum(name[i]) && !strchr("_.-", name[i]))
			return -EINVAL;

	return name_is_reserved(pool, name) ? -EINVAL : 0;
}
