/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pump moves a byte stream from one descriptor to another, or into a log,
 * through a bounded buffer.  It reads only when it has room and writes only when
 * poll() says so, so a slow reader slows the writer down and nobody is blocked.
 * End of stream is passed on as a half close.
 */
#ifndef RUND_AGENT_PUMP_H
#define RUND_AGENT_PUMP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "logfile.h"

#define RA_PUMP_BUF 65536

struct ra_pump {
	int in, out; /* owned; -1: not connected yet, or over */
	bool in_sock, out_sock;
	bool slow_out;	    /* out may block: write at most PIPE_BUF at a time */
	bool eof;	    /* in has ended */
	bool done;	    /* and everything was passed on, or cannot be */
	bool broken;	    /* the reader went away before the end */
	struct ra_log *log; /* instead of out */
	size_t start, len;  /* of the bytes in buf */
	char *buf;
};

#define RA_PUMP_INIT                \
	{                           \
		.in = -1, .out = -1 \
	}

/**
 * ra_pump_init() - an idle pump
 * Return: 0 or -ENOMEM; reported.
 */
int ra_pump_init(struct ra_pump *p);

/**
 * ra_pump_set_in() - give it its source; the pump owns @fd from now on
 */
void ra_pump_set_in(struct ra_pump *p, int fd);

/**
 * ra_pump_set_out() - give it its destination; the pump owns @fd from now on
 */
void ra_pump_set_out(struct ra_pump *p, int fd);

/**
 * ra_pump_poll() - what to wait for
 * @pfd: [0] is filled in for the source, [1] for the destination; fd is -1 when
 *	there is nothing to wait for
 */
void ra_pump_poll(const struct ra_pump *p, struct pollfd pfd[2]);

/**
 * ra_pump_run() - move what can be moved now
 * @pfd: as filled in by ra_pump_poll() and answered by poll()
 *
 * Return: whether anything was moved or changed.
 */
bool ra_pump_run(struct ra_pump *p, const struct pollfd pfd[2]);

/**
 * ra_pump_stop() - end the stream on both sides, whatever is in the buffer
 */
void ra_pump_stop(struct ra_pump *p);

/**
 * ra_pump_free() - stop it and release the buffer
 */
void ra_pump_free(struct ra_pump *p);

/**
 * ra_stdio_take() - a descriptor of our own for an inherited standard stream
 * @fd: 0, 1 or 2
 * @flags: O_RDONLY or O_WRONLY
 *
 * Non-blocking where that does not change the stream for others that share it:
 * pipes and terminals are opened anew, the rest is duplicated.
 *
 * Return: a close-on-exec descriptor, or -errno; unreported.
 */
int ra_stdio_take(int fd, int flags);

#endif
