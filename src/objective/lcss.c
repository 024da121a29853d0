/* lcss.c: local curvature smoothing with Stein's identity (Osada, Shing, Nishide 2024, 2412.03962),
 *
 *     L = lambda(t) [ |s(x',t)|^2/2 + gamma z.s(x',t)/sigma_p ],   x' = x + sigma_p z,  z ~ N(0,I)
 *       = w [ |eps|^2/2 - kappa z.eps ],   kappa = gamma sigma_t/sigma_p
 *
 * Stein's identity E z.s(x + sigma_p z)/sigma_p = E tr J(x + sigma_p z) puts an inner product in the place of implicit
 * score matching's Jacobian trace; gamma = 1 is the identity. One stage: x = alpha x_0, sigma_p = sigma_t, and per
 * sample L + w |z|^2/2 is exactly the DSM loss, so gradients are equal. Two stages: x = x_t and a second noise, so that
 * no transition density is needed; the score learned is that of p_t * N(0, sigma_p^2 I) unless relabelled.
 *
 * x_t comes from any process: of a nonlinear one it is simulated, and stage one takes the last step's noise for the
 * perturbation, which leaves no smoothing bias; of a process of two blocks the velocity is perturbed.
 *
 * Which sigma_p(t), lambda(t), gamma and which point for the norm the paper uses is not settled here: they are options,
 * readings of the method, and the defaults are the plain identity. antithetic: averages z and -z; subtracting |s+ - s-|^2/8
 * gives FD-SSM with a Gaussian direction. control-variate: subtracts z.s(x)/sigma_p, of mean zero.
 * Known answers: expectations on a Gaussian (0.5405 where DSM has 6.5405) in tests/check_objective.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/family.h"

#include <math.h>

struct lcss {
	sf_objective_options common;
	int stage, kind, norm_at, antithetic, control, relabel;
	double sigma_p, sigma_p_min, rho, gamma;
};
enum { ONE, TWO };
enum { RELATIVE, CONSTANT };
enum { PERTURBED, BASE };
enum { KAPPA, SIGMA_P }; /* the extra inputs */

#define AT(m) offsetof(struct lcss, m)
static const sf_opt opts[] = {
	SF_OBJECTIVE_OPTIONS(struct lcss),
	{"stage", "one: x' is x_t itself (sigma_p: its last noise); two: x' is x_t with a second noise", SF_OPT_CHOICE,
	 AT(stage), "one", 0, 0, "one|two"},
	{"perturb", "two stages: sigma_p = rho sigma_t, or the constant sigma-p (a reading)",
	 SF_OPT_CHOICE, AT(kind), "relative", 0, 0, "relative|constant"},
	{"rho", "sigma_p / sigma_t for perturb=relative (a reading)", SF_OPT_DOUBLE, AT(rho), "0.5",
	 1e-6, 1e3, NULL},
	{"sigma-p-min", "least sigma_p for perturb=relative, so that rounding does not swallow it", SF_OPT_DOUBLE,
	 AT(sigma_p_min), "1e-3", 0, 1e4, NULL},
	{"sigma-p", "sigma_p for perturb=constant (a reading)", SF_OPT_DOUBLE, AT(sigma_p), "0.1", 1e-9,
	 1e4, NULL},
	{"relabel", "two stages: split the noise of time t into both, so that no bias remains",
	 SF_OPT_BOOL, AT(relabel), "false", 0, 0, NULL},
	{"gamma", "factor of the curvature (trace) term; 1 is Stein's identity (a reading)",
	 SF_OPT_DOUBLE, AT(gamma), "1", 0, 1e3, NULL},
	{"norm-at", "where |s|^2 is taken: the perturbed point or its base (a reading)", SF_OPT_CHOICE,
	 AT(norm_at), "perturbed", 0, 0, "perturbed|base"},
	{"antithetic", "average z and -z: a second evaluation, less variance", SF_OPT_BOOL,
	 AT(antithetic), "false", 0, 0, NULL},
	{"control-variate", "subtract the trace term at the base point: a second evaluation",
	 SF_OPT_BOOL, AT(control), "false", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *state, sf_ctx *ctx)
{
	const struct lcss *st = state;

	if (st->relabel && st->stage == ONE)
		return sf_fail(ctx, SF_EUNSUP, "objective 'lcss': relabel=true corrects the second noise of "
		               "stage=two; stage=one has none");
	if (st->antithetic && st->control)
		return sf_fail(ctx, SF_EUNSUP, "objective 'lcss': antithetic and control-variate both cancel "
		               "z.s at the base point; choose one");
	return SF_OK;
}

static int accepts(const void *state, sf_ctx *ctx, const sf_model *m)
{
	const struct lcss *st = state;
	const sf_process *p = m->process;

	if (st->stage == ONE && sf_objective_still(p))
		return sf_fail(ctx, SF_EUNSUP, "objective 'lcss': stage=one smooths with the process's own noise, and '%s' adds "
		               "none; choose stage=two", sf_process_name(p));
	if (st->relabel && !(sf_process_linear(p) && sf_process_blocks(p) == 1))
		return sf_fail(ctx, SF_EUNSUP, "objective 'lcss': relabel=true splits the noise of x_t = alpha x_0 + sigma z, "
		               "which process '%s' has not", sf_process_name(p));
	return SF_OK;
}

/* sigma_p of the second noise, and what relabel leaves of the first, for the scale s of the process. */
static double second_noise(const struct lcss *st, double s, double *base)
{
	double second;

	*base = st->relabel && st->kind == RELATIVE ? s / sqrt(1 + st->rho * st->rho) : s;
	second = st->kind == RELATIVE ? st->rho * *base : st->relabel ? fmin(st->sigma_p, s) : st->sigma_p;
	if (st->kind == RELATIVE && !st->relabel)
		second = fmax(second, st->sigma_p_min);
	if (st->relabel && st->kind == CONSTANT)
		*base = sqrt((s - second) * (s + second));
	return second;
}

static double displacement(const void *state, const sf_model *m, double t)
{
	const struct lcss *st = state;
	double s = sf_process_scale(m->process, t), base;

	return st->stage == ONE ? INFINITY : second_noise(st, s, &base);
}

static double draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	const struct lcss *st = state;
	double *z = d->z + i * d->size, s = d->coef[i].sigma, base, second;
	int64_t blocks = sf_process_blocks(m->process), k;
	double *xt = d->xt + (i * blocks + blocks - 1) * d->size; /* the noisy block */
	double tail = sf_draw_state(m, d, i, 0);

	second = tail;
	if (st->stage == TWO) {
		second = second_noise(st, s, &base);
		if (st->relabel)
			for (k = 0; k < d->size; k++)
				xt[k] -= (tail - base) * z[k];
		sf_draw_noise(m, d, SF_NOISE_PERTURB2, i, z);
		for (k = 0; k < d->size; k++)
			xt[k] += second * z[k];
	}
	d->extra[KAPPA][i] = st->gamma * (s / second);
	d->extra[SIGMA_P][i] = second;
	return isnan(tail) ? tail : second;
}

/* eps at x' - shift sigma_p z: 1 the base point, 2 the mirrored one. */
static sf_var eps_at(const sf_model *m, sf_graph *g, int train, sf_loss *l, double shift)
{
	return sf_loss_eps_at(m, g, train, l, sf_mul(g, sf_scale(g, l->extra[SIGMA_P], -shift), l->z));
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	const struct lcss *st = state;
	sf_var eps, norm, trace, base = SF_NOVAR;

	trace = eps = sf_loss_eps(m, g, train, l);
	norm = sf_scale(g, sf_sumsq(g, eps), .5);
	if (st->norm_at == BASE || st->control)
		base = eps_at(m, g, train, l, 1);
	if (st->antithetic) {
		sf_var mirrored = eps_at(m, g, train, l, 2);

		trace = sf_scale(g, sf_sub(g, eps, mirrored), .5);
		norm = sf_scale(g, sf_add(g, sf_sumsq(g, eps), sf_sumsq(g, mirrored)), .25);
	}
	if (st->control)
		trace = sf_sub(g, eps, base);
	if (st->norm_at == BASE)
		norm = sf_scale(g, sf_sumsq(g, base), .5);
	trace = sf_mul(g, l->extra[KAPPA], sf_dot(g, l->z, trace));
	return sf_mul(g, l->weight, sf_sub(g, norm, trace));
}

extern const sf_objective_class sf_objective_lcss;
const sf_objective_class sf_objective_lcss = {
	{"lcss", "local curvature smoothing with Stein's identity",
	 "Osada, Shing, Nishide 2024 (2412.03962)", sizeof(struct lcss), opts, init, NULL},
	1, 0, 2, NULL, NULL, accepts, displacement, draw, loss};
