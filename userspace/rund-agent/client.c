// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launch process.  Signals reach it through a descriptor, so that none is
 * lost between two of its steps; the terminal is given back on every way out.
 */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "monitor.h"
#include "sweep.h"

struct client {
	const struct ra_opts *o;
	int link;
	int sigfd;
	pid_t monitor;
	bool swept;
	bool raw; /* saved is to be restored */
	struct termios saved;
};

/* What docker's --sig-proxy passes on, less what only makes sense here. */
static const int forwarded[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH,
};

static int open_sigfd(struct client *c, sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, old);
	c->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return c->sigfd < 0 ? log_errno(-errno, "signalfd: %m") : 0;
}

/* As cfmakeraw(3), but output is left to the terminal: the guest's has done its part. */
static void tty_raw(struct client *c)
{
	struct termios t;

	if (!c->o->tty || c->raw || tcgetattr(STDIN_FILENO, &c->saved))
		return;
	t = c->saved;
	cfmakeraw(&t);
	c->raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
}

static void tty_restore(struct client *c)
{
	if (c->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &c->saved);
	c->raw = false;
}

static int start_monitor(struct client *c, uint64_t begin)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return log_errno(-errno, "socketpair: %m");
	c->monitor = fork();
	if (!c->monitor)
		_exit(ra_monitor_main(c->o, pair[1], begin));
	c->link = pair[0];
	close_fd(pair[1]);
	return c->monitor < 0 ? log_errno(-errno, "fork: %m") : 0;
}

/*
 * The monitor reads and writes the streams now.  Without these copies the program
 * at the other end of a pipe sees the stream end when the guest ends it.
 */
static void leave_streams(const struct client *c)
{
	__cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || c->o->detach)
		return;
	if (!c->o->tty)
		dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
}

static void forward(struct client *c)
{
	struct signalfd_siginfo si;
	struct ra_link_down msg;
	struct winsize ws;

	while (read(c->sigfd, &si, sizeof(si)) == sizeof(si)) {
		memset(&msg, 0, sizeof(msg));
		msg.type = RA_LINK_SIGNAL;
		msg.signo = si.ssi_signo;
		if (si.ssi_signo == SIGWINCH) {
			if (!c->o->tty || ioctl(STDIN_FILENO, TIOCGWINSZ, &ws))
				continue;
			msg.type = RA_LINK_WINSIZE;
			msg.ws = (struct rund_winsize){ws.ws_row, ws.ws_col, ws.ws_xpixel,
						       ws.ws_ypixel};
		}
		send(c->link, &msg, sizeof(msg), MSG_NOSIGNAL);
	}
}

/* Clean up after others when this launch has no use for the time any more. */
static void sweep(struct client *c)
{
	if (!c->swept)
		ra_sweep();
	c->swept = true;
}

/* Return: 1 when the launch is over, 0 when it goes on, or -errno; reported. */
static int receive(struct client *c, struct ra_link_up *up)
{
	ssize_t n = recv(c->link, up, sizeof(*up), 0);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n != sizeof(*up))
		return log_errno(-EPIPE,
				 "sandbox %s: its monitor was killed; what it left is "
				 "cleaned up",
				 c->o->name);
	if (up->type == RA_LINK_STARTED)
		tty_raw(c);
	sweep(c);
	return up->type == RA_LINK_RESULT || c->o->detach;
}

static int follow(struct client *c, struct ra_link_up *up)
{
	for (;;) {
		struct pollfd p[2] = {
			{.fd = c->link, .events = POLLIN},
			{.fd = c->sigfd, .events = POLLIN},
		};
		int ret;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return log_errno(-errno, "poll: %m");
		if (p[1].revents)
			forward(c);
		if (!p[0].revents)
			continue;
		ret = receive(c, up);
		if (ret)
			return ret < 0 ? ret : 0;
	}
}

/* A dead monitor has let go of everything only when it can be reaped. */
static void reap(const struct client *c)
{
	if (c->monitor <= 0)
		return;
	while (waitpid(c->monitor, NULL, 0) < 0 && errno == EINTR)
		;
}

int ra_client_run(const struct ra_opts *o, uint64_t begin, struct ra_link_up *up)
{
	struct client c = {.o = o, .link = -1, .sigfd = -1};
	sigset_t old;
	int ret;

	memset(up, 0, sizeof(*up));
	ret = open_sigfd(&c, &old);
	if (!ret)
		ret = start_monitor(&c, begin);
	if (!ret) {
		leave_streams(&c);
		ret = follow(&c, up);
	}
	tty_restore(&c);
	close_fd(c.link);
	if (ret || up->type == RA_LINK_RESULT)
		reap(&c);
	if (ret)
		ra_sweep();
	sigprocmask(SIG_SETMASK, &old, NULL);
	close_fd(c.sigfd);
	return ret;
}
