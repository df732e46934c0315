// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signal names.
 */
#include "signame.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

int ra_signal_number(const char *text)
{
	const char *name = strncasecmp(text, "SIG", 3) ? text : text + 3;
	char *end;
	long n;

	if (*text >= '0' && *text <= '9') {
		n = strtol(text, &end, 10);
		return !*end && n >= 1 && n <= 64 ? n : -EINVAL;
	}
	for (int i = 1; i < NSIG; i++) {
		const char *abbrev = sigabbrev_np(i);

		if (abbrev && !strcasecmp(name, abbrev))
			return i;
	}
	return -EINVAL;
}
