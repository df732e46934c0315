/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of virtio-blk: blk-decode.c understands requests, blk-io.c carries
 * them out, blk.c is the device.
 */
#ifndef RUND_VMM_VIRTIO_BLK_H
#define RUND_VMM_VIRTIO_BLK_H

#include <liburing.h>
#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio/virtio.h"
#include "vmm/virtio/virtqueue.h"

#define VBLK_SECTOR   512ULL
#define VBLK_QUEUE    128
#define VBLK_SEG_MAX  126U	   /* what is left of a full ring beside header and status */
#define VBLK_SIZE_MAX (32U * 1024) /* bytes a segment; bounds a request to 4 MiB */
#define VBLK_ID_LEN   20	   /* section 5.2.6.1 */
/* One range a request; its length is bounded by the disk only. */
#define VBLK_DISCARD_SEGS 1

enum vblk_op {
	VBLK_READ,
	VBLK_WRITE,
	VBLK_FLUSH,
	VBLK_PUNCH, /* discard, and write zeroes */
	VBLK_GET_ID,
	VBLK_FAIL, /* nothing to do but report .status */
};

struct vblk_cmd {
	enum vblk_op op;
	uint8_t status; /* for VBLK_FAIL: VIRTIO_BLK_S_IOERR or _UNSUPP */
	uint64_t off;	/* bytes into the disk */
	uint64_t len;	/* bytes; [off, off + len) lies within the disk */
};

/**
 * vblk_decode() - understand one request (virtio 1.2, section 5.2.6)
 * @c: the chain
 * @sectors: size of the disk
 * @readonly: refuse what writes
 * @cmd: filled
 *
 * Return: 0, or -EINVAL when the chain has no room for header and status, so
 * that not even an error can be reported.
 */
int vblk_decode(const struct vq_chain *c, uint64_t sectors, bool readonly, struct vblk_cmd *cmd);

struct vblk_req {
	struct vblk_req *next; /* free list */
	struct vblk_cmd cmd;
	uint64_t done;	 /* bytes of cmd.len */
	uint8_t *bounce; /* aligned copy for direct I/O; NULL: guest memory itself */
	struct vq_chain c;
	struct iovec iov[VQ_MAX_SEGS];
};

struct vblk {
	struct virtio_dev vd;
	struct virtio_ops ops;
	struct virtio_blk_config config;
	struct io_uring ring;
	struct loop_watch completions;
	unsigned int index; /* of --blk */
	int fd;
	bool readonly;
	uint64_t sectors;
	unsigned int mem_align; /* of direct I/O; 0: buffered */
	unsigned int in_flight;
	size_t bounced; /* bytes in bounce buffers */
	struct vblk_req *free;
	struct vblk_req *reqs;
};

/* Make the ring and watch it. 0 or -errno; logs. */
int vblk_io_init(struct vblk *b);
void vblk_io_fini(struct vblk *b);

/* Take requests from the queue and start them. Call with the device's lock held. */
void vblk_process(struct vblk *b);

/* Wait for what is in flight: it still writes to guest memory. Call with the lock held. */
void vblk_drain(struct vblk *b);

#endif
