/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtio-mmio transport (virtio 1.2, section 4.2, version 2 registers) and
 * what a device gives it.  mmio.c owns registers, feature negotiation, queues'
 * addresses, the ioeventfd per queue and the irqfd; a device sees only queues.
 */
#ifndef RUND_VMM_VIRTIO_H
#define RUND_VMM_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/loop.h"
#include "vmm/virtio/virtqueue.h"

struct vm;
struct virtio_dev;

#define VIRTIO_MAX_QUEUES 8

struct virtio_ops {
	const char *name;
	uint32_t id;	   /* virtio device ID, section 5 */
	uint64_t features; /* offered beside the transport's VERSION_1, EVENT_IDX, INDIRECT_DESC */
	unsigned int nr_queues;
	uint16_t queue_size;
	/* All with vd->lock held. */
	/* Driver kicked queue @q; runs on vd->loop's thread. */
	void (*kick)(struct virtio_dev *vd, unsigned int q);
	/* DRIVER_OK was set: features and queues are final. Optional. */
	void (*activate)(struct virtio_dev *vd);
	/* Driver reset the device: drop every reference to queues and chains. Optional. */
	void (*reset)(struct virtio_dev *vd);
};

struct virtio_dev {
	const struct virtio_ops *ops;
	struct vm *vm;
	struct loop *loop; /* where kick() runs; set before virtio_register() */
	/* Protects everything below and the device's own state; taken by register accesses of vCPU
	 * threads and around every callback.  Taken before no other lock. */
	pthread_mutex_t lock;
	uint64_t features;   /* negotiated, valid from activate() */
	const void *config;  /* device configuration space, owned by the device */
	uint32_t config_len; /* bytes */
	struct vq vq[VIRTIO_MAX_QUEUES];
	/* Shared memory region 0 (virtio-fs DAX window); shm_len 0 means none. */
	uint64_t shm_gpa, shm_len;
	void *priv;		  /* the device's own */
	struct virtio_mmio *mmio; /* transport's own */
};

/**
 * virtio_register() - give the device a register page, an interrupt and a command-line entry
 * Fields ops, vm, loop, config, config_len, priv are set by the caller.
 *
 * Return: 0 or -errno; logs.
 */
int virtio_register(struct virtio_dev *vd);
void virtio_unregister(struct virtio_dev *vd);

/* Interrupt the driver for queue @vq if it wants one. Call with vd->lock held after vq_push(). */
void virtio_signal(struct virtio_dev *vd, struct vq *vq);
/*
 * Whether queue @q may be served: the driver is ready and has broken no rule.  kick() is called
 * only then; who serves a queue for another reason asks.  Call with vd->lock held.
 */
bool virtio_running(const struct virtio_dev *vd, unsigned int q);
/*
 * Run kick() of queue @q again, after whatever else the loop has to do: for a device that stops
 * after a bounded amount of work, so that a busy driver cannot keep the loop to itself.
 */
void virtio_kick_again(struct virtio_dev *vd, unsigned int q);
/* The configuration space changed. Call with vd->lock held. */
void virtio_config_changed(struct virtio_dev *vd);
/* A queue is broken: set DEVICE_NEEDS_RESET and tell the driver; logs once. Call with lock held. */
void virtio_needs_reset(struct virtio_dev *vd, const char *why);

#endif
