// SPDX-License-Identifier: GPL-2.0-only
/*
 * Starting rund-vmm and listening to it.
 */
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "json.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "options.h"

/* What the child ends with when it cannot become the VMM. */
#define RA_CHILD_FAILED 125

/* The child's side of its descriptors, and its command line. */
struct child {
	int control, console, errors, null;
	int lower, upper;
	char args[8][PATH_MAX + 32];
	char *argv[24];
};

static void build_argv(struct child *c, const struct ra_opts *o, const char *vsock)
{
	char *const argv[] = {
		o->vmm,	    "--name",	 (char *)o->name, "--kernel", o->kernel,  "--initrd",
		o->initrd,  "--mem",	 c->args[0],	  "--cpus",   c->args[1], "--blk",
		c->args[2], "--fs",	 c->args[3],	  "--vsock",  c->args[4], "--console",
		c->args[5], "--control", c->args[6],	  NULL,
	};

	_Static_assert(sizeof(argv) <= sizeof(c->argv), "all arguments fit");
	snprintf(c->args[0], sizeof(c->args[0]), "%" PRIu64 "M", o->mem / RA_MIB);
	snprintf(c->args[1], sizeof(c->args[1]), "%u", o->cpus);
	snprintf(c->args[2], sizeof(c->args[2]), "fd=%d", c->upper);
	snprintf(c->args[3], sizeof(c->args[3]), "tag=%s,fd=%d", RUND_FS_TAG_LOWER, c->lower);
	snprintf(c->args[4], sizeof(c->args[4]), "cid=%d,path=%s", RA_GUEST_CID, vsock);
	snprintf(c->args[5], sizeof(c->args[5]), "fd=%d", c->console);
	snprintf(c->args[6], sizeof(c->args[6]), "fd=%d", c->control);
	memcpy(c->argv, argv, sizeof(argv));
}

static int keep_over_exec(int fd)
{
	return fcntl(fd, F_SETFD, 0);
}

/*
 * In the child.  The parent may have died before the death signal was asked for,
 * which then never comes: that is what the second look at getppid() is for.
 */
static void become_vmm(const struct child *c, pid_t parent)
{
	sigset_t none;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(RA_CHILD_FAILED);
	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(c->null, STDIN_FILENO) < 0 || dup2(c->errors, STDOUT_FILENO) < 0 ||
	    dup2(c->errors, STDERR_FILENO) < 0 || keep_over_exec(c->lower) ||
	    keep_over_exec(c->upper) || keep_over_exec(c->control) || keep_over_exec(c->console))
		_exit(RA_CHILD_FAILED);
	execv(c->argv[0], c->argv);
	log_err("%s: %m", c->argv[0]);
	_exit(RA_CHILD_FAILED);
}

/* clone3(2) has no wrapper; without CLONE_VM it returns twice like fork(2). */
static pid_t clone_into(int cgroup, int *pidfd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP | CLONE_PIDFD,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

static int pipe_ends(int *reader, int *writer)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return -errno;
	*reader = p[0];
	*writer = p[1];
	/* Only our end: the VMM may find it simpler to block on its own. */
	return io_set_nonblock(p[0], 1);
}

static int open_ends(struct ra_vmm *v, struct child *c)
{
	int s[2], ret;

	ret = pipe_ends(&v->console, &c->console);
	if (!ret)
		ret = pipe_ends(&v->errors, &c->errors);
	if (!ret && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s))
		ret = -errno;
	if (ret)
		return ret;
	v->control = s[0];
	c->control = s[1];
	ret = io_set_nonblock(v->control, 1);
	c->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return c->null < 0 ? -errno : ret;
}

static int report_clone(int err)
{
	if (err == -ENOSYS || err == -EINVAL)
		return log_errno(err, "clone3 into a cgroup: %s; Linux 5.7 or later is needed",
				 strerror(-err));
	return log_errno(err, "clone3 into the sandbox's cgroup: %s", strerror(-err));
}

int ra_vmm_spawn(struct ra_vmm *v, const struct ra_opts *o, int cgroup, int lower, int upper,
		 const char *vsock)
{
	struct child c = {-1, -1, -1, -1, .lower = lower, .upper = upper};
	pid_t parent = getpid();
	int ret;

	*v = (struct ra_vmm)RA_VMM_INIT;
	ret = open_ends(v, &c);
	if (ret) {
		log_err("pipes to the VMM: %s", strerror(-ret));
	} else {
		build_argv(&c, o, vsock);
		v->pid = clone_into(cgroup, &v->pidfd);
		if (!v->pid)
			become_vmm(&c, parent);
		if (v->pid < 0)
			ret = report_clone(-errno);
	}
	close_fd(c.null);
	close_fd(c.control);
	close_fd(c.console);
	close_fd(c.errors);
	if (ret) {
		v->pid = 0;
		ra_vmm_close(v);
	}
	return ret;
}

static void take_event(struct ra_vmm *v, const char *line, size_t len)
{
	struct json_object *o = ra_json_parse(line, len);
	char event[16];

	if (o && !ra_json_str(o, "event", event, sizeof(event))) {
		if (!strcmp(event, "started"))
			v->started = true;
		if (!strcmp(event, "exit") &&
		    ra_json_str(o, "reason", v->reason, sizeof(v->reason)))
			v->reason[0] = '\0';
		ra_printable(v->reason);
	}
	json_object_put(o);
}

/* A line that does not fit is none of ours: forget it. */
static void take_lines(struct ra_vmm *v)
{
	char *nl;

	while ((nl = memchr(v->line, '\n', v->line_len))) {
		size_t n = nl - v->line;

		take_event(v, v->line, n);
		v->line_len -= n + 1;
		memmove(v->line, nl + 1, v->line_len);
	}
	if (v->line_len == sizeof(v->line))
		v->line_len = 0;
}

void ra_vmm_read_control(struct ra_vmm *v)
{
	ssize_t n = recv(v->control, v->line + v->line_len, sizeof(v->line) - v->line_len,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_fd(v->control);
		v->control = -1;
		return;
	}
	v->line_len += n;
	take_lines(v);
}

/* Return: bytes read, 0 when there is nothing now; the end closes *fd. */
static size_t read_pipe(int *fd, char *buf, size_t len)
{
	ssize_t n;

	if (*fd < 0)
		return 0;
	n = read(*fd, buf, len);
	if (n > 0)
		return n;
	if (!n || (errno != EAGAIN && errno != EINTR)) {
		close_fd(*fd);
		*fd = -1;
	}
	return 0;
}

bool ra_vmm_read_console(struct ra_vmm *v, struct ra_log *log)
{
	char buf[4096];
	size_t n = read_pipe(&v->console, buf, sizeof(buf));

	ra_log_write(log, buf, n);
	return n;
}

bool ra_vmm_read_errors(struct ra_vmm *v, struct ra_log *log)
{
	char buf[sizeof(v->err)];
	size_t n = read_pipe(&v->errors, buf, sizeof(buf)), keep;

	ra_log_write(log, buf, n);
	keep = sizeof(v->err) - n;
	if (v->err_len > keep) {
		memmove(v->err, v->err + v->err_len - keep, keep);
		v->err_len = keep;
	}
	memcpy(v->err + v->err_len, buf, n);
	v->err_len += n;
	return n;
}

void ra_vmm_signal(const struct ra_vmm *v, int signo)
{
	if (v->pidfd >= 0 && !v->dead)
		syscall(SYS_pidfd_send_signal, v->pidfd, signo, NULL, 0);
}

void ra_vmm_reap(struct ra_vmm *v)
{
	pid_t pid;

	do
		pid = waitpid(v->pid, &v->status, 0);
	while (pid < 0 && errno == EINTR);
	v->dead = true;
}

void ra_vmm_last_error(const struct ra_vmm *v, char *buf, size_t len)
{
	static const char prefix[] = "rund-vmm: error: ";
	const char *end = v->err + v->err_len, *p;

	while (end > v->err && end[-1] == '\n')
		end--;
	for (p = end; p > v->err && p[-1] != '\n';)
		p--;
	if (end - p > sizeof(prefix) - 1 && !strncmp(p, prefix, sizeof(prefix) - 1))
		p += sizeof(prefix) - 1;
	snprintf(buf, len, "%.*s", (int)(end - p), p);
	ra_printable(buf);
}

void ra_vmm_close(struct ra_vmm *v)
{
	if (v->pid > 0 && !v->dead) {
		ra_vmm_signal(v, SIGKILL);
		ra_vmm_reap(v);
	}
	close_fd(v->pidfd);
	close_fd(v->control);
	close_fd(v->console);
	close_fd(v->errors);
	v->pidfd = -1;
	v->control = -1;
	v->console = -1;
	v->errors = -1;
}
