// SPDX-License-Identifier: GPL-2.0-only
/*
 * An epoll loop.  Events are fetched in batches; a watch that is deleted while
 * a batch is worked through is struck from it, so that a callback never sees a
 * watch that is gone.
 */
#include "vmm/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/cleanup.h"

static int ctl(struct loop *l, int op, struct loop_watch *w)
{
	struct epoll_event ev = {.events = w->events, .data.ptr = w};

	return epoll_ctl(l->epfd, op, w->fd, &ev) ? -errno : 0;
}

int loop_init(struct loop *l)
{
	__cleanup_fd int epfd = epoll_create1(EPOLL_CLOEXEC);
	__cleanup_fd int wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* The null pointer stands for the wake-up descriptor. */
	struct epoll_event ev = {.events = EPOLLIN};

	memset(l, 0, sizeof(*l));
	l->epfd = -1;
	l->wakefd = -1;
	if (epfd < 0 || wakefd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, wakefd, &ev))
		return -errno;
	l->epfd = take_fd(&epfd);
	l->wakefd = take_fd(&wakefd);
	return 0;
}

void loop_fini(struct loop *l)
{
	close_fd(l->epfd);
	close_fd(l->wakefd);
	l->epfd = -1;
	l->wakefd = -1;
}

int loop_add(struct loop *l, struct loop_watch *w)
{
	return ctl(l, EPOLL_CTL_ADD, w);
}

int loop_mod(struct loop *l, struct loop_watch *w, uint32_t events)
{
	if (w->events == events)
		return 0;
	w->events = events;
	return ctl(l, EPOLL_CTL_MOD, w);
}

void loop_del(struct loop *l, struct loop_watch *w)
{
	ctl(l, EPOLL_CTL_DEL, w);
	for (int i = 0; i < l->nr_batch; i++) {
		if (l->batch[i].data.ptr == w)
			l->batch[i].events = 0;
	}
}

static void run_batch(struct loop *l)
{
	for (int i = 0; i < l->nr_batch; i++) {
		struct loop_watch *w = l->batch[i].data.ptr;

		if (w && l->batch[i].events)
			w->fn(w, l->batch[i].events);
	}
	l->nr_batch = 0;
}

int loop_run(struct loop *l)
{
	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		int n = epoll_wait(l->epfd, l->batch, LOOP_BATCH, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		l->nr_batch = n < 0 ? 0 : n;
		run_batch(l);
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	int saved = errno;

	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	/* Fails only when the counter is already huge: then the loop is awake anyway. */
	if (write(l->wakefd, &(uint64_t){1}, sizeof(uint64_t)) < 0)
		errno = saved;
	errno = saved;
}
