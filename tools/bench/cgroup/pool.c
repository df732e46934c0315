// SPDX-License-Identifier: GPL-2.0-only
/*
 * The series with cgroups made in advance: a stack of them in user space, and
 * lwcg.  The first does less than the second for its tenants: a cgroup keeps its
 * name, and nothing of the last tenant is reset.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/lwcg.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/cgroup2.h"
#include "lib/cleanup.h"
#include "lib/log.h"

/* How long an operation waits before it looks again for a ready cgroup. */
#define EMPTY_NAP_NS 200000

static void nap(struct bench *b)
{
	struct timespec ts = {.tv_nsec = EMPTY_NAP_NS};

	atomic_fetch_add(&b->empty, 1);
	nanosleep(&ts, NULL);
}

/* @lock protects @free, a stack of directories: the last one given back is the next. */
struct stock {
	pthread_mutex_t lock;
	unsigned int nr, nr_free;
	int free[];
};

static int stock_fill(struct bench *b, struct stock *stock, unsigned int nr)
{
	char name[NAME_LEN];
	int dir;

	for (; stock->nr < nr; stock->nr++) {
		snprintf(name, sizeof(name), "pool-%u", stock->nr);
		if (mkdirat(b->parent_fd, name, 0755))
			return log_errno(-errno, "mkdir %s/%s: %m", b->path, name);
		dir = openat(b->parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return log_errno(-errno, "opening %s/%s: %m; is `ulimit -n` above --pool?",
					 b->path, name);
		stock->free[stock->nr_free++] = dir;
	}
	return 0;
}

int stock_setup(struct bench *b, unsigned int nr)
{
	b->stock = calloc(1, sizeof(*b->stock) + nr * sizeof(int));
	if (!b->stock)
		return log_errno(-ENOMEM, "a pool of %u cgroups: out of memory", nr);
	pthread_mutex_init(&b->stock->lock, NULL);
	return stock_fill(b, b->stock, nr);
}

static int stock_pop(struct stock *stock)
{
	int dir = -1;

	pthread_mutex_lock(&stock->lock);
	if (stock->nr_free)
		dir = stock->free[--stock->nr_free];
	pthread_mutex_unlock(&stock->lock);
	return dir;
}

int stock_get(struct bench *b, struct sandbox *sb)
{
	while ((sb->dir = stock_pop(b->stock)) < 0) {
		if (bench_stop)
			return -EINTR;
		nap(b);
	}
	return limits_set(sb->dir, "");
}

int stock_release(struct bench *b, struct sandbox *sb)
{
	int ret = cg2_kill_wait(sb->dir, 60000);

	if (ret)
		return log_errno(ret, "a cgroup of the pool below %s: not empty: %s", b->path,
				 strerror(-ret));
	pthread_mutex_lock(&b->stock->lock);
	b->stock->free[b->stock->nr_free++] = sb->dir;
	pthread_mutex_unlock(&b->stock->lock);
	return 0;
}

/* The directories themselves are removed with the parent, by bench_close(). */
void stock_teardown(struct bench *b)
{
	while (b->stock && b->stock->nr_free)
		close(b->stock->free[--b->stock->nr_free]);
	free(b->stock);
	b->stock = NULL;
}

static int module_load(void)
{
	const char *path = getenv("RUND_MODULE");
	__cleanup_fd int fd = -1;

	if (!access(LWCG_DEVICE, F_OK))
		return 0;
	if (!path || !*path)
		return log_errno(-ENODEV,
				 "%s is not there: insmod lwcg.ko, or leave lwcg out of "
				 "--series",
				 LWCG_DEVICE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return log_errno(-errno, "%s: %m; build the module (make module)", path);
	if (syscall(SYS_finit_module, fd, "", 0))
		return log_errno(-errno, "loading %s: %m; see dmesg", path);
	return 0;
}

int lwcg_setup(struct bench *b, unsigned int nr)
{
	struct lwcg_pool arg = {.size = sizeof(arg), .parent_fd = b->parent_fd, .target = nr};
	int ret = module_load();

	if (ret)
		return ret;
	b->dev = open(LWCG_DEVICE, O_RDWR | O_CLOEXEC);
	if (b->dev < 0)
		return log_errno(-errno, "%s: %m", LWCG_DEVICE);
	if (ioctl(b->dev, LWCG_POOL, &arg))
		return log_errno(-errno, "LWCG_POOL of %u slots below %s: %m", nr, b->path);
	return 0;
}

int lwcg_get(struct bench *b, struct sandbox *sb)
{
	struct lwcg_acquire arg = {
		.size = sizeof(arg),
		.memory_max = LIMIT_MEMORY,
		.cpu_quota_us = LIMIT_QUOTA_US,
		.pids_max = LIMIT_PIDS,
	};

	_Static_assert(sizeof(arg.name) >= NAME_LEN, "names fit");
	strcpy(arg.name, sb->name);
	while (ioctl(b->dev, LWCG_ACQUIRE, &arg)) {
		if (errno != EAGAIN)
			return log_errno(-errno, "LWCG_ACQUIRE of %s below %s: %m", sb->name,
					 b->path);
		if (bench_stop)
			return -EINTR;
		nap(b);
	}
	sb->id = arg.slot_id;
	sb->dir = arg.dir_fd;
	return 0;
}

int lwcg_release(struct bench *b, struct sandbox *sb)
{
	struct lwcg_release arg = {.size = sizeof(arg), .slot_id = sb->id};

	close(sb->dir);
	if (ioctl(b->dev, LWCG_RELEASE, &arg))
		return log_errno(-errno, "LWCG_RELEASE of %s: %m", sb->name);
	return 0;
}

void lwcg_teardown(struct bench *b)
{
	struct lwcg_drain arg = {.size = sizeof(arg)};

	if (b->dev < 0)
		return;
	if (ioctl(b->dev, LWCG_DRAIN, &arg) && errno != ENOTCONN)
		log_warn("LWCG_DRAIN below %s: %m", b->path);
	close(b->dev);
	b->dev = -1;
}

bool lwcg_is_quiet(struct bench *b)
{
	struct lwcg_info info = {.size = sizeof(info)};

	if (ioctl(b->dev, LWCG_INFO, &info))
		return true;
	if (info.recycling || info.ready != b->ready) {
		b->ready = info.ready;
		b->ready_since = now_ns();
	}
	if (info.recycling || info.ready < info.target - info.target / 4)
		return false;
	/* what is missing of less than a quarter stays so, unless it is just being made */
	return info.ready >= info.target || now_ns() - b->ready_since >= SETTLED_NS;
}
