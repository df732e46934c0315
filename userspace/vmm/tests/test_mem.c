// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: sizes that are accepted, where RAM lies, and that no range
 * which leaves RAM, or wraps, is ever translated.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "vmm/mem.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static void sizes(void **state)
{
	static const struct {
		uint64_t size;
		int ret;
		unsigned int nr;
	} t[] = {
		{0, -EINVAL, 0},
		{1, -EINVAL, 0},
		{4095, -EINVAL, 0},
		{4096, 0, 1},
		{128 * MIB, 0, 1},
		{MEM_HOLE_START, 0, 1},
		{MEM_HOLE_START + 4096, 0, 2},
		{8 * GIB, 0, 2},
		{1ULL << 40, -EINVAL, 0},
		{UINT64_MAX, -EINVAL, 0},
		{UINT64_MAX & ~4095ULL, -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct mem m;

		assert_int_equal(mem_init(&m, t[i].size), t[i].ret);
		assert_int_equal(m.nr, t[i].nr);
		assert_true(t[i].ret || m.size == t[i].size);
		mem_fini(&m);
	}
}

static void ranges(void **state)
{
	static const struct {
		uint64_t gpa, len;
		bool ok;
	} t[] = {
		{0, 1, true},
		{0, MEM_HOLE_START, true},
		{0, MEM_HOLE_START + 1, false},
		{MEM_HOLE_START - 1, 1, true},
		{MEM_HOLE_START - 1, 2, false},
		{MEM_HOLE_START, 0, false},
		{MEM_HOLE_START, 1, false},
		{MEM_HIGH_START - 1, 2, false},
		{MEM_HIGH_START, MIB, true},
		{MEM_HIGH_START, MIB + 1, false},
		{MEM_HIGH_START + MIB - 1, 1, true},
		{MEM_HIGH_START + MIB, 1, false},
		{UINT64_MAX, 1, false},
		{UINT64_MAX, UINT64_MAX, false},
		{1, UINT64_MAX, false},
		{4096, UINT64_MAX - 4095, false},
		{MEM_HIGH_START + 1, UINT64_MAX - 1, false},
	};
	struct mem m;

	assert_int_equal(mem_init(&m, MEM_HOLE_START + MIB), 0);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(!!mem_ptr(&m, t[i].gpa, t[i].len), t[i].ok);
	mem_fini(&m);
	assert_null(mem_ptr(&m, 0, 1));
}

static void copies(void **state)
{
	char buf[8] = "rund";
	char back[8] = {0};
	struct mem m;

	assert_int_equal(mem_init(&m, 64 * 1024), 0);
	assert_int_equal(mem_write(&m, 65536 - 8, buf, 8), 0);
	assert_int_equal(mem_read(&m, 65536 - 8, back, 8), 0);
	assert_string_equal(back, "rund");
	assert_int_equal(mem_write(&m, 65536 - 7, buf, 8), -EFAULT);
	assert_int_equal(mem_read(&m, 65536, back, 1), -EFAULT);
	mem_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(ranges),
		cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
