/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's descriptors at /dev/kvm: opening, checking what KVM offers,
 * creating the VM and giving it its memory.
 */
#ifndef RUND_VMM_KVM_H
#define RUND_VMM_KVM_H

#include <stdint.h>

struct vm;

/**
 * kvm_ioctl() - ioctl() on a KVM descriptor, restarted after signals
 * Return: the ioctl's value or -errno.
 */
long kvm_ioctl(int fd, unsigned long req, void *arg);

/* Open /dev/kvm, check it, create the VM. 0 or -errno; logs. */
int kvm_init(struct vm *vm);
void kvm_fini(struct vm *vm);

/* Register vm->mem as memory slots. 0 or -errno; logs. */
int kvm_add_memory(struct vm *vm);

/* Whether, or how many of, KVM offers an extension; 0 if not. */
int kvm_has(const struct vm *vm, long cap);

#endif
