// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checking and making sandbox names.
 */
#include "name.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* A cgroup's control files are named PREFIX.SOMETHING (lwcg.h, @name). */
static const char *const control_file_prefixes[] = {
	"cgroup", "cpu",  "cpuset", "io",  "memory",	 "hugetlb", "pids",
	"rdma",	  "misc", "dmem",   "irq", "perf_event", "debug",
};

const char *ra_name_check(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= RA_NAME_MAX)
		return "must have 1 to 63 characters";
	if (!strchr(ALNUM, name[0]) || strspn(name, ALNUM "_.-") != len)
		return "may hold letters, digits and _.- only, and starts with a letter or digit";
	for (size_t i = 0; i < sizeof(control_file_prefixes) / sizeof(char *); i++) {
		size_t n = strlen(control_file_prefixes[i]);

		if (!strncmp(name, control_file_prefixes[i], n) && name[n] == '.')
			return "looks like a cgroup control file; choose another prefix";
	}
	return NULL;
}

int ra_name_generate(char name[RA_NAME_MAX])
{
	unsigned char r[6];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		return -EIO;
	snprintf(name, RA_NAME_MAX, "%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3], r[4], r[5]);
	return 0;
}
