// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report as a text.
 */
#include "report.h"

#include <inttypes.h>

static void print_totals(const struct pp_report *r, FILE *out)
{
	const struct pp_model *m = r->m;

	fprintf(out, "text and read-only data: %" PRIu64 " KiB, %zu pages\n", pp_report_kib(m),
		m->nr_pages);
	fprintf(out, "rewritten by the kernel: %" PRIu64 " bytes, in %zu pages (%zu KiB)\n",
		m->bytes, m->pages_changed, m->pages_changed * (PP_PAGE / 1024));
}

static void print_mechanisms(const struct pp_model *m, FILE *out)
{
	fprintf(out, "\n%-14s %9s %9s %9s %9s\n", "MECHANISM", "SITES", "CHANGED", "PAGES",
		"BYTES");
	for (int i = 0; i < PP_NR_OWNERS; i++) {
		const struct pp_owner *o = &m->owner[i];

		if (i == PP_UNATTRIBUTED && !o->bytes)
			continue;
		fprintf(out, "%-14s %9zu %9zu %9zu %9" PRIu64 "\n", pp_mechs[i].name, o->sites,
			o->sites_changed, o->pages_changed, o->bytes);
	}
}

static void print_symbols(const struct pp_model *m, FILE *out)
{
	const struct pp_symbol_bytes *top[PP_TOP];
	char name[PP_NAME_MAX];

	for (int i = 0; i < PP_NR_MECHS; i++) {
		const struct pp_owner *o = &m->owner[i];
		size_t nr = pp_report_top(o, top);

		if (!nr)
			continue;
		fprintf(out, "\n%s: %s, in %zu symbols\n", pp_mechs[i].name, pp_mechs[i].what,
			o->nr_symbols);
		for (size_t j = 0; j < nr; j++)
			fprintf(out, "%9" PRIu64 "  %s\n", top[j]->bytes,
				pp_symbol_name(top[j]->sym, name));
	}
}

static void print_features(const struct pp_report *r, FILE *out)
{
	const struct pp_model *m = r->m;
	char name[PP_NAME_MAX];

	if (!m->nr_features)
		return;
	fprintf(out,
		"\nalternatives by CPU feature; a site counts for each of its features\n"
		"%-24s %9s %9s %9s\n",
		"FEATURE", "SITES", "CHANGED", "BYTES");
	for (size_t i = 0; i < m->nr_features; i++) {
		const struct pp_feature *f = &m->features[i];

		fprintf(out, "%-24s %9zu %9zu %9" PRIu64 "\n",
			pp_feature_name(r->v, f->feature, name), f->sites, f->sites_changed,
			f->bytes);
	}
}

static void print_strays(const struct pp_model *m, FILE *out)
{
	char place[PP_PLACE_MAX];

	if (!m->nr_strays)
		return;
	fprintf(out, "\nunattributed: no table of the kernel has these\n%9s  %-18s  %s\n", "BYTES",
		"ADDRESS", "PLACE");
	for (size_t i = 0; i < m->nr_strays_kept && i < PP_TOP; i++) {
		const struct pp_stray *s = &m->strays[i];

		fprintf(out, "%9" PRIu64 "  0x%016" PRIx64 "  %s\n", s->len, s->addr,
			pp_place(s->sym, s->addr, place));
	}
	if (m->nr_strays > PP_TOP)
		fprintf(out, "and %zu more; --json lists them\n", m->nr_strays - PP_TOP);
}

void pp_report_text(const struct pp_report *r, FILE *out)
{
	print_totals(r, out);
	print_mechanisms(r->m, out);
	print_symbols(r->m, out);
	print_features(r, out);
	print_strays(r->m, out);
}
