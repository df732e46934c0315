/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line of rund-vmm.
 */
#ifndef RUND_VMM_OPTS_H
#define RUND_VMM_OPTS_H

#include "vmm/vm.h"

enum opts_result { OPTS_RUN, OPTS_HELP, OPTS_VERSION };

struct opts {
	struct vm_config cfg;
	const char *control_path; /* socket made for --control path=; NULL if none */
};

/**
 * opts_parse() - parse and check the command line, open what it names
 * Strings keep pointing into @argv.
 *
 * Return: enum opts_result, or -errno with one line logged.
 */
int opts_parse(int argc, char **argv, struct opts *o);

/* Close what opts_parse() opened or was given, remove the control socket. */
void opts_fini(struct opts *o);

/* Text for --help. */
extern const char opts_usage[];

#endif
