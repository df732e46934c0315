// SPDX-License-Identifier: GPL-2.0-only
/*
 * PATH search by trying: the kernel is the only one that knows whether a file
 * can be executed, so it is asked, not predicted.
 */
#include "path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fault.h"

int path_candidate(const char *path, const char *cmd, size_t *pos, char *buf, size_t size)
{
	if (strchr(cmd, '/')) {
		if (*pos || strlen(cmd) >= size)
			return 0;
		*pos = 1;
		strcpy(buf, cmd);
		return 1;
	}
	while (*cmd && *pos <= strlen(path)) {
		size_t len = strcspn(path + *pos, ":");
		const char *dir = path + *pos;
		int n;

		*pos += len + 1;
		if (len > INT_MAX)
			return 0;
		n = snprintf(buf, size, "%.*s%s%s", (int)len, dir, len ? "/" : "./", cmd);
		if (n > 0 && n < size)
			return 1;
	}
	return 0;
}

int path_exec(const char *path, char *const argv[], char *const envp[])
{
	char file[PATH_MAX];
	int first = -ENOENT;
	size_t pos = 0;

	while (path_candidate(path, argv[0], &pos, file, sizeof(file))) {
		execve(file, argv, envp);
		/* A directory of PATH may be missing, or be no directory. */
		if (errno == ENOENT || errno == ENOTDIR)
			continue;
		if (first == -ENOENT)
			first = -errno;
		/* Keep looking after "not permitted", stop at any other error. */
		if (errno != EACCES)
			break;
	}
	return first;
}

uint32_t path_exit_code(int err)
{
	return err == -ENOENT || err == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXEC;
}
