// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command socket: requests answered, anything else refused or dropped, and
 * nobody kept from it by those who say nothing.
 */
#include "test.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ctl.h"
#include "json.h"
#include "lib/io.h"
#include "rundir.h"

static char top[256], path[300];
static struct ra_ctl ctl;
static int served;

static struct json_object *serve(void *ctx, struct json_object *req)
{
	char cmd[8];

	served++;
	if (ra_json_str(req, "cmd", cmd, sizeof(cmd)))
		return NULL;
	return strcmp(cmd, "yes") ? ra_ctl_error("no") : ra_ctl_ok();
}

static int setup(void **state)
{
	char dir[290];

	make_dir(top, sizeof(top));
	setenv("RUND_STATE_DIR", top, 1);
	snprintf(dir, sizeof(dir), "%s/box", top);
	snprintf(path, sizeof(path), "%s/ctl", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	ra_ctl_init(&ctl, serve, NULL);
	assert_int_equal(ra_ctl_listen(&ctl, path), 0);
	return 0;
}

static int teardown(void **state)
{
	ra_ctl_close(&ctl);
	remove_tree(top);
	return 0;
}

static void turn(void)
{
	struct pollfd p[RA_CTL_POLLS];

	for (int i = 0; i < 4; i++) {
		ra_ctl_poll(&ctl, p);
		poll(p, RA_CTL_POLLS, 20);
		ra_ctl_run(&ctl, p);
	}
}

/* Send bytes, let the server work, and return what came back. */
static ssize_t exchange(int fd, const char *bytes, size_t n, char *answer, size_t len)
{
	ssize_t got;

	if (send(fd, bytes, n, MSG_NOSIGNAL) < 0)
		return -errno;
	turn();
	got = recv(fd, answer, len - 1, MSG_DONTWAIT);
	if (got < 0)
		return -errno;
	answer[got] = '\0';
	return got;
}

static void test_requests(void **state)
{
	static const struct {
		const char *line, *answer;
	} t[] = {
		{"{\"cmd\":\"yes\"}\n", "{\"ok\":true}\n"},
		{"{\"cmd\":\"nay\"}\n", "{\"ok\":false,\"error\":\"no\"}\n"},
		{"{\"cmd\":7}\n", "{\"ok\":false,\"error\":\"malformed request\"}\n"},
		{"{\"cmd\":\"much too long\"}\n",
		 "{\"ok\":false,\"error\":\"malformed request\"}\n"},
		{"\n", "{\"ok\":false,\"error\":\"malformed request\"}\n"},
		{"[]\n", "{\"ok\":false,\"error\":\"malformed request\"}\n"},
		{"{\"cmd\":\"yes\"}{}\n", "{\"ok\":false,\"error\":\"malformed request\"}\n"},
		{"{\"cmd\":\"yes\"}\n{\"cmd\":\"yes\"}\n", "{\"ok\":true}\n{\"ok\":true}\n"},
	};
	int fd = io_unix_connect(path);
	char answer[256];

	assert_true(fd >= 0);
	for (int i = 0; i < NR(t); i++) {
		ssize_t n = exchange(fd, t[i].line, strlen(t[i].line), answer, sizeof(answer));

		if (n <= 0 || strcmp(answer, t[i].answer))
			fail_msg("%s: %zd %s", t[i].line, n, n > 0 ? answer : "");
	}
	/* In two halves: no answer before the line is complete. */
	assert_int_equal(exchange(fd, "{\"cmd\":", 7, answer, sizeof(answer)), -EAGAIN);
	assert_true(exchange(fd, "\"yes\"}\n", 7, answer, sizeof(answer)) > 0);
	close(fd);
	turn();
}

static void test_long_line(void **state)
{
	int fd = io_unix_connect(path), before = served;
	char big[RA_CTL_LINE + 1], answer[64];

	memset(big, 'x', sizeof(big));
	exchange(fd, big, sizeof(big), answer, sizeof(answer));
	turn();
	assert_true(recv(fd, answer, sizeof(answer), MSG_DONTWAIT) <= 0);
	assert_int_equal(served, before);
	close(fd);
	turn();
}

/* All places taken by silent peers: the next one waits and is served after them. */
static void test_crowd(void **state)
{
	int fd[RA_CTL_CONNS], late;
	char answer[64];

	for (int i = 0; i < RA_CTL_CONNS; i++) {
		fd[i] = io_unix_connect(path);
		turn();
	}
	late = io_unix_connect(path);
	assert_true(late >= 0);
	assert_int_equal(exchange(late, "{\"cmd\":\"yes\"}\n", 14, answer, sizeof(answer)),
			 -EAGAIN);
	for (int i = 0; i < RA_CTL_CONNS; i++)
		close(fd[i]);
	turn();
	turn();
	assert_true(recv(late, answer, sizeof(answer), MSG_DONTWAIT) > 0);
	close(late);
	turn();
}

static void test_random(void **state)
{
	uint64_t seed = 99;

	for (int i = 0; i < 2000; i++) {
		char noise[64];
		int fd = io_unix_connect(path);
		size_t n = rnd(&seed) % sizeof(noise) + 1;

		for (size_t j = 0; j < n; j++)
			noise[j] = rnd(&seed) % 3 ? "{}[]\":,\ncmd"[rnd(&seed) % 11] : rnd(&seed);
		send(fd, noise, n, MSG_NOSIGNAL);
		close(fd);
		for (int k = 0; k < 2; k++) {
			struct pollfd p[RA_CTL_POLLS];

			ra_ctl_poll(&ctl, p);
			poll(p, RA_CTL_POLLS, 0);
			ra_ctl_run(&ctl, p);
		}
	}
	turn();
}

static int call(const char *name, const char *cmd, char *err, size_t len)
{
	struct json_object *req = json_object_new_object();

	json_object_object_add(req, "cmd", json_object_new_string(cmd));
	return ra_ctl_call(name, req, err, len);
}

/* The client's side, against the server in a child. */
static void test_call(void **state)
{
	char err[64] = "";
	pid_t pid = fork();

	if (!pid) {
		alarm(150);
		for (;;)
			turn();
	}
	assert_int_equal(call("box", "yes", err, sizeof(err)), 0);
	assert_int_equal(call("box", "nay", err, sizeof(err)), -EREMOTEIO);
	assert_string_equal(err, "no");
	assert_int_equal(call("none", "yes", err, sizeof(err)), -ENOENT);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests), cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_crowd),	 cmocka_unit_test(test_random),
		cmocka_unit_test(test_call),
	};

	alarm(200);
	return cmocka_run_group_tests(tests, setup, teardown);
}
