// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which advice madvise() takes, by number.  A page of our own is enough for most, and there is
 * none for those that would take it from the machine.
 */
#include "probe.h"

static int try_madvise(long advice, long unused)
{
	size_t len = 4 << 20;
	char *mem = mmap(NULL, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	if (advice == 25) /* MADV_COLLAPSE needs something to collapse */
		memset(mem, 1, len);
	else if (advice == 100 || advice == 101) /* would take a page from the machine */
		len = 0;
	else
		len = 4096;
	*mem = 1;
	return err(madvise(mem, len, advice));
}

void probe_madvise(enum pass pass)
{
	int i;

	if (pass != LAST)
		return;
	for (i = 0; i <= 102; i++)
		if (i <= 25 || i >= 100)
			probe(fmt("mm/madvise-%d", i), try_madvise, i, 0);
}
