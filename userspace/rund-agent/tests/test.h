/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every unit test of the agent includes.
 */
#ifndef RUND_AGENT_TEST_H
#define RUND_AGENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NR(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Errors that a test provokes would only confuse who reads its output. */
static inline int mute_stderr(void)
{
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	dup2(null, STDERR_FILENO);
	close(null);
	return saved;
}

static inline void unmute_stderr(int saved)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
}

/* A directory of our own, and its removal with what a flat one holds. */
static inline void make_dir(char *path, size_t len)
{
	snprintf(path, len, "%s/rund-test.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(path));
}

static inline void remove_tree(const char *path)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", path);
	assert_int_equal(system(cmd), 0);
}

/* Deterministic: a failure can be repeated. */
static inline uint32_t rnd(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

#endif
