// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-vsock (virtio 1.2, section 5.10), stream sockets only, between the
 * guest and Unix sockets of the host:
 *
 *   guest connects to CID 2, port P   -> the device connects to PATH_P
 *   host connects to PATH and writes
 *   "CONNECT P\n"                     -> the device connects to the guest's port P
 *                                        and answers "OK <host port>\n"
 *
 * then bytes flow both ways.  This is the convention of other small VMMs, so
 * their tools work.  Everything the guest sends is hostile: a packet is copied
 * once and checked, a connection that breaks the rules gets an RST, a ring that
 * breaks them stops the device until the driver resets it.
 */
#include "vmm/virtio/vsock.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/dev.h"
#include "vmm/vm.h"

/*
 * 64 receive buffers are 256 KiB of guest memory (Linux fills every slot with a
 * 4 KiB buffer): the price of each idle guest.
 */
#define QUEUE_SIZE 64
/* Packets taken from the guest before other watches get their turn. */
#define TX_BUDGET 256
/* How long the readers of a VM that was told to stop may take nothing. */
#define STOPPED_PATIENCE_MS 500

void vsock_wake(struct vsock *vs)
{
	uint64_t one = 1;

	/* Fails only when the counter is already huge: then the loop is awake anyway. */
	if (write(vs->wake.fd, &one, sizeof(one)) < 0)
		return;
}

/* The driver broke the ring: nothing more until it resets the device. */
static void device_broken(struct vsock *vs, const char *why)
{
	vs->active = false;
	virtio_needs_reset(&vs->vd, why);
}

struct vq_chain *vsock_rx_get(struct vsock *vs)
{
	struct vq *vq = &vs->vd.vq[VSOCK_RX];
	int ret;

	if (!vs->active)
		return NULL;
	if (vs->rx_held)
		return &vs->rx;
	do {
		ret = vq_pop(vq, &vs->rx);
	} while (!ret && vq_enable_notify(vq));
	if (!ret) {
		vs->starved = true;
		return NULL;
	}
	if (ret < 0 || vs->rx.in_len <= VSOCK_HDR_LEN) {
		device_broken(vs, "vsock: bad receive buffer");
		return NULL;
	}
	vs->rx_held = true;
	return &vs->rx;
}

void vsock_rx_send(struct vsock *vs, struct virtio_vsock_hdr *h, uint32_t len)
{
	h->len = len;
	vq_chain_write(&vs->rx, 0, h, sizeof(*h));
	vq_push(&vs->vd.vq[VSOCK_RX], vs->rx.head, sizeof(*h) + len);
	vs->rx_held = false;
}

void vsock_owe_rst(struct vsock *vs, const struct vsock_rst *r)
{
	/* A guest that provokes resets and takes none loses some; its connect() times out. */
	if (vs->rst_len == VSOCK_MAX_RSTS)
		return;
	vs->rst[(vs->rst_head + vs->rst_len++) % VSOCK_MAX_RSTS] = *r;
}

static void send_rsts(struct vsock *vs)
{
	while (vs->rst_len && vsock_rx_get(vs)) {
		const struct vsock_rst *r = &vs->rst[vs->rst_head];
		struct virtio_vsock_hdr h = {
			.src_cid = r->src_cid,
			.dst_cid = vs->guest_cid,
			.src_port = r->src_port,
			.dst_port = r->dst_port,
			.type = r->type,
			.op = VIRTIO_VSOCK_OP_RST,
		};

		vsock_rx_send(vs, &h, 0);
		vs->rst_head = (vs->rst_head + 1) % VSOCK_MAX_RSTS;
		vs->rst_len--;
	}
}

static void send_event(struct vsock *vs)
{
	struct virtio_vsock_event ev = {.id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET};
	struct vq *vq = &vs->vd.vq[VSOCK_EVENT];
	struct vq_chain *c = &vs->tx;
	int ret;

	if (!vs->event_owed || !vs->active)
		return;
	ret = vq_pop(vq, c);
	if (ret < 0 || (ret && c->in_len < sizeof(ev))) {
		device_broken(vs, "vsock: bad event buffer");
		return;
	}
	if (!ret)
		return; /* the driver's next event buffer comes with a kick */
	vq_chain_write(c, 0, &ev, sizeof(ev));
	vq_push(vq, c->head, sizeof(ev));
	vs->event_owed = false;
	virtio_signal(&vs->vd, vq);
}

void vsock_transport_reset(struct vsock *vs)
{
	vs->event_owed = true;
	send_event(vs);
}

/* Send whatever is owed, as far as there are receive buffers, and watch the sockets accordingly. */
static void flush(struct vsock *vs)
{
	unsigned int start = vs->next;

	send_rsts(vs);
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++) {
		unsigned int slot = (start + i) % VSOCK_MAX_CONNS;

		if (vs->conn[slot] && !vsock_conn_send_owed(vs->conn[slot])) {
			vs->next = slot;
			break;
		}
	}
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++) {
		if (vs->conn[i])
			vsock_conn_interest(vs->conn[i]);
	}
	virtio_signal(&vs->vd, &vs->vd.vq[VSOCK_RX]);
}

/* A connected, non-blocking socket to PATH_<port>, or -errno. */
static int connect_port(const struct vsock *vs, uint32_t port)
{
	__cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -errno;
	/* vsock_init() saw to it that it fits. */
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.96s_%u", vs->path, port);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -errno;
	return take_fd(&fd);
}

static void reply_rst(struct vsock *vs, const struct virtio_vsock_hdr *h)
{
	if (h->op == VIRTIO_VSOCK_OP_RST)
		return;
	vsock_owe_rst(vs, &(struct vsock_rst){
				  .src_cid = h->dst_cid,
				  .src_port = h->dst_port,
				  .dst_port = h->src_port,
				  .type = h->type,
			  });
}

/* The guest connects. */
static void guest_request(struct vsock *vs, const struct virtio_vsock_hdr *h)
{
	struct vsock_conn *c = NULL;
	int fd = connect_port(vs, h->dst_port);

	if (fd >= 0)
		c = vsock_conn_new(vs, fd, VSOCK_OPEN);
	if (!c) {
		log_debug("vsock: guest's connection to port %u refused: %s", h->dst_port,
			  fd < 0 ? strerror(-fd) : "too many connections");
		reply_rst(vs, h);
		return;
	}
	c->host_port = h->dst_port;
	c->guest_port = h->src_port;
	c->peer_buf_alloc = h->buf_alloc;
	c->peer_fwd_cnt = h->fwd_cnt;
	c->owed |= VSOCK_OWE_RESPONSE;
}

static void guest_packet(struct vsock *vs, const struct vq_chain *pkt)
{
	struct virtio_vsock_hdr h;
	struct vsock_conn *c;

	if (vq_chain_read(pkt, 0, &h, sizeof(h)) != sizeof(h))
		return;
	/* Nobody but this guest speaks here (5.10.6.4.1), and an answer goes nowhere else. */
	if (h.src_cid != vs->guest_cid)
		return;
	if (h.type != VIRTIO_VSOCK_TYPE_STREAM || h.dst_cid != VSOCK_HOST_CID) {
		reply_rst(vs, &h);
		return;
	}
	c = vsock_conn_find(vs, h.dst_port, h.src_port);
	if (c)
		vsock_conn_packet(c, &h, pkt);
	else if (h.op == VIRTIO_VSOCK_OP_REQUEST)
		guest_request(vs, &h);
	else
		reply_rst(vs, &h);
}

/* Take up to @budget packets from the guest. True when there may be more. */
static bool take_packets(struct vsock *vs, unsigned int budget)
{
	struct vq *vq = &vs->vd.vq[VSOCK_TX];
	int ret = 0;

	if (!vs->active)
		return false;
	do {
		vq_disable_notify(vq);
		while (budget && (ret = vq_pop(vq, &vs->tx)) == 1) {
			guest_packet(vs, &vs->tx);
			vq_push(vq, vs->tx.head, 0);
			budget--;
		}
		if (ret < 0) {
			device_broken(vs, "vsock: bad transmit ring");
			break;
		}
	} while (budget && vq_enable_notify(vq));
	virtio_signal(&vs->vd, vq);
	return ret >= 0 && !budget;
}

/* Everything there is to do on the loop's thread. */
static void work(struct vsock *vs)
{
	if (take_packets(vs, TX_BUDGET))
		vsock_wake(vs);
	send_event(vs);
	flush(vs);
	vsock_reap(vs);
}

static void vsock_kick(struct virtio_dev *vd, unsigned int q)
{
	struct vsock *vs = vd->priv;

	if (q == VSOCK_RX) {
		vs->starved = false;
		vq_disable_notify(&vd->vq[VSOCK_RX]);
	}
	work(vs);
}

static void wake_ready(struct loop_watch *w, uint32_t events)
{
	struct vsock *vs = w->data;
	uint64_t count;

	if (read(w->fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&vs->vd.lock);
	work(vs);
	pthread_mutex_unlock(&vs->vd.lock);
}

static void listener_ready(struct loop_watch *w, uint32_t events)
{
	struct vsock *vs = w->data;
	struct vsock_conn *c;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int err = errno;

	pthread_mutex_lock(&vs->vd.lock);
	if (fd >= 0) {
		c = vsock_conn_new(vs, fd, VSOCK_HELLO);
		if (c)
			c->host_port = VSOCK_PORT_BASE + (vs->next_port++ & (VSOCK_PORT_BASE - 1));
	} else if (err != EAGAIN && err != EINTR && err != ECONNABORTED) {
		log_warn("vsock: cannot accept on %s: %s; raise the limit on open files", vs->path,
			 strerror(err));
		vs->accepting = false;
	}
	if (vs->nr_conns == VSOCK_MAX_CONNS)
		vs->accepting = false;
	if (!vs->accepting)
		loop_mod(vs->vd.loop, w, 0);
	pthread_mutex_unlock(&vs->vd.lock);
}

static void vsock_activate(struct virtio_dev *vd)
{
	struct vsock *vs = vd->priv;

	vs->active = true;
	vs->starved = false;
	/* Hosts that connected before the driver was there have waited for this. */
	vsock_wake(vs);
}

static void vsock_reset(struct virtio_dev *vd)
{
	struct vsock *vs = vd->priv;

	/* A kernel that shuts down resets its devices right after the last bytes. */
	take_packets(vs, QUEUE_SIZE);
	vs->active = false;
	vs->starved = false;
	vs->rx_held = false;
	vs->rst_len = 0;
	vs->event_owed = false;
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++) {
		struct vsock_conn *c = vs->conn[i];

		/* A host that has not been answered yet waits for the next driver. */
		if (!c || c->state == VSOCK_HELLO)
			continue;
		if (c->state == VSOCK_REQUESTED)
			c->owed = VSOCK_OWE_REQUEST;
		else if (c->state == VSOCK_OPEN)
			vsock_conn_abandon(c);
	}
	vsock_wake(vs);
}

const struct virtio_ops vsock_virtio_ops = {
	.name = "vsock",
	.id = VIRTIO_ID_VSOCK,
	.nr_queues = VSOCK_NR_QUEUES,
	.queue_size = QUEUE_SIZE,
	.kick = vsock_kick,
	.activate = vsock_activate,
	.reset = vsock_reset,
};

static int vsock_check(uint32_t cid, const char *path)
{
	/* Reserved: section 5.10.4. */
	if (cid <= VSOCK_HOST_CID || cid == UINT32_MAX)
		return log_errno(-EINVAL, "vsock: CID %u is reserved; choose one from 3 up", cid);
	if (!path || !*path)
		return log_errno(-EINVAL, "vsock: CID %u has no path; give path=SOCKET", cid);
	/* "_" and up to ten digits follow. */
	if (strlen(path) + 11 >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return log_errno(-ENAMETOOLONG,
				 "vsock: path %s is too long for a Unix socket; use one shorter "
				 "than 97 bytes",
				 path);
	return 0;
}

/* The socket at PATH and the wake-up descriptor; on failure the caller runs vsock_fini(). */
static int vsock_open(struct vsock *vs)
{
	int ret;

	vs->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vs->wake.fd < 0)
		return log_errno(-errno, "vsock: eventfd: %m; raise the limit on open files");
	ret = io_unix_listen(vs->path, 64);
	if (ret < 0)
		return log_errno(ret,
				 "vsock: cannot listen on %s: %s; remove a stale socket and make "
				 "sure that the directory exists",
				 vs->path, strerror(-ret));
	vs->listener.fd = ret;
	ret = io_set_nonblock(vs->listener.fd, 1);
	if (!ret)
		ret = loop_add(vs->vd.loop, &vs->listener);
	if (!ret)
		ret = loop_add(vs->vd.loop, &vs->wake);
	if (ret)
		return log_errno(ret, "vsock: cannot watch %s: %s", vs->path, strerror(-ret));
	vs->accepting = true;
	return 0;
}

int vsock_init(struct vsock *vs, struct vm *vm, uint32_t cid, const char *path)
{
	int ret = vsock_check(cid, path);

	memset(vs, 0, sizeof(*vs));
	if (ret)
		return ret;
	vs->guest_cid = cid;
	vs->config.guest_cid = cid;
	strcpy(vs->path, path);
	vs->listener = (struct loop_watch){-1, EPOLLIN, listener_ready, vs};
	vs->wake = (struct loop_watch){-1, EPOLLIN, wake_ready, vs};
	vs->vd.ops = &vsock_virtio_ops;
	vs->vd.vm = vm;
	vs->vd.loop = &vm->loop;
	vs->vd.config = &vs->config;
	vs->vd.config_len = sizeof(vs->config);
	vs->vd.priv = vs;

	ret = vsock_open(vs);
	if (ret)
		vsock_fini(vs);
	return ret;
}

/*
 * Wait until a socket takes bytes again, as long as its reader likes: that may
 * be a pager.  SIGTERM or SIGINT, which the VMM keeps blocked, or a VM that was
 * stopped rather than ended by its guest, ends the patience.
 */
static bool wait_sockets(struct vsock *vs, int sigfd)
{
	bool stopped = vs->vd.vm->exit == VM_EXIT_STOPPED || vs->vd.vm->exit == VM_EXIT_INTERNAL;
	struct pollfd pfd[VSOCK_MAX_CONNS + 1] = {{.fd = sigfd, .events = POLLIN}};
	int nr = 1, ret;

	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++) {
		struct vsock_conn *c = vs->conn[i];

		if (c && c->state != VSOCK_DEAD && c->buf_len)
			pfd[nr++] = (struct pollfd){.fd = c->watch.fd, .events = POLLOUT};
	}
	if (nr == 1)
		return false;
	do {
		ret = poll(pfd, nr, stopped || sigfd < 0 ? STOPPED_PATIENCE_MS : -1);
	} while (ret < 0 && errno == EINTR);
	if (ret > 0 && !pfd[0].revents)
		return true;
	log_warn("vsock: stopped while %d readers of %s_* took nothing; what the guest had still "
		 "sent them is lost",
		 nr - 1, vs->path);
	return false;
}

/* What the guest sent before it went away still reaches the sockets. */
static void drain_all(struct vsock *vs)
{
	__cleanup_fd int sigfd = -1;
	sigset_t set;

	take_packets(vs, QUEUE_SIZE);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	do {
		for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++) {
			struct vsock_conn *c = vs->conn[i];

			if (c && c->state != VSOCK_DEAD && c->buf_len)
				vsock_conn_drain(c);
		}
	} while (wait_sockets(vs, sigfd));
}

void vsock_fini(struct vsock *vs)
{
	drain_all(vs);
	if (vs->listener.fd >= 0) {
		loop_del(vs->vd.loop, &vs->listener);
		unlink(vs->path);
		close_fd(vs->listener.fd);
		vs->listener.fd = -1;
	}
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++) {
		if (vs->conn[i])
			vs->conn[i]->state = VSOCK_DEAD;
	}
	vsock_reap(vs);
	if (vs->wake.fd >= 0) {
		loop_del(vs->vd.loop, &vs->wake);
		close_fd(vs->wake.fd);
	}
}

static int vsock_attach(struct vm *vm, void **priv)
{
	struct vsock *vs;
	int ret;

	if (!vm->cfg.vsock_cid)
		return 0;
	vs = malloc(sizeof(*vs));
	if (!vs)
		return log_errno(-ENOMEM, "vsock: no memory for the device");
	ret = vsock_init(vs, vm, vm->cfg.vsock_cid, vm->cfg.vsock_path);
	if (!ret) {
		ret = virtio_register(&vs->vd);
		if (ret)
			vsock_fini(vs);
	}
	if (ret) {
		free(vs);
		return ret;
	}
	*priv = vs;
	return 0;
}

static void vsock_detach(struct vm *vm, void *priv)
{
	struct vsock *vs = priv;

	if (!vs)
		return;
	vsock_fini(vs);
	virtio_unregister(&vs->vd);
	free(vs);
}

const struct dev_ops vsock_ops = {
	.name = "vsock",
	.attach = vsock_attach,
	.detach = vsock_detach,
};
