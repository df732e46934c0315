// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/kallsyms and the formats of tracepoints.
 */
#include "tracesyms.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

/* "ffffffff81000000 T name", or that and "[module]" after a tab. */
static void take_line(const char *line, struct ra_ksym *syms, size_t n)
{
	char name[128], module[2];
	uint64_t addr;
	int fields = sscanf(line, "%" SCNx64 " %*c %127s %1s", &addr, name, module);

	if (fields != 2)
		return;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(syms[i].name, name))
			continue;
		syms[i].found = true;
		syms[i].addr = addr;
	}
}

int ra_ksyms_read(const char *path, struct ra_ksym *syms, size_t n)
{
	__cleanup_file FILE *f = fopen(path, "re");
	__cleanup_free char *line = NULL;
	size_t size = 0;

	if (!f)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		syms[i].found = false;
		syms[i].addr = 0;
	}
	errno = 0;
	while (getline(&line, &size, f) > 0)
		take_line(line, syms, n);
	return ferror(f) ? -errno : 0;
}

int ra_trace_field(const char *format, const char *field)
{
	size_t len = strlen(field);
	int offset;

	for (const char *p = format; (p = strstr(p, field)); p += len) {
		if (p == format || p[-1] != ' ')
			continue;
		if (sscanf(p + len, "; offset:%d;", &offset) == 1)
			return offset;
	}
	return -ENOENT;
}
