/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of a sandbox, as state.json in its directory.  The file is
 * replaced as a whole, so a reader sees the old one or the new one.  A reader
 * takes nothing in it for granted.
 */
#ifndef RUND_AGENT_STATE_H
#define RUND_AGENT_STATE_H

#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "name.h"

enum ra_status {
	RA_CREATING, /* being set up */
	RA_RUNNING,  /* its command was started */
	RA_EXITED,   /* detached, its command ended; waits for `rm` */
	RA_LOST,     /* detached, its monitor was killed; waits for `rm` */
	RA_NR_STATUS,
};

struct ra_state {
	char name[RA_NAME_MAX];
	enum ra_status status;
	pid_t monitor;
	pid_t vmm;
	bool detached;
	bool oom;
	int exit_code; /* when exited */
	uint64_t mem;
	uint64_t memory_max;
	unsigned int cpus;
	uint64_t cgroup_id;
	/* Seconds since the epoch; 0 when it has not happened. */
	int64_t created, started, finished;
	char cgroup_kind[16];  /* "lwcg", "cgroupfs", or empty before there is one */
	char cgroup[PATH_MAX]; /* path of the cgroup directory */
	char rootfs[PATH_MAX];
	char error[512];	     /* why it ended, when not by itself */
	struct json_object *command; /* array of strings */
};

/**
 * ra_status_name() - how a status is written
 */
const char *ra_status_name(enum ra_status status);

/**
 * ra_state_write() - replace state.json of a directory
 * Return: 0 or -errno; reported.
 */
int ra_state_write(int dirfd, const struct ra_state *st);

/**
 * ra_state_read() - read and check state.json of a directory
 * @st: receives it; release with ra_state_free() whatever this returns
 *
 * Return: 0, -ENOENT when there is none, -EBADMSG when it is not what
 * ra_state_write() writes, or -errno; unreported.
 */
int ra_state_read(int dirfd, struct ra_state *st);

/**
 * ra_state_to_json() - the object that state.json and `ps --json` show
 * Return: a new object, NULL when out of memory.
 */
struct json_object *ra_state_to_json(const struct ra_state *st);

/**
 * ra_state_free() - release what a state refers to
 */
void ra_state_free(struct ra_state *st);

#endif
