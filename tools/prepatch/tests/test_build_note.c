// SPDX-License-Identifier: GPL-2.0-only
/*
 * Putting the note into the file: where it goes, what it takes of the file as it
 * was linked, and that neither a file that lies about its segments nor a guest
 * that wrote over its headers makes it touch anything else.
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "build.h"
#include "lib/log.h"
#include "vmm/prepatched.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

#define NOTE	  0x1000
#define NOTE_LEN  (sizeof(Elf64_Nhdr) + 8 + sizeof(struct rund_prepatch))
#define TEXT	  0x200000 /* in the file, and where it is loaded */
#define RODATA	  (TEXT + 0x1000)
#define RO_LEN	  0x345 /* of a page */
#define BUILD_ID  (RODATA + 0x100)
#define DATA	  (TEXT + 0x3000)
#define SIZE	  (DATA + 0x100)

static struct pp_image v;
static struct pp_build b;

static Elf64_Ehdr *eh(void)
{
	return (Elf64_Ehdr *)v.file;
}

static Elf64_Phdr *ph(unsigned int i)
{
	return (Elf64_Phdr *)(v.file + sizeof(Elf64_Ehdr)) + i;
}

/* A kernel's layout: text and read-only data, data, and a note inside of the former. */
static void put_headers(void)
{
	*eh() = (Elf64_Ehdr){
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	*ph(0) = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = TEXT,
		.p_paddr = TEXT,
		.p_filesz = 0x1000 + RO_LEN,
		.p_memsz = 0x1000 + RO_LEN,
	};
	*ph(1) = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = DATA,
		.p_paddr = 0x600000,
		.p_filesz = 0x100,
		.p_memsz = 0x1000,
	};
	*ph(2) = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = BUILD_ID, .p_filesz = 36};
}

static void put_build_id(const char *name)
{
	Elf64_Nhdr n = {4, sizeof(b.note.build_id), NT_GNU_BUILD_ID};

	memcpy(v.file + BUILD_ID, &n, sizeof(n));
	memcpy(v.file + BUILD_ID + sizeof(n), name, 4);
	memset(v.file + BUILD_ID + sizeof(n) + 4, 0x1d, sizeof(b.note.build_id));
}

static int setup(void **state)
{
	v = (struct pp_image){.path = "test", .file_size = SIZE, .file = calloc(1, SIZE)};
	put_headers();
	put_build_id("GNU");
	b = (struct pp_build){.v = &v, .file = malloc(SIZE)};
	b.note.text = (struct rund_range){TEXT, TEXT + 0x1000};
	b.note.rodata = (struct rund_range){RODATA, RODATA + 0x1000};
	return 0;
}

static int teardown(void **state)
{
	free(v.file);
	free(b.file);
	return 0;
}

static int build(void)
{
	memcpy(b.file, v.file, SIZE);
	return pp_build_note(&b);
}

static const Elf64_Phdr *built_ph(unsigned int i)
{
	return (const Elf64_Phdr *)(b.file + sizeof(Elf64_Ehdr)) + i;
}

static void good(void **state)
{
	static const uint8_t id[] = {[0 ... 19] = 0x1d};
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)b.file;

	assert_int_equal(build(), 0);
	assert_int_equal(e->e_phnum, 4);
	assert_memory_equal(e->e_ident + EI_PAD, RUND_PREPATCH_MARK, RUND_PREPATCH_MARKLEN);
	assert_int_equal(built_ph(3)->p_type, PT_NOTE);
	assert_int_equal(built_ph(3)->p_offset, NOTE);
	assert_int_equal(built_ph(3)->p_filesz, NOTE_LEN);
	assert_memory_equal(b.file + NOTE + sizeof(Elf64_Nhdr), "RunD\0\0\0\0", 8);
	assert_memory_equal(b.file + NOTE + sizeof(Elf64_Nhdr) + 8, &b.note, sizeof(b.note));
	assert_memory_equal(b.note.build_id, id, sizeof(id));
	/* Read-only data ends with a page, data as it did; no byte of either changed. */
	assert_int_equal(built_ph(0)->p_filesz, 0x2000);
	assert_int_equal(built_ph(0)->p_memsz, 0x2000);
	assert_int_equal(built_ph(1)->p_filesz, 0x100);
	assert_memory_equal(b.file + TEXT, v.file + TEXT, SIZE - TEXT);
}

/* A build ID has an owner. */
static void other_id(void **state)
{
	static const uint8_t none[20];

	put_build_id("XYZ");
	assert_int_equal(build(), 0);
	assert_memory_equal(b.note.build_id, none, sizeof(none));
}

/* What follows read-only data in its last page may be no padding, or not there. */
static void used_tail(void **state)
{
	v.file[RODATA + 0xfff] = 1;
	assert_int_equal(build(), 0);
	assert_int_equal(built_ph(0)->p_filesz, 0x1000 + RO_LEN);
	assert_int_equal(b.file[RODATA + 0xfff], 1);

	v.file[RODATA + 0xfff] = 0;
	b.note.rodata.end += 0x1000;
	assert_int_equal(build(), 0);
	assert_int_equal(built_ph(0)->p_filesz, 0x1000 + RO_LEN);
	b.note.rodata.end -= 0x1000;

	v.file_size = RODATA + RO_LEN + 0x100;
	ph(1)->p_type = PT_NULL;
	assert_int_equal(build(), 0);
	assert_int_equal(built_ph(0)->p_filesz, 0x1000 + RO_LEN);
}

static void lies(void **state)
{
	static const struct {
		const char *name;
		unsigned int i;
		uint64_t offset, paddr, filesz, memsz;
		int ret;
	} t[] = {
		{"nothing in memory, much in the file", 1, DATA, 0x600000, SIZE, 0, -ENOEXEC},
		{"nothing in memory, something out of it", 1, -1ULL, 0x600000, 8, 0, -ENOEXEC},
		{"more in the file than in memory", 1, DATA, 0x600000, 0x100, 0xff, -ENOEXEC},
		{"behind the file", 1, SIZE, 0x600000, 1, 1, -ENOEXEC},
		{"sum wraps", 1, DATA, 0x600000, -0x1000ULL, -0x1000ULL, -ENOEXEC},
		{"where the note goes", 1, NOTE + NOTE_LEN - 1, 0x600000, 8, 8, -ENOEXEC},
		{"text not aligned", 0, TEXT + 0x1000, TEXT, 0x100, 0x100, -ENOEXEC},
		/* Empty, inside read-only data: nothing to make longer. */
		{"nothing, out of the file", 1, -(uint64_t)0x900, RODATA + 0x100, 0, 0, 0},
		{"nothing, in the file", 1, DATA, RODATA + 0x100, 0, 0, 0},
	};

	for (size_t i = 0; i < NR(t); i++) {
		print_message("# %s\n", t[i].name);
		put_headers();
		ph(t[i].i)->p_offset = t[i].offset;
		ph(t[i].i)->p_paddr = t[i].paddr;
		ph(t[i].i)->p_filesz = t[i].filesz;
		ph(t[i].i)->p_memsz = t[i].memsz;
		assert_int_equal(build(), t[i].ret);
		assert_true(t[i].ret || built_ph(1)->p_filesz == 0);
	}
	for (unsigned int nr = 0; nr < 70; nr++) {
		put_headers();
		eh()->e_phnum = nr;
		/* Too many; the zeroes that follow are PT_NULL. */
		assert_int_equal(build(), nr < 64 ? 0 : -ENOEXEC);
	}
	put_headers();
	eh()->e_phoff = UINT64_MAX - 8;
	assert_int_equal(build(), -ENOEXEC);
	put_headers();
	v.file_size = NOTE + NOTE_LEN - 1;
	ph(0)->p_type = ph(1)->p_type = PT_NULL;
	assert_int_equal(build(), -ENOEXEC);
}

/* Headers that a guest made up are no headers. */
static void guest_headers(void **state)
{
	Elf64_Phdr *p = (Elf64_Phdr *)(b.file + sizeof(Elf64_Ehdr));

	memcpy(b.file, v.file, SIZE);
	p[1].p_filesz = p[1].p_memsz = 1ULL << 40;
	((Elf64_Ehdr *)b.file)->e_phnum = 60;
	assert_int_equal(pp_build_note(&b), 0);
	assert_int_equal(built_ph(1)->p_filesz, 0x100);
	assert_int_equal(((Elf64_Ehdr *)b.file)->e_phnum, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(good, setup, teardown),
		cmocka_unit_test_setup_teardown(other_id, setup, teardown),
		cmocka_unit_test_setup_teardown(used_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(lies, setup, teardown),
		cmocka_unit_test_setup_teardown(guest_headers, setup, teardown),
	};

	return cmocka_run_group_tests_name("build_note", tests, NULL, NULL);
}
