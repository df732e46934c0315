// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settings in /proc/sys and /sys that programs read or depend on, with the values that the
 * kernel gives them.  Each is read by a child, which can mount what has the file.
 */
#include "probe.h"
#include <sys/mount.h>

static const struct {
	const char *dir, *files;
} values[] = {
	{"/proc/sys/kernel",
	 "pid_max overflowuid ngroups_max cap_last_cap seccomp/actions_avail "
	 "unprivileged_userns_clone unprivileged_bpf_disabled perf_event_paranoid "
	 "yama/ptrace_scope dmesg_restrict kptr_restrict randomize_va_space sysrq "
	 "core_pattern panic io_uring_disabled modules_disabled shmmax msgmnb sem "
	 "sched_rt_runtime_us sched_autogroup_enabled"},
	{"/proc/sys/vm", "overcommit_memory max_map_count mmap_min_addr swappiness "
			 "unprivileged_userfaultfd mmap_rnd_bits"},
	{"/proc/sys/fs",
	 "pipe-max-size nr_open protected_fifos protected_hardlinks protected_regular "
	 "protected_symlinks suid_dumpable mount-max aio-max-nr mqueue/msg_max "
	 "inotify/max_user_instances"},
	{"/proc/sys/net/core", "somaxconn default_qdisc rmem_default rmem_max bpf_jit_enable"},
	{"/proc/sys/net/ipv4",
	 "tcp_congestion_control tcp_available_congestion_control ip_local_port_range "
	 "ip_forward ping_group_range tcp_syncookies"},
	{"/sys/kernel", "mm/transparent_hugepage/enabled mm/transparent_hugepage/shmem_enabled "
			"mm/ksm/run security/lsm security/lockdown tracing/available_tracers"},
};

/* Some of the files are in file systems that nobody has mounted. */
static int value(long path, long unused)
{
	char *s, *c;

	if (!scratch()) {
		mount("probe", "/sys/kernel/security", "securityfs", 0, NULL);
		mount("probe", "/sys/kernel/tracing", "tracefs", 0, NULL);
	}
	s = get_file((char *)path);
	if (!s)
		return -errno;
	for (c = s; *c; c++)
		if (*c == '\t' || *c == '\n')
			*c = ' ';
	say("%s", s);
	return 0;
}

void probe_values(void)
{
	char path[256], *names, *save, *name;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		names = strdup(values[i].files);
		for (name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
			snprintf(path, sizeof(path), "%s/%s", values[i].dir, name);
			probe(fmt("value%s", path), value, P(path), 0);
		}
		free(names);
	}
}
