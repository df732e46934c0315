/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pump copies bytes from one descriptor to another through one buffer and
 * never blocks: when the reader is slow it stops reading, so a slow consumer
 * slows its producer and nothing else.  It passes end of file on, and it closes
 * its input when the output is gone, so that the writer gets SIGPIPE.
 */
#ifndef RUND_GUEST_PUMP_H
#define RUND_GUEST_PUMP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define PUMP_BUF	65536 /* a pipe's capacity */

#define PUMP_OUT_SOCKET (1U << 0) /* at the end shut down writing, do not close */
#define PUMP_OUT_TTY	(1U << 1) /* at the end type the terminal's end-of-file character */

/**
 * struct pump - one direction of one stream
 * @in: descriptor read from, -1 when finished with
 * @out: descriptor written to, -1 when finished with
 * @flags: PUMP_*
 * @head: first byte of @buf that is not written yet
 * @tail: end of the bytes read
 * @last: the last byte that went through, for PUMP_OUT_TTY
 * @done: nothing will ever move again
 */
struct pump {
	int in, out;
	unsigned int flags;
	size_t head, tail;
	char last;
	bool done;
	char buf[PUMP_BUF];
};

/**
 * pump_init() - set a pump up; it owns both descriptors from here on
 * @p: the pump
 * @in: read from; a negative descriptor makes a pump that is done
 * @out: written to
 * @flags: PUMP_*
 *
 * Both are switched to O_NONBLOCK.
 *
 * Return: 0 or -errno, the descriptors closed.
 */
int pump_init(struct pump *p, int in, int out, unsigned int flags);

/**
 * pump_poll() - say what to wait for
 * @p: the pump
 * @pfd: two entries, filled
 */
void pump_poll(const struct pump *p, struct pollfd pfd[2]);

/**
 * pump_step() - move what can be moved
 * @p: the pump
 * @pfd: the entries of pump_poll() after poll(2)
 */
void pump_step(struct pump *p, const struct pollfd pfd[2]);

/**
 * pump_blocked() - true while it holds bytes that the reader has not taken
 */
bool pump_blocked(const struct pump *p);

/**
 * pump_stop() - end now, dropping what it holds
 */
void pump_stop(struct pump *p);

#endif
