// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-agent logs`: what a detached sandbox's command, or a guest's console,
 * has written.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "logfile.h"
#include "name.h"
#include "rundir.h"
#include "sweep.h"

static int dump(const char *name, bool console)
{
	__cleanup_fd int base = ra_rundir_open(false);
	__cleanup_fd int dir = -1;
	int ret;

	if (base >= 0 && !ra_name_check(name))
		dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return log_errno(-ENOENT, "sandbox %s: no such sandbox; see rund-agent ps", name);
	ret = ra_log_dump(dir, console ? "console" : "log", STDOUT_FILENO);
	if (ret == -ENOENT)
		return log_errno(ret,
				 "sandbox %s: its output goes to whoever launched it; only "
				 "--console is kept here",
				 name);
	if (ret && ret != -EPIPE)
		log_err("sandbox %s: %s", name, strerror(-ret));
	return ret;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"console", no_argument, NULL, 'c'},
		{"help", no_argument, NULL, RA_OPT_HELP},
		{},
	};
	bool console = false;
	int opt;

	while ((opt = ra_cmd_getopt(&ra_cmd_logs, argc, argv, "+:", options)) != -1) {
		if (opt == RA_OPT_HELP)
			return 0;
		if (opt != 'c')
			return RA_EXIT_FAILURE;
		console = true;
	}
	if (optind + 1 != argc) {
		log_err("one sandbox must be named; see rund-agent logs --help");
		return RA_EXIT_FAILURE;
	}
	ra_sweep();
	return dump(argv[optind], console) ? 1 : 0;
}

const struct ra_cmd ra_cmd_logs = {
	.name = "logs",
	.args = "[--console] NAME",
	.summary = "Print the output of a detached sandbox",
	.help = "  --console  the guest kernel's messages and the VMM's, of any sandbox\n"
		"\n"
		"At least the last 8 MiB of output are kept, at most 16 MiB; what was dropped\n"
		"before is counted in a first line.\n",
	.run = run,
};
