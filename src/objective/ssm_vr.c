/* ssm_vr.c: sliced score matching with variance reduction (Song, Garg, Shi, Ermon 2019, 1905.07088),
 *
 *     L = lambda(t) [ 1/M sum_m v_m'J(x_t,t) v_m + |s(x_t,t)|^2/2 ],   J = ds/dx,  E v v' = I
 *       = w [ |eps|^2/2 - sigma/M sum_m v_m.(J_eps v_m) ]
 *
 * the norm is taken whole and the trace alone is sliced. The two terms no longer share v, so E v v' = I is not a
 * matter of scale: directions of length 1 give tr J/d + |s|^2/2, whose minimum is 1/d of the score. Variance is
 * not always less than ssm's: at A = -I on unit normal data, with normal directions, 2 d against d + d^2/2.
 * Known answers: .28425 on the Gaussian of the tests; variance 4.46041350 with signs, 8.18041350 with normals.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/slices.h"

static const sf_opt opts[] = {
	SF_SLICES_OPTIONS,
	{"unit-norm", "refused (ssm has it): directions of length 1 would learn 1/d of the score", SF_OPT_BOOL,
	 SF_SLICES_AT(unit_norm), "false", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *state, sf_ctx *ctx)
{
	const sf_slices *st = state;

	if (st->unit_norm)
		return sf_fail(ctx, SF_EUNSUP, "objective 'ssm-vr': directions of length 1 have E v v' = I/d, and "
		               "tr J/d + |s|^2/2 is at its least at 1/d of the score; the sphere here has radius sqrt(d)");
	return SF_OK;
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	sf_var norm = sf_scale(g, sf_sumsq(g, sf_loss_eps(m, g, train, l)), .5);

	return sf_mul(g, l->weight, sf_sub(g, norm, sf_slices_mean(state, m, g, l, NULL)));
}

extern const sf_objective_class sf_objective_ssm_vr;
const sf_objective_class sf_objective_ssm_vr = {
	{"ssm-vr", "sliced score matching with variance reduction", "Song, Garg, Shi, Ermon 2019 (1905.07088)",
	 sizeof(sf_slices), opts, init, NULL},
	2, 0, 1, sf_slices_count, NULL, NULL, NULL, sf_slices_draw, loss};
