/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The places that a kernel may write in its own text and read-only data, from
 * the tables that it does so by.
 */
#ifndef RUND_PREPATCH_SITES_H
#define RUND_PREPATCH_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"

/*
 * What writes, in the order in which it does so last during the boot of 6.12.
 * Where sites overlap, a byte is of the last writer: of the mechanism that comes
 * later here (alternative and paravirt are one pass), and within one of the entry
 * that comes later in its table.
 *
 *  - ro_after_init is data: it never overlaps with the others.  Nor does prepatch,
 *    which the kernel does not write at all: rund-prepatch does.
 *  - alternative_instructions() runs cfi, retpoline, return_thunk, alternative and
 *    paravirt, call_thunk, endbr_seal and smp_lock in this order.  smp_lock only
 *    ever turns 0xf0 into 0x3e; no other change is its.
 *  - runtime_const comes after that: from arch_cpu_finalize_init() itself, and from
 *    vfs_caches_init().
 *  - jump_label, static_call and ftrace may write at any time, up to the freeze and
 *    after.  apply_returns() leaves trampolines among its sites to static_call.
 *    objtool and the compiler give each a site of its own, so that the order of the
 *    three decides nothing in a kernel as it is built.
 */
enum pp_mech {
	PP_PREPATCH,
	PP_RO_AFTER_INIT,
	PP_CFI,
	PP_RETPOLINE,
	PP_RETURN_THUNK,
	PP_ALTERNATIVE,
	PP_PARAVIRT,
	PP_CALL_THUNK,
	PP_ENDBR_SEAL,
	PP_SMP_LOCK,
	PP_RUNTIME_CONST,
	PP_JUMP_LABEL,
	PP_STATIC_CALL,
	PP_FTRACE,
	PP_NR_MECHS,

	/* whose a byte is when nobody is known to write it */
	PP_UNATTRIBUTED = PP_NR_MECHS,
	PP_NR_OWNERS
};

/**
 * struct pp_mech_info - what the report says of a mechanism
 * @name: as in the output
 * @what: what is written
 * @colour: in the page map
 * @stateful: written again whenever a state changes, not once for all
 */
struct pp_mech_info {
	const char *name, *what, *colour;
	bool stateful;
};

extern const struct pp_mech_info pp_mechs[PP_NR_OWNERS];

/* Beside an alternative's feature: it is for CPUs without that (ALT_FLAG_NOT, where
 * the kernel has it too). */
#define PP_FEATURE_NOT (1U << 16)

/**
 * struct pp_site - one place, however many entries of its table name it
 * @order: of the last of these entries in its table
 * @features: index of the first of its @nr_features features
 * @changed: bytes that were attributed to it; for pp_attribute()
 */
struct pp_site {
	uint64_t addr;
	uint32_t len, order;
	enum pp_mech mech;
	uint32_t features, nr_features;
	uint32_t changed;
};

/* @v is sorted by address, @features are numbers of features and PP_FEATURE_NOT. */
struct pp_sites {
	struct pp_site *v;
	size_t nr;
	uint32_t *features;
	size_t nr_features;
};

/**
 * pp_sites_load() - read all tables of a kernel
 * @v: the vmlinux, with its symbols
 * @p: the kernel as it was after it had patched itself: call thunks are made in
 *	front of functions that no table names, but that its calls lead to
 *
 * A table that the kernel does not have is empty.  pp_sites_free() is for errors
 * as well.
 *
 * Return: 0, or -errno, logged: -ENOEXEC when a table or an entry points outside.
 */
int pp_sites_load(const struct pp_image *v, const struct pp_image *p, struct pp_sites *sites);

void pp_sites_free(struct pp_sites *sites);

/**
 * pp_site_wins() - whether a byte that two sites cover is of the first
 */
bool pp_site_wins(const struct pp_site *a, const struct pp_site *b);

#endif
