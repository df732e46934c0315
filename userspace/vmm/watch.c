// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM logs and protects whole memory slots, so the slot that holds a watched
 * range is cut: before it, the range, and behind it.  That happens before any
 * vCPU runs.  The guest sees no difference.  What this process writes for a
 * device is not seen: only vCPUs are watched.
 */
#include "vmm/watch.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define PAGE 4096ULL
/* Slots below are those of kvm_add_memory(). */
#define FIRST_SLOT MEM_MAX_REGIONS

struct watch {
	uint64_t *seen[WATCH_MAX_RANGES]; /* pages written at any time */
};

static unsigned int range_slot(unsigned int i)
{
	return FIRST_SLOT + 2 * i;
}

static int set_slot(struct vm *vm, unsigned int slot, uint64_t start, uint64_t end, uint32_t flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = start,
		.memory_size = end - start,
		.userspace_addr = (uintptr_t)mem_ptr(&vm->mem, start, end - start),
	};
	long ret = kvm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &r);

	if (ret)
		return log_errno(ret, "watching memory at %#llx: KVM refuses a slot: %s",
				 (unsigned long long)start, strerror(-ret));
	return 0;
}

/* Ranges have to lie in order in the first region, which starts at 0. */
static int check_ranges(const struct vm *vm)
{
	uint64_t from = 0;

	if (vm->cfg.watch.nr > WATCH_MAX_RANGES)
		return log_errno(-EINVAL, "watching memory: at most %d ranges", WATCH_MAX_RANGES);
	for (unsigned int i = 0; i < vm->cfg.watch.nr; i++) {
		const struct watch_range *r = &vm->cfg.watch.range[i];

		if (r->start < from || r->start >= r->end || r->end > vm->mem.region[0].size ||
		    (r->start | r->end) % PAGE)
			return log_errno(
				-EINVAL,
				"watching memory at %#llx to %#llx: not whole pages of RAM "
				"in order; raise --mem",
				(unsigned long long)r->start, (unsigned long long)r->end);
		from = r->end;
	}
	return 0;
}

static int cut_slots(struct vm *vm)
{
	uint32_t flags =
		vm->cfg.watch.mode == WATCH_LOG ? KVM_MEM_LOG_DIRTY_PAGES : KVM_MEM_READONLY;
	uint64_t from = 0, end = vm->mem.region[0].size;
	/* A slot without a size is gone. */
	int ret = set_slot(vm, 0, 0, 0, 0);

	for (unsigned int i = 0; i < vm->cfg.watch.nr && !ret; i++) {
		const struct watch_range *r = &vm->cfg.watch.range[i];

		if (from < r->start)
			ret = set_slot(vm, range_slot(i) + 1, from, r->start, 0);
		if (!ret)
			ret = set_slot(vm, range_slot(i), r->start, r->end, flags);
		from = r->end;
	}
	return ret || from == end ? ret : set_slot(vm, 0, from, end, 0);
}

int watch_init(struct vm *vm)
{
	int ret;

	if (vm->cfg.watch.mode == WATCH_OFF)
		return 0;
	ret = check_ranges(vm);
	if (ret)
		return ret;
	vm->watch = calloc(1, sizeof(*vm->watch));
	if (!vm->watch)
		return log_errno(-ENOMEM, "watching memory: out of memory");
	for (unsigned int i = 0; i < vm->cfg.watch.nr && !ret; i++) {
		vm->watch->seen[i] = calloc(watch_words(&vm->cfg.watch.range[i]), sizeof(uint64_t));
		if (!vm->watch->seen[i])
			ret = log_errno(-ENOMEM, "watching memory: out of memory");
	}
	if (!ret)
		ret = cut_slots(vm);
	if (ret)
		watch_fini(vm);
	return ret;
}

void watch_fini(struct vm *vm)
{
	if (!vm->watch)
		return;
	for (unsigned int i = 0; i < WATCH_MAX_RANGES; i++)
		free(vm->watch->seen[i]);
	free(vm->watch);
	vm->watch = NULL;
}

static bool is_watched(const struct vm *vm, uint64_t gpa)
{
	for (unsigned int i = 0; i < vm->cfg.watch.nr; i++) {
		const struct watch_range *r = &vm->cfg.watch.range[i];

		if (gpa >= r->start && gpa < r->end)
			return true;
	}
	return false;
}

bool watch_mmio(struct vcpu *v)
{
	struct vm *vm = v->vm;
	struct kvm_run *run = v->run;
	struct kvm_regs regs = {0};

	if (vm->cfg.watch.mode != WATCH_TRAP || !run->mmio.is_write ||
	    !is_watched(vm, run->mmio.phys_addr))
		return false;
	kvm_ioctl(v->fd, KVM_GET_REGS, &regs);
	if (vm->cfg.watch.fn)
		vm->cfg.watch.fn(vm->cfg.watch.priv, regs.rip, run->mmio.phys_addr, run->mmio.data,
				 run->mmio.len);
	mem_write(&vm->mem, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	return true;
}

long watch_written(struct vm *vm, unsigned int i, uint64_t *bitmap)
{
	uint64_t words = watch_words(&vm->cfg.watch.range[i]);
	struct kvm_dirty_log log = {.slot = range_slot(i), .dirty_bitmap = bitmap};
	long nr = 0, ret;

	memset(bitmap, 0, words * sizeof(*bitmap));
	ret = kvm_ioctl(vm->vm_fd, KVM_GET_DIRTY_LOG, &log);
	if (ret)
		return log_errno(ret, "watching memory: KVM_GET_DIRTY_LOG: %s", strerror(-ret));
	for (uint64_t w = 0; w < words; w++) {
		bitmap[w] = vm->watch->seen[i][w] |= bitmap[w];
		nr += __builtin_popcountll(bitmap[w]);
	}
	return nr;
}

/* What a range has seen is in vm->watch afterwards. */
static long collect(struct vm *vm, unsigned int i)
{
	uint64_t *bitmap = calloc(watch_words(&vm->cfg.watch.range[i]), sizeof(*bitmap));
	long n = bitmap ? watch_written(vm, i, bitmap)
			: log_errno(-ENOMEM, "--text-log: out of memory");

	free(bitmap);
	return n;
}

static void print_pages(const struct vm *vm, unsigned int i, int fd)
{
	const struct watch_range *r = &vm->cfg.watch.range[i];

	for (uint64_t page = 0; page < (r->end - r->start) / PAGE; page++) {
		if (vm->watch->seen[i][page / 64] >> page % 64 & 1)
			dprintf(fd, "%#llx\n", (unsigned long long)(r->start + page * PAGE));
	}
}

int watch_report(struct vm *vm, int fd)
{
	unsigned long written = 0, pages = 0;

	for (unsigned int i = 0; i < vm->cfg.watch.nr; i++) {
		const struct watch_range *r = &vm->cfg.watch.range[i];
		long n = collect(vm, i);

		if (n < 0)
			return n;
		written += n;
		pages += (r->end - r->start) / PAGE;
	}
	if (dprintf(fd, "%lu of %lu pages written\n", written, pages) < 0)
		return log_errno(-errno, "--text-log: %s", strerror(errno));
	for (unsigned int i = 0; i < vm->cfg.watch.nr; i++)
		print_pages(vm, i, fd);
	return 0;
}
