// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attribution: a site's bytes are its mechanism's, exactly those; who comes last
 * wins; and what nobody writes is nobody's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/log.h"
#include "model.h"

static struct pair t;

static void model(void)
{
	assert_int_equal(pair_model(&t), 0);
}

/* The totals, from their parts. */
static void check_sums(void)
{
	uint64_t bytes = 0, in_pages = 0, in_symbols = 0;
	size_t pages = 0;

	for (int i = 0; i < PP_NR_OWNERS; i++) {
		const struct pp_owner *o = &t.m.owner[i];

		bytes += o->bytes;
		for (size_t j = 0; j < o->nr_symbols; j++)
			in_symbols += o->symbols[j].bytes;
	}
	for (size_t i = 0; i < t.m.nr_pages; i++) {
		uint64_t before = in_pages;

		for (int j = 0; j < PP_NR_OWNERS; j++)
			in_pages += t.m.pages[i].bytes[j];
		pages += in_pages != before;
	}
	assert_int_equal(t.m.bytes, bytes);
	assert_int_equal(t.m.bytes, in_pages);
	assert_int_equal(t.m.bytes, in_symbols);
	assert_int_equal(t.m.pages_changed, pages);
}

static void check_owner(enum pp_mech mech, uint64_t bytes, size_t sites_changed)
{
	assert_int_equal(t.m.owner[mech].bytes, bytes);
	assert_int_equal(t.m.owner[mech].sites_changed, sites_changed);
}

static void nothing_changed(void **state)
{
	static const size_t sites[PP_NR_OWNERS] = {
		[PP_PREPATCH] = 1,    [PP_RO_AFTER_INIT] = 6, /* the objects; tables, and what is
								 behind them */
		[PP_CFI] = 1,	      [PP_RETPOLINE] = 2,     [PP_RETURN_THUNK] = 1,
		[PP_ALTERNATIVE] = 1, [PP_PARAVIRT] = 1,      [PP_CALL_THUNK] = 1,
		[PP_ENDBR_SEAL] = 1,  [PP_SMP_LOCK] = 1,      [PP_RUNTIME_CONST] = 3,
		[PP_JUMP_LABEL] = 2,  [PP_STATIC_CALL] = 4,   [PP_FTRACE] = 1,
	};

	pair_begin(&t);
	model();
	assert_int_equal(t.m.bytes, 0);
	assert_int_equal(t.m.nr_pages, 5);
	assert_int_equal(t.m.nr_strays, 0);
	for (int i = 0; i < PP_NR_OWNERS; i++) {
		print_message("# %s\n", pp_mechs[i].name);
		assert_int_equal(t.m.owner[i].sites, sites[i]);
		check_owner(i, 0, 0);
	}
	check_sums();
	pair_close(&t);
}

static void every_mechanism(void **state)
{
	static const struct {
		const char *name, *symbol;
		uint64_t addr;
		size_t len;
		enum pp_mech mech;
	} c[] = {
		{"cfi", "func_1", S(S_CFI), 20, PP_CFI},
		{"retpoline", "func_2", S(S_RETPOLINE), 5, PP_RETPOLINE},
		{"retpoline, Jcc", "func_3", S(S_RETPOLINE_JCC), 6, PP_RETPOLINE},
		{"return thunk", "func_4", S(S_RETURN), 5, PP_RETURN_THUNK},
		{"alternative", "func_5", S(S_ALTERNATIVE), 7, PP_ALTERNATIVE},
		{"paravirt", "func_6", S(S_PARAVIRT), 6, PP_PARAVIRT},
		{"call thunk", "func_7", S(S_CALL), 5, PP_CALL_THUNK},
		{"endbr seal", "func_8", S(S_ENDBR), 4, PP_ENDBR_SEAL},
		{"runtime constant", "func_10", S(S_PTR), 8, PP_RUNTIME_CONST},
		{"another section", "func_10", S(S_PTR) + 0x20, 8, PP_RUNTIME_CONST},
		{"runtime shift", "func_11", S(S_SHIFT), 1, PP_RUNTIME_CONST},
		{"short jump label", "func_12", S(S_JUMP8), 2, PP_JUMP_LABEL},
		{"jump label", "func_13", S(S_JUMP32), 5, PP_JUMP_LABEL},
		{"static call", "func_14", S(S_CALL5), 5, PP_STATIC_CALL},
		{"static call, Jcc", "func_15", S(S_JCC6), 6, PP_STATIC_CALL},
		{"ftrace", "func_16", S(S_FTRACE), 5, PP_FTRACE},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		print_message("# %s\n", c[i].name);
		pair_begin(&t);
		synth_flip(&t.p, c[i].addr - 1, c[i].len + 2);
		model();
		check_sums();
		check_owner(c[i].mech, c[i].len, 1);
		assert_int_equal(t.m.owner[c[i].mech].pages_changed, 1);
		assert_string_equal(t.m.owner[c[i].mech].symbols[0].sym->name, c[i].symbol);
		check_owner(PP_UNATTRIBUTED, 2, 0);
		assert_int_equal(t.m.bytes, c[i].len + 2);
		assert_int_equal(t.m.nr_strays, 2);
		assert_int_equal(t.m.strays[0].addr, c[i].addr - 1);
		assert_int_equal(t.m.strays[1].addr, c[i].addr + c[i].len);
		pair_close(&t);
	}
}

static void trampolines(void **state)
{
	pair_begin(&t);
	synth_flip(&t.p, S(S_TRAMPOLINES) - 1, 18);
	model();
	check_owner(PP_STATIC_CALL, 16, 2);
	check_owner(PP_UNATTRIBUTED, 2, 0);
	check_sums();
	pair_close(&t);

	/* the last one is cut off */
	pair_begin(&t);
	synth_find(&t.v, "__static_call_text_end")->st_value -= 4;
	synth_flip(&t.p, S(S_TRAMPOLINES), 13);
	model();
	check_owner(PP_STATIC_CALL, 12, 2);
	check_owner(PP_UNATTRIBUTED, 1, 0);
	pair_close(&t);
}

static void smp_locks(void **state)
{
	pair_begin(&t);
	*synth_at(&t.p, S(S_LOCK)) = 0x3e;
	model();
	check_owner(PP_SMP_LOCK, 1, 1);
	assert_int_equal(t.m.bytes, 1);
	pair_close(&t);

	/* a prefix and no more */
	pair_begin(&t);
	*synth_at(&t.v, S(S_LOCK) + 1) = 0xf0;
	*synth_at(&t.p, S(S_LOCK) + 1) = 0x3e;
	model();
	check_owner(PP_UNATTRIBUTED, 1, 0);
	pair_close(&t);

	/* no kernel writes anything else there */
	pair_begin(&t);
	*synth_at(&t.p, S(S_LOCK)) = 0x90;
	model();
	check_owner(PP_SMP_LOCK, 0, 0);
	check_owner(PP_UNATTRIBUTED, 1, 0);
	pair_close(&t);
}

/* What build says of the CPU: as many bytes as the symbol has. */
static void prepatch(void **state)
{
	pair_begin(&t);
	synth_flip(&t.p, FINAL - 1, 10);
	model();
	check_owner(PP_PREPATCH, 8, 1);
	check_owner(PP_UNATTRIBUTED, 2, 0);
	pair_close(&t);
}

static void ro_after_init(void **state)
{
	pair_begin(&t);
	synth_flip(&t.p, RO_INIT - 1, 3);
	synth_flip(&t.p, RO_INIT_E - 1, 2);
	synth_flip(&t.p, RO_INIT + 0x7f, 2);
	model();
	/* first_object twice, second_object, and the table of static calls */
	check_owner(PP_RO_AFTER_INIT, 5, 3);
	check_owner(PP_UNATTRIBUTED, 2, 0);
	assert_int_equal(t.m.owner[PP_RO_AFTER_INIT].nr_symbols, 3);
	assert_string_equal(t.m.owner[PP_RO_AFTER_INIT].symbols[0].sym->name, "first_object");
	assert_int_equal(t.m.owner[PP_RO_AFTER_INIT].symbols[0].bytes, 3);
	assert_int_equal(t.m.owner[PP_RO_AFTER_INIT].pages_changed, 1);
	check_sums();
	pair_close(&t);
}

/* Its end is that of the area also when no symbol of its section is there. */
static void ro_after_init_ends(void **state)
{
	pair_begin(&t);
	synth_find(&t.v, "__end_ro_after_init")->st_shndx = SHN_ABS;
	synth_find(&t.v, "behind")->st_shndx = SHN_ABS;
	synth_flip(&t.p, RO_INIT_E - 1, 2);
	model();
	check_owner(PP_RO_AFTER_INIT, 1, 1);
	check_owner(PP_UNATTRIBUTED, 1, 0);
	pair_close(&t);
}

/* Where it is not part of the read-only data, nothing of it is compared. */
static void ro_after_init_elsewhere(void **state)
{
	synth_begin(&t.v);
	for (size_t i = 0; i < t.v.nr_symbols; i++) {
		Elf64_Sym *sym = &synth_symbols(&t.v)[i];

		if (sym->st_value == RO_INIT || sym->st_value == RO_INIT_E)
			sym->st_value += INIT - RO;
	}
	synth_finish(&t.v);
	synth_patched(&t.v, &t.p);
	synth_flip(&t.p, RO_INIT, 1);
	model();
	assert_int_equal(t.m.owner[PP_RO_AFTER_INIT].sites, 0);
	check_owner(PP_UNATTRIBUTED, 1, 0);
	pair_close(&t);
}

/* The file of one kernel ends where the other one has zeroes. */
static void zeroes(void **state)
{
	Elf64_Phdr *ph = (Elf64_Phdr *)(t.p.file + sizeof(Elf64_Ehdr));

	pair_begin(&t);
	ph[1].p_filesz = RO_MEM;
	memset(synth_at(&t.p, RO + RO_FILE), 0, RO_MEM - RO_FILE);
	model();
	assert_int_equal(t.m.bytes, 0);
	pair_close(&t);

	*synth_at(&t.p, RO + RO_MEM - 1) = 1;
	model();
	check_owner(PP_UNATTRIBUTED, 1, 0);
	assert_int_equal(t.m.strays[0].addr, RO + RO_MEM - 1);
	check_sums();
	pair_close(&t);
}

static void nested_alternatives(void **state)
{
	uint64_t a = S(S_FREE), b = a + 0x20;

	synth_begin(&t.v);
	synth_alt(&t.v, a, 3, 4);
	synth_alt(&t.v, a, 40, 9);
	synth_alt(&t.v, a, 3, 2);
	synth_alt(&t.v, b, 70, 5);
	synth_alt(&t.v, b, 71 | 2 << 16, 6);
	synth_finish(&t.v);
	synth_patched(&t.v, &t.p);
	synth_flip(&t.p, a, 10);
	synth_flip(&t.p, b, 7);
	model();
	/* as long as the longest, and paravirt if one of them is */
	check_owner(PP_ALTERNATIVE, 9, 1);
	check_owner(PP_PARAVIRT, 6, 1);
	check_owner(PP_UNATTRIBUTED, 2, 0);
	assert_int_equal(t.m.owner[PP_ALTERNATIVE].sites, 2);
	assert_int_equal(t.m.owner[PP_PARAVIRT].sites, 2);
	check_sums();
	pair_close(&t);
}

static void features(void **state)
{
	static const struct pp_feature want[] = {
		{3, 2, 1, 9},
		{40, 2, 1, 9},
		{40 | PP_FEATURE_NOT, 1, 1, 9},
		{70, 1, 0, 0},
	};

	synth_begin(&t.v);
	synth_alt(&t.v, S(S_FREE), 3, 9);
	synth_alt(&t.v, S(S_FREE), 40, 9);
	synth_alt(&t.v, S(S_FREE), 3, 9);
	synth_alt(&t.v, S(S_FREE), 40 | 1 << 16, 9);
	synth_alt(&t.v, S(S_FREE) + 0x20, 70, 9);
	synth_finish(&t.v);
	synth_patched(&t.v, &t.p);
	synth_flip(&t.p, S(S_FREE), 9);
	model();
	assert_int_equal(t.m.nr_features, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < t.m.nr_features; i++) {
		assert_int_equal(t.m.features[i].feature, want[i].feature);
		assert_int_equal(t.m.features[i].sites, want[i].sites);
		assert_int_equal(t.m.features[i].sites_changed, want[i].sites_changed);
		assert_int_equal(t.m.features[i].bytes, want[i].bytes);
	}
	pair_close(&t);
}

/* Adds a site of a mechanism that covers S(S_FREE). */
static void add_site(enum pp_mech mech)
{
	uint64_t a = S(S_FREE);

	switch (mech) {
	case PP_CFI:
		return synth_rel(&t.v, T_CFI, 4, a);
	case PP_RETPOLINE:
		return synth_rel(&t.v, T_RETPOLINE, 4, a);
	case PP_RETURN_THUNK:
		return synth_rel(&t.v, T_RETURN, 4, a);
	case PP_ALTERNATIVE:
		return synth_alt(&t.v, a, 3, 5);
	case PP_CALL_THUNK:
		return synth_rel(&t.v, T_CALL, 4, a);
	case PP_ENDBR_SEAL:
		return synth_rel(&t.v, T_SEAL, 4, a);
	case PP_SMP_LOCK:
		return synth_rel(&t.v, T_LOCKS, 4, a);
	case PP_RUNTIME_CONST:
		return synth_rel(&t.v, T_PTR_A, 4, a);
	case PP_JUMP_LABEL:
		return synth_rel(&t.v, T_JUMP, 16, a);
	case PP_STATIC_CALL:
		return synth_rel(&t.v, T_STATIC, 8, a);
	case PP_FTRACE:
		return synth_mcount(&t.v, a);
	default:
		fail();
	}
}

/* Of each two mechanisms the one that writes last has the byte. */
static void precedence(void **state)
{
	static const enum pp_mech order[] = {
		PP_CFI,	       PP_RETPOLINE,	 PP_RETURN_THUNK, PP_ALTERNATIVE, PP_CALL_THUNK,
		PP_ENDBR_SEAL, PP_RUNTIME_CONST, PP_JUMP_LABEL,	  PP_STATIC_CALL, PP_FTRACE,
	};
	const size_t nr = sizeof(order) / sizeof(order[0]);

	for (size_t i = 0; i < nr * nr; i++) {
		enum pp_mech a = order[i / nr], b = order[i % nr];

		synth_begin(&t.v);
		*synth_at(&t.v, S(S_FREE)) = 0xe9;
		add_site(a);
		add_site(b);
		synth_finish(&t.v);
		synth_patched(&t.v, &t.p);
		*synth_at(&t.p, S(S_FREE)) = 0xcc;
		model();
		check_owner(i / nr > i % nr ? a : b, 1, 1);
		pair_close(&t);
	}
}

/* Locks come after alternatives, but only where there is a lock that went. */
static void lock_in_alternative(void **state)
{
	for (int lock = 0; lock < 2; lock++) {
		synth_begin(&t.v);
		*synth_at(&t.v, S(S_FREE)) = 0xf0;
		add_site(PP_SMP_LOCK);
		add_site(PP_ALTERNATIVE);
		synth_finish(&t.v);
		synth_patched(&t.v, &t.p);
		*synth_at(&t.p, S(S_FREE)) = lock ? 0x3e : 0x90;
		*synth_at(&t.p, S(S_FREE) + 1) = 0x90;
		model();
		check_owner(PP_SMP_LOCK, lock, lock);
		check_owner(PP_ALTERNATIVE, 2 - lock, 1);
		pair_close(&t);
	}
}

/* Of alternatives that overlap, the later entry overwrites the earlier one. */
static void overlapping_alternatives(void **state)
{
	for (int swap = 0; swap < 2; swap++) {
		uint64_t a = S(S_FREE), b = a + 4;

		synth_begin(&t.v);
		synth_alt(&t.v, swap ? b : a, swap ? 3 | 2 << 16 : 3, 8);
		synth_alt(&t.v, swap ? a : b, swap ? 3 : 3 | 2 << 16, 8);
		synth_finish(&t.v);
		synth_patched(&t.v, &t.p);
		synth_flip(&t.p, a, 12);
		model();
		check_owner(PP_ALTERNATIVE, swap ? 8 : 4, 1);
		check_owner(PP_PARAVIRT, swap ? 4 : 8, 1);
		check_sums();
		pair_close(&t);
	}
}

/* FineIBT loads the hash in front of an indirect call, where the compiler did. */
static void cfi_callers(void **state)
{
	static const struct {
		const char *insn;
		bool loads_hash;
	} c[] = {{"\x11\x11", false}, {"\x41\x11", false}, {"\x11\xba", false}, {"\x41\xba", true}};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		synth_begin(&t.v);
		synth_set(&t.v, S(S_RETPOLINE) - 14, c[i].insn, 2);
		synth_finish(&t.v);
		synth_patched(&t.v, &t.p);
		synth_flip(&t.p, S(S_RETPOLINE) - 14, 14);
		model();
		check_owner(PP_CFI, c[i].loads_hash ? 14 : 0, c[i].loads_hash);
		check_owner(PP_UNATTRIBUTED, c[i].loads_hash ? 0 : 14, 0);
		pair_close(&t);
	}
}

/* Other calls have no hash, whatever is in front of them. */
static void cfi_needs_retpoline(void **state)
{
	synth_begin(&t.v);
	synth_set(&t.v, S(S_RETURN) - 14, "\x41\xba", 2);
	synth_finish(&t.v);
	synth_patched(&t.v, &t.p);
	synth_flip(&t.p, S(S_RETURN) - 14, 14);
	model();
	check_owner(PP_UNATTRIBUTED, 14, 0);
	pair_close(&t);
}

/* A call that goes to NOPs makes them a thunk's, one that goes elsewhere does not. */
static void call_thunks(void **state)
{
	static const struct {
		uint64_t site, target;
		bool thunk;
	} c[] = {
		{S(S_CALL), S(S_PAD), true},	     {S(S_ALTERNATIVE), S(S_PAD), true},
		{S(S_CALL5), S(S_PAD), true},	     {S(S_CALL), S(S_PAD) - 1, false},
		{S(S_CALL), S(S_PAD) + 1, false},    {S(S_RETURN), S(S_PAD), false},
		{S(S_CALL), BASE - 0x100000, false},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		int32_t off = c[i].target - (c[i].site + 5);

		pair_begin(&t);
		*synth_at(&t.p, c[i].site) = 0xe8;
		synth_set(&t.p, c[i].site + 1, &off, sizeof(off));
		synth_flip(&t.p, S(S_PAD), THUNK);
		model();
		check_owner(PP_UNATTRIBUTED, c[i].thunk ? 0 : THUNK, 0);
		check_sums();
		pair_close(&t);
	}
}

static void strays(void **state)
{
	pair_begin(&t);
	synth_flip(&t.p, BASE + 0x20fe, 4);
	synth_flip(&t.p, BASE + 0x4fe, 4); /* of two functions */
	model();
	check_owner(PP_UNATTRIBUTED, 8, 0);
	assert_int_equal(t.m.nr_strays, 3);
	assert_int_equal(t.m.nr_strays_kept, 3);
	assert_int_equal(t.m.strays[0].addr, BASE + 0x4fe);
	assert_int_equal(t.m.strays[0].len, 2);
	assert_string_equal(t.m.strays[0].sym->name, "func_4");
	assert_string_equal(t.m.strays[1].sym->name, "func_5");
	assert_int_equal(t.m.strays[2].len, 4);
	assert_string_equal(t.m.strays[2].sym->name, "func_31");
	pair_close(&t);
}

static void too_many_strays(void **state)
{
	pair_begin(&t);
	for (int i = 0; i < TEXT_SIZE; i += 2)
		synth_flip(&t.p, BASE + i, 1);
	model();
	assert_true(t.m.nr_strays > PP_MAX_STRAYS);
	assert_int_equal(t.m.nr_strays_kept, PP_MAX_STRAYS);
	check_sums();
	pair_close(&t);
}

static void pages(void **state)
{
	pair_begin(&t);
	/* the only sites on their pages that are not as built */
	synth_flip(&t.p, S(S_JUMP8), 2);
	synth_flip(&t.p, S(S_JUMP32), 5);
	synth_flip(&t.p, S(S_CALL5), 5);
	synth_flip(&t.p, S(S_TRAMPOLINES), 8);
	model();
	assert_int_equal(t.m.pages[0].open, 1U << PP_STATIC_CALL); /* S_JCC6 */
	assert_int_equal(t.m.pages[1].open, 1U << PP_STATIC_CALL);
	assert_int_equal(t.m.pages[2].open, 0);
	assert_false(t.m.pages[1].padding);
	assert_true(t.m.pages[2].padding);
	assert_true(t.m.pages[4].padding); /* zeroes */
	assert_int_equal(t.m.pages[2].area, PP_TEXT);
	assert_int_equal(t.m.pages[3].area, PP_RODATA);
	assert_int_equal(t.m.pages[3].addr, RO);
	assert_string_equal(t.m.pages[1].sym->name, "func_16");
	pair_close(&t);

	synth_flip(&t.p, S(S_JCC6), 6);
	synth_flip(&t.p, S(S_TRAMPOLINES) + 8, 8);
	model();
	assert_int_equal(t.m.pages[0].open, 0);
	assert_int_equal(t.m.pages[1].open, 0);
	pair_close(&t);

	synth_flip(&t.p, S(S_JUMP32), 5);
	model();
	assert_int_equal(t.m.pages[0].open, 1U << PP_JUMP_LABEL);
	pair_close(&t);
}

/* Pages of one byte are padding if it is one that pads. */
static void padding(void **state)
{
	static const struct {
		uint8_t byte;
		bool padding;
	} c[] = {{0xcc, true}, {0, true}, {0x90, false}, {0x11, false}};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		pair_begin(&t);
		memset(synth_at(&t.v, BASE + 0x2000), c[i].byte, PP_PAGE);
		model();
		assert_int_equal(t.m.pages[2].padding, c[i].padding);
		pair_close(&t);
	}
}

/* What comes after an area is not compared, even if its segment goes on. */
static void area_ends(void **state)
{
	pair_begin(&t);
	synth_find(&t.v, "_etext")->st_value = BASE + 0x1800;
	synth_flip(&t.p, BASE + 0x17ff, 2);
	synth_flip(&t.p, BASE + 0x2000, 1);
	model();
	assert_int_equal(t.m.bytes, 1);
	assert_int_equal(t.m.nr_pages, 4);
	check_sums();
	pair_close(&t);
}

/* Without a table its sites are nobody's, and that is all. */
static void no_tables(void **state)
{
	synth_begin(&t.v);
	memset(t.v.used, 0, sizeof(t.v.used));
	synth_finish(&t.v);
	for (int i = SEC_TABLES; i < SEC_SYMTAB; i++)
		synth_sections(&t.v)[i].sh_name = 0;
	synth_patched(&t.v, &t.p);
	synth_flip(&t.p, S(S_ALTERNATIVE), 7);
	model();
	check_owner(PP_UNATTRIBUTED, 7, 0);
	for (int i = 0; i < PP_NR_OWNERS; i++) {
		if (i != PP_PREPATCH && i != PP_RO_AFTER_INIT && i != PP_STATIC_CALL)
			assert_int_equal(t.m.owner[i].sites, 0);
	}
	pair_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_changed),
		cmocka_unit_test(every_mechanism),
		cmocka_unit_test(trampolines),
		cmocka_unit_test(smp_locks),
		cmocka_unit_test(prepatch),
		cmocka_unit_test(ro_after_init),
		cmocka_unit_test(ro_after_init_ends),
		cmocka_unit_test(ro_after_init_elsewhere),
		cmocka_unit_test(zeroes),
		cmocka_unit_test(nested_alternatives),
		cmocka_unit_test(features),
		cmocka_unit_test(precedence),
		cmocka_unit_test(lock_in_alternative),
		cmocka_unit_test(overlapping_alternatives),
		cmocka_unit_test(cfi_callers),
		cmocka_unit_test(cfi_needs_retpoline),
		cmocka_unit_test(call_thunks),
		cmocka_unit_test(strays),
		cmocka_unit_test(too_many_strays),
		cmocka_unit_test(pages),
		cmocka_unit_test(padding),
		cmocka_unit_test(area_ends),
		cmocka_unit_test(no_tables),
	};

	log_init("test_attribute", LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
