// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pumps and logs: every byte, in order, within bounds.
 */
#include "test.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "logfile.h"
#include "pump.h"

static void step(struct ra_pump *p, int timeout)
{
	struct pollfd pfd[2];

	ra_pump_poll(p, pfd);
	poll(pfd, 2, timeout);
	ra_pump_run(p, pfd);
}

/* A child writes a known sequence to @fd with odd block sizes. */
static pid_t writer(int fd, int other, size_t total)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	close(other);
	for (size_t i = 0; i < total;) {
		unsigned char buf[70001];
		size_t n = (i % sizeof(buf)) + 1, j;

		n = n < total - i ? n : total - i;
		for (j = 0; j < n; j++)
			buf[j] = (i + j) * 31 >> 3;
		for (j = 0; j < n;) {
			ssize_t w = write(fd, buf + j, n - j);

			if (w < 0)
				_exit(1);
			j += w;
		}
		i += n;
	}
	_exit(0);
}

static pid_t checker(int fd, int other, size_t total)
{
	unsigned char buf[4099];
	pid_t pid = fork();
	size_t i = 0;
	ssize_t n;

	if (pid)
		return pid;
	close(other);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t j = 0; j < n; j++, i++) {
			if (buf[j] != (unsigned char)(i * 31 >> 3))
				_exit(2);
		}
	}
	_exit(i == total ? 0 : 3);
}

static void expect_success(void)
{
	int status;

	for (int i = 0; i < 2; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

#define TOTAL (8 << 20)

static void test_sockets(void **state)
{
	struct ra_pump p;
	int in[2], out[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
	ra_pump_init(&p);
	writer(in[1], in[0], TOTAL);
	close(in[1]); /* or the checker would keep the stream open */
	checker(out[1], out[0], TOTAL);
	close(out[1]);
	ra_pump_set_in(&p, in[0]);
	ra_pump_set_out(&p, out[0]);
	while (!p.done)
		step(&p, 1000);
	assert_false(p.broken);
	expect_success();
	ra_pump_free(&p);
}

/* Pipes that block: writes must stay within what poll() promised. */
static void test_blocking_pipes(void **state)
{
	struct ra_pump p;
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	ra_pump_init(&p);
	writer(in[1], in[0], TOTAL / 8);
	close(in[1]);
	checker(out[0], out[1], TOTAL / 8);
	close(out[0]);
	ra_pump_set_in(&p, in[0]);
	ra_pump_set_out(&p, out[1]);
	assert_true(p.slow_out);
	while (!p.done)
		step(&p, 1000);
	ra_pump_free(&p);
	expect_success();
}

/* Without a reader the buffer fills up and no more is taken. */
static void test_back_pressure(void **state)
{
	static char block[RA_PUMP_BUF * 2];
	struct ra_pump p;
	int in[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, in), 0);
	ra_pump_init(&p);
	ra_pump_set_in(&p, in[0]);
	while (write(in[1], block, sizeof(block)) > 0)
		;
	step(&p, 0); /* no destination yet: nothing is read at all */
	assert_int_equal(p.len, 0);
	p.out = open("/dev/null", O_WRONLY);
	p.slow_out = true; /* takes PIPE_BUF a turn, so the buffer fills */
	for (int i = 0; i < 50; i++) {
		step(&p, 0);
		assert_true(p.len <= RA_PUMP_BUF);
	}
	close(in[1]);
	for (int i = 0; i < 1000 && !p.done; i++)
		step(&p, 0);
	assert_true(p.done);
	ra_pump_free(&p);
}

static void test_reader_goes_away(void **state)
{
	struct ra_pump p;
	int in[2], out[2];
	char c;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
	assert_int_equal(pipe(out), 0);
	ra_pump_init(&p);
	ra_pump_set_in(&p, in[0]);
	ra_pump_set_out(&p, out[1]);
	close(out[0]);
	assert_int_equal(write(in[1], "x", 1), 1);
	for (int i = 0; i < 3; i++)
		step(&p, 100);
	assert_true(p.done);
	assert_true(p.broken);
	/* The writer learns of it. */
	assert_true(write(in[1], "x", 1) < 0);
	assert_int_equal(read(in[1], &c, 1) <= 0, 1);
	close(in[1]);
	ra_pump_free(&p);
}

static void test_half_close(void **state)
{
	struct ra_pump p;
	int in[2], out[2];
	char c;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
	ra_pump_init(&p);
	ra_pump_set_in(&p, in[0]);
	ra_pump_set_out(&p, out[0]);
	close(in[1]);
	step(&p, 100);
	assert_true(p.done);
	assert_int_equal(read(out[1], &c, 1), 0);   /* end of file ... */
	assert_int_equal(write(out[1], "x", 1), 1); /* ... of one direction */
	close(out[1]);
	ra_pump_free(&p);
}

static void test_log(void **state)
{
	struct ra_log log = RA_LOG_INIT;
	char top[256], line[32], first[64];
	int dir, out[2], total = 0;
	FILE *f;

	make_dir(top, sizeof(top));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	assert_int_equal(ra_log_open(&log, dir, "log", 2000), 0);
	for (int i = 0; i < 1000; i++) {
		int n = snprintf(line, sizeof(line), "line %d\n", i);

		ra_log_write(&log, line, n);
		total += n;
		assert_true(log.len + log.old_len <= 2000);
	}
	assert_int_equal(log.dropped + log.old_len + log.len, total);
	assert_int_equal(ra_log_tail(&log, line, 9), 9);
	assert_memory_equal(line, "line 999\n", 9);
	ra_log_close(&log);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(ra_log_dump(dir, "log", out[1]), 0);
	close(out[1]);
	f = fdopen(out[0], "r");
	assert_non_null(fgets(first, sizeof(first), f));
	assert_non_null(strstr(first, "bytes of older output were dropped]\n"));
	fclose(f);
	assert_int_equal(ra_log_dump(dir, "none", 1), -ENOENT);
	close(dir);
	remove_tree(top);
}

/* Longer than the whole log in one write. */
static void test_log_big_write(void **state)
{
	static char big[10000];
	struct ra_log log = RA_LOG_INIT;
	char top[256];
	int dir;

	make_dir(top, sizeof(top));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	assert_int_equal(ra_log_open(&log, dir, "log", 1024), 0);
	ra_log_write(&log, big, sizeof(big));
	assert_int_equal(log.dropped + log.old_len + log.len, sizeof(big));
	ra_log_close(&log);
	ra_log_write(&log, big, 10); /* closed: counted, not written */
	close(dir);
	remove_tree(top);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),	      cmocka_unit_test(test_blocking_pipes),
		cmocka_unit_test(test_back_pressure), cmocka_unit_test(test_reader_goes_away),
		cmocka_unit_test(test_half_close),    cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_big_write),
	};

	alarm(300); /* a stream that never ends is a failure, not a wait */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
