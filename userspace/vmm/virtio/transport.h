/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Places of virtio devices in the machine: page n of the window below goes
 * with interrupt VIRTIO_FIRST_PIN + n and the n-th device on the command line.
 */
#ifndef RUND_VMM_VIRTIO_TRANSPORT_H
#define RUND_VMM_VIRTIO_TRANSPORT_H

#include "vmm/mem.h"

#define VIRTIO_WINDOW_GPA MEM_HOLE_START
#define VIRTIO_FIRST_PIN  5

struct vm;

/*
 * Let KVM turn notifications of all registered devices into eventfds.  The
 * last step of building a machine, since each one changes an I/O bus.
 * 0 or -errno; logs.
 */
int virtio_wire(struct vm *vm);

#endif
