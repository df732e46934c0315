/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel image as an ELF file, read whole and believed in nothing: whatever a
 * getter returns lies inside the file, and what lies outside is not found.
 * Addresses are virtual, those that the kernel is linked for.
 */
#ifndef RUND_PREPATCH_IMAGE_H
#define RUND_PREPATCH_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than any kernel has; the time a lookup takes depends on them. */
#define PP_MAX_SEGMENTS 64
#define PP_MAX_SECTIONS 4096

/* A PT_LOAD; @data has @filesz bytes, and zeroes follow up to @memsz. */
struct pp_segment {
	uint64_t vaddr, paddr, filesz, memsz;
	const uint8_t *data;
};

/* By section index; those that are not loaded have no size. */
struct pp_section {
	const char *name;
	uint64_t addr, size;
};

/* Names are hostile: print them with pp_printable(). */
struct pp_symbol {
	const char *name;
	uint64_t addr, size;
	uint16_t section;
	uint8_t type, bind;
};

/* @end is the first byte behind it. */
struct pp_range {
	uint64_t start, end;
};

struct pp_image {
	const char *path; /* the caller's */
	uint8_t *file;
	size_t file_size;
	struct Elf *elf;
	struct pp_segment segments[PP_MAX_SEGMENTS];
	unsigned int nr_segments;
	struct pp_section *sections;
	size_t nr_sections;
	struct pp_symbol *symbols; /* by address; of aliases the best comes last */
	size_t nr_symbols;
};

/**
 * pp_image_open() - read an x86-64 ET_EXEC file and its segments
 * @path: must stay valid as long as the image
 *
 * Return: 0 or -errno, logged: -ENOEXEC for a file that is not a kernel.
 * pp_image_close() is for both.
 */
int pp_image_open(struct pp_image *img, const char *path);

/**
 * pp_image_load_symbols() - read the sections and the symbol table too
 * Return: 0 or -errno, logged; -ENOEXEC when there are none.
 */
int pp_image_load_symbols(struct pp_image *img);

void pp_image_close(struct pp_image *img);

/**
 * pp_image_bad() - log that a file is not as a kernel has to be
 * @fmt: what is wrong
 *
 * Return: -ENOEXEC.
 */
int pp_image_bad(const struct pp_image *img, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * pp_image_segment() - the segment that a range lies in as a whole
 * Return: it, or NULL.
 */
const struct pp_segment *pp_image_segment(const struct pp_image *img, uint64_t addr, uint64_t len);

/**
 * pp_image_ptr() - a range that lies in the file as a whole
 * Return: a pointer to @len bytes, or NULL.
 */
const uint8_t *pp_image_ptr(const struct pp_image *img, uint64_t addr, uint64_t len);

/**
 * pp_image_read() - copy a range as the loader would make it, zeroes included
 * Return: whether it lies in a segment as a whole; if not, @buf is untouched.
 */
bool pp_image_read(const struct pp_image *img, uint64_t addr, void *buf, size_t len);

/**
 * pp_image_find() - look up a symbol by its name; a global one before a local one
 * Return: it, or NULL.
 */
const struct pp_symbol *pp_image_find(const struct pp_image *img, const char *name);

/**
 * pp_image_range() - what lies between two symbols of the linker script
 * Return: 0, -ENOENT when the image has neither, -ENOEXEC, logged, when it has
 * one of them or they are the wrong way round.
 */
int pp_image_range(const struct pp_image *img, const char *start, const char *stop,
		   struct pp_range *r);

/**
 * struct pp_span - bytes that belong to one symbol
 * @sym: the nearest one before them in their section, or NULL when there is none
 */
struct pp_span {
	uint64_t start, end;
	const struct pp_symbol *sym;
};

/**
 * pp_image_span() - the symbol of a byte, and the bytes around that have the same
 *
 * Of several symbols at one address it is one of a function or object before an
 * untyped one (those mark where sections begin), then a global one before a weak
 * before a local one, then the first by name.
 */
struct pp_span pp_image_span(const struct pp_image *img, uint64_t addr);

/* What fits of a name that a file may have made up. */
#define PP_NAME_MAX 128

/**
 * pp_printable() - copy a name with all but printable ASCII replaced by '?'
 * @buf: PP_NAME_MAX bytes
 *
 * Return: @buf.
 */
const char *pp_printable(const char *name, char *buf);

#endif
