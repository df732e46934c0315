// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writable layers: images appear whole, layers have no name, and what cannot be
 * done is refused.
 */
#include "test.h"

#include <dirent.h>
#include <sys/stat.h>

#include "copy.h"
#include "upper.h"

#define SIZE (UINT64_C(64) << 20)

static char top[256];

static int setup(void **state)
{
	make_dir(top, sizeof(top));
	return 0;
}

static int teardown(void **state)
{
	remove_tree(top);
	return 0;
}

static int tmpfile_in(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		skip();
	return fd;
}

static int count_names(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void check_same(int a, int b, off_t size)
{
	for (off_t at = 0; at < size; at += 1 << 16) {
		static char x[1 << 16], y[1 << 16];
		ssize_t n = pread(a, x, sizeof(x), at);

		assert_int_equal(pread(b, y, sizeof(y), at), n);
		assert_memory_equal(x, y, n);
	}
}

static void test_copy(void **state)
{
	int src = tmpfile_in(top), dst = tmpfile_in(top);
	const off_t at[] = {0, 70000, 1 << 20, (5 << 20) + 17};
	struct stat a, b;

	for (int i = 0; i < NR(at); i++)
		assert_int_equal(pwrite(src, "some bytes", 10, at[i]), 10);
	assert_int_equal(ftruncate(src, 9 << 20), 0);
	assert_int_equal(ra_copy_sparse(dst, src), 0);
	fstat(src, &a);
	fstat(dst, &b);
	assert_int_equal(a.st_size, b.st_size);
	assert_true(b.st_blocks < 200); /* holes stay holes */
	check_same(src, dst, a.st_size);
	close(src);
	close(dst);
}

static void test_layer(void **state)
{
	int a, b, saved = mute_stderr();
	struct stat st;
	char c[2];

	a = ra_upper_open(top, SIZE, true);
	b = ra_upper_open(top, SIZE, true);
	unmute_stderr(saved);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(count_names(top), 1);
	fstat(a, &st);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(st.st_nlink, 0);
	/* ext4's magic number, at 0x38 of the superblock at 1024 */
	assert_int_equal(pread(a, c, 2, 1024 + 0x38), 2);
	assert_memory_equal(c, "\x53\xef", 2);
	/* One layer's writes are its own. */
	assert_int_equal(pwrite(a, "XX", 2, 4096), 2);
	assert_int_equal(pread(b, c, 2, 4096), 2);
	assert_memory_not_equal(c, "XX", 2);
	close(a);
	close(b);
}

static void test_refusals(void **state)
{
	char path[512];
	int saved = mute_stderr(), fd;

	assert_int_equal(ra_upper_open("/does/not/exist", SIZE, true), -ENOENT);
	snprintf(path, sizeof(path), "%s/upper-v1-17M.ext4", top);
	fd = open(path, O_CREAT | O_WRONLY, 0600); /* as if damaged */
	close(fd);
	assert_int_equal(ra_upper_open(top, UINT64_C(17) << 20, true), -EINVAL);
	unlink(path);
	assert_int_equal(ra_upper_open("/proc", SIZE, true) < 0, 1);
	unmute_stderr(saved);
}

static void test_probe(void **state)
{
	int ret = ra_upper_probe(top);

	assert_true(!ret || ret == -EOPNOTSUPP);
	assert_int_equal(ra_upper_probe("/does/not/exist"), -ENOENT);
	if (ret) {
		int saved = mute_stderr();

		assert_int_equal(ra_upper_open(top, SIZE, false), -EOPNOTSUPP);
		unmute_stderr(saved);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_layer),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
