// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and attaching the programs of bpf/trace.bpf.c.
 */
#include "traceprobe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf/trace.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "tracereport.h"
#include "tracesyms.h"

/* The compiled programs: see the Makefile. */
asm(".pushsection .rodata\n"
    ".balign 8\n"
    "trace_object: .incbin \"trace.bpf.o\"\n"
    "trace_object_end:\n"
    ".popsection\n");
extern const char trace_object[], trace_object_end[];

#define KALLSYMS "/proc/kallsyms"

/* include/linux/proc_ns.h: PROC_PID_INIT_INO */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFC

#define MAX_FORMAT	      65536

/* What queued spinlocks are called, by configuration and hypervisor. */
enum {
	SYM_CGROUP_MUTEX,
	SYM_CSS_SET_LOCK,
	SYM_THREADGROUP_RWSEM,
	SYM_LOOKUP,
	SYM_DOWN_READ,
	SYM_SPIN,
	SYM_SPIN_NATIVE,
	SYM_SPIN_PV,
	NR_SYMS
};

/* libbpf explains at length; what the caller needs is said by us. */
static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return getenv("RUND_TRACE_DEBUG") ? vfprintf(stderr, fmt, args) : 0;
}

static int map_fd(const struct ra_trace *t, const char *name)
{
	return bpf_object__find_map_fd_by_name(t->obj, name);
}

static int check_pid_namespace(void)
{
	struct stat st;

	if (!stat("/proc/self/ns/pid", &st) && st.st_ino != INITIAL_PID_NAMESPACE)
		return log_errno(-EINVAL, "trace: this is a PID namespace, where processes have "
					  "other numbers than the kernel's; run it on the host");
	return 0;
}

static int load_object(struct ra_trace *t)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "rund_trace");
	int ret;

	libbpf_set_print(quiet);
	t->obj = bpf_object__open_mem(trace_object, trace_object_end - trace_object, &opts);
	if (!t->obj)
		return log_errno(-errno, "trace: BPF object: %m");
	ret = bpf_object__load(t->obj);
	if (ret == -EPERM)
		return log_errno(ret, "trace: loading BPF programs: not permitted; run as root, "
				      "or with CAP_BPF, CAP_PERFMON and CAP_SYSLOG");
	if (ret)
		return log_errno(ret,
				 "trace: loading BPF programs: %s; the kernel needs "
				 "CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS and "
				 "CONFIG_KPROBE_EVENTS (details: RUND_TRACE_DEBUG=1)",
				 strerror(-ret));
	return 0;
}

static int add_lock(const struct ra_trace *t, uint64_t addr, uint32_t lock)
{
	int ret = bpf_map_update_elem(map_fd(t, "locks"), &addr, &lock, BPF_ANY);

	return ret ? log_errno(-errno, "trace: map of locks: %m") : 0;
}

static int check_symbol(const struct ra_ksym *sym)
{
	if (!sym->found)
		return log_errno(-ENOENT, "%s: has no %s; the kernel needs CONFIG_KALLSYMS_ALL",
				 KALLSYMS, sym->name);
	if (!sym->addr)
		return log_errno(-EACCES,
				 "%s: hides the address of %s; run as root after "
				 "sysctl kernel.kptr_restrict=0",
				 KALLSYMS, sym->name);
	return 0;
}

static int attach(struct ra_trace *t, struct bpf_link *link)
{
	if (!link)
		return -errno;
	t->links[t->nr_links++] = link;
	return 0;
}

static int attach_program(struct ra_trace *t, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(t->obj, name);
	int ret;

	ret = attach(t, bpf_program__attach(prog));
	if (ret)
		return log_errno(ret,
				 "trace: %s: %s; the kernel needs this tracepoint or function, "
				 "and CONFIG_KPROBE_EVENTS (details: RUND_TRACE_DEBUG=1)",
				 bpf_program__section_name(prog), strerror(-ret));
	return 0;
}

static int attach_probe(struct ra_trace *t, const char *name, bool ret_probe, const char *func)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(t->obj, name);
	int ret;

	ret = attach(t, bpf_program__attach_kprobe(prog, ret_probe, func));
	if (ret)
		return log_errno(ret,
				 "trace: probe of %s: %s; the kernel needs CONFIG_KPROBE_EVENTS",
				 func, strerror(-ret));
	return 0;
}

static void detach_all(struct ra_trace *t)
{
	while (t->nr_links)
		bpf_link__destroy(t->links[--t->nr_links]);
}

/* The locks that have symbols, and functions. */
static int find_symbols(struct ra_trace *t)
{
	struct ra_ksym syms[NR_SYMS] = {
		[SYM_CGROUP_MUTEX] = {"cgroup_mutex"},
		[SYM_CSS_SET_LOCK] = {"css_set_lock"},
		[SYM_THREADGROUP_RWSEM] = {"cgroup_threadgroup_rwsem"},
		[SYM_LOOKUP] = {"kernfs_iop_lookup"},
		[SYM_DOWN_READ] = {"down_read"},
		[SYM_SPIN] = {"queued_spin_lock_slowpath"},
		[SYM_SPIN_NATIVE] = {"native_queued_spin_lock_slowpath"},
		[SYM_SPIN_PV] = {"__pv_queued_spin_lock_slowpath"},
	};
	int ret = ra_ksyms_read(KALLSYMS, syms, NR_SYMS);

	if (ret)
		return log_errno(ret, "%s: %s", KALLSYMS, strerror(-ret));
	for (int i = 0; !ret && i < SYM_SPIN; i++)
		ret = check_symbol(&syms[i]);
	if (!ret)
		ret = add_lock(t, syms[SYM_CGROUP_MUTEX].addr, TRACE_CGROUP_MUTEX);
	if (!ret)
		ret = add_lock(t, syms[SYM_CSS_SET_LOCK].addr,
			       t->probe_spin ? TRACE_PROBED_CSS_SET_LOCK : TRACE_CSS_SET_LOCK);
	if (!ret)
		ret = add_lock(t, syms[SYM_THREADGROUP_RWSEM].addr, TRACE_THREADGROUP_RWSEM);
	t->lookup = syms[SYM_LOOKUP].addr;
	t->down_read = syms[SYM_DOWN_READ].addr;
	for (int i = SYM_SPIN; i < NR_SYMS; i++)
		t->spin[i - SYM_SPIN] = syms[i].found ? syms[i].name : NULL;
	return ret;
}

static int set_config(const struct ra_trace *t, struct trace_config *c)
{
	uint32_t zero = 0;
	int ret = bpf_map_update_elem(map_fd(t, "config"), &zero, c, BPF_ANY);

	return ret ? log_errno(-errno, "trace: map of settings: %m") : 0;
}

static int get_config(const struct ra_trace *t, struct trace_config *c)
{
	uint32_t zero = 0;
	int ret = bpf_map_lookup_elem(map_fd(t, "config"), &zero, c);

	return ret ? log_errno(-errno, "trace: map of settings: %m") : 0;
}

/* Look up a name that was never looked up: that asks the file system. */
static int learn_from(struct ra_trace *t, const char *dir, int *found)
{
	struct trace_config c = {0};
	char path[PATH_MAX];
	int ret = set_config(t, &c);

	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/.rund-trace-%d", dir, getpid());
	access(path, F_OK);
	ret = get_config(t, &c);
	if (ret)
		return ret;
	/* Something else may be mounted there by now. */
	if (!c.learnt) {
		log_warn("trace: %s: found no kernfs_rwsem, its waits are not counted", dir);
		return 0;
	}
	(*found)++;
	return add_lock(t, c.learnt, TRACE_KERNFS_RWSEM);
}

/* Each hierarchy of cgroups is a kernfs of its own, with an rwsem that has no symbol. */
static int learn_all(struct ra_trace *t)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int ret = 0, found = 0;

	if (!mounts)
		return log_errno(-errno, "/proc/self/mounts: %m");
	while (!ret && (m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "cgroup") && strcmp(m->mnt_type, "cgroup2"))
			continue;
		ret = learn_from(t, m->mnt_dir, &found);
	}
	endmntent(mounts);
	if (!ret && !found)
		return log_errno(-ENOENT,
				 "trace: no kernfs_rwsem was found by looking a name up in "
				 "the mounts of cgroup file systems; mount -t cgroup2 "
				 "cgroup2 /sys/fs/cgroup");
	return ret;
}

/*
 * A breakpoint register of this thread: unlike a probe it changes no code, and
 * nobody else runs into it, which matters for functions as busy as these.
 */
static int attach_breakpoint(struct ra_trace *t, const char *name, uint64_t addr)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(t->obj, name);
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_X,
		.bp_addr = addr,
		.bp_len = sizeof(long),
		.sample_period = 1,
		.exclude_user = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC), ret;

	ret = fd < 0 ? -errno : attach(t, bpf_program__attach_perf_event(prog, fd));
	if (ret && fd >= 0)
		close(fd); /* else the link has it */
	if (ret)
		return log_errno(ret,
				 "trace: breakpoint for %s: %s; the kernel needs "
				 "CONFIG_PERF_EVENTS and CONFIG_KPROBES",
				 name, strerror(-ret));
	return 0;
}

static int learn_kernfs(struct ra_trace *t)
{
	int ret = attach_breakpoint(t, "learn_lookup", t->lookup);

	if (!ret)
		ret = attach_breakpoint(t, "learn_rwsem", t->down_read);
	if (!ret)
		ret = learn_all(t);
	detach_all(t);
	return ret;
}

/* The programs know these records by their offsets in Linux 6.12. */
static int check_format(const char *event, const char *field, int offset)
{
	const char *tracefs = "/sys/kernel/debug/tracing"; /* as libbpf chooses */
	__cleanup_free char *text = NULL;
	char path[128];
	ssize_t len;

	if (access(tracefs, F_OK))
		tracefs = "/sys/kernel/tracing";
	snprintf(path, sizeof(path), "%s/events/sched/%s/format", tracefs, event);
	len = io_read_file(AT_FDCWD, path, MAX_FORMAT, &text);
	if (len < 0)
		return log_errno((int)len,
				 "%s: %s; mount -t tracefs tracefs /sys/kernel/tracing, or "
				 "use a kernel with CONFIG_FTRACE",
				 path, strerror(-len));
	if (ra_trace_field(text, field) != offset)
		return log_errno(-EPROTO,
				 "%s: %s is not at offset %d; this kernel is not one that "
				 "RunD knows",
				 path, field, offset);
	return 0;
}

int ra_trace_load(struct ra_trace *t)
{
	int ret = check_pid_namespace();

	if (!ret)
		ret = load_object(t);
	if (!ret)
		ret = find_symbols(t);
	if (!ret)
		ret = check_format("sched_process_fork", "child_pid", 44);
	if (!ret)
		ret = check_format("sched_process_free", "pid", 24);
	if (!ret)
		ret = learn_kernfs(t);
	return ret;
}

int ra_trace_choose(struct ra_trace *t, pid_t pid)
{
	const struct trace_task task = {.chosen = 1};
	char path[64];
	struct dirent *e;
	uint32_t tid;
	DIR *dir;
	int ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return log_errno(-ESRCH, "--pid %d: no such process", pid);
	while (!ret && (e = readdir(dir))) {
		if (sscanf(e->d_name, "%" SCNu32, &tid) != 1)
			continue;
		if (bpf_map_update_elem(map_fd(t, "tasks"), &tid, &task, BPF_ANY))
			ret = log_errno(-errno, "trace: map of tasks: %m");
	}
	closedir(dir);
	t->has_chosen = true;
	return ret;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static int attach_spin(struct ra_trace *t)
{
	int ret = 0, n = 0;

	if (!t->probe_spin)
		return 0;
	for (int i = 0; !ret && i < RA_TRACE_SPIN_FUNCS; i++) {
		if (!t->spin[i])
			continue;
		n++;
		ret = attach_probe(t, "spin_end", true, t->spin[i]);
		if (!ret)
			ret = attach_probe(t, "spin_begin", false, t->spin[i]);
	}
	if (!ret && !n)
		return log_errno(-ENOENT,
				 "%s: has no function that waits for a spinlock; the "
				 "kernel needs CONFIG_SMP",
				 KALLSYMS);
	return ret;
}

int ra_trace_start(struct ra_trace *t)
{
	/* Who belongs to whom first, and ends before beginnings. */
	static const char *const programs[] = {
		"process_free",	    "process_fork", "process_exec", "contention_end",
		"contention_begin", "write_end",    "write_begin",
	};
	struct trace_config c = {.agent.text = "rund-agent", .vmm.text = "rund-vmm"};
	int ret = set_config(t, &c);

	for (int i = 0; !ret && i < (int)(sizeof(programs) / sizeof(programs[0])); i++)
		ret = attach_program(t, programs[i]);
	if (!ret)
		ret = attach_spin(t);
	if (ret)
		return ret;
	/* Only a module that is loaded, and new enough, has it. */
	t->has_slots = !attach(
		t, bpf_program__attach(bpf_object__find_program_by_name(t->obj, "lwcg_acquire")));
	t->started = now_ns();
	return 0;
}

static void merge(struct trace_stat *sum, const struct trace_stat *s)
{
	sum->waits += s->waits;
	sum->ns += s->ns;
	if (s->max_ns > sum->max_ns)
		sum->max_ns = s->max_ns;
	for (int i = 0; i < TRACE_BUCKETS; i++)
		sum->bucket[i] += s->bucket[i];
}

static int read_stats(const struct ra_trace *t, struct ra_trace_result *r)
{
	int cpus = libbpf_num_possible_cpus();
	__cleanup_free struct trace_stat *each = NULL;
	struct trace_stat *sum = r->stat[0];

	if (cpus < 0)
		return log_errno(cpus, "/sys/devices/system/cpu/possible: %s", strerror(-cpus));
	each = calloc(cpus, sizeof(*each));
	if (!each)
		return log_errno(-ENOMEM, "out of memory");
	for (uint32_t key = 0; key < TRACE_NR_SCOPES * TRACE_NR_ROWS; key++) {
		if (bpf_map_lookup_elem(map_fd(t, "stats"), &key, each))
			return log_errno(-errno, "trace: map of waits: %m");
		for (int cpu = 0; cpu < cpus; cpu++)
			merge(&sum[key], &each[cpu]);
	}
	return 0;
}

/* One more entry of an array of @size bytes each. */
static void *grow(void *array, size_t *n, size_t size)
{
	void **a = array;
	void *p = reallocarray(*a, *n + 1, size);

	if (!p)
		return NULL;
	*a = p;
	p = (char *)p + *n * size;
	memset(p, 0, size);
	(*n)++;
	return p;
}

static int longer(const void *a, const void *b)
{
	const struct ra_waiter *x = a, *y = b;

	return x->sum.ns < y->sum.ns ? 1 : x->sum.ns > y->sum.ns ? -1 : 0;
}

static int read_waiters(const struct ra_trace *t, struct ra_trace_result *r)
{
	struct trace_comm_key key, *prev = NULL;
	int fd = map_fd(t, "comms");
	struct ra_waiter *w;

	for (; !bpf_map_get_next_key(fd, prev, &key); prev = &key) {
		w = grow(&r->waiters, &r->nr_waiters, sizeof(*w));
		if (!w)
			return log_errno(-ENOMEM, "out of memory");
		memcpy(w->comm, key.comm.text, sizeof(w->comm));
		w->row = key.row;
		if (bpf_map_lookup_elem(fd, &key, &w->sum))
			return log_errno(-errno, "trace: map of waiters: %m");
	}
	if (r->nr_waiters)
		qsort(r->waiters, r->nr_waiters, sizeof(*w), longer);
	return 0;
}

static void read_launch(const struct ra_trace *t, uint64_t id, const struct trace_launch *l,
			struct ra_launch_waits *w)
{
	struct trace_launch_key key = {.launch = id};

	w->pid = id >> TRACE_LAUNCH_PID;
	w->vmm = l->vmm;
	w->slots = l->slots;
	w->ns = l->spawn_ns - l->start_ns;
	for (key.row = 0; key.row < TRACE_NR_ROWS; key.row++)
		bpf_map_lookup_elem(map_fd(t, "launch_waits"), &key, &w->row[key.row]);
}

/* Other runs of rund-agent, and launches that failed, have started no VMM. */
static int read_launches(const struct ra_trace *t, struct ra_trace_result *r)
{
	uint64_t key, *prev = NULL;
	int fd = map_fd(t, "launches");
	struct ra_launch_waits *w;
	struct trace_launch l;

	for (; !bpf_map_get_next_key(fd, prev, &key); prev = &key) {
		if (bpf_map_lookup_elem(fd, &key, &l) || !l.spawn_ns)
			continue;
		w = grow(&r->launches, &r->nr_launches, sizeof(*w));
		if (!w)
			return log_errno(-ENOMEM, "out of memory");
		read_launch(t, key, &l, w);
	}
	return 0;
}

/* Where virt_spin_lock() of <asm/qspinlock.h> keeps waiters out of the queue. */
static bool is_virtual(void)
{
	__cleanup_file FILE *f = fopen("/proc/cpuinfo", "re");
	__cleanup_free char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		if (!strncmp(line, "flags", 5))
			return strstr(line, " hypervisor");
	}
	return false;
}

int ra_trace_stop(struct ra_trace *t, struct ra_trace_result *r)
{
	struct trace_config c;
	int ret;

	memset(r, 0, sizeof(*r));
	r->ns = now_ns() - t->started;
	detach_all(t);
	r->has_chosen = t->has_chosen;
	r->has_slots = t->has_slots;
	r->spin = t->probe_spin ? RA_SPIN_PROBED : is_virtual() ? RA_SPIN_HIDDEN : RA_SPIN_QUEUED;
	ret = get_config(t, &c);
	r->lost = ret ? 0 : c.lost;
	if (!ret)
		ret = read_stats(t, r);
	if (!ret)
		ret = read_waiters(t, r);
	if (!ret)
		ret = read_launches(t, r);
	return ret;
}

void ra_trace_close(struct ra_trace *t)
{
	detach_all(t);
	bpf_object__close(t->obj);
	t->obj = NULL;
}
