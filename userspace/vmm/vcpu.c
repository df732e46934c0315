// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPU threads.  A thread leaves the guest for good only after vm->exit was
 * set; vcpu_stop_all() makes that happen without a window in which the kick
 * could be missed: immediate_exit covers the time before KVM_RUN, the signal
 * the time in it.
 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/boot.h"
#include "vmm/bus.h"
#include "vmm/cpuid.h"
#include "vmm/kvm.h"
#include "vmm/vm.h"
#include "vmm/watch.h"

#define KICK_SIGNAL SIGUSR1

/* Model specific registers and their values at reset (SDM vol. 4; MTRRs: vol. 3, 12.11.2.1). */
#define MSR_MISC_ENABLE	     0x1a0
#define MISC_ENABLE_FAST_STR (1ULL << 0)
#define MSR_MTRR_DEF_TYPE    0x2ff
#define MTRR_ENABLE_WB	     (1ULL << 11 | 6)

/* Control registers (SDM vol. 3, 2.5) and EFER. */
#define CR0_PE	 (1ULL << 0)
#define CR0_ET	 (1ULL << 4)
#define CR0_PG	 (1ULL << 31)
#define CR4_PAE	 (1ULL << 5)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)
#define RFLAGS_1 (1ULL << 1)

static int set_msrs(struct vcpu *v)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} m = {
		.head.nmsrs = 2,
		.entry =
			{
				{.index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STR},
				{.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE_WB},
			},
	};
	long ret = kvm_ioctl(v->fd, KVM_SET_MSRS, &m);

	return ret < 0 ? ret : 0;
}

/*
 * KVM gives a new vCPU the TSC frequency it found when it was loaded.  Where
 * the kernel has since measured it better, by more than kvm.tsc_tolerance_ppm,
 * and the CPU cannot scale its TSC, KVM fails that silently and the vCPU's
 * TSC-deadline timer never fires.  0 means the frequency as it is known now.
 */
static void set_tsc_frequency(struct vcpu *v)
{
	long ret = kvm_ioctl(v->fd, KVM_SET_TSC_KHZ, NULL);

	if (ret)
		log_warn("vCPU %u: KVM_SET_TSC_KHZ: %s; its timers may be late", v->id,
			 strerror(-ret));
}

static int init_one(struct vm *vm, struct vcpu *v, const struct cpuid *supported)
{
	struct cpuid c = *supported;
	long ret = kvm_ioctl(vm->vm_fd, KVM_CREATE_VCPU, (void *)(long)v->id);

	if (ret < 0)
		return ret;
	v->fd = ret;
	v->run = mmap(NULL, v->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return -errno;
	}
	set_tsc_frequency(v);
	cpuid_adjust(&c, v->id, vm->cfg.nr_vcpus);
	ret = kvm_ioctl(v->fd, KVM_SET_CPUID2, &c);
	return ret ? ret : set_msrs(v);
}

static int check_phys_bits(const struct vm *vm, const struct cpuid *c)
{
	const struct mem_region *top = &vm->mem.region[vm->mem.nr - 1];
	unsigned int bits = cpuid_phys_bits(c);

	if ((top->gpa + top->size - 1) >> bits)
		return log_errno(
			-EINVAL,
			"--mem %llu MiB: this CPU addresses only %u bits of memory; ask for less",
			(unsigned long long)vm->mem.size >> 20, bits);
	return 0;
}

int vcpu_init_all(struct vm *vm)
{
	long run_len = kvm_ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	struct cpuid c;
	int ret;

	if (run_len < 0)
		return log_errno(run_len, "/dev/kvm: KVM_GET_VCPU_MMAP_SIZE: %s",
				 strerror(-run_len));
	ret = cpuid_load(vm, &c);
	if (!ret)
		ret = check_phys_bits(vm, &c);
	if (ret)
		return ret;
	vm->vcpus = calloc(vm->cfg.nr_vcpus, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return log_errno(-ENOMEM, "vCPUs: out of memory");
	for (unsigned int i = 0; i < vm->cfg.nr_vcpus; i++)
		vm->vcpus[i] = (struct vcpu){.vm = vm, .id = i, .fd = -1, .run_len = run_len};
	for (unsigned int i = 0; i < vm->cfg.nr_vcpus && !ret; i++) {
		ret = init_one(vm, &vm->vcpus[i], &c);
		if (ret)
			log_err("vCPU %u: cannot create it: %s", i, strerror(-ret));
	}
	if (ret)
		vcpu_fini_all(vm);
	return ret;
}

void vcpu_fini_all(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->cfg.nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (v->run)
			munmap(v->run, v->run_len);
		close_fd(v->fd);
	}
	free(vm->vcpus);
	vm->vcpus = NULL;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code,
		.db = !code,
	};
}

int vcpu_set_boot_state(struct vm *vm, uint64_t entry, uint64_t boot_params)
{
	/* Types: SDM vol. 3, 3.4.5.1: execute/read accessed, read/write accessed. */
	struct kvm_segment code = segment(BOOT_CS, 0xb, true);
	struct kvm_segment data = segment(BOOT_DS, 0x3, false);
	struct kvm_regs regs = {.rip = entry, .rsi = boot_params, .rflags = RFLAGS_1};
	struct kvm_sregs s;
	long ret = kvm_ioctl(vm->vcpus[0].fd, KVM_GET_SREGS, &s);

	if (ret)
		goto out;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.gdt = (struct kvm_dtable){.base = BOOT_GDT_GPA, .limit = BOOT_GDT_LEN - 1};
	s.idt = (struct kvm_dtable){0};
	s.cr0 = CR0_PE | CR0_ET | CR0_PG;
	s.cr3 = BOOT_PML4_GPA;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	ret = kvm_ioctl(vm->vcpus[0].fd, KVM_SET_SREGS, &s);
	if (!ret)
		ret = kvm_ioctl(vm->vcpus[0].fd, KVM_SET_REGS, &regs);
out:
	if (ret)
		log_err("vCPU 0: cannot set its registers: %s", strerror(-ret));
	return ret;
}

static void handle_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *p = (uint8_t *)run + run->io.data_offset;

	/* A string instruction repeats one access. */
	for (uint32_t i = 0; i < run->io.count; i++, p += run->io.size)
		bus_access(v->vm, BUS_PIO, run->io.port, run->io.direction == KVM_EXIT_IO_OUT, p,
			   run->io.size);
}

static void internal_error(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct kvm_regs regs = {0};

	kvm_ioctl(v->fd, KVM_GET_REGS, &regs);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		log_err("vCPU %u: the CPU refuses the guest's state (reason %#llx, rip %#llx)",
			v->id, (unsigned long long)run->fail_entry.hardware_entry_failure_reason,
			(unsigned long long)regs.rip);
	else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		log_err("vCPU %u: KVM internal error %u at rip %#llx", v->id,
			run->internal.suberror, (unsigned long long)regs.rip);
	else
		log_err("vCPU %u: KVM exit %u is not handled (rip %#llx)", v->id, run->exit_reason,
			(unsigned long long)regs.rip);
	vm_stop(v->vm, VM_EXIT_INTERNAL);
}

static void handle_system_event(struct vcpu *v)
{
	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_stop(v->vm, VM_EXIT_SHUTDOWN);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_stop(v->vm, VM_EXIT_RESET);
		break;
	default:
		internal_error(v);
	}
}

static void handle_exit(struct vcpu *v)
{
	struct kvm_run *run = v->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(v);
		break;
	case KVM_EXIT_MMIO:
		if (watch_mmio(v))
			break;
		bus_access(v->vm, BUS_MMIO, run->mmio.phys_addr, run->mmio.is_write, run->mmio.data,
			   run->mmio.len);
		break;
	case KVM_EXIT_IOAPIC_EOI: /* for level-triggered pins; see ioapic.c */
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:
		vm_stop(v->vm, VM_EXIT_TRIPLE_FAULT);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(v);
		break;
	default:
		internal_error(v);
	}
}

static void run_failed(struct vcpu *v, long err)
{
	if (err == -EFAULT)
		log_err("vCPU %u: guest memory cannot be faulted in; the host may be out of memory",
			v->id);
	else
		log_err("vCPU %u: KVM_RUN: %s", v->id, strerror(-err));
	vm_stop(v->vm, VM_EXIT_INTERNAL);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	sigset_t kick;

	/* Blocked signals are inherited, from whoever started this process too. */
	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	while (__atomic_load_n(&v->vm->exit, __ATOMIC_ACQUIRE) == VM_EXIT_NONE) {
		/* Not kvm_ioctl(): a kick must end the wait. */
		long ret = ioctl(v->fd, KVM_RUN, NULL);

		if (!ret) {
			__atomic_store_n(&v->exits, v->exits + 1, __ATOMIC_RELAXED);
			handle_exit(v);
		} else if (errno != EINTR && errno != EAGAIN) {
			run_failed(v, -errno);
		}
	}
	return NULL;
}

static void on_kick(int sig)
{
	/* Being delivered is all it is for. */
}

int vcpu_start_all(struct vm *vm)
{
	struct sigaction sa = {.sa_handler = on_kick};

	sigemptyset(&sa.sa_mask);
	sigaction(KICK_SIGNAL, &sa, NULL);
	for (unsigned int i = 0; i < vm->cfg.nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];
		int ret = pthread_create(&v->thread, NULL, vcpu_main, v);

		if (ret)
			return log_errno(-ret,
					 "vCPU %u: cannot start its thread: %s; raise pids.max", i,
					 strerror(ret));
		v->running = true;
	}
	return 0;
}

void vcpu_stop_all(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->cfg.nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (!v->running)
			continue;
		__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		pthread_kill(v->thread, KICK_SIGNAL);
	}
	for (unsigned int i = 0; i < vm->cfg.nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (v->running)
			pthread_join(v->thread, NULL);
		v->running = false;
	}
}

uint64_t vcpu_exits(const struct vm *vm)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < vm->cfg.nr_vcpus; i++)
		sum += __atomic_load_n(&vm->vcpus[i].exits, __ATOMIC_RELAXED);
	return sum;
}
