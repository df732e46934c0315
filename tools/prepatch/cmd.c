// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all subcommands share: how help and usage errors look.
 */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"

static void help(const struct pp_cmd *cmd)
{
	printf("usage: rund-prepatch %s %s\n\n%s.\n", cmd->name, cmd->args, cmd->summary);
	if (cmd->help)
		printf("\n%s", cmd->help);
}

int pp_cmd_getopt(const struct pp_cmd *cmd, int argc, char **argv,
		  const struct option *long_options)
{
	int opt;

	opterr = 0; /* the message is ours: one line, with a remedy */
	opt = getopt_long(argc, argv, cmd->shorts ?: ":h", long_options, NULL);
	if (opt == PP_OPT_HELP)
		help(cmd);
	if (opt == ':')
		log_err("%s: needs a value; see rund-prepatch %s --help", argv[optind - 1],
			cmd->name);
	if (opt == '?')
		log_err("%s: unknown option; see rund-prepatch %s --help", argv[optind - 1],
			cmd->name);
	return opt == ':' ? '?' : opt;
}

int pp_parse_seconds(const char *text, unsigned int *seconds)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || *end || v < 1 || v > INT_MAX)
		return log_errno(-EINVAL, "--timeout %s: give a number of seconds", text);
	*seconds = v;
	return 0;
}
