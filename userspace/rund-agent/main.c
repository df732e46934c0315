// SPDX-License-Identifier: GPL-2.0-only
/*
 * rund-agent: starts, lists and ends secure containers.  This file picks the
 * subcommand; each of them is a file of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/log.h"
#include "title.h"

/* In the order of the overview. */
static const struct ra_cmd *const cmds[] = {
	&ra_cmd_launch, &ra_cmd_ps,   &ra_cmd_kill,  &ra_cmd_rm,
	&ra_cmd_logs,	&ra_cmd_pool, &ra_cmd_check, &ra_cmd_trace,
};

#define NR_CMDS (sizeof(cmds) / sizeof(cmds[0]))

static int overview(FILE *out)
{
	fprintf(out, "usage: rund-agent COMMAND [OPTION]... [ARG]...\n\n"
		     "Run containers, each in a microVM of its own.\n\n");
	for (size_t i = 0; i < NR_CMDS; i++)
		fprintf(out, "  %-8s %s\n", cmds[i]->name, cmds[i]->summary);
	fprintf(out, "\n`rund-agent COMMAND --help` explains a command; "
		     "`rund-agent --version` prints the version.\n");
	return 0;
}

/* Files opened later must not land on 0 to 2, where they would be written to. */
static int open_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", fd ? O_WRONLY : O_RDONLY) != fd)
			return -1;
	}
	return 0;
}

/* Whoever reads an answer must be able to tell that it is not whole. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	log_err("standard output: %m");
	return status ? status : RA_EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	if (open_standard_fds())
		return RA_EXIT_FAILURE;
	log_init("rund-agent", LOG_LEVEL_INFO);
	ra_title_init(argc, argv);
	if (argc < 2) {
		overview(stderr);
		return RA_EXIT_FAILURE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("rund-agent %s\n", RUND_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return overview(stdout);
	for (size_t i = 0; i < NR_CMDS; i++) {
		if (!strcmp(argv[1], cmds[i]->name))
			return finish(cmds[i]->run(argc - 1, argv + 1));
	}
	log_err("%s: no such command; see rund-agent --help", argv[1]);
	return RA_EXIT_FAILURE;
}
