/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making allocations of the kernel fail: those of this thread by fail-nth, those of
 * whatever thread calls a function by lwcg_fault.ko (kmod/lwcg_fault.c).
 */
#ifndef LWCG_FAULT_H
#define LWCG_FAULT_H

#include "lwcg_test.h"

/* The more there are, the more an operation allocates; a bound against bugs. */
#define MAX_NTH	    2000

#define FAULT_PARAM "/sys/module/lwcg_fault/parameters/"

static int fail_nth_fd = -1;

/* Make the nth allocation of this thread from now on fail; 0 for none. */
static inline int fail_nth(int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	return pwrite(fail_nth_fd, text, len, 0) == len ? 0 : -errno;
}

/* Was there an allocation to fail?  Disarms it in any case. */
static inline bool fail_nth_hit(void)
{
	char text[16] = "";

	if (pread(fail_nth_fd, text, sizeof(text) - 1, 0) <= 0)
		return false;
	fail_nth(0);
	return atoi(text) == 0;
}

static inline int fault_setup(void)
{
	static const char dir[] = "/sys/kernel/debug/failslab";

	if (access(dir, F_OK))
		mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (access(dir, F_OK))
		return ktap_skip("the kernel has no CONFIG_FAILSLAB");
	write_at(AT_FDCWD, "/sys/kernel/debug/failslab/verbose", "0");
	if (write_at(AT_FDCWD, "/sys/kernel/debug/failslab/ignore-gfp-wait", "N"))
		return ktap_skip("cannot configure %s", dir);
	if (fail_nth_fd < 0)
		fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth_fd < 0)
		return ktap_skip("no /proc/thread-self/fail-nth");
	/* with it per-CPU allocations count as well */
	if (access(FAULT_PARAM "nth", F_OK))
		(void)!test_module_load("lwcg_fault");
	return 0;
}

/* For those of other threads. */
static inline int fault_setup_function(void)
{
	int skip = fault_setup();

	if (skip || !access(FAULT_PARAM "nth", F_OK))
		return skip;
	ktap_skip("no lwcg_fault.ko in test/ next to RUND_MODULE");
	/* the lab has one for each kernel with fault injection */
	return getenv("RUND_LAB") ? KTAP_FAIL : KTAP_SKIP;
}

/* From now on, allocations of this function of the kernel are meant; 0 or -errno. */
static inline int fault_function(const char *name)
{
	return write_at(AT_FDCWD, FAULT_PARAM "function", name);
}

/* The nth allocation of the function fails, the next time that it allocates anything. */
static inline int fault_arm(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	return write_at(AT_FDCWD, FAULT_PARAM "nth", text);
}

/* What has become of it: *a*rmed, *b*usy, *f*ailed, *p*assed without a failure. */
static inline char fault_result(void)
{
	return *read_at(AT_FDCWD, FAULT_PARAM "result");
}

static inline bool fault_is_over(void)
{
	char c = fault_result();

	return c == 'f' || c == 'p';
}

#endif
