// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event loop: callbacks run, a deleted watch is never called again even
 * when its event was already fetched, and a stop from elsewhere is not lost.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmm/loop.h"

static struct loop loop;
static struct loop_watch watch[2];
static int calls;

static void delete_both(struct loop_watch *w, uint32_t events)
{
	calls++;
	loop_del(&loop, &watch[0]);
	loop_del(&loop, &watch[1]);
	loop_stop(&loop);
}

static void deleted_in_batch(void **state)
{
	assert_int_equal(loop_init(&loop), 0);
	calls = 0;
	for (int i = 0; i < 2; i++) {
		watch[i] = (struct loop_watch){
			.fd = eventfd(1, EFD_CLOEXEC), .events = EPOLLIN, .fn = delete_both};
		assert_int_equal(loop_add(&loop, &watch[i]), 0);
	}
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(calls, 1);
	close(watch[0].fd);
	close(watch[1].fd);
	loop_fini(&loop);
}

static void count(struct loop_watch *w, uint32_t events)
{
	if (++calls == 5)
		loop_mod(&loop, w, 0);
	if (calls == 5)
		loop_stop(&loop);
}

static void level_triggered(void **state)
{
	assert_int_equal(loop_init(&loop), 0);
	calls = 0;
	watch[0] =
		(struct loop_watch){.fd = eventfd(1, EFD_CLOEXEC), .events = EPOLLIN, .fn = count};
	assert_int_equal(loop_add(&loop, &watch[0]), 0);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(calls, 5);
	close(watch[0].fd);
	loop_fini(&loop);
}

static void *stopper(void *arg)
{
	usleep(10000);
	loop_stop(&loop);
	return NULL;
}

static void stop_from_thread(void **state)
{
	pthread_t t;

	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(pthread_create(&t, NULL, stopper, NULL), 0);
	assert_int_equal(loop_run(&loop), 0);
	pthread_join(t, NULL);
	loop_fini(&loop);

	/* A stop before the run counts too. */
	assert_int_equal(loop_init(&loop), 0);
	loop_stop(&loop);
	assert_int_equal(loop_run(&loop), 0);
	loop_fini(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deleted_in_batch),
		cmocka_unit_test(level_triggered),
		cmocka_unit_test(stop_from_thread),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
