/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arrays that grow by one: a pointer and a count, and no more state than that.
 */
#ifndef RUND_PREPATCH_VEC_H
#define RUND_PREPATCH_VEC_H

#include <stdbool.h>
#include <stdlib.h>

/* The room doubles whenever the count gets to a power of two. */
static inline void *pp_vec_room(void *v, size_t nr, size_t size)
{
	return nr & (nr - 1) ? v : reallocarray(v, nr ? 2 * nr : 1, size);
}

/* Append a value to array @v of @nr items, both lvalues; false when out of memory. */
#define pp_push(v, nr, ...)                                             \
	({                                                              \
		__typeof__(v) _room = pp_vec_room(v, nr, sizeof(*(v))); \
		if (_room) {                                            \
			(v) = _room;                                    \
			(v)[nr] = __VA_ARGS__;                          \
			(nr)++;                                         \
		}                                                       \
		_room != NULL;                                          \
	})

#endif
