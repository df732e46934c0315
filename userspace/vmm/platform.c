// SPDX-License-Identifier: GPL-2.0-only
/*
 * The few legacy ports a guest cannot do without: the keyboard controller,
 * through which it resets, the CMOS clock, which must not look busy, and port
 * 0x61, whose timer bit must not make a guest wait.  Nothing else of a PC is
 * there; the bus answers all ones for it.
 */
#include "vmm/bus.h"
#include "vmm/dev.h"
#include "vmm/vm.h"

/* 8042 keyboard controller: status and command port, and the reset command. */
#define KBD_PORT   0x60
#define KBD_STATUS 0x64
#define KBD_RESET  0xfe
#define NMI_STATUS 0x61
/* NMI status and control: output of timer 2. */
#define NMI_TIMER2 0x20
#define CMOS_PORT  0x70

static void kbd_access(void *priv, uint64_t off, bool write, void *data, unsigned int len)
{
	struct vm *vm = priv;
	uint8_t *v = data;

	switch (KBD_PORT + off) {
	case KBD_STATUS:
		if (write && *v == KBD_RESET)
			vm_stop(vm, VM_EXIT_RESET);
		else if (!write)
			*v = 0; /* never busy, nothing to read */
		break;
	case NMI_STATUS:
		if (!write)
			*v = NMI_TIMER2;
		break;
	case KBD_PORT:
		if (!write)
			*v = 0;
		break;
	}
}

/* Register A's update bit stays clear, and the rest reads as zero: the clock is kvm-clock. */
static void cmos_access(void *priv, uint64_t off, bool write, void *data, unsigned int len)
{
	uint8_t *v = data;

	if (!write)
		*v = 0;
}

static int platform_attach(struct vm *vm, void **priv)
{
	int ret = bus_add(vm, BUS_PIO, KBD_PORT, KBD_STATUS - KBD_PORT + 1, kbd_access, vm);

	return ret ? ret : bus_add(vm, BUS_PIO, CMOS_PORT, 2, cmos_access, vm);
}

static void platform_detach(struct vm *vm, void *priv)
{
	/* The bus goes with the machine. */
}

const struct dev_ops platform_ops = {
	.name = "platform",
	.attach = platform_attach,
	.detach = platform_detach,
};
