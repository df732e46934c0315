// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one request of virtio-fs may cost: descriptors can name the same guest
 * memory again and again, so a request of gigabytes costs a guest nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "vmm/tests/fs_fake.h"

#define SEG_LEN (1U << 20)
#define NR_SEGS 32
#define LOOKUPS (1ULL << 40)

static int setup(void **state)
{
	struct fs_fake *f = calloc(1, sizeof(*f));
	int fd;

	log_init("test", LOG_LEVEL_ERROR);
	strcpy(f->top, "/tmp/fs-bounds-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	fd = open(f->top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	close(openat(fd, "file", O_CREAT | O_WRONLY, 0644));
	assert_int_equal(vfs_init(&f->fs, "lower", fd), 0);
	assert_int_equal(fsf_hello(f, FUSE_KERNEL_VERSION, FUSE_KERNEL_MINOR_VERSION), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fs_fake *f = *state;
	char path[128];

	vfs_fini(&f->fs);
	snprintf(path, sizeof(path), "%s/file", f->top);
	unlink(path);
	assert_int_equal(rmdir(f->top), 0);
	free(f->data);
	free(f);
	return 0;
}

/* One batch that goes on for NR_SEGS MiB: it ends, and costs no more than an honest one. */
static void endless_batch(void **state)
{
	static struct {
		struct fuse_in_header in;
		struct fuse_batch_forget_in batch;
	} head;
	static struct fuse_forget_one one[SEG_LEN / sizeof(struct fuse_forget_one)];
	static struct vq_chain c;
	struct fs_fake *f = *state;
	uint64_t node = fsf_walk(f, "file");
	struct vfs_inode *i = vfs_inode_get(&f->fs, node);

	assert_non_null(i);
	i->nlookup = LOOKUPS;
	for (size_t n = 0; n < sizeof(one) / sizeof(one[0]); n++)
		one[n] = (struct fuse_forget_one){node, 1};
	c.iov[c.nr_out++] = (struct iovec){&head, sizeof(head)};
	c.out_len = sizeof(head);
	for (int n = 0; n < NR_SEGS; n++) {
		c.iov[c.nr_out++] = (struct iovec){one, sizeof(one)};
		c.out_len += sizeof(one);
	}
	head.in = (struct fuse_in_header){.len = c.out_len, .opcode = FUSE_BATCH_FORGET};
	head.batch.count = UINT32_MAX;
	assert_int_equal(vfs_serve(&f->fs, &c), 0);
	assert_true(i->nlookup < LOOKUPS);
	assert_true(LOOKUPS - i->nlookup <= VFS_BUF_SIZE / sizeof(one[0]));
}

/* FUSE_INIT allowed reads of 1 MiB. */
static void huge_read(void **state)
{
	struct fs_fake *f = *state;
	uint64_t node = fsf_walk(f, "file");

	assert_int_equal(fsf_read(f, node, 0, SEG_LEN), 0);
	assert_int_equal(fsf_read(f, node, 0, SEG_LEN + 1), -EINVAL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(endless_batch),
		T(huge_read),
	};

	return cmocka_run_group_tests_name("fs_bounds", tests, NULL, NULL);
}
