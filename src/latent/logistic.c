/* logistic.c: the discretised logistic and mixtures of it, for data of `levels` whole values.
 *
 * With the levels at u = -1 .. 1 in steps of 2 w, w = 1/(levels-1), and F the logistic distribution with mean m and scale s,
 *
 *     P(u) = F(u + w) - F(u - w),   F(u - w) := 0 at u = -1,   F(u + w) := 1 at u = 1
 *
 * so that the probabilities of all levels add up to one. With a = (u + w - m)/s, b = (u - w - m)/s and d = a - b = 2 w/s,
 *
 *     ln P = -softplus(-a) - softplus(b) + ln(1 - e^-d),     1 - e^-d = 2 t/(1 + t), t = tanh(d/2)
 *
 * which cancels nowhere; at the ends the term of the open edge and the last one are missing. ln s = 7 tanh(./7): not below
 * -7, as in PixelCNN++ (Salimans et al. 2017, 1701.05517), nor so large that d is lost. A mixture of k has k weights a pixel,
 * which its channels share; unlike PixelCNN++ the means of channels do not depend on the channels before, so that
 *
 *     E v = lo + step sum_{edges c} (1 - F(c))
 *
 * is the mean. Numbers a pixel: [k weights, if k > 1], k c means, k c log scales.
 * Known answer: levels 3, m = .2, ln s = -1: probabilities .129792205, .563484790, .306723005 of -1, 0, 1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent/latent.h"

#include <math.h>

struct mix {
	int64_t k, c, pixels;
	sf_var weight;    /* (pixels, k), or SF_NOVAR */
	sf_var mean, log_scale; /* (pixels, k, c) */
};

static sf_var shaped(sf_graph *g, sf_var a, int64_t n0, int64_t n1, int64_t n2)
{
	int64_t dim[3];

	dim[0] = n0;
	dim[1] = n1;
	dim[2] = n2;
	return sf_reshape(g, a, n2 ? 3 : 2, dim);
}

static struct mix split(const sf_vae *v, sf_graph *g, sf_var parameters)
{
	struct mix m;
	int64_t n, first;

	m.k = v->how.mixture;
	m.c = v->channels;
	m.pixels = v->pixels;
	n = m.k * m.c;
	first = m.k > 1 ? m.k : 0;
	m.weight = first ? sf_slice(g, parameters, 0, first) : SF_NOVAR;
	m.mean = shaped(g, sf_slice(g, parameters, first, n), m.pixels, m.k, m.c);
	m.log_scale = shaped(g, sf_slice(g, parameters, first + n, n), m.pixels, m.k, m.c);
	m.log_scale = sf_scale(g, sf_tanh(g, sf_scale(g, m.log_scale, 1. / 7)), 7);
	return m;
}

/* ln of the sum of the exponentials of the k numbers of the last dimension, pair by pair: ln(e^a + e^b) = a + softplus(b - a). */
static sf_var log_sum(sf_graph *g, sf_var a, int64_t k)
{
	while (k > 1) {
		int64_t half = k / 2;
		sf_var lo = sf_slice(g, a, 0, half), hi = sf_slice(g, a, half, half), sum;

		sum = sf_add(g, lo, sf_softplus(g, sf_sub(g, hi, lo)));
		a = k % 2 ? sf_concat(g, sum, sf_slice(g, a, k - 1, 1)) : sum;
		k -= half;
	}
	return a;
}

/* u of network values: -1 .. 1. */
static sf_var unit(const sf_vae *v, sf_graph *g, sf_var x)
{
	double half = .5 * (v->how.hi - v->how.lo);

	return sf_offset(g, sf_scale(g, x, v->how.scale / half), (v->how.shift - v->how.lo) / half - 1);
}

/* ln(1 - e^-d) for d = 2 w/s > 0 */
static sf_var log_width(sf_graph *g, sf_var inverse, double w)
{
	sf_var t = sf_tanh(g, sf_scale(g, inverse, w));

	return sf_log(g, sf_div(g, sf_scale(g, t, 2), sf_offset(g, t, 1)));
}

sf_var sf_logistic_logp(const sf_vae *v, sf_graph *g, sf_var parameters, sf_var x)
{
	double w = 1 / ((double)v->how.levels - 1);
	struct mix m = split(v, g, parameters);
	sf_var u, inverse, r, below, above, not_low, not_high, lp;
	int64_t dim[3];

	u = shaped(g, unit(v, g, x), m.pixels, 1, m.c);
	not_low = sf_step(g, sf_offset(g, u, 1 - w));
	not_high = sf_step(g, sf_offset(g, sf_neg(g, u), 1 - w));
	inverse = sf_exp(g, sf_neg(g, m.log_scale));
	r = sf_sub(g, u, m.mean);
	above = sf_softplus(g, sf_mul(g, sf_neg(g, sf_offset(g, r, w)), inverse));
	below = sf_softplus(g, sf_mul(g, sf_offset(g, r, -w), inverse));
	lp = sf_mul(g, log_width(g, inverse, w), sf_mul(g, not_low, not_high));
	lp = sf_sub(g, lp, sf_mul(g, above, not_high));
	lp = sf_sub(g, lp, sf_mul(g, below, not_low));
	if (m.k == 1)
		return sf_sum(g, lp);
	dim[0] = m.pixels;
	dim[1] = m.k;
	dim[2] = 1;
	lp = shaped(g, sf_sum_to(g, lp, 1, 3, dim), m.pixels, m.k, 0);
	lp = log_sum(g, sf_add(g, lp, m.weight), m.k);
	return sf_sum(g, sf_sub(g, lp, log_sum(g, m.weight, m.k)));
}

/* sum over edges c = -1 + w (2 j + 1) of 1 - F(c), a few edges at a time: an array of all of them could be large. */
static sf_var expected(sf_graph *g, const struct mix *m, int64_t edges, double w)
{
	enum { SOME = 16 };
	sf_var inverse = sf_exp(g, sf_neg(g, m->log_scale)), sum = SF_NOVAR;
	int64_t n = m->pixels * m->k * m->c, first, i;

	inverse = shaped(g, inverse, n, 1, 0);
	for (first = 0; first < edges; first += SOME) {
		int64_t some = edges - first < SOME ? edges - first : SOME, dim[2];
		double edge[SOME];
		sf_var part;

		for (i = 0; i < some; i++)
			edge[i] = -1 + w * (2 * (double)(first + i) + 1);
		part = sf_sub(g, shaped(g, m->mean, n, 1, 0), sf_const_tensor(g, 1, &some, edge));
		part = sf_sigmoid(g, sf_mul(g, part, inverse));
		dim[0] = n;
		dim[1] = 1;
		part = sf_sum_to(g, part, 1, 2, dim);
		sum = sum == SF_NOVAR ? part : sf_add(g, sum, part);
	}
	return shaped(g, sum, m->pixels, m->k, m->c);
}

sf_var sf_logistic_mean(const sf_vae *v, sf_graph *g, sf_var parameters)
{
	double edges = (double)v->how.levels - 1, step = (v->how.hi - v->how.lo) / edges;
	struct mix m = split(v, g, parameters);
	sf_var e = expected(g, &m, v->how.levels - 1, 1 / edges);
	int64_t dim[3];

	if (m.k > 1) {
		e = sf_mul(g, e, shaped(g, sf_softmax(g, m.weight), m.pixels, m.k, 1));
		dim[0] = m.pixels;
		dim[1] = 1;
		dim[2] = m.c;
		e = sf_sum_to(g, e, 1, 3, dim);
	}
	return sf_offset(g, sf_scale(g, e, step / v->how.scale), (v->how.lo - v->how.shift) / v->how.scale);
}
