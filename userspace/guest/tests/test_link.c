// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control connection: framing in any pieces, nothing unexpected accepted,
 * and the end of a run.
 */
#include <errno.h>
#include <poll.h>
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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "goodbye.h"
#include "link.h"

struct pair {
	struct link link;
	int host;
};

static void open_pair(struct pair *p)
{
	int sv[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	p->link.fd = sv[0];
	p->host = sv[1];
}

static void close_pair(struct pair *p)
{
	close(p->link.fd);
	if (p->host >= 0)
		close(p->host);
}

static void host_sends(struct pair *p, uint32_t type, const void *payload, uint32_t len)
{
	struct rund_msg m = {type, len};

	assert_int_equal(write(p->host, &m, sizeof(m)), sizeof(m));
	if (payload)
		assert_int_equal(write(p->host, payload, len), len);
}

static void test_send(void **state)
{
	unsigned char got[2048], payload[RUND_MSG_MAX_TO_HOST + 1] = {1, 2, 3};
	struct rund_msg m;
	struct pair p;

	open_pair(&p);
	assert_int_equal(link_send(&p.link, RUND_MSG_STARTED, NULL, 0), 0);
	assert_int_equal(read(p.host, got, sizeof(got)), sizeof(m));
	memcpy(&m, got, sizeof(m));
	assert_int_equal(m.type, RUND_MSG_STARTED);
	assert_int_equal(m.len, 0);
	assert_int_equal(link_send(&p.link, RUND_MSG_ERROR, payload, RUND_MSG_MAX_TO_HOST), 0);
	assert_int_equal(read(p.host, got, sizeof(got)), sizeof(m) + RUND_MSG_MAX_TO_HOST);
	assert_memory_equal(got + sizeof(m), payload, RUND_MSG_MAX_TO_HOST);
	assert_int_equal(link_send(&p.link, RUND_MSG_ERROR, payload, sizeof(payload)), -EMSGSIZE);
	close(p.host);
	p.host = -1;
	assert_int_equal(link_send(&p.link, RUND_MSG_STARTED, NULL, 0), -EPIPE);
	close_pair(&p);
}

/* Messages arrive in any pieces, several at once too. */
static void test_recv_pieces(void **state)
{
	struct rund_signal sig = {15};
	struct rund_winsize win = {24, 80, 1, 2};
	unsigned char wire[64];
	struct rund_msg m1 = {RUND_MSG_SIGNAL, sizeof(sig)};
	struct rund_msg m2 = {RUND_MSG_WINSIZE, sizeof(win)};
	struct link_event ev;
	struct pair p;
	size_t n = 0;

	memcpy(wire + n, &m1, sizeof(m1)), n += sizeof(m1);
	memcpy(wire + n, &sig, sizeof(sig)), n += sizeof(sig);
	memcpy(wire + n, &m2, sizeof(m2)), n += sizeof(m2);
	memcpy(wire + n, &win, sizeof(win)), n += sizeof(win);
	for (size_t piece = 1; piece <= n; piece++) {
		int seen = 0;

		open_pair(&p);
		for (size_t at = 0; at < n; at += piece) {
			size_t len = piece < n - at ? piece : n - at;

			assert_int_equal(write(p.host, wire + at, len), len);
			while (link_recv(&p.link, &ev) > 0) {
				if (seen++ == 0) {
					assert_int_equal(ev.type, RUND_MSG_SIGNAL);
					assert_int_equal(ev.signal.signo, 15);
				} else {
					assert_int_equal(ev.type, RUND_MSG_WINSIZE);
					assert_int_equal(ev.winsize.cols, 80);
				}
			}
		}
		assert_int_equal(seen, 2);
		assert_int_equal(link_recv(&p.link, &ev), 0);
		close(p.host);
		p.host = -1;
		assert_int_equal(link_recv(&p.link, &ev), -ECONNRESET);
		close_pair(&p);
	}
}

static void test_recv_refused(void **state)
{
	static const struct rund_msg bad[] = {
		{RUND_MSG_SIGNAL, 0},
		{RUND_MSG_SIGNAL, 5},
		{RUND_MSG_SIGNAL, UINT32_MAX},
		{RUND_MSG_WINSIZE, 4},
		{RUND_MSG_CONFIG, 8},
		{RUND_MSG_EXIT, sizeof(struct rund_exit)},
		{0, 0},
		{UINT32_MAX, UINT32_MAX},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct link_event ev;
		struct pair p;

		open_pair(&p);
		host_sends(&p, bad[i].type, NULL, bad[i].len);
		assert_int_equal(link_recv(&p.link, &ev), -EPROTO);
		close_pair(&p);
	}
}

static void test_config(void **state)
{
	char text[] = "payload";
	void *got = NULL;
	struct pair p;

	open_pair(&p);
	host_sends(&p, RUND_MSG_CONFIG, text, sizeof(text));
	assert_int_equal(link_recv_config(&p.link, &got), sizeof(text));
	assert_memory_equal(got, text, sizeof(text));
	free(got);
	host_sends(&p, RUND_MSG_CONFIG, NULL, RUND_MSG_MAX_TO_GUEST + 1);
	assert_int_equal(link_recv_config(&p.link, &got), -EPROTO);
	close_pair(&p);

	open_pair(&p);
	host_sends(&p, RUND_MSG_SIGNAL, NULL, 4);
	assert_int_equal(link_recv_config(&p.link, &got), -EPROTO);
	close_pair(&p);

	/* Announces more than it sends. */
	open_pair(&p);
	host_sends(&p, RUND_MSG_CONFIG, NULL, 100);
	assert_int_equal(write(p.host, text, sizeof(text)), sizeof(text));
	close(p.host);
	p.host = -1;
	assert_int_equal(link_recv_config(&p.link, &got), -ECONNRESET);
	close_pair(&p);
}

struct waiter {
	struct pair control, out, err;
	int grace_ms;
	long took_ms;
	struct timespec start;
	pthread_t thread;
};

static void *wait_goodbye(void *arg)
{
	struct waiter *w = arg;
	struct timespec a = w->start, b;

	goodbye(&w->control.link, w->out.link.fd, w->err.link.fd, w->grace_ms);
	clock_gettime(CLOCK_MONOTONIC, &b);
	w->took_ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	return NULL;
}

static void start_waiter(struct waiter *w, int grace_ms)
{
	open_pair(&w->control);
	open_pair(&w->out);
	open_pair(&w->err);
	w->grace_ms = grace_ms;
	shutdown(w->out.link.fd, SHUT_WR);
	shutdown(w->err.link.fd, SHUT_WR);
	/* here, as the thread may begin late */
	clock_gettime(CLOCK_MONOTONIC, &w->start);
	pthread_create(&w->thread, NULL, wait_goodbye, w);
}

static void end_waiter(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	close_pair(&w->control);
	close_pair(&w->out);
	close_pair(&w->err);
}

static void host_closes(struct pair *p)
{
	close(p->host);
	p->host = -1;
}

/* Closing the control connection ends it at once, streams or not. */
static void test_goodbye_control(void **state)
{
	struct waiter w;

	start_waiter(&w, 60000);
	host_closes(&w.control);
	end_waiter(&w);
	assert_true(w.took_ms < 30000);
}

/* While the host holds a stream it is waited for, however short the grace. */
static void test_goodbye_streams(void **state)
{
	struct rund_signal sig = {9};
	struct waiter w;

	start_waiter(&w, 50);
	host_closes(&w.err);
	/* What comes now is for nobody, and no reason to leave. */
	host_sends(&w.control, RUND_MSG_SIGNAL, &sig, sizeof(sig));
	assert_int_equal(write(w.out.host, "stray", 5), 5);
	usleep(400000);
	host_closes(&w.out);
	end_waiter(&w);
	assert_in_range(w.took_ms, 440, 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_recv_pieces),
		cmocka_unit_test(test_recv_refused),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_goodbye_control),
		cmocka_unit_test(test_goodbye_streams),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
