// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monitor's loop against guests that do not play along: whoever launched a
 * sandbox, or wants it dead, gets their way.
 */
#include "test.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox.h"

static struct ra_opts opts = {.timeout_s = 120};
static struct ra_sandbox sb;
static int client[2], guest[2];

static int setup(void **state)
{
	ra_sandbox_init(&sb, &opts, -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, client), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, guest), 0);
	assert_int_equal(ra_pump_init(&sb.in), 0);
	assert_int_equal(ra_pump_init(&sb.out), 0);
	assert_int_equal(ra_pump_init(&sb.err), 0);
	sb.client = client[0];
	return 0;
}

static int teardown(void **state)
{
	ra_guest_close(&sb.guest);
	ra_pump_free(&sb.in);
	ra_pump_free(&sb.out);
	ra_pump_free(&sb.err);
	close(client[0]);
	close(client[1]);
	close(guest[0]);
	close(guest[1]);
	return 0;
}

/* KILL needs no cooperation: the deadline is set even if the guest cannot be told. */
static void test_kill_without_control(void **state)
{
	sb.guest.state = RA_GUEST_STARTED;
	assert_non_null(ra_session_signal(&sb, SIGTERM));
	assert_int_equal(sb.kill_by, 0);
	assert_null(ra_session_signal(&sb, SIGKILL));
	assert_int_not_equal(sb.kill_by, 0);
}

/* A pipe that is full and stays so. */
static int full_pipe(int p[2])
{
	static const char zeros[4096];

	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	while (write(p[1], zeros, sizeof(zeros)) > 0)
		;
	return p[1];
}

/* The VMM died in the middle, and nobody reads what is left of the output. */
static void test_signal_after_vmm_died(void **state)
{
	struct ra_link_down term = {.type = RA_LINK_SIGNAL, .signo = SIGTERM};
	int src[2], full[2];

	sb.vmm.dead = true;
	sb.guest.state = RA_GUEST_STARTED;
	assert_int_equal(pipe(src), 0);
	assert_int_equal(write(src[1], "rest", 4), 4);
	close(src[1]);
	ra_pump_set_in(&sb.out, src[0]);
	ra_pump_set_out(&sb.out, full_pipe(full));
	assert_int_equal(send(client[1], &term, sizeof(term), 0), sizeof(term));
	alarm(60); /* it waits for the reader for ever otherwise */
	ra_session_run(&sb);
	alarm(0);
	assert_int_equal(sb.result.code, 125);
	close(full[0]);
}

/* The window is resized after CONFIG was sent and before the command has started. */
static void test_winsize_before_start(void **state)
{
	struct ra_link_down ws = {.type = RA_LINK_WINSIZE, .ws = {33, 77, 0, 0}};
	struct {
		struct rund_msg m;
		struct rund_winsize ws;
	} got = {};

	sb.vmm.dead = true;
	sb.guest.fd = dup(guest[0]);
	sb.guest.state = RA_GUEST_HELLO;
	assert_int_equal(send(client[1], &ws, sizeof(ws), 0), sizeof(ws));
	assert_int_equal(shutdown(guest[1], SHUT_WR), 0);
	alarm(60);
	ra_session_run(&sb);
	alarm(0);
	assert_int_equal(recv(guest[1], &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
	assert_int_equal(got.m.type, RUND_MSG_WINSIZE);
	assert_int_equal(got.ws.rows, 33);
	assert_int_equal(got.ws.cols, 77);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kill_without_control, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal_after_vmm_died, setup, teardown),
		cmocka_unit_test_setup_teardown(test_winsize_before_start, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
