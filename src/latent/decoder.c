/* decoder.c: p(x|z) of each number of the data, independent given z:
 *
 *     gaussian   N(x; m, s^2), s fixed or one learned number "decoder.log_std";   mean m
 *     bernoulli  b ln p + (1-b) ln(1-p) = b l - softplus(l),  p = sigmoid(l), b = (v - lo)/(hi - lo);   mean of b: p
 *     logistic   see logistic.c
 *
 * for network values x and stored values v = scale x + shift. The decoder says m or l, and for logistic more, for every
 * number; the sum over all is ln p(x|z).
 * Known answers: ln N(.3; .1, .5^2) = -.305791352644727; l = 2, b = 1: -.126928011042973.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent/latent.h"

#include "net/internal.h"

#include <math.h>

int64_t sf_vae_numbers(const sf_vae *v)
{
	int64_t k = v->how.mixture;

	return v->how.likelihood != SF_VAE_LOGISTIC ? v->channels : 2 * k * v->channels + (k > 1 ? k : 0);
}

static sf_var log_std(sf_graph *g)
{
	sf_init zero = {SF_INIT_CONST, 0, 0, 0};
	sf_var s;

	sf_push(g, "decoder");
	s = sf_param(g, "log_std", 0, NULL, zero);
	sf_pop(g);
	return s;
}

static int learns_std(const sf_vae *v)
{
	return v->how.likelihood == SF_VAE_GAUSSIAN && v->how.std == 0;
}

/* The decoder's result as (pixels, numbers), if it fits. */
static sf_var fitted(const sf_vae *v, sf_graph *g, sf_var h)
{
	sf_shape s = sf_shape_of(g, h);
	const int64_t *d = v->how.dim;
	int64_t dim[2];

	dim[0] = v->pixels;
	dim[1] = sf_vae_numbers(v);
	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	if (s.rank == 3 && v->how.rank == 3 && (s.dim[0] != d[0] || s.dim[1] != d[1]))
		return sf_graph_fail(g, SF_EMISMATCH, "vae: decoder '%s' makes (%lld,%lld) pixels of a latent (%lld,%lld,%lld), the "
		                     "data have (%lld,%lld): encoder and decoder want the same levels", sf_spec(v->decoder),
		                     (long long)s.dim[0], (long long)s.dim[1], (long long)v->dim[0], (long long)v->dim[1],
		                     (long long)v->dim[2], (long long)d[0], (long long)d[1]);
	if (s.size != dim[0] * dim[1])
		return sf_graph_fail(g, SF_EMISMATCH, "vae: decoder '%s' makes %lld numbers a sample, the data need %lld (%lld of each of "
		                     "%lld pixels)", sf_spec(v->decoder), (long long)s.size, (long long)(dim[0] * dim[1]),
		                     (long long)dim[1], (long long)dim[0]);
	return sf_reshape(g, h, 2, dim);
}

sf_var sf_vae_build_decoder(const sf_vae *v, sf_graph *g, sf_var z, int train)
{
	int64_t channels = sf_vae_numbers(v);
	sf_var h;

	if (!sf_net_images(v->decoder))
		channels *= v->pixels; /* flattened: see sf_vae_network */
	sf_push(g, "decoder");
	h = sf_vae_network(v->decoder, g, z, channels, train);
	sf_pop(g);
	if (learns_std(v))
		log_std(g); /* so that the layout knows it */
	return fitted(v, g, h);
}

static sf_var gaussian(const sf_vae *v, sf_graph *g, sf_var m, sf_var x)
{
	double n = (double)v->size, constant = -.5 * n * log(2 * SF_PI);
	sf_var r = sf_sumsq(g, sf_sub(g, x, m)), s;

	if (!learns_std(v))
		return sf_offset(g, sf_scale(g, r, -.5 / (v->how.std * v->how.std)), constant - n * log(v->how.std));
	s = log_std(g);
	r = sf_mul(g, sf_scale(g, r, -.5), sf_exp(g, sf_scale(g, s, -2)));
	return sf_offset(g, sf_sub(g, r, sf_scale(g, s, n)), constant);
}

static sf_var bernoulli(const sf_vae *v, sf_graph *g, sf_var l, sf_var x)
{
	double range = v->how.hi - v->how.lo;
	sf_var b = sf_offset(g, sf_scale(g, x, v->how.scale / range), (v->how.shift - v->how.lo) / range);

	return sf_sub(g, sf_dot(g, b, l), sf_sum(g, sf_softplus(g, l)));
}

sf_var sf_vae_build_logp(const sf_vae *v, sf_graph *g, sf_var parameters, sf_var x)
{
	int64_t dim[2];

	dim[0] = v->pixels;
	dim[1] = v->channels;
	x = sf_reshape(g, x, 2, dim);
	switch (v->how.likelihood) {
	case SF_VAE_GAUSSIAN: return gaussian(v, g, parameters, x);
	case SF_VAE_BERNOULLI: return bernoulli(v, g, parameters, x);
	default: return sf_logistic_logp(v, g, parameters, x);
	}
}

sf_var sf_vae_build_mean(const sf_vae *v, sf_graph *g, sf_var parameters)
{
	double range = v->how.hi - v->how.lo;
	sf_var m = parameters;

	if (v->how.likelihood == SF_VAE_LOGISTIC)
		m = sf_logistic_mean(v, g, parameters);
	else if (v->how.likelihood == SF_VAE_BERNOULLI)
		m = sf_offset(g, sf_scale(g, sf_sigmoid(g, m), range / v->how.scale), (v->how.lo - v->how.shift) / v->how.scale);
	return sf_reshape(g, m, v->how.rank, v->how.dim);
}
