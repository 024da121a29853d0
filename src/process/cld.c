/* cld.c: Langevin diffusion of position and velocity, noise in the velocity alone.
 *
 *     dx = M^-1 v beta dt,   dv = -(x + Gamma M^-1 v) beta dt + sqrt(2 Gamma beta) dW,   beta = beta0 + beta1 t
 *     prior x ~ N(0, 1), v ~ N(0, M);   v_0 ~ N(0, gamma M) independent of x_0
 *
 * Dockhorn, Vahdat and Kreis 2022 (2112.07068); M^-1 = 4, beta = 4, gamma = 0.04 and critical damping, which is
 * Gamma = 2 sqrt M, are their image settings. With w = v/sqrt M, r = B(t)/sqrt M (B the integral of beta) and
 * zeta = Gamma/(2 sqrt M) all other parameters go: dx = w dr, dw = -(x + 2 zeta w) dr + 2 sqrt(zeta) dW_r. With
 * c = e^(-zeta r) cosh(omega r) and s = e^(-zeta r) sinh(omega r)/omega, omega^2 = zeta^2 - 1 (negative where
 * under-damped, 0 where critical),
 *
 *     Phi = [[c + zeta s, s], [-s, c - zeta s]],   C = [[C_xx, 2 zeta s^2], [., C_xx + 4 zeta c s]],
 *     C_xx = 1 - e^(-2 zeta r) - 2 zeta^2 s^2 - 2 zeta c s
 *
 * where C is the covariance given all of u_0, I - Phi Phi'. Near r = 0 C_xx is small and summed as a series, of
 * positive terms unless under-damped; for critical damping it is the incomplete gamma function P(3, 2r).
 * The published program adds eps to both variances at every t, which keeps 1/ell_t, otherwise of order sqrt(t),
 * from vanishing: eps belongs to the model. eps-mode=initial gives it to the covariance at time 0 instead, so that
 * it obeys the SDE; eps=0 is sound here.
 * Known answers (eps = 0) at t = 0.1 given x_0: Sigma_xx 0.221810061041, Sigma_xv 0.129859840374,
 * Sigma_vv 0.215758350548, ell 2.67518144945.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>

typedef struct cld {
	double m_inv, friction, beta0, beta1, gamma, eps;
	int eps_mode;
	double root;        /* sqrt M */
	double zeta, omega2; /* omega2 = zeta^2 - 1 */
} cld;

enum { EPS_ALWAYS, EPS_INITIAL };

static const sf_opt options[] = {
	{"m-inv", "inverse mass of the velocity, 1/M", SF_OPT_DOUBLE, offsetof(cld, m_inv), "4", 1e-6, 1e6, NULL},
	{"friction", "friction Gamma; 0: critical damping, 2 sqrt(M)", SF_OPT_DOUBLE, offsetof(cld, friction), "0", 0, 1e6,
	 NULL},
	{"beta0", "rate at time 0", SF_OPT_DOUBLE, offsetof(cld, beta0), "4", 1e-9, 1e6, NULL},
	{"beta1", "growth of the rate: beta(t) = beta0 + beta1 t", SF_OPT_DOUBLE, offsetof(cld, beta1), "0", 0, 1e6, NULL},
	{"gamma", "variance of the velocity at time 0, in units of M", SF_OPT_DOUBLE, offsetof(cld, gamma), "0.04", 0, 1e3,
	 NULL},
	{"eps", "small variance added to position and velocity", SF_OPT_DOUBLE, offsetof(cld, eps), "1e-09", 0, 1, NULL},
	{"eps-mode", "add eps at every time as published, or at time 0 alone", SF_OPT_CHOICE, offsetof(cld, eps_mode),
	 "reference", 0, 0, "reference|initial"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	cld *s = st;

	s->root = 1 / sqrt(s->m_inv);
	s->zeta = s->friction > 0 ? s->friction / (2 * s->root) : 1;
	s->omega2 = (s->zeta - 1) * (s->zeta + 1);
	if (s->zeta >= 1e-3 && s->zeta <= 1e3)
		return SF_OK;
	return sf_fail(ctx, SF_ERANGE,
	               "process 'cld': friction=%g is %g times critical damping; expected 0 (critical) or within %g to "
	               "%g for m-inv=%g",
	               s->friction, s->zeta, 2e-3 * s->root, 2e3 * s->root, s->m_inv);
}

static double friction(const cld *s)
{
	return 2 * s->zeta * s->root;
}

static double beta_at(const cld *s, double t)
{
	return s->beta0 + s->beta1 * t;
}

/* (B(t) - B(s))/sqrt M */
static double clock_between(const cld *c, double s, double t)
{
	return (t - s) * (c->beta0 + c->beta1 * (s + t) / 2) / c->root;
}

/* c and s of the head. */
static void waves(const cld *p, double r, double *c, double *s)
{
	double omega = sqrt(fabs(p->omega2)), e, twice;

	if (p->omega2 > 0) {
		e = exp(-r / (p->zeta + omega)); /* zeta - omega = 1/(zeta + omega) */
		twice = expm1(-2 * omega * r);
		*c = e * (1 + twice / 2);
		*s = -e * twice / (2 * omega);
	} else {
		e = exp(-p->zeta * r);
		*c = e * cos(omega * r);
		*s = omega > 0 ? e * sin(omega * r) / omega : e * r;
	}
}

/* C_xx for z = 2 zeta r <= 2:
 *     zeta^-2 e^-z sum_(n>=3) z^n/n! q_n,   q_n = 1 + k + .. + k^(m-1), m = floor((n-1)/2), k = omega^2/zeta^2 */
static double series(const cld *p, double z)
{
	double k = p->omega2 / (p->zeta * p->zeta), q = 1, power = 1, term = z * z * z / 6, sum = 0;
	int n;

	for (n = 3; n < 40; n++) {
		sum += term * q;
		term *= z / (n + 1);
		if (n % 2 == 0) {
			power *= k;
			q += power;
		}
	}
	return exp(-z) * sum / (p->zeta * p->zeta);
}

static double noise_xx(const cld *p, double r, double c, double s)
{
	double z = 2 * p->zeta * r, a = p->zeta, o2 = p->omega2, o;

	if (z <= 2 && -4 * o2 * r * r <= 1)
		return series(p, z);
	if (o2 <= a * a / 4)
		return -expm1(-z) - 2 * a * s * (a * s + c);
	/* far over-damped: the same, sorted by the three exponentials, as 1 - the slowest is small */
	o = sqrt(o2);
	return -expm1(-2 * r / (a + o)) - exp(-2 * r / (a + o)) * (a + 2 * o) / (2 * o2 * (a + o)) + exp(-z) / o2 -
	       exp(-2 * r * (a + o)) * a / (2 * o2 * (a + o));
}

/* (C in units of w) + a first column of Phi squared + b second column squared -> Sigma in units of v, after the
 * time r of the head */
static void spread(const cld *p, double r, double a, double b, double *S)
{
	double c, s, xx, up, down;

	waves(p, r, &c, &s);
	up = c + p->zeta * s;
	down = c - p->zeta * s;
	xx = noise_xx(p, r, c, s);
	S[0] = xx + a * up * up + b * s * s;
	S[1] = S[2] = p->root * (2 * p->zeta * s * s - a * up * s + b * s * down);
	S[3] = p->root * p->root * (xx + 4 * p->zeta * c * s + a * s * s + b * down * down);
}

static void covariance(const cld *p, double t, double a, double b, double *S)
{
	spread(p, clock_between(p, 0, t), a, b, S);
	if (p->eps_mode == EPS_ALWAYS) {
		S[0] += p->eps;
		S[3] += p->eps;
	}
}

static void cov(const void *st, double t, double *Sigma)
{
	const cld *s = st;
	double eps = s->eps_mode == EPS_INITIAL ? s->eps : 0;

	covariance(s, t, eps, s->gamma + eps * s->m_inv, Sigma);
}

static void noise_cov(const void *st, double t, double *C)
{
	const cld *s = st;
	double eps = s->eps_mode == EPS_INITIAL ? s->eps : 0;

	covariance(s, t, eps, eps * s->m_inv, C);
}

/* eps is no noise of the SDE */
static void noise_between(const void *st, double from, double to, double *C)
{
	spread(st, clock_between(st, from, to), 0, 0, C);
}

static double start_var(const void *st)
{
	const cld *s = st;

	return s->gamma / s->m_inv;
}

static void phi(const void *st, double from, double to, double *Phi)
{
	const cld *p = st;
	double c, s;

	waves(p, clock_between(p, from, to), &c, &s);
	Phi[0] = c + p->zeta * s;
	Phi[1] = s / p->root;
	Phi[2] = -s * p->root;
	Phi[3] = c - p->zeta * s;
}

static void drift_matrix(const void *st, double t, double *F)
{
	const cld *s = st;
	double beta = beta_at(s, t);

	F[0] = 0;
	F[1] = beta * s->m_inv;
	F[2] = -beta;
	F[3] = -beta * friction(s) * s->m_inv;
}

static void diffusion_matrix(const void *st, double t, double *G)
{
	const cld *s = st;

	G[0] = G[1] = G[2] = 0;
	G[3] = sqrt(2 * friction(s) * beta_at(s, t));
}

static double horizon(const void *st)
{
	(void)st;
	return 1;
}

static double t_train(const void *st)
{
	(void)st;
	return 1e-5;
}

static double t_sample(const void *st)
{
	(void)st;
	return 1e-3;
}

static void prior_var(const void *st, double *var)
{
	var[0] = 1;
	var[1] = 1 / ((const cld *)st)->m_inv;
}

const sf_process_class sf_process_cld = {
	.head = {"cld", "Langevin diffusion: noise enters the velocity, critically damped unless told",
	         "Dockhorn, Vahdat and Kreis 2022 (2112.07068)", sizeof(cld), options, init, NULL},
	.k = 2,
	.linear = 1,
	.drift_matrix = drift_matrix,
	.diffusion_matrix = diffusion_matrix,
	.phi = phi,
	.cov = cov,
	.noise_cov = noise_cov,
	.start_var = start_var,
	.noise_between = noise_between,
	.horizon = horizon,
	.t_train = t_train,
	.t_sample = t_sample,
	.prior_var = prior_var};
