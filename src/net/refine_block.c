/* refine_block.c: the refine block of NCSN and NCSNv2, which joins a level with the coarser ones:
 *
 *     RCU          x + conv(act(conv(act(x)))), repeated
 *     MSF          sum over the inputs of resize(conv(a_i)), bilinear with corners aligned
 *     CRP          p_0 = y_0 = act(x),  p_k = conv(pool 5x5 (p_{k-1})),  y_k = y_{k-1} + p_k,  two stages
 *     the block    RCU x 2 of each input, MSF, CRP, RCU (three times before the output)
 *
 * act = ELU; convolutions 3x3, with a bias in MSF alone. The pool is the maximum; NCSN takes the mean, and normalises
 * before each activation of RCU, each convolution of MSF and each pool.
 * RefineNet: Lin et al. 2017 (1611.06612); Song and Ermon 2019 (1907.05600), appendix A, 2020 (2006.09011), appendix B.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/refine.h"

#include <stdio.h>

enum { RCU_IN = 2, STAGES = 2, RCU_OUT = 1, RCU_LAST = 3, WINDOW = 5 };

/* "norms.k" where the level is known */
static sf_var normed(sf_graph *g, const sf_refine *r, int k, sf_var x)
{
	char name[40];

	snprintf(name, sizeof name, "norms.%d", k);
	return r->levels ? sf_refine_norm(g, r, name, x) : x;
}

static sf_var convolved(sf_graph *g, int k, sf_var x, int64_t out, int bias)
{
	char name[40];

	snprintf(name, sizeof name, "convs.%d", k);
	return sf_refine_conv(g, name, x, out, 3, 1, bias);
}

static sf_var rcu(sf_graph *g, const sf_refine *r, sf_var x, int blocks)
{
	char norm[40], conv[40];
	int b, s;

	for (b = 1; b <= blocks && sf_graph_status(g) == 0; b++) {
		sf_var h = x;

		for (s = 1; s <= STAGES; s++) {
			snprintf(norm, sizeof norm, "%d_%d_norm", b, s);
			snprintf(conv, sizeof conv, "%d_%d_conv", b, s);
			if (r->levels)
				h = sf_refine_norm(g, r, norm, h);
			h = sf_refine_conv(g, conv, sf_elu(g, h), sf_shape_of(g, x).dim[2], 3, 1, 0);
		}
		x = sf_add(g, h, x);
	}
	return sf_keep(g, x);
}

static sf_var msf(sf_graph *g, const sf_refine *r, const sf_var *a, int n, int64_t out)
{
	sf_shape to = sf_shape_of(g, a[0]);
	sf_var sum = SF_NOVAR, h;
	int i;

	for (i = 0; i < n; i++) {
		h = convolved(g, i, normed(g, r, i, a[i]), out, 1);
		h = sf_resize_bilinear(g, h, to.dim[0], to.dim[1]);
		sum = i ? sf_add(g, sum, h) : h;
	}
	return sf_keep(g, sum);
}

static sf_var crp(sf_graph *g, const sf_refine *r, sf_var x)
{
	int64_t c = sf_shape_of(g, x).dim[2];
	sf_var path = x = sf_elu(g, x);
	int i;

	for (i = 0; i < STAGES; i++) {
		path = normed(g, r, i, path);
		path = r->levels ? sf_avg_pool(g, path, WINDOW, 1, WINDOW / 2) : sf_max_pool(g, path, WINDOW, 1, WINDOW / 2);
		path = convolved(g, i, path, c, 0);
		x = sf_add(g, path, x);
	}
	return sf_keep(g, x);
}

sf_var sf_refine_block(sf_graph *g, const sf_refine *r, const char *name, const sf_var *a, int n, int64_t out,
                       int last)
{
	sf_var h[2], y;
	int i;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	sf_push(g, "%s", name);
	for (i = 0; i < n; i++) {
		sf_push(g, "adapt_convs.%d", i);
		h[i] = rcu(g, r, a[i], RCU_IN);
		sf_pop(g);
	}
	sf_push(g, "msf");
	y = n > 1 ? msf(g, r, h, n, out) : h[0];
	sf_pop(g);
	sf_push(g, "crp");
	y = crp(g, r, y);
	sf_pop(g);
	sf_push(g, "output_convs");
	y = rcu(g, r, y, last ? RCU_LAST : RCU_OUT);
	sf_pop(g);
	sf_pop(g);
	return y;
}
