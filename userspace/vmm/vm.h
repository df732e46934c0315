/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One virtual machine: its configuration, memory, vCPUs and devices.
 */
#ifndef RUND_VMM_VM_H
#define RUND_VMM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/loop.h"
#include "vmm/mem.h"

#define VM_MAX_VCPUS 64
#define VM_MAX_BLK   4
#define VM_MAX_FS    4
#define VM_MAX_DEVS  16

/* What the command line asked for.  Descriptors are -1 when absent. */
struct vm_config {
	const char *name;
	const char *kernel;  /* ELF vmlinux or bzImage */
	const char *initrd;  /* NULL: none */
	const char *cmdline; /* appended to the VMM's own */
	uint64_t mem_size;   /* bytes */
	unsigned int nr_vcpus;
	struct {
		int fd;
		bool readonly;
	} blk[VM_MAX_BLK];
	unsigned int nr_blk;
	struct {
		char tag[36]; /* virtio 1.2, 5.11.4 */
		int fd;	      /* directory that is shared, read-only */
	} fs[VM_MAX_FS];
	unsigned int nr_fs;
	uint32_t vsock_cid; /* 0: no vsock device */
	const char
		*vsock_path; /* Unix sockets: PATH (host connects), PATH_<port> (guest connects) */
	int console_fd;	     /* 8250 output */
	int control_fd;	     /* connected or listening stream socket */
};

struct vm {
	struct vm_config cfg;
	struct mem mem;
	struct loop loop; /* main thread's */
	int kvm_fd;
	int vm_fd;
	struct vcpu *vcpus;
	/* Built while devices attach: "virtio_mmio.device=4K@0xd0000000:5 ...". */
	char cmdline[2048];
	/* Private state of irqchip, bus, transport and devices, one pointer each: */
	struct irqchip *irqchip;
	struct bus *bus;
	void *dev_priv[VM_MAX_DEVS]; /* by position in device-list.h */
	int exit_code;
};

#endif
