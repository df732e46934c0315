// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading images: what a kernel has is found, each way in which a file can lie
 * about itself is refused, and nothing is read outside of it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "image.h"
#include "lib/log.h"
#include "synth.h"

static struct synth s;

static int open_image(struct pp_image *img, size_t len)
{
	char path[32];
	int fd = synth_file(s.file, len, path);
	int ret = pp_image_open(img, path);

	if (!ret)
		ret = pp_image_load_symbols(img);
	close(fd);
	return ret;
}

static void good(void)
{
	synth_begin(&s);
	synth_finish(&s);
}

static void reads(void **state)
{
	struct pp_image img;
	uint8_t buf[16];

	good();
	synth_set(&s, RO + RO_FILE - 4, "abcd", 4);
	assert_int_equal(open_image(&img, FILE_SIZE), 0);
	assert_int_equal(img.nr_segments, 3);
	assert_int_equal(img.segments[1].paddr, PHYS + TEXT_SIZE);

	/* across the end of what the file has */
	memset(buf, 0xee, sizeof(buf));
	assert_true(pp_image_read(&img, RO + RO_FILE - 4, buf, 8));
	assert_memory_equal(buf, "abcd\0\0\0\0\xee", 9);
	assert_true(pp_image_read(&img, RO + RO_MEM - 8, buf, 8));
	assert_false(pp_image_read(&img, RO + RO_MEM - 8, buf, 9));
	assert_false(pp_image_read(&img, BASE - 1, buf, 1));
	assert_false(pp_image_read(&img, BASE + TEXT_SIZE - 1, buf, 2));
	assert_false(pp_image_read(&img, UINT64_MAX, buf, 2));

	assert_non_null(pp_image_ptr(&img, RO + RO_FILE - 4, 4));
	assert_null(pp_image_ptr(&img, RO + RO_FILE - 4, 5));
	assert_null(pp_image_ptr(&img, RO, UINT64_MAX));
	pp_image_close(&img);
}

static void check_span(const struct pp_image *img, uint64_t addr, const char *name, uint64_t start,
		       uint64_t end)
{
	struct pp_span span = pp_image_span(img, addr);

	if (name)
		assert_string_equal(span.sym->name, name);
	else
		assert_null(span.sym);
	assert_int_equal(span.start, start);
	assert_int_equal(span.end, end);
}

static void symbols(void **state)
{
	uint64_t at = BASE + 0x2100;
	struct pp_image img;

	synth_begin(&s);
	synth_symbol(&s, "weak_name", at, STB_WEAK, STT_FUNC);
	synth_symbol(&s, "z_name", at, STB_GLOBAL, STT_FUNC);
	synth_symbol(&s, "a_local", at, STB_LOCAL, STT_FUNC);
	synth_symbol(&s, "b_name", at, STB_GLOBAL, STT_OBJECT);
	synth_symbol(&s, "a_mark", at, STB_GLOBAL, STT_NOTYPE);
	synth_symbol(&s, "a_file", at + 0x10, STB_LOCAL, STT_FILE);
	synth_symbol(&s, "a_section", at + 0x10, STB_LOCAL, STT_SECTION);
	synth_symbol(&s, "undefined", at + 0x10, STB_GLOBAL, STT_FUNC)->st_shndx = SHN_UNDEF;
	synth_symbol(&s, "elsewhere", at + 0x10, STB_GLOBAL, STT_FUNC)->st_shndx = SEC_RODATA;
	synth_symbol(&s, "label", at + 0x20, STB_LOCAL, STT_NOTYPE);
	synth_symbol(&s, "twice", BASE + 0x10, STB_LOCAL, STT_OBJECT);
	synth_symbol(&s, "twice", INIT + 0xf00, STB_GLOBAL, STT_OBJECT);
	synth_symbol(&s, "twice", INIT + 0xf10, STB_LOCAL, STT_OBJECT);
	synth_finish(&s);
	assert_int_equal(open_image(&img, FILE_SIZE), 0);

	check_span(&img, at, "b_name", at, at + 0x20);
	check_span(&img, at + 0x1f, "b_name", at, at + 0x20);
	check_span(&img, at + 0x20, "label", at + 0x20, BASE + TEXT_SIZE);
	check_span(&img, BASE + TEXT_SIZE - 1, "label", at + 0x20, BASE + TEXT_SIZE);
	/* _etext is there too, and in .text */
	check_span(&img, RO, "__start_rodata", RO, CAP_FLAGS);
	/* a section with no symbol */
	check_span(&img, INIT + T_ALT * 0x100 + 3, NULL, INIT + T_ALT * 0x100,
		   INIT + T_ALT * 0x100 + s.used[T_ALT]);
	/* between two sections, and behind all */
	check_span(&img, RO + RO_MEM, NULL, RO + RO_MEM, INIT);
	check_span(&img, INIT + INIT_SIZE, NULL, INIT + INIT_SIZE, UINT64_MAX);

	assert_int_equal(pp_image_find(&img, "twice")->addr, INIT + 0xf00); /* the global one */
	assert_non_null(pp_image_find(&img, "label"));
	assert_null(pp_image_find(&img, "undefined"));
	assert_null(pp_image_find(&img, "a_file"));
	pp_image_close(&img);
}

static void ranges(void **state)
{
	struct pp_image img;
	struct pp_range r;

	good();
	assert_int_equal(open_image(&img, FILE_SIZE), 0);
	assert_int_equal(pp_image_range(&img, "_text", "_etext", &r), 0);
	assert_int_equal(r.start, BASE);
	assert_int_equal(r.end, BASE + TEXT_SIZE);
	assert_int_equal(pp_image_range(&img, "no_1", "no_2", &r), -ENOENT);
	assert_int_equal(pp_image_range(&img, "_text", "no_2", &r), -ENOEXEC);
	assert_int_equal(pp_image_range(&img, "no_1", "_etext", &r), -ENOEXEC);
	assert_int_equal(pp_image_range(&img, "_etext", "_text", &r), -ENOEXEC);
	pp_image_close(&img);
}

#define EH(field)  offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define PH(field)  sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, field), 8
#define SYM(field) SH_OFF + SEC_SYMTAB * 64 + offsetof(Elf64_Shdr, field), 8

static void lies(void **state)
{
	static const struct {
		const char *name;
		size_t off, len;
		uint64_t value;
		int ret;
	} t[] = {
		{"unchanged", EH(e_flags), 0, 0},
		{"no magic", EH(e_ident[1]), 'X', -ENOEXEC},
		{"32-bit", EH(e_ident[EI_CLASS]), ELFCLASS32, -ENOEXEC},
		{"big endian", EH(e_ident[EI_DATA]), ELFDATA2MSB, -ENOEXEC},
		{"other machine", EH(e_machine), EM_AARCH64, -ENOEXEC},
		{"relocatable", EH(e_type), ET_REL, -ENOEXEC},
		{"shared object", EH(e_type), ET_DYN, -ENOEXEC},
		{"no program headers", EH(e_phnum), 0, -ENOEXEC},
		{"too many program headers", EH(e_phnum), 65, -ENOEXEC},
		{"odd program header size", EH(e_phentsize), 32, -ENOEXEC},
		{"program headers outside", EH(e_phoff), FILE_SIZE - 8, -ENOEXEC},
		{"program headers wrap", EH(e_phoff), UINT64_MAX - 8, -ENOEXEC},
		{"no sections", EH(e_shnum), 0, -ENOEXEC},
		{"sections outside", EH(e_shoff), FILE_SIZE - 8, -ENOEXEC},
		{"sections wrap", EH(e_shoff), UINT64_MAX - 8, -ENOEXEC},
		{"larger in the file than in memory", PH(p_memsz), TEXT_SIZE - 1, -ENOEXEC},
		{"segment past the file", PH(p_offset), FILE_SIZE - TEXT_SIZE + 1, -ENOEXEC},
		{"segment offset wraps", PH(p_offset), UINT64_MAX - 8, -ENOEXEC},
		{"virtual address wraps", PH(p_vaddr), UINT64_MAX - 8, -ENOEXEC},
		{"physical address wraps", PH(p_paddr), UINT64_MAX - 8, -ENOEXEC},
		{"memory size wraps", PH(p_memsz), UINT64_MAX, -ENOEXEC},
		{"symbols outside", SYM(sh_offset), FILE_SIZE - 8, -ENOEXEC},
		{"symbols wrap", SYM(sh_offset), UINT64_MAX - 8, -ENOEXEC},
		{"too many symbols", SYM(sh_size), 24 * 100000, -ENOEXEC},
		{"no symbols", SYM(sh_size), 24, -ENOEXEC},
		{"no symbol table", SH_OFF + SEC_SYMTAB * 64 + 4, 4, SHT_PROGBITS, -ENOEXEC},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct pp_image img;

		print_message("# %s\n", t[i].name);
		good();
		memcpy(s.file + t[i].off, &t[i].value, t[i].len);
		assert_int_equal(open_image(&img, FILE_SIZE), t[i].ret);
		pp_image_close(&img);
	}
}

static void truncated(void **state)
{
	struct pp_image img;

	good();
	for (size_t len = 0; len < SH_OFF + NR_SECTIONS * 64; len += len < 512 ? 1 : 97) {
		assert_int_equal(open_image(&img, len), -ENOEXEC);
		pp_image_close(&img);
	}
}

static void not_a_file(void **state)
{
	struct pp_image img;

	assert_int_equal(pp_image_open(&img, "/nonexistent"), -ENOENT);
	pp_image_close(&img);
	assert_int_equal(pp_image_open(&img, "/dev/null"), -ENOEXEC);
	pp_image_close(&img);
}

static void printable(void **state)
{
	char buf[PP_NAME_MAX], long_name[300];

	assert_string_equal(pp_printable("a b\x1b[0m\n\xc3\xa9~", buf), "a b?[0m???~");
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(strlen(pp_printable(long_name, buf)), PP_NAME_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),     cmocka_unit_test(symbols),
		cmocka_unit_test(ranges),    cmocka_unit_test(lies),
		cmocka_unit_test(truncated), cmocka_unit_test(not_a_file),
		cmocka_unit_test(printable),
	};

	log_init("test_image", LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
