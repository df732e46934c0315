// SPDX-License-Identifier: GPL-2.0-only
/*
 * A directory whose lock is free has no owner.  Whoever gets the lock is its
 * owner, and cleans up.
 */
#include "sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "name.h"
#include "rundir.h"
#include "slot.h"
#include "state.h"

static bool had_ended(const struct ra_state *st)
{
	return st->detached && (st->status == RA_EXITED || st->status == RA_LOST);
}

/* Return: whether the directory is to stay. */
static bool clean_up(const struct ra_dir *dir, const char *name)
{
	struct ra_state st;
	bool keep = false;
	int ret = ra_state_read(dir->fd, &st);

	if (!ret && had_ended(&st)) {
		ra_state_free(&st);
		return true;
	}
	/* The lease of a slot ended with its owner; a plain cgroup did not. */
	if (ret || strcmp(st.cgroup_kind, ra_slot_kind_name(RA_SLOT_LWCG)))
		ra_slot_sweep(name);
	if (!ret && st.detached && st.status == RA_RUNNING) {
		keep = true;
		st.status = RA_LOST;
		st.monitor = 0;
		st.vmm = 0;
		st.exit_code = 125;
		st.finished = time(NULL);
		snprintf(st.error, sizeof(st.error), "its monitor was killed");
		ra_state_write(dir->fd, &st);
	}
	ra_state_free(&st);
	return keep;
}

bool ra_sweep_one(int base, const char *name)
{
	struct ra_dir dir = RA_DIR_NONE;
	int ret = ra_dir_claim(base, name, &dir);

	if (ret)
		return ret == -ENOENT;
	if (clean_up(&dir, name)) {
		ra_dir_release(&dir);
		return false;
	}
	return !ra_dir_remove(base, name, &dir);
}

void ra_sweep(void)
{
	__cleanup_fd int base = ra_rundir_open(false);
	struct dirent *e;
	DIR *d;
	int fd;

	if (base < 0)
		return;
	fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		close_fd(fd);
		return;
	}
	while ((e = readdir(d))) {
		if (!ra_name_check(e->d_name))
			ra_sweep_one(base, e->d_name);
	}
	closedir(d);
}
