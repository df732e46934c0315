// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cheapest process there is: it shares memory and files with its parent, so
 * that neither the size of the address space nor mmap_lock, which the threads of
 * the benchmark would fight over, hides what the cgroup costs.  Unlike after
 * vfork() the parent goes on at once, on a stack of its own: it may still have
 * to move the child.
 */
#include "bench.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE (16 * 1024)

void *spawn_stack(void)
{
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	return stack == MAP_FAILED ? NULL : stack;
}

void spawn_stack_free(void *stack)
{
	if (stack)
		munmap(stack, STACK_SIZE);
}

/* The child has its parent's thread-local storage: not even errno may be written. */
static long raw_syscall4(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static void child(struct sandbox *sb)
{
	long failed = 0;

	while (!atomic_load(&sb->gate))
		raw_syscall4(SYS_futex, (long)&sb->gate, FUTEX_WAIT, 0, 0);
	if (sb->tasks >= 0) {
		failed = raw_syscall4(SYS_write, sb->tasks, (long)"0", 1, 0) != 1;
		atomic_store(&sb->attached, 1);
		raw_syscall4(SYS_futex, (long)&sb->attached, FUTEX_WAKE, 1, 0);
	}
	for (;;)
		raw_syscall4(SYS_exit_group, failed, 0, 0, 0);
}

/* clone3() onto another stack, which C cannot return from. */
static long clone_onto_stack(struct clone_args *args, struct sandbox *sb)
{
	register void (*fn)(struct sandbox *) __asm__("r8") = child;
	register struct sandbox *arg __asm__("r9") = sb;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(ret)
			 : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(fn), "r"(arg)
			 : "rcx", "r11", "memory");
	return ret;
}

static int start_child(struct sandbox *sb, int cgroup, bool gated)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_FILES | CLONE_FS,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)sb->stack,
		.stack_size = STACK_SIZE,
	};
	long pid;

	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = cgroup;
	}
	atomic_store(&sb->gate, !gated);
	pid = clone_onto_stack(&args, sb);
	if (pid < 0)
		return pid;
	sb->pid = pid;
	return 0;
}

int spawn_child(struct sandbox *sb, int cgroup, bool gated)
{
	sb->tasks = -1;
	return start_child(sb, cgroup, gated);
}

int spawn_attached(struct sandbox *sb, int tasks)
{
	int ret;

	sb->tasks = tasks;
	atomic_store(&sb->attached, 0);
	ret = start_child(sb, -1, false);
	while (!ret && !atomic_load(&sb->attached))
		syscall(SYS_futex, &sb->attached, FUTEX_WAIT, 0, NULL, NULL, 0);
	return ret;
}

void spawn_release(struct sandbox *sb)
{
	atomic_store(&sb->gate, 1);
	syscall(SYS_futex, &sb->gate, FUTEX_WAKE, 1, NULL, NULL, 0);
}

int spawn_reap(struct sandbox *sb)
{
	int status;

	while (waitpid(sb->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status ? -ECHILD : 0;
}
