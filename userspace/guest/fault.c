// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first failure wins: what follows from it would only hide the cause.
 */
#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault(struct rund_error *why, uint32_t exit_code, int err, const char *fmt, ...)
{
	int ret = err ? err : -EPROTO;
	size_t used;
	va_list ap;

	if (why->exit_code)
		return ret;
	why->exit_code = exit_code;
	why->err = -err;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	used = strlen(why->text);
	if (err)
		snprintf(why->text + used, sizeof(why->text) - used, ": %s", strerror(-err));
	return ret;
}
