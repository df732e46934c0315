// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leasing a slot from lwcg.ko, and the same with mkdir(2) where there is no
 * module.
 */
#include "slot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/lwcg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgparent.h"
#include "lib/cgroup2.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lwcgdev.h"

#define CPU_PERIOD_US 100000 /* the kernel's own default */

/* An empty pool is being refilled meanwhile: 5 ms up to 100 ms, 10 s in all. */
#define ACQUIRE_TRIES 110

/* Killed processes are gone in microseconds; a debug kernel under load takes longer. */
#define KILL_WAIT_MS 10000

static const char *const kind_names[] = {
	[RA_SLOT_NONE] = "",
	[RA_SLOT_LWCG] = "lwcg",
	[RA_SLOT_CGROUPFS] = "cgroupfs",
};

const char *ra_slot_kind_name(enum ra_slot_kind kind)
{
	return kind_names[kind];
}

/*
 * A pool that is there keeps its size, which an operator may have chosen, unless the
 * environment asks for more.
 */
static int bind_pool(int dev, int parent)
{
	int ret = ra_lwcg_check(dev);

	if (ret)
		return ret;
	ret = getenv("RUND_POOL_TARGET") ? -ENOENT : ra_lwcg_bind_existing(dev, parent);
	if (ret == -ENOENT)
		ret = ra_lwcg_bind(dev, parent, ra_lwcg_target());
	if (ret)
		return log_errno(ret, "%s: LWCG_POOL: %s; see the kernel log", LWCG_DEVICE,
				 strerror(-ret));
	return 0;
}

static int acquire_retry(int dev, struct lwcg_acquire *acq)
{
	useconds_t wait = 5000;

	for (int i = 0; i < ACQUIRE_TRIES; i++) {
		if (!ioctl(dev, LWCG_ACQUIRE, acq))
			return 0;
		if (errno != EAGAIN)
			return -errno;
		usleep(wait);
		wait = wait < 50000 ? wait * 2 : 100000;
	}
	return -EAGAIN;
}

static int report_acquire(int err, const char *name)
{
	switch (err) {
	case -EAGAIN:
		return log_errno(
			err, "cgroup pool: no slot became ready; see rund-agent pool status and "
			     "the kernel log, or raise the target with rund-agent pool resize");
	case -EEXIST:
		return log_errno(err,
				 "cgroup %s/%s: exists and is not a sandbox; remove it, or "
				 "choose another --name",
				 RA_CGROUP_PARENT, name);
	case -EOPNOTSUPP:
		return log_errno(err,
				 "cgroup pool: this host's cgroup v2 lacks one of the "
				 "controllers %s; boot with cgroup_no_v1=all, or use --no-lwcg",
				 RA_CONTROLLERS_NEEDED);
	default:
		return log_errno(err, "cgroup pool: LWCG_ACQUIRE %s: %s", name, strerror(-err));
	}
}

static int lease(struct ra_slot *slot, int dev, int parent, const char *name,
		 const struct ra_limits *l)
{
	struct lwcg_acquire acq = {
		.size = sizeof(acq),
		.memory_max = l->memory_max,
		.cpu_quota_us = (uint64_t)l->cpus * CPU_PERIOD_US,
		.cpu_period_us = CPU_PERIOD_US,
		.pids_max = l->pids_max,
	};
	int ret;

	ret = bind_pool(dev, parent);
	if (ret)
		return ret;
	strcpy(acq.name, name);
	ret = acquire_retry(dev, &acq);
	if (ret)
		return report_acquire(ret, name);
	slot->kind = RA_SLOT_LWCG;
	slot->lease = dev;
	slot->dir = acq.dir_fd;
	slot->id = acq.slot_id;
	slot->cgroup_id = acq.cgroup_id;
	return 0;
}

/* A file that is missing belongs to a controller already reported as missing. */
static int limit(int dir, const char *file, const char *text)
{
	int ret = io_write_file(dir, file, text);

	if (ret && ret != -ENOENT)
		return log_errno(ret, "cgroup %s=%s: %s", file, text, strerror(-ret));
	return 0;
}

static int set_limits(int dir, const struct ra_limits *l)
{
	char text[64];
	int ret;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)l->memory_max);
	ret = limit(dir, "memory.max", text);
	if (!ret)
		ret = limit(dir, "memory.oom.group", "1");
	snprintf(text, sizeof(text), "%u %u", l->cpus * CPU_PERIOD_US, CPU_PERIOD_US);
	if (!ret)
		ret = limit(dir, "cpu.max", text);
	snprintf(text, sizeof(text), "%u", l->pids_max);
	if (!ret)
		ret = limit(dir, "pids.max", text);
	return ret;
}

static int make_dir(struct ra_slot *slot, int parent, const char *name, const struct ra_limits *l)
{
	__cleanup_fd int dir = -1;
	struct stat st;
	int ret;

	if (mkdirat(parent, name, 0755))
		return errno == EEXIST ? report_acquire(-EEXIST, name)
				       : log_errno(-errno, "cgroup %s: %m", slot->path);
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st))
		ret = log_errno(-errno, "cgroup %s: %m", slot->path);
	else
		ret = set_limits(dir, l);
	if (ret) {
		unlinkat(parent, name, AT_REMOVEDIR);
		return ret;
	}
	slot->kind = RA_SLOT_CGROUPFS;
	slot->cgroup_id = st.st_ino;
	slot->dir = take_fd(&dir);
	return 0;
}

int ra_slot_acquire(struct ra_slot *slot, const char *name, const struct ra_limits *limits,
		    bool use_lwcg)
{
	__cleanup_fd int dev = -1, parent = -1;
	char missing[64];
	size_t n;
	int ret;

	parent = ra_cgparent_open(true, slot->path, sizeof(slot->path), missing, sizeof(missing));
	if (parent < 0)
		return parent;
	n = strlen(slot->path);
	if (snprintf(slot->path + n, sizeof(slot->path) - n, "/%s", name) >= sizeof(slot->path) - n)
		return log_errno(-ENAMETOOLONG, "cgroup %s: path too long", slot->path);
	if (use_lwcg)
		dev = open(LWCG_DEVICE, O_RDWR | O_CLOEXEC);
	if (dev >= 0) {
		ret = lease(slot, dev, parent, name, limits);
		if (!ret)
			take_fd(&dev); /* the lease has it */
		return ret;
	}
	if (use_lwcg)
		log_warn("%s: %m; making an ordinary cgroup instead (insmod lwcg.ko to use the "
			 "pool)",
			 LWCG_DEVICE);
	if (*missing)
		log_warn("cgroup v2 has no %s controller here, which stays unlimited (boot with "
			 "cgroup_no_v1=all)",
			 missing);
	return make_dir(slot, parent, name, limits);
}

uint64_t ra_slot_oom_kills(const struct ra_slot *slot)
{
	uint64_t n = 0;

	if (slot->dir < 0 || cg2_read_key(slot->dir, "memory.events", "oom_kill", &n))
		return 0;
	return n;
}

void ra_slot_kill(const struct ra_slot *slot)
{
	if (slot->dir >= 0)
		io_write_file(slot->dir, "cgroup.kill", "1");
}

static void remove_dir(int dir, const char *name)
{
	char path[PATH_MAX];
	__cleanup_fd int parent = -1;
	int ret;

	ret = cg2_kill_wait(dir, KILL_WAIT_MS);
	parent = ra_cgparent_open(false, path, sizeof(path), NULL, 0);
	if (parent < 0)
		return;
	/* Empty and busy: it is a slot of the pool, whose lease is just ending. */
	if (unlinkat(parent, name, AT_REMOVEDIR) && errno != ENOENT && (ret || errno != EBUSY))
		log_warn("cgroup %s/%s: cannot remove: %s; remove it by hand", path, name,
			 ret ? strerror(-ret) : strerror(errno));
}

void ra_slot_release(struct ra_slot *slot, const char *name)
{
	struct lwcg_release rel = {.size = sizeof(rel), .slot_id = slot->id};

	if (slot->kind == RA_SLOT_LWCG && ioctl(slot->lease, LWCG_RELEASE, &rel))
		log_warn("cgroup %s: LWCG_RELEASE: %m", slot->path);
	if (slot->kind == RA_SLOT_CGROUPFS)
		remove_dir(slot->dir, name);
	close_fd(slot->dir);
	close_fd(slot->lease);
	slot->dir = -1;
	slot->lease = -1;
	slot->kind = RA_SLOT_NONE;
}

void ra_slot_sweep(const char *name)
{
	__cleanup_fd int parent = -1, dir = -1;
	char path[PATH_MAX];

	parent = ra_cgparent_open(false, path, sizeof(path), NULL, 0);
	if (parent < 0)
		return;
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0)
		remove_dir(dir, name);
}
