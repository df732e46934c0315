/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options of `launch`, checked completely before anything is created.
 */
#ifndef RUND_AGENT_OPTIONS_H
#define RUND_AGENT_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "name.h"
#include "rund/proto.h"

#define RA_MEM_MIN     (UINT64_C(32) << 20)
#define RA_MEM_DEFAULT (UINT64_C(128) << 20)
#define RA_MIB	       (UINT64_C(1) << 20)
#define RA_CPUS_MAX    64 /* what rund-vmm can give a guest */

/*
 * What the cgroup's memory.max allows on top of the guest's memory: the VMM's
 * own heap and stacks, its page tables, KVM's, and page cache of the two layers.
 */
#define RA_MEM_OVERHEAD	 (UINT64_C(64) << 20)

#define RA_UPPER_DEFAULT (UINT64_C(2) << 30)
#define RA_UPPER_MIN	 (UINT64_C(16) << 20)
#define RA_UPPER_MAX	 (UINT64_C(1) << 40)

#define RA_STORE_DEFAULT "/var/lib/rund"

/* What of the host limits the options; a parameter so that tests can choose it. */
struct ra_host {
	uint64_t mem_total; /* bytes */
	unsigned int cpus;  /* online */
};

struct ra_opts {
	char name[RA_NAME_MAX];
	char *rootfs; /* absolute */
	char *store;  /* absolute, may not exist yet */
	char *kernel;
	char *initrd;
	char *vmm;
	uint64_t mem;	     /* guest memory, bytes */
	uint64_t memory_max; /* the cgroup's, bytes */
	uint64_t upper_size; /* bytes */
	unsigned int cpus;
	unsigned int timeout_s; /* until the command must have started */
	const char *workdir;
	const char *user;
	const char *hostname;
	char **env; /* "KEY=VALUE", malloc()ed, nr_env of them */
	unsigned int nr_env;
	struct rund_rlimit rlimit[RUND_MAX_RLIMITS];
	unsigned int nr_rlimits;
	bool tty, detach, timeline, json, allow_copy, no_lwcg;
	char **argv; /* the command, argc of them */
	int argc;
	bool help; /* --help was given and done; nothing else is valid */
};

/**
 * ra_host_read() - the limits of this machine
 * Return: 0 or -errno.
 */
int ra_host_read(struct ra_host *host);

/**
 * ra_opts_parse() - parse and check the command line of `launch`
 * @o: receives the options; release with ra_opts_free() whatever this returns
 * @host: limits
 * @argc, @argv: argv[0] is "launch"; strings are referred to, not copied
 *
 * Reports what is wrong, with the remedy.
 *
 * Return: 0 (look at @o->help first: the help was printed), or -errno.
 */
int ra_opts_parse(struct ra_opts *o, const struct ra_host *host, int argc, char **argv);

/**
 * ra_opts_resolve() - find the files the options name or default to
 *
 * Makes paths absolute, checks that the root file system is a directory and
 * that kernel, initrd and VMM can be read or executed.
 *
 * Return: 0 or -errno; reported.
 */
int ra_opts_resolve(struct ra_opts *o);

/**
 * ra_opts_find() - where the files would be looked for, without insisting on any
 */
void ra_opts_find(struct ra_opts *o);

/**
 * ra_opts_free() - release what parsing and resolving allocated
 */
void ra_opts_free(struct ra_opts *o);

#endif
