// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pre-patched images: a good one loads, an ordinary kernel stays one, and what
 * is damaged anywhere, was made by another version or for another CPU is
 * refused, with words that say so.
 */

#include "guest.h"
#include "lib/log.h"
#include "log_capture.h"
#include "prepatched_fake.h"
#include "smaps.h"
#include "vmm/cpuid.h"
#include "vmm/kernel.h"
#include "vmm/mem.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

static const uint8_t reset[] = {RESET};
static struct pp_fake fake;
static struct mem mem;

static void good(void)
{
	pp_good(&fake, reset, sizeof(reset), NULL, 0);
}

/* Whether the image is pre-patched, then; and no error leaves what nobody frees. */
static int load_fd(int fd, bool *prepatched)
{
	struct kernel_image img;
	int ret = kernel_load(&mem, fd, "test", RAM, &img);

	*prepatched = img.prepatch;
	free(img.prepatch);
	return ret;
}

static int load(bool *prepatched)
{
	int fd = pp_make_file(&fake);
	int ret = load_fd(fd, prepatched);

	close(fd);
	return ret;
}

/* The message has to have each of these, up to a NULL. */
static void assert_refused(const char *const words[3])
{
	struct log_capture c;
	const char *text;
	bool prepatched;
	int ret;

	log_capture_start(&c);
	ret = load(&prepatched);
	text = log_capture_end(&c);
	print_message("# %s", text);
	assert_int_equal(ret, -ENOEXEC);
	for (int i = 0; i < 3 && words[i]; i++)
		assert_non_null(strstr(text, words[i]));
	/* One line, that names the file. */
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_non_null(strstr(text, "kernel test: "));
}

#define REFUSED(...) assert_refused((const char *const[3]){__VA_ARGS__})

static void loads(void **state)
{
	struct kernel_image img;
	int fd;

	good();
	fd = pp_make_file(&fake);
	assert_int_equal(kernel_load(&mem, fd, "test", RAM, &img), 0);
	assert_non_null(img.prepatch);
	assert_memory_equal(img.prepatch, &fake.note, sizeof(fake.note));
	assert_int_equal(img.entry, PP_LOAD);
	assert_memory_equal(mem_ptr(&mem, PP_LOAD, PP_TEXT), fake.file.text, PP_TEXT);
	assert_memory_equal(mem_ptr(&mem, PP_LOAD + 0x10000, PP_DATA), fake.file.data, PP_DATA);
	free(img.prepatch);
	close(fd);
}

/* ECMA-182, a bit at a time: reflected, complemented before and after. */
static uint64_t crc64(const uint8_t *p, size_t len)
{
	uint64_t crc = ~0ULL;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xc96c5795d7870f42ULL : 0);
	}
	return ~crc;
}

/* The checksum is what the header says it is; images of today are those of tomorrow. */
static void crc_definition(void **state)
{
	static uint8_t all[sizeof(struct pp_fake)];
	struct rund_prepatch note;
	uint8_t *p = all;

	good();
	note = fake.note;
	note.crc = 0;
	p = mempcpy(p, &fake.file.eh, sizeof(fake.file.eh));
	p = mempcpy(p, fake.file.ph, sizeof(fake.file.ph));
	p = mempcpy(p, &note, sizeof(note));
	p = mempcpy(p, fake.file.text, PP_TEXT + PP_RODATA);
	p = mempcpy(p, fake.file.data, PP_DATA);
	assert_true(fake.note.crc == crc64(all, p - all));
}

/* Change one byte of the file to @v and see it refused; the byte is back then. */
static void try_byte(int fd, size_t at, uint8_t v)
{
	const uint8_t *byte = (const uint8_t *)&fake.file + at;
	bool prepatched;
	int ret;

	assert_int_equal(pwrite(fd, &v, 1, at), 1);
	ret = load_fd(fd, &prepatched);
	if (ret != -ENOEXEC && ret != -ENOSPC)
		fail_msg("byte %#zx: %#x for %#x: %d", at, v, *byte, ret);
	assert_int_equal(pwrite(fd, byte, 1, at), 1);
}

static bool is_padding(size_t at)
{
	return at >= offsetof(struct pp_file, note.desc) + sizeof(fake.file.note.desc) &&
	       at < offsetof(struct pp_file, text);
}

/* Somebody else's note is not the image's, unless it lies in a segment. */
static bool is_foreign(size_t at)
{
	return at >= offsetof(struct pp_file, other) &&
	       at < offsetof(struct pp_file, other) + sizeof(fake.file.other);
}

static void flipped_bytes(void **state)
{
	const uint8_t *file = (const uint8_t *)&fake.file;
	bool prepatched;
	int fd;

	good();
	fd = pp_make_file(&fake);
	for (size_t at = 0; at < PP_SIZE; at++) {
		if (is_padding(at) || is_foreign(at))
			continue;
		try_byte(fd, at, file[at] ^ 1 << at % 8);
		/* All bits of what the format consists of. */
		for (int b = 0; b < 8 && at < offsetof(struct pp_file, note.desc) + 16; b++)
			try_byte(fd, at, file[at] ^ 1 << b);
		try_byte(fd, at, ~file[at]);
	}
	assert_int_equal(load_fd(fd, &prepatched), 0);
	assert_true(prepatched);
	close(fd);
}

/* The mark and the note damaged both: it still is no ordinary kernel. */
static void flipped_pairs(void **state)
{
	const size_t note = offsetof(struct pp_file, note), ph = offsetof(struct pp_file, ph[3]);
	uint8_t *ident;
	int fd;

	good();
	ident = fake.file.eh.e_ident + EI_PAD;
	fd = pp_make_file(&fake);
	for (int m = 0; m < RUND_PREPATCH_MARKLEN; m++) {
		uint8_t old = ident[m];

		ident[m] ^= 1 << m;
		assert_int_equal(pwrite(fd, &ident[m], 1, EI_PAD + m), 1);
		for (size_t at = ph; at < ph + sizeof(Elf64_Phdr); at++)
			try_byte(fd, at, ((uint8_t *)&fake.file)[at] ^ 1);
		for (size_t at = note; at < offsetof(struct pp_file, note.desc); at++)
			try_byte(fd, at, ((uint8_t *)&fake.file)[at] ^ 1);
		ident[m] = old;
		assert_int_equal(pwrite(fd, &ident[m], 1, EI_PAD + m), 1);
	}
	for (int type = 0; type < 256; type++) {
		if (type != PT_NOTE)
			try_byte(fd, ph, type);
	}
	close(fd);
}

static void truncated(void **state)
{
	const size_t edges[] = {
		sizeof(Elf64_Ehdr),
		offsetof(struct pp_file, other),
		offsetof(struct pp_file, note),
		offsetof(struct pp_file, note.desc),
		offsetof(struct pp_file, note.desc) + sizeof(struct rund_prepatch),
		offsetof(struct pp_file, text),
		offsetof(struct pp_file, rodata),
		offsetof(struct pp_file, data),
		PP_SIZE,
	};
	size_t len = PP_SIZE;
	bool prepatched;
	int fd;

	good();
	fd = pp_make_file(&fake);
	while (len--) {
		bool edge = len < 512 || len % 97 == 0;

		for (size_t i = 0; i < NR(edges) && !edge; i++)
			edge = len + 16 > edges[i] && len < edges[i] + 16;
		if (!edge)
			continue;
		assert_int_equal(ftruncate(fd, len), 0);
		assert_int_equal(load_fd(fd, &prepatched), -ENOEXEC);
	}
	close(fd);
}

static void other_versions(void **state)
{
	good();
	fake.note.version = 2;
	pp_seal(&fake);
	REFUSED("another version of rund-prepatch (2, not 1)", "rund-prepatch build");

	/* A later version may well have a longer note. */
	good();
	fake.note.version = 7;
	pp_seal(&fake);
	fake.file.note.n.n_descsz = 64;
	fake.file.ph[3].p_filesz = sizeof(Elf64_Nhdr) + 8 + 64;
	pp_seal(&fake);
	REFUSED("another version of rund-prepatch (7, not 1)", "rund-prepatch build");
}

static void note_sizes(void **state)
{
	const uint32_t full = sizeof(struct rund_prepatch);
	static const int32_t off[] = {-1, -4, -8, 4, 8};

	/* Shorter and longer, with room for all of it: the next segment follows. */
	for (size_t i = 0; i < NR(off); i++) {
		good();
		fake.file.note.n.n_descsz = full + off[i];
		fake.file.ph[3].p_filesz += 64;
		pp_seal(&fake);
		REFUSED("damaged pre-patched image (its note)", "make it again");
	}
	/* Not even a version. */
	for (uint32_t size = 0; size < 4; size++) {
		good();
		fake.file.note.n.n_descsz = size;
		fake.file.ph[3].p_filesz = offsetof(struct pp_file, note.desc) -
					   offsetof(struct pp_file, note) + (size ? 4 : 0);
		pp_seal(&fake);
		REFUSED("damaged pre-patched image (its note)");
	}
	/* What it says its size is counts too. */
	good();
	fake.note.size--;
	pp_seal(&fake);
	REFUSED("damaged pre-patched image (its note)");
	/* More than its program header has, and so much that sums wrap. */
	for (uint32_t size = full + 1; size; size = size == full + 1 ? UINT32_MAX : 0) {
		good();
		fake.file.note.n.n_descsz = size;
		pp_seal(&fake);
		REFUSED("damaged pre-patched image (no note)");
		good();
		fake.file.note.n.n_namesz = size;
		pp_seal(&fake);
		REFUSED("damaged pre-patched image (no note)");
	}
	/* Nothing can follow a name that long, ours neither. */
	good();
	fake.file.other.n =
		(Elf64_Nhdr){UINT32_MAX, sizeof(fake.file.other) - sizeof(Elf64_Nhdr), 1};
	fake.file.ph[3].p_offset = offsetof(struct pp_file, other);
	fake.file.ph[3].p_filesz += sizeof(fake.file.other);
	pp_seal(&fake);
	REFUSED("damaged pre-patched image (no note)");
	/* A program header of a note that has none, or reaches out of the file. */
	for (uint64_t size = 0; size < 12; size += 11) {
		good();
		fake.file.ph[3].p_filesz = size;
		pp_seal(&fake);
		REFUSED("damaged pre-patched image (no note)");
	}
	good();
	fake.file.ph[3].p_offset = PP_SIZE - 16;
	pp_seal(&fake);
	REFUSED("damaged pre-patched image (no note)");
	fake.file.ph[3].p_offset = UINT64_MAX;
	pp_seal(&fake);
	REFUSED("damaged pre-patched image (no note)");
}

static void set_text(char *s, size_t room, const char *what)
{
	memset(s, 'x', room);
	if (what)
		strcpy(s, what);
}

static void note_contents(void **state)
{
	static const char *const bad_text[] = {NULL, "a b", "\x1b[2J", "\n", "caf\xc3\xa9", "\x7f"};
	bool prepatched;

	for (int i = 0; i < 2 * (int)NR(bad_text); i++) {
		good();
		if (i % 2)
			set_text(fake.note.word[1].name[31], RUND_PREPATCH_NAMELEN,
				 bad_text[i / 2]);
		else
			set_text(fake.note.release, sizeof(fake.note.release), bad_text[i / 2]);
		pp_seal(&fake);
		REFUSED("damaged pre-patched image (its note)");
	}
	/* The longest strings that there may be. */
	good();
	memset(fake.note.release, 'x', sizeof(fake.note.release) - 1);
	memset(fake.note.word[0].name[0], 'x', RUND_PREPATCH_NAMELEN - 1);
	pp_seal(&fake);
	assert_int_equal(load(&prepatched), 0);
	assert_true(prepatched);
}

static void note_numbers(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		uint64_t value;
		size_t len;
		bool ok;
	} t[] = {
#define N(field, v, ok)                                          \
#field " " #v, offsetof(struct rund_prepatch, field), v, \
		sizeof(((struct rund_prepatch *)0)->field), ok
		{N(nr_words, RUND_PREPATCH_WORDS, true)},
		{N(nr_words, RUND_PREPATCH_WORDS + 1, false)},
		{N(nr_words, UINT32_MAX, false)},
		{N(nr_words, 0, true)},
		{N(nr_caps, RUND_PREPATCH_CAPS + 1, false)},
		{N(nr_caps, UINT32_MAX, false)},
		{N(text.start, PP_LOAD + PP_TEXT, false)},
		{N(text.start, PP_LOAD + 2 * PP_TEXT, false)},
		{N(text.start, PP_LOAD + 1, false)},
		{N(text.start, 0, true)},
		{N(text.end, PP_LOAD + PP_TEXT - 1, false)},
		{N(text.end, PP_LOAD + 2 * PP_TEXT, false)},
		{N(rodata.end, PP_LOAD, false)},
		{N(rodata.end, PP_LOAD + PP_TEXT + 1, false)},
		{N(rodata.end, UINT64_MAX & ~4095ULL, true)},
		{N(rodata.start, PP_LOAD + PP_TEXT + 8, false)},
		{N(rodata.start, PP_LOAD, false)},
#undef N
	};

	for (size_t i = 0; i < NR(t); i++) {
		bool prepatched;

		print_message("# %s\n", t[i].name);
		good();
		memcpy((uint8_t *)&fake.note + t[i].at, &t[i].value, t[i].len);
		pp_seal(&fake);
		if (!t[i].ok)
			REFUSED("damaged pre-patched image (its note)");
		else
			assert_int_equal(load(&prepatched), 0);
	}
}

static void checksum(void **state)
{
	good();
	fake.note.crc = 0;
	memcpy(fake.file.note.desc, &fake.note, sizeof(fake.note));
	REFUSED("damaged pre-patched image (its checksum is wrong)", "make it again");
	/* A segment that is in the file only, and nowhere in memory. */
	good();
	fake.file.ph[1].p_memsz = 0;
	fake.file.ph[1].p_paddr = UINT64_MAX - 8;
	pp_seal(&fake);
	REFUSED("larger in the file than in memory");
}

/* Not ours: another name, another type, a longer name that begins alike. */
static void foreign(struct pp_file *e, int kind)
{
	switch (kind) {
	case 0:
		e->note.name[3] = 'E';
		break;
	case 1:
		e->note.n.n_type = RUND_PREPATCH_TYPE + 1;
		break;
	case 2:
		e->note.n.n_namesz = 8;
		break;
	case 3:
		e->note.n.n_namesz = 4;
		break;
	case 4:
		e->ph[3].p_type = PT_LOOS;
		break;
	}
}

static void foreign_notes(void **state)
{
	bool prepatched;

	for (int kind = 0; kind < 5; kind++) {
		good();
		foreign(&fake.file, kind);
		pp_seal(&fake);
		REFUSED("damaged pre-patched image (no note)", "make it again");
		memset(fake.file.eh.e_ident + EI_PAD, 0, RUND_PREPATCH_MARKLEN);
		assert_int_equal(load(&prepatched), 0);
		assert_false(prepatched);
	}
	/* Ours behind another one in the same program header. */
	good();
	fake.file.ph[3].p_offset = offsetof(struct pp_file, other);
	fake.file.ph[3].p_filesz += sizeof(fake.file.other);
	fake.file.ph[2].p_type = PT_NULL;
	pp_seal(&fake);
	assert_int_equal(load(&prepatched), 0);
	assert_true(prepatched);
}

static void mark_and_note(void **state)
{
	uint8_t *mark = fake.file.eh.e_ident + EI_PAD;
	bool prepatched;

	/* Neither: an ordinary kernel. */
	good();
	memset(mark, 0, RUND_PREPATCH_MARKLEN);
	fake.file.eh.e_phnum = 3;
	assert_int_equal(load(&prepatched), 0);
	assert_false(prepatched);
	/* A mark and no note, a note and no mark; the checksum is right in both. */
	memcpy(mark, RUND_PREPATCH_MARK, RUND_PREPATCH_MARKLEN);
	pp_seal(&fake);
	REFUSED("damaged pre-patched image (no note)", "make it again");
	good();
	memset(mark, 0, RUND_PREPATCH_MARKLEN);
	pp_seal(&fake);
	REFUSED("damaged pre-patched image (its ELF header)", "make it again");
}

/* The message of a comparison of the image's words with these; "" when there was none. */
static const char *compare(const struct rund_cpu_word *here, unsigned int nr, int want)
{
	static struct log_capture c;
	int ret;

	log_capture_start(&c);
	ret = prepatched_compare("test", &fake.note, here, nr);
	log_capture_end(&c);
	print_message("%s%s", *c.text ? "# " : "", c.text);
	assert_int_equal(ret, want);
	assert_int_equal(!*c.text, !want);
	assert_true(!want || strstr(c.text, "kernel test: "));
	assert_true(!want || strstr(c.text, "rund-prepatch build"));
	return c.text;
}

static void compared(void **state)
{
	struct rund_cpu_word here[2];
	const char *text;

	good();
	memcpy(here, fake.note.word, sizeof(here));
	/* Only the image knows names. */
	memset(here[1].name, 0, sizeof(here[1].name));
	compare(here, 2, 0);

	here[1].value = 1;
	text = compare(here, 2, -ENOEXEC);
	assert_non_null(strstr(text, "for another CPU; missing here: sgx; make"));
	here[1].value = 0x107;
	text = compare(here, 2, -ENOEXEC);
	assert_non_null(strstr(text, "for another CPU; only here: 0x7.0:1[1] erms; make"));
	here[1].value = 0x100;
	text = compare(here, 2, -ENOEXEC);
	assert_non_null(strstr(text, "; missing here: fsgsbase sgx; only here: erms; make"));
	assert_null(strstr(text, "vendor"));

	memcpy(here, fake.note.word, sizeof(here));
	here[0].value ^= 1U << 31;
	text = compare(here, 2, -ENOEXEC);
	assert_non_null(strstr(text, "; vendor, family, model or stepping differ; make"));
	assert_null(strstr(text, "here:"));

	/* More names than a line has room for. */
	for (int b = 0; b < 32; b++)
		memset(fake.note.word[1].name[b], 'x', RUND_PREPATCH_NAMELEN - 1);
	fake.note.word[1].value = ~0U;
	here[0].value = fake.note.word[0].value;
	here[1].value = 0;
	assert_non_null(strstr(compare(here, 2, -ENOEXEC), "xxxxxxxxxxxxxxxxxxx xxx"));
}

static void other_words(void **state)
{
	struct rund_cpu_word here[3] = {0}, *w = &here[1];

	good();
	memcpy(here, fake.note.word, 2 * sizeof(here[0]));
	for (unsigned int nr = 0; nr < 4; nr++) {
		if (nr != 2)
			assert_non_null(strstr(compare(here, nr, -ENOEXEC), "damaged"));
	}
	for (int i = 0; i < 4; i++) {
		uint32_t *field[] = {&w->leaf, &w->subleaf, &w->reg, &w->mask};

		*field[i] ^= 2;
		assert_non_null(strstr(compare(here, 2, -ENOEXEC), "its CPU words"));
		*field[i] ^= 2;
	}
	compare(here, 2, 0);
}

static uint64_t end_rodata; /* 0: where it is */

static int create(struct vm *vm, const struct rund_cpu_word *word, unsigned int nr)
{
	struct vm_config cfg;
	int fd, ret;

	pp_good(&fake, reset, sizeof(reset), word, nr);
	if (end_rodata)
		fake.note.rodata.end = end_rodata;
	pp_seal(&fake);
	fd = pp_make_file(&fake);
	cfg = config(fd_path(fd));
	ret = vm_create(vm, &cfg);
	close(fd);
	return ret;
}

/* The words of this CPU. */
static int real_words(struct rund_cpu_word *word)
{
	static struct vm vm;
	struct vm_config cfg;
	int fd, nr;

	cfg = config(make_kernel(reset, sizeof(reset), &fd));
	assert_int_equal(vm_create(&vm, &cfg), 0);
	nr = prepatched_cpu_words(&vm, word);
	vm_destroy(&vm);
	close(fd);
	return nr;
}

/* Some of the words as KVM has them, and no bit in any that does not count. */
static void assert_right_words(const struct rund_cpu_word *word, int nr)
{
	struct vm vm = {.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC)};
	struct cpuid c;

	assert_int_equal(cpuid_load(&vm, &c), 0);
	close(vm.kvm_fd);
	for (unsigned int i = 0; i < c.head.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &c.entry[i];

		if (e->function == 0) {
			assert_int_equal(word[0].value, e->ebx);
			assert_int_equal(word[1].value, e->edx);
			assert_int_equal(word[2].value, e->ecx);
		} else if (e->function == 1) {
			assert_int_equal(word[3].value, e->eax);
			assert_int_equal(word[4].value, e->edx & word[4].mask);
		}
	}
	for (int i = 0; i < nr; i++)
		assert_true(!word[i].mask || !(word[i].value & ~word[i].mask));
}

static void on_this_cpu(void **state)
{
	struct rund_cpu_word word[RUND_PREPATCH_WORDS], again[RUND_PREPATCH_WORDS];
	static struct vm vm;
	struct log_capture c;
	struct left before;
	int nr, ret;

	need_kvm();
	nr = real_words(word);
	assert_in_range(nr, 8, RUND_PREPATCH_WORDS);
	assert_int_equal(real_words(again), nr);
	assert_memory_equal(word, again, nr * sizeof(word[0]));
	assert_right_words(word, nr);

	before = count_left();
	assert_int_equal(create(&vm, word, nr), 0);
	assert_non_null(vm.prepatch);
	assert_int_equal(vm_run(&vm), 0);
	assert_int_equal(vm.exit, VM_EXIT_RESET);
	vm_destroy(&vm);
	assert_null(vm.prepatch);
	assert_same(count_left(), before);

	/* Huge pages are asked for where text and read-only data are, to the end of them. */
	end_rodata = PP_LOAD + (5ULL << 20);
	assert_int_equal(create(&vm, word, nr), 0);
	for (uint64_t mib = 0; mib < 8; mib++)
		assert_int_equal(has_flag(mem_ptr(&vm.mem, PP_LOAD + (mib << 20), 1), HUGE_PAGES),
				 knows_huge_pages() && mib < 4);
	vm_destroy(&vm);

	for (int i = 0; i < nr; i++) {
		uint32_t bit = word[i].mask ? word[i].mask & -word[i].mask : 1;

		word[i].value ^= bit;
		log_capture_start(&c);
		ret = create(&vm, word, nr);
		assert_non_null(strstr(log_capture_end(&c), "pre-patched for another CPU"));
		assert_int_equal(ret, -ENOEXEC);
		assert_null(vm.prepatch);
		word[i].value ^= bit;
	}
	assert_same(count_left(), before);
}

static int setup(void **state)
{
	return mem_init(&mem, RAM);
}

static int teardown(void **state)
{
	mem_fini(&mem);
	return 0;
}

/* Most refuse many times, and log each time. */
static int quiet(void **state)
{
	log_init("test", LOG_LEVEL_NONE);
	return setup(state);
}

static int loud(void **state)
{
	log_init("test", LOG_LEVEL_INFO);
	return teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(loads, setup, teardown),
		cmocka_unit_test(crc_definition),
		cmocka_unit_test_setup_teardown(flipped_bytes, quiet, loud),
		cmocka_unit_test_setup_teardown(flipped_pairs, quiet, loud),
		cmocka_unit_test_setup_teardown(truncated, quiet, loud),
		cmocka_unit_test_setup_teardown(other_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(note_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(note_contents, setup, teardown),
		cmocka_unit_test_setup_teardown(note_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_notes, setup, teardown),
		cmocka_unit_test_setup_teardown(mark_and_note, setup, teardown),
		cmocka_unit_test(compared),
		cmocka_unit_test(other_words),
		cmocka_unit_test(on_this_cpu),
	};

	alarm(300);
	return cmocka_run_group_tests_name("prepatched", tests, NULL, NULL);
}
