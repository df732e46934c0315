// SPDX-License-Identifier: GPL-2.0-only
/*
 * One vsock connection: a Unix stream socket on the host's side, a port pair
 * on the guest's.
 *
 * Never blocks and never drops a byte the guest was given credit for: bytes the
 * socket does not take at once wait in a buffer of VSOCK_BUF_ALLOC bytes, which
 * is all the credit the guest gets.  Bytes for the guest stay in the socket
 * until there is credit and a receive buffer.  So neither direction can stop
 * the other, and memory is bounded by VSOCK_MAX_CONNS * VSOCK_BUF_ALLOC.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/virtio/vsock.h"

/* Packets moved to the guest before other watches get their turn. */
#define FILL_BUDGET 64

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void conn_kill(struct vsock_conn *c)
{
	c->state = VSOCK_DEAD;
	vsock_wake(c->vs);
}

void vsock_conn_abandon(struct vsock_conn *c)
{
	c->owed = 0;
	if (c->buf_len && !c->host_gone)
		c->state = VSOCK_DRAINING;
	else
		conn_kill(c);
}

/* Tell the guest that the connection is no more, and let go of it. */
static void conn_reset(struct vsock_conn *c)
{
	vsock_owe_rst(c->vs, &(struct vsock_rst){
				     .src_cid = VSOCK_HOST_CID,
				     .src_port = c->host_port,
				     .dst_port = c->guest_port,
				     .type = VIRTIO_VSOCK_TYPE_STREAM,
			     });
	vsock_conn_abandon(c);
}

/* Bytes the guest can still take.  Its counters are hostile: they only bound what we send it. */
static uint32_t conn_credit(const struct vsock_conn *c)
{
	uint32_t in_flight = c->tx_cnt - c->peer_fwd_cnt;

	return in_flight < c->peer_buf_alloc ? c->peer_buf_alloc - in_flight : 0;
}

static bool conn_readable(const struct vsock_conn *c)
{
	/* A broken device has no buffers until its reset: sockets shall not keep the loop busy. */
	return c->state == VSOCK_OPEN && c->vs->active && !c->vs->starved && !c->host_eof &&
	       conn_credit(c) && !(c->peer_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
}

void vsock_conn_interest(struct vsock_conn *c)
{
	uint32_t events = 0;

	if (c->state == VSOCK_DEAD)
		return;
	if (c->state == VSOCK_HELLO || conn_readable(c))
		events |= EPOLLIN;
	if (c->buf_len)
		events |= EPOLLOUT;
	/* A hang-up is reported whatever is asked for; at an edge only, or an idle connection that
	 * cannot act on it yet would spin. */
	if (!events)
		events = EPOLLET;
	if (events != c->watch.events && loop_mod(c->vs->vd.loop, &c->watch, events))
		conn_reset(c);
}

static void conn_header(struct vsock_conn *c, struct virtio_vsock_hdr *h, uint16_t op,
			uint32_t flags)
{
	*h = (struct virtio_vsock_hdr){
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = c->vs->guest_cid,
		.src_port = c->host_port,
		.dst_port = c->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = VSOCK_BUF_ALLOC,
		.fwd_cnt = c->fwd_cnt,
	};
	/* Every packet carries the counters. */
	c->fwd_told = c->fwd_cnt;
	c->owed &= ~VSOCK_OWE_CREDIT_UPDATE;
}

static bool conn_send(struct vsock_conn *c, uint32_t owed, uint16_t op, uint32_t flags)
{
	struct virtio_vsock_hdr h;

	if (!(c->owed & owed))
		return true;
	if (!vsock_rx_get(c->vs))
		return false;
	conn_header(c, &h, op, flags);
	vsock_rx_send(c->vs, &h, 0);
	c->owed &= ~owed;
	return true;
}

static uint32_t conn_shut_flags(const struct vsock_conn *c)
{
	return (c->host_eof ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0) |
	       (c->host_gone ? VIRTIO_VSOCK_SHUTDOWN_RCV : 0);
}

/* End of stream, in one direction or both. */
static bool conn_send_shutdown(struct vsock_conn *c)
{
	uint32_t shut = conn_shut_flags(c);

	if (!(c->owed & VSOCK_OWE_SHUTDOWN))
		return true;
	if (!conn_send(c, VSOCK_OWE_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN, shut))
		return false;
	c->shut_told = shut;
	/* Neither side can say anything more.  The guest may read on from its own buffer; what it
	 * sends from now on is answered by an RST, as for any unknown port. */
	if (shut == VSOCK_SHUT_BOTH)
		conn_kill(c);
	return true;
}

bool vsock_conn_send_owed(struct vsock_conn *c)
{
	return !c->owed ||
	       (conn_send(c, VSOCK_OWE_REQUEST, VIRTIO_VSOCK_OP_REQUEST, 0) &&
		conn_send(c, VSOCK_OWE_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE, 0) &&
		conn_send(c, VSOCK_OWE_CREDIT_UPDATE, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0) &&
		conn_send(c, VSOCK_OWE_CREDIT_REQUEST, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0) &&
		conn_send_shutdown(c));
}

/* The socket's state changed: tell the guest which directions ended. */
static void conn_owe_shutdown(struct vsock_conn *c)
{
	if (c->state == VSOCK_OPEN && conn_shut_flags(c) != c->shut_told)
		c->owed |= VSOCK_OWE_SHUTDOWN;
}

static void conn_host_gone(struct vsock_conn *c)
{
	c->host_gone = true;
	/* Nobody reads on either: what the guest does not want can end too. */
	if (c->peer_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		c->host_eof = true;
	c->fwd_cnt += c->buf_len;
	c->buf_len = 0;
	if (c->state == VSOCK_DRAINING)
		conn_kill(c);
	else
		conn_owe_shutdown(c);
}

/* Owe the guest its credit back before it can run dry: below half, not on every byte. */
static void conn_owe_credit(struct vsock_conn *c)
{
	uint32_t seen = c->rx_cnt - c->fwd_told; /* in flight as the guest knows it */

	if (c->state == VSOCK_OPEN && c->fwd_cnt != c->fwd_told && seen > VSOCK_BUF_ALLOC / 2)
		c->owed |= VSOCK_OWE_CREDIT_UPDATE;
}

/* Send to the socket. Return bytes taken (0: not now), or -1 when it takes no more, ever. */
static ssize_t conn_sendmsg(struct vsock_conn *c, struct iovec *iov, int nr)
{
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = nr};
	ssize_t n;

	do {
		n = sendmsg(c->watch.fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
		return 0;
	return n;
}

/* Everything the guest sent is in the socket: pass its end of stream on. */
static void conn_drained(struct vsock_conn *c)
{
	free(c->buf);
	c->buf = NULL;
	c->buf_head = 0;
	if (c->state == VSOCK_DRAINING) {
		conn_kill(c);
	} else if ((c->peer_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) && !c->wr_shut) {
		c->wr_shut = true;
		shutdown(c->watch.fd, SHUT_WR);
	}
}

bool vsock_conn_drain(struct vsock_conn *c)
{
	while (c->buf_len) {
		uint32_t first = min_u32(c->buf_len, VSOCK_BUF_ALLOC - c->buf_head);
		struct iovec iov[2] = {
			{.iov_base = c->buf + c->buf_head, .iov_len = first},
			{.iov_base = c->buf, .iov_len = c->buf_len - first},
		};
		ssize_t n = conn_sendmsg(c, iov, 2);

		if (n < 0) {
			conn_host_gone(c);
			break;
		}
		if (!n)
			return true;
		c->buf_head = (c->buf_head + n) % VSOCK_BUF_ALLOC;
		c->buf_len -= n;
		c->fwd_cnt += n;
	}
	conn_drained(c);
	conn_owe_credit(c);
	return false;
}

/* Keep what the socket did not take: bytes [@off, @off + @len) of the packet. */
static bool conn_buffer(struct vsock_conn *c, const struct vq_chain *pkt, size_t off, uint32_t len)
{
	uint32_t tail, first;

	if (!c->buf)
		c->buf = malloc(VSOCK_BUF_ALLOC);
	if (!c->buf)
		return false;
	tail = (c->buf_head + c->buf_len) % VSOCK_BUF_ALLOC;
	first = min_u32(len, VSOCK_BUF_ALLOC - tail);
	vq_chain_read(pkt, off, c->buf + tail, first);
	vq_chain_read(pkt, off + first, c->buf, len - first);
	c->buf_len += len;
	return true;
}

/* Payload from the guest. */
static void conn_data(struct vsock_conn *c, uint32_t len, const struct vq_chain *pkt)
{
	struct iovec iov[VQ_MAX_SEGS];
	ssize_t n = 0;

	if (c->state != VSOCK_OPEN || (c->peer_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) ||
	    len > VSOCK_MAX_PKT || len > pkt->out_len - VSOCK_HDR_LEN ||
	    len > VSOCK_BUF_ALLOC - c->buf_len) {
		/* Beyond its credit, or beyond its own packet. */
		conn_reset(c);
		return;
	}
	c->rx_cnt += len;
	if (!len)
		return;
	if (!c->buf_len && !c->host_gone) {
		n = conn_sendmsg(c, iov, vq_chain_slice(pkt, false, VSOCK_HDR_LEN, len, iov));
		if (n < 0)
			conn_host_gone(c);
	}
	if (c->host_gone)
		n = len;
	c->fwd_cnt += n;
	if (n < len && !conn_buffer(c, pkt, VSOCK_HDR_LEN + n, len - n)) {
		log_err("vsock: no memory for the connection to port %u; it is reset",
			c->host_port);
		conn_reset(c);
		return;
	}
	conn_owe_credit(c);
}

static void conn_shutdown(struct vsock_conn *c, uint32_t flags)
{
	c->peer_shut |= flags & VSOCK_SHUT_BOTH;
	if (c->state != VSOCK_OPEN || c->peer_shut == VSOCK_SHUT_BOTH) {
		conn_reset(c);
		return;
	}
	if (c->peer_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
		shutdown(c->watch.fd, SHUT_RD);
	if (!c->buf_len)
		conn_drained(c);
}

/* The guest accepted a connection that the host asked for. */
static void conn_response(struct vsock_conn *c)
{
	char line[32];
	int n;

	if (c->state != VSOCK_REQUESTED) {
		conn_reset(c);
		return;
	}
	c->state = VSOCK_OPEN;
	n = snprintf(line, sizeof(line), "OK %u\n", c->host_port);
	/* The first bytes into an empty socket: they fit or the peer is gone. */
	if (send(c->watch.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		conn_reset(c);
}

void vsock_conn_packet(struct vsock_conn *c, const struct virtio_vsock_hdr *h,
		       const struct vq_chain *pkt)
{
	c->peer_buf_alloc = h->buf_alloc;
	c->peer_fwd_cnt = h->fwd_cnt;
	if (conn_credit(c))
		c->credit_asked = false;

	switch (h->op) {
	case VIRTIO_VSOCK_OP_RW:
		conn_data(c, h->len, pkt);
		break;
	case VIRTIO_VSOCK_OP_RESPONSE:
		conn_response(c);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		conn_shutdown(c, h->flags);
		break;
	case VIRTIO_VSOCK_OP_RST:
		vsock_conn_abandon(c);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		if (c->state == VSOCK_OPEN)
			c->owed |= VSOCK_OWE_CREDIT_UPDATE;
		break;
	default: /* REQUEST on a live connection, or no operation at all */
		conn_reset(c);
	}
}

/* Move bytes from the socket straight into the guest's receive buffers. */
static void conn_fill(struct vsock_conn *c)
{
	struct iovec iov[VQ_MAX_SEGS];
	struct virtio_vsock_hdr h;
	int budget = FILL_BUDGET;

	while (conn_readable(c) && budget--) {
		struct vq_chain *rx = vsock_rx_get(c->vs);
		uint32_t room;
		ssize_t n;

		if (!rx)
			return;
		room = min_u32(conn_credit(c), VSOCK_MAX_PKT);
		n = readv(c->watch.fd, iov, vq_chain_slice(rx, true, VSOCK_HDR_LEN, room, iov));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			conn_reset(c);
			return;
		}
		if (!n) {
			c->host_eof = true;
			conn_owe_shutdown(c);
			return;
		}
		conn_header(c, &h, VIRTIO_VSOCK_OP_RW, 0);
		c->tx_cnt += n;
		vsock_rx_send(c->vs, &h, n);
	}
	if (c->state == VSOCK_OPEN && !conn_credit(c) && !c->credit_asked) {
		c->credit_asked = true;
		c->owed |= VSOCK_OWE_CREDIT_REQUEST;
	}
}

/* Exactly "CONNECT <port>\n". */
static bool parse_hello(const char *line, uint32_t *port)
{
	static const char word[] = "CONNECT ";
	unsigned long v;
	char *end;

	if (strncmp(line, word, strlen(word)))
		return false;
	line += strlen(word);
	if (*line < '0' || *line > '9')
		return false;
	v = strtoul(line, &end, 10);
	*port = v;
	return v < UINT32_MAX && !strcmp(end, "\n");
}

/* Take "CONNECT <port>\n" off the socket and not a byte more. */
static void conn_hello(struct vsock_conn *c)
{
	char *dst = c->hello + c->hello_len;
	size_t room = sizeof(c->hello) - 1 - c->hello_len;
	ssize_t n = recv(c->watch.fd, dst, room, MSG_PEEK | MSG_DONTWAIT);
	char *nl;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_kill(c);
		return;
	}
	nl = memchr(dst, '\n', n);
	if (nl)
		n = nl + 1 - dst;
	if (recv(c->watch.fd, dst, n, MSG_DONTWAIT) != n) {
		conn_kill(c);
		return;
	}
	c->hello_len += n;
	c->hello[c->hello_len] = '\0';
	if (!nl && n < room)
		return;
	if (!nl || !parse_hello(c->hello, &c->guest_port)) {
		conn_kill(c);
		return;
	}
	c->state = VSOCK_REQUESTED;
	c->owed |= VSOCK_OWE_REQUEST;
}

static void conn_ready(struct loop_watch *w, uint32_t events)
{
	struct vsock_conn *c = w->data;
	struct vsock *vs = c->vs;

	pthread_mutex_lock(&vs->vd.lock);
	if (c->state == VSOCK_HELLO)
		conn_hello(c);
	if (c->buf_len && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		vsock_conn_drain(c);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_fill(c);
	if (events & (EPOLLHUP | EPOLLERR)) {
		if (c->state == VSOCK_REQUESTED)
			conn_reset(c);
		else if (c->host_eof || (c->peer_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
			conn_host_gone(c);
	}
	vsock_conn_send_owed(c);
	vsock_conn_interest(c);
	virtio_signal(&vs->vd, &vs->vd.vq[VSOCK_RX]);
	vsock_reap(vs);
	pthread_mutex_unlock(&vs->vd.lock);
}

struct vsock_conn *vsock_conn_new(struct vsock *vs, int fd, enum vsock_state state)
{
	struct vsock_conn *c = NULL;
	unsigned int i;

	for (i = 0; i < VSOCK_MAX_CONNS && vs->conn[i]; i++)
		;
	if (i < VSOCK_MAX_CONNS)
		c = calloc(1, sizeof(*c));
	if (!c) {
		close_fd(fd);
		return NULL;
	}
	c->vs = vs;
	c->state = state;
	c->slot = i;
	c->watch = (struct loop_watch){
		.fd = fd,
		.events = state == VSOCK_HELLO ? EPOLLIN : EPOLLET,
		.fn = conn_ready,
		.data = c,
	};
	if (loop_add(vs->vd.loop, &c->watch)) {
		close_fd(fd);
		free(c);
		return NULL;
	}
	vs->conn[i] = c;
	vs->nr_conns++;
	return c;
}

struct vsock_conn *vsock_conn_find(struct vsock *vs, uint32_t host_port, uint32_t guest_port)
{
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++) {
		struct vsock_conn *c = vs->conn[i];

		if (c && c->host_port == host_port && c->guest_port == guest_port &&
		    (c->state == VSOCK_OPEN || c->state == VSOCK_REQUESTED))
			return c;
	}
	return NULL;
}

void vsock_reap(struct vsock *vs)
{
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++) {
		struct vsock_conn *c = vs->conn[i];

		if (!c || c->state != VSOCK_DEAD)
			continue;
		loop_del(vs->vd.loop, &c->watch);
		close_fd(c->watch.fd);
		free(c->buf);
		free(c);
		vs->conn[i] = NULL;
		vs->nr_conns--;
	}
	if (!vs->accepting && vs->listener.fd >= 0 && vs->nr_conns < VSOCK_MAX_CONNS)
		vs->accepting = !loop_mod(vs->vd.loop, &vs->listener, EPOLLIN);
}
