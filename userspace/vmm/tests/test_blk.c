// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-blk: requests are decoded right or refused, and the whole device,
 * driven through its registers and a real ring on a real file, reads and
 * writes what it should, survives random requests, and waits at a reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmm/dev.h"
#include "vmm/tests/vq_fake.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/mmio.h"
#include "vmm/vm.h"

#define SECTORS 2048ULL
#define IOERR	VIRTIO_BLK_S_IOERR
#define UNSUPP	VIRTIO_BLK_S_UNSUPP

static void decode(void **state)
{
	static const struct {
		const char *name;
		uint32_t type;
		uint64_t sector;
		uint32_t out, in; /* bytes beside header and status */
		bool ro;
		enum vblk_op op;
		uint8_t status;
		uint64_t off, len;
	} t[] = {
		{"read", 0, 1, 0, 1024, false, VBLK_READ, 0, 512, 1024},
		{"write", 1, 2, 512, 0, false, VBLK_WRITE, 0, 1024, 512},
		{"read the last sector", 0, SECTORS - 1, 0, 512, false, VBLK_READ, 0,
		 (SECTORS - 1) * 512, 512},
		{"read past the end", 0, SECTORS - 1, 0, 1024, false, VBLK_FAIL, IOERR},
		{"read at the end", 0, SECTORS, 0, 512, false, VBLK_FAIL, IOERR},
		{"sector wraps", 0, UINT64_MAX, 0, 512, false, VBLK_FAIL, IOERR},
		{"bytes wrap", 0, 1ULL << 55, 0, 512, false, VBLK_FAIL, IOERR},
		{"read nothing", 0, 0, 0, 0, false, VBLK_FAIL, IOERR},
		{"read half a sector", 0, 0, 0, 256, false, VBLK_FAIL, IOERR},
		{"write read-only", 1, 0, 512, 0, true, VBLK_FAIL, IOERR},
		{"read read-only", 0, 0, 0, 512, true, VBLK_READ, 0, 0, 512},
		{"flush", 4, 0, 0, 0, false, VBLK_FLUSH},
		{"get ID", 8, 0, 0, 20, false, VBLK_GET_ID},
		{"unknown", 99, 0, 0, 0, false, VBLK_FAIL, UNSUPP},
		{"discard with no range", 11, 0, 0, 0, false, VBLK_FAIL, IOERR},
		{"discard on read-only", 11, 0, 16, 0, true, VBLK_FAIL, IOERR},
		{"two ranges", 11, 0, 32, 0, false, VBLK_FAIL, IOERR},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct virtio_blk_outhdr h = {.type = t[i].type, .sector = t[i].sector};
		uint8_t out[512 + sizeof(h)] = {0};
		struct vblk_cmd cmd;
		struct vq_chain c;
		struct vq_fake f;

		print_message("# %s\n", t[i].name);
		vqf_init(&f, 8);
		memcpy(out, &h, sizeof(h));
		vqf_add(&f, out, sizeof(h) + t[i].out, t[i].in + 1, NULL);
		assert_int_equal(vq_pop(&f.vq, &c), 1);
		assert_int_equal(vblk_decode(&c, SECTORS, t[i].ro, &cmd), 0);
		assert_int_equal(cmd.op, t[i].op);
		assert_int_equal(cmd.status, t[i].status);
		if (cmd.op == VBLK_READ || cmd.op == VBLK_WRITE) {
			assert_int_equal(cmd.off, t[i].off);
			assert_int_equal(cmd.len, t[i].len);
		}
		vqf_fini(&f);
	}
}

static void decode_punch(void **state)
{
	static const struct {
		uint32_t type;
		struct virtio_blk_discard_write_zeroes r;
		enum vblk_op op;
		uint8_t status;
	} t[] = {
		{11, {8, 16, 0}, VBLK_PUNCH, 0},
		{13, {8, 16, 0}, VBLK_PUNCH, 0},
		{13, {8, 16, 1}, VBLK_PUNCH, 0},
		{11, {8, 16, 1}, VBLK_FAIL, UNSUPP},
		{13, {8, 16, 2}, VBLK_FAIL, UNSUPP},
		{11, {8, 0, 0}, VBLK_FAIL, IOERR},
		{11, {SECTORS - 1, 2, 0}, VBLK_FAIL, IOERR},
		{11, {UINT64_MAX, 1, 0}, VBLK_FAIL, IOERR},
		{11, {0, UINT32_MAX, 0}, VBLK_FAIL, IOERR},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct {
			struct virtio_blk_outhdr h;
			struct virtio_blk_discard_write_zeroes r;
		} out = {.h.type = t[i].type, .r = t[i].r};
		struct vblk_cmd cmd;
		struct vq_chain c;
		struct vq_fake f;

		vqf_init(&f, 8);
		vqf_add(&f, &out, sizeof(out), 1, NULL);
		assert_int_equal(vq_pop(&f.vq, &c), 1);
		assert_int_equal(vblk_decode(&c, SECTORS, false, &cmd), 0);
		assert_int_equal(cmd.op, t[i].op);
		assert_int_equal(cmd.status, t[i].status);
		vqf_fini(&f);
	}
}

static void no_room_for_an_answer(void **state)
{
	struct virtio_blk_outhdr h = {0};
	struct vblk_cmd cmd;
	struct vq_chain c;
	struct vq_fake f;

	vqf_init(&f, 8);
	vqf_add(&f, &h, sizeof(h), 0, NULL);
	assert_int_equal(vq_pop(&f.vq, &c), 1);
	assert_int_equal(vblk_decode(&c, SECTORS, false, &cmd), -EINVAL);
	vqf_add(&f, &h, sizeof(h) - 1, 8, NULL);
	assert_int_equal(vq_pop(&f.vq, &c), 1);
	assert_int_equal(vblk_decode(&c, SECTORS, false, &cmd), -EINVAL);
	vqf_fini(&f);
}

/* A disk as the machine makes it, but for KVM, with a driver's end of its queue. */
struct rig {
	struct vm vm;
	struct vblk b;
	struct vq_fake drv; /* rings in the machine's memory */
	struct vblk_req reqs[VBLK_QUEUE];
};

static void kick(struct virtio_dev *vd, unsigned int q)
{
	vblk_process(vd->priv);
}

static void drain(struct virtio_dev *vd)
{
	vblk_drain(vd->priv);
}

static void wr(struct rig *r, uint64_t off, uint32_t v)
{
	virtio_mmio_access(&r->b.vd, off, true, &v, 4);
}

static void start_driver(struct rig *r)
{
	wr(r, VIRTIO_MMIO_STATUS, 0);
	wr(r, VIRTIO_MMIO_STATUS, 3);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES, 1U << 28);
	wr(r, VIRTIO_MMIO_STATUS, 0xb);
	wr(r, VIRTIO_MMIO_QUEUE_NUM, 64);
	wr(r, VIRTIO_MMIO_QUEUE_DESC_LOW, VQF_DESC);
	wr(r, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VQF_AVAIL);
	wr(r, VIRTIO_MMIO_QUEUE_USED_LOW, VQF_USED);
	memset(vqf_ptr(&r->drv, VQF_AVAIL, 0x4000), 0, 0x4000);
	wr(r, VIRTIO_MMIO_QUEUE_READY, 1);
	wr(r, VIRTIO_MMIO_STATUS, 0xf);
	r->drv.vq.size = 64;
	r->drv.avail_idx = 0;
	r->drv.seen_used = 0;
	vqf_recycle(&r->drv);
}

static struct rig *make_rig(int fd)
{
	static struct virtio_ops ops = {.name = "blk",
					.nr_queues = 1,
					.queue_size = VBLK_QUEUE,
					.kick = kick,
					.reset = drain};
	struct rig *r = calloc(1, sizeof(*r));

	assert_int_equal(loop_init(&r->vm.loop), 0);
	assert_int_equal(mem_init(&r->vm.mem, VQF_RAM), 0);
	r->drv.mem = r->vm.mem;
	r->b.vd =
		(struct virtio_dev){.ops = &ops, .vm = &r->vm, .loop = &r->vm.loop, .priv = &r->b};
	r->b.fd = fd;
	r->b.sectors = SECTORS;
	for (int i = 0; i < VBLK_QUEUE; i++) {
		r->reqs[i].next = r->b.free;
		r->b.free = &r->reqs[i];
	}
	if (vblk_io_init(&r->b)) {
		print_message("# no io_uring here\n");
		skip();
	}
	assert_int_equal(virtio_mmio_init(&r->b.vd), 0);
	start_driver(r);
	return r;
}

static void free_rig(struct rig *r)
{
	vblk_io_fini(&r->b);
	virtio_mmio_fini(&r->b.vd);
	mem_fini(&r->vm.mem);
	loop_fini(&r->vm.loop);
	free(r);
}

/* Process what was made available until all of it is done. */
static void run(struct rig *r)
{
	pthread_mutex_lock(&r->b.vd.lock);
	vblk_process(&r->b);
	vblk_drain(&r->b);
	pthread_mutex_unlock(&r->b.vd.lock);
}

static uint8_t request(struct rig *r, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	struct virtio_blk_outhdr h = {.type = type, .sector = sector};
	uint8_t out[8192 + sizeof(h)];
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	uint32_t head, used;
	uint64_t gpa;

	memcpy(out, &h, sizeof(h));
	if (!in && len)
		memcpy(out + sizeof(h), data, len);
	vqf_recycle(&r->drv);
	vqf_add(&r->drv, out, sizeof(h) + (in ? 0 : len), (in ? len : 0) + 1, &gpa);
	run(r);
	assert_true(vqf_used(&r->drv, &head, &used));
	if (in && len)
		memcpy(data, vqf_ptr(&r->drv, gpa, len), len);
	return *(uint8_t *)vqf_ptr(&r->drv, gpa + (in ? len : 0), 1);
}

static int disk(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SECTORS * 512), 0);
	return fd;
}

static void reads_and_writes(void **state)
{
	struct virtio_blk_discard_write_zeroes range = {.sector = 8, .num_sectors = 8};
	uint8_t a[4096], b[4096];
	int fd = disk();

	/* Directly, and through the copy that unaligned memory needs with direct I/O. */
	for (int align = 0; align <= 512; align += 512) {
		struct rig *r = make_rig(fd);

		r->b.mem_align = align;
		for (size_t i = 0; i < sizeof(a); i++)
			a[i] = i * 7 + align;
		assert_int_equal(request(r, VIRTIO_BLK_T_OUT, 8, a, 4096), 0);
		assert_int_equal(pread(fd, b, 4096, 4096), 4096);
		assert_memory_equal(a, b, 4096);
		memset(b, 0, sizeof(b));
		assert_int_equal(request(r, VIRTIO_BLK_T_IN, 8, b, 4096), 0);
		assert_memory_equal(a, b, 4096);
		assert_int_equal(request(r, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), 0);
		assert_int_equal(request(r, VIRTIO_BLK_T_GET_ID, 0, b, 20), 0);
		assert_string_equal((char *)b, "rund-blk0");
		assert_int_equal(request(r, VIRTIO_BLK_T_DISCARD, 0, &range, sizeof(range)), 0);
		assert_int_equal(request(r, VIRTIO_BLK_T_IN, 8, b, 512), 0);
		assert_int_equal(b[1], 0);
		assert_int_equal(request(r, VIRTIO_BLK_T_OUT, SECTORS, a, 512), IOERR);
		free_rig(r);
	}
	close(fd);
}

static void host_errors(void **state)
{
	uint8_t a[4096] = {1};
	int fd = disk();
	struct rig *r = make_rig(fd);

	/* The file shrank behind our back: an error, not an endless retry. */
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(request(r, VIRTIO_BLK_T_IN, 8, a, 512), IOERR);
	/* Only the first half is there. */
	assert_int_equal(request(r, VIRTIO_BLK_T_IN, 4, a, 4096), IOERR);
	/* No space: a full sealed file stands for a full file system. */
	r->b.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	assert_true(r->b.fd >= 0);
	assert_int_equal(request(r, VIRTIO_BLK_T_OUT, 0, a, 512), IOERR);
	close(r->b.fd);
	free_rig(r);
	close(fd);
}

static void resets_wait(void **state)
{
	int fd = disk();
	struct rig *r = make_rig(fd);

	for (int i = 0; i < 200; i++) {
		struct virtio_blk_outhdr h = {.type = VIRTIO_BLK_T_IN};

		for (int j = 0; j < 20; j++)
			vqf_add(&r->drv, &h, sizeof(h), 4097, NULL);
		pthread_mutex_lock(&r->b.vd.lock);
		vblk_process(&r->b);
		pthread_mutex_unlock(&r->b.vd.lock);
		start_driver(r);
		assert_int_equal(r->b.in_flight, 0);
	}
	free_rig(r);
	close(fd);
}

/* A driver that aligns nothing and keeps the ring full: copies for direct I/O stay bounded. */
static void bounded_copies(void **state)
{
	enum { NR = 20, SEGS = 9, SEG = 448 << 10 };
	struct virtio_blk_outhdr h = {.type = VIRTIO_BLK_T_IN};
	uint32_t head, used, done = 0;
	size_t copies = 0;
	int fd = disk();
	struct rig *r = make_rig(fd);

	assert_int_equal(ftruncate(fd, SEGS * SEG), 0);
	r->b.sectors = SEGS * SEG / 512;
	r->b.mem_align = 512;
	vqf_add(&r->drv, &h, sizeof(h), 1, NULL);
	for (int i = 1; i <= SEGS; i++)
		vqf_desc(&r->drv, i, VQF_DATA + 0x1001, SEG, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
			 i + 1);
	vqf_desc(&r->drv, SEGS + 1, VQF_DATA + 0x800, 1, VRING_DESC_F_WRITE, 0);
	for (int i = 1; i < NR; i++)
		vqf_avail(&r->drv, 0);
	pthread_mutex_lock(&r->b.vd.lock);
	vblk_process(&r->b);
	pthread_mutex_unlock(&r->b.vd.lock);
	for (int i = 0; i < VBLK_QUEUE; i++)
		copies += r->reqs[i].bounce ? r->reqs[i].cmd.len : 0;
	assert_in_range(copies, 1, 8 << 20);
	for (int i = 0; i < NR; i++)
		run(r);
	while (vqf_used(&r->drv, &head, &used))
		done++;
	assert_int_equal(done, NR);
	assert_int_equal(*(uint8_t *)vqf_ptr(&r->drv, VQF_DATA + 0x800, 1), 0);
	free_rig(r);
	close(fd);
}

/* A late completion must not start a queue whose driver is not ready, or that broke the rules. */
static void only_when_running(void **state)
{
	struct virtio_blk_outhdr h = {.type = VIRTIO_BLK_T_FLUSH};
	int fd = disk();
	struct rig *r = make_rig(fd);

	for (int i = 0; i < 2; i++) {
		start_driver(r);
		/* DRIVER_OK was not set yet, or DEVICE_NEEDS_RESET is. */
		r->b.vd.mmio->status = i ? 0x4f : 0xb;
		vqf_add(&r->drv, &h, sizeof(h), 1, NULL);
		r->b.completions.fn(&r->b.completions, EPOLLIN);
		assert_int_equal(r->b.vd.vq[0].last_avail, 0);
		assert_int_equal(r->b.in_flight, 0);
	}
	free_rig(r);
	close(fd);
}

static void random_requests(void **state)
{
	const unsigned int seed = 20260103;
	unsigned int broken = 0;
	int fd = disk();
	struct rig *r = make_rig(fd);

	srandom(seed);
	print_message("# seed %u\n", seed);
	for (int i = 0; i < 100000; i++) {
		static const uint32_t types[] = {0, 1, 4, 8, 11, 13, 77};
		struct {
			struct virtio_blk_outhdr h;
			uint8_t data[1024];
		} out = {.h.type = types[random() % 7], .h.sector = random() % (SECTORS + 2)};

		vqf_recycle(&r->drv);
		for (int j = random() % 4; j >= 0; j--)
			vqf_add(&r->drv, &out, random() % 16 ? 16 + 512 * (random() % 3) : 8,
				random() % 16 ? 1 + 512 * (random() % 4) : random() % 700, NULL);
		r->b.readonly = random() % 8 == 0;
		run(r);
		if (r->b.vd.mmio->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
			broken++;
			start_driver(r);
		}
	}
	print_message("# the driver was refused %u times\n", broken);
	assert_true(broken > 100);
	free_rig(r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode),
		cmocka_unit_test(decode_punch),
		cmocka_unit_test(no_room_for_an_answer),
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(host_errors),
		cmocka_unit_test(resets_wait),
		cmocka_unit_test(bounded_copies),
		cmocka_unit_test(only_when_running),
		cmocka_unit_test(random_requests),
	};

	return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
