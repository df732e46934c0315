// SPDX-License-Identifier: GPL-2.0-only
/*
 * PATH search, the exit status of what cannot be run, and the environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#include "env.h"
#include "fault.h"
#include "path.h"

static const struct {
	const char *path, *cmd;
	const char *want; /* candidates, space-separated */
} T[] = {
	{"/bin:/usr/bin", "sh", "/bin/sh /usr/bin/sh"},
	{"/bin", "sh", "/bin/sh"},
	{"", "sh", "./sh"},
	{":", "sh", "./sh ./sh"},
	{"/bin:", "sh", "/bin/sh ./sh"},
	{":/bin", "sh", "./sh /bin/sh"},
	{"/bin::/sbin", "sh", "/bin/sh ./sh /sbin/sh"},
	{"bin", "sh", "bin/sh"},
	{"/bin", "/opt/x", "/opt/x"},
	{"/bin", "./x", "./x"},
	{"/bin", "a/b", "a/b"},
	{"/bin", "", ""},
};

static void test_candidates(void **state)
{
	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		char got[256] = "", buf[64];
		size_t pos = 0;

		while (path_candidate(T[i].path, T[i].cmd, &pos, buf, sizeof(buf))) {
			if (*got)
				strcat(got, " ");
			strcat(got, buf);
		}
		assert_string_equal(got, T[i].want);
	}
}

/* What does not fit is skipped, not cut: a cut name could be another program. */
static void test_too_long(void **state)
{
	char buf[8];
	size_t pos = 0;

	assert_int_equal(path_candidate("/long/dir:/b", "sh", &pos, buf, sizeof(buf)), 1);
	assert_string_equal(buf, "/b/sh");
	assert_int_equal(path_candidate("/long/dir:/b", "sh", &pos, buf, sizeof(buf)), 0);
	pos = 0;
	assert_int_equal(path_candidate("/b", "/b/12345", &pos, buf, sizeof(buf)), 0);
}

static int dir_setup(void **state)
{
	char *dir = strdup("/tmp/rund-path.XXXXXX");

	*state = dir;
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static int dir_teardown(void **state)
{
	char cmd[64];
	int ret;

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", (char *)*state);
	ret = chdir("/") || system(cmd);
	free(*state);
	return ret;
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int try_exec(const char *path, char *cmd)
{
	char *argv[] = {cmd, NULL}, *envp[] = {NULL};

	return path_exec(path, argv, envp);
}

static void test_exec_errors(void **state)
{
	assert_int_equal(mkdir("a", 0755), 0);
	assert_int_equal(mkdir("b", 0755), 0);
	assert_int_equal(mkdir("a/dir", 0755), 0);
	put("a/plain", "no program", 0644);
	put("a/text", "no program", 0755);
	put("a/lost", "#!/no/such/interpreter\n", 0755);
	put("b/text", "no program", 0644);

	assert_int_equal(try_exec("a:b", "absent"), -ENOENT);
	assert_int_equal(try_exec("a:b", "dir"), -EACCES);
	assert_int_equal(try_exec("a:b", "plain"), -EACCES);
	/* Found but not permitted first, then not executable: the first one counts. */
	assert_int_equal(try_exec("b:a", "text"), -EACCES);
	assert_int_equal(try_exec("a", "text"), -ENOEXEC);
	assert_int_equal(try_exec("a", "lost"), -ENOENT);
	assert_int_equal(try_exec("a/plain:a", "absent"), -ENOENT);
	assert_int_equal(try_exec("a", "./absent"), -ENOENT);
	assert_int_equal(path_exit_code(-ENOENT), EXIT_NOT_FOUND);
	assert_int_equal(path_exit_code(-EACCES), EXIT_NOT_EXEC);
	assert_int_equal(path_exit_code(-ENOEXEC), EXIT_NOT_EXEC);
}

static void test_env_defaults(void **state)
{
	char *asked[] = {"A=1", "HOME=/mine", "A=2", "AB=3", NULL};
	char **env = env_build(asked, "/root", "box", "xterm");
	int n = 0;

	assert_non_null(env);
	assert_string_equal(env_get(env, "PATH"), PATH_DEFAULT);
	assert_string_equal(env_get(env, "HOME"), "/mine");
	assert_string_equal(env_get(env, "HOSTNAME"), "box");
	assert_string_equal(env_get(env, "TERM"), "xterm");
	assert_string_equal(env_get(env, "A"), "2");
	assert_string_equal(env_get(env, "AB"), "3");
	assert_null(env_get(env, "B"));
	while (env[n])
		n++;
	/* PATH HOSTNAME TERM and HOME A AB once each */
	assert_int_equal(n, 6);
	env_free(env);
}

static void test_env_empty(void **state)
{
	char *asked[] = {"PATH=", NULL};
	char **env = env_build(asked, "/", "", NULL);

	assert_string_equal(env_get(env, "PATH"), "");
	assert_string_equal(env_get(env, "HOME"), "/");
	assert_null(env_get(env, "TERM"));
	env_free(env);
	env_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test_setup_teardown(test_exec_errors, dir_setup, dir_teardown),
		cmocka_unit_test(test_env_defaults),
		cmocka_unit_test(test_env_empty),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
