// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole launches against a stand-in for the VMM and the guest: how every way to
 * end is reported, and that nothing is left behind.  Needs root and cgroup v2.
 */
#include "test.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "cgparent.h"
#include "cmd.h"
#include "fake_vmm.h"
#include "lib/cgroup2.h"
#include "state.h"
#include "sweep.h"

static char top[256], store[300], run_dir[300];

static int setup(void **state)
{
	make_dir(top, sizeof(top));
	snprintf(store, sizeof(store), "%s/store", top);
	snprintf(run_dir, sizeof(run_dir), "%s/run", top);
	setenv("RUND_STATE_DIR", run_dir, 1);
	/* The sanitizer's own threads and files do not matter to the fake. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	return 0;
}

static int teardown(void **state)
{
	remove_tree(top);
	return 0;
}

static void need_root(void)
{
	char mount[256];

	if (geteuid() || cg2_mount(mount, sizeof(mount)) || access(mount, W_OK)) {
		print_message("# SKIP needs root and a writable cgroup v2\n");
		skip();
	}
}

/* A launch in a process of its own, with its streams in files. */
struct outcome {
	pid_t pid;
	int status;
	char out[8192], err[8192];
};

static void read_back(const char *name, char *buf, size_t len)
{
	char path[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	fd = open(path, O_RDONLY);
	n = read(fd, buf, len - 1);
	buf[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void redirect(const char *name, int to)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, to);
	close(fd);
}

#define MAX_ARGS 32

static void start(struct outcome *r, const char *kind, int stdin_fd, char *const *more)
{
	char *argv[MAX_ARGS] = {
		"launch",	"--name",
		"box",		"--rootfs",
		"/etc",		"--store",
		store,		"--allow-copy",
		"--upper-size", "16M",
		"--kernel",	"/proc/self/exe",
		"--initrd",	"/proc/self/exe",
		"--vmm",	"/proc/self/exe",
		"--no-lwcg",	"--timeout",
		"60",
	};
	int argc = 19;

	while (*more)
		argv[argc++] = *more++;
	setenv("RUND_FAKE", kind, 1);
	fflush(NULL);
	r->pid = fork();
	if (r->pid)
		return;
	dup2(stdin_fd, STDIN_FILENO);
	redirect("out", STDOUT_FILENO);
	redirect("err", STDERR_FILENO);
	close_range(3, ~0U, 0); /* the test's ends of pipes */
	_exit(ra_cmd_launch.run(argc, argv));
}

static void finish(struct outcome *r)
{
	int status;

	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	read_back("out", r->out, sizeof(r->out));
	read_back("err", r->err, sizeof(r->err));
}

#define LAUNCH(r, kind, ...)                            \
	do {                                            \
		char *more[] = {__VA_ARGS__, NULL};     \
		int null = open("/dev/null", O_RDONLY); \
		start(r, kind, null, more);             \
		close(null);                            \
		finish(r);                              \
	} while (0)

static int count(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n ? n - 2 : 0;
}

static bool cgroup_left(void)
{
	char path[512];
	int parent = ra_cgparent_open(false, path, sizeof(path), NULL, 0);
	bool left = parent >= 0 && !faccessat(parent, "box", F_OK, 0);

	close(parent);
	return left;
}

static bool clean(void)
{
	return !count(run_dir) && count(store) <= 1 && !cgroup_left();
}

/* How often to look for what surely happens, and how long to wait in between: a minute. */
#define TRIES	2400
#define WAIT_US 25000

static void nothing_left(void)
{
	for (int i = 0; i < TRIES && !clean(); i++)
		usleep(WAIT_US);
	assert_int_equal(count(run_dir), 0);
	assert_true(count(store) <= 1);
	assert_false(cgroup_left());
}

static void expect(const struct outcome *r, int status, const char *in_stderr)
{
	if (r->status != status || !strstr(r->err, in_stderr))
		fail_msg("status %d, expected %d; stderr: %s", r->status, status, r->err);
	nothing_left();
}

static void test_exits(void **state)
{
	struct outcome r;

	need_root();
	LAUNCH(&r, "run", "--", "sh", "-c", "echo out; echo err >&2; exit 7");
	expect(&r, 7, "err\n");
	assert_string_equal(r.out, "out\n");
	LAUNCH(&r, "run", "--", "sh", "-c", "kill -9 $$");
	expect(&r, 137, "");
	LAUNCH(&r, "run", "--json", "--timeline", "--", "true");
	expect(&r, 0, "start to user code");
	assert_non_null(strstr(r.err, "\"exit_code\":0"));
}

static void test_failures(void **state)
{
	struct outcome r;

	need_root();
	LAUNCH(&r, "broken", "--", "true");
	expect(&r, 125, "VMM: /dev/kvm: no such thing; get one");
	LAUNCH(&r, "panic", "--", "true");
	expect(&r, 125, "the guest ended (reset)");
	assert_non_null(strstr(r.err, "Kernel panic - not syncing"));
	LAUNCH(&r, "garbage", "--", "true");
	expect(&r, 125, "broke the protocol");
	LAUNCH(&r, "silent", "--timeout", "1", "--", "true");
	expect(&r, 125, "did not start within 1 s");
	LAUNCH(&r, "hangup", "--", "true");
	expect(&r, 125, "closed its control connection");
	LAUNCH(&r, "run", "--kernel", "/does/not/exist", "--", "true");
	expect(&r, 125, "No such file");
}

static void test_steps(void **state)
{
	static const char *const steps[] = {"state", "slot", "lower", "upper", "sockets", "vmm"};
	struct outcome r;

	need_root();
	for (int i = 0; i < NR(steps); i++) {
		setenv("RUND_FAIL_STEP", steps[i], 1);
		LAUNCH(&r, "run", "--", "true");
		expect(&r, 125, "failed on purpose");
	}
	unsetenv("RUND_FAIL_STEP");
}

static void test_stdin(void **state)
{
	char *more[] = {"--", "sh", "-c", "wc -c", NULL};
	static char block[65536];
	struct outcome r;
	int p[2];

	need_root();
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	start(&r, "run", p[0], more);
	close(p[0]);
	for (int i = 0; i < 64; i++)
		assert_int_equal(write(p[1], block, sizeof(block)), sizeof(block));
	close(p[1]);
	finish(&r);
	assert_int_equal(atoi(r.out), 64 * 65536);
	expect(&r, 0, "");
}

/* The pid of a running sandbox's part, from its state; 0 while it is not there. */
static pid_t part_of(const char *key)
{
	int dir = open(run_dir, O_RDONLY | O_DIRECTORY), box;
	struct ra_state st;
	pid_t pid = 0;

	box = openat(dir, "box", O_RDONLY | O_DIRECTORY);
	close(dir);
	if (box < 0)
		return 0;
	if (!ra_state_read(box, &st) && st.status == RA_RUNNING)
		pid = strcmp(key, "vmm") ? st.monitor : st.vmm;
	ra_state_free(&st);
	close(box);
	return pid;
}

static pid_t await_part(const char *key)
{
	pid_t pid;

	for (int i = 0; i < TRIES; i++) {
		pid = part_of(key);
		if (pid)
			return pid;
		usleep(WAIT_US);
	}
	fail_msg("no sandbox is running");
	return 0;
}

static void start_sleeper(struct outcome *r)
{
	char *more[] = {"--", "sleep", "600", NULL};
	int null = open("/dev/null", O_RDONLY);

	start(r, "run", null, more);
	close(null);
}

static void await_death(pid_t pid)
{
	for (int i = 0; i < TRIES && !kill(pid, 0); i++)
		usleep(WAIT_US);
	assert_int_equal(kill(pid, 0), -1);
}

static void test_kills(void **state)
{
	struct outcome r;
	pid_t vmm;

	need_root();
	start_sleeper(&r);
	kill(await_part("vmm"), SIGKILL);
	finish(&r);
	expect(&r, 125, "the VMM was killed by signal 9");

	start_sleeper(&r);
	vmm = await_part("vmm");
	kill(r.pid, SIGKILL);
	finish(&r);
	await_death(vmm);
	expect(&r, 1009, "");

	start_sleeper(&r);
	vmm = await_part("vmm");
	kill(await_part("monitor"), SIGKILL);
	finish(&r); /* and cleans up after it */
	await_death(vmm);
	expect(&r, 125, "its monitor was killed");

	start_sleeper(&r);
	vmm = await_part("vmm");
	kill(r.pid, SIGSTOP);
	kill(await_part("monitor"), SIGKILL);
	kill(r.pid, SIGKILL);
	finish(&r);
	await_death(vmm);
	ra_sweep();
	expect(&r, 1009, "");
}

static void test_signals(void **state)
{
	struct outcome r;

	need_root();
	start_sleeper(&r);
	await_part("vmm");
	kill(r.pid, SIGTERM);
	finish(&r);
	expect(&r, 143, "");
	/* Before the command runs: the launch ends at once. */
	start_sleeper(&r);
	kill(r.pid, SIGTERM);
	finish(&r);
	assert_true(r.status == 143 || r.status == 1000 + SIGTERM);
	nothing_left();
}

static int agent(const struct ra_cmd *cmd, char *const *args)
{
	char *argv[8] = {(char *)cmd->name};
	int argc = 1, status;
	pid_t pid;

	while (*args)
		argv[argc++] = *args++;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		redirect("out", STDOUT_FILENO);
		redirect("err", STDERR_FILENO);
		status = cmd->run(argc, argv);
		fflush(stdout);
		_exit(status);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

#define AGENT(cmd, ...) agent(&ra_cmd_##cmd, (char *[]){__VA_ARGS__, NULL})

static void await_log(const char *line)
{
	char text[8192] = "";

	for (int i = 0; i < TRIES && !strstr(text, line); i++) {
		usleep(WAIT_US);
		AGENT(logs, "box");
		read_back("out", text, sizeof(text));
	}
	assert_non_null(strstr(text, line));
}

static void test_detached(void **state)
{
	struct outcome r;
	char text[8192];

	need_root();
	LAUNCH(&r, "run", "--detach", "--", "sh", "-c",
	       "trap 'echo got; exit 9' USR1; echo begin; while :; do sleep 0.05; done");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "box\n");
	await_log("begin\n");
	assert_int_equal(AGENT(rm, "box"), 1);
	assert_int_equal(AGENT(kill, "-s", "USR1", "box"), 0);
	for (int i = 0; i < TRIES && part_of("vmm"); i++)
		usleep(WAIT_US);
	assert_int_equal(AGENT(ps, "--json"), 0);
	read_back("out", text, sizeof(text));
	assert_non_null(strstr(text, "\"exit_code\":9"));
	assert_int_equal(AGENT(logs, "box"), 0);
	read_back("out", text, sizeof(text));
	assert_non_null(strstr(text, "begin\n"));
	assert_non_null(strstr(text, "got\n"));
	assert_int_equal(AGENT(logs, "--console", "box"), 0);
	assert_int_equal(AGENT(kill, "box"), 1);
	assert_int_equal(AGENT(rm, "box"), 0);
	assert_int_equal(AGENT(rm, "box"), 1);
	nothing_left();
}

static void test_rm_force(void **state)
{
	struct outcome r;

	need_root();
	LAUNCH(&r, "run", "--detach", "--", "sleep", "600");
	assert_int_equal(r.status, 0);
	LAUNCH(&r, "run", "--", "true"); /* the name is taken */
	assert_int_equal(r.status, 125);
	assert_non_null(strstr(r.err, "already in use"));
	assert_int_equal(AGENT(rm, "-f", "box"), 0);
	nothing_left();
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exits),	 cmocka_unit_test(test_failures),
		cmocka_unit_test(test_steps),	 cmocka_unit_test(test_stdin),
		cmocka_unit_test(test_kills),	 cmocka_unit_test(test_signals),
		cmocka_unit_test(test_detached), cmocka_unit_test(test_rm_force),
	};

	if (argc > 1 && !strcmp(argv[1], "--name"))
		return fake_vmm(argc, argv);
	alarm(500);
	return cmocka_run_group_tests(tests, setup, teardown);
}
