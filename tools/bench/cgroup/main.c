// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench-cgroup: the command line.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

volatile sig_atomic_t bench_stop;

enum option_id {
	OPT_JSON = 1,
	OPT_SANDBOXES,
	OPT_THREADS,
	OPT_SERIES,
	OPT_POOL,
	OPT_PROBE_OPS,
	OPT_FORKS,
	OPT_NO_LOCKS,
	OPT_INSTRUCTIONS
};

static const struct option options[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{"sandboxes", required_argument, NULL, OPT_SANDBOXES},
	{"threads", required_argument, NULL, OPT_THREADS},
	{"series", required_argument, NULL, OPT_SERIES},
	{"pool", required_argument, NULL, OPT_POOL},
	{"probe-ops", required_argument, NULL, OPT_PROBE_OPS},
	{"bystander-forks", required_argument, NULL, OPT_FORKS},
	{"no-locks", no_argument, NULL, OPT_NO_LOCKS},
	{"instructions", no_argument, NULL, OPT_INSTRUCTIONS},
	{"help", no_argument, NULL, 'h'},
	{},
};

static void print_series(bool cgroup1)
{
	for (unsigned int i = 0; i < nr_series; i++)
		if (series_all[i].cgroup1 == cgroup1)
			printf("  %-26s %s\n", series_all[i].name, series_all[i].what);
}

static void usage(void)
{
	printf("usage: bench-cgroup [OPTION]...\n\n"
	       "What it costs to give a sandbox a cgroup, by the way it is got.  Each sandbox "
	       "gets\n"
	       "memory.max, cpu.max and pids.max and one process; then the cgroup is given "
	       "back.\n\n"
	       "  --sandboxes N        sandboxes of a run (default 2000; 200 with --instructions)\n"
	       "  --threads N,...      run with so many threads (default 1,2,4,8,16)\n"
	       "  --series NAME,...    only these series (default all)\n"
	       "  --pool N             cgroups that pools keep ready (default: twice --sandboxes)\n"
	       "  --probe-ops N        sandboxes of the runs that count locks and waits for a CPU\n"
	       "                       (default: 400, or --sandboxes if that is less)\n"
	       "  --bystander-forks N  forks of a bystander beside each run (default 1000, 0: "
	       "none)\n"
	       "  --no-locks           do not count locks\n"
	       "  --instructions       count instructions instead, under rund-lab --icount\n"
	       "  --json               JSON on standard output\n"
	       "  --help\n\nSeries:\n\n");
	print_series(false);
	printf("\n-favordynmods: the same with the cgroup2 mount option of that name.\n\n"
	       "On cgroup v1, only when named, and with no series of cgroup v2 but " SERIES_FLOOR
	       ":\n\n");
	print_series(true);
	printf("\n"
	       "Documentation/lwcg.rst explains the output.\n");
}

static int parse_number(const char *opt, const char *text, unsigned int least, unsigned int most,
			unsigned int *value)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < least || n > most)
		return log_errno(-1, "--%s %s: give a number from %u to %u", opt, text, least,
				 most);
	*value = n;
	return 0;
}

static int parse_threads(struct config *cfg, char *list)
{
	unsigned int most = sizeof(cfg->threads) / sizeof(cfg->threads[0]);
	char *save = NULL;

	cfg->nr_threads = 0;
	for (char *t = strtok_r(list, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		if (cfg->nr_threads == most)
			return log_errno(-1, "--threads: give at most %u numbers", most);
		if (parse_number("threads", t, 1, MAX_THREADS, &cfg->threads[cfg->nr_threads++]))
			return -1;
	}
	return cfg->nr_threads ? 0 : log_errno(-1, "--threads: give at least one number");
}

static int parse_series(struct config *cfg, char *list)
{
	char *save = NULL;

	memset(cfg->wanted, 0, sizeof(cfg->wanted));
	for (char *t = strtok_r(list, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		unsigned int i = 0;

		while (i < nr_series && strcmp(series_all[i].name, t))
			i++;
		if (i == nr_series)
			return log_errno(-1, "--series: there is no %s; --help lists them", t);
		cfg->wanted[i] = true;
	}
	return 0;
}

static int parse_option(struct config *cfg, int opt)
{
	switch (opt) {
	case OPT_JSON:
		cfg->json = true;
		return 0;
	case OPT_NO_LOCKS:
		cfg->locks = false;
		return 0;
	case OPT_INSTRUCTIONS:
		cfg->instructions = true;
		return 0;
	case OPT_SANDBOXES:
		return parse_number("sandboxes", optarg, 1, 1000000, &cfg->sandboxes);
	case OPT_POOL:
		return parse_number("pool", optarg, 1, 16384, &cfg->pool);
	case OPT_PROBE_OPS:
		return parse_number("probe-ops", optarg, 1, 1000000, &cfg->probe_ops);
	case OPT_FORKS:
		return parse_number("bystander-forks", optarg, 0, 1000000, &cfg->forks);
	case OPT_THREADS:
		return parse_threads(cfg, optarg);
	case OPT_SERIES:
		return parse_series(cfg, optarg);
	default:
		return log_errno(-1, "see bench-cgroup --help");
	}
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static void set_defaults(struct config *cfg)
{
	if (!cfg->sandboxes)
		cfg->sandboxes = cfg->instructions ? 200 : 2000;
	if (!cfg->probe_ops)
		cfg->probe_ops = 400;
	cfg->probe_ops = least(cfg->probe_ops, cfg->sandboxes);
	if (!cfg->pool)
		cfg->pool = least(2 * cfg->sandboxes, 16384);
}

/* Controllers are on one hierarchy at a time: prepare for the one that is wanted. */
static int choose_version(const struct config *cfg)
{
	bool v1 = false, v2 = false;

	for (unsigned int i = 0; i < nr_series; i++) {
		v1 |= cfg->wanted[i] && series_all[i].cgroup1;
		v2 |= cfg->wanted[i] && !series_all[i].cgroup1 &&
		      strcmp(series_all[i].name, SERIES_FLOOR);
	}
	if (v1 && v2)
		return log_errno(-EINVAL, "--series: those of cgroup v1 and v2 need a run each");
	return v1 ? tree_use_v1() : 0;
}

static void on_signal(int sig)
{
	bench_stop = 1;
}

int main(int argc, char **argv)
{
	struct config cfg = {
		.forks = 1000, .threads = {1, 2, 4, 8, 16}, .nr_threads = 5, .locks = true};
	struct sigaction stop = {.sa_handler = on_signal};
	int opt, ret;

	log_init("bench-cgroup", LOG_LEVEL_INFO);
	for (unsigned int i = 0; i < nr_series; i++)
		cfg.wanted[i] = !series_all[i].cgroup1;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h') {
			usage();
			return 0;
		}
		if (parse_option(&cfg, opt))
			return 2;
	}
	if (optind < argc) {
		log_err("%s: not an option; see bench-cgroup --help", argv[optind]);
		return 2;
	}
	if (geteuid()) {
		log_err("must run as root: it makes cgroups and counts locks");
		return 1;
	}
	set_defaults(&cfg);
	/* temporary cgroups, probes and the mount option are put back */
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	ret = choose_version(&cfg);
	if (!ret)
		ret = cfg.instructions ? instructions_run(&cfg) : measure_run(&cfg);
	tree_unmount_v1();
	if (!ret && (fflush(stdout) || ferror(stdout))) {
		log_err("standard output: %m");
		ret = -1;
	}
	return ret ? 1 : 0;
}
