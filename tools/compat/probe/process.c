// SPDX-License-Identifier: GPL-2.0-only
/*
 * Starting and ending processes, System V IPC, and privileged files and calls.  What is started
 * is a copy of this program, or made here, so that no other program is needed.
 */
#include "probe.h"
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/wait.h>

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

#define INTO_CGROUP "/sys/fs/cgroup/probe-into"

enum { C_PLAIN, C_CGROUP, C_SET_TID, C_CLEAR_SIGHAND, C_PIDFD };

static int clone3(long what, long unused)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	pid_t tid = 1, pid;
	int pidfd, ret = 0;

	switch (what) {
	case C_CGROUP:
		if (mkdir(INTO_CGROUP, 0755))
			return -errno;
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = open(INTO_CGROUP, O_PATH);
		break;
	case C_SET_TID: /* 1 is always free in a new namespace */
		if (unshare(CLONE_NEWPID))
			return -errno;
		args.set_tid = P(&tid);
		args.set_tid_size = 1;
		break;
	case C_CLEAR_SIGHAND:
		args.flags = CLONE_CLEAR_SIGHAND;
		break;
	case C_PIDFD:
		args.flags = CLONE_PIDFD;
		args.pidfd = P(&pidfd);
		break;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		ret = -errno;
	if (what == C_CGROUP)
		rmdir(INTO_CGROUP);
	return ret;
}

static int rseq_size(long a, long b)
{
	say("registered %u, features %lu", __rseq_size, getauxval(AT_RSEQ_FEATURE_SIZE));
	return 0;
}

static int aux(long type, long unused)
{
	say(getauxval(type) ? "present" : "absent");
	return 0;
}

static int ambient_cap(long a, long b)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &h, caps))
		return -errno;
	caps[0].inheritable = caps[0].permitted;
	if (syscall(SYS_capset, &h, caps))
		return -errno;
	return err(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
}

static int core_dump(long a, long b)
{
	struct rlimit lim = {RLIM_INFINITY, RLIM_INFINITY};
	int status, ret = scratch();
	pid_t pid;

	if (ret)
		return ret;
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &lim);
		abort();
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	say(WCOREDUMP(status) ? "dumped" : "not dumped");
	return 0;
}

static int exec_path(long path, long unused)
{
	execl((char *)path, (char *)path, NULL);
	return -errno;
}

/* This program itself is the interpreter; it takes the script's name for a prefix. */
static int exec_script(long a, long b)
{
	int ret = scratch();

	if (!ret)
		ret = put_file("script", "#!/proc/self/exe\n");
	if (ret || chmod("script", 0755))
		return ret ? ret : -errno;
	return in_child(exec_path, P("./script"), 0);
}

/* exit(0) for i386 in an ELF file of one segment */
static int exec_elf32(long a, long b)
{
	static const struct {
		uint8_t ident[16];
		uint16_t type, machine;
		uint32_t version, entry, phoff, shoff, flags;
		uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
		uint32_t p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags, p_align;
		uint8_t code[8];
	} elf = {.ident = {0x7f, 'E', 'L', 'F', 1, 1, 1},
		 .type = 2,
		 .machine = 3,
		 .version = 1,
		 .entry = 0x8048054,
		 .phoff = 52,
		 .ehsize = 52,
		 .phentsize = 32,
		 .phnum = 1,
		 .p_type = 1,
		 .p_vaddr = 0x8048000,
		 .p_filesz = sizeof(elf),
		 .p_memsz = sizeof(elf),
		 .p_flags = 5,
		 .p_align = 4096,
		 .code = {0x31, 0xc0, 0x40, 0x31, 0xdb, 0xcd, 0x80}};
	int fd, ret = scratch();

	if (ret)
		return ret;
	fd = open("elf32", O_WRONLY | O_CREAT, 0755);
	if (write(fd, &elf, sizeof(elf)) != sizeof(elf))
		return -errno;
	close(fd);
	return in_child(exec_path, P("./elf32"), 0);
}

static const struct test tests[] = {
	{"process/clone3", clone3, C_PLAIN, 0},
	{"process/clone3-into-cgroup", clone3, C_CGROUP, 0},
	{"process/clone3-set-tid", clone3, C_SET_TID, 0},
	{"process/clone3-clear-sighand", clone3, C_CLEAR_SIGHAND, 0},
	{"process/clone3-pidfd", clone3, C_PIDFD, 0},
	{"process/rseq", rseq_size, 0, 0},
	{"process/vdso", aux, AT_SYSINFO_EHDR, 0},
	{"process/ambient-capability", ambient_cap, 0, 0},
	{"process/core-dump", core_dump, 0, 0},
	{"process/exec-script", exec_script, 0, 0},
	{"process/exec-elf32", exec_elf32, 0, 0},
};

static const struct call calls[] = {
	{"process/acct", 0, SYS_acct, {0}},
	{"process/msgget", IPC, SYS_msgget, {0, 01600}},
	{"process/semget", IPC, SYS_semget, {0, 1, 01600}},
	{"process/shmget", IPC, SYS_shmget, {0, 4096, 01600}},
	{"process/shmget-HUGETLB", IPC, SYS_shmget, {0, 2 << 20, 01600 | 04000}},
	{"process/mq_open", IPC, SYS_mq_open, {P("probe"), O_CREAT | O_RDWR, 0600, 0}},
	{"process/syslog-size", 0, SYS_syslog, {10, 0, 0}},
	{"process/kexec_load", 0, SYS_kexec_load, {0, 0, 0, 1L << 40}},
	{"process/getcpu", 0, SYS_getcpu, {P(longs), P(longs + 1), 0}},
	{"process/open-kmsg", 0, SYS_openat, {AT_FDCWD, P("/dev/kmsg"), O_RDONLY}},
	{"process/open-mem", 0, SYS_openat, {AT_FDCWD, P("/dev/mem"), O_RDONLY}},
	{"process/open-kcore", 0, SYS_openat, {AT_FDCWD, P("/proc/kcore"), O_RDONLY}},
};

void probe_process(enum pass pass)
{
	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	else if (pass == CALLS)
		run_calls(calls, ARRAY_SIZE(calls));
}
