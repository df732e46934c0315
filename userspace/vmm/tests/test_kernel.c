// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading kernels: good images land where they ask to be, and each way in
 * which a file can lie about itself is refused, with nothing written outside
 * the room that is a kernel's.
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/log.h"
#include "vmm/boot.h"
#include "vmm/kernel.h"
#include "vmm/mem.h"

#define MIB   (1ULL << 20)
#define RAM   (64 * MIB)
#define LOAD  (16 * MIB)
#define DATA  0x1000 /* where the segment lies in the file */
#define LEN   0x800
#define MEMSZ 0x3000

static struct mem mem;

static int make_file(const void *data, size_t len)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	return fd;
}

static int load(const void *data, size_t len, struct kernel_image *img)
{
	int fd = make_file(data, len);
	int ret = kernel_load(&mem, fd, "test", RAM, img);

	close(fd);
	return ret;
}

struct elf {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	uint8_t pad[DATA - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr)];
	uint8_t data[LEN];
};

static void good_elf(struct elf *e)
{
	memset(e, 0, sizeof(*e));
	memcpy(e->eh.e_ident, ELFMAG, SELFMAG);
	e->eh.e_ident[EI_CLASS] = ELFCLASS64;
	e->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	e->eh.e_type = ET_EXEC;
	e->eh.e_machine = EM_X86_64;
	e->eh.e_entry = LOAD + 0x10;
	e->eh.e_phoff = offsetof(struct elf, ph);
	e->eh.e_phentsize = sizeof(Elf64_Phdr);
	e->eh.e_phnum = 2;
	e->ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = DATA,
		.p_paddr = LOAD,
		.p_filesz = LEN,
		.p_memsz = MEMSZ,
	};
	e->ph[1] = (Elf64_Phdr){.p_type = PT_NOTE, .p_paddr = 1, .p_filesz = 1ULL << 60};
	memset(e->data, 0xab, LEN);
}

static void elf_loads(void **state)
{
	struct kernel_image img;
	const uint8_t *p;
	struct elf e;

	good_elf(&e);
	assert_int_equal(load(&e, sizeof(e), &img), 0);
	assert_int_equal(img.entry, LOAD + 0x10);
	assert_int_equal(img.start, LOAD);
	assert_int_equal(img.end, LOAD + MEMSZ);
	assert_int_equal(img.hdr_len, 0);
	p = mem_ptr(&mem, LOAD - 1, LEN + 2);
	assert_int_equal(p[0], 0);
	assert_int_equal(p[1], 0xab);
	assert_int_equal(p[LEN], 0xab);
	assert_int_equal(p[LEN + 1], 0);
}

#define SET(path, v) offsetof(struct elf, path), sizeof(((struct elf *)0)->path), (v)

static void elf_lies(void **state)
{
	static const struct {
		const char *name;
		size_t off, len;
		uint64_t value;
		int ret;
	} t[] = {
		{"unchanged", SET(eh.e_flags, 0), 0},
		{"32-bit", SET(eh.e_ident[EI_CLASS], ELFCLASS32), -ENOEXEC},
		{"big endian", SET(eh.e_ident[EI_DATA], ELFDATA2MSB), -ENOEXEC},
		{"other machine", SET(eh.e_machine, EM_AARCH64), -ENOEXEC},
		{"relocatable", SET(eh.e_type, ET_REL), -ENOEXEC},
		{"no program headers", SET(eh.e_phnum, 0), -ENOEXEC},
		{"too many program headers", SET(eh.e_phnum, 65), -ENOEXEC},
		{"odd program header size", SET(eh.e_phentsize, 32), -ENOEXEC},
		{"program headers outside", SET(eh.e_phoff, sizeof(struct elf) - 8), -ENOEXEC},
		{"program headers wrap", SET(eh.e_phoff, UINT64_MAX - 8), -ENOEXEC},
		{"entry below", SET(eh.e_entry, LOAD - 1), -ENOEXEC},
		{"entry above", SET(eh.e_entry, LOAD + MEMSZ), -ENOEXEC},
		{"entry at the last byte", SET(eh.e_entry, LOAD + MEMSZ - 1), 0},
		{"file size above memory size", SET(ph[0].p_memsz, LEN - 1), -ENOEXEC},
		{"segment past the file", SET(ph[0].p_offset, DATA + 1), -ENOEXEC},
		{"segment offset wraps", SET(ph[0].p_offset, UINT64_MAX - LEN + 1), -ENOEXEC},
		{"onto boot structures", SET(ph[0].p_paddr, 0x7000), -ENOSPC},
		{"just below 1 MiB", SET(ph[0].p_paddr, BOOT_HIGH_START - 1), -ENOSPC},
		{"past RAM", SET(ph[0].p_paddr, RAM - MEMSZ + 1), -ENOSPC},
		{"far past RAM", SET(ph[0].p_paddr, 1ULL << 40), -ENOSPC},
		{"address wraps", SET(ph[0].p_paddr, UINT64_MAX - 0xfff), -ENOSPC},
		{"memory size wraps", SET(ph[0].p_memsz, UINT64_MAX), -ENOSPC},
		{"nothing to load", SET(ph[0].p_type, PT_NOTE), -ENOEXEC},
		{"magic gone", SET(eh.e_ident[1], 'X'), -ENOEXEC},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct kernel_image img;
		struct elf e;

		print_message("# %s\n", t[i].name);
		good_elf(&e);
		memcpy((uint8_t *)&e + t[i].off, &t[i].value, t[i].len);
		assert_int_equal(load(&e, sizeof(e), &img), t[i].ret);
	}
}

static void elf_truncated(void **state)
{
	struct kernel_image img;
	struct elf e;

	good_elf(&e);
	for (size_t len = 0; len < sizeof(e); len += len < 256 ? 1 : 97)
		assert_int_equal(load(&e, len, &img), -ENOEXEC);
}

#define BZ_SECTS 2
#define BZ_SETUP ((BZ_SECTS + 1) * 512)
#define BZ_LEN	 (BZ_SETUP + 0x1000)

static void put(uint8_t *bz, unsigned int off, uint64_t v, unsigned int len)
{
	memcpy(bz + off, &v, len);
}

/* Offsets: Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
static void good_bz(uint8_t *bz)
{
	memset(bz, 0, BZ_LEN);
	put(bz, 0x1f1, BZ_SECTS, 1);
	put(bz, 0x1fe, 0xaa55, 2);
	put(bz, 0x201, 0x6e, 1);
	put(bz, 0x202, 0x53726448, 4);
	put(bz, 0x206, 0x020f, 2);
	put(bz, 0x236, 1, 2);
	put(bz, 0x258, LOAD, 8);
	put(bz, 0x260, 0x10000, 4);
	memset(bz + BZ_SETUP, 0xcd, BZ_LEN - BZ_SETUP);
}

static void bzimage(void **state)
{
	static const struct {
		const char *name;
		unsigned int off, len;
		uint64_t value;
		int ret;
	} t[] = {
		{"unchanged", 0, 1, 0, 0},
		{"no boot flag", 0x1fe, 2, 0, -ENOEXEC},
		{"no magic", 0x202, 4, 0, -ENOEXEC},
		{"old protocol", 0x206, 2, 0x20b, -ENOEXEC},
		{"no 64-bit entry", 0x236, 2, 2, -ENOEXEC},
		{"setup longer than the file", 0x1f1, 1, 255, -ENOEXEC},
		{"init_size below the image", 0x260, 4, 0xfff, -ENOEXEC},
		{"init_size beyond RAM", 0x260, 4, 0xffffffff, -ENOSPC},
		{"loads onto boot structures", 0x258, 8, 0x8000, -ENOSPC},
		{"loads beyond RAM", 0x258, 8, RAM, -ENOSPC},
		{"load address wraps", 0x258, 8, UINT64_MAX - 0xffff, -ENOSPC},
		{"header as long as it can be", 0x201, 1, 0xff, 0},
		{"header with no length", 0x201, 1, 0, 0},
	};
	uint8_t bz[BZ_LEN];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct kernel_image img;

		print_message("# %s\n", t[i].name);
		good_bz(bz);
		put(bz, t[i].off, t[i].value, t[i].len);
		assert_int_equal(load(bz, sizeof(bz), &img), t[i].ret);
		if (t[i].ret)
			continue;
		assert_int_equal(img.entry, LOAD + 0x200);
		assert_int_equal(img.end, LOAD + 0x10000);
		assert_true(img.hdr_len <= sizeof(img.hdr));
		assert_int_equal(*(uint8_t *)mem_ptr(&mem, LOAD, 1), 0xcd);
	}
	good_bz(bz);
	for (size_t len = 0; len <= BZ_SETUP + 0x200; len += 13) {
		struct kernel_image img;

		assert_int_equal(load(bz, len, &img), -ENOEXEC);
	}
}

static void not_a_file(void **state)
{
	struct kernel_image img;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(kernel_load(&mem, p[0], "pipe", RAM, &img), -ENOEXEC);
	close(p[0]);
	close(p[1]);
}

static int setup(void **state)
{
	return mem_init(&mem, RAM);
}

static int teardown(void **state)
{
	mem_fini(&mem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(elf_loads, setup, teardown),
		cmocka_unit_test_setup_teardown(elf_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(elf_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(bzimage, setup, teardown),
		cmocka_unit_test_setup_teardown(not_a_file, setup, teardown),
	};

	/* Hundreds of refusals are expected, and each one is logged. */
	log_init("test", LOG_LEVEL_NONE);
	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
