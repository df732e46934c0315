// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading kernels: ELF vmlinux by physical address, and bzImage through its
 * 64-bit entry point.
 */
#include "vmm/kernel.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "vmm/boot.h"
#include "vmm/mem.h"
#include "vmm/prepatched.h"

#define ELF_MAX_PHDRS 64

/* Offsets in a bzImage (boot.rst, "The Real-Mode Kernel Header"). */
#define BZ_SETUP_SECTS	   0x1f1
#define BZ_BOOT_FLAG	   0x1fe
#define BZ_JUMP_LEN	   0x201
#define BZ_MAGIC	   0x202
#define BZ_VERSION	   0x206
#define BZ_XLOADFLAGS	   0x236
#define BZ_PREF_ADDRESS	   0x258
#define BZ_INIT_SIZE	   0x260
#define BZ_HEAD_LEN	   0x290
#define BZ_MAGIC_VALUE	   0x53726448 /* "HdrS" */
#define BZ_VERSION_XLOAD   0x020c     /* first with xloadflags */
#define BZ_XLF_KERNEL_64   (1U << 0)
#define BZ_ENTRY_64_OFFSET 0x200

struct file {
	int fd;
	const char *path;
	uint64_t size;
	const struct mem *mem;
	uint64_t limit;
};

static int corrupt(const struct file *f, const char *what)
{
	return log_errno(-ENOEXEC, "kernel %s: %s; rebuild it or name another with --kernel",
			 f->path, what);
}

static int read_at(const struct file *f, uint64_t off, void *buf, uint64_t len)
{
	uint8_t *p = buf;

	if (off > f->size || len > f->size - off)
		return corrupt(f, "truncated");
	while (len) {
		ssize_t n = pread(f->fd, p, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return log_errno(-errno, "kernel %s: %s", f->path, strerror(errno));
		if (!n)
			return corrupt(f, "truncated");
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* Whether [gpa, gpa + len) is RAM and kept clear of what boot.c puts below 1 MiB. */
static bool fits(const struct file *f, uint64_t gpa, uint64_t len)
{
	return gpa >= BOOT_HIGH_START && gpa < f->limit && len <= f->limit - gpa &&
	       mem_ptr(f->mem, gpa, len);
}

static int load_at(const struct file *f, uint64_t off, uint64_t gpa, uint64_t len)
{
	int ret;

	if (off > f->size || len > f->size - off)
		return corrupt(f, "truncated");
	ret = mem_load(f->mem, f->fd, off, gpa, len);
	if (ret == -ENODATA)
		return corrupt(f, "truncated");
	return ret ? log_errno(ret, "kernel %s: %s", f->path, strerror(-ret)) : 0;
}

static int does_not_fit(const struct file *f, uint64_t gpa, uint64_t len)
{
	return log_errno(-ENOSPC, "kernel %s: %llu KiB at %#llx do not fit in RAM; raise --mem",
			 f->path, (unsigned long long)len >> 10, (unsigned long long)gpa);
}

static int load_segment(const struct file *f, const Elf64_Phdr *ph, struct kernel_image *img)
{
	if (ph->p_filesz > ph->p_memsz)
		return corrupt(f, "a segment is larger in the file than in memory");
	if (!fits(f, ph->p_paddr, ph->p_memsz))
		return does_not_fit(f, ph->p_paddr, ph->p_memsz);
	if (img->start == img->end || ph->p_paddr < img->start)
		img->start = ph->p_paddr;
	if (ph->p_paddr + ph->p_memsz > img->end)
		img->end = ph->p_paddr + ph->p_memsz;
	/* What follows in memory is zero already: RAM is fresh. */
	return load_at(f, ph->p_offset, ph->p_paddr, ph->p_filesz);
}

static bool elf_header_ok(const Elf64_Ehdr *eh)
{
	return eh->e_ident[EI_CLASS] == ELFCLASS64 && eh->e_ident[EI_DATA] == ELFDATA2LSB &&
	       eh->e_machine == EM_X86_64 && eh->e_type == ET_EXEC &&
	       eh->e_phentsize == sizeof(Elf64_Phdr) && eh->e_phnum && eh->e_phnum <= ELF_MAX_PHDRS;
}

/* The pages are looked at where they were loaded: guests need them there anyway. */
static int check_whole(const struct file *f, const Elf64_Ehdr *eh, const Elf64_Phdr *ph,
		       const struct kernel_image *img)
{
	const void *segment[ELF_MAX_PHDRS] = {NULL};

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && ph[i].p_filesz)
			segment[i] = mem_ptr(f->mem, ph[i].p_paddr, ph[i].p_filesz);
	}
	if (prepatched_crc(eh, ph, img->prepatch, segment) == img->prepatch->crc)
		return 0;
	return log_errno(-ENOEXEC,
			 "kernel %s: damaged pre-patched image (its checksum is wrong); make it "
			 "again with rund-prepatch build",
			 f->path);
}

static int load_segments(const struct file *f, const Elf64_Ehdr *eh, const Elf64_Phdr *ph,
			 struct kernel_image *img)
{
	int ret = 0;

	for (int i = 0; i < eh->e_phnum && !ret; i++) {
		if (ph[i].p_type == PT_LOAD && (ph[i].p_memsz || ph[i].p_filesz))
			ret = load_segment(f, &ph[i], img);
	}
	return ret;
}

static int load_elf(const struct file *f, struct kernel_image *img)
{
	Elf64_Phdr ph[ELF_MAX_PHDRS];
	Elf64_Ehdr eh;
	int ret = read_at(f, 0, &eh, sizeof(eh));

	if (ret)
		return ret;
	if (!elf_header_ok(&eh))
		return corrupt(f, "not an x86-64 vmlinux");
	ret = read_at(f, eh.e_phoff, ph, eh.e_phnum * sizeof(ph[0]));
	if (!ret)
		ret = prepatched_read(f->fd, f->path, &eh, ph, &img->prepatch);
	if (!ret)
		ret = load_segments(f, &eh, ph, img);
	if (!ret && img->prepatch)
		ret = check_whole(f, &eh, ph, img);
	if (ret)
		return ret;
	if (eh.e_entry < img->start || eh.e_entry >= img->end)
		return corrupt(f, "its entry point is not in it");
	img->entry = eh.e_entry;
	return 0;
}

static uint64_t field(const uint8_t *head, unsigned int off, unsigned int len)
{
	uint64_t v = 0;

	memcpy(&v, head + off, len);
	return v;
}

/* The header's end: boot.rst, "the end of setup header" = 0x202 + byte at 0x201. */
static void keep_header(const uint8_t *head, struct kernel_image *img)
{
	unsigned int end = BZ_MAGIC + head[BZ_JUMP_LEN];

	if (end > KERNEL_HDR_END)
		end = KERNEL_HDR_END;
	img->hdr_len = end - KERNEL_HDR_START;
	memcpy(img->hdr, head + KERNEL_HDR_START, img->hdr_len);
}

static int load_bzimage(const struct file *f, struct kernel_image *img)
{
	uint64_t off, len, init_size;
	uint8_t head[BZ_HEAD_LEN];
	int ret = read_at(f, 0, head, sizeof(head));

	if (ret)
		return ret;
	if (field(head, BZ_BOOT_FLAG, 2) != 0xaa55 || field(head, BZ_MAGIC, 4) != BZ_MAGIC_VALUE)
		return corrupt(f, "neither an ELF vmlinux nor a bzImage");
	if (field(head, BZ_VERSION, 2) < BZ_VERSION_XLOAD ||
	    !(field(head, BZ_XLOADFLAGS, 2) & BZ_XLF_KERNEL_64))
		return corrupt(f, "the bzImage has no 64-bit entry point");

	/* 0 sectors mean 4 (boot.rst); the boot sector comes on top. */
	off = (field(head, BZ_SETUP_SECTS, 1) ?: 4) * 512 + 512;
	if (off >= f->size)
		return corrupt(f, "truncated");
	len = f->size - off;
	init_size = field(head, BZ_INIT_SIZE, 4);
	if (init_size < len)
		return corrupt(f, "init_size is smaller than the image");
	img->start = field(head, BZ_PREF_ADDRESS, 8);
	if (!fits(f, img->start, init_size))
		return does_not_fit(f, img->start, init_size);
	if (len <= BZ_ENTRY_64_OFFSET)
		return corrupt(f, "truncated");
	img->end = img->start + init_size;
	img->entry = img->start + BZ_ENTRY_64_OFFSET;
	keep_header(head, img);
	return load_at(f, off, img->start, len);
}

int kernel_load(const struct mem *mem, int fd, const char *path, uint64_t limit,
		struct kernel_image *img)
{
	struct file f = {.fd = fd, .path = path, .mem = mem, .limit = limit};
	char magic[SELFMAG];
	struct stat st;
	int ret;

	memset(img, 0, sizeof(*img));
	if (fstat(fd, &st))
		return log_errno(-errno, "kernel %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return log_errno(-ENOEXEC, "kernel %s: not a regular file", path);
	f.size = st.st_size;
	ret = read_at(&f, 0, magic, sizeof(magic));
	if (ret)
		return ret;
	return memcmp(magic, ELFMAG, SELFMAG) ? load_bzimage(&f, img) : load_elf(&f, img);
}
