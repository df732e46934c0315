// SPDX-License-Identifier: GPL-2.0-only
/*
 * What looks at processes or keeps them in: ptrace(), seccomp(), kcmp(), perf_event_open(), and
 * keys.  A child is traced, or filtered, for real: requests may be known and yet not work under
 * another kernel's options.
 */
#include "probe.h"
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

/* Stop a child under ptrace(), and make one REQUEST. */
static int traced(long request, long unused)
{
	struct iovec iov = {longs, sizeof(longs)};
	void *addr = NULL, *data = longs;
	int status, ret;
	pid_t pid = fork();

	if (!pid) {
		if (request != PTRACE_SEIZE) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
		}
		for (;;)
			getppid();
	}
	if (request == PTRACE_SEIZE &&
	    (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0)))
		return -errno;
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -ECHILD;
	switch (request) {
	case PTRACE_SEIZE:
	case PTRACE_TRACEME:
		return 0;
	case PTRACE_SINGLESTEP:
		if (ptrace(request, pid, 0, 0))
			return -errno;
		ret = waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);
		return ret && WSTOPSIG(status) == SIGTRAP ? 0 : -EIO;
	case PTRACE_GET_SYSCALL_INFO:
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0))
			return -errno;
		waitpid(pid, &status, 0);
		addr = (void *)sizeof(longs);
		break;
	case PTRACE_GETREGSET:
		addr = (void *)1; /* NT_PRSTATUS */
		data = &iov;
		break;
	case PTRACE_POKEUSER: /* a hardware breakpoint */
		addr = (void *)offsetof(struct user, u_debugreg);
		break;
	case PTRACE_GET_RSEQ_CONFIGURATION:
		addr = (void *)24;
		break;
	}
	return err(ptrace(request, pid, addr, data));
}

static int seccomp_strict(long a, long b)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0))
		_exit(errno);
	syscall(SYS_exit, 0);
	return 0;
}

static int strict(long a, long b)
{
	return in_child(seccomp_strict, a, b);
}

/* getppid() as a supervisor answers it */
static int seccomp_notify(long a, long b)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {ARRAY_SIZE(insns), insns};
	struct seccomp_notif_resp resp = {.val = 42};
	struct seccomp_notif req = {0};
	int fd, status;
	pid_t pid;

	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (fd < 0)
		return -errno;
	pid = fork();
	if (!pid)
		_exit(getppid() == 42 ? 0 : EIO);
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req))
		return -errno;
	resp.id = req.id;
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) || waitpid(pid, &status, 0) != pid)
		return -errno;
	return -WEXITSTATUS(status);
}

static int key_capabilities(long a, long b)
{
	unsigned char caps[2] = "";

	if (syscall(SYS_keyctl, 31 /* KEYCTL_CAPABILITIES */, caps, sizeof(caps)) < 0)
		return -errno;
	say("%02x %02x", caps[0], caps[1]);
	return 0;
}

static int perf(long type, long config)
{
	struct perf_event_attr attr = {.type = type, .size = sizeof(attr), .config = config};

	if (type == PERF_TYPE_BREAKPOINT) {
		attr.bp_type = 2; /* HW_BREAKPOINT_W */
		attr.bp_addr = P(longs);
		attr.bp_len = 4;
	}
	return err(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static const uint32_t seccomp_actions[] = {
	SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
	SECCOMP_RET_USER_NOTIF,	  SECCOMP_RET_TRACE,	   SECCOMP_RET_LOG,  SECCOMP_RET_ALLOW,
};

static const struct test tests[] = {
	{"process/ptrace-TRACEME", traced, PTRACE_TRACEME, 0},
	{"process/ptrace-SEIZE", traced, PTRACE_SEIZE, 0},
	{"process/ptrace-SINGLESTEP", traced, PTRACE_SINGLESTEP, 0},
	{"process/ptrace-GET_SYSCALL_INFO", traced, PTRACE_GET_SYSCALL_INFO, 0},
	{"process/ptrace-GETREGSET", traced, PTRACE_GETREGSET, 0},
	{"process/ptrace-POKEUSER-debugreg", traced, PTRACE_POKEUSER, 0},
	{"process/ptrace-GET_RSEQ_CONFIGURATION", traced, PTRACE_GET_RSEQ_CONFIGURATION, 0},
	{"process/ptrace-SECCOMP_GET_FILTER", traced, PTRACE_SECCOMP_GET_FILTER, 0},
	{"process/seccomp-strict", strict, 0, 0},
	{"process/seccomp-notify", seccomp_notify, 0, 0},
	{"process/keyctl-capabilities", key_capabilities, 0, 0},
	{"process/perf-software-cpu-clock", perf, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK},
	{"process/perf-software-faults", perf, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
	{"process/perf-hardware-cycles", perf, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
	{"process/perf-cache-l1d", perf, PERF_TYPE_HW_CACHE, 0},
	{"process/perf-raw", perf, PERF_TYPE_RAW, 0x3c},
	{"process/perf-tracepoint", perf, PERF_TYPE_TRACEPOINT, 1},
	{"process/perf-breakpoint", perf, PERF_TYPE_BREAKPOINT, 0},
};

static const struct call calls[] = {
	{"process/kcmp-VM", 0, SYS_kcmp, {SELF, SELF, 1, 0, 0}},
	{"process/kcmp-FILE", SCRATCH, SYS_kcmp, {SELF, SELF, 0, FD, FD2}},
	{"process/seccomp-notif-sizes", 0, SYS_seccomp, {SECCOMP_GET_NOTIF_SIZES, 0, P(longs)}},
	{"process/keyctl-join-session", 0, SYS_keyctl, {1, 0}},
	{"process/keyctl-persistent", 0, SYS_keyctl, {22, -1, -2}},
	{"process/request_key", 0, SYS_request_key, {P("user"), P("probe:none"), 0, -2}},
};

void probe_trace(enum pass pass)
{
	static const char *const keys[] = {"user",	"logon",      "keyring",      "big_key",
					   "encrypted", "asymmetric", "dns_resolver", "trusted"};
	unsigned int i;

	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	else if (pass == CALLS)
		run_calls(calls, ARRAY_SIZE(calls));
	if (pass != LAST)
		return;
	for (i = 0; i < ARRAY_SIZE(seccomp_actions); i++)
		CALL(fmt("process/seccomp-action-%08x", seccomp_actions[i]), 0, SYS_seccomp,
		     SECCOMP_GET_ACTION_AVAIL, 0, P(&seccomp_actions[i]));
	for (i = 0; i < 6; i++)
		CALL(fmt("process/seccomp-flag-%#x", 1 << i), 0, SYS_seccomp,
		     SECCOMP_SET_MODE_FILTER, i == 5 ? 1 << 5 | 1 << 3 : 1 << i, P(&accept_prog));
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		CALL(fmt("process/add_key-%s", keys[i]), 0, SYS_add_key, P(keys[i]), P("probe:k"),
		     strcmp(keys[i], "keyring") ? P("x") : 0, !!strcmp(keys[i], "keyring"), -2);
}
