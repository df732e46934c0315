// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-blk requests over io_uring.
 *
 * One ring a disk, used under the device's lock: by the loop's thread for
 * requests and completions, and by a vCPU's thread when the driver resets the
 * device, which waits for everything in flight.  A request is completed
 * exactly once, and nothing refers to guest memory after vblk_drain().
 */
#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "vmm/virtio/blk.h"
#include "vmm/vm.h"

/* Kernel threads that run what cannot be done without blocking (flush, punch). */
#define VBLK_WORKERS 4
/* Requests taken before the loop serves somebody else. */
#define VBLK_BUDGET 256
/* Bytes of copies for direct I/O beyond which no more requests are taken. */
#define VBLK_BOUNCE_MAX (4U << 20)

static void release(struct vblk *b, struct vblk_req *r)
{
	if (r->bounce)
		b->bounced -= r->cmd.len;
	free(r->bounce);
	r->bounce = NULL;
	r->next = b->free;
	b->free = r;
}

static void complete(struct vblk *b, struct vblk_req *r, uint8_t status)
{
	struct vq *vq = &b->vd.vq[0];

	/* Not ready: the driver was reset while io_uring failed, and has forgotten the request. */
	if (vq->ready) {
		/* The status is the last writable byte, whatever the segments. */
		vq_chain_write(&r->c, r->c.in_len - 1, &status, 1);
		vq_push(vq, r->c.head, r->c.in_len);
	}
	release(b, r);
}

static void get_id(struct vblk *b, struct vblk_req *r)
{
	char id[VBLK_ID_LEN + 1] = {0};
	size_t room = r->c.in_len - 1;

	snprintf(id, sizeof(id), "rund-blk%u", b->index);
	vq_chain_write(&r->c, 0, id, room < VBLK_ID_LEN ? room : VBLK_ID_LEN);
	complete(b, r, VIRTIO_BLK_S_OK);
}

static bool aligned(const struct vblk *b, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		if ((uintptr_t)iov[i].iov_base % b->mem_align || iov[i].iov_len % VBLK_SECTOR)
			return false;
	}
	return true;
}

/* What is left to be transferred, as iovecs; returns their number. */
static int remaining(struct vblk_req *r)
{
	bool in = r->cmd.op == VBLK_READ;
	size_t off = (in ? 0 : sizeof(struct virtio_blk_outhdr)) + r->done;

	if (!r->bounce)
		return vq_chain_slice(&r->c, in, off, r->cmd.len - r->done, r->iov);
	r->iov[0] = (struct iovec){r->bounce + r->done, r->cmd.len - r->done};
	return 1;
}

/* Direct I/O on memory that the driver did not align goes through a copy. */
static int make_bounce(struct vblk *b, struct vblk_req *r)
{
	void *p;

	if (!b->mem_align || aligned(b, r->iov, remaining(r)))
		return 0;
	if (posix_memalign(&p, 4096, r->cmd.len))
		return -ENOMEM;
	if (r->cmd.op == VBLK_WRITE)
		vq_chain_read(&r->c, sizeof(struct virtio_blk_outhdr), p, r->cmd.len);
	r->bounce = p;
	b->bounced += r->cmd.len;
	return 0;
}

/* A free entry of the ring: there are as many as requests, once the earlier ones are submitted. */
static struct io_uring_sqe *get_sqe(struct vblk *b)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);

	if (sqe)
		return sqe;
	io_uring_submit(&b->ring);
	return io_uring_get_sqe(&b->ring);
}

static int queue_io(struct vblk *b, struct vblk_req *r)
{
	struct io_uring_sqe *sqe = get_sqe(b);
	uint64_t off = r->cmd.off + r->done;

	if (!sqe)
		return -EBUSY;
	switch (r->cmd.op) {
	case VBLK_READ:
		io_uring_prep_readv(sqe, b->fd, r->iov, remaining(r), off);
		break;
	case VBLK_WRITE:
		io_uring_prep_writev(sqe, b->fd, r->iov, remaining(r), off);
		break;
	case VBLK_PUNCH:
		io_uring_prep_fallocate(sqe, b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
					r->cmd.len);
		break;
	default:
		io_uring_prep_fsync(sqe, b->fd, IORING_FSYNC_DATASYNC);
	}
	io_uring_sqe_set_data(sqe, r);
	b->in_flight++;
	return 0;
}

static void start(struct vblk *b, struct vblk_req *r)
{
	switch (r->cmd.op) {
	case VBLK_FAIL:
		complete(b, r, r->cmd.status);
		break;
	case VBLK_GET_ID:
		get_id(b, r);
		break;
	case VBLK_READ:
	case VBLK_WRITE:
		if (make_bounce(b, r)) {
			complete(b, r, VIRTIO_BLK_S_IOERR);
			break;
		}
		/* fall through */
	default:
		if (queue_io(b, r))
			complete(b, r, VIRTIO_BLK_S_IOERR);
	}
}

static void finish(struct vblk *b, struct vblk_req *r, int res)
{
	bool transfer = r->cmd.op == VBLK_READ || r->cmd.op == VBLK_WRITE;

	b->in_flight--;
	if (!transfer) {
		if (res == -EOPNOTSUPP)
			complete(b, r, VIRTIO_BLK_S_UNSUPP);
		else
			complete(b, r, res < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
		return;
	}
	/* Nothing transferred: an error, or the end of a file that shrank. */
	if (res <= 0 && res != -EAGAIN && res != -EINTR) {
		complete(b, r, VIRTIO_BLK_S_IOERR);
		return;
	}
	r->done += res > 0 ? res : 0;
	if (r->done < r->cmd.len) {
		if (queue_io(b, r))
			complete(b, r, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (r->bounce && r->cmd.op == VBLK_READ)
		vq_chain_write(&r->c, 0, r->bounce, r->cmd.len);
	complete(b, r, VIRTIO_BLK_S_OK);
}

/* Hand what is queued to the kernel, and wait for @wait completions. */
static int submit(struct vblk *b, unsigned int wait)
{
	int ret;

	do {
		ret = io_uring_submit_and_wait(&b->ring, wait);
	} while (ret == -EINTR);
	if (ret >= 0)
		return 0;
	if ((ret == -EAGAIN || ret == -EBUSY) && !wait) {
		/* Out of some resource for now. */
		virtio_kick_again(&b->vd, 0);
		return 0;
	}
	log_err("--blk %u: io_uring failed: %s", b->index, strerror(-ret));
	vm_stop(b->vd.vm, VM_EXIT_INTERNAL);
	return ret;
}

static void reap(struct vblk *b)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&b->ring, &cqe)) {
		struct vblk_req *r = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&b->ring, cqe);
		finish(b, r, res);
	}
}

/* Whether another request can be taken.  If not, there are some in flight, and their completion
 * comes back here. */
static bool has_room(const struct vblk *b)
{
	return b->free && b->bounced < VBLK_BOUNCE_MAX;
}

/*
 * Pop requests while there is room for them and @budget is not used up.
 * Return: 0, or -EINVAL when the driver broke the rules.
 */
static int take_requests(struct vblk *b, unsigned int *budget)
{
	struct vq *vq = &b->vd.vq[0];
	int ret = 0;

	while (has_room(b) && *budget) {
		struct vblk_req *r = b->free;

		ret = vq_pop(vq, &r->c);
		if (ret <= 0)
			break;
		b->free = r->next;
		r->done = 0;
		--*budget;
		ret = vblk_decode(&r->c, b->sectors, b->readonly, &r->cmd);
		if (ret) {
			release(b, r);
			break;
		}
		start(b, r);
	}
	if (ret >= 0)
		return 0;
	virtio_needs_reset(&b->vd, "malformed request");
	return ret;
}

void vblk_process(struct vblk *b)
{
	struct vq *vq = &b->vd.vq[0];
	unsigned int budget = VBLK_BUDGET;

	do {
		vq_disable_notify(vq);
		if (take_requests(b, &budget))
			break;
	} while (has_room(b) && budget && vq_enable_notify(vq));
	if (!budget)
		virtio_kick_again(&b->vd, 0);
	submit(b, 0);
	virtio_signal(&b->vd, vq);
}

static void on_completion(struct loop_watch *w, uint32_t events)
{
	struct vblk *b = w->data;

	pthread_mutex_lock(&b->vd.lock);
	reap(b);
	if (virtio_running(&b->vd, 0))
		vblk_process(b);
	pthread_mutex_unlock(&b->vd.lock);
}

void vblk_drain(struct vblk *b)
{
	while (b->in_flight && !submit(b, 1))
		reap(b);
}

int vblk_io_init(struct vblk *b)
{
	unsigned int workers[2] = {VBLK_WORKERS, VBLK_WORKERS};
	int ret = io_uring_queue_init(VBLK_QUEUE, &b->ring, 0);

	if (ret)
		return log_errno(ret,
				 "--blk %u: no io_uring: %s; set kernel.io_uring_disabled to 0",
				 b->index, strerror(-ret));
	/* Only a bound; an older kernel has its own. */
	io_uring_register_iowq_max_workers(&b->ring, workers);
	b->completions = (struct loop_watch){
		.fd = b->ring.ring_fd, .events = EPOLLIN, .fn = on_completion, .data = b};
	ret = loop_add(b->vd.loop, &b->completions);
	if (ret)
		io_uring_queue_exit(&b->ring);
	return ret;
}

void vblk_io_fini(struct vblk *b)
{
	vblk_drain(b);
	loop_del(b->vd.loop, &b->completions);
	io_uring_queue_exit(&b->ring);
}
