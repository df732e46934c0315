// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watched memory on a real KVM: a log tells exactly the pages that were
 * written, a trap tells who wrote what, and the guest notices neither.  Skipped
 * where there is no /dev/kvm.
 */
#include "guest.h"
#include "lib/log.h"
#include "log_capture.h"
#include "prepatched_fake.h"
#include "vmm/bus.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* Two ranges, the bitmap of the second one longer than a word. */
#define A	0x1800000
#define A_END	0x1808000
#define B	0x1a00000
#define B_END	0x1a42000
#define PAGE(n) ((n)*0x1000)

/* Each item has eight bytes: numbers 1, 3, 5 and 6 write to the ranges. */
static const uint8_t stores[] = {
	CONSOLE,
	STORE(A - 1, 'a'),
	STORE(A + PAGE(1) + 0x123, 'b'),
	STORE(A_END, 'c'),
	STORE(A_END - 1, 'd'),
	STORE(B - 1, 'e'),
	STORE(B, 'f'),
	STORE(B + PAGE(65) + 5, 'g'),
	STORE(B_END, 'h'),
	PRINT(A - 1),
	PRINT(A + PAGE(1) + 0x123),
	PRINT(A_END),
	PRINT(A_END - 1),
	PRINT(B - 1),
	PRINT(B),
	PRINT(B + PAGE(65) + 5),
	PRINT(B_END),
	PUTC('\n'),
	/* RAM's last byte, which is behind all, and a page that is only read. */
	STORE(RAM - 1, 'i'),
	PRINT(RAM - 1),
	PRINT(A + PAGE(3)),
	PUTC('\n'),
	RESET,
};
#define PRINTED	     "abcdefgh\ni\0\n"
#define STORE_END(n) (LOAD + 4 + 8 * ((n) + 1))

/* Stores of other widths, across the start of a range, across pages, and locked ones. */
static const uint8_t wide[] = {
	0xbf,
	LE32(A - 4), /* mov $(A - 4), %edi */
	/* mov $0x1122334455667788, %rax; mov %rax, (%rdi) */
	0x48,
	0xb8,
	0x88,
	0x77,
	0x66,
	0x55,
	0x44,
	0x33,
	0x22,
	0x11,
	0x48,
	0x89,
	0x07,
	0xbf,
	LE32(A + PAGE(2) - 2), /* mov $(A + 0x1ffe), %edi */
	0x89,
	0x07, /* mov %eax, (%rdi) */
	0xbf,
	LE32(B), /* mov $B, %edi */
	0x66,
	0x89,
	0x07, /* mov %ax, (%rdi) */
	0xf0,
	0xff,
	0x07, /* lock incl (%rdi) */
	0x48,
	0xff,
	0x07, /* incq (%rdi) */
	RESET,
};

static const struct seen {
	uint64_t rip, gpa, data;
	unsigned int len;
} stores_seen[] =
	{
		{STORE_END(1), A + PAGE(1) + 0x123, 'b', 1},
		{STORE_END(3), A_END - 1, 'd', 1},
		{STORE_END(5), B, 'f', 1},
		{STORE_END(6), B + PAGE(65) + 5, 'g', 1},
},
  wide_seen[] = {
	  {LOAD + 18, A, 0x11223344, 4},       {LOAD + 25, A + PAGE(2) - 2, 0x7788, 2},
	  {LOAD + 25, A + PAGE(2), 0x5566, 2}, {LOAD + 33, B, 0x7788, 2},
	  {LOAD + 36, B, 0x7789, 4},	       {LOAD + 39, B, 0x778a, 8},
};

static struct {
	struct seen v[16];
	unsigned int nr;
} seen;

static struct guest g;

static void on_write(void *priv, uint64_t rip, uint64_t gpa, const void *data, unsigned int len)
{
	struct seen *s = &seen.v[seen.nr];

	if (priv != &seen || seen.nr >= NR(seen.v) || len > sizeof(s->data))
		abort();
	*s = (struct seen){rip, gpa, 0, len};
	memcpy(&s->data, data, len);
	seen.nr++;
}

static struct vm_config watching(enum watch_mode mode)
{
	struct vm_config cfg = config(NULL);

	cfg.nr_vcpus = 1;
	cfg.watch.mode = mode;
	cfg.watch.range[0] = (struct watch_range){A, A_END};
	cfg.watch.range[1] = (struct watch_range){B, B_END};
	cfg.watch.nr = 2;
	cfg.watch.fn = on_write;
	cfg.watch.priv = &seen;
	seen.nr = 0;
	return cfg;
}

static void assert_seen(const struct seen *want, unsigned int nr)
{
	assert_int_equal(seen.nr, nr);
	for (unsigned int i = 0; i < nr; i++) {
		assert_int_equal(seen.v[i].rip, want[i].rip);
		assert_int_equal(seen.v[i].gpa, want[i].gpa);
		assert_int_equal(seen.v[i].data, want[i].data);
		assert_int_equal(seen.v[i].len, want[i].len);
	}
}

/* All of them, more than once; what the bitmaps held before is of no importance. */
static void assert_written(void)
{
	uint64_t a[1], b[2];

	assert_int_equal(watch_words(&g.vm.cfg.watch.range[0]), NR(a));
	assert_int_equal(watch_words(&g.vm.cfg.watch.range[1]), NR(b));
	for (int i = 0; i < 3; i++) {
		memset(a, 0xa5, sizeof(a));
		memset(b, 0xa5, sizeof(b));
		assert_int_equal(watch_written(&g.vm, 0, a), 2);
		assert_int_equal(a[0], 1 << 1 | 1 << 7);
		assert_int_equal(watch_written(&g.vm, 1, b), 2);
		assert_int_equal(b[0], 1);
		assert_int_equal(b[1], 1 << 1);
	}
}

static void unwatched(void **state)
{
	struct vm_config cfg;

	need_kvm();
	cfg = watching(WATCH_OFF);
	guest_run(&g, stores, sizeof(stores), &cfg);
	assert_memory_equal(g.out, PRINTED, sizeof(PRINTED));
	assert_null(g.vm.watch);
	assert_int_equal(seen.nr, 0);
	guest_end(&g);
}

static void logged(void **state)
{
	struct vm_config cfg;

	need_kvm();
	cfg = watching(WATCH_LOG);
	guest_run(&g, stores, sizeof(stores), &cfg);
	assert_int_equal(g.vm.exit, VM_EXIT_RESET);
	assert_memory_equal(g.out, PRINTED, sizeof(PRINTED));
	assert_written();
	/* Nobody is told of single writes. */
	assert_int_equal(seen.nr, 0);
	guest_end(&g);
	assert_null(g.vm.watch);
}

static struct {
	long nr[2];
	uint64_t map[2];
	unsigned int asked;
} asked;

/* On the vCPU's thread, in the middle of the guest. */
static void ask(void *priv, uint64_t off, bool write, void *data, unsigned int len)
{
	unsigned int i = asked.asked++ % 2;

	asked.nr[i] = watch_written(priv, 0, &asked.map[i]);
}

/* Pages stay in the answer when later ones come. */
static void logged_twice(void **state)
{
	static const uint8_t code[] = {
		STORE(A + PAGE(4), 1),
		0xe6,
		0xf0, /* out %al, $0xf0 */
		STORE(A + PAGE(6), 1),
		0xe6,
		0xf0, /* and again */
		RESET,
	};
	struct vm_config cfg;
	int fd;

	need_kvm();
	cfg = watching(WATCH_LOG);
	cfg.kernel = make_kernel(code, sizeof(code), &fd);
	assert_int_equal(vm_create(&g.vm, &cfg), 0);
	assert_int_equal(bus_add(&g.vm, BUS_PIO, 0xf0, 1, ask, &g.vm), 0);
	assert_int_equal(vm_run(&g.vm), 0);
	assert_int_equal(asked.asked, 2);
	assert_int_equal(asked.nr[0], 1);
	assert_int_equal(asked.map[0], 1 << 4);
	assert_int_equal(asked.nr[1], 2);
	assert_int_equal(asked.map[1], 1 << 4 | 1 << 6);
	vm_destroy(&g.vm);
	close(fd);
}

static void trapped(void **state)
{
	struct vm_config cfg;

	need_kvm();
	cfg = watching(WATCH_TRAP);
	guest_run(&g, stores, sizeof(stores), &cfg);
	assert_int_equal(g.vm.exit, VM_EXIT_RESET);
	assert_memory_equal(g.out, PRINTED, sizeof(PRINTED));
	assert_seen(stores_seen, NR(stores_seen));
	guest_end(&g);
	/* Nobody has to listen. */
	cfg = watching(WATCH_TRAP);
	cfg.watch.fn = NULL;
	guest_run(&g, stores, sizeof(stores), &cfg);
	assert_memory_equal(g.out, PRINTED, sizeof(PRINTED));
	guest_end(&g);
}

static void trapped_wide(void **state)
{
	uint64_t start, b;
	struct vm_config cfg;
	uint32_t cross;

	need_kvm();
	cfg = watching(WATCH_TRAP);
	guest_run(&g, wide, sizeof(wide), &cfg);
	for (unsigned int i = 0; i < seen.nr; i++)
		print_message("# %llx %llx %llx %u\n", (long long)seen.v[i].rip,
			      (long long)seen.v[i].gpa, (long long)seen.v[i].data, seen.v[i].len);
	assert_seen(wide_seen, NR(wide_seen));
	assert_int_equal(mem_read(&g.vm.mem, A - 4, &start, 8), 0);
	assert_true(start == 0x1122334455667788);
	assert_int_equal(mem_read(&g.vm.mem, A + PAGE(2) - 2, &cross, 4), 0);
	assert_int_equal(cross, 0x55667788);
	assert_int_equal(mem_read(&g.vm.mem, B, &b, 8), 0);
	assert_int_equal(b, 0x778a);
	guest_end(&g);
}

/* From RAM's first byte to its last, one range beside the other. */
static void whole_ram(void **state)
{
	struct vm_config cfg;
	uint64_t map[2][((RAM >> 12) + 63) / 64];

	need_kvm();
	cfg = watching(WATCH_LOG);
	cfg.watch.range[0] = (struct watch_range){0, A};
	cfg.watch.range[1] = (struct watch_range){A, RAM};
	guest_run(&g, stores, sizeof(stores), &cfg);
	assert_memory_equal(g.out, PRINTED, sizeof(PRINTED));
	/* The CPU writes its page table too. */
	assert_true(watch_written(&g.vm, 0, map[0]) >= 1);
	assert_true(map[0][(A >> 12) / 64 - 1] >> 63);
	assert_int_equal(watch_written(&g.vm, 1, map[1]), 8);
	guest_end(&g);
}

static const struct {
	const char *name;
	struct watch_range r[2];
	unsigned int nr;
	int ret;
} ranges[] = {
	{"good", {{A, A_END}, {B, B_END}}, 2, 0},
	{"one", {{A, A_END}}, 1, 0},
	{"side by side", {{A, A_END}, {A_END, B}}, 2, 0},
	{"all", {{0, RAM}}, 1, 0},
	{"unaligned start", {{A + 1, A_END}}, 1, -EINVAL},
	{"unaligned end", {{A, A_END - 8}}, 1, -EINVAL},
	{"empty", {{A, A}}, 1, -EINVAL},
	{"reversed", {{A_END, A}}, 1, -EINVAL},
	{"overlap", {{A, A_END}, {A_END - 0x1000, B}}, 2, -EINVAL},
	{"the same", {{A, A_END}, {A, A_END}}, 2, -EINVAL},
	{"not in order", {{B, B_END}, {A, A_END}}, 2, -EINVAL},
	{"one page past RAM", {{A, RAM + 0x1000}}, 1, -EINVAL},
	{"far past RAM", {{1ULL << 40, (1ULL << 40) + 0x1000}}, 1, -EINVAL},
	{"to the end of all", {{A, -0x1000ULL}}, 1, -EINVAL},
	{"second is bad", {{A, A_END}, {B, B_END + 4}}, 2, -EINVAL},
};

/* KVM, which would refuse most of it too, is not even asked; and a KVM that refuses leaves nothing.
 */
static void checked_ranges(void **state)
{
	static struct vm vm = {.vm_fd = -1};
	struct log_capture c;

	assert_int_equal(mem_init(&vm.mem, RAM), 0);
	for (size_t i = 0; i <= NR(ranges); i++) {
		bool many = i == NR(ranges);
		int ret, want = many || ranges[i].ret ? -EINVAL : -EBADF;

		vm.cfg = watching(WATCH_LOG);
		vm.cfg.watch.nr = many ? 3 : ranges[i].nr;
		if (!many)
			memcpy(vm.cfg.watch.range, ranges[i].r, sizeof(ranges[i].r));
		log_capture_start(&c);
		ret = watch_init(&vm);
		log_capture_end(&c);
		print_message("# %s", c.text);
		assert_int_equal(ret, want);
		assert_null(vm.watch);
		assert_non_null(strstr(c.text, many		 ? "at most 2 ranges"
					       : want == -EINVAL ? "not whole pages"
								 : "KVM refuses"));
	}
	mem_fini(&vm.mem);
}

static void bad_ranges(void **state)
{
	struct vm_config cfg;
	struct left before;
	struct vm *vm = &g.vm;
	int fd;

	need_kvm();
	cfg = watching(WATCH_OFF);
	cfg.kernel = make_kernel(stores, sizeof(stores), &fd);
	before = count_left();
	for (size_t i = 0; i < 2 * NR(ranges); i++) {
		int ret;

		cfg.watch.mode = i % 2 ? WATCH_LOG : WATCH_TRAP;
		memcpy(cfg.watch.range, ranges[i / 2].r, sizeof(ranges[0].r));
		cfg.watch.nr = ranges[i / 2].nr;
		print_message("# %s\n", ranges[i / 2].name);
		ret = vm_create(vm, &cfg);
		assert_int_equal(ret, ranges[i / 2].ret);
		if (!ret)
			vm_destroy(vm);
		assert_null(vm->watch);
		assert_same(count_left(), before);
	}
	close(fd);
}

/* An image for this CPU, which writes to its text, and twice to its read-only data. */
static int make_image(bool marked)
{
	static const uint8_t code[] = {STORE(PP_LOAD + 0xff0, 1), STORE(PP_LOAD + PP_TEXT + 8, 1),
				       STORE(PP_LOAD + PP_TEXT + 9, 1), RESET};
	struct rund_cpu_word word[RUND_PREPATCH_WORDS];
	static struct pp_fake fake;
	struct vm_config cfg = config(NULL);
	int nr;

	guest_run(&g, code, sizeof(code), &cfg);
	nr = prepatched_cpu_words(&g.vm, word);
	guest_end(&g);
	assert_true(nr > 0);
	pp_good(&fake, code, sizeof(code), word, nr);
	if (!marked) {
		memset(fake.file.eh.e_ident + EI_PAD, 0, RUND_PREPATCH_MARKLEN);
		fake.file.eh.e_phnum = 3;
	}
	return pp_make_file(&fake);
}

/* Without ranges it is what the image says is final. */
static void ranges_of_image(void **state)
{
	struct vm_config cfg;
	uint64_t map;
	int fd;

	need_kvm();
	fd = make_image(true);
	for (enum watch_mode mode = WATCH_OFF; mode <= WATCH_TRAP; mode++) {
		cfg = watching(mode);
		cfg.watch.nr = 0;
		cfg.kernel = fd_path(fd);
		assert_int_equal(vm_create(&g.vm, &cfg), 0);
		assert_int_equal(vm_run(&g.vm), 0);
		assert_int_equal(g.vm.cfg.watch.nr, mode == WATCH_OFF ? 0 : 2);
		assert_int_equal(seen.nr, mode == WATCH_TRAP ? 3 : 0);
		if (mode == WATCH_LOG) {
			assert_int_equal(watch_written(&g.vm, 0, &map), 1);
			assert_int_equal(watch_written(&g.vm, 1, &map), 1);
		}
		vm_destroy(&g.vm);
	}
	assert_int_equal(seen.v[0].gpa, PP_LOAD + 0xff0);
	assert_int_equal(seen.v[2].gpa, PP_LOAD + PP_TEXT + 9);
	close(fd);
}

static void no_image(void **state)
{
	struct log_capture c;
	struct vm_config cfg;
	struct left before;
	int fd, ret;

	need_kvm();
	fd = make_image(false);
	before = count_left();
	cfg = watching(WATCH_LOG);
	cfg.watch.nr = 0;
	cfg.kernel = fd_path(fd);
	log_capture_start(&c);
	ret = vm_create(&g.vm, &cfg);
	log_capture_end(&c);
	assert_int_equal(ret, -EINVAL);
	assert_non_null(strstr(c.text, "is not pre-patched; make one that is with rund-prepatch"));
	assert_same(count_left(), before);
	close(fd);
}

/* Pre-patched and watched: whatever step fails, nothing is left of either. */
static void failing_steps(void **state)
{
	struct vm_config cfg;
	struct left before;
	struct vm *vm = &g.vm;
	int fd;

	need_kvm();
	fd = make_image(true);
	cfg = watching(WATCH_LOG);
	cfg.watch.nr = 0;
	cfg.kernel = fd_path(fd);
	before = count_left();
	for (vm_fail_step = 0; vm_create(vm, &cfg); vm_fail_step++) {
		assert_null(vm->prepatch);
		assert_null(vm->watch);
		assert_same(count_left(), before);
	}
	assert_int_equal(vm_fail_step, 12);
	vm_fail_step = -1;
	assert_non_null(vm->prepatch);
	assert_non_null(vm->watch);
	vm_destroy(vm);
	assert_same(count_left(), before);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unwatched),	   cmocka_unit_test(logged),
		cmocka_unit_test(logged_twice),	   cmocka_unit_test(trapped),
		cmocka_unit_test(trapped_wide),	   cmocka_unit_test(whole_ram),
		cmocka_unit_test(checked_ranges),  cmocka_unit_test(bad_ranges),
		cmocka_unit_test(ranges_of_image), cmocka_unit_test(no_image),
		cmocka_unit_test(failing_steps),
	};

	/* A lost kick would hang for ever. */
	alarm(550);
	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
