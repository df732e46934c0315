// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monitor: builds the sandbox, runs it to its end, gives everything back, and
 * only then tells the launch process how it ended.
 *
 * When the launch process dies, the monitor ends the sandbox.  When the monitor
 * dies, the kernel ends it: the VMM by its parent-death signal, the lease on the
 * cgroup with its descriptor; what is left is files, which the next rund-agent
 * sweeps.
 */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "sandbox.h"
#include "title.h"

#define CLIENT_FD 3

/* Descriptors that the caller happened to have open must not live on in here. */
static int keep_only(int client)
{
	if (client != CLIENT_FD) {
		if (dup2(client, CLIENT_FD) < 0)
			return log_errno(-errno, "dup2: %m");
	}
	if (fcntl(CLIENT_FD, F_SETFD, FD_CLOEXEC))
		return log_errno(-errno, "fcntl: %m");
	if (close_range(CLIENT_FD + 1, ~0U, 0))
		return log_errno(-errno, "close_range: %m; Linux 5.9 or later is needed");
	return CLIENT_FD;
}

static int open_sigfd(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? log_errno(-errno, "signalfd: %m") : fd;
}

static void read_winsize(struct ra_sandbox *sb)
{
	struct winsize ws;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws))
		return;
	sb->ws = (struct rund_winsize){ws.ws_row, ws.ws_col, ws.ws_xpixel, ws.ws_ypixel};
}

static int take_stream(int fd, int flags, int *own)
{
	*own = ra_stdio_take(fd, flags);
	return *own < 0 ? log_errno(*own, "standard stream %d: %s", fd, strerror(-*own)) : 0;
}

/*
 * A background job that reads the terminal would take the shell's input: it gets
 * end of file instead, as if it were started with </dev/null.
 */
static bool stdin_is_ours(void)
{
	pid_t group = tcgetpgrp(STDIN_FILENO);

	return group < 0 || group == getpgrp();
}

static int connect_streams(struct ra_sandbox *sb)
{
	int in, out, err, ret;

	ret = ra_pump_init(&sb->in);
	if (!ret)
		ret = ra_pump_init(&sb->out);
	if (!ret)
		ret = ra_pump_init(&sb->err);
	if (ret)
		return ret;
	if (sb->o->detach) {
		sb->out.log = &sb->log;
		sb->err.log = &sb->log;
		return 0;
	}
	if (stdin_is_ours()) {
		ret = take_stream(STDIN_FILENO, O_RDONLY, &in);
		if (ret)
			return ret;
		ra_pump_set_in(&sb->in, in);
		sb->stdin_on = true;
	}
	ret = take_stream(STDOUT_FILENO, O_WRONLY, &out);
	if (ret)
		return ret;
	ra_pump_set_out(&sb->out, out);
	ret = take_stream(STDERR_FILENO, O_WRONLY, &err);
	if (ret)
		return ret;
	ra_pump_set_out(&sb->err, err);
	return 0;
}

/* Only stderr stays, for messages; the pumps have their own copies of all three. */
static int leave_streams(void)
{
	__cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return log_errno(-errno, "/dev/null: %m");
	return 0;
}

static void record_end(struct ra_sandbox *sb)
{
	struct ra_state *st = &sb->st;

	st->status = RA_EXITED;
	st->vmm = 0;
	st->monitor = 0;
	st->exit_code = sb->result.code;
	st->oom = sb->result.oom;
	st->finished = time(NULL);
	snprintf(st->error, sizeof(st->error), "%s", sb->result.text);
}

static void run(struct ra_sandbox *sb)
{
	bool keep;

	if (ra_sandbox_build(sb)) {
		sb->result.code = RA_EXIT_FAILURE;
		return;
	}
	ra_session_run(sb);
	/* A detached launch that came to nothing has told its caller so. */
	keep = sb->o->detach && sb->t.at[RA_T_EXEC];
	record_end(sb);
	ra_sandbox_destroy(sb, keep);
	ra_mark(&sb->t, RA_T_END);
}

static void free_streams(struct ra_sandbox *sb)
{
	ra_pump_free(&sb->in);
	ra_pump_free(&sb->out);
	ra_pump_free(&sb->err);
	ra_guest_close(&sb->guest);
	close_fd(sb->sigfd);
}

static int prepare(struct ra_sandbox *sb)
{
	char what[RA_NAME_MAX + 16];
	int ret;

	snprintf(what, sizeof(what), "monitor %s", sb->o->name);
	ra_title_set(what);
	sb->sigfd = open_sigfd();
	if (sb->sigfd < 0)
		return sb->sigfd;
	read_winsize(sb);
	ret = connect_streams(sb);
	if (!ret)
		ret = leave_streams();
	if (!ret && chdir("/"))
		ret = log_errno(-errno, "/: %m");
	/* Now that nothing depends on the terminal's foreground group any more. */
	setsid();
	return ret;
}

int ra_monitor_main(const struct ra_opts *o, int client, uint64_t begin)
{
	struct ra_link_up up = {.type = RA_LINK_RESULT};
	static struct ra_sandbox sb;

	ra_sandbox_init(&sb, o, keep_only(client));
	sb.t.at[RA_T_BEGIN] = begin;
	if (sb.client < 0 || prepare(&sb))
		sb.result.code = RA_EXIT_FAILURE;
	else
		run(&sb);
	free_streams(&sb);
	up.result = sb.result;
	up.t = sb.t;
	if (sb.client >= 0)
		send(sb.client, &up, sizeof(up), MSG_NOSIGNAL);
	return 0;
}
