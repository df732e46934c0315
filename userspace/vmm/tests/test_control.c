// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket against peers that send rubbish, half lines, endless
 * lines, or never read.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/io.h"
#include "vmm/control.h"
#include "vmm/vm.h"

static struct vm vm;
static int peer;
static pthread_t thread;

static void *loop_thread(void *arg)
{
	loop_run(&vm.loop);
	return NULL;
}

static int begin(int fd)
{
	memset(&vm, 0, sizeof(vm));
	vm.cfg.name = "test \"vm\"";
	vm.cfg.control_fd = fd;
	if (loop_init(&vm.loop) || control_init(&vm))
		return -1;
	return pthread_create(&thread, NULL, loop_thread, NULL);
}

static int setup(void **state)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return -1;
	peer = sv[0];
	return begin(sv[1]);
}

static int teardown(void **state)
{
	loop_stop(&vm.loop);
	pthread_join(thread, NULL);
	control_fini(&vm);
	loop_fini(&vm.loop);
	close(vm.cfg.control_fd);
	close(peer);
	return 0;
}

static void say(const char *text, size_t len)
{
	assert_int_equal(io_write_full(peer, text, len), 0);
}

/* One line of answer, without its end. */
static const char *answer(void)
{
	static char buf[8192];
	size_t n = 0;

	while (n < sizeof(buf) - 1 && read(peer, buf + n, 1) == 1 && buf[n] != '\n')
		n++;
	buf[n] = '\0';
	return buf;
}

#define SAY(text) say(text, sizeof(text) - 1)

static void malformed(void **state)
{
	static const char *const bad[] = {
		"\n",
		"hello\n",
		"{\n",
		"{}\n",
		"[]\n",
		"\"stop\"\n",
		"{\"cmd\":1}\n",
		"{\"cmd\":\"stop!\"}\n",
		"{\"cmd\":\"stop\"} x\n",
		"{\"cmd\":\"stop\"}{\"cmd\":\"stop\"}\n",
		"{\"CMD\":\"stop\"}\n",
		"{'cmd':'stop'}\n",
		"{\"cmd\":\"stop\",}\n",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
		"\xff\xfe\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		print_message("# %s", bad[i]);
		say(bad[i], strlen(bad[i]));
		assert_non_null(strstr(answer(), "\"ok\":false"));
	}
	SAY("{\"cmd\":\"stop\"}\0\n");
	assert_non_null(strstr(answer(), "\"ok\":false"));
	assert_int_equal(vm.exit, VM_EXIT_NONE);
}

static void status_and_stop(void **state)
{
	const char *a;

	SAY("{\"cmd\":\"sta");
	SAY("tus\"}\r\n{\"cmd\":\"status\"}\n");
	for (int i = 0; i < 2; i++) {
		a = answer();
		assert_non_null(strstr(a, "\"ok\":true"));
		assert_non_null(strstr(a, "\"name\":\"test \\\"vm\\\"\""));
		assert_non_null(strstr(a, "\"state\":\"running\""));
	}
	SAY(" {\"cmd\" : \"stop\"} \n");
	assert_non_null(strstr(answer(), "\"ok\":true"));
	pthread_join(thread, NULL);
	assert_int_equal(vm.exit, VM_EXIT_STOPPED);
	control_event_exit(&vm);
	assert_string_equal(answer(), "{\"event\":\"exit\",\"reason\":\"stopped\",\"exits\":0}");
	pthread_create(&thread, NULL, loop_thread, NULL); /* for teardown() */
}

static void endless_line(void **state)
{
	static char x[1 << 20];

	memset(x, 'x', sizeof(x));
	say(x, sizeof(x));
	SAY("\n{\"cmd\":\"status\"}\n");
	assert_non_null(strstr(answer(), "line too long"));
	assert_non_null(strstr(answer(), "\"ok\":true"));
}

/* It is disconnected instead of blocking the machine. */
static void never_reads(void **state)
{
	char buf[4096];
	ssize_t n;

	while (send(peer, "{\"cmd\":\"status\"}\n", 17, MSG_NOSIGNAL) == 17)
		;
	do {
		n = read(peer, buf, sizeof(buf));
	} while (n > 0);
	assert_true(n == 0 || errno == ECONNRESET);
	assert_int_equal(vm.exit, VM_EXIT_NONE);
}

static void listener(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/rund-test-control.%d", getpid());
	unlink(path);
	assert_int_equal(begin(io_unix_listen(path, 4)), 0);
	for (int i = 0; i < 3; i++) {
		peer = io_unix_connect(path);
		assert_true(peer >= 0);
		SAY("{\"cmd\":\"status\"}\n");
		assert_non_null(strstr(answer(), "\"ok\":true"));
		if (i < 2)
			close(peer);
	}
	unlink(path);
	teardown(NULL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(malformed),	T(status_and_stop),	    T(endless_line),
		T(never_reads), cmocka_unit_test(listener),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
