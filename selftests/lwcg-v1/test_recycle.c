// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recycle contract on cgroup v1: the next tenant finds every file as in a cgroup
 * made by mkdir(2), except that it has CPUs and memory nodes, be it in the same slot
 * or in one that took the place of a slot that retired.
 */
#define LWCG_V1
#include "../lwcg/lwcg_tenant.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/xattr.h>

static void use_everything(void)
{
	int i;

	/* a frozen child must not be what keeps the lease when this test has failed */
	close_range(3, ~0U, 0);
	use_memory(8 << 20);
	use_cpu(200);
	for (i = 0; i < 40; i++)
		if (!fork())
			pause();
}

/* More than there may be: failures are counted, and somebody is killed. */
static void use_too_much(void)
{
	use_memory(64 << 20);
}

/* A number in a file with lines of "key value"; -1 if it is not there. */
static long value_of(int dir, const char *file, const char *key)
{
	const char *p = strstr(read_at(dir, file), key);

	return p ? atol(p + strlen(key)) : -1;
}

/* An eventfd that is told of what @file of the cgroup has to tell, as of @args; or -1. */
static int watch(int dir, const char *file, const char *args)
{
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), cfd;
	char text[64];

	cfd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d %d %s", efd, cfd, args);
	if (cfd < 0 || write_at(dir, "cgroup.event_control", text)) {
		close(efd);
		efd = -1;
	}
	close(cfd);
	return efd;
}

/* Its own watch, on each kind of event. */
static int watches[3];

static const struct {
	const char *file, *args;
} watched[] = {
	{"memory.usage_in_bytes", "1M"},
	{"memory.oom_control", ""},
	{"memory.pressure_level", "low"},
};

/*
 * A tenant that leaves traces in every controller; returns when they are there.
 * None of them is such that the slot has to retire.
 */
static int dirty(const struct lwcg_acquire *arg)
{
	static const struct {
		const char *file, *text;
	} writes[] = {
		{"pids.max", "20"},
		{"cpu.cfs_period_us", "50000"},
		{"cpu.cfs_quota_us", "20000"},
		{"cpu.shares", "77"},
		{"memory.limit_in_bytes", "33554432"},
		{"memory.memsw.limit_in_bytes", "268435456"},
		{"memory.swappiness", "7"},
		{"notify_on_release", "1"},
		{"cgroup.clone_children", "1"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(writes); i++)
		if (exists_at(arg->dir_fd, writes[i].file) &&
		    write_at(arg->dir_fd, writes[i].file, writes[i].text)) {
			ktap_diag("%s: %m", writes[i].file);
			return -1;
		}
	for (i = 0; i < ARRAY_SIZE(watched); i++) {
		watches[i] = watch(arg->dir_fd, watched[i].file, watched[i].args);
		if (watches[i] < 0) {
			ktap_diag("%s: %m", watched[i].file);
			return -1;
		}
	}
	/* a list of PIDs stays in the kernel for a second */
	if (run_in(arg, use_everything) || !*read_at(arg->dir_fd, "cgroup.procs"))
		return -1;
	if (run_in(arg, use_too_much))
		return -1;
	/* now that nobody comes any more and brings pages of this process along */
	if (write_at(arg->dir_fd, "memory.move_charge_at_immigrate", "1") ||
	    write_at(arg->dir_fd, "memory.oom_control", "1") ||
	    write_at(arg->dir_fd, "freezer.state", "FROZEN"))
		return -1;
	fsetxattr(arg->dir_fd, "trusted.tenant", "first", 5, 0);
	fchmod(arg->dir_fd, 0700);
	fchown(arg->dir_fd, 1, 1);
	return 0;
}

/* The traces are there, so that their absence later means something. */
static int expect_dirty(int dir)
{
	struct stat st;

	EXPECT(value_of(dir, "pids.events", "max") > 0);
	EXPECT(atoll(read_at(dir, "cpuacct.usage")) > 100000000);
	EXPECT(value_of(dir, "cpuacct.stat", "user") + value_of(dir, "cpuacct.stat", "system") > 5);
	EXPECT(value_of(dir, "cpu.stat", "nr_throttled") > 0);
	EXPECT(value_of(dir, "memory.stat", "pgfault") > 1000);
	EXPECT(value_of(dir, "memory.oom_control", "oom_kill ") > 0);
	EXPECT(atol(read_at(dir, "memory.max_usage_in_bytes")) > 8 << 20);
	EXPECT(atol(read_at(dir, "memory.failcnt")) > 0);
	EXPECT(atol(read_at(dir, "memory.kmem.max_usage_in_bytes")) > 0);
	EXPECT_EQ(fstat(dir, &st), 0);
	EXPECT_EQ(st.st_uid, 1);
	return KTAP_PASS;
}

/* In a slot these come from the parent; what there is of them is compared with its. */
static const char *const from_parent[] = {"cpuset.cpus", "cpuset.mems", "cpuset.effective_cpus",
					  "cpuset.effective_mems"};

static bool is_from_parent(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(from_parent); i++)
		if (!strcmp(name, from_parent[i]))
			return true;
	return false;
}

/* Every file of the directory @a says the same in @b, and both have the same files. */
static int compare_dirs(int a, int b)
{
	DIR *dir = fdopendir(openat(a, ".", O_RDONLY | O_DIRECTORY));
	char text[4096];
	struct dirent *de;
	int files = 0, ret = 0;

	while (dir && (de = readdir(dir))) {
		if (de->d_type != DT_REG)
			continue;
		snprintf(text, sizeof(text), "%s",
			 read_at(is_from_parent(de->d_name) ? parent_fd : a, de->d_name));
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
	return files > 50 ? ret : -1;
}

/* The slot that the next ACQUIRE gives is as mkdir(2) would have made it. */
static uint64_t fresh_id;

static int expect_fresh(int dev)
{
	struct lwcg_acquire arg = acquire_arg("second");
	struct stat st;
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
	EXPECT_EQ(run_in(&arg, use_little), 0);
	EXPECT(atol(read_at(arg.dir_fd, "memory.max_usage_in_bytes")) < 4 << 20);
	EXPECT(atol(read_at(arg.dir_fd, "memory.memsw.max_usage_in_bytes")) < 4 << 20);
	EXPECT(value_of(arg.dir_fd, "memory.stat", "pgfault") < 1000);
	EXPECT_EQ(value_of(arg.dir_fd, "memory.oom_control", "oom_kill "), 0);
	EXPECT_EQ(atol(read_at(arg.dir_fd, "memory.failcnt")), 0);
	EXPECT(says(arg.dir_fd, "tasks", ""));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	return KTAP_PASS;
}

static int test_same_slot_is_fresh(void)
{
	int dev = device_open_bound(1), tries, left = ktap_slow() ? 2 : 5;
	struct lwcg_acquire arg;
	struct lwcg_info before;
	eventfd_t times;
	uint64_t id;
	size_t i;

	/* charges that are cached on an isolated CPU do not flow back: the slot retires */
	for (tries = 0; tries < 20 && left; tries++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		before = info(dev);
		arg = acquire_arg("first");
		EXPECT_EQ(acquire(dev, &arg), 0);
		/* what takes its place must not come after it is back */
		EXPECT(WAIT_FOR(info(dev).ready));
		EXPECT_EQ(dirty(&arg), 0);
		EXPECT_EQ(expect_dirty(arg.dir_fd), KTAP_PASS);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		EXPECT(WAIT_FOR(!info(dev).recycling));
		close(arg.dir_fd);

		id = youngest();
		EXPECT_EQ(expect_fresh(dev), KTAP_PASS);
		if (info(dev).retired == before.retired) {
			EXPECT(id > arg.slot_id);
			EXPECT_EQ(fresh_id, id);
			left--;
		}
		/* who has watched was told that it is over, and is told nothing of the next one */
		for (i = 0; i < ARRAY_SIZE(watches); i++) {
			EXPECT(WAIT_FOR(!eventfd_read(watches[i], &times)));
			close(watches[i]);
		}
	}
	ktap_diag("%d tries", tries);
	EXPECT_EQ(left, 0);
	close(dev);
	return KTAP_PASS;
}

/* What follows leaves something that only removing the cgroup undoes, or a holder. */

/* The first CPU that the parent has. */
static const char *first_cpu(void)
{
	static char text[16];

	snprintf(text, sizeof(text), "%d", atoi(read_at(parent_fd, "cpuset.cpus")));
	return text;
}

/* And the last one, as the first of all cannot be taken offline on x86. */
static const char *last_cpu(void)
{
	static char text[16];
	const char *cpus = read_at(parent_fd, "cpuset.cpus");
	size_t n = strlen(cpus);

	while (n && cpus[n - 1] >= '0' && cpus[n - 1] <= '9')
		n--;
	snprintf(text, sizeof(text), "%d", atoi(cpus + n));
	return text;
}

static int leave_cpuset_flag(const struct lwcg_acquire *arg)
{
	return write_at(arg->dir_fd, "cpuset.memory_migrate", "1");
}

static int leave_cpuset(const struct lwcg_acquire *arg)
{
	/* nothing to take away with one CPU */
	if (!strcmp(read_at(parent_fd, "cpuset.cpus"), first_cpu()))
		return leave_cpuset_flag(arg);
	return write_at(arg->dir_fd, "cpuset.cpus", first_cpu());
}

static int leave_tcp_limit(const struct lwcg_acquire *arg)
{
	return write_at(arg->dir_fd, "memory.kmem.tcp.limit_in_bytes", "1G");
}

static int test_slots_that_retire(void)
{
	static const struct {
		const char *name;
		int (*leave)(const struct lwcg_acquire *arg); /* a descriptor to keep, 0, or < 0 */
	} ways[] = {
		{"cpus", leave_cpuset},
		{"flag", leave_cpuset_flag},
		{"tcp", leave_tcp_limit},
		{"memory", leave_shared_memory},
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

/* A slot has what the parent has, also after that has changed. */
static int test_cpuset_follows_by_retiring(void)
{
	struct lwcg_acquire arg = acquire_arg("narrow");
	char *all = strdup(read_at(parent_fd, "cpuset.cpus"));
	const char *one = first_cpu();
	int dev;

	EXPECT(all);
	if (!strcmp(all, one))
		return ktap_skip("needs two CPUs");
	dev = device_open_bound(1);
	EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
	/* as with any child that has them, the parent cannot give up the CPUs of a slot */
	EXPECT_EQ(write_at(parent_fd, "cpuset.cpus", one), -EBUSY);
	EXPECT_EQ(drain(dev), 0);
	close(dev);
	EXPECT_EQ(write_at(parent_fd, "cpuset.cpus", one), 0);
	dev = device_open_bound(1);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(says(arg.dir_fd, "cpuset.cpus", one));
	EXPECT_EQ(write_at(parent_fd, "cpuset.cpus", all), 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WAIT_FOR(!info(dev).recycling));
	EXPECT_EQ(info(dev).retired, 1);
	close(arg.dir_fd);
	/* one that was ready then is still narrow; one lease later it is not */
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(says(arg.dir_fd, "cpuset.cpus", all));
	close(arg.dir_fd);
	close(dev);
	free(all);
	return KTAP_PASS;
}

/* Tasks of a cpuset whose CPUs go away are moved up; those of a lease stay and are killed. */
static int test_tenant_stays_without_cpus(void)
{
	struct lwcg_acquire arg = acquire_arg("unplugged");
	char *all = strdup(read_at(parent_fd, "cpuset.cpus"));
	int dir, dev = device_open(), populated, empty;
	const char *one = last_cpu();
	char online[64];
	pid_t pid;

	snprintf(online, sizeof(online), "/sys/devices/system/cpu/cpu%s/online", one);
	if (!all || !strcmp(all, one) || access(online, W_OK))
		return ktap_skip("needs two CPUs, one of which can be taken offline");
	EXPECT_EQ(mkdirat(parent_fd, "hotplug", 0755), 0);
	dir = openat(parent_fd, "hotplug", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT_EQ(write_at(dir, "cpuset.cpus", one), 0);
	EXPECT_EQ(write_at(dir, "cpuset.mems", read_at(parent_fd, "cpuset.mems")), 0);
	EXPECT_EQ(pool_bind(dev, dir, 1, 0), 0);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT(WAIT_FOR(is_populated(arg.dir_fd)));

	/* nothing leaves this test before it is back */
	EXPECT_EQ(write_at(AT_FDCWD, online, "0"), 0);
	empty = WAIT_FOR(says(arg.dir_fd, "cpuset.cpus", ""));
	/* who moves them is a worker */
	sleep_ms(500);
	populated = is_populated(arg.dir_fd);
	EXPECT_EQ(write_at(AT_FDCWD, online, "1"), 0);
	EXPECT_EQ(write_at(parent_fd, "cpuset.cpus", all), 0);
	EXPECT(empty);
	EXPECT(populated);

	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WIFSIGNALED(reap(pid)));
	close(arg.dir_fd);
	EXPECT(WAIT_FOR(!info(dev).recycling && drain(dev) == 0));
	close(dev);
	close(dir);
	EXPECT_EQ(unlinkat(parent_fd, "hotplug", AT_REMOVEDIR), 0);
	free(all);
	return KTAP_PASS;
}

/* Mapped by the tenant, and not charged to it: so much that going through it takes a while. */
static volatile char *shared;
static size_t shared_size;

static void read_shared(void)
{
	size_t i;

	for (i = 0; i < shared_size; i += 4096)
		(void)shared[i];
}

/* Charges that are on their way to another cgroup when the lease ends: 0, or -1. */
static int move_charges(int dev, int target)
{
	struct lwcg_acquire arg = acquire_arg("mover");
	pid_t tenant, writer;
	char text[16];

	shared[0] = 0;
	if (acquire_wait(dev, &arg))
		return -1;
	tenant = clone_into(arg.dir_fd);
	if (!tenant) {
		/* lies below the shared memory, and is moved first */
		use_memory(4 << 20);
		read_shared();
		shared[0] = 1;
		for (;;)
			pause();
	}
	if (!WAIT_FOR(shared[0]))
		return -1;
	snprintf(text, sizeof(text), "%d", tenant);
	writer = fork();
	if (!writer)
		_exit(write_at(target, "cgroup.procs", text) ? 1 : 0);
	/* the tenant has left, while the writer goes through its memory */
	if (!WAIT_FOR(!is_populated(arg.dir_fd)) || release(dev, arg.slot_id))
		return -1;
	close(arg.dir_fd);
	kill(tenant, SIGKILL);
	if (!WAIT_FOR(!info(dev).recycling))
		return -1;
	ktap_diag("the writer is %s", waitpid(writer, NULL, WNOHANG) ? "done" : "still at it");
	return reap(tenant) == -1 ? -1 : 0;
}

/* What is uncharged too much, and from the next tenant, the kernel log tells. */
static int test_charges_on_the_move(void)
{
	int dev = device_open_bound(1), i, target, rounds = 3;
	struct lwcg_acquire arg;

	EXPECT_EQ(mkdirat(parent_fd, "target", 0755), 0);
	target = openat(parent_fd, "target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT_EQ(write_at(target, "cpuset.cpus", read_at(parent_fd, "cpuset.cpus")), 0);
	EXPECT_EQ(write_at(target, "cpuset.mems", read_at(parent_fd, "cpuset.mems")), 0);
	EXPECT_EQ(write_at(target, "memory.move_charge_at_immigrate", "1"), 0);
	shared_size = (ktap_slow() ? 128UL : 1024UL) << 20;
	shared = mmap(NULL, shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(shared != MAP_FAILED);
	read_shared();
	for (i = 0; i < rounds; i++)
		EXPECT_EQ(move_charges(dev, target), 0);
	ktap_diag("%d leases, %d slots retired", rounds, (int)info(dev).retired);
	arg = acquire_arg("next");
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(run_in(&arg, use_little), 0);
	EXPECT(atoll(read_at(arg.dir_fd, "memory.usage_in_bytes")) < 4 << 20);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	close(target);
	EXPECT_EQ(unlinkat(parent_fd, "target", AT_REMOVEDIR), 0);
	munmap((void *)shared, shared_size);
	close(dev);
	return KTAP_PASS;
}

/* A slot of which something is in use retires after four seconds, and not before. */
#define RETIRE_MS 3000
#define MAX_TRIES 5
#define FEW	  4

/* Memory of the kernel that a tenant leaves to others does not hold up its slot. */
static int test_kernel_objects_stay_behind(void)
{
	static const char *const counters[] = {"memory.usage_in_bytes",
					       "memory.kmem.usage_in_bytes",
					       "memory.memsw.usage_in_bytes"};
	const long objects = NR_OBJECTS * 512L;
	int dev = device_open_bound(FEW), tries;
	struct lwcg_info before;
	struct lwcg_acquire arg;
	int64_t start;
	long kmem;
	size_t i;

	EXPECT_EQ(mkdir("/tmp/objects", 0700), 0);
	EXPECT_EQ(mount("objects", "/tmp/objects", "tmpfs", 0, NULL), 0);
	for (tries = 0; tries < MAX_TRIES; tries++) {
		EXPECT(WAIT_FOR(!info(dev).recycling && info(dev).ready));
		before = info(dev);
		kmem = atol(read_at(parent_fd, "memory.kmem.usage_in_bytes"));
		arg = acquire_arg("objects");
		EXPECT_EQ(acquire(dev, &arg), 0);
		EXPECT_EQ(run_in(&arg, make_objects), 0);
		EXPECT(atol(read_at(arg.dir_fd, "memory.kmem.usage_in_bytes")) > objects);
		start = now_ms();
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		close(arg.dir_fd);
		EXPECT(WAIT_FOR(!info(dev).recycling));
		if (info(dev).recycled == before.recycled + 1)
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
	kmem += objects / 2;
	EXPECT(atol(read_at(parent_fd, "memory.kmem.usage_in_bytes")) > kmem);
	EXPECT_EQ(remove_objects(), 0);
	EXPECT(WAIT_FOR(atol(read_at(parent_fd, "memory.kmem.usage_in_bytes")) < kmem));
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (exists_at(arg.dir_fd, counters[i]))
			EXPECT(says(arg.dir_fd, counters[i], "0"));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	EXPECT_EQ(umount("/tmp/objects"), 0);
	EXPECT_EQ(rmdir("/tmp/objects"), 0);
	close(dev);
	return KTAP_PASS;
}

/* What the last tenant left open shows it nothing. */
static int test_old_files_are_dead(void)
{
	struct lwcg_acquire arg = acquire_arg("watched");
	int dev = device_open_bound(1), usage, tasks;
	char buf[64];
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT(pid > 0);
	usage = openat(arg.dir_fd, "memory.usage_in_bytes", O_RDONLY | O_CLOEXEC);
	tasks = openat(arg.dir_fd, "tasks", O_RDONLY | O_CLOEXEC);
	EXPECT(usage >= 0 && tasks >= 0);
	EXPECT(read(tasks, buf, sizeof(buf)) > 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WIFSIGNALED(reap(pid)));
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	EXPECT_EQ(pread(usage, buf, sizeof(buf), 0), -1);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(pread(tasks, buf, sizeof(buf), 0), -1);
	EXPECT_EQ(errno, ENODEV);
	EXPECT(!exists_at(arg.dir_fd, "memory.usage_in_bytes"));
	close(usage);
	close(tasks);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* Out of memory with the OOM killer disabled: everybody waits, and is killed in the end. */
static int test_waiting_for_memory_is_killed(void)
{
	struct lwcg_acquire arg = acquire_arg("waiting");
	int dev = device_open_bound(1), watcher;
	eventfd_t times;
	pid_t pid;

	arg.memory_max = 16 << 20;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "memory.oom_control", "1"), 0);
	watcher = watch(arg.dir_fd, "memory.oom_control", "");
	EXPECT(watcher >= 0);
	pid = clone_into(arg.dir_fd);
	if (!pid) {
		use_memory(64 << 20);
		_exit(0);
	}
	EXPECT(pid > 0);
	EXPECT(WAIT_FOR(!eventfd_read(watcher, &times)));
	EXPECT(WAIT_FOR(value_of(arg.dir_fd, "memory.oom_control", "under_oom") == 1));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WIFSIGNALED(reap(pid)));
	EXPECT(WAIT_FOR(!info(dev).recycling));
	EXPECT_EQ(expect_fresh(dev), KTAP_PASS);
	close(watcher);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_same_slot_is_fresh),
		T(test_kernel_objects_stay_behind),
		T(test_slots_that_retire),
		T(test_cpuset_follows_by_retiring),
		T(test_tenant_stays_without_cpus),
		T(test_charges_on_the_move),
		T(test_dentries_are_dropped),
		T(test_mounts_are_detached),
		T(test_old_files_are_dead),
		T(test_waiting_for_memory_is_killed),
		T(test_churn),
	};

	setup("recycle", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
