/* nvae.h: what the encoder and the decoder of an autoencoder of images share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_NET_NVAE_H
#define SF_NET_NVAE_H

#include "net/build.h"

#include <stddef.h>

struct nvae {
	int64_t width, max_width, levels, cells, groups;
	int squeeze;
	double init_scale;
};

#define NVAE_AT(m) offsetof(struct nvae, m)
#define NVAE_OPTS(out)                                                                                                 \
	{"width", "channels at the image's size; doubled with each halving", SF_OPT_INT, NVAE_AT(width), "32", 4, 4096, NULL}, \
	{"max-width", "channels at most; 0: no bound", SF_OPT_INT, NVAE_AT(max_width), "0", 0, 4096, NULL},                \
	{"levels", "halvings of height and width", SF_OPT_INT, NVAE_AT(levels), "2", 0, 8, NULL},                          \
	{"cells", "residual cells at each size", SF_OPT_INT, NVAE_AT(cells), "1", 1, 32, NULL},                            \
	{"norm-groups", "groups of a normalisation; 0: channels/4, at most 32", SF_OPT_INT, NVAE_AT(groups), "0", 0, 512, NULL}, \
	{"squeeze", "squeeze and excitation in the cells", SF_OPT_BOOL, NVAE_AT(squeeze), "true", 0, 0, NULL},             \
	{"init-scale", out, SF_OPT_DOUBLE, NVAE_AT(init_scale), "0.1", 0, 100, NULL},                                       \
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}

int sf_nvae_init(void *state, sf_ctx *ctx, const char *name);
int sf_nvae_smooth(const void *state); /* not with squeeze, whose rectifier has a kink */
int64_t sf_nvae_width(const struct nvae *st, int64_t level); /* channels after so many halvings */
/* The cells of one size; `resample` (SF_DOWN, SF_KEEP, SF_UP) is for the first of them. */
sf_var sf_nvae_cells(const struct nvae *st, sf_graph *g, const char *name, sf_var x, int64_t out, int resample);
/* Normalisation, SiLU and a 3x3 convolution to what the network says. */
sf_var sf_nvae_out(const struct nvae *st, sf_graph *g, sf_var x, int64_t out);

#endif
