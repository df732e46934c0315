// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a try needs around it: files, a file system of its own, and a network namespace.
 * The latter is one for all: many would take long to go, and new ones wait for that.
 */
#include "probe.h"
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

static char dir[] = "/tmp/probe.XXXXXX"; /* a mount point for scratch() */
static int shared_net;

int put_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret = fd < 0 ? -errno : err(write(fd, value, strlen(value)));

	if (fd >= 0)
		close(fd);
	return ret;
}

char *get_file(const char *path)
{
	static char buf[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n < 0)
		return NULL;
	buf[n] = 0;
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = 0;
	return buf;
}

int scratch(void)
{
	static const char *const dirs[] = {"d", "lower", "upper", "work", "m"};
	char block[4096];
	unsigned int i;
	int fd;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("probe", dir, "tmpfs", 0, "mode=755") || chdir(dir))
		return -errno;
	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		mkdir(dirs[i], 0755);
	memset(block, 'x', sizeof(block));
	for (i = 0; i < 2; i++) {
		fd = open(i ? "g" : "f", O_RDWR | O_CREAT, 0644);
		if (fd < 0 || write(fd, block, sizeof(block)) < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

/* It may have no name in /dev before its module is loaded, which opening it does. */
int open_misc(const char *path, int number)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mknod("misc", S_IFCHR | 0600, makedev(10, number)))
		return -1;
	return open("misc", O_RDWR | O_CLOEXEC);
}

pid_t child_in(int namespaces)
{
	int p[2], error = 0;
	pid_t pid;

	if (pipe(p))
		return -errno;
	pid = fork();
	if (!pid) {
		if (unshare(namespaces))
			error = errno;
		if (write(p[1], &error, sizeof(error)) == sizeof(error))
			pause();
		_exit(1);
	}
	if (pid < 0)
		return -errno;
	/* so that the end of a child that said nothing is seen */
	close(p[1]);
	if (read(p[0], &error, sizeof(error)) != sizeof(error))
		return -EIO;
	return error ? -error : pid;
}

int netns(void)
{
	return shared_net < 0 ? shared_net : err(setns(shared_net, CLONE_NEWNET));
}

/* A namespace with lo up; our own one stays as it is. */
static int make_netns(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), ns, fd;

	if (before < 0 || unshare(CLONE_NEWNET))
		return -errno;
	ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) || setns(before, CLONE_NEWNET)) {
		perror("probe: network namespace");
		exit(1);
	}
	close(fd);
	close(before);
	return ns;
}

bool set_up(void)
{
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return false;
	shared_net = make_netns();
	return true;
}

void clean_up(void)
{
	rmdir(dir);
}
