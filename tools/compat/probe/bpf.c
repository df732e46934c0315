// SPDX-License-Identifier: GPL-2.0-only
/*
 * Types of BPF programs and maps, by number.  The program does nothing but return, which every
 * type takes unless it has to know what it is attached to; a map is as small as its type
 * allows.
 */
#include "probe.h"
#include <linux/bpf.h>

static int bpf_prog(long type, long attach_type)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {.prog_type = type,
			       .insn_cnt = ARRAY_SIZE(insns),
			       .insns = P(insns),
			       .license = P("GPL"),
			       .expected_attach_type = attach_type};

	return err(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

static int bpf_map(long type, long unused)
{
	union bpf_attr attr = {.map_type = type, .key_size = 4, .value_size = 4, .max_entries = 1};

	switch (type) {
	case BPF_MAP_TYPE_RINGBUF:
	case 31: /* BPF_MAP_TYPE_USER_RINGBUF */
		attr.max_entries = 4096;
		attr.value_size = 0;
		attr.key_size = 0;
		break;
	case BPF_MAP_TYPE_QUEUE:
	case BPF_MAP_TYPE_STACK:
	case BPF_MAP_TYPE_BLOOM_FILTER:
		attr.key_size = 0;
		break;
	case BPF_MAP_TYPE_LPM_TRIE:
		attr.map_flags = BPF_F_NO_PREALLOC;
		attr.key_size = 8;
		break;
	case BPF_MAP_TYPE_STACK_TRACE:
		attr.value_size = 8;
		break;
	case BPF_MAP_TYPE_CGROUP_STORAGE:
		attr.key_size = 16;
		attr.max_entries = 0;
		break;
	}
	return err(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int btf_load(long a, long b)
{
	return err(open("/sys/kernel/btf/vmlinux", O_RDONLY));
}

static const struct test tests[] = {
	{"bpf/prog-cgroup-inet4-bind", bpf_prog, BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
	 BPF_CGROUP_INET4_BIND},
	{"bpf/prog-cgroup-setsockopt", bpf_prog, BPF_PROG_TYPE_CGROUP_SOCKOPT,
	 BPF_CGROUP_SETSOCKOPT},
	{"bpf/prog-sk_lookup", bpf_prog, BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP},
	{"bpf/btf-of-the-kernel", btf_load, 0, 0},
};

void probe_bpf(enum pass pass)
{
	int i;

	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	if (pass != LAST)
		return;
	for (i = 1; i <= 32; i++)
		probe(fmt("bpf/prog-%d", i), bpf_prog, i, 0);
	for (i = 1; i <= 33; i++)
		probe(fmt("bpf/map-%d", i), bpf_map, i, 0);
}
