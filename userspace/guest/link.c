// SPDX-License-Identifier: GPL-2.0-only
/*
 * Framing of include/rund/proto.h.
 */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/io.h"

int link_send(struct link *l, uint32_t type, const void *payload, size_t len)
{
	unsigned char buf[sizeof(struct rund_msg) + RUND_MSG_MAX_TO_HOST];
	struct rund_msg m = {.type = type, .len = len};

	if (len > RUND_MSG_MAX_TO_HOST)
		return -EMSGSIZE;
	memcpy(buf, &m, sizeof(m));
	if (len)
		memcpy(buf + sizeof(m), payload, len);
	/* One write, so that the host wakes up once. */
	return io_write_full(l->fd, buf, sizeof(m) + len);
}

static int read_exactly(int fd, void *buf, size_t len)
{
	ssize_t n = io_read_full(fd, buf, len);

	if (n < 0)
		return n;
	return n == len ? 0 : -ECONNRESET;
}

long link_recv_config(struct link *l, void **payload)
{
	__cleanup_free void *buf = NULL;
	struct rund_msg m;
	int ret;

	ret = read_exactly(l->fd, &m, sizeof(m));
	if (ret)
		return ret;
	if (m.type != RUND_MSG_CONFIG || m.len > RUND_MSG_MAX_TO_GUEST)
		return -EPROTO;
	buf = malloc(m.len + 1);
	if (!buf)
		return -ENOMEM;
	ret = read_exactly(l->fd, buf, m.len);
	if (ret)
		return ret;
	*payload = take_ptr(buf);
	return m.len;
}

/* The payload length that a message must have; -EPROTO when it may not come now. */
static int payload_len(uint32_t type)
{
	switch (type) {
	case RUND_MSG_SIGNAL:
		return sizeof(struct rund_signal);
	case RUND_MSG_WINSIZE:
		return sizeof(struct rund_winsize);
	default:
		return -EPROTO;
	}
}

/* How many bytes the message needs before it can be looked at further. */
static int bytes_wanted(const struct link *l)
{
	struct rund_msg m;
	int len;

	if (l->have < sizeof(m))
		return sizeof(m);
	memcpy(&m, l->buf, sizeof(m));
	len = payload_len(m.type);
	if (len < 0 || m.len != len)
		return -EPROTO;
	return sizeof(m) + len;
}

static void take_message(struct link *l, struct link_event *ev)
{
	struct rund_msg m;

	memcpy(&m, l->buf, sizeof(m));
	ev->type = m.type;
	if (m.type == RUND_MSG_SIGNAL)
		memcpy(&ev->signal, l->buf + sizeof(m), sizeof(ev->signal));
	else
		memcpy(&ev->winsize, l->buf + sizeof(m), sizeof(ev->winsize));
	l->have = 0;
}

int link_recv(struct link *l, struct link_event *ev)
{
	for (;;) {
		int want = bytes_wanted(l);
		ssize_t n;

		if (want < 0)
			return want;
		if (l->have == want) {
			take_message(l, ev);
			return 1;
		}
		n = recv(l->fd, l->buf + l->have, want - l->have, MSG_DONTWAIT);
		if (!n)
			return -ECONNRESET;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		l->have += n;
	}
}
