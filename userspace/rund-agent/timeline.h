/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When each phase of a launch was over.
 */
#ifndef RUND_AGENT_TIMELINE_H
#define RUND_AGENT_TIMELINE_H

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>

/* Marks in the order they are passed; a phase ends at its mark. */
enum ra_mark {
	RA_T_BEGIN, /* the launch process began */
	RA_T_STATE, /* options checked, monitor forked, name taken */
	RA_T_SLOT,  /* cgroup with its limits */
	RA_T_LOWER, /* read-only layer opened */
	RA_T_UPPER, /* writable layer cloned */
	RA_T_SPAWN, /* VMM started in the cgroup */
	RA_T_VM,    /* the VMM says the guest runs */
	RA_T_HELLO, /* rund-init said hello */
	RA_T_EXEC,  /* the command was exec'ed */
	RA_T_EXIT,  /* the command ended */
	RA_T_END,   /* everything given back */
	RA_NR_MARKS,
};

struct ra_timeline {
	uint64_t at[RA_NR_MARKS]; /* CLOCK_MONOTONIC, ns; 0: not passed */
	uint64_t guest_mount;	  /* ns, as the guest says; 0 unknown */
};

/**
 * ra_now() - CLOCK_MONOTONIC in nanoseconds
 */
uint64_t ra_now(void);

/**
 * ra_mark() - pass a mark now, unless it has been
 */
void ra_mark(struct ra_timeline *t, enum ra_mark mark);

/**
 * ra_timeline_print() - a table for people
 */
void ra_timeline_print(const struct ra_timeline *t, FILE *out);

/**
 * ra_timeline_json() - phases in milliseconds
 * Return: a new object, or NULL.
 */
struct json_object *ra_timeline_json(const struct ra_timeline *t);

#endif
