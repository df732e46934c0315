// SPDX-License-Identifier: GPL-2.0-only
/*
 * The manifest as text and as JSON; both say the same.
 */
#include "info.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>

#include "lib/log.h"

/* include/asm/cpufeatures.h of 6.12: what text is made for besides the CPU's own features. */
static const struct {
	unsigned int word, bit;
	const char *name;
} mitigations[] = {
	{11, 12, "retpoline"},
	{11, 13, "retpoline-lfence"},
	{11, 14, "return-thunk"},
	{11, 15, "untrained-ret"},
	{11, 24, "srso"},
	{11, 25, "srso-alias"},
	{11, 10, "ibpb-on-entry"},
	{7, 12, "ibrs-kernel"},
	{7, 11, "pti"},
	{7, 19, "rsb-ctxsw"},
	{3, 18, "clear-cpu-buffers"},
};

#define NR_MITIGATIONS (sizeof(mitigations) / sizeof(mitigations[0]))

static bool has(const struct rund_prepatch *p, unsigned int i)
{
	return p->caps[mitigations[i].word] >> mitigations[i].bit & 1;
}

static const char *hex(const struct rund_prepatch *p, char buf[41])
{
	for (size_t i = 0; i < sizeof(p->build_id); i++)
		sprintf(buf + 2 * i, "%02x", p->build_id[i]);
	return buf;
}

/* What the file says is the kernel's release may be anything. */
static const char *release(const struct rund_prepatch *p, char buf[65])
{
	memcpy(buf, p->release, 64);
	buf[64] = '\0';
	for (char *c = buf; *c; c++)
		*c = *c > ' ' && *c < 0x7f ? *c : '?';
	return buf;
}

/* 12 bytes in EBX, EDX, ECX of leaf 0, the first three words. */
static const char *vendor(const struct rund_prepatch *p, char buf[13])
{
	for (int i = 0; i < 3; i++)
		memcpy(buf + 4 * i, &p->word[i].value, 4);
	buf[12] = '\0';
	for (char *c = buf; *c; c++)
		*c = *c > ' ' && *c < 0x7f ? *c : '?';
	return buf;
}

static uint64_t kib(const struct rund_prepatch *p)
{
	return (p->text.end - p->text.start + p->rodata.end - p->rodata.start) >> 10;
}

void pp_info_text(const struct rund_prepatch *p, FILE *out)
{
	char buf[65];

	fprintf(out, "kernel          %s\n", release(p, buf));
	fprintf(out, "build id        %s\n", hex(p, buf));
	fprintf(out, "text            %#llx-%#llx\n", (unsigned long long)p->text.start,
		(unsigned long long)p->text.end);
	fprintf(out, "read-only data  %#llx-%#llx\n", (unsigned long long)p->rodata.start,
		(unsigned long long)p->rodata.end);
	fprintf(out, "pre-patched     %u of %u pages (%llu KiB), %llu bytes\n", p->pages_changed,
		p->pages, (unsigned long long)kib(p), (unsigned long long)p->bytes_changed);
	fprintf(out, "left as linked  %llu bytes of static keys and calls\n",
		(unsigned long long)p->bytes_left);
	fprintf(out, "for CPU         %s, signature %#x\n", vendor(p, buf), p->word[3].value);
	fprintf(out, "mitigations    ");
	for (size_t i = 0; i < NR_MITIGATIONS; i++)
		if (has(p, i))
			fprintf(out, " %s", mitigations[i].name);
	fprintf(out, "\nfeatures       ");
	for (unsigned int i = 0; i < p->nr_words; i++)
		for (unsigned int b = 0; b < 32; b++)
			if (p->word[i].value >> b & 1 && *p->word[i].name[b])
				fprintf(out, " %s", p->word[i].name[b]);
	fprintf(out, "\n");
}

static void add_int(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

static void add_range(struct json_object *o, const char *key, const struct rund_range *r)
{
	struct json_object *a = json_object_new_array();

	json_object_array_add(a, json_object_new_int64(r->start));
	json_object_array_add(a, json_object_new_int64(r->end));
	json_object_object_add(o, key, a);
}

static struct json_object *words(const struct rund_prepatch *p)
{
	struct json_object *a = json_object_new_array();

	for (unsigned int i = 0; i < p->nr_words; i++) {
		const struct rund_cpu_word *w = &p->word[i];
		struct json_object *o = json_object_new_object();
		struct json_object *names = json_object_new_array();

		if (w->leaf == RUND_LEAF_ARCH_CAPABILITIES)
			json_object_object_add(o, "msr",
					       json_object_new_string("arch_capabilities"));
		else
			add_int(o, "leaf", w->leaf);
		add_int(o, "subleaf", w->subleaf);
		add_int(o, "reg", w->reg);
		add_int(o, "mask", w->mask);
		add_int(o, "value", w->value);
		for (unsigned int b = 0; b < 32; b++)
			if (w->mask >> b & w->value >> b & 1 && *w->name[b])
				json_object_array_add(names, json_object_new_string(w->name[b]));
		json_object_object_add(o, "features", names);
		json_object_array_add(a, o);
	}
	return a;
}

static struct json_object *u32s(const uint32_t *v, unsigned int nr)
{
	struct json_object *a = json_object_new_array();

	for (unsigned int i = 0; i < nr; i++)
		json_object_array_add(a, json_object_new_int64(v[i]));
	return a;
}

int pp_info_json(const struct rund_prepatch *p, FILE *out)
{
	struct json_object *o = json_object_new_object(), *m = json_object_new_array();
	const char *text;
	char buf[65];

	json_object_object_add(o, "release", json_object_new_string(release(p, buf)));
	json_object_object_add(o, "build_id", json_object_new_string(hex(p, buf)));
	add_range(o, "text", &p->text);
	add_range(o, "rodata", &p->rodata);
	add_int(o, "text_rodata_kib", kib(p));
	add_int(o, "pages", p->pages);
	add_int(o, "pages_changed", p->pages_changed);
	add_int(o, "bytes_changed", p->bytes_changed);
	add_int(o, "bytes_left", p->bytes_left);
	json_object_object_add(o, "vendor", json_object_new_string(vendor(p, buf)));
	for (size_t i = 0; i < NR_MITIGATIONS; i++)
		if (has(p, i))
			json_object_array_add(m, json_object_new_string(mitigations[i].name));
	json_object_object_add(o, "mitigations", m);
	json_object_object_add(o, "cpu", words(p));
	json_object_object_add(o, "caps", u32s(p->caps, p->nr_caps));
	json_object_object_add(o, "caps_used", u32s(p->used, p->nr_caps));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);
	if (text)
		fprintf(out, "%s\n", text);
	json_object_put(o);
	return text ? 0 : log_errno(-ENOMEM, "manifest: out of memory");
}
