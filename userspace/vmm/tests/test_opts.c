// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line: what is accepted, what is refused, and that nothing stays
 * open after a refusal.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/log.h"
#include "vmm/opts.h"

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static const struct {
	const char *args; /* separated by blanks, after --kernel K */
	int ret;
} cases[] = {
	{"", OPTS_RUN},
	{"--help", OPTS_HELP},
	{"--version", OPTS_VERSION},
	{"--mem 256M --cpus 4 --name x", OPTS_RUN},
	{"--mem 0", -EINVAL},
	{"--mem 15M", -EINVAL},
	{"--mem 128", -EINVAL},
	{"--mem -1", -EINVAL},
	{"--mem 128Q", -EINVAL},
	{"--mem 134217729", -EINVAL},
	{"--mem 99999999999999999999", -ERANGE},
	{"--mem 99999999T", -ERANGE},
	{"--mem", -EINVAL},
	{"--cpus 0", -EINVAL},
	{"--cpus 64", OPTS_RUN},
	{"--cpus 65", -EINVAL},
	{"--cpus 1x", -EINVAL},
	{"--cpus -1", -EINVAL},
	{"--cpus 18446744073709551617", -EINVAL},
	{"--blk path=/dev/null", OPTS_RUN},
	{"--blk path=/dev/null,ro", OPTS_RUN},
	{"--blk path=/nonexistent", -ENOENT},
	{"--blk fd=0", OPTS_RUN},
	{"--blk fd=999", -EBADF},
	{"--blk fd=0x1", -EINVAL},
	{"--blk fd=", -EINVAL},
	{"--blk disk", -EINVAL},
	{"--blk path=/dev/null --blk path=/dev/null --blk path=/dev/null --blk path=/dev/null "
	 "--blk path=/dev/null",
	 -E2BIG},
	{"--fs tag=a,dir=/", OPTS_RUN},
	{"--fs tag=a,dir=/dev/null", -ENOTDIR},
	{"--fs tag=,dir=/", -EINVAL},
	{"--fs tag=0123456789012345678901234567890123456,dir=/", -EINVAL},
	{"--fs dir=/", -EINVAL},
	{"--fs tag=a", -EINVAL},
	{"--fs tag=a,path=/", -EINVAL},
	{"--vsock cid=3,path=/x", OPTS_RUN},
	{"--vsock cid=2,path=/x", -EINVAL},
	{"--vsock cid=4294967295,path=/x", -EINVAL},
	{"--vsock cid=3,path=", -EINVAL},
	{"--vsock cid=3", -EINVAL},
	{"--console fd=1", OPTS_RUN},
	{"--console 1", -EINVAL},
	{"--console path=/nonexistent/x", -ENOENT},
	{"--control path=/nonexistent/x", -ENOENT},
	{"--control nothing", -EINVAL},
	{"--irqchip kernel", OPTS_RUN},
	{"--irqchip none", -EINVAL},
	{"--text-log fd=1", OPTS_RUN},
	{"--text-log 1", -EINVAL},
	{"--text-log path=/nonexistent/x", -ENOENT},
	{"--unknown", -EINVAL},
	{"--help=1", -EINVAL},
	{"stray", -EINVAL},
};

/* Descriptors 0 to 2 that the cases name must survive being closed by opts_fini(). */
static int parse(const char *args, struct opts *o)
{
	static char buf[512]; /* options keep pointing into it */
	char *argv[32] = {"rund-vmm", "--kernel", "K"};
	int argc = 3;
	char *save = NULL;

	snprintf(buf, sizeof(buf), "%s", args);
	for (char *p = strtok_r(buf, " ", &save); p; p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	return opts_parse(argc, argv, o);
}

static void parsing(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int std[2] = {dup(0), dup(1)};
		struct opts o;
		int before, ret;

		dup2(std[0], 0);
		before = count_fds();
		print_message("# %s\n", cases[i].args);
		ret = parse(cases[i].args, &o);
		assert_int_equal(ret, cases[i].ret);
		if (ret == OPTS_RUN)
			opts_fini(&o);
		dup2(std[0], 0);
		dup2(std[1], 1);
		assert_int_equal(count_fds(), before);
		close(std[0]);
		close(std[1]);
	}
}

static void values(void **state)
{
	struct opts o;

	assert_int_equal(parse("--mem 256M --cpus 4 --name x --fs tag=lower,dir=/ --vsock "
			       "cid=7,path=/run/a,b --blk path=/dev/null,ro --irqchip kernel",
			       &o),
			 OPTS_RUN);
	assert_int_equal(o.cfg.mem_size, 256 << 20);
	assert_int_equal(o.cfg.nr_vcpus, 4);
	assert_string_equal(o.cfg.name, "x");
	assert_string_equal(o.cfg.kernel, "K");
	assert_string_equal(o.cfg.fs[0].tag, "lower");
	assert_int_equal(o.cfg.vsock_cid, 7);
	assert_string_equal(o.cfg.vsock_path, "/run/a,b");
	assert_true(o.cfg.blk[0].readonly);
	assert_int_equal(o.cfg.irqchip, IRQCHIP_KERNEL);
	assert_int_equal(o.cfg.control_fd, -1);
	opts_fini(&o);
}

static void no_kernel(void **state)
{
	char *argv[] = {"rund-vmm", NULL};
	struct opts o;

	assert_int_equal(opts_parse(1, argv, &o), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing),
		cmocka_unit_test(values),
		cmocka_unit_test(no_kernel),
	};

	/* Hundreds of refusals are expected, and each one is logged. */
	log_init("test", LOG_LEVEL_NONE);
	return cmocka_run_group_tests_name("opts", tests, NULL, NULL);
}
