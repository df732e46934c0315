// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control protocol against a guest that sends anything.
 */
#include "test.h"

#include <sys/socket.h>

#include "guest.h"
#include "options.h"

static void connect_guest(struct ra_guest *g, int *peer)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	*g = (struct ra_guest)RA_GUEST_INIT;
	g->fd = s[0];
	*peer = s[1];
}

static void send_msg(int fd, uint32_t type, uint32_t len, const void *payload, size_t bytes)
{
	struct rund_msg m = {.type = type, .len = len};

	assert_int_equal(write(fd, &m, sizeof(m)), sizeof(m));
	if (bytes)
		assert_int_equal(write(fd, payload, bytes), bytes);
}

static void send_hello(int fd)
{
	struct rund_hello h = {.version = RUND_PROTO_VERSION};

	send_msg(fd, RUND_MSG_HELLO, sizeof(h), &h, sizeof(h));
}

static void test_whole_run(void **state)
{
	struct rund_exit e = {.code = 7, .t_init = 5};
	struct ra_guest g;
	int peer;

	connect_guest(&g, &peer);
	assert_int_equal(ra_guest_recv(&g), -EAGAIN);
	send_hello(peer);
	send_msg(peer, RUND_MSG_STARTED, 0, NULL, 0);
	send_msg(peer, RUND_MSG_EXIT, sizeof(e), &e, sizeof(e));
	assert_true(ra_guest_recv(&g) > 0);
	assert_int_equal(ra_guest_next(&g), RUND_MSG_HELLO);
	assert_int_equal(ra_guest_next(&g), RUND_MSG_STARTED);
	assert_int_equal(ra_guest_next(&g), RUND_MSG_EXIT);
	assert_int_equal(ra_guest_next(&g), 0);
	assert_int_equal(g.state, RA_GUEST_OVER);
	assert_int_equal(g.exit.code, 7);
	/* Nothing may follow. */
	send_hello(peer);
	assert_true(ra_guest_recv(&g) > 0);
	assert_int_equal(ra_guest_next(&g), -EPROTO);
	close(peer);
	assert_int_equal(ra_guest_recv(&g), 0);
	ra_guest_close(&g);
}

static void test_byte_by_byte(void **state)
{
	struct rund_hello h = {.version = RUND_PROTO_VERSION};
	struct rund_msg m = {.type = RUND_MSG_HELLO, .len = sizeof(h)};
	uint8_t bytes[sizeof(m) + sizeof(h)];
	struct ra_guest g;
	int peer;

	connect_guest(&g, &peer);
	memcpy(bytes, &m, sizeof(m));
	memcpy(bytes + sizeof(m), &h, sizeof(h));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(ra_guest_next(&g), 0);
		assert_int_equal(write(peer, bytes + i, 1), 1);
		assert_int_equal(ra_guest_recv(&g), 1);
	}
	assert_int_equal(ra_guest_next(&g), RUND_MSG_HELLO);
	close(peer);
	ra_guest_close(&g);
}

#define E_HELLO (1 << 0) /* a hello went before */
#define E_START (1 << 1) /* and a started */

static void test_broken(void **state)
{
	static const struct rund_hello old = {.version = 99}, good = {.version = 1};
	static const struct rund_exit code = {.code = 256}, sig = {.signal = 65}, fine = {};
	static const struct rund_error bad_code = {.exit_code = 7}, err = {.exit_code = 126};
	static const struct {
		const char *what;
		int before;
		uint32_t type, len;
		const void *payload;
		size_t bytes;
	} t[] = {
		{"type 0", 0, 0, 0, NULL, 0},
		{"unknown type", E_HELLO, 5, 0, NULL, 0},
		{"type out of range", 0, UINT32_MAX, 0, NULL, 0},
		{"our own direction", E_HELLO, RUND_MSG_CONFIG, 0, NULL, 0},
		{"hello too long", 0, RUND_MSG_HELLO, 1024, NULL, 0},
		{"hello huge", 0, RUND_MSG_HELLO, UINT32_MAX, NULL, 0},
		{"hello too short", 0, RUND_MSG_HELLO, 0, NULL, 0},
		{"other version", 0, RUND_MSG_HELLO, sizeof(old), &old, sizeof(old)},
		{"second hello", E_HELLO, RUND_MSG_HELLO, sizeof(good), &good, sizeof(good)},
		{"started first", 0, RUND_MSG_STARTED, 0, NULL, 0},
		{"started with payload", E_HELLO, RUND_MSG_STARTED, 4, NULL, 0},
		{"started twice", E_HELLO | E_START, RUND_MSG_STARTED, 0, NULL, 0},
		{"exit first", 0, RUND_MSG_EXIT, sizeof(fine), &fine, sizeof(fine)},
		{"exit before start", E_HELLO, RUND_MSG_EXIT, sizeof(fine), &fine, sizeof(fine)},
		{"exit code", E_HELLO | E_START, RUND_MSG_EXIT, sizeof(code), &code, sizeof(code)},
		{"exit signal", E_HELLO | E_START, RUND_MSG_EXIT, sizeof(sig), &sig, sizeof(sig)},
		{"error first", 0, RUND_MSG_ERROR, sizeof(err), &err, sizeof(err)},
		{"error code", E_HELLO, RUND_MSG_ERROR, sizeof(bad_code), &bad_code,
		 sizeof(bad_code)},
		{"error late", E_HELLO | E_START, RUND_MSG_ERROR, sizeof(err), &err, sizeof(err)},
	};

	for (int i = 0; i < NR(t); i++) {
		struct ra_guest g;
		int peer, type;

		connect_guest(&g, &peer);
		if (t[i].before & E_HELLO)
			send_hello(peer);
		if (t[i].before & E_START)
			send_msg(peer, RUND_MSG_STARTED, 0, NULL, 0);
		send_msg(peer, t[i].type, t[i].len, t[i].payload, t[i].bytes);
		assert_true(ra_guest_recv(&g) > 0);
		while ((type = ra_guest_next(&g)) > 0)
			;
		if (type != -EPROTO)
			fail_msg("%s: %d", t[i].what, type);
		close(peer);
		ra_guest_close(&g);
	}
}

/* The text of an error comes from the guest and is shown on a terminal. */
static void test_error_text(void **state)
{
	struct rund_error e = {.exit_code = 127};
	struct ra_guest g;
	int peer;

	connect_guest(&g, &peer);
	memset(e.text, '\033', sizeof(e.text)); /* and no NUL */
	send_hello(peer);
	send_msg(peer, RUND_MSG_ERROR, sizeof(e), &e, sizeof(e));
	assert_true(ra_guest_recv(&g) > 0);
	assert_int_equal(ra_guest_next(&g), RUND_MSG_HELLO);
	assert_int_equal(ra_guest_next(&g), RUND_MSG_ERROR);
	assert_true(g.failed);
	assert_int_equal(strlen(g.error.text), sizeof(e.text) - 1);
	assert_null(strchr(g.error.text, '\033'));
	close(peer);
	ra_guest_close(&g);
}

static void random_run(uint64_t *seed)
{
	struct ra_guest g;
	int peer, ret;

	connect_guest(&g, &peer);
	for (int i = 0; i < 200; i++) {
		struct rund_msg m = {.type = rnd(seed) % 6, .len = rnd(seed) % 4 ? 8 : rnd(seed)};
		uint8_t noise[64];
		size_t n = rnd(seed) % sizeof(noise);

		for (size_t j = 0; j < n; j++)
			noise[j] = rnd(seed);
		if (rnd(seed) % 2 && n >= sizeof(m))
			memcpy(noise, &m, sizeof(m));
		if (send(peer, noise, n, MSG_DONTWAIT) < 0)
			break;
		ret = ra_guest_recv(&g);
		if (!n)
			continue;
		assert_true(ret > 0);
		while ((ret = ra_guest_next(&g)) > 0)
			;
		if (ret < 0)
			break;
		assert_true(g.in_len <= sizeof(g.in));
	}
	close(peer);
	ra_guest_close(&g);
}

static void test_random(void **state)
{
	uint64_t seed = 20240607;

	print_message("# seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < 20000; i++)
		random_run(&seed);
}

static void test_queue_is_bounded(void **state)
{
	struct rund_signal s = {.signo = 15};
	struct ra_guest g;
	int peer, ret = 0, n;

	connect_guest(&g, &peer);
	for (n = 0; n < 1000000 && !ret; n++) {
		ret = ra_guest_queue(&g, RUND_MSG_SIGNAL, &s, sizeof(s));
		assert_int_equal(ra_guest_send(&g), 0);
	}
	assert_int_equal(ret, -ENOBUFS);
	close(peer);
	assert_true(ra_guest_send(&g) < 0);
	ra_guest_close(&g);
	assert_int_equal(ra_guest_queue(&g, RUND_MSG_SIGNAL, &s, sizeof(s)), -ENOTCONN);
}

static void test_config(void **state)
{
	char *argv[] = {"sh", "-c", ""}, *env[] = {"A=b"};
	struct ra_opts o = {.hostname = "box",
			    .workdir = "",
			    .user = "u",
			    .argv = argv,
			    .argc = 3,
			    .env = env,
			    .nr_env = 1,
			    .tty = true};
	struct rund_winsize ws = {.rows = 3, .cols = 4};
	static const char strings[] = "box\0\0u\0sh\0-c\0\0A=b";
	struct rund_config c, d;
	uint8_t *p;
	size_t len;

	p = ra_config_payload(&o, &ws, true, &len);
	assert_non_null(p);
	assert_int_equal(len, sizeof(c) + sizeof(strings));
	memcpy(&c, p, sizeof(c));
	assert_int_equal(c.flags, RUND_CONFIG_TTY | RUND_CONFIG_STDIN);
	assert_int_equal(c.nr_args, 3);
	assert_int_equal(c.nr_env, 1);
	assert_int_equal(c.winsize.cols, 4);
	assert_int_equal(c.strings_len, sizeof(strings));
	assert_memory_equal(p + sizeof(c), strings, sizeof(strings));
	free(p);
	p = ra_config_payload(&o, &ws, false, &len);
	memcpy(&d, p, sizeof(d));
	assert_memory_not_equal(c.seed, d.seed, sizeof(c.seed));
	free(p);
}

static void test_config_too_long(void **state)
{
	char *big = malloc(1 << 20), *argv[] = {big};
	struct ra_opts o = {.hostname = "", .workdir = "", .user = "", .argv = argv, .argc = 1};
	int saved = mute_stderr();

	memset(big, 'x', (1 << 20) - 1);
	big[(1 << 20) - 1] = '\0';
	assert_int_equal(ra_config_check(&o), -E2BIG);
	big[1000] = '\0';
	assert_int_equal(ra_config_check(&o), 0);
	o.nr_env = RUND_MAX_STRINGS; /* together with the rest too many */
	o.env = calloc(o.nr_env, sizeof(char *));
	for (unsigned int i = 0; i < o.nr_env; i++)
		o.env[i] = "A=";
	assert_int_equal(ra_config_check(&o), -E2BIG);
	unmute_stderr(saved);
	free(o.env);
	free(big);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_run), cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_broken),	  cmocka_unit_test(test_error_text),
		cmocka_unit_test(test_random),	  cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_config),	  cmocka_unit_test(test_config_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
