/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The subcommands of rund-agent.  A subcommand is one file with one entry here
 * and one line in main.c's table.
 */
#ifndef RUND_AGENT_CMD_H
#define RUND_AGENT_CMD_H

/* Exit statuses of the agent itself, as docker and podman use them. */
#define RA_EXIT_FAILURE	 125 /* the agent, the VMM or the guest failed */
#define RA_EXIT_NOEXEC	 126 /* the command cannot be executed */
#define RA_EXIT_NOTFOUND 127 /* the command does not exist */

struct option;

/**
 * struct ra_cmd - one subcommand
 * @name: the word after "rund-agent"
 * @args: its synopsis
 * @summary: one line for the overview
 * @help: the text of `rund-agent NAME --help` below the synopsis
 * @run: gets argv[0] = @name; returns the exit status
 */
struct ra_cmd {
	const char *name;
	const char *args;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct ra_cmd ra_cmd_launch;
extern const struct ra_cmd ra_cmd_ps;
extern const struct ra_cmd ra_cmd_kill;
extern const struct ra_cmd ra_cmd_rm;
extern const struct ra_cmd ra_cmd_logs;
extern const struct ra_cmd ra_cmd_pool;
extern const struct ra_cmd ra_cmd_check;
extern const struct ra_cmd ra_cmd_trace;

/**
 * ra_cmd_help() - print a subcommand's synopsis and help to standard output
 */
void ra_cmd_help(const struct ra_cmd *cmd);

/**
 * ra_cmd_getopt() - getopt_long() for options that all subcommands treat alike
 * @cmd: the subcommand
 * @shorts: short options as getopt(3) takes them, beginning with "+:"
 * @long_options: its options; that of the help has the value RA_OPT_HELP
 *
 * Reports an unknown option or a missing value; prints the help when asked.
 *
 * Return: the option, -1 at the end, RA_OPT_HELP when the help was printed, or
 * '?' when the error was reported.
 */
int ra_cmd_getopt(const struct ra_cmd *cmd, int argc, char **argv, const char *shorts,
		  const struct option *long_options);

#define RA_OPT_HELP 'h'

#endif
