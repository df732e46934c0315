// SPDX-License-Identifier: GPL-2.0-only
/*
 * Building a sandbox: a table of steps, each with what undoes it.  A step that
 * fails leaves nothing of its own; the steps before it are undone here.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "sweep.h"
#include "upper.h"

/*
 * Threads of one VMM: its vCPUs, a few loops, and io_uring's workers, of which the
 * kernel makes as many as it has CPUs at worst.
 */
#define PIDS_MAX 256

/*
 * How long another agent may take to clean up after a sandbox whose name we want:
 * milliseconds, but on a loaded machine some seconds.
 */
#define SWEEP_TRIES   300
#define SWEEP_WAIT_US 50000

void ra_sandbox_init(struct ra_sandbox *sb, const struct ra_opts *o, int client)
{
	memset(sb, 0, sizeof(*sb));
	sb->o = o;
	sb->client = client;
	sb->base = -1;
	sb->sigfd = -1;
	sb->lower = -1;
	sb->upper = -1;
	sb->dir = (struct ra_dir)RA_DIR_NONE;
	sb->slot = (struct ra_slot)RA_SLOT_INIT;
	sb->vmm = (struct ra_vmm)RA_VMM_INIT;
	sb->guest = (struct ra_guest)RA_GUEST_INIT;
	sb->in = (struct ra_pump)RA_PUMP_INIT;
	sb->out = (struct ra_pump)RA_PUMP_INIT;
	sb->err = (struct ra_pump)RA_PUMP_INIT;
	sb->log = (struct ra_log)RA_LOG_INIT;
	sb->console = (struct ra_log)RA_LOG_INIT;
	for (int i = 0; i < RA_NR_PORTS; i++)
		sb->listeners[i] = -1;
	ra_ctl_init(&sb->ctl, NULL, NULL);
}

static int fill_state(struct ra_sandbox *sb)
{
	const struct ra_opts *o = sb->o;
	struct ra_state *st = &sb->st;

	strcpy(st->name, o->name);
	st->status = RA_CREATING;
	st->monitor = getpid();
	st->detached = o->detach;
	st->mem = o->mem;
	st->memory_max = o->memory_max;
	st->cpus = o->cpus;
	st->created = time(NULL);
	snprintf(st->rootfs, sizeof(st->rootfs), "%s", o->rootfs);
	st->command = json_object_new_array();
	for (int i = 0; st->command && i < o->argc; i++)
		json_object_array_add(st->command, json_object_new_string(o->argv[i]));
	return ra_state_write(sb->dir.fd, st);
}

/* Said of a sandbox that is not there any more as well. */
static bool owner_is_dead(int base, const char *name)
{
	__cleanup_fd int dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct ra_state st;
	int ret = dir < 0 ? -errno : ra_state_read(dir, &st);
	bool dead = ret == -ENOENT;

	if (!ret)
		dead = st.monitor && kill(st.monitor, 0) && errno == ESRCH;
	if (dir >= 0)
		ra_state_free(&st);
	return dead;
}

/* A name whose owner is dead is swept, by us or by who is just about it. */
static int take_name(struct ra_sandbox *sb)
{
	int ret;

	for (int i = 0; i < SWEEP_TRIES; i++) {
		ret = ra_dir_create(sb->base, sb->o->name, &sb->dir);
		if (ret != -EEXIST)
			return ret;
		if (ra_sweep_one(sb->base, sb->o->name))
			continue;
		if (!owner_is_dead(sb->base, sb->o->name))
			break;
		usleep(SWEEP_WAIT_US);
	}
	return log_errno(ret,
			 "name %s: already in use; choose another --name, or remove that sandbox "
			 "with rund-agent rm",
			 sb->o->name);
}

static void down_state(struct ra_sandbox *sb)
{
	ra_log_close(&sb->console);
	ra_log_close(&sb->log);
	ra_state_free(&sb->st);
	if (sb->dir.fd >= 0)
		ra_dir_remove(sb->base, sb->o->name, &sb->dir);
	close_fd(sb->base);
	sb->base = -1;
}

static int up_state(struct ra_sandbox *sb)
{
	int ret;

	if (snprintf(sb->path, sizeof(sb->path), "%s/%s", ra_rundir_path(), sb->o->name) +
		    sizeof("/vsock_1024") >
	    sizeof(sb->path))
		return log_errno(-ENAMETOOLONG,
				 "%s/%s: too long for a socket's path; choose a "
				 "shorter --name",
				 ra_rundir_path(), sb->o->name);
	snprintf(sb->vsock, sizeof(sb->vsock), "%.95s/vsock", sb->path);
	sb->base = ra_rundir_open(true);
	if (sb->base < 0)
		return sb->base;
	ret = take_name(sb);
	if (!ret)
		ret = fill_state(sb);
	if (!ret)
		ret = ra_log_open(&sb->console, sb->dir.fd, "console", RA_CONSOLE_MAX);
	if (!ret && sb->o->detach)
		ret = ra_log_open(&sb->log, sb->dir.fd, "log", RA_LOG_MAX);
	if (ret)
		down_state(sb);
	return ret;
}

static int up_slot(struct ra_sandbox *sb)
{
	struct ra_limits limits = {
		.memory_max = sb->o->memory_max,
		.cpus = sb->o->cpus,
		.pids_max = PIDS_MAX,
	};
	int ret = ra_slot_acquire(&sb->slot, sb->o->name, &limits, !sb->o->no_lwcg);

	if (ret)
		return ret;
	strcpy(sb->st.cgroup_kind, ra_slot_kind_name(sb->slot.kind));
	strcpy(sb->st.cgroup, sb->slot.path);
	sb->st.cgroup_id = sb->slot.cgroup_id;
	return 0;
}

static void down_slot(struct ra_sandbox *sb)
{
	ra_slot_release(&sb->slot, sb->o->name);
}

static int up_lower(struct ra_sandbox *sb)
{
	sb->lower = open(sb->o->rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sb->lower < 0)
		return log_errno(-errno, "--rootfs %s: %m", sb->o->rootfs);
	return 0;
}

static void down_lower(struct ra_sandbox *sb)
{
	close_fd(sb->lower);
	sb->lower = -1;
}

static int up_upper(struct ra_sandbox *sb)
{
	sb->upper = ra_upper_open(sb->o->store, sb->o->upper_size, sb->o->allow_copy);
	return sb->upper < 0 ? sb->upper : 0;
}

static void down_upper(struct ra_sandbox *sb)
{
	close_fd(sb->upper);
	sb->upper = -1;
}

static void down_sockets(struct ra_sandbox *sb)
{
	for (int i = 0; i < RA_NR_PORTS; i++) {
		close_fd(sb->listeners[i]);
		sb->listeners[i] = -1;
	}
	ra_ctl_close(&sb->ctl);
}

static int listen_ports(struct ra_sandbox *sb)
{
	char path[128];

	for (int i = 0; i < RA_NR_PORTS; i++) {
		snprintf(path, sizeof(path), "%s_%u", sb->vsock, RUND_PORT_CONTROL + i);
		sb->listeners[i] = io_unix_listen(path, 1);
		if (sb->listeners[i] < 0)
			return log_errno(sb->listeners[i], "%s: %s", path,
					 strerror(-sb->listeners[i]));
		io_set_nonblock(sb->listeners[i], 1);
	}
	return 0;
}

/* All that the guest may connect to is there before the guest is. */
static int up_sockets(struct ra_sandbox *sb)
{
	char path[128];
	int ret;

	snprintf(path, sizeof(path), "%s/ctl", sb->path);
	ret = ra_ctl_listen(&sb->ctl, path);
	if (!ret)
		ret = listen_ports(sb);
	if (ret)
		down_sockets(sb);
	return ret;
}

static int up_vmm(struct ra_sandbox *sb)
{
	int ret = ra_vmm_spawn(&sb->vmm, sb->o, sb->slot.dir, sb->lower, sb->upper, sb->vsock);

	if (ret)
		return ret;
	sb->st.vmm = sb->vmm.pid;
	ret = ra_state_write(sb->dir.fd, &sb->st);
	if (ret)
		ra_vmm_close(&sb->vmm);
	return ret;
}

static void down_vmm(struct ra_sandbox *sb)
{
	ra_vmm_close(&sb->vmm);
}

static const struct {
	const char *name;
	int (*up)(struct ra_sandbox *sb);
	void (*down)(struct ra_sandbox *sb);
	enum ra_mark mark; /* passed when the step is done */
} steps[] = {
	{"state", up_state, down_state, RA_T_STATE},
	{"slot", up_slot, down_slot, RA_T_SLOT},
	{"lower", up_lower, down_lower, RA_T_LOWER},
	{"upper", up_upper, down_upper, RA_T_UPPER},
	{"sockets", up_sockets, down_sockets, RA_T_UPPER},
	{"vmm", up_vmm, down_vmm, RA_T_SPAWN},
};

#define NR_STEPS ((int)(sizeof(steps) / sizeof(steps[0])))

/* Tests let the launch fail right after any step: $RUND_FAIL_STEP names it. */
static int injected_failure(const char *step)
{
	const char *want = getenv("RUND_FAIL_STEP");

	if (!want || strcmp(want, step))
		return 0;
	return log_errno(-EIO, "step %s: failed on purpose; unset RUND_FAIL_STEP", step);
}

static void undo(struct ra_sandbox *sb, int from)
{
	for (int i = from; i >= 0; i--)
		steps[i].down(sb);
}

int ra_sandbox_build(struct ra_sandbox *sb)
{
	for (int i = 0; i < NR_STEPS; i++) {
		int ret = steps[i].up(sb);

		if (ret) {
			undo(sb, i - 1);
			return ret;
		}
		ra_mark(&sb->t, steps[i].mark);
		ret = injected_failure(steps[i].name);
		if (ret) {
			undo(sb, i);
			return ret;
		}
	}
	/* The VMM has its own copies; the writable layer is gone when they are. */
	down_lower(sb);
	down_upper(sb);
	return 0;
}

static void unlink_sockets(const struct ra_sandbox *sb)
{
	char name[16];

	for (int i = 0; i < RA_NR_PORTS; i++) {
		snprintf(name, sizeof(name), "vsock_%u", RUND_PORT_CONTROL + i);
		unlinkat(sb->dir.fd, name, 0);
	}
	unlinkat(sb->dir.fd, "vsock", 0);
	unlinkat(sb->dir.fd, "ctl", 0);
}

void ra_sandbox_destroy(struct ra_sandbox *sb, bool keep_dir)
{
	for (int i = NR_STEPS - 1; i > 0; i--)
		steps[i].down(sb);
	if (keep_dir) {
		unlink_sockets(sb);
		ra_state_write(sb->dir.fd, &sb->st);
		ra_dir_release(&sb->dir);
	}
	down_state(sb);
}
