/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroup a sandbox lives in: a slot leased from lwcg.ko's pool, or, when
 * the module is not there, a directory made in cgroupfs.  Either way its limits
 * are set before anything runs in it, and it goes away with its sandbox: a lease
 * ends with the descriptor that holds it, however the holder ends.
 */
#ifndef RUND_AGENT_SLOT_H
#define RUND_AGENT_SLOT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* Below the root of the cgroup v2 mount; holds every sandbox and no process. */
#define RA_CGROUP_PARENT "rund"

enum ra_slot_kind { RA_SLOT_NONE, RA_SLOT_LWCG, RA_SLOT_CGROUPFS };

struct ra_limits {
	uint64_t memory_max; /* bytes */
	unsigned int cpus;   /* CPU time a second, in seconds */
	unsigned int pids_max;
};

struct ra_slot {
	enum ra_slot_kind kind;
	int lease;   /* /dev/lwcg, or -1 */
	int dir;     /* the cgroup's directory, or -1 */
	uint64_t id; /* of the slot */
	uint64_t cgroup_id;
	char path[PATH_MAX];
};

#define RA_SLOT_INIT                   \
	{                              \
		.lease = -1, .dir = -1 \
	}

/**
 * ra_slot_acquire() - get the cgroup of a sandbox
 * @slot: receives it
 * @name: the sandbox, and the directory's name
 * @limits: set before this returns
 * @use_lwcg: lease from the pool if the module is loaded
 *
 * Says which of the two ways it takes when it is not the pool, and what it could
 * not limit.
 *
 * Return: 0 or -errno; reported.
 */
int ra_slot_acquire(struct ra_slot *slot, const char *name, const struct ra_limits *limits,
		    bool use_lwcg);

/**
 * ra_slot_kind_name() - "lwcg", "cgroupfs" or ""
 */
const char *ra_slot_kind_name(enum ra_slot_kind kind);

/**
 * ra_slot_oom_kills() - how often the kernel killed in this cgroup for memory
 */
uint64_t ra_slot_oom_kills(const struct ra_slot *slot);

/**
 * ra_slot_kill() - kill everything in it, without waiting
 */
void ra_slot_kill(const struct ra_slot *slot);

/**
 * ra_slot_release() - give it back: everything in it is killed
 */
void ra_slot_release(struct ra_slot *slot, const char *name);

/**
 * ra_slot_sweep() - remove what a sandbox without owner left in cgroupfs
 * @name: the sandbox; its directory in the state directory must be held
 *
 * Leases need no sweeping.
 */
void ra_slot_sweep(const char *name);

#endif
