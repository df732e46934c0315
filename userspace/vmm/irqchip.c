// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt controllers of a machine, in either of two arrangements; see
 * Documentation/vmm.rst for what each costs to set up.
 */
#include "vmm/irqchip.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "vmm/bus.h"
#include "vmm/ioapic.h"
#include "vmm/kvm.h"
#include "vmm/vm.h"

/* The IOAPIC decodes one page (82093AA datasheet, 3.0). */
#define IOAPIC_LEN 0x1000

struct irqchip {
	struct ioapic ioapic; /* split mode */
	uint32_t claimed;
};

/* The guest changed which interrupt a pin means: tell KVM, whole table at a time. */
static void set_routes(void *priv, const struct ioapic_msi *msi, unsigned int nr)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[IRQCHIP_PINS];
	} r = {.head.nr = nr};
	struct vm *vm = priv;
	long ret;

	for (unsigned int i = 0; i < nr; i++) {
		r.entry[i].gsi = msi[i].pin;
		r.entry[i].type = KVM_IRQ_ROUTING_MSI;
		r.entry[i].u.msi.address_lo = msi[i].addr;
		r.entry[i].u.msi.data = msi[i].data;
	}
	ret = kvm_ioctl(vm->vm_fd, KVM_SET_GSI_ROUTING, &r);
	if (ret) {
		log_err("irqchip: KVM_SET_GSI_ROUTING: %s", strerror(-ret));
		vm_stop(vm, VM_EXIT_INTERNAL);
	}
}

static int init_split(struct vm *vm)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {IRQCHIP_PINS}};
	long ret = kvm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap);

	if (ret)
		return log_errno(ret, "irqchip: KVM_CAP_SPLIT_IRQCHIP: %s", strerror(-ret));
	ioapic_init(&vm->irqchip->ioapic, irqchip_ioapic_id(vm), set_routes, vm);
	return bus_add(vm, BUS_MMIO, IRQCHIP_IOAPIC_GPA, IOAPIC_LEN, ioapic_access,
		       &vm->irqchip->ioapic);
}

static int init_kernel(struct vm *vm)
{
	long ret = kvm_ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, NULL);

	if (ret)
		return log_errno(ret, "irqchip: KVM_CREATE_IRQCHIP: %s", strerror(-ret));
	/*
	 * With a PIC a guest insists on routing IRQ 0, which nothing raises.
	 * KVM wires it to pin 2 (default_routing, arch/x86/kvm/irq_comm.c).
	 */
	return irqchip_claim(vm, 2);
}

int irqchip_init(struct vm *vm)
{
	int ret;

	vm->irqchip = calloc(1, sizeof(*vm->irqchip));
	if (!vm->irqchip)
		return log_errno(-ENOMEM, "irqchip: out of memory");
	ret = vm->cfg.irqchip == IRQCHIP_SPLIT ? init_split(vm) : init_kernel(vm);
	if (ret)
		irqchip_fini(vm);
	return ret;
}

void irqchip_fini(struct vm *vm)
{
	if (vm->irqchip && vm->cfg.irqchip == IRQCHIP_SPLIT)
		ioapic_fini(&vm->irqchip->ioapic);
	free(vm->irqchip);
	vm->irqchip = NULL;
}

int irqchip_claim(struct vm *vm, unsigned int pin)
{
	if (pin >= IRQCHIP_PINS || vm->irqchip->claimed & 1U << pin)
		return log_errno(-EBUSY, "irqchip: pin %u is taken or does not exist", pin);
	vm->irqchip->claimed |= 1U << pin;
	/* The fewer pins there are, the fewer registers the guest goes through. */
	if (vm->cfg.irqchip == IRQCHIP_SPLIT && pin >= vm->irqchip->ioapic.nr_pins)
		vm->irqchip->ioapic.nr_pins = pin + 1;
	return 0;
}

uint32_t irqchip_claimed(const struct vm *vm)
{
	return vm->irqchip->claimed;
}

uint8_t irqchip_ioapic_id(const struct vm *vm)
{
	/* The first ID that no vCPU has; KVM's own IOAPIC keeps 0 until written. */
	return vm->cfg.nr_vcpus;
}

int irqchip_add_irqfd(struct vm *vm, unsigned int pin, int fd)
{
	struct kvm_irqfd irqfd = {.fd = fd, .gsi = pin};
	long ret = kvm_ioctl(vm->vm_fd, KVM_IRQFD, &irqfd);

	if (ret)
		return log_errno(ret, "irqchip: KVM_IRQFD for pin %u: %s", pin, strerror(-ret));
	return 0;
}

void irqchip_pulse(struct vm *vm, unsigned int pin)
{
	struct kvm_irq_level line = {.irq = pin, .level = 1};

	kvm_ioctl(vm->vm_fd, KVM_IRQ_LINE, &line);
	line.level = 0;
	kvm_ioctl(vm->vm_fd, KVM_IRQ_LINE, &line);
}
