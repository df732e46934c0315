// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueues, the device's side (virtio 1.2, section 2.7).
 *
 * The three rings are range-checked once, when the driver enables the queue,
 * and RAM is never unmapped while a device lives, so the pointers stay good.
 * What the rings hold may change at any moment: each field is loaded once,
 * checked and then used from the copy.  Little-endian host assumed (x86-64).
 */
#include "vmm/virtio/virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "vmm/mem.h"

/* Offsets, in 16-bit units, in the avail and used rings (sections 2.7.6, 2.7.8). */
#define RING_FLAGS	0
#define RING_IDX	1
#define AVAIL_RING	2
#define USED_ELEM	2
#define USED_EVENT(vq)	(AVAIL_RING + (vq)->size)
#define AVAIL_EVENT(vq) (USED_ELEM + 4 * (vq)->size)

static uint16_t load(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static void full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* An indirect table may lie at any address: struct vring_desc (section 2.7.5), unaligned. */
struct raw_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
} __attribute__((packed));

/* One load a field: the guest may rewrite the descriptor meanwhile. */
static struct vring_desc load_desc(const void *table, unsigned int i)
{
	const volatile struct raw_desc *d = (const volatile struct raw_desc *)table + i;

	return (struct vring_desc){
		.addr = d->addr,
		.len = d->len,
		.flags = d->flags,
		.next = d->next,
	};
}

void vq_reset(struct vq *vq)
{
	*vq = (struct vq){.mem = vq->mem, .max = vq->max};
}

int vq_enable(struct vq *vq)
{
	unsigned int size = vq->size;
	const void *desc, *avail;
	void *used;

	if (!size || size > vq->max || size > VQ_MAX_SIZE || size & (size - 1))
		return -EINVAL;
	/* Alignments: section 2.7, table of the parts of a virtqueue. */
	if (vq->desc % 16 || vq->avail % 2 || vq->used % 4)
		return -EINVAL;
	/* Both rings end in the 16-bit event field. */
	desc = mem_ptr(vq->mem, vq->desc, 16 * size);
	avail = mem_ptr(vq->mem, vq->avail, 2 * AVAIL_RING + 2 * size + 2);
	used = mem_ptr(vq->mem, vq->used, 2 * USED_ELEM + 8 * size + 2);
	if (!desc || !avail || !used)
		return -EINVAL;

	vq->desc_p = desc;
	vq->avail_p = avail;
	vq->used_p = used;
	vq->last_avail = 0;
	vq->used_idx = 0;
	vq->signalled = 0;
	vq->broken = false;
	vq->ready = true;
	return 0;
}

/* Where a chain's descriptors come from: the queue's table or an indirect one. */
struct walk {
	const void *table;
	unsigned int nr;    /* entries in the table */
	unsigned int next;  /* entry to read now */
	unsigned int steps; /* entries that may still be read */
	bool indirect;
};

static int add_segment(const struct vq *vq, struct vq_chain *c, const struct vring_desc *d)
{
	unsigned int n = c->nr_out + c->nr_in;
	void *p = mem_ptr(vq->mem, d->addr, d->len);

	if (!p || !d->len || n == VQ_MAX_SEGS)
		return -EINVAL;
	/* A chain's length must fit the used element (section 2.7.13.3: below 2^32). */
	if (c->out_len + c->in_len + d->len > UINT32_MAX)
		return -EINVAL;
	c->iov[n] = (struct iovec){.iov_base = p, .iov_len = d->len};
	if (d->flags & VRING_DESC_F_WRITE) {
		c->nr_in++;
		c->in_len += d->len;
	} else if (c->nr_in) {
		return -EINVAL; /* readable ones come first (section 2.7.4.2) */
	} else {
		c->nr_out++;
		c->out_len += d->len;
	}
	return 0;
}

/* Section 2.7.5.3: one level, no NEXT beside INDIRECT, whole descriptors. */
static int enter_indirect(const struct vq *vq, struct walk *w, const struct vring_desc *d)
{
	if (!vq->indirect || w->indirect || d->flags & VRING_DESC_F_NEXT)
		return -EINVAL;
	if (!d->len || d->len % sizeof(*d))
		return -EINVAL;
	w->table = mem_ptr(vq->mem, d->addr, d->len);
	if (!w->table)
		return -EINVAL;
	w->nr = d->len / sizeof(*d);
	w->next = 0;
	w->steps = w->nr;
	w->indirect = true;
	return 0;
}

static int walk_chain(const struct vq *vq, struct vq_chain *c)
{
	struct walk w = {.table = vq->desc_p, .nr = vq->size, .next = c->head, .steps = vq->size};
	struct vring_desc d;
	int ret;

	for (;;) {
		if (w.next >= w.nr || !w.steps--)
			return -EINVAL; /* outside the table, or a loop */
		d = load_desc(w.table, w.next);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			ret = enter_indirect(vq, &w, &d);
			if (ret)
				return ret;
			continue;
		}
		ret = add_segment(vq, c, &d);
		if (ret)
			return ret;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		w.next = d.next;
	}
}

int vq_pop(struct vq *vq, struct vq_chain *c)
{
	uint16_t pending;
	int ret;

	if (!vq->ready)
		return 0;
	if (vq->broken)
		return -EINVAL;
	pending = load(&vq->avail_p[RING_IDX]) - vq->last_avail;
	if (!pending)
		return 0;
	if (pending > vq->size)
		goto broken;

	c->head = load(&vq->avail_p[AVAIL_RING + (vq->last_avail & (vq->size - 1))]);
	c->nr_out = 0;
	c->nr_in = 0;
	c->out_len = 0;
	c->in_len = 0;
	ret = walk_chain(vq, c);
	if (ret)
		goto broken;
	vq->last_avail++;
	return 1;

broken:
	vq->broken = true;
	return -EINVAL;
}

void vq_push(struct vq *vq, uint16_t head, uint32_t len)
{
	struct vring_used_elem *ring = (void *)(vq->used_p + USED_ELEM);
	struct vring_used_elem e = {.id = head, .len = len};

	memcpy(&ring[vq->used_idx & (vq->size - 1)], &e, sizeof(e));
	vq->used_idx++;
	store(&vq->used_p[RING_IDX], vq->used_idx);
}

bool vq_want_irq(struct vq *vq)
{
	uint16_t old = vq->signalled;
	uint16_t new = vq->used_idx;

	if (!vq->ready || old == new)
		return false;
	vq->signalled = new;
	/* The driver publishes its wish, then reads used->idx; we do it the other way round. */
	full_barrier();
	if (vq->event_idx)
		return vring_need_event(load(&vq->avail_p[USED_EVENT(vq)]), new, old);
	return !(load(&vq->avail_p[RING_FLAGS]) & VRING_AVAIL_F_NO_INTERRUPT);
}

void vq_disable_notify(struct vq *vq)
{
	/* With event indexes the stale avail_event is in the past: nothing to write. */
	if (vq->ready && !vq->event_idx)
		store(&vq->used_p[RING_FLAGS], VRING_USED_F_NO_NOTIFY);
}

bool vq_enable_notify(struct vq *vq)
{
	if (!vq->ready || vq->broken)
		return false;
	if (vq->event_idx)
		store(&vq->used_p[AVAIL_EVENT(vq)], vq->last_avail);
	else
		store(&vq->used_p[RING_FLAGS], 0);
	/* A buffer made available before the driver could see this gets no kick. */
	full_barrier();
	return load(&vq->avail_p[RING_IDX]) != vq->last_avail;
}

int vq_chain_slice(const struct vq_chain *c, bool in, size_t off, size_t len, struct iovec *out)
{
	const struct iovec *iov = in ? c->iov + c->nr_out : c->iov;
	unsigned int nr = in ? c->nr_in : c->nr_out;
	int n = 0;

	for (unsigned int i = 0; i < nr && len; i++) {
		size_t room;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		room = iov[i].iov_len - off;
		if (room > len)
			room = len;
		out[n++] = (struct iovec){
			.iov_base = (uint8_t *)iov[i].iov_base + off,
			.iov_len = room,
		};
		len -= room;
		off = 0;
	}
	return n;
}

size_t vq_chain_read(const struct vq_chain *c, size_t off, void *buf, size_t len)
{
	struct iovec iov[VQ_MAX_SEGS];
	int n = vq_chain_slice(c, false, off, len, iov);
	size_t done = 0;

	for (int i = 0; i < n; i++) {
		memcpy((uint8_t *)buf + done, iov[i].iov_base, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	return done;
}

size_t vq_chain_write(const struct vq_chain *c, size_t off, const void *buf, size_t len)
{
	struct iovec iov[VQ_MAX_SEGS];
	int n = vq_chain_slice(c, true, off, len, iov);
	size_t done = 0;

	for (int i = 0; i < n; i++) {
		memcpy(iov[i].iov_base, (const uint8_t *)buf + done, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	return done;
}
