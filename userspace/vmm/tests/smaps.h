/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What /proc/self/smaps says of a mapping.
 */
#ifndef RUND_VMM_TEST_SMAPS_H
#define RUND_VMM_TEST_SMAPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* VmFlags. */
#define DONT_DUMP  " dd"
#define HUGE_PAGES " hg"

/* A kernel without huge pages takes no hint. */
static inline bool knows_huge_pages(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage", F_OK);
}

/* Whether the flags of the mapping at @p have @flag, which begins with a space. */
static inline bool has_flag(const void *p, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, at = (unsigned long)p;
	bool here = false, has = false;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = at >= start && at < end;
		else if (here && !strncmp(line, "VmFlags:", 8))
			has = strstr(line, flag);
	}
	fclose(f);
	return has;
}

#endif
