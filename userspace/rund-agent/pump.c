// SPDX-License-Identifier: GPL-2.0-only
/*
 * Byte streams between the guest's sockets and the agent's standard streams.
 */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

int ra_pump_init(struct ra_pump *p)
{
	*p = (struct ra_pump)RA_PUMP_INIT;
	p->buf = malloc(RA_PUMP_BUF);
	return p->buf ? 0 : log_errno(-ENOMEM, "out of memory");
}

static bool is_socket(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISSOCK(st.st_mode);
}

void ra_pump_set_in(struct ra_pump *p, int fd)
{
	p->in = fd;
	p->in_sock = is_socket(fd);
}

void ra_pump_set_out(struct ra_pump *p, int fd)
{
	struct stat st;
	int fl = fcntl(fd, F_GETFL);

	p->out = fd;
	p->out_sock = is_socket(fd);
	p->slow_out = !p->out_sock && fl >= 0 && !(fl & O_NONBLOCK) && !fstat(fd, &st) &&
		      !S_ISREG(st.st_mode);
}

static bool has_sink(const struct ra_pump *p)
{
	return p->out >= 0 || p->log;
}

void ra_pump_poll(const struct ra_pump *p, struct pollfd pfd[2])
{
	bool room = p->len < RA_PUMP_BUF && has_sink(p);

	pfd[0] = (struct pollfd){.fd = !p->eof && room ? p->in : -1, .events = POLLIN};
	pfd[1] = (struct pollfd){.fd = p->len ? p->out : -1, .events = POLLOUT};
}

static bool transient(int err)
{
	return err == EAGAIN || err == EINTR;
}

/* Any hard error ends the stream: EIO is a terminal that hung up. */
static bool fill(struct ra_pump *p)
{
	ssize_t n;

	if (p->start + p->len == RA_PUMP_BUF || !p->len) {
		memmove(p->buf, p->buf + p->start, p->len);
		p->start = 0;
	}
	if (p->len == RA_PUMP_BUF)
		return false;
	if (p->in_sock)
		n = recv(p->in, p->buf + p->start + p->len, RA_PUMP_BUF - p->start - p->len,
			 MSG_DONTWAIT);
	else
		n = read(p->in, p->buf + p->start + p->len, RA_PUMP_BUF - p->start - p->len);
	if (n < 0 && transient(errno))
		return false;
	if (n <= 0)
		p->eof = true;
	else
		p->len += n;
	return true;
}

static ssize_t put(const struct ra_pump *p)
{
	size_t n = p->len;

	if (p->log) {
		ra_log_write(p->log, p->buf + p->start, n);
		return n;
	}
	if (p->out_sock)
		return send(p->out, p->buf + p->start, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* poll() promises room for PIPE_BUF bytes, no more. */
	if (p->slow_out && n > PIPE_BUF)
		n = PIPE_BUF;
	return write(p->out, p->buf + p->start, n);
}

static bool drain(struct ra_pump *p)
{
	ssize_t n = put(p);

	if (n < 0 && transient(errno))
		return false;
	if (n < 0) {
		p->broken = true;
		ra_pump_stop(p);
		return true;
	}
	p->start += n;
	p->len -= n;
	return n > 0;
}

bool ra_pump_run(struct ra_pump *p, const struct pollfd pfd[2])
{
	bool moved = false, writable;

	if (p->done)
		return false;
	if (pfd[0].fd >= 0 && pfd[0].revents)
		moved |= fill(p);
	/* What was just read need not wait for another poll(), unless writing may block. */
	writable = p->log || (moved && !p->slow_out) || (pfd[1].fd >= 0 && pfd[1].revents);
	if (p->len && has_sink(p) && writable)
		moved |= drain(p);
	if (!p->done && p->eof && !p->len) {
		ra_pump_stop(p);
		moved = true;
	}
	return moved;
}

/*
 * The half close tells the far side of a socket that no more comes; the socket
 * itself stays, since a full close may overtake bytes still in it.  Closing the
 * source tells a writer who is still there that nobody reads.
 */
void ra_pump_stop(struct ra_pump *p)
{
	p->done = true;
	p->eof = true;
	p->len = 0;
	close_fd(p->in);
	p->in = -1;
	if (p->out >= 0 && p->out_sock) {
		shutdown(p->out, SHUT_WR);
		return;
	}
	close_fd(p->out);
	p->out = -1;
}

void ra_pump_free(struct ra_pump *p)
{
	ra_pump_stop(p);
	close_fd(p->out);
	p->out = -1;
	free(p->buf);
	p->buf = NULL;
}

int ra_stdio_take(int fd, int flags)
{
	char path[32];
	struct stat st;
	int own = -1;

	if (fstat(fd, &st))
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return own < 0 ? -errno : own;
}
