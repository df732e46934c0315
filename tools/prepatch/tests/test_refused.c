// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernels that are refused: tables and symbols that point outside or make no sense,
 * and halves that do not belong together.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/log.h"
#include "model.h"

static struct pair t;

static void entries_outside(void **state)
{
	static const struct {
		enum synth_table table;
		size_t size;
	} c[] = {
		{T_CFI, 4},   {T_RETPOLINE, 4}, {T_RETURN, 4}, {T_ALT, 14},
		{T_CALL, 4},  {T_SEAL, 4},	{T_LOCKS, 4},  {T_PTR_A, 4},
		{T_SHIFT, 4}, {T_JUMP, 16},	{T_STATIC, 8},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		print_message("# table %d\n", c[i].table);
		synth_begin(&t.v);
		synth_rel(&t.v, c[i].table, c[i].size, BASE - 0x100);
		synth_finish(&t.v);
		synth_patched(&t.v, &t.p);
		assert_int_equal(pair_model(&t), -ENOEXEC);
		pair_close(&t);
	}
	synth_begin(&t.v);
	synth_mcount(&t.v, 0x1234);
	synth_finish(&t.v);
	synth_patched(&t.v, &t.p);
	assert_int_equal(pair_model(&t), -ENOEXEC);
	pair_close(&t);
}

/* The last byte of a site is outside. */
static void entry_at_the_end(void **state)
{
	for (int over = 0; over < 2; over++) {
		synth_begin(&t.v);
		synth_alt(&t.v, INIT + INIT_SIZE - 7, 3, 7 + over);
		synth_finish(&t.v);
		synth_patched(&t.v, &t.p);
		assert_int_equal(pair_model(&t), over ? -ENOEXEC : 0);
		pair_close(&t);
	}
}

static void not_such_an_instruction(void **state)
{
	static const uint64_t sites[] = {S(S_JUMP8), S(S_JUMP32), S(S_RETPOLINE),
					 S(S_RETPOLINE_JCC)};

	for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
		pair_begin(&t);
		*synth_at(&t.v, sites[i]) = 0xc3;
		assert_int_equal(pair_model(&t), -ENOEXEC);
		pair_close(&t);
	}
}

static void bad_tables(void **state)
{
	static const struct {
		const char *name;
		int section;
		uint64_t addr, size;
	} c[] = {
		{"ends within an entry", SEC_TABLES + T_ALT, INIT + T_ALT * 0x100, 15},
		{"outside", SEC_TABLES + T_LOCKS, INIT + INIT_SIZE, 4},
		{"ends outside", SEC_TABLES + T_LOCKS, INIT + INIT_SIZE - 4, 8},
		{"in the zeroes", SEC_TABLES + T_LOCKS, RO + RO_FILE, 4},
		{"as large as memory", SEC_TABLES + T_LOCKS, 0, UINT64_MAX & ~3ULL},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		print_message("# %s\n", c[i].name);
		pair_begin(&t);
		synth_sections(&t.v)[c[i].section].sh_addr = c[i].addr;
		synth_sections(&t.v)[c[i].section].sh_size = c[i].size;
		assert_int_equal(pair_model(&t), -ENOEXEC);
		pair_close(&t);
	}
}

static void bad_symbols(void **state)
{
	static const struct {
		const char *name;
		uint64_t value; /* 0: no such symbol */
	} c[] = {
		{"_text", 0},
		{"_text", BASE + 1},
		{"_etext", 0},
		{"_etext", BASE - 1},
		{"_etext", BASE + TEXT_SIZE + 0x1000},
		{"_etext", UINT64_MAX},
		{"__start_rodata", 0},
		{"__start_rodata", BASE},
		{"__start_rodata", INIT + INIT_SIZE},
		{"__end_rodata", 0},
		{"__end_rodata", RO + RO_MEM + 0x1000},
		{"__stop___jump_table", 0},
		{"__stop___jump_table", JUMP_TAB - 16},
		{"__stop___jump_table", JUMP_TAB + 8},
		{"__stop_mcount_loc", INIT + INIT_SIZE + 8},
		{"__static_call_text_end", 0},
		{"__static_call_text_end", BASE + TEXT_SIZE + 8},
		{"__end_ro_after_init", 0},
		{"__end_ro_after_init", RO + RO_FILE + 8}, /* not in the file */
		{"skl_call_thunk_tail", TEMPLATE},
		{"skl_call_thunk_tail", TEMPLATE + 256},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		Elf64_Sym *sym;

		print_message("# %s %#llx\n", c[i].name, (unsigned long long)c[i].value);
		pair_begin(&t);
		sym = synth_find(&t.v, c[i].name);
		sym->st_value = c[i].value;
		if (!c[i].value)
			sym->st_shndx = SHN_UNDEF;
		assert_int_equal(pair_model(&t), -ENOEXEC);
		pair_close(&t);
	}
}

static Elf64_Phdr *header(struct synth *s, int i)
{
	return (Elf64_Phdr *)(s->file + sizeof(Elf64_Ehdr)) + i;
}

static void swap_headers(struct synth *s)
{
	Elf64_Phdr ph = *header(s, 1);

	*header(s, 1) = *header(s, 2);
	*header(s, 2) = ph;
}

static void bad_areas(void **state)
{
	/* read-only data before text */
	pair_begin(&t);
	synth_find(&t.v, "_text")->st_value = RO;
	synth_find(&t.v, "_etext")->st_value = RO + PP_PAGE;
	synth_find(&t.v, "__start_rodata")->st_value = BASE;
	synth_find(&t.v, "__end_rodata")->st_value = BASE + PP_PAGE;
	assert_int_equal(pair_model(&t), -ENOEXEC);
	pair_close(&t);

	/* more of it than a kernel may have, and none of it in the file */
	pair_begin(&t);
	header(&t.v, 1)->p_memsz = header(&t.p, 1)->p_memsz = 0x7e000000;
	swap_headers(&t.v); /* the first that has an address counts */
	swap_headers(&t.p);
	synth_find(&t.v, "__end_rodata")->st_value = RO + 0x7d000000;
	assert_int_equal(pair_model(&t), -ENOEXEC);
	pair_close(&t);
}

static void other_segments(void **state)
{
	static const size_t fields[] = {offsetof(Elf64_Phdr, p_vaddr),
					offsetof(Elf64_Phdr, p_paddr),
					offsetof(Elf64_Phdr, p_memsz)};

	for (size_t i = 0; i < 3 * 3; i++) {
		pair_begin(&t);
		*(uint64_t *)((uint8_t *)header(&t.p, i / 3) + fields[i % 3]) += 0x1000;
		assert_int_equal(pair_model(&t), -ENOEXEC);
		pair_close(&t);
	}
	/* Up to the end of the page, as build does: no. 1 is file and zeroes, so not that. */
	for (int i = 0; i < 3; i++) {
		Elf64_Phdr *v, *p;

		pair_begin(&t);
		header(&t.p, i)->p_memsz += 1;
		assert_int_equal(pair_model(&t), -ENOEXEC);
		pair_close(&t);
		pair_begin(&t);
		v = header(&t.v, i);
		p = header(&t.p, i);
		v->p_filesz = v->p_memsz -= 0x10;
		p->p_filesz = p->p_memsz = v->p_memsz;
		p->p_memsz += -(v->p_paddr + v->p_memsz) % 0x1000;
		assert_int_not_equal(p->p_memsz, v->p_memsz);
		assert_int_equal(pair_model(&t), 0);
		pair_close(&t);
	}
	for (int nr = 2; nr <= 4; nr++) {
		pair_begin(&t);
		*header(&t.p, 3) = *header(&t.p, 2);
		((Elf64_Ehdr *)t.p.file)->e_phnum = nr;
		assert_int_equal(pair_model(&t), nr == 3 ? 0 : -ENOEXEC);
		pair_close(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_outside),
		cmocka_unit_test(entry_at_the_end),
		cmocka_unit_test(not_such_an_instruction),
		cmocka_unit_test(bad_tables),
		cmocka_unit_test(bad_symbols),
		cmocka_unit_test(bad_areas),
		cmocka_unit_test(other_segments),
	};

	log_init("test_refused", LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
