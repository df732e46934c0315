// SPDX-License-Identifier: GPL-2.0-only
/*
 * /init of a guest that is asked what its kernel can do: each system call that
 * is not ENOSYS, each socket family, namespace, file system and control file of
 * /proc and /sys that is there, a line each on the console, and then a reset.
 * guest-diff compares two kernels by it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int kmsg;

/* Through the kernel's log, a record a line. */
static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[256] = "<0>probe ";
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line + 9, sizeof(line) - 10, fmt, ap);
	va_end(ap);
	if (n > 0 && write(kmsg, line, strlen(line)) < 0)
		reboot(RB_AUTOBOOT);
}

static const struct {
	int nr;
	const char *name;
} calls[] = {
#include "calls.h"
};

/* With arguments that nothing can be done with; what does not return is not asked. */
static int answer(int nr)
{
	int status;
	pid_t pid;

	switch (nr) {
	case SYS_exit:
	case SYS_exit_group:
	case SYS_pause:
	case SYS_rt_sigreturn:
	case SYS_vfork:
	case SYS_fork:
	case SYS_rt_sigsuspend:
	case SYS_reboot:
	case SYS_sync:
	case SYS_vhangup:
		return 0;
	}
	pid = fork();
	if (!pid) {
		alarm(2);
		errno = 0;
		syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);
		_exit(errno == ENOSYS ? 1 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static void probe_calls(void)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!answer(calls[i].nr))
			say("syscall %s", calls[i].name);
}

static void probe_sockets(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};

	for (int family = 0; family < AF_MAX; family++) {
		for (int t = 0; t < 4; t++) {
			int fd = socket(family, types[t], 0);

			if (fd < 0 && (errno == EAFNOSUPPORT || errno == ESOCKTNOSUPPORT ||
				       errno == EPROTONOSUPPORT || errno == EINVAL))
				continue;
			say("socket family %d type %d", family, types[t]);
			close(fd);
		}
	}
}

static void probe_namespaces(void)
{
	static const struct {
		int flag;
		const char *name;
	} ns[] = {{CLONE_NEWNS, "mnt"},	 {CLONE_NEWUTS, "uts"},	     {CLONE_NEWIPC, "ipc"},
		  {CLONE_NEWNET, "net"}, {CLONE_NEWPID, "pid"},	     {CLONE_NEWUSER, "user"},
		  {0x80, "time"},	 {CLONE_NEWCGROUP, "cgroup"}};

	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			_exit(unshare(ns[i].flag) ? 1 : 0);
		if (waitpid(pid, &status, 0) == pid && !status)
			say("namespace %s", ns[i].name);
	}
}

static void probe_lines(const char *what, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		say("%s %s", what, line);
	}
	if (f)
		fclose(f);
}

/* Names up to @depth below @dir; those of processes and devices by number are not asked for. */
static void probe_names(const char *dir, int depth)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[200];

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || (e->d_name[0] >= '0' && e->d_name[0] <= '9'))
			continue;
		snprintf(path, sizeof(path), "%.120s/%.70s", dir, e->d_name);
		say("file %s", path);
		if (depth && e->d_type == DT_DIR)
			probe_names(path, depth - 1);
	}
	if (d)
		closedir(d);
}

int main(void)
{
	mkdir("/proc", 0555);
	mount("proc", "/proc", "proc", 0, NULL);
	mkdir("/sys", 0555);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mkdir("/cg", 0755);
	mount("cgroup2", "/cg", "cgroup2", 0, NULL);
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	signal(SIGALRM, SIG_DFL);
	probe_calls();
	probe_sockets();
	probe_namespaces();
	probe_lines("filesystem", "/proc/filesystems");
	probe_lines("controllers", "/cg/cgroup.controllers");
	probe_names("/proc", 0);
	probe_names("/proc/sys", 2);
	probe_names("/proc/self", 0);
	probe_names("/dev", 0);
	probe_names("/sys/fs", 0);
	say("done");
	reboot(RB_AUTOBOOT);
	return 0;
}
