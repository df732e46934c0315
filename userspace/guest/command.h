/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command's process: its standard streams, its credentials, limits and
 * environment, and the report of an exec that failed.
 */
#ifndef RUND_GUEST_COMMAND_H
#define RUND_GUEST_COMMAND_H

#include <sys/types.h>

#include "account.h"
#include "config.h"
#include "fault.h"

/**
 * struct command - one command; every descriptor is -1 when there is none
 * @pid: its process, 0 before command_spawn()
 * @report: end of file here means exec succeeded, else a struct rund_error
 * @to_stdin: write end of its standard input
 * @from_stdout: read end of its standard output (or of its terminal)
 * @from_stderr: read end of its standard error
 * @master: its terminal, with RUND_CONFIG_TTY
 * @child: what becomes its descriptors 0, 1 and 2
 */
struct command {
	pid_t pid;
	int report;
	int to_stdin;
	int from_stdout;
	int from_stderr;
	int master;
	int child[3];
};

/**
 * command_init() - no process, no descriptor
 */
void command_init(struct command *c);

/**
 * command_stdio() - make the command's standard streams
 * @c: initialised
 * @cfg: says whether it gets a terminal and a standard input
 * @a: owner of the streams, so that the command can reopen /dev/stdout
 * @why: receives the reason of a failure
 *
 * Return: 0 or -errno; command_close() undoes it either way.
 */
int command_stdio(struct command *c, const struct config *cfg, const struct account *a,
		  struct rund_error *why);

/**
 * command_spawn() - start the command
 * @c: set up by command_stdio()
 * @cfg: command, environment, directory, limits
 * @a: its credentials
 * @why: receives the reason of a failure
 *
 * Returns before the command is exec'ed: @c->report tells.
 *
 * Return: 0 or -errno.
 */
int command_spawn(struct command *c, const struct config *cfg, const struct account *a,
		  struct rund_error *why);

/**
 * command_close() - close every descriptor that is still open
 */
void command_close(struct command *c);

#endif
