// SPDX-License-Identifier: GPL-2.0-only
/*
 * Count who takes the locks of the cgroup core: kprobes on the lock functions
 * and the contention tracepoints, filtered by the address of the lock, counted by
 * perf twice: on all CPUs, so that kernel threads are in it, and for this
 * process with all its threads and children.
 *
 * A probe that does not fire would look like a perfect result.  So nothing is
 * counted before operations that must take the locks have been seen to.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

#define TRACEFS "/sys/kernel/tracing"

/* Operations of the self-check. */
#define CHECK_OPS 8

/* The flags of contention_begin, include/trace/events/lock.h */
#define LCB_F_READ   2
#define LCB_F_WRITE  4
#define LCB_F_PERCPU 16

const char *const lock_count_name[NR_LOCK_COUNTS] = {
	[LOCK_MUTEX] = "cgroup_mutex_acquisitions",
	[LOCK_MUTEX_WAITS] = "cgroup_mutex_waits",
	[LOCK_RWSEM] = "threadgroup_rwsem_writes",
	[LOCK_RWSEM_WRITERS] = "threadgroup_rwsem_write_waits",
	[LOCK_RWSEM_READERS] = "threadgroup_rwsem_read_waits",
	[LOCK_CSS_SET] = "css_set_lock_acquisitions",
	[LOCK_CSS_SET_WAITS] = "css_set_lock_queued",
};

/* Functions that this kernel does not have are left out: the *_nested ones are lockdep's. */
static const struct probe {
	enum lock_count count;
	const char *lock;
	const char *func;	/* a kprobe on this function, whose argument is the lock */
	const char *tracepoint; /* or a tracepoint of the group "lock" */
	unsigned int flags;	/* of the tracepoint, unless 0 */
} probes[] = {
	{LOCK_MUTEX, "cgroup_mutex", .func = "mutex_lock"},
	{LOCK_MUTEX, "cgroup_mutex", .func = "mutex_lock_interruptible"},
	{LOCK_MUTEX, "cgroup_mutex", .func = "mutex_lock_killable"},
	{LOCK_MUTEX, "cgroup_mutex", .func = "mutex_lock_nested"},
	{LOCK_MUTEX, "cgroup_mutex", .func = "mutex_lock_interruptible_nested"},
	{LOCK_MUTEX, "cgroup_mutex", .func = "mutex_lock_killable_nested"},
	{LOCK_MUTEX_WAITS, "cgroup_mutex", .tracepoint = "contention_end"},
	{LOCK_RWSEM, "cgroup_threadgroup_rwsem", .func = "percpu_down_write"},
	{LOCK_RWSEM_WRITERS, "cgroup_threadgroup_rwsem", .tracepoint = "contention_begin",
	 .flags = LCB_F_PERCPU | LCB_F_WRITE},
	{LOCK_RWSEM_READERS, "cgroup_threadgroup_rwsem", .tracepoint = "contention_begin",
	 .flags = LCB_F_PERCPU | LCB_F_READ},
	{LOCK_CSS_SET, "css_set_lock", .func = "_raw_spin_lock"},
	{LOCK_CSS_SET, "css_set_lock", .func = "_raw_spin_lock_irq"},
	{LOCK_CSS_SET, "css_set_lock", .func = "_raw_spin_lock_irqsave"},
	{LOCK_CSS_SET_WAITS, "css_set_lock", .tracepoint = "contention_end"},
};

#define NR_PROBES   (sizeof(probes) / sizeof(probes[0]))
#define MAX_COUNTER 1024

static struct {
	uint64_t lock[NR_PROBES];
	int id[NR_PROBES]; /* of the event; 0: not there */
} state;

/* An open perf counter. */
static struct {
	int fd;
	unsigned int probe;
	bool launch;
} counters[MAX_COUNTER];
static unsigned int nr_counters;

/* Names of our own, so that two runs do not share probes. */
static const char *group(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "rund_bench_%d", getpid());
	return name;
}

/* Addresses of the locks; state.id becomes -1 for functions that are there. */
static int read_symbols(void)
{
	__cleanup_file FILE *f = fopen("/proc/kallsyms", "re");
	__cleanup_free char *line = NULL;
	char name[128];
	uint64_t addr;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		if (sscanf(line, "%" SCNx64 " %*c %127s", &addr, name) != 2)
			continue;
		for (size_t i = 0; i < NR_PROBES; i++) {
			if (!strcmp(name, probes[i].lock))
				state.lock[i] = addr;
			if (probes[i].func && !strcmp(name, probes[i].func))
				state.id[i] = -1;
		}
	}
	for (size_t i = 0; i < NR_PROBES; i++) {
		if (!state.lock[i])
			return log_errno(-ENOENT,
					 "no address of %s in /proc/kallsyms: the kernel needs "
					 "CONFIG_KALLSYMS_ALL and kernel.kptr_restrict=0; or give "
					 "--no-locks",
					 probes[i].lock);
	}
	return 0;
}

static int mount_tracefs(void)
{
	if (!access(TRACEFS "/kprobe_events", W_OK))
		return 0;
	if (mount("tracefs", TRACEFS, "tracefs", 0, NULL) || access(TRACEFS "/kprobe_events", W_OK))
		return log_errno(-errno, TRACEFS "/kprobe_events: %m; the kernel needs "
						 "CONFIG_KPROBE_EVENTS; or give --no-locks");
	return 0;
}

/* kprobe_events takes one line a write, at the end of the list. */
static int kprobe_events(const char *text)
{
	__cleanup_fd int fd = open(TRACEFS "/kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);

	return fd < 0 ? -errno : io_write_full(fd, text, strlen(text));
}

static int define_probe(const struct probe *probe)
{
	char text[160];
	int ret;

	snprintf(text, sizeof(text), "p:%s/%s %s lock_addr=%%di:u64\n", group(), probe->func,
		 probe->func);
	ret = kprobe_events(text);
	return ret ? log_errno(ret, "a kprobe on %s: %s; or give --no-locks", probe->func,
			       strerror(-ret))
		   : 0;
}

static int event_id(const struct probe *probe)
{
	__cleanup_free char *text = NULL;
	char path[160];
	ssize_t n;

	snprintf(path, sizeof(path), TRACEFS "/events/%s/%s/id", probe->func ? group() : "lock",
		 probe->func ?: probe->tracepoint);
	n = io_read_file(AT_FDCWD, path, 32, &text);
	return n < 0 ? log_errno(n, "%s: %s; or give --no-locks", path, strerror(-n)) : atoi(text);
}

static int define_probes(void)
{
	int ret;

	for (size_t i = 0; i < NR_PROBES; i++) {
		if (probes[i].func && !state.id[i])
			continue;
		ret = probes[i].func ? define_probe(&probes[i]) : 0;
		if (ret)
			return ret;
		ret = event_id(&probes[i]);
		if (ret < 0)
			return ret;
		state.id[i] = ret;
	}
	return 0;
}

void locks_teardown(void)
{
	char text[160];

	for (size_t i = 0; i < NR_PROBES; i++) {
		if (!probes[i].func || state.id[i] <= 0)
			continue;
		snprintf(text, sizeof(text), "-:%s/%s\n", group(), probes[i].func);
		if (kprobe_events(text))
			log_warn("kprobe %s/%s stays behind: %m", group(), probes[i].func);
	}
	memset(&state, 0, sizeof(state));
}

static int set_filter(int fd, unsigned int i)
{
	char filter[96];
	int n;

	n = snprintf(filter, sizeof(filter), "lock_addr==0x%" PRIx64, state.lock[i]);
	if (probes[i].flags)
		snprintf(filter + n, sizeof(filter) - n, " && flags==%u", probes[i].flags);
	return ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter) ? -errno : 0;
}

/* @cpu -1: this process, and what it starts from now on. */
static int open_counter(unsigned int i, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = state.id[i],
		.disabled = 1,
		.inherit = cpu < 0,
	};
	int fd, ret;

	if (nr_counters == MAX_COUNTER)
		return log_errno(-E2BIG, "too many CPUs to count locks on; give --no-locks");
	fd = syscall(SYS_perf_event_open, &attr, cpu < 0 ? 0 : -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	/* a CPU that is offline */
	if (fd < 0 && errno == ENODEV && cpu >= 0)
		return 0;
	ret = fd < 0 ? -errno : set_filter(fd, i);
	if (ret) {
		close_fd(fd);
		return log_errno(ret, "counting %s (%s): %s; or give --no-locks",
				 probes[i].func ?: probes[i].tracepoint, probes[i].lock,
				 strerror(-ret));
	}
	counters[nr_counters].fd = fd;
	counters[nr_counters].probe = i;
	counters[nr_counters++].launch = cpu < 0;
	return 0;
}

static void close_counters(void)
{
	while (nr_counters)
		close(counters[--nr_counters].fd);
}

int locks_start(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int ret = 0;

	for (unsigned int i = 0; i < NR_PROBES && !ret; i++) {
		for (int cpu = -1; state.id[i] && cpu < cpus && !ret; cpu++)
			ret = open_counter(i, cpu);
	}
	for (unsigned int i = 0; i < nr_counters && !ret; i++) {
		if (ioctl(counters[i].fd, PERF_EVENT_IOC_ENABLE, 0))
			ret = log_errno(-errno, "starting a lock counter: %m");
	}
	if (ret)
		close_counters();
	return ret;
}

int locks_stop(struct lock_counts *counts)
{
	int ret = 0;

	memset(counts, 0, sizeof(*counts));
	for (unsigned int i = 0; i < nr_counters; i++) {
		enum lock_count count = probes[counters[i].probe].count;
		uint64_t value;

		if (read(counters[i].fd, &value, sizeof(value)) != sizeof(value))
			ret = log_errno(-EIO, "reading a lock counter: %m");
		else if (counters[i].launch)
			counts->launch[count] += value;
		else
			counts->all[count] += value;
	}
	close_counters();
	return ret;
}

/* Eight times: mkdir, move a process in, rmdir. */
static int check_operations(void)
{
	struct bench b;
	struct pass p = {.bench = &b, .threads = 1, .ops = CHECK_OPS};
	struct op rec[CHECK_OPS];
	const struct series *s = series_all;
	int ret;

	while (strcmp(s->name, SERIES_REFERENCE))
		s++;
	p.rec = rec;
	ret = tree_open(&b, s);
	if (!ret)
		ret = pass_run(&p);
	tree_close(&b);
	return ret;
}

static int check_count(const struct lock_counts *c, enum lock_count count, unsigned int least)
{
	if (c->all[count] >= least && c->launch[count] >= least &&
	    c->all[count] >= c->launch[count])
		return 0;
	return log_errno(-EIO,
			 "%s: %u operations that take it at least %u times were counted as "
			 "%" PRIu64 " (%" PRIu64 " by this process): the probes do not work on "
			 "this kernel; give --no-locks",
			 lock_count_name[count], CHECK_OPS, least, c->all[count], c->launch[count]);
}

static int self_check(void)
{
	struct lock_counts counts;
	int ret;

	ret = locks_start();
	if (ret)
		return ret;
	ret = check_operations();
	if (locks_stop(&counts) || ret)
		return ret ?: -EIO;
	/* mkdir, the move, rmdir */
	ret = check_count(&counts, LOCK_MUTEX, 3 * CHECK_OPS);
	if (!ret)
		ret = check_count(&counts, LOCK_RWSEM, CHECK_OPS);
	if (!ret)
		ret = check_count(&counts, LOCK_CSS_SET, CHECK_OPS);
	return ret;
}

int locks_setup(void)
{
	int ret = mount_tracefs();

	if (!ret)
		ret = read_symbols();
	if (!ret)
		ret = define_probes();
	if (!ret)
		ret = self_check();
	if (ret)
		locks_teardown();
	return ret;
}
