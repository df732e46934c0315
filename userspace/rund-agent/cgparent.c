// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making the parent cgroup: CGROUP_ROOT/rund, without processes of its own, with
 * every controller that this host can hand on.
 */
#include "cgparent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cgroup2.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "slot.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* Enable each word of @list in the root and in the parent; collect those that fail. */
static void enable_all(int root, int parent, const char *list, char *missing, size_t len)
{
	char words[64], *save = NULL;

	snprintf(words, sizeof(words), "%s", list);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		size_t used;

		/* Handed on already, which the parent alone tells: one file read. */
		if (!cg2_enable(parent, w))
			continue;
		if (!cg2_enable(root, w) && !cg2_enable(parent, w))
			continue;
		if (!missing)
			continue;
		used = strlen(missing);
		snprintf(missing + used, len - used, "%s%s", used ? " " : "", w);
	}
}

int ra_cgparent_open(bool create, char *path, size_t len, char *missing, size_t missing_len)
{
	__cleanup_fd int root = -1, parent = -1;
	char mount[PATH_MAX];
	int ret;

	ret = cg2_mount(mount, sizeof(mount));
	if (ret)
		return log_errno(ret, "no cgroup v2 hierarchy is mounted; "
				      "mount -t cgroup2 none /sys/fs/cgroup");
	if (snprintf(path, len, "%s/%s", mount, RA_CGROUP_PARENT) >= len)
		return log_errno(-ENAMETOOLONG, "%s: path too long", mount);
	root = open(mount, DIR_FLAGS);
	if (root < 0)
		return log_errno(-errno, "%s: %m", mount);
	if (create && mkdirat(root, RA_CGROUP_PARENT, 0755) && errno != EEXIST)
		return log_errno(-errno,
				 "%s: %m; the agent must run as root and see cgroup v2 "
				 "read-write",
				 path);
	parent = openat(root, RA_CGROUP_PARENT, DIR_FLAGS);
	if (parent < 0 && errno == ENOENT && !create)
		return -ENOENT;
	if (parent < 0)
		return log_errno(-errno, "%s: %m", path);
	if (create) {
		if (missing)
			*missing = '\0';
		enable_all(root, parent, RA_CONTROLLERS_NEEDED, missing, missing_len);
		enable_all(root, parent, RA_CONTROLLERS_WELCOME, NULL, 0);
	}
	return take_fd(&parent);
}
