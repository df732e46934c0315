// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces: which there are, how deep they nest, and what root of a user namespace may do.
 * That one is nobody outside, since a container's root is often mapped like that: what the
 * kernel leaves to the real root it refuses here.
 */
#include "probe.h"
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

struct fs {
	const char *type, *data;
};

static int map_ids(int uid)
{
	char map[32];
	int ret;

	snprintf(map, sizeof(map), "0 %d 1", uid);
	ret = put_file("/proc/self/uid_map", map);
	if (!ret)
		ret = put_file("/proc/self/setgroups", "deny");
	return ret ? ret : put_file("/proc/self/gid_map", map);
}

/* Not root any more, and then root in a user namespace. */
static int user_root(int flags)
{
	if (setgid(65534) || setuid(65534) || prctl(PR_SET_DUMPABLE, 1) ||
	    unshare(CLONE_NEWUSER | flags))
		return -errno;
	return map_ids(65534);
}

static int user_ns(long flags, long unused)
{
	return user_root(flags);
}

static int mount_in_userns(long fs, long unused)
{
	const struct fs *f = (const struct fs *)fs;
	int fuse = open("fuse", O_RDWR);
	char data[128];

	if (mount("probe", "m", "tmpfs", 0, NULL) || chdir("m"))
		return -errno;
	mkdir("lower", 0755), mkdir("upper", 0755), mkdir("work", 0755), mkdir("m", 0755);
	snprintf(data, sizeof(data), f->data, fuse);
	return err(mount("probe", "m", f->type, MS_NOSUID | MS_NODEV | MS_NOEXEC, data));
}

static int user_mount(long fs, long unused)
{
	int ret = scratch();

	/* The one in /dev may be root's only. */
	if (ret || mknod("fuse", S_IFCHR, makedev(10, 229)) || chmod("fuse", 0666))
		return ret ? ret : -errno;
	ret = user_root(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWCGROUP);
	return ret ? ret : in_child(mount_in_userns, fs, 0);
}

static int nested_user(long a, long b)
{
	int depth = 0;

	while (depth < 40 && !unshare(CLONE_NEWUSER) && !map_ids(0))
		depth++;
	say("%d then %s", depth, strerrorname_np(errno));
	return 0;
}

static int nested_pid(long depth, long unused)
{
	if (depth == 40 || unshare(CLONE_NEWPID)) {
		say("%ld then %s", depth, strerrorname_np(errno));
		return 0;
	}
	return in_child(nested_pid, depth + 1, 0);
}

/* Like setns() of a container's first process, by its pidfd. */
static int setns_pidfd(long a, long b)
{
	pid_t pid = child_in(CLONE_NEWUTS);
	int fd;

	if (pid < 0)
		return pid;
	fd = syscall(SYS_pidfd_open, pid, 0);
	return err(fd < 0 ? fd : setns(fd, CLONE_NEWUTS));
}

static const struct fs user[] = {
	{"tmpfs", ""},
	{"overlay", "lowerdir=lower,upperdir=upper,workdir=work,userxattr"},
	{"proc", ""},
	{"sysfs", ""},
	{"devpts", "newinstance"},
	{"mqueue", ""},
	{"cgroup2", ""},
	{"fuse", "fd=%d,rootmode=40000,user_id=0,group_id=0"},
	{"binfmt_misc", ""},
	{"bpf", ""},
	{"ext4", ""},
};

static const struct test tests[] = {
	{"namespace/user-by-nobody", user_ns, 0, 0},
	{"namespace/all-by-nobody", user_ns,
	 CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP,
	 0},
	{"namespace/time-by-nobody", user_ns, 0x80, 0},
	{"namespace/depth-user", nested_user, 0, 0},
	{"namespace/depth-pid", nested_pid, 0, 0},
	{"namespace/setns-pidfd", setns_pidfd, 0, 0},
};

static const struct call calls[] = {
	{"namespace/mnt", 0, SYS_unshare, {CLONE_NEWNS}},
	{"namespace/uts", 0, SYS_unshare, {CLONE_NEWUTS}},
	{"namespace/ipc", 0, SYS_unshare, {CLONE_NEWIPC}},
	{"namespace/user", 0, SYS_unshare, {CLONE_NEWUSER}},
	{"namespace/pid", 0, SYS_unshare, {CLONE_NEWPID}},
	{"namespace/net", 0, SYS_unshare, {CLONE_NEWNET}},
	{"namespace/cgroup", 0, SYS_unshare, {CLONE_NEWCGROUP}},
	{"namespace/time", 0, SYS_unshare, {0x80}},
};

void probe_namespaces(enum pass pass)
{
	unsigned int i;

	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	else if (pass == CALLS)
		run_calls(calls, ARRAY_SIZE(calls));
	if (pass != FIRST)
		return;
	for (i = 0; i < ARRAY_SIZE(user); i++)
		probe(fmt("namespace/user-mount-%s", user[i].type), user_mount, P(&user[i]), 0);
}
