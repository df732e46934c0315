// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID.  One package, one thread a core, APIC IDs counted from 0.  Leaf and
 * field numbers are those of the SDM, vol. 2A, CPUID, and of the APM, vol. 3,
 * appendix E (0x8000_xxxx).
 */
#include "vmm/cpuid.h"

#include <errno.h>
#include <string.h>

#include "lib/log.h"
#include "vmm/kvm.h"
#include "vmm/vm.h"

#define LEAF1_ECX_TSC_DEADLINE (1U << 24)
#define LEAF1_ECX_HYPERVISOR   (1U << 31)
#define LEAF1_EDX_HTT	       (1U << 28)
/* Leaf 0xb, ECX[15:8]: kind of level. */
#define LEVEL_THREAD (1U << 8)
#define LEVEL_CORE   (2U << 8)
/* Leaf 0x8000_0001, ECX: the performance counter extensions. */
#define AMD_ECX_PERFCTR (1U << 23 | 1U << 24 | 1U << 28)

int cpuid_load(const struct vm *vm, struct cpuid *c)
{
	long ret;

	memset(c, 0, sizeof(*c));
	c->head.nent = CPUID_MAX;
	ret = kvm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, c);
	if (ret)
		return log_errno(ret, "/dev/kvm: KVM_GET_SUPPORTED_CPUID: %s", strerror(-ret));
	return 0;
}

/* Bits that hold the numbers 0 .. nr - 1. */
static unsigned int width(unsigned int nr)
{
	unsigned int bits = 0;

	while (1U << bits < nr)
		bits++;
	return bits;
}

/* Extended topology: a thread level of one, then all cores. */
static void topology_leaf(struct kvm_cpuid_entry2 *e, unsigned int id, unsigned int nr)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = e->index;
	e->edx = id;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= LEVEL_THREAD;
	} else if (e->index == 1) {
		e->eax = width(nr);
		e->ebx = nr;
		e->ecx |= LEVEL_CORE;
	}
}

static void adjust_entry(struct kvm_cpuid_entry2 *e, unsigned int id, unsigned int nr)
{
	switch (e->function) {
	case 0x1:
		e->ebx = (e->ebx & 0xffff) | id << 24 | nr << 16;
		/* KVM has the timer (checked), but does not claim it here: the irqchip decides. */
		e->ecx |= LEAF1_ECX_HYPERVISOR | LEAF1_ECX_TSC_DEADLINE;
		e->edx = nr > 1 ? e->edx | LEAF1_EDX_HTT : e->edx & ~LEAF1_EDX_HTT;
		break;
	case 0x4:
		/* Cores in the package; private caches but for level 3. */
		e->eax &= 0x3fff;
		if (e->eax & 0x1f)
			e->eax |= (nr - 1) << 26;
		if ((e->eax >> 5 & 7) >= 3)
			e->eax |= (nr - 1) << 14;
		break;
	case 0xa:
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0xb:
		topology_leaf(e, id, nr);
		break;
	case 0x80000001:
		e->ecx &= ~AMD_ECX_PERFCTR;
		break;
	case 0x80000008:
		e->ecx = (nr - 1) | width(nr) << 12;
		break;
	case 0x8000001d:
		e->eax &= 0x3fff;
		if ((e->eax >> 5 & 7) >= 3)
			e->eax |= (nr - 1) << 14;
		break;
	case 0x8000001e:
		e->eax = id;
		e->ebx = id;
		e->ecx = 0;
		break;
	}
}

/* Leaves that newer CPUs prefer over 0xb and that would describe the host. */
static bool describes_host(uint32_t leaf)
{
	return leaf == 0x1f || leaf == 0x80000026 || leaf == 0x80000022;
}

/* KVM may list any number of sub-leaves of 0xb; the guest needs exactly three. */
static void add_topology(struct cpuid *c)
{
	for (unsigned int i = 0; i < 3 && c->head.nent < CPUID_MAX; i++) {
		c->entry[c->head.nent++] = (struct kvm_cpuid_entry2){
			.function = 0xb,
			.index = i,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		};
	}
}

void cpuid_adjust(struct cpuid *c, unsigned int id, unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->head.nent; i++) {
		if (!describes_host(c->entry[i].function) && c->entry[i].function != 0xb)
			c->entry[n++] = c->entry[i];
	}
	c->head.nent = n;
	/* Leaf 0 comes first and says how far the basic leaves go. */
	if (n && c->entry[0].function == 0 && c->entry[0].eax >= 0xb)
		add_topology(c);
	for (unsigned int i = 0; i < c->head.nent; i++)
		adjust_entry(&c->entry[i], id, nr);
}

unsigned int cpuid_phys_bits(const struct cpuid *c)
{
	for (unsigned int i = 0; i < c->head.nent; i++) {
		uint32_t bits = c->entry[i].eax;

		if (c->entry[i].function != 0x80000008)
			continue;
		/* EAX[23:16]: guest physical bits where they differ. */
		return bits >> 16 & 0xff ? bits >> 16 & 0xff : bits & 0xff;
	}
	return 36;
}
