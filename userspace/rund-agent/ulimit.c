// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resource limits by name.
 */
#include "ulimit.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/log.h"
#include "options.h"

static const struct {
	const char *name;
	uint32_t resource;
} names[] = {
	{"as", RLIMIT_AS},
	{"core", RLIMIT_CORE},
	{"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},
	{"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE},
	{"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},
	{"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},
	{"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

_Static_assert(sizeof(names) / sizeof(names[0]) <= RUND_MAX_RLIMITS,
	       "CONFIG has room for every limit");

/* A number up to @stop, or "unlimited". */
static int parse_value(const char *s, char stop, uint64_t *v, const char **end)
{
	char *e;

	if (!strncmp(s, "unlimited", 9)) {
		*v = RLIM_INFINITY;
		*end = s + 9;
	} else {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		errno = 0;
		*v = strtoull(s, &e, 10);
		if (errno)
			return -EINVAL;
		*end = e;
	}
	return **end == '\0' || **end == stop ? 0 : -EINVAL;
}

static int parse_pair(const char *s, uint64_t *soft, uint64_t *hard)
{
	const char *end;

	if (parse_value(s, ':', soft, &end))
		return -EINVAL;
	*hard = *soft;
	if (*end && parse_value(end + 1, '\0', hard, &end))
		return -EINVAL;
	return *soft <= *hard ? 0 : -EINVAL;
}

static void store(struct ra_opts *o, const struct rund_rlimit *r)
{
	unsigned int i;

	for (i = 0; i < o->nr_rlimits; i++) {
		if (o->rlimit[i].resource == r->resource)
			break;
	}
	o->rlimit[i] = *r;
	if (i == o->nr_rlimits)
		o->nr_rlimits++;
}

int ra_ulimit_parse(struct ra_opts *o, const char *arg)
{
	const char *eq = strchr(arg, '=');

	for (size_t i = 0; eq && i < sizeof(names) / sizeof(names[0]); i++) {
		struct rund_rlimit r = {.resource = names[i].resource};

		if (strlen(names[i].name) != eq - arg || strncmp(arg, names[i].name, eq - arg))
			continue;
		if (parse_pair(eq + 1, &r.soft, &r.hard))
			break;
		store(o, &r);
		return 0;
	}
	return log_errno(-EINVAL,
			 "--ulimit %s: write NAME=SOFT[:HARD], for example nofile=1024:4096", arg);
}
