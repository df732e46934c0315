// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest guest that tells: long mode, ring 0, paging on, a counting loop
 * and HLT.  It is run with two counts, and the difference of the times is that of
 * the loop alone.
 */
#include "kvmprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "timeline.h"

/* Guest memory: three page tables, then the code. */
#define PML4	 0x0000
#define PDPT	 0x1000
#define PD	 0x2000
#define CODE	 0x3000
#define MEM_SIZE 0x4000

/* SDM vol. 3, 4.5 (paging) and 2.5 (control registers), 2.2.1 (EFER). */
#define PTE_P_RW   0x3
#define PDE_2M	   0x80
#define CR0_PE_PG  0x80000011UL /* with ET, which is fixed to 1 */
#define CR4_PAE	   0x20
#define EFER_LONG  0x500 /* LME and LMA */

#define FEW_LOOPS  1000
#define MANY_LOOPS 21000
#define LOOP_INSNS 2
#define ROUNDS	   3

/* 1: dec %rcx; jnz 1b; hlt */
static const uint8_t code[] = {0x48, 0xff, 0xc9, 0x75, 0xfb, 0xf4};

struct probe {
	int kvm, vm, vcpu;
	uint8_t *mem;
	struct kvm_run *run;
	size_t run_size;
};

static void fill_memory(uint8_t *mem)
{
	const uint64_t pml4e = PDPT | PTE_P_RW, pdpte = PD | PTE_P_RW, pde = PDE_2M | PTE_P_RW;

	memcpy(mem + PML4, &pml4e, sizeof(pml4e));
	memcpy(mem + PDPT, &pdpte, sizeof(pdpte));
	memcpy(mem + PD, &pde, sizeof(pde));
	memcpy(mem + CODE, code, sizeof(code));
}

static int set_segments(int vcpu)
{
	/* SDM vol. 3, 3.4.5: code, execute/read/accessed, and data, read/write. */
	struct kvm_segment cs = {
		.limit = ~0U, .selector = 8, .type = 0xb, .present = 1, .s = 1, .l = 1, .g = 1};
	struct kvm_segment ds = {
		.limit = ~0U, .selector = 16, .type = 0x3, .present = 1, .s = 1, .db = 1, .g = 1};
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return -errno;
	s.cs = cs;
	s.ds = s.es = s.fs = s.gs = s.ss = ds;
	s.cr0 = CR0_PE_PG;
	s.cr3 = PML4;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LONG;
	return ioctl(vcpu, KVM_SET_SREGS, &s) ? -errno : 0;
}

/* CPUID must have long mode, or KVM refuses EFER. */
static int set_cpuid(const struct probe *p)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} c = {.head.nent = 256};

	if (ioctl(p->kvm, KVM_GET_SUPPORTED_CPUID, &c) || ioctl(p->vcpu, KVM_SET_CPUID2, &c))
		return -errno;
	return 0;
}

static int open_vm(struct probe *p)
{
	struct kvm_userspace_memory_region region = {.memory_size = MEM_SIZE};

	p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0);
	if (p->vm < 0)
		return -errno;
	p->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->mem == MAP_FAILED)
		return -errno;
	fill_memory(p->mem);
	region.userspace_addr = (uintptr_t)p->mem;
	if (ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return -errno;
	p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
	if (p->vcpu < 0)
		return -errno;
	p->run_size = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	p->run = mmap(NULL, p->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
	return p->run == MAP_FAILED ? -errno : 0;
}

/* Return: nanoseconds for one run of @loops, or -errno. */
static int64_t run_loops(const struct probe *p, uint64_t loops)
{
	struct kvm_regs regs = {.rip = CODE, .rcx = loops, .rflags = 2};
	uint64_t start;

	if (ioctl(p->vcpu, KVM_SET_REGS, &regs))
		return -errno;
	start = ra_now();
	do {
		if (ioctl(p->vcpu, KVM_RUN, 0) && errno != EINTR)
			return -errno;
	} while (p->run->exit_reason == KVM_EXIT_INTR);
	if (p->run->exit_reason != KVM_EXIT_HLT)
		return -ENOEXEC;
	return ra_now() - start;
}

/* The least of several, since everything that disturbs adds time. */
static int measure(const struct probe *p, double *ns_per_insn)
{
	int64_t few = INT64_MAX, many = INT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t f = run_loops(p, FEW_LOOPS), m = run_loops(p, MANY_LOOPS);

		if (f < 0 || m < 0)
			return f < 0 ? f : m;
		few = f < few ? f : few;
		many = m < many ? m : many;
	}
	*ns_per_insn =
		many > few ? (double)(many - few) / ((MANY_LOOPS - FEW_LOOPS) * LOOP_INSNS) : 0;
	return 0;
}

static void close_probe(struct probe *p)
{
	if (p->run && p->run != MAP_FAILED)
		munmap(p->run, p->run_size);
	close_fd(p->vcpu);
	close_fd(p->vm);
	close_fd(p->kvm);
	if (p->mem && p->mem != MAP_FAILED)
		munmap(p->mem, MEM_SIZE);
}

int ra_kvm_probe(double *ns_per_insn, const char **what)
{
	struct probe p = {.vm = -1, .vcpu = -1};
	int ret = 0;

	*what = "open /dev/kvm";
	p.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (p.kvm < 0)
		return -errno;
	*what = "create a virtual machine";
	ret = open_vm(&p);
	if (!ret) {
		*what = "set up a virtual CPU";
		ret = set_cpuid(&p);
	}
	if (!ret)
		ret = set_segments(p.vcpu);
	if (!ret) {
		*what = "run a guest";
		ret = measure(&p, ns_per_insn);
	}
	close_probe(&p);
	return ret;
}
