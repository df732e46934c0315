/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: the only place that turns a guest physical address into a host
 * pointer.  Everything behind such a pointer is hostile and may change at any
 * moment: copy once, check the copy, use the copy.
 */
#ifndef RUND_VMM_MEM_H
#define RUND_VMM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RAM below the 32-bit hole, and above 4 GiB.  The hole holds virtio-mmio, IOAPIC and LAPIC. */
#define MEM_HOLE_START 0xd0000000ULL
#define MEM_HIGH_START 0x100000000ULL
/* virtio-fs DAX windows are placed from here up (one reserved range a device). */
#define MEM_DAX_BASE	0x8000000000ULL

#define MEM_MAX_REGIONS 4

struct mem_region {
	uint64_t gpa;  /* guest physical address */
	uint64_t size; /* bytes */
	uint8_t *hva;
};

struct mem {
	struct mem_region region[MEM_MAX_REGIONS];
	unsigned int nr;
	uint64_t size; /* total RAM in bytes */
};

/**
 * mem_init() - map @size bytes of guest RAM, split around the 32-bit hole
 *
 * Guest and host addresses are congruent modulo 2 MiB, so that huge pages fit.
 *
 * Return: 0, -EINVAL (zero, unaligned or impossible size) or -ENOMEM.
 */
int mem_init(struct mem *mem, uint64_t size);
void mem_fini(struct mem *mem);

/**
 * mem_ptr() - host pointer to [@gpa, @gpa + @len)
 * Return: the pointer, or NULL unless the whole range lies in one RAM region.
 */
void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len);

/* Copy between a guest range and a host buffer. Return 0 or -EFAULT (nothing copied). */
int mem_read(const struct mem *mem, uint64_t gpa, void *buf, uint64_t len);
int mem_write(const struct mem *mem, uint64_t gpa, const void *buf, uint64_t len);

/**
 * mem_load() - put part of a file into guest RAM
 * @fd: the file; it must not change while the guest lives
 * @off: where in the file
 * @gpa: where in the guest
 * @len: bytes; the file is known to have them
 *
 * Whole pages are mapped, not copied: guests that load the same file share what
 * they do not write, and loading takes no time.  What is not aligned alike in
 * file and guest is read.
 *
 * Return: 0, -EFAULT (not RAM), -ENODATA (the file ends before) or -errno.
 */
int mem_load(const struct mem *mem, int fd, uint64_t off, uint64_t gpa, uint64_t len);

/**
 * mem_hint_huge() - ask for huge pages in the whole 2 MiB pages of [@start, @end)
 *
 * What was mapped by mem_load() then comes in huge pages where the file has
 * them.  A host that knows none just has small ones.
 */
void mem_hint_huge(const struct mem *mem, uint64_t start, uint64_t end);

#endif
