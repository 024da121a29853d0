/* ddpm.c: the discrete process of DDPM, N levels i = 0 .. N-1 at times i/(N-1),
 *
 *     x_i = sqrt(1 - beta_i) x_{i-1} + sqrt(beta_i) z,   beta_i = (beta_min + i/(N-1) (beta_max - beta_min))/N,
 *     alpha_i^2 = abar_i = prod_(j <= i) (1 - beta_j),   sigma_i^2 = 1 - abar_i,   prior N(0, 1).
 *
 * and with schedule=cosine iDDPM's, sigma_i/alpha_i = u_{N-1-i} of levels.c (no betas then).
 *
 * Ho, Jain, Abbeel 2020 (2006.11239), section 4: 1000 levels, beta 1e-4 to 0.02, which is 0.1 to 20 over N; Song et
 * al. 2021 (2011.13456), appendices B and C; Nichol and Dhariwal 2021 (2102.09672). Between the levels B(t) = -ln abar is
 * linear, so that the process is VP with a rate beta(t) = B'(t) that is constant from level to level, and has every closed
 * form of VP at every t. As for ve, the noise of level 0 is there at t = 0: alpha and sigma are those given the data,
 * Phi(0,t) and beta begin after that noise. Known answers (1000 levels): abar_0 = 0.9999, abar_99 = 0.89701814567496,
 * abar_999 = 4.03582976537569e-05, sigma_499 = 0.959902472711797; cosine: sigma_499/alpha_499 = 1.01238954.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/beta.h"

enum { LINEAR, COSINE };

typedef struct ddpm {
	sf_beta beta; /* the first member, as its options want */
	int64_t levels;
	int schedule;
	double *B; /* -ln abar_i */
} ddpm;

static const sf_opt options[] = {
	SF_BETA_OPTIONS,
	{"levels", "noise levels N; in a line, level i adds the variance beta(i/(N-1))/N", SF_OPT_INT, offsetof(ddpm, levels), "1000", 2,
	 100000, NULL},
	{"schedule", "beta(t) rising in a line from beta-min to beta-max, or iDDPM's levels", SF_OPT_CHOICE,
	 offsetof(ddpm, schedule), "linear", 0, 0, "linear|cosine"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	ddpm *s = st;
	double n = (double)s->levels, sum = 0;
	int64_t i;

	SF_TRY(sf_beta_check(&s->beta, ctx, "ddpm"));
	if (s->schedule == LINEAR && !(s->beta.max < n))
		return sf_fail(ctx, SF_EINVAL, "process 'ddpm': beta-max=%g is not below levels=%lld, so a level keeps nothing",
		               s->beta.max, (long long)s->levels);
	s->B = sf_alloc((size_t)s->levels, sizeof *s->B);
	if (!s->B)
		return sf_fail(ctx, SF_ENOMEM, "process 'ddpm': out of memory for %lld levels", (long long)s->levels);
	for (i = 0; i < s->levels; i++) {
		if (s->schedule == COSINE) {
			double u = sf_iddpm_level(s->levels, s->levels - 1 - i);

			s->B[i] = log1p(u * u);
			continue;
		}
		sum -= log1p(-sf_beta_at(&s->beta, (double)i / (n - 1)) / n);
		s->B[i] = sum;
	}
	return SF_OK;
}

static void fini(void *st)
{
	ddpm *s = st;

	sf_free(s->B);
}

/* The cell i .. i+1 that holds t, and how far t lies in it; beyond the ends the last cells go on. */
static int64_t cell(const ddpm *s, double t, double *part)
{
	double u = t * (double)(s->levels - 1);
	int64_t i = u > 0 ? u < (double)(s->levels - 2) ? (int64_t)u : s->levels - 2 : 0;

	*part = u - (double)i;
	return i;
}

static double B_at(const ddpm *s, double t)
{
	double part;
	int64_t i = cell(s, t, &part);

	return s->B[i] + part * (s->B[i + 1] - s->B[i]);
}

static double rate(const ddpm *s, double t)
{
	double part;
	int64_t i = cell(s, t, &part);

	return (s->B[i + 1] - s->B[i]) * (double)(s->levels - 1);
}

static double alpha(const void *st, double t)
{
	return exp(-B_at(st, t) / 2);
}

static double sigma(const void *st, double t)
{
	return sqrt(-expm1(-B_at(st, t)));
}

static double time_of_ratio(const void *st, double ratio)
{
	const ddpm *s = st;
	double B = log1p(ratio * ratio);
	int64_t a = 0, b = s->levels - 1;

	while (b - a > 1) {
		int64_t mid = (a + b) / 2;

		*(s->B[mid] <= B ? &a : &b) = mid;
	}
	return ((double)a + (B - s->B[a]) / (s->B[a + 1] - s->B[a])) / (double)(s->levels - 1);
}

static void drift_matrix(const void *st, double t, double *F)
{
	F[0] = -rate(st, t) / 2;
}

static void diffusion_matrix(const void *st, double t, double *G)
{
	G[0] = sqrt(rate(st, t));
}

static void phi(const void *st, double s, double t, double *Phi)
{
	Phi[0] = exp((B_at(st, s) - B_at(st, t)) / 2);
}

static void cov(const void *st, double t, double *Sigma)
{
	Sigma[0] = -expm1(-B_at(st, t));
}

static int64_t levels(const void *st)
{
	const ddpm *s = st;

	return s->levels;
}

/* The noise of level 0 stays, so nothing grows without bound at the start. */
static double t_least(const void *st)
{
	(void)st;
	return 1e-5;
}

const sf_process_class sf_process_ddpm = {
	.head = {"ddpm", "the discrete table of DDPM, as vp between its levels",
	         "Ho, Jain, Abbeel 2020 (2006.11239), section 4", sizeof(ddpm), options, init, fini},
	.k = 1,
	.linear = 1,
	.drift_matrix = drift_matrix,
	.diffusion_matrix = diffusion_matrix,
	.phi = phi,
	.cov = cov,
	.alpha = alpha,
	.sigma = sigma,
	.time_of_ratio = time_of_ratio,
	.levels = levels,
	.horizon = sf_beta_horizon,
	.t_train = t_least,
	.t_sample = t_least,
	.prior_var = sf_beta_prior_var};
