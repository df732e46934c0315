// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report as a page: two maps, what their colours mean, and the tables.
 */
#include "report.h"

#include <inttypes.h>

#include "html.h"

static const char head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<meta charset=\"utf-8\">\n"
	"<title>rund-prepatch report</title>\n"
	"<style>\n"
	"body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #1d2125; }\n"
	"h2 { margin: 1.6em 0 .3em; }\n"
	"p { margin: .3em 0 .8em; max-width: 60em; }\n"
	"code, svg text, .number { font-family: ui-monospace, monospace; }\n"
	"svg { display: block; max-width: 100%; height: auto; }\n"
	"svg text { font-size: 10px; fill: #5a6169; }\n"
	"svg text.area { font-size: 12px; fill: #1d2125; }\n"
	".frame { fill: none; stroke: #b9bec4; }\n"
	".hollow { fill: none; stroke: " PP_COLOUR_UNCHANGED "; }\n"
	"table { border-collapse: collapse; margin: .5em 0; }\n"
	"th, td { padding: .15em .9em .15em 0; text-align: left; vertical-align: top; }\n"
	"th { border-bottom: 1px solid #b9bec4; }\n"
	".number { text-align: right; }\n"
	".key { display: inline-block; width: .8em; height: .8em; margin-right: .5em;\n"
	"       box-sizing: border-box; border: 1px solid transparent; }\n"
	".legend span.item { display: inline-block; margin-right: 1.4em; }\n"
	".bad { color: #e00000; font-weight: bold; }\n"
	"</style>\n";

static void print_cell(FILE *out, uint64_t v)
{
	fprintf(out, "<td class=\"number\">%" PRIu64 "</td>", v);
}

static void print_key(FILE *out, const char *colour)
{
	fprintf(out, "<span class=\"key\" style=\"background: %s\"></span>", colour);
}

static void print_totals(const struct pp_report *r, FILE *out)
{
	const struct pp_model *m = r->m;
	char path[PP_NAME_MAX];

	fputs("<h1>What the kernel rewrites in itself</h1>\n<p><code>", out);
	html_text(out, pp_printable(r->v->path, path));
	fputs("</code> as built, and <code>", out);
	html_text(out, pp_printable(r->p->path, path));
	fprintf(out,
		"</code> with what it made of itself: of %" PRIu64
		" KiB of text and read-only data "
		"in %zu pages, %" PRIu64 " bytes in %zu pages (%zu KiB) were rewritten.</p>\n",
		pp_report_kib(m), m->nr_pages, m->bytes, m->pages_changed,
		m->pages_changed * (PP_PAGE / 1024));
	if (m->owner[PP_UNATTRIBUTED].bytes)
		fprintf(out,
			"<p class=\"bad\">%" PRIu64
			" bytes are in none of the kernel's tables.</p>\n",
			m->owner[PP_UNATTRIBUTED].bytes);
}

static void print_item(FILE *out, const char *style, const char *colour, const char *name)
{
	fprintf(out, "<span class=\"item\"><span class=\"key\" style=\"%s: %s\"></span>%s</span>\n",
		style, colour, name);
}

static void print_legend(const struct pp_model *m, FILE *out)
{
	fputs("<p class=\"legend\">", out);
	for (int i = 0; i < PP_NR_OWNERS; i++) {
		if (m->owner[i].bytes)
			print_item(out, "background", pp_mechs[i].colour, pp_mechs[i].name);
	}
	print_item(out, "background", PP_COLOUR_UNCHANGED, "unchanged");
	print_item(out, "border-color", PP_COLOUR_UNCHANGED, "padding");
	fputs("</p>\n", out);
}

static void print_prepatched(const struct pp_report *r, FILE *out)
{
	size_t nr = 0;

	for (size_t i = 0; i < r->m->nr_pages; i++)
		nr += !!r->m->pages[i].open;
	fprintf(out,
		"<h2>Pre-patched</h2>\n<p>Sites that the kernel may still write: %zu pages hold a "
		"static key's branch or a static call as it was built.</p>\n<p class=\"legend\">",
		nr);
	for (int i = 0; i < PP_NR_OWNERS; i++) {
		if (pp_mechs[i].stateful)
			print_item(out, "background", pp_mechs[i].colour, pp_mechs[i].name);
	}
	fputs("</p>\n", out);
	pp_report_map(r, PP_MAP_PREPATCHED, out);
}

static void print_maps(const struct pp_report *r, FILE *out)
{
	fputs("<h2>Rewritten at each boot, as built</h2>\n"
	      "<p>A square is a page of 4 KiB, in the colour of what changes most of it.</p>\n",
	      out);
	print_legend(r->m, out);
	pp_report_map(r, PP_MAP_BUILT, out);
	print_prepatched(r, out);
}

static void print_mechanisms(const struct pp_model *m, FILE *out)
{
	fputs("<h2>Mechanisms</h2>\n<table><tr><th>Mechanism<th><th>Sites<th>Changed<th>Pages"
	      "<th>Bytes</tr>\n",
	      out);
	for (int i = 0; i < PP_NR_OWNERS; i++) {
		const struct pp_owner *o = &m->owner[i];

		if (i == PP_UNATTRIBUTED && !o->bytes)
			continue;
		fputs("<tr><td>", out);
		print_key(out, pp_mechs[i].colour);
		fprintf(out, "%s</td><td>%s</td>", pp_mechs[i].name, pp_mechs[i].what);
		print_cell(out, o->sites);
		print_cell(out, o->sites_changed);
		print_cell(out, o->pages_changed);
		print_cell(out, o->bytes);
		fputs("</tr>\n", out);
	}
	fputs("</table>\n", out);
}

static void print_symbols(const struct pp_model *m, FILE *out)
{
	const struct pp_symbol_bytes *top[PP_TOP];
	char name[PP_NAME_MAX];

	fputs("<h2>Symbols with most changed bytes</h2>\n", out);
	for (int i = 0; i < PP_NR_OWNERS; i++) {
		size_t nr = pp_report_top(&m->owner[i], top);

		if (!nr)
			continue;
		fprintf(out, "<h3>%s, in %zu symbols</h3>\n<table><tr><th>Bytes<th>Symbol</tr>\n",
			pp_mechs[i].name, m->owner[i].nr_symbols);
		for (size_t j = 0; j < nr; j++) {
			fputs("<tr>", out);
			print_cell(out, top[j]->bytes);
			fputs("<td><code>", out);
			html_text(out, pp_symbol_name(top[j]->sym, name));
			fputs("</code></td></tr>\n", out);
		}
		fputs("</table>\n", out);
	}
}

static void print_features(const struct pp_report *r, FILE *out)
{
	const struct pp_model *m = r->m;
	char name[PP_NAME_MAX];

	if (!m->nr_features)
		return;
	fputs("<h2>Alternatives by CPU feature</h2>\n<p>A site counts for each of its features."
	      "</p>\n<table><tr><th>Feature<th>Sites<th>Changed<th>Bytes</tr>\n",
	      out);
	for (size_t i = 0; i < m->nr_features; i++) {
		const struct pp_feature *f = &m->features[i];

		fputs("<tr><td><code>", out);
		html_text(out, pp_feature_name(r->v, f->feature, name));
		fputs("</code></td>", out);
		print_cell(out, f->sites);
		print_cell(out, f->sites_changed);
		print_cell(out, f->bytes);
		fputs("</tr>\n", out);
	}
	fputs("</table>\n", out);
}

static void print_strays(const struct pp_model *m, FILE *out)
{
	char place[PP_PLACE_MAX];

	if (!m->nr_strays)
		return;
	fprintf(out,
		"<h2 class=\"bad\">Unattributed</h2>\n<p>%zu runs of bytes; the first of "
		"them:</p>\n"
		"<table><tr><th>Bytes<th>Address<th>Place</tr>\n",
		m->nr_strays);
	for (size_t i = 0; i < m->nr_strays_kept && i < PP_TOP; i++) {
		const struct pp_stray *s = &m->strays[i];

		fputs("<tr>", out);
		print_cell(out, s->len);
		fprintf(out, "<td><code>0x%" PRIx64 "</code></td><td><code>", s->addr);
		html_text(out, pp_place(s->sym, s->addr, place));
		fputs("</code></td></tr>\n", out);
	}
	fputs("</table>\n", out);
}

void pp_report_html(const struct pp_report *r, FILE *out)
{
	fputs(head, out);
	print_totals(r, out);
	print_maps(r, out);
	print_mechanisms(r->m, out);
	print_symbols(r->m, out);
	print_features(r, out);
	print_strays(r->m, out);
}
