/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `--ulimit NAME=SOFT[:HARD]`: resource limits of the command in the guest.
 */
#ifndef RUND_AGENT_ULIMIT_H
#define RUND_AGENT_ULIMIT_H

struct ra_opts;

/**
 * ra_ulimit_parse() - add one limit to the options; a repeated name replaces
 * Return: 0 or -EINVAL; reported.
 */
int ra_ulimit_parse(struct ra_opts *o, const char *arg);

#endif
