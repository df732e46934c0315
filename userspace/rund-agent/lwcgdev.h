/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the users of /dev/lwcg share.
 */
#ifndef RUND_AGENT_LWCGDEV_H
#define RUND_AGENT_LWCGDEV_H

/**
 * ra_lwcg_check() - whether the module speaks this agent's version of the ABI
 * @dev: the open device
 *
 * Return: 0 or -errno; reported.
 */
int ra_lwcg_check(int dev);

/**
 * ra_lwcg_target() - how many slots a pool that is made keeps ready
 *
 * Return: $RUND_POOL_TARGET, or the default when that is not set or no such number.
 */
unsigned int ra_lwcg_target(void);

/**
 * ra_lwcg_bind_existing() - bind a device file to the pool that a parent has
 * @dev: the open device
 * @parent: the parent cgroup
 *
 * Return: 0, or -errno: -ENOENT when the parent has no pool; not reported.
 */
int ra_lwcg_bind_existing(int dev, int parent);

/**
 * ra_lwcg_bind() - bind a device file to a parent's pool, made or enlarged if need be
 * @dev: the open device
 * @parent: the parent cgroup
 * @target: slots to keep ready
 *
 * Return: 0 or -errno; not reported.
 */
int ra_lwcg_bind(int dev, int parent, unsigned int target);

#endif
