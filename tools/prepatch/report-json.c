// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report as JSON, one object on one line.  Addresses are strings: not every
 * reader has numbers of 64 bits.
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>

#include "lib/log.h"

static void add_int(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

static void add_str(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, json_object_new_string(v));
}

static void add_address(struct json_object *o, const char *key, uint64_t addr)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "0x%" PRIx64, addr);
	add_str(o, key, buf);
}

static struct json_object *symbols_json(const struct pp_owner *o)
{
	struct json_object *list = json_object_new_array();
	char name[PP_NAME_MAX];

	for (size_t i = 0; i < o->nr_symbols; i++) {
		struct json_object *s = json_object_new_object();

		add_str(s, "symbol", pp_symbol_name(o->symbols[i].sym, name));
		if (o->symbols[i].sym)
			add_address(s, "address", o->symbols[i].sym->addr);
		add_int(s, "changed_bytes", o->symbols[i].bytes);
		json_object_array_add(list, s);
	}
	return list;
}

static struct json_object *mechanisms_json(const struct pp_model *m)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < PP_NR_MECHS; i++) {
		const struct pp_owner *o = &m->owner[i];
		struct json_object *row = json_object_new_object();

		add_str(row, "name", pp_mechs[i].name);
		add_int(row, "sites", o->sites);
		add_int(row, "sites_changed", o->sites_changed);
		add_int(row, "pages_changed", o->pages_changed);
		add_int(row, "changed_bytes", o->bytes);
		json_object_object_add(row, "symbols", symbols_json(o));
		json_object_array_add(list, row);
	}
	return list;
}

static struct json_object *features_json(const struct pp_report *r)
{
	struct json_object *list = json_object_new_array();
	char name[PP_NAME_MAX];

	for (size_t i = 0; i < r->m->nr_features; i++) {
		const struct pp_feature *f = &r->m->features[i];
		struct json_object *row = json_object_new_object();

		add_str(row, "name", pp_feature_name(r->v, f->feature, name));
		add_int(row, "number", f->feature & ~PP_FEATURE_NOT);
		json_object_object_add(row, "not",
				       json_object_new_boolean(f->feature & PP_FEATURE_NOT));
		add_int(row, "sites", f->sites);
		add_int(row, "sites_changed", f->sites_changed);
		add_int(row, "changed_bytes", f->bytes);
		json_object_array_add(list, row);
	}
	return list;
}

static struct json_object *strays_json(const struct pp_model *m)
{
	struct json_object *list = json_object_new_array();
	char place[PP_PLACE_MAX];

	for (size_t i = 0; i < m->nr_strays_kept; i++) {
		const struct pp_stray *s = &m->strays[i];
		struct json_object *row = json_object_new_object();

		add_address(row, "address", s->addr);
		add_int(row, "bytes", s->len);
		add_str(row, "symbol", pp_place(s->sym, s->addr, place));
		json_object_array_add(list, row);
	}
	return list;
}

/* Pages where @p still has what a stateful mechanism may write. */
static size_t open_pages(const struct pp_model *m)
{
	size_t nr = 0;

	for (size_t i = 0; i < m->nr_pages; i++)
		nr += !!m->pages[i].open;
	return nr;
}

int pp_report_json(const struct pp_report *r, FILE *out)
{
	struct json_object *o = json_object_new_object();
	const struct pp_model *m = r->m;
	const char *text;

	add_int(o, "text_rodata_kib", pp_report_kib(m));
	add_int(o, "pages", m->nr_pages);
	add_int(o, "pages_changed", m->pages_changed);
	add_int(o, "pages_open", open_pages(m));
	add_int(o, "changed_bytes", m->bytes);
	add_int(o, "unattributed_bytes", m->owner[PP_UNATTRIBUTED].bytes);
	json_object_object_add(o, "mechanisms", mechanisms_json(m));
	json_object_object_add(o, "features", features_json(r));
	json_object_object_add(o, "unattributed", strays_json(m));
	add_int(o, "unattributed_runs", m->nr_strays);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		fprintf(out, "%s\n", text);
	json_object_put(o);
	return text ? 0 : log_errno(-ENOMEM, "report: out of memory");
}
