// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-blk requests: a header is copied once, and what it asks for is
 * checked against the chain and the disk before anything is done.  Nothing is
 * assumed about how the driver cut the request into segments.
 */
#include "vmm/virtio/blk.h"

#include <errno.h>
#include <linux/virtio_blk.h>

static void fail(struct vblk_cmd *cmd, uint8_t status)
{
	cmd->op = VBLK_FAIL;
	cmd->status = status;
}

/* Whether [sector, sector + nr) lies on the disk; no sum that could wrap. */
static bool on_disk(uint64_t sector, uint64_t nr, uint64_t sectors)
{
	return sector <= sectors && nr <= sectors - sector;
}

static void decode_data(struct vblk_cmd *cmd, uint64_t sector, uint64_t len, uint64_t sectors)
{
	if (!len || len % VBLK_SECTOR || len > (uint64_t)VBLK_SEG_MAX * VBLK_SIZE_MAX ||
	    !on_disk(sector, len / VBLK_SECTOR, sectors)) {
		fail(cmd, VIRTIO_BLK_S_IOERR);
		return;
	}
	cmd->off = sector * VBLK_SECTOR;
	cmd->len = len;
}

/* Section 5.2.6.2: flags other than "unmap", and that only for write zeroes, are refused. */
static void decode_punch(const struct vq_chain *c, struct vblk_cmd *cmd, uint32_t type,
			 uint64_t sectors)
{
	struct virtio_blk_discard_write_zeroes range;
	uint32_t allowed =
		type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	size_t head = sizeof(struct virtio_blk_outhdr);

	if (c->out_len != head + sizeof(range) ||
	    vq_chain_read(c, head, &range, sizeof(range)) != sizeof(range) || !range.num_sectors ||
	    !on_disk(range.sector, range.num_sectors, sectors)) {
		fail(cmd, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (range.flags & ~allowed) {
		fail(cmd, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	cmd->off = range.sector * VBLK_SECTOR;
	cmd->len = range.num_sectors * VBLK_SECTOR;
}

int vblk_decode(const struct vq_chain *c, uint64_t sectors, bool readonly, struct vblk_cmd *cmd)
{
	struct virtio_blk_outhdr h;
	bool writes;

	*cmd = (struct vblk_cmd){.op = VBLK_FAIL};
	if (vq_chain_read(c, 0, &h, sizeof(h)) != sizeof(h) || !c->in_len)
		return -EINVAL;
	writes = h.type == VIRTIO_BLK_T_OUT || h.type == VIRTIO_BLK_T_DISCARD ||
		 h.type == VIRTIO_BLK_T_WRITE_ZEROES;
	if (writes && readonly) {
		fail(cmd, VIRTIO_BLK_S_IOERR);
		return 0;
	}
	switch (h.type) {
	case VIRTIO_BLK_T_IN:
		cmd->op = VBLK_READ;
		decode_data(cmd, h.sector, c->in_len - 1, sectors);
		break;
	case VIRTIO_BLK_T_OUT:
		cmd->op = VBLK_WRITE;
		decode_data(cmd, h.sector, c->out_len - sizeof(h), sectors);
		break;
	case VIRTIO_BLK_T_FLUSH:
		cmd->op = VBLK_FLUSH;
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		cmd->op = VBLK_PUNCH;
		decode_punch(c, cmd, h.type, sectors);
		break;
	case VIRTIO_BLK_T_GET_ID:
		cmd->op = VBLK_GET_ID;
		break;
	default:
		fail(cmd, VIRTIO_BLK_S_UNSUPP);
	}
	return 0;
}
