// SPDX-License-Identifier: GPL-2.0-only
/*
 * The header is 110 bytes of hexadecimal text; name and data are padded to four
 * bytes each.
 */
#include "lib/cpio.h"

#include <errno.h>
#include <string.h>

#define CPIO_ALIGN   4
#define CPIO_TRAILER "TRAILER!!!"

static int put(struct cpio *c, const void *data, size_t len)
{
	if (len && fwrite(data, 1, len, c->f) != len)
		return -EIO;
	c->pos += len;
	return 0;
}

static int pad(struct cpio *c)
{
	static const char zero[CPIO_ALIGN];

	return put(c, zero, -c->pos % CPIO_ALIGN);
}

static int put_entry(struct cpio *c, const struct cpio_entry *e, uint32_t ino)
{
	char head[111];
	int ret;

	/* magic ino mode uid gid nlink mtime size devmaj devmin rmaj rmin namesize check */
	snprintf(head, sizeof(head), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		 ino, e->mode, 0, 0, 1, 0, (uint32_t)e->len, 0, 0, e->major, e->minor,
		 (uint32_t)strlen(e->name) + 1, 0);
	ret = put(c, head, sizeof(head) - 1);
	if (!ret)
		ret = put(c, e->name, strlen(e->name) + 1);
	if (!ret)
		ret = pad(c);
	if (!ret)
		ret = put(c, e->data, e->len);
	return ret ? ret : pad(c);
}

int cpio_add(struct cpio *c, const struct cpio_entry *e)
{
	if (!*e->name || *e->name == '/')
		return -EINVAL;
	if (e->len > UINT32_MAX)
		return -EFBIG;
	return put_entry(c, e, ++c->ino);
}

int cpio_end(struct cpio *c)
{
	const struct cpio_entry trailer = {.name = CPIO_TRAILER};
	int ret = put_entry(c, &trailer, 0);

	if (ret)
		return ret;
	return fflush(c->f) ? -EIO : 0;
}
