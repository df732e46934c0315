// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-agent ps`: the sandboxes of this host.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "json.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "options.h"
#include "rundir.h"
#include "state.h"
#include "sweep.h"

#define COMMAND_WIDTH 40

static void format_command(const struct ra_state *st, char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(st->command) && used < len; i++)
		used += snprintf(buf + used, len - used, "%s%s", i ? " " : "",
				 json_object_get_string(json_object_array_get_idx(st->command, i)));
	for (char *p = buf; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
}

static void format_end(const struct ra_state *st, char *buf, size_t len)
{
	if (st->status == RA_EXITED)
		snprintf(buf, len, "exited (%d%s)", st->exit_code, st->oom ? ", oom" : "");
	else
		snprintf(buf, len, "%s", ra_status_name(st->status));
}

static void print_row(const struct ra_state *st)
{
	char command[COMMAND_WIDTH + 1], end[32], created[32] = "-";
	time_t t = st->created;
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(created, sizeof(created), "%F %T", &tm);
	format_command(st, command, sizeof(command));
	format_end(st, end, sizeof(end));
	printf("%-20s %-18s %8d %6" PRIu64 "M %4u %-9s %-19s %s\n", st->name, end, st->vmm,
	       st->mem / RA_MIB, st->cpus, st->cgroup_kind, created, command);
}

/* A sandbox can vanish, or not have written its state yet, while we look. */
static void visit(int base, const char *name, struct json_object *list)
{
	__cleanup_fd int dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct ra_state st;
	int ret;

	if (dir < 0)
		return;
	ret = ra_state_read(dir, &st);
	if (ret && ret != -ENOENT)
		log_warn("sandbox %s: state.json: %s; remove it with rund-agent rm -f %s", name,
			 strerror(-ret), name);
	if (!ret && list)
		json_object_array_add(list, ra_state_to_json(&st));
	else if (!ret)
		print_row(&st);
	ra_state_free(&st);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_sandbox(const struct dirent *e)
{
	return !ra_name_check(e->d_name);
}

static int visit_all(struct json_object *list)
{
	__cleanup_fd int base = ra_rundir_open(false);
	struct dirent **names;
	int n;

	if (base == -ENOENT)
		return 0;
	if (base < 0)
		return RA_EXIT_FAILURE;
	n = scandirat(base, ".", &names, is_sandbox, by_name);
	if (n < 0) {
		log_err("%s: %m", ra_rundir_path());
		return RA_EXIT_FAILURE;
	}
	for (int i = 0; i < n; i++) {
		visit(base, names[i]->d_name, list);
		free(names[i]);
	}
	free(names);
	return 0;
}

static int list_json(void)
{
	struct json_object *list = json_object_new_array();
	__cleanup_free char *line = NULL;
	int ret = visit_all(list);

	line = ra_json_line(list);
	if (!ret && line)
		fputs(line, stdout);
	return ret;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, RA_OPT_HELP},
		{},
	};
	bool json = false;
	int opt;

	while ((opt = ra_cmd_getopt(&ra_cmd_ps, argc, argv, "+:", options)) != -1) {
		if (opt == RA_OPT_HELP)
			return 0;
		if (opt != 'j')
			return RA_EXIT_FAILURE;
		json = true;
	}
	ra_sweep();
	if (json)
		return list_json();
	printf("%-20s %-18s %8s %7s %4s %-9s %-19s %s\n", "NAME", "STATE", "PID", "MEM", "CPUS",
	       "CGROUP", "CREATED", "COMMAND");
	return visit_all(NULL);
}

const struct ra_cmd ra_cmd_ps = {
	.name = "ps",
	.args = "[--json]",
	.summary = "List sandboxes",
	.help = "  --json  one array of objects, with everything that is known of each\n",
	.run = run,
};
