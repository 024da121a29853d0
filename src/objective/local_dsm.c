/* local_dsm.c: denoising score matching of the last increment alone, for processes without a closed-form kernel
 * (Singhal, Goldstein, Ranganath 2024, 2407.07998). For every s < t
 *
 *     grad log p_t(x) = E[ grad log q(x_t | x_s) | x_t = x ],   q(x_t | x_s) = N(mean(x_s), diag(std(x_s)^2)),
 *     L = lambda(t)/2 |s(x_t,t) + z/std|^2 = w/2 |eps - (sigma/std) z|^2,   x_t = mean + std z
 *
 * step=last takes the process's own last noise: of a simulated path the last step of Euler-Maruyama, std = g sqrt
 * h; of a linear process all of its noise (then the loss is dsm's); of two blocks the velocity's given x_0 (then
 * hsm's). step=linearised goes back to s = (1 - back) t with the drift linearised at x_s: a longer step, whose
 * target scatters less, for the price of the linearisation's error. x_t is drawn from the same q as the target
 * belongs to, so what is learned is exactly the score of that chain's own marginal.
 *
 * sigma is the process's scale and no part of the truth; weight=sigma-p2 (lambda = std^2, the nominal g^2 (t - s)
 * where std depends on x_s, as a weight that depended on it would move the minimiser) keeps the loss bounded as
 * steps shrink.
 * Known answer: on vp with back = 1 every number equals dsm's.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/family.h"

#include "process/process.h"

#include <math.h>

struct local_dsm {
	sf_objective_options common;
	int step;
	double back;
};
enum { LAST, LINEARISED };

#define AT(m) offsetof(struct local_dsm, m)
static const sf_opt opts[] = {
	SF_OBJECTIVE_OPTIONS(struct local_dsm),
	{"step", "the increment: the process's own last one, or a longer one with the drift linearised", SF_OPT_CHOICE,
	 AT(step), "last", 0, 0, "last|linearised"},
	{"back", "step=linearised: its length as a share of t", SF_OPT_DOUBLE, AT(back), "0.01", 1e-3, 1, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int accepts(const void *state, sf_ctx *ctx, const sf_model *m)
{
	const struct local_dsm *st = state;
	const sf_process *p = m->process;

	if (st->step == LAST)
		return SF_OK;
	if (sf_process_blocks(p) != 1)
		return sf_fail(ctx, SF_EUNSUP, "objective 'local-dsm': step=linearised is for processes of one state block; '%s' "
		               "has %d (step=last)", sf_process_name(p), sf_process_blocks(p));
	if (!sf_process_linear(p) && !sf_process_record(p)->transition)
		return sf_fail(ctx, SF_EUNSUP, "objective 'local-dsm': process '%s' has no linearised transition (step=last)",
		               sf_process_name(p));
	if (st->common.t == SF_T_DISCRETE && st->back < 1)
		return sf_fail(ctx, SF_EUNSUP, "objective 'local-dsm': t=discrete begins at time 0, from where no step goes back "
		               "(step=last or back=1)");
	return SF_OK;
}

/* The perturbation of weight=sigma-p2, a function of t alone. */
static double nominal(const struct local_dsm *st, const sf_process *p, double t, double std)
{
	return sf_process_linear(p) ? std : sqrt(sf_process_g2(p, t) * t * st->back);
}

static double draw_linearised(const struct local_dsm *st, const sf_model *m, const sf_draw *d, int64_t i)
{
	double *std = d->probe + i * d->size /* room alone */, *z = d->z + i * d->size, scale = d->coef[i].sigma;
	sf_noise key = {0, SF_NOISE_PERTURB, 0};
	int64_t k;

	key.seed = d->seed;
	key.step = d->step;
	if (sf_process_draw_local(m->process, d->size, d->x0 + i * d->size, d->t[i], st->back, key, d->first + (uint64_t)i,
	                          d->xt + i * d->size, z, std) < 0)
		return NAN;
	for (k = 0; k < d->size; k++)
		z[k] *= scale / std[k];
	return nominal(st, m->process, d->t[i], std[0]);
}

static double draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	const struct local_dsm *st = state;
	double *z = d->z + i * d->size, std;
	int64_t k;

	if (st->step == LINEARISED)
		return draw_linearised(st, m, d, i);
	std = sf_draw_state(m, d, i, 0);
	if (std != d->coef[i].sigma)
		for (k = 0; k < d->size; k++)
			z[k] *= d->coef[i].sigma / std;
	return std;
}

/* Room for std, which a draw needs and the loss does not. */
static int64_t probes(const void *state)
{
	const struct local_dsm *st = state;

	return st->step == LINEARISED;
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	(void)state;
	return sf_loss_regression(m, g, train, l);
}

extern const sf_objective_class sf_objective_local_dsm;
const sf_objective_class sf_objective_local_dsm = {
	{"local-dsm", "denoising score matching of the last increment, for any process",
	 "Singhal, Goldstein, Ranganath 2024 (2407.07998)", sizeof(struct local_dsm), opts, NULL, NULL},
	1, SF_NEEDS_NOISE, 0, probes, NULL, accepts, NULL, draw, loss};
