// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pass: threads that each take the next operation until all are done.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

/* What the threads of a pass share. */
struct crew {
	struct pass *pass;
	pthread_mutex_t gate; /* main holds it until all threads are there */
	atomic_uint next;
	atomic_int err;
};

struct worker {
	struct crew *crew;
	pthread_t thread;
	uint64_t end;
	int schedstat;
	struct sandbox sb;
};

/* Names are never used twice, so that no series profits from a cached one. */
static atomic_ulong last_name;

/* The second number: ns spent runnable and waiting for a CPU. */
static uint64_t runqueue_wait(const struct worker *w)
{
	char text[64];
	ssize_t n;
	char *p;

	if (w->schedstat < 0)
		return 0;
	n = pread(w->schedstat, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	p = strchr(text, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

static int step(struct worker *w, enum phase phase)
{
	struct bench *b = w->crew->pass->bench;
	int ret;

	switch (phase) {
	case PHASE_GET:
		return b->series->get(b, &w->sb);
	case PHASE_SPAWN:
		return b->series->spawn(b, &w->sb);
	case PHASE_REAP:
		ret = spawn_reap(&w->sb);
		return ret ? log_errno(ret, "child %d in %s: did not exit as it should", w->sb.pid,
				       w->sb.name)
			   : 0;
	default:
		return b->series->release(b, &w->sb);
	}
}

static int operation(struct worker *w, struct op *op)
{
	uint64_t t0, t1, waited;
	int ret;

	snprintf(w->sb.name, sizeof(w->sb.name), "sb-%lu", atomic_fetch_add(&last_name, 1));
	waited = runqueue_wait(w);
	op->runqueue = 0;
	t0 = now_ns();
	for (enum phase p = 0; p < NR_PHASES; p++) {
		ret = step(w, p);
		if (ret)
			return ret;
		t1 = now_ns();
		op->ns[p] = t1 - t0;
		t0 = t1;
		/* the reap does not count, neither its time nor its waits */
		if (w->schedstat >= 0 && p != PHASE_GET) {
			if (p != PHASE_REAP)
				op->runqueue += runqueue_wait(w) - waited;
			waited = runqueue_wait(w);
			t0 = now_ns();
		}
	}
	return 0;
}

static bool more(struct crew *crew, unsigned int i)
{
	const struct pass *p = crew->pass;

	if (bench_stop || atomic_load(&crew->err))
		return false;
	return p->ops ? i < p->ops : !atomic_load(p->until);
}

static int worker_setup(struct worker *w)
{
	struct pass *p = w->crew->pass;

	w->schedstat = -1;
	w->sb.stack = spawn_stack();
	if (!w->sb.stack)
		return log_errno(-ENOMEM, "a thread's stack: out of memory");
	if (!p->runqueue)
		return 0;
	w->schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	return w->schedstat < 0 ? log_errno(-errno, "/proc/thread-self/schedstat: %m; the kernel "
						    "needs CONFIG_SCHED_INFO")
				: 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct crew *crew = w->crew;
	struct pass *p = crew->pass;
	int ret = worker_setup(w);
	struct op unrecorded;
	unsigned int i;

	if (ret)
		atomic_store(&crew->err, ret);
	pthread_mutex_lock(&crew->gate);
	pthread_mutex_unlock(&crew->gate);
	while (more(crew, i = atomic_fetch_add(&crew->next, 1))) {
		ret = operation(w, p->ops ? &p->rec[i] : &unrecorded);
		if (ret)
			atomic_store(&crew->err, ret);
	}
	w->end = now_ns();
	close_fd(w->schedstat);
	spawn_stack_free(w->sb.stack);
	return NULL;
}

/* Returns how many were started. */
static unsigned int start_workers(struct crew *crew, struct worker *workers)
{
	unsigned int i;
	int ret;

	for (i = 0; i < crew->pass->threads; i++) {
		workers[i].crew = crew;
		ret = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (ret) {
			log_err("thread %u of %u: %s; use fewer --threads", i + 1,
				crew->pass->threads, strerror(ret));
			atomic_store(&crew->err, -ret);
			break;
		}
	}
	return i;
}

int pass_run(struct pass *p)
{
	__cleanup_free struct worker *workers = calloc(p->threads, sizeof(*workers));
	struct crew crew = {.pass = p, .gate = PTHREAD_MUTEX_INITIALIZER};
	unsigned int started;
	uint64_t start;

	if (!workers)
		return log_errno(-ENOMEM, "%u threads: out of memory", p->threads);
	pthread_mutex_lock(&crew.gate);
	started = start_workers(&crew, workers);
	start = now_ns();
	pthread_mutex_unlock(&crew.gate);
	p->wall_ns = 0;
	for (unsigned int i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].end - start > p->wall_ns)
			p->wall_ns = workers[i].end - start;
	}
	return bench_stop ? -EINTR : atomic_load(&crew.err);
}
