/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device is one file that exports one `const struct dev_ops`, listed once,
 * in order of attachment, in device-list.h.
 */
#ifndef RUND_VMM_DEV_H
#define RUND_VMM_DEV_H

struct vm;

struct dev_ops {
	const char *name;
	/* Create what vm->cfg asks for (perhaps nothing). 0 or -errno; on failure leaves nothing.
	 */
	int (*attach)(struct vm *vm, void **priv);
	/* Undo attach(); vCPUs and loops no longer run.  Called only after a successful attach().
	 */
	void (*detach)(struct vm *vm, void *priv);
};

#endif
