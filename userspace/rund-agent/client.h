/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launch process's part of a launch: it forks the monitor, stands for the
 * sandbox towards its caller (signals, terminal), and brings back the result.
 */
#ifndef RUND_AGENT_CLIENT_H
#define RUND_AGENT_CLIENT_H

#include <stdint.h>

#include "link.h"
#include "options.h"

/**
 * ra_client_run() - launch a sandbox and stay with it as long as is asked for
 * @o: options, checked and resolved
 * @begin: when the launch began, CLOCK_MONOTONIC ns
 * @up: receives the last message of the monitor: RA_LINK_STARTED for a detached
 *	sandbox that runs, else RA_LINK_RESULT
 *
 * Return: 0 or -errno; reported.
 */
int ra_client_run(const struct ra_opts *o, uint64_t begin, struct ra_link_up *up);

#endif
