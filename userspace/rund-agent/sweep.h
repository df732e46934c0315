/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cleaning up after agents that were killed.
 */
#ifndef RUND_AGENT_SWEEP_H
#define RUND_AGENT_SWEEP_H

#include <stdbool.h>

/**
 * ra_sweep() - clean up after every sandbox whose owner is dead
 *
 * Kills what is left in its cgroup, removes the cgroup, and removes its
 * directory; a detached sandbox that ran is kept for `ps` and `logs`, as "lost".
 * Safe to run at any time, by any number of agents.
 */
void ra_sweep(void);

/**
 * ra_sweep_one() - the same for one name
 * @base: the state directory
 *
 * Return: whether the name is free now.
 */
bool ra_sweep_one(int base, const char *name);

#endif
