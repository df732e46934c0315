/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel images.  The file is hostile: every offset, size and address in it is
 * checked before it is used, and a truncated one is refused.
 */
#ifndef RUND_VMM_KERNEL_H
#define RUND_VMM_KERNEL_H

#include <stdint.h>

struct mem;
struct rund_prepatch;

/* The setup header (boot.rst, "The Real-Mode Kernel Header") starts here in a bzImage and ends at
 * most here; boot_params holds it at the same offset. */
#define KERNEL_HDR_START 0x1f1
#define KERNEL_HDR_END	 0x290

struct kernel_image {
	uint64_t entry; /* 64-bit entry point, physical */
	uint64_t start; /* memory it occupies or will: [start, end) */
	uint64_t end;
	struct rund_prepatch *prepatch; /* malloc()ed; NULL: an ordinary kernel */
	uint32_t hdr_len;		/* setup header of a bzImage; 0 for an ELF file */
	uint8_t hdr[KERNEL_HDR_END - KERNEL_HDR_START];
};

/**
 * kernel_load() - put a vmlinux (ELF) or a bzImage into guest RAM
 * @mem: guest RAM
 * @fd: the file
 * @path: its name, for messages
 * @limit: no byte is loaded at or above this guest address
 * @img: filled; the caller frees img->prepatch, on failure too
 *
 * A pre-patched image has to be whole: each byte of its headers, of its note and
 * of what is loaded.
 *
 * Return: 0, -ENOEXEC (not a kernel, corrupt or truncated), -ENOSPC (does not
 * fit) or another -errno; logs.
 */
int kernel_load(const struct mem *mem, int fd, const char *path, uint64_t limit,
		struct kernel_image *img);

#endif
