// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports and MMIO: a short table, searched in order.  An access that is not
 * wholly inside one range reaches no device.
 */
#include "vmm/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "vmm/vm.h"

#define BUS_MAX_RANGES 32

struct range {
	enum bus_space space;
	uint64_t start, len;
	bus_fn fn;
	void *priv;
};

struct bus {
	struct range range[BUS_MAX_RANGES];
	unsigned int nr;
};

int bus_init(struct vm *vm)
{
	vm->bus = calloc(1, sizeof(*vm->bus));
	return vm->bus ? 0 : log_errno(-ENOMEM, "bus: out of memory");
}

void bus_fini(struct vm *vm)
{
	free(vm->bus);
	vm->bus = NULL;
}

int bus_add(struct vm *vm, enum bus_space space, uint64_t start, uint64_t len, bus_fn fn,
	    void *priv)
{
	struct bus *b = vm->bus;

	for (unsigned int i = 0; i < b->nr; i++) {
		const struct range *r = &b->range[i];

		if (r->space == space && start < r->start + r->len && r->start < start + len)
			return log_errno(-EBUSY, "bus: range at %#llx is taken",
					 (unsigned long long)start);
	}
	if (b->nr == BUS_MAX_RANGES)
		return log_errno(-ENOSPC, "bus: more than %d ranges", BUS_MAX_RANGES);
	b->range[b->nr++] = (struct range){space, start, len, fn, priv};
	return 0;
}

void bus_access(struct vm *vm, enum bus_space space, uint64_t addr, bool write, void *data,
		unsigned int len)
{
	const struct bus *b = vm->bus;

	if (!write)
		memset(data, 0xff, len);
	for (unsigned int i = 0; i < b->nr; i++) {
		const struct range *r = &b->range[i];
		uint64_t off = addr - r->start;

		if (r->space == space && addr >= r->start && off < r->len && len <= r->len - off) {
			r->fn(r->priv, off, write, data, len);
			return;
		}
	}
}
