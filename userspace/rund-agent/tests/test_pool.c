// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options of `pool`, and percentiles of histograms.
 */
#include "test.h"

#include "pool.h"

#define MAX_ARGS 8

#define T(...)                    \
	{                         \
		__VA_ARGS__, NULL \
	}

static int parse(struct ra_pool_opts *o, const char *const *args)
{
	static char *argv[MAX_ARGS + 2]; /* options refer to it */
	int argc = 1, saved, ret;

	memset(argv, 0, sizeof(argv));
	argv[0] = "pool";
	while (argc <= MAX_ARGS && args[argc - 1]) {
		argv[argc] = (char *)args[argc - 1];
		argc++;
	}
	saved = mute_stderr();
	ret = ra_pool_parse(o, argc, argv);
	unmute_stderr(saved);
	return ret;
}

static void test_refused(void **state)
{
	static const char *const refused[][MAX_ARGS + 1] = {
		{NULL},
		T(""),
		T("frobnicate"),
		T("--json"),
		T("--json", "status"),
		T("status", "status"),
		T("status", "--target", "3"),
		T("status", "--orphans"),
		T("status", "--parent"),
		T("status", "--parent", ""),
		T("status", "--frob"),
		T("drain", "--target", "3"),
		T("resize"),
		T("resize", "--target"),
		T("resize", "--target", ""),
		T("resize", "--target", "-1"),
		T("resize", "--target", "1x"),
		T("resize", "--target", " 1"),
		T("resize", "--target", "16385"),
		T("resize", "--target", "99999999999999999999"),
		T("resize", "--target", "4294967297"),
		T("create", "--target", "0"),
		T("create", "--target", "16385"),
	};

	for (int i = 0; i < NR(refused); i++) {
		struct ra_pool_opts o;

		if (parse(&o, refused[i]) != -EINVAL)
			fail_msg("accepted: pool %s %s", refused[i][0] ?: "",
				 refused[i][0] && refused[i][1] ? refused[i][1] : "");
	}
}

static void test_accepted(void **state)
{
	struct ra_pool_opts o;

	unsetenv("RUND_POOL_TARGET");
	assert_int_equal(parse(&o, (const char *const[]){"create", NULL}), 0);
	assert_int_equal(o.action, RA_POOL_CREATE);
	assert_int_equal(o.target, 32);
	assert_null(o.parent);
	setenv("RUND_POOL_TARGET", "7", 1);
	assert_int_equal(parse(&o, (const char *const[]){"create", NULL}), 0);
	assert_int_equal(o.target, 7);
	unsetenv("RUND_POOL_TARGET");
	assert_int_equal(parse(&o, (const char *const[]){"resize", "--target", "0", NULL}), 0);
	assert_int_equal(o.action, RA_POOL_RESIZE);
	assert_int_equal(o.target, 0);
	assert_int_equal(parse(&o, (const char *const[]){"resize", "--target=16384", NULL}), 0);
	assert_int_equal(o.target, 16384);
	assert_int_equal(
		parse(&o, (const char *const[]){"status", "--parent", "a/b", "--json", NULL}), 0);
	assert_int_equal(o.action, RA_POOL_STATUS);
	assert_string_equal(o.parent, "a/b");
	assert_true(o.json);
	assert_int_equal(parse(&o, (const char *const[]){"drain", "--orphans", NULL}), 0);
	assert_int_equal(o.action, RA_POOL_DRAIN);
	assert_true(o.orphans);
}

static void test_percentiles(void **state)
{
	__u64 hist[LWCG_HIST_BUCKETS] = {0};

	assert_int_equal(ra_hist_percentile(hist, 50), 0);
	hist[0] = 1;
	assert_int_equal(ra_hist_percentile(hist, 50), 2);
	assert_int_equal(ra_hist_percentile(hist, 99), 2);
	/* 100 in all: the 50th is in the first bucket, the 51st and the 99th are not */
	hist[0] = 50;
	hist[10] = 49;
	hist[20] = 1;
	assert_int_equal(ra_hist_percentile(hist, 50), 2);
	assert_int_equal(ra_hist_percentile(hist, 51), 2048);
	assert_int_equal(ra_hist_percentile(hist, 99), 2048);
	assert_int_equal(ra_hist_percentile(hist, 100), UINT64_C(1) << 21);
	/* the last bucket has no upper end */
	hist[LWCG_HIST_BUCKETS - 1] = 100;
	assert_int_equal(ra_hist_percentile(hist, 50), UINT64_C(1) << 21);
	assert_true(ra_hist_percentile(hist, 99) == UINT64_MAX);
	/* no overflow */
	memset(hist, 0, sizeof(hist));
	hist[3] = UINT64_C(1) << 62;
	assert_int_equal(ra_hist_percentile(hist, 99), 16);
}

static void test_formats(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} t[] = {
		{0, "-"},
		{2, "<2 ns"},
		{512, "<512 ns"},
		{1024, "<1.0 us"},
		{16384, "<16 us"},
		{UINT64_C(1) << 20, "<1.0 ms"},
		{UINT64_C(1) << 30, "<1.1 s"},
		{UINT64_C(1) << 31, "<2.1 s"},
		{UINT64_MAX, ">=2.1 s"},
	};
	char buf[32];

	for (int i = 0; i < NR(t); i++) {
		ra_hist_format(t[i].ns, buf, sizeof(buf));
		assert_string_equal(buf, t[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
