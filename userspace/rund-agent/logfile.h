/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Output of a guest kept on the host, in at most a fixed number of bytes: the
 * newest survive, and what was dropped is counted and said.
 *
 * NAME holds the newest half, NAME.1 the half before, NAME.dropped the number of
 * bytes that were before that, in decimal.
 */
#ifndef RUND_AGENT_LOGFILE_H
#define RUND_AGENT_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

#define RA_LOG_MAX     (16U << 20) /* the command's output */
#define RA_CONSOLE_MAX (1U << 20)  /* the guest kernel's */

struct ra_log {
	int dir; /* borrowed */
	int fd;	 /* NAME, or -1 */
	char name[16];
	size_t half;	  /* bytes after which the halves change over */
	size_t len;	  /* of NAME */
	size_t old_len;	  /* of NAME.1 */
	uint64_t dropped; /* before NAME.1 */
};

#define RA_LOG_INIT      \
	{                \
		.fd = -1 \
	}

/**
 * ra_log_open() - begin a log
 * @log: receives it
 * @dir: directory; must stay open as long as the log
 * @name: file name, up to 15 characters
 * @max: bytes kept
 *
 * Return: 0 or -errno; reported.
 */
int ra_log_open(struct ra_log *log, int dir, const char *name, size_t max);

/**
 * ra_log_write() - append
 *
 * What cannot be written (no space) is counted as dropped: the guest is not
 * stopped by it.
 */
void ra_log_write(struct ra_log *log, const void *buf, size_t len);

/**
 * ra_log_tail() - the last bytes
 * Return: how many were put into @buf, without a terminating NUL.
 */
size_t ra_log_tail(const struct ra_log *log, char *buf, size_t len);

/**
 * ra_log_close() - end the log; the files stay
 */
void ra_log_close(struct ra_log *log);

/**
 * ra_log_dump() - write a log to a descriptor, oldest first
 * @dir: directory
 * @name: as in ra_log_open()
 * @out: where to
 *
 * Return: 0, -ENOENT when there is no such log, or -errno; unreported.
 */
int ra_log_dump(int dir, const char *name, int out);

#endif
