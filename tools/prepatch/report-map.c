// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page map: a square for each page, a line for each 256 KiB.
 */
#include "report.h"

#include <inttypes.h>

#include "html.h"

#define COLUMNS 64
#define CELL	11 /* from one square to the next */
#define SQUARE	9
#define LEFT	120 /* the addresses of lines */
#define TITLE	24

static const char *const area_name[PP_NR_AREAS] = {
	[PP_TEXT] = "text",
	[PP_RODATA] = "read-only data",
};

/* The one that changed most of a page, or PP_NR_OWNERS; of equals the first. */
static int main_owner(const struct pp_page *page)
{
	int best = PP_NR_OWNERS;

	for (int i = 0; i < PP_NR_OWNERS; i++) {
		if (page->bytes[i] && (best == PP_NR_OWNERS || page->bytes[i] > page->bytes[best]))
			best = i;
	}
	return best;
}

static void print_tooltip(const struct pp_page *page, enum pp_map map, FILE *out)
{
	char place[PP_PLACE_MAX];

	fprintf(out, "<title>0x%" PRIx64 " ", page->addr);
	html_text(out, pp_place(page->sym, page->addr, place));
	for (int i = 0; i < PP_NR_OWNERS; i++) {
		if (map == PP_MAP_BUILT && page->bytes[i])
			fprintf(out, "&#10;%s: %u", pp_mechs[i].name, page->bytes[i]);
		if (map == PP_MAP_PREPATCHED && (page->open & 1U << i))
			fprintf(out, "&#10;%s", pp_mechs[i].name);
	}
	fputs("</title>", out);
}

static const char *colour_of(const struct pp_page *page, enum pp_map map)
{
	int owner = main_owner(page);

	if (map == PP_MAP_PREPATCHED)
		owner = __builtin_ctz(page->open);
	return owner == PP_NR_OWNERS ? PP_COLOUR_UNCHANGED : pp_mechs[owner].colour;
}

static void print_square(const struct pp_page *page, enum pp_map map, unsigned int x,
			 unsigned int y, FILE *out)
{
	fprintf(out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"", x, y, SQUARE, SQUARE);
	if (map == PP_MAP_BUILT && page->padding && main_owner(page) == PP_NR_OWNERS)
		fputs(" class=\"hollow\">", out);
	else
		fprintf(out, " fill=\"%s\">", colour_of(page, map));
	print_tooltip(page, map, out);
	fputs("</rect>\n", out);
}

static unsigned int area_lines(const struct pp_model *m, enum pp_area area)
{
	unsigned int nr = 0;

	for (size_t i = 0; i < m->nr_pages; i++)
		nr += m->pages[i].area == area;
	return (nr + COLUMNS - 1) / COLUMNS;
}

static void print_area(const struct pp_report *r, enum pp_map map, enum pp_area area,
		       unsigned int top, FILE *out)
{
	unsigned int nr = 0, lines = area_lines(r->m, area);

	fprintf(out, "<text x=\"0\" y=\"%u\" class=\"area\">%s</text>\n", top - 6, area_name[area]);
	fprintf(out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" class=\"frame\"/>\n",
		LEFT - 3, top - 3, COLUMNS * CELL + 4, lines * CELL + 4);
	for (size_t i = 0; i < r->m->nr_pages; i++) {
		const struct pp_page *page = &r->m->pages[i];
		unsigned int y = top + nr / COLUMNS * CELL;

		if (page->area != area)
			continue;
		if (nr % COLUMNS == 0)
			fprintf(out, "<text x=\"0\" y=\"%u\">%" PRIx64 "</text>\n", y + SQUARE,
				page->addr);
		if (map == PP_MAP_BUILT || page->open)
			print_square(page, map, LEFT + nr % COLUMNS * CELL, y, out);
		nr++;
	}
}

void pp_report_map(const struct pp_report *r, enum pp_map map, FILE *out)
{
	unsigned int text = area_lines(r->m, PP_TEXT), ro = area_lines(r->m, PP_RODATA);
	unsigned int height = 2 * TITLE + (text + ro) * CELL + 8;

	fprintf(out, "<svg viewBox=\"0 0 %u %u\" width=\"%u\" height=\"%u\" role=\"img\">\n",
		LEFT + COLUMNS * CELL + 4, height, LEFT + COLUMNS * CELL + 4, height);
	print_area(r, map, PP_TEXT, TITLE, out);
	print_area(r, map, PP_RODATA, 2 * TITLE + text * CELL, out);
	fputs("</svg>\n", out);
}
