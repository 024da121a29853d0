/* edm.c: EDM's family: noise level sigma(t), scaling s(t), x_t = s (x_0 + sigma z).
 *
 *     V = sigma^2:   linear  V = t^2     ve  V = t     vp  V = exp(B) - 1,  B = beta_min t + beta_d t^2/2
 *     s = 1, or scaling=vp: s = 1/sqrt(1 + V)
 *     dx = F x dt + g dw,   F = s'/s = -V'/(2 (1 + V)) or 0,   g^2 = s^2 V',   prior N(0, s^2 sigma_max^2)
 *
 * Karras et al. 2022 (2206.00364), section 2 and table 1; linear without scaling is their own, in which noise level
 * and time are the same number, and sigma_min 0.002, sigma_max 80 are its defaults for images in [-1,1]. The other
 * choices are the earlier models in their common frame: schedule=vp,scaling=vp with beta_d, beta_min refitted so that
 * sigma(1e-3) = sigma_min and sigma(1) = sigma_max (beta_min may come out negative, and sigma(t) imaginary below t =
 * 5.4e-4 for 0.002 to 80: that is read as 0), schedule=ve (published: 0.02 to 100), and iDDPM's, which is linear on
 * the grid iddpm (published: to 81). Samplers step on to t = 0 (see grid karras); methods that need a score at the
 * end stop at sigma_min.
 * Known answers: sigma(t) = t, g(0.5) = 1; vp, 0.002 to 80: beta_d = 17.537956987, beta_min = -0.0047689865.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>

enum { LINEAR, VE, VP };
#define VP_START 1e-3 /* the time of sigma_min in the VP schedule */

typedef struct edm {
	double sigma_min, sigma_max;
	int schedule, scaling;
	double beta_d, beta_min;
} edm;

static const sf_opt options[] = {
	{"sigma-min", "least noise that is trained and sampled", SF_OPT_DOUBLE, offsetof(edm, sigma_min), "0.002",
	 1e-9, 1e9, NULL},
	{"sigma-max", "noise of the prior, at the last time", SF_OPT_DOUBLE, offsetof(edm, sigma_max), "80", 1e-9,
	 1e9, NULL},
	{"schedule", "noise level at time t: t, sqrt(t), or VP's with its rates refitted to sigma-min and sigma-max",
	 SF_OPT_CHOICE, offsetof(edm, schedule), "linear", 0, 0, "linear|ve|vp"},
	{"scaling", "factor of the state: 1, or 1/sqrt(1 + sigma^2)", SF_OPT_CHOICE, offsetof(edm, scaling), "none",
	 0, 0, "none|vp"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	edm *s = st;
	double first, last;

	if (!(s->sigma_min < s->sigma_max))
		return sf_fail(ctx, SF_EINVAL,
		               "process 'edm': sigma-min=%g is not below sigma-max=%g",
		               s->sigma_min, s->sigma_max);
	first = log1p(s->sigma_min * s->sigma_min);
	last = log1p(s->sigma_max * s->sigma_max);
	s->beta_d = 2 * (first / VP_START - last) / (VP_START - 1);
	s->beta_min = last - s->beta_d / 2;
	if (s->schedule == VP && !(s->beta_d > 0))
		return sf_fail(ctx, SF_EINVAL,
			       "process 'edm': VP's schedule does not fit sigma-min=%g and sigma-max=%g: sigma-min "
			       "should be below %g",
			       s->sigma_min, s->sigma_max, sqrt(expm1(last * VP_START)));
	return SF_OK;
}

/* V and V' */
static double level(const edm *s, double t, double *slope)
{
	double V = t * t, B;

	*slope = 2 * t;
	if (s->schedule == VE) {
		V = t;
		*slope = 1;
	} else if (s->schedule == VP) {
		B = t * (s->beta_min + s->beta_d * t / 2);
		V = B > 0 ? expm1(B) : 0;
		*slope = B > 0 || s->beta_min > 0 ? (s->beta_min + s->beta_d * t) * (1 + V) : 0;
	}
	return V;
}

/* The least time that has a noise level; also past the horizon. */
static double time_of_ratio(const void *st, double ratio)
{
	const edm *s = st;
	double B, root;

	if (s->schedule == LINEAR)
		return ratio;
	if (s->schedule == VE)
		return ratio * ratio;
	B = log1p(ratio * ratio);
	root = sqrt(s->beta_min * s->beta_min + 2 * s->beta_d * B);
	if (!(B > 0))
		return 0;
	return s->beta_min > 0 ? 2 * B / (s->beta_min + root) : (root - s->beta_min) / s->beta_d;
}

static double alpha(const void *st, double t)
{
	const edm *s = st;
	double slope;

	return s->scaling ? 1 / sqrt(1 + level(s, t, &slope)) : 1;
}

static void cov(const void *st, double t, double *Sigma)
{
	const edm *s = st;
	double slope, V = level(s, t, &slope);

	Sigma[0] = s->scaling ? V / (1 + V) : V;
}

static double sigma(const void *st, double t)
{
	double V;

	cov(st, t, &V);
	return sqrt(V);
}

static void drift_matrix(const void *st, double t, double *F)
{
	const edm *s = st;
	double slope, V = level(s, t, &slope);

	F[0] = s->scaling ? -slope / (2 * (1 + V)) : 0;
}

static void diffusion_matrix(const void *st, double t, double *G)
{
	const edm *s = st;
	double slope, V = level(s, t, &slope);

	G[0] = sqrt(s->scaling ? slope / (1 + V) : slope);
}

static void phi(const void *st, double from, double t, double *Phi)
{
	const edm *s = st;
	double slope;

	Phi[0] = s->scaling ? sqrt((1 + level(s, from, &slope)) / (1 + level(s, t, &slope))) : 1;
}

static double horizon(const void *st)
{
	const edm *s = st;

	return s->schedule == VP ? 1 : time_of_ratio(st, s->sigma_max);
}

static double t_least(const void *st)
{
	const edm *s = st;

	return s->schedule == VP ? VP_START : time_of_ratio(st, s->sigma_min);
}

static void prior_var(const void *st, double *var)
{
	cov(st, horizon(st), var);
}

const sf_process_class sf_process_edm = {
	.head = {"edm", "noise level equal to time, the data stay; and VP, VE, iDDPM in that frame",
	         "Karras et al. 2022 (2206.00364), table 1", sizeof(edm), options, init, NULL},
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
