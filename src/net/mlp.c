/* mlp.c: a multilayer perceptron on flattened data of any shape,
 *
 *     e   = act(E embed(cond) + b)                       embedding, width "embed-width"
 *     h_1 = act(W_1 x + b_1 + T_1 e),  h_l = [h_{l-1} +] act(W_l h_{l-1} + b_l + T_l e)
 *     F   = W_out h_depth + b_out
 *
 * the usual network of 2-D score matching studies with the time embedding of Song et al. 2021 (2011.13456,
 * layerspp.py) added to every hidden layer. Parameters for d numbers, width w, depth L, embedding m and unit
 * output: m^2 + m + (d w + w) + (L-1)(w^2 + w) + L (m w + w) + (w d + d); a test counts them. With embed=none and no
 * labels there is no e: neither the terms in m nor the L w biases of T_l.
 * ReLU has no second derivative: objectives that need one do not see its kinks.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/build.h"

#include <stddef.h>
#include <stdio.h>

struct mlp {
	int64_t width, depth, embed_width;
	int act, embed, residual;
	double fourier_scale, init_scale;
};

#define AT(m) offsetof(struct mlp, m)
static const sf_opt opts[] = {
	{"width", "units of a hidden layer", SF_OPT_INT, AT(width), "128", 1, 8192, NULL},
	{"depth", "hidden layers", SF_OPT_INT, AT(depth), "3", 1, 64, NULL},
	{"act", "activation", SF_OPT_CHOICE, AT(act), "silu", 0, 0, SF_NET_ACTS},
	{"embed", "embedding of the noise level", SF_OPT_CHOICE, AT(embed), "positional", 0, 0,
	 SF_NET_EMBEDS},
	{"embed-width", "numbers of the embedding (even)", SF_OPT_INT, AT(embed_width), "32", 2, 4096,
	 NULL},
	{"fourier-scale", "standard deviation of the Fourier frequencies", SF_OPT_DOUBLE,
	 AT(fourier_scale), "16", 1e-6, 1e6, NULL},
	{"residual", "add each layer's input to its output", SF_OPT_BOOL, AT(residual), "false", 0, 0,
	 NULL},
	{"init-scale", "initial scale of the last layer; 0 starts near F = 0", SF_OPT_DOUBLE,
	 AT(init_scale), "1", 0, 100, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *state, sf_ctx *ctx)
{
	const struct mlp *st = state;

	if (st->embed_width % 2)
		return sf_fail(ctx, SF_EINVAL, "net 'mlp': embed-width=%lld is odd; sines and cosines come "
		               "in pairs", (long long)st->embed_width);
	return SF_OK;
}

static sf_var build(const void *state, sf_graph *g, const sf_net_io *io)
{
	const struct mlp *st = state;
	sf_shape s = sf_shape_of(g, io->x);
	int64_t out = s.size, dim[SF_MAXRANK], l;
	/* a layer of the embedding only adds a bias to another where there is nothing to embed */
	int told = (st->embed != SF_EMBED_NONE && io->cond != SF_NOVAR) || io->classes > 0 || io->augments > 0;
	sf_var e = SF_NOVAR, h = sf_reshape(g, io->x, 1, &out);

	if (told) {
		e = sf_net_embed(g, st->embed, io->cond, st->embed_width, st->fourier_scale);
		e = sf_net_embed_label(g, e, io);
		e = sf_net_act(g, st->act, sf_net_linear(g, "embed", e, st->embed_width, 1));
	}
	for (l = 0; l < st->depth && sf_graph_status(g) == 0; l++) {
		char name[40];
		sf_var a;

		snprintf(name, sizeof name, "layer%lld", (long long)l);
		a = sf_net_linear(g, name, h, st->width, 1);
		snprintf(name, sizeof name, "time%lld", (long long)l);
		if (told)
			a = sf_add(g, a, sf_net_linear(g, name, e, st->width, 1));
		a = sf_net_act(g, st->act, a);
		h = sf_keep(g, st->residual && l > 0 ? sf_add(g, h, a) : a);
	}
	for (l = 0; l < s.rank; l++)
		dim[l] = s.dim[l];
	if (io->out_channels > 0 && s.rank > 0) {
		dim[s.rank - 1] = io->out_channels;
		out = s.size / s.dim[s.rank - 1] * io->out_channels;
	}
	return sf_reshape(g, sf_net_linear(g, "out", h, out, st->init_scale), s.rank, dim);
}

static int log_noise(const void *state)
{
	return ((const struct mlp *)state)->embed == SF_EMBED_FOURIER;
}

static int smooth(const void *state)
{
	return ((const struct mlp *)state)->act != SF_NET_RELU;
}

extern const sf_net_class sf_net_mlp;
const sf_net_class sf_net_mlp = {
	{"mlp", "multilayer perceptron on flattened data with a time embedding in every layer",
	 "Song et al. 2021 (2011.13456), time embedding of appendix H", sizeof(struct mlp), opts, init, NULL},
	NULL, build, log_noise, 0, smooth, 0};
