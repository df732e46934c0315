// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtqueues against drivers that break the rules: every broken chain is
 * refused and stays refused, every good one comes out whole, and a million
 * random ones touch nothing outside guest RAM (the sanitizers watch).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "vmm/tests/vq_fake.h"

#define N VRING_DESC_F_NEXT
#define W VRING_DESC_F_WRITE
#define I VRING_DESC_F_INDIRECT
#define D VQF_DATA
#define T (VQF_DATA + 0x1000) /* an indirect table */

/* One chain: descriptors 0.. of the queue's table, then of the table at T. */
static const struct chain_case {
	const char *name;
	struct vring_desc desc[4];
	struct vring_desc ind[4];
	int ret;
	int nr_out, nr_in;
} chain_cases[] = {
	{"one readable", {{D, 16, 0, 0}}, {}, 1, 1, 0},
	{"one writable", {{D, 16, W, 0}}, {}, 1, 0, 1},
	{"out then in", {{D, 16, N, 1}, {D, 8, W, 0}}, {}, 1, 1, 1},
	{"in then out", {{D, 16, N | W, 1}, {D, 8, 0, 0}}, {}, -EINVAL},
	{"zero length", {{D, 0, 0, 0}}, {}, -EINVAL},
	{"past the end of RAM", {{VQF_RAM - 8, 16, 0, 0}}, {}, -EINVAL},
	{"up to the end of RAM", {{VQF_RAM - 16, 16, 0, 0}}, {}, 1, 1, 0},
	{"outside RAM", {{1ULL << 40, 16, 0, 0}}, {}, -EINVAL},
	{"address wraps", {{UINT64_MAX - 7, 16, 0, 0}}, {}, -EINVAL},
	{"next outside the table", {{D, 16, N, 8}}, {}, -EINVAL},
	{"loop on itself", {{D, 16, N, 0}}, {}, -EINVAL},
	{"loop of two", {{D, 16, N, 1}, {D, 16, N, 0}}, {}, -EINVAL},
	{"indirect", {{T, 32, I, 0}}, {{D, 4, N, 1}, {D, 4, W, 0}}, 1, 1, 1},
	{"direct then indirect", {{D, 4, N, 1}, {T, 16, I, 0}}, {{D, 4, W, 0}}, 1, 1, 1},
	{"indirect with next", {{T, 16, I | N, 1}, {D, 4, 0, 0}}, {{D, 4, 0, 0}}, -EINVAL},
	{"indirect nested", {{T, 16, I, 0}}, {{T, 16, I, 0}}, -EINVAL},
	{"indirect loop", {{T, 32, I, 0}}, {{D, 4, N, 1}, {D, 4, N, 0}}, -EINVAL},
	{"indirect next outside", {{T, 16, I, 0}}, {{D, 4, N, 1}}, -EINVAL},
	{"indirect table empty", {{T, 0, I, 0}}, {}, -EINVAL},
	{"indirect table ragged", {{T, 24, I, 0}}, {{D, 4, 0, 0}}, -EINVAL},
	{"indirect table outside", {{VQF_RAM - 16, 32, I, 0}}, {}, -EINVAL},
	{"indirect write first", {{T, 32, I, 0}}, {{D, 4, W | N, 1}, {D, 4, 0, 0}}, -EINVAL},
	{"unknown flags are ignored", {{D, 16, 0x8000, 0}}, {}, 1, 1, 0},
};

static void chains(void **state)
{
	for (size_t i = 0; i < sizeof(chain_cases) / sizeof(chain_cases[0]); i++) {
		const struct chain_case *t = &chain_cases[i];
		struct vq_chain c;
		struct vq_fake f;

		print_message("# %s\n", t->name);
		vqf_init(&f, 8);
		memcpy(vqf_table(&f), t->desc, sizeof(t->desc));
		memcpy(vqf_ptr(&f, T, sizeof(t->ind)), t->ind, sizeof(t->ind));
		vqf_avail(&f, 0);
		assert_int_equal(vq_pop(&f.vq, &c), t->ret);
		if (t->ret == 1) {
			assert_int_equal(c.nr_out, t->nr_out);
			assert_int_equal(c.nr_in, t->nr_in);
			assert_int_equal(vq_pop(&f.vq, &c), 0);
		} else {
			/* Broken for good, until the reset. */
			assert_int_equal(vq_pop(&f.vq, &c), -EINVAL);
			assert_false(vq_enable_notify(&f.vq));
			vq_reset(&f.vq);
			assert_int_equal(vq_pop(&f.vq, &c), 0);
		}
		vqf_fini(&f);
	}
}

static void indirect_not_negotiated(void **state)
{
	struct vring_desc ind = {D, 4, 0, 0};
	struct vq_chain c;
	struct vq_fake f;

	vqf_init(&f, 8);
	f.vq.indirect = false;
	memcpy(vqf_ptr(&f, T, 16), &ind, 16);
	vqf_desc(&f, 0, T, 16, I, 0);
	vqf_avail(&f, 0);
	assert_int_equal(vq_pop(&f.vq, &c), -EINVAL);
	vqf_fini(&f);
}

/* More segments than VQ_MAX_SEGS, and more bytes than 32 bits count. */
static void too_big(void **state)
{
	struct vring_desc *ind;
	struct vq_chain c;
	struct vq_fake f;

	vqf_init(&f, 8);
	for (int nr = VQ_MAX_SEGS; nr <= VQ_MAX_SEGS + 1; nr++) {
		ind = vqf_ptr(&f, T, 16 * nr);
		for (int i = 0; i < nr; i++)
			ind[i] = (struct vring_desc){D, 4, i + 1 < nr ? N : 0, i + 1};
		vqf_desc(&f, 0, T, 16 * nr, I, 0);
		vqf_avail(&f, 0);
		assert_int_equal(vq_pop(&f.vq, &c), nr <= VQ_MAX_SEGS ? 1 : -EINVAL);
	}
	vqf_fini(&f);

	/* 2 x 3 GiB: each is in RAM, the sum does not fit the used length. */
	memset(&f, 0, sizeof(f));
	assert_int_equal(mem_init(&f.mem, 0xc0000000), 0);
	vqf_setup(&f.vq, &f.mem, 8);
	assert_int_equal(vq_enable(&f.vq), 0);
	vqf_desc(&f, 0, 0, 0xc0000000, N, 1);
	vqf_desc(&f, 1, 0, 0xc0000000, W, 0);
	vqf_avail(&f, 0);
	assert_int_equal(vq_pop(&f.vq, &c), -EINVAL);
	vqf_fini(&f);
}

static void avail_ring(void **state)
{
	struct vq_chain c;
	struct vq_fake f;
	uint16_t *avail;

	/* Head outside the table. */
	vqf_init(&f, 8);
	vqf_avail(&f, 8);
	assert_int_equal(vq_pop(&f.vq, &c), -EINVAL);
	vqf_fini(&f);

	/* The index jumps by more than the queue holds. */
	vqf_init(&f, 8);
	avail = vqf_ptr(&f, VQF_AVAIL, 4);
	avail[1] = 9;
	assert_int_equal(vq_pop(&f.vq, &c), -EINVAL);
	vqf_fini(&f);

	/* It goes backwards. */
	vqf_init(&f, 8);
	avail = vqf_ptr(&f, VQF_AVAIL, 4);
	avail[1] = 0xffff;
	assert_int_equal(vq_pop(&f.vq, &c), -EINVAL);
	vqf_fini(&f);

	/* A full ring, many times round: 16-bit indexes wrap. */
	vqf_init(&f, 8);
	for (int i = 0; i < 10000; i++) {
		uint32_t head, len;

		for (int j = 0; j < 8; j++) {
			vqf_desc(&f, j, D, 16, W, 0);
			vqf_avail(&f, j);
		}
		for (int j = 0; j < 8; j++) {
			assert_int_equal(vq_pop(&f.vq, &c), 1);
			assert_int_equal(c.head, j);
			vq_push(&f.vq, c.head, j);
			assert_true(vqf_used(&f, &head, &len));
			assert_int_equal(head, j);
			assert_int_equal(len, j);
		}
		assert_int_equal(vq_pop(&f.vq, &c), 0);
	}
	vqf_fini(&f);
}

static void enable_rules(void **state)
{
	static const struct {
		uint16_t size;
		uint64_t desc, avail, used;
		int ret;
	} t[] = {
		{8, 0, 0x1000, 0x2000, 0},
		{1, 0, 0x1000, 0x2000, 0},
		{0, 0, 0x1000, 0x2000, -EINVAL},
		{7, 0, 0x1000, 0x2000, -EINVAL},
		{512, 0, 0x3000, 0x5000, -EINVAL}, /* above max */
		{8, 8, 0x1000, 0x2000, -EINVAL},
		{8, 0, 0x1001, 0x2000, -EINVAL},
		{8, 0, 0x1000, 0x2002, -EINVAL},
		{8, VQF_RAM - 128, 0x1000, 0x2000, 0},
		{8, VQF_RAM - 112, 0x1000, 0x2000, -EINVAL},
		{8, 0, VQF_RAM - 22, 0x2000, 0},
		{8, 0, VQF_RAM - 20, 0x2000, -EINVAL},
		{8, 0, 0x1000, VQF_RAM - 72, 0},
		{8, 0, 0x1000, VQF_RAM - 68, -EINVAL},
		{8, 1ULL << 40, 0x1000, 0x2000, -EINVAL},
		{8, 0, UINT64_MAX - 1, 0x2000, -EINVAL},
		{8, 0, 0x1000, UINT64_MAX - 3, -EINVAL},
	};
	struct mem mem;

	assert_int_equal(mem_init(&mem, VQF_RAM), 0);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vq vq = {.mem = &mem, .max = 256};

		vq.size = t[i].size;
		vq.desc = t[i].desc;
		vq.avail = t[i].avail;
		vq.used = t[i].used;
		assert_int_equal(vq_enable(&vq), t[i].ret);
		assert_int_equal(vq.ready, !t[i].ret);
	}
	mem_fini(&mem);
}

static void interrupts(void **state)
{
	uint16_t *avail, *used;
	struct vq_fake f;

	vqf_init(&f, 8);
	avail = vqf_ptr(&f, VQF_AVAIL, 22);
	used = vqf_ptr(&f, VQF_USED, 70);

	/* Without event indexes: the flag. */
	assert_false(vq_want_irq(&f.vq));
	vq_push(&f.vq, 0, 0);
	assert_true(vq_want_irq(&f.vq));
	assert_false(vq_want_irq(&f.vq));
	avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	vq_push(&f.vq, 0, 0);
	assert_false(vq_want_irq(&f.vq));
	vq_disable_notify(&f.vq);
	assert_int_equal(used[0], VRING_USED_F_NO_NOTIFY);
	assert_false(vq_enable_notify(&f.vq));
	assert_int_equal(used[0], 0);
	vqf_avail(&f, 0);
	assert_true(vq_enable_notify(&f.vq));

	/* With them: used_event lies behind the avail ring, avail_event behind the used one. */
	f.vq.event_idx = true;
	avail[2 + 8] = 4; /* interrupt once used index passes 4, i.e. at 5 */
	vq_push(&f.vq, 0, 0);
	vq_push(&f.vq, 0, 0);
	assert_false(vq_want_irq(&f.vq));
	vq_push(&f.vq, 0, 0);
	assert_true(vq_want_irq(&f.vq));
	assert_true(vq_enable_notify(&f.vq));
	assert_int_equal(used[2 + 4 * 8], f.vq.last_avail);
	vqf_fini(&f);
}

static void copy_helpers(void **state)
{
	struct iovec out[VQ_MAX_SEGS];
	struct vq_chain c;
	struct vq_fake f;
	char buf[16];

	vqf_init(&f, 8);
	memcpy(vqf_ptr(&f, D, 10), "0123456789", 10);
	vqf_desc(&f, 0, D, 4, N, 1);
	vqf_desc(&f, 1, D + 4, 6, N, 2);
	vqf_desc(&f, 2, D + 64, 3, N | W, 3);
	vqf_desc(&f, 3, D + 80, 5, W, 0);
	vqf_avail(&f, 0);
	assert_int_equal(vq_pop(&f.vq, &c), 1);
	assert_int_equal(c.out_len, 10);
	assert_int_equal(c.in_len, 8);

	assert_int_equal(vq_chain_read(&c, 0, buf, sizeof(buf)), 10);
	assert_memory_equal(buf, "0123456789", 10);
	assert_int_equal(vq_chain_read(&c, 3, buf, 3), 3);
	assert_memory_equal(buf, "345", 3);
	assert_int_equal(vq_chain_read(&c, 10, buf, 3), 0);
	assert_int_equal(vq_chain_read(&c, SIZE_MAX, buf, 3), 0);
	assert_int_equal(vq_chain_write(&c, 2, "abcdefgh", 8), 6);
	assert_memory_equal(vqf_ptr(&f, D + 64, 3), "\0\0a", 3);
	assert_memory_equal(vqf_ptr(&f, D + 80, 5), "bcdef", 5);
	assert_int_equal(vq_chain_slice(&c, true, 3, SIZE_MAX, out), 1);
	assert_int_equal(out[0].iov_len, 5);
	assert_int_equal(vq_chain_slice(&c, false, 2, 4, out), 2);
	assert_int_equal(out[0].iov_len, 2);
	assert_int_equal(out[1].iov_len, 2);
	vqf_fini(&f);
}

static uint64_t rnd_state;

static uint32_t rnd(void)
{
	/* xorshift64*: the same sequence everywhere. */
	rnd_state ^= rnd_state >> 12;
	rnd_state ^= rnd_state << 25;
	rnd_state ^= rnd_state >> 27;
	return (rnd_state * 2685821657736338717ULL) >> 32;
}

/* Mostly plausible descriptors, so that deep paths are reached too. */
static void random_desc(struct vring_desc *d, unsigned int nr)
{
	static const uint16_t flags[] = {0, N, N, N, W, N | W, N | W, I, I | N, 0xffff};
	static const uint64_t addr[] = {D, T, T, VQF_RAM - 64, 0, UINT64_MAX - 15};

	d->addr = addr[rnd() % 6] + (rnd() % 8 ? 16 * (rnd() % 16) : rnd());
	d->len = rnd() % 8 ? 16 * (1 + rnd() % 16) : rnd();
	d->flags = flags[rnd() % 10];
	d->next = rnd() % 16 ? rnd() % nr : rnd();
}

static void touch_chain(const struct vq_chain *c, const struct mem *mem)
{
	static uint8_t buf[512];
	size_t sum = 0;

	assert_in_range(c->nr_out + c->nr_in, 1, VQ_MAX_SEGS);
	for (int i = 0; i < c->nr_out + c->nr_in; i++) {
		const uint8_t *p = c->iov[i].iov_base;

		assert_true(p >= mem->region[0].hva);
		assert_true(p + c->iov[i].iov_len <= mem->region[0].hva + VQF_RAM);
		sum += c->iov[i].iov_len;
	}
	assert_true(sum == c->out_len + c->in_len);
	vq_chain_read(c, rnd() % 64, buf, sizeof(buf));
	vq_chain_write(c, rnd() % 64, buf, sizeof(buf));
}

static void random_chains(void **state)
{
	const char *env = getenv("RUND_SEED");
	const unsigned long seed = env ? strtoul(env, NULL, 0) : 20260101;
	unsigned long good = 0, bad = 0;
	struct vq_chain c;
	struct vq_fake f;

	rnd_state = seed ? seed : 1;
	print_message("# seed %lu (RUND_SEED)\n", seed);
	vqf_init(&f, 64);
	for (int i = 0; i < 1000000; i++) {
		struct vring_desc *t = vqf_table(&f);
		struct vring_desc *ind = vqf_ptr(&f, T, 16 * 64);
		int ret;

		for (int j = 0; j < 8; j++) {
			random_desc(&t[rnd() % 64], 64);
			random_desc(&ind[rnd() % 64], 16);
		}
		f.vq.event_idx = rnd() & 1;
		vqf_avail(&f, rnd() % 70);
		ret = vq_pop(&f.vq, &c);
		if (ret == 1) {
			good++;
			touch_chain(&c, &f.mem);
			vq_push(&f.vq, c.head, rnd());
			vq_want_irq(&f.vq);
			vq_disable_notify(&f.vq);
			vq_enable_notify(&f.vq);
			continue;
		}
		bad++;
		assert_true(f.vq.broken);
		vqf_setup(&f.vq, &f.mem, 64);
		f.avail_idx = 0;
		memset(vqf_ptr(&f, VQF_AVAIL, 4), 0, 4);
		assert_int_equal(vq_enable(&f.vq), 0);
	}
	print_message("# %lu chains accepted, %lu refused\n", good, bad);
	/* A generator that only makes rubbish, or none, tests nothing. */
	assert_true(good > 50000 && bad > 50000);
	vqf_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains),	cmocka_unit_test(indirect_not_negotiated),
		cmocka_unit_test(too_big),	cmocka_unit_test(avail_ring),
		cmocka_unit_test(enable_rules), cmocka_unit_test(interrupts),
		cmocka_unit_test(copy_helpers), cmocka_unit_test(random_chains),
	};

	return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
