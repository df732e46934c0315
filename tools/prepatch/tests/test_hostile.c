// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that were made to do harm: whatever byte is wrong, the sanitizers have
 * nothing to say, and a model that comes out adds up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/log.h"
#include "model.h"
#include "report.h"

#define MUTATIONS 10000

static struct pair t;
static FILE *null;

/* Reports are made too: they follow what the model points to. */
static void run(size_t v_len, size_t p_len)
{
	if (!pair_load(&t, v_len, p_len)) {
		struct pp_report r = {&t.vi, &t.pi, &t.m};
		uint64_t bytes = 0;

		for (int i = 0; i < PP_NR_OWNERS; i++)
			bytes += t.m.owner[i].bytes;
		assert_int_equal(bytes, t.m.bytes);
		pp_report_text(&r, null);
		if (t.m.nr_pages < 64) {
			assert_int_equal(pp_report_json(&r, null), 0);
			pp_report_html(&r, null);
		}
	}
	pair_close(&t);
}

static void each_byte(struct synth *s, size_t from, size_t to)
{
	static const uint8_t masks[] = {0xff, 0x80, 0x01};

	for (size_t at = from; at < to; at++) {
		for (size_t i = 0; i < sizeof(masks); i++) {
			s->file[at] ^= masks[i];
			run(FILE_SIZE, FILE_SIZE);
			s->file[at] ^= masks[i];
		}
	}
}

static void headers(void **state)
{
	pair_begin(&t);
	each_byte(&t.v, 0, sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr));
	each_byte(&t.p, 0, sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr));
	each_byte(&t.v, SH_OFF, SH_OFF + NR_SECTIONS * sizeof(Elf64_Shdr));
}

static void symbols(void **state)
{
	pair_begin(&t);
	each_byte(&t.v, SYM_OFF, SYM_OFF + t.v.nr_symbols * sizeof(Elf64_Sym));
}

static void tables(void **state)
{
	pair_begin(&t);
	for (int i = 0; i < NR_SYNTH_TABLES; i++) {
		size_t at = synth_at(&t.v, synth_table_addr(i)) - t.v.file;

		each_byte(&t.v, at, at + t.v.used[i]);
	}
}

static void truncated(void **state)
{
	pair_begin(&t);
	for (size_t len = 0; len < FILE_SIZE; len += 61) {
		run(len, FILE_SIZE);
		run(FILE_SIZE, len);
	}
}

/* xorshift64: the same mutations each time */
static uint64_t next_random(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Where it hurts: headers, tables and symbols; now and then anywhere. */
static size_t random_place(void)
{
	static const struct {
		size_t from, len;
	} places[] = {
		{0, 0x100},	  {SH_OFF, NR_SECTIONS * sizeof(Elf64_Shdr)},
		{SYM_OFF, 0x700}, {INIT_OFF, 0xb00},
		{RO_OFF, 0x900},  {0, FILE_SIZE},
	};
	size_t i = next_random() % (sizeof(places) / sizeof(places[0]));

	return places[i].from + next_random() % places[i].len;
}

static void mutations(void **state)
{
	static const uint8_t extreme[] = {0, 1, 0x7f, 0x80, 0xff};

	for (int i = 0; i < MUTATIONS; i++) {
		int nr = 1 + next_random() % 8;

		pair_begin(&t);
		while (nr--) {
			struct synth *s = next_random() % 4 ? &t.v : &t.p;

			if (next_random() % 2)
				s->file[random_place()] = extreme[next_random() % 5];
			else
				s->file[random_place()] = next_random();
		}
		run(FILE_SIZE, FILE_SIZE);
	}
}

static int setup(void **state)
{
	null = fopen("/dev/null", "w");
	return null ? 0 : -1;
}

static int teardown(void **state)
{
	return fclose(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),   cmocka_unit_test(symbols),	  cmocka_unit_test(tables),
		cmocka_unit_test(truncated), cmocka_unit_test(mutations),
	};

	log_init("test_hostile", LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, setup, teardown);
}
