// SPDX-License-Identifier: GPL-2.0-only
/*
 * The FUSE server against a guest that breaks the rules: malformed requests,
 * made-up nodes, counts and offsets, attempts to leave the shared directory,
 * names that change under it, and a million random requests.  Nothing outside
 * the directory is ever opened, and the directory is as it was.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/tests/fs_fake.h"
#include "vmm/tests/vq_fake.h"
#include "vmm/virtio/mmio.h"
#include "vmm/vm.h"

#define SECRET	"this must never be seen"
#define BIG_OFF ((5ULL << 30) + 12345)

static void put(const char *dir, const char *name, const char *text)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_special(int share)
{
	char big[VFS_NAME_MAX + 1] = {0};
	int fd;

	memset(big, 'n', VFS_NAME_MAX);
	close(openat(share, big, O_CREAT | O_WRONLY, 0644));
	assert_int_equal(symlinkat("/etc/passwd", share, "abs"), 0);
	assert_int_equal(symlinkat("../outside/secret", share, "up"), 0);
	assert_int_equal(symlinkat("../outside", share, "updir"), 0);
	assert_int_equal(symlinkat("loop", share, "loop"), 0);
	assert_int_equal(mkfifoat(share, "fifo", 0600), 0);
	assert_int_equal(linkat(share, "hello", share, "hard", 0), 0);
	fd = openat(share, "sparse", O_CREAT | O_WRONLY, 0644);
	assert_int_equal(pwrite(fd, "far", 3, BIG_OFF), 3);
	close(fd);
}

static int setup(void **state)
{
	struct fs_fake *f = calloc(1, sizeof(*f));
	char path[128];
	int share;

	log_init("test", LOG_LEVEL_ERROR);
	strcpy(f->top, "/tmp/fs-test-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->share, sizeof(f->share), "%s/share", f->top);
	assert_int_equal(mkdir(f->share, 0755), 0);
	snprintf(path, sizeof(path), "%s/outside", f->top);
	assert_int_equal(mkdir(path, 0755), 0);
	put(path, "secret", SECRET);
	put(f->share, "hello", "hello world");
	share = open(f->share, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(share, "dir", 0755), 0);
	assert_int_equal(mkdirat(share, "dir/sub", 0711), 0);
	put(f->share, "dir/sub/file", "deep");
	put_special(share);
	assert_int_equal(vfs_init(&f->fs, "lower", share), 0);
	assert_int_equal(fsf_hello(f, FUSE_KERNEL_VERSION, FUSE_KERNEL_MINOR_VERSION), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fs_fake *f = *state;
	char cmd[128];

	vfs_fini(&f->fs);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", f->top);
	assert_int_equal(system(cmd), 0);
	free(f->data);
	free(f);
	return 0;
}

/* Every descriptor of the table leads into the shared directory. */
static void assert_confined(struct fs_fake *f)
{
	size_t len = strlen(f->share);
	char link[64], path[4096];
	unsigned int nr = 0;

	for (uint32_t n = 0; n < f->fs.nr_slots; n++) {
		struct vfs_inode *i = f->fs.slot[n].inode;
		ssize_t got;

		if (!i || i->fd < 0)
			continue;
		nr += i != f->fs.root;
		snprintf(link, sizeof(link), "/proc/self/fd/%d", i->fd);
		got = readlink(link, path, sizeof(path) - 1);
		assert_true(got >= (ssize_t)len);
		path[got] = '\0';
		assert_memory_equal(path, f->share, len);
		assert_true(path[len] == '/' || !path[len]);
	}
	assert_int_equal(nr, f->fs.nr_fds);
	assert_true(nr <= VFS_MAX_FDS);
}

static uint64_t tree_hash;

static int hash_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	uint64_t v[] = {st->st_ino,	     st->st_mode,	  st->st_nlink,
			st->st_size,	     st->st_uid,	  st->st_atim.tv_sec,
			st->st_atim.tv_nsec, st->st_mtim.tv_nsec, st->st_ctim.tv_sec,
			st->st_ctim.tv_nsec, st->st_mtim.tv_sec};

	/* Reading directories, here, and links touches them unless the mount is noatime. */
	if (!S_ISREG(st->st_mode))
		v[5] = v[6] = 0;
	for (size_t i = 0; i < sizeof(v); i++)
		tree_hash = (tree_hash ^ ((uint8_t *)v)[i]) * 0x100000001b3ULL;
	for (; *path; path++)
		tree_hash = (tree_hash ^ (uint8_t)*path) * 0x100000001b3ULL;
	return 0;
}

static uint64_t hash_tree(struct fs_fake *f)
{
	tree_hash = 0xcbf29ce484222325ULL;
	assert_int_equal(nftw(f->top, hash_one, 16, FTW_PHYS), 0);
	return tree_hash;
}

static void init_versions(void **state)
{
	static const struct {
		uint32_t major, minor;
		int err;
	} t[] = {
		{7, 31, 0}, {7, 38, 0}, {7, 99, 0}, {8, 0, 0}, {7, 30, -EPROTO}, {6, 99, -EPROTO},
	};
	struct fs_fake *f = *state;
	struct fuse_init_out out;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(fsf_req(f, FUSE_DESTROY, 0, NULL, 0, 0), 0);
		assert_int_equal(fsf_req(f, FUSE_GETATTR, 1, NULL, 0, 128), -EIO);
		assert_int_equal(fsf_hello(f, t[i].major, t[i].minor), t[i].err);
		if (t[i].err)
			continue;
		memcpy(&out, f->data, sizeof(out));
		assert_int_equal(out.major, 7);
		assert_true(out.flags & FUSE_NO_OPEN_SUPPORT);
		assert_true(out.flags & FUSE_NO_OPENDIR_SUPPORT);
		assert_false(out.flags & FUSE_WRITEBACK_CACHE);
		assert_int_equal(fsf_req(f, FUSE_GETATTR, 1, NULL, 0, 128),
				 t[i].major > 7 ? -EIO : 0);
	}
	/* Flags beyond the short, older struct do not matter; a shorter one is refused. */
	assert_int_equal(fsf_req(f, FUSE_INIT, 0, &out, 16, sizeof(out)), 0);
	assert_int_equal(fsf_req(f, FUSE_INIT, 0, &out, 15, sizeof(out)), -EINVAL);
}

static char long_name[400];

#define NODE_BAD 0xdeadbeefULL
#define NODE_GEN (1ULL << 32 | FUSE_ROOT_ID)
#define STR(s)	 s, sizeof(s)
#define ENTRY	 sizeof(struct fuse_entry_out)

static const struct fuse_read_in rd_ok = {.size = 64};
static const struct fuse_read_in rd_far = {.size = 64, .offset = UINT64_MAX};
static const struct fuse_read_in rd_huge = {.size = UINT32_MAX};
static const struct fuse_lseek_in seek_end = {.whence = SEEK_END};
static const struct fuse_access_in access_w = {.mask = W_OK};
static const struct fuse_access_in access_r = {.mask = R_OK | X_OK};

/* One request each; @path names the node, or the number does when it is NULL. */
static const struct req_case {
	const char *name;
	uint32_t op;
	const char *path;
	uint64_t node;
	const void *arg;
	size_t len;
	size_t room;
	int delta; /* of in.len */
	int err;
} cases[] = {
	{"lookup", FUSE_LOOKUP, "", 0, STR("hello"), ENTRY, 0, 0},
	{"lookup absent", FUSE_LOOKUP, "", 0, STR("absent"), ENTRY, 0, 0},
	{"lookup below a file", FUSE_LOOKUP, "hello", 0, STR("x"), ENTRY, 0, -ENOTDIR},
	{"lookup below a symlink", FUSE_LOOKUP, "updir", 0, STR("secret"), ENTRY, 0, -ENOTDIR},
	{"lookup below a fifo", FUSE_LOOKUP, "fifo", 0, STR("x"), ENTRY, 0, -ENOTDIR},
	{"name with a slash", FUSE_LOOKUP, "", 0, STR("dir/sub"), ENTRY, 0, -EINVAL},
	{"absolute name", FUSE_LOOKUP, "", 0, STR("/etc"), ENTRY, 0, -EINVAL},
	{"climbing name", FUSE_LOOKUP, "dir", 0, STR("../../outside"), ENTRY, 0, -EINVAL},
	{"empty name", FUSE_LOOKUP, "", 0, STR(""), ENTRY, 0, -EINVAL},
	{"no name", FUSE_LOOKUP, "", 0, NULL, 0, ENTRY, 0, -EINVAL},
	{"name without end", FUSE_LOOKUP, "", 0, "hello", 5, ENTRY, 0, -EINVAL},
	{"name of 256", FUSE_LOOKUP, "", 0, long_name, 257, ENTRY, 0, -ENAMETOOLONG},
	{"name of 300, no end", FUSE_LOOKUP, "", 0, long_name, 300, ENTRY, 0, -ENAMETOOLONG},
	{"lookup, no room", FUSE_LOOKUP, "", 0, STR("hello"), ENTRY - 1, 0, -ERANGE},
	{"node made up", FUSE_LOOKUP, NULL, NODE_BAD, STR("hello"), ENTRY, 0, -ESTALE},
	{"node 0", FUSE_GETATTR, NULL, 0, NULL, 0, 128, 0, -ESTALE},
	{"node of another generation", FUSE_GETATTR, NULL, NODE_GEN, NULL, 0, 128, 0, -ESTALE},
	{"node -1", FUSE_GETATTR, NULL, UINT64_MAX, NULL, 0, 128, 0, -ESTALE},
	{"getattr, no room", FUSE_GETATTR, "", 0, NULL, 0, 103, 0, -ERANGE},
	{"len too small", FUSE_LOOKUP, "", 0, STR("hello"), ENTRY, -1, -EIO},
	{"len too large", FUSE_LOOKUP, "", 0, STR("hello"), ENTRY, 1, -EIO},
	{"len below a header", FUSE_GETATTR, "", 0, NULL, 0, 128, -40, -EIO},
	{"readlink of a file", FUSE_READLINK, "hello", 0, NULL, 0, 4096, 0, -EINVAL},
	{"readlink, no room", FUSE_READLINK, "abs", 0, NULL, 0, 3, 0, -ERANGE},
	{"read a directory", FUSE_READ, "dir", 0, &rd_ok, sizeof(rd_ok), 64, 0, -EISDIR},
	{"read a symlink", FUSE_READ, "abs", 0, &rd_ok, sizeof(rd_ok), 64, 0, -EINVAL},
	{"read a fifo", FUSE_READ, "fifo", 0, &rd_ok, sizeof(rd_ok), 64, 0, -EINVAL},
	{"read, short args", FUSE_READ, "hello", 0, &rd_ok, 8, 64, 0, -EINVAL},
	{"read, no room", FUSE_READ, "hello", 0, &rd_ok, sizeof(rd_ok), 63, 0, -ERANGE},
	{"read 4 GiB", FUSE_READ, "hello", 0, &rd_huge, sizeof(rd_huge), 64, 0, -ERANGE},
	{"read at -1", FUSE_READ, "hello", 0, &rd_far, sizeof(rd_far), 64, 0, -EINVAL},
	{"readdir of a file", FUSE_READDIR, "hello", 0, &rd_ok, sizeof(rd_ok), 64, 0, -ENOTDIR},
	{"readdir at -1", FUSE_READDIR, "", 0, &rd_far, sizeof(rd_far), 64, 0, -EINVAL},
	{"readdir, tiny", FUSE_READDIR, "", 0, &rd_ok, sizeof(rd_ok), 20, 0, -EINVAL},
	{"readdirplus, tiny", FUSE_READDIRPLUS, "", 0, &rd_ok, sizeof(rd_ok), 64, 0, -EINVAL},
	{"lseek to the end", FUSE_LSEEK, "hello", 0, &seek_end, sizeof(seek_end), 8, 0, -EINVAL},
	{"access for writing", FUSE_ACCESS, "hello", 0, &access_w, 8, 0, 0, -EROFS},
	{"access for reading", FUSE_ACCESS, "hello", 0, &access_r, 8, 0, 0, 0},
	{"open does without", FUSE_OPEN, "hello", 0, &rd_ok, 8, 16, 0, -ENOSYS},
	{"opendir does without", FUSE_OPENDIR, "dir", 0, &rd_ok, 8, 16, 0, -ENOSYS},
	{"write", FUSE_WRITE, "hello", 0, &rd_ok, sizeof(rd_ok), 64, 0, -EROFS},
	{"setattr", FUSE_SETATTR, "hello", 0, NULL, 0, 128, 0, -EROFS},
	{"unlink", FUSE_UNLINK, "", 0, STR("hello"), 0, 0, -EROFS},
	{"mkdir", FUSE_MKDIR, "", 0, STR("new"), ENTRY, 0, -EROFS},
	{"rename", FUSE_RENAME2, "", 0, STR("hello"), 0, 0, -EROFS},
	{"create", FUSE_CREATE, "", 0, STR("new"), 200, 0, -EROFS},
	{"link", FUSE_LINK, "", 0, STR("new"), ENTRY, 0, -EROFS},
	{"setxattr", FUSE_SETXATTR, "hello", 0, STR("user.a"), 0, 0, -EROFS},
	{"removexattr", FUSE_REMOVEXATTR, "hello", 0, STR("user.a"), 0, 0, -EROFS},
	{"fallocate", FUSE_FALLOCATE, "hello", 0, NULL, 0, 0, 0, -EROFS},
	{"no such operation", 0, "", 0, NULL, 0, 64, 0, -ENOSYS},
	{"operation far away", 0xffffffff, "", 0, NULL, 0, 64, 0, -ENOSYS},
	{"opcode 436207616", FUSE_INIT_BSWAP_RESERVED, "", 0, NULL, 0, 64, 0, -ENOSYS},
};

static void requests(void **state)
{
	struct fs_fake *f = *state;
	uint64_t before = hash_tree(f);

	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[256] = '\0';
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct req_case *t = &cases[i];
		uint64_t node = t->path ? fsf_walk(f, t->path) : t->node;

		print_message("# %s\n", t->name);
		assert_true(node || !t->path);
		if (!strcmp(t->name, "name of 300, no end"))
			long_name[256] = 'x';
		f->len_delta = t->delta;
		assert_int_equal(fsf_req(f, t->op, node, t->arg, t->len, t->room), t->err);
		f->len_delta = 0;
		assert_false(f->silent);
		assert_confined(f);
	}
	assert_true(hash_tree(f) == before);
}

/* Chains that hold no whole header, or no room for an answer. */
static void ragged_chains(void **state)
{
	struct fuse_in_header in = {.len = sizeof(in), .opcode = FUSE_GETATTR, .nodeid = 1};
	struct fs_fake *f = *state;

	for (size_t len = 0; len < sizeof(in); len++) {
		fsf_raw(f, &in, len, 512);
		assert_true(f->silent);
	}
	for (size_t room = 0; room < sizeof(struct fuse_out_header); room++) {
		fsf_raw(f, &in, sizeof(in), room);
		assert_true(f->silent);
	}
	fsf_raw(f, &in, sizeof(in), sizeof(struct fuse_out_header));
	assert_int_equal(f->error, -ERANGE);
}

static void contents(void **state)
{
	struct fs_fake *f = *state;
	struct fuse_lseek_in seek = {.whence = SEEK_DATA};
	uint64_t node = fsf_walk(f, "hello"), off;
	char name[VFS_NAME_MAX + 1] = {0};
	struct fuse_attr_out a;

	assert_int_equal(fsf_read(f, node, 0, 4096), 0);
	assert_int_equal(f->len, 11);
	assert_memory_equal(f->data, "hello world", 11);
	assert_int_equal(fsf_read(f, node, 6, 3), 0);
	assert_int_equal(f->len, 3);
	assert_memory_equal(f->data, "wor", 3);
	assert_int_equal(fsf_read(f, node, 11, 10), 0);
	assert_int_equal(f->len, 0);
	assert_int_equal(fsf_read(f, node, 0, 0), 0);
	/* Hard links are one inode, and the inode numbers are the host's. */
	assert_true(fsf_walk(f, "hard") == node);
	assert_int_equal(fsf_req(f, FUSE_GETATTR, node, NULL, 0, sizeof(a)), 0);
	memcpy(&a, f->data, sizeof(a));
	assert_int_equal(a.attr.nlink, 2);
	assert_int_equal(a.attr.size, 11);
	assert_true(a.attr_valid >= 3600);
	/* Holes and data beyond 4 GiB. */
	node = fsf_walk(f, "sparse");
	assert_int_equal(fsf_read(f, node, BIG_OFF, 100), 0);
	assert_int_equal(f->len, 3);
	assert_memory_equal(f->data, "far", 3);
	if (!fsf_req(f, FUSE_LSEEK, node, &seek, sizeof(seek), sizeof(off))) {
		memcpy(&off, f->data, sizeof(off));
		assert_true(off > 0 && off <= BIG_OFF);
	}
	memset(name, 'n', VFS_NAME_MAX);
	assert_true(fsf_walk(f, name));
	assert_true(fsf_walk(f, "dir/sub/file"));
	assert_confined(f);
}

/* Whatever an operation forgets to check: these are never opened on the host. */
static void never_opened(void **state)
{
	static const char *const name[] = {"fifo", "abs", "up", "loop"};
	struct fs_fake *f = *state;

	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		struct vfs_inode *inode = vfs_inode_get(&f->fs, fsf_walk(f, name[i]));

		assert_non_null(inode);
		assert_int_equal(vfs_inode_file(&f->fs, inode), -EINVAL);
	}
	assert_confined(f);
}

/* Symbolic links are text; "." and ".." are answered from the table. */
static void escapes(void **state)
{
	struct fs_fake *f = *state;
	uint64_t dir = fsf_walk(f, "dir"), sub = fsf_walk(f, "dir/sub");
	int err;

	assert_int_equal(fsf_req(f, FUSE_READLINK, fsf_walk(f, "up"), NULL, 0, 4096), 0);
	assert_int_equal(f->len, strlen("../outside/secret"));
	assert_memory_equal(f->data, "../outside/secret", f->len);
	assert_true(fsf_lookup(f, FUSE_ROOT_ID, "..", &err) == FUSE_ROOT_ID);
	assert_true(fsf_lookup(f, FUSE_ROOT_ID, ".", &err) == FUSE_ROOT_ID);
	assert_true(fsf_lookup(f, dir, "..", &err) == FUSE_ROOT_ID);
	assert_true(fsf_lookup(f, sub, "..", &err) == dir);
	assert_true(fsf_lookup(f, sub, ".", &err) == sub);
	for (int i = 0; i < 100; i++)
		sub = fsf_lookup(f, sub, "..", &err);
	assert_true(sub == FUSE_ROOT_ID);
	assert_confined(f);
}

static void forgets(void **state)
{
	struct fs_fake *f = *state;
	uint64_t dir = fsf_walk(f, "dir"), sub = fsf_walk(f, "dir/sub"), again;
	struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one[3];
	} batch = {.in.count = UINT32_MAX};

	/* A parent stays while its children are known, but not for the guest. */
	assert_int_equal(fsf_forget(f, dir, UINT64_MAX), 0);
	assert_true(f->silent);
	assert_int_equal(fsf_req(f, FUSE_GETATTR, dir, NULL, 0, 128), -ESTALE);
	assert_int_equal(fsf_req(f, FUSE_GETATTR, sub, NULL, 0, 128), 0);
	assert_int_equal(f->fs.nr_inodes, 3);
	/* A count the guest never had does no harm, nor does a second forget. */
	assert_int_equal(fsf_forget(f, sub, UINT64_MAX), 0);
	assert_int_equal(f->fs.nr_inodes, 1);
	assert_int_equal(fsf_forget(f, sub, 1), 0);
	assert_int_equal(fsf_forget(f, FUSE_ROOT_ID, UINT64_MAX), 0);
	assert_int_equal(fsf_req(f, FUSE_GETATTR, FUSE_ROOT_ID, NULL, 0, 128), 0);
	/* An entry that could not be told is not counted. */
	assert_int_equal(fsf_req(f, FUSE_LOOKUP, FUSE_ROOT_ID, "hello", 6, 8), -ERANGE);
	assert_int_equal(f->fs.nr_inodes, 1);
	/* A slot used again is another node. */
	again = fsf_walk(f, "dir");
	assert_true(again != dir && again != sub);
	assert_int_equal(fsf_req(f, FUSE_GETATTR, dir, NULL, 0, 128), -ESTALE);
	/* A batch that claims more than it holds. */
	batch.one[0] = (struct fuse_forget_one){again, 1};
	batch.one[1] = (struct fuse_forget_one){NODE_BAD, 1};
	batch.one[2] = (struct fuse_forget_one){fsf_walk(f, "hello"), 7};
	fsf_req(f, FUSE_BATCH_FORGET, 0, &batch, sizeof(batch), 0);
	assert_true(f->silent);
	assert_int_equal(f->fs.nr_inodes, 1);
	assert_int_equal(f->fs.nr_fds, 0);
}

/* Read a directory with replies of @room bytes. Returns the entries seen. */
static int list(struct fs_fake *f, uint64_t node, uint32_t op, size_t room)
{
	bool plus = op == FUSE_READDIRPLUS;
	size_t head = plus ? sizeof(struct fuse_entry_out) : 0;
	struct fuse_read_in in = {.size = room};
	struct fuse_dirent d;
	int nr = 0;

	for (;;) {
		assert_int_equal(fsf_req(f, op, node, &in, sizeof(in), room), 0);
		if (!f->len)
			return nr;
		for (size_t off = 0; off < f->len;) {
			assert_true(off + head + sizeof(d) <= f->len);
			memcpy(&d, f->data + off + head, sizeof(d));
			assert_true(d.namelen && d.namelen <= VFS_NAME_MAX);
			assert_true(off + head + sizeof(d) + d.namelen <= f->len);
			in.offset = d.off;
			off += FUSE_DIRENT_ALIGN(head + FUSE_NAME_OFFSET + d.namelen);
			nr++;
		}
	}
}

/* 3,000 files: more than may stay open, and more than one reply holds. */
static void large_directory(void **state)
{
	struct fs_fake *f = *state;
	char path[128], name[32];
	uint64_t dir, node;
	int err;

	snprintf(path, sizeof(path), "%s/many", f->share);
	assert_int_equal(mkdir(path, 0755), 0);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		put(path, name, name);
	}
	dir = fsf_walk(f, "many");
	assert_int_equal(list(f, dir, FUSE_READDIR, 4096), 3002);
	assert_int_equal(list(f, dir, FUSE_READDIR, 40), 3002);
	assert_int_equal(f->fs.nr_inodes, 2);
	assert_int_equal(list(f, dir, FUSE_READDIRPLUS, 4096), 3002);
	assert_int_equal(list(f, dir, FUSE_READDIRPLUS, 65536), 3002);
	assert_int_equal(f->fs.nr_inodes, 3002);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3000; i++) {
			snprintf(name, sizeof(name), "file-%d", i);
			node = fsf_lookup(f, dir, name, &err);
			assert_true(node);
			assert_int_equal(fsf_read(f, node, 0, 32), 0);
			assert_int_equal(f->len, strlen(name));
			assert_memory_equal(f->data, name, f->len);
			if (round)
				fsf_forget(f, node, UINT64_MAX);
		}
		assert_confined(f);
	}
	fsf_forget(f, dir, UINT64_MAX);
	assert_int_equal(f->fs.nr_inodes, 1);
	assert_int_equal(f->fs.nr_fds, 0);
}

/* The host runs out of descriptors: slower, not broken. */
static void short_of_descriptors(void **state)
{
	struct fs_fake *f = *state;
	struct rlimit old, low;
	char name[32];
	int next;

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "few-%d", i);
		put(f->share, name, name);
	}
	next = dup(0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){.rlim_cur = next + 10, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (int i = 0; i < 300; i++) {
		int err, got;

		snprintf(name, sizeof(name), "few-%d", i % 100);
		got = fsf_read(f, fsf_lookup(f, FUSE_ROOT_ID, name, &err), 0, 32);
		if (got || f->len != strlen(name))
			setrlimit(RLIMIT_NOFILE, &old);
		assert_int_equal(got, 0);
		assert_int_equal(f->len, strlen(name));
	}
	assert_true(f->fs.nr_fds < 10);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_confined(f);
}

static void deep_tree(void **state)
{
	struct fs_fake *f = *state;
	int fd = open(f->share, O_PATH | O_DIRECTORY | O_CLOEXEC), next, err = 0;
	uint64_t node = FUSE_ROOT_ID, prev = 0;

	for (int i = 0; i < VFS_MAX_DEPTH + 5; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	close(fd);
	for (int i = 0; node; i++) {
		prev = node;
		node = fsf_lookup(f, node, "d", &err);
		assert_true(i <= VFS_MAX_DEPTH);
	}
	assert_int_equal(err, -ENAMETOOLONG);
	/* With everything closed, the deepest is opened again through all its parents. */
	for (uint32_t n = 0; n < f->fs.nr_slots; n++) {
		struct vfs_inode *i = f->fs.slot[n].inode;

		if (i && i != f->fs.root && i->fd >= 0) {
			close(i->fd);
			i->fd = -1;
			i->readable = false;
			f->fs.nr_fds--;
		}
	}
	assert_int_equal(fsf_req(f, FUSE_GETATTR, prev, NULL, 0, 128), 0);
	assert_confined(f);
}

static void other_device(struct fs_fake *f)
{
	uint64_t node = fsf_walk(f, "dir/sub/file");
	struct vfs_inode *i = vfs_inode_get(&f->fs, node);

	i->dev++;
	assert_int_equal(fsf_read(f, node, 0, 64), -ESTALE);
	i->dev--;
	assert_int_equal(fsf_read(f, node, 0, 64), 0);
}

/* What the name leads to has changed since the lookup: refused, never followed. */
static void replaced_objects(void **state)
{
	static const char *const target[] = {"../outside/secret", "/etc/passwd", "fifo", "hello"};
	struct fs_fake *f = *state;
	int share = open(f->share, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(target) / sizeof(target[0]); i++) {
		uint64_t node;

		put(f->share, "victim", "innocent");
		node = fsf_walk(f, "victim");
		unlinkat(share, "victim", 0);
		if (i < 2)
			assert_int_equal(symlinkat(target[i], share, "victim"), 0);
		else
			assert_int_equal(linkat(share, target[i], share, "victim", 0), 0);
		assert_int_equal(fsf_read(f, node, 0, 64), -ESTALE);
		unlinkat(share, "victim", 0);
		assert_int_equal(fsf_read(f, node, 0, 64), -ESTALE);
		fsf_forget(f, node, 1);
	}
	/* The same inode number on another file system is another object. */
	other_device(f);
	assert_confined(f);
	close(share);
}

struct flipper {
	int share;
	bool stop;
};

static void *flip(void *data)
{
	struct flipper *fl = data;

	while (!__atomic_load_n(&fl->stop, __ATOMIC_RELAXED)) {
		renameat2(fl->share, "flip", fl->share, "flop", RENAME_EXCHANGE);
		renameat2(fl->share, "flipdir", fl->share, "flopdir", RENAME_EXCHANGE);
	}
	return NULL;
}

/* Names that flip between a good object and a link to the outside, while they are used. */
static void rename_race(void **state)
{
	struct fs_fake *f = *state;
	struct flipper fl = {.share = open(f->share, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	pthread_t th;
	int good = 0;

	put(f->share, "flip", "good");
	assert_int_equal(symlinkat("../outside/secret", fl.share, "flop"), 0);
	assert_int_equal(mkdirat(fl.share, "flipdir", 0755), 0);
	put(f->share, "flipdir/secret", "good");
	assert_int_equal(symlinkat("../outside", fl.share, "flopdir"), 0);
	assert_int_equal(pthread_create(&th, NULL, flip, &fl), 0);
	/* the other thread may stand still for a while, with the links in place */
	for (int i = 0; i < 20000 || (!good && i < 20000000); i++) {
		uint64_t node = fsf_walk(f, i % 2 ? "flip" : "flipdir/secret");

		if (node && !fsf_read(f, node, 0, 64)) {
			assert_int_equal(f->len, 4);
			assert_memory_equal(f->data, "good", 4);
			good++;
		}
		if (i % 64 == 0) {
			assert_confined(f);
			assert_int_equal(fsf_hello(f, 7, 38), 0);
		}
	}
	__atomic_store_n(&fl.stop, true, __ATOMIC_RELAXED);
	pthread_join(th, NULL);
	assert_true(good > 0);
	close(fl.share);
}

static void special_files(void **state)
{
	struct fs_fake *f = *state;
	int share = open(f->share, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct fuse_entry_out e;

	if (mknodat(share, "node", S_IFCHR | 0600, makedev(300, 70000))) {
		close(share);
		print_message("# no right to make device nodes: not tested\n");
		skip();
	}
	assert_int_equal(fsf_req(f, FUSE_LOOKUP, 1, "node", 5, sizeof(e)), 0);
	memcpy(&e, f->data, sizeof(e));
	assert_true(S_ISCHR(e.attr.mode));
	/* new_encode_dev() of 300:70000 */
	assert_int_equal(e.attr.rdev, (70000 & 0xff) | (300 << 8) | ((70000 & ~0xff) << 12));
	assert_int_equal(fsf_read(f, e.nodeid, 0, 10), -EINVAL);
	close(share);
}

static void xattrs(void **state)
{
	struct fs_fake *f = *state;
	uint64_t node = fsf_walk(f, "hello");
	struct {
		struct fuse_getxattr_in in;
		char name[32];
	} g = {.in.size = 64};
	struct fuse_getxattr_out out;
	char path[128];

	strcpy(g.name, "security.selinux");
	assert_int_equal(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g), 64), -ENODATA);
	strcpy(g.name, "user.none");
	assert_true(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g), 64) < 0);
	assert_int_equal(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g.in), 64), -EINVAL);
	assert_int_equal(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g.in) + 4, 64), -EINVAL);
	snprintf(path, sizeof(path), "%s/hello", f->share);
	if (setxattr(path, "user.a", "value", 5, 0)) {
		print_message("# no user xattrs here: %s; values are not tested\n",
			      strerror(errno));
		skip();
	}
	/* There, but not for the guest; setting it takes root. */
	if (!setxattr(path, "trusted.secret", "s", 1, 0)) {
		strcpy(g.name, "trusted.secret");
		assert_int_equal(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g), 64), -ENODATA);
	}
	strcpy(g.name, "user.a");
	assert_int_equal(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g), 64), 0);
	assert_int_equal(f->len, 5);
	assert_memory_equal(f->data, "value", 5);
	g.in.size = 4;
	assert_int_equal(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g), 64), -ERANGE);
	g.in.size = 64;
	assert_int_equal(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g), 4), -ERANGE);
	g.in.size = 0;
	assert_int_equal(fsf_req(f, FUSE_GETXATTR, node, &g, sizeof(g), 8), 0);
	memcpy(&out, f->data, sizeof(out));
	assert_int_equal(out.size, 5);
	g.in.size = 64;
	assert_int_equal(fsf_req(f, FUSE_LISTXATTR, node, &g, sizeof(g.in), 64), 0);
	assert_int_equal(f->len, 7);
	assert_memory_equal(f->data, "user.a", 7);
}

/* The names a random guest knows. */
static const char *const words[] = {
	"hello", "dir",	       "sub",	      "file",	"abs",	  "up",	    "updir",
	"loop",	 "fifo",       "hard",	      "sparse", ".",	  "..",	    "",
	"a/b",	 "../outside", "/etc/passwd", "many",	"absent", "secret", "outside",
};

#define NR_WORDS (sizeof(words) / sizeof(words[0]))
#define NR_NODES 64

static size_t random_arg(uint64_t *s, uint32_t op, uint8_t *arg)
{
	struct fuse_read_in *rd = (void *)arg;
	const char *word = words[fsf_rnd(s) % NR_WORDS];

	for (int i = 0; i < 128; i++)
		arg[i] = fsf_rnd(s) % 8 ? 0 : fsf_rnd(s);
	switch (op) {
	case FUSE_LOOKUP:
		strcpy((char *)arg, word);
		return strlen(word) + (fsf_rnd(s) % 32 != 0);
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		rd->size = fsf_rnd(s) % 16 ? fsf_rnd(s) % 8192 : fsf_rnd(s);
		rd->offset = fsf_rnd(s) % 4 ? fsf_rnd(s) % 64 : *s;
		return fsf_rnd(s) % 32 ? sizeof(*rd) : fsf_rnd(s) % sizeof(*rd);
	case FUSE_FORGET:
		arg[0] = fsf_rnd(s) % 4;
		return 8;
	case FUSE_GETXATTR:
		strcpy((char *)arg + 8, "user.a");
		return 8 + 7;
	default:
		return fsf_rnd(s) % 128;
	}
}

static void random_requests(void **state)
{
	static const uint8_t common[] = {FUSE_LOOKUP, FUSE_LOOKUP,	FUSE_READ,   FUSE_GETATTR,
					 FUSE_FORGET, FUSE_READDIRPLUS, FUSE_READDIR};
	struct fs_fake *f = *state;
	uint64_t node[NR_NODES] = {FUSE_ROOT_ID}, s = 20240607, before = hash_tree(f);
	_Alignas(8) uint8_t arg[256];
	unsigned long ok = 0;

	print_message("# seed %llu\n", (unsigned long long)s);
	for (int i = 0; i < 1000000; i++) {
		uint32_t op =
			fsf_rnd(&s) % 4 ? common[fsf_rnd(&s) % sizeof(common)] : fsf_rnd(&s) % 64;
		uint64_t n =
			fsf_rnd(&s) % 64 ? node[fsf_rnd(&s) % 2 * (fsf_rnd(&s) % NR_NODES)] : s;
		size_t len = random_arg(&s, op, arg);
		size_t room = fsf_rnd(&s) % 16 ? 4096 : fsf_rnd(&s) % 256;

		f->len_delta = fsf_rnd(&s) % 64 ? 0 : (int)fsf_rnd(&s);
		fsf_req(f, op, n, arg, len, room);
		f->len_delta = 0;
		ok += !f->error && !f->silent;
		assert_null(memmem(f->data, f->len, SECRET, strlen(SECRET)));
		if (op == FUSE_LOOKUP && !f->error)
			memcpy(&node[1 + fsf_rnd(&s) % (NR_NODES - 1)], f->data, 8);
		if (!f->fs.inited)
			fsf_hello(f, 7, 38);
		if (i % 4096 == 0)
			assert_confined(f);
	}
	print_message("# %lu answered without error\n", ok);
	assert_true(ok > 100000);
	assert_true(hash_tree(f) == before);
}

/* The same through a real queue: request in, reply out, FORGET without any. */
static void through_the_queue(void **state)
{
	struct {
		struct fuse_in_header h;
		char name[8];
	} rq = {{.len = 40 + 6, .opcode = FUSE_LOOKUP, .unique = 77, .nodeid = 1}, "hello"};
	struct fs_fake *f = *state;
	struct fuse_out_header *oh;
	static struct vq_fake q;
	static struct vm vm;
	uint32_t head, used;
	uint64_t gpa;

	vqf_init(&q, 16);
	f->fs.vd.priv = &f->fs;
	f->fs.vd.ops = &vfs_virtio_ops;
	f->fs.vd.vm = &vm;
	f->fs.vd.loop = &vm.loop;
	assert_int_equal(loop_init(&vm.loop), 0);
	assert_int_equal(virtio_mmio_init(&f->fs.vd), 0);
	vqf_setup(&f->fs.vd.vq[1], &q.mem, 16);
	assert_int_equal(vq_enable(&f->fs.vd.vq[1]), 0);
	vqf_add(&q, &rq, rq.h.len, 16 + sizeof(struct fuse_entry_out), &gpa);
	vfs_virtio_ops.kick(&f->fs.vd, 1);
	assert_true(vqf_used(&q, &head, &used));
	assert_int_equal(used, 16 + sizeof(struct fuse_entry_out));
	oh = vqf_ptr(&q, gpa, sizeof(*oh));
	assert_int_equal(oh->len, used);
	assert_int_equal(oh->error, 0);
	assert_int_equal(oh->unique, 77);

	rq.h.len = 48;
	rq.h.opcode = FUSE_FORGET;
	memset(rq.name, 0, sizeof(rq.name));
	vqf_add(&q, &rq, rq.h.len, 0, NULL);
	vfs_virtio_ops.kick(&f->fs.vd, 1);
	assert_true(vqf_used(&q, &head, &used));
	assert_int_equal(used, 0);
	virtio_mmio_fini(&f->fs.vd);
	loop_fini(&vm.loop);
	vqf_fini(&q);
}

static void bad_directories(void **state)
{
	struct fs_fake *f = *state;
	struct vfs *fs = malloc(sizeof(*fs));
	char path[128];

	snprintf(path, sizeof(path), "%s/hello", f->share);
	assert_int_equal(vfs_init(fs, "x", open(path, O_PATH | O_CLOEXEC)), -ENOTDIR);
	assert_int_equal(vfs_init(fs, "x", -1), -EBADF);
	free(fs);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(init_versions),	 T(requests),  T(ragged_chains),    T(contents),
		T(never_opened),	 T(escapes),   T(forgets),	    T(large_directory),
		T(short_of_descriptors), T(deep_tree), T(replaced_objects), T(rename_race),
		T(special_files),	 T(xattrs),    T(random_requests),  T(through_the_queue),
		T(bad_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
