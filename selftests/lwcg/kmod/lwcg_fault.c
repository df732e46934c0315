// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes one allocation of one call of a kernel function fail, in whichever thread
 * that call is made.  The fault injection framework has this for threads that are
 * known in advance (fail-nth), which those of workqueues are not.  While this module
 * is loaded, fail-nth of any thread also counts per-CPU allocations, which the
 * framework leaves out.
 *
 * Parameters, below /sys/module/lwcg_fault/parameters:
 *
 *   function  the function
 *   nth       writing N > 0 arms: its N-th allocation fails in the next call that
 *             allocates anything.  0 disarms
 *   result    "armed", "busy", "failed N", or "passed N": the call made only N
 *             allocations, fewer than it took to make one fail
 */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

enum { IDLE, ARMED, BUSY, DONE };

static atomic_t state = ATOMIC_INIT(IDLE);
static unsigned int nth;
/* of the last call: valid in the state DONE */
static unsigned int seen;
static bool failed;

static int function_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (atomic_cmpxchg_acquire(&state, ARMED, BUSY) != ARMED)
		return 1;
	WRITE_ONCE(current->fail_nth, nth);
	return 0;
}

static int function_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned int left = READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	seen = nth - left;
	failed = !left;
	atomic_set_release(&state, seen ? DONE : ARMED);
	return 0;
}

static char function_name[KSYM_NAME_LEN];
static DEFINE_MUTEX(function_mutex); /* registering and unregistering */
static struct kretprobe function_probe = {
	.kp.symbol_name = function_name,
	.handler = function_return,
	.entry_handler = function_entry,
};

static bool function_probed;

static void function_unset(void)
{
	atomic_set(&state, IDLE);
	if (function_probed)
		unregister_kretprobe(&function_probe);
	function_probed = false;
}

static int function_set(const char *val, const struct kernel_param *kp)
{
	int ret;

	mutex_lock(&function_mutex);
	function_unset();
	memset(&function_probe.kp, 0, sizeof(function_probe.kp));
	function_probe.kp.symbol_name = function_name;
	strscpy(function_name, val);
	strim(function_name);
	ret = register_kretprobe(&function_probe);
	function_probed = !ret;
	mutex_unlock(&function_mutex);
	return ret;
}

static int function_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", function_name);
}

static int nth_set(const char *val, const struct kernel_param *kp)
{
	unsigned int n;
	int ret = kstrtouint(val, 0, &n);

	if (ret)
		return ret;
	/* not while a call is counted */
	if (atomic_cmpxchg(&state, ARMED, IDLE) == BUSY)
		return -EBUSY;
	nth = n;
	atomic_set_release(&state, n ? ARMED : IDLE);
	return 0;
}

static int nth_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%u\n", nth);
}

static int result_get(char *buf, const struct kernel_param *kp)
{
	switch (atomic_read_acquire(&state)) {
	case ARMED:
		return sysfs_emit(buf, "armed\n");
	case BUSY:
		return sysfs_emit(buf, "busy\n");
	case DONE:
		return sysfs_emit(buf, "%s %u\n", failed ? "failed" : "passed", seen);
	}
	return sysfs_emit(buf, "idle\n");
}

static const struct kernel_param_ops function_ops = {.set = function_set, .get = function_get};
static const struct kernel_param_ops nth_ops = {.set = nth_set, .get = nth_get};
static const struct kernel_param_ops result_ops = {.get = result_get};

module_param_cb(function, &function_ops, NULL, 0600);
module_param_cb(nth, &nth_ops, NULL, 0600);
module_param_cb(result, &result_ops, NULL, 0400);

/* At the entry of the per-CPU allocator: return NULL at once, or go on. */
static int percpu_entry(struct kprobe *kp, struct pt_regs *regs)
{
	unsigned int left = READ_ONCE(current->fail_nth);

	if (!left)
		return 0;
	WRITE_ONCE(current->fail_nth, left - 1);
	if (left > 1)
		return 0;

	regs_set_return_value(regs, 0);
	instruction_pointer_set(regs, *(unsigned long *)kernel_stack_pointer(regs));
	regs->sp += sizeof(long);
	return 1;
}

/* A probe that has this is not turned into a jump, from which there is no other way back. */
static void percpu_post(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe percpu_probe = {
	.symbol_name = "pcpu_alloc_noprof",
	.pre_handler = percpu_entry,
	.post_handler = percpu_post,
};

static int __init lwcg_fault_init(void)
{
	return register_kprobe(&percpu_probe);
}

static void __exit lwcg_fault_exit(void)
{
	function_unset();
	unregister_kprobe(&percpu_probe);
}

module_init(lwcg_fault_init);
module_exit(lwcg_fault_exit);

MODULE_DESCRIPTION("For the selftests: makes allocations of a function fail");
MODULE_LICENSE("GPL");
