/* ssm.c: sliced score matching (Song, Garg, Shi, Ermon 2019, 1905.07088),
 *
 *     L = lambda(t)/M sum_m [ v_m'J(x_t,t) v_m + (v_m.s(x_t,t))^2/2 ],   J = ds/dx,  E v v' = I
 *       = w/M sum_m [ (v_m.eps)^2/2 - sigma v_m.(J_eps v_m) ]
 *
 * implicit score matching seen along random directions, of the same expectation: one tangent a direction in the place
 * of d, and no transition density is needed. unit-norm: directions of length 1, as in the authors' code for several
 * slices; E v v' = I/d, which divides the whole loss by d and leaves its minimum where it was.
 * Known answers: .28425 on the Gaussian of the tests, .09475 with unit-norm; variance 9.84491400 with signs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/slices.h"

static const sf_opt opts[] = {
	SF_SLICES_OPTIONS,
	{"unit-norm", "directions of length 1: the loss divided by d", SF_OPT_BOOL, SF_SLICES_AT(unit_norm), "false", 0, 0,
	 NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *state, sf_ctx *ctx)
{
	const sf_slices *st = state;

	if (st->unit_norm && st->kind == SF_PROBE_GAUSSIAN)
		return sf_fail(ctx, SF_EUNSUP, "objective 'ssm': a normal vector scaled to length 1 is a point of the sphere; "
		               "unit-norm=true goes with projections=sphere or rademacher");
	return SF_OK;
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	const sf_slices *st = state;
	sf_var trace, square, sum;

	sf_loss_eps(m, g, train, l);
	trace = sf_slices_mean(st, m, g, l, &square);
	sum = sf_sub(g, sf_scale(g, square, .5), trace);
	if (st->unit_norm)
		sum = sf_scale(g, sum, 1 / (double)m->size);
	return sf_mul(g, l->weight, sum);
}

extern const sf_objective_class sf_objective_ssm;
const sf_objective_class sf_objective_ssm = {
	{"ssm", "sliced score matching", "Song, Garg, Shi, Ermon 2019 (1905.07088)", sizeof(sf_slices), opts, init, NULL},
	2, 0, 1, sf_slices_count, NULL, NULL, NULL, sf_slices_draw, loss};
