// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the tables by which 6.12 patches itself.  An entry counts only if all of
 * what it names is in the image.
 */
#include "sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "vec.h"

const struct pp_mech_info pp_mechs[PP_NR_OWNERS] = {
	[PP_PREPATCH] = {"prepatch", "for which CPU the image is", "#b8b8a0"},
	[PP_RO_AFTER_INIT] = {"ro_after_init", "data that is set once at boot", "#8a6d3b"},
	[PP_CFI] = {"cfi", "hashes and preambles of FineIBT", "#5b7f95"},
	[PP_RETPOLINE] = {"retpoline", "indirect calls and jumps", "#2f9e44"},
	[PP_RETURN_THUNK] = {"return_thunk", "returns", "#94c973"},
	[PP_ALTERNATIVE] = {"alternative", "code that depends on the CPU", "#1c6dd0"},
	[PP_PARAVIRT] = {"paravirt", "calls through pv_ops", "#6fb7f2"},
	[PP_CALL_THUNK] = {"call_thunk", "call depth tracking", "#0b3c5d"},
	[PP_ENDBR_SEAL] = {"endbr_seal", "functions that nobody calls indirectly", "#7048b6"},
	[PP_SMP_LOCK] = {"smp_lock", "lock prefixes on one CPU", "#e8890c"},
	[PP_RUNTIME_CONST] = {"runtime_const", "constants known at boot", "#c2a5e8"},
	[PP_JUMP_LABEL] = {"jump_label", "branches of static keys", "#0ca5a5", true},
	[PP_STATIC_CALL] = {"static_call", "calls and their trampolines", "#d6509c", true},
	[PP_FTRACE] = {"ftrace", "calls of the function tracer", "#6b705c"},
	[PP_UNATTRIBUTED] = {"unattributed", "nothing in the kernel's tables", "#e00000"},
};

/* One entry, before those of one site are made one. */
struct raw {
	uint64_t addr;
	uint32_t len, order;
	enum pp_mech mech;
	uint32_t feature;
	bool has_feature, direct_call;
};

struct loader {
	const struct pp_image *v, *p;
	struct raw *raw;
	size_t nr;
};

/**
 * struct table - where a mechanism's sites are listed
 * @section: the section with the entries, or "PREFIX*" for all that begin so
 * @entry: bytes of an entry
 * @len: bytes of a site, or 0 when @add or @insn_len knows
 * @add: takes one entry, at an address
 * @insn_len: from the first two bytes of an instruction; 0 when it cannot be a site
 * @start, @stop: symbols around the entries when there is no such section
 */
struct table {
	const char *section;
	unsigned int entry;
	enum pp_mech mech;
	unsigned int len;
	int (*add)(struct loader *ld, const struct table *t, uint64_t at, const uint8_t *e);
	unsigned int (*insn_len)(const uint8_t *insn);
	const char *start, *stop;
};

static int push(struct loader *ld, struct raw r)
{
	if (!pp_image_segment(ld->v, r.addr, r.len))
		return pp_image_bad(ld->v, "an entry of %s points outside, to %#llx",
				    pp_mechs[r.mech].name, (unsigned long long)r.addr);
	r.order = ld->nr;
	if (!pp_push(ld->raw, ld->nr, r))
		return log_errno(-ENOMEM, "kernel %s: out of memory", ld->v->path);
	return 0;
}

static int push_site(struct loader *ld, enum pp_mech mech, uint64_t addr, uint32_t len)
{
	return push(ld, (struct raw){.addr = addr, .len = len, .mech = mech});
}

static int add_at(struct loader *ld, const struct table *t, uint64_t addr)
{
	unsigned int len = t->len;
	uint8_t insn[2];

	if (!len) {
		if (!pp_image_read(ld->v, addr, insn, sizeof(insn)))
			return push_site(ld, t->mech, addr, sizeof(insn)); /* says so */
		len = t->insn_len(insn);
		if (!len)
			return pp_image_bad(ld->v, "an entry of %s has no such instruction: %#llx",
					    pp_mechs[t->mech].name, (unsigned long long)addr);
	}
	return push_site(ld, t->mech, addr, len);
}

static int64_t s32_at(const uint8_t *e)
{
	int32_t v;

	memcpy(&v, e, sizeof(v));
	return v;
}

/* An offset from itself.  0 is padding: no table lists itself. */
static int add_relative(struct loader *ld, const struct table *t, uint64_t at, const uint8_t *e)
{
	int64_t off = s32_at(e);

	return off ? add_at(ld, t, at + off) : 0;
}

/* An address; the linker pads with 0 here too (ftrace_process_locs()). */
static int add_absolute(struct loader *ld, const struct table *t, uint64_t at, const uint8_t *e)
{
	uint64_t addr;

	memcpy(&addr, e, sizeof(addr));
	return addr ? add_at(ld, t, addr) : 0;
}

/* struct alt_instr (asm/alternative.h), packed. */
#define ALT_FT_FLAGS	     8
#define ALT_INSTRLEN	     12
#define ALT_SIZE	     14
#define ALT_FLAG_DIRECT_CALL (2U << 16)

static int add_alternative(struct loader *ld, const struct table *t, uint64_t at, const uint8_t *e)
{
	uint32_t flags;

	memcpy(&flags, e + ALT_FT_FLAGS, sizeof(flags));
	return push(ld, (struct raw){
				.addr = at + s32_at(e),
				.len = e[ALT_INSTRLEN],
				.mech = t->mech,
				.feature = flags & (0xffff | PP_FEATURE_NOT),
				.has_feature = true,
				.direct_call = flags & ALT_FLAG_DIRECT_CALL,
			});
}

static bool is_jcc32(const uint8_t *insn)
{
	return insn[0] == 0x0f && (insn[1] & 0xf0) == 0x80;
}

/* CALL or JMP of a thunk, 5 bytes; Jcc, or with a CS prefix: 6. */
static unsigned int retpoline_len(const uint8_t *insn)
{
	if (insn[0] == 0xe8 || insn[0] == 0xe9)
		return 5;
	return insn[0] == 0x2e || is_jcc32(insn) ? 6 : 0;
}

/* JMP.d8 or the NOP of its size, or JMP.d32 or the NOP of that (asm/nops.h). */
static unsigned int jump_label_len(const uint8_t *insn)
{
	if (insn[0] == 0xeb || (insn[0] == 0x66 && insn[1] == 0x90))
		return 2;
	return insn[0] == 0xe9 || (insn[0] == 0x0f && insn[1] == 0x1f) ? 5 : 0;
}

static unsigned int static_call_len(const uint8_t *insn)
{
	return is_jcc32(insn) ? 6 : 5;
}

/* __cfi_\func: the preamble, and the ENDBR behind it (cfi_rewrite_endbr()). */
#define CFI_PREAMBLE (16 + 4)

static const struct table tables[] = {
	{".cfi_sites", 4, PP_CFI, CFI_PREAMBLE, add_relative},
	{".retpoline_sites", 4, PP_RETPOLINE, 0, add_relative, retpoline_len},
	{".return_sites", 4, PP_RETURN_THUNK, 5, add_relative},
	{".altinstructions", ALT_SIZE, PP_ALTERNATIVE, 0, add_alternative},
	{".call_sites", 4, PP_CALL_THUNK, 5, add_relative},
	{".ibt_endbr_seal", 4, PP_ENDBR_SEAL, 4, add_relative},
	{".smp_locks", 4, PP_SMP_LOCK, 1, add_relative},
	{"runtime_ptr_*", 4, PP_RUNTIME_CONST, 8, add_relative},
	{"runtime_shift_*", 4, PP_RUNTIME_CONST, 1, add_relative},
	/* struct jump_entry and struct static_call_site: the first field is the site */
	{"__jump_table", 16, PP_JUMP_LABEL, 0, add_relative, jump_label_len, "__start___jump_table",
	 "__stop___jump_table"},
	{".static_call_sites", 8, PP_STATIC_CALL, 0, add_relative, static_call_len,
	 "__start_static_call_sites", "__stop_static_call_sites"},
	{"__mcount_loc", 8, PP_FTRACE, 5, add_absolute, NULL, "__start_mcount_loc",
	 "__stop_mcount_loc"},
};

static int read_table(struct loader *ld, const struct table *t, const char *name, uint64_t addr,
		      uint64_t size)
{
	const uint8_t *e = pp_image_ptr(ld->v, addr, size);
	int ret = 0;

	if (!size)
		return 0;
	if (!e)
		return pp_image_bad(ld->v, "the table %s lies outside of the image", name);
	if (size % t->entry)
		return pp_image_bad(ld->v, "the table %s ends within an entry", name);
	for (uint64_t off = 0; off < size && !ret; off += t->entry)
		ret = t->add(ld, t, addr + off, e + off);
	return ret;
}

static bool is_named(const char *name, const char *pattern)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] == '*')
		return !strncmp(name, pattern, n - 1);
	return !strcmp(name, pattern);
}

static int load_table(struct loader *ld, const struct table *t)
{
	const struct pp_image *v = ld->v;
	bool found = false;
	struct pp_range r;
	int ret = 0;

	for (size_t i = 0; i < v->nr_sections && !ret; i++) {
		const struct pp_section *s = &v->sections[i];

		if (!s->size || !is_named(s->name, t->section))
			continue;
		found = true;
		ret = read_table(ld, t, t->section, s->addr, s->size);
	}
	if (ret || found || !t->start)
		return ret;
	ret = pp_image_range(v, t->start, t->stop, &r);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return read_table(ld, t, t->start, r.start, r.end - r.start);
}

/* A trampoline is an instruction of 5 bytes and a signature of 3 (asm/static_call.h). */
#define TRAMPOLINE 8

static int load_trampolines(struct loader *ld)
{
	struct pp_range r;
	int ret = pp_image_range(ld->v, "__static_call_text_start", "__static_call_text_end", &r);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!pp_image_ptr(ld->v, r.start, r.end - r.start))
		return pp_image_bad(ld->v, "the trampolines of static calls lie outside of it");
	for (uint64_t at = r.start; at < r.end && !ret; at += TRAMPOLINE) {
		uint64_t left = r.end - at;

		ret = push_site(ld, PP_STATIC_CALL, at, left < TRAMPOLINE ? left : TRAMPOLINE);
	}
	return ret;
}

/* A site for each object: there is no table, any of them may be set. */
static int load_ro_after_init(struct loader *ld)
{
	struct pp_range r, ro;
	int ret = pp_image_range(ld->v, "__start_ro_after_init", "__end_ro_after_init", &r);

	if (!ret)
		ret = pp_image_range(ld->v, "__start_rodata", "__end_rodata", &ro);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (r.start < ro.start || r.end > ro.end)
		return 0; /* nothing that is compared */
	if (!pp_image_ptr(ld->v, r.start, r.end - r.start))
		return pp_image_bad(ld->v, "the data that is set at boot lies outside of it");
	while (r.start < r.end && !ret) {
		uint64_t end = pp_image_span(ld->v, r.start).end;

		if (end > r.end)
			end = r.end;
		if (end - r.start > UINT32_MAX)
			return pp_image_bad(ld->v, "an object in it is larger than memory");
		ret = push_site(ld, PP_RO_AFTER_INIT, r.start, end - r.start);
		r.start = end;
	}
	return ret;
}

/* struct frozen_text_final, which build fills in. */
static int load_prepatch(struct loader *ld)
{
	const struct pp_symbol *s = pp_image_find(ld->v, "frozen_text_final");

	if (!s)
		return 0;
	if (s->size > UINT32_MAX || !pp_image_ptr(ld->v, s->addr, s->size))
		return pp_image_bad(ld->v, "frozen_text_final lies outside of it");
	return push_site(ld, PP_PREPATCH, s->addr, s->size);
}

/* fineibt_caller_start (alternative.c): what loads the hash before an indirect call. */
#define CFI_CALLER 14

/* MOV $hash, %r10d; a caller without it is built with nocfi and stays. */
static bool has_cfi_caller(const struct pp_image *v, uint64_t site)
{
	uint8_t insn[2];

	return pp_image_read(v, site - CFI_CALLER, insn, sizeof(insn)) && insn[0] == 0x41 &&
	       insn[1] == 0xba;
}

static int add_cfi_callers(struct loader *ld)
{
	size_t nr = ld->nr;
	bool cfi = false;
	int ret = 0;

	for (size_t i = 0; i < nr; i++)
		cfi |= ld->raw[i].mech == PP_CFI;
	for (size_t i = 0; cfi && i < nr && !ret; i++) {
		uint64_t addr = ld->raw[i].addr;

		if (ld->raw[i].mech == PP_RETPOLINE && has_cfi_caller(ld->v, addr))
			ret = push_site(ld, PP_CFI, addr - CFI_CALLER, CFI_CALLER);
	}
	return ret;
}

/* Where a site of @p calls to, when @v has NOPs enough for a thunk there (patch_dest()). */
static bool calls_thunk(const struct loader *ld, const struct raw *r, uint32_t size, uint64_t *pad)
{
	uint8_t call[5], nops[UINT8_MAX];

	if (r->mech != PP_CALL_THUNK && r->mech != PP_ALTERNATIVE && r->mech != PP_STATIC_CALL)
		return false;
	if (!pp_image_read(ld->p, r->addr, call, sizeof(call)) || call[0] != 0xe8)
		return false;
	*pad = r->addr + sizeof(call) + s32_at(call + 1);
	if (!pp_image_read(ld->v, *pad, nops, size))
		return false;
	for (uint32_t i = 0; i < size; i++) {
		if (nops[i] != 0x90)
			return false;
	}
	return true;
}

static int add_call_thunks(struct loader *ld)
{
	size_t nr = ld->nr;
	struct pp_range tmpl;
	uint64_t pad;
	int ret = pp_image_range(ld->v, "skl_call_thunk_template", "skl_call_thunk_tail", &tmpl);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (tmpl.start == tmpl.end || tmpl.end - tmpl.start > UINT8_MAX)
		return pp_image_bad(ld->v, "its template of call thunks has an impossible size");
	for (size_t i = 0; i < nr && !ret; i++) {
		if (calls_thunk(ld, &ld->raw[i], tmpl.end - tmpl.start, &pad))
			ret = push_site(ld, PP_CALL_THUNK, pad, tmpl.end - tmpl.start);
	}
	return ret;
}

static int raw_cmp(const void *_a, const void *_b)
{
	const struct raw *a = _a, *b = _b;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (a->mech != b->mech)
		return a->mech < b->mech ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/*
 * Entries of one mechanism at one address are one site.  Nested alternatives have
 * several, and each is padded to the longest (apply_alternatives()).
 */
static int merge(const struct loader *ld, struct pp_sites *s)
{
	for (size_t i = 0; i < ld->nr; i++) {
		const struct raw *r = &ld->raw[i];
		struct pp_site *site = s->nr ? &s->v[s->nr - 1] : NULL;
		bool same = site && i && r[-1].addr == r->addr && r[-1].mech == r->mech;

		if (!same) {
			if (!pp_push(s->v, s->nr,
				     (struct pp_site){.addr = r->addr,
						      .mech = r->mech,
						      .features = s->nr_features}))
				return -ENOMEM;
			site = &s->v[s->nr - 1];
		}
		if (site->len < r->len)
			site->len = r->len;
		site->order = r->order;
		if (r->direct_call)
			site->mech = PP_PARAVIRT;
		if (r->has_feature) {
			if (!pp_push(s->features, s->nr_features, r->feature))
				return -ENOMEM;
			site->nr_features++;
		}
	}
	return 0;
}

static int load_all(struct loader *ld)
{
	int ret = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !ret; i++)
		ret = load_table(ld, &tables[i]);
	if (!ret)
		ret = load_trampolines(ld);
	if (!ret)
		ret = load_ro_after_init(ld);
	if (!ret)
		ret = load_prepatch(ld);
	if (!ret)
		ret = add_cfi_callers(ld);
	return ret ?: add_call_thunks(ld);
}

int pp_sites_load(const struct pp_image *v, const struct pp_image *p, struct pp_sites *sites)
{
	struct loader ld = {.v = v, .p = p};
	int ret;

	memset(sites, 0, sizeof(*sites));
	ret = load_all(&ld);
	if (!ret && ld.nr) {
		qsort(ld.raw, ld.nr, sizeof(*ld.raw), raw_cmp);
		ret = merge(&ld, sites);
		if (ret)
			log_err("kernel %s: out of memory", v->path);
	}
	free(ld.raw);
	return ret;
}

void pp_sites_free(struct pp_sites *sites)
{
	free(sites->v);
	free(sites->features);
	memset(sites, 0, sizeof(*sites));
}

static enum pp_mech rank(enum pp_mech mech)
{
	return mech == PP_PARAVIRT ? PP_ALTERNATIVE : mech;
}

bool pp_site_wins(const struct pp_site *a, const struct pp_site *b)
{
	if (rank(a->mech) != rank(b->mech))
		return rank(a->mech) > rank(b->mech);
	return a->order > b->order;
}
