// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest RAM: private anonymous memory that no one touches before the guest
 * does, so that a sandbox is charged only for what it uses.  Every translation
 * from guest to host addresses happens here and is checked for overflow.
 */
#include "vmm/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM_PAGE 4096ULL
#define MEM_HUGE (2ULL << 20)
/* RAM above 4 GiB must end below the first DAX window. */
#define MEM_MAX_SIZE (MEM_HOLE_START + (MEM_DAX_BASE - MEM_HIGH_START))

/* Regions start at multiples of 2 MiB in the guest; so they do here. */
static void *map_aligned(uint64_t size)
{
	uint8_t *p = mmap(NULL, size + MEM_HUGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before;

	if (p == MAP_FAILED)
		return p;
	before = -(uintptr_t)p % MEM_HUGE;
	if (before)
		munmap(p, before);
	munmap(p + before + size, MEM_HUGE - before);
	return p + before;
}

static int map_region(struct mem *mem, uint64_t gpa, uint64_t size)
{
	struct mem_region *r = &mem->region[mem->nr];
	void *p = map_aligned(size);

	if (p == MAP_FAILED)
		return -errno;
	/* Guest secrets stay out of a core dump of the VMM; not fatal when refused. */
	madvise(p, size, MADV_DONTDUMP);
	*r = (struct mem_region){.gpa = gpa, .size = size, .hva = p};
	mem->nr++;
	mem->size += size;
	return 0;
}

int mem_init(struct mem *mem, uint64_t size)
{
	uint64_t low = size < MEM_HOLE_START ? size : MEM_HOLE_START;
	int ret;

	memset(mem, 0, sizeof(*mem));
	if (!size || size % MEM_PAGE || size > MEM_MAX_SIZE)
		return -EINVAL;
	ret = map_region(mem, 0, low);
	if (!ret && size > low)
		ret = map_region(mem, MEM_HIGH_START, size - low);
	if (ret)
		mem_fini(mem);
	return ret;
}

void mem_fini(struct mem *mem)
{
	while (mem->nr) {
		struct mem_region *r = &mem->region[--mem->nr];

		munmap(r->hva, r->size);
	}
	mem->size = 0;
}

void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < mem->nr; i++) {
		const struct mem_region *r = &mem->region[i];

		/* Subtractions only, so that no sum can wrap. */
		if (gpa >= r->gpa && gpa - r->gpa < r->size && len <= r->size - (gpa - r->gpa))
			return r->hva + (gpa - r->gpa);
	}
	return NULL;
}

int mem_read(const struct mem *mem, uint64_t gpa, void *buf, uint64_t len)
{
	const void *p = mem_ptr(mem, gpa, len);

	if (!p)
		return -EFAULT;
	memcpy(buf, p, len);
	return 0;
}

int mem_write(const struct mem *mem, uint64_t gpa, const void *buf, uint64_t len)
{
	void *p = mem_ptr(mem, gpa, len);

	if (!p)
		return -EFAULT;
	memcpy(p, buf, len);
	return 0;
}

/* Made elsewhere and then moved over the RAM, so that a refusal leaves no hole. */
static int map_over(uint8_t *hva, int fd, uint64_t off, uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, off);

	if (p == MAP_FAILED)
		return -errno;
	/* RAM like the rest, once the guest has freed its initrd. */
	madvise(p, len, MADV_DONTDUMP);
	if (mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, hva) != MAP_FAILED)
		return 0;
	munmap(p, len);
	return -errno;
}

static int read_over(uint8_t *hva, int fd, uint64_t off, uint64_t len)
{
	while (len) {
		ssize_t n = pread(fd, hva, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		hva += n;
		off += n;
		len -= n;
	}
	return 0;
}

int mem_load(const struct mem *mem, int fd, uint64_t off, uint64_t gpa, uint64_t len)
{
	uint8_t *hva = mem_ptr(mem, gpa, len);
	uint64_t whole = len & ~(MEM_PAGE - 1);

	if (!hva)
		return -EFAULT;
	/* RAM starts at page boundaries on both sides: gpa and hva are aligned alike. */
	if (whole && !(gpa % MEM_PAGE) && !(off % MEM_PAGE) && !map_over(hva, fd, off, whole)) {
		hva += whole;
		off += whole;
		len -= whole;
	}
	return read_over(hva, fd, off, len);
}

void mem_hint_huge(const struct mem *mem, uint64_t start, uint64_t end)
{
	uint64_t before = -start % MEM_HUGE, len;
	uint8_t *hva;

	if (start > end || end - start < before)
		return;
	start += before;
	len = (end - start) & ~(MEM_HUGE - 1);
	hva = len ? mem_ptr(mem, start, len) : NULL;
	if (hva)
		madvise(hva, len, MADV_HUGEPAGE);
}
