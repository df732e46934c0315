// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio over MMIO, version 2 registers (virtio 1.2, section 4.2.2).  The
 * driver is hostile: out-of-order writes are ignored, and nothing it chose
 * counts before the step of section 3.1.1 that makes it final.
 */
#include "vmm/virtio/mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/vm.h"

#define MMIO_MAGIC   0x74726976 /* "virt" */
#define MMIO_VERSION 2
#define MMIO_VENDOR  0x444e5552 /* "RUND" */
/* Newer than the headers of Debian 12 have it. */
#define MMIO_QUEUE_RESET 0x0c0

#define FEATURE(bit)	 (1ULL << (bit))
#define TRANSPORT_FEATURES                                                \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
	 FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

/* Status bits a driver may set (section 2.1). */
#define DRIVER_BITS                                                                         \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK | \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

static uint64_t offered(const struct virtio_dev *vd)
{
	return vd->ops->features | TRANSPORT_FEATURES;
}

static struct vq *selected(struct virtio_dev *vd)
{
	unsigned int i = vd->mmio->queue_sel;

	return i < vd->ops->nr_queues ? &vd->vq[i] : NULL;
}

static void interrupt(struct virtio_dev *vd, uint32_t cause)
{
	__atomic_or_fetch(&vd->mmio->int_status, cause, __ATOMIC_SEQ_CST);
	/* Fails only when the counter overflows, which it cannot in a lifetime. */
	eventfd_write(vd->mmio->irq_fd, 1);
}

void virtio_signal(struct virtio_dev *vd, struct vq *vq)
{
	if (vq_want_irq(vq))
		interrupt(vd, VIRTIO_MMIO_INT_VRING);
}

bool virtio_running(const struct virtio_dev *vd, unsigned int q)
{
	uint32_t status = vd->mmio->status;

	return status & VIRTIO_CONFIG_S_DRIVER_OK && !(status & VIRTIO_CONFIG_S_NEEDS_RESET) &&
	       vd->vq[q].ready;
}

void virtio_kick_again(struct virtio_dev *vd, unsigned int q)
{
	eventfd_write(vd->mmio->kick[q].watch.fd, 1);
}

void virtio_config_changed(struct virtio_dev *vd)
{
	__atomic_add_fetch(&vd->mmio->generation, 1, __ATOMIC_SEQ_CST);
	if (vd->mmio->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(vd, VIRTIO_MMIO_INT_CONFIG);
}

/* A hostile driver shall not be able to fill the log. */
static void complain(struct virtio_dev *vd, const char *why)
{
	if (!vd->mmio->complained)
		log_warn("virtio-%s: the driver breaks the rules: %s", vd->ops->name, why);
	vd->mmio->complained = true;
}

void virtio_needs_reset(struct virtio_dev *vd, const char *why)
{
	if (vd->mmio->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	complain(vd, why);
	vd->mmio->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio_config_changed(vd);
}

static void reset(struct virtio_dev *vd)
{
	struct virtio_mmio *m = vd->mmio;

	if (m->status & VIRTIO_CONFIG_S_DRIVER_OK && vd->ops->reset)
		vd->ops->reset(vd);
	for (unsigned int i = 0; i < vd->ops->nr_queues; i++)
		vq_reset(&vd->vq[i]);
	m->status = 0;
	m->driver_features = 0;
	m->device_sel = 0;
	m->driver_sel = 0;
	m->queue_sel = 0;
	m->shm_sel = 0;
	vd->features = 0;
	__atomic_store_n(&m->int_status, 0, __ATOMIC_SEQ_CST);
}

/* Section 2.2: only what was offered, and never the legacy interface. */
static bool features_ok(const struct virtio_dev *vd)
{
	uint64_t f = vd->mmio->driver_features;

	return !(f & ~offered(vd)) && f & FEATURE(VIRTIO_F_VERSION_1);
}

static void set_status(struct virtio_dev *vd, uint32_t v)
{
	struct virtio_mmio *m = vd->mmio;
	uint32_t set = v & DRIVER_BITS & ~m->status;

	if (!v) {
		reset(vd);
		return;
	}
	if (set & VIRTIO_CONFIG_S_FEATURES_OK) {
		if (features_ok(vd))
			vd->features = m->driver_features;
		else
			set &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if (!((m->status | set) & VIRTIO_CONFIG_S_FEATURES_OK))
		set &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	m->status |= set;
	if (set & VIRTIO_CONFIG_S_DRIVER_OK && vd->ops->activate)
		vd->ops->activate(vd);
}

static void set_ready(struct virtio_dev *vd, struct vq *vq, uint32_t v)
{
	if (!(v & 1)) {
		vq_reset(vq);
		return;
	}
	vq->event_idx = vd->features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = vd->features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	/* On failure the driver reads back 0 and gives up. */
	if (vq_enable(vq))
		complain(vd, "a queue's size or addresses are impossible");
}

static void set_low(uint64_t *addr, uint32_t v)
{
	*addr = (*addr & ~0xffffffffULL) | v;
}

static void set_high(uint64_t *addr, uint32_t v)
{
	*addr = (*addr & 0xffffffffULL) | (uint64_t)v << 32;
}

/* Queues are set up between FEATURES_OK and DRIVER_OK, and a live one never changes. */
static void write_queue(struct virtio_dev *vd, uint64_t off, uint32_t v)
{
	struct vq *vq = selected(vd);
	uint32_t status = vd->mmio->status;

	if (!vq || !(status & VIRTIO_CONFIG_S_FEATURES_OK) || status & VIRTIO_CONFIG_S_DRIVER_OK)
		return;
	if (off == VIRTIO_MMIO_QUEUE_READY) {
		if (vq->ready != (v & 1))
			set_ready(vd, vq, v);
		return;
	}
	if (vq->ready)
		return;
	switch (off) {
	case VIRTIO_MMIO_QUEUE_NUM:
		vq->size = v <= vq->max ? v : 0;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&vq->desc, v);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&vq->desc, v);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&vq->avail, v);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&vq->avail, v);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&vq->used, v);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&vq->used, v);
		break;
	}
}

static void write_features(struct virtio_mmio *m, uint32_t v)
{
	/* Final once FEATURES_OK is set (section 3.1.1, step 5). */
	if (m->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	if (m->driver_sel == 0)
		set_low(&m->driver_features, v);
	else if (m->driver_sel == 1)
		set_high(&m->driver_features, v);
	else if (v)
		m->driver_features |= ~0ULL; /* bits nobody offered: FEATURES_OK will fail */
}

static void write_reg(struct virtio_dev *vd, uint64_t off, uint32_t v)
{
	struct virtio_mmio *m = vd->mmio;

	switch (off) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		m->device_sel = v;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		m->driver_sel = v;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_features(m, v);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		m->queue_sel = v;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		/* Not reached while an ioeventfd takes the write. */
		if (v < vd->ops->nr_queues)
			virtio_kick_again(vd, v);
		break;
	case VIRTIO_MMIO_STATUS:
		set_status(vd, v);
		break;
	case VIRTIO_MMIO_SHM_SEL:
		m->shm_sel = v;
		break;
	default:
		write_queue(vd, off, v);
	}
}

/* Region 0 is the only one; others, and an absent one, have length -1 (section 4.2.2). */
static uint32_t read_shm(const struct virtio_dev *vd, uint64_t off)
{
	bool there = !vd->mmio->shm_sel && vd->shm_len;
	uint64_t len = there ? vd->shm_len : ~0ULL;
	uint64_t base = there ? vd->shm_gpa : ~0ULL;

	switch (off) {
	case VIRTIO_MMIO_SHM_LEN_LOW:
		return len;
	case VIRTIO_MMIO_SHM_LEN_HIGH:
		return len >> 32;
	case VIRTIO_MMIO_SHM_BASE_LOW:
		return base;
	default:
		return base >> 32;
	}
}

static uint32_t read_reg(struct virtio_dev *vd, uint64_t off)
{
	const struct virtio_mmio *m = vd->mmio;
	const struct vq *vq = selected(vd);

	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return MMIO_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return vd->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return MMIO_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return m->device_sel < 2 ? offered(vd) >> (32 * m->device_sel) : 0;
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return vq ? vq->max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return vq ? vq->ready : 0;
	case VIRTIO_MMIO_STATUS:
		return m->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return read_shm(vd, off);
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return __atomic_load_n(&m->generation, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static void read_config(const struct virtio_dev *vd, uint64_t off, void *data, unsigned int len)
{
	memset(data, 0, len);
	if (off < vd->config_len && len <= vd->config_len - off)
		memcpy(data, (const uint8_t *)vd->config + off, len);
}

/* What an interrupt handler does; without the lock, so that it never waits for a device. */
static bool access_interrupt(struct virtio_mmio *m, uint64_t off, bool write, uint32_t *v)
{
	if (off == VIRTIO_MMIO_INTERRUPT_STATUS && !write)
		*v = __atomic_load_n(&m->int_status, __ATOMIC_SEQ_CST);
	else if (off == VIRTIO_MMIO_INTERRUPT_ACK && write)
		__atomic_and_fetch(&m->int_status, ~*v, __ATOMIC_SEQ_CST);
	else
		return false;
	return true;
}

void virtio_mmio_access(void *priv, uint64_t off, bool write, void *data, unsigned int len)
{
	struct virtio_dev *vd = priv;
	uint32_t v = 0;

	if (off >= VIRTIO_MMIO_CONFIG) {
		/* No device here has a field that drivers may write. */
		pthread_mutex_lock(&vd->lock);
		if (!write)
			read_config(vd, off - VIRTIO_MMIO_CONFIG, data, len);
		pthread_mutex_unlock(&vd->lock);
		return;
	}
	/* Section 4.2.2.2: aligned 32-bit accesses only. */
	if (len != sizeof(v) || off % sizeof(v)) {
		if (!write)
			memset(data, 0, len);
		return;
	}
	if (write)
		memcpy(&v, data, sizeof(v));
	if (!access_interrupt(vd->mmio, off, write, &v)) {
		pthread_mutex_lock(&vd->lock);
		if (write)
			write_reg(vd, off, v);
		else
			v = read_reg(vd, off);
		pthread_mutex_unlock(&vd->lock);
	}
	if (!write)
		memcpy(data, &v, sizeof(v));
}

static void on_kick(struct loop_watch *w, uint32_t events)
{
	struct virtio_kick *k = w->data;
	struct virtio_dev *vd = k->vd;
	uint64_t count;

	if (read(w->fd, &count, sizeof(count)) != sizeof(count))
		return;
	pthread_mutex_lock(&vd->lock);
	if (virtio_running(vd, k->queue))
		vd->ops->kick(vd, k->queue);
	pthread_mutex_unlock(&vd->lock);
}

static int init_queue(struct virtio_dev *vd, unsigned int i)
{
	struct virtio_kick *k = &vd->mmio->kick[i];
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	*k = (struct virtio_kick){
		.vd = vd,
		.queue = i,
		.watch = {.fd = fd, .events = EPOLLIN, .fn = on_kick, .data = k},
	};
	vd->vq[i].mem = &vd->vm->mem;
	vd->vq[i].max = vd->ops->queue_size;
	vq_reset(&vd->vq[i]);
	return loop_add(vd->loop, &k->watch);
}

int virtio_mmio_init(struct virtio_dev *vd)
{
	int ret = 0;

	vd->mmio = calloc(1, sizeof(*vd->mmio));
	if (!vd->mmio)
		return log_errno(-ENOMEM, "virtio-%s: out of memory", vd->ops->name);
	pthread_mutex_init(&vd->lock, NULL);
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++)
		vd->mmio->kick[i].watch.fd = -1;
	vd->mmio->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vd->mmio->irq_fd < 0)
		ret = -errno;
	for (unsigned int i = 0; i < vd->ops->nr_queues && !ret; i++)
		ret = init_queue(vd, i);
	if (ret) {
		log_err("virtio-%s: cannot make its eventfds: %s; raise RLIMIT_NOFILE",
			vd->ops->name, strerror(-ret));
		virtio_mmio_fini(vd);
	}
	return ret;
}

void virtio_mmio_fini(struct virtio_dev *vd)
{
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		struct loop_watch *w = &vd->mmio->kick[i].watch;

		if (w->fd < 0)
			continue;
		loop_del(vd->loop, w);
		close_fd(w->fd);
	}
	close_fd(vd->mmio->irq_fd);
	pthread_mutex_destroy(&vd->lock);
	free(vd->mmio);
	vd->mmio = NULL;
}
