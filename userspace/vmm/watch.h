/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watching ranges of guest memory that nobody should write.  Logging costs the
 * guest little and tells pages; trapping stops at each write and tells who.
 */
#ifndef RUND_VMM_WATCH_H
#define RUND_VMM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct vm;
struct vcpu;

#define WATCH_MAX_RANGES 2

enum watch_mode {
	WATCH_OFF,
	WATCH_LOG,  /* KVM's dirty log */
	WATCH_TRAP, /* read-only memory slots; the write is done here, then reported */
};

struct watch_range {
	uint64_t start, end; /* guest physical, multiples of 4 KiB, the end exclusive */
};

/* A write that was trapped.  On the vCPU's thread; vCPUs may call it at the same time. */
typedef void (*watch_fn)(void *priv, uint64_t rip, uint64_t gpa, const void *data,
			 unsigned int len);

/* Give the ranges of vm->cfg.watch memory slots of their own. 0 or -errno; logs. */
int watch_init(struct vm *vm);
void watch_fini(struct vm *vm);

/**
 * watch_mmio() - serve a write that KVM could not do because the slot is read-only
 * Return: true if it was one; nothing is left to do then.
 */
bool watch_mmio(struct vcpu *v);

/**
 * watch_written() - pages of a range that were written so far, with WATCH_LOG
 * @i: which range
 * @bitmap: one bit a page, lowest address first, in words of 64
 *
 * Pages stay marked: what was written once is in every later answer.
 *
 * Return: how many, or -errno, logged.
 */
long watch_written(struct vm *vm, unsigned int i, uint64_t *bitmap);

/**
 * watch_report() - write what watch_written() says of all ranges
 * @fd: gets a line "N of M pages written", and one with the address of each
 *
 * Return: 0 or -errno, logged.
 */
int watch_report(struct vm *vm, int fd);

/* Words that the bitmap of a range has. */
static inline uint64_t watch_words(const struct watch_range *r)
{
	return ((r->end - r->start) / 4096 + 63) / 64;
}

#endif
