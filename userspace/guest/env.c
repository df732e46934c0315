// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every entry of a built environment is a copy, so that it has one owner.
 */
#include "env.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

static bool same_key(const char *entry, const char *key, size_t len)
{
	return !strncmp(entry, key, len) && entry[len] == '=';
}

const char *env_get(char *const envp[], const char *key)
{
	const char *value = NULL;
	size_t len = strlen(key);

	for (; *envp; envp++)
		if (same_key(*envp, key, len))
			value = *envp + len + 1;
	return value;
}

/* Is the variable of this entry set again further on? */
static bool overridden(char *const *entry)
{
	size_t len = strcspn(*entry, "=");

	for (char *const *e = entry + 1; *e; e++)
		if (same_key(*e, *entry, len))
			return true;
	return false;
}

char **env_build(char *const asked[], const char *home, const char *hostname, const char *term)
{
	const struct {
		const char *key, *value;
	} defaults[] = {
		{"PATH", PATH_DEFAULT},
		{"HOME", home},
		{"HOSTNAME", hostname},
		{"TERM", term},
	};
	size_t nr_defaults = sizeof(defaults) / sizeof(defaults[0]);
	size_t nr = 0, n = 0;
	char **env;

	while (asked[nr])
		nr++;
	env = calloc(nr + nr_defaults + 1, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < nr_defaults; i++) {
		if (!defaults[i].value || env_get(asked, defaults[i].key))
			continue;
		if (asprintf(&env[n], "%s=%s", defaults[i].key, defaults[i].value) < 0)
			goto fail;
		n++;
	}
	for (size_t i = 0; i < nr; i++) {
		if (overridden(&asked[i]))
			continue;
		env[n] = strdup(asked[i]);
		if (!env[n])
			goto fail;
		n++;
	}
	return env;
fail:
	env[n] = NULL;
	env_free(env);
	return NULL;
}

void env_free(char **env)
{
	for (char **e = env; env && *e; e++)
		free(*e);
	free(env);
}
