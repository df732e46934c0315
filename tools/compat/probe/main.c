// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel offers to programs, one line a feature: "NAME: RESULT", where the
 * result is "ok", the name of an errno, "signal N", or a short value.  Run it as root
 * in a small VM on two kernels and compare the outputs: nothing in them depends on
 * the run.  A kernel may load modules as it is asked for things, so the lists of
 * files come last.
 *
 *	cd tools/compat/probe && gcc -O2 -Wall -Wextra -static -o probe *.c && ./probe [PREFIX]
 *
 * With PREFIX, only what has a name that begins with it.  NEVER run it outside of a
 * VM: it loads modules, sets up cgroups and makes system calls with senseless arguments.
 */
#include "probe.h"
#include <sys/prctl.h>

int main(int argc, char **argv)
{
	static void (*const subjects[])(enum pass pass) = {
		probe_sockopts, probe_netlink, probe_mounts,  probe_namespaces, probe_prctl,
		probe_mm,	probe_fs,      probe_madvise, probe_time,	probe_sched,
		probe_trace,	probe_bpf,     probe_process,
	};
	enum pass pass;
	unsigned int i;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fprintf(stderr, "usage: probe [PREFIX]\n");
		return 2;
	}
	/* Children of children that end come to us, not to the VM's first process. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!start(argc == 2 ? argv[1] : "") || !set_up()) {
		perror("probe");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);

	probe_syscalls();
	probe_sockets();
	for (pass = FIRST; pass <= LAST; pass++)
		for (i = 0; i < ARRAY_SIZE(subjects); i++)
			subjects[i](pass);
	probe_values();
	probe_lists();

	clean_up();
	return fflush(stdout) || ferror(stdout);
}
