/* formula.c: a linear process whose coefficients are the user's formulas in t, start <= t <= end.
 *
 *     x_t = alpha(t) x_0 + sigma(t) z,   dx = F x dt + g dw,   F = alpha'/alpha,   g^2 = 2 sigma (sigma' - F sigma),
 *
 * the one linear SDE with those marginals (Karras et al. 2022, 2206.00364, section 2, have it in EDM's frame: f =
 * s'/s, g = s sqrt(2 sigma' sigma)). Slopes come from dual numbers (core/expr.h). alpha must be positive and
 * sigma/alpha must not fall; both are checked on a grid of times. expm1 and log1p are there so that a formula need
 * not cancel near t = 0. Examples: alpha=1-t,sigma=t,end=0.99 is the straight path of rectified flow;
 * alpha=1,sigma=t,end=80 is EDM.
 * Known answer: the default is vp's with beta = 12 t, so F(1/2) = -3 and g(1/2) = sqrt(6).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/expr.h"
#include "process/process.h"

#include <math.h>

typedef struct formula {
	char *alpha_text, *sigma_text;
	double start, end;
	sf_expr alpha, sigma;
} formula;

static const sf_opt options[] = {
	{"alpha",
	 "factor of the data, a formula in t with + - * / ^ ( ), pi, e, exp, log, sqrt, sin, cos, tanh, expm1, ...",
	 SF_OPT_STRING, offsetof(formula, alpha_text), "exp(-3*t^2)", 0, 0, NULL},
	{"sigma", "standard deviation of the noise, likewise", SF_OPT_STRING, offsetof(formula, sigma_text),
	 "sqrt(-expm1(-6*t^2))", 0, 0, NULL},
	{"start", "least time of training and sampling", SF_OPT_DOUBLE, offsetof(formula, start), "1e-3", 1e-12, 1e9,
	 NULL},
	{"end", "the last time; the prior is N(0, sigma(end)^2)", SF_OPT_DOUBLE, offsetof(formula, end), "1", 1e-9,
	 1e9, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double g2(const formula *p, double t)
{
	double da, ds, a = sf_expr_at(&p->alpha, t, &da), s = sf_expr_at(&p->sigma, t, &ds);

	return 2 * s * (ds - da / a * s);
}

/* alpha, sigma and g^2 at one time. Rounding may leave a flat sigma/alpha a little below flat. */
static int usable(const formula *p, sf_ctx *ctx, double t, int inside)
{
	double a = sf_expr_at(&p->alpha, t, NULL), s = sf_expr_at(&p->sigma, t, NULL), g = inside ? g2(p, t) : 0;

	if (!(a > 0 && isfinite(a)))
		return sf_fail(ctx, SF_EINVAL, "process 'formula': alpha is %g at t = %g; it must be positive", a, t);
	if (!((inside ? s > 0 : s >= 0) && isfinite(s)))
		return sf_fail(ctx, SF_EINVAL, "process 'formula': sigma is %g at t = %g; it must be positive", s, t);
	if (inside && !(g >= -1e-9 * (s * s / t) && isfinite(g)))
		return sf_fail(ctx, SF_EINVAL,
			       "process 'formula': sigma/alpha falls or has no slope at t = %g (g^2 = %g)", t, g);
	return SF_OK;
}

static int init(void *st, sf_ctx *ctx)
{
	enum { TIMES = 512 };
	formula *p = st;
	int i;

	if (!(p->start < p->end))
		return sf_fail(ctx, SF_EINVAL, "process 'formula': start=%g is not below end=%g", p->start, p->end);
	SF_TRY(sf_expr_parse(ctx, "process 'formula': alpha", p->alpha_text, &p->alpha));
	SF_TRY(sf_expr_parse(ctx, "process 'formula': sigma", p->sigma_text, &p->sigma));
	SF_TRY(usable(p, ctx, 0, 0));
	for (i = 0; i <= TIMES; i++) { /* evenly in t, and in its logarithm */
		double part = (double)i / TIMES;

		SF_TRY(usable(p, ctx, p->start + part * (p->end - p->start), 1));
		SF_TRY(usable(p, ctx, p->start * pow(p->end / p->start, part), 1));
	}
	return SF_OK;
}

static double alpha(const void *st, double t)
{
	return sf_expr_at(&((const formula *)st)->alpha, t, NULL);
}

static double sigma(const void *st, double t)
{
	return sf_expr_at(&((const formula *)st)->sigma, t, NULL);
}

/* The last time, to the last bit, with sigma/alpha <= ratio; past the end as far as the formulas go. */
static double time_of_ratio(const void *st, double ratio)
{
	const formula *p = st;
	double lo = 0, hi = p->end, mid;
	int grow;

	if (!(ratio > sigma(p, 0) / alpha(p, 0)))
		return 0;
	for (grow = 0; grow < 20 && sigma(p, hi) <= ratio * alpha(p, hi); grow++) {
		lo = hi;
		hi *= 1.25;
	}
	for (;;) {
		mid = lo + (hi - lo) / 2;
		if (!(mid > lo && mid < hi))
			return lo;
		if (sigma(p, mid) <= ratio * alpha(p, mid))
			lo = mid;
		else
			hi = mid;
	}
}

static void drift_matrix(const void *st, double t, double *F)
{
	double slope, a = sf_expr_at(&((const formula *)st)->alpha, t, &slope);

	F[0] = slope / a;
}

/* A square root has no slope at its zero; the limit from the right may have one. */
static void diffusion_matrix(const void *st, double t, double *G)
{
	const formula *p = st;
	double v = g2(p, t);

	if (!isfinite(v) && t < p->start)
		v = g2(p, 1e-6 * p->start);
	G[0] = sqrt(v > 0 ? v : 0);
}

static void phi(const void *st, double s, double t, double *Phi)
{
	Phi[0] = alpha(st, t) / alpha(st, s);
}

static void cov(const void *st, double t, double *Sigma)
{
	double s = sigma(st, t);

	Sigma[0] = s * s;
}

static double horizon(const void *st)
{
	return ((const formula *)st)->end;
}

static double t_least(const void *st)
{
	return ((const formula *)st)->start;
}

static void prior_var(const void *st, double *var)
{
	cov(st, horizon(st), var);
}

const sf_process_class sf_process_formula = {
	.head = {"formula", "any linear process, by formulas for alpha(t) and sigma(t)",
	         "Karras et al. 2022 (2206.00364), section 2", sizeof(formula), options, init, NULL},
	.k = 1,
	.linear = 1,
	.drift_matrix = drift_matrix,
	.diffusion_matrix = diffusion_matrix,
	.phi = phi,
	.cov = cov,
	.alpha = alpha,
	.sigma = sigma,
	.time_of_ratio = time_of_ratio,
	.horizon = horizon,
	.t_train = t_least,
	.t_sample = t_least,
	.prior_var = prior_var};
