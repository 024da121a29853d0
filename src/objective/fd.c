/* fd.c: see fd.h.
 *
 * Defaults: the papers' code takes a norm of 0.1 over all pixels of CIFAR-10 whatever the noise, that is 0.0018 a
 * pixel (eps=0.0018,scale=one), between 0.0018 and 0.18 of NCSN's noise levels 1 to 0.01. Here 0.1 is the length a
 * coordinate in units of sigma: the error of a difference is of order eps^2 for a density that is smooth over sigma,
 * and the second difference of energies, whose rounding grows as 1/eps^2, stays good in single precision. eps-min
 * holds the length up where sigma is so small that it would be lost.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/fd.h"

#include <math.h>

enum { BY_SIGMA, BY_ONE };

int64_t sf_fd_probes(const void *state)
{
	const sf_fd *fd = state;

	return fd->slices;
}

double sf_fd_displacement(const void *state, const sf_model *m, double t)
{
	const sf_fd *fd = state;

	return fmax(fd->eps * (fd->scale == BY_SIGMA ? sf_process_scale(m->process, t) : 1), fd->eps_min);
}

double sf_fd_draw_kind(const void *state, const sf_model *m, const sf_draw *d, int64_t i, int kind)
{
	const sf_fd *fd = state;

	sf_draw_probes(m, d, i, kind, fd->slices);
	d->extra[SF_FD_H][i] = sf_fd_displacement(state, m, d->t[i]);
	return sf_draw_marginal(m, d, i);
}

double sf_fd_draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	return sf_fd_draw_kind(state, m, d, i, SF_PROBE_SPHERE);
}

sf_var sf_fd_ratio(const sf_fd_slice *s)
{
	return sf_div(s->g, s->l->extra[SF_FD_SIGMA], s->l->extra[SF_FD_H]);
}

void sf_fd_eps(const sf_fd_slice *s, sf_var *plus, sf_var *minus)
{
	sf_var v = sf_mul(s->g, s->l->extra[SF_FD_H], s->u);

	*plus = sf_loss_eps_at(s->m, s->g, s->train, s->l, v);
	*minus = sf_loss_eps_at(s->m, s->g, s->train, s->l, sf_neg(s->g, v));
}

void sf_fd_energy(const sf_fd_slice *s, sf_var *plus, sf_var *minus)
{
	sf_var v = sf_mul(s->g, s->l->extra[SF_FD_H], s->u);

	*plus = sf_loss_energy_at(s->m, s->g, s->train, s->l, v);
	*minus = sf_loss_energy_at(s->m, s->g, s->train, s->l, sf_neg(s->g, v));
}

sf_var sf_fd_mean(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l,
                  sf_var (*term)(const sf_fd_slice *s))
{
	const sf_fd *fd = state;
	sf_var sum = SF_NOVAR;
	sf_fd_slice s;
	int64_t k;

	s.m = m;
	s.g = g;
	s.train = train;
	s.l = l;
	for (k = 0; k < fd->slices && sf_graph_status(g) == 0; k++) {
		sf_var one;

		s.u = sf_loss_probe(m, g, l, k);
		one = term(&s);
		sum = k ? sf_add(g, sum, one) : one;
	}
	return sf_mul(g, l->weight, sf_scale(g, sum, 1 / (double)fd->slices));
}
