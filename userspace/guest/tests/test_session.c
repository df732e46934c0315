// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole runs of real commands, with socket pairs for the host: output, input,
 * exit statuses, signals, terminals, left-overs, and a host that goes away.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/io.h"
#include "session.h"

#define MAX_OUT (16 << 20)

/* The host's side of one run, on a thread of its own. */
struct host {
	int guest_end[4], host_end[4]; /* by port, from RUND_PORT_CONTROL */
	const char *input;
	size_t input_len;
	bool slow;	   /* reads late */
	bool hang_up;	   /* closes the control connection once started */
	bool deaf;	   /* closes stdout at once */
	int signo;	   /* sent once started, or later: */
	const char *ready; /* when this has come on stdout */
	char *out, *err;
	size_t out_len, err_len;
	bool started;
	pthread_t thread;
	struct session *s;
	struct rund_exit exit;
	struct rund_error why;
};

static struct session session;

static int open_stream(void *ctx, unsigned int port)
{
	struct host *h = ctx;
	int i = port - RUND_PORT_CONTROL;
	int fd = h->guest_end[i];

	h->guest_end[i] = -1;
	return fd < 0 ? -ECONNREFUSED : fd;
}

/* On a guest this is kill(-1); here only the command's session is ours to kill. */
static void kill_rest(void *ctx)
{
	struct host *h = ctx;

	kill(-h->s->cmd.pid, SIGKILL);
}

static const struct session_ops ops = {.open_stream = open_stream, .kill_rest = kill_rest};

/* The first message, and what is to be done then.  Return: whether that is all. */
static bool host_control(struct host *h)
{
	struct rund_msg m;

	if (!h->started) {
		if (io_read_full(h->host_end[0], &m, sizeof(m)) != sizeof(m))
			return true;
		h->started = m.type == RUND_MSG_STARTED && !m.len;
	}
	if (h->started && h->ready && !strstr(h->out, h->ready))
		return false;
	if (h->signo) {
		struct rund_msg s = {RUND_MSG_SIGNAL, sizeof(struct rund_signal)};
		struct rund_signal sig = {h->signo};

		io_write_full(h->host_end[0], &s, sizeof(s));
		io_write_full(h->host_end[0], &sig, sizeof(sig));
	}
	if (h->hang_up) {
		usleep(100000);
		shutdown(h->host_end[0], SHUT_RDWR);
	}
	return true;
}

static bool host_out(int *fd, char *buf, size_t *len)
{
	ssize_t n = read(*fd, buf + *len, MAX_OUT - *len);

	if (n <= 0) {
		close(*fd);
		*fd = -1;
		return false;
	}
	*len += n;
	return true;
}

static void host_in(struct host *h, size_t *sent)
{
	ssize_t n = -1;

	if (*sent < h->input_len)
		n = write(h->host_end[1], h->input + *sent, h->input_len - *sent);
	if (n > 0)
		*sent += n;
	if (n < 0 || *sent == h->input_len) {
		close(h->host_end[1]);
		h->host_end[1] = -1;
	}
}

static void *host_main(void *arg)
{
	struct host *h = arg;
	size_t sent = 0;

	if (h->host_end[1] >= 0)
		io_set_nonblock(h->host_end[1], 1);
	if (h->deaf) {
		close(h->host_end[2]);
		h->host_end[2] = -1;
	}
	if (h->slow)
		sleep(3);
	while (h->host_end[2] >= 0 || h->host_end[3] >= 0 || h->host_end[0] >= 0) {
		struct pollfd p[4] = {
			{h->host_end[0], POLLIN},
			{h->host_end[1], POLLOUT},
			{h->host_end[2], POLLIN},
			{h->host_end[3], POLLIN},
		};

		if (h->started)
			p[0].fd = -1;
		if (poll(p, 4, 120000) <= 0)
			break;
		if (p[1].revents)
			host_in(h, &sent);
		if (p[2].revents)
			host_out(&h->host_end[2], h->out, &h->out_len);
		if (h->host_end[0] >= 0 && (p[0].revents || h->started) && host_control(h)) {
			if (!h->hang_up)
				close(h->host_end[0]);
			h->host_end[0] = -1;
		}
		if (p[3].revents)
			host_out(&h->host_end[3], h->err, &h->err_len);
	}
	return NULL;
}

static void host_start(struct host *h, uint32_t flags)
{
	for (int i = 0; i < 4; i++) {
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		h->guest_end[i] = sv[0];
		h->host_end[i] = sv[1];
	}
	if (!(flags & RUND_CONFIG_STDIN)) {
		close(h->host_end[1]);
		h->host_end[1] = -1;
	}
	if (flags & RUND_CONFIG_TTY) {
		close(h->host_end[3]);
		h->host_end[3] = -1;
	}
	h->out = calloc(1, MAX_OUT + 1);
	h->err = calloc(1, MAX_OUT + 1);
}

static void host_end(struct host *h)
{
	for (int i = 1; i < 4; i++) {
		if (h->guest_end[i] >= 0)
			close(h->guest_end[i]);
		if (h->host_end[i] >= 0)
			close(h->host_end[i]);
	}
	free(h->out);
	free(h->err);
}

/*
 * The control connection's host end stays open while the session runs: closing
 * it is a test of its own.
 */
static int run(struct host *h, struct config *cfg)
{
	static struct account account;
	struct link link = {0};
	int ret, keep;

	memset(&account, 0, sizeof(account));
	strcpy(account.home, "/root");
	if (!cfg->cwd)
		cfg->cwd = "/";
	static char *no_env[] = {NULL};
	if (!cfg->envp)
		cfg->envp = no_env;
	host_start(h, cfg->fixed.flags);
	keep = dup(h->host_end[0]);
	link.fd = h->guest_end[0];
	h->s = &session;
	session_init(&session);
	session.cfg = cfg;
	session.account = &account;
	session.link = &link;
	session.ops = &ops;
	session.ctx = h;
	if (h->hang_up) {
		close(keep);
		keep = -1;
	}
	pthread_create(&h->thread, NULL, host_main, h);
	ret = session_run(&session, &h->exit, &h->why);
	session_close(&session);
	close(link.fd);
	h->guest_end[0] = -1;
	pthread_join(h->thread, NULL);
	if (keep >= 0)
		close(keep);
	return ret;
}

#define ARGV(...) ((char *[]){__VA_ARGS__, NULL})

static void test_output_and_status(void **state)
{
	struct config cfg = {.argv = ARGV("sh", "-c", "echo out; echo err >&2; exit 7")};
	struct host h = {0};

	assert_int_equal(run(&h, &cfg), 0);
	assert_true(h.started);
	assert_string_equal(h.out, "out\n");
	assert_string_equal(h.err, "err\n");
	assert_int_equal(h.exit.code, 7);
	assert_int_equal(h.exit.signal, 0);
	assert_true(h.exit.t_exec && h.exit.t_exit >= h.exit.t_exec);
	host_end(&h);
}

static void test_killed_by_itself(void **state)
{
	struct config cfg = {.argv = ARGV("sh", "-c", "kill -9 $$")};
	struct host h = {0};

	assert_int_equal(run(&h, &cfg), 0);
	assert_int_equal(h.exit.signal, SIGKILL);
	host_end(&h);
}

static void test_not_found(void **state)
{
	static const struct {
		char *cmd;
		uint32_t code;
	} T[] = {
		{"no-such-command", EXIT_NOT_FOUND},
		{"/no/such/command", EXIT_NOT_FOUND},
		{"/etc/passwd", EXIT_NOT_EXEC},
		{"/", EXIT_NOT_EXEC},
		{"", EXIT_NOT_FOUND},
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		struct config cfg = {.argv = ARGV(T[i].cmd)};
		struct host h = {0};

		assert_true(run(&h, &cfg) < 0);
		assert_int_equal(h.why.exit_code, T[i].code);
		assert_non_null(strstr(h.why.text, T[i].cmd));
		assert_false(h.started);
		/* The reason goes to the host, not into the user's output. */
		assert_int_equal(h.err_len, 0);
		host_end(&h);
	}
}

static void test_bad_cwd(void **state)
{
	struct config cfg = {.argv = ARGV("true"), .cwd = "/no/such/dir"};
	struct host h = {0};

	assert_true(run(&h, &cfg) < 0);
	assert_int_equal(h.why.exit_code, EXIT_NOT_EXEC);
	assert_non_null(strstr(h.why.text, "/no/such/dir"));
	host_end(&h);
}

static void test_bad_rlimit(void **state)
{
	struct config cfg = {.argv = ARGV("true")};
	struct host h = {0};

	cfg.fixed.nr_rlimits = 1;
	cfg.fixed.rlimit[0].resource = 12345;
	assert_true(run(&h, &cfg) < 0);
	assert_int_equal(h.why.exit_code, EXIT_SETUP);
	assert_non_null(strstr(h.why.text, "12345"));
	host_end(&h);
}

static void test_environment(void **state)
{
	char *env[] = {"A=b c", "HOME=/tmp", NULL};
	struct config cfg = {
		.argv = ARGV("sh", "-c", "echo $A,$HOME,$PWD,$TERM; ulimit -n; readlink /dev/fd/0"),
		.envp = env,
		.cwd = "/usr",
	};
	struct host h = {0};

	cfg.fixed.nr_rlimits = 1;
	cfg.fixed.rlimit[0] =
		(struct rund_rlimit){.resource = RLIMIT_NOFILE, .soft = 77, .hard = 88};
	assert_int_equal(run(&h, &cfg), 0);
	assert_string_equal(h.out, "b c,/tmp,/usr,\n77\n/dev/null\n");
	host_end(&h);
}

/* Nothing that PID 1 ignores, blocks or has open is the command's. */
static void test_clean_slate(void **state)
{
	/* Signals 32 and 33 are libc's own: whoever started this test may ignore them. */
	static const char script[] =
		"sed -nE 's/^(SigBlk|SigIgn):.*0[0-9a-f]*(.......)$/\\1 \\2/p' /proc/self/status;"
		"ls /proc/self/fd | wc -l; umask";
	struct config cfg = {.argv = ARGV("sh", "-c", (char *)script)};
	struct host h = {0};

	assert_int_equal(run(&h, &cfg), 0);
	/* ls itself has its directory open: 0, 1, 2 and that. */
	assert_string_equal(h.out, "SigBlk 0000000\nSigIgn 0000000\n4\n0022\n");
	host_end(&h);
}

/* The streams are pipes that the command may open again. */
static void test_reopen(void **state)
{
	struct config cfg = {
		.argv = ARGV("sh", "-c", "echo a >/proc/self/fd/1; echo b >/proc/self/fd/2"),
	};
	struct host h = {0};

	assert_int_equal(run(&h, &cfg), 0);
	assert_string_equal(h.err, "b\n");
	assert_string_equal(h.out, "a\n");
	host_end(&h);
}

static char *pattern(size_t len)
{
	char *p = malloc(len);
	unsigned int seed = 11;

	for (size_t i = 0; i < len; i++)
		p[i] = rand_r(&seed);
	return p;
}

static void test_cat(void **state)
{
	struct config cfg = {.argv = ARGV("cat"), .fixed.flags = RUND_CONFIG_STDIN};
	size_t len = 10 << 20;
	char *data = pattern(len);
	struct host h = {.input = data, .input_len = len};

	assert_int_equal(run(&h, &cfg), 0);
	assert_int_equal(h.out_len, len);
	assert_memory_equal(h.out, data, len);
	assert_int_equal(h.exit.code, 0);
	free(data);
	host_end(&h);
}

/* The command stops reading: the host must not be left writing for ever. */
static void test_head(void **state)
{
	struct config cfg = {
		.argv = ARGV("sh", "-c", "head -c 10 >/dev/null; exec <&-; echo done"),
		.fixed.flags = RUND_CONFIG_STDIN,
	};
	size_t len = 4 << 20;
	char *data = pattern(len);
	struct host h = {.input = data, .input_len = len};

	assert_int_equal(run(&h, &cfg), 0);
	assert_string_equal(h.out, "done\n");
	free(data);
	host_end(&h);
}

/* Output waits for a slow host, though the command is long gone. */
static void test_slow_host(void **state)
{
	struct config cfg = {.argv = ARGV("sh", "-c", "head -c 200000 /dev/zero; echo end >&2")};
	struct host h = {.slow = true};

	assert_int_equal(run(&h, &cfg), 0);
	assert_int_equal(h.out_len, 200000);
	assert_string_equal(h.err, "end\n");
	host_end(&h);
}

/* A host that closes stdout: SIGPIPE for the command, as in a pipeline. */
static void test_deaf_host(void **state)
{
	struct config cfg = {.argv = ARGV("yes")};
	struct host h = {.deaf = true};

	assert_int_equal(run(&h, &cfg), 0);
	assert_int_equal(h.exit.signal, SIGPIPE);
	host_end(&h);
}

/* What the command leaves behind ends with it, and its output is not waited for. */
static void test_background(void **state)
{
	struct config cfg = {.argv = ARGV("sh", "-c", "sleep 1000 & echo started; exit 3")};
	struct host h = {0};

	assert_int_equal(run(&h, &cfg), 0);
	assert_string_equal(h.out, "started\n");
	assert_int_equal(h.exit.code, 3);
	host_end(&h);
}

/* Not in the session that kill_rest() reaches here: stands for one stuck in the kernel. */
static void test_stuck(void **state)
{
	struct config cfg = {.argv = ARGV("sh", "-c", "setsid sleep 8 & echo started")};
	struct host h = {0};

	assert_int_equal(run(&h, &cfg), 0);
	assert_string_equal(h.out, "started\n");
	host_end(&h);
}

static void test_orphans_are_reaped(void **state)
{
	struct config cfg = {
		.argv = ARGV("sh", "-c",
			     "i=0; while [ $i -lt 20 ]; do (true &); i=$((i+1)); done; sleep 0.5;"
			     "while n=$(ps -o stat= --ppid $PPID | grep -c Z);"
			     "      [ $n != 0 ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done;"
			     "echo $n"),
	};
	struct host h = {0};

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(run(&h, &cfg), 0);
	assert_string_equal(h.out, "0\n");
	host_end(&h);
}

static void test_signal(void **state)
{
	struct config cfg = {
		.argv = ARGV("sh", "-c",
			     "trap 'echo caught; exit 5' TERM; echo ready;"
			     "while :; do sleep 0.05; done"),
	};
	struct host h = {.signo = SIGTERM, .ready = "ready\n"};

	assert_int_equal(run(&h, &cfg), 0);
	assert_string_equal(h.out, "ready\ncaught\n");
	assert_int_equal(h.exit.code, 5);
	host_end(&h);
}

static void test_bad_signal(void **state)
{
	struct config cfg = {.argv = ARGV("sh", "-c", "sleep 1; echo alive")};
	struct host h = {.signo = -9};

	assert_int_equal(run(&h, &cfg), 0);
	assert_string_equal(h.out, "alive\n");
	host_end(&h);
}

static void test_host_gone(void **state)
{
	struct config cfg = {.argv = ARGV("sleep", "1000")};
	struct host h = {.hang_up = true};

	assert_true(run(&h, &cfg) < 0);
	assert_int_equal(h.why.exit_code, 0);
	kill(session.cmd.pid, SIGKILL);
	host_end(&h);
}

static void test_no_streams(void **state)
{
	struct config cfg = {.argv = ARGV("true")};
	struct host h = {0};

	host_start(&h, 0);
	for (int i = 0; i < 4; i++)
		close(h.guest_end[i]), h.guest_end[i] = -1;
	session_init(&session);
	session.cfg = &cfg;
	session.account = &(struct account){0};
	session.ops = &ops;
	session.ctx = &h;
	assert_true(session_run(&session, &h.exit, &h.why) < 0);
	assert_int_equal(h.why.exit_code, EXIT_SETUP);
	assert_non_null(strstr(h.why.text, "vsock port"));
	session_close(&session);
	close(h.host_end[0]);
	host_end(&h);
}

static void test_tty(void **state)
{
	static const char script[] = "tty; stty size; echo err >&2; read x; echo got:$x; exit 4\n";
	struct config cfg = {
		.argv = ARGV("sh", "-c", (char *)script),
		.fixed.flags = RUND_CONFIG_TTY | RUND_CONFIG_STDIN,
		.fixed.winsize = {.rows = 33, .cols = 99},
	};
	struct host h = {.input = "hello\n", .input_len = 6};

	assert_int_equal(run(&h, &cfg), 0);
	assert_non_null(strstr(h.out, "/dev/pts/"));
	assert_non_null(strstr(h.out, "33 99\r\n"));
	assert_non_null(strstr(h.out, "err\r\n"));
	assert_non_null(strstr(h.out, "got:hello\r\n"));
	assert_int_equal(h.exit.code, 4);
	host_end(&h);
}

/* ^C is the line discipline's business: SIGINT to the foreground process group. */
static void test_tty_interrupt(void **state)
{
	struct config cfg = {
		.argv = ARGV("sleep", "1000"),
		.fixed.flags = RUND_CONFIG_TTY | RUND_CONFIG_STDIN,
	};
	struct host h = {.input = "\003", .input_len = 1};

	assert_int_equal(run(&h, &cfg), 0);
	assert_int_equal(h.exit.signal, SIGINT);
	host_end(&h);
}

/* End of input ends a program that reads the terminal. */
static void test_tty_eof(void **state)
{
	struct config cfg = {
		.argv = ARGV("sh", "-c", "stty -echo; cat"),
		.fixed.flags = RUND_CONFIG_TTY | RUND_CONFIG_STDIN,
	};
	struct host h = {.input = "part", .input_len = 4};

	assert_int_equal(run(&h, &cfg), 0);
	assert_non_null(strstr(h.out, "part"));
	assert_int_equal(h.exit.code, 0);
	host_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_and_status),
		cmocka_unit_test(test_killed_by_itself),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_bad_cwd),
		cmocka_unit_test(test_bad_rlimit),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_clean_slate),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_cat),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_slow_host),
		cmocka_unit_test(test_deaf_host),
		cmocka_unit_test(test_background),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_orphans_are_reaped),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_bad_signal),
		cmocka_unit_test(test_host_gone),
		cmocka_unit_test(test_no_streams),
		cmocka_unit_test(test_tty),
		cmocka_unit_test(test_tty_interrupt),
		cmocka_unit_test(test_tty_eof),
	};
	sigset_t set;

	/* A hang is a failure, not a wait. */
	alarm(550);
	/* The host's thread must not be the one that takes SIGCHLD. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
