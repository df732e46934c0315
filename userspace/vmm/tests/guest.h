/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests of a few instructions on a real KVM, and what a machine leaves behind
 * when it is gone.
 */
#ifndef RUND_VMM_TEST_GUEST_H
#define RUND_VMM_TEST_GUEST_H

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmm/vm.h"

#define RAM	(37ULL << 20) /* a size that no other mapping here has */
#define LOAD	0x1000000

#define LE32(v) (v) & 0xff, (v) >> 8 & 0xff, (v) >> 16 & 0xff, (v) >> 24 & 0xff

/* Eight bytes each; PRINT is for a guest that began with CONSOLE. */
#define CONSOLE	    0x66, 0xba, 0xf8, 0x03	    /* mov $0x3f8, %dx */
#define STORE(a, v) 0xbf, LE32(a), 0xc6, 0x07, (v)  /* mov $a, %edi; movb $v, (%rdi) */
#define PRINT(a)    0xbf, LE32(a), 0x8a, 0x07, 0xee /* mov $a, %edi; mov (%rdi), %al; out %al, %dx */
#define PUTC(c)	    0xb0, (c), 0xee		    /* mov $c, %al; out %al, %dx */
#define RESET	    0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe /* mov $0xfe, %al; out %al, $0x64; jmp . */

struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	uint8_t code[256];
};

/* The name by which vm_create() can open a descriptor. */
static inline const char *fd_path(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* A path by which vm_create() can open an image of these instructions. */
static inline const char *make_kernel(const uint8_t *code, size_t len, int *fd)
{
	struct image im = {
		.eh = {.e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_entry = LOAD,
		       .e_phoff = offsetof(struct image, ph),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 1},
		.ph = {.p_type = PT_LOAD,
		       .p_offset = offsetof(struct image, code),
		       .p_paddr = LOAD,
		       .p_filesz = sizeof(im.code),
		       .p_memsz = sizeof(im.code)},
	};

	assert_true(len <= sizeof(im.code));
	memcpy(im.eh.e_ident, ELFMAG, SELFMAG);
	im.eh.e_ident[EI_CLASS] = ELFCLASS64;
	im.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(im.code, code, len);
	*fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(write(*fd, &im, sizeof(im)), sizeof(im));
	return fd_path(*fd);
}

static inline struct vm_config config(const char *kernel)
{
	return (struct vm_config){
		.name = "test",
		.kernel = kernel,
		.mem_size = RAM,
		.nr_vcpus = 2,
		.console_fd = -1,
		.control_fd = -1,
	};
}

static inline void need_kvm(void)
{
	if (access("/dev/kvm", R_OK | W_OK)) {
		print_message("# SKIP no usable /dev/kvm\n");
		skip();
	}
}

/* A guest that ran to its end, and is still there to be looked at. */
struct guest {
	struct vm vm;
	int kernel;
	char out[128]; /* what it printed, in whole lines */
};

static inline void guest_run(struct guest *g, const uint8_t *code, size_t len,
			     const struct vm_config *_cfg)
{
	int console = memfd_create("console", MFD_CLOEXEC);
	struct vm_config cfg = *_cfg;

	memset(g->out, 0, sizeof(g->out));
	cfg.kernel = make_kernel(code, len, &g->kernel);
	cfg.console_fd = console;
	assert_int_equal(vm_create(&g->vm, &cfg), 0);
	assert_int_equal(vm_run(&g->vm), 0);
	assert_true(pread(console, g->out, sizeof(g->out) - 1, 0) >= 0);
	/* Lines that have no end would go where nothing is any more. */
	assert_true(!*g->out || strchr(g->out, '\n'));
	close(console);
}

static inline void guest_end(struct guest *g)
{
	vm_destroy(&g->vm);
	close(g->kernel);
}

struct left {
	int fds;
	int kvm_maps;
	int ram_maps;
	long mib; /* address space */
};

static inline struct left count_left(void)
{
	struct left l = {0};
	FILE *f = fopen("/proc/self/maps", "r");
	DIR *d = opendir("/proc/self/fd");
	unsigned long a, b;
	char line[512];

	while (readdir(d))
		l.fds++;
	closedir(d);
	while (fgets(line, sizeof(line), f)) {
		l.kvm_maps += !!strstr(line, "kvm");
		if (sscanf(line, "%lx-%lx", &a, &b) != 2)
			continue;
		l.ram_maps += b - a == RAM;
		l.mib += (b - a) >> 10;
	}
	l.mib >>= 10;
	fclose(f);
	return l;
}

static inline void assert_same(struct left a, struct left b)
{
	assert_int_equal(a.fds, b.fds);
	assert_int_equal(a.kvm_maps, b.kvm_maps);
	assert_int_equal(a.ram_maps, b.ram_maps);
	/* A heap may grow, but not by the RAM of a guest, whole or in pieces. */
	assert_true(labs(a.mib - b.mib) < (RAM >> 20) / 2);
}

#endif
