// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recycle contract: the end of a lease ends everything in the cgroup, however
 * it resists, and the next tenant finds every file as in a cgroup made by mkdir(2).
 */
#include "lwcg_test.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/xattr.h>

/* Touch memory page by page. */
static void use_memory(size_t bytes)
{
	volatile char *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	for (i = 0; p != MAP_FAILED && i < bytes; i += 4096)
		p[i] = 1;
}

static void use_cpu(int ms)
{
	int64_t end = now_ms() + ms;

	while (now_ms() < end)
		;
}

/* A tenant that leaves traces in every controller; returns when they are there. */
static int dirty(const struct lwcg_acquire *arg)
{
	pid_t pid;
	int status;

	pid = clone_into(arg->dir_fd);
	if (!pid) {
		use_memory(8 << 20);
		use_cpu(50);
		for (int i = 0; i < 40; i++)
			if (!fork())
				pause();
		_exit(0);
	}
	status = reap(pid);
	if (pid < 0 || !WIFEXITED(status))
		return -1;

	write_at(arg->dir_fd, "memory.high", "50331648");
	write_at(arg->dir_fd, "memory.low", "1048576");
	write_at(arg->dir_fd, "cpu.weight", "7");
	write_at(arg->dir_fd, "cgroup.max.depth", "3");
	write_at(arg->dir_fd, "cgroup.max.descendants", "3");
	fsetxattr(arg->dir_fd, "trusted.tenant", "first", 5, 0);
	fchmod(arg->dir_fd, 0700);
	return write_at(arg->dir_fd, "cgroup.freeze", "1");
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

static int test_next_tenant_sees_a_fresh_cgroup(void)
{
	struct lwcg_acquire first = acquire_arg("first"), second = acquire_arg("second");
	int dev = device_open_bound(1), fresh;
	struct stat st;

	EXPECT_EQ(acquire_wait(dev, &first), 0);
	EXPECT_EQ(dirty(&first), 0);
	EXPECT(strcmp(read_at(first.dir_fd, "pids.peak"), "0"));
	EXPECT_EQ(release(dev, first.slot_id), 0);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));

	EXPECT_EQ(acquire_wait(dev, &second), 0);
	EXPECT(second.cgroup_id != first.cgroup_id);
	EXPECT_EQ(mkdirat(parent_fd, "fresh", 0755), 0);
	fresh = openat(parent_fd, "fresh", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT(fresh >= 0);
	EXPECT_EQ(compare_dirs(fresh, second.dir_fd), 0);
	EXPECT(fgetxattr(second.dir_fd, "trusted.tenant", NULL, 0) < 0);
	EXPECT_EQ(fstat(second.dir_fd, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0755);
	close(fresh);
	EXPECT_EQ(unlinkat(parent_fd, "fresh", AT_REMOVEDIR), 0);
	close(first.dir_fd);
	close(second.dir_fd);
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

	arg = acquire_arg("after-oom");
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(strstr(read_at(arg.dir_fd, "memory.events"), "oom_group_kill 0"));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* Several holders at once, each taking, using and giving back slots in turn. */
static int churn(int id, int rounds)
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

static int test_churn(void)
{
	int dev = device_open_bound(8), rounds = ktap_slow() ? 50 : 250, i, status;
	struct lwcg_info before, after;
	pid_t pids[4];

	/* earlier tests are not to be counted */
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
	EXPECT_EQ(after.retired - before.retired, 4 * rounds);
	EXPECT(WAIT_FOR(info(dev).ready >= info(dev).target));
	ktap_diag("%d leases by 4 holders", 4 * rounds);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_next_tenant_sees_a_fresh_cgroup), T(test_old_files_are_dead),
		T(test_frozen_tenant_is_killed),	 T(test_fork_bomb_is_killed),
		T(test_oom_kills_the_whole_tenant),	 T(test_churn),
	};

	setup("recycle", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
