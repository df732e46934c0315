/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of the virtio-fs device: what the queues (fs.c), the FUSE server
 * (fs-fuse.c, fs-dir.c, fs-xattr.c) and the inode table (fs-inode.c) share.
 *
 * One struct vfs is one shared directory.  Everything in it belongs to the
 * device's own thread; other threads stop that thread first.
 */
#ifndef RUND_VMM_FS_H
#define RUND_VMM_FS_H

#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "vmm/loop.h"
#include "vmm/virtio/virtio.h"

#define VFS_NAME_MAX 255   /* bytes of one path component */
#define VFS_BUF_SIZE 65536 /* largest reply built in memory; also XATTR_SIZE_MAX */
/*
 * Descriptors kept open for inodes; the rest are opened again by parent and name. Stays below the
 * size that main() gives the descriptor table: growing it later waits for an RCU grace period.
 */
#define VFS_MAX_FDS 160
/* Levels of directories. Bounds the recursion that opens an inode by its name. */
#define VFS_MAX_DEPTH 1024
/* The layer never changes while it is shared: seconds for which the guest may believe us. */
#define VFS_VALID_SECS 86400
#define VFS_MAX_FSIDS  64

/* An object of the shared tree that the guest knows. */
struct vfs_inode {
	uint64_t nodeid;
	uint64_t nlookup; /* references the guest holds (FUSE_LOOKUP, READDIRPLUS) */
	uint32_t nr_children;
	uint16_t depth;
	int fd;	       /* -1: opened again on demand */
	bool readable; /* opened for reading, not O_PATH */
	dev_t dev;
	ino_t ino;
	mode_t type; /* S_IFMT bits */
	struct vfs_inode *parent;
	struct vfs_inode *hash_next;
	struct vfs_inode *lru_prev, *lru_next; /* linked while a descriptor is open */
	char name[];			       /* within the parent */
};

struct vfs_slot {
	struct vfs_inode *inode; /* NULL: free */
	uint32_t gen;
	uint32_t next_free;
};

struct vfs {
	struct virtio_dev vd;
	struct loop loop;
	pthread_t thread;
	struct {
		char tag[36];
		uint32_t num_request_queues;
		uint32_t notify_buf_size;
	} __attribute__((packed)) config; /* virtio 1.2, 5.11.4 */

	/* Inode table: nodeid = generation << 32 | slot; hash by (dev, ino). */
	struct vfs_slot *slot;
	uint32_t nr_slots, free_slot;
	struct vfs_inode **hash;
	uint32_t nr_hash, nr_inodes;
	struct vfs_inode *root;
	struct vfs_inode *lru_head, *lru_tail;
	unsigned int nr_fds;
	dev_t fsid[VFS_MAX_FSIDS]; /* file systems seen, the root's first */
	unsigned int nr_fsids;

	int procfd;   /* /proc/self/fd */
	bool inited;  /* FUSE_INIT was answered */
	bool refused; /* it could not be, and that was logged */
	uint8_t *buf; /* VFS_BUF_SIZE */
	struct vq_chain chain;
};

/* One FUSE request. */
struct vfs_req {
	struct vfs *fs;
	const struct vq_chain *chain;
	struct fuse_in_header in;
	struct vfs_inode *inode; /* in.nodeid, looked up */
	size_t arg_len;		 /* bytes in arg */
	size_t room;		 /* payload bytes that fit the reply */
	/* What follows the header, as far as any operation needs it, zero-padded. */
	union {
		uint8_t arg[1024];
		char name[1024];
		struct fuse_init_in init;
		struct fuse_forget_in forget;
		struct fuse_batch_forget_in batch;
		struct fuse_read_in read;
		struct fuse_lseek_in lseek;
		struct fuse_access_in access;
		struct fuse_getxattr_in getxattr;
	};
};

/* fs.c */

/* Set up everything but the virtio registration. Takes @dirfd over. 0 or -errno; logs. */
int vfs_init(struct vfs *fs, const char *tag, int dirfd);
void vfs_fini(struct vfs *fs);
extern const struct virtio_ops vfs_virtio_ops;

/* fs-fuse.c */

/* Serve the request in @c. Return the bytes written to it. */
uint32_t vfs_serve(struct vfs *fs, const struct vq_chain *c);
/* The argument as a name: NUL-terminated, one component. NULL and *@err otherwise. */
const char *vfs_req_name(const struct vfs_req *r, size_t off, int *err);
/* Put the reply's payload; return its length, or -ERANGE when the guest left no room. */
ssize_t vfs_reply(const struct vfs_req *r, const void *data, size_t len);
/* An inode number for the guest: the root's file system's own, others' with a prefix. */
uint64_t vfs_ino(struct vfs *fs, dev_t dev, ino_t ino);
void vfs_fill_attr(struct vfs *fs, const struct stat *st, struct fuse_attr *a);
/* Look @name up in @dir and take a reference for the guest. 0 or -errno. */
int vfs_lookup(struct vfs *fs, struct vfs_inode *dir, const char *name, struct fuse_entry_out *e);

/* fs-dir.c, fs-xattr.c: operations; payload length or -errno */
ssize_t vfs_op_readdir(struct vfs_req *r);
ssize_t vfs_op_readdirplus(struct vfs_req *r);
ssize_t vfs_op_getxattr(struct vfs_req *r);
ssize_t vfs_op_listxattr(struct vfs_req *r);

/* fs-inode.c */

int vfs_inodes_init(struct vfs *fs, int dirfd);
void vfs_inodes_fini(struct vfs *fs);
/* Forget all but the root, as at FUSE_DESTROY and reset. */
void vfs_inodes_clear(struct vfs *fs);
/* NULL for anything the guest made up. */
struct vfs_inode *vfs_inode_get(const struct vfs *fs, uint64_t nodeid);
/* The inode of @name in @dir, whose lstat() was @st; created if new. NULL: no memory. */
struct vfs_inode *vfs_inode_make(struct vfs *fs, struct vfs_inode *dir, const char *name,
				 const struct stat *st);
/* Drop @nlookup of the guest's references, never more than it has. */
void vfs_inode_forget(struct vfs *fs, struct vfs_inode *i, uint64_t nlookup);
/* A descriptor, perhaps O_PATH, owned by the table, good until the next call. -ESTALE: replaced. */
int vfs_inode_path(struct vfs *fs, struct vfs_inode *i);
/* A readable descriptor of a regular file or directory, likewise. */
int vfs_inode_file(struct vfs *fs, struct vfs_inode *i);

#endif
