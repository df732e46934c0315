/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who the command runs as, looked up in the container's own /etc/passwd and
 * /etc/group.  glibc's look-ups are not used: a static program would load NSS
 * modules out of the container, that is, run its code as PID 1.
 */
#ifndef RUND_GUEST_ACCOUNT_H
#define RUND_GUEST_ACCOUNT_H

#include <limits.h>
#include <sys/types.h>

#include "fault.h"

#define ACCOUNT_MAX_GROUPS 256
#define ACCOUNT_MAX_FILE   (4U << 20) /* bytes of a passwd or group file that are read */

/**
 * struct account - credentials of the command
 * @uid: user id
 * @gid: primary group id
 * @groups: supplementary groups
 * @nr_groups: how many of them
 * @home: home directory, "/" when the user has no passwd entry
 */
struct account {
	uid_t uid;
	gid_t gid;
	gid_t groups[ACCOUNT_MAX_GROUPS];
	int nr_groups;
	char home[PATH_MAX];
};

/**
 * account_resolve() - turn a user specification into credentials
 * @a: filled on success
 * @spec: "", "name", "uid", "name:group", "uid:gid" and mixtures of them
 * @passwd: contents of the passwd file, "" when there is none
 * @group: contents of the group file, "" when there is none
 * @why: receives the reason of a failure
 *
 * Lines that are not well formed are skipped, as every libc does.  A number
 * needs no entry.  Supplementary groups are those that list the user's name,
 * unless @spec gives a group.
 *
 * Return: 0, -ENOENT when a name is unknown, -EINVAL when @spec is malformed,
 * -E2BIG when the user is in more than ACCOUNT_MAX_GROUPS groups.
 */
int account_resolve(struct account *a, const char *spec, const char *passwd, const char *group,
		    struct rund_error *why);

/**
 * account_load() - account_resolve() with the files below the current root
 * Return: as account_resolve(), or -errno of reading the files.
 */
int account_load(struct account *a, const char *spec, struct rund_error *why);

#endif
