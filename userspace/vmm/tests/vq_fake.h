/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver for tests: guest RAM with one split virtqueue at its start, whose
 * descriptors, avail and used rings a test fills and reads as a guest would.
 */
#ifndef RUND_VMM_TESTS_VQ_FAKE_H
#define RUND_VMM_TESTS_VQ_FAKE_H

#include <linux/virtio_ring.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/mem.h"
#include "vmm/virtio/virtqueue.h"

#define VQF_RAM	  (1U << 20)
#define VQF_DESC  0x0000
#define VQF_AVAIL 0x8000
#define VQF_USED  0xa000
#define VQF_DATA  0x10000 /* vqf_alloc() hands out from here */

struct vq_fake {
	struct mem mem;
	struct vq vq;
	uint64_t brk;	    /* next free guest address */
	uint16_t next_desc; /* next free descriptor; wraps */
	uint16_t avail_idx;
	uint16_t seen_used;
};

static inline void *vqf_ptr(struct vq_fake *f, uint64_t gpa, uint64_t len)
{
	void *p = mem_ptr(&f->mem, gpa, len);

	if (!p)
		abort();
	return p;
}

static inline struct vring_desc *vqf_table(struct vq_fake *f)
{
	return vqf_ptr(f, VQF_DESC, 16 * f->vq.size);
}

/* The queue's rings, laid out in a vq that may belong to a virtio_dev. */
static inline void vqf_setup(struct vq *vq, const struct mem *mem, uint16_t size)
{
	vq->mem = mem;
	vq->max = size;
	vq_reset(vq);
	vq->size = size;
	vq->desc = VQF_DESC;
	vq->avail = VQF_AVAIL;
	vq->used = VQF_USED;
	vq->indirect = true;
}

static inline void vqf_init(struct vq_fake *f, uint16_t size)
{
	memset(f, 0, sizeof(*f));
	if (mem_init(&f->mem, VQF_RAM))
		abort();
	vqf_setup(&f->vq, &f->mem, size);
	f->brk = VQF_DATA;
	if (vq_enable(&f->vq))
		abort();
}

static inline void vqf_fini(struct vq_fake *f)
{
	mem_fini(&f->mem);
}

static inline uint64_t vqf_alloc(struct vq_fake *f, uint64_t len)
{
	uint64_t gpa = f->brk;

	f->brk = (f->brk + len + 15) & ~15ULL;
	vqf_ptr(f, gpa, len);
	return gpa;
}

static inline void vqf_desc(struct vq_fake *f, uint16_t i, uint64_t addr, uint32_t len,
			    uint16_t flags, uint16_t next)
{
	vqf_table(f)[i] = (struct vring_desc){addr, len, flags, next};
}

/* Make a head available. */
static inline void vqf_avail(struct vq_fake *f, uint16_t head)
{
	uint16_t *avail = vqf_ptr(f, VQF_AVAIL, 6 + 2 * f->vq.size);

	avail[2 + (f->avail_idx++ & (f->vq.size - 1))] = head;
	__atomic_store_n(&avail[1], f->avail_idx, __ATOMIC_RELEASE);
}

/* Queue one readable buffer of @out bytes (copied in) and one writable of @in_len; either may be
 * absent (length 0). Returns the head; *in_gpa gets the writable buffer's address. */
static inline uint16_t vqf_add(struct vq_fake *f, const void *out, uint32_t out_len,
			       uint32_t in_len, uint64_t *in_gpa)
{
	uint16_t mask = f->vq.size - 1;
	uint16_t head = f->next_desc++ & mask;

	if (out_len) {
		uint64_t gpa = vqf_alloc(f, out_len);

		memcpy(vqf_ptr(f, gpa, out_len), out, out_len);
		vqf_desc(f, head, gpa, out_len, in_len ? VRING_DESC_F_NEXT : 0,
			 f->next_desc & mask);
	}
	if (in_len) {
		uint16_t i = out_len ? f->next_desc++ & mask : head;
		uint64_t gpa = vqf_alloc(f, in_len);

		vqf_desc(f, i, gpa, in_len, VRING_DESC_F_WRITE, 0);
		if (in_gpa)
			*in_gpa = gpa;
	}
	vqf_avail(f, head);
	return head;
}

/* Take one used element; false when there is none. */
static inline int vqf_used(struct vq_fake *f, uint32_t *head, uint32_t *len)
{
	uint16_t *used = vqf_ptr(f, VQF_USED, 6 + 8 * f->vq.size);
	struct vring_used_elem *ring = (void *)(used + 2);

	if (__atomic_load_n(&used[1], __ATOMIC_ACQUIRE) == f->seen_used)
		return 0;
	*head = ring[f->seen_used & (f->vq.size - 1)].id;
	*len = ring[f->seen_used & (f->vq.size - 1)].len;
	f->seen_used++;
	return 1;
}

/* Forget what was queued: descriptors and data may be used again. */
static inline void vqf_recycle(struct vq_fake *f)
{
	f->brk = VQF_DATA;
	f->next_desc = 0;
}

#endif
