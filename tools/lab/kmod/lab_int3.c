// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps the lab's kernel alive when QEMU 7.2 executes a breakpoint that is gone.
 *
 * The kernel patches its own text through an int3, for kprobes, jump labels and
 * tracing.  TCG reads instructions before it watches their page for writes: a CPU that
 * translates a block while another one writes over the int3 in it keeps the old
 * translation.  That CPU then traps for ever where there is no breakpoint any more,
 * which the kernel takes for a bug of its own: "Oops: int3".
 *
 * When the byte in memory is not an int3, this module writes it over itself, which
 * makes QEMU drop what it has translated from it, and has the CPU try again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/kdebug.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/ptrace.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/text-patching.h>

/* Text is read-only for the kernel too, unless CR0.WP is off (SDM volume 3, 4.6). */
static nokprobe_inline void write_unprotected(u8 *at, u8 byte)
{
	unsigned long cr0 = read_cr0();

	/* Not native_write_cr0(): it insists on WP. */
	asm volatile("mov %0, %%cr0" : : "r"(cr0 & ~X86_CR0_WP) : "memory");
	/* Nothing is lost should another CPU arm a breakpoint here now. */
	cmpxchg(at, byte, byte);
	asm volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
}

/* Context: int3, interrupts off. */
static int retry(struct notifier_block *nb, unsigned long event, void *data)
{
	struct pt_regs *regs = ((struct die_args *)data)->regs;
	u8 *at = (u8 *)(regs->ip - INT3_INSN_SIZE);
	u8 byte;

	if (event != DIE_INT3 || user_mode(regs))
		return NOTIFY_DONE;
	byte = READ_ONCE(*at);
	if (byte == INT3_INSN_OPCODE)
		return NOTIFY_DONE;
	write_unprotected(at, byte);
	regs->ip = (unsigned long)at;
	/* only now: this may come by there itself */
	pr_info_ratelimited("no breakpoint at %pS\n", at);
	return NOTIFY_STOP;
}

NOKPROBE_SYMBOL(retry);

static struct notifier_block notifier = {
	.notifier_call = retry,
};

static int __init lab_int3_init(void)
{
	return register_die_notifier(&notifier);
}

static void __exit lab_int3_exit(void)
{
	unregister_die_notifier(&notifier);
}

module_init(lab_int3_init);
module_exit(lab_int3_exit);
MODULE_DESCRIPTION("Steps around stale breakpoints of an emulated CPU");
MODULE_LICENSE("GPL");
