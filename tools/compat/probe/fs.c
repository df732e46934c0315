// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be done with files and other descriptors: attributes, locks, notification, pipes,
 * io_uring, pidfd, epoll and futexes.  The files are in a tmpfs, which any kernel has, so that
 * the file system is not what makes the difference.
 */
#include "probe.h"
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define NR_futex_wake 454

static int fanotify(long init_mark, long mask)
{
	int fd, ret = scratch();

	if (ret)
		return ret;
	fd = syscall(SYS_fanotify_init, init_mark & 0xffff, O_RDONLY);
	return err(
		fd < 0 ? fd
		       : syscall(SYS_fanotify_mark, fd, 1 | init_mark >> 16, mask, AT_FDCWD, "f"));
}

static int file_handle(long a, long b)
{
	struct file_handle *h = calloc(1, sizeof(*h) + MAX_HANDLE_SZ);
	int mount_id, ret = scratch();

	if (ret)
		return ret;
	h->handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, "f", h, &mount_id, 0))
		return -errno;
	return err(open_by_handle_at(open(".", O_RDONLY), h, O_RDONLY));
}

static int statx_masks(long a, long b)
{
	struct statx st;
	int ret = scratch();

	if (ret)
		return ret;
	if (statx(AT_FDCWD, "f", 0, 0x7fffffff, &st))
		return -errno;
	say("%#x attributes %#llx", st.stx_mask, st.stx_attributes_mask);
	return 0;
}

static int wait_pidfd(long a, long b)
{
	siginfo_t info;
	pid_t pid = fork();
	int fd;

	if (!pid)
		_exit(0);
	fd = syscall(SYS_pidfd_open, pid, 0);
	return err(fd < 0 ? fd : waitid(P_PIDFD, fd, &info, WEXITED));
}

static int uring(long opcodes, long unused)
{
	struct io_uring_params params = {0};
	struct io_uring_probe *p = calloc(1, sizeof(*p) + 256 * sizeof(p->ops[0]));
	char list[512] = "";
	int fd, i, n = 0;

	fd = syscall(SYS_io_uring_setup, 1, &params);
	if (fd < 0)
		return -errno;
	if (!opcodes) {
		say("%#x", params.features);
		return 0;
	}
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, p, 256))
		return -errno;
	for (i = 0; i <= p->last_op; i++)
		if (!(p->ops[i].flags & IO_URING_OP_SUPPORTED))
			n += snprintf(list + n, sizeof(list) - n, " %d", i);
	say("0-%d without%s", p->last_op, n ? list : " any");
	return 0;
}

static int uring_setup(long flag, long unused)
{
	struct io_uring_params params = {.flags = flag};

	return err(syscall(SYS_io_uring_setup, 1, &params));
}

static const uint8_t acl[] = {2,    0,	  0, 0, 1,    0,    6,	  0,	0xff, 0xff,
			      0xff, 0xff, 4, 0, 4,    0,    0xff, 0xff, 0xff, 0xff,
			      0x20, 0,	  4, 0, 0xff, 0xff, 0xff, 0xff};
static const struct flock write_lock = {.l_type = F_WRLCK};
static const struct open_how hows[] = {
	{O_RDONLY, 0, RESOLVE_NO_XDEV},	    {O_RDONLY, 0, RESOLVE_NO_MAGICLINKS},
	{O_RDONLY, 0, RESOLVE_NO_SYMLINKS}, {O_RDONLY, 0, RESOLVE_BENEATH},
	{O_RDONLY, 0, RESOLVE_IN_ROOT},	    {O_RDONLY, 0, RESOLVE_CACHED},
};
static char bytes[8];
static const struct iovec some = {bytes, 8};
static uint32_t word;
static const struct futex_waitv waiter = {1, P(&word), FUTEX_32, 0};

static const struct test tests[] = {
	{"fs/fanotify-mark-inode", fanotify, 0, 0x20},
	{"fs/fanotify-mark-mount", fanotify, 0x10 << 16, 0x20},
	{"fs/fanotify-mark-filesystem", fanotify, 0x100 << 16, 0x20},
	{"fs/fanotify-mark-evictable", fanotify, 0x200 << 16, 0x20},
	{"fs/fanotify-permission", fanotify, 4, 0x10000},
	{"fs/fanotify-fid", fanotify, 0x200, 0x20},
	{"fs/fanotify-create", fanotify, 0x200 | 0x100 << 16, 0x100},
	{"fs/fanotify-fs-error", fanotify, 0x200 | 0x100 << 16, 0x8000},
	{"fs/open_by_handle_at", file_handle, 0, 0},
	{"fs/statx-mask", statx_masks, 0, 0},
	{"fs/waitid-pidfd", wait_pidfd, 0, 0},
	{"fs/io_uring-features", uring, 0, 0},
	{"fs/io_uring-opcodes", uring, 1, 0},
};

static const struct call calls[] = {
	{"fs/xattr-user", SCRATCH, SYS_setxattr, {P("f"), P("user.a"), P("v"), 1, 0}},
	{"fs/xattr-trusted", SCRATCH, SYS_setxattr, {P("f"), P("trusted.a"), P("v"), 1, 0}},
	{"fs/xattr-security", SCRATCH, SYS_setxattr, {P("f"), P("security.a"), P("v"), 1, 0}},
	{"fs/acl", SCRATCH, SYS_setxattr, {P("f"), P("system.posix_acl_access"), P(acl), 28, 0}},
	{"fs/acl-default",
	 SCRATCH,
	 SYS_setxattr,
	 {P("d"), P("system.posix_acl_default"), P(acl), 28, 0}},
	{"fs/O_TMPFILE", SCRATCH, SYS_openat, {AT_FDCWD, P("."), O_TMPFILE | O_RDWR, 0600}},
	{"fs/O_DIRECT-tmpfs", SCRATCH, SYS_openat, {AT_FDCWD, P("f"), O_DIRECT | O_RDWR}},
	{"fs/mknod-whiteout", SCRATCH, SYS_mknodat, {AT_FDCWD, P("n"), S_IFCHR, 0}},
	{"fs/flock", SCRATCH, SYS_flock, {FD, 2}},
	{"fs/posix-lock", SCRATCH, SYS_fcntl, {FD, F_SETLK, P(&write_lock)}},
	{"fs/ofd-lock", SCRATCH, SYS_fcntl, {FD, F_OFD_SETLK, P(&write_lock)}},
	{"fs/lease", SCRATCH, SYS_fcntl, {FD, F_SETLEASE, F_WRLCK}},
	{"fs/dnotify", SCRATCH, SYS_fcntl, {DIRFD, F_NOTIFY, DN_CREATE}},
	{"fs/rw-hint", SCRATCH, SYS_fcntl, {FD, F_SET_RW_HINT, P(longs)}},
	{"fs/pipe-size", 0, SYS_fcntl, {PIPE_W, F_SETPIPE_SZ, 65536}},
	{"fs/inotify", 0, SYS_inotify_init1, {0}},
	{"fs/fanotify_init-NOTIF", 0, SYS_fanotify_init, {0, 0}},
	{"fs/fanotify_init-CONTENT", 0, SYS_fanotify_init, {0x4, 0}},
	{"fs/fanotify_init-PRE_CONTENT", 0, SYS_fanotify_init, {0x8, 0}},
	{"fs/fanotify_init-UNLIMITED", 0, SYS_fanotify_init, {0x30, 0}},
	{"fs/fanotify_init-ENABLE_AUDIT", 0, SYS_fanotify_init, {0x44, 0}},
	{"fs/fanotify_init-PIDFD", 0, SYS_fanotify_init, {0x80, 0}},
	{"fs/fanotify_init-TID", 0, SYS_fanotify_init, {0x100, 0}},
	{"fs/fanotify_init-FID", 0, SYS_fanotify_init, {0x200, 0}},
	{"fs/fanotify_init-DFID_NAME", 0, SYS_fanotify_init, {0xc00, 0}},
	{"fs/fanotify_init-DFID_NAME_TARGET", 0, SYS_fanotify_init, {0x1e00, 0}},
	{"fs/fallocate", SCRATCH, SYS_fallocate, {FD, 0, 0, 8192}},
	{"fs/fallocate-KEEP_SIZE", SCRATCH, SYS_fallocate, {FD, 1, 0, 8192}},
	{"fs/fallocate-PUNCH_HOLE", SCRATCH, SYS_fallocate, {FD, 3, 0, 4096}},
	{"fs/fallocate-COLLAPSE_RANGE", SCRATCH, SYS_fallocate, {FD, 8, 0, 4096}},
	{"fs/fallocate-ZERO_RANGE", SCRATCH, SYS_fallocate, {FD, 0x10, 0, 4096}},
	{"fs/fallocate-INSERT_RANGE", SCRATCH, SYS_fallocate, {FD, 0x20, 0, 4096}},
	{"fs/fallocate-UNSHARE_RANGE", SCRATCH, SYS_fallocate, {FD, 0x40, 0, 4096}},
	{"fs/copy_file_range", SCRATCH | VALUE, SYS_copy_file_range, {FD, 0, FD2, 0, 10, 0}},
	{"fs/sendfile", SCRATCH | VALUE, SYS_sendfile, {FD2, FD, 0, 10}},
	{"fs/splice", SCRATCH | VALUE, SYS_splice, {FD, 0, PIPE_W, 0, 10, 0}},
	{"fs/splice-to-file", SCRATCH | VALUE, SYS_splice, {PIPE_R, 0, FD, 0, 1, 0}},
	{"fs/tee", VALUE, SYS_tee, {PIPE_R, PIPE2_W, 1, 0}},
	{"fs/vmsplice", VALUE, SYS_vmsplice, {PIPE_W, P(&some), 1, 0}},
	{"fs/renameat2-NOREPLACE",
	 SCRATCH,
	 SYS_renameat2,
	 {AT_FDCWD, P("f"), AT_FDCWD, P("new"), 1}},
	{"fs/renameat2-EXCHANGE", SCRATCH, SYS_renameat2, {AT_FDCWD, P("f"), AT_FDCWD, P("g"), 2}},
	{"fs/renameat2-WHITEOUT", SCRATCH, SYS_renameat2, {AT_FDCWD, P("f"), AT_FDCWD, P("g"), 4}},
	{"fs/openat2-NO_XDEV", SCRATCH, SYS_openat2, {AT_FDCWD, P("f"), P(&hows[0]), 24}},
	{"fs/openat2-NO_MAGICLINKS", SCRATCH, SYS_openat2, {AT_FDCWD, P("f"), P(&hows[1]), 24}},
	{"fs/openat2-NO_SYMLINKS", SCRATCH, SYS_openat2, {AT_FDCWD, P("f"), P(&hows[2]), 24}},
	{"fs/openat2-BENEATH", SCRATCH, SYS_openat2, {AT_FDCWD, P("f"), P(&hows[3]), 24}},
	{"fs/openat2-IN_ROOT", SCRATCH, SYS_openat2, {AT_FDCWD, P("f"), P(&hows[4]), 24}},
	{"fs/openat2-CACHED", SCRATCH, SYS_openat2, {AT_FDCWD, P("f"), P(&hows[5]), 24}},
	{"fs/faccessat2-EACCESS", SCRATCH, SYS_faccessat2, {AT_FDCWD, P("f"), 4, AT_EACCESS}},
	{"fs/fchmodat2", SCRATCH, 452, {AT_FDCWD, P("f"), 0600, 0}},
	{"fs/quotactl", 0, SYS_quotactl, {0x80000100, 0, 0, 0}},
	{"fs/quotactl_fd", SCRATCH, 443, {DIRFD, (int32_t)0x80000400, 0, P(longs)}},
	{"fs/syncfs", SCRATCH, SYS_syncfs, {FD}},
	{"fs/FS_IOC_GETFLAGS", SCRATCH, SYS_ioctl, {FD, 0x80086601, P(longs)}},
	{"fs/FS_IOC_FSGETXATTR", SCRATCH, SYS_ioctl, {FD, 0x801c581f, P(longs)}},
	{"fs/FS_IOC_GETFSUUID", SCRATCH, SYS_ioctl, {FD, 0x80111500, P(longs)}},
	{"fs/FICLONE", SCRATCH, SYS_ioctl, {FD2, 0x40049409, FD}},
	{"fs/FS_IOC_MEASURE_VERITY", SCRATCH, SYS_ioctl, {FD, 0xc0046686, P(longs)}},
	{"fs/pidfd_open", 0, SYS_pidfd_open, {SELF, 0}},
	{"fs/pidfd_open-thread", 0, SYS_pidfd_open, {SELF, O_EXCL}},
	{"fs/pidfd_getfd", SCRATCH, SYS_pidfd_getfd, {PIDFD, FD, 0}},
	{"fs/pidfd_send_signal", 0, SYS_pidfd_send_signal, {PIDFD, 0, 0, 0}},
	{"fs/pidfd_send_signal-group", 0, SYS_pidfd_send_signal, {PIDFD, 0, 0, 4}},
	{"fs/pidfd-get-mnt-namespace", 0, SYS_ioctl, {PIDFD, 0xff03, 0}},
	{"fs/close_range", 0, SYS_close_range, {100, 200, 0}},
	{"fs/close_range-UNSHARE", 0, SYS_close_range, {100, 200, 2}},
	{"fs/close_range-CLOEXEC", 0, SYS_close_range, {100, 200, 4}},
	{"fs/epoll_pwait2", 0, SYS_epoll_pwait2, {EPFD, P(longs + 8), 1, P(longs), 0, 8}},
	{"fs/epoll-busy-poll-params", 0, SYS_ioctl, {EPFD, 0x80088a02, P(longs)}},
	{"fs/signalfd", 0, SYS_signalfd4, {-1, P(longs), 8, 0}},
	{"fs/eventfd", 0, SYS_eventfd2, {0, 0}},
	{"fs/futex_waitv", 0, SYS_futex_waitv, {P(&waiter), 1, 0, 0, 0}},
	{"fs/futex_wake", 0, NR_futex_wake, {P(&word), 1, 1, FUTEX_32}},
	{"fs/futex-LOCK_PI", 0, SYS_futex, {P(&word), FUTEX_LOCK_PI, 0, 0}},
	{"fs/io_setup", 0, SYS_io_setup, {1, P(longs)}},

	{"lsm/landlock_create_ruleset", VALUE, SYS_landlock_create_ruleset, {0, 0, 1}},
};

void probe_fs(enum pass pass)
{
	static const char *const seals[] = {"SEAL",  "SHRINK",	     "GROW",
					    "WRITE", "FUTURE_WRITE", "EXEC"};
	unsigned int i;
	int fd;

	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	else if (pass == CALLS)
		run_calls(calls, ARRAY_SIZE(calls));
	if (pass != LAST)
		return;
	for (i = 0; i < ARRAY_SIZE(seals); i++) {
		fd = memfd_create("seals", MFD_ALLOW_SEALING | MFD_CLOEXEC);
		CALL(fmt("fs/seal-%s", seals[i]), 0, SYS_fcntl, fd, F_ADD_SEALS, 1 << i);
		close(fd);
	}
	for (i = 0; i < 17; i++)
		probe(fmt("fs/io_uring_setup-%#x", 1 << i), uring_setup, 1 << i, 0);
}
