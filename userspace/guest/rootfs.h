/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The container's root file system: a read-only layer shared by every guest and
 * a writable one that dies with this guest, joined by overlayfs.
 */
#ifndef RUND_GUEST_ROOTFS_H
#define RUND_GUEST_ROOTFS_H

#include "fault.h"

/**
 * rootfs_early() - mount what rund-init itself needs, before CONFIG
 * Return: 0 or -errno with @why filled.
 */
int rootfs_early(struct rund_error *why);

/**
 * rootfs_mount() - mount both layers, join them and make the result "/"
 * @why: receives the reason of a failure
 *
 * Return: 0 or -errno with @why filled.
 */
int rootfs_mount(struct rund_error *why);

/**
 * rootfs_populate() - mount /proc, /sys, /dev and cgroups in the container
 * @why: receives the reason of a failure
 *
 * Return: 0 or -errno with @why filled.
 */
int rootfs_populate(struct rund_error *why);

#endif
