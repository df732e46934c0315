/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why the command could not be started: one record, filled by whoever first
 * sees the failure.  It is not logged there, because that may be the child,
 * whose stderr is the user's; main.c writes it to the console and to the host.
 */
#ifndef RUND_GUEST_FAULT_H
#define RUND_GUEST_FAULT_H

#include "rund/proto.h"

/* Exit statuses of a command that never ran, as docker and podman use them. */
#define EXIT_SETUP     125 /* the sandbox itself failed */
#define EXIT_NOT_EXEC  126 /* the command was found and cannot be executed */
#define EXIT_NOT_FOUND 127 /* there is no such command */

/**
 * fault() - record a failure, unless one is recorded already
 * @why: the record
 * @exit_code: EXIT_SETUP, EXIT_NOT_EXEC or EXIT_NOT_FOUND
 * @err: -errno; its text is appended, unless it is 0
 * @fmt: names the object and, where there is one, the remedy
 *
 * Return: @err, or -EPROTO when @err is 0; so that callers can return it.
 */
int fault(struct rund_error *why, uint32_t exit_code, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
