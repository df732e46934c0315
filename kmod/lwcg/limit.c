// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of a slot.  They are written to the control files as a user would: the
 * controllers' own parsers and checks apply, and none of these files takes
 * cgroup_mutex.  But cpu.max, or cpu.cfs_* on cgroup v1, has a lock of its own, for the
 * whole machine.
 *
 * Sandboxes of a node resemble each other.  So a slot gets the limits of the latest
 * lease in advance, in the background, and a launch writes what is different.
 */
#include "lwcg_internal.h"

#include <linux/errno.h>

/* Period of cpu.max when none is given, microseconds: the kernel's default. */
#define CPU_PERIOD_US 100000

/* Big enough for two numbers. */
#define TEXT_MAX 48

/* The limits that a slot has until others are written. */
static const struct limits no_limits = {
	.memory_max = LWCG_MAX,
	.cpu_quota_us = LWCG_MAX,
	.cpu_period_us = CPU_PERIOD_US,
	.pids_max = LWCG_MAX,
};

/**
 * lwcg_limits_none() - the limits of a lease that asks for none
 */
struct limits lwcg_limits_none(void)
{
	struct limits limits = no_limits;

	limits.oom_group = true;
	return limits;
}

/**
 * lwcg_limits_of() - what a lease is to be limited to
 * @arg: the argument of LWCG_ACQUIRE
 */
struct limits lwcg_limits_of(const struct lwcg_acquire *arg)
{
	struct limits limits = {
		.memory_max = arg->memory_max,
		.cpu_quota_us = arg->cpu_quota_us,
		.cpu_period_us = CPU_PERIOD_US,
		.pids_max = arg->pids_max,
		/* a sandbox with half of its processes killed is of no use to anyone */
		.oom_group = true,
	};

	/* without a quota the period means nothing */
	if (arg->cpu_quota_us != LWCG_MAX && arg->cpu_period_us)
		limits.cpu_period_us = arg->cpu_period_us;
	return limits;
}

/* Where there is no controller there is no limit either. */
static int limit_write(struct slot *slot, const char *name, u64 limit, char *text)
{
	int ret = cgroup_pool_write(&slot->member, name, text);

	/* about to go, or it may be back before this is looked at again */
	if (ret == -ENODEV)
		slot->limits_known = false;
	if (ret == -ENOENT || ret == -ENODEV)
		return limit == LWCG_MAX ? 0 : -EOPNOTSUPP;
	/* some files take signed numbers, for which a large one is out of range */
	return ret == -ERANGE ? -EINVAL : ret;
}

static int write_number(struct slot *slot, const char *name, u64 limit, const char *none)
{
	char text[TEXT_MAX];

	if (limit == LWCG_MAX)
		strscpy(text, none);
	else
		snprintf(text, sizeof(text), "%llu", limit);
	return limit_write(slot, name, limit, text);
}

static int write_memory_max(struct slot *slot, u64 limit)
{
	int ret;

	if (!slot->pool->cgroup1)
		return write_number(slot, "memory.max", limit, "max");

	ret = write_number(slot, "memory.limit_in_bytes", limit, "-1");
	/* refused for a pending signal alone: once it is handled it works */
	return ret == -EINTR ? -ERESTARTNOINTR : ret;
}

/* Two files of cgroup v1, where a quota must fit whatever period there is. */
static int write_cpu_cfs(struct slot *slot, u64 quota_us, u64 period_us, bool known)
{
	const struct limits *has = &slot->limits;
	char text[TEXT_MAX], none[] = "-1";
	int ret = 0;

	if (!known || has->cpu_period_us != period_us) {
		if (!known || has->cpu_quota_us != LWCG_MAX)
			ret = limit_write(slot, "cpu.cfs_quota_us", quota_us, none);
		snprintf(text, sizeof(text), "%llu", period_us);
		if (!ret)
			ret = limit_write(slot, "cpu.cfs_period_us", quota_us, text);
		if (ret || quota_us == LWCG_MAX)
			return ret;
	}
	return write_number(slot, "cpu.cfs_quota_us", quota_us, none);
}

static int write_cpu_max(struct slot *slot, u64 quota_us, u64 period_us, bool known)
{
	char text[TEXT_MAX];

	if (slot->pool->cgroup1)
		return write_cpu_cfs(slot, quota_us, period_us, known);

	if (quota_us == LWCG_MAX)
		snprintf(text, sizeof(text), "max %llu", period_us);
	else
		snprintf(text, sizeof(text), "%llu %llu", quota_us, period_us);
	return limit_write(slot, "cpu.max", quota_us, text);
}

static int write_oom_group(struct slot *slot, bool on)
{
	char text[] = {on ? '1' : '0', '\0'};

	/* cgroup v1 knows no such thing */
	if (slot->pool->cgroup1)
		return 0;
	/* without the controller there is no group to kill */
	return limit_write(slot, "memory.oom.group", LWCG_MAX, text);
}

/**
 * lwcg_limits_apply() - give a slot its limits
 * @slot: the slot, leased or about to be
 * @want: the limits; LWCG_MAX is "max"
 *
 * Writes no file that is known to say so already.
 *
 * Context: Process context.
 * Return: 0, -EOPNOTSUPP if the controller of a limit is not enabled, -EINVAL if
 * it rejects the value, -ENOMEM.  On error some limits may have been written.
 */
int lwcg_limits_apply(struct slot *slot, const struct limits *want)
{
	/* before the first write: what changes later counts as not known */
	unsigned long changes = cgroup_pool_changes();
	bool known = slot->limits_known && slot->changes == changes;
	const struct limits *has = &slot->limits;
	int ret = 0;

	slot->limits_known = true;
	if (!known || has->oom_group != want->oom_group)
		ret = write_oom_group(slot, want->oom_group);
	if (!ret && (!known || has->memory_max != want->memory_max))
		ret = write_memory_max(slot, want->memory_max);
	if (!ret && (!known || has->cpu_quota_us != want->cpu_quota_us ||
		     has->cpu_period_us != want->cpu_period_us))
		ret = write_cpu_max(slot, want->cpu_quota_us, want->cpu_period_us, known);
	if (!ret && (!known || has->pids_max != want->pids_max))
		ret = write_number(slot, "pids.max", want->pids_max, "max");
	if (ret) {
		slot->limits_known = false;
		return ret;
	}

	slot->limits = *want;
	slot->changes = changes;
	return 0;
}

/**
 * lwcg_limits_expect() - prepare a slot for the next lease
 * @slot: a slot that is about to become ready, in the state of a new cgroup
 * @changes: cgroup_pool_changes() before it was brought into this state
 *
 * It is only an attempt: a launch finds out what is missing.
 *
 * Context: Process context.
 */
void lwcg_limits_expect(struct slot *slot, unsigned long changes)
{
	struct pool *pool = slot->pool;
	struct limits expected;

	spin_lock(&pool->lock);
	expected = pool->expected;
	spin_unlock(&pool->lock);

	slot->limits = no_limits;
	slot->changes = changes;
	slot->limits_known = true;
	lwcg_limits_apply(slot, &expected);
}
