/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The freeze point of a guest kernel with CONFIG_FROZEN_TEXT: it writes the
 * physical address of its struct frozen_text_info to a port that its command
 * line names, just before its first process starts.
 */
#ifndef RUND_VMM_FREEZE_H
#define RUND_VMM_FREEZE_H

#include <stdint.h>

/* No device here is near.  (QEMU has fw_cfg at this port; a kernel is told which it is.) */
#define FREEZE_PORT 0x510

#endif
