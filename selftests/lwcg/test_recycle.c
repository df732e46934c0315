// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recycle contract: the end of a lease ends everything in the cgroup, however
 * it resists, and the next tenant finds every file as in a cgroup made by mkdir(2),
 * be it in the same slot or in one that took the place of a slot that retired.
 */
#include "lwcg_tenant.h"

#include <linux/bpf.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/*
 * A file on the store's disk, where the io controller counts.  It is made before and
 * written to directly: a page cache leaves nodes of its tree behind that are charged,
 * and a new inode stays until it is in its place on disk.
 */
static char io_block[4096] __attribute__((aligned(4096)));
static int io_fd;

static void write_blocks(void)
{
	int i;

	for (i = 0; io_fd >= 0 && i < 16; i++)
		(void)!pwrite(io_fd, io_block, sizeof(io_block), i * sizeof(io_block));
}

static void use_everything(void)
{
	int i;

	use_memory(8 << 20);
	use_cpu(200);
	for (i = 0; i < 40; i++)
		if (!fork())
			pause();
	write_blocks();
}

/*
 * What the children that were reaped have used of the CPU.  As the cgroup does, they
 * count the time during which an emulated CPU stands still.
 */
static long children_usec(void)
{
	struct rusage ru;

	getrusage(RUSAGE_CHILDREN, &ru);
	return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000L + ru.ru_utime.tv_usec +
	       ru.ru_stime.tv_usec;
}

/* A number in a file with lines of "key value"; -1 if it is not there. */
static long value_of(int dir, const char *file, const char *key)
{
	const char *p = strstr(read_at(dir, file), key);

	return p ? atol(p + strlen(key) + 1) : -1;
}

/* The disk of that file may be written to sixteen times a second, in all eternity. */
static int limit_io(int dir)
{
	char text[64];
	struct stat st;

	if (io_fd < 0 || fstat(io_fd, &st))
		return -EIO;
	snprintf(text, sizeof(text), "%u:%u rbps=max wbps=262144 riops=max wiops=16",
		 major(st.st_dev), minor(st.st_dev));
	return write_at(dir, "io.max", text);
}

/*
 * A tenant that leaves traces in every controller; returns when they are there.
 * None of them is such that the slot has to retire.
 */
static int dirty(const struct lwcg_acquire *arg)
{
	static const struct {
		const char *file, *text;
	} writes[] = {
		{"pids.max", "20"},	      {"cpu.max", "20000 50000"},
		{"memory.high", "201326592"}, {"memory.max", "268435456"},
		{"memory.low", "1048576"},    {"memory.min", "524288"},
		{"cpu.weight", "7"},	      {"cgroup.max.depth", "3"},
		{"cpu.max.burst", "1000"},    {"cgroup.max.descendants", "3"},
		{"cgroup.pressure", "0"},     {"cgroup.pressure", "1"},
	};
	size_t i;

	io_fd = open("/var/lib/rund", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	write_blocks();
	if (exists_at(arg->dir_fd, "io.max") && limit_io(arg->dir_fd))
		return -1;
	for (i = 0; i < ARRAY_SIZE(writes); i++)
		if (exists_at(arg->dir_fd, writes[i].file) &&
		    write_at(arg->dir_fd, writes[i].file, writes[i].text))
			return -1;
	if (run_in(arg, use_everything))
		return -1;

	fsetxattr(arg->dir_fd, "trusted.tenant", "first", 5, 0);
	fchmod(arg->dir_fd, 0700);
	fchown(arg->dir_fd, 1, 1);
	return 0;
}

/* The traces are there, so that their absence later means something. */
static bool is_dirty(int dir)
{
	struct stat st;

	return value_of(dir, "pids.events", "max") > 0 &&
	       value_of(dir, "cpu.stat", "usage_usec") > 100000 &&
	       value_of(dir, "cpu.stat", "nr_throttled") > 0 &&
	       value_of(dir, "memory.stat", "pgfault") > 1000 &&
	       atol(read_at(dir, "memory.peak")) > 8 << 20 &&
	       atol(read_at(dir, "pids.peak")) == 20 &&
	       (!exists_at(dir, "io.stat") || strstr(read_at(dir, "io.stat"), "wbytes=")) &&
	       (!exists_at(dir, "io.max") || strstr(read_at(dir, "io.max"), "wbps=262144")) &&
	       !fstat(dir, &st) && st.st_uid == 1;
}

/*
 * Every file of the directory @a says the same in @b; what is listed below is set
 * by ACQUIRE.  Both must have the same files.
 */
static int compare_dirs(int a, int b)
{
	DIR *dir = fdopendir(openat(a, ".", O_RDONLY | O_DIRECTORY));
	char text[4096];
	struct dirent *de;
	int files = 0, ret = 0;

	while (dir && (de = readdir(dir))) {
		if (de->d_type != DT_REG || !strcmp(de->d_name, "memory.oom.group"))
			continue;
		snprintf(text, sizeof(text), "%s", read_at(a, de->d_name));
		files++;
		if (!exists_at(b, de->d_name) || strcmp(text, read_at(b, de->d_name))) {
			ktap_diag("%s: '%s', after another tenant '%s'", de->d_name, text,
				  read_at(b, de->d_name));
			ret = -1;
		}
	}
	if (dir)
		closedir(dir);
	ktap_diag("%d files compared", files);
	return files > 20 ? ret : -1;
}

/* The slot that the next ACQUIRE gives is as mkdir(2) would have made it. */
static uint64_t fresh_id;

static int expect_fresh(int dev)
{
	struct lwcg_acquire arg = acquire_arg("second");
	struct stat st;
	long usec;
	int fresh;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	fresh_id = arg.slot_id;
	EXPECT_EQ(mkdirat(parent_fd, "fresh", 0755), 0);
	fresh = openat(parent_fd, "fresh", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT(fresh >= 0);
	EXPECT_EQ(compare_dirs(fresh, arg.dir_fd), 0);
	EXPECT(fgetxattr(arg.dir_fd, "trusted.tenant", NULL, 0) < 0);
	EXPECT_EQ(fstat(arg.dir_fd, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0755);
	EXPECT_EQ(st.st_uid, 0);
	close(fresh);
	EXPECT_EQ(unlinkat(parent_fd, "fresh", AT_REMOVEDIR), 0);

	/* nor is anything left that only counting brings to light */
	usec = children_usec();
	EXPECT_EQ(run_in(&arg, use_little), 0);
	usec = children_usec() - usec;
	EXPECT(atol(read_at(arg.dir_fd, "memory.peak")) < 4 << 20);
	EXPECT_EQ(atol(read_at(arg.dir_fd, "pids.peak")), 1);
	EXPECT(value_of(arg.dir_fd, "cpu.stat", "usage_usec") < usec + 100000);
	EXPECT(value_of(arg.dir_fd, "cpu.stat", "user_usec") < usec + 100000);
	EXPECT(value_of(arg.dir_fd, "cpu.stat", "system_usec") < usec + 100000);
	EXPECT(value_of(arg.dir_fd, "memory.stat", "pgfault") < 1000);
	EXPECT_EQ(value_of(arg.dir_fd, "memory.events", "oom_kill"), 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	return KTAP_PASS;
}

static int test_same_slot_is_fresh(void)
{
	int dev = device_open_bound(1), tries, left = ktap_slow() ? 2 : 5;
	struct lwcg_acquire arg;
	struct lwcg_info before;
	uint64_t id;

	/*
	 * A slot may retire all the same: charges that are cached on an isolated CPU, like
	 * the first one of the lab, do not flow back.
	 */
	for (tries = 0; tries < 20 && left; tries++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		before = info(dev);
		arg = acquire_arg("first");
		EXPECT_EQ(acquire(dev, &arg), 0);
		/* what takes its place must not come after it is back */
		EXPECT(WAIT_FOR(info(dev).ready));
		EXPECT_EQ(dirty(&arg), 0);
		EXPECT(is_dirty(arg.dir_fd));
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		EXPECT(WAIT_FOR(!info(dev).recycling));
		close(arg.dir_fd);
		close(io_fd);

		/* used again, it is the one that is leased next: it came last, renumbered */
		id = youngest();
		EXPECT_EQ(expect_fresh(dev), KTAP_PASS);
		if (info(dev).retired == before.retired) {
			EXPECT(id > arg.slot_id);
			EXPECT_EQ(fresh_id, id);
			left--;
		}
	}
	ktap_diag("%d tries", tries);
	EXPECT_EQ(left, 0);
	close(dev);
	return KTAP_PASS;
}

/*
 * Give a slot back while nothing else is being recycled: 1 when it was made ready for
 * another lease, 0 when it has retired, -1 when that did not end.
 */
static int give_back(int dev, const struct lwcg_acquire *arg)
{
	uint64_t recycled = info(dev).recycled;

	if (release(dev, arg->slot_id))
		return -1;
	close(arg->dir_fd);
	return WAIT_FOR(!info(dev).recycling) ? info(dev).recycled - recycled : -1;
}

/* Used up its quota and its burst, over and over. */
static void be_throttled(void)
{
	int i;

	for (i = 0; i < 4; i++) {
		use_cpu(60);
		/* what it does not use now it may use later */
		sleep_ms(250);
	}
}

/* Limits of the CPU, counts of throttling and of bursts: none are inherited. */
static int test_throttling_is_forgotten(void)
{
	static const char *const counts[] = {"nr_periods", "nr_throttled", "throttled_usec",
					     "nr_bursts", "burst_usec"};
	struct lwcg_acquire arg;
	int dev = device_open_bound(1), tries, back;
	uint64_t id = 0;
	size_t i;

	for (tries = 0; tries < 10; tries++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		arg = acquire_arg("throttled");
		arg.cpu_quota_us = 20000;
		arg.cpu_period_us = 100000;
		EXPECT_EQ(acquire(dev, &arg), 0);
		EXPECT_EQ(write_at(arg.dir_fd, "cpu.max.burst", "20000"), 0);
		EXPECT_EQ(run_in(&arg, be_throttled), 0);
		for (i = 0; i < ARRAY_SIZE(counts); i++) {
			if (value_of(arg.dir_fd, "cpu.stat", counts[i]) <= 0)
				ktap_diag("the first tenant's %s is not above 0", counts[i]);
			EXPECT(value_of(arg.dir_fd, "cpu.stat", counts[i]) > 0);
		}
		EXPECT(WAIT_FOR(info(dev).ready));
		back = give_back(dev, &arg);
		EXPECT(back >= 0);
		if (back)
			break;
	}
	EXPECT(tries < 10);

	/* with a limit again: a file of an unlimited cgroup says little */
	id = youngest();
	EXPECT(id > arg.slot_id);
	arg = acquire_arg("second");
	arg.cpu_quota_us = 1000000;
	EXPECT_EQ(acquire(dev, &arg), 0);
	EXPECT_EQ(arg.slot_id, id);
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		EXPECT_EQ(value_of(arg.dir_fd, "cpu.stat", counts[i]), 0);
	EXPECT_EQ(value_of(arg.dir_fd, "cpu.stat.local", "throttled_usec"), 0);
	EXPECT(!strcmp(read_at(arg.dir_fd, "cpu.max"), "1000000 100000"));
	EXPECT(!strcmp(read_at(arg.dir_fd, "cpu.max.burst"), "0"));
	EXPECT_EQ(run_in(&arg, use_little), 0);
	EXPECT_EQ(value_of(arg.dir_fd, "cpu.stat", "nr_throttled"), 0);
	EXPECT_EQ(value_of(arg.dir_fd, "cpu.stat", "throttled_usec"), 0);
	EXPECT_EQ(value_of(arg.dir_fd, "cpu.stat", "nr_bursts"), 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static void use_little_cpu(void)
{
	use_cpu(20);
}

/*
 * The timer of CPU periods goes on for a period or two after a tenant's last task.  What
 * it counts then is not the next tenant's, which does not even run yet.
 */
static int test_period_under_way_is_forgotten(void)
{
	struct lwcg_acquire arg;
	int dev = device_open_bound(1), tries, back;

	for (tries = 0; tries < 10; tries++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		arg = acquire_arg("first");
		arg.cpu_quota_us = 1000000;
		arg.cpu_period_us = 1000000;
		EXPECT_EQ(acquire(dev, &arg), 0);
		EXPECT(WAIT_FOR(info(dev).ready));
		EXPECT_EQ(run_in(&arg, use_little_cpu), 0);
		back = give_back(dev, &arg);
		EXPECT(back >= 0);
		if (back)
			break;
	}
	EXPECT(tries < 10);
	arg = acquire_arg("second");
	arg.cpu_quota_us = 1000000;
	arg.cpu_period_us = 1000000;
	EXPECT_EQ(acquire(dev, &arg), 0);
	sleep_ms(2200);
	EXPECT_EQ(value_of(arg.dir_fd, "cpu.stat", "nr_periods"), 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/*
 * Leases that come and go at a steady rate, slower and faster than a lull is long.  A pool
 * of which no more than an eighth is left makes more at once, without waiting for what is
 * being recycled: it is so large that these leases cannot take it there.
 */
static int test_steady_leases_make_no_cgroups(void)
{
	static const int pause_ms[] = {50, 10, 1};
	enum { N = 256, LEASES = 150 };
	int dev = device_open_bound(N), i, lost, made;
	struct lwcg_acquire arg;
	struct lwcg_info before, after;
	uint64_t refilled;
	size_t k;

	for (k = 0; k < ARRAY_SIZE(pause_ms); k++) {
		/* full, and with as much as it keeps of what comes back */
		EXPECT(WAIT_FOR(!info(dev).recycling && is_filled(dev, N)));
		before = info(dev);
		refilled = stats(dev).refilled;
		for (i = 0; i < LEASES; i++) {
			arg = acquire_arg("steady");
			EXPECT_EQ(acquire(dev, &arg), 0);
			EXPECT_EQ(run_in(&arg, use_little), 0);
			EXPECT_EQ(release(dev, arg.slot_id), 0);
			close(arg.dir_fd);
			sleep_ms(pause_ms[k]);
		}
		EXPECT(WAIT_FOR(!info(dev).recycling));
		after = info(dev);
		lost = after.retired - before.retired;
		made = stats(dev).refilled - refilled;
		ktap_diag("%d leases, %d ms apart: %d retired, %d made", LEASES, pause_ms[k], lost,
			  made);
		EXPECT_EQ(after.acquired - before.acquired, LEASES);
		EXPECT_EQ(made, 0);
		EXPECT_EQ(after.ready, before.ready - lost);
		EXPECT_EQ(nr_descendants(parent_fd), after.ready);
	}
	/* the next test is to have a smaller one */
	EXPECT_EQ(drain(dev), 0);
	close(dev);
	return KTAP_PASS;
}

static void write_more_blocks(void)
{
	write_blocks();
	write_blocks();
	write_blocks();
}

/* 48 writes, in milliseconds */
static int64_t time_io(const struct lwcg_acquire *arg)
{
	int64_t start = now_ms();

	return run_in(arg, write_more_blocks) ? -1 : now_ms() - start;
}

/* What the disk may do for a tenant is forgotten, and so is what it has done. */
static int test_io_limits_are_forgotten(void)
{
	struct lwcg_acquire arg;
	int dev = device_open_bound(1), tries, back;

	if (!exists_at(parent_fd, "io.max"))
		return ktap_skip("the kernel has no CONFIG_BLK_DEV_THROTTLING");
	io_fd = open("/var/lib/rund", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	if (io_fd < 0)
		return ktap_skip("no file on a disk at /var/lib/rund");
	write_blocks();
	for (tries = 0; tries < 10; tries++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		arg = acquire_arg("first");
		EXPECT_EQ(acquire(dev, &arg), 0);
		EXPECT_EQ(limit_io(arg.dir_fd), 0);
		EXPECT(time_io(&arg) > 1500);
		EXPECT(strstr(read_at(arg.dir_fd, "io.max"), "wiops=16"));
		EXPECT(WAIT_FOR(info(dev).ready));
		back = give_back(dev, &arg);
		EXPECT(back >= 0);
		if (back)
			break;
	}
	EXPECT(tries < 10);
	arg = acquire_arg("second");
	EXPECT_EQ(acquire(dev, &arg), 0);
	EXPECT(!strcmp(read_at(arg.dir_fd, "io.max"), ""));
	EXPECT(!strcmp(read_at(arg.dir_fd, "io.stat"), ""));
	EXPECT(time_io(&arg) < 1500);
	EXPECT(strstr(read_at(arg.dir_fd, "io.stat"), "wios=48"));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	close(io_fd);
	close(dev);
	return KTAP_PASS;
}

/* What follows leaves something that only removing the cgroup undoes, or a holder. */

static int leave_frozen(const struct lwcg_acquire *arg)
{
	return write_at(arg->dir_fd, "cgroup.freeze", "1");
}

static int leave_cpuset(const struct lwcg_acquire *arg)
{
	return write_at(arg->dir_fd, "cpuset.cpus", "0");
}

static int leave_bpf_program(const struct lwcg_acquire *arg)
{
	static const struct bpf_insn allow[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_SKB,
		.insns = (uintptr_t)allow,
		.insn_cnt = ARRAY_SIZE(allow),
		.license = (uintptr_t) "GPL",
	};
	union bpf_attr attach = {
		.target_fd = arg->dir_fd,
		.attach_type = BPF_CGROUP_INET_EGRESS,
	};
	int prog = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load)), ret;

	if (prog < 0)
		return -errno;
	attach.attach_bpf_fd = prog;
	ret = syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) ? -errno : 0;
	close(prog);
	return ret;
}

static int leave_socket(const struct lwcg_acquire *arg)
{
	pid_t pid = clone_into(arg->dir_fd);
	int pidfd, fd;

	if (!pid) {
		dup2(socket(AF_INET, SOCK_DGRAM, 0), 100);
		for (;;)
			pause();
	}
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (!WAIT_FOR((fd = syscall(SYS_pidfd_getfd, pidfd, 100, 0)) >= 0))
		return -1;
	close(pidfd);
	kill(pid, SIGKILL);
	return reap(pid) < 0 ? -1 : fd;
}

static int leave_namespace(const struct lwcg_acquire *arg)
{
	char path[64], own[64], theirs[64];
	pid_t pid = clone_into(arg->dir_fd);
	int fd = -1;

	if (!pid) {
		unshare(CLONE_NEWCGROUP);
		for (;;)
			pause();
	}
	own[readlink("/proc/self/ns/cgroup", own, sizeof(own) - 1)] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", pid);
	if (WAIT_FOR((theirs[readlink(path, theirs, sizeof(theirs) - 1)] = '\0',
		      strcmp(own, theirs))))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	return reap(pid) < 0 ? -1 : fd;
}

static int test_slots_that_retire(void)
{
	static const struct {
		const char *name;
		int (*leave)(const struct lwcg_acquire *arg); /* a descriptor to keep, 0, or < 0 */
	} ways[] = {
		{"frozen", leave_frozen},   {"cpuset", leave_cpuset},
		{"bpf", leave_bpf_program}, {"memory", leave_shared_memory},
		{"socket", leave_socket},   {"namespace", leave_namespace},
	};
	int dev = device_open_bound(1), kept;
	struct lwcg_acquire arg;
	struct lwcg_info before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		before = info(dev);
		arg = acquire_arg(ways[i].name);
		EXPECT_EQ(acquire(dev, &arg), 0);
		kept = ways[i].leave(&arg);
		if (kept < 0)
			ktap_diag("%s: %d", ways[i].name, kept);
		EXPECT(kept >= 0);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		close(arg.dir_fd);
		EXPECT(WAIT_FOR(!info(dev).recycling));
		if (info(dev).retired != before.retired + 1)
			ktap_diag("%s: the slot was used again", ways[i].name);
		EXPECT_EQ(info(dev).retired, before.retired + 1);
		EXPECT_EQ(info(dev).recycled, before.recycled);
		EXPECT_EQ(expect_fresh(dev), KTAP_PASS);
		if (kept > 0)
			close(kept);
	}
	close(dev);
	return KTAP_PASS;
}

static long slab_of(int dir)
{
	/* brings the other file up to date as well, which would do so every two seconds */
	(void)read_at(dir, "cpu.stat");
	return value_of(dir, "memory.stat", "slab_reclaimable") +
	       value_of(dir, "memory.stat", "slab_unreclaimable");
}

/*
 * A slot of which something is in use retires after four seconds, and not before, unless
 * there are too many: with a few more in the pool none is made to replace one for a while.
 */
#define RETIRE_MS 3000
#define MAX_TRIES 5
#define FEW	  4

/* Memory of the kernel that a tenant leaves to others does not hold up its slot. */
static int test_kernel_objects_stay_behind(void)
{
	const long objects = NR_OBJECTS * 512L;
	int dev = device_open_bound(FEW), tries, back;
	struct lwcg_info before;
	struct lwcg_acquire arg;
	int64_t start;
	long slab;

	EXPECT_EQ(mkdir("/tmp/objects", 0700), 0);
	EXPECT_EQ(mount("objects", "/tmp/objects", "tmpfs", 0, NULL), 0);
	for (tries = 0; tries < MAX_TRIES; tries++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		before = info(dev);
		slab = slab_of(parent_fd);
		arg = acquire_arg("objects");
		EXPECT_EQ(acquire(dev, &arg), 0);
		EXPECT_EQ(run_in(&arg, make_objects), 0);
		EXPECT(WAIT_FOR(slab_of(arg.dir_fd) > objects));
		start = now_ms();
		back = give_back(dev, &arg);
		EXPECT(back >= 0);
		if (back)
			break;
		/* whatever else held it up */
		EXPECT(now_ms() - start > RETIRE_MS);
		EXPECT_EQ(remove_objects(), 0);
	}
	EXPECT(tries < MAX_TRIES);
	EXPECT_EQ(info(dev).retired, before.retired);
	EXPECT_EQ(expect_fresh(dev), KTAP_PASS);

	/* they are uncharged from the parent, not from whoever is there now */
	arg = acquire_arg("heir");
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(slab_of(parent_fd) > slab + objects / 2);
	EXPECT_EQ(remove_objects(), 0);
	EXPECT(WAIT_FOR(slab_of(parent_fd) < slab + objects / 2));
	EXPECT_EQ(atol(read_at(arg.dir_fd, "memory.current")), 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	EXPECT_EQ(umount("/tmp/objects"), 0);
	EXPECT_EQ(rmdir("/tmp/objects"), 0);
	close(dev);
	return KTAP_PASS;
}

/* A process that is dead and not reaped is still there; for how long decides. */
static int test_zombies(void)
{
	struct lwcg_acquire arg = acquire_arg("zombie");
	int dev = device_open_bound(FEW), tries, recycling;
	struct lwcg_info before;
	int64_t start;
	pid_t pid;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		before = info(dev);
		EXPECT_EQ(acquire(dev, &arg), 0);
		pid = sleeper_in(arg.dir_fd);
		start = now_ms();
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		sleep_ms(200);
		recycling = info(dev).recycling;
		EXPECT(recycling == 1 || now_ms() - start > RETIRE_MS);
		EXPECT(WIFSIGNALED(reap(pid)));
		EXPECT(WAIT_FOR(!info(dev).recycling));
		close(arg.dir_fd);
		if (info(dev).recycled == before.recycled + 1)
			break;
		/* reaped too late */
		EXPECT(now_ms() - start > RETIRE_MS);
	}
	EXPECT(tries < MAX_TRIES);

	EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
	before = info(dev);
	EXPECT_EQ(acquire(dev, &arg), 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WAIT_FOR(!info(dev).recycling));
	EXPECT_EQ(info(dev).retired, before.retired + 1);
	EXPECT(WIFSIGNALED(reap(pid)));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* What the last tenant left open shows it nothing and wakes it up. */
static int test_old_files_are_dead(void)
{
	struct lwcg_acquire arg = acquire_arg("watched");
	int dev = device_open_bound(1), events, current;
	struct pollfd p;
	char buf[64];

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	events = openat(arg.dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	current = openat(arg.dir_fd, "memory.current", O_RDONLY | O_CLOEXEC);
	EXPECT(events >= 0 && current >= 0);
	EXPECT(read(events, buf, sizeof(buf)) > 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	p = (struct pollfd){.fd = events, .events = POLLPRI};
	EXPECT_EQ(poll(&p, 1, 60000), 1);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	EXPECT_EQ(pread(current, buf, sizeof(buf), 0), -1);
	EXPECT_EQ(errno, ENODEV);
	EXPECT(!exists_at(arg.dir_fd, "memory.current"));
	close(events);
	close(current);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int test_frozen_tenant_is_killed(void)
{
	struct lwcg_acquire arg = acquire_arg("frozen");
	int dev = device_open_bound(1), status;
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT(pid > 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cgroup.freeze", "1"), 0);
	EXPECT(WAIT_FOR(strstr(read_at(arg.dir_fd, "cgroup.events"), "frozen 1") != NULL));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	status = reap(pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* Forks as fast as it can, ignores what can be ignored, and is gone all the same. */
static int test_fork_bomb_is_killed(void)
{
	struct lwcg_acquire arg = acquire_arg("bomb");
	int dev = device_open_bound(1);
	pid_t pid;

	arg.pids_max = 64;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pid = clone_into(arg.dir_fd);
	if (!pid) {
		close(dev);
		signal(SIGCHLD, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		setsid();
		for (;;)
			if (fork() < 0)
				sched_yield();
	}
	EXPECT(pid > 0);
	EXPECT(WAIT_FOR(atoi(read_at(arg.dir_fd, "pids.current")) > 32));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WIFSIGNALED(reap(pid)));
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* memory.oom.group: one process over the limit takes all with it. */
static int test_oom_kills_the_whole_tenant(void)
{
	struct lwcg_acquire arg = acquire_arg("oom");
	int dev = device_open_bound(1), status;
	pid_t bystander, glutton;

	arg.memory_max = 16 << 20;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	bystander = sleeper_in(arg.dir_fd);
	EXPECT(bystander > 0);
	glutton = clone_into(arg.dir_fd);
	if (!glutton) {
		use_memory(64 << 20);
		_exit(0);
	}
	EXPECT(glutton > 0);
	status = reap(glutton);
	EXPECT(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGKILL);
	EXPECT(WIFSIGNALED(reap(bystander)));
	EXPECT(strstr(read_at(arg.dir_fd, "memory.events"), "oom_group_kill 1"));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);

	/* recycled when the OOM killer has let go of its victims, retired when it has not */
	EXPECT(WAIT_FOR(!info(dev).recycling));
	EXPECT_EQ(expect_fresh(dev), KTAP_PASS);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_same_slot_is_fresh),
		T(test_throttling_is_forgotten),
		T(test_period_under_way_is_forgotten),
		T(test_io_limits_are_forgotten),
		T(test_steady_leases_make_no_cgroups),
		T(test_kernel_objects_stay_behind),
		T(test_slots_that_retire),
		T(test_zombies),
		T(test_dentries_are_dropped),
		T(test_mounts_are_detached),
		T(test_old_files_are_dead),
		T(test_frozen_tenant_is_killed),
		T(test_fork_bomb_is_killed),
		T(test_oom_kills_the_whole_tenant),
		T(test_churn),
	};

	setup("recycle", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
