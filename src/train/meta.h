/* meta.h: the metadata of a checkpoint: what it takes to use the weights without the data.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TRAIN_META_H
#define SF_TRAIN_META_H

#include <scorefield/io.h>
#include <scorefield/train.h>

enum { SF_META_MAX = 64 };
typedef struct sf_meta { /* key and value texts to write */
	const char *key[SF_META_MAX], *value[SF_META_MAX];
	char *owned[SF_META_MAX];
	int n, failed;
} sf_meta;
/* Fills; sf_meta_free afterwards. */
int sf_meta_make(const sf_setup *s, const sf_state *st, sf_meta *m);
/* The same for weights given away (export.c): "format" is "pt", and the configuration goes with them. */
int sf_meta_export(const sf_setup *s, int64_t step, const char *map, const char *weights, sf_meta *m);
/* Whether such a file says what its data were. */
int sf_meta_exported(const sf_tensors *t);
void sf_meta_free(sf_meta *m);
/* Refuses a file that is no checkpoint of this format. */
int sf_meta_check(sf_ctx *ctx, const char *path, const sf_tensors *t);
/* Refuses weights that were told the noise in another way than the model tells it; files from before that was written are taken. */
int sf_meta_conditioning(const sf_setup *s, const char *path, const sf_tensors *t);
/* Step and the log's running sums. */
int sf_meta_progress(sf_ctx *ctx, const char *path, const sf_tensors *t, sf_state *st);
/* Shape, labels and scaling of the data, from the file. */
int sf_meta_describe(sf_ctx *ctx, const char *path, sf_data_info *info, sf_view *view);

#endif
