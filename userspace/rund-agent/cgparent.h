/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroup that holds all sandboxes.
 */
#ifndef RUND_AGENT_CGPARENT_H
#define RUND_AGENT_CGPARENT_H

#include <stdbool.h>
#include <stddef.h>

/* Controllers a sandbox's limits need, and those it is nice to have. */
#define RA_CONTROLLERS_NEEDED  "memory cpu pids"
#define RA_CONTROLLERS_WELCOME "io cpuset"

/**
 * ra_cgparent_open() - open the parent cgroup
 * @create: make it and hand the controllers on to its children
 * @path: receives its path
 * @len: size of @path
 * @missing: receives the needed controllers it does not have, separated by
 *	spaces; may be NULL
 * @missing_len: size of @missing
 *
 * Return: a descriptor, -ENOENT when it is missing and not to be made
 * (unreported), or -errno; reported.
 */
int ra_cgparent_open(bool create, char *path, size_t len, char *missing, size_t missing_len);

#endif
