/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `rund-prepatch report`: a model in the three forms that it is printed in.  The
 * same two files give the same bytes, and nothing that they hold can be taken for
 * part of the form.
 */
#ifndef RUND_PREPATCH_REPORT_H
#define RUND_PREPATCH_REPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "attribute.h"
#include "image.h"

struct pp_report {
	const struct pp_image *v, *p;
	const struct pp_model *m;
};

/* For a person: totals, tables, and of long lists the beginning. */
void pp_report_text(const struct pp_report *r, FILE *out);

/**
 * pp_report_json() - for a program: everything
 * Return: 0 or -ENOMEM, logged.
 */
int pp_report_json(const struct pp_report *r, FILE *out);

/* A page with a map, which needs no other file. */
void pp_report_html(const struct pp_report *r, FILE *out);

#define PP_COLOUR_UNCHANGED "#d4d7db"

/* A page map of text and read-only data as SVG, for pp_report_html(). */
enum pp_map { PP_MAP_BUILT, PP_MAP_PREPATCHED };

void pp_report_map(const struct pp_report *r, enum pp_map map, FILE *out);

/* KiB of what is compared, rounded up. */
uint64_t pp_report_kib(const struct pp_model *m);

#define PP_TOP 10

/**
 * pp_report_top() - the symbols with most changed bytes, the most first
 * @top: receives them
 *
 * Return: how many, PP_TOP at most.
 */
size_t pp_report_top(const struct pp_owner *o, const struct pp_symbol_bytes *top[PP_TOP]);

/* A symbol as it is printed; @buf has PP_NAME_MAX bytes. */
const char *pp_symbol_name(const struct pp_symbol *sym, char *buf);

/* Room for a symbol, "+0x" and an offset. */
#define PP_PLACE_MAX (PP_NAME_MAX + 20)

/* An address as symbol+0xoffset; @buf has PP_PLACE_MAX bytes. */
const char *pp_place(const struct pp_symbol *sym, uint64_t addr, char *buf);

/**
 * pp_feature_name() - a CPU feature as /proc/cpuinfo has it
 * @v: the kernel, for its own tables of names
 * @feature: its number, and PP_FEATURE_NOT
 * @buf: PP_NAME_MAX bytes
 *
 * Without a name it is "word*32+bit", as in the kernel's source.  '!' in front
 * means that it is not there.
 *
 * Return: @buf.
 */
const char *pp_feature_name(const struct pp_image *v, uint32_t feature, char *buf);

#endif
