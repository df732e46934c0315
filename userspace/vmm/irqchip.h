/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts.  Local APICs are always KVM's.  The IOAPIC is this process's
 * (IRQCHIP_SPLIT: entries become MSI routes, KVM has nothing to set up) or
 * KVM's (IRQCHIP_KERNEL).  There is no PIT, and with split no PIC either: the
 * guest runs on kvm-clock and TSC-deadline timers.
 *
 * Every pin is an edge-triggered ISA interrupt whose number is its pin.
 */
#ifndef RUND_VMM_IRQCHIP_H
#define RUND_VMM_IRQCHIP_H

#include <stdint.h>

#define IRQCHIP_PINS	   24
#define IRQCHIP_IOAPIC_GPA 0xfec00000ULL
#define IRQCHIP_LAPIC_GPA  0xfee00000ULL

struct vm;

/* Before vCPUs exist. 0 or -errno; logs. */
int irqchip_init(struct vm *vm);
void irqchip_fini(struct vm *vm);

/* A device claims a pin, so that the MP table names it. 0 or -errno; logs. */
int irqchip_claim(struct vm *vm, unsigned int pin);
/* Pins claimed so far, one bit each. */
uint32_t irqchip_claimed(const struct vm *vm);
/* APIC ID of the IOAPIC, as its register and the MP table say it. */
uint8_t irqchip_ioapic_id(const struct vm *vm);

/* Interrupt @pin whenever eventfd @fd is signalled. 0 or -errno; logs. */
int irqchip_add_irqfd(struct vm *vm, unsigned int pin, int fd);
/* Interrupt @pin once. */
void irqchip_pulse(struct vm *vm, unsigned int pin);

#endif
