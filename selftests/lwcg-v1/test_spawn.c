// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that attach themselves to a slot on cgroup v1, or are attached by others,
 * and fork there, against the end of the lease: whatever was in at that moment is
 * killed, and nothing comes in later.
 */
#define LWCG_V1
#include "../lwcg/lwcg_test.h"

#include <sched.h>

/* How often a race is run. */
static int rounds(void)
{
	return ktap_slow() ? 30 : 200;
}

static bool settled(int dev)
{
	return WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0);
}

static bool is_refusal(int err)
{
	return err == EBUSY || err == ENODEV || err == ENOENT;
}

static int test_child_attaches_itself(void)
{
	struct lwcg_acquire arg = acquire_arg("attached");
	int dev = device_open_bound(1), i, status;
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	for (i = 0; i < 20; i++) {
		pid = clone_into(arg.dir_fd);
		if (!pid)
			_exit(strstr(read_at(AT_FDCWD, "/proc/self/cgroup"), "/attached") ? 42 : 1);
		EXPECT(pid > 0);
		status = reap(pid);
		EXPECT(WIFEXITED(status));
		EXPECT_EQ(WEXITSTATUS(status), 42);
	}
	EXPECT(!is_populated(arg.dir_fd));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(settled(dev));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int test_release_during_attaches(void)
{
	int dev = device_open_bound(4), i, k, status, err;
	struct lwcg_info before;
	unsigned int seed = getpid();
	pid_t pids[2];

	EXPECT(settled(dev));
	before = info(dev);
	for (i = 0; i < rounds(); i++) {
		struct lwcg_acquire arg = acquire_arg("raced");

		arg.pids_max = 300;
		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		for (k = 0; k < 2; k++) {
			pids[k] = fork();
			if (!pids[k])
				_exit(-spawn_until_refused(arg.dir_fd));
		}
		usleep(rand_r(&seed) % 4000);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		for (k = 0; k < 2; k++) {
			EXPECT_EQ(waitpid(pids[k], &status, 0), pids[k]);
			EXPECT(WIFEXITED(status));
			err = WEXITSTATUS(status);
			if (!is_refusal(err))
				ktap_diag("refused with %s", strerror(err));
			EXPECT(is_refusal(err));
		}
		close(arg.dir_fd);
	}
	EXPECT(settled(dev));
	EXPECT_EQ(ended(dev) - before.recycled - before.retired, rounds());
	close(dev);
	return KTAP_PASS;
}

/* Somebody else moves a process in and out, by either file, until it is refused or killed. */
static int move_until_refused(int slot, const char *file)
{
	pid_t pid = fork();
	char text[16];
	int ret;

	if (!pid)
		for (;;)
			pause();
	snprintf(text, sizeof(text), "%d", pid);
	do {
		ret = write_at(slot, file, text);
		if (!ret)
			ret = write_at(parent_fd, file, text);
	} while (!ret);
	/* killed in there and reaped by nobody else, or never in there */
	if (is_refusal(-ret))
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ret;
}

static int test_release_during_moves(void)
{
	int dev = device_open_bound(4), i, k, status, err;
	unsigned int seed = getpid();
	struct lwcg_info before;
	pid_t pids[2];

	EXPECT(settled(dev));
	before = info(dev);
	for (i = 0; i < rounds(); i++) {
		struct lwcg_acquire arg = acquire_arg("moved");

		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		for (k = 0; k < 2; k++) {
			pids[k] = fork();
			if (!pids[k])
				_exit(-move_until_refused(arg.dir_fd,
							  k ? "tasks" : "cgroup.procs"));
		}
		usleep(rand_r(&seed) % 6000);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		for (k = 0; k < 2; k++) {
			EXPECT_EQ(waitpid(pids[k], &status, 0), pids[k]);
			EXPECT(WIFEXITED(status));
			err = WEXITSTATUS(status);
			if (!is_refusal(err) && err != ESRCH)
				ktap_diag("refused with %s", strerror(err));
			EXPECT(is_refusal(err) || err == ESRCH);
		}
		close(arg.dir_fd);
	}
	EXPECT(settled(dev));
	EXPECT_EQ(ended(dev) - before.recycled - before.retired, rounds());
	close(dev);
	return KTAP_PASS;
}

/*
 * Forks as fast as it can.  Parents end, so that at any moment most of the bomb is in
 * the middle of a fork.
 */
static void bomb(void)
{
	signal(SIGCHLD, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	for (;;)
		if (fork() > 0 && fork() > 0)
			_exit(0);
		else
			sched_yield();
}

/* Nobody escapes, whenever the kill comes. */
static int test_fork_bombs_are_killed(void)
{
	int dev = device_open_bound(4), i, status;
	unsigned int seed = getpid();
	pid_t pid;

	for (i = 0; i < rounds(); i++) {
		struct lwcg_acquire arg = acquire_arg("bomb");

		arg.pids_max = 64;
		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		pid = clone_into(arg.dir_fd);
		if (!pid) {
			close(dev);
			setsid();
			bomb();
		}
		EXPECT(pid > 0);
		EXPECT(WAIT_FOR(atoi(read_at(arg.dir_fd, "pids.current")) > 16));
		usleep(rand_r(&seed) % 3000);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		status = reap(pid);
		EXPECT(status != -1);
		EXPECT(settled(dev));
		close(arg.dir_fd);
	}
	close(dev);
	return KTAP_PASS;
}

/* Frozen by itself: killed all the same, even if somebody freezes it at that moment. */
static int test_frozen_tenant_is_killed(void)
{
	struct lwcg_acquire arg = acquire_arg("frozen");
	int dev = device_open_bound(1), i;
	struct lwcg_info before;
	pid_t pid, freezer;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT(pid > 0);
	EXPECT_EQ(write_at(arg.dir_fd, "freezer.state", "FROZEN"), 0);
	EXPECT(WAIT_FOR(!strcmp(read_at(arg.dir_fd, "freezer.state"), "FROZEN")));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WIFSIGNALED(reap(pid)));
	EXPECT(settled(dev));
	close(arg.dir_fd);

	before = info(dev);
	for (i = 0; i < rounds(); i++) {
		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		pid = sleeper_in(arg.dir_fd);
		freezer = fork();
		if (!freezer) {
			while (!write_at(arg.dir_fd, "freezer.state", "FROZEN"))
				;
			_exit(0);
		}
		usleep(i * 10);
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		EXPECT(WIFSIGNALED(reap(pid)));
		EXPECT_EQ(reap(freezer), 0);
		EXPECT(settled(dev));
		close(arg.dir_fd);
	}
	EXPECT_EQ(ended(dev) - before.recycled - before.retired, rounds());
	close(dev);
	return KTAP_PASS;
}

/* Frozen by an ancestor it stays until that is thawed, and then goes. */
static int test_frozen_ancestor_holds_up(void)
{
	struct lwcg_acquire arg = acquire_arg("below");
	int dev = device_open_bound(1);
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT(pid > 0);
	EXPECT_EQ(write_at(parent_fd, "freezer.state", "FROZEN"), 0);
	EXPECT(WAIT_FOR(!strcmp(read_at(arg.dir_fd, "freezer.state"), "FROZEN")));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	sleep_ms(200);
	EXPECT_EQ(info(dev).recycling, 1);
	EXPECT_EQ(write_at(parent_fd, "freezer.state", "THAWED"), 0);
	EXPECT(WIFSIGNALED(reap(pid)));
	EXPECT(settled(dev));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_child_attaches_itself),	 T(test_release_during_attaches),
		T(test_release_during_moves),	 T(test_fork_bombs_are_killed),
		T(test_frozen_tenant_is_killed), T(test_frozen_ancestor_holds_up),
	};

	setup("spawn", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
