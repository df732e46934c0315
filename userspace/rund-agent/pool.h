/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of `rund-agent pool` can be tested without a pool: its options, and reading
 * histograms.
 */
#ifndef RUND_AGENT_POOL_H
#define RUND_AGENT_POOL_H

#include <linux/lwcg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ra_pool_action { RA_POOL_CREATE, RA_POOL_STATUS, RA_POOL_RESIZE, RA_POOL_DRAIN };

struct ra_pool_opts {
	enum ra_pool_action action;
	const char *parent;  /* as given, or NULL for the agent's own */
	unsigned int target; /* valid for create and resize */
	bool orphans, json;
	bool help; /* --help was given and done; nothing else is valid */
};

/**
 * ra_pool_parse() - parse and check the command line
 * @o: receives the options
 * @argc, @argv: argv[0] is "pool"; strings are referred to, not copied
 *
 * Return: 0 or -errno; reported.
 */
int ra_pool_parse(struct ra_pool_opts *o, int argc, char **argv);

/**
 * ra_hist_percentile() - a percentile of a histogram of struct lwcg_stats
 * @hist: LWCG_HIST_BUCKETS buckets
 * @percent: 1 to 100
 *
 * Return: nanoseconds that at least @percent of the times stay below, 0 if there are
 * none, UINT64_MAX if the histogram does not know.
 */
uint64_t ra_hist_percentile(const __u64 *hist, unsigned int percent);

/**
 * ra_hist_format() - such a percentile for people: "<16 us", "-" for none
 */
void ra_hist_format(uint64_t ns, char *buf, size_t len);

#endif
