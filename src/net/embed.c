/* embed.c: embeddings of a scalar condition u, of class labels and of augmentation labels.
 *
 *     positional  [sin(u f_j), cos(u f_j)],  f_j = exp(-ln(10000) j/(half-1)),  j = 0 .. half-1
 *     fourier     [sin(2 pi u w_j), cos(2 pi u w_j)],  w_j ~ N(0, scale^2), fixed after initialisation
 *     none        0: the network does not see the condition (NCSNv2; unconditional models)
 *
 * with half = width/2, as in DDPM++ and NCSN++ (Song et al. 2021, layerspp.py; Tancik et al. 2020). The
 * frequencies f_j are a geometric sequence, built by doubling: the second half of 2m terms is q^m times
 * the first. w is a fixed parameter: saved, but not trained.
 *
 * Labels as in EDM (Karras et al. 2022, SongUNet): the embedding e of the noise level gets
 *
 *     e + sqrt(classes) W_labels[label] + b_labels + augment W_augment        label -1: no row, the bias stays
 *
 * that is, a one-hot vector times sqrt(classes) through a linear layer, and the augmentation labels through one
 * without bias.
 * Known answer (width 4): u = 1 gives .841470984808, 9.99999998333e-5, .540302305868, .999999995.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/build.h"

#include <math.h>

static sf_var geometric(sf_graph *g, int64_t n)
{
	double ln_q = n > 1 ? -log(10000.) / (double)(n - 1) : 0;
	int64_t one = 1, len;
	sf_var f = sf_reshape(g, sf_const(g, 1), 1, &one);

	for (len = 1; len < n; len *= 2)
		f = sf_concat(g, f, sf_scale(g, f, exp(ln_q * (double)len)));
	return len > n ? sf_slice(g, f, 0, n) : f;
}

sf_var sf_net_embed(sf_graph *g, int kind, sf_var cond, int64_t width, double fourier_scale)
{
	int64_t half = width / 2;
	sf_init init = {SF_INIT_NORMAL, 0, 0, 0};
	sf_var f, a;

	if (kind == SF_EMBED_NONE || cond == SF_NOVAR)
		return sf_broadcast_to(g, sf_const(g, 0), 1, 1, &width);
	if (kind == SF_EMBED_POSITIONAL) {
		f = geometric(g, half);
	} else {
		init.scale = fourier_scale;
		f = sf_param_fixed(g, "frequencies", 1, &half, init);
		f = sf_scale(g, f, 2 * SF_PI);
	}
	a = sf_mul(g, cond, f);
	return sf_concat(g, sf_sin(g, a), sf_cos(g, a));
}

static sf_init xavier(int64_t fan_in, int64_t fan_out)
{
	sf_init init = {SF_INIT_UNIFORM_AVG, 1, 0, 0};

	init.fan_in = fan_in;
	init.fan_out = fan_out;
	return init;
}

static sf_var class_row(sf_graph *g, sf_var w, const sf_net_io *io)
{
	sf_var row = sf_gather(g, w, sf_relu(g, io->label)), any = sf_step(g, sf_offset(g, io->label, .5));

	return sf_mul(g, row, sf_scale(g, any, sqrt((double)io->classes)));
}

sf_var sf_net_embed_label(sf_graph *g, sf_var e, const sf_net_io *io)
{
	sf_init zero = {SF_INIT_CONST, 0, 0, 0};
	sf_shape s = sf_shape_of(g, e);
	int64_t dim[2];
	sf_var w;

	if (sf_graph_status(g) < 0)
		return e;
	dim[1] = s.dim[0];
	if (io->classes > 0) {
		dim[0] = io->classes;
		sf_push(g, "labels");
		w = sf_param(g, "weight", 2, dim, xavier(dim[0], dim[1]));
		if (io->label != SF_NOVAR)
			e = sf_add(g, e, class_row(g, w, io));
		e = sf_add(g, e, sf_param(g, "bias", 1, &dim[1], zero));
		sf_pop(g);
	}
	if (io->augments > 0) {
		dim[0] = io->augments;
		w = sf_param(g, "augment.weight", 2, dim, xavier(dim[0], dim[1]));
		if (io->augment != SF_NOVAR)
			e = sf_add(g, e, sf_matmul(g, io->augment, w, 0, 0));
	}
	return e;
}
