// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ready slots of lwcg that nobody uses cost everybody else: the same few
 * loads without slots, with SLOTS of them, and without again.  Meant for the lab
 * with --icount, where a nanosecond of CLOCK_MONOTONIC is one instruction; see
 * bench-idle.  JSON.
 *
 *	idle [SLOTS [ROUNDS]]
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/lwcg.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ROOT	      "/sys/fs/cgroup"
#define LOADS	      ROOT "/idle-loads"
#define BUSY	      LOADS "/busy"
#define LIMITED	      LOADS "/limited"
#define POOL	      ROOT "/idle-pool"
/* All holes: reading it fills the page cache and needs no disk. */
#define SPARSE	     "/var/lib/rund/idle.sparse"
#define MIB	     (1UL << 20)
#define PAGES(bytes) ((bytes) / 4096)
#define MAX_ROUNDS   64

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "idle: error: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int must(int ret, const char *what)
{
	if (ret < 0)
		die(what);
	return ret;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void write_file(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);

	must(write(fd, text, strlen(text)), path);
	close(fd);
}

static void read_file(const char *path)
{
	static char buf[16384];
	int fd = must(open(path, O_RDONLY | O_CLOEXEC), path);

	while (must(read(fd, buf, sizeof(buf)), path) > 0)
		;
	close(fd);
}

static pid_t fork_into(const char *cgroup)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
	int fd = must(open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), cgroup);
	pid_t pid;

	args.cgroup = fd;
	pid = must(syscall(SYS_clone3, &args, sizeof(args)), "clone3");
	close(fd);
	return pid;
}

static void wait_for(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0), "waitpid");
	if (status) {
		errno = ECHILD;
		die("a load failed");
	}
}

/* A byte from pipe to pipe, by a process each. */
static void pass(int in, int out, int n)
{
	char c = 0;

	while (n--)
		if (read(in, &c, 1) != 1 || write(out, &c, 1) != 1)
			_exit(1);
}

static double context_switch(void)
{
	const int trips = 20000;
	int there[2], back[2];
	double start;
	pid_t echo, ping;
	char c = 0;

	must(pipe(there), "pipe");
	must(pipe(back), "pipe");
	start = now();
	echo = fork_into(BUSY);
	if (!echo) {
		pass(there[0], back[1], trips);
		_exit(0);
	}
	ping = fork_into(BUSY);
	if (!ping) {
		if (write(there[1], &c, 1) != 1)
			_exit(1);
		pass(back[0], there[1], trips - 1);
		_exit(0);
	}
	wait_for(echo);
	wait_for(ping);
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
	return (now() - start) / trips;
}

/* Read that much of the sparse file. */
static void stream(off_t from, size_t bytes)
{
	static char buf[MIB];
	int fd = must(open(SPARSE, O_RDONLY | O_CLOEXEC), SPARSE);

	for (; bytes; bytes -= sizeof(buf), from += sizeof(buf))
		if (pread(fd, buf, sizeof(buf), from) != sizeof(buf))
			_exit(1);
	close(fd);
}

/* The same in a cgroup, and of pages that were never read before. */
static double stream_in(const char *cgroup, size_t bytes)
{
	static off_t at;
	double start = now();
	pid_t pid = fork_into(cgroup);

	if (!pid) {
		stream(at, bytes);
		_exit(0);
	}
	wait_for(pid);
	at += bytes;
	return (now() - start) / PAGES(bytes);
}

/* A cgroup that reads more than it may keep. */
static double limited_reclaim(void)
{
	return stream_in(LIMITED, 256 * MIB);
}

/* An operator who asks the whole machine for memory. */
static double root_reclaim(void)
{
	double start;

	write_file("/proc/sys/vm/drop_caches", "3");
	stream_in(BUSY, 256 * MIB);
	start = now();
	write_file(ROOT "/memory.reclaim", "128M");
	return (now() - start) / PAGES(128 * MIB);
}

/* A machine that runs out of memory: kswapd and direct reclaim. */
static double global_reclaim(void)
{
	return stream_in(BUSY, 512 * MIB);
}

/* Fill the memory, so that what follows has to reclaim. */
static void fill_memory(void)
{
	stream_in(BUSY, sysconf(_SC_PHYS_PAGES) * 4096UL / MIB * MIB);
}

/* A monitor reads the root's counters after something has changed somewhere. */
static void use_and_read(int n)
{
	char *page;

	while (n--) {
		page = mmap(NULL, 4096, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			_exit(1);
		*page = 1;
		munmap(page, 4096);
		read_file(ROOT "/memory.stat");
		read_file(ROOT "/cpu.stat");
	}
}

static double read_stats(void)
{
	const int n = 2000;
	double start = now();
	pid_t pid = fork_into(BUSY);

	if (!pid) {
		use_and_read(n);
		_exit(0);
	}
	wait_for(pid);
	return (now() - start) / n;
}

/* A process that wants nothing of the kernel: the rest is what runs by itself. */
static double background(void)
{
	const unsigned long n = 1000 * 1000 * 1000;
	double start = now();
	unsigned long i;

	for (i = 0; i < n; i++)
		asm volatile("");
	return (now() - start) / n;
}

static const struct load {
	const char *name, *unit;
	double (*run)(void);
	void (*prepare)(void);
} loads[] = {
	{"context-switch", "round trip", context_switch, NULL},
	{"read-stats", "read of memory.stat and cpu.stat", read_stats, NULL},
	{"background", "iteration of an empty loop", background, NULL},
	{"limited-reclaim", "page read below memory.max", limited_reclaim, NULL},
	{"root-reclaim", "page given back by memory.reclaim", root_reclaim, NULL},
	{"global-reclaim", "page read with the memory full", global_reclaim, fill_memory},
};

enum { WITHOUT, WITH, AGAIN, NR_PASSES };

static double result[NR_PASSES][ARRAY_SIZE(loads)];
static double spread[NR_PASSES][ARRAY_SIZE(loads)];

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void measure(int pass, int rounds)
{
	double v[MAX_ROUNDS];
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(loads); i++) {
		write_file("/proc/sys/vm/drop_caches", "3");
		if (loads[i].prepare)
			loads[i].prepare();
		loads[i].run();
		for (r = 0; r < rounds; r++)
			v[r] = loads[i].run();
		qsort(v, rounds, sizeof(*v), ascending);
		result[pass][i] = v[rounds / 2];
		spread[pass][i] = (v[rounds - 1] - v[0]) / v[rounds / 2];
		fprintf(stderr, "idle: pass %d: %s: %.2f instructions a %s, spread %.2f %%\n", pass,
			loads[i].name, v[rounds / 2], loads[i].unit, spread[pass][i] * 100);
	}
}

static const char *const meminfo[] = {"MemAvailable", "MemFree", "Slab", "SUnreclaim", "Percpu"};

static void sample_memory(long kib[ARRAY_SIZE(meminfo)])
{
	char line[128], name[64];
	long value;
	size_t i;
	FILE *f;

	sync();
	write_file("/proc/sys/vm/drop_caches", "3");
	/* What is freed after a grace period is to be counted as free. */
	sleep(2);
	f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63[^:]: %ld", name, &value) == 2)
			for (i = 0; i < ARRAY_SIZE(meminfo); i++)
				if (!strcmp(name, meminfo[i]))
					kib[i] = value;
	if (f)
		fclose(f);
}

static int pool_make(unsigned int slots)
{
	struct lwcg_pool pool = {.size = sizeof(pool), .target = slots};
	int dev = must(open(LWCG_DEVICE, O_RDWR | O_CLOEXEC), LWCG_DEVICE);

	pool.parent_fd = must(open(POOL, O_RDONLY | O_DIRECTORY | O_CLOEXEC), POOL);
	must(ioctl(dev, LWCG_POOL, &pool), "LWCG_POOL");
	close(pool.parent_fd);
	return dev;
}

static void pool_drain(int dev)
{
	struct lwcg_drain drain = {.size = sizeof(drain)};

	must(ioctl(dev, LWCG_DRAIN, &drain), "LWCG_DRAIN");
	close(dev);
}

static void setup(void)
{
	static const char controllers[] = "+cpu +memory +pids +io +cpuset";
	int fd;

	write_file(ROOT "/cgroup.subtree_control", controllers);
	must(mkdir(LOADS, 0755), LOADS);
	write_file(LOADS "/cgroup.subtree_control", controllers);
	must(mkdir(BUSY, 0755), BUSY);
	must(mkdir(LIMITED, 0755), LIMITED);
	write_file(LIMITED "/memory.max", "32M");
	must(mkdir(POOL, 0755), POOL);
	write_file(POOL "/cgroup.subtree_control", controllers);
	fd = must(open(SPARSE, O_RDWR | O_CREAT | O_CLOEXEC, 0600), SPARSE);
	must(ftruncate(fd, 1L << 40), SPARSE);
	close(fd);
}

static void print_json(unsigned int slots, int rounds, const long *before, const long *after)
{
	size_t i;

	printf("{\n  \"slots\": %u,\n  \"rounds\": %d,\n  \"cpus\": %ld,\n", slots, rounds,
	       sysconf(_SC_NPROCESSORS_ONLN));
	printf("  \"kib_per_slot\": {");
	for (i = 0; i < ARRAY_SIZE(meminfo); i++)
		printf("%s\"%s\": %.2f", i ? ", " : "", meminfo[i],
		       labs(after[i] - before[i]) / (double)slots);
	printf("},\n  \"loads\": [\n");
	for (i = 0; rounds && i < ARRAY_SIZE(loads); i++)
		printf("    {\"name\": \"%s\", \"per\": \"%s\", \"without\": %.4f, \"with\": %.4f, "
		       "\"without_again\": %.4f, \"ratio\": %.5f, \"spread\": %.5f}%s\n",
		       loads[i].name, loads[i].unit, result[WITHOUT][i], result[WITH][i],
		       result[AGAIN][i],
		       result[WITH][i] * 2 / (result[WITHOUT][i] + result[AGAIN][i]),
		       spread[WITH][i], i + 1 < ARRAY_SIZE(loads) ? "," : "");
	printf("  ]\n}\n");
}

int main(int argc, char **argv)
{
	unsigned int slots = argc > 1 ? atoi(argv[1]) : 10000;
	int rounds = argc > 2 ? atoi(argv[2]) : 3, dev;
	long before[ARRAY_SIZE(meminfo)] = {0}, after[ARRAY_SIZE(meminfo)] = {0};

	if (!slots || rounds < 0 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: idle [SLOTS [ROUNDS]]\n");
		return 2;
	}
	setup();
	/* The first slots build what all slots share: slab pages, percpu chunks. */
	pool_drain(pool_make(64));
	if (rounds)
		measure(WITHOUT, rounds);
	sample_memory(before);
	dev = pool_make(slots);
	sample_memory(after);
	if (rounds)
		measure(WITH, rounds);
	pool_drain(dev);
	if (rounds)
		measure(AGAIN, rounds);
	print_json(slots, rounds, before, after);
	return 0;
}
