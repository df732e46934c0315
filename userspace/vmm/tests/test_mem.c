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

#include "smaps.h"
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

/* A guest uses the pages of its initrd for anything later: they are RAM like all others. */
static void no_dump(void **state)
{
	static const uint8_t data[4096];
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct mem m;

	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	assert_int_equal(mem_init(&m, 0x40000), 0);
	assert_int_equal(mem_load(&m, fd, 0, 0x10000, sizeof(data)), 0);
	assert_true(has_flag(mem_ptr(&m, 0x8000, 1), DONT_DUMP));
	assert_true(has_flag(mem_ptr(&m, 0x10000, 1), DONT_DUMP));
	mem_fini(&m);
	close(fd);
}

/* How many mappings there are, and their size in all. */
static void count_maps(unsigned long *nr, unsigned long *size)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];

	assert_non_null(f);
	*nr = *size = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) != 2)
			continue;
		*nr += 1;
		*size += end - start;
	}
	fclose(f);
}

/* Pages of 2 MiB fit on both sides, and what was mapped to align them is gone. */
static void congruent(void **state)
{
	static const uint64_t t[] = {
		4096,
		12 * 4096,
		2 * MIB - 4096,
		2 * MIB,
		2 * MIB + 4096,
		37 * MIB + 8192,
		MEM_HOLE_START,
		MEM_HOLE_START + 4096,
		4 * GIB + 3 * 4096,
	};

	for (size_t i = 0; i < 8 * sizeof(t) / sizeof(t[0]); i++) {
		unsigned long nr[3], size[3];
		uint64_t bytes = t[i % 9];
		struct mem m;
		/* Moves where the next mapping goes. */
		void *shift =
			mmap(NULL, 4096 * (i + 1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		count_maps(&nr[0], &size[0]);
		count_maps(&nr[0], &size[0]);
		assert_int_equal(mem_init(&m, bytes), 0);
		for (unsigned int r = 0; r < m.nr; r++)
			assert_int_equal((uintptr_t)m.region[r].hva % (2 * MIB),
					 m.region[r].gpa % (2 * MIB));
		/* All of it is there, and no more. */
		for (unsigned int r = 0; r < m.nr; r++) {
			m.region[r].hva[0] = 1;
			m.region[r].hva[m.region[r].size - 1] = 1;
		}
		count_maps(&nr[1], &size[1]);
		assert_true(size[1] - size[0] == bytes);
		mem_fini(&m);
		count_maps(&nr[2], &size[2]);
		assert_int_equal(nr[2], nr[0]);
		assert_int_equal(size[2], size[0]);
		munmap(shift, 4096 * (i + 1));
	}
}

/* Whole pages of 2 MiB get the hint, and nothing else does, whatever the range. */
static void huge_hint(void **state)
{
	static const struct {
		uint64_t start, end;
		uint64_t from, to; /* what gets it; none when equal */
	} t[] = {
		{4 * MIB, 8 * MIB, 4 * MIB, 8 * MIB},
		{4 * MIB + 1, 8 * MIB, 6 * MIB, 8 * MIB},
		{4 * MIB - 1, 8 * MIB + 4096, 4 * MIB, 8 * MIB},
		{4 * MIB, 6 * MIB, 4 * MIB, 6 * MIB},
		{0, 16 * MIB, 0, 16 * MIB},
		{4 * MIB, 6 * MIB - 1, 0, 0},
		{3 * MIB, 5 * MIB, 0, 0},
		{4096, 8192, 0, 0},
		{0, 0, 0, 0},
		{8 * MIB, 4 * MIB, 0, 0},
		{16 * MIB, 18 * MIB, 0, 0},
		{14 * MIB, 18 * MIB, 0, 0},
		{0, UINT64_MAX, 0, 0},
		{UINT64_MAX, UINT64_MAX, 0, 0},
		{UINT64_MAX - 4096, UINT64_MAX, 0, 0},
		{UINT64_MAX, 4 * MIB, 0, 0},
		{UINT64_MAX - MIB, 16 * MIB, 0, 0},
	};

	bool thp = knows_huge_pages();

	if (!thp)
		print_message("# this kernel has no huge pages to ask for\n");
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct mem m;
		uint8_t *p;

		assert_int_equal(mem_init(&m, 16 * MIB), 0);
		p = mem_ptr(&m, 0, 16 * MIB);
		memset(p + 4 * MIB - 8, 0x77, 16);
		mem_hint_huge(&m, t[i].start, t[i].end);
		for (uint64_t gpa = 0; gpa < 16 * MIB; gpa += MIB)
			assert_int_equal(has_flag(p + gpa, HUGE_PAGES),
					 thp && gpa >= t[i].from && gpa < t[i].to);
		/* It is a hint: no byte changes. */
		for (int b = 0; b < 16; b++)
			assert_int_equal(p[4 * MIB - 8 + b], 0x77);
		assert_int_equal(p[4 * MIB - 9], 0);
		mem_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),     cmocka_unit_test(ranges),	cmocka_unit_test(copies),
		cmocka_unit_test(loads),     cmocka_unit_test(no_dump), cmocka_unit_test(congruent),
		cmocka_unit_test(huge_hint),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
