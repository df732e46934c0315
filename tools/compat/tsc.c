// SPDX-License-Identifier: GPL-2.0-only
/*
 * How fast the time-stamp counter of this machine is, in kHz: QEMU's emulated one is the
 * same, and a guest without ACPI cannot tell by itself when the machine is busy.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define MEASURE_MS 500

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	long long start = now_ns(), end = start;
	unsigned long long tsc = __rdtsc();

	while (end - start < MEASURE_MS * 1000000LL)
		end = now_ns();
	printf("%llu\n", (__rdtsc() - tsc) * 1000000 / (end - start));
	return 0;
}
