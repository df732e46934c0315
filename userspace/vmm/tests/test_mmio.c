// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio-mmio state machine against drivers that skip steps, change their
 * minds or write rubbish: no queue is live and no callback runs before
 * FEATURES_OK and DRIVER_OK, and a million random register accesses leave it
 * in a state from which a reset recovers.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmm/tests/vq_fake.h"
#include "vmm/virtio/mmio.h"
#include "vmm/vm.h"

#define S_ACK	   VIRTIO_CONFIG_S_ACKNOWLEDGE
#define S_DRIVER   VIRTIO_CONFIG_S_DRIVER
#define S_FEATURES VIRTIO_CONFIG_S_FEATURES_OK
#define S_OK	   VIRTIO_CONFIG_S_DRIVER_OK

static int activated, resets, kicks;

static void on_activate(struct virtio_dev *vd)
{
	activated++;
}

static void on_reset(struct virtio_dev *vd)
{
	resets++;
}

static void on_kick_queue(struct virtio_dev *vd, unsigned int q)
{
	/* The transport must not let a notification of anything but a live queue through. */
	assert_true(vd->vq[q].ready);
	kicks++;
	if (kicks == 1)
		loop_stop(vd->loop);
}

static const struct virtio_ops ops = {
	.name = "test",
	.id = 42,
	.features = 1ULL << 5,
	.nr_queues = 2,
	.queue_size = 16,
	.kick = on_kick_queue,
	.activate = on_activate,
	.reset = on_reset,
};

static struct vm vm;
static struct virtio_dev vd;
static const uint8_t config[6] = {1, 2, 3, 4, 5, 6};

static void wr(uint64_t off, uint32_t v)
{
	virtio_mmio_access(&vd, off, true, &v, 4);
}

static uint32_t rd(uint64_t off)
{
	uint32_t v = 0xdeadbeef;

	virtio_mmio_access(&vd, off, false, &v, 4);
	return v;
}

static int setup(void **state)
{
	memset(&vm, 0, sizeof(vm));
	if (loop_init(&vm.loop) || mem_init(&vm.mem, VQF_RAM))
		return -1;
	vd = (struct virtio_dev){
		.ops = &ops,
		.vm = &vm,
		.loop = &vm.loop,
		.config = config,
		.config_len = sizeof(config),
	};
	activated = resets = kicks = 0;
	return virtio_mmio_init(&vd);
}

static int teardown(void **state)
{
	virtio_mmio_fini(&vd);
	mem_fini(&vm.mem);
	loop_fini(&vm.loop);
	return 0;
}

static void accept_features(uint64_t f)
{
	wr(VIRTIO_MMIO_STATUS, S_ACK);
	wr(VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER);
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, f);
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, f >> 32);
	wr(VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES);
}

static void give_queue(uint32_t size)
{
	wr(VIRTIO_MMIO_QUEUE_SEL, 0);
	wr(VIRTIO_MMIO_QUEUE_NUM, size);
	wr(VIRTIO_MMIO_QUEUE_DESC_LOW, VQF_DESC);
	wr(VIRTIO_MMIO_QUEUE_AVAIL_LOW, VQF_AVAIL);
	wr(VIRTIO_MMIO_QUEUE_USED_LOW, VQF_USED);
	wr(VIRTIO_MMIO_QUEUE_READY, 1);
}

static void identity(void **state)
{
	uint8_t b[8];

	assert_int_equal(rd(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(rd(VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(rd(VIRTIO_MMIO_DEVICE_ID), 42);
	assert_int_equal(rd(VIRTIO_MMIO_DEVICE_FEATURES), 1U << 5 | 1U << 28 | 1U << 29);
	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(rd(VIRTIO_MMIO_DEVICE_FEATURES), 1);
	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(rd(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 32);
	assert_int_equal(rd(VIRTIO_MMIO_DEVICE_FEATURES), 0);

	/* Queues that do not exist have size 0. */
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 16);
	wr(VIRTIO_MMIO_QUEUE_SEL, 2);
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	wr(VIRTIO_MMIO_QUEUE_SEL, UINT32_MAX);
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);

	/* No shared memory: length and base are all ones. */
	assert_int_equal(rd(VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	assert_int_equal(rd(VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
	vd.shm_gpa = MEM_DAX_BASE;
	vd.shm_len = 1ULL << 33;
	assert_int_equal(rd(VIRTIO_MMIO_SHM_LEN_HIGH), 2);
	assert_int_equal(rd(VIRTIO_MMIO_SHM_BASE_HIGH), MEM_DAX_BASE >> 32);
	wr(VIRTIO_MMIO_SHM_SEL, 1);
	assert_int_equal(rd(VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);

	/* Configuration: any width, zeroes beyond, writes ignored. */
	virtio_mmio_access(&vd, VIRTIO_MMIO_CONFIG + 5, false, b, 1);
	assert_int_equal(b[0], 6);
	virtio_mmio_access(&vd, VIRTIO_MMIO_CONFIG + 4, false, b, 4);
	assert_int_equal(b[0], 0);
	virtio_mmio_access(&vd, VIRTIO_MMIO_CONFIG + 0xe00, false, b, 8);
	assert_int_equal(b[7], 0);
	wr(VIRTIO_MMIO_CONFIG, 0);
	assert_int_equal(rd(VIRTIO_MMIO_CONFIG), 0x04030201);

	/* Registers are 32 bits wide and aligned. */
	virtio_mmio_access(&vd, VIRTIO_MMIO_MAGIC_VALUE, false, b, 1);
	assert_int_equal(b[0], 0);
	virtio_mmio_access(&vd, VIRTIO_MMIO_MAGIC_VALUE + 2, false, b, 4);
	assert_int_equal(b[0], 0);
}

static void negotiation(void **state)
{
	static const struct {
		const char *name;
		uint64_t features;
		bool ok;
	} t[] = {
		{"version 1 only", 1ULL << 32, true},
		{"all that is offered", 1ULL << 32 | 1U << 5 | 1U << 28 | 1U << 29, true},
		{"legacy", 1U << 5, false},
		{"nothing", 0, false},
		{"one that is not offered", 1ULL << 32 | 1U << 6, false},
		{"a high one that is not offered", 1ULL << 34 | 1ULL << 32, false},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		print_message("# %s\n", t[i].name);
		wr(VIRTIO_MMIO_STATUS, 0);
		accept_features(t[i].features);
		assert_int_equal(!!(rd(VIRTIO_MMIO_STATUS) & S_FEATURES), t[i].ok);
		/* Too late to change: what is in force stays. */
		wr(VIRTIO_MMIO_DRIVER_FEATURES, ~0U);
		assert_true(!t[i].ok || vd.features == t[i].features);
		/* DRIVER_OK without FEATURES_OK does not start the device. */
		wr(VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_OK);
		assert_int_equal(!!(rd(VIRTIO_MMIO_STATUS) & S_OK), t[i].ok);
	}
	assert_int_equal(activated, 2);
}

static void queue_rules(void **state)
{
	/* Before FEATURES_OK: ignored. */
	give_queue(8);
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(vd.vq[0].desc, 0);

	accept_features(1ULL << 32);
	give_queue(17); /* above the maximum */
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_READY), 0);
	give_queue(7);
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_READY), 0);
	wr(VIRTIO_MMIO_QUEUE_DESC_HIGH, 1);
	wr(VIRTIO_MMIO_QUEUE_NUM, 8);
	wr(VIRTIO_MMIO_QUEUE_READY, 1); /* descriptors outside RAM */
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_READY), 0);
	wr(VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	give_queue(8);
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_READY), 1);

	/* A ready queue does not change. */
	wr(VIRTIO_MMIO_QUEUE_NUM, 16);
	wr(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x5000);
	assert_int_equal(vd.vq[0].size, 8);
	assert_int_equal(vd.vq[0].desc, VQF_DESC);

	/* A live device's queue cannot be taken away, not even by QueueReady. */
	wr(VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES | S_OK);
	wr(VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_READY), 1);

	/* Reset forgets all of it, and tells the device once. */
	wr(VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(resets, 1);
	assert_int_equal(rd(VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(rd(VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(vd.vq[0].desc, 0);
	wr(VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(resets, 1);
}

static void interrupt_and_needs_reset(void **state)
{
	uint64_t n;

	accept_features(1ULL << 32);
	give_queue(8);
	wr(VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES | S_OK);
	vq_push(&vd.vq[0], 0, 0);
	virtio_signal(&vd, &vd.vq[0]);
	assert_int_equal(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	assert_int_equal(read(vd.mmio->irq_fd, &n, 8), 8);
	wr(VIRTIO_MMIO_INTERRUPT_ACK, 2);
	assert_int_equal(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	wr(VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 0);

	virtio_needs_reset(&vd, "test");
	assert_true(rd(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	/* Only a reset clears it. */
	wr(VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES | S_OK);
	assert_true(rd(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	wr(VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(rd(VIRTIO_MMIO_STATUS), 0);
}

static void notifications(void **state)
{
	/* Neither before DRIVER_OK nor for a queue that is not ready. */
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 7);
	accept_features(1ULL << 32);
	give_queue(8);
	wr(VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES | S_OK);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_int_equal(loop_run(&vm.loop), 0);
	assert_int_equal(kicks, 1);
}

static void random_accesses(void **state)
{
	const unsigned int seed = 20260102;
	unsigned int live = 0;

	srandom(seed);
	print_message("# seed %u\n", seed);
	for (int i = 0; i < 1000000; i++) {
		static const uint32_t pick[] = {0,
						1,
						2,
						3,
						8,
						16,
						0x1000,
						0x8000,
						0xa000,
						1U << 31,
						S_ACK | S_DRIVER,
						S_ACK | S_DRIVER | S_FEATURES,
						S_ACK | S_DRIVER | S_FEATURES | S_OK};
		uint64_t off = random() % 8 ? 4 * (random() % 64) : random() % VIRTIO_MMIO_PAGE;
		unsigned int len = random() % 8 ? 4 : 1 << random() % 4;
		uint64_t v = random() % 4 ? pick[random() % 13] : random();

		virtio_mmio_access(&vd, off, random() & 1, &v, len);
		for (int q = 0; q < 2; q++) {
			live += vd.vq[q].ready;
			/* A ready queue was validated, whatever came before. */
			assert_true(!vd.vq[q].ready || (vd.vq[q].desc_p && vd.vq[q].size <= 16));
		}
	}
	print_message("# a queue was live %u times\n", live);
	wr(VIRTIO_MMIO_STATUS, 0);
	accept_features(1ULL << 32);
	assert_true(rd(VIRTIO_MMIO_STATUS) & S_FEATURES);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(identity),	  T(negotiation),     T(queue_rules), T(interrupt_and_needs_reset),
		T(notifications), T(random_accesses),
	};

	return cmocka_run_group_tests_name("mmio", tests, NULL, NULL);
}
