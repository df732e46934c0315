// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes that are a single system call with its arguments, so that a row of a table is enough
 * for one.  The numbers are those of the kernel, not glibc's functions, which may do without
 * the call or check its arguments first.
 */
#include "probe.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>

long longs[64];

static const struct sock_filter accept_all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
const struct sock_fprog accept_prog = {1, (struct sock_filter *)accept_all};

long place(long v)
{
	static int p[4];
	char *page;

	switch (v) {
	case FD:
		return open("f", O_RDWR);
	case FD2:
		return open("g", O_RDWR);
	case DIRFD:
		return open("d", O_RDONLY | O_DIRECTORY);
	case EPFD:
		return epoll_create1(0);
	case PIDFD:
		return syscall(SYS_pidfd_open, getpid(), 0);
	case SELF:
		return getpid();
	case PAGE:
		page = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*(volatile char *)page = 1;
		return P(page);
	case PIPE_R:
	case PIPE_W:
	case PIPE2_W:
		if (!p[1] && (pipe(p) || pipe(p + 2) || write(p[1], "x", 1) != 1))
			return -1;
		return v == PIPE_R ? p[0] : v == PIPE_W ? p[1] : p[3];
	}
	return v;
}

int do_call(long call, long unused)
{
	const struct call *c = (const struct call *)call;
	long a[6], ret = 0;
	int i;

	if (c->flags & SCRATCH)
		ret = scratch();
	if (!ret && c->flags & IPC)
		ret = err(unshare(CLONE_NEWIPC));
	if (ret)
		return ret;
	for (i = 0; i < 6; i++)
		a[i] = place(c->arg[i]);
	ret = syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (ret < 0)
		return -errno;
	if (c->flags & VALUE)
		say("%ld", ret);
	return 0;
}

void run_calls(const struct call *c, size_t n)
{
	for (; n; n--, c++)
		probe(c->name, do_call, P(c), 0);
}
