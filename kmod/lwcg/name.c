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

static bool name_is_reserved(const char *name)
{
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(reserved); i++) {
		len = strlen(reserved[i]);
		if (!strncmp(name, reserved[i], len) && name[len] == '.')
			return true;
	}
	return false;
}

/* isalnum() of the kernel knows Latin-1 letters, which are no letters in UTF-8 */
static bool char_is_alnum(char c)
{
	return isascii(c) && isalnum(c);
}

/**
 * lwcg_name_check() - may a lease be called this?
 * @name: the name as user space passed it, not necessarily terminated
 * @size: size of the array it is in
 *
 * Return: 0 or -EINVAL.
 */
int lwcg_name_check(const char *name, size_t size)
{
	size_t i, len = strnlen(name, size);

	if (len == size || !char_is_alnum(name[0]))
		return -EINVAL;

	for (i = 1; i < len; i++)
		if (!char_is_alnum(name[i]) && !strchr("_.-", name[i]))
			return -EINVAL;

	return name_is_reserved(name) ? -EINVAL : 0;
}
