/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sandbox names.  A name is a directory name below the state directory and a
 * cgroup's name, so its alphabet is narrow.
 */
#ifndef RUND_AGENT_NAME_H
#define RUND_AGENT_NAME_H

#include <linux/lwcg.h>

#define RA_NAME_MAX LWCG_NAME_MAX /* with the terminating NUL */

/**
 * ra_name_check() - whether a string can name a sandbox
 *
 * [a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}, and not what cgroup control files are
 * called ("memory.max").
 *
 * Return: NULL, or what is wrong with it.
 */
const char *ra_name_check(const char *name);

/**
 * ra_name_generate() - make up a name: 12 random hexadecimal digits
 * Return: 0 or -errno.
 */
int ra_name_generate(char name[RA_NAME_MAX]);

#endif
