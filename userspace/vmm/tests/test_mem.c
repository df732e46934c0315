// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: sizes that are accepted, where RAM lies, and that no range
 * which leaves RAM, or wraps, is ever translated.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
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

/* Mapped or read, the bytes are the file's, the rest of RAM is not, and the file never changes. */
static void loads(void **state)
{
	static const struct {
		uint64_t off, gpa, len;
		int ret;
	} t[] = {
		{0, 0x10000, 3 * 4096, 0},    {0, 0x10000, 3 * 4096 + 5, 0},
		{4096, 0x10000, 2 * 4096, 0}, {1, 0x10000, 2 * 4096, 0},
		{0, 0x10008, 2 * 4096, 0},    {0, 0x10000, 100, 0},
		{0, 0x10000, 0, 0},	      {0, 0x3f000, 4096, 0},
		{0, 0x3f000, 4097, -EFAULT},  {8 * 4096 - 10, 0x10001, 20, -ENODATA},
	};
	static uint8_t data[8 * 4096], now[sizeof(data)];
	int fd = memfd_create("file", MFD_CLOEXEC);

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = 1 + i % 251;
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct mem m;
		uint8_t *p;

		assert_int_equal(mem_init(&m, 0x40000), 0);
		assert_int_equal(mem_load(&m, fd, t[i].off, t[i].gpa, t[i].len), t[i].ret);
		p = mem_ptr(&m, 0, 0x40000);
		if (!t[i].ret) {
			assert_memory_equal(p + t[i].gpa, data + t[i].off, t[i].len);
			assert_int_equal(p[t[i].gpa - 1], 0);
			assert_true(t[i].gpa + t[i].len == 0x40000 || !p[t[i].gpa + t[i].len]);
		}
		memset(p, 0xee, 0x40000);
		assert_int_equal(pread(fd, now, sizeof(now), 0), sizeof(now));
		assert_memory_equal(now, data, sizeof(data));
		mem_fini(&m);
	}
	close(fd);
}

/* Whether the mapping at @p says "dd": do not dump. */
static bool dont_dump(const void *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, at = (unsigned long)p;
	bool here = false, dd = false;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = at >= start && at < end;
		else if (here && !strncmp(line, "VmFlags:", 8))
			dd = strstr(line, " dd");
	}
	fclose(f);
	return dd;
}

/* A guest uses the pages of its initrd for anything later: they are RAM like all others. */
static void no_dump(void **state)
{
	static const uint8_t data[4096];
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct mem m;

	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	assert_int_equal(mem_init(&m, 0x40000), 0);
	assert_int_equal(mem_load(&m, fd, 0, 0x10000, sizeof(data)), 0);
	assert_true(dont_dump(mem_ptr(&m, 0x8000, 1)));
	assert_true(dont_dump(mem_ptr(&m, 0x10000, 1)));
	mem_fini(&m);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes), cmocka_unit_test(ranges),  cmocka_unit_test(copies),
		cmocka_unit_test(loads), cmocka_unit_test(no_dump),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
