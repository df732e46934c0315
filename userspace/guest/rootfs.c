// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the initramfs to the container's root.  The initramfs cannot be pivoted
 * away, so the overlay is moved on top of it: "/" has nothing above it, ".."
 * cannot leave it, and programs in the container may pivot_root() themselves.
 */
#include "rootfs.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dev.h"

#define LOWER "/lower"
#define UPPER "/upper"
#define ROOT  "/root"

/*
 * Features of overlayfs that leave marks in the upper layer are off: it is never
 * mounted again.  For the same reason it is volatile: fsync() in the container
 * has nothing to make durable.
 */
#define OVERLAY_OPTIONS                                                       \
	"lowerdir=" LOWER ",upperdir=" UPPER "/upper,workdir=" UPPER "/work," \
	"redirect_dir=off,metacopy=off,index=off,xino=off,volatile"

/*
 * A layer that dies with its guest needs no write to survive a crash: no flush
 * of the disk, none of a file because it was truncated or renamed over, and no
 * zeroing of inode tables, which would give every clone blocks of its own.
 */
#define UPPER_OPTIONS "nobarrier,noauto_da_alloc,noinit_itable"

static int mount_at(const char *source, const char *target, const char *type, unsigned long flags,
		    const char *data, struct rund_error *why)
{
	if (mount(source, target, type, flags, data))
		return fault(why, EXIT_SETUP, -errno, "mounting %s (%s) on %s", source, type,
			     target);
	return 0;
}

int rootfs_early(struct rund_error *why)
{
	return mount_at("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755", why);
}

static int mount_layers(struct rund_error *why)
{
	int ret;

	ret = mount_at(RUND_FS_TAG_LOWER, LOWER, "virtiofs", MS_RDONLY, NULL, why);
	if (ret)
		return ret;
	ret = mount_at(RUND_BLK_UPPER, UPPER, "ext4", 0, UPPER_OPTIONS, why);
	if (ret)
		return ret;
	/* A template may carry them already. */
	if ((mkdir(UPPER "/upper", 0755) && errno != EEXIST) ||
	    (mkdir(UPPER "/work", 0700) && errno != EEXIST))
		return fault(why, EXIT_SETUP, -errno, "directories of the writable layer");
	return 0;
}

/* The root of the overlay takes its mode and owner from the upper directory. */
static int copy_root_mode(struct rund_error *why)
{
	struct stat st;

	if (stat(LOWER, &st) || chown(UPPER "/upper", st.st_uid, st.st_gid) ||
	    chmod(UPPER "/upper", st.st_mode & 07777))
		return fault(why, EXIT_SETUP, -errno, "mode of the container's /");
	return 0;
}

static int switch_root(struct rund_error *why)
{
	if (chdir(ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		return fault(why, EXIT_SETUP, -errno, "switching to the container's root");
	return 0;
}

int rootfs_mount(struct rund_error *why)
{
	int ret;

	ret = mount_layers(why);
	if (!ret)
		ret = copy_root_mode(why);
	if (!ret)
		ret = mount_at("overlay", ROOT, "overlay", 0, OVERLAY_OPTIONS, why);
	if (!ret)
		ret = switch_root(why);
	return ret;
}

/* Make a mount point; what is there and no directory is not followed or replaced. */
static int mount_point(const char *path, mode_t mode, struct rund_error *why)
{
	struct stat st;

	if (!mkdir(path, mode))
		return 0;
	if (errno != EEXIST)
		return fault(why, EXIT_SETUP, -errno, "container's %s", path);
	if (lstat(path, &st))
		return fault(why, EXIT_SETUP, -errno, "container's %s", path);
	if (!S_ISDIR(st.st_mode))
		return fault(why, EXIT_SETUP, -ENOTDIR, "container's %s", path);
	return 0;
}

int rootfs_populate(struct rund_error *why)
{
	const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	static const struct {
		const char *path;
		mode_t mode;
	} points[] = {{"/proc", 0555}, {"/sys", 0555}, {"/dev", 0755}};
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(points) / sizeof(points[0]); i++)
		ret = mount_point(points[i].path, points[i].mode, why);
	if (!ret)
		ret = mount_at("proc", "/proc", "proc", strict, NULL, why);
	if (!ret)
		ret = mount_at("sysfs", "/sys", "sysfs", strict, NULL, why);
	if (!ret)
		ret = mount_at("cgroup", "/sys/fs/cgroup", "cgroup2", strict, NULL, why);
	if (!ret)
		ret = dev_populate(why);
	return ret;
}
