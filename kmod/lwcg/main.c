// SPDX-License-Identifier: GPL-2.0-only
/*
 * lwcg: leases on ready-made cgroups.  Loading makes /dev/lwcg appear;
 * unloading is refused while the device is open or a cgroup is still being
 * emptied, and removes every pool.
 */
#include "lwcg_internal.h"

#include <linux/init.h>
#include <linux/module.h>

/* Makes and removes slots. */
struct workqueue_struct *lwcg_wq;

/* Prepares slots for their next lease: one recycler a pool. */
struct workqueue_struct *lwcg_recycle_wq;

/*
 * Making and removing is mostly waiting for cgroup_mutex, where a crowd only gets
 * in the way of others; a few workers keep pools from blocking each other.
 */
#define LWCG_WORKERS 4

static int __init lwcg_init(void)
{
	int ret;

	lwcg_wq = alloc_workqueue("lwcg", WQ_UNBOUND, LWCG_WORKERS);
	if (!lwcg_wq)
		return -ENOMEM;

	lwcg_recycle_wq = alloc_workqueue("lwcg_recycle", WQ_UNBOUND, 0);
	if (!lwcg_recycle_wq) {
		ret = -ENOMEM;
		goto err_wq;
	}

	ret = lwcg_chardev_init();
	if (ret)
		goto err_recycle_wq;

	return 0;

err_recycle_wq:
	destroy_workqueue(lwcg_recycle_wq);
err_wq:
	destroy_workqueue(lwcg_wq);
	return ret;
}

static void __exit lwcg_exit(void)
{
	lwcg_chardev_exit();
	lwcg_pools_destroy();
	/* waits for the last recycler to return into the workqueue's code */
	destroy_workqueue(lwcg_recycle_wq);
	destroy_workqueue(lwcg_wq);
}

module_init(lwcg_init);
module_exit(lwcg_exit);

MODULE_DESCRIPTION("Leases on ready-made cgroups");
MODULE_AUTHOR("RunD maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(LWCG_VERSION);
MODULE_IMPORT_NS(LWCG);
