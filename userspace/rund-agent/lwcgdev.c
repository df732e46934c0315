// SPDX-License-Identifier: GPL-2.0-only
/*
 * The version of the module, and binding to a pool.
 */
#include "lwcgdev.h"

#include <errno.h>
#include <linux/lwcg.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "lib/log.h"

/*
 * Slots kept ready for agents that run one-shot: enough for a burst, and about
 * 100 KiB of kernel memory each.
 */
#define POOL_TARGET 32

int ra_lwcg_check(int dev)
{
	struct lwcg_info info = {.size = sizeof(info)};

	if (ioctl(dev, LWCG_INFO, &info))
		return log_errno(-errno, "%s: LWCG_INFO: %m; load the lwcg.ko of this version",
				 LWCG_DEVICE);
	if (info.abi != LWCG_ABI_VERSION)
		return log_errno(-EPROTO,
				 "%s: ABI version %u, this agent knows %u; install the "
				 "lwcg.ko of this version",
				 LWCG_DEVICE, info.abi, LWCG_ABI_VERSION);
	return 0;
}

unsigned int ra_lwcg_target(void)
{
	const char *env = getenv("RUND_POOL_TARGET");
	long v = env ? strtol(env, NULL, 10) : 0;

	return v > 0 && v <= LWCG_TARGET_MAX ? v : POOL_TARGET;
}

int ra_lwcg_bind_existing(int dev, int parent)
{
	struct lwcg_pool pool = {
		.size = sizeof(pool),
		.flags = LWCG_POOL_EXISTING,
		.parent_fd = parent,
	};

	return ioctl(dev, LWCG_POOL, &pool) ? -errno : 0;
}

int ra_lwcg_bind(int dev, int parent, unsigned int target)
{
	struct lwcg_pool pool = {.size = sizeof(pool), .parent_fd = parent, .target = target};

	return ioctl(dev, LWCG_POOL, &pool) ? -errno : 0;
}
