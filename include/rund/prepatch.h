/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pre-patched kernel images: what rund-prepatch writes and rund-vmm reads, and
 * what a frozen kernel tells the host when it gets to its freeze point.
 *
 * An image is an ELF vmlinux whose text and read-only data are what the kernel
 * makes of them at each boot, so that it has nothing left to write there.  It
 * says so twice, to be told from an ordinary kernel even when damaged: by
 * RUND_PREPATCH_MARK in e_ident, and by an ELF note (name RUND_PREPATCH_NAME,
 * type RUND_PREPATCH_TYPE) that holds struct rund_prepatch.  One without the
 * other is a damaged file.
 *
 * Everything is little endian.
 */
#ifndef RUND_PREPATCH_H
#define RUND_PREPATCH_H

#include <stdint.h>

#define RUND_PREPATCH_NAME    "RunD"
#define RUND_PREPATCH_TYPE    1
#define RUND_PREPATCH_VERSION 1
/* In e_ident from EI_PAD on, which gABI leaves zero; 7 bytes and no NUL. */
#define RUND_PREPATCH_MARK    "rund-pp"
#define RUND_PREPATCH_MARKLEN 7

#define RUND_PREPATCH_WORDS   24
#define RUND_PREPATCH_CAPS    32
#define RUND_PREPATCH_NAMELEN 20

/* Guest physical addresses, the end exclusive. */
struct rund_range {
	uint64_t start;
	uint64_t end;
};

/* Not CPUID: the low (reg 0) and high (reg 1) half of MSR IA32_ARCH_CAPABILITIES. */
#define RUND_LEAF_ARCH_CAPABILITIES 0xffffffffU

/* One register of CPUID, as the guest saw it when the image was made. */
struct rund_cpu_word {
	uint32_t leaf;
	uint32_t subleaf;
	uint32_t reg;  /* 0 EAX, 1 EBX, 2 ECX, 3 EDX */
	uint32_t mask; /* bits that count; 0: the word as a whole has to be equal */
	uint32_t value;
	char name[32][RUND_PREPATCH_NAMELEN]; /* of each bit, NUL-terminated; may be empty */
};

struct rund_prepatch {
	uint32_t version; /* RUND_PREPATCH_VERSION */
	uint32_t size;	  /* of this structure */
	uint64_t crc;	  /* CRC-64, see prepatched.h */
	uint8_t build_id[20];
	uint32_t reserved;
	char release[64]; /* uname -r */
	struct rund_range text;
	struct rund_range rodata;
	/* Text and read-only data: 4 KiB pages, and how many the kernel would have rewritten. */
	uint32_t pages;
	uint32_t pages_changed;
	uint64_t bytes_changed;
	/* Left as built, since they follow the state of static keys and calls. */
	uint64_t bytes_left;
	uint32_t nr_words;
	uint32_t nr_caps;
	struct rund_cpu_word word[RUND_PREPATCH_WORDS];
	/* The kernel's own feature and bug words, and the bits its text depends on. */
	uint32_t caps[RUND_PREPATCH_CAPS];
	uint32_t used[RUND_PREPATCH_CAPS];
};

/* The kernel's side: Documentation/arch/x86/frozen-text.rst in the guest series. */
#define FROZEN_TEXT_MAGIC   0x5458544e5a4f5246ULL
#define FROZEN_TEXT_VERSION 1

struct frozen_text_info {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	struct rund_range text;
	struct rund_range rodata;
	struct rund_range jump_table;
	struct rund_range static_calls;
	struct rund_range static_call_text;
	struct rund_range final;     /* of struct frozen_text_final */
	struct rund_range cap_names; /* const char *[], by feature number */
	uint32_t nr_caps;
	uint32_t reserved;
	uint32_t caps[RUND_PREPATCH_CAPS];
	uint32_t used[RUND_PREPATCH_CAPS];
	char release[64];
};

struct frozen_text_final {
	uint64_t magic;
	uint32_t caps[RUND_PREPATCH_CAPS];
};

#endif
