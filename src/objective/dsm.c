/* dsm.c: denoising score matching with a noise-conditional score,
 *
 *     L = lambda(t)/2 |s(x_t,t) + z/sigma_t|^2 = w/2 |eps(x_t,t) - z|^2,   x_t = alpha_t x_0 + sigma_t z
 *
 * (Vincent 2011; Song et al. 2021, 2011.13456, eq 7, up to their factor). The pair is made of the stored z,
 * never of (x_t - alpha x_0)/sigma. Optimum for x_0 ~ N(m,C) with lambda = sigma^2 and C_t = alpha^2 C + sigma^2 I:
 * tr(alpha^2 C C_t^{-1})/2, not 0. Known answer (VP, t = .3, C of the tests): 0.7129870628.
 * Two blocks (Dockhorn et al. 2022, 2112.07068): the velocity's score given x_0 and v_0, with the minimiser of hsm, whose
 * scale 1/ell_t eps keeps; 1/ell of this kernel is smaller, so that the loss is higher by (ell_DSM^2/ell^2 - 1)/2 a dimension.
 * Their lambda = 1/ell_DSM^2 is weight=sigma-p2.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/family.h"

struct dsm {
	sf_objective_options common;
};

static const sf_opt opts[] = {
	SF_OBJECTIVE_OPTIONS(struct dsm),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	double tail = sf_draw_state(m, d, i, 1);
	int64_t k;

	(void)state;
	if (tail != d->coef[i].sigma) /* two blocks: eps is in the scale of the velocity given x_0 alone */
		for (k = 0; k < d->size; k++)
			d->z[i * d->size + k] *= d->coef[i].sigma / tail;
	return tail;
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	(void)state;
	return sf_loss_regression(m, g, train, l);
}

extern const sf_objective_class sf_objective_dsm;
const sf_objective_class sf_objective_dsm = {
	{"dsm", "denoising score matching", "Vincent 2011; Song et al. 2021 (2011.13456) eq 7",
	 sizeof(struct dsm), opts, NULL, NULL},
	1, SF_NEEDS_LINEAR | SF_DRAWS_PLAINLY, 0, NULL, NULL, NULL, NULL, draw, loss};
