// SPDX-License-Identifier: GPL-2.0-only
/*
 * Persistent leases: what outlives the file that held them, who may adopt it, and
 * how an operator gets rid of it.
 */
#include "lwcg_test.h"

#include <sys/mman.h>

static int acquire_persistent(int dev, const char *name, struct lwcg_acquire *arg)
{
	*arg = acquire_arg(name);
	arg->flags = LWCG_ACQUIRE_PERSISTENT;
	return acquire_wait(dev, arg);
}

/* A persistent lease without a holder; returns a file that can adopt it, or -errno. */
static int make_orphan(const char *name, struct lwcg_acquire *arg)
{
	int dev = device_open_bound(1), other = device_open_bound(1);
	uint32_t before = info(other).orphans;

	if (dev < 0 || other < 0 || acquire_persistent(dev, name, arg))
		return -EIO;
	close(dev);
	return WAIT_FOR(info(other).orphans == before + 1) ? other : -ETIMEDOUT;
}

static int test_tenant_survives_holder(void)
{
	struct lwcg_acquire arg, plain = acquire_arg("mortal");
	int dev = device_open_bound(2), other = device_open_bound(2), pipefd[2];
	pid_t holder, tenant = 0;

	EXPECT_EQ(pipe2(pipefd, O_CLOEXEC), 0);
	holder = fork();
	if (!holder) {
		close(dev);
		close(other);
		dev = device_open_bound(2);
		if (acquire_persistent(dev, "survivor", &arg) || acquire_wait(dev, &plain))
			_exit(1);
		tenant = clone_into(arg.dir_fd);
		if (!tenant) {
			close(dev);
			for (;;)
				pause();
		}
		if (write(pipefd[1], &tenant, sizeof(tenant)) != sizeof(tenant))
			_exit(1);
		for (;;)
			pause();
	}
	EXPECT_EQ(read(pipefd[0], &tenant, sizeof(tenant)), sizeof(tenant));
	EXPECT_EQ(info(dev).orphans, 0);
	kill(holder, SIGKILL);
	EXPECT(WIFSIGNALED(reap(holder)));
	EXPECT(WAIT_FOR(info(dev).orphans == 1));
	EXPECT(WAIT_FOR(!exists_at(parent_fd, "mortal")));
	EXPECT(exists_at(parent_fd, "survivor"));
	EXPECT_EQ(kill(tenant, 0), 0);
	EXPECT_EQ(info(dev).leased, 1);
	EXPECT_EQ(drain(dev), -EBUSY);
	EXPECT_EQ(info(dev).orphans, 1);

	struct lwcg_adopt a = adopt_arg("survivor");

	EXPECT_EQ(adopt(other, &a), 0);
	EXPECT_EQ(info(dev).orphans, 0);
	EXPECT_EQ(info(dev).leased, 1);
	EXPECT(strstr(read_at(a.dir_fd, "cgroup.events"), "populated 1"));
	EXPECT_EQ(release(dev, a.slot_id), -ENOENT);
	EXPECT_EQ(release(other, a.slot_id), 0);
	EXPECT(!exists_at(parent_fd, "survivor"));
	EXPECT(WAIT_FOR(kill(tenant, 0) < 0));
	close(a.dir_fd);
	close(pipefd[0]);
	close(pipefd[1]);
	close(other);
	close(dev);
	return KTAP_PASS;
}

static int test_adopt_returns_the_same(void)
{
	struct lwcg_adopt a = adopt_arg("same");
	struct lwcg_acquire arg;
	int other = make_orphan("same", &arg);
	struct stat one, two;

	EXPECT(other >= 0);
	EXPECT_EQ(adopt(other, &a), 0);
	EXPECT_EQ(a.slot_id, arg.slot_id);
	EXPECT_EQ(a.cgroup_id, arg.cgroup_id);
	EXPECT_EQ(fstat(arg.dir_fd, &one), 0);
	EXPECT_EQ(fstat(a.dir_fd, &two), 0);
	EXPECT_EQ(one.st_ino, two.st_ino);
	EXPECT_EQ(fcntl(a.dir_fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(release(other, a.slot_id), 0);
	EXPECT_EQ(release(other, a.slot_id), -ENOENT);
	EXPECT_EQ(adopt(other, &a), -ENOENT);
	close(a.dir_fd);
	close(arg.dir_fd);
	close(other);
	return KTAP_PASS;
}

static int test_adopt_again_and_again(void)
{
	struct lwcg_adopt a;
	struct lwcg_acquire arg;
	int dev = make_orphan("serial", &arg), i;

	EXPECT(dev >= 0);
	for (i = 0; i < 10; i++) {
		a = adopt_arg("serial");
		EXPECT_EQ(adopt(dev, &a), 0);
		EXPECT_EQ(a.slot_id, arg.slot_id);
		close(a.dir_fd);
		close(dev);
		dev = device_open_bound(1);
		EXPECT(WAIT_FOR(info(dev).orphans == 1));
	}
	a = adopt_arg("serial");
	EXPECT_EQ(adopt(dev, &a), 0);
	EXPECT_EQ(release(dev, a.slot_id), 0);
	close(a.dir_fd);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int test_adopt_errors(void)
{
	int dev = device_open_bound(2), other = device_open_bound(2);
	struct lwcg_acquire arg, plain = acquire_arg("plain");
	struct lwcg_adopt a = adopt_arg("held");

	EXPECT_EQ(adopt(other, &a), -ENOENT);
	EXPECT_EQ(acquire_persistent(dev, "held", &arg), 0);
	EXPECT_EQ(acquire_wait(dev, &plain), 0);
	EXPECT_EQ(adopt(other, &a), -EBUSY);
	EXPECT_EQ(adopt(dev, &a), -EBUSY);
	/* not persistent: it will not become an orphan */
	a = adopt_arg("plain");
	EXPECT_EQ(adopt(other, &a), -ENOENT);
	EXPECT_EQ(info(dev).leased, 2);
	/* the name of an orphan stays taken */
	close(dev);
	EXPECT(WAIT_FOR(info(other).orphans == 1 && info(other).leased == 1));
	plain = acquire_arg("held");
	EXPECT_EQ(acquire_wait(other, &plain), -EEXIST);
	a = adopt_arg("held");
	EXPECT_EQ(adopt(other, &a), 0);
	EXPECT_EQ(release(other, a.slot_id), 0);
	close(a.dir_fd);
	close(arg.dir_fd);
	close(other);
	return KTAP_PASS;
}

/* The result cannot be written back: the orphan is what it was. */
static int test_adopt_result_not_writable(void)
{
	struct lwcg_adopt *a =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int other, before, after;
	struct lwcg_acquire arg;

	other = make_orphan("unwritable", &arg);
	EXPECT(other >= 0);
	EXPECT(a != MAP_FAILED);
	*a = adopt_arg("unwritable");
	EXPECT_EQ(mprotect(a, 4096, PROT_READ), 0);
	before = dup(0);
	close(before);
	EXPECT_EQ(adopt(other, a), -EFAULT);
	after = dup(0);
	close(after);
	EXPECT_EQ(after, before);
	EXPECT_EQ(info(other).orphans, 1);
	EXPECT_EQ(release(other, arg.slot_id), -ENOENT);
	EXPECT_EQ(mprotect(a, 4096, PROT_READ | PROT_WRITE), 0);
	EXPECT_EQ(adopt(other, a), 0);
	EXPECT_EQ(release(other, a->slot_id), 0);
	close(a->dir_fd);
	munmap(a, 4096);
	close(arg.dir_fd);
	close(other);
	return KTAP_PASS;
}

/* Many at once, found by name in any order. */
static int test_many_orphans(void)
{
	enum { N = 60 };
	int dev = device_open_bound(N), other = device_open_bound(1), i;
	struct lwcg_acquire arg;
	struct lwcg_adopt a;
	char name[32];

	for (i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "many-%d", i * 37 % N);
		EXPECT_EQ(acquire_persistent(dev, name, &arg), 0);
		close(arg.dir_fd);
	}
	close(dev);
	EXPECT(WAIT_FOR(info(other).orphans == N));
	EXPECT_EQ(info(other).leased, N);
	for (i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		a = adopt_arg(name);
		EXPECT_EQ(adopt(other, &a), 0);
		EXPECT_EQ(adopt(other, &a), -EBUSY);
		close(a.dir_fd);
		if (i % 2)
			EXPECT_EQ(release(other, a.slot_id), 0);
	}
	EXPECT_EQ(info(other).orphans, 0);
	EXPECT_EQ(info(other).leased, N / 2);
	close(other);

	/* the rest are orphans again */
	dev = device_open_bound(1);
	EXPECT(WAIT_FOR(info(dev).orphans == N / 2));
	EXPECT_EQ(drain_orphans(dev), 0);
	close(dev);
	return KTAP_PASS;
}

/* Several files want the same one: exactly one gets it. */
static int test_adopters_race(void)
{
	enum { N = 8 };
	int dev, i, winners, busy, status, rounds = ktap_slow() ? 10 : 30;
	struct lwcg_acquire arg;
	pid_t pids[N];

	while (rounds--) {
		dev = make_orphan("contested", &arg);
		EXPECT(dev >= 0);
		for (i = 0; i < N; i++) {
			pids[i] = fork();
			if (!pids[i]) {
				struct lwcg_adopt a = adopt_arg("contested");
				int mine = device_open_bound(1), ret = adopt(mine, &a);

				/* the winner ends the lease before its file is closed */
				if (!ret)
					ret = release(mine, a.slot_id) ? -EIO : 0;
				_exit(!ret ? 0 : ret == -EBUSY ? 1 : ret == -ENOENT ? 2 : 3);
			}
		}
		for (i = winners = busy = 0; i < N; i++) {
			status = reap(pids[i]);
			EXPECT(WIFEXITED(status) && WEXITSTATUS(status) < 3);
			winners += WEXITSTATUS(status) == 0;
			busy += WEXITSTATUS(status) == 1;
		}
		EXPECT_EQ(winners, 1);
		EXPECT(!exists_at(parent_fd, "contested"));
		close(arg.dir_fd);
		close(dev);
	}
	return KTAP_PASS;
}

/* fork() and passing the file on keep a persistent lease from becoming an orphan. */
static int test_copies_keep_holding(void)
{
	int dev = device_open_bound(1), other = device_open_bound(1), status;
	struct lwcg_adopt a = adopt_arg("copied");
	struct lwcg_acquire arg;
	pid_t pid;

	EXPECT_EQ(acquire_persistent(dev, "copied", &arg), 0);
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	close(dev);
	sleep_ms(50);
	EXPECT_EQ(info(other).orphans, 0);
	EXPECT_EQ(adopt(other, &a), -EBUSY);
	kill(pid, SIGKILL);
	status = reap(pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT(WAIT_FOR(info(other).orphans == 1));
	EXPECT_EQ(adopt(other, &a), 0);
	EXPECT_EQ(release(other, a.slot_id), 0);
	close(a.dir_fd);
	close(arg.dir_fd);
	close(other);
	return KTAP_PASS;
}

static int test_drain_ends_orphans(void)
{
	int dev, holder = device_open_bound(2), status;
	struct lwcg_acquire arg, held;
	struct lwcg_adopt a = adopt_arg("drained");
	pid_t pid;

	dev = make_orphan("drained", &arg);
	EXPECT(dev >= 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT(pid > 0);
	/* not with a lease that somebody holds: nothing is changed */
	EXPECT_EQ(acquire_persistent(holder, "held", &held), 0);
	EXPECT_EQ(drain_orphans(dev), -EBUSY);
	EXPECT_EQ(info(dev).orphans, 1);
	EXPECT_EQ(release(holder, held.slot_id), 0);
	EXPECT_EQ(drain(dev), -EBUSY);
	EXPECT_EQ(drain_orphans(dev), 0);
	status = reap(pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT_EQ(info(dev).orphans, 0);
	EXPECT_EQ(info(dev).leased, 0);
	EXPECT_EQ(info(dev).recycling, 0);
	EXPECT(strstr(read_at(parent_fd, "cgroup.stat"), "nr_descendants 0"));
	EXPECT_EQ(adopt(dev, &a), -ESHUTDOWN);
	close(held.dir_fd);
	close(arg.dir_fd);
	close(holder);
	close(dev);
	return KTAP_PASS;
}

/* An orphan keeps the module loaded; with it goes what kept it. */
static int test_unload_is_refused_with_orphans(void)
{
	struct lwcg_acquire arg;
	int dev = make_orphan("unloader", &arg);

	EXPECT(dev >= 0);
	close(arg.dir_fd);
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	close(dev);
	sleep_ms(50);
	EXPECT_EQ(module_unload(), -EWOULDBLOCK);
	EXPECT(exists_at(parent_fd, "unloader"));
	dev = device_open_bound(1);
	EXPECT_EQ(info(dev).orphans, 1);
	EXPECT_EQ(drain_orphans(dev), 0);
	close(dev);
	EXPECT(WAIT_FOR(module_unload() == 0));
	EXPECT_EQ(module_load(), 0);
	EXPECT(WAIT_FOR(access(LWCG_DEVICE, F_OK) == 0));
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_tenant_survives_holder),
		T(test_adopt_returns_the_same),
		T(test_adopt_again_and_again),
		T(test_adopt_errors),
		T(test_adopt_result_not_writable),
		T(test_many_orphans),
		T(test_adopters_race),
		T(test_copies_keep_holding),
		T(test_drain_ends_orphans),
		T(test_unload_is_refused_with_orphans),
	};

	setup("orphan", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
