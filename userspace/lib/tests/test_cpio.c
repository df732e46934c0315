// SPDX-License-Identifier: GPL-2.0-only
/*
 * The archive is what cpio(1) reads, and the same input gives the same bytes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cpio.h"

static void write_sample(FILE *f, const char *data, size_t len)
{
	struct cpio c = {.f = f};
	const struct cpio_entry dir = {.name = "dev", .mode = S_IFDIR | 0755};
	const struct cpio_entry node = {
		.name = "dev/console", .mode = S_IFCHR | 0600, .major = 5, .minor = 1};
	const struct cpio_entry file = {
		.name = "init", .mode = S_IFREG | 0755, .data = data, .len = len};

	assert_int_equal(cpio_add(&c, &dir), 0);
	assert_int_equal(cpio_add(&c, &node), 0);
	assert_int_equal(cpio_add(&c, &file), 0);
	assert_int_equal(cpio_end(&c), 0);
}

static void sample(char **buf, size_t *size, const char *data, size_t len)
{
	FILE *f = open_memstream(buf, size);

	assert_non_null(f);
	write_sample(f, data, len);
	fclose(f);
}

/* Every length of data modulo the padding. */
static void test_layout(void **state)
{
	static const char data[] = "abcdefgh";

	for (size_t len = 0; len <= 8; len++) {
		char *buf;
		size_t size;

		sample(&buf, &size, data, len);
		assert_int_equal(size % 4, 0);
		assert_memory_equal(buf, "070701", 6);
		/* header, name and padding of each; the data follows its name */
		assert_memory_equal(buf + 116 + 124 + 116, data, len);
		assert_non_null(memmem(buf, size, "TRAILER!!!", 11));
		free(buf);
	}
}

static void test_reproducible(void **state)
{
	char *a, *b;
	size_t na, nb;

	sample(&a, &na, "same", 4);
	sleep(1);
	sample(&b, &nb, "same", 4);
	assert_int_equal(na, nb);
	assert_memory_equal(a, b, na);
	free(a);
	free(b);
}

static void test_refused(void **state)
{
	char *buf;
	size_t size;
	FILE *f = open_memstream(&buf, &size);
	struct cpio c = {.f = f};
	struct cpio_entry e = {.name = "", .mode = S_IFREG};

	assert_int_equal(cpio_add(&c, &e), -EINVAL);
	e.name = "/abs";
	assert_int_equal(cpio_add(&c, &e), -EINVAL);
	e.name = "big";
	e.len = (size_t)UINT32_MAX + 1;
	assert_int_equal(cpio_add(&c, &e), -EFBIG);
	fclose(f);
	free(buf);
}

/* A full disk is an error, at the latest at the end. */
static void test_full(void **state)
{
	FILE *f = fopen("/dev/full", "w");
	struct cpio c = {.f = f};

	assert_non_null(f);
	assert_int_equal(cpio_end(&c), -EIO);
	fclose(f);
}

static void test_cpio_reads_it(void **state)
{
	char line[256], all[2048] = "";
	char path[] = "/tmp/rund-cpio.XXXXXX";
	char cmd[128];
	int fd = mkstemp(path);
	FILE *f;

	if (system("command -v cpio >/dev/null")) {
		close(fd);
		unlink(path);
		skip();
	}
	f = fdopen(fd, "w");
	write_sample(f, "hello", 5);
	fclose(f);
	snprintf(cmd, sizeof(cmd), "cpio -itvn --quiet <%s 2>&1", path);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		strncat(all, line, sizeof(all) - strlen(all) - 1);
	assert_int_equal(pclose(f), 0);
	unlink(path);
	assert_non_null(strstr(all, "drwxr-xr-x"));
	assert_non_null(strstr(all, "crw-------"));
	assert_non_null(strstr(all, "5,   1"));
	assert_non_null(strstr(all, " init\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	      cmocka_unit_test(test_reproducible),
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_full),
		cmocka_unit_test(test_cpio_reads_it),
	};

	return cmocka_run_group_tests_name("cpio", tests, NULL, NULL);
}
