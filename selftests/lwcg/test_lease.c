// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leases: what ACQUIRE gives, what RELEASE and the death of the holder take, and
 * how pools are shared, emptied, refilled and drained.
 */
#include "lwcg_test.h"

#include <dirent.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

static int test_acquire_renames(void)
{
	struct lwcg_acquire arg = acquire_arg("renamed");
	int dev = device_open_bound(2);
	struct stat by_fd, by_path;

	EXPECT_EQ(info(dev).ready, 2);
#ifdef LWCG_V1
	EXPECT_EQ(info(dev).cgroup_version, 1);
#else
	EXPECT_EQ(info(dev).cgroup_version, 2);
#endif
	EXPECT_EQ(acquire(dev, &arg), 0);
	EXPECT_EQ(fstat(arg.dir_fd, &by_fd), 0);
	EXPECT_EQ(fstatat(parent_fd, "renamed", &by_path, 0), 0);
	EXPECT_EQ(by_fd.st_ino, by_path.st_ino);
	EXPECT_EQ(arg.cgroup_id, by_path.st_ino);
	EXPECT_EQ(fcntl(arg.dir_fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(info(dev).leased, 1);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	/* the name is free at once, whatever happens in the background */
	EXPECT(!exists_at(parent_fd, "renamed"));
	EXPECT_EQ(info(dev).leased, 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* Look up every ready slot by its name; returns how many there are, 16 at most. */
static int look_up_ready(uint64_t ids[16], char names[16][32])
{
	DIR *dir = fdopendir(openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *de;
	struct stat st;
	int n = 0;

	while (dir && n < 16 && (de = readdir(dir))) {
		if (strncmp(de->d_name, ".lwcg-", 6) || fstatat(parent_fd, de->d_name, &st, 0))
			continue;
		snprintf(names[n], sizeof(names[n]), "%.31s", de->d_name);
		ids[n++] = st.st_ino;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* A path says what is there now, whatever it said when it was looked up before. */
static int test_cached_names_follow(void)
{
	struct lwcg_acquire arg = acquire_arg("cached");
	int dev = device_open_bound(1), round, n, i;
	char names[16][32];
	uint64_t ids[16];

	for (round = 0; round < 3; round++) {
		EXPECT(WAIT_FOR(info(dev).ready >= info(dev).target && !info(dev).recycling));
		/* or the next one might not have been there to be looked up */
		EXPECT(refill_stop(dev));
		EXPECT(!exists_at(parent_fd, "cached"));
		n = look_up_ready(ids, names);
		EXPECT_EQ(acquire(dev, &arg), 0);
		EXPECT(exists_at(parent_fd, "cached/cgroup.procs"));
		for (i = 0; i < n && ids[i] != arg.cgroup_id; i++)
			;
		EXPECT(i < n);
		EXPECT(!exists_at(parent_fd, names[i]));
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		EXPECT(!exists_at(parent_fd, "cached"));
		EXPECT(!exists_at(parent_fd, "cached/cgroup.procs"));
		EXPECT(refill_go());
		close(arg.dir_fd);
	}
	close(dev);
	return KTAP_PASS;
}

static int test_limits_are_applied(void)
{
	struct lwcg_acquire arg = acquire_arg("limited");
	int dev = device_open_bound(1);

	arg.memory_max = 64 << 20;
	arg.cpu_quota_us = 50000;
	arg.cpu_period_us = 200000;
	arg.pids_max = 17;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(has_limits(arg.dir_fd, "", "67108864", "50000", "200000", "17"));
	close(arg.dir_fd);

	/* the same files by path, and the default period */
	arg = acquire_arg("limited2");
	arg.cpu_quota_us = 30000;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(has_limits(parent_fd, "limited2/", "max", "30000", "100000", "max"));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int test_bad_limit_leaves_nothing(void)
{
	struct lwcg_acquire arg = acquire_arg("badlimit");
	int dev = device_open_bound(1), fd = dup(0);

	arg.memory_max = 64 << 20;
	arg.cpu_quota_us = 1;
	EXPECT_EQ(acquire_wait(dev, &arg), -EINVAL);
	arg.cpu_quota_us = LWCG_MAX;
	arg.pids_max = LWCG_MAX - 1;
	EXPECT_EQ(acquire_wait(dev, &arg), -EINVAL);
	EXPECT_EQ(info(dev).leased, 0);
	EXPECT(!exists_at(parent_fd, "badlimit"));
	/* the slot that got its memory.max is not given to the next one */
	arg = acquire_arg("goodlimit");
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(arg.dir_fd, fd + 1);
	EXPECT(has_limits(arg.dir_fd, "", "max", "max", "100000", "max"));
	close(arg.dir_fd);
	close(fd);
	close(dev);
	return KTAP_PASS;
}

#ifndef LWCG_V1
static int test_limit_without_controller(void)
{
	struct lwcg_acquire arg = acquire_arg("nocontroller");
	int dev = device_open(), dir;

	EXPECT_EQ(mkdirat(parent_fd, "bare", 0755), 0);
	dir = openat(parent_fd, "bare", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(pool_bind(dev, dir, 1, 0), 0);
	arg.pids_max = 10;
	EXPECT_EQ(acquire_wait(dev, &arg), -EOPNOTSUPP);
	arg.pids_max = LWCG_MAX;
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	close(arg.dir_fd);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT_EQ(drain(dev), 0);
	close(dir);
	close(dev);
	EXPECT_EQ(unlinkat(parent_fd, "bare", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}
#endif

static int test_name_taken(void)
{
	struct lwcg_acquire arg = acquire_arg("taken"), second = acquire_arg("taken");
	int dev = device_open_bound(2);
	uint32_t ready;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT(WAIT_FOR(info(dev).ready >= 2 && !info(dev).recycling));
	EXPECT(refill_stop(dev));
	ready = info(dev).ready;
	EXPECT_EQ(acquire(dev, &second), -EEXIST);
	/* the slot went back untouched */
	EXPECT_EQ(info(dev).ready, ready);
	EXPECT_EQ(info(dev).leased, 1);
	EXPECT(refill_go());
	/* a directory that somebody else made counts as well */
	EXPECT_EQ(mkdirat(parent_fd, "foreign", 0755), 0);
	second = acquire_arg("foreign");
	EXPECT_EQ(acquire(dev, &second), -EEXIST);
	EXPECT_EQ(unlinkat(parent_fd, "foreign", AT_REMOVEDIR), 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* The child is in the leased cgroup from its first instruction. */
static int test_clone_into_slot(void)
{
	struct lwcg_acquire arg = acquire_arg("spawned");
	int dev = device_open_bound(1), status;
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pid = clone_into(arg.dir_fd);
	if (!pid)
		_exit(strstr(read_at(AT_FDCWD, "/proc/self/cgroup"), "/spawned") ? 42 : 1);
	EXPECT(pid > 0);
	status = reap(pid);
	EXPECT(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 42);
	EXPECT(!is_populated(arg.dir_fd));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int test_release_kills(void)
{
	struct lwcg_acquire arg = acquire_arg("killed");
	int dev = device_open_bound(1), status;
	uint64_t before;
	pid_t pid;

	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	before = ended(dev);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pid = sleeper_in(arg.dir_fd);
	EXPECT(pid > 0);
	EXPECT(is_populated(arg.dir_fd));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	status = reap(pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGKILL);
	EXPECT(WAIT_FOR(ended(dev) == before + 1));
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	/* the old descriptor leads nowhere */
	EXPECT(!exists_at(arg.dir_fd, "cgroup.procs"));
	EXPECT(clone_into(arg.dir_fd) < 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int test_release_is_for_the_holder(void)
{
	struct lwcg_acquire arg = acquire_arg("mine");
	int dev = device_open_bound(1), other = device_open_bound(1);

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(release(other, arg.slot_id), -ENOENT);
	EXPECT_EQ(release(dev, arg.slot_id + 1000), -ENOENT);
	EXPECT_EQ(release(dev, 0), -ENOENT);
	EXPECT(exists_at(parent_fd, "mine"));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT_EQ(release(dev, arg.slot_id), -ENOENT);
	close(arg.dir_fd);
	close(other);
	close(dev);
	return KTAP_PASS;
}

static int test_lease_ends_on_close(void)
{
	struct lwcg_acquire a = acquire_arg("closed-a"), b = acquire_arg("closed-b");
	int dev = device_open_bound(2), other = device_open_bound(2), status;
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &a), 0);
	EXPECT_EQ(acquire_wait(dev, &b), 0);
	pid = sleeper_in(a.dir_fd);
	EXPECT(pid > 0);
	/* not the last one: the child has a copy */
	close(dev);
	EXPECT(exists_at(parent_fd, "closed-a"));
	kill(pid, SIGKILL);
	status = reap(pid);
	EXPECT(WIFSIGNALED(status));
	EXPECT(WAIT_FOR(!exists_at(parent_fd, "closed-a")));
	EXPECT(WAIT_FOR(!exists_at(parent_fd, "closed-b")));
	EXPECT(WAIT_FOR(info(other).leased == 0 && info(other).recycling == 0));
	close(a.dir_fd);
	close(b.dir_fd);
	close(other);
	return KTAP_PASS;
}

/* The holder is killed: its sandboxes go with it. */
static int test_lease_ends_with_killed_holder(void)
{
	int dev = device_open_bound(2), pipefd[2];
	pid_t holder, tenant = 0;

	EXPECT_EQ(pipe2(pipefd, O_CLOEXEC), 0);
	holder = fork();
	if (!holder) {
		struct lwcg_acquire arg = acquire_arg("orphan");

		close(dev);
		dev = device_open_bound(2);
		if (acquire_wait(dev, &arg))
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
	EXPECT(exists_at(parent_fd, "orphan"));
	EXPECT_EQ(kill(tenant, 0), 0);
	kill(holder, SIGKILL);
	EXPECT(WIFSIGNALED(reap(holder)));
	EXPECT(WAIT_FOR(!exists_at(parent_fd, "orphan")));
	EXPECT(WAIT_FOR(kill(tenant, 0) < 0));
	EXPECT(WAIT_FOR(info(dev).leased == 0 && info(dev).recycling == 0));
	close(pipefd[0]);
	close(pipefd[1]);
	close(dev);
	return KTAP_PASS;
}

/*
 * What the holder forks has the lease as well: it can end it, take another one, and
 * keeps both when the holder is gone.
 */
static int test_child_of_the_holder_keeps_lease(void)
{
	struct lwcg_acquire first = acquire_arg("forked"), second = acquire_arg("heirs");
	int watcher = device_open_bound(2), up[2], down[2];
	pid_t holder, child = 0;
	char c;

	EXPECT_EQ(pipe2(up, O_CLOEXEC), 0);
	EXPECT_EQ(pipe2(down, O_CLOEXEC), 0);
	holder = fork();
	if (!holder) {
		int dev;

		close(watcher);
		close(down[1]);
		dev = device_open_bound(2);
		if (acquire_wait(dev, &first))
			_exit(1);
		child = fork();
		if (child) {
			if (write(up[1], &child, sizeof(child)) != sizeof(child))
				_exit(1);
			for (;;)
				pause();
		}
		/* until the holder is gone */
		if (read(down[0], &c, 1) != 1 || acquire_wait(dev, &second) ||
		    release(dev, first.slot_id))
			_exit(1);
		if (write(up[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	EXPECT_EQ(read(up[0], &child, sizeof(child)), sizeof(child));
	kill(holder, SIGKILL);
	EXPECT(WIFSIGNALED(reap(holder)));
	sleep_ms(200);
	EXPECT(exists_at(parent_fd, "forked"));
	EXPECT_EQ(info(watcher).leased, 1);

	EXPECT_EQ(write(down[1], "g", 1), 1);
	EXPECT_EQ(read(up[0], &c, 1), 1);
	EXPECT(!exists_at(parent_fd, "forked"));
	EXPECT(exists_at(parent_fd, "heirs"));
	EXPECT_EQ(info(watcher).leased, 1);
	kill(child, SIGKILL);
	EXPECT(WAIT_FOR(!exists_at(parent_fd, "heirs")));
	EXPECT(WAIT_FOR(info(watcher).leased == 0 && info(watcher).recycling == 0));
	close(up[0]);
	close(up[1]);
	close(down[0]);
	close(down[1]);
	close(watcher);
	return KTAP_PASS;
}

/* Send a descriptor over a socket, or receive one. */
static int fd_over_socket(int sock, int fd)
{
	char c = 'x', buf[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&c, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = buf,
			     .msg_controllen = sizeof(buf)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	if (fd < 0) {
		if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
			return -errno;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		return fd;
	}
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static int test_passed_descriptor_keeps_lease(void)
{
	struct lwcg_acquire arg = acquire_arg("passed");
	int dev = device_open_bound(1), watcher = device_open_bound(1), sock[2], got;

	EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(fd_over_socket(sock[0], dev), 0);
	close(dev);
	/* in flight it counts too */
	EXPECT(exists_at(parent_fd, "passed"));
	got = fd_over_socket(sock[1], -1);
	EXPECT(got >= 0);
	EXPECT(exists_at(parent_fd, "passed"));
	EXPECT_EQ(info(got).leased, 1);
	close(got);
	EXPECT(WAIT_FOR(!exists_at(parent_fd, "passed")));
	EXPECT_EQ(info(watcher).leased, 0);
	close(arg.dir_fd);
	close(sock[0]);
	close(sock[1]);
	close(watcher);
	return KTAP_PASS;
}

static int test_two_openers_share_a_pool(void)
{
	struct lwcg_acquire a = acquire_arg("two-a"), b = acquire_arg("two-b");
	int one = device_open_bound(2), two = device_open_bound(4);

	/* the target is the largest that was asked for */
	EXPECT_EQ(info(one).target, 4);
	EXPECT_EQ(pool_bind(one, parent_fd, 1, 0), 0);
	EXPECT_EQ(info(two).target, 4);
	EXPECT(info(one).ready >= 4);
	EXPECT_EQ(acquire(one, &a), 0);
	EXPECT_EQ(acquire(two, &b), 0);
	EXPECT(a.slot_id != b.slot_id);
	EXPECT_EQ(info(one).leased, 2);
	EXPECT_EQ(drain(two), -EBUSY);
	close(two);
	EXPECT(WAIT_FOR(info(one).leased == 1));
	EXPECT(exists_at(parent_fd, "two-a"));
	EXPECT(!exists_at(parent_fd, "two-b"));
	close(a.dir_fd);
	close(b.dir_fd);
	close(one);
	return KTAP_PASS;
}

/* cgroup v1 has no limit of the number of cgroups, by which these are kept from a refill. */
#ifndef LWCG_V1
static int test_empty_pool_and_refill(void)
{
	struct lwcg_acquire arg;
	int dev = device_open(), dir, i, ret, given = 0;
	char name[16];

	EXPECT_EQ(mkdirat(parent_fd, "tight", 0755), 0);
	dir = openat(parent_fd, "tight", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "2"), 0);
	EXPECT_EQ(pool_bind(dev, dir, 2, 1), 0);
	EXPECT_EQ(poll_events(dev), 0);
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		arg = acquire_arg(name);
		ret = acquire(dev, &arg);
		if (!ret)
			given++, close(arg.dir_fd);
	}
	/* no room for a third: the refill cannot help */
	EXPECT_EQ(ret, -EAGAIN);
	EXPECT_EQ(given, 2);
	EXPECT_EQ(poll_events(dev), POLLIN);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "max"), 0);
	/* asking in vain starts the refill */
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	close(arg.dir_fd);
	EXPECT(WAIT_FOR(info(dev).ready == 2));
	EXPECT_EQ(poll_events(dev), 0);
	close(dev);

	dev = device_open();
	EXPECT_EQ(pool_bind(dev, dir, 1, 0), 0);
	EXPECT(WAIT_FOR(drain(dev) == 0));
	close(dev);
	close(dir);
	EXPECT_EQ(unlinkat(parent_fd, "tight", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}

static int test_poll_wakes_on_low_water(void)
{
	struct lwcg_acquire arg = acquire_arg("low");
	int dev = device_open(), dir, status;
	pid_t pid;

	EXPECT_EQ(mkdirat(parent_fd, "lw", 0755), 0);
	dir = openat(parent_fd, "lw", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(write_at(dir, "cgroup.max.descendants", "1"), 0);
	EXPECT_EQ(pool_bind(dev, dir, 1, 1), 0);
	pid = fork();
	if (!pid) {
		struct pollfd p = {.fd = dev, .events = POLLIN};

		_exit(poll(&p, 1, 60000) == 1 && p.revents == POLLIN ? 7 : 1);
	}
	sleep_ms(200);
	EXPECT_EQ(acquire(dev, &arg), 0);
	status = reap(pid);
	EXPECT(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 7);
	close(arg.dir_fd);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT_EQ(drain(dev), 0);
	close(dev);
	close(dir);
	EXPECT_EQ(unlinkat(parent_fd, "lw", AT_REMOVEDIR), 0);
	return KTAP_PASS;
}
#endif

static int test_drain(void)
{
	struct lwcg_acquire arg = acquire_arg("drained");
	int dev = device_open_bound(3), other = device_open_bound(3);

	EXPECT_EQ(acquire(dev, &arg), 0);
	close(arg.dir_fd);
	EXPECT_EQ(drain(dev), -EBUSY);
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT_EQ(drain(dev), 0);
	EXPECT_EQ(info(dev).ready, 0);
	EXPECT_EQ(info(dev).recycling, 0);
	EXPECT_EQ(nr_descendants(parent_fd), 0);
	EXPECT_EQ(acquire(dev, &arg), -ESHUTDOWN);
	EXPECT_EQ(acquire(other, &arg), -ESHUTDOWN);
	EXPECT_EQ(pool_bind(other, parent_fd, 1, 0), -ESHUTDOWN);
	EXPECT_EQ(drain(other), -ESHUTDOWN);
	EXPECT(poll_events(other) & POLLHUP);
	close(dev);
	/* a new file gets a new pool */
	dev = device_open_bound(1);
	EXPECT(dev >= 0);
	EXPECT_EQ(info(dev).target, 1);
	close(dev);
	close(other);
	return KTAP_PASS;
}

static int test_pool_survives_its_clients(void)
{
	int dev = device_open_bound(3);
	struct lwcg_info i;

	EXPECT(WAIT_FOR(info(dev).ready >= 3));
	close(dev);
	dev = device_open_bound(1);
	i = info(dev);
	EXPECT(i.target >= 3);
	EXPECT(i.ready >= 3);
	close(dev);
	return KTAP_PASS;
}

static int test_unload_is_refused_while_open(void)
{
	struct lwcg_acquire arg = acquire_arg("busy");
	int dev = device_open_bound(1);

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(module_unload(), -EWOULDBLOCK);
	EXPECT(exists_at(parent_fd, "busy"));
	close(arg.dir_fd);
	close(dev);
	/* refused as well until the cgroup is recycled; then pools go with it */
	EXPECT(WAIT_FOR(module_unload() == 0));
	EXPECT(access(LWCG_DEVICE, F_OK) < 0);
	EXPECT_EQ(nr_descendants(parent_fd), 0);
	EXPECT_EQ(module_load(), 0);
	EXPECT(WAIT_FOR(access(LWCG_DEVICE, F_OK) == 0));
	return KTAP_PASS;
}

/* A process that is dead and not reaped keeps its slot recycling for four seconds. */
static int test_unload_is_refused_while_recycling(void)
{
	struct lwcg_acquire arg = acquire_arg("lingers");
	int dev, tries, ret = 0;
	siginfo_t si = {0};
	int64_t start = 0;
	pid_t pid;

	for (tries = 0; tries < 5 && ret != -EWOULDBLOCK; tries++) {
		EXPECT_EQ(module_load(), 0);
		EXPECT(WAIT_FOR(access(LWCG_DEVICE, F_OK) == 0));
		dev = device_open_bound(1);
		EXPECT_EQ(acquire_wait(dev, &arg), 0);
		pid = sleeper_in(arg.dir_fd);
		EXPECT(pid > 0);
		start = now_ms();
		EXPECT_EQ(release(dev, arg.slot_id), 0);
		close(arg.dir_fd);
		close(dev);
		/* dead, or it would be recycling for another reason */
		EXPECT(WAIT_FOR(!waitid(P_PID, pid, &si, WEXITED | WNOHANG | WNOWAIT) &&
				si.si_pid == pid));
		ret = module_unload();
		/* or the slot has been given up already */
		EXPECT(ret == -EWOULDBLOCK || now_ms() - start > 3000);
		EXPECT(WIFSIGNALED(reap(pid)));
	}
	EXPECT_EQ(ret, -EWOULDBLOCK);
	EXPECT(!access(LWCG_DEVICE, F_OK));
	EXPECT(WAIT_FOR(module_unload() == 0));
	EXPECT_EQ(nr_descendants(parent_fd), 0);
	EXPECT_EQ(module_load(), 0);
	EXPECT(WAIT_FOR(access(LWCG_DEVICE, F_OK) == 0));
	return KTAP_PASS;
}

/* Slots are just being made: what is made goes, and no more are. */
static int test_unload_during_refill(void)
{
	int dev, i, during = 0, rounds = ktap_slow() ? 10 : 30;
	unsigned int seed = getpid();
	uint32_t ready;

	for (i = 0; i < rounds; i++) {
		dev = device_open_bound(1);
		EXPECT(dev >= 0);
		EXPECT_EQ(resize(dev, 400, 0), 0);
		usleep(rand_r(&seed) % 20000);
		ready = info(dev).ready;
		close(dev);
		/* nobody has the device open, and nothing was leased */
		EXPECT_EQ(module_unload(), 0);
		during += ready < 300;
		EXPECT_EQ(nr_descendants(parent_fd), 0);
		EXPECT_EQ(module_load(), 0);
		EXPECT(WAIT_FOR(access(LWCG_DEVICE, F_OK) == 0));
	}
	ktap_diag("%d of %d times with most slots not made yet", during, rounds);
	EXPECT(during > 0);
	return KTAP_PASS;
}

/* Where in the listing of a directory the entry of that name comes next; -1 if nowhere. */
static off_t position_of(int fd, const char *name)
{
	char buf[4096] __attribute__((aligned(8)));
	const struct dirent64 *de;
	off_t pos = 0;
	long n, i;

	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i += de->d_reclen) {
			de = (void *)(buf + i);
			if (!strcmp(de->d_name, name))
				return pos;
			pos = de->d_off;
		}
	}
	return -1;
}

struct listing {
	int fd;
	char *buf;
	long n;
	atomic_int tid;
};

static void *list_one(void *arg)
{
	struct listing *l = arg;

	l->tid = syscall(SYS_gettid);
	l->n = syscall(SYS_getdents64, l->fd, l->buf, 64);
	return NULL;
}

/*
 * A name changes while it is on its way to whoever lists the directory: into a page of a
 * file system that is frozen, so that it takes long.
 */
static int test_listing_while_names_change(void)
{
	static const char name[] = "listed-and-then-renamed";
	int store = open("/var/lib/rund", O_RDONLY | O_DIRECTORY | O_CLOEXEC), file, ret, blocked;
	struct lwcg_acquire arg = acquire_arg(name),
			    other = acquire_arg("another-name-of-its-size");
	struct listing l = {.fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	int dev = device_open_bound(2);
	pthread_t thread;
	off_t pos;

	file = open("/var/lib/rund", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0 || ftruncate(file, 4096) || ioctl(store, FIFREEZE, 0) ||
	    ioctl(store, FITHAW, 0))
		return ktap_skip("no file system at /var/lib/rund that can be frozen");
	l.buf = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	EXPECT(l.buf != MAP_FAILED);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	pos = position_of(l.fd, name);
	EXPECT(pos > 0);
	EXPECT_EQ(lseek(l.fd, pos, SEEK_SET), pos);

	/* nothing leaves this test before it is thawed */
	EXPECT_EQ(ioctl(store, FIFREEZE, 0), 0);
	ret = pthread_create(&thread, NULL, list_one, &l);
	blocked = !ret && WAIT_FOR(is_blocked(l.tid));
	if (blocked)
		ret = release(dev, arg.slot_id) ?: acquire_wait(dev, &other);
	if (ioctl(store, FITHAW, 0))
		abort();
	EXPECT_EQ(ret, 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT(blocked);
	EXPECT(l.n > 0);
	EXPECT(!strcmp(((struct dirent64 *)l.buf)->d_name, name));

	EXPECT_EQ(release(dev, other.slot_id), 0);
	close(arg.dir_fd);
	close(other.dir_fd);
	munmap(l.buf, 4096);
	close(file);
	close(store);
	close(l.fd);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_acquire_renames),
		T(test_cached_names_follow),
		T(test_listing_while_names_change),
		T(test_limits_are_applied),
		T(test_bad_limit_leaves_nothing),
#ifndef LWCG_V1
		T(test_limit_without_controller),
		T(test_empty_pool_and_refill),
		T(test_poll_wakes_on_low_water),
#endif
		T(test_name_taken),
		T(test_clone_into_slot),
		T(test_release_kills),
		T(test_release_is_for_the_holder),
		T(test_lease_ends_on_close),
		T(test_lease_ends_with_killed_holder),
		T(test_child_of_the_holder_keeps_lease),
		T(test_passed_descriptor_keeps_lease),
		T(test_two_openers_share_a_pool),
		T(test_drain),
		T(test_pool_survives_its_clients),
		T(test_unload_is_refused_while_open),
		T(test_unload_is_refused_while_recycling),
		T(test_unload_during_refill),
	};

	setup("lease", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
