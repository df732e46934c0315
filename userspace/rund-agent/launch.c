// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-agent launch`: check everything, run, and say how it ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "cmd.h"
#include "guest.h"
#include "json.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "options.h"

/* One line, whatever shares the descriptor. */
static void print_line(int fd, struct json_object *o)
{
	__cleanup_free char *line = ra_json_line(o);

	if (line)
		io_write_full(fd, line, strlen(line));
}

static void print_result(const struct ra_opts *o, const struct ra_link_up *up)
{
	struct json_object *r = json_object_new_object();

	json_object_object_add(r, "name", json_object_new_string(o->name));
	json_object_object_add(r, "exit_code", json_object_new_int(up->result.code));
	json_object_object_add(r, "oom", json_object_new_boolean(up->result.oom));
	json_object_object_add(r, "error", json_object_new_string(up->result.text));
	json_object_object_add(r, "timeline_ms", ra_timeline_json(&up->t));
	print_line(STDERR_FILENO, r);
}

static int report_detached(const struct ra_opts *o, const struct ra_link_up *up)
{
	struct json_object *r;

	if (!o->json) {
		printf("%s\n", o->name);
		return fflush(stdout) ? RA_EXIT_FAILURE : 0;
	}
	r = json_object_new_object();
	json_object_object_add(r, "name", json_object_new_string(o->name));
	json_object_object_add(r, "timeline_ms", ra_timeline_json(&up->t));
	print_line(STDOUT_FILENO, r);
	return 0;
}

static int report(const struct ra_opts *o, const struct ra_link_up *up)
{
	if (*up->result.text)
		log_err("sandbox %s: %s", o->name, up->result.text);
	if (o->timeline)
		ra_timeline_print(&up->t, stderr);
	if (up->type == RA_LINK_STARTED)
		return report_detached(o, up);
	if (o->json)
		print_result(o, up);
	return up->result.code;
}

static int launch(struct ra_opts *o, uint64_t begin)
{
	struct ra_link_up up;

	if (ra_opts_resolve(o) || ra_config_check(o))
		return RA_EXIT_FAILURE;
	if (ra_client_run(o, begin, &up))
		return RA_EXIT_FAILURE;
	return report(o, &up);
}

static int run(int argc, char **argv)
{
	uint64_t begin = ra_now();
	struct ra_host host;
	struct ra_opts o;
	int ret;

	if (ra_host_read(&host))
		return RA_EXIT_FAILURE;
	if (ra_opts_parse(&o, &host, argc, argv))
		ret = RA_EXIT_FAILURE;
	else
		ret = o.help ? 0 : launch(&o, begin);
	ra_opts_free(&o);
	return ret;
}

const struct ra_cmd ra_cmd_launch = {
	.name = "launch",
	.args = "[OPTION]... [--] COMMAND [ARG]...",
	.summary = "Run a command in a new sandbox",
	.help = "  --name NAME        its name; made up when not given\n"
		"  --rootfs DIR       root file system, read-only (default $RUND_ROOTFS)\n"
		"  --mem SIZE         memory of the guest (128M)\n"
		"  --memory-max SIZE  limit of the sandbox's cgroup (--mem + 64M)\n"
		"  --cpus N           virtual CPUs, and CPU time (1)\n"
		"  --env K=V | K      environment variable, repeatable; K alone passes it on\n"
		"  --workdir DIR      working directory of the command\n"
		"  --user U[:G]       name or number, as the root file system knows them\n"
		"  --hostname NAME\n"
		"  --ulimit R=S[:H]   resource limit, e.g. nofile=1024:4096; repeatable\n"
		"  --tty              give the command a terminal\n"
		"  --detach           print the name and leave it running; see logs, rm\n"
		"  --timeline         print how long each phase took, on standard error\n"
		"  --json             print the result as JSON: last line of standard error,\n"
		"                     with --detach on standard output\n"
		"  --upper-size SIZE  size of the writable layer (2G, sparse)\n"
		"  --store DIR        where writable layers lie (/var/lib/rund): XFS with reflink\n"
		"  --allow-copy       copy where the store cannot reflink\n"
		"  --kernel FILE, --initrd FILE, --vmm FILE\n"
		"  --no-lwcg          make a plain cgroup even if lwcg.ko is loaded\n"
		"  --timeout SECONDS  by when the command must have started (120)\n"
		"\n"
		"The exit status is the command's, 128+N when signal N killed it, 127 when it\n"
		"does not exist, 126 when it cannot be executed, 125 when anything else failed.\n",
	.run = run,
};
