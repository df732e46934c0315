// SPDX-License-Identifier: GPL-2.0-only
/*
 * One buffer, filled only when it is empty: bytes keep their order and a pump
 * costs no allocation.
 */
#include "pump.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"

static void close_in(struct pump *p)
{
	close_fd(p->in);
	p->in = -1;
}

static void close_out(struct pump *p)
{
	close_fd(p->out);
	p->out = -1;
}

int pump_init(struct pump *p, int in, int out, unsigned int flags)
{
	int ret = 0;

	memset(p, 0, offsetof(struct pump, buf));
	p->in = in;
	p->out = out;
	p->flags = flags;
	/* A terminal at its start is at the start of a line. */
	p->last = '\n';
	if (in >= 0 && out >= 0) {
		ret = io_set_nonblock(in, 1);
		if (!ret)
			ret = io_set_nonblock(out, 1);
	}
	if (ret || in < 0 || out < 0)
		pump_stop(p);
	return ret;
}

void pump_stop(struct pump *p)
{
	close_in(p);
	close_out(p);
	p->head = p->tail = 0;
	p->done = true;
}

bool pump_blocked(const struct pump *p)
{
	return !p->done && p->head < p->tail;
}

void pump_poll(const struct pump *p, struct pollfd pfd[2])
{
	bool full = pump_blocked(p);

	/* With no events asked for, poll still reports an output that is gone. */
	pfd[0] = (struct pollfd){.fd = p->done || full ? -1 : p->in, .events = POLLIN};
	pfd[1] = (struct pollfd){.fd = p->done ? -1 : p->out, .events = full ? POLLOUT : 0};
}

/*
 * A terminal has no end of file that could be passed on, only a character that
 * means it: to the line discipline, or to a program that edits lines itself.
 * It counts at the start of a line; elsewhere the first one merely hands over
 * the line typed so far.
 */
static void type_eof(struct pump *p)
{
	struct termios t;

	if (tcgetattr(p->out, &t))
		return;
	if (t.c_lflag & ICANON && p->last != '\n')
		p->buf[p->tail++] = t.c_cc[VEOF];
	p->buf[p->tail++] = t.c_cc[VEOF];
}

/* The input has ended and everything read is written. */
static void finish(struct pump *p)
{
	if (p->flags & PUMP_OUT_TTY) {
		p->flags &= ~PUMP_OUT_TTY;
		p->head = p->tail = 0;
		type_eof(p);
		if (pump_blocked(p))
			return;
	}
	if (p->flags & PUMP_OUT_SOCKET)
		shutdown(p->out, SHUT_WR);
	else
		close_out(p);
	p->done = true;
}

static void fill(struct pump *p)
{
	ssize_t n = read(p->in, p->buf, sizeof(p->buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/*
	 * Anything else is the end: EOF, EIO from a terminal whose last user
	 * has gone, ECONNRESET from a host that has gone.
	 */
	if (n <= 0) {
		close_in(p);
		return;
	}
	p->head = 0;
	p->tail = n;
	p->last = p->buf[n - 1];
}

/* False when the output takes nothing more, ever. */
static bool drain(struct pump *p)
{
	while (p->head < p->tail) {
		ssize_t n = write(p->out, p->buf + p->head, p->tail - p->head);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		p->head += n;
	}
	return true;
}

void pump_step(struct pump *p, const struct pollfd pfd[2])
{
	if (p->done)
		return;
	if (pfd[1].revents & (POLLERR | POLLHUP | POLLNVAL)) {
		pump_stop(p);
		return;
	}
	if (!pump_blocked(p) && p->in >= 0 && pfd[0].revents)
		fill(p);
	if (!drain(p)) {
		pump_stop(p);
		return;
	}
	if (p->in < 0 && !pump_blocked(p))
		finish(p);
}
