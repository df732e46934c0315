// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all subcommands share: how help and usage errors look.
 */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "lib/log.h"

void ra_cmd_help(const struct ra_cmd *cmd)
{
	printf("usage: rund-agent %s %s\n\n%s.\n", cmd->name, cmd->args, cmd->summary);
	if (cmd->help)
		printf("\n%s", cmd->help);
}

int ra_cmd_getopt(const struct ra_cmd *cmd, int argc, char **argv, const char *shorts,
		  const struct option *long_options)
{
	int opt;

	opterr = 0; /* the message is ours: one line, with a remedy */
	opt = getopt_long(argc, argv, shorts, long_options, NULL);
	if (opt == RA_OPT_HELP)
		ra_cmd_help(cmd);
	if (opt == ':')
		log_err("%s: needs a value; see rund-agent %s --help", argv[optind - 1], cmd->name);
	if (opt == '?')
		log_err("%s: unknown option; see rund-agent %s --help", argv[optind - 1],
			cmd->name);
	return opt == ':' ? '?' : opt;
}
