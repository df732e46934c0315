/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the recycle contract share: things that a tenant does, and what it
 * leaves behind.
 */
#ifndef LWCG_TENANT_H
#define LWCG_TENANT_H

#include "lwcg_test.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/mman.h>

/* Touch memory page by page. */
static inline void use_memory(size_t bytes)
{
	volatile char *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	for (i = 0; p != MAP_FAILED && i < bytes; i += 4096)
		p[i] = 1;
}

/* Of its own time: the machine may stand still for a while. */
static inline void use_cpu(int ms)
{
	while (clock() < ms * (CLOCKS_PER_SEC / 1000))
		;
}

static inline void use_little(void)
{
	use_cpu(1);
}

/* Run a function in the slot; 0 when its process has ended, however. */
static inline int run_in(const struct lwcg_acquire *arg, void (*fn)(void))
{
	pid_t pid = clone_into(arg->dir_fd);

	if (!pid) {
		fn();
		_exit(0);
	}
	return pid < 0 ? pid : reap(pid) < 0;
}

static int kept_memfd;

static inline void write_to_memfd(void)
{
	(void)!write(kept_memfd, (char[65536]){1}, 65536);
}

static inline int leave_shared_memory(const struct lwcg_acquire *arg)
{
	kept_memfd = memfd_create("kept", MFD_CLOEXEC);
	return kept_memfd < 0 || run_in(arg, write_to_memfd) ? -1 : kept_memfd;
}

#define NR_OBJECTS 1000

/* Inodes and names that stay when whoever made them is gone. */
static inline void make_objects(void)
{
	char name[64];
	int i, fd;

	for (i = 0; i < NR_OBJECTS; i++) {
		snprintf(name, sizeof(name), "/tmp/objects/%d", i);
		fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
	}
}

static inline int remove_objects(void)
{
	char name[64];
	int i;

	for (i = 0; i < NR_OBJECTS; i++) {
		snprintf(name, sizeof(name), "/tmp/objects/%d", i);
		if (unlink(name))
			return -1;
	}
	return 0;
}

/* The number of the youngest ready slot, from its name. */
static inline uint64_t youngest(void)
{
	DIR *dir = fdopendir(openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	uint64_t id, max = 0;
	struct dirent *de;

	while (dir && (de = readdir(dir)))
		if (sscanf(de->d_name, ".lwcg-%" SCNu64, &id) == 1 && id > max)
			max = id;
	if (dir)
		closedir(dir);
	return max;
}

/* The kernel's cached names of files. */
static inline long nr_dentries(void)
{
	return atol(read_at(AT_FDCWD, "/proc/sys/fs/dentry-state"));
}

/* A lease whose files are looked up, those that it has and others; 0 when it is over. */
static inline int lease_with_lookups(int dev)
{
	static const char *const files[] = {"cgroup.procs", "pids.max", "memory.stat", "cpu.stat"};
	struct lwcg_acquire arg = acquire_arg("looked-up");
	int ret = acquire_wait(dev, &arg);
	char name[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files) && !ret; i++)
		ret = !exists_at(arg.dir_fd, files[i]);
	if (ret)
		return -1;
	ret = release(dev, arg.slot_id);
	/* by whoever still has the directory open */
	if (!WAIT_FOR(!info(dev).recycling))
		return -1;
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "none-%zu", i);
		if (exists_at(arg.dir_fd, name))
			return -1;
	}
	close(arg.dir_fd);
	return ret;
}

/* Nothing stays cached of what was looked up in a cgroup that has begun its next life. */
static inline int test_dentries_are_dropped(void)
{
	enum { LEASES = 100 };
	int dev = device_open_bound(4), i;
	long before = 0, more;

	for (i = -10; i < LEASES; i++) {
		if (!i) {
			EXPECT(WAIT_FOR(!info(dev).recycling));
			before = nr_dentries();
		}
		EXPECT_EQ(lease_with_lookups(dev), 0);
	}
	EXPECT(WAIT_FOR(!info(dev).recycling));
	more = nr_dentries() - before;
	ktap_diag("%d leases, %ld more dentries", LEASES, more);
	EXPECT(more < LEASES);
	close(dev);
	return KTAP_PASS;
}

static inline bool is_mounted(const char *source)
{
	char line[4096];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, source);
	if (f)
		fclose(f);
	return found;
}

/* What is mounted on a lease's directory is unmounted, as by rmdir(2). */
static inline int test_mounts_are_detached(void)
{
	struct lwcg_acquire arg = acquire_arg("mounted");
	int dev = device_open_bound(1);
	char path[PATH_MAX + 16];

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	snprintf(path, sizeof(path), "%s/mounted", parent_path);
	EXPECT_EQ(mount("lwcg-on-a-lease", path, "tmpfs", 0, NULL), 0);
	EXPECT(is_mounted("lwcg-on-a-lease"));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	close(arg.dir_fd);
	EXPECT(WAIT_FOR(!info(dev).recycling));
	EXPECT(!is_mounted("lwcg-on-a-lease"));
	close(dev);
	return KTAP_PASS;
}

/* Several holders at once, each taking, using and giving back slots in turn. */
static inline int churn(int id, int rounds)
{
	struct lwcg_acquire arg;
	char name[32];
	pid_t pid;
	int i, dev = device_open_bound(8);

	if (dev < 0)
		return 1;
	for (i = 0; i < rounds; i++) {
		snprintf(name, sizeof(name), "churn-%d-%d", id, i);
		arg = acquire_arg(name);
		arg.pids_max = 10;
		arg.cpu_quota_us = 50000;
		arg.memory_max = 64 << 20;
		if (acquire_wait(dev, &arg))
			return 2;
		pid = sleeper_in(arg.dir_fd);
		if (pid < 0)
			return 3;
		/* every eighth is left to the close at the end */
		if (i % 8 && release(dev, arg.slot_id))
			return 4;
		if (i % 8 == 0)
			kill(pid, SIGKILL);
		close(arg.dir_fd);
		if (reap(pid) == -1)
			return 5;
	}
	return 0;
}

static inline int test_churn(void)
{
	int dev = device_open_bound(8), rounds = ktap_slow() ? 50 : 250, i, status;
	struct lwcg_info before, after;
	pid_t pids[4];

	EXPECT(WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0));
	before = info(dev);
	for (i = 0; i < 4; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(churn(i, rounds));
	}
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(waitpid(pids[i], &status, 0), pids[i]);
		EXPECT(WIFEXITED(status));
		EXPECT_EQ(WEXITSTATUS(status), 0);
	}
	EXPECT(WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0));
	after = info(dev);
	EXPECT_EQ(after.acquired - before.acquired, 4 * rounds);
	EXPECT_EQ(after.retired + after.recycled - before.retired - before.recycled, 4 * rounds);
	EXPECT(after.recycled > before.recycled);
	ktap_diag("%d leases by 4 holders, %d slots used again", 4 * rounds,
		  (int)(after.recycled - before.recycled));
	close(dev);
	return KTAP_PASS;
}

#endif
