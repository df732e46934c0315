// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be mounted, and how: the file systems, with options that depend on the
 * configuration; bind mounts and propagation; and the system calls that are newer than
 * mount().  Everything is mounted in a namespace that ends with its try.
 */
#include "probe.h"
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000
#endif
#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x100000
#endif
#define NR_statmount 457
#define NR_listmount 458

static const struct fs {
	const char *name, *type, *data;
} file_systems[] = {
	{"tmpfs", "tmpfs", ""},
	{"tmpfs-inode64", "tmpfs", "inode64"},
	{"tmpfs-huge", "tmpfs", "huge=always"},
	{"tmpfs-noswap", "tmpfs", "noswap"},
	{"tmpfs-usrquota", "tmpfs", "usrquota"},
	{"ramfs", "ramfs", ""},
	{"proc", "proc", ""},
	{"proc-hidepid", "proc", "hidepid=invisible"},
	{"proc-subset", "proc", "subset=pid"},
	{"sysfs", "sysfs", ""},
	{"devtmpfs", "devtmpfs", ""},
	{"devpts", "devpts", "newinstance,ptmxmode=666"},
	{"mqueue", "mqueue", ""},
	{"cgroup2", "cgroup2", ""},
	{"cgroup", "cgroup", "none,name=probe"},
	{"overlay", "overlay", "lowerdir=lower,upperdir=upper,workdir=work"},
	{"overlay-redirect", "overlay",
	 "lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=on,index=on"},
	{"overlay-metacopy", "overlay", "lowerdir=lower,upperdir=upper,workdir=work,metacopy=on"},
	{"overlay-volatile", "overlay", "lowerdir=lower,upperdir=upper,workdir=work,volatile"},
	{"overlay-userxattr", "overlay", "lowerdir=lower,upperdir=upper,workdir=work,userxattr"},
	{"fuse", "fuse", "fd=%d,rootmode=40000,user_id=0,group_id=0"},
	{"virtiofs", "virtiofs", ""},
	{"autofs", "autofs", "fd=%d,pgrp=%d,minproto=5,maxproto=5"},
	{"hugetlbfs", "hugetlbfs", ""},
	{"debugfs", "debugfs", ""},
	{"tracefs", "tracefs", ""},
	{"securityfs", "securityfs", ""},
	{"bpf", "bpf", ""},
	{"configfs", "configfs", ""},
	{"binfmt_misc", "binfmt_misc", ""},
	{"pstore", "pstore", ""},
	{"efivarfs", "efivarfs", ""},
	{"fusectl", "fusectl", ""},
	{"resctrl", "resctrl", ""},
	{"9p", "9p", "trans=none"},
	{"nfs", "nfs", ""},
	{"nfs4", "nfs4", ""},
	{"cifs", "cifs", ""},
	{"ceph", "ceph", ""},
	{"nfsd", "nfsd", ""},
	{"rpc_pipefs", "rpc_pipefs", ""},
};

/* These get a device with nothing on it: EINVAL shows that they have looked. */
static const char *const disk_types[] = {
	"ext2",	   "ext3", "ext4",     "xfs",	"btrfs", "f2fs",    "vfat", "exfat",  "ntfs3",
	"iso9660", "udf",  "squashfs", "erofs", "minix", "hfsplus", "jfs",  "cramfs", "romfs"};

static int mount_fs(long fs, long unused)
{
	const struct fs *f = (const struct fs *)fs;
	int fd = -1, p[2], ret = scratch();
	char data[128];

	if (ret)
		return ret;
	if (!strcmp(f->type, "fuse"))
		fd = open_misc("/dev/fuse", 229);
	else if (!strcmp(f->type, "autofs") && !pipe(p))
		fd = p[1];
	snprintf(data, sizeof(data), f->data, fd, getpgrp());
	return err(mount("probe", "m", f->type, MS_SILENT, data));
}

/* A loop device over an empty file, which ends with its last user. */
static int loop_device(char *path, size_t size)
{
	struct loop_config config = {.info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int ctl = open_misc("/dev/loop-control", 237), n, fd;

	n = ctl < 0 ? ctl : ioctl(ctl, LOOP_CTL_GET_FREE);
	if (n < 0)
		return -errno;
	snprintf(path, size, "/dev/loop%d", n);
	config.fd = open("image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ftruncate(config.fd, 64 << 20) || ioctl(fd, LOOP_CONFIGURE, &config))
		return -errno;
	return fd;
}

static int mount_disk(long type, long unused)
{
	char path[32] = "image";
	int ret = scratch();

	if (ret)
		return ret;
	/* Without loop devices it is ENOTBLK, or still ENODEV. */
	ret = loop_device(path, sizeof(path));
	if (!type)
		return ret < 0 ? ret : 0;
	return err(mount(path, "m", (char *)type, MS_RDONLY | MS_SILENT, NULL));
}

static int mount_bind(long flags, long unused)
{
	int ret = scratch();

	if (ret)
		return ret;
	if (mount("d", "m", NULL, MS_BIND, NULL))
		return -errno;
	if (flags && mount(NULL, "m", NULL, flags, NULL))
		return -errno;
	if (flags & MS_RDONLY && (mkdir("m/new", 0755) == 0 || errno != EROFS))
		return -EIO;
	return 0;
}

static int open_in_userns(void)
{
	pid_t pid = child_in(CLONE_NEWUSER);
	int fd;

	if (pid < 0)
		return pid;
	put_file(fmt("/proc/%d/uid_map", pid), "0 1000 1000");
	put_file(fmt("/proc/%d/gid_map", pid), "0 1000 1000");
	fd = open(fmt("/proc/%d/ns/user", pid), O_RDONLY);
	return fd < 0 ? -errno : fd;
}

enum { M_FSMOUNT, M_FSPICK, M_OPEN_TREE, M_SETATTR, M_IDMAP, M_PIVOT, M_STATMOUNT, M_LISTMOUNT };

static int new_mount(long what, long unused)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	struct {
		uint32_t size, spare;
		uint64_t id, param;
	} req = {24, 0, ~0ULL, 3};
	char buf[4096];
	int fs, fd, ret = scratch();

	if (ret)
		return ret;
	switch (what) {
	case M_FSMOUNT:
		fs = fsopen("tmpfs", 0);
		if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", "1m", 0) ||
		    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
			return -errno;
		fd = fsmount(fs, 0, MOUNT_ATTR_NODEV);
		return err(fd < 0 ? fd
				  : move_mount(fd, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH));
	case M_FSPICK:
		fs = fspick(AT_FDCWD, ".", 0);
		if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", "2m", 0))
			return -errno;
		return err(fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	case M_SETATTR:
		return err(mount_setattr(AT_FDCWD, ".", AT_RECURSIVE, &attr, sizeof(attr)));
	case M_OPEN_TREE:
	case M_IDMAP:
		fd = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE);
		if (fd < 0)
			return -errno;
		if (what == M_IDMAP) {
			ret = open_in_userns();
			if (ret < 0)
				return ret;
			attr = (struct mount_attr){MOUNT_ATTR_IDMAP, 0, 0, ret};
			if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)))
				return -errno;
		}
		return err(move_mount(fd, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH));
	case M_PIVOT:
		/* The root may be an initramfs, which is nowhere mounted. */
		if (chroot(".") || chdir("/") || mount("probe", "m", "tmpfs", 0, NULL) ||
		    mkdir("m/old", 0755))
			return -errno;
		return err(syscall(SYS_pivot_root, "m", "m/old"));
	case M_STATMOUNT:
		/* statx() of glibc has no field for it but the same place. */
		memset(buf, 0, sizeof(buf));
		if (syscall(SYS_statx, AT_FDCWD, ".", 0, STATX_MNT_ID_UNIQUE, buf))
			return -errno;
		memcpy(&req.id, buf + 144, sizeof(req.id));
		return err(syscall(NR_statmount, &req, buf, sizeof(buf), 0));
	case M_LISTMOUNT:
		req.param = 0;
		return err(syscall(NR_listmount, &req, buf, 8, 0));
	}
	return -EINVAL;
}

static const struct test tests[] = {
	{"mount/loop-device", mount_disk, 0, 0},
	{"mount/bind", mount_bind, 0, 0},
	{"mount/bind-read-only", mount_bind, MS_REMOUNT | MS_BIND | MS_RDONLY, 0},
	{"mount/shared", mount_bind, MS_SHARED, 0},
	{"mount/slave", mount_bind, MS_SLAVE, 0},
	{"mount/unbindable", mount_bind, MS_UNBINDABLE, 0},
	{"mount/fsmount-tmpfs", new_mount, M_FSMOUNT, 0},
	{"mount/fspick", new_mount, M_FSPICK, 0},
	{"mount/open_tree", new_mount, M_OPEN_TREE, 0},
	{"mount/mount_setattr", new_mount, M_SETATTR, 0},
	{"mount/idmapped-tmpfs", new_mount, M_IDMAP, 0},
	{"mount/pivot_root", new_mount, M_PIVOT, 0},
	{"mount/statmount", new_mount, M_STATMOUNT, 0},
	{"mount/listmount", new_mount, M_LISTMOUNT, 0},
};

void probe_mounts(enum pass pass)
{
	unsigned int i;

	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	if (pass != FIRST)
		return;
	for (i = 0; i < ARRAY_SIZE(file_systems); i++)
		probe(fmt("mount/%s", file_systems[i].name), mount_fs, P(&file_systems[i]), 0);
	for (i = 0; i < ARRAY_SIZE(disk_types); i++)
		probe(fmt("mount/%s", disk_types[i]), mount_disk, P(disk_types[i]), 0);
}
