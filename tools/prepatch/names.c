// SPDX-License-Identifier: GPL-2.0-only
/*
 * How symbols, places and CPU features are called, and which come first.
 */
#include "report.h"

#include <inttypes.h>
#include <string.h>

uint64_t pp_report_kib(const struct pp_model *m)
{
	uint64_t bytes = 0;

	for (int i = 0; i < PP_NR_AREAS; i++)
		bytes += m->area[i].end - m->area[i].start;
	return (bytes + 1023) / 1024;
}

size_t pp_report_top(const struct pp_owner *o, const struct pp_symbol_bytes *top[PP_TOP])
{
	size_t nr = 0;

	for (size_t i = 0; i < o->nr_symbols; i++) {
		const struct pp_symbol_bytes *s = &o->symbols[i];
		size_t at;

		/* those with as many come in the order of addresses */
		if (nr == PP_TOP && top[nr - 1]->bytes >= s->bytes)
			continue;
		if (nr < PP_TOP)
			nr++;
		for (at = nr - 1; at && top[at - 1]->bytes < s->bytes; at--)
			top[at] = top[at - 1];
		top[at] = s;
	}
	return nr;
}

const char *pp_symbol_name(const struct pp_symbol *sym, char *buf)
{
	return pp_printable(sym ? sym->name : "(no symbol)", buf);
}

const char *pp_place(const struct pp_symbol *sym, uint64_t addr, char *buf)
{
	char name[PP_NAME_MAX];

	if (sym)
		snprintf(buf, PP_PLACE_MAX, "%s+0x%" PRIx64, pp_symbol_name(sym, name),
			 addr - sym->addr);
	else
		snprintf(buf, PP_PLACE_MAX, "%s", pp_symbol_name(sym, name));
	return buf;
}

/* A string of the image, if it is one that can be printed as it is. */
static const char *string_at(const struct pp_image *v, uint64_t addr, char *buf)
{
	for (size_t i = 0; i < PP_NAME_MAX - 1; i++) {
		if (!pp_image_read(v, addr + i, &buf[i], 1))
			return NULL;
		if (!buf[i])
			return i ? buf : NULL;
		if (buf[i] <= ' ' || buf[i] > '~')
			return NULL;
	}
	return NULL;
}

/* Entry of an array of strings; @nr receives how many it has. */
static const char *table_entry(const struct pp_image *v, const char *table, uint64_t i,
			       uint64_t *nr, char *buf)
{
	const struct pp_symbol *s = pp_image_find(v, table);
	uint64_t ptr;

	*nr = s ? s->size / sizeof(ptr) : 0;
	if (i >= *nr || !pp_image_read(v, s->addr + i * sizeof(ptr), &ptr, sizeof(ptr)) || !ptr)
		return NULL;
	return string_at(v, ptr, buf);
}

const char *pp_feature_name(const struct pp_image *v, uint32_t feature, char *buf)
{
	uint32_t number = feature & ~PP_FEATURE_NOT;
	const char *not = feature & PP_FEATURE_NOT ? "!" : "", *name;
	char text[PP_NAME_MAX];
	uint64_t caps, bugs;

	/* the numbers of bugs follow those of features (mkcapflags.sh) */
	name = table_entry(v, "x86_cap_flags", number, &caps, text);
	if (!name && caps && number >= caps)
		name = table_entry(v, "x86_bug_flags", number - caps, &bugs, text);
	if (name)
		snprintf(buf, PP_NAME_MAX, "%s%.*s", not, PP_NAME_MAX - 2, name);
	else
		snprintf(buf, PP_NAME_MAX, "%s%u*32+%u", not, number / 32, number % 32);
	return buf;
}
