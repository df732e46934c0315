/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small pre-patched images that are valid until a test changes them.
 */
#ifndef RUND_VMM_TEST_PREPATCHED_FAKE_H
#define RUND_VMM_TEST_PREPATCHED_FAKE_H

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmm/prepatched.h"

#define PP_LOAD	  0x1000000
#define PP_TEXT	  0x1000 /* bytes of text, of read-only data, and of data */
#define PP_RODATA 0x1000
#define PP_DATA	  0x123

/* Two segments: text with read-only data, which is mapped, and data, which is read. */
struct pp_file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4]; /* segment, segment, somebody else's note, ours */
	struct {
		Elf64_Nhdr n;
		char name[4];
		uint8_t desc[20];
	} other;
	struct {
		Elf64_Nhdr n;
		char name[8];
		uint8_t desc[sizeof(struct rund_prepatch)]; /* unaligned, as notes may be */
	} note;
	uint8_t text[PP_TEXT] __attribute__((aligned(4096)));
	uint8_t rodata[PP_RODATA];
	uint8_t data[PP_DATA];
};

/* The file ends with its last segment. */
#define PP_SIZE (offsetof(struct pp_file, data) + PP_DATA)

struct pp_fake {
	struct pp_file file;
	struct rund_prepatch note;
};

static inline void pp_seal_crc(struct pp_fake *f)
{
	struct pp_file *e = &f->file;
	const void *segment[4] = {e->text, e->data};

	f->note.crc = prepatched_crc(&e->eh, e->ph, &f->note, segment);
}

/* What is there becomes an image whose checksum is right. */
static inline void pp_seal(struct pp_fake *f)
{
	pp_seal_crc(f);
	memcpy(f->file.note.desc, &f->note, sizeof(f->note));
}

static inline void pp_good_headers(struct pp_file *e)
{
	memcpy(e->eh.e_ident, ELFMAG, SELFMAG);
	e->eh.e_ident[EI_CLASS] = ELFCLASS64;
	e->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	e->eh.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(e->eh.e_ident + EI_PAD, RUND_PREPATCH_MARK, RUND_PREPATCH_MARKLEN);
	e->eh.e_type = ET_EXEC;
	e->eh.e_machine = EM_X86_64;
	e->eh.e_entry = PP_LOAD;
	e->eh.e_phoff = offsetof(struct pp_file, ph);
	e->eh.e_phentsize = sizeof(Elf64_Phdr);
	e->eh.e_phnum = 4;
	e->ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct pp_file, text),
		.p_paddr = PP_LOAD,
		.p_filesz = PP_TEXT + PP_RODATA,
		.p_memsz = PP_TEXT + PP_RODATA,
	};
	e->ph[1] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct pp_file, data),
		.p_paddr = PP_LOAD + 0x10000,
		.p_filesz = PP_DATA,
		.p_memsz = 0x2000,
	};
	e->ph[2] = (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = offsetof(struct pp_file, other),
		.p_filesz = sizeof(e->other),
	};
	e->ph[3] = (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = offsetof(struct pp_file, note),
		.p_filesz = sizeof(e->note),
	};
	e->other.n = (Elf64_Nhdr){4, sizeof(e->other.desc), NT_GNU_BUILD_ID};
	memcpy(e->other.name, ELF_NOTE_GNU, 4);
	e->note.n =
		(Elf64_Nhdr){sizeof(RUND_PREPATCH_NAME), sizeof(e->note.desc), RUND_PREPATCH_TYPE};
	memcpy(e->note.name, RUND_PREPATCH_NAME, sizeof(RUND_PREPATCH_NAME));
}

/* An image with these instructions, for a CPU with these words (NULL: two of no CPU). */
static inline void pp_good(struct pp_fake *f, const void *code, size_t len,
			   const struct rund_cpu_word *word, unsigned int nr_words)
{
	struct rund_prepatch *p = &f->note;

	memset(f, 0, sizeof(*f));
	pp_good_headers(&f->file);
	memset(f->file.text, 0xcc, PP_TEXT);
	memset(f->file.rodata, 0x11, PP_RODATA);
	memset(f->file.data, 0x22, PP_DATA);
	memcpy(f->file.text, code, len);
	p->version = RUND_PREPATCH_VERSION;
	p->size = sizeof(*p);
	strcpy(p->release, "6.12.0-rund");
	p->text = (struct rund_range){PP_LOAD, PP_LOAD + PP_TEXT};
	p->rodata = (struct rund_range){PP_LOAD + PP_TEXT, PP_LOAD + PP_TEXT + PP_RODATA};
	p->nr_words = word ? nr_words : 2;
	p->nr_caps = RUND_PREPATCH_CAPS;
	if (word) {
		memcpy(p->word, word, nr_words * sizeof(*word));
	} else {
		p->word[0] = (struct rund_cpu_word){.leaf = 1, .value = 0x806f8};
		p->word[1] = (struct rund_cpu_word){.leaf = 7, .reg = 1, .mask = ~0U, .value = 5};
		strcpy(p->word[1].name[0], "fsgsbase");
		strcpy(p->word[1].name[2], "sgx");
		strcpy(p->word[1].name[8], "erms");
	}
	pp_seal(f);
}

static inline int pp_make_file(const struct pp_fake *f)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_int_equal(write(fd, &f->file, PP_SIZE), PP_SIZE);
	return fd;
}

#endif
