// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-agent trace`: who waits how long for the locks that cgroups share.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "traceprobe.h"
#include "tracereport.h"

#define MAX_PIDS     64
#define MAX_DURATION 86400

enum { OPT_DURATION = 256, OPT_JSON, OPT_PID, OPT_OUTPUT, OPT_PROBE };

struct trace_opts {
	double duration; /* seconds; 0: until the command ends, or a signal */
	bool json, probe_spin, help;
	pid_t pids[MAX_PIDS];
	int nr_pids;
	const char *output;
	char **command;
};

static const struct option long_options[] = {
	{"duration", required_argument, NULL, OPT_DURATION},
	{"json", no_argument, NULL, OPT_JSON},
	{"pid", required_argument, NULL, OPT_PID},
	{"output", required_argument, NULL, OPT_OUTPUT},
	{"probe-spinlocks", no_argument, NULL, OPT_PROBE},
	{"help", no_argument, NULL, RA_OPT_HELP},
	{},
};

static int set_duration(struct trace_opts *o, const char *arg)
{
	char *end;
	double v = strtod(arg, &end);

	if (*arg < '0' || *arg > '9' || *end || !(v > 0) || v > MAX_DURATION)
		return log_errno(-EINVAL, "--duration %s: not a number of seconds up to %d", arg,
				 MAX_DURATION);
	o->duration = v;
	return 0;
}

static int add_pid(struct trace_opts *o, const char *arg)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || v < 1 || v > INT32_MAX)
		return log_errno(-EINVAL, "--pid %s: not the number of a process", arg);
	if (o->nr_pids == MAX_PIDS)
		return log_errno(-E2BIG, "--pid: more than %d processes", MAX_PIDS);
	o->pids[o->nr_pids++] = v;
	return 0;
}

static int set_option(struct trace_opts *o, int opt, const char *arg)
{
	switch (opt) {
	case OPT_DURATION:
		return set_duration(o, arg);
	case OPT_PID:
		return add_pid(o, arg);
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_PROBE:
		o->probe_spin = true;
		return 0;
	case OPT_OUTPUT:
		o->output = arg;
		return 0;
	case RA_OPT_HELP:
		o->help = true;
		return 0;
	default: /* reported */
		return -EINVAL;
	}
}

static int parse(struct trace_opts *o, int argc, char **argv)
{
	int opt, ret = 0;

	while (!ret && !o->help &&
	       (opt = ra_cmd_getopt(&ra_cmd_trace, argc, argv, "+:", long_options)) != -1)
		ret = set_option(o, opt, optarg);
	if (optind < argc)
		o->command = argv + optind;
	return ret;
}

static void become(char **command, const sigset_t *mask, int go)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(RA_EXIT_FAILURE);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	log_err("%s: %m", command[0]);
	_exit(errno == ENOENT ? RA_EXIT_NOTFOUND : RA_EXIT_NOEXEC);
}

/* Start the command, but let it run only when its waits are counted as its own. */
static int start_command(struct ra_trace *t, char **command, const sigset_t *mask, pid_t *child)
{
	int go[2], ret;

	if (pipe2(go, O_CLOEXEC))
		return log_errno(-errno, "pipe: %m");
	*child = fork();
	if (*child < 0) {
		ret = log_errno(-errno, "fork: %m");
	} else if (!*child) {
		close(go[1]);
		become(command, mask, go[0]);
	} else {
		ret = ra_trace_choose(t, *child);
		if (!ret && write(go[1], "", 1) != 1)
			ret = log_errno(-errno, "%s: %m", command[0]);
	}
	close(go[0]);
	close(go[1]);
	return ret;
}

static int status_of(int wstatus)
{
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

/* A terminal gives ^C to the command as well; any other signal is passed on. */
static void pass_on(pid_t child, const siginfo_t *si)
{
	if (si->si_code != SI_KERNEL)
		kill(child, si->si_signo);
}

static struct timespec time_left(const struct timespec *end)
{
	struct timespec now, left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left.tv_sec = end->tv_sec - now.tv_sec;
	left.tv_nsec = end->tv_nsec - now.tv_nsec;
	if (left.tv_nsec < 0) {
		left.tv_nsec += 1000000000;
		left.tv_sec--;
	}
	if (left.tv_sec < 0)
		left = (struct timespec){0};
	return left;
}

/*
 * Wait until the command has ended (true), or until the time is over or, without
 * a command, a signal came (false).  @end NULL is no limit.
 */
static bool wait_end(pid_t child, const sigset_t *signals, const struct timespec *end, int *status)
{
	struct timespec left;
	siginfo_t si;
	int sig, wstatus;

	for (;;) {
		if (child > 0 && waitpid(child, &wstatus, WNOHANG) == child) {
			*status = status_of(wstatus);
			return true;
		}
		if (end)
			left = time_left(end);
		sig = sigtimedwait(signals, &si, end ? &left : NULL);
		if (sig < 0 && errno == EAGAIN)
			return false;
		if (sig <= 0 || sig == SIGCHLD)
			continue;
		if (child <= 0)
			return false;
		pass_on(child, &si);
	}
}

static void set_end(struct timespec *end, double seconds)
{
	clock_gettime(CLOCK_MONOTONIC, end);
	end->tv_sec += (time_t)seconds;
	end->tv_nsec += (long)((seconds - (time_t)seconds) * 1e9);
	if (end->tv_nsec >= 1000000000) {
		end->tv_nsec -= 1000000000;
		end->tv_sec++;
	}
}

static int report(const struct trace_opts *o, const struct ra_trace_result *r, FILE *file)
{
	FILE *out = file ? file : o->command ? stderr : stdout;

	if (!o->json)
		ra_trace_table(r, out);
	else if (ra_trace_json(r, out))
		return log_errno(RA_EXIT_FAILURE, "out of memory");
	if (file && (fflush(file) || ferror(file)))
		return log_errno(RA_EXIT_FAILURE, "--output %s: %m", o->output);
	return 0;
}

/* Everything between start and report; the command, if any, is reaped at the end. */
static int trace(struct ra_trace *t, const struct trace_opts *o, FILE *file,
		 const sigset_t *signals, const sigset_t *mask)
{
	struct ra_trace_result r = {0};
	struct timespec end;
	int status = 0, ret;
	pid_t child = 0;
	bool ended;

	/* Started first: children that a process has from now on are followed. */
	ret = ra_trace_start(t);
	for (int i = 0; !ret && i < o->nr_pids; i++)
		ret = ra_trace_choose(t, o->pids[i]);
	if (!ret && o->command)
		ret = start_command(t, o->command, mask, &child);
	if (ret)
		return RA_EXIT_FAILURE;
	if (o->duration)
		set_end(&end, o->duration);
	ended = wait_end(child, signals, o->duration ? &end : NULL, &status);
	ret = ra_trace_stop(t, &r) ? RA_EXIT_FAILURE : report(o, &r, file);
	ra_trace_result_free(&r);
	if (child > 0 && !ended)
		wait_end(child, signals, NULL, &status);
	return ret ? ret : status;
}

static int load_and_trace(const struct trace_opts *o)
{
	__cleanup_file FILE *file = NULL;
	struct ra_trace t = {.probe_spin = o->probe_spin};
	sigset_t signals, mask;
	int ret = RA_EXIT_FAILURE;

	if (o->output) {
		file = fopen(o->output, "we");
		if (!file)
			return log_errno(ret, "--output %s: %m", o->output);
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &signals, &mask);
	ret = ra_trace_load(&t);
	ret = ret ? RA_EXIT_FAILURE : trace(&t, o, file, &signals, &mask);
	ra_trace_close(&t);
	return ret;
}

static int run(int argc, char **argv)
{
	struct trace_opts o = {0};

	if (parse(&o, argc, argv))
		return RA_EXIT_FAILURE;
	return o.help ? 0 : load_and_trace(&o);
}

const struct ra_cmd ra_cmd_trace = {
	.name = "trace",
	.args = "[--duration SECONDS] [--pid PID]... [--json] [--output FILE] [--probe-spinlocks] "
		"[[--] COMMAND "
		"[ARG]...]",
	.summary = "Count and time waits for the locks that cgroups share",
	.help = "  --duration SECONDS  end the trace after that time\n"
		"  --pid PID           count this process and its descendants on their own, too;\n"
		"                      may be repeated\n"
		"  --json              one JSON object instead of tables\n"
		"  --output FILE       where the report goes; by default to standard output, or "
		"to\n"
		"                      standard error with a command\n"
		"  --probe-spinlocks   count every wait for css_set_lock, which slows all "
		"contended\n"
		"                      spinlocks; else a first waiter, and any in a virtual\n"
		"                      machine, does not show\n"
		"\n"
		"Without a command, traces until ^C. With one, runs it, traces until it ends, and\n"
		"exits with its status.\n",
	.run = run,
};
