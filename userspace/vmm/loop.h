/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An epoll loop.  The VMM's main thread runs one for the control socket, the
 * console and the devices; a device that blocks (virtio-fs) runs its own on a
 * thread of its own.  A watch's callback runs on the loop's thread only.
 */
#ifndef RUND_VMM_LOOP_H
#define RUND_VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_BATCH 16

struct loop {
	int epfd;
	int wakefd; /* eventfd: loop_stop() from any thread */
	bool stop;
	/* Events fetched but not yet handed out; loop's thread only. */
	struct epoll_event batch[LOOP_BATCH];
	int nr_batch;
};

struct loop_watch {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT, ... */
	void (*fn)(struct loop_watch *w, uint32_t events);
	void *data;
};

int loop_init(struct loop *l);
void loop_fini(struct loop *l);

/**
 * loop_add() - watch w->fd for w->events; @w stays with the caller
 * Return: 0 or -errno.
 */
int loop_add(struct loop *l, struct loop_watch *w);
/* Change the events of a watch. */
int loop_mod(struct loop *l, struct loop_watch *w, uint32_t events);
/* Stop watching; safe inside any callback of this loop: no later callback for @w runs. */
void loop_del(struct loop *l, struct loop_watch *w);

/* Run until loop_stop(). Return 0 or -errno. */
int loop_run(struct loop *l);
/* Make loop_run() return; safe from any thread and from signal handlers. */
void loop_stop(struct loop *l);

#endif
