/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copying a file's data and keeping its holes.
 */
#ifndef RUND_AGENT_COPY_H
#define RUND_AGENT_COPY_H

/**
 * ra_copy_sparse() - make one file's contents those of another
 * @dst: an empty file open for writing
 * @src: open for reading
 *
 * Return: 0 or -errno; unreported.
 */
int ra_copy_sparse(int dst, int src);

#endif
