// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory: what mmap() and its relatives can do, policies of NUMA, other processes' memory.
 * Calls that would only have an effect later are tried for their answer; where that does not
 * tell, as with mseal(), what they have done is looked at.
 */
#include "probe.h"
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8
#define MFD_EXEC	16
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 8
#endif
#define NR_cachestat	    451
#define NR_map_shadow_stack 453
#define NR_mseal	    462
#define ANON		    (MAP_PRIVATE | MAP_ANONYMOUS)

static int userfault(long dev, long unused)
{
	struct uffdio_api api = {.api = UFFD_API};
	int fd = dev ? open("/dev/userfaultfd", O_RDWR) : syscall(SYS_userfaultfd, O_CLOEXEC);

	if (dev && fd >= 0)
		fd = ioctl(fd, _IO(0xaa, 0), O_CLOEXEC); /* USERFAULTFD_IOC_NEW */
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return -errno;
	say("%#llx", api.features);
	return 0;
}

static int secret_memory(long a, long b)
{
	int fd = syscall(SYS_memfd_secret, 0);

	if (fd < 0 || ftruncate(fd, 4096))
		return -errno;
	return mmap(NULL, 4096, RW, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0;
}

/* A sealed page cannot be unmapped. */
static int seal_page(long a, long b)
{
	long page = place(PAGE);

	if (syscall(NR_mseal, page, 4096, 0))
		return -errno;
	return munmap((void *)page, 4096) && errno == EPERM ? 0 : -EIO;
}

static int pagemap_scan(long a, long b)
{
	/* struct pm_scan_arg of <linux/fs.h>, Linux 6.7 */
	uint64_t arg[12] = {sizeof(arg), 0, place(PAGE)};
	int fd = open("/proc/self/pagemap", O_RDONLY);

	arg[3] = arg[2] + 4096;
	return err(fd < 0 ? fd : ioctl(fd, _IOC(3, 'f', 16, sizeof(arg)), arg));
}

static int procmap_query(long a, long b)
{
	/* struct procmap_query of <linux/fs.h>, Linux 6.11 */
	uint64_t arg[13] = {sizeof(arg), 0, place(PAGE)};
	int fd = open("/proc/self/maps", O_RDONLY);

	return err(fd < 0 ? fd : ioctl(fd, _IOC(3, 'f', 17, sizeof(arg)), arg));
}

static char bytes[16] = "some bytes", other_bytes[16];
static const struct iovec some = {bytes, 8}, other = {other_bytes, 8};
static char a_page[8192] __attribute__((aligned(4096)));
static const struct iovec page_iov = {a_page, 4096};
static const unsigned long node0 = 1;

static const struct test tests[] = {
	{"mm/userfaultfd-features", userfault, 0, 0}, {"mm/userfaultfd-device", userfault, 1, 0},
	{"mm/memfd_secret", secret_memory, 0, 0},     {"mm/mseal", seal_page, 0, 0},
	{"mm/pagemap-scan", pagemap_scan, 0, 0},      {"mm/procmap-query", procmap_query, 0, 0},
};

static const struct call calls[] = {
	{"mm/mmap-HUGETLB", 0, SYS_mmap, {0, 2 << 20, RW, ANON | MAP_HUGETLB, -1, 0}},
	{"mm/mmap-HUGETLB-1G", 0, SYS_mmap, {0, 1 << 30, RW, ANON | MAP_HUGETLB | 30 << 26, -1, 0}},
	{"mm/mmap-SYNC", SCRATCH, SYS_mmap, {0, 4096, RW, MAP_SHARED_VALIDATE | MAP_SYNC, FD, 0}},
	{"mm/mmap-SHARED_VALIDATE", SCRATCH, SYS_mmap, {0, 4096, RW, MAP_SHARED_VALIDATE, FD, 0}},
	{"mm/mmap-LOCKED", 0, SYS_mmap, {0, 4096, RW, ANON | MAP_LOCKED, -1, 0}},
	{"mm/mmap-GROWSDOWN", 0, SYS_mmap, {0, 4096, RW, ANON | MAP_GROWSDOWN, -1, 0}},
	{"mm/mmap-POPULATE", 0, SYS_mmap, {0, 4096, RW, ANON | MAP_POPULATE, -1, 0}},
	{"mm/mmap-FIXED_NOREPLACE", 0, SYS_mmap, {PAGE, 4096, RW, ANON | 0x100000, -1, 0}},
	{"mm/mmap-32BIT", 0, SYS_mmap, {0, 4096, RW, ANON | MAP_32BIT, -1, 0}},
	{"mm/mmap-5-levels", 0, SYS_mmap, {1L << 50, 4096, RW, ANON | MAP_FIXED, -1, 0}},
	{"mm/mmap-DROPPABLE", 0, SYS_mmap, {0, 4096, RW, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0}},
	{"mm/mmap-page-zero", 0, SYS_mmap, {0, 4096, RW, ANON | MAP_FIXED, -1, 0}},
	{"mm/mmap-WX", 0, SYS_mmap, {0, 4096, RW | PROT_EXEC, ANON, -1, 0}},
	{"mm/mprotect-WX", 0, SYS_mprotect, {PAGE, 4096, RW | PROT_EXEC}},
	{"mm/memfd_create", 0, SYS_memfd_create, {P("m"), 0}},
	{"mm/memfd_create-ALLOW_SEALING", 0, SYS_memfd_create, {P("m"), MFD_ALLOW_SEALING}},
	{"mm/memfd_create-HUGETLB", 0, SYS_memfd_create, {P("m"), MFD_HUGETLB}},
	{"mm/memfd_create-NOEXEC_SEAL", 0, SYS_memfd_create, {P("m"), MFD_NOEXEC_SEAL}},
	{"mm/memfd_create-EXEC", 0, SYS_memfd_create, {P("m"), MFD_EXEC}},
	{"mm/mremap-DONTUNMAP", 0, SYS_mremap, {PAGE, 4096, 4096, 5, 0}},
	{"mm/mlock2-ONFAULT", 0, SYS_mlock2, {PAGE, 4096, 1}},
	{"mm/mlockall", 0, SYS_mlockall, {MCL_CURRENT | MCL_ONFAULT}},
	{"mm/mbind", 0, SYS_mbind, {PAGE, 4096, MPOL_BIND, P(&node0), 64, 0}},
	{"mm/get_mempolicy", 0, SYS_get_mempolicy, {P(longs), 0, 0, 0, 0}},
	{"mm/set_mempolicy-DEFAULT", 0, SYS_set_mempolicy, {0, 0, 0}},
	{"mm/set_mempolicy-PREFERRED", 0, SYS_set_mempolicy, {1, P(&node0), 64}},
	{"mm/set_mempolicy-BIND", 0, SYS_set_mempolicy, {2, P(&node0), 64}},
	{"mm/set_mempolicy-INTERLEAVE", 0, SYS_set_mempolicy, {3, P(&node0), 64}},
	{"mm/set_mempolicy-LOCAL", 0, SYS_set_mempolicy, {4, 0, 0}},
	{"mm/set_mempolicy-PREFERRED_MANY", 0, SYS_set_mempolicy, {5, P(&node0), 64}},
	{"mm/set_mempolicy-WEIGHTED_INTERLEAVE", 0, SYS_set_mempolicy, {6, P(&node0), 64}},
	{"mm/migrate_pages", 0, SYS_migrate_pages, {0, 64, P(&node0), P(&node0)}},
	{"mm/move_pages", 0, SYS_move_pages, {0, 0, 0, 0, 0, 0}},
	{"mm/process_madvise-WILLNEED", 0, SYS_process_madvise, {PIDFD, P(&page_iov), 1, 3, 0}},
	{"mm/process_madvise-COLD", 0, SYS_process_madvise, {PIDFD, P(&page_iov), 1, 20, 0}},
	{"mm/process_madvise-PAGEOUT", 0, SYS_process_madvise, {PIDFD, P(&page_iov), 1, 21, 0}},
	{"mm/pkey_alloc", 0, SYS_pkey_alloc, {0, 0}},
	{"mm/pkey_mprotect", 0, SYS_pkey_mprotect, {PAGE, 4096, RW, -1}},
	{"mm/membarrier-query", VALUE, SYS_membarrier, {0, 0, 0}},
	{"mm/mincore", 0, SYS_mincore, {PAGE, 4096, P(longs)}},
	{"mm/remap_file_pages", 0, SYS_remap_file_pages, {PAGE, 4096, 0, 0, 0}},
	{"mm/swapon", SCRATCH, SYS_swapon, {P("f"), 0}},
	{"mm/map_shadow_stack", 0, NR_map_shadow_stack, {0, 4096, 0}},
	{"mm/cachestat", SCRATCH, NR_cachestat, {FD, P(longs), P(longs + 8), 0}},
	{"mm/process_vm_readv", 0, SYS_process_vm_readv, {SELF, P(&other), 1, P(&some), 1, 0}},
	{"mm/process_vm_writev", 0, SYS_process_vm_writev, {SELF, P(&some), 1, P(&other), 1, 0}},
	{"mm/getrandom-INSECURE", 0, SYS_getrandom, {P(longs), 8, 4}},
};

void probe_mm(enum pass pass)
{
	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	else if (pass == CALLS)
		run_calls(calls, ARRAY_SIZE(calls));
}
