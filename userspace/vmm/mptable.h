/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MP table (MultiProcessor Specification 1.4): CPUs, one ISA bus, the
 * IOAPIC and the pins in use.  It is all a guest without ACPI has to go by.
 */
#ifndef RUND_VMM_MPTABLE_H
#define RUND_VMM_MPTABLE_H

#include <stddef.h>
#include <stdint.h>

struct mptable_info {
	unsigned int nr_cpus;
	uint8_t ioapic_id;
	uint32_t pins; /* ISA interrupt n is wired to pin n; one bit each */
};

/**
 * mptable_build() - make the configuration table
 * @buf: room for it
 * @len: bytes of room
 *
 * Return: its length, or -ENOSPC.
 */
int mptable_build(void *buf, size_t len, const struct mptable_info *info);

/* Make the 16-byte floating pointer to a table at guest address @table. */
void mptable_float(uint8_t out[16], uint32_t table);

#endif
