/* cld.c: checks of process cld, Langevin diffusion of position and velocity u = (x, v):
 *
 *     du = F u dt + G dW,   d Phi/dt = F Phi,   d Sigma/dt = F Sigma + Sigma F' + G G',
 *     Sigma(t) = Phi(s,t) Sigma(s) Phi(s,t)' + C(t - s) where beta is constant,
 *     ell_t^2 = Sxx/det Sigma,   ell^2 -> 3/(4 s M) given x_0, 1/(s M) given u_0,   s = B/sqrt M,
 *     d KL(p_t || q_t)/dt = -Gamma beta E_p |grad_v ln p - grad_v ln q|^2.
 *
 * Dockhorn, Vahdat and Kreis 2022 (2112.07068). With eps = 0 unless the row says otherwise.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

#define PAPER "cld:eps=0"
#define DAMPED "cld:eps=0,m-inv=1.7,friction=2.4,beta0=1.5,beta1=2" /* over-damped, with a growing rate */
#define SLACK "cld:eps=0,m-inv=2,friction=0.5,beta1=1.5,gamma=0.3"   /* under-damped */
static const char *const kinds[] = {PAPER, DAMPED, SLACK};
enum { KINDS = sizeof kinds / sizeof *kinds };

static double ell2(const double *S)
{
	return S[0] / (S[0] * S[3] - S[1] * S[1]);
}

/* a b, and a S a' */
static void product(const double *a, const double *b, double *out)
{
	double r[4] = {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2],
	               a[2] * b[1] + a[3] * b[3]};

	memcpy(out, r, sizeof r);
}

static void carry(const double *a, const double *S, double *out)
{
	double t[4] = {a[0], a[2], a[1], a[3]};

	product(a, S, out);
	product(out, t, out);
}

/* ---- published numbers ---- */

/* Sxx, Sxv, Svv, ell at t, given x_0 (the rows below) or u_0 (the last two). */
static int published(sf_ctx *ctx, sf_row *row)
{
	static const double table[][5] = {
		{1e-5, 2.56641628029e-10, 1.60601501704e-6, 0.0100767876492, 193.717454314},
		{1e-3, 3.19389280259e-6, 2.19184836723e-4, 0.017557629863, 19.9370986342},
		{0.01, 8.23913110403e-4, 0.00670807590674, 0.0755354892222, 6.91381025172},
		{0.1, 0.221810061041, 0.129859840374, 0.215758350548, 2.67518144945},
		{0.5, 0.986460728338, 0.00528689101574, 0.247933550212, 2.00843216643},
		{1, 0.99998397049, 7.07621178635e-6, 0.249996876024, 2.00001249622},
		{1e-5, 6.82584751909e-13, 6.39897608192e-9, 7.99872011946e-5, 223.611269889},
		{1e-3, 6.74526863246e-7, 6.29841484835e-5, 0.00787318719216, 22.40540411}};
	double worst = 0, S[4];
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, PAPER, NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < 8; i++) {
		if (i < 6)
			sf_process_cov(rig.process, table[i][0], S);
		else
			sf_process_noise_cov(rig.process, table[i][0], S);
		sf_worst(&worst, S[0], table[i][1], 0);
		sf_worst(&worst, S[1], table[i][2], 0);
		sf_worst(&worst, S[3], table[i][3], 0);
		sf_worst(&worst, sqrt(ell2(S)), table[i][4], 0);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-11); /* twelve digits */
}

static int propagator(sf_ctx *ctx, sf_row *row)
{
	static const double want[2][4] = {
		{0.808792135411, 0.718926342588, -0.179731585647, 0.0898657928234},
		{0.00301916365112, 0.00536740204644, -0.00134185051161, -0.00234823839532}};
	double worst = 0, P[4];
	sf_rig rig;
	int i, k;

	SF_TRY(sf_rig_open(ctx, PAPER, NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < 2; i++) {
		sf_process_phi(rig.process, 0, i ? 1 : 0.1, P);
		for (k = 0; k < 4; k++)
			sf_worst(&worst, P[k], want[i][k], 0);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-11);
}

/* ---- the SDE's own equations ---- */

static const double part[] = {0.004, 0.03, 0.12, 0.37, 0.7, 0.95};
enum { PARTS = sizeof part / sizeof *part };

/* Fourth-order differences of Phi(0,t) (what = 0), Sigma (1) or C (2) against their equation. */
static void residual(const sf_process *p, int what, double t, double *worst)
{
	static const double offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	double F[4], G[4], X[4], now[4], d[4] = {0}, want[4], h = 1e-3 * t;
	int o, k;

	for (o = 0; o <= 4; o++) {
		double at = o < 4 ? t + offset[o] * h : t;

		if (what == 0)
			sf_process_phi(p, 0, at, now);
		else if (what == 1)
			sf_process_cov(p, at, now);
		else
			sf_process_noise_cov(p, at, now);
		for (k = 0; k < 4 && o < 4; k++)
			d[k] += weight[o] * now[k] / (12 * h);
	}
	memcpy(X, now, sizeof X);
	sf_process_drift_matrix(p, t, F);
	sf_process_diffusion_matrix(p, t, G);
	product(F, X, want);
	if (what > 0) {
		want[1] += F[2] * X[0] + F[3] * X[1];
		want[2] = want[1];
		want[0] *= 2;
		want[3] = 2 * want[3] + G[3] * G[3];
	}
	for (k = 0; k < 4; k++)
		sf_worst(worst, d[k], want[k], 1);
}

static int equation(sf_ctx *ctx, sf_row *row, int what)
{
	double worst = 0;
	int i, j;

	for (i = 0; i < KINDS; i++) {
		sf_rig rig;

		SF_TRY(sf_rig_open(ctx, kinds[i], NULL, 0, NULL, NULL, &rig));
		for (j = 0; j < PARTS; j++)
			residual(rig.process, what, part[j], &worst);
		sf_rig_close(&rig);
	}
	return sf_row_worst(row, worst, 1e-8);
}

static int mean_equation(sf_ctx *ctx, sf_row *row)
{
	return equation(ctx, row, 0);
}

static int covariance_equation(sf_ctx *ctx, sf_row *row)
{
	return equation(ctx, row, 1);
}

static int noise_equation(sf_ctx *ctx, sf_row *row)
{
	return equation(ctx, row, 2);
}

/* Two stages are one; det Phi is the exponential of the trace; damping of 0.3, 1 and 4 times the critical one. */
static int semigroup(sf_ctx *ctx, sf_row *row)
{
	static const char *const constant[] = {PAPER, "cld:eps=0,friction=0.3,beta0=2",
	                                       "cld:eps=0,friction=4,beta0=0.5,gamma=1.7"};
	double worst = 0, a[4], b[4], c[4], F[4], r = 0.19, t = 0.45;
	sf_rig rig;
	int i, k;

	for (i = 0; i < 3; i++) {
		SF_TRY(sf_rig_open(ctx, constant[i], NULL, 0, NULL, NULL, &rig));
		sf_process_phi(rig.process, 0, r, a);
		sf_process_phi(rig.process, r, t, b);
		sf_process_phi(rig.process, 0, t, c);
		product(b, a, a);
		for (k = 0; k < 4; k++)
			sf_worst(&worst, a[k], c[k], 0);
		sf_process_drift_matrix(rig.process, 0, F);
		sf_worst(&worst, c[0] * c[3] - c[1] * c[2], exp((F[0] + F[3]) * t), 0);
		sf_process_cov(rig.process, r, a);
		carry(b, a, a);
		sf_process_noise_cov(rig.process, t - r, b);
		sf_process_cov(rig.process, t, c);
		for (k = 0; k < 4; k++)
			sf_worst(&worst, a[k] + b[k], c[k], 0);
		sf_rig_close(&rig);
	}
	return sf_row_worst(row, worst, 1e-12);
}

/* ---- ell ---- */

/* ell sqrt(t) at t = 1e-5 over its limit at 0; s = 8 t, M = 1/4. */
static int near_zero(sf_ctx *ctx, sf_row *row, int given_velocity)
{
	double S[4], t = 1e-5;
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, PAPER, NULL, 0, NULL, NULL, &rig));
	if (given_velocity)
		sf_process_noise_cov(rig.process, t, S);
	else
		sf_process_cov(rig.process, t, S);
	sf_rig_close(&rig);
	return sf_row_value(row, sqrt(ell2(S) * t), sqrt((given_velocity ? 1 : 0.75) / 8 * 4), 0.01);
}

static int near_hybrid(sf_ctx *ctx, sf_row *row)
{
	return near_zero(ctx, row, 0);
}

static int near_denoising(sf_ctx *ctx, sf_row *row)
{
	return near_zero(ctx, row, 1);
}

/* The largest ell of the published program is due to its eps = 1e-9. */
static int peak(sf_ctx *ctx, sf_row *row)
{
	double most = 0, S[4];
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, "cld", NULL, 0, NULL, NULL, &rig));
	for (i = 0; i <= 2000; i++) {
		sf_process_cov(rig.process, 1e-6 * pow(1e6, i / 2000.0), S);
		most = fmax(most, sqrt(ell2(S)));
	}
	sf_rig_close(&rig);
	return sf_row_value(row, most, 41.8, 0.05);
}

/* ---- scores ---- */

/* Marginal of data N(mean, var). */
static void marginal(const sf_process *p, double t, double mean, double var, double *m, double *S)
{
	double P[4];
	int k;

	sf_process_phi(p, 0, t, P);
	sf_process_cov(p, t, S);
	for (k = 0; k < 4; k++)
		S[k] += var * P[2 * (k / 2)] * P[2 * (k % 2)];
	m[0] = P[0] * mean;
	m[1] = P[2] * mean;
}

static double kl(const sf_process *p, double t)
{
	double m[2], S[4], n[2], R[4], x, v, det;

	marginal(p, t, 0.7, 0.25, m, S);
	marginal(p, t, -0.2, 1.21, n, R);
	x = m[0] - n[0];
	v = m[1] - n[1];
	det = R[0] * R[3] - R[1] * R[1];
	return ((R[3] * S[0] - 2 * R[1] * S[1] + R[0] * S[3] + R[3] * x * x - 2 * R[1] * x * v + R[0] * v * v) / det - 2 +
	        log(det / (S[0] * S[3] - S[1] * S[1]))) / 2;
}

/* E_p (s_p - s_q)^2 of the velocity's scores, which are linear in u: from their values at three points. */
static int gap(const sf_rig *a, const sf_rig *b, double t, double *square)
{
	static const double u[6] = {0, 0, 1, 0, 0, 1};
	double at[3] = {t, t, t}, p[6], q[6], m[2], S[4], row[2], mean;
	int k;

	SF_TRY(sf_score_eval(a->score, SF_SCORE, 3, u, at, p));
	SF_TRY(sf_score_eval(b->score, SF_SCORE, 3, u, at, q));
	marginal(a->process, t, 0.7, 0.25, m, S);
	mean = p[1] - q[1];
	for (k = 0; k < 2; k++) {
		row[k] = p[3 + 2 * k] - q[3 + 2 * k] - (p[1] - q[1]);
		mean += row[k] * m[k];
	}
	*square = mean * mean + row[0] * row[0] * S[0] + 2 * row[0] * row[1] * S[1] + row[1] * row[1] * S[3];
	return SF_OK;
}

static int kl_rate(sf_ctx *ctx, sf_row *row)
{
	double worst = 0, square = 0;
	sf_rig a, b;
	int i, rc;

	SF_TRY(sf_rig_open(ctx, SLACK, "gaussian:mean=0.7,std=0.5", 1, NULL, NULL, &a));
	rc = sf_rig_open(ctx, SLACK, "gaussian:mean=-0.2,std=1.1", 1, NULL, NULL, &b);
	for (i = 0; i < PARTS && rc == 0; i++) {
		double t = part[i], h = 1e-3 * t;
		double slope = (8 * (kl(a.process, t + h) - kl(a.process, t - h)) -
		                (kl(a.process, t + 2 * h) - kl(a.process, t - 2 * h))) / (12 * h);

		rc = gap(&a, &b, t, &square);
		sf_worst(&worst, slope, -0.5 * (4 + 1.5 * t) * square, 0.1);
	}
	if (rc == 0)
		sf_rig_close(&b);
	sf_rig_close(&a);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-7);
}

/* Least hybrid loss per dimension on data N(0, var): 1 - [Sigma_t^-1]_vv/ell^2. */
static int least_loss(sf_ctx *ctx, sf_row *row)
{
	static const double t[] = {1e-3, 0.01, 0.1, 0.3};
	static const double want[2][4] = {{0.856724503647, 0.724195324967, 0.305298421155, 0.0163110953904},
	                                  {0.856725679837, 0.724690728359, 0.436083981913, 0.0578198090302}};
	double worst = 0, m[2], S[4];
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, PAPER, NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < 8; i++) {
		double scale = sf_process_scale(rig.process, t[i % 4]);

		marginal(rig.process, t[i % 4], 0, i < 4 ? 0.25 : 1, m, S);
		sf_worst(&worst, 1 - ell2(S) * scale * scale, want[i / 4][i % 4], 0);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-10);
}

/* The probability-flow ODE's divergence from t to 1 is half the log ratio of the determinants: by the run's map. */
static int volume(sf_ctx *ctx, sf_row *row)
{
	double u[6] = {0, 0, 1, 0, 0, 1};
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, PAPER, "gaussian:mean=0.7,std=0.5", 1, "rk45:rtol=1e-9,atol=1e-11", NULL, &rig));
	rc = sf_rig_sample(&rig, 3, 0, NAN, NAN, 0, u, NULL);
	sf_rig_close(&rig);
	if (rc < 0)
		return rc;
	return sf_row_value(row, -log((u[2] - u[0]) * (u[5] - u[1]) - (u[4] - u[0]) * (u[3] - u[1])), 2.02110249107, 1e-6);
}

#define CLD "Dockhorn, Vahdat and Kreis 2022 (2112.07068)"
#define ROW(name, what, ref, run) {"process", "cld." name, what, ref, run}

const sf_check sf_checks_cld[] = {
	ROW("published", "largest deviation of Sigma and ell from their values at eight times", CLD ", perturbation kernel",
	    published),
	ROW("propagator", "largest deviation of Phi from its values at two times", CLD ", perturbation kernel", propagator),
	ROW("mean-ode", "d Phi/dt = F Phi, by differences, three dampings", "linear SDE, mean", mean_equation),
	ROW("covariance-ode", "d Sigma/dt = F Sigma + Sigma F' + G G' given x_0", "linear SDE, covariance",
	    covariance_equation),
	ROW("noise-ode", "the same given x_0 and v_0", "linear SDE, covariance", noise_equation),
	ROW("semigroup", "two stages are one, and det Phi = exp of the trace", "Chapman-Kolmogorov, Liouville", semigroup),
	ROW("ell-hybrid", "ell sqrt(t) near 0 given x_0: sqrt(3/(4 s M)), not bounded", CLD ", hybrid score matching",
	    near_hybrid),
	ROW("ell-denoising", "ell sqrt(t) near 0 given u_0: sqrt(1/(s M))", CLD ", denoising score matching", near_denoising),
	ROW("ell-peak", "the largest ell with eps = 1e-9", CLD ", published program", peak),
	ROW("kl-rate", "d KL/dt = -Gamma beta E |difference of the velocity scores|^2", CLD ", appendix B.3", kl_rate),
	ROW("least-loss", "least hybrid loss 1 - [Sigma_t^-1]_vv/ell^2 on normal data", CLD ", appendix B.3", least_loss),
	ROW("flow-volume", "divergence of the probability flow = half log ratio of determinants", CLD ", probability flow ODE",
	    volume),
	{NULL, NULL, NULL, NULL, NULL}};
