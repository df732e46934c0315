// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's side of the command socket.
 */
#include "ctl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

void ra_ctl_init(struct ra_ctl *c, struct json_object *(*serve)(void *, struct json_object *),
		 void *ctx)
{
	memset(c, 0, sizeof(*c));
	c->listen = -1;
	for (int i = 0; i < RA_CTL_CONNS; i++)
		c->conn[i].fd = -1;
	c->serve = serve;
	c->ctx = ctx;
}

int ra_ctl_listen(struct ra_ctl *c, const char *path)
{
	c->listen = io_unix_listen(path, RA_CTL_CONNS);
	if (c->listen < 0)
		return log_errno(c->listen, "%s: %s", path, strerror(-c->listen));
	return io_set_nonblock(c->listen, 1);
}

static void drop(struct ra_ctl_conn *conn)
{
	close_fd(conn->fd);
	conn->fd = -1;
	conn->len = 0;
}

/* Others wait in the backlog while all places are taken. */
static struct ra_ctl_conn *free_conn(struct ra_ctl *c)
{
	for (int i = 0; i < RA_CTL_CONNS; i++) {
		if (c->conn[i].fd < 0)
			return &c->conn[i];
	}
	return NULL;
}

void ra_ctl_poll(const struct ra_ctl *c, struct pollfd pfd[RA_CTL_POLLS])
{
	int accepting = free_conn((struct ra_ctl *)c) ? c->listen : -1;

	pfd[0] = (struct pollfd){.fd = accepting, .events = POLLIN};
	for (int i = 0; i < RA_CTL_CONNS; i++)
		pfd[1 + i] = (struct pollfd){.fd = c->conn[i].fd, .events = POLLIN};
}

static void accept_one(struct ra_ctl *c)
{
	int fd = accept4(c->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ra_ctl_conn *conn = free_conn(c);
	socklen_t len = sizeof(struct ucred);
	struct ucred peer;

	if (fd < 0)
		return;
	if (!conn || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ||
	    peer.uid != geteuid()) {
		close_fd(fd);
		return;
	}
	conn->fd = fd;
	conn->len = 0;
}

/* An answer is far smaller than the socket's buffer; who does not read loses it. */
static int answer(struct ra_ctl *c, struct ra_ctl_conn *conn, const char *line, size_t len)
{
	struct json_object *req = ra_json_parse(line, len), *rep = NULL;
	__cleanup_free char *text = NULL;
	ssize_t n = -1;

	if (req)
		rep = c->serve(c->ctx, req);
	if (!rep)
		rep = ra_ctl_error("malformed request");
	text = ra_json_line(rep);
	json_object_put(req);
	if (text)
		n = send(conn->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -1 : 0;
}

static void read_conn(struct ra_ctl *c, struct ra_ctl_conn *conn)
{
	ssize_t n = recv(conn->fd, conn->line + conn->len, RA_CTL_LINE - conn->len, MSG_DONTWAIT);
	char *nl;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(conn);
		return;
	}
	conn->len += n;
	while ((nl = memchr(conn->line, '\n', conn->len))) {
		size_t used = nl + 1 - conn->line;

		if (answer(c, conn, conn->line, used - 1)) {
			drop(conn);
			return;
		}
		conn->len -= used;
		memmove(conn->line, nl + 1, conn->len);
	}
	if (conn->len == RA_CTL_LINE)
		drop(conn);
}

void ra_ctl_run(struct ra_ctl *c, const struct pollfd pfd[RA_CTL_POLLS])
{
	for (int i = 0; i < RA_CTL_CONNS; i++) {
		if (pfd[1 + i].fd >= 0 && pfd[1 + i].revents)
			read_conn(c, &c->conn[i]);
	}
	if (pfd[0].fd >= 0 && pfd[0].revents)
		accept_one(c);
}

void ra_ctl_close(struct ra_ctl *c)
{
	close_fd(c->listen);
	c->listen = -1;
	for (int i = 0; i < RA_CTL_CONNS; i++)
		drop(&c->conn[i]);
}

struct json_object *ra_ctl_ok(void)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(1));
	return o;
}

struct json_object *ra_ctl_error(const char *text)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(0));
	json_object_object_add(o, "error", json_object_new_string(text));
	return o;
}
