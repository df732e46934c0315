// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading kernel images.  libelf finds headers, sections and symbols in a copy
 * of the file; every range that these name is checked here.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vec.h"

/* A vmlinux with debug information has some hundred MiB. */
#define MAX_FILE (4ULL << 30)

int pp_image_bad(const struct pp_image *img, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return log_errno(-ENOEXEC, "kernel %s: %s", img->path, what);
}

static int truncated(const struct pp_image *img)
{
	return pp_image_bad(img, "the file is truncated; copy or build it again");
}

static int out_of_memory(const struct pp_image *img)
{
	return log_errno(-ENOMEM, "kernel %s: out of memory", img->path);
}

static int read_whole(struct pp_image *img)
{
	__cleanup_fd int fd = open(img->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return log_errno(-errno, "kernel %s: %s", img->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return pp_image_bad(img, "not a regular file");
	if (st.st_size < SELFMAG || st.st_size > MAX_FILE)
		return pp_image_bad(img, "not an ELF file");
	img->file = malloc(st.st_size);
	if (!img->file)
		return out_of_memory(img);
	n = io_read_full(fd, img->file, st.st_size);
	if (n < 0)
		return log_errno(n, "kernel %s: %s", img->path, strerror(-n));
	img->file_size = n;
	return n < st.st_size ? truncated(img) : 0;
}

static bool in_file(const struct pp_image *img, uint64_t off, uint64_t len)
{
	return off <= img->file_size && len <= img->file_size - off;
}

static int check_header(const struct pp_image *img, GElf_Ehdr *eh)
{
	const unsigned char *id = img->file;

	if (memcmp(id, ELFMAG, SELFMAG))
		return pp_image_bad(img, "not an ELF file; a bzImage has to be unpacked first");
	if (img->file_size < sizeof(Elf64_Ehdr))
		return truncated(img);
	if (id[EI_CLASS] != ELFCLASS64 || id[EI_DATA] != ELFDATA2LSB ||
	    !gelf_getehdr(img->elf, eh) || eh->e_machine != EM_X86_64)
		return pp_image_bad(img, "not for x86-64");
	if (eh->e_type != ET_EXEC)
		return pp_image_bad(img, "not an executable (ET_EXEC); give the linked vmlinux");
	if (!eh->e_phnum || eh->e_phnum > PP_MAX_SEGMENTS || eh->e_phentsize != sizeof(Elf64_Phdr))
		return pp_image_bad(img, "no program headers that a kernel could have");
	if (!in_file(img, eh->e_phoff, eh->e_phnum * sizeof(Elf64_Phdr)) ||
	    (eh->e_shnum && !in_file(img, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(Elf64_Shdr))))
		return truncated(img);
	return 0;
}

static int add_segment(struct pp_image *img, const GElf_Phdr *ph)
{
	if (ph->p_filesz > ph->p_memsz)
		return pp_image_bad(img, "a segment is larger in the file than in memory");
	if (ph->p_vaddr + ph->p_memsz < ph->p_vaddr || ph->p_paddr + ph->p_memsz < ph->p_paddr)
		return pp_image_bad(img, "a segment reaches beyond the end of memory");
	if (!in_file(img, ph->p_offset, ph->p_filesz))
		return truncated(img);
	img->segments[img->nr_segments++] = (struct pp_segment){
		.vaddr = ph->p_vaddr,
		.paddr = ph->p_paddr,
		.filesz = ph->p_filesz,
		.memsz = ph->p_memsz,
		.data = img->file + ph->p_offset,
	};
	return 0;
}

int pp_image_open(struct pp_image *img, const char *path)
{
	GElf_Ehdr eh;
	GElf_Phdr ph;
	int ret;

	*img = (struct pp_image){.path = path};
	ret = read_whole(img);
	if (ret)
		return ret;
	elf_version(EV_CURRENT);
	img->elf = elf_memory((char *)img->file, img->file_size);
	ret = check_header(img, &eh);
	for (int i = 0; !ret && i < eh.e_phnum; i++) {
		if (!gelf_getphdr(img->elf, i, &ph))
			return truncated(img);
		if (ph.p_type == PT_LOAD && ph.p_memsz)
			ret = add_segment(img, &ph);
	}
	if (!ret && !img->nr_segments)
		return pp_image_bad(img, "it has nothing to load");
	return ret;
}

void pp_image_close(struct pp_image *img)
{
	elf_end(img->elf);
	free(img->sections);
	free(img->symbols);
	free(img->file);
	*img = (struct pp_image){0};
}

static int load_sections(struct pp_image *img, Elf_Scn **symtab)
{
	size_t names, nr;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	*symtab = NULL;
	if (elf_getshdrnum(img->elf, &nr) || nr > PP_MAX_SECTIONS ||
	    elf_getshdrstrndx(img->elf, &names))
		return pp_image_bad(img, "no section headers that a kernel could have");
	img->sections = calloc(nr ?: 1, sizeof(*img->sections));
	if (!img->sections)
		return out_of_memory(img);
	img->nr_sections = nr;
	while ((scn = elf_nextscn(img->elf, scn))) {
		struct pp_section *s = &img->sections[elf_ndxscn(scn)];

		if (!gelf_getshdr(scn, &sh))
			return truncated(img);
		s->name = elf_strptr(img->elf, names, sh.sh_name) ?: "";
		if (sh.sh_type == SHT_SYMTAB)
			*symtab = scn;
		if ((sh.sh_flags & SHF_ALLOC) && sh.sh_addr + sh.sh_size >= sh.sh_addr) {
			s->addr = sh.sh_addr;
			s->size = sh.sh_size;
		}
	}
	return 0;
}

static int add_symbol(struct pp_image *img, const GElf_Sym *sym, const char *name)
{
	int type = GELF_ST_TYPE(sym->st_info);

	if (type != STT_NOTYPE && type != STT_OBJECT && type != STT_FUNC)
		return 0;
	if (sym->st_shndx == SHN_UNDEF || !name || !*name)
		return 0;
	if (pp_push(img->symbols, img->nr_symbols,
		    (struct pp_symbol){.name = name,
				       .addr = sym->st_value,
				       .size = sym->st_size,
				       .section = sym->st_shndx,
				       .type = type,
				       .bind = GELF_ST_BIND(sym->st_info)}))
		return 0;
	return out_of_memory(img);
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* How good a name is among aliases. */
static unsigned int merit(const struct pp_symbol *s)
{
	unsigned int bind = s->bind == STB_GLOBAL ? 2 : s->bind == STB_WEAK;

	return (s->type != STT_NOTYPE) * 4 + bind;
}

static int symbol_cmp(const void *_a, const void *_b)
{
	const struct pp_symbol *a = _a, *b = _b;

	return compare(a->section, b->section)
		       ?: compare(a->addr, b->addr)
				  ?: compare(merit(a), merit(b)) ?: strcmp(b->name, a->name);
}

int pp_image_load_symbols(struct pp_image *img)
{
	Elf_Scn *symtab;
	Elf_Data *data;
	GElf_Shdr sh;
	GElf_Sym sym;
	int ret = load_sections(img, &symtab);

	if (ret)
		return ret;
	if (!symtab)
		return pp_image_bad(img, "it has no symbol table; give the unstripped vmlinux");
	if (!gelf_getshdr(symtab, &sh) || !in_file(img, sh.sh_offset, sh.sh_size))
		return truncated(img);
	data = elf_getdata(symtab, NULL);
	if (!data || data->d_type != ELF_T_SYM || data->d_size / sizeof(Elf64_Sym) > INT32_MAX)
		return pp_image_bad(img, "its symbol table is damaged; build it again");
	for (int i = 0; !ret && gelf_getsym(data, i, &sym); i++)
		ret = add_symbol(img, &sym, elf_strptr(img->elf, sh.sh_link, sym.st_name));
	if (!ret && !img->nr_symbols)
		return pp_image_bad(img, "its symbol table is empty; give the unstripped vmlinux");
	if (!ret)
		qsort(img->symbols, img->nr_symbols, sizeof(*img->symbols), symbol_cmp);
	return ret;
}

const struct pp_segment *pp_image_segment(const struct pp_image *img, uint64_t addr, uint64_t len)
{
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		const struct pp_segment *s = &img->segments[i];

		if (addr >= s->vaddr && addr - s->vaddr <= s->memsz &&
		    len <= s->memsz - (addr - s->vaddr))
			return s;
	}
	return NULL;
}

const uint8_t *pp_image_ptr(const struct pp_image *img, uint64_t addr, uint64_t len)
{
	const struct pp_segment *s = pp_image_segment(img, addr, len);
	uint64_t off;

	if (!s)
		return NULL;
	off = addr - s->vaddr;
	return off <= s->filesz && len <= s->filesz - off ? s->data + off : NULL;
}

bool pp_image_read(const struct pp_image *img, uint64_t addr, void *buf, size_t len)
{
	const struct pp_segment *s = pp_image_segment(img, addr, len);
	uint64_t off, have;

	if (!s)
		return false;
	off = addr - s->vaddr;
	have = off < s->filesz ? s->filesz - off : 0;
	if (have > len)
		have = len;
	if (have)
		memcpy(buf, s->data + off, have);
	memset((uint8_t *)buf + have, 0, len - have);
	return true;
}

const struct pp_symbol *pp_image_find(const struct pp_image *img, const char *name)
{
	const struct pp_symbol *found = NULL;

	for (size_t i = 0; i < img->nr_symbols; i++) {
		const struct pp_symbol *s = &img->symbols[i];

		if (strcmp(s->name, name))
			continue;
		if (s->bind == STB_GLOBAL)
			return s;
		found = found ?: s;
	}
	return found;
}

int pp_image_range(const struct pp_image *img, const char *start, const char *stop,
		   struct pp_range *r)
{
	const struct pp_symbol *a = pp_image_find(img, start), *b = pp_image_find(img, stop);

	if (!a && !b)
		return -ENOENT;
	if (!a || !b)
		return pp_image_bad(img, "it has no symbol %s; give the vmlinux as it was linked",
				    a ? stop : start);
	if (b->addr < a->addr)
		return pp_image_bad(img, "%s lies before %s", stop, start);
	*r = (struct pp_range){a->addr, b->addr};
	return 0;
}

/* The section of a byte, or NULL and in @next where the next one begins. */
static const struct pp_section *section_at(const struct pp_image *img, uint64_t addr,
					   uint64_t *next)
{
	*next = UINT64_MAX;
	for (size_t i = 0; i < img->nr_sections; i++) {
		const struct pp_section *s = &img->sections[i];

		if (addr >= s->addr && addr - s->addr < s->size)
			return s;
		if (s->size && s->addr > addr && s->addr < *next)
			*next = s->addr;
	}
	return NULL;
}

/* Index of the first symbol of a section that comes after an address, or of what follows. */
static size_t symbol_after(const struct pp_image *img, size_t section, uint64_t addr)
{
	size_t lo = 0, hi = img->nr_symbols;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct pp_symbol *s = &img->symbols[mid];

		if ((compare(s->section, section) ?: compare(s->addr, addr)) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return hi;
}

struct pp_span pp_image_span(const struct pp_image *img, uint64_t addr)
{
	struct pp_span span = {addr, 0, NULL};
	const struct pp_section *sec = section_at(img, addr, &span.end);
	const struct pp_symbol *sym;
	size_t i;

	if (!sec)
		return span;
	i = symbol_after(img, sec - img->sections, addr);
	sym = &img->symbols[i];
	span = (struct pp_span){sec->addr, sec->addr + sec->size, NULL};
	if (i < img->nr_symbols && sym->section == sec - img->sections && sym->addr < span.end)
		span.end = sym->addr;
	if (i && sym[-1].section == sec - img->sections) {
		span.sym = &sym[-1];
		if (span.sym->addr > span.start)
			span.start = span.sym->addr;
	}
	return span;
}

const char *pp_printable(const char *name, char *buf)
{
	snprintf(buf, PP_NAME_MAX, "%s", name);
	for (char *p = buf; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return buf;
}
