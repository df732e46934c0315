// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what: CAP_SYS_ADMIN of another user namespace opens nothing, the open
 * device is all the authority that there is, and it is none over anything else.
 */
#include "lwcg_test.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>

#define NOBODY 65534

/* Run a function in a child; its value is the test's, 0 to pass. */
static int in_child(int (*fn)(int), int arg)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(fn(arg));
	status = reap(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		ktap_diag("step %d failed", WEXITSTATUS(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Become root of a user namespace of our own, in which root is root's uid. */
static int enter_user_ns(void)
{
	if (unshare(CLONE_NEWUSER))
		return -errno;
	return write_at(AT_FDCWD, "/proc/self/uid_map", "0 0 1");
}

static int only_sys_admin(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	data[0].effective = data[0].permitted = 1u << CAP_SYS_ADMIN;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

/* Take, fill and give back a slot with what @dev is bound to. */
static int use_device(int dev)
{
	struct lwcg_acquire arg = acquire_arg("authority");

	arg.memory_max = 64 << 20;
	arg.cpu_quota_us = 50000;
	arg.pids_max = 4;
	if (info(dev).abi != LWCG_ABI_VERSION)
		return 11;
	if (acquire_wait(dev, &arg))
		return 12;
	if (strcmp(read_at(arg.dir_fd, "pids.max"), "4"))
		return 13;
	if (release(dev, arg.slot_id))
		return 14;
	return 0;
}

static int open_in_user_ns(int unused)
{
	if (enter_user_ns())
		return 1;
	/* CAP_SYS_ADMIN is there, and owns what belongs to the namespace */
	if (unshare(CLONE_NEWUTS) || sethostname("inside", 6))
		return 2;
	return device_open() == -EPERM ? 0 : 3;
}

static int test_root_of_a_user_namespace_cannot_open(void)
{
	EXPECT_EQ(in_child(open_in_user_ns, 0), 0);
	return KTAP_PASS;
}

static int use_in_user_ns(int dev)
{
	return enter_user_ns() ? 1 : use_device(dev);
}

static int test_descriptor_works_in_a_user_namespace(void)
{
	int dev = device_open_bound(1);

	EXPECT(dev >= 0);
	EXPECT_EQ(in_child(use_in_user_ns, dev), 0);
	close(dev);
	return KTAP_PASS;
}

static int use_as_nobody(int dev)
{
	return setresuid(NOBODY, NOBODY, NOBODY) ? 1 : use_device(dev);
}

static int test_descriptor_works_without_privilege(void)
{
	int dev = device_open_bound(1);

	EXPECT(dev >= 0);
	EXPECT_EQ(in_child(use_as_nobody, dev), 0);
	close(dev);
	return KTAP_PASS;
}

static int bind_as_nobody(int dev)
{
	if (setresuid(NOBODY, NOBODY, NOBODY))
		return 1;
	return pool_bind(dev, parent_fd, 1, 0) == -EACCES ? 0 : 2;
}

/* The device does not let its holder make cgroups where it may make none. */
static int test_pool_needs_the_right_to_make_directories(void)
{
	int dev = device_open();

	EXPECT(dev >= 0);
	EXPECT_EQ(in_child(bind_as_nobody, dev), 0);
	EXPECT_EQ(info(dev).target, 0);
	close(dev);
	return KTAP_PASS;
}

static int enter_as_nobody(int slot)
{
	pid_t pid;

	if (setresuid(NOBODY, NOBODY, NOBODY))
		return 1;
	pid = clone_into(slot);
	if (!pid)
		_exit(0);
	if (pid != -EACCES)
		return 2;
	return write_at(slot, "cgroup.procs", "0") == -EACCES ? 0 : 3;
}

/* Nor enter a slot whose files it may not write. */
static int test_slot_belongs_to_the_maker_of_the_pool(void)
{
	struct lwcg_acquire arg = acquire_arg("roots");
	int dev = device_open_bound(1);

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(in_child(enter_as_nobody, arg.dir_fd), 0);
	EXPECT(strstr(read_at(arg.dir_fd, "cgroup.events"), "populated 0"));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

static int use_with_one_capability(int unused)
{
	int dev, ret;

	if (only_sys_admin())
		return 1;
	dev = device_open_bound(1);
	if (dev < 0)
		return 2;
	ret = use_device(dev);
	close(dev);
	return ret;
}

static int test_no_other_capability_is_needed(void)
{
	EXPECT_EQ(in_child(use_with_one_capability, 0), 0);
	return KTAP_PASS;
}

/* The holder's user namespace does not show through to the next tenant's cgroup. */
static int test_next_slot_is_not_the_namespace_s(void)
{
	int dev = device_open_bound(1);
	struct lwcg_acquire arg = acquire_arg("next");
	struct stat st;

	EXPECT_EQ(in_child(use_in_user_ns, dev), 0);
	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	EXPECT_EQ(fstatat(arg.dir_fd, "cgroup.procs", &st, 0), 0);
	EXPECT_EQ(st.st_uid, 0);
	EXPECT_EQ(st.st_gid, 0);
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

/* A process that is the init of a PID namespace goes with what is below it. */
static int test_release_kills_a_pid_namespace(void)
{
	struct lwcg_acquire arg = acquire_arg("pidns");
	struct clone_args clone = {.flags = CLONE_INTO_CGROUP | CLONE_NEWPID,
				   .exit_signal = SIGCHLD};
	int dev = device_open_bound(1), i;
	pid_t pid;

	EXPECT_EQ(acquire_wait(dev, &arg), 0);
	clone.cgroup = arg.dir_fd;
	pid = syscall(SYS_clone3, &clone, sizeof(clone));
	if (!pid) {
		for (i = 0; i < 8; i++)
			if (!fork())
				break;
		for (;;)
			pause();
	}
	EXPECT(pid > 0);
	EXPECT(WAIT_FOR(atoi(read_at(arg.dir_fd, "pids.current")) == 9));
	EXPECT_EQ(release(dev, arg.slot_id), 0);
	EXPECT(WIFSIGNALED(reap(pid)));
	EXPECT(WAIT_FOR(info(dev).recycling == 0));
	close(arg.dir_fd);
	close(dev);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(test_root_of_a_user_namespace_cannot_open),
		T(test_descriptor_works_in_a_user_namespace),
		T(test_descriptor_works_without_privilege),
		T(test_pool_needs_the_right_to_make_directories),
		T(test_slot_belongs_to_the_maker_of_the_pool),
		T(test_no_other_capability_is_needed),
		T(test_next_slot_is_not_the_namespace_s),
		T(test_release_kills_a_pid_namespace),
	};

	setup("authority", ARRAY_SIZE(tests));
	return ktap_run(tests, ARRAY_SIZE(tests));
}
