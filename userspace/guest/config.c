// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decoding CONFIG.  The message comes from the host, which owns the guest
 * anyway; it is checked as if it were hostile so that a garbled one ends in an
 * error that says so, never in a command with someone else's arguments.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* hostname, working directory, user */
#define NR_LEADING 3

static const char *check_fixed(const struct rund_config *f, size_t len)
{
	if (f->version != RUND_PROTO_VERSION)
		return "protocol version is not ours";
	if (f->flags & ~(RUND_CONFIG_TTY | RUND_CONFIG_STDIN))
		return "unknown flags";
	if (f->nr_rlimits > RUND_MAX_RLIMITS)
		return "too many rlimits";
	if (!f->nr_args)
		return "no command";
	/* Each is checked alone first, so the sum cannot wrap. */
	if (f->nr_args > RUND_MAX_STRINGS || f->nr_env > RUND_MAX_STRINGS ||
	    f->nr_args + f->nr_env + NR_LEADING > RUND_MAX_STRINGS)
		return "too many strings";
	if (f->strings_len != len - sizeof(*f))
		return "string table length does not match the message";
	return NULL;
}

/* Take the next string of the table at *pos; NULL when it has no NUL before the end. */
static char *next_string(char *table, size_t len, size_t *pos)
{
	char *s = table + *pos;
	char *nul = memchr(s, '\0', len - *pos);

	if (!nul)
		return NULL;
	*pos += nul - s + 1;
	return s;
}

static char **string_vector(char *table, size_t len, size_t *pos, uint32_t nr)
{
	char **v = calloc(nr + 1, sizeof(*v));

	for (uint32_t i = 0; v && i < nr; i++) {
		v[i] = next_string(table, len, pos);
		if (!v[i]) {
			free(v);
			errno = EPROTO;
			return NULL;
		}
	}
	return v;
}

static const char *check_strings(const struct config *c)
{
	if (strlen(c->hostname) > HOST_NAME_MAX)
		return "hostname is too long";
	if (strlen(c->cwd) >= PATH_MAX)
		return "working directory is too long";
	if (*c->cwd && *c->cwd != '/')
		return "working directory is not absolute";
	for (char **e = c->envp; *e; e++)
		if (**e == '=' || !strchr(*e, '='))
			return "environment entry is not KEY=VALUE";
	return NULL;
}

static int decode_strings(struct config *c, const char **what)
{
	char **lead[NR_LEADING] = {&c->hostname, &c->cwd, &c->user};
	size_t len = c->fixed.strings_len;
	size_t pos = 0;

	*what = "string table ends early";
	for (int i = 0; i < NR_LEADING; i++) {
		*lead[i] = next_string(c->strings, len, &pos);
		if (!*lead[i])
			return -EPROTO;
	}
	c->argv = string_vector(c->strings, len, &pos, c->fixed.nr_args);
	if (!c->argv)
		return -errno;
	c->envp = string_vector(c->strings, len, &pos, c->fixed.nr_env);
	if (!c->envp)
		return -errno;
	*what = "string table is longer than its strings";
	if (pos != len)
		return -EPROTO;
	*what = check_strings(c);
	return *what ? -EPROTO : 0;
}

int config_decode(struct config *c, const void *payload, size_t len, const char **what)
{
	size_t table;
	int ret;

	memset(c, 0, sizeof(*c));
	*what = "message is shorter than its fixed part";
	if (len < sizeof(c->fixed))
		return -EPROTO;
	if (len > RUND_MSG_MAX_TO_GUEST) {
		*what = "message is too long";
		return -EPROTO;
	}
	memcpy(&c->fixed, payload, sizeof(c->fixed));
	*what = check_fixed(&c->fixed, len);
	if (*what)
		return -EPROTO;
	table = c->fixed.strings_len;
	*what = "out of memory";
	/* One byte more, so that an empty table is still an object of its own. */
	c->strings = malloc(table + 1);
	if (!c->strings)
		return -ENOMEM;
	memcpy(c->strings, (const char *)payload + sizeof(c->fixed), table);
	ret = decode_strings(c, what);
	if (ret)
		config_free(c);
	return ret;
}

void config_free(struct config *c)
{
	free(c->argv);
	free(c->envp);
	free(c->strings);
	memset(c, 0, sizeof(*c));
}
