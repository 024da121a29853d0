/* slices.c: see slices.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/slices.h"

int64_t sf_slices_count(const void *state)
{
	return ((const sf_slices *)state)->count;
}

double sf_slices_draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	const sf_slices *st = state;

	sf_draw_probes(m, d, i, st->kind, st->count);
	return sf_draw_marginal(m, d, i);
}

sf_var sf_slices_mean(const sf_slices *st, const sf_model *m, sf_graph *g, sf_loss *l, sf_var *square)
{
	sf_var trace = SF_NOVAR, norm = SF_NOVAR;
	int64_t k;

	for (k = 0; k < st->count && sf_graph_status(g) == 0; k++) {
		sf_var v = sf_loss_probe(m, g, l, k);
		sf_var vjv = sf_dot(g, v, sf_loss_tangent(g, l, v));

		trace = k ? sf_add(g, trace, vjv) : vjv;
		if (square) {
			sf_var s = sf_square(g, sf_dot(g, v, l->v.eps));

			norm = k ? sf_add(g, norm, s) : s;
		}
	}
	if (square)
		*square = sf_scale(g, norm, 1 / (double)st->count);
	return sf_mul(g, l->extra[0], sf_scale(g, trace, 1 / (double)st->count));
}
