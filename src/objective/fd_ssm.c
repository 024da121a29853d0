/* fd_ssm.c: sliced score matching by finite differences: no derivative of the network (Pang, Xu, Li, Song, Ermon, Zhu
 * 2020, 2007.03317). With v uniform on the sphere of radius eps, and s+- = s(x_t +- v),
 *
 *     L = lambda d/eps^2 { [v.(s+ + s-)]^2/8 + v.(s+ - s-)/2 }
 *       = w { [u.(e+ + e-)]^2/8 - sigma/(2h) u.(e+ - e-) },              v = h u, |u|^2 = d, e = -sigma s
 *
 * and for an energy, log p = -E/sigma with E = <x,F>, by three values (parametrisation energy):
 *
 *     L = lambda d/eps^2 { log p(x+v) + log p(x-v) - 2 log p(x) + [log p(x+v) - log p(x-v)]^2/8 }
 *       = w { [(E+ - E-)/h]^2/8 - sigma/h (E+ + E- - 2E)/h }
 *
 * The dot product is squared, not its terms. With the factor d, E L = tr J + |s|^2/2 + O(eps^2), exactly so for
 * linear scores and quadratic energies. Rounding of the second difference, q in E a coordinate, is q sigma/h^2 of what is
 * measured: 1% is allowed, which for h < sigma is the family's rule for the length h^2/sigma.
 * Known answers: log p = -x^4/4 on x ~ N(0,1), eps = .1: -3 - eps^2/2 + (15 + 6 eps^2 + eps^4)/2 = 4.52505; .28425 on
 * the Gaussian of the tests.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/fd.h"

#include <math.h>

static const sf_opt opts[] = {
	SF_FD_OPTIONS,
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double displacement(const void *state, const sf_model *m, double t)
{
	double h = sf_fd_displacement(state, m, t);

	return m->param == SF_PARAM_ENERGY ? h * fmin(1, h / sf_process_scale(m->process, t)) : h;
}

static sf_var of_scores(const sf_fd_slice *s)
{
	sf_var plus, minus, norm, trace;

	sf_fd_eps(s, &plus, &minus);
	norm = sf_scale(s->g, sf_square(s->g, sf_dot(s->g, s->u, sf_add(s->g, plus, minus))), 1. / 8);
	trace = sf_scale(s->g, sf_dot(s->g, s->u, sf_sub(s->g, plus, minus)), .5);
	return sf_sub(s->g, norm, sf_mul(s->g, sf_fd_ratio(s), trace));
}

static sf_var of_energies(const sf_fd_slice *s)
{
	sf_var h = s->l->extra[SF_FD_H], at = s->l->v.energy, plus, minus, slope, bend;

	sf_fd_energy(s, &plus, &minus);
	slope = sf_div(s->g, sf_sub(s->g, plus, minus), h);
	/* differences of close numbers are exact; E+ + E- would be rounded at the size of both */
	bend = sf_div(s->g, sf_sub(s->g, sf_sub(s->g, plus, at), sf_sub(s->g, at, minus)), h);
	return sf_sub(s->g, sf_scale(s->g, sf_square(s->g, slope), 1. / 8), sf_mul(s->g, sf_fd_ratio(s), bend));
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	if (m->param != SF_PARAM_ENERGY)
		return sf_fd_mean(state, m, g, train, l, of_scores);
	l->v.energy = sf_loss_energy_at(m, g, train, l, SF_NOVAR);
	return sf_fd_mean(state, m, g, train, l, of_energies);
}

extern const sf_objective_class sf_objective_fd_ssm;
const sf_objective_class sf_objective_fd_ssm = {
	{"fd-ssm", "sliced score matching by finite differences of scores, or of energies",
	 "Pang, Xu, Li, Song, Ermon, Zhu 2020 (2007.03317)", sizeof(sf_fd), opts, NULL, NULL},
	1, SF_USES_ENERGY, 2, sf_fd_probes, NULL, NULL, displacement, sf_fd_draw, loss};
