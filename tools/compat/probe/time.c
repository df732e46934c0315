// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clocks, by number: whether each can be read, slept on, and have timers, and the resolution,
 * which is 1 ns only with high-resolution timers.
 */
#include "probe.h"
#include <sys/timex.h>
#include <time.h>

static int adjust_time(long a, long b)
{
	struct timex tx = {0};

	return err(adjtimex(&tx));
}

static int resolution(long clock, long unused)
{
	struct timespec ts;

	if (syscall(SYS_clock_getres, clock, &ts))
		return -errno;
	say("%lld ns", ts.tv_sec * 1000000000LL + ts.tv_nsec);
	return 0;
}

static int timer(long clock, long unused)
{
	static struct sigevent ev = {.sigev_notify = SIGEV_NONE};

	return err(syscall(SYS_timer_create, clock, &ev, longs));
}

void probe_time(enum pass pass)
{
	int i;

	if (pass == TESTS)
		probe("time/adjtimex", adjust_time, 0, 0);
	if (pass != LAST)
		return;
	for (i = 0; i <= 11; i++) {
		CALL(fmt("time/clock_gettime-%d", i), 0, SYS_clock_gettime, i, P(longs));
		probe(fmt("time/clock_getres-%d", i), resolution, i, 0);
		CALL(fmt("time/clock_nanosleep-%d", i), 0, SYS_clock_nanosleep, i, 0, P(longs), 0);
		CALL(fmt("time/timerfd-%d", i), 0, SYS_timerfd_create, i, 0);
		probe(fmt("time/timer-%d", i), timer, i, 0);
	}
}
