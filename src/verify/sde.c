/* sde.c: checks of the samplers that renew noise or follow one Brownian path: the law of that path, exact variances
 * of runs on normal data, and how fast they approach the true one (the weak order).
 *
 * A run on N(0, q) data is linear in its start and its noise. The expected side carries x as a vector of
 * coefficients of independent unit normals through the published formulas; the measured side fits such coefficients
 * to runs of the library (of the increments of the path, whose values are known).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"
#include "sampler/frame.h"
#include "verify/verify.h"

#include <math.h>
#include <string.h>

enum { STEPS = 128, COLS = 2 * STEPS + 2, ROWS = COLS + 60, SEED = 71 };

#define DATA "gaussian:std=0.7"
static const double q = 0.49;
#define RANGE "edm:sigma-min=0.05,sigma-max=10"
#define KARRAS "karras:final=last"
#define LOG "logsnr"

/* ---- the path ---- */

/* cov(W(a), W(b)) = min(a, b) from the coefficients, for levels of all sizes. */
static int path_law(sf_ctx *ctx, sf_row *row)
{
	static const double at[] = {1e-5, 0.002, 0.0021, 0.7, 0.7002, 1, 3.3, 20, 40, 79.99, 80};
	enum { POINTS = sizeof at / sizeof *at };
	double worst = 0;
	int i, j, a, b;

	(void)ctx;
	for (i = 0; i < POINTS; i++)
		for (j = 0; j <= i; j++) {
			double cov = 0;
			sf_brown v, w;

			sf_brown_at(80, at[i], &v);
			sf_brown_at(80, at[j], &w);
			for (a = 0; a < v.n; a++)
				for (b = 0; b < w.n; b++)
					if (v.node[a] == w.node[b])
						cov += v.c[a] * w.c[b];
			sf_worst(&worst, cov, at[j], 0);
		}
	return sf_row_worst(row, worst, 1e-12);
}

/* ---- expected: coefficients through the formulas, in the frame of edm ---- */

typedef struct model {
	int solver; /* 0 2s, 1 2s-ancestral, 2 2m, 3 3m; 4 Euler ancestral, 5 dpm_2 ancestral */
	int taylor, published;
	double eta, s_noise;
} model;
enum { S2, S2A, M2, M3, EULER, DPM2 };

typedef double coefs[COLS];

/* out += w v */
static void plus(double *out, double w, const double *v)
{
	int i;

	for (i = 0; i < COLS; i++)
		out[i] += w * v[i];
}

/* D = x q/(q + s^2) */
static void denoised(double *D, const double *x, double s)
{
	memset(D, 0, sizeof(coefs));
	plus(D, q / (q + s * s), x);
}

static void ancestral(double s, double t, double eta, double *down, double *up)
{
	*up = fmin(t, eta * sqrt(t * t * (s * s - t * t) / (s * s)));
	*down = sqrt(t * t - *up * *up);
}

/* Step i from s to t: normal 2i + 1 is the increment of the path from s to the middle, 2i + 2 that to t. */
static void advance(const model *m, int i, double s, double t, double D[3][COLS], const double *h_old, double *x)
{
	double mid = sqrt(s * t), down, up, h = log(s / t), he = h * (1 + m->eta), share = sqrt((s - mid) / (s - t));
	static coefs x2, D2, y;
	double d, u, p2, p3, r0, r1;
	int single = m->solver != M2 && m->solver != M3;

	memset(y, 0, sizeof y);
	ancestral(s, t, m->eta, &down, &up);
	if (single) {
		double amount = m->s_noise * up;

		denoised(D[0], x, s);
		memcpy(D2, D[0], sizeof D2);
		if (m->solver != EULER) {
			memset(x2, 0, sizeof x2);
			if (m->solver != S2)
				mid = sqrt(s * down);
			d = mid;
			if (m->solver == S2) {
				ancestral(s, mid, m->eta, &d, &u);
				x2[2 * i + 1] = m->s_noise * u;
			}
			plus(x2, d / s, x);
			plus(x2, 1 - d / s, D[0]);
			denoised(D2, x2, mid);
		}
		if (m->solver == DPM2) { /* x + (down - s) (x2 - D2)/mid */
			plus(y, 1, x);
			plus(y, (down - s) / mid, x2);
			plus(y, -(down - s) / mid, D2);
		} else {
			plus(y, down / s, x);
			plus(y, 1 - down / s, D2);
		}
		if (m->solver == S2 || m->solver == S2A) {
			y[2 * i + 1] += amount * share;
			y[2 * i + 2] += amount * sqrt(1 - share * share);
		} else {
			y[2 * i + 1] += amount;
		}
	} else {
		memcpy(D[2], D[1], sizeof(coefs));
		memcpy(D[1], D[0], sizeof(coefs));
		denoised(D[0], x, s);
		plus(y, t / s * exp(-m->eta * h), x);
		plus(y, -expm1(-he), D[0]);
		p2 = expm1(-he) / he + 1;
		p3 = p2 / he - 0.5;
		r0 = h_old[0] / h;
		r1 = h_old[1] / h;
		if (i == 0) {
			d = 0;
		} else if (i == 1 || m->solver == M2) {
			d = (m->solver == M2 && !m->taylor ? -0.5 * expm1(-he) : p2) / r0;
			plus(y, d, D[0]);
			plus(y, -d, D[1]);
		} else { /* p2 d1 - p3 d2, d1 = a + r0/(r0+r1) (a - b), d2 = (a - b)/(r0+r1) (or twice it) */
			d = (p2 * r0 - p3 * (m->published ? 1 : 2)) / (r0 + r1);
			plus(y, (p2 + d) / r0, D[0]);
			plus(y, -(p2 + d) / r0 - d / r1, D[1]);
			plus(y, d / r1, D[2]);
		}
		d = m->s_noise * t * sqrt(-expm1(-2 * m->eta * h));
		y[2 * i + 1] += d * share;
		y[2 * i + 2] += d * sqrt(1 - share * share);
	}
	memcpy(x, y, sizeof y);
}

static double expected(const model *m, int steps, const double *sigma)
{
	static coefs x, D[3];
	double h_old[2] = {1, 1}, sum = 0;
	int i;

	memset(x, 0, sizeof x);
	memset(D, 0, sizeof D);
	x[0] = sqrt(q + sigma[0] * sigma[0]);
	for (i = 0; i < steps; i++) {
		advance(m, i, sigma[i], sigma[i + 1], D, h_old, x);
		h_old[1] = h_old[0];
		h_old[0] = log(sigma[i] / sigma[i + 1]);
	}
	for (i = 0; i < COLS; i++)
		sum += x[i] * x[i];
	return sum;
}

/* ---- measured ---- */

static double path_at(sf_ctx *ctx, double rho, uint64_t sample)
{
	sf_brown w;
	double sum = 0, z;
	int j;

	sf_brown_at(10, rho, &w);
	for (j = 0; j < w.n; j++) {
		sf_noise key = {SEED, SF_NOISE_BROWN, w.node[j]};

		sf_noise_normal_d(ctx, key, sample, 0, 1, &z);
		sum += w.c[j] * z;
	}
	return sum;
}

/* The start's normal, and those of each step: two increments of the path, or the step's noise (then the second is
 * unused). */
static void normals(sf_ctx *ctx, int on_path, int steps, const double *sigma, uint64_t sample, double *z)
{
	sf_noise key = {SEED, SF_NOISE_USER, 0};
	double before, mid, after;
	int i;

	sf_noise_normal_d(ctx, key, sample, 0, 1, z);
	before = on_path ? path_at(ctx, sigma[0], sample) : 0;
	for (i = 0; i < steps; i++) {
		double s = sigma[i], t = sigma[i + 1], m = sqrt(s * t);

		if (!on_path) {
			key.purpose = SF_NOISE_STEP;
			key.step = (uint32_t)i;
			sf_noise_normal_d(ctx, key, sample, 0, 1, &z[1 + i]);
			continue;
		}
		mid = path_at(ctx, m, sample);
		after = path_at(ctx, t, sample);
		z[2 * i + 1] = (before - mid) / sqrt(s - m);
		z[2 * i + 2] = (mid - after) / sqrt(m - t);
		before = after;
	}
}

/* Solves (Z'Z) b = Z'y for b by Cholesky, and returns |b|^2. */
static int least_squares(int64_t rows, int64_t cols, const double *Z, const double *y, double *a, double *b,
                         double *square)
{
	int64_t i, j;

	sf_blas_gemm(1, 0, cols, cols, rows, 1, Z, cols, Z, cols, 0, a, cols);
	sf_blas_gemm(1, 0, cols, 1, rows, 1, Z, cols, y, 1, 0, b, 1);
	SF_TRY(sf_blas_cholesky(cols, a));
	for (i = 0; i < cols; i++) {
		for (j = 0; j < i; j++)
			b[i] -= a[i * cols + j] * b[j];
		b[i] /= a[i * cols + i];
	}
	*square = 0;
	for (i = cols; i-- > 0;) {
		for (j = i + 1; j < cols; j++)
			b[i] -= a[j * cols + i] * b[j];
		b[i] /= a[i * cols + i];
		*square += b[i] * b[i];
	}
	return SF_OK;
}

static int measured(sf_ctx *ctx, const char *sampler, const char *grid, int on_path, int steps, double *sigma,
                    double *variance)
{
	int64_t cols = on_path ? 2 * steps + 1 : steps + 1, rows = cols + 60, i;
	double *Z = sf_alloc((size_t)(rows * cols + cols * cols + rows + cols), sizeof *Z), *a, *y, *b;
	sf_rig rig;
	int rc;

	if (!Z)
		return sf_fail(ctx, SF_ENOMEM, "sampler check: out of memory");
	a = Z + rows * cols;
	y = a + cols * cols;
	b = y + rows;
	rc = sf_rig_open(ctx, RANGE, DATA, 1, sampler, grid, &rig);
	if (rc == 0)
		rc = sf_grid_fill(rig.grid, rig.process, NAN, NAN, steps, sigma);
	for (i = 0; rc == 0 && i < rows; i++) {
		normals(ctx, on_path, steps, sigma, (uint64_t)i, Z + i * cols);
		y[i] = Z[i * cols] * sqrt(q + sigma[0] * sigma[0]);
	}
	if (rc == 0)
		rc = sf_rig_sample(&rig, rows, steps, NAN, NAN, SEED, y, NULL);
	if (rc == 0)
		rc = least_squares(rows, cols, Z, y, a, b, variance);
	sf_rig_close(&rig);
	sf_free(Z);
	return rc;
}

static int law(sf_ctx *ctx, sf_row *row, const char *sampler, model m)
{
	double sigma[STEPS + 1], variance = NAN;

	SF_TRY(measured(ctx, sampler, KARRAS, m.solver <= M3, 24, sigma, &variance));
	return sf_row_value(row, variance, expected(&m, 24, sigma), 1e-11);
}

/* log2 of the ratio of the variance's errors in N and 2N steps. */
static int weak(sf_ctx *ctx, sf_row *row, const char *sampler, const char *grid, int on_path, int steps,
                double expected)
{
	double sigma[STEPS + 1], coarse, fine, exact = q + 0.05 * 0.05;

	SF_TRY(measured(ctx, sampler, grid, on_path, steps / 2, sigma, &coarse));
	SF_TRY(measured(ctx, sampler, grid, on_path, steps, sigma, &fine));
	return sf_row_value(row, log(fabs((coarse - exact) / (fine - exact))) / log(2), expected, 0.1);
}

#define CHECK(name, sampler, ...)                                                                   \
	static int law_##name(sf_ctx *ctx, sf_row *row)                                             \
	{                                                                                           \
		static const model m = {__VA_ARGS__};                                               \
		return law(ctx, row, sampler, m);                                                   \
	}
#define WEAK(name, sampler, grid, on_path, steps, order)                                            \
	static int weak_##name(sf_ctx *ctx, sf_row *row)                                            \
	{                                                                                           \
		return weak(ctx, row, sampler, grid, on_path, steps, order);                        \
	}

CHECK(2s, "dpmpp-sde", S2, 0, 0, 1, 1)
CHECK(2s_half, "dpmpp-sde:eta=0.5,s-noise=1.01", S2, 0, 0, 0.5, 1.01)
CHECK(2sa, "dpmpp-sde:solver=2s-ancestral", S2A, 0, 0, 1, 1)
CHECK(2m, "dpmpp-sde:solver=2m", M2, 0, 0, 1, 1)
CHECK(2m_half, "dpmpp-sde:solver=2m,variant=taylor,eta=0.5,s-noise=0.9", M2, 1, 0, 0.5, 0.9)
CHECK(3m, "dpmpp-sde:solver=3m", M3, 0, 0, 1, 1)
CHECK(3m_published, "dpmpp-sde:solver=3m,published=true,eta=0.5", M3, 0, 1, 0.5, 1)
CHECK(euler, "euler-ancestral", EULER, 0, 0, 1, 1)
CHECK(euler_half, "euler-ancestral:eta=0.5,s-noise=1.02", EULER, 0, 0, 0.5, 1.02)
CHECK(ddim, "ddim:eta=1", EULER, 0, 0, 1, 1)
CHECK(dpm2, "dpm2:eta=1", DPM2, 0, 0, 1, 1)
CHECK(dpm2_half, "dpm2:eta=0.5,s-noise=1.02", DPM2, 0, 0, 0.5, 1.02)
WEAK(2s_half, "dpmpp-sde:eta=0.5", KARRAS, 1, 64, 2)
WEAK(2sa, "dpmpp-sde:solver=2s-ancestral", KARRAS, 1, 64, 2)
WEAK(2m, "dpmpp-sde:solver=2m", KARRAS, 1, 64, 2)
WEAK(2m_half, "dpmpp-sde:solver=2m,variant=taylor,eta=0.5", KARRAS, 1, 64, 2)
WEAK(3m, "dpmpp-sde:solver=3m", LOG, 1, 128, 2)
WEAK(euler, "euler-ancestral", KARRAS, 0, 128, 1)
WEAK(dpm2, "dpm2:eta=1", KARRAS, 0, 128, 2)

#define SDE "Lu et al. 2022 (2211.01095)"
#define SONG "Song et al. 2021 (2011.13456), appendix F"
#define DDIM "Song, Meng and Ermon 2021 (2010.02502)"
#define EDM "Karras et al. 2022 (2206.00364)"
#define VARIANCE "variance of 24 steps on normal data: "
#define ORDER "weak order: "

const sf_check sf_checks_sde[] = {
	{"sampler", "dpmpp-sde.path", "covariance of the Brownian path at any two levels", "Levy's construction", path_law},
	{"sampler", "dpmpp-sde.variance-2s", VARIANCE "2S", SDE, law_2s},
	{"sampler", "dpmpp-sde.variance-2s-half", VARIANCE "2S, eta = 1/2", SDE, law_2s_half},
	{"sampler", "dpmpp-sde.variance-2s-ancestral", VARIANCE "2S ancestral", SDE, law_2sa},
	{"sampler", "dpmpp-sde.variance-2m", VARIANCE "2M", SDE, law_2m},
	{"sampler", "dpmpp-sde.variance-2m-half", VARIANCE "2M, all terms, eta = 1/2", SDE, law_2m_half},
	{"sampler", "dpmpp-sde.variance-3m", VARIANCE "3M", SDE, law_3m},
	{"sampler", "dpmpp-sde.variance-published", VARIANCE "3M as published, eta = 1/2", SDE, law_3m_published},
	{"sampler", "dpmpp-sde.weak-2s", ORDER "2S, eta = 1/2", SDE, weak_2s_half},
	{"sampler", "dpmpp-sde.weak-2s-ancestral", ORDER "2S ancestral", SDE, weak_2sa},
	{"sampler", "dpmpp-sde.weak-2m", ORDER "2M", SDE, weak_2m},
	{"sampler", "dpmpp-sde.weak-2m-half", ORDER "2M, all terms, eta = 1/2", SDE, weak_2m_half},
	{"sampler", "dpmpp-sde.weak-3m", ORDER "3M", SDE, weak_3m},
	{"sampler", "euler-ancestral.variance", VARIANCE "eta = 1", SONG, law_euler},
	{"sampler", "euler-ancestral.variance-half", VARIANCE "eta = 1/2", SONG, law_euler_half},
	{"sampler", "euler-ancestral.weak", ORDER "eta = 1", SONG, weak_euler},
	{"sampler", "ddim.variance", VARIANCE "eta = 1", DDIM, law_ddim},
	{"sampler", "dpm2.variance", VARIANCE "eta = 1", EDM, law_dpm2},
	{"sampler", "dpm2.variance-half", VARIANCE "eta = 1/2", EDM, law_dpm2_half},
	{"sampler", "dpm2.weak", ORDER "eta = 1", EDM, weak_dpm2},
	{NULL, NULL, NULL, NULL, NULL}};
