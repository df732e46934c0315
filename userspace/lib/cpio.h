/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A writer of "newc" archives, the format of initramfs (the kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst).  The same input
 * gives the same bytes: no time, no owner, inode numbers in order.
 */
#ifndef RUND_LIB_CPIO_H
#define RUND_LIB_CPIO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * struct cpio - an archive being written
 * @f: where to
 * @ino: last inode number given
 * @pos: bytes written
 */
struct cpio {
	FILE *f;
	uint32_t ino;
	size_t pos;
};

/**
 * struct cpio_entry - one file
 * @name: path without a leading slash
 * @mode: type and permissions
 * @major: device number, for device nodes
 * @minor: device number, for device nodes
 * @data: contents, for regular files
 * @len: bytes of @data
 */
struct cpio_entry {
	const char *name;
	uint32_t mode;
	uint32_t major, minor;
	const void *data;
	size_t len;
};

/**
 * cpio_add() - append a file
 * Return: 0, -EINVAL for a name that is empty or starts with "/", -EFBIG for
 * more data than the format can tell, or -EIO.
 */
int cpio_add(struct cpio *c, const struct cpio_entry *e);

/**
 * cpio_end() - append the trailer and flush
 * Return: 0 or -EIO.
 */
int cpio_end(struct cpio *c);

#endif
