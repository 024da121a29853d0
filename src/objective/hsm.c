/* hsm.c: hybrid score matching, for processes of position and velocity (Dockhorn, Vahdat, Kreis 2022, 2112.07068),
 *
 *     L = lambda(t)/2 |s_v(u_t,t) + ell_t z|^2 = w/2 |eps(u_t,t) - z|^2,   u_t = (x_t,v_t) ~ p(u_t | x_0)
 *
 * s_v is the score of the velocity; v_0 ~ N(0, gamma M) is not drawn but part of the kernel: with L L' its
 * covariance, z the velocity's unit normal and 1/ell_t = L22 the scale of eps. Denoising score matching (dsm) draws
 * v_0 and has the same minimiser grad_v log p_t(u) with a larger loss.
 *
 * Their weightings, which stand before a sum over dimensions without our half: sigma2 is "reweighted, version 2"
 * (lambda = 1/ell^2), g2-sigma2 "version 1" and g2 the likelihood's: g^2 = 2 Gamma beta, so that lambda/2 = Gamma
 * beta: -d/dt KL(p_t|q_t) = Gamma beta E |s_p - s_q|^2.
 * Known answer: for x_0 ~ N(m, .25), default constants, eps = 0 and weight=sigma2, the least loss a dimension is
 * 0.305298421155/2 at t = 0.1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/family.h"

struct hsm {
	sf_objective_options common;
};

static const sf_opt opts[] = {
	SF_OBJECTIVE_OPTIONS(struct hsm),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	(void)state;
	return sf_draw_state(m, d, i, 0);
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	(void)state;
	return sf_loss_regression(m, g, train, l);
}

extern const sf_objective_class sf_objective_hsm;
const sf_objective_class sf_objective_hsm = {
	{"hsm", "hybrid score matching: the velocity's score given x_0 alone",
	 "Dockhorn, Vahdat, Kreis 2022 (2112.07068), appendix B.3", sizeof(struct hsm), opts, NULL, NULL},
	1, SF_NEEDS_LINEAR | SF_NEEDS_TWO, 0, NULL, NULL, NULL, NULL, draw, loss};
