// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev as tables.  Device numbers are those of
 * Documentation/admin-guide/devices.txt of the kernel.
 */
#include "dev.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *path;
	mode_t mode;
	unsigned int major, minor;
} nodes[] = {
	{"/dev/null", 0666, 1, 3},    {"/dev/zero", 0666, 1, 5},    {"/dev/full", 0666, 1, 7},
	{"/dev/random", 0666, 1, 8},  {"/dev/urandom", 0666, 1, 9}, {"/dev/tty", 0666, 5, 0},
	{"/dev/console", 0600, 5, 1},
};

static const struct {
	const char *path, *target;
} links[] = {
	{"/dev/fd", "/proc/self/fd"},	    {"/dev/stdin", "/proc/self/fd/0"},
	{"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
	{"/dev/ptmx", "pts/ptmx"},
};

static const struct {
	const char *path, *type, *data;
	unsigned long flags;
} mounts[] = {
	/* gid 5 is the tty group */
	{"/dev/pts", "devpts", "mode=0620,ptmxmode=0666,gid=5", MS_NOSUID | MS_NOEXEC},
	{"/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV | MS_NOEXEC},
	{"/dev/mqueue", "mqueue", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
};

static int make_nodes(struct rund_error *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (mknod(nodes[i].path, S_IFCHR | nodes[i].mode,
			  makedev(nodes[i].major, nodes[i].minor)))
			return fault(why, EXIT_SETUP, -errno, "container's %s", nodes[i].path);
	return 0;
}

static int make_links(struct rund_error *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i].target, links[i].path))
			return fault(why, EXIT_SETUP, -errno, "container's %s", links[i].path);
	return 0;
}

static int make_mounts(struct rund_error *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
		if (mkdir(mounts[i].path, 0755) ||
		    mount(mounts[i].type, mounts[i].path, mounts[i].type, mounts[i].flags,
			  mounts[i].data))
			return fault(why, EXIT_SETUP, -errno, "container's %s", mounts[i].path);
	return 0;
}

int dev_populate(struct rund_error *why)
{
	mode_t mask = umask(0);
	int ret = 0;

	if (mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755"))
		ret = fault(why, EXIT_SETUP, -errno, "container's /dev");
	if (!ret)
		ret = make_nodes(why);
	if (!ret)
		ret = make_links(why);
	if (!ret)
		ret = make_mounts(why);
	umask(mask);
	return ret;
}

int dev_console(const char *tty)
{
	return mount(tty, "/dev/console", NULL, MS_BIND, NULL) ? -errno : 0;
}
