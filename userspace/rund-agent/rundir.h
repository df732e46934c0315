/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state directory: /run/rund (or $RUND_STATE_DIR) with one directory a
 * sandbox.  Making a sandbox's directory is what takes its name.
 *
 * Whoever owns a sandbox holds a lock on the file "lock" in its directory for
 * as long as it lives; a directory whose lock is free has no owner.  A lock on
 * the state directory itself is held, for microseconds, by everyone who makes,
 * removes or judges a sandbox's directory, so nobody ever sees one half made.
 */
#ifndef RUND_AGENT_RUNDIR_H
#define RUND_AGENT_RUNDIR_H

#include <stdbool.h>

/* One sandbox's directory, held. */
struct ra_dir {
	int fd;	  /* the directory */
	int lock; /* its locked file */
};

#define RA_DIR_NONE                  \
	{                            \
		.fd = -1, .lock = -1 \
	}

/**
 * ra_rundir_path() - the state directory's path
 */
const char *ra_rundir_path(void);

/**
 * ra_rundir_open() - open the state directory
 * @create: make it when it is missing
 *
 * Return: a descriptor, -ENOENT when it is missing and not to be made
 * (unreported), or -errno; reported.
 */
int ra_rundir_open(bool create);

/**
 * ra_dir_create() - take a name: make its directory and hold it
 * Return: 0, -EEXIST when the name is taken (unreported), or -errno; reported.
 */
int ra_dir_create(int base, const char *name, struct ra_dir *dir);

/**
 * ra_dir_claim() - hold a directory that nobody owns
 * Return: 0, -EBUSY when it has an owner, -ENOENT when it does not exist, or
 * -errno; unreported.
 */
int ra_dir_claim(int base, const char *name, struct ra_dir *dir);

/**
 * ra_dir_remove() - remove a held directory with all its files and let go of it
 * Return: 0 or -errno; reported.
 */
int ra_dir_remove(int base, const char *name, struct ra_dir *dir);

/**
 * ra_dir_release() - let go of a held directory, which stays
 */
void ra_dir_release(struct ra_dir *dir);

#endif
