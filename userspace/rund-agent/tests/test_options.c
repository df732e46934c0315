// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options of launch, names and signals: what is accepted, what is refused, and
 * what ends up in the structure.
 */
#include "test.h"

#include "name.h"
#include "options.h"
#include "signame.h"

static const struct ra_host host = {.mem_total = UINT64_C(8) << 30, .cpus = 8};

#define MAX_ARGS 8

static int parse(struct ra_opts *o, const char *const *args)
{
	static char *argv[MAX_ARGS + 2]; /* options refer to it */
	int argc = 1, saved, ret;

	memset(argv, 0, sizeof(argv));
	argv[0] = "launch";
	while (argc <= MAX_ARGS && args[argc - 1]) {
		argv[argc] = (char *)args[argc - 1];
		argc++;
	}
	saved = mute_stderr();
	ret = ra_opts_parse(o, &host, argc, argv);
	unmute_stderr(saved);
	return ret;
}

#define T(...)                    \
	{                         \
		__VA_ARGS__, NULL \
	}

static void test_refused(void **state)
{
	static const char *const refused[][MAX_ARGS + 1] = {
		T("--mem", "0", "true"),
		T("--mem", "31M", "true"),
		T("--mem", "9G", "true"),
		T("--mem", "99999999999999999999T", "true"),
		T("--mem", "18446744073709551615", "true"),
		T("--mem", "16777215T", "true"),
		T("--mem", "-128M", "true"),
		T("--mem", "", "true"),
		T("--mem", "128Q", "true"),
		T("--mem", "128MB", "true"),
		T("--mem", "134217729", "true"),
		T("--mem", " 128M", "true"),
		T("--memory-max", "0", "true"),
		T("--upper-size", "1M", "true"),
		T("--upper-size", "2T", "true"),
		T("--cpus", "0", "true"),
		T("--cpus", "9", "true"),
		T("--cpus", "65", "true"),
		T("--cpus", "-1", "true"),
		T("--cpus", "1x", "true"),
		T("--cpus", "99999999999999999999", "true"),
		T("--timeout", "0", "true"),
		T("--timeout", "86401", "true"),
		T("--name", "", "true"),
		T("--name", ".hidden", "true"),
		T("--name", "a/b", "true"),
		T("--name", "..", "true"),
		T("--name", "-x", "true"),
		T("--name", "memory.max", "true"),
		T("--name", "cgroup.procs", "true"),
		T("--env", "=x", "true"),
		T("--env", "", "true"),
		T("--hostname", "", "true"),
		T("--hostname", "under_score", "true"),
		T("--workdir", "relative", "true"),
		T("--ulimit", "nofile", "true"),
		T("--ulimit", "nofile=", "true"),
		T("--ulimit", "nofile=2:1", "true"),
		T("--ulimit", "nofile=1:2:3", "true"),
		T("--ulimit", "nothing=1", "true"),
		T("--ulimit", "=1", "true"),
		T("--ulimit", "nofile=-1", "true"),
		T("--nonsense", "true"),
		T("--mem"),
		T("--"),
		T(""),
		{NULL},
	};

	for (int i = 0; i < NR(refused); i++) {
		struct ra_opts o;

		if (!parse(&o, refused[i]))
			fail_msg("accepted: %s %s", refused[i][0], refused[i][1]);
		ra_opts_free(&o);
	}
}

static void test_defaults(void **state)
{
	static const char *const args[] = T("echo", "--mem", "x");
	struct ra_opts o;

	assert_int_equal(parse(&o, args), 0);
	assert_int_equal(o.mem, 128 << 20);
	assert_int_equal(o.memory_max, 192 << 20);
	assert_int_equal(o.cpus, 1);
	assert_int_equal(o.argc, 3); /* options end at the command */
	assert_string_equal(o.argv[1], "--mem");
	assert_null(ra_name_check(o.name));
	assert_int_equal(strlen(o.name), 12);
	assert_false(o.tty || o.detach || o.json || o.allow_copy);
	ra_opts_free(&o);
}

static void test_accepted(void **state)
{
	static const char *const args[] =
		T("--mem=1G", "--memory-max=1025M", "--cpus=8", "--env=A=b=c",
		  "--ulimit=nofile=5:unlimited", "--ulimit=nofile=7", "--name=a.b_c-D9", "run");
	struct ra_opts o;

	assert_int_equal(parse(&o, args), 0);
	assert_int_equal(o.mem, 1 << 30);
	assert_int_equal(o.memory_max, UINT64_C(1025) << 20);
	assert_int_equal(o.cpus, 8);
	assert_int_equal(o.nr_env, 1);
	assert_string_equal(o.env[0], "A=b=c");
	assert_int_equal(o.nr_rlimits, 1);
	assert_int_equal(o.rlimit[0].soft, 7);
	assert_int_equal(o.rlimit[0].hard, 7);
	assert_string_equal(o.name, "a.b_c-D9");
	ra_opts_free(&o);
}

static void test_env_from_host(void **state)
{
	static const char *const args[] = T("--env", "RUND_TEST_A", "--env", "RUND_TEST_B", "run");
	struct ra_opts o;

	setenv("RUND_TEST_A", "value", 1);
	unsetenv("RUND_TEST_B");
	assert_int_equal(parse(&o, args), 0);
	assert_int_equal(o.nr_env, 1);
	assert_string_equal(o.env[0], "RUND_TEST_A=value");
	ra_opts_free(&o);
}

static void test_names(void **state)
{
	char longest[RA_NAME_MAX + 1];

	memset(longest, 'a', sizeof(longest));
	longest[RA_NAME_MAX - 1] = '\0';
	assert_null(ra_name_check(longest));
	longest[RA_NAME_MAX - 1] = 'a';
	longest[RA_NAME_MAX] = '\0';
	assert_non_null(ra_name_check(longest));
	assert_null(ra_name_check("0"));
	assert_null(ra_name_check("memory"));
	assert_null(ra_name_check("memoryx.max"));
	assert_non_null(ra_name_check("memory.max"));
	assert_non_null(ra_name_check("a b"));
	assert_non_null(ra_name_check("\xc3\xa4"));
}

static void test_signals(void **state)
{
	static const struct {
		const char *text;
		int number;
	} t[] = {
		{"TERM", 15},  {"SIGTERM", 15},	 {"sigkill", 9},  {"9", 9},
		{"64", 64},    {"0", -EINVAL},	 {"65", -EINVAL}, {"9x", -EINVAL},
		{"", -EINVAL}, {"SIG", -EINVAL}, {"-9", -EINVAL}, {"NOPE", -EINVAL},
	};

	for (int i = 0; i < NR(t); i++)
		assert_int_equal(ra_signal_number(t[i].text), t[i].number);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_env_from_host),
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
