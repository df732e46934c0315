// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inode table of a shared directory, and the only place that opens
 * anything in it.
 *
 * Confinement: an object is only ever opened as one name below the descriptor
 * of its parent, with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
 * | RESOLVE_NO_MAGICLINKS), and must be the very object (device, inode, type)
 * that the lookup saw.  Only regular files and directories are opened for
 * reading.  The guest names objects by number; a number is an index into this
 * table with a generation, never an address.
 *
 * One descriptor an inode, and at most VFS_MAX_FDS of them, stay open, the least
 * recently used go first: an inode without one is opened again by its parent and
 * name.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/virtio/fs.h"

#define NO_SLOT	  UINT32_MAX
#define MIN_SLOTS 64 /* a power of two */

static uint32_t hash_slot(const struct vfs *fs, dev_t dev, ino_t ino)
{
	uint64_t h = (ino ^ (uint64_t)dev << 40) * 0x9e3779b97f4a7c15ULL;

	return (h >> 32) & (fs->nr_hash - 1);
}

static void hash_add(struct vfs *fs, struct vfs_inode *i)
{
	struct vfs_inode **head = &fs->hash[hash_slot(fs, i->dev, i->ino)];

	i->hash_next = *head;
	*head = i;
}

static void hash_del(struct vfs *fs, struct vfs_inode *i)
{
	struct vfs_inode **p = &fs->hash[hash_slot(fs, i->dev, i->ino)];

	while (*p != i)
		p = &(*p)->hash_next;
	*p = i->hash_next;
}

/* Twice the slots and hash chains. */
static int grow(struct vfs *fs)
{
	uint32_t old = fs->nr_slots, nr = old ? 2 * old : MIN_SLOTS;
	struct vfs_inode **hash = calloc(nr, sizeof(*hash));
	struct vfs_slot *slot;

	slot = nr > old && hash ? reallocarray(fs->slot, nr, sizeof(*slot)) : NULL;
	if (!slot) {
		free(hash);
		return -ENOMEM;
	}
	for (uint32_t i = old; i < nr; i++)
		slot[i] = (struct vfs_slot){.next_free = i + 1 < nr ? i + 1 : fs->free_slot};
	fs->slot = slot;
	fs->free_slot = old;
	fs->nr_slots = nr;
	free(fs->hash);
	fs->hash = hash;
	fs->nr_hash = nr;
	for (uint32_t i = 0; i < old; i++) {
		if (slot[i].inode)
			hash_add(fs, slot[i].inode);
	}
	return 0;
}

static void lru_del(struct vfs *fs, struct vfs_inode *i)
{
	if (i->lru_prev)
		i->lru_prev->lru_next = i->lru_next;
	else if (fs->lru_head == i)
		fs->lru_head = i->lru_next;
	if (i->lru_next)
		i->lru_next->lru_prev = i->lru_prev;
	else if (fs->lru_tail == i)
		fs->lru_tail = i->lru_prev;
	i->lru_prev = NULL;
	i->lru_next = NULL;
}

static void lru_add(struct vfs *fs, struct vfs_inode *i)
{
	i->lru_next = fs->lru_head;
	if (fs->lru_head)
		fs->lru_head->lru_prev = i;
	fs->lru_head = i;
	if (!fs->lru_tail)
		fs->lru_tail = i;
}

/* Most recently used now.  The root is never in the list: its descriptor cannot be had again. */
static void touch(struct vfs *fs, struct vfs_inode *i)
{
	if (i == fs->root)
		return;
	lru_del(fs, i);
	lru_add(fs, i);
}

static void close_inode(struct vfs *fs, struct vfs_inode *i)
{
	fs->nr_fds -= i->fd >= 0;
	close_fd(i->fd);
	i->fd = -1;
	i->readable = false;
	lru_del(fs, i);
}

/* Room for one more descriptor. The head of the list is in use and stays. */
static void make_room(struct vfs *fs, unsigned int limit)
{
	while (fs->nr_fds >= limit && fs->lru_tail && fs->lru_tail != fs->lru_head)
		close_inode(fs, fs->lru_tail);
}

static struct vfs_inode *inode_new(struct vfs *fs, struct vfs_inode *parent, const char *name,
				   const struct stat *st)
{
	struct vfs_inode *i;
	uint32_t n;

	if (fs->free_slot == NO_SLOT && grow(fs))
		return NULL;
	i = malloc(sizeof(*i) + strlen(name) + 1);
	if (!i)
		return NULL;
	n = fs->free_slot;
	fs->free_slot = fs->slot[n].next_free;
	fs->slot[n].inode = i;
	*i = (struct vfs_inode){
		.nodeid = (uint64_t)fs->slot[n].gen << 32 | n,
		.depth = parent ? parent->depth + 1 : 0,
		.fd = -1,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.type = st->st_mode & S_IFMT,
		.parent = parent,
	};
	strcpy(i->name, name);
	if (parent)
		parent->nr_children++;
	hash_add(fs, i);
	fs->nr_inodes++;
	return i;
}

static void inode_free(struct vfs *fs, struct vfs_inode *i)
{
	uint32_t n = (uint32_t)i->nodeid;

	hash_del(fs, i);
	close_inode(fs, i);
	fs->slot[n].inode = NULL;
	fs->slot[n].gen++;
	fs->slot[n].next_free = fs->free_slot;
	fs->free_slot = n;
	fs->nr_inodes--;
	free(i);
}

struct vfs_inode *vfs_inode_get(const struct vfs *fs, uint64_t nodeid)
{
	uint32_t n = (uint32_t)nodeid;
	struct vfs_inode *i = n < fs->nr_slots ? fs->slot[n].inode : NULL;

	/* An inode that only its children keep is as unknown to the guest as a free slot. */
	return i && i->nodeid == nodeid && i->nlookup ? i : NULL;
}

static struct vfs_inode *find(const struct vfs *fs, const struct stat *st)
{
	struct vfs_inode *i = fs->hash[hash_slot(fs, st->st_dev, st->st_ino)];

	while (i &&
	       (i->ino != st->st_ino || i->dev != st->st_dev || i->type != (st->st_mode & S_IFMT)))
		i = i->hash_next;
	return i;
}

struct vfs_inode *vfs_inode_make(struct vfs *fs, struct vfs_inode *dir, const char *name,
				 const struct stat *st)
{
	struct vfs_inode *i = find(fs, st);

	return i ? i : inode_new(fs, dir, name, st);
}

void vfs_inode_forget(struct vfs *fs, struct vfs_inode *i, uint64_t nlookup)
{
	i->nlookup -= nlookup < i->nlookup ? nlookup : i->nlookup;
	while (i != fs->root && !i->nlookup && !i->nr_children) {
		struct vfs_inode *parent = i->parent;

		inode_free(fs, i);
		parent->nr_children--;
		i = parent;
	}
	/* The root is always known. */
	if (!fs->root->nlookup)
		fs->root->nlookup = 1;
}

static int open_beneath(int dirfd, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

static int open_path(struct vfs *fs, struct vfs_inode *i)
{
	__cleanup_fd int fd = -1;
	struct stat st;
	int dirfd;

	dirfd = vfs_inode_path(fs, i->parent);
	if (dirfd < 0)
		return dirfd;
	fd = open_beneath(dirfd, i->name, O_PATH);
	if (fd == -EMFILE || fd == -ENFILE) {
		/* The host is short of descriptors: live with half of ours. */
		make_room(fs, fs->nr_fds / 2 + 1);
		fd = open_beneath(dirfd, i->name, O_PATH);
	}
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return -ESTALE;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_dev != i->dev || st.st_ino != i->ino || (st.st_mode & S_IFMT) != i->type)
		return -ESTALE;
	return take_fd(&fd);
}

int vfs_inode_path(struct vfs *fs, struct vfs_inode *i)
{
	int fd;

	if (i->fd < 0) {
		fd = open_path(fs, i); /* as deep as the tree: VFS_MAX_DEPTH */
		if (fd < 0)
			return fd;
		i->fd = fd;
		fs->nr_fds++;
	}
	touch(fs, i);
	make_room(fs, VFS_MAX_FDS);
	return i->fd;
}

/* Open what @fd refers to: its type is known, so this neither blocks nor has side effects. */
static int reopen(struct vfs *fs, const struct vfs_inode *i)
{
	char link[16];
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd;

	if (i->type == S_IFDIR) {
		strcpy(link, ".");
		flags |= O_DIRECTORY;
	} else {
		snprintf(link, sizeof(link), "%d", i->fd);
	}
	/* Reading must leave no trace; only the owner (or root) may ask for that. */
	fd = openat(i->type == S_IFDIR ? i->fd : fs->procfd, link, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(i->type == S_IFDIR ? i->fd : fs->procfd, link, flags);
	return fd < 0 ? -errno : fd;
}

int vfs_inode_file(struct vfs *fs, struct vfs_inode *i)
{
	int fd = vfs_inode_path(fs, i);

	if (fd < 0)
		return fd;
	if (i->readable)
		return fd;
	if (i->type != S_IFREG && i->type != S_IFDIR)
		return -EINVAL;
	fd = reopen(fs, i);
	if (fd == -EMFILE || fd == -ENFILE) {
		make_room(fs, fs->nr_fds / 2 + 1);
		fd = reopen(fs, i);
	}
	if (fd < 0)
		return fd;
	/* It does all that the O_PATH descriptor did. */
	close_fd(i->fd);
	i->fd = fd;
	i->readable = true;
	return fd;
}

int vfs_inodes_init(struct vfs *fs, int dirfd)
{
	struct stat st;

	fs->free_slot = NO_SLOT;
	if (fstat(dirfd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (grow(fs))
		return -ENOMEM;
	/* Slot 0 stays unused, so that the root is FUSE_ROOT_ID. */
	fs->free_slot = FUSE_ROOT_ID;
	fs->fsid[0] = st.st_dev;
	fs->nr_fsids = 1;
	fs->root = inode_new(fs, NULL, "", &st);
	if (!fs->root)
		return -ENOMEM;
	fs->root->parent = fs->root;
	fs->root->nlookup = 1;
	fs->root->fd = dirfd;
	return 0;
}

void vfs_inodes_clear(struct vfs *fs)
{
	for (uint32_t n = 0; n < fs->nr_slots; n++) {
		struct vfs_inode *i = fs->slot[n].inode;

		if (i && i != fs->root)
			inode_free(fs, i);
	}
	if (!fs->root)
		return;
	fs->root->nr_children = 0;
	fs->root->nlookup = 1;
}

void vfs_inodes_fini(struct vfs *fs)
{
	vfs_inodes_clear(fs);
	if (fs->root) {
		close_fd(fs->root->fd);
		free(fs->root);
		fs->root = NULL;
	}
	free(fs->slot);
	free(fs->hash);
	fs->slot = NULL;
	fs->hash = NULL;
	fs->nr_slots = 0;
}
