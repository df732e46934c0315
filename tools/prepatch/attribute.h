/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kernel changed in its text and read-only data, each byte of it by who
 * wrote it and in which symbol.  The parts of a model add up to its totals.
 */
#ifndef RUND_PREPATCH_ATTRIBUTE_H
#define RUND_PREPATCH_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "sites.h"

#define PP_PAGE 4096U

enum pp_area { PP_TEXT, PP_RODATA, PP_NR_AREAS };

/**
 * struct pp_page - a page of the map
 * @bytes: changed ones by owner
 * @padding: as built it is all 0xcc or all zero
 * @open: the stateful mechanisms with a site in it that is as it was built, a bit each
 * @sym: the symbol of its first byte, or NULL
 */
struct pp_page {
	uint64_t addr;
	uint16_t bytes[PP_NR_OWNERS];
	enum pp_area area;
	bool padding;
	uint32_t open;
	const struct pp_symbol *sym;
};

struct pp_symbol_bytes {
	const struct pp_symbol *sym; /* NULL: no symbol comes before the byte */
	uint64_t bytes;
};

/**
 * struct pp_owner - what one mechanism may write, and what it wrote
 * @sites: of the whole kernel, also those in code that is only there at boot and
 *	that is not compared
 * @symbols: in the order of addresses
 */
struct pp_owner {
	size_t sites, sites_changed, pages_changed;
	uint64_t bytes;
	struct pp_symbol_bytes *symbols;
	size_t nr_symbols;
};

/**
 * struct pp_feature - the alternatives with an entry for a CPU feature
 * @feature: its number, and PP_FEATURE_NOT
 *
 * A site with several features counts for each of them.
 */
struct pp_feature {
	uint32_t feature;
	size_t sites, sites_changed;
	uint64_t bytes;
};

/* Bytes in a row, of one symbol, that nobody is known to write. */
struct pp_stray {
	uint64_t addr, len;
	const struct pp_symbol *sym;
};

/* The strays that are kept; @nr_strays of the model counts all. */
#define PP_MAX_STRAYS 4096

struct pp_model {
	struct pp_range area[PP_NR_AREAS];
	struct pp_page *pages;
	size_t nr_pages, pages_changed;
	uint64_t bytes;
	struct pp_owner owner[PP_NR_OWNERS];
	struct pp_feature *features; /* by number, then NOT */
	size_t nr_features;
	struct pp_stray *strays;
	size_t nr_strays_kept, nr_strays;
};

/**
 * pp_attribute() - compare a kernel as built with what it made of itself
 * @v: the vmlinux, with its symbols; must outlive the model
 * @p: the other, which must have the same segments
 *
 * pp_model_free() is for errors as well.
 *
 * Return: 0, bytes without an owner or not, or -errno, logged.
 */
int pp_attribute(const struct pp_image *v, const struct pp_image *p, struct pp_model *model);

void pp_model_free(struct pp_model *model);

#endif
