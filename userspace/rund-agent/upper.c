// SPDX-License-Identifier: GPL-2.0-only
/*
 * The store and its images.  An image is formatted in a file without a name and
 * linked into the store when it is complete, so a partial one is never seen.
 */
#include "upper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "copy.h"
#include "lib/cleanup.h"
#include "lib/log.h"

/* Part of an image's name: change it whenever the options below change. */
#define FORMAT_VERSION 1

extern char **environ;

static bool no_space(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static int store_error(int err, const char *store, const char *what)
{
	if (no_space(err))
		return log_errno(err, "store %s: full; remove sandboxes or grow the file system",
				 store);
	return log_errno(err, "store %s: %s: %s", store, what, strerror(-err));
}

static int open_store(const char *store)
{
	__cleanup_fd int fd = -1;
	struct statvfs vfs;

	if (mkdir(store, 0700) && errno != EEXIST)
		return log_errno(-errno,
				 "store %s: %m; make its parent directory or choose "
				 "another with --store",
				 store);
	fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return log_errno(-errno, "store %s: %m; choose a directory with --store", store);
	if (fstatvfs(fd, &vfs))
		return store_error(-errno, store, "statvfs");
	if ((uint64_t)vfs.f_bavail * vfs.f_frsize < RA_STORE_MIN_FREE)
		return store_error(-ENOSPC, store, "");
	return take_fd(&fd);
}

static int open_tmpfile(int dir)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

const char *ra_mkfs_path(void)
{
	static const char *const places[] = {"/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4",
					     "/usr/local/sbin/mkfs.ext4"};

	for (int i = 0; i < 3; i++) {
		if (!access(places[i], X_OK))
			return places[i];
	}
	return NULL;
}

/*
 * No journal: the layer is thrown away at the end.  Tables are complete (no lazy
 * initialisation), so that no guest writes them; discarded first, they are holes.
 */
static int format(int fd)
{
	char path[32];
	const char *mkfs = ra_mkfs_path();
	char *argv[] = {"mkfs.ext4",
			"-q",
			"-F",
			"-m",
			"0",
			"-O",
			"^has_journal,^resize_inode",
			"-E",
			"lazy_itable_init=0,root_owner=0:0",
			"-L",
			"rund-upper",
			path,
			NULL};
	int status = -1, ret, copy;
	pid_t pid;

	if (!mkfs)
		return log_errno(-ENOENT, "mkfs.ext4: not found; install e2fsprogs");
	copy = dup(fd); /* without close-on-exec, for the child's path */
	if (copy < 0)
		return log_errno(-errno, "dup: %m");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
	ret = posix_spawn(&pid, mkfs, NULL, NULL, argv, environ);
	close(copy);
	if (ret)
		return log_errno(-ret, "%s: %s; reinstall e2fsprogs", mkfs, strerror(ret));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		return log_errno(-EIO, "%s failed on the new image; is the store full?", mkfs);
	return 0;
}

static int make_image(int dir, const char *store, const char *name, uint64_t size)
{
	__cleanup_fd int fd = open_tmpfile(dir);
	char path[32];
	int ret;

	if (fd < 0)
		return store_error(fd, store, "cannot make a file without a name (O_TMPFILE)");
	if (ftruncate(fd, size))
		return store_error(-errno, store, name);
	ret = format(fd);
	if (ret)
		return ret;
	/* It is shared from now on and must survive a crash whole. */
	if (fsync(fd) || fchmod(fd, 0400))
		return store_error(-errno, store, name);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) && errno != EEXIST)
		return store_error(-errno, store, name);
	return 0;
}

static int open_image(int dir, const char *store, uint64_t size)
{
	__cleanup_fd int fd = -1;
	char name[64];
	struct stat st;
	int ret;

	snprintf(name, sizeof(name), "upper-v%d-%" PRIu64 "M.ext4", FORMAT_VERSION, size >> 20);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		ret = make_image(dir, store, name, size);
		if (ret)
			return ret;
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st))
		return store_error(-errno, store, name);
	if (!S_ISREG(st.st_mode) || st.st_size != size)
		return log_errno(-EINVAL,
				 "store %s: %s is not an image of %" PRIu64
				 " bytes; remove it, it is made again",
				 store, name, size);
	return take_fd(&fd);
}

static bool cannot_reflink(int err)
{
	return err == -EOPNOTSUPP || err == -EXDEV || err == -EINVAL || err == -ENOTTY ||
	       err == -ENOSYS;
}

static int clone_image(int dst, int src, const char *store, bool allow_copy)
{
	int ret = ioctl(dst, FICLONE, src) ? -errno : 0;

	if (!ret)
		return 0;
	if (!cannot_reflink(ret))
		return store_error(ret, store, "reflink");
	if (!allow_copy)
		return log_errno(-EOPNOTSUPP,
				 "store %s: the file system cannot reflink; put the "
				 "store on XFS (mkfs.xfs -m reflink=1), or accept slow "
				 "copies with --allow-copy",
				 store);
	ret = ra_copy_sparse(dst, src);
	return ret ? store_error(ret, store, "copy") : 0;
}

int ra_upper_open(const char *store, uint64_t size, bool allow_copy)
{
	__cleanup_fd int dir = open_store(store), image = -1, fd = -1;
	int ret;

	if (dir < 0)
		return dir;
	image = open_image(dir, store, size);
	if (image < 0)
		return image;
	fd = open_tmpfile(dir);
	if (fd < 0)
		return store_error(fd, store, "cannot make a file without a name (O_TMPFILE)");
	ret = clone_image(fd, image, store, allow_copy);
	return ret ? ret : take_fd(&fd);
}

int ra_upper_probe(const char *store)
{
	__cleanup_fd int dir = -1, src = -1, dst = -1;
	char block[4096] = "reflink probe";

	dir = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	src = open_tmpfile(dir);
	dst = open_tmpfile(dir);
	if (src < 0 || dst < 0)
		return src < 0 ? src : dst;
	if (write(src, block, sizeof(block)) != sizeof(block))
		return errno ? -errno : -ENOSPC;
	if (ioctl(dst, FICLONE, src))
		return cannot_reflink(-errno) ? -EOPNOTSUPP : -errno;
	return 0;
}
