/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making a pre-patched image from a kernel as linked and a guest that is at its
 * freeze point.  The same kernel on the same CPU gives the same bytes.
 */
#ifndef RUND_PREPATCH_BUILD_H
#define RUND_PREPATCH_BUILD_H

#include "image.h"
#include "rund/prepatch.h"
#include "vmm/vm.h"

/**
 * struct pp_build - an image in the making
 * @v: the kernel as linked
 * @vm: the guest; not running
 * @info: what it said, checked
 * @file: the image: v->file_size bytes, a copy of the kernel's file at first
 * @note: what the image will say of itself
 */
struct pp_build {
	const struct pp_image *v;
	const struct vm *vm;
	const struct frozen_text_info *info;
	uint8_t *file;
	struct rund_prepatch note;
};

/**
 * pp_build_text() - take text and read-only data as the guest has them
 *
 * What follows the state of static keys and static calls stays as linked: a
 * kernel that starts expects it so.
 *
 * Return: 0 or -errno; logs.
 */
int pp_build_text(struct pp_build *b);

/* The CPU: CPUID, the kernel's own words, and the names of features. 0 or -errno; logs. */
int pp_build_cpu(struct pp_build *b);

/* Put the note into the file, last of all. 0 or -errno; logs. */
int pp_build_note(struct pp_build *b);

#endif
