// SPDX-License-Identifier: GPL-2.0-only
/*
 * User specifications against account files that are ordinary, damaged, random.
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

#include <cmocka.h>

#include "account.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "www-data:x:33:33:www:/var/www:/usr/sbin/nologin\n"
			     "# comment\n"
			     "\n"
			     "short:x:5\n"
			     "badid:x:12x:0::/:\n"
			     "huge:x:4294967295:0::/:\n"
			     "neg:x:-1:0::/:\n"
			     ":x:7:7::/:\n"
			     "1234:x:77:78:digits:/n:/bin/sh\n"
			     "nohome:x:50:51:::\n"
			     "dup:x:60:60::/first:\n"
			     "dup:x:61:61::/second:\n"
			     "last:x:90:91::/last:/bin/sh";
static const char group[] = "root:x:0:\n"
			    "adm:x:4:www-data,root\n"
			    "www-data:x:33:www-data\n"
			    "bad:x:zz:www-data\n"
			    "nomembers:x:44\n"
			    "tail:x:45:www-dat,www-data2,\n"
			    "last:x:91:last";

static const struct want {
	const char *spec;
	int ret;
	uid_t uid;
	gid_t gid;
	const char *home;
	int nr_groups;
	gid_t second; /* second supplementary group, when there are two */
} T[] = {
	{"", 0, 0, 0, "/root", 2, 4},
	{"root", 0, 0, 0, "/root", 2, 4},
	{"0", 0, 0, 0, "/root", 2, 4},
	{"www-data", 0, 33, 33, "/var/www", 2, 4},
	{"33", 0, 33, 33, "/var/www", 2, 4},
	{"www-data:adm", 0, 33, 4, "/var/www", 0, 0},
	{"www-data:1000", 0, 33, 1000, "/var/www", 0, 0},
	{"1000", 0, 1000, 0, "/", 0, 0},
	{"1000:1001", 0, 1000, 1001, "/", 0, 0},
	{"1000:adm", 0, 1000, 4, "/", 0, 0},
	{"1234", 0, 77, 78, "/n", 1, 0},
	{"nohome", 0, 50, 51, "/", 1, 0},
	{"dup", 0, 60, 60, "/first", 1, 0},
	{"last", 0, 90, 91, "/last", 1, 0},
	{"nobody", -ENOENT},
	{"roo", -ENOENT},
	{"root:wheel", -ENOENT},
	{"root:bad", -ENOENT},
	{"badid", -ENOENT},
	{"short", -ENOENT},
	{"huge", -ENOENT},
	{"neg", -ENOENT},
	{"4294967295", -ENOENT},
	{"99999999999", -ENOENT},
	{"root:4294967295", -ENOENT},
	{"-1", -ENOENT},
	{":", -EINVAL},
	{":root", -EINVAL},
	{"root:", -EINVAL},
	{"root:adm:x", -ENOENT},
};

static void test_table(void **state)
{
	static struct account a;

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		const struct want *w = &T[i];
		struct rund_error why = {0};
		int ret = account_resolve(&a, w->spec, passwd, group, &why);

		if (ret != w->ret)
			fail_msg("\"%s\": returned %d, want %d", w->spec, ret, w->ret);
		if (ret) {
			assert_int_equal(why.exit_code, EXIT_SETUP);
			assert_true(why.text[0]);
			continue;
		}
		if (a.uid != w->uid || a.gid != w->gid || strcmp(a.home, w->home))
			fail_msg("\"%s\": %u:%u %s", w->spec, a.uid, a.gid, a.home);
		if (a.nr_groups != w->nr_groups)
			fail_msg("\"%s\": %d groups", w->spec, a.nr_groups);
		if (w->nr_groups > 1)
			assert_int_equal(a.groups[1], w->second);
	}
}

static void test_no_files(void **state)
{
	struct rund_error why = {0};
	static struct account a;

	assert_int_equal(account_resolve(&a, "", "", "", &why), 0);
	assert_int_equal(a.uid, 0);
	assert_string_equal(a.home, "/");
	assert_int_equal(account_resolve(&a, "5:6", "", "", &why), 0);
	assert_int_equal(a.gid, 6);
	assert_int_equal(account_resolve(&a, "root", "", "", &why), -ENOENT);
}

static char *many_groups(int n)
{
	char *text = malloc(n * 32 + 1), *p = text;

	for (int i = 0; i < n; i++)
		p += sprintf(p, "g%d:x:%d:root\n", i, 1000 + i);
	return text;
}

static void test_group_limit(void **state)
{
	struct rund_error why = {0};
	static struct account a;
	char *text = many_groups(ACCOUNT_MAX_GROUPS - 1);

	assert_int_equal(account_resolve(&a, "root", passwd, text, &why), 0);
	assert_int_equal(a.nr_groups, ACCOUNT_MAX_GROUPS);
	free(text);
	text = many_groups(ACCOUNT_MAX_GROUPS);
	assert_int_equal(account_resolve(&a, "root", passwd, text, &why), -E2BIG);
	free(text);
}

/* A home directory that does not fit is no reason to overrun anything. */
static void test_long_home(void **state)
{
	size_t len = PATH_MAX + 100;
	char *text = malloc(len + 64);
	struct rund_error why = {0};
	static struct account a;

	sprintf(text, "u:x:1:1::/%0*d:/bin/sh\n", (int)len, 0);
	assert_int_equal(account_resolve(&a, "u", text, "", &why), 0);
	assert_string_equal(a.home, "/");
	free(text);
}

static char *random_text(unsigned int *seed)
{
	static const char alphabet[] = "root:x0123,\n\nab::";
	size_t len = rand_r(seed) % 200;
	char *text = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = rand_r(seed) % 16 ? alphabet[rand_r(seed) % (sizeof(alphabet) - 1)]
					    : 1 + rand_r(seed) % 255;
	text[len] = '\0';
	return text;
}

static void test_random(void **state)
{
	static struct account a;
	unsigned int seed = 7;

	print_message("# seed %u\n", seed);
	for (int i = 0; i < 50000; i++) {
		struct rund_error why = {0};
		char *p = random_text(&seed), *g = random_text(&seed), *s = random_text(&seed);
		int ret = account_resolve(&a, rand_r(&seed) % 2 ? "root" : s, p, g, &why);

		assert_true(!ret == !why.exit_code);
		assert_in_range(a.nr_groups, 0, ACCOUNT_MAX_GROUPS);
		free(p);
		free(g);
		free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	    cmocka_unit_test(test_no_files),
		cmocka_unit_test(test_group_limit), cmocka_unit_test(test_long_home),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
