// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-agent kill`: send a signal to a sandbox's command.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "ctl.h"
#include "lib/log.h"
#include "name.h"
#include "signame.h"
#include "sweep.h"

static int kill_one(const char *name, int signo)
{
	struct json_object *req = json_object_new_object();
	char err[128];
	int ret;

	json_object_object_add(req, "cmd", json_object_new_string("kill"));
	json_object_object_add(req, "signal", json_object_new_int(signo));
	ret = ra_name_check(name) ? -ENOENT : ra_ctl_call(name, req, err, sizeof(err));
	switch (ret) {
	case 0:
		return 0;
	case -ENOENT:
	case -ECONNREFUSED:
		return log_errno(ret, "sandbox %s: not running; see rund-agent ps", name);
	case -EREMOTEIO:
		return log_errno(ret, "sandbox %s: %s", name, err);
	default:
		return log_errno(ret, "sandbox %s: %s; end it with rund-agent rm -f %s", name,
				 strerror(-ret), name);
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"signal", required_argument, NULL, 's'},
		{"help", no_argument, NULL, RA_OPT_HELP},
		{},
	};
	int opt, signo = SIGTERM, failed = 0;

	while ((opt = ra_cmd_getopt(&ra_cmd_kill, argc, argv, "+:s:", options)) != -1) {
		if (opt == RA_OPT_HELP)
			return 0;
		if (opt != 's')
			return RA_EXIT_FAILURE;
		signo = ra_signal_number(optarg);
		if (signo < 0) {
			log_err("--signal %s: no such signal; write TERM, SIGTERM or 15", optarg);
			return RA_EXIT_FAILURE;
		}
	}
	if (optind >= argc) {
		log_err("no sandbox named; see rund-agent kill --help");
		return RA_EXIT_FAILURE;
	}
	ra_sweep();
	for (; optind < argc; optind++)
		failed |= kill_one(argv[optind], signo);
	return failed ? 1 : 0;
}

const struct ra_cmd ra_cmd_kill = {
	.name = "kill",
	.args = "[--signal SIG] NAME...",
	.summary = "Send a signal to the command of a sandbox",
	.help = "  -s, --signal SIG  name or number (TERM)\n"
		"\n"
		"A sandbox whose guest does not react to KILL is ended after a few seconds.\n",
	.run = run,
};
