// SPDX-License-Identifier: GPL-2.0-only
/*
 * Process titles: the kernel shows the memory it put the arguments into, so
 * that memory is overwritten.
 */
#include "title.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static char *area;
static size_t area_len;

void ra_title_init(int argc, char **argv)
{
	char *end;

	if (!argc)
		return;
	end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	/* The copies live as long as the process: argv is used until its end. */
	for (int i = 1; i < argc; i++) {
		char *copy = strdup(argv[i]);

		if (!copy)
			return;
		argv[i] = copy;
	}
	area = argv[0];
	area_len = end - argv[0];
}

void ra_title_set(const char *what)
{
	prctl(PR_SET_NAME, "rund-monitor");
	if (!area)
		return;
	memset(area, 0, area_len);
	snprintf(area, area_len, "rund-agent: %s", what);
}
