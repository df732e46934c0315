// SPDX-License-Identifier: GPL-2.0-only
/*
 * Touched pages are those that this process has in its page table: KVM takes
 * a page from there, and only when the guest wants it.
 */
#include "usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

#define PAGE 4096ULL
/* Documentation/admin-guide/mm/pagemap.rst: "page present"; "page is file-page". */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_FILE	(1ULL << 61)

/* What is linked at a guest physical address, up to a page of it. */
static const uint8_t *linked(const struct pp_image *img, uint64_t gpa, uint64_t *len)
{
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		const struct pp_segment *s = &img->segments[i];
		uint64_t off = gpa - s->paddr;

		if (gpa < s->paddr || off >= s->filesz)
			continue;
		*len = s->filesz - off < PAGE ? s->filesz - off : PAGE;
		return s->data + off;
	}
	return NULL;
}

static bool is_padding(const uint8_t *p, uint64_t len)
{
	if (*p != 0 && *p != 0xcc)
		return false;
	for (uint64_t i = 1; i < len; i++) {
		if (p[i] != *p)
			return false;
	}
	return true;
}

static uint64_t pagemap_entry(int pagemap, const void *p)
{
	uint64_t entry = 0;

	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)p / PAGE * sizeof(entry)) < 0)
		return 0;
	return entry;
}

/* Pages of a file only: what was read into memory, not mapped, would be lost. */
void pp_usage_begin(struct vm *vm)
{
	__cleanup_fd int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	for (unsigned int i = 0; i < vm->cfg.watch.nr && pagemap >= 0; i++) {
		const struct watch_range *r = &vm->cfg.watch.range[i];

		for (uint64_t gpa = r->start; gpa < r->end; gpa += PAGE) {
			void *p = mem_ptr(&vm->mem, gpa, PAGE);

			if (p && pagemap_entry(pagemap, p) & PAGEMAP_FILE)
				madvise(p, PAGE, MADV_DONTNEED);
		}
	}
}

static void count_page(const struct vm *vm, const struct pp_image *img, uint64_t gpa, int pagemap,
		       struct pp_usage *u)
{
	const uint8_t *now = mem_ptr(&vm->mem, gpa, PAGE);
	uint64_t len, changed = 0;
	const uint8_t *was = linked(img, gpa, &len);

	if (!now || !was || is_padding(was, len))
		return;
	u->pages++;
	/* Before the look at its contents, which would map it. */
	u->touched += !!(pagemap_entry(pagemap, now) & PAGEMAP_PRESENT);
	for (uint64_t i = 0; i < len; i++)
		changed += now[i] != was[i];
	u->changed += changed > 0;
	u->bytes += changed;
}

int pp_usage_end(struct vm *vm, const struct pp_image *img, struct pp_usage *u)
{
	__cleanup_fd int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	*u = (struct pp_usage){.frozen = vm->frozen_gpa};
	if (pagemap < 0)
		return log_errno(-errno, "/proc/self/pagemap: %m; mount /proc");
	for (unsigned int i = 0; i < vm->cfg.watch.nr; i++) {
		const struct watch_range *r = &vm->cfg.watch.range[i];
		__cleanup_free uint64_t *bitmap = calloc(watch_words(r), sizeof(*bitmap));
		long n = bitmap ? watch_written(vm, i, bitmap)
				: log_errno(-ENOMEM, "dirty log: out of memory");

		if (n < 0)
			return n;
		u->written += n;
		for (uint64_t gpa = r->start; gpa < r->end; gpa += PAGE)
			count_page(vm, img, gpa, pagemap, u);
	}
	return 0;
}
