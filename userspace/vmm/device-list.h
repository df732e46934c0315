/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every device, in order of attachment.  The order of virtio devices is that
 * of their register pages and interrupts, so /dev/vda stays the first --blk.
 */
#ifndef RUND_VMM_DEVICE_LIST_H
#define RUND_VMM_DEVICE_LIST_H

#include "vmm/dev.h"

extern const struct dev_ops platform_ops, freeze_ops, serial_ops, vblk_ops, vfs_ops, vsock_ops;

static const struct dev_ops *const device_list[] = {
	&platform_ops, /* reset and the ports a guest would wait on */
	&freeze_ops,   /* a frozen kernel's signal, for rund-prepatch */
	&serial_ops,   /* --console */
	&vblk_ops,     /* --blk */
	&vfs_ops,      /* --fs */
	&vsock_ops,    /* --vsock */
};

#endif
