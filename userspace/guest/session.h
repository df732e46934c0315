/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One run of the command, from its standard streams to its exit status: a
 * single poll loop that moves bytes, delivers signals and window sizes, reaps
 * every orphan of the guest, and ends when the command has ended and its output
 * has been handed on.
 */
#ifndef RUND_GUEST_SESSION_H
#define RUND_GUEST_SESSION_H

#include "command.h"
#include "config.h"
#include "fault.h"
#include "link.h"
#include "pump.h"

/**
 * struct session_ops - what a session needs from the machine it runs on
 * @open_stream: connect to a RUND_PORT_* of the host; a descriptor or -errno
 * @kill_rest: kill every process but the caller
 * @tty_ready: the command's terminal exists at this path; may be NULL
 */
struct session_ops {
	int (*open_stream)(void *ctx, unsigned int port);
	void (*kill_rest)(void *ctx);
	int (*tty_ready)(void *ctx, const char *path);
};

/**
 * struct session - state of the run
 * @cfg: what to run
 * @account: as whom
 * @link: control connection
 * @ops: environment
 * @ctx: passed to @ops
 * @cmd: the command's process
 * @in: host to stdin
 * @out: stdout to host
 * @err: stderr to host
 * @sigfd: tells of SIGCHLD
 * @started: exec has succeeded
 * @reaped: the command has ended
 * @status: its wait status
 */
struct session {
	const struct config *cfg;
	const struct account *account;
	struct link *link;
	const struct session_ops *ops;
	void *ctx;
	struct command cmd;
	struct pump in, out, err;
	int sigfd;
	bool started, reaped;
	int status;
};

/**
 * session_init() - make a session that session_close() can close
 */
void session_init(struct session *s);

/**
 * session_run() - run the command to its end
 * @s: initialised; @cfg, @account, @link, @ops and @ctx are set
 * @result: code, signal, t_exec and t_exit are filled
 * @why: receives the reason when the command could not be started
 *
 * The sockets of stdout and stderr stay open, shut down for writing, so that
 * the host decides when it has seen everything: session_close() closes them.
 *
 * Return: 0 when the command ran; -errno with @why filled when it did not;
 * -errno with @why empty when the host is gone.
 */
int session_run(struct session *s, struct rund_exit *result, struct rund_error *why);

/**
 * session_close() - release what session_run() left open
 */
void session_close(struct session *s);

#endif
