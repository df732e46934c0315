/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which device answers at a port or a guest physical address.  Ranges are
 * added while the machine is built and never change while vCPUs run, so that
 * look-ups take no lock.
 */
#ifndef RUND_VMM_BUS_H
#define RUND_VMM_BUS_H

#include <stdbool.h>
#include <stdint.h>

struct vm;

enum bus_space { BUS_PIO, BUS_MMIO };

/*
 * One access of 1, 2, 4 or 8 bytes that lies inside the range; @off counts from
 * its start.  Runs on a vCPU's thread.  A read fills @data; it comes as all ones.
 */
typedef void (*bus_fn)(void *priv, uint64_t off, bool write, void *data, unsigned int len);

int bus_init(struct vm *vm);
void bus_fini(struct vm *vm);

/* Claim [@start, @start + @len). 0, -EBUSY (taken) or -ENOSPC; logs. */
int bus_add(struct vm *vm, enum bus_space space, uint64_t start, uint64_t len, bus_fn fn,
	    void *priv);

/* Serve an access.  Where nothing lives, reads give all ones and writes are ignored. */
void bus_access(struct vm *vm, enum bus_space space, uint64_t addr, bool write, void *data,
		unsigned int len);

#endif
