// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sparse copies: data extents are found with SEEK_DATA and SEEK_HOLE, so a file
 * system that knows no holes costs time but is still copied right.
 */
#include "copy.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy_extent(int dst, int src, off_t start, off_t end)
{
	static char buf[1 << 16];

	while (start < end) {
		size_t want = end - start < sizeof(buf) ? end - start : sizeof(buf);
		ssize_t n = pread(src, buf, want, start);

		if (n < 0)
			return -errno;
		if (!n)
			return 0; /* it shrank: nothing more to copy */
		for (ssize_t done = 0; done < n;) {
			ssize_t w = pwrite(dst, buf + done, n - done, start + done);

			if (w < 0)
				return -errno;
			done += w;
		}
		start += n;
	}
	return 0;
}

int ra_copy_sparse(int dst, int src)
{
	struct stat st;
	off_t data, hole = 0;
	int ret;

	if (fstat(src, &st))
		return -errno;
	if (ftruncate(dst, st.st_size))
		return -errno;
	for (;;) {
		data = lseek(src, hole, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(src, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		ret = copy_extent(dst, src, data, hole);
		if (ret)
			return ret;
	}
}
