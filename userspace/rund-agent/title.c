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

extern char **environ;

/* Put copies in the place of strings that lie one after the other from @end on. */
static char *move_away(char **strings, char *end)
{
	for (; *strings && *strings == end; strings++) {
		char *copy = strdup(*strings);

		if (!copy)
			break;
		end += strlen(*strings) + 1;
		/* It lives as long as the process: argv and environ are used until its end. */
		*strings = copy;
	}
	return end;
}

void ra_title_init(int argc, char **argv)
{
	char *end;

	if (!argc)
		return;
	area = argv[0];
	end = move_away(argv + 1, argv[0] + strlen(argv[0]) + 1);
	/* The environment follows the arguments, if all of those could be moved. */
	if (argc == 1 || argv[argc - 1] < area || argv[argc - 1] >= end)
		end = move_away(environ, end);
	area_len = end - area;
}

void ra_title_set(const char *what)
{
	prctl(PR_SET_NAME, "rund-monitor");
	if (!area)
		return;
	memset(area, 0, area_len);
	snprintf(area, area_len, "rund-agent: %s", what);
}
