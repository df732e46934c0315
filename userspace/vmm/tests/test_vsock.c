// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vsock device against real Unix sockets and a driver played by the test:
 * both ways of connecting, credit, half-close, hostile packets, running out of
 * receive buffers, a stream each way at once, and a million random packets.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/tests/vq_fake.h"
#include "vmm/virtio/mmio.h"
#include "vmm/virtio/vsock.h"
#include "vmm/vm.h"

#define CID	   7
#define PORT	   1024 /* of the host: PATH_1024 listens */
#define GPORT	   5000
#define RX_LEN	   3756 /* what a Linux guest queues */
#define RX_BUFS	   64
#define PEER_ALLOC (256 << 10)

struct fixture {
	struct vm vm;
	struct vsock *vs;
	struct vq_fake q[VSOCK_NR_QUEUES];
	uint64_t rx_gpa[RX_BUFS]; /* by head */
	char dir[64], path[80];
	int listener;
};

#define HDR(...) ((struct virtio_vsock_hdr){__VA_ARGS__})

/* What the loop does in its thread, without waiting. */
static void pump(struct fixture *f)
{
	struct loop *l = &f->vm.loop;
	int n;

	while ((n = epoll_wait(l->epfd, l->batch, LOOP_BATCH, 0)) > 0) {
		bool spin = true;

		l->nr_batch = n;
		for (int i = 0; i < n; i++) {
			struct loop_watch *w = l->batch[i].data.ptr;

			if (!w || !l->batch[i].events)
				continue;
			w->fn(w, l->batch[i].events);
			spin = false;
		}
		l->nr_batch = 0;
		if (spin)
			break;
	}
}

static void kick(struct fixture *f, unsigned int q)
{
	pthread_mutex_lock(&f->vs->vd.lock);
	f->vs->vd.ops->kick(&f->vs->vd, q);
	pthread_mutex_unlock(&f->vs->vd.lock);
}

static void post_rx(struct fixture *f, unsigned int nr)
{
	struct vq_fake *q = &f->q[VSOCK_RX];

	while (nr--) {
		unsigned int head = q->next_desc++ & (RX_BUFS - 1);

		vqf_desc(q, head, f->rx_gpa[head], RX_LEN, VRING_DESC_F_WRITE, 0);
		vqf_avail(q, head);
	}
}

static void start(struct fixture *f)
{
	for (int i = 0; i < VSOCK_NR_QUEUES; i++) {
		struct vq *vq = &f->vs->vd.vq[i];

		vqf_init(&f->q[i], RX_BUFS);
		vqf_setup(vq, &f->q[i].mem, RX_BUFS);
		assert_int_equal(vq_enable(vq), 0);
	}
	for (int i = 0; i < RX_BUFS; i++)
		f->rx_gpa[i] = vqf_alloc(&f->q[VSOCK_RX], RX_LEN);
	pthread_mutex_lock(&f->vs->vd.lock);
	f->vs->vd.ops->activate(&f->vs->vd);
	pthread_mutex_unlock(&f->vs->vd.lock);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char port[128];

	log_init("test", LOG_LEVEL_ERROR);
	snprintf(f->dir, sizeof(f->dir), "/tmp/vsock-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/v", f->dir);
	snprintf(port, sizeof(port), "%s_%d", f->path, PORT);
	f->listener = io_unix_listen(port, 300);
	assert_true(f->listener >= 0);
	io_set_nonblock(f->listener, 1);
	assert_int_equal(loop_init(&f->vm.loop), 0);
	f->vs = malloc(sizeof(*f->vs));
	assert_int_equal(vsock_init(f->vs, &f->vm, CID, f->path), 0);
	assert_int_equal(virtio_mmio_init(&f->vs->vd), 0);
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char port[128];

	/* After a failed test a reader may be missing: do not wait for it. */
	f->vm.exit = VM_EXIT_STOPPED;
	vsock_fini(f->vs);
	virtio_mmio_fini(&f->vs->vd);
	assert_int_not_equal(access(f->path, F_OK), 0);
	free(f->vs);
	for (int i = 0; i < VSOCK_NR_QUEUES; i++)
		vqf_fini(&f->q[i]);
	loop_fini(&f->vm.loop);
	close_fd(f->listener);
	snprintf(port, sizeof(port), "%s_%d", f->path, PORT);
	unlink(port);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* The guest sends one packet, as it stands. */
static void send_raw(struct fixture *f, struct virtio_vsock_hdr h, const void *data, uint32_t len)
{
	struct vq_fake *q = &f->q[VSOCK_TX];
	uint8_t *buf = malloc(sizeof(h) + len);
	uint32_t head, used;

	vqf_recycle(q);
	memcpy(buf, &h, sizeof(h));
	if (len)
		memcpy(buf + sizeof(h), data, len);
	vqf_add(q, buf, sizeof(h) + len, 0, NULL);
	free(buf);
	kick(f, VSOCK_TX);
	pump(f);
	assert_true(vqf_used(q, &head, &used));
}

/* The same, with what is not given filled in for the usual connection. */
static void send_pkt(struct fixture *f, struct virtio_vsock_hdr h, const void *data, uint32_t len)
{
	h.src_cid = CID;
	h.dst_cid = VSOCK_HOST_CID;
	h.type = VIRTIO_VSOCK_TYPE_STREAM;
	if (!h.src_port)
		h.src_port = GPORT;
	if (!h.dst_port)
		h.dst_port = PORT;
	if (!h.buf_alloc)
		h.buf_alloc = PEER_ALLOC;
	send_raw(f, h, data, len);
}

/* The guest takes one packet; false when there is none. */
static bool recv_pkt(struct fixture *f, struct virtio_vsock_hdr *h, void *data)
{
	struct vq_fake *q = &f->q[VSOCK_RX];
	uint32_t head, used;

	if (!vqf_used(q, &head, &used))
		return false;
	assert_true(used >= sizeof(*h) && used <= RX_LEN);
	memcpy(h, vqf_ptr(q, f->rx_gpa[head], sizeof(*h)), sizeof(*h));
	assert_int_equal(h->len, used - sizeof(*h));
	assert_int_equal(h->dst_cid, CID);
	if (data && h->len)
		memcpy(data, vqf_ptr(q, f->rx_gpa[head] + sizeof(*h), h->len), h->len);
	return true;
}

#define expect_op(f, h, want)                      \
	do {                                       \
		assert_true(recv_pkt(f, h, NULL)); \
		assert_int_equal((h)->op, want);   \
	} while (0)

/* The guest connects; returns the host's end. */
static int guest_connect(struct fixture *f, uint32_t gport)
{
	struct virtio_vsock_hdr h;
	int fd;

	post_rx(f, 1);
	kick(f, VSOCK_RX);
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_REQUEST, .src_port = gport), NULL, 0);
	expect_op(f, &h, VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_ALLOC);
	assert_int_equal(h.src_port, PORT);
	assert_int_equal(h.dst_port, gport);
	fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void guest_to_host(void **state)
{
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	struct virtio_vsock_hdr h;
	char buf[RX_LEN];

	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .len = 5), "hello", 5);
	assert_int_equal(read(fd, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);

	post_rx(f, 2);
	kick(f, VSOCK_RX);
	assert_int_equal(write(fd, "world!", 6), 6);
	pump(f);
	assert_true(recv_pkt(f, &h, buf));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 6);
	assert_int_equal(h.fwd_cnt, 5);
	assert_memory_equal(buf, "world!", 6);
	close(fd);
	pump(f);
	expect_op(f, &h, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_SHUT_BOTH);
	assert_int_equal(f->vs->nr_conns, 0);
}

/* Packets that need no connection, and the answer to each. */
static const struct stray {
	const char *name;
	uint64_t src_cid, dst_cid;
	uint32_t dst_port;
	uint32_t len; /* payload, claimed and really there */
	uint16_t type, op;
	int answer; /* op, or 0 for silence */
} strays[] = {
	{"nobody listens", CID, 2, 77, 0, 1, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RST},
	{"data without connection", CID, 2, PORT, 4, 1, VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_OP_RST},
	{"RST is never answered", CID, 2, PORT, 0, 1, VIRTIO_VSOCK_OP_RST, 0},
	{"another CID", CID, 3, PORT, 0, 1, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RST},
	{"forged source", CID + 1, 2, PORT, 0, 1, VIRTIO_VSOCK_OP_REQUEST, 0},
	{"seqpacket", CID, 2, PORT, 0, 2, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RST},
	{"no operation", CID, 2, PORT, 0, 1, 0, VIRTIO_VSOCK_OP_RST},
	{"unknown operation", CID, 2, PORT, 0, 1, 99, VIRTIO_VSOCK_OP_RST},
};

static void stray_packets(void **state)
{
	struct fixture *f = *state;
	struct virtio_vsock_hdr h;
	uint32_t head, used;

	for (size_t i = 0; i < sizeof(strays) / sizeof(strays[0]); i++) {
		const struct stray *t = &strays[i];

		print_message("# %s\n", t->name);
		post_rx(f, 1);
		kick(f, VSOCK_RX);
		h = HDR(.src_cid = t->src_cid, .dst_cid = t->dst_cid, .src_port = 9,
			.dst_port = t->dst_port, .len = t->len, .type = t->type, .op = t->op);
		send_raw(f, h, "data", t->len);
		if (!t->answer) {
			assert_false(recv_pkt(f, &h, NULL));
			continue;
		}
		expect_op(f, &h, t->answer);
		assert_int_equal(h.src_cid, t->dst_cid);
		assert_int_equal(h.src_port, t->dst_port);
		assert_int_equal(h.dst_port, 9);
		assert_int_equal(h.type, t->type);
	}
	/* Shorter than a header: given back, ignored. */
	vqf_add(&f->q[VSOCK_TX], "short", 5, 0, NULL);
	kick(f, VSOCK_TX);
	assert_true(vqf_used(&f->q[VSOCK_TX], &head, &used));
	assert_int_equal(f->vs->nr_conns, 0);
}

/* On an open connection, each of these ends it with an RST and drops the
 * socket. */
static const struct violation {
	const char *name;
	uint16_t op;
	uint32_t len; /* claimed */
	uint32_t real;
} violations[] = {
	{"longer than its buffer", VIRTIO_VSOCK_OP_RW, 100, 99},
	{"length near 2^32", VIRTIO_VSOCK_OP_RW, UINT32_MAX, 10},
	{"payload without a byte", VIRTIO_VSOCK_OP_RW, 1, 0},
	{"above 64 KiB", VIRTIO_VSOCK_OP_RW, VSOCK_MAX_PKT + 1, VSOCK_MAX_PKT + 1},
	{"connect again", VIRTIO_VSOCK_OP_REQUEST, 0, 0},
	{"answer without question", VIRTIO_VSOCK_OP_RESPONSE, 0, 0},
	{"operation 0", VIRTIO_VSOCK_OP_INVALID, 0, 0},
};

static void rule_breakers(void **state)
{
	static const char data[VSOCK_MAX_PKT + 1];
	struct fixture *f = *state;
	struct virtio_vsock_hdr h;
	char c;

	for (size_t i = 0; i < sizeof(violations) / sizeof(violations[0]); i++) {
		const struct violation *t = &violations[i];
		int fd = guest_connect(f, GPORT + i);

		print_message("# %s\n", t->name);
		post_rx(f, 1);
		kick(f, VSOCK_RX);
		send_pkt(f, HDR(.op = t->op, .src_port = GPORT + i, .len = t->len), data, t->real);
		expect_op(f, &h, VIRTIO_VSOCK_OP_RST);
		assert_int_equal(h.dst_port, GPORT + i);
		assert_int_equal(read(fd, &c, 1), 0);
		close(fd);
		assert_int_equal(f->vs->nr_conns, 0);
	}
}

/* Fill the socket and the buffer; one byte more than the credit ends the
 * connection. */
static void credit_overrun(void **state)
{
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	static char data[VSOCK_MAX_PKT];
	struct virtio_vsock_hdr h;
	size_t sent = 0, got = 0;
	ssize_t n;

	while (f->vs->conn[0] && f->vs->conn[0]->buf_len <= VSOCK_BUF_ALLOC - 1000) {
		memset(data, sent / 1000, 1000);
		send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .len = 1000), data, 1000);
		sent += 1000;
	}
	post_rx(f, 4);
	kick(f, VSOCK_RX);
	while (recv_pkt(f, &h, NULL))
		assert_int_equal(h.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .len = VSOCK_MAX_PKT), data, VSOCK_MAX_PKT);
	expect_op(f, &h, VIRTIO_VSOCK_OP_RST);
	/* What came before still arrives, in order. */
	while ((n = read(fd, data, sizeof(data))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal((uint8_t)data[i], (uint8_t)((got + i) / 1000));
		got += n;
		pump(f);
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, sent);
	close(fd);
	assert_int_equal(f->vs->nr_conns, 0);
}

/* The guest is told of room without asking, also when nothing else flows its way. */
static void credit_comes_back(void **state)
{
	static char data[VSOCK_MAX_PKT];
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	struct virtio_vsock_hdr h = {0};
	uint32_t sent = 0;

	post_rx(f, RX_BUFS - 1);
	kick(f, VSOCK_RX);
	while (f->vs->conn[0]->buf_len < VSOCK_BUF_ALLOC) {
		uint32_t room = VSOCK_BUF_ALLOC - f->vs->conn[0]->buf_len;
		uint32_t len = room < sizeof(data) ? room : sizeof(data);

		send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .len = len), data, len);
		sent += len;
	}
	while (recv_pkt(f, &h, NULL))
		;
	/* The buffer is full: whatever was said leaves no room. */
	assert_int_equal(sent - h.fwd_cnt, VSOCK_BUF_ALLOC);
	for (uint32_t got = 0; got < sent; pump(f)) {
		ssize_t n = read(fd, data, sizeof(data));

		assert_true(n > 0);
		got += n;
	}
	while (recv_pkt(f, &h, NULL))
		assert_int_equal(h.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_true(sent - h.fwd_cnt <= VSOCK_BUF_ALLOC / 2);
	close(fd);
}

/* The guest's window: nothing beyond it, one request for more, and counters
 * that wrap. */
static void guest_window(void **state)
{
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	struct virtio_vsock_hdr h;
	char buf[RX_LEN];
	uint32_t cnt = -3U;

	f->vs->conn[0]->tx_cnt = cnt;
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE, .buf_alloc = 10, .fwd_cnt = cnt), NULL,
		 0);
	post_rx(f, 8);
	kick(f, VSOCK_RX);
	assert_int_equal(write(fd, "0123456789abcdef", 16), 16);
	pump(f);
	assert_true(recv_pkt(f, &h, buf));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 10);
	expect_op(f, &h, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	pump(f);
	assert_false(recv_pkt(f, &h, NULL));

	/* It took four bytes, then claims to have taken more than was sent. */
	cnt += 4;
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE, .buf_alloc = 10, .fwd_cnt = cnt), NULL,
		 0);
	assert_true(recv_pkt(f, &h, buf));
	assert_int_equal(h.len, 4);
	assert_memory_equal(buf, "abcd", 4);
	expect_op(f, &h, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE, .buf_alloc = 10, .fwd_cnt = cnt + 99),
		 NULL, 0);
	assert_false(recv_pkt(f, &h, NULL));
	/* The guest asks in turn. */
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_CREDIT_REQUEST, .buf_alloc = 10, .fwd_cnt = cnt + 10),
		 NULL, 0);
	while (recv_pkt(f, &h, buf) && h.op == VIRTIO_VSOCK_OP_RW)
		assert_memory_equal(buf, "ef", 2);
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	close(fd);
}

/* No receive buffers: nothing is lost, nothing spins, all comes when there are
 * some. */
static void no_receive_buffers(void **state)
{
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	struct virtio_vsock_hdr h;
	char buf[RX_LEN];

	assert_int_equal(write(fd, "late", 4), 4);
	close(fd);
	pump(f);
	pump(f);
	assert_true(f->vs->starved);
	assert_int_equal(epoll_wait(f->vm.loop.epfd, f->vm.loop.batch, LOOP_BATCH, 0), 0);
	for (int i = 0; i < 2 * VSOCK_MAX_RSTS; i++)
		send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .src_port = 1), NULL, 0);
	assert_int_equal(f->vs->rst_len, VSOCK_MAX_RSTS);
	for (int i = 0; i < VSOCK_MAX_RSTS; i++) {
		post_rx(f, 1);
		kick(f, VSOCK_RX);
		expect_op(f, &h, VIRTIO_VSOCK_OP_RST);
	}
	post_rx(f, 2);
	kick(f, VSOCK_RX);
	pump(f);
	assert_true(recv_pkt(f, &h, buf));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(buf, "late", 4);
	expect_op(f, &h, VIRTIO_VSOCK_OP_SHUTDOWN);
}

static void half_close(void **state)
{
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	struct virtio_vsock_hdr h;
	char buf[RX_LEN];

	/* The guest ends its direction; the host still writes. */
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .len = 3), "end", 3);
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_SEND), NULL,
		 0);
	assert_int_equal(read(fd, buf, sizeof(buf)), 3);
	assert_int_equal(read(fd, buf, sizeof(buf)), 0);
	post_rx(f, 4);
	kick(f, VSOCK_RX);
	assert_int_equal(write(fd, "more", 4), 4);
	pump(f);
	expect_op(f, &h, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(h.len, 4);
	/* The host ends its own: both are done. */
	shutdown(fd, SHUT_WR);
	pump(f);
	expect_op(f, &h, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_true(h.flags & VIRTIO_VSOCK_SHUTDOWN_SEND);
	close(fd);
	pump(f);

	/* The other way round. */
	fd = guest_connect(f, GPORT + 1);
	while (recv_pkt(f, &h, NULL))
		;
	post_rx(f, 4);
	kick(f, VSOCK_RX);
	shutdown(fd, SHUT_WR);
	pump(f);
	expect_op(f, &h, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .src_port = GPORT + 1, .len = 3), "yes", 3);
	assert_int_equal(read(fd, buf, sizeof(buf)), 3);
	send_pkt(f,
		 HDR(.op = VIRTIO_VSOCK_OP_SHUTDOWN, .src_port = GPORT + 1,
		     .flags = VSOCK_SHUT_BOTH),
		 NULL, 0);
	expect_op(f, &h, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(read(fd, buf, sizeof(buf)), 0);
	close(fd);
	assert_int_equal(f->vs->nr_conns, 0);
}

static const struct hello_case {
	const char *line;
	bool good;
} hellos[] = {
	{"CONNECT 5000\n", true},
	{"CONNECT 1\n", true},
	{"CONNECT 4294967294\n", true},
	{"CONNECT 4294967295\n", false}, /* VMADDR_PORT_ANY */
	{"CONNECT 4294967296\n", false},
	{"CONNECT -1\n", false},
	{"CONNECT  1\n", false},
	{"CONNECT 1 \n", false},
	{"CONNECT \n", false},
	{"CONNECT\n", false},
	{"connect 1\n", false},
	{"\n", false},
	{"CONNECT 00000000000000000000000000000001\n", false},
	{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", false},
};

static void host_connects(void **state)
{
	struct fixture *f = *state;
	struct virtio_vsock_hdr h;
	char buf[64], want[64];

	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		const struct hello_case *t = &hellos[i];
		int fd = io_unix_connect(f->path);

		print_message("# hello %zu\n", i);
		assert_true(fd >= 0);
		io_set_nonblock(fd, 1);
		post_rx(f, 1);
		kick(f, VSOCK_RX);
		for (size_t n = 0; n < strlen(t->line); n++) {
			if (send(fd, t->line + n, 1, MSG_NOSIGNAL) < 0)
				break;
			pump(f);
		}
		if (!t->good) {
			assert_int_not_equal(read(fd, buf, sizeof(buf)), 1);
			assert_false(recv_pkt(f, &h, NULL));
			close(fd);
			pump(f);
			assert_int_equal(f->vs->nr_conns, 0);
			continue;
		}
		/* Bytes sent early stay where they are. */
		assert_int_equal(send(fd, "early", 5, 0), 5);
		expect_op(f, &h, VIRTIO_VSOCK_OP_REQUEST);
		assert_int_equal(read(fd, buf, sizeof(buf)), -1);
		post_rx(f, 2);
		kick(f, VSOCK_RX);
		send_pkt(f,
			 HDR(.op = VIRTIO_VSOCK_OP_RESPONSE, .src_port = h.dst_port,
			     .dst_port = h.src_port),
			 NULL, 0);
		snprintf(want, sizeof(want), "OK %u\n", h.src_port);
		assert_int_equal(read(fd, buf, sizeof(buf)), strlen(want));
		assert_memory_equal(buf, want, strlen(want));
		assert_true(recv_pkt(f, &h, buf));
		assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
		assert_memory_equal(buf, "early", 5);
		close(fd);
		pump(f);
		expect_op(f, &h, VIRTIO_VSOCK_OP_SHUTDOWN);
		assert_int_equal(f->vs->nr_conns, 0);
	}
}

static void host_refused(void **state)
{
	struct fixture *f = *state;
	int fd = io_unix_connect(f->path);
	struct virtio_vsock_hdr h;
	char c;

	post_rx(f, 1);
	kick(f, VSOCK_RX);
	assert_int_equal(write(fd, "CONNECT 9\n", 10), 10);
	pump(f);
	expect_op(f, &h, VIRTIO_VSOCK_OP_REQUEST);
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RST, .src_port = h.dst_port, .dst_port = h.src_port),
		 NULL, 0);
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
	assert_int_equal(f->vs->nr_conns, 0);
}

/* A full table refuses guests at once and lets hosts wait in the listener's
 * queue. */
static void table_full(void **state)
{
	struct fixture *f = *state;
	struct virtio_vsock_hdr h;
	int fd[VSOCK_MAX_CONNS + 1];

	for (int i = 0; i < VSOCK_MAX_CONNS; i++) {
		fd[i] = io_unix_connect(f->path);
		assert_true(fd[i] >= 0);
		pump(f);
	}
	assert_int_equal(f->vs->nr_conns, VSOCK_MAX_CONNS);
	post_rx(f, 2);
	kick(f, VSOCK_RX);
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_REQUEST), NULL, 0);
	expect_op(f, &h, VIRTIO_VSOCK_OP_RST);
	fd[VSOCK_MAX_CONNS] = io_unix_connect(f->path);
	assert_true(fd[VSOCK_MAX_CONNS] >= 0);
	assert_int_equal(write(fd[VSOCK_MAX_CONNS], "CONNECT 1\n", 10), 10);
	pump(f);
	assert_false(recv_pkt(f, &h, NULL));
	close(fd[0]);
	pump(f);
	expect_op(f, &h, VIRTIO_VSOCK_OP_REQUEST);
	for (int i = 1; i <= VSOCK_MAX_CONNS; i++)
		close(fd[i]);
	pump(f);
}

/* A reset drops connections, not bytes; a detach delivers even what is still in
 * the ring. */
static void reset_and_detach(void **state)
{
	static char data[VSOCK_MAX_PKT];
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	size_t sent = 0, got = 0;
	uint8_t pkt[sizeof(struct virtio_vsock_hdr) + 4];
	struct virtio_vsock_hdr h;
	ssize_t n;
	char buf[8];

	while (f->vs->conn[0]->buf_len < 1000) {
		send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .len = 30000), data, 30000);
		sent += 30000;
	}
	pthread_mutex_lock(&f->vs->vd.lock);
	f->vs->vd.ops->reset(&f->vs->vd);
	pthread_mutex_unlock(&f->vs->vd.lock);
	pump(f);
	assert_int_equal(f->vs->nr_conns, 1);
	while ((n = read(fd, data, sizeof(data))) > 0) {
		got += n;
		pump(f);
	}
	assert_int_equal(got, sent);
	assert_int_equal(f->vs->nr_conns, 0);
	close(fd);

	for (int i = 0; i < VSOCK_NR_QUEUES; i++)
		vqf_fini(&f->q[i]);
	start(f);
	fd = guest_connect(f, GPORT);
	h = HDR(.src_cid = CID, .dst_cid = VSOCK_HOST_CID, .src_port = GPORT, .dst_port = PORT,
		.len = 4, .type = 1, .op = VIRTIO_VSOCK_OP_RW);
	memcpy(pkt, &h, sizeof(h));
	memcpy(pkt + sizeof(h), "last", 4);
	vqf_add(&f->q[VSOCK_TX], pkt, sizeof(pkt), 0, NULL);
	vsock_fini(f->vs);
	assert_int_equal(read(fd, buf, sizeof(buf)), 4);
	assert_int_equal(read(fd, buf, sizeof(buf)), 0);
	close(fd);
	virtio_mmio_fini(&f->vs->vd);
	assert_int_equal(vsock_init(f->vs, &f->vm, CID, f->path), 0);
	assert_int_equal(virtio_mmio_init(&f->vs->vd), 0);
}

static void transport_reset_event(void **state)
{
	struct fixture *f = *state;
	uint32_t head, used;
	uint64_t gpa;

	vsock_transport_reset(f->vs);
	assert_true(f->vs->event_owed);
	vqf_add(&f->q[VSOCK_EVENT], NULL, 0, 4, &gpa);
	kick(f, VSOCK_EVENT);
	assert_true(vqf_used(&f->q[VSOCK_EVENT], &head, &used));
	assert_int_equal(used, 4);
	assert_int_equal(*(uint32_t *)vqf_ptr(&f->q[VSOCK_EVENT], gpa, 4),
			 VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	assert_false(f->vs->event_owed);
}

/* A broken ring stops the device; a reset brings it back. */
static void broken_ring(void **state)
{
	struct fixture *f = *state;

	vqf_desc(&f->q[VSOCK_TX], 0, 1ULL << 40, 44, 0, 0);
	vqf_avail(&f->q[VSOCK_TX], 0);
	kick(f, VSOCK_TX);
	assert_false(f->vs->active);
	for (int i = 0; i < VSOCK_NR_QUEUES; i++)
		vqf_fini(&f->q[i]);
	start(f);
	close(guest_connect(f, GPORT));
	pump(f);
}

static uint64_t rng_state;

static uint32_t rnd(void)
{
	rng_state = rng_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return rng_state >> 33;
}

/* The guest's side of the echo: what it would do with its windows, no better.
 */
struct peer {
	uint32_t tx, rx, fwd; /* bytes sent, received, consumed */
	uint32_t dev_alloc, dev_fwd;
};

static void peer_send(struct fixture *f, struct peer *p, uint32_t total)
{
	static uint8_t data[VSOCK_MAX_PKT];
	uint32_t room = p->dev_alloc - (p->tx - p->dev_fwd);
	uint32_t len = 1 + rnd() % VSOCK_MAX_PKT;

	if (len > room)
		len = room;
	if (len > total - p->tx)
		len = total - p->tx;
	if (!len)
		return;
	for (uint32_t i = 0; i < len; i++)
		data[i] = (p->tx + i) * 2654435761U >> 24;
	send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_RW, .len = len, .fwd_cnt = p->fwd), data, len);
	p->tx += len;
}

static void peer_recv(struct fixture *f, struct peer *p)
{
	uint8_t data[RX_LEN];
	struct virtio_vsock_hdr h;

	while (recv_pkt(f, &h, data)) {
		assert_true(h.op == VIRTIO_VSOCK_OP_RW || h.op == VIRTIO_VSOCK_OP_CREDIT_UPDATE ||
			    h.op == VIRTIO_VSOCK_OP_CREDIT_REQUEST);
		for (uint32_t i = 0; i < h.len; i++)
			assert_int_equal(data[i], (uint8_t)((p->rx + i) * 2654435761U >> 24));
		p->rx += h.len;
		assert_true(p->rx - p->fwd <= PEER_ALLOC);
		p->dev_fwd = h.fwd_cnt;
		post_rx(f, 1);
	}
	kick(f, VSOCK_RX);
	if (rnd() % 2 && p->fwd != p->rx) {
		p->fwd = p->rx;
		send_pkt(f, HDR(.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE, .fwd_cnt = p->fwd), NULL, 0);
	}
}

/* The host's side of the echo: reads when it likes, writes back what it read.
 */
static void host_echo(int fd)
{
	static uint8_t buf[1 << 20];
	static uint32_t held;
	ssize_t n;

	if (rnd() % 4 && held < sizeof(buf)) {
		n = read(fd, buf + held, 1 + rnd() % (sizeof(buf) - held));
		if (n > 0)
			held += n;
	}
	n = held ? send(fd, buf, 1 + rnd() % held, MSG_NOSIGNAL) : 0;
	if (n > 0) {
		memmove(buf, buf + n, held - n);
		held -= n;
	}
}

static void echo_both_ways(void **state)
{
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	struct peer p = {.dev_alloc = VSOCK_BUF_ALLOC};
	const uint32_t total = 32 << 20;
	uint32_t idle = 0, last = 0;

	rng_state = 1;
	post_rx(f, RX_BUFS - 1);
	kick(f, VSOCK_RX);
	while (p.rx < total) {
		peer_send(f, &p, total);
		host_echo(fd);
		pump(f);
		peer_recv(f, &p);
		idle = p.rx == last ? idle + 1 : 0;
		last = p.rx;
		assert_true(idle < 100000); /* a stall is a deadlock */
	}
	assert_int_equal(p.tx, total);
	close(fd);
}

/* Random headers, lengths and kicks; the host's side closes, writes and
 * connects at random. */
static void random_packets(void **state)
{
	static uint8_t data[2048];
	struct fixture *f = *state;
	struct virtio_vsock_hdr h;
	int fd = -1;
	uint32_t head, used;

	rng_state = 20240607;
	print_message("# seed %llu\n", (unsigned long long)rng_state);
	for (int i = 0; i < 1000000; i++) {
		uint32_t len = rnd() % 64 ? rnd() % 32 : rnd() % sizeof(data);

		h = (struct virtio_vsock_hdr){
			.src_cid = rnd() % 64 ? CID : rnd(),
			.dst_cid = rnd() % 64 ? VSOCK_HOST_CID : rnd(),
			.src_port = rnd() % 8,
			.dst_port = rnd() % 16 ? PORT : VSOCK_PORT_BASE + rnd() % 64,
			.type = rnd() % 32 ? VIRTIO_VSOCK_TYPE_STREAM : rnd(),
			.op = rnd() % 16 ? rnd() % 8 : rnd(),
			.len = rnd() % 16 ? len : rnd(),
			.flags = rnd() % 4,
			.buf_alloc = rnd() % 4 ? PEER_ALLOC : rnd(),
			.fwd_cnt = rnd() % 4 ? 0 : rnd(),
		};
		vqf_recycle(&f->q[VSOCK_TX]);
		memcpy(data, &h, sizeof(h));
		if (rnd() % 64)
			vqf_add(&f->q[VSOCK_TX], data, sizeof(h) + len % 1024, 0, NULL);
		else
			vqf_add(&f->q[VSOCK_TX], data, 1 + rnd() % sizeof(h), 0, NULL);
		kick(f, VSOCK_TX);
		assert_true(vqf_used(&f->q[VSOCK_TX], &head, &used));
		if (i % 4)
			continue;
		if (fd < 0)
			fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0 && rnd() % 2 &&
		    send(fd, data, rnd() % sizeof(data), MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
			close(fd);
			fd = -1;
		}
		if (fd >= 0 && (rnd() % 2 || read(fd, data, rnd() % sizeof(data)) == 0)) {
			close(fd);
			fd = -1;
		}
		pump(f);
		while (recv_pkt(f, &h, NULL))
			;
		post_rx(f,
			RX_BUFS - (uint16_t)(f->q[VSOCK_RX].avail_idx - f->q[VSOCK_RX].seen_used));
		kick(f, VSOCK_RX);
	}
	close_fd(fd);
}

/* A ring that the driver broke must not leave a socket that has bytes for it ready for ever. */
static void broken_ring_is_idle(void **state)
{
	struct fixture *f = *state;
	int fd = guest_connect(f, GPORT);
	struct vq_fake *q = &f->q[VSOCK_TX];
	struct epoll_event ev[LOOP_BATCH];
	int calls = 0;

	post_rx(f, 1);
	kick(f, VSOCK_RX);
	pump(f);
	q->avail_idx += RX_BUFS + 1;
	vqf_avail(q, 0);
	kick(f, VSOCK_TX);
	assert_false(f->vs->active);
	assert_int_equal(write(fd, "x", 1), 1);
	for (int i = 0; i < 20; i++) {
		int n = epoll_wait(f->vm.loop.epfd, ev, LOOP_BATCH, 0);

		for (int j = 0; j < n; j++, calls++) {
			struct loop_watch *w = ev[j].data.ptr;

			w->fn(w, ev[j].events);
		}
	}
	assert_true(calls < 5);
	close(fd);
}

static const struct {
	uint32_t cid;
	const char *path;
	int ret;
} configs[] = {
	{0, "v", -EINVAL},  {2, "v", -EINVAL}, {UINT32_MAX, "v", -EINVAL},
	{3, NULL, -EINVAL}, {3, "", -EINVAL},  {3, "/nonexistent/dir/v", -ENOENT},
};

static void bad_configuration(void **state)
{
	struct fixture *f = *state;
	struct vsock *vs = malloc(sizeof(*vs));
	char path[98] = {0};

	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++)
		assert_int_equal(vsock_init(vs, &f->vm, configs[i].cid, configs[i].path),
				 configs[i].ret);
	/* "_" and ten digits must still fit a sockaddr_un. */
	memset(path, 'x', 97);
	assert_int_equal(vsock_init(vs, &f->vm, 3, path), -ENAMETOOLONG);
	/* In use: refused, and the owner's socket stays. */
	assert_int_equal(vsock_init(vs, &f->vm, CID, f->path), -EADDRINUSE);
	assert_int_equal(access(f->path, F_OK), 0);
	free(vs);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(guest_to_host),	  T(stray_packets),	T(rule_breakers),
		T(credit_overrun),	  T(credit_comes_back), T(guest_window),
		T(no_receive_buffers),	  T(half_close),	T(host_connects),
		T(host_refused),	  T(table_full),	T(reset_and_detach),
		T(transport_reset_event), T(broken_ring),	T(echo_both_ways),
		T(broken_ring_is_idle),	  T(random_packets),	T(bad_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
