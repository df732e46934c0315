// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text and read-only data: from the guest's memory into the file.
 */
#include "build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

#define PAGE 4096U

/* struct jump_entry and struct static_call_site; addresses are relative to the field. */
struct jump_entry {
	int32_t code, target;
	int64_t key;
};

struct static_call_site {
	int32_t addr, key;
};

static struct rund_range *ranges(struct pp_build *b, unsigned int i)
{
	return i ? &b->note.rodata : &b->note.text;
}

/* Where @gpa is in the file, or NULL; *len is cut to what the file has there in a row. */
static uint8_t *file_at(const struct pp_build *b, uint64_t gpa, uint64_t *len)
{
	for (unsigned int i = 0; i < b->v->nr_segments; i++) {
		const struct pp_segment *s = &b->v->segments[i];
		uint64_t off = gpa - s->paddr;

		if (gpa < s->paddr || off >= s->filesz)
			continue;
		if (*len > s->filesz - off)
			*len = s->filesz - off;
		return b->file + (s->data - b->v->file) + off;
	}
	return NULL;
}

static uint8_t *file_ptr(const struct pp_build *b, uint64_t gpa, uint64_t len)
{
	uint64_t room = len;
	uint8_t *p = file_at(b, gpa, &room);

	return room == len ? p : NULL;
}

static const uint8_t *linked_ptr(const struct pp_build *b, uint64_t gpa, uint64_t len)
{
	const uint8_t *p = file_ptr(b, gpa, len);

	return p ? b->v->file + (p - b->file) : NULL;
}

static int wrong_site(const struct pp_build *b, const char *what, uint64_t gpa)
{
	return log_errno(-ENOEXEC, "kernel %s: %s at %#llx is none; the kernel is damaged",
			 b->v->path, what, (unsigned long long)gpa);
}

/* What the range has in the file; behind that its last page is zero. */
static int take_range(struct pp_build *b, const struct rund_range *r)
{
	for (uint64_t gpa = r->start; gpa < r->end; gpa += PAGE) {
		uint64_t len = PAGE;
		uint8_t *p = file_at(b, gpa, &len);

		if (!p)
			return log_errno(
				-ENOEXEC,
				"kernel %s: nothing is linked at %#llx; the kernel is damaged",
				b->v->path, (unsigned long long)gpa);
		if (mem_read(&b->vm->mem, gpa, p, len))
			return -EFAULT;
	}
	return 0;
}

/* A site is of use only in text; elsewhere (init text) the file has not been changed. */
static int keep(struct pp_build *b, const char *what, uint64_t gpa, unsigned int len)
{
	const uint8_t *linked = linked_ptr(b, gpa, len);
	uint8_t *p = file_ptr(b, gpa, len);

	if (!p)
		return wrong_site(b, what, gpa);
	for (unsigned int i = 0; i < len; i++)
		b->note.bytes_left += p[i] != linked[i];
	memcpy(p, linked, len);
	return 0;
}

/* Lengths of the instructions there may be: a two-byte jump or nop, or one of five. */
static int keep_jump_labels(struct pp_build *b)
{
	const struct rund_range *r = &b->info->jump_table;
	struct jump_entry e;
	int ret = 0;

	for (uint64_t gpa = r->start; gpa + sizeof(e) <= r->end && !ret; gpa += sizeof(e)) {
		const uint8_t *linked;
		uint64_t site;

		if (mem_read(&b->vm->mem, gpa, &e, sizeof(e)))
			return -EFAULT;
		site = gpa + e.code;
		linked = linked_ptr(b, site, 2);
		if (!linked)
			return wrong_site(b, "jump label", site);
		ret = keep(b, "jump label", site, *linked == 0xeb || *linked == 0x66 ? 2 : 5);
	}
	return ret;
}

static int keep_static_calls(struct pp_build *b)
{
	const struct rund_range *r = &b->info->static_calls, *t = &b->info->static_call_text;
	struct static_call_site e;
	int ret = t->start < t->end
			  ? keep(b, "static call trampolines", t->start, t->end - t->start)
			  : 0;

	for (uint64_t gpa = r->start; gpa + sizeof(e) <= r->end && !ret; gpa += sizeof(e)) {
		const uint8_t *linked;
		uint64_t site;

		if (mem_read(&b->vm->mem, gpa, &e, sizeof(e)))
			return -EFAULT;
		site = gpa + e.addr;
		linked = linked_ptr(b, site, 5);
		if (!linked)
			return wrong_site(b, "static call", site);
		/* Jcc rel32 has six bytes. */
		ret = keep(b, "static call", site, *linked == 0x0f ? 6 : 5);
	}
	return ret;
}

static void count(struct pp_build *b)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct rund_range *r = ranges(b, i);

		for (uint64_t gpa = r->start; gpa < r->end; gpa += PAGE) {
			uint64_t changed = 0, len = PAGE;
			const uint8_t *p = file_at(b, gpa, &len);

			for (uint64_t j = 0; p && j < len; j++)
				changed += p[j] != b->v->file[p - b->file + j];
			b->note.pages++;
			b->note.pages_changed += changed > 0;
			b->note.bytes_changed += changed;
		}
	}
}

int pp_build_text(struct pp_build *b)
{
	struct frozen_text_final final = {.magic = FROZEN_TEXT_MAGIC};
	uint8_t *p = file_ptr(b, b->info->final.start, sizeof(final));
	int ret;

	b->note.text = b->info->text;
	b->note.rodata = b->info->rodata;
	ret = take_range(b, &b->note.text);
	if (!ret)
		ret = take_range(b, &b->note.rodata);
	if (!ret)
		ret = keep_jump_labels(b);
	if (!ret)
		ret = keep_static_calls(b);
	if (ret)
		return ret;
	count(b);
	if (!p)
		return log_errno(-ENOEXEC,
				 "kernel %s: no room for the CPU's features; the kernel is damaged",
				 b->v->path);
	memcpy(final.caps, b->info->caps, sizeof(final.caps));
	memcpy(p, &final, sizeof(final));
	return 0;
}
