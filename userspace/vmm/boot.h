/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entering a Linux guest: where the VMM puts what the 64-bit boot protocol
 * asks for (Documentation/arch/x86/boot.rst of the kernel).
 *
 *   0x00000500  GDT
 *   0x00007000  boot_params, the zero page
 *   0x00008000  setup_data with the CRNG's seed
 *   0x00009000  PML4, PDPT, PD: the first GiB, identity mapped
 *   0x00020000  kernel command line
 *   0x0009f000  MP table; its floating pointer at 0x9fc00, which guests scan
 *   0x00100000  kernel, at the address it asks for; the initrd at the end of RAM
 */
#ifndef RUND_VMM_BOOT_H
#define RUND_VMM_BOOT_H

#include <stdint.h>

#define BOOT_CS		    0x10
#define BOOT_DS		    0x18

#define BOOT_GDT_GPA	    0x500
#define BOOT_GDT_LEN	    32
#define BOOT_PARAMS_GPA	    0x7000
#define BOOT_SETUP_DATA_GPA 0x8000
#define BOOT_PML4_GPA	    0x9000
#define BOOT_CMDLINE_GPA    0x20000
#define BOOT_MPTABLE_GPA    0x9f000
#define BOOT_MPTABLE_END    0x9fc00
#define BOOT_MPFLOAT_GPA    0x9fc00
#define BOOT_LOW_END	    0xa0000
#define BOOT_HIGH_START	    0x100000
/* What the identity mapping covers; kernel, zero page and command line lie in it. */
#define BOOT_MAPPED (1ULL << 30)

struct vm;

/* Add to the kernel's command line, a space before it. 0, or -ENOSPC; logs. */
int boot_cmdline(struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Load kernel and initrd, describe the machine, set vCPU 0. 0 or -errno; logs. */
int boot_init(struct vm *vm);
void boot_fini(struct vm *vm);

#endif
