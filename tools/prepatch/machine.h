/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Booting a kernel in a microVM to see what it does to its text.
 */
#ifndef RUND_PREPATCH_MACHINE_H
#define RUND_PREPATCH_MACHINE_H

#include "image.h"
#include "rund/prepatch.h"
#include "vmm/vm.h"

/* What `build` and `verify` let the user choose. */
struct pp_machine_opts {
	const char *kernel, *initrd, *cmdline;
	uint64_t mem; /* bytes */
	unsigned int cpus;
	unsigned int seconds; /* until it is given up */
	/* Called when the machine is made, before it runs; may be NULL. */
	void (*created)(struct vm *vm);
};

#define PP_MACHINE_DEFAULTS                                     \
	{                                                       \
		.mem = 128ULL << 20, .cpus = 1, .seconds = 300, \
	}

/**
 * pp_machine_run() - boot @o->kernel and run it until it ends
 * @vm: storage; pp_machine_end() when this returned 0
 * @o: what to boot
 * @cfg: freeze and watch as wanted; the rest is filled in from @o
 *
 * With FREEZE_STOP a guest that ends before its freeze point is an error.
 *
 * Return: 0 or -errno, logged with what the guest said last.
 */
int pp_machine_run(struct vm *vm, const struct pp_machine_opts *o, struct vm_config *cfg);
void pp_machine_end(struct vm *vm);

/**
 * pp_machine_info() - what a guest that is at its freeze point says of itself
 *
 * Nothing in it is true because it says so, but every range in it lies in RAM,
 * and text and read-only data are whole pages.
 *
 * Return: 0 or -ENOEXEC, logged.
 */
int pp_machine_info(const struct vm *vm, struct frozen_text_info *info);

#endif
