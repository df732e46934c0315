// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking, judging and giving back the directories below /run/rund.
 */
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

#define RUNDIR_DEFAULT "/run/rund"
#define DIR_FLAGS      (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

const char *ra_rundir_path(void)
{
	const char *env = getenv("RUND_STATE_DIR");

	return env && *env == '/' ? env : RUNDIR_DEFAULT;
}

/* Other users may neither see nor plant anything here: sockets and logs lie in it. */
static int check_owner(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return log_errno(-errno, "%s: %m", ra_rundir_path());
	if (st.st_uid != geteuid() || st.st_mode & 077)
		return log_errno(-EPERM,
				 "%s: not a private directory of this user; remove it, or "
				 "chown and chmod it 0700",
				 ra_rundir_path());
	return 0;
}

int ra_rundir_open(bool create)
{
	const char *path = ra_rundir_path();
	__cleanup_fd int fd = -1;
	int ret;

	if (create && mkdir(path, 0700) && errno != EEXIST)
		return log_errno(-errno, "%s: %m; the agent must run as root", path);
	fd = open(path, DIR_FLAGS);
	if (fd < 0 && errno == ENOENT && !create)
		return -ENOENT;
	if (fd < 0)
		return log_errno(-errno, "%s: %m; the agent must run as root", path);
	ret = check_owner(fd);
	return ret ? ret : take_fd(&fd);
}

/* The short lock: a description of its own, since flock() belongs to those. */
static int base_lock(int base)
{
	__cleanup_fd int fd = openat(base, ".", DIR_FLAGS);
	int ret;

	if (fd < 0)
		return -errno;
	do
		ret = flock(fd, LOCK_EX);
	while (ret && errno == EINTR);
	return ret ? -errno : take_fd(&fd);
}

static int lock_dir(struct ra_dir *dir)
{
	__cleanup_fd int lock =
		openat(dir->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (lock < 0)
		return -errno;
	if (flock(lock, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	dir->lock = take_fd(&lock);
	return 0;
}

static int open_and_lock(int base, const char *name, struct ra_dir *dir)
{
	__cleanup_fd int fd = openat(base, name, DIR_FLAGS);
	int ret;

	if (fd < 0)
		return -errno;
	dir->fd = fd;
	ret = lock_dir(dir);
	if (ret) {
		dir->fd = -1;
		return ret;
	}
	take_fd(&fd);
	return 0;
}

int ra_dir_create(int base, const char *name, struct ra_dir *dir)
{
	__cleanup_fd int held = base_lock(base);
	int ret;

	if (held < 0)
		return log_errno(held, "%s: cannot lock: %s", ra_rundir_path(), strerror(-held));
	if (mkdirat(base, name, 0700)) {
		if (errno == EEXIST)
			return -EEXIST;
		return log_errno(-errno, "%s/%s: %m", ra_rundir_path(), name);
	}
	ret = open_and_lock(base, name, dir);
	if (ret) {
		log_err("%s/%s: %s", ra_rundir_path(), name, strerror(-ret));
		unlinkat(base, name, AT_REMOVEDIR);
	}
	return ret;
}

int ra_dir_claim(int base, const char *name, struct ra_dir *dir)
{
	__cleanup_fd int held = base_lock(base);

	if (held < 0)
		return held;
	return open_and_lock(base, name, dir);
}

/* The directory is flat; a subdirectory is not ours and makes rmdir() fail. */
static void unlink_all(int fd)
{
	int copy = openat(fd, ".", DIR_FLAGS);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		close_fd(copy);
		return;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(fd, e->d_name, 0);
	}
	closedir(d);
}

int ra_dir_remove(int base, const char *name, struct ra_dir *dir)
{
	__cleanup_fd int held = base_lock(base);
	int ret = 0;

	unlink_all(dir->fd);
	if (unlinkat(base, name, AT_REMOVEDIR))
		ret = log_errno(-errno, "%s/%s: cannot remove: %m; remove it by hand",
				ra_rundir_path(), name);
	ra_dir_release(dir);
	return ret;
}

void ra_dir_release(struct ra_dir *dir)
{
	close_fd(dir->fd);
	close_fd(dir->lock);
	dir->fd = -1;
	dir->lock = -1;
}
