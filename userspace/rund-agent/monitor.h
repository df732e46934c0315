/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process that owns a sandbox from its name to its end.
 */
#ifndef RUND_AGENT_MONITOR_H
#define RUND_AGENT_MONITOR_H

#include <stdint.h>

struct ra_opts;

/**
 * ra_monitor_main() - own a sandbox; for a freshly forked process
 * @o: options, checked and resolved
 * @client: SOCK_SEQPACKET connection to the launch process
 * @begin: when the launch began, CLOCK_MONOTONIC ns
 *
 * Return: the process's exit status.
 */
int ra_monitor_main(const struct ra_opts *o, int client, uint64_t begin);

#endif
