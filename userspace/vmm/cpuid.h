/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What CPUID tells the guest: what KVM supports, with the topology of this
 * machine, and without what is not there (a PMU).
 */
#ifndef RUND_VMM_CPUID_H
#define RUND_VMM_CPUID_H

#include <linux/kvm.h>
#include <stdint.h>

struct vm;

#define CPUID_MAX 256

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[CPUID_MAX];
};

/* Ask KVM once a machine. 0 or -errno; logs. */
int cpuid_load(const struct vm *vm, struct cpuid *c);

/* Adjust @c for vCPU @id of @nr. */
void cpuid_adjust(struct cpuid *c, unsigned int id, unsigned int nr);

/* Width of a guest physical address in bits. */
unsigned int cpuid_phys_bits(const struct cpuid *c);

#endif
