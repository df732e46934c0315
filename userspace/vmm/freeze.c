// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hears of the guest kernel's freeze point, and ends the machine there when
 * that is all that was wanted.  The address is the guest's word: whoever uses
 * it checks it.
 */
#include "vmm/freeze.h"

#include <string.h>

#include "vmm/boot.h"
#include "vmm/bus.h"
#include "vmm/dev.h"
#include "vmm/vm.h"

static void freeze_access(void *priv, uint64_t off, bool write, void *data, unsigned int len)
{
	struct vm *vm = priv;
	uint32_t gpa;

	if (!write || off || len != sizeof(gpa))
		return;
	memcpy(&gpa, data, sizeof(gpa));
	__atomic_store_n(&vm->frozen_gpa, gpa, __ATOMIC_RELEASE);
	if (vm->cfg.freeze == FREEZE_STOP)
		vm_stop(vm, VM_EXIT_FROZEN);
}

static int freeze_attach(struct vm *vm, void **priv)
{
	int ret;

	if (vm->cfg.freeze == FREEZE_IGNORE)
		return 0;
	ret = bus_add(vm, BUS_PIO, FREEZE_PORT, sizeof(uint32_t), freeze_access, vm);
	return ret ? ret : boot_cmdline(vm, "frozen_text_port=%u", FREEZE_PORT);
}

static void freeze_detach(struct vm *vm, void *priv)
{
	/* The bus goes with the machine. */
}

const struct dev_ops freeze_ops = {
	.name = "freeze",
	.attach = freeze_attach,
	.detach = freeze_detach,
};
