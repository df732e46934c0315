// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages from and to rund-init.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* CONFIG and, after it, signals and window sizes that a slow guest has not read. */
#define QUEUE_MAX (RUND_MSG_MAX_TO_GUEST + 65536)

void ra_printable(char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

/* Room for @len more bytes; doubled, so that many small messages stay cheap. */
static int make_room(struct ra_guest *g, size_t len)
{
	size_t cap = g->out_cap ? g->out_cap : 4096;
	uint8_t *out;

	if (g->out_sent)
		memmove(g->out, g->out + g->out_sent, g->out_len - g->out_sent);
	g->out_len -= g->out_sent;
	g->out_sent = 0;
	if (len > QUEUE_MAX - g->out_len)
		return -ENOBUFS;
	while (cap < g->out_len + len)
		cap *= 2;
	if (cap == g->out_cap)
		return 0;
	out = realloc(g->out, cap);
	if (!out)
		return -ENOMEM;
	g->out = out;
	g->out_cap = cap;
	return 0;
}

int ra_guest_queue(struct ra_guest *g, uint32_t type, const void *payload, size_t len)
{
	struct rund_msg msg = {.type = type, .len = len};
	int ret;

	if (g->fd < 0)
		return -ENOTCONN;
	if (len > QUEUE_MAX - sizeof(msg))
		return -ENOBUFS;
	ret = make_room(g, sizeof(msg) + len);
	if (ret)
		return ret;
	memcpy(g->out + g->out_len, &msg, sizeof(msg));
	if (len)
		memcpy(g->out + g->out_len + sizeof(msg), payload, len);
	g->out_len += sizeof(msg) + len;
	return 0;
}

int ra_guest_send(struct ra_guest *g)
{
	while (g->fd >= 0 && g->out_sent < g->out_len) {
		ssize_t n = send(g->fd, g->out + g->out_sent, g->out_len - g->out_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		g->out_sent += n;
	}
	return 0;
}

int ra_guest_recv(struct ra_guest *g)
{
	ssize_t n;

	do
		n = recv(g->fd, g->in + g->in_len, sizeof(g->in) - g->in_len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	g->in_len += n;
	return n;
}

static int take_hello(struct ra_guest *g, const uint8_t *p)
{
	struct rund_hello hello;

	memcpy(&hello, p, sizeof(hello));
	if (g->state != RA_GUEST_SILENT || hello.version != RUND_PROTO_VERSION)
		return -EPROTO;
	g->state = RA_GUEST_HELLO;
	return 0;
}

static int take_started(struct ra_guest *g, const uint8_t *p)
{
	if (g->state != RA_GUEST_HELLO)
		return -EPROTO;
	g->state = RA_GUEST_STARTED;
	return 0;
}

static int take_error(struct ra_guest *g, const uint8_t *p)
{
	memcpy(&g->error, p, sizeof(g->error));
	if (g->state != RA_GUEST_HELLO || g->error.exit_code < 125 || g->error.exit_code > 127)
		return -EPROTO;
	g->error.text[sizeof(g->error.text) - 1] = '\0';
	ra_printable(g->error.text);
	g->failed = true;
	g->state = RA_GUEST_OVER;
	return 0;
}

static int take_exit(struct ra_guest *g, const uint8_t *p)
{
	memcpy(&g->exit, p, sizeof(g->exit));
	if (g->state != RA_GUEST_STARTED || g->exit.code > 255 || g->exit.signal > 64)
		return -EPROTO;
	g->state = RA_GUEST_OVER;
	return 0;
}

/* Every message of this direction has one fixed length. */
static const struct {
	uint32_t len;
	int (*take)(struct ra_guest *g, const uint8_t *payload);
} messages[] = {
	[RUND_MSG_HELLO] = {sizeof(struct rund_hello), take_hello},
	[RUND_MSG_STARTED] = {0, take_started},
	[RUND_MSG_ERROR] = {sizeof(struct rund_error), take_error},
	[RUND_MSG_EXIT] = {sizeof(struct rund_exit), take_exit},
};

int ra_guest_next(struct ra_guest *g)
{
	struct rund_msg msg;
	size_t whole;

	if (g->in_len < sizeof(msg))
		return 0;
	memcpy(&msg, g->in, sizeof(msg));
	if (msg.type >= sizeof(messages) / sizeof(messages[0]) || !messages[msg.type].take ||
	    msg.len != messages[msg.type].len)
		return -EPROTO;
	whole = sizeof(msg) + msg.len;
	if (g->in_len < whole)
		return 0;
	if (messages[msg.type].take(g, g->in + sizeof(msg)))
		return -EPROTO;
	g->in_len -= whole;
	memmove(g->in, g->in + whole, g->in_len);
	return msg.type;
}

void ra_guest_close(struct ra_guest *g)
{
	close_fd(g->fd);
	g->fd = -1;
	free(g->out);
	g->out = NULL;
	g->out_cap = 0;
	g->out_len = 0;
	g->out_sent = 0;
}
