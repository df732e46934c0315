// SPDX-License-Identifier: GPL-2.0-only
/*
 * CONFIG messages, good, garbled and random, never reach past their own bytes.
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

#include "config.h"

/* A string table in one literal; sizeof() - 1 counts its embedded NULs. */
#define TABLE(s) s, sizeof(s) - 1

struct msg {
	struct rund_config fixed;
	char table[256];
};

static size_t message(struct msg *m, const char *table, size_t len, uint32_t args, uint32_t env)
{
	memset(m, 0, sizeof(*m));
	m->fixed.version = RUND_PROTO_VERSION;
	m->fixed.nr_args = args;
	m->fixed.nr_env = env;
	m->fixed.strings_len = len;
	memcpy(m->table, table, len);
	return sizeof(m->fixed) + len;
}

/* Decode from an allocation of exactly len bytes, so that ASan sees any overrun. */
static int decode(struct config *c, const void *m, size_t len, const char **what)
{
	void *exact = malloc(len ? len : 1);
	int ret;

	memcpy(exact, m, len);
	ret = config_decode(c, exact, len, what);
	free(exact);
	return ret;
}

static void test_good(void **state)
{
	struct config c;
	const char *what;
	struct msg m;
	size_t len = message(&m, TABLE("web\0/srv\0www:www\0sh\0-c\0\0A=1\0B=\0"), 3, 2);

	m.fixed.flags = RUND_CONFIG_TTY | RUND_CONFIG_STDIN;
	assert_int_equal(decode(&c, &m, len, &what), 0);
	assert_string_equal(c.hostname, "web");
	assert_string_equal(c.cwd, "/srv");
	assert_string_equal(c.user, "www:www");
	assert_string_equal(c.argv[0], "sh");
	assert_string_equal(c.argv[1], "-c");
	assert_string_equal(c.argv[2], "");
	assert_null(c.argv[3]);
	assert_string_equal(c.envp[0], "A=1");
	assert_string_equal(c.envp[1], "B=");
	assert_null(c.envp[2]);
	config_free(&c);
	/* Freeing twice is harmless. */
	config_free(&c);
}

static const struct bad {
	const char *name;
	const char *table;
	size_t len;
	uint32_t args, env;
} bad[] = {
	{"no command", TABLE("h\0/\0u\0"), 0, 0},
	{"empty table", TABLE(""), 1, 0},
	{"no final NUL", TABLE("h\0/\0u\0cmd"), 1, 0},
	{"hostname without NUL", TABLE("h"), 1, 0},
	{"argument missing", TABLE("h\0/\0u\0cmd\0"), 2, 0},
	{"environment missing", TABLE("h\0/\0u\0cmd\0"), 1, 1},
	{"string left over", TABLE("h\0/\0u\0cmd\0more\0"), 1, 0},
	{"bytes left over", TABLE("h\0/\0u\0cmd\0x"), 1, 0},
	{"relative directory", TABLE("h\0srv\0u\0cmd\0"), 1, 0},
	{"environment without =", TABLE("h\0/\0u\0cmd\0PATH\0"), 1, 1},
	{"environment without key", TABLE("h\0/\0u\0cmd\0=x\0"), 1, 1},
	{"hostname too long",
	 TABLE("hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh\0/\0\0cmd\0"), 1,
	 0},
	{"args over the limit", TABLE("h\0/\0u\0cmd\0"), RUND_MAX_STRINGS + 1, 0},
	{"args over any limit", TABLE("h\0/\0u\0cmd\0"), UINT32_MAX, 0},
	{"sum wraps", TABLE("h\0/\0u\0cmd\0"), 2, UINT32_MAX},
	{"sum over the limit", TABLE("h\0/\0u\0cmd\0"), RUND_MAX_STRINGS / 2, RUND_MAX_STRINGS / 2},
};

static void test_bad_tables(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *what = NULL;
		struct config c;
		struct msg m;
		size_t len = message(&m, bad[i].table, bad[i].len, bad[i].args, bad[i].env);

		if (decode(&c, &m, len, &what) != -EPROTO)
			fail_msg("%s: accepted", bad[i].name);
		if (!what)
			fail_msg("%s: no reason", bad[i].name);
	}
}

static void test_bad_fixed(void **state)
{
	const char *what;
	struct config c;
	struct msg m, g;
	size_t len = message(&g, TABLE("\0\0\0cmd\0"), 1, 0);

	assert_int_equal(decode(&c, &g, len, &what), 0);
	config_free(&c);
	m = g;
	m.fixed.version++;
	assert_int_equal(decode(&c, &m, len, &what), -EPROTO);
	m = g;
	m.fixed.flags = 1U << 31;
	assert_int_equal(decode(&c, &m, len, &what), -EPROTO);
	m = g;
	m.fixed.nr_rlimits = RUND_MAX_RLIMITS + 1;
	assert_int_equal(decode(&c, &m, len, &what), -EPROTO);
	for (int d = -3; d <= 3; d++) {
		m = g;
		m.fixed.strings_len += d;
		assert_int_equal(decode(&c, &m, len, &what), d ? -EPROTO : 0);
		if (!d)
			config_free(&c);
	}
	m = g;
	m.fixed.strings_len = UINT32_MAX;
	assert_int_equal(decode(&c, &m, len, &what), -EPROTO);
}

/* Every prefix of a good message, and the empty one, is refused. */
static void test_truncated(void **state)
{
	const char *what;
	struct config c;
	struct msg m;
	size_t len = message(&m, TABLE("h\0/\0u\0cmd\0K=v\0"), 1, 1);

	for (size_t n = 0; n < len; n++)
		assert_int_equal(decode(&c, &m, n, &what), -EPROTO);
}

static void test_overlong(void **state)
{
	size_t table = RUND_MSG_MAX_TO_GUEST;
	struct rund_config *m = calloc(1, sizeof(*m) + table);
	const char *what;
	struct config c;

	assert_non_null(m);
	m->version = RUND_PROTO_VERSION;
	m->nr_args = 1;
	m->strings_len = table;
	assert_int_equal(config_decode(&c, m, sizeof(*m) + table, &what), -EPROTO);
	free(m);
}

/* Flip bytes of a good message; whatever is accepted must be well formed. */
static void test_random(void **state)
{
	unsigned int seed = 2024;
	int accepted = 0;

	print_message("# seed %u\n", seed);
	for (int i = 0; i < 200000; i++) {
		const char *what;
		struct config c;
		struct msg m;
		size_t len = message(&m, TABLE("h\0/\0u\0cmd\0arg\0K=v\0L=w\0"), 2, 2);
		unsigned char *b = (unsigned char *)&m;

		for (int flips = rand_r(&seed) % 4; flips >= 0; flips--) {
			bool in_table = rand_r(&seed) % 2;
			size_t span = in_table ? len - sizeof(m.fixed) : sizeof(m.fixed);

			b[(in_table ? sizeof(m.fixed) : 0) + rand_r(&seed) % span] = rand_r(&seed);
		}
		if (decode(&c, &m, rand_r(&seed) % 8 ? len : rand_r(&seed) % len, &what))
			continue;
		accepted++;
		for (uint32_t n = 0; n < c.fixed.nr_args; n++)
			assert_true(strlen(c.argv[n]) < sizeof(m.table));
		for (uint32_t n = 0; n < c.fixed.nr_env; n++)
			assert_non_null(strchr(c.envp[n], '='));
		config_free(&c);
	}
	/* A decoder that refuses everything would pass all of the above. */
	assert_true(accepted > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	  cmocka_unit_test(test_bad_tables),
		cmocka_unit_test(test_bad_fixed), cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_overlong),  cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
