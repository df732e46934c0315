/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtual CPUs: creation, boot state, and one thread each that runs the guest
 * and hands its port and MMIO accesses to the bus.
 */
#ifndef RUND_VMM_VCPU_H
#define RUND_VMM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

struct vcpu {
	struct vm *vm;
	unsigned int id; /* also the APIC ID */
	int fd;
	struct kvm_run *run;
	size_t run_len;
	pthread_t thread;
	bool running;	/* thread exists */
	uint64_t exits; /* to this process; written by the vCPU's thread only */
};

/* Create vm->cfg.nr_vcpus vCPUs. 0 or -errno; logs. */
int vcpu_init_all(struct vm *vm);
void vcpu_fini_all(struct vm *vm);

/**
 * vcpu_set_boot_state() - let vCPU 0 begin in 64-bit mode
 * @entry: first instruction, a physical address
 * @boot_params: the zero page, passed in RSI (Documentation/arch/x86/boot.rst)
 *
 * Return: 0 or -errno; logs.
 */
int vcpu_set_boot_state(struct vm *vm, uint64_t entry, uint64_t boot_params);

/* Start a thread a vCPU. 0 or -errno; logs. */
int vcpu_start_all(struct vm *vm);
/* Kick every vCPU out of the guest and wait for its thread. */
void vcpu_stop_all(struct vm *vm);
/* Exits to this process so far, all vCPUs together. */
uint64_t vcpu_exits(const struct vm *vm);

#endif
