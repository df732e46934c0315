// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parsing the options of `launch`.  Every value is checked where it is parsed,
 * and the message names the option, the value and what would be accepted.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/io.h"
#include "lib/log.h"
#include "ulimit.h"

enum {
	OPT_NAME = 256,
	OPT_ROOTFS,
	OPT_MEM,
	OPT_CPUS,
	OPT_ENV,
	OPT_WORKDIR,
	OPT_USER,
	OPT_HOSTNAME,
	OPT_ULIMIT,
	OPT_TTY,
	OPT_DETACH,
	OPT_TIMELINE,
	OPT_JSON,
	OPT_UPPER_SIZE,
	OPT_STORE,
	OPT_KERNEL,
	OPT_INITRD,
	OPT_VMM,
	OPT_ALLOW_COPY,
	OPT_MEMORY_MAX,
	OPT_NO_LWCG,
	OPT_TIMEOUT,
};

static const struct option long_options[] = {
	{"name", required_argument, NULL, OPT_NAME},
	{"rootfs", required_argument, NULL, OPT_ROOTFS},
	{"mem", required_argument, NULL, OPT_MEM},
	{"cpus", required_argument, NULL, OPT_CPUS},
	{"env", required_argument, NULL, OPT_ENV},
	{"workdir", required_argument, NULL, OPT_WORKDIR},
	{"user", required_argument, NULL, OPT_USER},
	{"hostname", required_argument, NULL, OPT_HOSTNAME},
	{"ulimit", required_argument, NULL, OPT_ULIMIT},
	{"tty", no_argument, NULL, OPT_TTY},
	{"detach", no_argument, NULL, OPT_DETACH},
	{"timeline", no_argument, NULL, OPT_TIMELINE},
	{"json", no_argument, NULL, OPT_JSON},
	{"upper-size", required_argument, NULL, OPT_UPPER_SIZE},
	{"store", required_argument, NULL, OPT_STORE},
	{"kernel", required_argument, NULL, OPT_KERNEL},
	{"initrd", required_argument, NULL, OPT_INITRD},
	{"vmm", required_argument, NULL, OPT_VMM},
	{"allow-copy", no_argument, NULL, OPT_ALLOW_COPY},
	{"memory-max", required_argument, NULL, OPT_MEMORY_MAX},
	{"no-lwcg", no_argument, NULL, OPT_NO_LWCG},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"help", no_argument, NULL, RA_OPT_HELP},
	{},
};

int ra_host_read(struct ra_host *host)
{
	struct sysinfo si;

	if (sysinfo(&si))
		return log_errno(-errno, "sysinfo: %m");
	host->mem_total = (uint64_t)si.totalram * si.mem_unit;
	host->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	return 0;
}

/* A size between two bounds that is a whole number of MiB, the VMM's unit. */
static int parse_mib(const char *opt, const char *arg, uint64_t min, uint64_t max,
		     const char *max_is, uint64_t *out)
{
	uint64_t v;
	int ret = io_parse_size(arg, &v);

	if (ret == -EINVAL)
		return log_errno(ret, "--%s %s: not a size; write 134217728, 131072K, 128M or 1G",
				 opt, arg);
	if (!ret && v < min)
		return log_errno(-EINVAL, "--%s %s: too small; at least %" PRIu64 "M is needed",
				 opt, arg, min / RA_MIB);
	if (ret || v > max)
		return log_errno(-EINVAL, "--%s %s: too large; %s is %" PRIu64 "M", opt, arg,
				 max_is, max / RA_MIB);
	if (v % RA_MIB)
		return log_errno(-EINVAL, "--%s %s: not a whole number of MiB; use %" PRIu64 "M",
				 opt, arg, v / RA_MIB + 1);
	*out = v;
	return 0;
}

static int parse_count(const char *opt, const char *arg, unsigned int max, const char *max_is,
		       unsigned int *out)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || !v)
		return log_errno(-EINVAL, "--%s %s: not a number from 1 to %u", opt, arg, max);
	if (v > max)
		return log_errno(-EINVAL, "--%s %s: too many; %s %u", opt, arg, max_is, max);
	*out = v;
	return 0;
}

/* "KEY=VALUE", or "KEY" to pass the agent's own variable on if it has one. */
static int add_env(struct ra_opts *o, const char *arg)
{
	const char *value;
	char *entry = NULL;
	char **env;

	if (!*arg || *arg == '=')
		return log_errno(-EINVAL, "--env %s: no variable name; write NAME=VALUE", arg);
	if (o->nr_env >= RUND_MAX_STRINGS)
		return log_errno(-E2BIG, "--env: more than %d variables", RUND_MAX_STRINGS);
	if (strchr(arg, '=')) {
		entry = strdup(arg);
	} else {
		value = getenv(arg);
		if (!value)
			return 0;
		if (asprintf(&entry, "%s=%s", arg, value) < 0)
			entry = NULL;
	}
	env = reallocarray(o->env, o->nr_env + 1, sizeof(*env));
	if (!entry || !env) {
		free(entry);
		if (env)
			o->env = env;
		return log_errno(-ENOMEM, "out of memory");
	}
	env[o->nr_env++] = entry;
	o->env = env;
	return 0;
}

static int set_name(struct ra_opts *o, const char *arg)
{
	const char *why = ra_name_check(arg);

	if (why)
		return log_errno(-EINVAL, "--name %.80s: %s", arg, why);
	strcpy(o->name, arg);
	return 0;
}

/* HOST_NAME_MAX of Linux, and sethostname(2) takes anything: keep to RFC 1123. */
static int set_hostname(struct ra_opts *o, const char *arg)
{
	size_t len = strlen(arg);

	if (!len || len > 64 ||
	    strspn(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != len)
		return log_errno(-EINVAL, "--hostname %.80s: 1 to 64 letters, digits, . and - only",
				 arg);
	o->hostname = arg;
	return 0;
}

static int set_path(char **where, const char *arg)
{
	free(*where);
	*where = strdup(arg);
	return *where ? 0 : log_errno(-ENOMEM, "out of memory");
}

static int set_workdir(struct ra_opts *o, const char *arg)
{
	if (*arg != '/')
		return log_errno(-EINVAL, "--workdir %s: not an absolute path", arg);
	o->workdir = arg;
	return 0;
}

static int set_flag(struct ra_opts *o, int opt)
{
	switch (opt) {
	case OPT_TTY:
		o->tty = true;
		return 0;
	case OPT_DETACH:
		o->detach = true;
		return 0;
	case OPT_TIMELINE:
		o->timeline = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_ALLOW_COPY:
		o->allow_copy = true;
		return 0;
	case OPT_NO_LWCG:
		o->no_lwcg = true;
		return 0;
	case RA_OPT_HELP:
		o->help = true;
		return 0;
	default: /* reported */
		return -EINVAL;
	}
}

static int set_limit(struct ra_opts *o, const struct ra_host *host, int opt, const char *arg)
{
	unsigned int cpus = host->cpus < RA_CPUS_MAX ? host->cpus : RA_CPUS_MAX;

	switch (opt) {
	case OPT_MEM:
		return parse_mib("mem", arg, RA_MEM_MIN, host->mem_total, "this host's memory",
				 &o->mem);
	case OPT_MEMORY_MAX:
		return parse_mib("memory-max", arg, RA_MIB, UINT64_MAX >> 1, "the limit",
				 &o->memory_max);
	case OPT_UPPER_SIZE:
		return parse_mib("upper-size", arg, RA_UPPER_MIN, RA_UPPER_MAX, "the limit",
				 &o->upper_size);
	case OPT_CPUS:
		return parse_count("cpus", arg, cpus, "this host can give", &o->cpus);
	case OPT_TIMEOUT:
		return parse_count("timeout", arg, 86400, "at most", &o->timeout_s);
	default:
		return set_flag(o, opt);
	}
}

static int set_option(struct ra_opts *o, const struct ra_host *host, int opt, char *arg)
{
	switch (opt) {
	case OPT_NAME:
		return set_name(o, arg);
	case OPT_ROOTFS:
		return set_path(&o->rootfs, arg);
	case OPT_STORE:
		return set_path(&o->store, arg);
	case OPT_KERNEL:
		return set_path(&o->kernel, arg);
	case OPT_INITRD:
		return set_path(&o->initrd, arg);
	case OPT_VMM:
		return set_path(&o->vmm, arg);
	case OPT_ENV:
		return add_env(o, arg);
	case OPT_WORKDIR:
		return set_workdir(o, arg);
	case OPT_USER:
		o->user = arg;
		return 0;
	case OPT_HOSTNAME:
		return set_hostname(o, arg);
	case OPT_ULIMIT:
		return ra_ulimit_parse(o, arg);
	default:
		return set_limit(o, host, opt, arg);
	}
}

static void set_defaults(struct ra_opts *o)
{
	memset(o, 0, sizeof(*o));
	o->mem = RA_MEM_DEFAULT;
	o->upper_size = RA_UPPER_DEFAULT;
	o->cpus = 1;
	o->timeout_s = 120;
	o->workdir = "";
	o->user = "";
}

/* What depends on several options. */
static int finish(struct ra_opts *o, int argc, char **argv)
{
	const char *term = getenv("TERM");
	bool has_term = false;

	if (optind >= argc)
		return log_errno(-EINVAL, "no command to run; put one after the options, see "
					  "rund-agent launch --help");
	o->argv = argv + optind;
	o->argc = argc - optind;
	if (!*o->argv[0])
		return log_errno(-EINVAL, "the command is empty; name a program after --");
	if (o->tty && !o->detach && !isatty(STDIN_FILENO))
		return log_errno(-EINVAL, "--tty: standard input is not a terminal; leave out "
					  "--tty, or add --detach");
	if (!o->memory_max)
		o->memory_max = o->mem + RA_MEM_OVERHEAD;
	for (unsigned int i = 0; i < o->nr_env; i++)
		has_term |= !strncmp(o->env[i], "TERM=", 5);
	if (o->tty && term && !has_term && add_env(o, "TERM"))
		return -ENOMEM;
	if (!*o->name && ra_name_generate(o->name))
		return log_errno(-EIO, "getrandom: %m");
	if (!o->hostname)
		o->hostname = "";
	return 0;
}

int ra_opts_parse(struct ra_opts *o, const struct ra_host *host, int argc, char **argv)
{
	int opt, ret;

	set_defaults(o);
	optind = 0; /* glibc: start over, also in a process that has parsed before */
	while ((opt = ra_cmd_getopt(&ra_cmd_launch, argc, argv, "+:", long_options)) != -1) {
		ret = set_option(o, host, opt, optarg);
		if (ret)
			return ret;
		if (o->help)
			return 0;
	}
	return finish(o, argc, argv);
}

void ra_opts_free(struct ra_opts *o)
{
	for (unsigned int i = 0; i < o->nr_env; i++)
		free(o->env[i]);
	free(o->env);
	free(o->rootfs);
	free(o->store);
	free(o->kernel);
	free(o->initrd);
	free(o->vmm);
	memset(o, 0, sizeof(*o));
}
