// SPDX-License-Identifier: GPL-2.0-only
/*
 * The FUSE server behind virtio-fs: decodes a request, checks it, calls the
 * operation and writes the reply.  Read-only, and stateless but for the inode
 * table: FUSE_OPEN answers ENOSYS, which tells the guest to do without opens
 * and releases (FUSE_NO_OPEN_SUPPORT), so a file handle never has to be trusted
 * and opening a file costs no round trip.
 *
 * The request is copied once and only the copy is used.  The reply is built
 * from our own memory, except for file contents, which are read straight into
 * guest memory and never looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/log.h"
#include "vmm/virtio/fs.h"

#define HDR_OUT sizeof(struct fuse_out_header)
/* virtio-fs starts here (virtio 1.2, 5.11.1: "FUSE 7.31 or later"). */
#define MIN_MINOR 31
/* Pages of one READ: 1 MiB. The guest lowers it to what fits its queue. */
#define MAX_PAGES 256

#define INIT_FLAGS                                                                            \
	(FUSE_ASYNC_READ | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |     \
	 FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | \
	 FUSE_NO_OPENDIR_SUPPORT | FUSE_EXPLICIT_INVAL_DATA | FUSE_INIT_EXT)

ssize_t vfs_reply(const struct vfs_req *r, const void *data, size_t len)
{
	if (len > r->room)
		return -ERANGE;
	vq_chain_write(r->chain, HDR_OUT, data, len);
	return len;
}

const char *vfs_req_name(const struct vfs_req *r, size_t off, int *err)
{
	const char *name = r->name + off;
	size_t max = r->arg_len > off ? r->arg_len - off : 0;
	size_t len = strnlen(name, max);

	*err = 0;
	if (len > VFS_NAME_MAX)
		*err = -ENAMETOOLONG;
	else if (!len || len == max || memchr(name, '/', len))
		*err = -EINVAL;
	return *err ? NULL : name;
}

uint64_t vfs_ino(struct vfs *fs, dev_t dev, ino_t ino)
{
	unsigned int i;

	for (i = 0; i < fs->nr_fsids && fs->fsid[i] != dev; i++)
		;
	if (i == fs->nr_fsids && i < VFS_MAX_FSIDS)
		fs->fsid[fs->nr_fsids++] = dev;
	return ino ^ (uint64_t)i << 48;
}

void vfs_fill_attr(struct vfs *fs, const struct stat *st, struct fuse_attr *a)
{
	unsigned int maj = major(st->st_rdev), min = minor(st->st_rdev);

	*a = (struct fuse_attr){
		.ino = vfs_ino(fs, st->st_dev, st->st_ino),
		.size = st->st_size,
		.blocks = st->st_blocks,
		.atime = st->st_atim.tv_sec,
		.mtime = st->st_mtim.tv_sec,
		.ctime = st->st_ctim.tv_sec,
		.atimensec = st->st_atim.tv_nsec,
		.mtimensec = st->st_mtim.tv_nsec,
		.ctimensec = st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		/* The kernel's 32-bit device number: new_encode_dev(). */
		.rdev = (min & 0xff) | (maj << 8) | ((min & ~0xffU) << 12),
		.blksize = st->st_blksize,
	};
}

int vfs_lookup(struct vfs *fs, struct vfs_inode *dir, const char *name, struct fuse_entry_out *e)
{
	struct vfs_inode *i;
	struct stat st;
	int fd;

	*e = (struct fuse_entry_out){.entry_valid = VFS_VALID_SECS, .attr_valid = VFS_VALID_SECS};
	if (dir->type != S_IFDIR)
		return -ENOTDIR;
	if (!strcmp(name, ".") || !strcmp(name, "..")) {
		/* By our own table: the host's ".." is never asked. */
		i = name[1] ? dir->parent : dir;
		fd = vfs_inode_path(fs, i);
		if (fd < 0)
			return fd;
		if (fstat(fd, &st))
			return -errno;
	} else {
		fd = vfs_inode_path(fs, dir);
		if (fd < 0)
			return fd;
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
			return -errno;
		if (dir->depth == VFS_MAX_DEPTH)
			return -ENAMETOOLONG;
		i = vfs_inode_make(fs, dir, name, &st);
	}
	if (!i)
		return -ENOMEM;
	i->nlookup++;
	e->nodeid = i->nodeid;
	vfs_fill_attr(fs, &st, &e->attr);
	return 0;
}

static ssize_t op_init(struct vfs_req *r)
{
	const struct fuse_init_in *in = &r->init;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		.flags = in->flags & INIT_FLAGS,
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = 4096,
		.time_gran = 1,
		.max_pages = MAX_PAGES,
	};

	/* A newer major asks again with ours; nothing older than virtio-fs itself exists. */
	if (in->major > FUSE_KERNEL_VERSION)
		return vfs_reply(r, &out, sizeof(out));
	if (in->major < FUSE_KERNEL_VERSION || in->minor < MIN_MINOR) {
		/* Once: a guest must not fill the host's log. */
		if (!r->fs->refused)
			log_err("virtio-fs %.36s: guest speaks FUSE %u.%u; 7.%u is needed",
				r->fs->config.tag, in->major, in->minor, MIN_MINOR);
		r->fs->refused = true;
		return -EPROTO;
	}
	vfs_inodes_clear(r->fs);
	r->fs->inited = true;
	return vfs_reply(r, &out, sizeof(out));
}

static ssize_t op_destroy(struct vfs_req *r)
{
	vfs_inodes_clear(r->fs);
	r->fs->inited = false;
	return 0;
}

static ssize_t op_lookup(struct vfs_req *r)
{
	struct fuse_entry_out e;
	const char *name;
	ssize_t ret;
	int err;

	name = vfs_req_name(r, 0, &err);
	if (!name)
		return err;
	err = vfs_lookup(r->fs, r->inode, name, &e);
	/* An absent name is remembered by the guest too. */
	if (err == -ENOENT)
		err = 0;
	if (err)
		return err;
	ret = vfs_reply(r, &e, sizeof(e));
	if (ret < 0 && e.nodeid)
		vfs_inode_forget(r->fs, vfs_inode_get(r->fs, e.nodeid), 1);
	return ret;
}

static ssize_t op_forget(struct vfs_req *r)
{
	vfs_inode_forget(r->fs, r->inode, r->forget.nlookup);
	return 0;
}

static ssize_t op_batch_forget(struct vfs_req *r)
{
	size_t off = sizeof(r->in) + sizeof(r->batch);
	struct fuse_forget_one one;
	uint32_t count = r->batch.count;

	/* More than any driver sends. Descriptors may overlap: gigabytes cost a guest nothing. */
	if (count > VFS_BUF_SIZE / sizeof(one))
		count = VFS_BUF_SIZE / sizeof(one);
	for (uint32_t n = 0; n < count; n++, off += sizeof(one)) {
		struct vfs_inode *i;

		if (vq_chain_read(r->chain, off, &one, sizeof(one)) != sizeof(one))
			break;
		i = vfs_inode_get(r->fs, one.nodeid);
		if (i)
			vfs_inode_forget(r->fs, i, one.nlookup);
	}
	return 0;
}

static ssize_t op_getattr(struct vfs_req *r)
{
	struct fuse_attr_out out = {.attr_valid = VFS_VALID_SECS};
	int fd = vfs_inode_path(r->fs, r->inode);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	vfs_fill_attr(r->fs, &st, &out.attr);
	return vfs_reply(r, &out, sizeof(out));
}

static ssize_t op_readlink(struct vfs_req *r)
{
	int fd = vfs_inode_path(r->fs, r->inode);
	ssize_t n;

	if (fd < 0)
		return fd;
	if (r->inode->type != S_IFLNK)
		return -EINVAL;
	n = readlinkat(fd, "", (char *)r->fs->buf, VFS_BUF_SIZE);
	return n < 0 ? -errno : vfs_reply(r, r->fs->buf, n);
}

static ssize_t op_read(struct vfs_req *r)
{
	struct iovec iov[VQ_MAX_SEGS];
	size_t len = r->read.size;
	ssize_t n;
	int fd, nr;

	if (r->inode->type != S_IFREG)
		return r->inode->type == S_IFDIR ? -EISDIR : -EINVAL;
	/* A READ is never cut short by us: the guest takes that for the end of the file. */
	if (len > r->room)
		return -ERANGE;
	if (r->read.offset > INT64_MAX || len > MAX_PAGES * 4096)
		return -EINVAL;
	fd = vfs_inode_file(r->fs, r->inode);
	if (fd < 0)
		return fd;
	nr = vq_chain_slice(r->chain, true, HDR_OUT, len, iov);
	do {
		n = preadv(fd, iov, nr, r->read.offset);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t op_lseek(struct vfs_req *r)
{
	struct fuse_lseek_out out;
	off_t off;
	int fd;

	if (r->lseek.whence != SEEK_DATA && r->lseek.whence != SEEK_HOLE)
		return -EINVAL;
	if (r->inode->type != S_IFREG)
		return -EINVAL;
	fd = vfs_inode_file(r->fs, r->inode);
	if (fd < 0)
		return fd;
	off = lseek(fd, r->lseek.offset, r->lseek.whence);
	if (off < 0)
		return -errno;
	out.offset = off;
	return vfs_reply(r, &out, sizeof(out));
}

/* The layer's size, and not a byte free: nothing can be written here. */
static ssize_t op_statfs(struct vfs_req *r)
{
	struct fuse_statfs_out out = {0};
	int fd = vfs_inode_path(r->fs, r->inode);
	struct statvfs sv;

	if (fd < 0)
		return fd;
	if (fstatvfs(fd, &sv))
		return -errno;
	out.st.blocks = sv.f_blocks - sv.f_bfree;
	out.st.files = sv.f_files - sv.f_ffree;
	out.st.bsize = sv.f_bsize;
	out.st.frsize = sv.f_frsize;
	out.st.namelen = sv.f_namemax < VFS_NAME_MAX ? sv.f_namemax : VFS_NAME_MAX;
	return vfs_reply(r, &out, sizeof(out));
}

static ssize_t op_access(struct vfs_req *r)
{
	/* The guest's kernel judges permissions (default_permissions). */
	return r->access.mask & W_OK ? -EROFS : 0;
}

static ssize_t op_nothing(struct vfs_req *r)
{
	return 0;
}

static ssize_t op_readonly(struct vfs_req *r)
{
	return -EROFS;
}

#define OP_ANY	   (1 << 0) /* before FUSE_INIT, and without a valid nodeid */
#define OP_SILENT  (1 << 1) /* never answered */
#define OP_NO_NODE (1 << 2) /* nodeid does not matter */

#define ARG(type)  sizeof(struct type)

/* By FUSE opcode; what is absent is answered with ENOSYS, and the guest does without. */
static const struct {
	ssize_t (*fn)(struct vfs_req *r);
	uint16_t min_arg; /* bytes after the header */
	uint16_t flags;
} ops[] = {
	[FUSE_LOOKUP] = {op_lookup, 1, 0},
	[FUSE_FORGET] = {op_forget, ARG(fuse_forget_in), OP_SILENT},
	[FUSE_GETATTR] = {op_getattr, 0, 0},
	[FUSE_SETATTR] = {op_readonly, 0, 0},
	[FUSE_READLINK] = {op_readlink, 0, 0},
	[FUSE_SYMLINK] = {op_readonly, 0, 0},
	[FUSE_MKNOD] = {op_readonly, 0, 0},
	[FUSE_MKDIR] = {op_readonly, 0, 0},
	[FUSE_UNLINK] = {op_readonly, 0, 0},
	[FUSE_RMDIR] = {op_readonly, 0, 0},
	[FUSE_RENAME] = {op_readonly, 0, 0},
	[FUSE_LINK] = {op_readonly, 0, 0},
	[FUSE_READ] = {op_read, ARG(fuse_read_in), 0},
	[FUSE_WRITE] = {op_readonly, 0, 0},
	[FUSE_STATFS] = {op_statfs, 0, 0},
	[FUSE_RELEASE] = {op_nothing, 0, 0},
	[FUSE_FSYNC] = {op_nothing, 0, 0},
	[FUSE_SETXATTR] = {op_readonly, 0, 0},
	[FUSE_GETXATTR] = {vfs_op_getxattr, ARG(fuse_getxattr_in) + 1, 0},
	[FUSE_LISTXATTR] = {vfs_op_listxattr, ARG(fuse_getxattr_in), 0},
	[FUSE_REMOVEXATTR] = {op_readonly, 0, 0},
	[FUSE_INIT] = {op_init, offsetof(struct fuse_init_in, flags2), OP_ANY},
	[FUSE_READDIR] = {vfs_op_readdir, ARG(fuse_read_in), 0},
	[FUSE_RELEASEDIR] = {op_nothing, 0, 0},
	[FUSE_FSYNCDIR] = {op_nothing, 0, 0},
	[FUSE_ACCESS] = {op_access, ARG(fuse_access_in), 0},
	[FUSE_CREATE] = {op_readonly, 0, 0},
	[FUSE_INTERRUPT] = {op_nothing, 0, OP_SILENT | OP_NO_NODE},
	[FUSE_DESTROY] = {op_destroy, 0, OP_ANY},
	[FUSE_BATCH_FORGET] = {op_batch_forget, ARG(fuse_batch_forget_in), OP_SILENT | OP_NO_NODE},
	[FUSE_FALLOCATE] = {op_readonly, 0, 0},
	[FUSE_READDIRPLUS] = {vfs_op_readdirplus, ARG(fuse_read_in), 0},
	[FUSE_RENAME2] = {op_readonly, 0, 0},
	[FUSE_LSEEK] = {op_lseek, ARG(fuse_lseek_in), 0},
	[FUSE_COPY_FILE_RANGE] = {op_readonly, 0, 0},
	[FUSE_SYNCFS] = {op_nothing, 0, OP_NO_NODE},
	[FUSE_TMPFILE] = {op_readonly, 0, 0},
};

/* Check the request and run its operation. Payload length or -errno. */
static ssize_t dispatch(struct vfs_req *r, uint16_t *flags)
{
	uint32_t op = r->in.opcode;
	bool known = op < sizeof(ops) / sizeof(ops[0]) && ops[op].fn;

	*flags = known ? ops[op].flags : 0;
	if (r->in.len != r->chain->out_len)
		return -EIO;
	if (!known)
		return -ENOSYS;
	if (!r->fs->inited && !(*flags & OP_ANY))
		return -EIO;
	if (r->arg_len < ops[op].min_arg)
		return -EINVAL;
	r->inode = vfs_inode_get(r->fs, r->in.nodeid);
	if (!r->inode && !(*flags & (OP_ANY | OP_NO_NODE)))
		return -ESTALE;
	return ops[op].fn(r);
}

uint32_t vfs_serve(struct vfs *fs, const struct vq_chain *c)
{
	struct vfs_req r = {.fs = fs, .chain = c};
	struct fuse_out_header out;
	uint16_t flags;
	ssize_t ret;

	if (vq_chain_read(c, 0, &r.in, sizeof(r.in)) != sizeof(r.in))
		return 0;
	r.arg_len = vq_chain_read(c, sizeof(r.in), r.arg, sizeof(r.arg));
	r.room = c->in_len > HDR_OUT ? c->in_len - HDR_OUT : 0;
	ret = dispatch(&r, &flags);
	if (flags & OP_SILENT || c->in_len < HDR_OUT)
		return 0;
	out = (struct fuse_out_header){
		.len = HDR_OUT + (ret > 0 ? ret : 0),
		.error = ret < 0 ? ret : 0,
		.unique = r.in.unique,
	};
	vq_chain_write(c, 0, &out, sizeof(out));
	return out.len;
}
