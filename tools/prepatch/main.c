// SPDX-License-Identifier: GPL-2.0-only
/*
 * rund-prepatch: makes, explains and verifies kernels that have nothing left to
 * rewrite at boot.  This file picks the subcommand; each is a file of its own.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "lib/log.h"

/* In the order of the overview. */
static const struct pp_cmd *const cmds[] = {
	&pp_cmd_build,
	&pp_cmd_report,
	&pp_cmd_verify,
	&pp_cmd_info,
};

#define NR_CMDS (sizeof(cmds) / sizeof(cmds[0]))

static void overview(FILE *out)
{
	fprintf(out, "usage: rund-prepatch COMMAND [OPTION]... [ARG]...\n\n"
		     "Guest kernels whose text is final before they boot.\n\n");
	for (size_t i = 0; i < NR_CMDS; i++)
		fprintf(out, "  %-8s %s\n", cmds[i]->name, cmds[i]->summary);
	fprintf(out, "\n`rund-prepatch COMMAND --help` explains a command; "
		     "`rund-prepatch --version` prints the version.\n");
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		overview(stderr);
		return PP_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("rund-prepatch %s\n", RUND_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		overview(stdout);
		return 0;
	}
	for (size_t i = 0; i < NR_CMDS; i++) {
		if (!strcmp(argv[1], cmds[i]->name))
			return cmds[i]->run(argc - 1, argv + 1);
	}
	log_err("%s: no such command; see rund-prepatch --help", argv[1]);
	return PP_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	log_init("rund-prepatch", LOG_LEVEL_INFO);
	status = run(argc, argv);
	/* Whoever reads an answer must be able to tell that it is not whole. */
	if (fflush(stdout) || ferror(stdout)) {
		log_err("standard output: %m");
		status = status ?: PP_EXIT_FAILURE;
	}
	return status;
}
