// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds cgroup_mutex from loading to unloading, for tests of what must not need
 * it.  A minute at most: a test that fails must not stop the machine.
 */
#include <linux/cgroup.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/wait.h>

static struct task_struct *holder;
static DECLARE_COMPLETION(taken);
static DECLARE_COMPLETION(release);

static int hold(void *unused)
{
	cgroup_lock();
	complete(&taken);
	wait_for_completion_timeout(&release, 60 * HZ);
	cgroup_unlock();
	return 0;
}

static int __init hold_init(void)
{
	holder = kthread_create(hold, NULL, "lwcg_hold");
	if (IS_ERR(holder))
		return PTR_ERR(holder);
	get_task_struct(holder);
	wake_up_process(holder);
	wait_for_completion(&taken);
	return 0;
}
module_init(hold_init);

static void __exit hold_exit(void)
{
	complete(&release);
	kthread_stop_put(holder);
}
module_exit(hold_exit);

MODULE_DESCRIPTION("Holds cgroup_mutex, for the selftests of lwcg");
MODULE_LICENSE("GPL");
