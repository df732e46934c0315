// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a container is the life of its command: when that ends, whatever
 * it left running is killed, as docker and podman do.  This also closes every
 * writing end of its output, so the end of the output is certain.
 */
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "system.h"

/*
 * A killed process closes its descriptors when it next runs; one stuck in the
 * kernel may take for ever.  Output that stays silent this long has ended.
 */
#define DRAIN_MS 2000

enum { P_LINK, P_SIG, P_REPORT, P_IN, P_OUT = P_IN + 2, P_ERR = P_OUT + 2, NR_POLL = P_ERR + 2 };

static int open_sigfd(struct session *s, struct rund_error *why)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A write to a stream that the host closed is an error, not our death. */
	signal(SIGPIPE, SIG_IGN);
	s->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->sigfd < 0)
		return fault(why, EXIT_SETUP, -errno, "signalfd");
	return 0;
}

static int open_stream(struct session *s, unsigned int port, int *fd, struct rund_error *why)
{
	*fd = s->ops->open_stream(s->ctx, port);
	if (*fd < 0)
		return fault(why, EXIT_SETUP, *fd, "vsock port %u of the host", port);
	return 0;
}

/* Takes the descriptors over from *in and *out, whatever it returns. */
static int start_pump(struct pump *p, int *in, int *out, unsigned int flags, struct rund_error *why)
{
	int ret = pump_init(p, take_fd(in), take_fd(out), flags);

	if (ret)
		return fault(why, EXIT_SETUP, ret, "standard streams of the command");
	return 0;
}

static int connect_streams(struct session *s, struct rund_error *why)
{
	bool tty = s->cfg->fixed.flags & RUND_CONFIG_TTY;
	__cleanup_fd int in = -1;
	__cleanup_fd int out = -1;
	__cleanup_fd int err = -1;

	if (s->cfg->fixed.flags & RUND_CONFIG_STDIN && open_stream(s, RUND_PORT_STDIN, &in, why))
		return -EIO;
	if (open_stream(s, RUND_PORT_STDOUT, &out, why))
		return -EIO;
	if (!tty && open_stream(s, RUND_PORT_STDERR, &err, why))
		return -EIO;
	if (start_pump(&s->in, &in, &s->cmd.to_stdin, tty ? PUMP_OUT_TTY : 0, why) ||
	    start_pump(&s->out, &s->cmd.from_stdout, &out, PUMP_OUT_SOCKET, why) ||
	    start_pump(&s->err, &s->cmd.from_stderr, &err, PUMP_OUT_SOCKET, why))
		return -EIO;
	return 0;
}

static int announce_tty(struct session *s, struct rund_error *why)
{
	char path[64];
	int ret;

	if (s->cmd.master < 0 || !s->ops->tty_ready)
		return 0;
	ret = ttyname_r(s->cmd.child[0], path, sizeof(path));
	ret = ret ? -ret : s->ops->tty_ready(s->ctx, path);
	if (ret)
		return fault(why, EXIT_SETUP, ret, "terminal of the command");
	return 0;
}

static int start(struct session *s, struct rund_error *why)
{
	int ret;

	ret = command_stdio(&s->cmd, s->cfg, s->account, why);
	if (!ret)
		ret = open_sigfd(s, why);
	if (!ret)
		ret = announce_tty(s, why);
	if (!ret)
		ret = connect_streams(s, why);
	if (!ret)
		ret = command_spawn(&s->cmd, s->cfg, s->account, why);
	return ret;
}

/* exec has succeeded (end of file) or failed (a record). */
static int take_report(struct session *s, struct rund_exit *result, struct rund_error *why)
{
	struct rund_error told;
	ssize_t n = read(s->cmd.report, &told, sizeof(told));

	if (n < 0 && errno == EINTR)
		return 0;
	close_fd(take_fd(&s->cmd.report));
	if (n == sizeof(told)) {
		*why = told;
		return -ECHILD;
	}
	/* Killed before exec looks like this, too: EXIT will tell. */
	s->started = true;
	result->t_exec = system_now_ns();
	return link_send(s->link, RUND_MSG_STARTED, NULL, 0);
}

static void reap(struct session *s, struct rund_exit *result)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(s->sigfd, &si, sizeof(si)) == sizeof(si))
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != s->cmd.pid)
			continue;
		s->reaped = true;
		s->status = status;
		result->t_exit = system_now_ns();
		s->ops->kill_rest(s->ctx);
		pump_stop(&s->in);
	}
}

static void obey(struct session *s, const struct link_event *ev)
{
	const struct rund_winsize *w = &ev->winsize;
	struct winsize ws;

	if (ev->type == RUND_MSG_SIGNAL) {
		/* Until it is reaped its pid can belong to nothing else. */
		if (!s->reaped && ev->signal.signo > 0 && ev->signal.signo < NSIG)
			kill(s->cmd.pid, ev->signal.signo);
		return;
	}
	ws = (struct winsize){w->rows, w->cols, w->xpixel, w->ypixel};
	if (s->cmd.master >= 0)
		ioctl(s->cmd.master, TIOCSWINSZ, &ws);
}

static int listen_to_host(struct session *s)
{
	struct link_event ev;
	int ret;

	while ((ret = link_recv(s->link, &ev)) > 0)
		obey(s, &ev);
	return ret;
}

static bool over(const struct session *s)
{
	return s->started && s->reaped && s->out.done && s->err.done;
}

static int wait_ms(const struct session *s)
{
	/* The host may be as slow as it likes to take what there is. */
	if (!s->reaped || pump_blocked(&s->out) || pump_blocked(&s->err))
		return -1;
	return DRAIN_MS;
}

static void watch(struct session *s, struct pollfd *p)
{
	p[P_LINK] = (struct pollfd){.fd = s->link->fd, .events = POLLIN};
	p[P_SIG] = (struct pollfd){.fd = s->sigfd, .events = POLLIN};
	p[P_REPORT] = (struct pollfd){.fd = s->cmd.report, .events = POLLIN};
	/* Before exec there is no one to type to: a ^C would be lost. */
	p[P_IN] = p[P_IN + 1] = (struct pollfd){.fd = -1};
	if (s->started)
		pump_poll(&s->in, &p[P_IN]);
	pump_poll(&s->out, &p[P_OUT]);
	pump_poll(&s->err, &p[P_ERR]);
}

static int turn(struct session *s, struct rund_exit *result, struct rund_error *why)
{
	struct pollfd p[NR_POLL];
	int n, ret = 0;

	watch(s, p);
	n = poll(p, NR_POLL, wait_ms(s));
	if (n < 0)
		return errno == EINTR ? 0 : fault(why, EXIT_SETUP, -errno, "poll");
	if (!n) {
		pump_stop(&s->out);
		pump_stop(&s->err);
		return 0;
	}
	if (p[P_LINK].revents)
		ret = listen_to_host(s);
	if (!ret && p[P_REPORT].revents)
		ret = take_report(s, result, why);
	if (ret)
		return ret;
	pump_step(&s->in, &p[P_IN]);
	pump_step(&s->out, &p[P_OUT]);
	pump_step(&s->err, &p[P_ERR]);
	if (p[P_SIG].revents)
		reap(s, result);
	return 0;
}

void session_init(struct session *s)
{
	memset(s, 0, sizeof(*s));
	s->sigfd = -1;
	command_init(&s->cmd);
	pump_init(&s->in, -1, -1, 0);
	pump_init(&s->out, -1, -1, 0);
	pump_init(&s->err, -1, -1, 0);
}

int session_run(struct session *s, struct rund_exit *result, struct rund_error *why)
{
	int ret = start(s, why);

	while (!ret && !over(s))
		ret = turn(s, result, why);
	if (ret)
		return ret;
	if (WIFSIGNALED(s->status))
		result->signal = WTERMSIG(s->status);
	else
		result->code = WEXITSTATUS(s->status);
	return 0;
}

void session_close(struct session *s)
{
	pump_stop(&s->in);
	pump_stop(&s->out);
	pump_stop(&s->err);
	command_close(&s->cmd);
	close_fd(take_fd(&s->sigfd));
}
