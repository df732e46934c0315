// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-blk (virtio 1.2, section 5.2): one device a --blk.  Where the file
 * allows it, I/O is direct, so that the guest's page cache is the only one.
 */
#include "vmm/virtio/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "vmm/dev.h"
#include "vmm/vm.h"

#define FEATURE(bit) (1ULL << (bit))
/* Physical blocks are 4 KiB: guests align to them, and reflinked extents stay whole. */
#define VBLK_PHYS_EXP 3

static void vblk_kick(struct virtio_dev *vd, unsigned int q)
{
	vblk_process(vd->priv);
}

static void vblk_reset(struct virtio_dev *vd)
{
	vblk_drain(vd->priv);
}

static int disk_size(struct vblk *b)
{
	uint64_t bytes = 0;
	struct stat st;

	if (fstat(b->fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode))
		bytes = st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	else if (ioctl(b->fd, BLKGETSIZE64, &bytes))
		return -errno;
	b->sectors = bytes / VBLK_SECTOR;
	return b->sectors ? 0 : -ENODATA;
}

static int open_disk(struct vblk *b)
{
	int flags = fcntl(b->fd, F_GETFL);
	int ret = flags < 0 ? -errno : disk_size(b);

	if (ret)
		return log_errno(ret,
				 "--blk %u: %s; give a file or block device of at least 512 bytes",
				 b->index, strerror(-ret));
	if (!b->readonly && (flags & O_ACCMODE) != O_RDWR)
		return log_errno(-EROFS, "--blk %u: not open for writing; add \",ro\"", b->index);
	return 0;
}

/* Bypass the host's page cache where sectors are what the file is aligned to anyway. */
static void try_direct(struct vblk *b)
{
	int flags = fcntl(b->fd, F_GETFL);
	struct statx sx;

	if (statx(b->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) ||
	    !(sx.stx_mask & STATX_DIOALIGN) || !sx.stx_dio_mem_align ||
	    sx.stx_dio_offset_align > VBLK_SECTOR)
		return;
	if (flags >= 0 && !fcntl(b->fd, F_SETFL, flags | O_DIRECT))
		b->mem_align = sx.stx_dio_mem_align;
}

static void fill_config(struct vblk *b)
{
	b->ops = (struct virtio_ops){
		.name = "blk",
		.id = 2, /* section 5 */
		.features = FEATURE(VIRTIO_BLK_F_SIZE_MAX) | FEATURE(VIRTIO_BLK_F_SEG_MAX) |
			    FEATURE(VIRTIO_BLK_F_BLK_SIZE) | FEATURE(VIRTIO_BLK_F_TOPOLOGY) |
			    FEATURE(VIRTIO_BLK_F_FLUSH),
		.nr_queues = 1,
		.queue_size = VBLK_QUEUE,
		.kick = vblk_kick,
		.reset = vblk_reset,
	};
	if (b->readonly)
		b->ops.features |= FEATURE(VIRTIO_BLK_F_RO);
	else
		b->ops.features |=
			FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
	b->config.capacity = b->sectors;
	b->config.size_max = VBLK_SIZE_MAX;
	b->config.seg_max = VBLK_SEG_MAX;
	b->config.blk_size = VBLK_SECTOR;
	b->config.physical_block_exp = VBLK_PHYS_EXP;
	b->config.max_discard_sectors = UINT32_MAX;
	b->config.max_discard_seg = VBLK_DISCARD_SEGS;
	b->config.discard_sector_alignment = 1U << VBLK_PHYS_EXP;
	b->config.max_write_zeroes_sectors = UINT32_MAX;
	b->config.max_write_zeroes_seg = VBLK_DISCARD_SEGS;
	b->config.write_zeroes_may_unmap = 1;
}

static void destroy(struct vblk *b)
{
	free(b->reqs);
	free(b);
}

/* Everything but the wiring. */
static struct vblk *create(struct vm *vm, unsigned int index)
{
	struct vblk *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	/* Pages of requests that are never used stay untouched. */
	b->reqs = calloc(VBLK_QUEUE, sizeof(*b->reqs));
	if (!b->reqs) {
		destroy(b);
		return NULL;
	}
	for (unsigned int i = VBLK_QUEUE; i--;) {
		b->reqs[i].next = b->free;
		b->free = &b->reqs[i];
	}
	b->index = index;
	b->fd = vm->cfg.blk[index].fd;
	b->readonly = vm->cfg.blk[index].readonly;
	b->vd = (struct virtio_dev){
		.ops = &b->ops,
		.vm = vm,
		.loop = &vm->loop,
		.config = &b->config,
		.config_len = sizeof(b->config),
		.priv = b,
	};
	return b;
}

static int add_disk(struct vm *vm, unsigned int index, struct vblk **out)
{
	struct vblk *b = create(vm, index);
	int ret;

	if (!b)
		return log_errno(-ENOMEM, "--blk %u: out of memory", index);
	ret = open_disk(b);
	if (ret)
		goto free;
	try_direct(b);
	fill_config(b);
	ret = vblk_io_init(b);
	if (ret)
		goto free;
	ret = virtio_register(&b->vd);
	if (ret)
		goto ring;
	*out = b;
	return 0;
ring:
	vblk_io_fini(b);
free:
	destroy(b);
	return ret;
}

static void remove_disk(struct vblk *b)
{
	vblk_io_fini(b);
	virtio_unregister(&b->vd);
	destroy(b);
}

static void vblk_detach(struct vm *vm, void *priv)
{
	struct vblk **disks = priv;

	for (unsigned int i = VM_MAX_BLK; disks && i--;) {
		if (disks[i])
			remove_disk(disks[i]);
	}
	free(disks);
}

static int vblk_attach(struct vm *vm, void **priv)
{
	struct vblk **disks;

	if (!vm->cfg.nr_blk)
		return 0;
	disks = calloc(VM_MAX_BLK, sizeof(struct vblk *));
	if (!disks)
		return log_errno(-ENOMEM, "--blk: out of memory");
	for (unsigned int i = 0; i < vm->cfg.nr_blk; i++) {
		int ret = add_disk(vm, i, &disks[i]);

		if (ret) {
			vblk_detach(vm, disks);
			return ret;
		}
	}
	*priv = disks;
	return 0;
}

const struct dev_ops vblk_ops = {
	.name = "blk",
	.attach = vblk_attach,
	.detach = vblk_detach,
};
