/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A FUSE client for tests: builds requests as a guest would, out of exactly
 * sized buffers, so that a byte read or written beyond them is caught.
 */
#ifndef RUND_VMM_TESTS_FS_FAKE_H
#define RUND_VMM_TESTS_FS_FAKE_H

#include <stdlib.h>
#include <string.h>

#include "vmm/virtio/fs.h"

struct fs_fake {
	struct vfs fs;
	char top[64];	/* temporary directory: share/ and outside/ */
	char share[80]; /* what the guest sees */
	uint64_t unique;
	/* Last reply: */
	int32_t error;
	uint8_t *data; /* payload */
	size_t len;
	bool silent;	   /* nothing was written */
	int32_t len_delta; /* lie about in.len by this much */
};

static inline uint64_t fsf_rnd(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/* Cut a buffer into up to three segments of their own. */
static inline unsigned int fsf_cut(struct iovec *iov, const uint8_t *src, size_t len, uint64_t seed)
{
	unsigned int nr = 0;

	while (len) {
		size_t n = nr < 2 && len > 1 ? 1 + fsf_rnd(&seed) % len : len;

		iov[nr].iov_base = malloc(n);
		iov[nr].iov_len = n;
		if (src)
			memcpy(iov[nr].iov_base, src, n);
		else
			memset(iov[nr].iov_base, 0xa5, n);
		src = src ? src + n : NULL;
		len -= n;
		nr++;
	}
	return nr;
}

/* Send the bytes of a whole request, with @room bytes for the whole reply. */
static inline void fsf_raw(struct fs_fake *f, const void *req, size_t len, size_t room)
{
	static struct vq_chain c;
	struct fuse_out_header oh = {0};
	struct iovec iov[VQ_MAX_SEGS];
	uint32_t used;
	size_t off = 0;
	int nr;

	c.nr_out = fsf_cut(c.iov, req, len, f->unique);
	c.nr_in = fsf_cut(c.iov + c.nr_out, NULL, room, f->unique * 3);
	c.out_len = len;
	c.in_len = room;
	used = vfs_serve(&f->fs, &c);
	if (used > room || (used && used < sizeof(oh)))
		abort();
	free(f->data);
	f->data = malloc(used ? used : 1);
	nr = vq_chain_slice(&c, true, 0, used, iov);
	for (int i = 0; i < nr; i++) {
		memcpy(f->data + off, iov[i].iov_base, iov[i].iov_len);
		off += iov[i].iov_len;
	}
	for (int i = 0; i < c.nr_out + c.nr_in; i++)
		free(c.iov[i].iov_base);
	f->silent = !used;
	f->len = 0;
	f->error = 0;
	if (!used)
		return;
	memcpy(&oh, f->data, sizeof(oh));
	if (oh.len != used || (oh.error && used != sizeof(oh)) || oh.error > 0)
		abort();
	f->error = oh.error;
	f->len = used - sizeof(oh);
	memmove(f->data, f->data + sizeof(oh), f->len);
}

/* Send one request with @room bytes for the reply's payload. Returns the error. */
static inline int fsf_req(struct fs_fake *f, uint32_t op, uint64_t node, const void *arg,
			  size_t len, size_t room)
{
	struct fuse_in_header in = {
		.len = sizeof(in) + len + f->len_delta,
		.opcode = op,
		.unique = ++f->unique,
		.nodeid = node,
	};
	uint8_t *buf = malloc(sizeof(in) + len);

	memcpy(buf, &in, sizeof(in));
	if (len)
		memcpy(buf + sizeof(in), arg, len);
	fsf_raw(f, buf, sizeof(in) + len, sizeof(struct fuse_out_header) + room);
	free(buf);
	return f->error;
}

/* Node of one name, or 0 when there is none; *err gets the error. */
static inline uint64_t fsf_lookup(struct fs_fake *f, uint64_t dir, const char *name, int *err)
{
	struct fuse_entry_out e;

	*err = fsf_req(f, FUSE_LOOKUP, dir, name, strlen(name) + 1, sizeof(e));
	if (*err)
		return 0;
	memcpy(&e, f->data, sizeof(e));
	return e.nodeid;
}

/* Node of a path below the root; 0 when there is none. */
static inline uint64_t fsf_walk(struct fs_fake *f, const char *path)
{
	uint64_t node = FUSE_ROOT_ID;
	char *copy = strdup(path), *save, *part;
	int err;

	for (part = strtok_r(copy, "/", &save); part && node; part = strtok_r(NULL, "/", &save))
		node = fsf_lookup(f, node, part, &err);
	free(copy);
	return node;
}

static inline int fsf_read(struct fs_fake *f, uint64_t node, uint64_t off, uint32_t size)
{
	struct fuse_read_in in = {.offset = off, .size = size};

	return fsf_req(f, FUSE_READ, node, &in, sizeof(in), size);
}

static inline int fsf_forget(struct fs_fake *f, uint64_t node, uint64_t n)
{
	struct fuse_forget_in in = {.nlookup = n};

	return fsf_req(f, FUSE_FORGET, node, &in, sizeof(in), 0);
}

static inline int fsf_hello(struct fs_fake *f, uint32_t major, uint32_t minor)
{
	struct fuse_init_in in = {
		.major = major,
		.minor = minor,
		.max_readahead = 131072,
		.flags = ~0U,
	};

	return fsf_req(f, FUSE_INIT, 0, &in, sizeof(in), sizeof(struct fuse_init_out));
}

#endif
