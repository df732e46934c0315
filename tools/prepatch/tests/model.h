/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a synthetic kernel and its other half to a model, for the tests that look
 * at one.
 */
#ifndef RUND_PREPATCH_TESTS_MODEL_H
#define RUND_PREPATCH_TESTS_MODEL_H

#include "attribute.h"
#include "synth.h"

struct pair {
	struct synth v, p;
	char v_path[32], p_path[32];
	int v_fd, p_fd;
	struct pp_image vi, pi;
	struct pp_model m;
};

/* Also when it fails, pair_close() is next. */
static inline int pair_load(struct pair *t, size_t v_len, size_t p_len)
{
	int ret;

	t->v_fd = synth_file(t->v.file, v_len, t->v_path);
	t->p_fd = synth_file(t->p.file, p_len, t->p_path);
	memset(&t->vi, 0, sizeof(t->vi));
	memset(&t->pi, 0, sizeof(t->pi));
	memset(&t->m, 0, sizeof(t->m));
	ret = pp_image_open(&t->vi, t->v_path);
	if (!ret)
		ret = pp_image_load_symbols(&t->vi);
	if (!ret)
		ret = pp_image_open(&t->pi, t->p_path);
	return ret ?: pp_attribute(&t->vi, &t->pi, &t->m);
}

static inline void pair_close(struct pair *t)
{
	pp_model_free(&t->m);
	pp_image_close(&t->vi);
	pp_image_close(&t->pi);
	close(t->v_fd);
	close(t->p_fd);
}

static inline int pair_model(struct pair *t)
{
	return pair_load(t, sizeof(t->v.file), sizeof(t->p.file));
}

/* A good kernel that changed nothing yet. */
static inline void pair_begin(struct pair *t)
{
	synth_begin(&t->v);
	synth_finish(&t->v);
	synth_patched(&t->v, &t->p);
}

#endif
