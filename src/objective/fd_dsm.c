/* fd_dsm.c: denoising score matching by finite differences of an energy: two values, no derivative of the network
 * (Pang, Xu, Li, Song, Ermon, Zhu 2020, 2007.03317). With x_t = mean + sigma z, v uniform on the sphere of
 * radius eps,
 *
 *     L = lambda d/eps^2 1/2 { [log p(x_t+v) - log p(x_t-v)]/2 + v.(x_t - mean)/sigma^2 }^2
 *       = w/2 { (E+ - E-)/(2h) - u.z }^2,             v = h u, |u|^2 = d, log p = -E/sigma, E = <x,F>
 *
 * so that E L = lambda/2 |s + z/sigma|^2 + O(eps^2), exactly so for quadratic energies: the half-sum convention (the
 * authors' code is twice this). The energy is taken at the noisy points, and the target is the stored z. Of two
 * blocks, mean and noise are the velocity's given x_0 and the position, as in hsm.
 * Known answer: at s = C_s^{-1}(m - x), sigma = .5, on the Gaussian of the tests: d/(2 sigma^2) - tr C_s^{-1}/2 =
 * 5.023184886052.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/fd.h"

static const sf_opt opts[] = {
	SF_FD_OPTIONS,
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static sf_var of_energies(const sf_fd_slice *s)
{
	sf_var plus, minus, slope;

	sf_fd_energy(s, &plus, &minus);
	slope = sf_scale(s->g, sf_div(s->g, sf_sub(s->g, plus, minus), s->l->extra[SF_FD_H]), .5);
	return sf_scale(s->g, sf_square(s->g, sf_sub(s->g, slope, sf_dot(s->g, s->u, s->l->z))), .5);
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	return sf_fd_mean(state, m, g, train, l, of_energies);
}

extern const sf_objective_class sf_objective_fd_dsm;
const sf_objective_class sf_objective_fd_dsm = {
	{"fd-dsm", "denoising score matching by finite differences of an energy",
	 "Pang, Xu, Li, Song, Ermon, Zhu 2020 (2007.03317)", sizeof(sf_fd), opts, NULL, NULL},
	1, SF_NEEDS_LINEAR | SF_NEEDS_ENERGY | SF_USES_ENERGY, 2, sf_fd_probes, NULL, NULL, sf_fd_displacement,
	sf_fd_draw, loss};
