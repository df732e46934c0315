/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `rund-agent trace` reads about the kernel from text files: addresses of
 * symbols and offsets of a tracepoint's fields.
 */
#ifndef RUND_AGENT_TRACESYMS_H
#define RUND_AGENT_TRACESYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct ra_ksym - a symbol that is looked for
 * @name: its name
 * @found: the kernel, and no module, has it
 * @addr: its address; 0 when the kernel hides it
 */
struct ra_ksym {
	const char *name;
	bool found;
	uint64_t addr;
};

/**
 * ra_ksyms_read() - look symbols up
 * @path: /proc/kallsyms, or a file like it
 * @syms: what is looked for; the rest of each entry is set
 *
 * Return: 0, also when some were not found, or -errno.
 */
int ra_ksyms_read(const char *path, struct ra_ksym *syms, size_t n);

/**
 * ra_trace_field() - where a tracepoint's record has a field
 * @format: the text of the tracepoint's file "format"
 * @field: the name of the field, which is no array
 *
 * Return: the offset in bytes, or -ENOENT.
 */
int ra_trace_field(const char *format, const char *field);

#endif
