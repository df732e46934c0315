// SPDX-License-Identifier: GPL-2.0-only
/*
 * Modes of a process: prctl(), arch_prctl() and what else x86 has, and personality().  Zeros
 * are good enough arguments for most of prctl()'s options, and EINVAL is what an unknown one
 * gets, so all other answers count as present.
 */
#include "probe.h"
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

static const char prctl_names[] =
	"SET_PDEATHSIG GET_PDEATHSIG GET_DUMPABLE SET_DUMPABLE GET_UNALIGN SET_UNALIGN "
	"GET_KEEPCAPS SET_KEEPCAPS GET_FPEMU SET_FPEMU GET_FPEXC SET_FPEXC GET_TIMING "
	"SET_TIMING SET_NAME GET_NAME - - GET_ENDIAN SET_ENDIAN GET_SECCOMP SET_SECCOMP "
	"CAPBSET_READ CAPBSET_DROP GET_TSC SET_TSC GET_SECUREBITS SET_SECUREBITS "
	"SET_TIMERSLACK GET_TIMERSLACK TASK_PERF_EVENTS_DISABLE TASK_PERF_EVENTS_ENABLE "
	"MCE_KILL MCE_KILL_GET SET_MM SET_CHILD_SUBREAPER GET_CHILD_SUBREAPER "
	"SET_NO_NEW_PRIVS GET_NO_NEW_PRIVS GET_TID_ADDRESS SET_THP_DISABLE GET_THP_DISABLE "
	"MPX_ENABLE_MANAGEMENT MPX_DISABLE_MANAGEMENT SET_FP_MODE GET_FP_MODE CAP_AMBIENT "
	"- - SVE_SET_VL SVE_GET_VL GET_SPECULATION_CTRL SET_SPECULATION_CTRL PAC_RESET_KEYS "
	"SET_TAGGED_ADDR_CTRL GET_TAGGED_ADDR_CTRL SET_IO_FLUSHER GET_IO_FLUSHER "
	"SET_SYSCALL_USER_DISPATCH PAC_SET_ENABLED_KEYS PAC_GET_ENABLED_KEYS SCHED_CORE "
	"SME_SET_VL SME_GET_VL SET_MDWE GET_MDWE SET_MEMORY_MERGE GET_MEMORY_MERGE "
	"RISCV_V_SET_CONTROL RISCV_V_GET_CONTROL RISCV_SET_ICACHE_FLUSH_CTX PPC_GET_DEXCR "
	"PPC_SET_DEXCR GET_SHADOW_STACK_STATUS SET_SHADOW_STACK_STATUS";

/* Those that take zeros for senseless. */
static const struct {
	int nr;
	long arg[4];
} prctls[] = {
	{PR_SET_SECCOMP, {SECCOMP_MODE_FILTER}},
	{PR_SET_TSC, {PR_TSC_ENABLE}},
	{PR_SET_MM, {PR_SET_MM_MAP_SIZE, P(longs)}},
	{PR_SET_NO_NEW_PRIVS, {1}},
	{PR_CAP_AMBIENT, {PR_CAP_AMBIENT_IS_SET, CAP_KILL}},
};

static int try_prctl(long option, long unused)
{
	const long zeros[6] = {0}, *a = zeros;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(prctls); i++)
		if (prctls[i].nr == option)
			a = prctls[i].arg;
	if (prctl(option, a[0], a[1], a[2], a[3]) < 0 && errno == EINVAL)
		return -EINVAL;
	say("present");
	return 0;
}

static int set_personality(long persona, long unused)
{
	if (syscall(SYS_personality, persona) < 0)
		return -errno;
	return syscall(SYS_personality, 0xffffffff) == persona ? 0 : -EIO;
}

/* entry 0: a flat 32-bit data segment */
static const uint32_t ldt_entry[4] = {0, 0, 0xfffff, 0x51};

static const struct test tests[] = {
	{"personality/PER_LINUX32", set_personality, 0x8, 0},
	{"personality/ADDR_NO_RANDOMIZE", set_personality, 0x40000, 0},
	{"personality/MMAP_PAGE_ZERO", set_personality, 0x100000, 0},
	{"personality/ADDR_COMPAT_LAYOUT", set_personality, 0x200000, 0},
	{"personality/READ_IMPLIES_EXEC", set_personality, 0x400000, 0},
	{"personality/UNAME26", set_personality, 0x20000, 0},
};

static const struct call calls[] = {
	{"prctl/SET_VMA_ANON_NAME", 0, SYS_prctl, {0x53564d41, 0, PAGE, 4096, P("probe")}},
	{"prctl/SET_PTRACER", 0, SYS_prctl, {0x59616d61, -1}},
	{"arch/GET_FS", 0, SYS_arch_prctl, {0x1003, P(longs)}},
	{"arch/SET_GS", 0, SYS_arch_prctl, {0x1001, 0}},
	{"arch/GET_CPUID", 0, SYS_arch_prctl, {0x1011}},
	{"arch/SET_CPUID", 0, SYS_arch_prctl, {0x1012, 1}},
	{"arch/GET_XCOMP_SUPP", 0, SYS_arch_prctl, {0x1021, P(longs)}},
	{"arch/GET_XCOMP_PERM", 0, SYS_arch_prctl, {0x1022, P(longs)}},
	{"arch/REQ_XCOMP_PERM-amx", 0, SYS_arch_prctl, {0x1023, 18}},
	{"arch/GET_XCOMP_GUEST_PERM", 0, SYS_arch_prctl, {0x1024, P(longs)}},
	{"arch/MAP_VDSO_X32", 0, SYS_arch_prctl, {0x2001, 0x10000000}},
	{"arch/MAP_VDSO_32", 0, SYS_arch_prctl, {0x2002, 0x10000000}},
	{"arch/MAP_VDSO_64", 0, SYS_arch_prctl, {0x2003, 0x10000000}},
	{"arch/GET_UNTAG_MASK", 0, SYS_arch_prctl, {0x4001, P(longs)}},
	{"arch/GET_MAX_TAG_BITS", 0, SYS_arch_prctl, {0x4003, P(longs)}},
	{"arch/SHSTK_STATUS", 0, SYS_arch_prctl, {0x5005, P(longs)}},
	{"arch/modify_ldt-read", 0, SYS_modify_ldt, {0, P(longs), sizeof(longs)}},
	{"arch/modify_ldt-write", 0, SYS_modify_ldt, {0x11, P(ldt_entry), 16}},
	{"arch/iopl", 0, SYS_iopl, {3}},
	{"arch/ioperm", 0, SYS_ioperm, {0x80, 1, 1}},
};

void probe_prctl(enum pass pass)
{
	if (pass == FIRST)
		probe_words("prctl", prctl_names, try_prctl, 1);
	else if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	else if (pass == CALLS)
		run_calls(calls, ARRAY_SIZE(calls));
}
