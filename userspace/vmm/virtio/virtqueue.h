/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Split virtqueues (virtio 1.2, section 2.7), the device's side.
 *
 * Guest memory is hostile.  vq_pop() reads each descriptor once, checks every
 * address and length against guest RAM, bounds the chain by the queue's size
 * (no endless loops) and returns plain iovecs.  After an error the queue is
 * broken: nothing is popped any more until the driver resets the device.
 */
#ifndef RUND_VMM_VIRTQUEUE_H
#define RUND_VMM_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define VQ_MAX_SIZE 1024
/* Segments of one chain, indirect tables included. */
#define VQ_MAX_SEGS 256

struct mem;

struct vq {
	const struct mem *mem;
	uint16_t max;		    /* largest size offered, a power of two, at most VQ_MAX_SIZE */
	uint16_t size;		    /* size the driver chose */
	uint64_t desc, avail, used; /* guest physical addresses the driver gave */
	bool ready;
	bool broken;
	bool event_idx; /* VIRTIO_F_EVENT_IDX negotiated */
	bool indirect;	/* VIRTIO_F_INDIRECT_DESC negotiated */
	/* Validated by vq_enable(): */
	const void *desc_p;
	const uint16_t *avail_p;
	uint16_t *used_p;
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t signalled; /* used_idx at the last interrupt */
};

/* One buffer: first @nr_out device-readable segments, then @nr_in device-writable ones. */
struct vq_chain {
	uint16_t head;
	uint16_t nr_out;
	uint16_t nr_in;
	size_t out_len; /* bytes in the readable segments */
	size_t in_len;	/* bytes in the writable segments */
	struct iovec iov[VQ_MAX_SEGS];
};

/* Forget all driver state; @max and @mem stay. */
void vq_reset(struct vq *vq);

/**
 * vq_enable() - the driver wrote 1 to QueueReady: check size, alignment and ranges
 * Return: 0, or -EINVAL (the queue stays not ready).
 */
int vq_enable(struct vq *vq);

/**
 * vq_pop() - take the next available buffer
 * Return: 1 and @c filled, 0 when there is none, -EINVAL when the driver broke
 * the rules (the queue is now broken; the device sets DEVICE_NEEDS_RESET).
 */
int vq_pop(struct vq *vq, struct vq_chain *c);

/* Give buffer @head back, @len bytes of its writable segments having been written. */
void vq_push(struct vq *vq, uint16_t head, uint32_t len);

/* Whether the driver wants an interrupt for what was pushed since the last call. */
bool vq_want_irq(struct vq *vq);

/*
 * Suppress or ask for driver notifications.  vq_enable_notify() returns true when buffers became
 * available meanwhile: process again.
 */
void vq_disable_notify(struct vq *vq);
bool vq_enable_notify(struct vq *vq);

/* Copy out of the readable / into the writable segments at a byte offset. Return bytes copied. */
size_t vq_chain_read(const struct vq_chain *c, size_t off, void *buf, size_t len);
size_t vq_chain_write(const struct vq_chain *c, size_t off, const void *buf, size_t len);

/**
 * vq_chain_slice() - iovecs of a byte range of the readable (@in false) or writable segments
 * @out: room for VQ_MAX_SEGS entries
 *
 * Return: number of iovecs, covering min(@len, what is there) bytes.
 */
int vq_chain_slice(const struct vq_chain *c, bool in, size_t off, size_t len, struct iovec *out);

#endif
