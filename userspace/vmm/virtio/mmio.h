/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of a virtio-mmio device, without KVM: what a driver writes and
 * reads, and the state machine behind it.  transport.c connects them to a
 * machine.
 */
#ifndef RUND_VMM_VIRTIO_MMIO_H
#define RUND_VMM_VIRTIO_MMIO_H

#include "vmm/virtio/virtio.h"

#define VIRTIO_MMIO_PAGE 0x1000

struct virtio_kick {
	struct loop_watch watch; /* eventfd: the driver notified the queue */
	struct virtio_dev *vd;
	unsigned int queue;
};

struct virtio_mmio {
	/* Protected by vd->lock: */
	uint32_t device_sel, driver_sel, queue_sel, shm_sel;
	uint32_t status;
	uint64_t driver_features;
	bool complained; /* about the driver: once in a lifetime, or it could fill the log */
	/* Atomic: read and acknowledged by interrupt handlers while a queue is processed. */
	uint32_t int_status;
	uint32_t generation;
	/* Constant: */
	int irq_fd; /* eventfd that interrupts the guest */
	unsigned int pin;
	uint64_t gpa;
	struct virtio_kick kick[VIRTIO_MAX_QUEUES];
};

/* Set up registers, queues and eventfds. 0 or -errno; logs. */
int virtio_mmio_init(struct virtio_dev *vd);
void virtio_mmio_fini(struct virtio_dev *vd);

/* One access to the register page; a bus_fn with the device as its argument. */
void virtio_mmio_access(void *priv, uint64_t off, bool write, void *data, unsigned int len);

#endif
