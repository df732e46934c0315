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
#include "vmm/watch.h"

struct control;
struct rund_prepatch;
struct virtio_dev;
struct watch;

#define VM_MAX_VCPUS 64
#define VM_MAX_BLK   4
#define VM_MAX_FS    4
#define VM_MAX_DEVS  16

/* Who models the IOAPIC: this process (nothing for KVM to set up) or KVM. */
enum irqchip_mode { IRQCHIP_SPLIT, IRQCHIP_KERNEL };

/* What a frozen kernel's signal does: the guest is not asked for one, is, ends with it. */
enum freeze_mode { FREEZE_IGNORE, FREEZE_NOTE, FREEZE_STOP };

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
	enum irqchip_mode irqchip;
	enum freeze_mode freeze;
	struct {
		enum watch_mode mode;
		/* None: text and read-only data of the kernel, which has to be pre-patched. */
		struct watch_range range[WATCH_MAX_RANGES];
		unsigned int nr;
		int fd;	     /* --text-log */
		watch_fn fn; /* WATCH_TRAP: may be NULL */
		void *priv;
	} watch;
};

/* Why the machine stopped. */
enum vm_exit {
	VM_EXIT_NONE,
	VM_EXIT_RESET,	      /* the guest asked for a reset: how it powers off */
	VM_EXIT_SHUTDOWN,     /* KVM reported a shutdown event */
	VM_EXIT_TRIPLE_FAULT, /* also how reboot=t ends a guest */
	VM_EXIT_STOPPED,      /* the host asked for it */
	VM_EXIT_FROZEN,	      /* the kernel is at its freeze point, and no more was wanted */
	VM_EXIT_INTERNAL,     /* KVM could not go on; logged */
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
	/* virtio devices in order of registration; see virtio/transport.c. */
	struct virtio_dev *virtio[VM_MAX_DEVS];
	unsigned int nr_virtio;
	struct control *control;
	struct rund_prepatch *prepatch; /* what the kernel's note says; NULL: it has none */
	struct watch *watch;
	uint32_t frozen_gpa; /* where struct frozen_text_info is, 0 before; atomic */
	enum vm_exit exit;   /* the first reason wins; atomic */
	int exit_code;
	unsigned int nr_steps; /* of the construction that are done */
	uint64_t setup_us;     /* how long they took */
};

/**
 * vm_create() - build the machine that @cfg describes, ready to run
 * @vm: storage; zeroed here
 * @cfg: copied; descriptors in it stay the caller's
 *
 * Return: 0 or -errno, logged, with everything undone.
 */
int vm_create(struct vm *vm, const struct vm_config *cfg);

/**
 * vm_run() - run vCPUs and the main loop until the machine stops
 * Return: 0 when the guest ended or was stopped, -EIO when KVM failed (logged).
 */
int vm_run(struct vm *vm);

/* Stop the machine, from any thread.  Only the first reason counts. */
void vm_stop(struct vm *vm, enum vm_exit reason);

/* Name of a reason, as the control socket spells it. */
const char *vm_exit_name(enum vm_exit reason);

/* Undo vm_create(). */
void vm_destroy(struct vm *vm);

#ifdef RUND_UNIT_TEST
/* Construction step that fails, counted from 0; -1 for none. */
extern int vm_fail_step;
#endif

#endif
