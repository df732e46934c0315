// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others cannot do to a pooled cgroup, ready or leased, although they are
 * root; and what they still can do to a leased one.
 */
#include "lwcg_test.h"

#include <dirent.h>

/* Open one ready slot's directory and copy its name; -ENOENT if there is none. */
static int open_ready(int dev, char *name, size_t size)
{
	struct dirent *de;
	int fd = -ENOENT;
	DIR *dir;

	/* slots that nobody wants any more have such names too while they are being removed */
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
	return refill_go() ? fd : -EIO;
}

static int test_ready_cannot_be_removed(void)
{
	int dev = device_open_bound(1), slot;
	char name[64];

	slot = open_ready(dev, name, sizeof(name));
	EXPECT(slot >= 0);
	EXPECT_EQ(unlink_dir(parent_fd, name), -EBUSY);
	EXPECT(exists_at(parent_fd, name));
	EXPECT_EQ(make_dir(slot, "child"), -EBUSY);
	EXPECT(renameat(parent_fd, name, parent_fd, "stolen") < 0);
	EXPECT(exists_at(parent_fd, name));
	EXPECT_EQ(rmdir(parent_path), -1);
	close(slot);
	close(dev);
	return KTAP_PASS;
}

static int test_ready_cannot_be_entered(void)
{
	int dev = device_open_bound(1), slot;
	char name[64];
	pid_t pid;

	slot = open_ready(dev, name, sizeof(name));
	EXPECT(slot >= 0);
	EXPECT_EQ(write_at(slot, "cgroup.procs", "0"), -EBUSY);
	EXPECT_EQ(write_at(slot, "cgroup.threads", "0"), -EBUSY);
	pid = clone_into(slot);
	if (!pid)
		_exit(0);
	EXPECT_EQ(pid, -EBUSY);
	EXPECT(strstr(read_at(slot, "cgroup.events"), "populated 0"));
	close(slot);
	close(dev);
	return KTAP_PASS;
}

static int test_ready_cannot_be_changed(void)
{
	static const struct {
		const char *file, *text;
	} writes[] = {
		{"memory.max", "1"},
		{"memory.high", "1"},
		{"cpu.max", "1000 1000"},
		{"cpu.weight", "1"},
		{"pids.max", "1"},
		{"cgroup.freeze", "1"},
		{"cgroup.kill", "1"},
		{"cgroup.type", "threaded"},
		{"cgroup.max.depth", "1"},
		{"memory.oom.group", "1"},
		{"cgroup.subtree_control", "+pids"},
		{"memory.reclaim", "1M"},
		{"cpu.pressure", "some 150000 1000000"},
	};
	int dev = device_open_bound(1), slot, ret;
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
	}
	EXPECT(!strcmp(read_at(slot, "memory.max"), "max"));
	EXPECT(!strcmp(read_at(slot, "cgroup.freeze"), "0"));
	close(slot);
	close(dev);
	return KTAP_PASS;
}

/* A file opened for writing before the slot was recycled is no way in either. */
static int test_old_descriptor_is_no_way_in(void)
{
	struct lwcg_acquire arg = acquire_arg("oldfd");
	int dev = device_open_bound(1), procs;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	procs = openat(arg.dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	EXPECT(procs >= 0);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	EXPECT_EQ(write(procs, "0", 1), -1);
	EXPECT_EQ(errno, ENODEV);
	close(procs);
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
	EXPECT(renameat(parent_fd, "leased", parent_fd, "stolen") < 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cgroup.type", "threaded"), -EBUSY);
	EXPECT_EQ(write_at(arg.dir_fd, "cgroup.subtree_control", "+pids"), -EBUSY);
	EXPECT(exists_at(parent_fd, "leased"));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* It is an ordinary cgroup in all other respects. */
static int test_leased_can_be_used(void)
{
	struct lwcg_acquire arg = acquire_arg("used");
	int dev = device_open_bound(1), status;
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "memory.high", "33554432"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cgroup.freeze", "1"), 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cgroup.freeze", "0"), 0);
	pid = fork();
	if (!pid)
		_exit(write_at(arg.dir_fd, "cgroup.procs", "0") ? 1 : 0);
	status = reap(pid);
	EXPECT(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT(pid > 0);
	EXPECT_EQ(write_at(arg.dir_fd, "cgroup.kill", "1"), 0);
	EXPECT(WIFSIGNALED(reap(pid)));
	/* emptied by somebody else it is still leased */
	EXPECT_EQ(info(dev).leased, 1);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* Controllers come and go below the parent as with any child. */
static int test_parent_controllers_can_change(void)
{
	struct lwcg_acquire arg = acquire_arg("switched");
	int dev = device_open_bound(1), slot;
	char name[64];

	EXPECT_EQ(write_at(parent_fd, "cgroup.subtree_control", "-pids"), 0);
	slot = open_ready(dev, name, sizeof(name));
	EXPECT(slot >= 0);
	EXPECT(!exists_at(slot, "pids.max"));
	EXPECT_EQ(write_at(parent_fd, "cgroup.subtree_control", "+pids"), 0);
	EXPECT(exists_at(slot, "pids.max"));
	arg.pids_max = 5;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(!strcmp(read_at(arg.dir_fd, "pids.max"), "5"));
	close(slot);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_ready_cannot_be_removed),       T(test_ready_cannot_be_entered),
		T(test_ready_cannot_be_changed),       T(test_old_descriptor_is_no_way_in),
		T(test_leased_cannot_be_removed),      T(test_leased_can_be_used),
		T(test_parent_controllers_can_change),
	};

	setup("protect", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
