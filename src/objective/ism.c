/* ism.c: implicit score matching (Hyvarinen 2005) with the exact trace,
 *
 *     L = lambda(t) [ tr J(x_t,t) + |s(x_t,t)|^2/2 ],   J = ds/dx
 *       = w [ |eps|^2/2 - sigma sum_k e_k.(J_eps e_k) ]
 *
 * Up to E |grad log p|^2/2 it is E |s - grad log p|^2/2 by integration by parts, which needs a density that falls
 * to 0: on data that fill a box, or on finitely many points, the loss has no lower bound (-2h + h^2 delta/3 for a
 * ramp of height h and width delta at the edges of [0,1]). The trace takes one tangent of the network a
 * coordinate, each differentiated again for the parameters: memory and time grow with d, so there is a limit.
 * Known answers: .28425 on the Gaussian of the tests, minimum -tr C^{-1}/2 = -1.204889406286.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/family.h"

/* Coordinates. A plan for 128 on the default perceptron has 9,200 nodes and takes 0.2 s to make; for the 64 pixels
 * of the digits on their U-Net 117,000 nodes, 4 s and 80 MiB a sample. At 784 a step of 8 samples took the
 * perceptron 4 s. */
enum { LIMIT = 128 };

struct ism {
	sf_objective_options common;
};

static const sf_opt opts[] = {
	SF_OBJECTIVE_OPTIONS(struct ism),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int accepts(const void *state, sf_ctx *ctx, const sf_model *m)
{
	(void)state;
	if (m->size > LIMIT)
		return sf_fail(ctx, SF_EUNSUP, "objective 'ism': the exact trace takes a derivative of the network for each of "
		               "the %lld numbers of a sample, and %d is the most; ssm and ssm-vr take one for all",
		               (long long)m->size, LIMIT);
	return SF_OK;
}

static double draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	(void)state;
	return sf_draw_marginal(m, d, i);
}

/* e_k in the shape of the data. */
static sf_var unit(const sf_model *m, sf_graph *g, int64_t k)
{
	int64_t one = 1, rest = m->size - 1 - k;
	sf_var e = sf_reshape(g, sf_const(g, 1), 1, &one), zero = sf_const(g, 0);

	if (k > 0)
		e = sf_concat(g, sf_broadcast_to(g, zero, 0, 1, &k), e);
	if (rest > 0)
		e = sf_concat(g, e, sf_broadcast_to(g, zero, 0, 1, &rest));
	return sf_reshape(g, e, m->rank, m->dim);
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	sf_var norm = sf_scale(g, sf_sumsq(g, sf_loss_eps(m, g, train, l)), .5), trace = SF_NOVAR;
	int64_t k;

	(void)state;
	for (k = 0; k < m->size && sf_graph_status(g) == 0; k++) {
		sf_var column = sf_reshape(g, sf_loss_tangent(g, l, unit(m, g, k)), 1, &m->size);
		sf_var d = sf_sum(g, sf_slice(g, column, k, 1));

		trace = k ? sf_add(g, trace, d) : d;
	}
	return sf_mul(g, l->weight, sf_sub(g, norm, sf_mul(g, l->extra[0], trace)));
}

extern const sf_objective_class sf_objective_ism;
const sf_objective_class sf_objective_ism = {
	{"ism", "implicit score matching with the exact trace", "Hyvarinen 2005", sizeof(struct ism), opts, NULL, NULL},
	2, 0, 1, NULL, NULL, accepts, NULL, draw, loss};
