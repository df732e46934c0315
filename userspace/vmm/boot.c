// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 64-bit boot protocol: everything a kernel finds in memory when its first
 * instruction runs.
 */
#include "vmm/boot.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/irqchip.h"
#include "vmm/kernel.h"
#include "vmm/mptable.h"
#include "vmm/prepatched.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define PAGE	       4096ULL
#define E820_RAM       1
#define E820_RESERVED  2
#define LOADER_UNKNOWN 0xff /* type_of_loader: none registered */
#define HDR_BOOT_FLAG  0xaa55
#define HDR_MAGIC      0x53726448 /* "HdrS" */
#define HDR_VERSION    0x020f
#define SEED_LEN       64
/* initrd_addr_max of every x86-64 kernel. */
#define INITRD_ADDR_MAX 0x7fffffffULL

/* Page table entries (SDM vol. 3, 4.5): present, writable; 2 MiB page. */
#define PTE_TABLE 0x03ULL
#define PTE_2MIB  0x83ULL

/* Long-mode flat code and data (SDM vol. 3, 3.4.5), at selectors BOOT_CS and BOOT_DS. */
static const uint64_t gdt[BOOT_GDT_LEN / 8] = {
	0,
	0,
	0x00af9b000000ffffULL,
	0x00cf93000000ffffULL,
};

int boot_cmdline(struct vm *vm, const char *fmt, ...)
{
	size_t used = strlen(vm->cmdline);
	size_t room = sizeof(vm->cmdline) - used;
	va_list ap;
	int n;

	if (used && room > 1) {
		vm->cmdline[used++] = ' ';
		vm->cmdline[used] = '\0';
		room--;
	}
	va_start(ap, fmt);
	n = vsnprintf(vm->cmdline + used, room, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= room)
		return log_errno(-ENOSPC,
				 "kernel command line is longer than %zu bytes; shorten --cmdline",
				 sizeof(vm->cmdline) - 1);
	return 0;
}

static int build_cmdline(struct vm *vm)
{
	/* A guest resets through the keyboard controller, and at once after a panic. */
	int ret = boot_cmdline(vm, "reboot=k panic=-1 quiet");

	/* Told nothing, the kernel would talk to a serial port that is not there. */
	if (!ret)
		ret = boot_cmdline(vm, "console=%s", vm->cfg.console_fd < 0 ? "null" : "ttyS0");
	if (!ret && vm->cfg.cmdline)
		ret = boot_cmdline(vm, "%s", vm->cfg.cmdline);
	if (ret)
		return ret;
	return mem_write(&vm->mem, BOOT_CMDLINE_GPA, vm->cmdline, strlen(vm->cmdline) + 1);
}

static int open_file(const char *what, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return log_errno(-errno, "%s %s: %s", what, path, strerror(errno));
	return fd;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Nobody should write what an image holds in its final form: a host that wants may watch. */
static int watch_kernel(struct vm *vm)
{
	const struct rund_prepatch *p = vm->prepatch;

	if (vm->cfg.watch.mode == WATCH_OFF || vm->cfg.watch.nr)
		return 0;
	if (!p)
		return log_errno(-EINVAL,
				 "--text-log: kernel %s is not pre-patched; make one that is with "
				 "rund-prepatch build",
				 vm->cfg.kernel);
	vm->cfg.watch.range[0] = (struct watch_range){p->text.start, p->text.end};
	vm->cfg.watch.range[1] = (struct watch_range){p->rodata.start, p->rodata.end};
	vm->cfg.watch.nr = 2;
	return 0;
}

static int load_kernel(struct vm *vm, struct kernel_image *img)
{
	__cleanup_fd int fd = open_file("kernel", vm->cfg.kernel);
	int ret;

	if (fd < 0)
		return fd;
	ret = kernel_load(&vm->mem, fd, vm->cfg.kernel, min(vm->mem.region[0].size, BOOT_MAPPED),
			  img);
	vm->prepatch = img->prepatch;
	if (!ret && vm->prepatch) {
		mem_hint_huge(&vm->mem, vm->prepatch->text.start, vm->prepatch->rodata.end);
		ret = prepatched_check_cpu(vm, vm->cfg.kernel, vm->prepatch);
	}
	return ret ? ret : watch_kernel(vm);
}

/* The initrd goes to the end of low RAM, away from the kernel. */
static int load_initrd(struct vm *vm, const struct kernel_image *img, struct boot_params *bp)
{
	uint64_t top = min(vm->mem.region[0].size, INITRD_ADDR_MAX + 1);
	__cleanup_fd int fd = -1;
	struct stat st;
	uint64_t gpa;
	int ret;

	if (!vm->cfg.initrd)
		return 0;
	fd = open_file("initrd", vm->cfg.initrd);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		return log_errno(-EINVAL, "initrd %s: not a regular file, or empty",
				 vm->cfg.initrd);
	if (img->end > top || st.st_size > top - img->end)
		goto too_big;
	gpa = (top - st.st_size) & ~(PAGE - 1);
	if (gpa < img->end)
		goto too_big;
	ret = mem_load(&vm->mem, fd, 0, gpa, st.st_size);
	if (ret)
		return log_errno(ret, "initrd %s: %s", vm->cfg.initrd,
				 ret == -ENODATA ? "truncated" : strerror(-ret));
	bp->hdr.ramdisk_image = gpa;
	bp->hdr.ramdisk_size = st.st_size;
	return 0;

too_big:
	return log_errno(-ENOSPC, "initrd %s: %lld KiB do not fit beside the kernel; raise --mem",
			 vm->cfg.initrd, (long long)st.st_size >> 10);
}

static void add_e820(struct boot_params *bp, uint64_t start, uint64_t end, uint32_t type)
{
	if (start < end)
		bp->e820_table[bp->e820_entries++] =
			(struct boot_e820_entry){.addr = start, .size = end - start, .type = type};
}

static void build_e820(const struct vm *vm, struct boot_params *bp)
{
	add_e820(bp, 0, BOOT_MPTABLE_GPA, E820_RAM);
	add_e820(bp, BOOT_MPTABLE_GPA, BOOT_LOW_END, E820_RESERVED);
	add_e820(bp, BOOT_HIGH_START, vm->mem.region[0].size, E820_RAM);
	for (unsigned int i = 1; i < vm->mem.nr; i++) {
		const struct mem_region *r = &vm->mem.region[i];

		add_e820(bp, r->gpa, r->gpa + r->size, E820_RAM);
	}
}

/* A fresh seed for every start, so that no two guests share random numbers. */
static int build_seed(struct vm *vm)
{
	struct {
		struct setup_data head;
		uint8_t seed[SEED_LEN];
	} d = {.head = {.type = SETUP_RNG_SEED, .len = SEED_LEN}};
	int ret;

	if (getrandom(d.seed, SEED_LEN, 0) != SEED_LEN)
		return log_errno(-EIO, "cannot get random bytes: %s", strerror(errno));
	ret = mem_write(&vm->mem, BOOT_SETUP_DATA_GPA, &d, sizeof(d.head) + SEED_LEN);
	explicit_bzero(&d, sizeof(d));
	return ret;
}

static void fill_header(const struct kernel_image *img, struct boot_params *bp)
{
	_Static_assert(offsetof(struct boot_params, hdr) == KERNEL_HDR_START, "boot_params layout");

	memcpy((uint8_t *)bp + KERNEL_HDR_START, img->hdr, img->hdr_len);
	if (!img->hdr_len) {
		bp->hdr.boot_flag = HDR_BOOT_FLAG;
		bp->hdr.header = HDR_MAGIC;
		bp->hdr.version = HDR_VERSION;
	}
	bp->hdr.type_of_loader = LOADER_UNKNOWN;
	bp->hdr.cmd_line_ptr = BOOT_CMDLINE_GPA;
	bp->hdr.cmdline_size = sizeof(((struct vm *)0)->cmdline) - 1;
	bp->hdr.setup_data = BOOT_SETUP_DATA_GPA;
}

static int build_tables(struct vm *vm)
{
	struct mptable_info info = {
		.nr_cpus = vm->cfg.nr_vcpus,
		.ioapic_id = irqchip_ioapic_id(vm),
		.pins = irqchip_claimed(vm),
	};
	uint8_t mp[BOOT_MPTABLE_END - BOOT_MPTABLE_GPA];
	uint64_t pt[3][512] = {{(BOOT_PML4_GPA + PAGE) | PTE_TABLE},
			       {(BOOT_PML4_GPA + 2 * PAGE) | PTE_TABLE}};
	uint8_t mpf[16];
	int ret = mptable_build(mp, sizeof(mp), &info);

	if (ret < 0)
		return log_errno(ret, "MP table: %u vCPUs do not fit", info.nr_cpus);
	mptable_float(mpf, BOOT_MPTABLE_GPA);
	for (uint64_t i = 0; i < 512; i++)
		pt[2][i] = i << 21 | PTE_2MIB;
	if (mem_write(&vm->mem, BOOT_MPTABLE_GPA, mp, ret) ||
	    mem_write(&vm->mem, BOOT_MPFLOAT_GPA, mpf, sizeof(mpf)) ||
	    mem_write(&vm->mem, BOOT_GDT_GPA, gdt, sizeof(gdt)) ||
	    mem_write(&vm->mem, BOOT_PML4_GPA, pt, sizeof(pt)))
		return -EFAULT;
	return 0;
}

int boot_init(struct vm *vm)
{
	struct boot_params bp = {0};
	struct kernel_image img;
	int ret;

	if (!mem_ptr(&vm->mem, 0, BOOT_HIGH_START))
		return log_errno(-EINVAL, "--mem: less than 1 MiB cannot hold a kernel");
	ret = load_kernel(vm, &img);
	if (ret)
		goto out;
	fill_header(&img, &bp);
	ret = load_initrd(vm, &img, &bp);
	if (!ret)
		ret = build_cmdline(vm);
	if (!ret)
		ret = build_seed(vm);
	if (!ret)
		ret = build_tables(vm);
	if (ret)
		goto out;
	build_e820(vm, &bp);
	ret = mem_write(&vm->mem, BOOT_PARAMS_GPA, &bp, sizeof(bp));
	if (!ret)
		ret = vcpu_set_boot_state(vm, img.entry, BOOT_PARAMS_GPA);
out:
	if (ret)
		boot_fini(vm);
	return ret;
}

void boot_fini(struct vm *vm)
{
	free(vm->prepatch);
	vm->prepatch = NULL;
}
