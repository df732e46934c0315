/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The writable layer: a file without a name, cloned by reflink from a formatted
 * image that all sandboxes of the store share.  Nothing of it can be left
 * behind: it is gone when the last descriptor is closed.
 */
#ifndef RUND_AGENT_UPPER_H
#define RUND_AGENT_UPPER_H

#include <stdbool.h>
#include <stdint.h>

/* A store with less room than this is called full before anything is made. */
#define RA_STORE_MIN_FREE (UINT64_C(64) << 20)

/**
 * ra_mkfs_path() - where mkfs.ext4 is; not every $PATH has the system's programs
 * Return: a path, or NULL.
 */
const char *ra_mkfs_path(void);

/**
 * ra_upper_open() - a fresh writable layer
 * @store: the store's directory; made if its parent exists
 * @size: bytes
 * @allow_copy: copy the image where the file system cannot reflink
 *
 * Formats the shared image of this size first if the store does not have it.
 *
 * Return: a descriptor open for reading and writing, or -errno; reported.
 */
int ra_upper_open(const char *store, uint64_t size, bool allow_copy);

/**
 * ra_upper_probe() - whether the store can reflink, by doing it
 * Return: 0, -EOPNOTSUPP when it cannot, or -errno; unreported.
 */
int ra_upper_probe(const char *store);

#endif
