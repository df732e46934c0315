// SPDX-License-Identifier: GPL-2.0-only
/*
 * One walk over the pages of text and read-only data in the order of addresses,
 * with the sites that cover the byte at hand beside it.
 */
#include "attribute.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "vec.h"

/* KERNEL_IMAGE_SIZE (asm/page_64_types.h): no area of a kernel is larger. */
#define MAX_AREA (1ULL << 30)

static const struct {
	const char *start, *stop;
} areas[PP_NR_AREAS] = {
	[PP_TEXT] = {"_text", "_etext"},
	[PP_RODATA] = {"__start_rodata", "__end_rodata"},
};

/**
 * struct walk - the state of pp_attribute()
 * @next: the first site that begins after the byte at hand
 * @active: the sites before it that may still reach it
 * @span: the symbol that was looked up last
 */
struct walk {
	const struct pp_image *v, *p;
	struct pp_model *m;
	struct pp_sites sites;
	size_t next;
	struct pp_site **active;
	size_t nr_active;
	struct pp_span span;
};

static int out_of_memory(const struct walk *w)
{
	return log_errno(-ENOMEM, "kernel %s: out of memory", w->v->path);
}

/* What build makes of a segment ends with a page, for the VMM to map it whole. */
static bool same_size(const struct pp_segment *v, const struct pp_segment *p)
{
	uint64_t end = v->paddr + v->memsz;

	return p->memsz == v->memsz || (p->memsz > v->memsz && v->filesz == v->memsz &&
					p->memsz - v->memsz == -end % PP_PAGE);
}

/* With these equal, a virtual address is the same physical one in both. */
static int same_segments(const struct pp_image *v, const struct pp_image *p)
{
	bool same = v->nr_segments == p->nr_segments;

	for (unsigned int i = 0; same && i < v->nr_segments; i++) {
		const struct pp_segment *a = &v->segments[i], *b = &p->segments[i];

		same = a->vaddr == b->vaddr && a->paddr == b->paddr && same_size(a, b);
	}
	if (same)
		return 0;
	return pp_image_bad(p, "its segments are not those of %s; give the vmlinux it is made from",
			    v->path);
}

/*
 * __end_rodata is aligned, the last segment need not be: what is missing of the last
 * page is in neither file.
 */
static int find_area(struct walk *w, enum pp_area area)
{
	struct pp_range *r = &w->m->area[area];
	const struct pp_segment *s;
	int ret = pp_image_range(w->v, areas[area].start, areas[area].stop, r);
	uint64_t end;

	if (ret == -ENOENT)
		return pp_image_bad(w->v, "it has no symbols %s and %s; give the vmlinux",
				    areas[area].start, areas[area].stop);
	if (ret)
		return ret;
	if (r->start % PP_PAGE || r->end - r->start > MAX_AREA)
		return pp_image_bad(w->v, "from %s to %s is no area that a kernel could have",
				    areas[area].start, areas[area].stop);
	s = pp_image_segment(w->v, r->start, 1);
	end = s ? s->vaddr + s->memsz : 0;
	if (!s || (r->end > end && r->end - end >= PP_PAGE))
		return pp_image_bad(w->v, "from %s to %s does not lie in one of its segments",
				    areas[area].start, areas[area].stop);
	return 0;
}

static int find_areas(struct walk *w)
{
	const struct pp_range *text = &w->m->area[PP_TEXT], *ro = &w->m->area[PP_RODATA];
	int ret = find_area(w, PP_TEXT);

	if (!ret)
		ret = find_area(w, PP_RODATA);
	if (ret)
		return ret;
	if (ro->start < text->end)
		return pp_image_bad(w->v, "its read-only data does not lie behind its text");
	return 0;
}

static const struct pp_symbol *symbol_at(struct walk *w, uint64_t addr)
{
	if (addr < w->span.start || addr >= w->span.end)
		w->span = pp_image_span(w->v, addr);
	return w->span.sym;
}

/* Bring @active up to an address, which is after the last one. */
static int advance(struct walk *w, uint64_t addr)
{
	size_t kept = 0;

	for (; w->next < w->sites.nr && w->sites.v[w->next].addr <= addr; w->next++) {
		if (!pp_push(w->active, w->nr_active, &w->sites.v[w->next]))
			return out_of_memory(w);
	}
	for (size_t i = 0; i < w->nr_active; i++) {
		const struct pp_site *s = w->active[i];

		if (addr - s->addr < s->len)
			w->active[kept++] = w->active[i];
	}
	w->nr_active = kept;
	return 0;
}

/* alternatives_smp_unlock(): LOCK becomes a DS prefix, and nothing else becomes anything. */
static bool may_write(const struct pp_site *s, uint8_t before, uint8_t after)
{
	return s->mech != PP_SMP_LOCK || (before == 0xf0 && after == 0x3e);
}

static enum pp_mech find_owner(struct walk *w, uint8_t before, uint8_t after)
{
	struct pp_site *best = NULL;

	for (size_t i = 0; i < w->nr_active; i++) {
		struct pp_site *s = w->active[i];

		if (may_write(s, before, after) && (!best || pp_site_wins(s, best)))
			best = s;
	}
	if (!best)
		return PP_UNATTRIBUTED;
	best->changed++;
	return best->mech;
}

static int count_symbol(struct walk *w, struct pp_owner *o, const struct pp_symbol *sym)
{
	if (!o->nr_symbols || o->symbols[o->nr_symbols - 1].sym != sym) {
		if (!pp_push(o->symbols, o->nr_symbols, (struct pp_symbol_bytes){.sym = sym}))
			return out_of_memory(w);
	}
	o->symbols[o->nr_symbols - 1].bytes++;
	return 0;
}

static int count_stray(struct walk *w, uint64_t addr, const struct pp_symbol *sym)
{
	struct pp_model *m = w->m;
	struct pp_stray *last = m->nr_strays_kept ? &m->strays[m->nr_strays_kept - 1] : NULL;

	if (last && m->nr_strays == m->nr_strays_kept && last->addr + last->len == addr &&
	    last->sym == sym) {
		last->len++;
		return 0;
	}
	m->nr_strays++;
	if (m->nr_strays_kept == PP_MAX_STRAYS)
		return 0;
	if (!pp_push(m->strays, m->nr_strays_kept, (struct pp_stray){addr, 1, sym}))
		return out_of_memory(w);
	return 0;
}

static int count_byte(struct walk *w, struct pp_page *page, uint64_t addr, uint8_t before,
		      uint8_t after)
{
	const struct pp_symbol *sym = symbol_at(w, addr);
	enum pp_mech owner;
	int ret = advance(w, addr);

	if (ret)
		return ret;
	owner = find_owner(w, before, after);
	page->bytes[owner]++;
	w->m->owner[owner].bytes++;
	w->m->bytes++;
	ret = count_symbol(w, &w->m->owner[owner], sym);
	if (!ret && owner == PP_UNATTRIBUTED)
		ret = count_stray(w, addr, sym);
	return ret;
}

static bool is_padding(const uint8_t *page, uint64_t len)
{
	if (page[0] != 0xcc && page[0] != 0)
		return false;
	return !memcmp(page, page + 1, len - 1);
}

static int compare_page(struct walk *w, enum pp_area area, uint64_t addr, uint64_t len)
{
	uint8_t before[PP_PAGE], after[PP_PAGE];
	struct pp_model *m = w->m;
	struct pp_page page = {.addr = addr, .area = area, .sym = symbol_at(w, addr)};
	int ret = 0;

	if (!pp_image_read(w->v, addr, before, len) || !pp_image_read(w->p, addr, after, len))
		return pp_image_bad(w->v, "its text does not lie in one segment");
	page.padding = is_padding(before, len);
	if (memcmp(before, after, len)) {
		for (uint64_t i = 0; i < len && !ret; i++) {
			if (before[i] != after[i])
				ret = count_byte(w, &page, addr + i, before[i], after[i]);
		}
		m->pages_changed++;
	}
	for (int i = 0; i < PP_NR_OWNERS; i++)
		m->owner[i].pages_changed += !!page.bytes[i];
	if (!ret && !pp_push(m->pages, m->nr_pages, page))
		return out_of_memory(w);
	return ret;
}

static int compare_area(struct walk *w, enum pp_area area)
{
	const struct pp_range *r = &w->m->area[area];
	const struct pp_segment *s = pp_image_segment(w->v, r->start, 1);
	uint64_t left = s->vaddr + s->memsz - r->start;
	int ret = 0;

	if (left > r->end - r->start)
		left = r->end - r->start;
	for (uint64_t addr = r->start; left && !ret;) {
		uint64_t len = left < PP_PAGE ? left : PP_PAGE;

		ret = compare_page(w, area, addr, len);
		addr += len;
		left -= len;
	}
	return ret;
}

static struct pp_page *page_of(struct pp_model *m, uint64_t addr)
{
	size_t lo = 0, hi = m->nr_pages;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (addr < m->pages[mid].addr)
			hi = mid;
		else if (addr - m->pages[mid].addr >= PP_PAGE)
			lo = mid + 1;
		else
			return &m->pages[mid];
	}
	return NULL;
}

/* The longest site that is stateful is a trampoline. */
static void find_open(struct walk *w, const struct pp_site *s)
{
	struct pp_page *first = page_of(w->m, s->addr);
	struct pp_page *last = page_of(w->m, s->addr + s->len - 1);
	uint8_t before[16], after[16];

	if (!s->len || s->len > sizeof(before) || (!first && !last))
		return;
	if (!pp_image_read(w->v, s->addr, before, s->len) ||
	    !pp_image_read(w->p, s->addr, after, s->len) || memcmp(before, after, s->len))
		return;
	if (first)
		first->open |= 1U << s->mech;
	if (last)
		last->open |= 1U << s->mech;
}

static int feature_cmp(const void *_a, const void *_b)
{
	const struct pp_feature *a = _a, *b = _b;
	uint32_t x = a->feature & ~PP_FEATURE_NOT, y = b->feature & ~PP_FEATURE_NOT;

	if (x != y)
		return x < y ? -1 : 1;
	return a->feature < b->feature ? -1 : a->feature > b->feature;
}

static int number_cmp(const void *_a, const void *_b)
{
	const uint32_t *a = _a, *b = _b;

	return *a < *b ? -1 : *a > *b;
}

/* A row for each feature of each site; nested entries may repeat one. */
static int list_features(struct walk *w, const struct pp_site *s)
{
	uint32_t *f = w->sites.features + s->features;

	if (s->nr_features > 1)
		qsort(f, s->nr_features, sizeof(*f), number_cmp);
	for (uint32_t i = 0; i < s->nr_features; i++) {
		struct pp_feature row = {f[i], 1, !!s->changed, s->changed};

		if (i && f[i - 1] == f[i])
			continue;
		if (!pp_push(w->m->features, w->m->nr_features, row))
			return out_of_memory(w);
	}
	return 0;
}

/* Rows of one feature become one. */
static void sum_features(struct pp_model *m)
{
	size_t kept = 0;

	if (!m->nr_features)
		return;
	qsort(m->features, m->nr_features, sizeof(*m->features), feature_cmp);
	for (size_t i = 1; i < m->nr_features; i++) {
		struct pp_feature *to = &m->features[kept], *f = &m->features[i];

		if (to->feature == f->feature) {
			to->sites += f->sites;
			to->sites_changed += f->sites_changed;
			to->bytes += f->bytes;
		} else {
			m->features[++kept] = *f;
		}
	}
	m->nr_features = kept + 1;
}

static int count_sites(struct walk *w)
{
	int ret = 0;

	for (size_t i = 0; i < w->sites.nr && !ret; i++) {
		const struct pp_site *s = &w->sites.v[i];
		struct pp_owner *o = &w->m->owner[s->mech];

		o->sites++;
		o->sites_changed += !!s->changed;
		if (pp_mechs[s->mech].stateful)
			find_open(w, s);
		ret = list_features(w, s);
	}
	if (!ret)
		sum_features(w->m);
	return ret;
}

int pp_attribute(const struct pp_image *v, const struct pp_image *p, struct pp_model *model)
{
	struct walk w = {.v = v, .p = p, .m = model};
	int ret = same_segments(v, p);

	memset(model, 0, sizeof(*model));
	if (!ret)
		ret = find_areas(&w);
	if (!ret)
		ret = pp_sites_load(v, p, &w.sites);
	for (int i = 0; i < PP_NR_AREAS && !ret; i++)
		ret = compare_area(&w, i);
	if (!ret)
		ret = count_sites(&w);
	pp_sites_free(&w.sites);
	free(w.active);
	return ret;
}

void pp_model_free(struct pp_model *model)
{
	for (int i = 0; i < PP_NR_OWNERS; i++)
		free(model->owner[i].symbols);
	free(model->pages);
	free(model->features);
	free(model->strays);
	memset(model, 0, sizeof(*model));
}
