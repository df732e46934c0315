// SPDX-License-Identifier: GPL-2.0-only
/*
 * READDIR and READDIRPLUS.  Directory offsets are the host file system's own
 * cookies, so a request says everything that is needed to continue; what the
 * guest makes up is refused by the host's lseek() or ends the directory.
 */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "vmm/virtio/fs.h"

/* Entries are read in pieces that about fill the reply, since the rest would be thrown away. */
#define MIN_PIECE 1024

struct dir_reply {
	struct vfs_req *r;
	bool plus;
	size_t len; /* bytes used */
	size_t max;
};

/* The entry of a READDIRPLUS. "." and ".." carry no inode, nor does what cannot be looked up. */
static void fill_entry(struct dir_reply *d, const char *name, struct fuse_entry_out *e)
{
	struct vfs *fs = d->r->fs;

	if (!strcmp(name, ".") || !strcmp(name, "..") || vfs_lookup(fs, d->r->inode, name, e))
		*e = (struct fuse_entry_out){0};
}

/* Append one entry; false when it does not fit. */
static bool add(struct dir_reply *d, const struct dirent64 *ent)
{
	size_t name_off = d->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t namelen = strlen(ent->d_name);
	size_t size = FUSE_DIRENT_ALIGN(name_off + namelen);
	struct fuse_direntplus dp = {0};
	uint8_t *p = d->r->fs->buf + d->len;

	if (size > d->max - d->len)
		return false;
	if (d->plus)
		fill_entry(d, ent->d_name, &dp.entry_out);
	dp.dirent.ino = dp.entry_out.nodeid ? dp.entry_out.attr.ino
					    : vfs_ino(d->r->fs, d->r->inode->dev, ent->d_ino);
	dp.dirent.off = ent->d_off;
	dp.dirent.namelen = namelen;
	dp.dirent.type = ent->d_type;
	memset(p, 0, size);
	memcpy(p, d->plus ? (void *)&dp : (void *)&dp.dirent, name_off);
	memcpy(p + name_off, ent->d_name, namelen);
	d->len += size;
	return true;
}

/* Add entries from a piece of the directory. 1: all added, 0: the reply is full. */
static int add_piece(struct dir_reply *d, const uint8_t *piece, ssize_t len)
{
	const struct dirent64 *ent;

	for (ssize_t off = 0; off < len; off += ent->d_reclen) {
		ent = (const struct dirent64 *)(piece + off);
		if (!add(d, ent))
			return 0;
	}
	return 1;
}

static ssize_t read_dir(struct vfs_req *r, bool plus)
{
	_Alignas(struct dirent64) uint8_t piece[16384];
	struct dir_reply d = {.r = r, .plus = plus};
	size_t want;
	ssize_t n;
	int fd;

	if (r->inode->type != S_IFDIR)
		return -ENOTDIR;
	d.max = r->read.size < r->room ? r->read.size : r->room;
	if (d.max > VFS_BUF_SIZE)
		d.max = VFS_BUF_SIZE;
	fd = vfs_inode_file(r->fs, r->inode);
	if (fd < 0)
		return fd;
	if (r->read.offset > INT64_MAX || lseek(fd, r->read.offset, SEEK_SET) < 0)
		return -EINVAL;
	/* A plus entry is some five times the size of the host's. */
	want = plus ? d.max / 4 : d.max;
	if (want < MIN_PIECE)
		want = MIN_PIECE;
	if (want > sizeof(piece))
		want = sizeof(piece);
	/* Lookups in this directory keep it the most recently used: its descriptor stays open. */
	do {
		n = getdents64(fd, piece, want);
	} while (n > 0 && add_piece(&d, piece, n));
	if (n < 0 && !d.len)
		return -errno;
	/* Entries are left but none fits: say so, or the guest takes it for the end. */
	if (n > 0 && !d.len)
		return -EINVAL;
	return vfs_reply(r, r->fs->buf, d.len);
}

ssize_t vfs_op_readdir(struct vfs_req *r)
{
	return read_dir(r, false);
}

ssize_t vfs_op_readdirplus(struct vfs_req *r)
{
	return read_dir(r, true);
}
