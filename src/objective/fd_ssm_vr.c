/* fd_ssm_vr.c: sliced score matching by finite differences with the norm taken whole (Pang, Xu, Li, Song, Ermon, Zhu
 * 2020, 2007.03317; the form for score networks). With s+- = s(x_t +- v), v uniform on the sphere of radius eps,
 *
 *     L = lambda { |s+ + s-|^2/8 + d/(2 eps^2) v.(s+ - s-) }
 *       = w { |e+ + e-|^2/8 - sigma/(2h) u.(e+ - e-) },                  v = h u, |u|^2 = d, e = -sigma s
 *
 * Two evaluations, no derivative of the network. E L = tr J + |s|^2/2 + O(eps^2), exactly so for linear scores.
 * direction=gaussian: u ~ N(0,I), and per sample this is antithetic LCSS with sigma_p = h without its curvature
 * penalty lambda |s+ - s-|^2/8. With an energy, e is a gradient and the loss of second order (fd-ssm takes values).
 * Known answers: .28425 on the Gaussian of the tests; s = 1.5 tanh(.8x) - x, h = .5, gaussian, on the mixture
 * .3 N(-1,.25) + .7 N(1.5,.5): -0.3430674388.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/fd.h"

struct vr {
	sf_fd fd;
	int direction;
};
enum { SPHERE, GAUSSIAN };

static const sf_opt opts[] = {
	SF_FD_OPTIONS,
	{"direction", "law of the perturbation: on a sphere, or normal", SF_OPT_CHOICE, offsetof(struct vr, direction),
	 "sphere", 0, 0, "sphere|gaussian"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	const struct vr *st = state;

	return sf_fd_draw_kind(state, m, d, i, st->direction == GAUSSIAN ? SF_PROBE_GAUSSIAN : SF_PROBE_SPHERE);
}

static sf_var of_scores(const sf_fd_slice *s)
{
	sf_var plus, minus, norm, trace;

	sf_fd_eps(s, &plus, &minus);
	norm = sf_scale(s->g, sf_sumsq(s->g, sf_add(s->g, plus, minus)), 1. / 8);
	trace = sf_scale(s->g, sf_dot(s->g, s->u, sf_sub(s->g, plus, minus)), .5);
	return sf_sub(s->g, norm, sf_mul(s->g, sf_fd_ratio(s), trace));
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	return sf_fd_mean(state, m, g, train, l, of_scores);
}

extern const sf_objective_class sf_objective_fd_ssm_vr;
const sf_objective_class sf_objective_fd_ssm_vr = {
	{"fd-ssm-vr", "sliced score matching by finite differences, variance-reduced",
	 "Pang, Xu, Li, Song, Ermon, Zhu 2020 (2007.03317)", sizeof(struct vr), opts, NULL, NULL},
	1, 0, 2, sf_fd_probes, NULL, NULL, sf_fd_displacement, draw, loss};
