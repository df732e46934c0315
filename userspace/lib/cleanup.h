/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cleanup attributes for locals: the resource is given back on every path out
 * of the scope, and a pointer or descriptor handed on is disarmed first.
 */
#ifndef RUND_LIB_CLEANUP_H
#define RUND_LIB_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* close() that keeps errno and takes -1 for "nothing". */
static inline void close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

static inline void cleanup_fd(int *fd)
{
	close_fd(*fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define __cleanup_fd   __attribute__((cleanup(cleanup_fd)))
#define __cleanup_free __attribute__((cleanup(cleanup_free)))
#define __cleanup_file __attribute__((cleanup(cleanup_file)))

/* Take the descriptor out of a __cleanup_fd variable. */
static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/* Take the pointer out of a __cleanup_free variable. */
#define take_ptr(p)                     \
	({                              \
		__typeof__(p) _v = (p); \
		(p) = NULL;             \
		_v;                     \
	})

#endif
