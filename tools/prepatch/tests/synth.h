/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small kernel with one site at least in every table that 6.12 has, and what it
 * made of itself: the same segments at other places of the file, and no sections.
 *
 * Text is three pages, the last one padding.  A function is 0x100 bytes, and site
 * number n is at S(n), 0x40 bytes into function n.
 */
#ifndef RUND_PREPATCH_TESTS_SYNTH_H
#define RUND_PREPATCH_TESTS_SYNTH_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BASE	  0xffffffff81000000ULL
#define PHYS	  0x1000000ULL
#define TEXT_SIZE 0x3000
#define RO	  (BASE + TEXT_SIZE)
#define RO_FILE	  0x1800 /* the rest is zero */
#define RO_MEM	  0x1f00 /* and the rest of the last page is not there */
#define RO_END	  (RO + 0x2000)
#define INIT	  (BASE + 0x10000)
#define INIT_SIZE 0x1000

/* In the file of the vmlinux; those of the other are further back. */
#define TEXT_OFF  0x1000
#define RO_OFF	  0x4000
#define INIT_OFF  0x6000
#define SYM_OFF	  0x7000
#define STR_OFF	  0x8800
#define SH_OFF	  0x9800
#define FILE_SIZE 0x9d00
#define P_SHIFT	  0x200

#define S(n)	  (BASE + (n)*0x100 + 0x40)

enum {
	S_CFI = 1,
	S_RETPOLINE,
	S_RETPOLINE_JCC,
	S_RETURN,
	S_ALTERNATIVE,
	S_PARAVIRT,
	S_CALL,
	S_ENDBR,
	S_LOCK,
	S_PTR,
	S_SHIFT,
	S_JUMP8,
	S_JUMP32,
	S_CALL5,
	S_JCC6,
	S_FTRACE,
	S_TRAMPOLINES, /* two of them */
	S_PAD,	       /* NOPs enough for a call thunk, in front of S() + THUNK */
	S_FREE,	       /* from here on nothing */
	NR_FUNCTIONS = 32
};

#define THUNK 10

/* Tables in the init segment, 0x100 bytes each. */
enum synth_table {
	T_CFI,
	T_RETPOLINE,
	T_RETURN,
	T_ALT,
	T_CALL,
	T_SEAL,
	T_LOCKS,
	T_PTR_A,
	T_PTR_B,
	T_SHIFT,
	NR_TABLES,
	/* and those that only symbols mark */
	T_MCOUNT = NR_TABLES,
	T_JUMP,
	T_STATIC,
	NR_SYNTH_TABLES
};

#define CAP_FLAGS (RO + 0x100) /* 64 of them: two words of features */
#define BUG_FLAGS (RO + 0x300) /* 32 */
#define STRINGS	  (RO + 0x400)
#define TEMPLATE  (RO + 0x480)
#define RO_INIT	  (RO + 0x600)
#define FINAL	  (RO + 0x1700)
#define JUMP_TAB  (RO + 0x700)
#define CALL_TAB  (RO + 0x800)
#define RO_INIT_E (RO + 0x900)

enum { SEC_TEXT = 1, SEC_RODATA, SEC_INIT, SEC_TABLES, SEC_SYMTAB = SEC_TABLES + NR_TABLES };
enum { SEC_STRTAB = SEC_SYMTAB + 1, SEC_SHSTRTAB, NR_SECTIONS };

struct synth {
	uint8_t file[FILE_SIZE];
	size_t used[NR_SYNTH_TABLES];
	size_t nr_symbols, str_len;
	bool is_p;
};

static const char *const synth_section[NR_SECTIONS] = {
	[SEC_TEXT] = ".text",
	[SEC_RODATA] = ".rodata",
	[SEC_INIT] = ".init.data",
	[SEC_TABLES + T_CFI] = ".cfi_sites",
	[SEC_TABLES + T_RETPOLINE] = ".retpoline_sites",
	[SEC_TABLES + T_RETURN] = ".return_sites",
	[SEC_TABLES + T_ALT] = ".altinstructions",
	[SEC_TABLES + T_CALL] = ".call_sites",
	[SEC_TABLES + T_SEAL] = ".ibt_endbr_seal",
	[SEC_TABLES + T_LOCKS] = ".smp_locks",
	[SEC_TABLES + T_PTR_A] = "runtime_ptr_a",
	[SEC_TABLES + T_PTR_B] = "runtime_ptr_b",
	[SEC_TABLES + T_SHIFT] = "runtime_shift_c",
	[SEC_SYMTAB] = ".symtab",
	[SEC_STRTAB] = ".strtab",
	[SEC_SHSTRTAB] = ".shstrtab",
};

static inline uint64_t synth_table_addr(enum synth_table t)
{
	return t == T_JUMP ? JUMP_TAB : t == T_STATIC ? CALL_TAB : INIT + t * 0x100;
}

/* Bytes of the image by their address. */
static inline uint8_t *synth_at(struct synth *s, uint64_t addr)
{
	size_t off = addr >= INIT ? INIT_OFF + addr - INIT
		     : addr >= RO ? RO_OFF + addr - RO
				  : TEXT_OFF + addr - BASE;

	return s->file + off + (s->is_p ? P_SHIFT : 0);
}

static inline void synth_set(struct synth *s, uint64_t addr, const void *bytes, size_t len)
{
	memcpy(synth_at(s, addr), bytes, len);
}

/* Invert bytes, so that all of them change. */
static inline void synth_flip(struct synth *s, uint64_t addr, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*synth_at(s, addr + i) ^= 0xff;
}

static inline Elf64_Sym *synth_symbols(struct synth *s)
{
	return (Elf64_Sym *)(s->file + SYM_OFF);
}

static inline Elf64_Sym *synth_symbol(struct synth *s, const char *name, uint64_t addr, int bind,
				      int type)
{
	Elf64_Sym *sym = &synth_symbols(s)[s->nr_symbols++];

	*sym = (Elf64_Sym){
		.st_name = s->str_len,
		.st_info = ELF64_ST_INFO(bind, type),
		.st_shndx = addr >= INIT ? SEC_INIT
			    : addr >= RO ? SEC_RODATA
					 : SEC_TEXT,
		.st_value = addr,
	};
	strcpy((char *)s->file + STR_OFF + s->str_len, name);
	s->str_len += strlen(name) + 1;
	return sym;
}

static inline Elf64_Sym *synth_find(struct synth *s, const char *name)
{
	for (size_t i = 1; i < s->nr_symbols; i++) {
		Elf64_Sym *sym = &synth_symbols(s)[i];

		if (!strcmp((char *)s->file + STR_OFF + sym->st_name, name))
			return sym;
	}
	abort();
}

static inline void synth_mark(struct synth *s, const char *name, uint64_t addr)
{
	synth_symbol(s, name, addr, STB_GLOBAL, STT_NOTYPE);
}

static inline uint64_t synth_entry(struct synth *s, enum synth_table t, size_t size)
{
	uint64_t addr = synth_table_addr(t) + s->used[t];

	s->used[t] += size;
	return addr;
}

/* An entry of @size bytes that begins with the offset to its site. */
static inline void synth_rel(struct synth *s, enum synth_table t, size_t size, uint64_t site)
{
	uint64_t at = synth_entry(s, t, size);
	int32_t off = site - at;

	memcpy(synth_at(s, at), &off, sizeof(off));
}

static inline void synth_mcount(struct synth *s, uint64_t site)
{
	memcpy(synth_at(s, synth_entry(s, T_MCOUNT, 8)), &site, sizeof(site));
}

/* @flags: a feature, and ALT_FLAG_NOT or ALT_FLAG_DIRECT_CALL from bit 16 on. */
static inline void synth_alt(struct synth *s, uint64_t site, uint32_t flags, uint8_t len)
{
	uint64_t at = s->used[T_ALT] + synth_table_addr(T_ALT);

	synth_rel(s, T_ALT, 14, site);
	memcpy(synth_at(s, at) + 8, &flags, sizeof(flags));
	synth_at(s, at)[12] = len;
	synth_at(s, at)[13] = len;
}

static inline void synth_header(struct synth *s)
{
	static const struct {
		uint64_t addr, filesz, memsz;
	} seg[] = {
		{BASE, TEXT_SIZE, TEXT_SIZE},
		{RO, RO_FILE, RO_MEM},
		{INIT, INIT_SIZE, INIT_SIZE},
	};
	Elf64_Phdr *ph = (Elf64_Phdr *)(s->file + sizeof(Elf64_Ehdr));
	Elf64_Ehdr eh = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(*ph),
		.e_phnum = 3,
	};

	memcpy(s->file, &eh, sizeof(eh));
	for (int i = 0; i < 3; i++)
		ph[i] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_offset = synth_at(s, seg[i].addr) - s->file,
			.p_vaddr = seg[i].addr,
			.p_paddr = seg[i].addr - BASE + PHYS,
			.p_filesz = seg[i].filesz,
			.p_memsz = seg[i].memsz,
		};
}

static inline void synth_text(struct synth *s)
{
	char name[32];

	memset(synth_at(s, BASE), 0x11, TEXT_SIZE - 0x1000);
	memset(synth_at(s, BASE) + TEXT_SIZE - 0x1000, 0xcc, 0x1000);
	synth_set(s, S(S_CFI), "\xb8", 1);
	synth_set(s, S(S_RETPOLINE), "\xe8", 1);
	synth_set(s, S(S_RETPOLINE_JCC), "\x0f\x85", 2);
	synth_set(s, S(S_LOCK), "\xf0", 1);
	synth_set(s, S(S_JUMP8), "\xeb", 1);
	synth_set(s, S(S_JUMP32), "\x0f\x1f", 2);
	synth_set(s, S(S_CALL5), "\xe8", 1);
	synth_set(s, S(S_JCC6), "\x0f\x84", 2);
	memset(synth_at(s, S(S_PAD)), 0x90, THUNK);
	synth_mark(s, "_text", BASE);
	synth_mark(s, "_etext", BASE + TEXT_SIZE);
	for (int i = 0; i < NR_FUNCTIONS; i++) {
		snprintf(name, sizeof(name), "func_%d", i);
		synth_symbol(s, name, BASE + i * 0x100, STB_GLOBAL, STT_FUNC);
	}
	synth_mark(s, "__static_call_text_start", S(S_TRAMPOLINES));
	synth_mark(s, "__static_call_text_end", S(S_TRAMPOLINES) + 16);
}

static inline void synth_names(struct synth *s)
{
	static const struct {
		uint64_t at;
		const char *name;
	} names[] = {
		{CAP_FLAGS + 8 * 3, "three"},
		{CAP_FLAGS + 8 * 40, "forty"},
		{BUG_FLAGS + 8 * 2, "bug_two"},
	};
	uint64_t at = STRINGS;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		memcpy(synth_at(s, names[i].at), &at, sizeof(at));
		strcpy((char *)synth_at(s, at), names[i].name);
		at += strlen(names[i].name) + 1;
	}
	synth_symbol(s, "x86_cap_flags", CAP_FLAGS, STB_GLOBAL, STT_OBJECT)->st_size = 64 * 8;
	synth_symbol(s, "x86_bug_flags", BUG_FLAGS, STB_GLOBAL, STT_OBJECT)->st_size = 32 * 8;
	synth_mark(s, "skl_call_thunk_template", TEMPLATE);
	synth_mark(s, "skl_call_thunk_tail", TEMPLATE + THUNK);
}

static inline void synth_rodata(struct synth *s)
{
	synth_mark(s, "__start_rodata", RO);
	synth_mark(s, "__end_rodata", RO_END);
	synth_mark(s, "__start_ro_after_init", RO_INIT);
	synth_mark(s, "__end_ro_after_init", RO_INIT_E);
	synth_symbol(s, "first_object", RO_INIT, STB_LOCAL, STT_OBJECT);
	synth_symbol(s, "second_object", RO_INIT + 0x80, STB_GLOBAL, STT_OBJECT);
	synth_symbol(s, "behind", RO_INIT_E, STB_GLOBAL, STT_OBJECT);
	synth_symbol(s, "frozen_text_final", FINAL, STB_LOCAL, STT_OBJECT)->st_size = 8;
	synth_names(s);
}

static inline void synth_tables(struct synth *s)
{
	synth_rel(s, T_CFI, 4, S(S_CFI));
	synth_rel(s, T_RETPOLINE, 4, S(S_RETPOLINE));
	synth_rel(s, T_RETPOLINE, 4, S(S_RETPOLINE_JCC));
	synth_rel(s, T_RETURN, 4, S(S_RETURN));
	synth_alt(s, S(S_ALTERNATIVE), 3, 7);
	synth_alt(s, S(S_PARAVIRT), 40 | 2 << 16, 6);
	synth_rel(s, T_CALL, 4, S(S_CALL));
	synth_rel(s, T_SEAL, 4, S(S_ENDBR));
	synth_rel(s, T_LOCKS, 4, S(S_LOCK));
	synth_entry(s, T_LOCKS, 4);
	synth_rel(s, T_PTR_A, 4, S(S_PTR));
	synth_rel(s, T_PTR_B, 4, S(S_PTR) + 0x20);
	synth_rel(s, T_SHIFT, 4, S(S_SHIFT));
	synth_mcount(s, S(S_FTRACE));
	synth_mcount(s, 0);
	synth_rel(s, T_JUMP, 16, S(S_JUMP8));
	synth_rel(s, T_JUMP, 16, S(S_JUMP32));
	synth_rel(s, T_STATIC, 8, S(S_CALL5));
	synth_rel(s, T_STATIC, 8, S(S_JCC6));
}

/* A kernel that may be added to, until synth_finish(). */
static inline void synth_begin(struct synth *s)
{
	memset(s, 0, sizeof(*s));
	s->nr_symbols = 1;
	s->str_len = 1;
	synth_header(s);
	synth_text(s);
	synth_rodata(s);
	synth_tables(s);
}

static inline Elf64_Shdr *synth_sections(struct synth *s)
{
	return (Elf64_Shdr *)(s->file + SH_OFF);
}

static inline void synth_fill_sections(struct synth *s)
{
	Elf64_Shdr *sh = synth_sections(s);

	for (int i = SEC_TEXT; i < SEC_SYMTAB; i++) {
		sh[i].sh_type = SHT_PROGBITS;
		sh[i].sh_flags = SHF_ALLOC;
	}
	sh[SEC_TEXT].sh_addr = BASE;
	sh[SEC_TEXT].sh_size = TEXT_SIZE;
	sh[SEC_RODATA].sh_addr = RO;
	sh[SEC_RODATA].sh_size = RO_MEM;
	sh[SEC_INIT].sh_addr = INIT + NR_SYNTH_TABLES * 0x100;
	sh[SEC_INIT].sh_size = INIT_SIZE - NR_SYNTH_TABLES * 0x100;
	for (int i = 0; i < NR_TABLES; i++) {
		sh[SEC_TABLES + i].sh_addr = synth_table_addr(i);
		sh[SEC_TABLES + i].sh_size = s->used[i];
	}
	sh[SEC_SYMTAB] = (Elf64_Shdr){
		.sh_type = SHT_SYMTAB,
		.sh_offset = SYM_OFF,
		.sh_size = s->nr_symbols * sizeof(Elf64_Sym),
		.sh_link = SEC_STRTAB,
		.sh_entsize = sizeof(Elf64_Sym),
	};
	sh[SEC_STRTAB] =
		(Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = STR_OFF, .sh_size = s->str_len};
}

static inline void synth_finish(struct synth *s)
{
	Elf64_Ehdr *eh = (Elf64_Ehdr *)s->file;
	Elf64_Shdr *sh = synth_sections(s);

	synth_mark(s, "__start_mcount_loc", synth_table_addr(T_MCOUNT));
	synth_mark(s, "__stop_mcount_loc", synth_table_addr(T_MCOUNT) + s->used[T_MCOUNT]);
	synth_mark(s, "__start___jump_table", JUMP_TAB);
	synth_mark(s, "__stop___jump_table", JUMP_TAB + s->used[T_JUMP]);
	synth_mark(s, "__start_static_call_sites", CALL_TAB);
	synth_mark(s, "__stop_static_call_sites", CALL_TAB + s->used[T_STATIC]);
	synth_fill_sections(s);
	sh[SEC_SHSTRTAB] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = STR_OFF + s->str_len};
	for (int i = 1; i < NR_SECTIONS; i++) {
		size_t *len = &sh[SEC_SHSTRTAB].sh_size;

		sh[i].sh_name = *len;
		strcpy((char *)s->file + STR_OFF + s->str_len + *len, synth_section[i]);
		*len += strlen(synth_section[i]) + 1;
	}
	eh->e_shoff = SH_OFF;
	eh->e_shentsize = sizeof(*sh);
	eh->e_shnum = NR_SECTIONS;
	eh->e_shstrndx = SEC_SHSTRTAB;
}

/* What @v is as long as it changes nothing. */
static inline void synth_patched(struct synth *v, struct synth *p)
{
	memset(p, 0, sizeof(*p));
	p->is_p = true;
	synth_header(p);
	memcpy(synth_at(p, BASE), synth_at(v, BASE), TEXT_SIZE);
	memcpy(synth_at(p, RO), synth_at(v, RO), RO_FILE);
	memcpy(synth_at(p, INIT), synth_at(v, INIT), INIT_SIZE);
}

/* Its file; @path receives a name that is good until the descriptor is closed. */
static inline int synth_file(const void *data, size_t len, char path[32])
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, len) != len)
		abort();
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

#endif
