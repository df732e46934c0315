// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes, read only and only those that mean something to a
 * container's image: user.*, security.capability and trusted.overlay.*.  The
 * host's own labels and ACL caches are not the guest's business.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "vmm/virtio/fs.h"

static bool shown(const char *name)
{
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability") ||
	       !strncmp(name, "trusted.overlay.", 16);
}

/*
 * O_PATH descriptors take no xattr calls; their /proc/self/fd link does, and
 * leads to the object itself even when that is a symbolic link.
 */
static int proc_link(struct vfs_req *r, char link[32])
{
	int fd = vfs_inode_path(r->fs, r->inode);

	if (fd >= 0)
		snprintf(link, 32, "/proc/self/fd/%d", fd);
	return fd < 0 ? fd : 0;
}

/* With size 0 the guest asks how much room it needs. */
static ssize_t reply_value(struct vfs_req *r, const void *value, size_t len)
{
	struct fuse_getxattr_out out = {.size = len};

	if (!r->getxattr.size)
		return vfs_reply(r, &out, sizeof(out));
	if (len > r->getxattr.size)
		return -ERANGE;
	return vfs_reply(r, value, len);
}

ssize_t vfs_op_getxattr(struct vfs_req *r)
{
	const char *name;
	char link[32];
	ssize_t n;
	int err;

	name = vfs_req_name(r, sizeof(r->getxattr), &err);
	if (!name)
		return err;
	if (!shown(name))
		return -ENODATA;
	err = proc_link(r, link);
	if (err)
		return err;
	n = getxattr(link, name, r->fs->buf, VFS_BUF_SIZE);
	return n < 0 ? -errno : reply_value(r, r->fs->buf, n);
}

ssize_t vfs_op_listxattr(struct vfs_req *r)
{
	char *list = (char *)r->fs->buf;
	size_t kept = 0, len;
	char link[32];
	ssize_t n;
	int err;

	err = proc_link(r, link);
	if (err)
		return err;
	n = listxattr(link, list, VFS_BUF_SIZE);
	if (n < 0)
		return -errno;
	for (ssize_t off = 0; off < n; off += len) {
		len = strnlen(list + off, n - off) + 1;
		if (off + len <= n && shown(list + off)) {
			memmove(list + kept, list + off, len);
			kept += len;
		}
	}
	return reply_value(r, list, kept);
}
