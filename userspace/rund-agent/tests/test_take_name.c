// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a name: that of a dead sandbox is free, also while another agent is
 * just cleaning up after it.
 */
#include "test.h"

#include <signal.h>
#include <sys/wait.h>

#include "rundir.h"
#include "sandbox.h"
#include "state.h"

static char top[256];
static char *argv[] = {"true", NULL};
static struct ra_opts opts = {.name = "box", .rootfs = "/", .argv = argv, .argc = 1};

static int setup(void **state)
{
	make_dir(top, sizeof(top));
	setenv("RUND_STATE_DIR", top, 1);
	/* Taking the name is the first step, and all that is asked for here. */
	setenv("RUND_FAIL_STEP", "state", 1);
	return 0;
}

static int teardown(void **state)
{
	unsetenv("RUND_FAIL_STEP");
	remove_tree(top);
	return 0;
}

/* A sandbox that was running and whose monitor is that process. */
static void leave_sandbox(pid_t monitor)
{
	struct ra_state st = {.name = "box", .status = RA_RUNNING, .monitor = monitor};
	struct ra_dir dir = RA_DIR_NONE;
	int base = ra_rundir_open(false);

	st.command = json_object_new_array();
	assert_true(base >= 0);
	assert_int_equal(ra_dir_create(base, "box", &dir), 0);
	assert_int_equal(ra_state_write(dir.fd, &st), 0);
	ra_state_free(&st);
	ra_dir_release(&dir);
	close(base);
}

static pid_t dead_process(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

/*
 * Hold the sandbox as one that sweeps does, for a while or, with @go, until that ends,
 * and remove it in the end.
 */
static pid_t sweeper(int ms, int *go)
{
	struct ra_dir dir = RA_DIR_NONE;
	int base, p[2], hold[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(hold), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		base = ra_rundir_open(false);
		if (ra_dir_claim(base, "box", &dir) || write(p[1], "", 1) != 1)
			_exit(1);
		close(hold[1]);
		if (go)
			(void)!read(hold[0], &c, 1);
		else
			usleep(ms * 1000);
		_exit(ra_dir_remove(base, "box", &dir) ? 1 : 0);
	}
	close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	close(p[0]);
	close(hold[0]);
	if (go)
		*go = hold[1];
	else
		close(hold[1]);
	return pid;
}

static int take_name(void)
{
	static struct ra_sandbox sb;
	int ret, saved = mute_stderr();

	ra_sandbox_init(&sb, &opts, -1);
	ret = ra_sandbox_build(&sb);
	unmute_stderr(saved);
	return ret;
}

static void test_while_it_is_swept(void **state)
{
	int status;
	pid_t pid;

	leave_sandbox(dead_process());
	pid = sweeper(300, NULL);
	assert_int_equal(take_name(), -EIO);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_alive(void **state)
{
	pid_t pid;
	int go;

	leave_sandbox(getpid());
	pid = sweeper(0, &go);
	assert_int_equal(take_name(), -EEXIST);
	close(go);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_while_it_is_swept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alive, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
