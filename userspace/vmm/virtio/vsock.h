/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the virtio-vsock device: what vsock.c (queues and packets) and
 * vsock-conn.c (one connection and its Unix socket) share.
 *
 * Everything here is protected by the device's vd.lock.  Connections are freed
 * on the loop's thread only (vsock_reap()); a reset, which runs on a vCPU's
 * thread, marks them VSOCK_DEAD and wakes the loop.
 */
#ifndef RUND_VMM_VSOCK_H
#define RUND_VMM_VSOCK_H

#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/loop.h"
#include "vmm/virtio/virtio.h"

#define VSOCK_HDR_LEN	sizeof(struct virtio_vsock_hdr)
#define VSOCK_HOST_CID	2	    /* virtio 1.2, 5.10.4 */
#define VSOCK_MAX_PKT	65536	    /* payload bytes of one packet */
#define VSOCK_BUF_ALLOC (128 << 10) /* bytes a guest may have in flight to one socket */
#define VSOCK_MAX_CONNS 256
#define VSOCK_MAX_RSTS	256 /* resets owed to ports without a connection */
/* Ports of connections that the host opens: [2^30, 2^31). */
#define VSOCK_PORT_BASE 0x40000000U

#define VSOCK_SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_NR_QUEUES };

enum vsock_state {
	VSOCK_HELLO,	 /* host connected; its "CONNECT <port>" line is not complete */
	VSOCK_REQUESTED, /* the guest was asked; it has not answered */
	VSOCK_OPEN,
	VSOCK_DRAINING, /* the guest is done with it; the socket still takes buffered bytes */
	VSOCK_DEAD,	/* to be freed by vsock_reap() */
};

/* Packets owed to the guest, sent as soon as it gives a receive buffer. */
#define VSOCK_OWE_REQUEST	 (1U << 0)
#define VSOCK_OWE_RESPONSE	 (1U << 1)
#define VSOCK_OWE_SHUTDOWN	 (1U << 2)
#define VSOCK_OWE_CREDIT_UPDATE	 (1U << 3)
#define VSOCK_OWE_CREDIT_REQUEST (1U << 4)

struct vsock;

struct vsock_conn {
	struct loop_watch watch; /* fd: the Unix socket */
	struct vsock *vs;
	enum vsock_state state;
	unsigned int slot; /* index in vs->conn */
	uint32_t host_port, guest_port;
	uint32_t owed; /* VSOCK_OWE_* */

	/* Bytes from the guest that the socket has not taken; allocated while there are some. */
	uint8_t *buf;
	uint32_t buf_head, buf_len;

	/* Credit (virtio 1.2, 5.10.6.3); all counters wrap at 2^32. */
	uint32_t fwd_cnt;	 /* bytes the socket took */
	uint32_t fwd_told;	 /* fwd_cnt in the last packet to the guest */
	uint32_t rx_cnt;	 /* bytes the guest sent */
	uint32_t tx_cnt;	 /* bytes sent to the guest */
	uint32_t peer_buf_alloc; /* the guest's last word, hostile */
	uint32_t peer_fwd_cnt;

	bool host_eof;	    /* the socket ended: nothing more for the guest */
	bool host_gone;	    /* the socket takes no more: bytes from the guest are dropped */
	bool credit_asked;  /* a CREDIT_REQUEST is on its way or unanswered */
	bool wr_shut;	    /* shutdown(SHUT_WR) was done */
	uint32_t peer_shut; /* VIRTIO_VSOCK_SHUTDOWN_* the guest sent */
	uint32_t shut_told; /* VIRTIO_VSOCK_SHUTDOWN_* the guest was told */

	char hello[32]; /* the CONNECT line so far */
	unsigned int hello_len;
};

struct vsock_rst {
	uint64_t src_cid;
	uint32_t src_port, dst_port;
	uint16_t type;
};

struct vsock {
	struct virtio_dev vd;
	struct virtio_vsock_config config;
	uint32_t guest_cid;
	char path[108];		    /* prefix of the Unix sockets */
	struct loop_watch listener; /* fd -1 when the path is not bound */
	struct loop_watch wake;	    /* eventfd: work for the loop's thread */
	bool accepting;
	bool active;  /* DRIVER_OK */
	bool starved; /* waiting for receive buffers */
	bool event_owed;

	struct vsock_conn *conn[VSOCK_MAX_CONNS];
	unsigned int nr_conns;
	unsigned int next; /* where the next round over the connections starts */
	uint32_t next_port;

	struct vsock_rst rst[VSOCK_MAX_RSTS]; /* ring */
	unsigned int rst_head, rst_len;

	/* A receive buffer that was popped and not filled yet. */
	bool rx_held;
	struct vq_chain rx, tx;
};

/* vsock.c: packets */

/* The next receive buffer, or NULL (vs->starved is then set until the driver adds some). */
struct vq_chain *vsock_rx_get(struct vsock *vs);
/* Send the buffer of vsock_rx_get() with @len bytes of payload already in it. */
void vsock_rx_send(struct vsock *vs, struct virtio_vsock_hdr *h, uint32_t len);
/* Owe the guest an RST that no connection sends; dropped when too many are owed. */
void vsock_owe_rst(struct vsock *vs, const struct vsock_rst *r);
/* Wake the loop's thread; safe from any thread. */
void vsock_wake(struct vsock *vs);
/* Create what a test or attach() needs before virtio_register(). 0 or -errno; logs. */
int vsock_init(struct vsock *vs, struct vm *vm, uint32_t cid, const char *path);
/* Deliver what the guest already sent, close every connection. Loops no longer run. */
void vsock_fini(struct vsock *vs);
/* Tell the driver that all its connections are gone (virtio 1.2, 5.10.6.7). */
void vsock_transport_reset(struct vsock *vs);

extern const struct virtio_ops vsock_virtio_ops;

/* vsock-conn.c: connections; vd.lock held */

/* A connection on the connected or accepted socket @fd (taken over). NULL: table full or memory. */
struct vsock_conn *vsock_conn_new(struct vsock *vs, int fd, enum vsock_state state);
struct vsock_conn *vsock_conn_find(struct vsock *vs, uint32_t host_port, uint32_t guest_port);
/* The guest sent a packet on this connection; @pkt holds the payload after the header. */
void vsock_conn_packet(struct vsock_conn *c, const struct virtio_vsock_hdr *h,
		       const struct vq_chain *pkt);
/* Send what is owed; false when receive buffers ran out. */
bool vsock_conn_send_owed(struct vsock_conn *c);
/* Watch the socket for what can be done with it now. */
void vsock_conn_interest(struct vsock_conn *c);
/* The guest forgets the connection; the socket still gets what the guest sent before. */
void vsock_conn_abandon(struct vsock_conn *c);
/* Free dead connections; on the loop's thread. */
void vsock_reap(struct vsock *vs);
/* Push buffered bytes into the socket; false when it is no longer worth waiting. */
bool vsock_conn_drain(struct vsock_conn *c);

#endif
