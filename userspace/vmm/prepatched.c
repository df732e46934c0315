// SPDX-License-Identifier: GPL-2.0-only
/*
 * Final text fits one kind of CPU, and what was built in its place is gone.  So
 * the words of CPUID that kernels look at have to be equal, bit for bit, but
 * for those that change while a guest runs.
 */
#include "vmm/prepatched.h"

#include <errno.h>
#include <isa-l/crc64.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/cpuid.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define NOTE_MAX  (64U << 10)
#define NAMES_MAX 256

/* SDM vol. 4, IA32_ARCH_CAPABILITIES. */
#define MSR_ARCH_CAPABILITIES 0x10a

enum { EAX, EBX, ECX, EDX };

/*
 * SDM vol. 2A, CPUID; APM vol. 3, appendix E; Documentation/virt/kvm/x86/cpuid.rst.
 * Left out: OSXSAVE and OSPKE, which follow CR4, and HTT, which follows the
 * number of CPUs.
 */
static const struct {
	uint32_t leaf, subleaf, reg, mask;
} cpu_words[] = {
	{0x0, 0, EBX, 0}, /* vendor */
	{0x0, 0, EDX, 0}, /* ... */
	{0x0, 0, ECX, 0}, /* ... */
	{0x1, 0, EAX, 0}, /* family, model, stepping */
	{0x1, 0, EDX, ~(1U << 28)},
	{0x1, 0, ECX, ~(1U << 27)},
	{0x7, 0, EBX, ~0U},
	{0x7, 0, ECX, ~(1U << 4)},
	{0x7, 0, EDX, ~0U},
	{0x7, 1, EAX, ~0U},
	{0x7, 2, EDX, ~0U},
	{0xd, 1, EAX, ~0U},
	{0x80000001, 0, EDX, ~0U},
	{0x80000001, 0, ECX, ~0U},
	{0x80000007, 0, EBX, ~0U},
	{0x80000007, 0, EDX, ~0U},
	{0x80000008, 0, EBX, ~0U},
	{0x8000000a, 0, EDX, ~0U},
	{0x80000021, 0, EAX, ~0U},
	{0x80000021, 0, ECX, ~0U},
	{0x40000001, 0, EAX, ~0U}, /* what KVM offers */
	{0x40000001, 0, EDX, ~0U}, /* ... */
	{RUND_LEAF_ARCH_CAPABILITIES, 0, 0, ~0U},
	{RUND_LEAF_ARCH_CAPABILITIES, 0, 1, ~0U},
};

#define NR_WORDS (sizeof(cpu_words) / sizeof(cpu_words[0]))
_Static_assert(NR_WORDS <= RUND_PREPATCH_WORDS, "the note has room for all");

static int damaged(const char *path, const char *what)
{
	return log_errno(-ENOEXEC,
			 "kernel %s: damaged pre-patched image (%s); make it again with "
			 "rund-prepatch build",
			 path, what);
}

/* The descriptor of our note in the @len bytes at @buf, or NULL.  The padding of the name counts.
 */
static const void *find_note(const uint8_t *buf, uint32_t len, uint32_t *size)
{
	static const char ours[(sizeof(RUND_PREPATCH_NAME) + 3) & ~3U] = RUND_PREPATCH_NAME;
	Elf64_Nhdr n;

	while (len >= sizeof(n)) {
		uint64_t name, desc;

		memcpy(&n, buf, sizeof(n));
		name = (n.n_namesz + 3ULL) & ~3ULL;
		desc = (n.n_descsz + 3ULL) & ~3ULL;
		if (name > len - sizeof(n) || desc > len - sizeof(n) - name)
			return NULL;
		if (n.n_type == RUND_PREPATCH_TYPE && n.n_namesz == sizeof(RUND_PREPATCH_NAME) &&
		    !memcmp(buf + sizeof(n), ours, sizeof(ours))) {
			*size = n.n_descsz;
			return buf + sizeof(n) + name;
		}
		buf += sizeof(n) + name + desc;
		len -= sizeof(n) + name + desc;
	}
	return NULL;
}

static struct rund_prepatch *copy_note(const char *path, const uint8_t *desc, uint32_t size,
				       int *err)
{
	struct rund_prepatch *p;
	uint32_t version = 0;

	*err = 0;
	if (size < sizeof(version)) {
		*err = damaged(path, "its note");
		return NULL;
	}
	memcpy(&version, desc, sizeof(version));
	if (version != RUND_PREPATCH_VERSION) {
		*err = log_errno(-ENOEXEC,
				 "kernel %s: pre-patched by another version of rund-prepatch (%u, "
				 "not %u); make it again with rund-prepatch build",
				 path, version, RUND_PREPATCH_VERSION);
		return NULL;
	}
	if (size != sizeof(*p)) {
		*err = damaged(path, "its note");
		return NULL;
	}
	p = malloc(sizeof(*p));
	if (!p) {
		*err = log_errno(-ENOMEM, "kernel %s: out of memory", path);
		return NULL;
	}
	memcpy(p, desc, sizeof(*p));
	return p;
}

/* Notes that cannot be read are other people's, and of no interest here. */
static int read_notes(int fd, const char *path, const Elf64_Phdr *ph, struct rund_prepatch **out)
{
	__cleanup_free uint8_t *buf = NULL;
	const uint8_t *desc;
	uint32_t size;
	int err = 0;

	if (ph->p_type != PT_NOTE || !ph->p_filesz || ph->p_filesz > NOTE_MAX)
		return 0;
	buf = malloc(ph->p_filesz);
	if (!buf)
		return log_errno(-ENOMEM, "kernel %s: out of memory", path);
	if (pread(fd, buf, ph->p_filesz, ph->p_offset) != (ssize_t)ph->p_filesz)
		return 0;
	desc = find_note(buf, ph->p_filesz, &size);
	if (desc)
		*out = copy_note(path, desc, size, &err);
	return err;
}

/* A string that can go to a terminal and into JSON as it is. */
static bool text_ok(const char *s, size_t room)
{
	const char *end = memchr(s, 0, room);

	for (; end && s < end; s++) {
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	}
	return end;
}

static bool range_ok(const struct rund_range *r)
{
	return r->start < r->end && !(r->start % 4096) && !(r->end % 4096);
}

static int check_note(const char *path, const struct rund_prepatch *p)
{
	if (p->size != sizeof(*p) || p->nr_words > RUND_PREPATCH_WORDS ||
	    p->nr_caps > RUND_PREPATCH_CAPS || !range_ok(&p->text) || !range_ok(&p->rodata) ||
	    p->text.end > p->rodata.start || !text_ok(p->release, sizeof(p->release)))
		return damaged(path, "its note");
	for (unsigned int i = 0; i < p->nr_words; i++) {
		for (unsigned int b = 0; b < 32; b++) {
			if (!text_ok(p->word[i].name[b], RUND_PREPATCH_NAMELEN))
				return damaged(path, "its note");
		}
	}
	return 0;
}

/* Anything in the mark's place is a mark, whole or not: ordinary kernels have zeroes. */
static bool has_mark(const Elf64_Ehdr *eh)
{
	static const uint8_t none[RUND_PREPATCH_MARKLEN];

	return memcmp(eh->e_ident + EI_PAD, none, sizeof(none)) != 0;
}

int prepatched_read(int fd, const char *path, const Elf64_Ehdr *eh, const Elf64_Phdr *ph,
		    struct rund_prepatch **out)
{
	__cleanup_free struct rund_prepatch *p = NULL;
	int ret = 0;

	*out = NULL;
	for (unsigned int i = 0; i < eh->e_phnum && !ret && !p; i++)
		ret = read_notes(fd, path, &ph[i], &p);
	if (!ret && !p && has_mark(eh))
		ret = damaged(path, "no note");
	if (!ret && p && memcmp(eh->e_ident + EI_PAD, RUND_PREPATCH_MARK, RUND_PREPATCH_MARKLEN))
		ret = damaged(path, "its ELF header");
	if (!ret && p)
		ret = check_note(path, p);
	if (!ret)
		*out = take_ptr(p);
	return ret;
}

static uint64_t add(uint64_t crc, const void *buf, uint64_t len)
{
	return crc64_ecma_refl(crc, buf, len);
}

uint64_t prepatched_crc(const Elf64_Ehdr *eh, const Elf64_Phdr *ph, const struct rund_prepatch *p,
			const void *const *segment)
{
	const size_t after = offsetof(struct rund_prepatch, crc) + sizeof(p->crc);
	const uint64_t zero = 0;
	uint64_t crc = add(0, eh, sizeof(*eh));

	crc = add(crc, ph, eh->e_phnum * sizeof(*ph));
	crc = add(crc, p, offsetof(struct rund_prepatch, crc));
	crc = add(crc, &zero, sizeof(zero));
	crc = add(crc, (const uint8_t *)p + after, sizeof(*p) - after);
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && ph[i].p_filesz)
			crc = add(crc, segment[i], ph[i].p_filesz);
	}
	return crc;
}

static uint32_t word_value(const struct cpuid *c, uint32_t leaf, uint32_t subleaf, uint32_t reg)
{
	for (unsigned int i = 0; i < c->head.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &c->entry[i];
		const uint32_t regs[] = {e->eax, e->ebx, e->ecx, e->edx};

		if (e->function == leaf && e->index == subleaf)
			return regs[reg];
	}
	return 0;
}

/* What KVM gives each new vCPU; 0 where the CPU or KVM does not know the MSR. */
static uint64_t arch_capabilities(const struct vm *vm)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = {.head.nmsrs = 1, .entry.index = MSR_ARCH_CAPABILITIES};

	return kvm_ioctl(vm->vcpus[0].fd, KVM_GET_MSRS, &m) == 1 ? m.entry.data : 0;
}

int prepatched_cpu_words(const struct vm *vm, struct rund_cpu_word *word)
{
	uint64_t caps = arch_capabilities(vm);
	struct cpuid c;
	int ret = cpuid_load(vm, &c);

	if (ret)
		return ret;
	cpuid_adjust(&c, 0, vm->cfg.nr_vcpus);
	for (unsigned int i = 0; i < NR_WORDS; i++) {
		word[i] = (struct rund_cpu_word){
			.leaf = cpu_words[i].leaf,
			.subleaf = cpu_words[i].subleaf,
			.reg = cpu_words[i].reg,
			.mask = cpu_words[i].mask,
		};
		if (word[i].leaf == RUND_LEAF_ARCH_CAPABILITIES)
			word[i].value = caps >> (32 * word[i].reg);
		else
			word[i].value = word_value(&c, word[i].leaf, word[i].subleaf, word[i].reg);
		if (word[i].mask)
			word[i].value &= word[i].mask;
	}
	return NR_WORDS;
}

/* Append the names of the @bits of a word; those without one get a number. */
static void add_names(char *text, const struct rund_cpu_word *w, uint32_t bits)
{
	for (unsigned int b = 0; b < 32; b++) {
		size_t used = strlen(text);

		if (!(bits >> b & 1))
			continue;
		if (*w->name[b])
			snprintf(text + used, NAMES_MAX - used, " %s", w->name[b]);
		else
			snprintf(text + used, NAMES_MAX - used, " %#x.%u:%u[%u]", w->leaf,
				 w->subleaf, w->reg, b);
	}
}

int prepatched_compare(const char *path, const struct rund_prepatch *p,
		       const struct rund_cpu_word *here, unsigned int nr)
{
	char lacks[NAMES_MAX] = "", extra[NAMES_MAX] = "";
	bool model = false;

	if (nr != p->nr_words)
		return damaged(path, "its CPU words");
	for (unsigned int i = 0; i < nr; i++) {
		const struct rund_cpu_word *w = &p->word[i];

		if (w->leaf != here[i].leaf || w->subleaf != here[i].subleaf ||
		    w->reg != here[i].reg || w->mask != here[i].mask)
			return damaged(path, "its CPU words");
		if (!w->mask && w->value != here[i].value)
			model = true;
		if (w->mask) {
			add_names(lacks, w, w->value & ~here[i].value);
			add_names(extra, w, here[i].value & ~w->value);
		}
	}
	if (!model && !*lacks && !*extra)
		return 0;
	return log_errno(-ENOEXEC,
			 "kernel %s: pre-patched for another CPU%s%s%s%s%s; make an image for this "
			 "one with rund-prepatch build",
			 path, model ? "; vendor, family, model or stepping differ" : "",
			 *lacks ? "; missing here:" : "", lacks, *extra ? "; only here:" : "",
			 extra);
}

int prepatched_check_cpu(const struct vm *vm, const char *path, const struct rund_prepatch *p)
{
	struct rund_cpu_word here[RUND_PREPATCH_WORDS];
	int nr = prepatched_cpu_words(vm, here);

	return nr < 0 ? nr : prepatched_compare(path, p, here, nr);
}
