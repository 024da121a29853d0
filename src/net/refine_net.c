/* refine_net.c: the network of NCSN and NCSNv2 out of the layers of refine.c, in three structures.
 *
 *     begin_conv 3x3; levels of two residual blocks each, the first halving the image or beginning to dilate;
 *     from the last level to the first: refine blocks of the level and of what came before;
 *     F = end_conv 3x3 of act(norm(.))
 *
 * Channels in units of width, with the refine blocks' results (Song and Ermon 2020, appendix B; score_sde):
 *
 *     below 96 pixels  1, 2 halved, 2 dilation 2, 2 dilation 4                          refined to 1, 1, 2, 2
 *     up to 128        1, 2 halved, 2 halved, 4 dilation 2, 4 dilation 4                1, 1, 2, 2, 4
 *     above            1, 2 halved, 2 halved, 2 halved, 4 dilation 2, 4 dilation 4      1, 1, 2, 2, 2, 4
 *
 * Parameters are named as in the authors' NCSNv2. The networks are not divided by sigma here: that is parametrisation
 * sigma-score for NCSNv2, and NCSN estimates the score itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/refine.h"

#include <stdio.h>

struct level {
	const char *res, *refine; /* the refine block that reads the level */
	int mult, refined;        /* channels of both in units of width */
	int dilation;             /* 0: the first level; 1: halves */
};
static const struct level small[] = {
	{"res1", "refine4", 1, 1, 0}, {"res2", "refine3", 2, 1, 1}, {"res3", "refine2", 2, 2, 2},
	{"res4", "refine1", 2, 2, 4},
};
static const struct level medium[] = {
	{"res1", "refine5", 1, 1, 0}, {"res2", "refine4", 2, 1, 1}, {"res3", "refine3", 2, 2, 1},
	{"res4", "refine2", 4, 2, 2}, {"res5", "refine1", 4, 4, 4},
};
static const struct level large[] = {
	{"res1", "refine5", 1, 1, 0},   {"res2", "refine4", 2, 1, 1}, {"res3", "refine3", 2, 2, 1},
	{"res31", "refine31", 2, 2, 1}, {"res4", "refine2", 4, 2, 2}, {"res5", "refine1", 4, 4, 4},
};
enum { LEVELS = 6, AUTO = 0, SMALL, MEDIUM, LARGE };
static const struct {
	const struct level *level;
	int n, halvings;
	const char *name;
} structure[] = {{NULL, 0, 0, "auto"}, {small, 4, 1, "64"}, {medium, 5, 2, "128"}, {large, 6, 3, "256"}};

static int size_of(const struct sf_refine_net *st, const int64_t *dim)
{
	int64_t side = dim[0] > dim[1] ? dim[0] : dim[1];

	if (st->size != AUTO)
		return st->size;
	return side < 96 ? SMALL : side <= 128 ? MEDIUM : LARGE;
}

/* Halvings must come out even, and a normalisation over one position would leave nothing. */
int sf_refine_accepts(const void *state, sf_ctx *ctx, int rank, const int64_t *dim)
{
	int size = size_of(state, dim), halvings = structure[size].halvings;
	int64_t unit = (int64_t)1 << halvings;

	(void)rank;
	if (dim[0] % unit || dim[1] % unit || dim[0] < 2 * unit || dim[1] < 2 * unit)
		return sf_fail(ctx, SF_EUNSUP, "net: the structure size=%s halves an image %d times, so height and width must be "
		               "multiples of %lld from %lld on; the data are %lldx%lld", structure[size].name,
		               halvings, (long long)unit, (long long)(2 * unit), (long long)dim[0], (long long)dim[1]);
	return SF_OK;
}

/* The two residual blocks of level i. */
static sf_var enter_level(sf_graph *g, const sf_refine *r, const struct level *l, sf_var x, int64_t width)
{
	int64_t c = width * l->mult;
	int dilation = l->dilation ? l->dilation : 1;

	sf_push(g, "%s", l->res);
	x = sf_refine_res(g, r, "0", x, c, l->dilation > 0, dilation);
	x = sf_refine_res(g, r, "1", x, c, 0, dilation);
	sf_pop(g);
	return x;
}

sf_var sf_refine_build(const void *state, sf_graph *g, const sf_net_io *io)
{
	const struct sf_refine_net *st = state;
	sf_shape s = sf_shape_of(g, io->x);
	const struct level *l = structure[size_of(st, s.dim)].level;
	int n = structure[size_of(st, s.dim)].n, i;
	sf_var layer[LEVELS], a[2], h = io->x;
	sf_refine r;

	if (io->classes > 0)
		return sf_graph_fail(g, SF_EUNSUP, "the networks ncsn and ncsnv2 take no class labels (unet and its relatives do)");
	if (st->levels > 0 && io->cond == SF_NOVAR)
		return sf_graph_fail(g, SF_EUNSUP, "net 'ncsn' has weights for each noise level and was told none");
	r.level = io->cond;
	r.levels = st->levels;
	if (st->input == SF_REFINE_UNIT)
		h = sf_offset(g, sf_scale(g, h, 2), -1);
	h = sf_refine_conv(g, "begin_conv", h, st->width, 3, 1, 1);
	for (i = 0; i < n; i++)
		layer[i] = h = enter_level(g, &r, &l[i], h, st->width);
	for (i = n - 1; i >= 0; i--) {
		a[0] = layer[i];
		a[1] = h;
		h = sf_refine_block(g, &r, l[i].refine, a, i == n - 1 ? 1 : 2, st->width * l[i].refined, i == 0);
	}
	h = sf_elu(g, sf_refine_norm(g, &r, "normalizer", h));
	return sf_refine_conv(g, "end_conv", h, io->out_channels ? io->out_channels : s.dim[2], 3, 1, 1);
}
