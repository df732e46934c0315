// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-agent rm`: remove what is kept of a sandbox; with -f, end it first.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "ctl.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "name.h"
#include "rundir.h"
#include "slot.h"
#include "sweep.h"

/*
 * A monitor that was told to stop, or that has just ended its sandbox, needs
 * milliseconds, and so does another agent that sweeps; on a loaded machine it is
 * some seconds.
 */
#define STOP_TRIES   300
#define STOP_WAIT_US 50000

static int stop(const char *name)
{
	struct json_object *req = json_object_new_object();
	char err[128];

	json_object_object_add(req, "cmd", json_object_new_string("stop"));
	return ra_ctl_call(name, req, err, sizeof(err));
}

/* Return: as ra_dir_claim(), after waiting for its owner to go. */
static int claim(int base, const char *name, struct ra_dir *dir)
{
	int tries = STOP_TRIES, ret;

	while ((ret = ra_dir_claim(base, name, dir)) == -EBUSY && --tries > 0)
		usleep(STOP_WAIT_US);
	return ret;
}

static bool has_monitor(const char *name)
{
	struct json_object *req = json_object_new_object();
	char err[128];
	int ret;

	json_object_object_add(req, "cmd", json_object_new_string("status"));
	ret = ra_ctl_call(name, req, err, sizeof(err));
	return ret != -ENOENT && ret != -ECONNREFUSED;
}

static int remove_one(int base, const char *name, bool force)
{
	struct ra_dir dir = RA_DIR_NONE;
	int ret;

	if (base < 0 || ra_name_check(name))
		return log_errno(-ENOENT, "sandbox %s: no such sandbox; see rund-agent ps", name);
	ret = ra_dir_claim(base, name, &dir);
	if (ret == -EBUSY && !force && has_monitor(name))
		return log_errno(ret,
				 "sandbox %s: is running; end it with rund-agent kill, or use "
				 "rm -f",
				 name);
	if (ret == -EBUSY) {
		if (force)
			stop(name);
		ret = claim(base, name, &dir);
		/* In the foreground it removes itself, which is what was asked for. */
		if (force && ret == -ENOENT)
			return 0;
	}
	if (ret == -ENOENT)
		return log_errno(ret, "sandbox %s: no such sandbox; see rund-agent ps", name);
	if (ret)
		return log_errno(ret, "sandbox %s: cannot take it: %s; its monitor does not end",
				 name, strerror(-ret));
	return ra_dir_remove(base, name, &dir);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"force", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, RA_OPT_HELP},
		{},
	};
	__cleanup_fd int base = -1;
	int opt, failed = 0;
	bool force = false;

	while ((opt = ra_cmd_getopt(&ra_cmd_rm, argc, argv, "+:f", options)) != -1) {
		if (opt == RA_OPT_HELP)
			return 0;
		if (opt != 'f')
			return RA_EXIT_FAILURE;
		force = true;
	}
	if (optind >= argc) {
		log_err("no sandbox named; see rund-agent rm --help");
		return RA_EXIT_FAILURE;
	}
	ra_sweep();
	base = ra_rundir_open(false);
	for (; optind < argc; optind++)
		failed |= remove_one(base, argv[optind], force);
	return failed ? 1 : 0;
}

const struct ra_cmd ra_cmd_rm = {
	.name = "rm",
	.args = "[--force] NAME...",
	.summary = "Remove detached sandboxes that have ended",
	.help = "  -f, --force  end it first if it runs\n",
	.run = run,
};
