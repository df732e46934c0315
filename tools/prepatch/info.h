/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a pre-patched image says of itself: the manifest.
 */
#ifndef RUND_PREPATCH_INFO_H
#define RUND_PREPATCH_INFO_H

#include <stdio.h>

#include "rund/prepatch.h"

/* For a person. */
void pp_info_text(const struct rund_prepatch *p, FILE *out);

/**
 * pp_info_json() - for a program
 * Return: 0 or -ENOMEM, logged.
 */
int pp_info_json(const struct rund_prepatch *p, FILE *out);

#endif
