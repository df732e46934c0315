// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pumps: every byte, in order, once; ends passed on both ways; never blocking.
 */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "pump.h"

static struct pump pump;

static void pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
}

static void mkpipe(int p[2])
{
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
}

/* One turn of a poll loop; returns what poll did. */
static int turn(struct pump *p, int ms)
{
	struct pollfd pfd[2];
	int n;

	pump_poll(p, pfd);
	n = poll(pfd, 2, ms);
	if (n > 0)
		pump_step(p, pfd);
	return n;
}

static void run(struct pump *p)
{
	while (!p->done)
		assert_true(turn(p, 120000) > 0);
}

#define BIG (8 << 20)

static uint8_t pattern(size_t i)
{
	return i * 2654435761U >> 24;
}

static void *feed(void *arg)
{
	int fd = *(int *)arg;
	uint8_t *data = malloc(BIG);
	size_t done = 0;
	unsigned int seed = 3;

	for (size_t i = 0; i < BIG; i++)
		data[i] = pattern(i);
	while (done < BIG) {
		size_t want = 1 + rand_r(&seed) % 100000;
		ssize_t n = write(fd, data + done, want < BIG - done ? want : BIG - done);

		if (n < 0)
			break;
		done += n;
	}
	close(fd);
	free(data);
	return NULL;
}

static void *swallow(void *arg)
{
	int fd = *(int *)arg;
	uint8_t buf[5000];
	size_t done = 0, bad = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			bad += buf[i] != pattern(done++);
	close(fd);
	return (void *)(done == BIG && !bad ? 1UL : 0UL);
}

/* Both ends run at their own pace, in random pieces. */
static void test_identical(void **state)
{
	pthread_t producer, consumer;
	void *good;
	int p[2], sv[2];

	mkpipe(p);
	pair(sv);
	assert_int_equal(pump_init(&pump, p[0], sv[0], PUMP_OUT_SOCKET), 0);
	pthread_create(&producer, NULL, feed, &p[1]);
	pthread_create(&consumer, NULL, swallow, &sv[1]);
	run(&pump);
	pthread_join(producer, NULL);
	pthread_join(consumer, &good);
	assert_non_null(good);
	/* Shut down, not closed: the host still has something to say on it. */
	assert_true(pump.out >= 0);
	pump_stop(&pump);
}

static void test_eof_closes_pipe(void **state)
{
	int p[2], sv[2];
	char buf[8];

	mkpipe(p);
	pair(sv);
	assert_int_equal(pump_init(&pump, sv[0], p[1], 0), 0);
	assert_int_equal(write(sv[1], "abc", 3), 3);
	shutdown(sv[1], SHUT_WR);
	run(&pump);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 3);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 0);
	close(p[0]);
	close(sv[1]);
}

/* The command closes its stdin: the host must find out, without our reading on. */
static void test_reader_gone(void **state)
{
	int p[2], sv[2];

	mkpipe(p);
	pair(sv);
	assert_int_equal(pump_init(&pump, sv[0], p[1], 0), 0);
	assert_int_equal(turn(&pump, 0), 0);
	close(p[0]);
	run(&pump);
	assert_int_equal(write(sv[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(sv[1]);
}

/* The host closes stdout: the writer gets EPIPE, as in any shell pipeline. */
static void test_host_gone(void **state)
{
	int p[2], sv[2];

	mkpipe(p);
	pair(sv);
	assert_int_equal(pump_init(&pump, p[0], sv[0], PUMP_OUT_SOCKET), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	close(sv[1]);
	run(&pump);
	assert_int_equal(write(p[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(p[1]);
}

/* A host that does not read: the pump fills up, stops reading, and does not spin. */
static void test_back_pressure(void **state)
{
	static char chunk[4096];
	size_t put = 0, got = 0;
	int p[2], sv[2];
	ssize_t n;

	mkpipe(p);
	pair(sv);
	assert_int_equal(pump_init(&pump, p[0], sv[0], PUMP_OUT_SOCKET), 0);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	do {
		while ((n = write(p[1], chunk, sizeof(chunk))) > 0)
			put += n;
	} while (turn(&pump, 20) > 0);
	assert_true(pump_blocked(&pump));
	assert_int_equal(turn(&pump, 20), 0);
	close(p[1]);
	fcntl(sv[1], F_SETFL, O_NONBLOCK);
	while (!pump.done || got < put) {
		while ((n = read(sv[1], chunk, sizeof(chunk))) > 0)
			got += n;
		if (!pump.done)
			turn(&pump, 1000);
	}
	assert_int_equal(got, put);
	assert_int_equal(read(sv[1], chunk, 1), 0);
	pump_stop(&pump);
	close(sv[1]);
}

static void test_stop(void **state)
{
	int p[2], sv[2];
	struct pollfd pfd[2];

	mkpipe(p);
	pair(sv);
	assert_int_equal(pump_init(&pump, p[0], sv[0], 0), 0);
	pump_stop(&pump);
	pump_stop(&pump);
	assert_true(pump.done);
	pump_poll(&pump, pfd);
	assert_int_equal(pfd[0].fd, -1);
	assert_int_equal(pfd[1].fd, -1);
	assert_int_equal(pump_init(&pump, -1, -1, 0), 0);
	assert_true(pump.done);
	close(p[1]);
	close(sv[1]);
}

/* cat on a terminal ends when its input ends, at a line's start and elsewhere. */
static void test_tty_eof(void **state)
{
	static const struct {
		const char *text;
		size_t want;
	} inputs[] = {{"line\n", 5}, {"part", 4}, {"", 0}};

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		int master, keep, slave, sv[2];
		char buf[64];
		size_t got = 0;
		ssize_t n;

		assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
		pair(sv);
		/* The other direction has the terminal open, too. */
		keep = dup(master);
		assert_int_equal(pump_init(&pump, sv[0], master, PUMP_OUT_TTY), 0);
		n = strlen(inputs[i].text);
		assert_int_equal(write(sv[1], inputs[i].text, n), n);
		close(sv[1]);
		run(&pump);
		while ((n = read(slave, buf + got, sizeof(buf) - got)) > 0)
			got += n;
		assert_int_equal(n, 0);
		assert_int_equal(got, inputs[i].want);
		close(keep);
		close(slave);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identical),     cmocka_unit_test(test_eof_closes_pipe),
		cmocka_unit_test(test_reader_gone),   cmocka_unit_test(test_host_gone),
		cmocka_unit_test(test_back_pressure), cmocka_unit_test(test_stop),
		cmocka_unit_test(test_tty_eof),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("pump", tests, NULL, NULL);
}
