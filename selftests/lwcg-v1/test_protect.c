// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others cannot do to a pooled cgroup on cgroup v1, ready or leased, although
 * they are root; and what they still can do to a leased one.
 */
#define LWCG_V1
#include "../lwcg/lwcg_test.h"

/* Open one ready slot's directory and copy its name; -ENOENT if there is none. */
static int open_ready(int dev, char *name, size_t size)
{
	struct dirent *de;
	int fd = -ENOENT;
	DIR *dir;

	if (!WAIT_FOR(info(dev).recycling == 0 && info(dev).ready > 0) || !refill_stop(dev))
		return -ETIMEDOUT;
	dir = fdopendir(openat(parent_fd, ".", O_RDONLY | O_DIRECTORY));
	while (dir && fd < 0 && (de = readdir(dir))) {
		if (strncmp(de->d_name, ".lwcg-", 6))
			continue;
		snprintf(name, size, "%.*s", (int)size - 1, de->d_name);
		fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static int rename_dir(const char *from, const char *to)
{
	return renameat(parent_fd, from, parent_fd, to) ? -errno : 0;
}

/* clone3(CLONE_INTO_CGROUP) as on cgroup v2. */
static pid_t clone3_into(int cgroup_fd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup_fd};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (!pid)
		_exit(0);
	return pid < 0 ? -errno : pid;
}

static int test_version_is_reported(void)
{
	int dev = device_open(), bound = device_open_bound(1);
	struct statfs fs;

	EXPECT_EQ(fstatfs(parent_fd, &fs), 0);
	EXPECT_EQ(fs.f_type, CGROUP_SUPER_MAGIC);
	EXPECT_EQ(info(dev).cgroup_version, 0);
	EXPECT_EQ(info(bound).cgroup_version, 1);
	close(bound);
	close(dev);
	return KTAP_PASS;
}

static int test_ready_cannot_be_removed(void)
{
	int dev = device_open_bound(1), slot;
	char name[64];

	slot = open_ready(dev, name, sizeof(name));
	EXPECT(slot >= 0);
	EXPECT_EQ(unlink_dir(parent_fd, name), -EBUSY);
	EXPECT_EQ(make_dir(slot, "child"), -EBUSY);
	EXPECT_EQ(rename_dir(name, "stolen"), -EBUSY);
	EXPECT(exists_at(parent_fd, name));
	EXPECT_EQ(rmdir(parent_path), -1);
	close(slot);
	close(dev);
	return KTAP_PASS;
}

static int test_ready_cannot_be_entered(void)
{
	int dev = device_open_bound(1), slot;
	char name[64], pid[16];
	pid_t child = fork();

	if (!child)
		for (;;)
			pause();
	slot = open_ready(dev, name, sizeof(name));
	EXPECT(slot >= 0);
	snprintf(pid, sizeof(pid), "%d", child);
	EXPECT_EQ(write_at(slot, "tasks", "0"), -EBUSY);
	EXPECT_EQ(write_at(slot, "tasks", pid), -EBUSY);
	EXPECT_EQ(write_at(slot, "cgroup.procs", "0"), -EBUSY);
	EXPECT_EQ(write_at(slot, "cgroup.procs", pid), -EBUSY);
	EXPECT_EQ(clone3_into(slot), -EBADF);
	EXPECT(!is_populated(slot));
	kill(child, SIGKILL);
	EXPECT(WIFSIGNALED(reap(child)));
	close(slot);
	close(dev);
	return KTAP_PASS;
}

static int test_ready_cannot_be_changed(void)
{
	static const struct {
		const char *file, *text;
	} writes[] = {
		{"memory.limit_in_bytes", "1M"},
		{"memory.memsw.limit_in_bytes", "1M"},
		{"memory.soft_limit_in_bytes", "1M"},
		{"memory.swappiness", "1"},
		{"memory.oom_control", "1"},
		{"memory.force_empty", "0"},
		{"memory.failcnt", "0"},
		{"memory.max_usage_in_bytes", "0"},
		{"memory.kmem.tcp.limit_in_bytes", "1M"},
		{"memory.move_charge_at_immigrate", "1"},
		{"cgroup.event_control", "0 0"},
		{"cgroup.clone_children", "1"},
		{"notify_on_release", "1"},
		{"cpu.shares", "2"},
		{"cpu.cfs_quota_us", "1000"},
		{"cpu.cfs_period_us", "1000"},
		{"cpuacct.usage", "0"},
		{"cpuset.cpus", "0"},
		{"cpuset.mems", "0"},
		{"cpuset.sched_load_balance", "0"},
		{"cpuset.memory_migrate", "1"},
		{"freezer.state", "FROZEN"},
		{"blkio.reset_stats", "1"},
		{"pids.max", "1"},
	};
	int dev = device_open_bound(1), slot, ret, tried = 0;
	char name[64];
	size_t i;

	slot = open_ready(dev, name, sizeof(name));
	EXPECT(slot >= 0);
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		ret = write_at(slot, writes[i].file, writes[i].text);
		/* a file that this kernel is built without */
		if (ret == -ENOENT)
			continue;
		if (ret != -EBUSY) {
			ktap_diag("%s: %d", writes[i].file, ret);
			return KTAP_FAIL;
		}
		tried++;
	}
	EXPECT(tried > 15);
	EXPECT(says(slot, "freezer.state", "THAWED"));
	EXPECT(says(slot, "notify_on_release", "0"));
	close(slot);
	close(dev);
	return KTAP_PASS;
}

static int test_old_descriptor_is_no_way_in(void)
{
	struct lwcg_acquire arg = acquire_arg("oldfd");
	int dev = device_open_bound(1), tasks;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	tasks = openat(arg.dir_fd, "tasks", O_WRONLY | O_CLOEXEC);
	EXPECT(tasks >= 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	EXPECT_EQ(write(tasks, "0", 1), -1);
	EXPECT_EQ(errno, ENODEV);
	close(tasks);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int test_leased_cannot_be_removed(void)
{
	struct lwcg_acquire arg = acquire_arg("leased");
	int dev = device_open_bound(1);

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(unlink_dir(parent_fd, "leased"), -EBUSY);
	EXPECT_EQ(make_dir(arg.dir_fd, "child"), -EBUSY);
	EXPECT_EQ(rename_dir("leased", "stolen"), -EBUSY);
	EXPECT(exists_at(parent_fd, "leased"));
	EXPECT_EQ(clone3_into(arg.dir_fd), -EBADF);
	/* other cgroups of the hierarchy are renamed as ever, but not to a name that is taken */
	EXPECT_EQ(make_dir(parent_fd, "ordinary"), 0);
	EXPECT_EQ(rename_dir("ordinary", "leased"), -EEXIST);
	EXPECT_EQ(rename_dir("ordinary", "renamed"), 0);
	EXPECT_EQ(unlink_dir(parent_fd, "renamed"), 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* It is an ordinary cgroup in all other respects. */
static int test_leased_can_be_used(void)
{
	struct lwcg_acquire arg = acquire_arg("used");
	int dev = device_open_bound(1);
	char text[16];
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cpu.shares", "512"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "memory.swappiness", "10"), 0);
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	snprintf(text, sizeof(text), "%d", pid);
	EXPECT_EQ(write_at(arg.dir_fd, "cgroup.procs", text), 0);
	EXPECT(says(arg.dir_fd, "tasks", text));
	EXPECT_EQ(write_at(arg.dir_fd, "freezer.state", "FROZEN"), 0);
	EXPECT(WAIT_FOR(!strcmp(read_at(arg.dir_fd, "freezer.state"), "FROZEN")));
	EXPECT_EQ(write_at(arg.dir_fd, "freezer.state", "THAWED"), 0);
	EXPECT_EQ(write_at(parent_fd, "tasks", text), 0);
	EXPECT(!is_populated(arg.dir_fd));
	/* emptied by somebody else it is still leased */
	EXPECT_EQ(info(dev).leased, 1);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	/* who has left is nobody's tenant any more */
	EXPECT_EQ(kill(pid, 0), 0);
	kill(pid, SIGKILL);
	EXPECT(WIFSIGNALED(reap(pid)));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int test_names_of_control_files(void)
{
	static const char *const names[] = {
		"tasks",     "notify_on_release", "release_agent", "blkio.x",	 "cpuacct.x",
		"devices.x", "freezer.x",	  "net_cls.x",	   "net_prio.x", "memory.x",
	};
	int dev = device_open_bound(1);
	struct lwcg_acquire arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		arg = acquire_arg(names[i]);
		ktap_diag("%s", names[i]);
		EXPECT_EQ(acquire(dev, &arg), -EINVAL);
	}
	arg = acquire_arg("tasks.x");
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_version_is_reported),	     T(test_ready_cannot_be_removed),
		T(test_ready_cannot_be_entered),     T(test_ready_cannot_be_changed),
		T(test_old_descriptor_is_no_way_in), T(test_leased_cannot_be_removed),
		T(test_leased_can_be_used),	     T(test_names_of_control_files),
	};

	setup("protect", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
