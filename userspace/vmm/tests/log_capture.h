/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is logged between two calls.
 */
#ifndef RUND_VMM_TEST_LOG_CAPTURE_H
#define RUND_VMM_TEST_LOG_CAPTURE_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct log_capture {
	int fd, saved;
	char text[4096];
};

static inline void log_capture_start(struct log_capture *c)
{
	c->fd = memfd_create("log", MFD_CLOEXEC);
	c->saved = dup(STDERR_FILENO);
	dup2(c->fd, STDERR_FILENO);
}

static inline const char *log_capture_end(struct log_capture *c)
{
	ssize_t n = pread(c->fd, c->text, sizeof(c->text) - 1, 0);

	c->text[n < 0 ? 0 : n] = '\0';
	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->fd);
	return c->text;
}

#endif
