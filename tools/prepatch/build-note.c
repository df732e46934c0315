// SPDX-License-Identifier: GPL-2.0-only
/*
 * The note: what the image is for, how it came to be, and its checksum.  It and
 * its program header go into the room that kernels leave between their program
 * headers and their first segment.
 */
#include "build.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "vmm/prepatched.h"

#define NOTE_OFFSET 0x1000
#define PAGE	    4096U
#define HUGE	    (2ULL << 20)
#define MAX_PHDRS   64

/* include/asm/cpufeatures.h: which word has which register of CPUID. */
static const struct {
	uint32_t leaf, subleaf, reg, word;
} names[] = {
	{0x1, 0, 3, 0},		{0x80000001, 0, 3, 1},	{0x1, 0, 2, 4},
	{0x80000001, 0, 2, 6},	{0x7, 0, 1, 9},		{0xd, 1, 0, 10},
	{0x7, 1, 0, 12},	{0x80000008, 0, 1, 13}, {0x8000000a, 0, 3, 15},
	{0x7, 0, 2, 16},	{0x80000007, 0, 1, 17}, {0x7, 0, 3, 18},
	{0x80000021, 0, 0, 20},
};

/* A string of the kernel's, which may be no string, or none at all. */
static void read_name(const struct pp_build *b, uint64_t index, char *out)
{
	const struct pp_segment *text = &b->v->segments[0];
	uint64_t at = b->info->cap_names.start + index * sizeof(uint64_t), va;

	if (!b->v->nr_segments || at + sizeof(va) > b->info->cap_names.end ||
	    mem_read(&b->vm->mem, at, &va, sizeof(va)) || !va)
		return;
	for (unsigned int i = 0; i + 1 < RUND_PREPATCH_NAMELEN; i++) {
		char c;

		if (mem_read(&b->vm->mem, va - text->vaddr + text->paddr + i, &c, 1) || c <= ' ' ||
		    c >= 0x7f)
			return;
		out[i] = c;
	}
}

int pp_build_cpu(struct pp_build *b)
{
	int nr = prepatched_cpu_words(b->vm, b->note.word);

	if (nr < 0)
		return nr;
	b->note.nr_words = nr;
	for (int i = 0; i < nr; i++) {
		struct rund_cpu_word *w = &b->note.word[i];

		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
			if (names[n].leaf != w->leaf || names[n].subleaf != w->subleaf ||
			    names[n].reg != w->reg)
				continue;
			for (unsigned int bit = 0; bit < 32; bit++)
				read_name(b, names[n].word * 32 + bit, w->name[bit]);
		}
	}
	b->note.nr_caps = b->info->nr_caps;
	memcpy(b->note.caps, b->info->caps, sizeof(b->note.caps));
	memcpy(b->note.used, b->info->used, sizeof(b->note.used));
	memcpy(b->note.release, b->info->release, sizeof(b->note.release));
	return 0;
}

/* NT_GNU_BUILD_ID; a kernel that was linked without one has zeroes. */
static void find_build_id(struct pp_build *b, const Elf64_Phdr *ph)
{
	uint64_t off = ph->p_offset, end = off + ph->p_filesz;
	Elf64_Nhdr n;

	while (end <= b->v->file_size && off < end && end - off >= sizeof(n)) {
		memcpy(&n, b->v->file + off, sizeof(n));
		off += sizeof(n);
		if (n.n_namesz > end - off || n.n_descsz > end - off - n.n_namesz)
			return;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    n.n_descsz == sizeof(b->note.build_id) &&
		    !memcmp(b->v->file + off, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU))) {
			memcpy(b->note.build_id, b->v->file + off + 4, n.n_descsz);
			return;
		}
		off += ((n.n_namesz + 3) & ~3U) + ((n.n_descsz + 3) & ~3U);
	}
}

/*
 * Whole pages can be mapped, so the segment of read-only data ends with one, if
 * what is added, zero in memory, is padding in the file too.
 */
static void round_up(const struct pp_build *b, Elf64_Phdr *ph)
{
	static const uint8_t zero[PAGE];
	const uint64_t end = ph->p_paddr + ph->p_filesz, tail = ph->p_offset + ph->p_filesz;
	const struct rund_range *r = &b->note.rodata;

	if (!ph->p_filesz || ph->p_filesz != ph->p_memsz || end <= r->start || end >= r->end ||
	    r->end - end >= PAGE || r->end - end > b->v->file_size - tail ||
	    memcmp(b->file + tail, zero, r->end - end))
		return;
	ph->p_filesz += r->end - end;
	ph->p_memsz = ph->p_filesz;
}

static bool in_file(const struct pp_build *b, uint64_t off, uint64_t len)
{
	return off <= b->v->file_size && len <= b->v->file_size - off;
}

static int no_room(const struct pp_build *b, const char *what)
{
	return log_errno(-ENOEXEC,
			 "kernel %s: no room for %s before its segments; link it with "
			 "-z max-page-size=0x200000",
			 b->v->path, what);
}

static int check_layout(const struct pp_build *b, const Elf64_Ehdr *eh, const Elf64_Phdr *ph,
			uint64_t note_end)
{
	if (eh->e_phoff != sizeof(*eh) || eh->e_phentsize != sizeof(*ph) ||
	    eh->e_phnum >= MAX_PHDRS || !in_file(b, 0, note_end) ||
	    eh->e_phoff + (eh->e_phnum + 1) * sizeof(*ph) > NOTE_OFFSET)
		return no_room(b, "a program header");
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD || !ph[i].p_filesz)
			continue;
		/* pp_image_open() looked at those that take memory only. */
		if (ph[i].p_filesz > ph[i].p_memsz || !in_file(b, ph[i].p_offset, ph[i].p_filesz))
			return log_errno(-ENOEXEC,
					 "kernel %s: a segment is not in the file; it is damaged",
					 b->v->path);
		if (ph[i].p_offset < note_end)
			return no_room(b, "a note");
		if (ph[i].p_paddr <= b->note.text.start && (ph[i].p_paddr - ph[i].p_offset) % HUGE)
			return log_errno(-ENOEXEC,
					 "kernel %s: its text is not aligned to 2 MiB in the file; "
					 "link it with -z max-page-size=0x200000",
					 b->v->path);
	}
	return 0;
}

/* Section and symbol tables stay where they are, unless they are in the way. */
static bool overlaps(const Elf64_Ehdr *eh, uint64_t note_end)
{
	uint64_t len = (uint64_t)eh->e_shnum * eh->e_shentsize;

	return eh->e_shoff && eh->e_shoff < note_end && eh->e_shoff + len > sizeof(*eh);
}

static void put_note(struct pp_build *b, const Elf64_Ehdr *eh, const Elf64_Phdr *ph)
{
	Elf64_Nhdr n = {
		.n_namesz = sizeof(RUND_PREPATCH_NAME),
		.n_descsz = sizeof(b->note),
		.n_type = RUND_PREPATCH_TYPE,
	};
	uint8_t *p = b->file + NOTE_OFFSET;

	memcpy(b->file, eh, sizeof(*eh));
	memcpy(b->file + eh->e_phoff, ph, eh->e_phnum * sizeof(*ph));
	memcpy(p, &n, sizeof(n));
	p += sizeof(n);
	memset(p, 0, (n.n_namesz + 3) & ~3U);
	memcpy(p, RUND_PREPATCH_NAME, n.n_namesz);
	memcpy(p + ((n.n_namesz + 3) & ~3U), &b->note, sizeof(b->note));
}

int pp_build_note(struct pp_build *b)
{
	const uint64_t len =
		sizeof(Elf64_Nhdr) + ((sizeof(RUND_PREPATCH_NAME) + 3) & ~3U) + sizeof(b->note);
	const void *segment[MAX_PHDRS] = {NULL};
	Elf64_Phdr ph[MAX_PHDRS];
	Elf64_Ehdr eh;
	int ret;

	/* As linked: what the guest made of the file's first page, if it could, is not for here. */
	memcpy(&eh, b->v->file, sizeof(eh));
	memset(ph, 0, sizeof(ph));
	if (eh.e_phnum < MAX_PHDRS && in_file(b, eh.e_phoff, eh.e_phnum * sizeof(*ph)))
		memcpy(ph, b->v->file + eh.e_phoff, eh.e_phnum * sizeof(*ph));
	ret = check_layout(b, &eh, ph, NOTE_OFFSET + len);
	if (!ret && overlaps(&eh, NOTE_OFFSET + len))
		ret = no_room(b, "a note");
	if (ret)
		return ret;

	for (unsigned int i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type == PT_NOTE)
			find_build_id(b, &ph[i]);
		else if (ph[i].p_type == PT_LOAD)
			round_up(b, &ph[i]);
		if (ph[i].p_type == PT_LOAD && ph[i].p_filesz)
			segment[i] = b->file + ph[i].p_offset;
	}
	ph[eh.e_phnum++] = (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_flags = PF_R,
		.p_offset = NOTE_OFFSET,
		.p_filesz = len,
		.p_memsz = len,
		.p_align = 4,
	};
	memcpy(eh.e_ident + EI_PAD, RUND_PREPATCH_MARK, RUND_PREPATCH_MARKLEN);
	b->note.version = RUND_PREPATCH_VERSION;
	b->note.size = sizeof(b->note);
	b->note.crc = prepatched_crc(&eh, ph, &b->note, segment);
	put_note(b, &eh, ph);
	return 0;
}
