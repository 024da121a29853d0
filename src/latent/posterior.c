/* posterior.c: q(z|x) as a product of groups of channels, each a diagonal normal that knows the groups before it:
 *
 *     (m, s) = encoder(x)                                  2 L channels: means, then ln std, of all groups
 *     (m_g, s_g) += cell_g(m, s, z_1 .. z_{g-1})           g > 1; starts at zero
 *     mean_g = 5 tanh(m_g/5),  ln std_g = 5 tanh(s_g/5),  z_g = mean_g + std_g e_g
 *     KL_g = sum (mean_g^2 + std_g^2 - 1)/2 - ln std_g,    H = sum ln std + D/2 ln(2 pi e)
 *
 * The entropy of the product is the sum of its groups' although a group's mean and deviation are random.
 * Vahdat and Kautz 2020 (2007.03898), Vahdat et al. 2021 (2106.05931); the cell is convolution, SiLU, convolution.
 * Known answer: one number with mean 1/2 and ln std -1/4: KL .178265329856, H 1.168938533205.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent/latent.h"

#include "net/build.h"

#include <math.h>

enum { CELL_MIN = 32 };

static sf_var bounded(sf_graph *g, sf_var a)
{
	return sf_scale(g, sf_tanh(g, sf_scale(g, a, 1. / 5)), 5);
}

/* A layer on (d) or 3x3 on (h,w,c). */
static sf_var layer(const sf_vae *v, sf_graph *g, const char *name, sf_var x, int64_t out, double scale)
{
	return v->rank == 1 ? sf_net_linear(g, name, x, out, scale) : sf_net_conv(g, name, x, out, 3, 1, scale);
}

/* What the groups before g say: 2 w channels. */
static sf_var cell(const sf_vae *v, sf_graph *g, int group, sf_var h, sf_var before, int64_t w)
{
	int64_t hidden = 2 * v->how.latent < CELL_MIN ? CELL_MIN : 2 * v->how.latent;
	sf_var a;

	sf_push(g, "group%d", group);
	a = sf_silu(g, layer(v, g, "conv0", sf_concat(g, h, before), hidden, 1));
	a = layer(v, g, "conv1", a, 2 * w, 0);
	sf_pop(g);
	return a;
}

static sf_var divergence(sf_graph *g, sf_var mean, sf_var log_std, sf_var std, int64_t n)
{
	sf_var k = sf_scale(g, sf_add(g, sf_sumsq(g, mean), sf_sumsq(g, std)), .5);

	return sf_offset(g, sf_sub(g, k, sf_sum(g, log_std)), -.5 * (double)n);
}

static sf_var join(sf_graph *g, sf_var a, sf_var b)
{
	return a == SF_NOVAR ? b : sf_concat(g, a, b);
}

static void add_group(const sf_vae *v, sf_graph *g, int i, sf_var h, sf_var e, sf_posterior *q)
{
	int64_t l = v->how.latent, w = l / v->how.groups;
	sf_var m = sf_slice(g, h, i * w, w), s = sf_slice(g, h, l + i * w, w), r, std;

	if (i > 0) {
		r = cell(v, g, i, h, q->z, w);
		m = sf_add(g, m, sf_slice(g, r, 0, w));
		s = sf_add(g, s, sf_slice(g, r, w, w));
	}
	m = bounded(g, m);
	s = bounded(g, s);
	std = sf_exp(g, s);
	q->kl[i] = divergence(g, m, s, std, v->latent / v->how.groups);
	q->z = join(g, q->z, sf_add(g, m, sf_mul(g, std, sf_slice(g, e, i * w, w))));
	q->mean = join(g, q->mean, m);
	q->log_std = join(g, q->log_std, s);
}

int sf_vae_build_encoder(const sf_vae *v, sf_graph *g, sf_var x, sf_var e, int train, sf_posterior *q)
{
	int64_t dim[SF_MAXRANK];
	sf_var h;
	int i;

	q->z = q->mean = q->log_std = q->entropy = SF_NOVAR;
	for (i = 0; i < SF_VAE_GROUPS; i++)
		q->kl[i] = SF_NOVAR;
	sf_push(g, "encoder");
	h = sf_vae_network(v->encoder, g, x, 2 * v->how.latent, train);
	sf_pop(g);
	sf_push(g, "posterior");
	for (i = 0; i < v->rank; i++)
		dim[i] = v->dim[i];
	dim[v->rank - 1] *= 2;
	h = sf_reshape(g, h, v->rank, dim);
	for (i = 0; i < v->how.groups && sf_graph_status(g) == 0; i++)
		add_group(v, g, i, h, e, q);
	sf_pop(g);
	q->entropy = sf_offset(g, sf_sum(g, q->log_std), .5 * (double)v->latent * (log(2 * SF_PI) + 1));
	return sf_graph_status(g);
}
