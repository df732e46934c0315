// SPDX-License-Identifier: GPL-2.0-only
/*
 * The helpers all programs share: sizes, files, and finding cgroup v2.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cgroup2.h"
#include "lib/cleanup.h"
#include "lib/io.h"

#define NR(array) ((int)(sizeof(array) / sizeof((array)[0])))

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint64_t bytes;
	} t[] = {
		{"0", 0, 0},
		{"1", 0, 1},
		{"4k", 0, 4096},
		{"128M", 0, 128 << 20},
		{"3g", 0, UINT64_C(3) << 30},
		{"2T", 0, UINT64_C(2) << 40},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"16777216T", -ERANGE, 0},
		{"16777215T", 0, UINT64_C(16777215) << 40},
		{"", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1MB", -EINVAL, 0},
		{"1P", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
	};

	for (int i = 0; i < NR(t); i++) {
		uint64_t v = 0;
		int ret = io_parse_size(t[i].text, &v);

		if (ret != t[i].ret || (!ret && v != t[i].bytes))
			fail_msg("'%s': %d, %llu", t[i].text, ret, (unsigned long long)v);
	}
}

static void test_words(void **state)
{
	static const struct {
		const char *list, *word;
		bool has;
	} t[] = {
		{"cpuset cpu io", "cpu", true},
		{"cpuset io", "cpu", false},
		{"cpu", "cpu", true},
		{"cpu\n", "cpu", true},
		{"", "cpu", false},
		{"xcpu cpux", "cpu", false},
		{"cpucpu cpu", "cpu", true},
	};

	for (int i = 0; i < NR(t); i++)
		assert_int_equal(cg2_has_word(t[i].list, t[i].word), t[i].has);
}

static int find(const char *text, char *path, size_t len)
{
	__cleanup_file FILE *f = fmemopen((char *)text, strlen(text), "r");

	return cg2_find_mount(f, path, len);
}

static void test_mountinfo(void **state)
{
	static const char *const none[] = {
		"\n",
		"30 24 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n",
		"30 24 0:26 / /cgroup2 rw - tmpfs cgroup2 rw\n",
		"30 24 - cgroup2 cgroup2 rw\n",
		" - cgroup2 \n",
		"no separator at all\n",
	};
	char path[64];

	for (int i = 0; i < NR(none); i++)
		assert_int_equal(find(none[i], path, sizeof(path)), -ENOENT);
	assert_int_equal(find("22 1 8:1 / / rw - ext4 /dev/sda rw\n"
			      "30 24 0:26 / /sys/fs/cg\\040roup\\134x rw,nosuid shared:4 master:1 "
			      "- cgroup2 cgroup2 rw\n"
			      "31 24 0:26 / /second rw - cgroup2 x rw\n",
			      path, sizeof(path)),
			 0);
	assert_string_equal(path, "/sys/fs/cg roup\\x");
	assert_int_equal(find("1 2 0:1 / /long/enough rw - cgroup2 x rw\n", path, 12),
			 -ENAMETOOLONG);
	assert_int_equal(find("1 2 0:1 / /long/enough rw - cgroup2 x rw\n", path, 13), 0);
}

static int make_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	int ret = io_write_full(fd, text, strlen(text));

	close(fd);
	return ret;
}

/* A directory that looks like a cgroup's is enough for reading. */
static void test_files(void **state)
{
	char top[] = "/tmp/rund-lib.XXXXXX", *text;
	uint64_t v;
	int dir;

	assert_non_null(mkdtemp(top));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	assert_int_equal(make_file(dir, "memory.events", "low 0\noom 3\noom_kill 12\n"), 0);
	assert_int_equal(cg2_read_key(dir, "memory.events", "oom_kill", &v), 0);
	assert_int_equal(v, 12);
	assert_int_equal(cg2_read_key(dir, "memory.events", "oom", &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(cg2_read_key(dir, "memory.events", "oom_", &v), -ENOENT);
	assert_int_equal(cg2_read_key(dir, "none", "oom", &v), -ENOENT);
	assert_int_equal(io_read_file(dir, "memory.events", 4, &text), -EFBIG);
	assert_int_equal(io_read_file(dir, "memory.events", 100, &text), 24);
	assert_string_equal(text, "low 0\noom 3\noom_kill 12\n");
	free(text);
	assert_int_equal(make_file(dir, "cgroup.controllers", "cpu io\n"), 0);
	assert_int_equal(make_file(dir, "cgroup.subtree_control", "io\n"), 0);
	assert_int_equal(cg2_enable(dir, "io"), 0);
	assert_int_equal(cg2_enable(dir, "memory"), -ENOENT);
	assert_int_equal(cg2_enable(dir, "cpu"), 0);
	assert_int_equal(io_read_file(dir, "cgroup.subtree_control", 100, &text), 4);
	assert_string_equal(text, "+cpu");
	free(text);
	assert_int_equal(make_file(dir, "memory.max", ""), 0);
	assert_int_equal(cg2_write_u64(dir, "memory.max", UINT64_MAX), 0);
	assert_int_equal(io_read_file(dir, "memory.max", 100, &text), 3);
	assert_string_equal(text, "max");
	free(text);
	unlinkat(dir, "memory.max", 0);
	unlinkat(dir, "memory.events", 0);
	unlinkat(dir, "cgroup.controllers", 0);
	unlinkat(dir, "cgroup.subtree_control", 0);
	close(dir);
	assert_int_equal(rmdir(top), 0);
}

static void test_unix_paths(void **state)
{
	char path[200];

	memset(path, 'x', sizeof(path));
	path[199] = '\0';
	assert_int_equal(io_unix_listen(path, 1), -ENAMETOOLONG);
	assert_int_equal(io_unix_connect(path), -ENAMETOOLONG);
	assert_int_equal(io_unix_connect("/does/not/exist"), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	   cmocka_unit_test(test_words),
		cmocka_unit_test(test_mountinfo),  cmocka_unit_test(test_files),
		cmocka_unit_test(test_unix_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
