/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The container's /dev: the nodes and links that the OCI runtime specification
 * (config-linux.md, "Default Devices", and runtime-linux.md, "/dev symbolic
 * links") requires, and no node of the guest's own disks.
 */
#ifndef RUND_GUEST_DEV_H
#define RUND_GUEST_DEV_H

#include "fault.h"

/**
 * dev_populate() - mount and fill /dev below the current root
 * Return: 0 or -errno with @why filled.
 */
int dev_populate(struct rund_error *why);

/**
 * dev_console() - make /dev/console the command's terminal
 * @tty: path of the terminal
 *
 * Return: 0 or -errno.
 */
int dev_console(const char *tty);

#endif
