/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The subcommands of rund-prepatch.  A subcommand is one file with one entry
 * here and one line in main.c's table.
 */
#ifndef RUND_PREPATCH_CMD_H
#define RUND_PREPATCH_CMD_H

#define PP_EXIT_FAILURE 1 /* a file is refused, or what it holds is not as it must be */
#define PP_EXIT_USAGE	2

#define PP_OPT_HELP	'h'

struct option;

/**
 * struct pp_cmd - one subcommand
 * @name: the word after "rund-prepatch"
 * @args: its synopsis
 * @summary: one line for the overview, without a full stop
 * @help: the text of `rund-prepatch NAME --help` below the synopsis
 * @shorts: its one-letter options, as for getopt(3); NULL: only -h
 * @run: gets argv[0] = @name; returns the exit status
 */
struct pp_cmd {
	const char *name;
	const char *args;
	const char *summary;
	const char *help;
	const char *shorts;
	int (*run)(int argc, char **argv);
};

extern const struct pp_cmd pp_cmd_build, pp_cmd_report, pp_cmd_verify, pp_cmd_info;

/**
 * pp_cmd_getopt() - getopt_long() for options that all subcommands treat alike
 * @cmd: the subcommand
 * @long_options: its options; that of the help has the value PP_OPT_HELP
 *
 * Reports an unknown option or a missing value; prints the help when asked.
 *
 * Return: the option, -1 at the end, PP_OPT_HELP when the help was printed, or
 * '?' when the error was reported.
 */
int pp_cmd_getopt(const struct pp_cmd *cmd, int argc, char **argv,
		  const struct option *long_options);

/* A number of seconds, at least one. 0 or -EINVAL; logs. */
int pp_parse_seconds(const char *text, unsigned int *seconds);

#endif
