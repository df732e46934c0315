// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU time, so that work which was only moved to kernel threads shows as well.
 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

#define PF_KTHREAD 0x00200000

static uint64_t ns_of(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000ULL + ts->tv_nsec;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ns_of(&ts);
}

static uint64_t own_time(void)
{
	struct timespec ts;
	struct rusage ru;
	uint64_t us;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	getrusage(RUSAGE_CHILDREN, &ru);
	us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000ULL + ru.ru_utime.tv_usec +
	     ru.ru_stime.tv_usec;
	return ns_of(&ts) + us * 1000;
}

static bool is_kthread(pid_t pid)
{
	__cleanup_free char *text = NULL;
	char path[32];
	unsigned int flags;
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (io_read_file(AT_FDCWD, path, 4096, &text) < 0)
		return false;
	/* the name in parentheses may hold anything; then state and five ids */
	p = strrchr(text, ')');
	return p && sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && flags & PF_KTHREAD;
}

/* Of those that live: idle kworkers stay for minutes. */
static uint64_t kthread_time(void)
{
	DIR *proc = opendir("/proc");
	struct timespec ts;
	struct dirent *e;
	uint64_t sum = 0;
	clockid_t clock;
	pid_t pid;

	while (proc && (e = readdir(proc))) {
		pid = atoi(e->d_name);
		if (pid <= 0 || !is_kthread(pid))
			continue;
		if (!clock_getcpuclockid(pid, &clock) && !clock_gettime(clock, &ts))
			sum += ns_of(&ts);
	}
	if (proc)
		closedir(proc);
	return sum;
}

/* user, nice, system, irq, softirq and steal: all but idle and iowait */
static int system_time(uint64_t *ns)
{
	__cleanup_file FILE *f = fopen("/proc/stat", "re");
	unsigned long long t[8];

	if (!f || fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
			 &t[3], &t[4], &t[5], &t[6], &t[7]) != 8)
		return log_errno(-EIO, "/proc/stat: no CPU times; is /proc mounted?");
	*ns = (t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) * (1000000000ULL / sysconf(_SC_CLK_TCK));
	return 0;
}

int cpu_time_read(struct cpu_time *t)
{
	t->own = own_time();
	t->kthreads = kthread_time();
	return system_time(&t->system);
}

struct cpu_time cpu_time_since(const struct cpu_time *start)
{
	struct cpu_time t = *start;

	cpu_time_read(&t);
	t.own -= start->own;
	/* a kernel thread may have ended */
	t.kthreads = t.kthreads > start->kthreads ? t.kthreads - start->kthreads : 0;
	t.system -= start->system;
	return t;
}
