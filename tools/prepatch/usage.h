/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest did with the pages of its kernel's text and read-only data.
 */
#ifndef RUND_PREPATCH_USAGE_H
#define RUND_PREPATCH_USAGE_H

#include "image.h"
#include "vmm/vm.h"

/**
 * struct pp_usage - numbers of 4 KiB pages, and of bytes
 * @pages: of what is linked; padding, all 0xcc or all zero, is not counted
 * @touched: mapped by the guest; with fault-around also what the host mapped near it
 * @written: in KVM's dirty log
 * @changed: with other contents than in the file at the end
 * @bytes: that differ
 * @frozen: the guest got to its freeze point
 */
struct pp_usage {
	uint64_t pages, touched, written, changed, bytes;
	bool frozen;
};

/* Forget what loading the kernel touched.  Before the guest runs. */
void pp_usage_begin(struct vm *vm);

/**
 * pp_usage_end() - count, for the ranges that are watched with WATCH_LOG
 * @img: the kernel that runs in @vm
 *
 * Return: 0 or -errno, logged.
 */
int pp_usage_end(struct vm *vm, const struct pp_image *img, struct pp_usage *u);

#endif
