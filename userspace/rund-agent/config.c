// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CONFIG message: what the guest is to run, and a fresh seed for it.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "options.h"

/* hostname, working directory, user */
#define NR_LEADING 3

static size_t strings_len(const struct ra_opts *o)
{
	size_t n = strlen(o->hostname) + strlen(o->workdir) + strlen(o->user) + NR_LEADING;

	for (int i = 0; i < o->argc; i++)
		n += strlen(o->argv[i]) + 1;
	for (unsigned int i = 0; i < o->nr_env; i++)
		n += strlen(o->env[i]) + 1;
	return n;
}

static void put_strings(uint8_t *to, const struct ra_opts *o)
{
	char *p = (char *)to;

	p = stpcpy(p, o->hostname) + 1;
	p = stpcpy(p, o->workdir) + 1;
	p = stpcpy(p, o->user) + 1;
	for (int i = 0; i < o->argc; i++)
		p = stpcpy(p, o->argv[i]) + 1;
	for (unsigned int i = 0; i < o->nr_env; i++)
		p = stpcpy(p, o->env[i]) + 1;
}

static int fill_config(struct rund_config *c, const struct ra_opts *o,
		       const struct rund_winsize *ws, bool stdin_on, size_t strings)
{
	struct timespec now;

	memset(c, 0, sizeof(*c));
	c->version = RUND_PROTO_VERSION;
	c->flags = (o->tty ? RUND_CONFIG_TTY : 0) | (stdin_on ? RUND_CONFIG_STDIN : 0);
	if (getrandom(c->seed, sizeof(c->seed), 0) != sizeof(c->seed))
		return log_errno(-errno, "getrandom: %m");
	clock_gettime(CLOCK_REALTIME, &now);
	c->realtime_ns = now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
	c->winsize = *ws;
	c->nr_rlimits = o->nr_rlimits;
	memcpy(c->rlimit, o->rlimit, sizeof(c->rlimit));
	c->nr_args = o->argc;
	c->nr_env = o->nr_env;
	c->strings_len = strings;
	return 0;
}

int ra_config_check(const struct ra_opts *o)
{
	/* Each is bounded, by execve(2) and by --env: the sum cannot wrap. */
	unsigned int words = o->argc + o->nr_env + NR_LEADING;
	size_t bytes = strings_len(o), max = RUND_MSG_MAX_TO_GUEST - sizeof(struct rund_config);

	if (bytes <= max && words <= RUND_MAX_STRINGS)
		return 0;
	return log_errno(-E2BIG,
			 "command and environment have %zu bytes in %u words; at most %zu "
			 "bytes in %d words fit, so pass the rest on standard input",
			 bytes, words, max, RUND_MAX_STRINGS);
}

uint8_t *ra_config_payload(const struct ra_opts *o, const struct rund_winsize *ws, bool stdin_on,
			   size_t *len)
{
	size_t strings = strings_len(o);
	struct rund_config config;
	uint8_t *buf;

	if (ra_config_check(o) || fill_config(&config, o, ws, stdin_on, strings))
		return NULL;
	*len = sizeof(config) + strings;
	buf = malloc(*len);
	if (!buf) {
		log_err("out of memory");
		return NULL;
	}
	memcpy(buf, &config, sizeof(config));
	put_strings(buf + sizeof(config), o);
	return buf;
}
