/* check_cld_runs.c: samplers on process cld with the exact score of normal data: the law of Euler-Maruyama runs, the
 * probability-flow ODE as a map of marginals, the last step without noise, positions as samples.
 *
 * On normal data a run is linear in its start and its normals: u_N = A u_0 + b + sum_i B_i z_i. The normals are known, so
 * runs enough give A, b and B by least squares, and with them the exact mean and covariance of the result.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cld_cases.h"
#include "sampler_rig.h"

#include <scorefield/grid.h>

#include <stdlib.h>

#define DATA "gaussian:mean=0.7,std=0.5"

enum { MOST = 56 }; /* columns: start (2), 1, the steps' normals */

/* Solves a x = b for symmetric positive definite a (n,n), two right-hand sides (n,2), in place. */
static void solve(int n, double *a, double *b)
{
	int i, j, k, c;

	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++) {
			double f = a[j * n + i] / a[i * n + i];

			for (k = i; k < n; k++)
				a[j * n + k] -= f * a[i * n + k];
			for (c = 0; c < 2; c++)
				b[2 * j + c] -= f * b[2 * i + c];
		}
	for (i = n - 1; i >= 0; i--)
		for (c = 0; c < 2; c++) {
			for (k = i + 1; k < n; k++)
				b[2 * i + c] -= a[i * n + k] * b[2 * k + c];
			b[2 * i + c] /= a[i * n + i];
		}
}

/* Mean and covariance (xx, xv, vv) of runs that start in N(m, S), S row-major. */
static void law(rig *r, int64_t steps, const double *m, const double *S, double *mean, double *cov)
{
	static double Z[2 * MOST][MOST], u[2 * MOST][2], a[MOST * MOST], c[MOST][2];
	int cols = (int)steps + 3, rows = 2 * cols, i, j, k;
	double A[4], P[4];

	memset(a, 0, sizeof a);
	memset(c, 0, sizeof c);
	r->run.n = rows;
	r->run.steps = steps;
	r->run.seed = 41;
	r->run.given_start = 1;
	for (i = 0; i < rows; i++) {
		sf_noise key = {41, SF_NOISE_USER, 0};

		sf_noise_normal_d(r->ctx, key, (uint64_t)i, 0, 2, Z[i]);
		memcpy(u[i], Z[i], sizeof u[i]);
		Z[i][2] = 1;
		for (j = 0; j < steps; j++) {
			sf_noise at = {41, SF_NOISE_STEP, (uint32_t)j};

			sf_noise_normal_d(r->ctx, at, (uint64_t)i, 1, 1, &Z[i][3 + j]); /* noise of the velocity */
		}
	}
	assert_ok(r->ctx, sf_sample(r->sampler, r->score, &r->run, u[0], NULL));
	for (i = 0; i < rows; i++)
		for (j = 0; j < cols; j++) {
			for (k = 0; k < cols; k++)
				a[j * cols + k] += Z[i][j] * Z[i][k];
			for (k = 0; k < 2; k++)
				c[j][k] += Z[i][j] * u[i][k];
		}
	solve(cols, a, c[0]);
	A[0] = c[0][0], A[1] = c[1][0], A[2] = c[0][1], A[3] = c[1][1];
	for (k = 0; k < 2; k++)
		mean[k] = A[2 * k] * m[0] + A[2 * k + 1] * m[1] + c[2][k];
	carry(A, S, P);
	for (j = 3; j < cols; j++)
		for (k = 0; k < 4; k++)
			P[k] += c[j][k / 2] * c[j][k % 2];
	cov[0] = P[0], cov[1] = P[1], cov[2] = P[3];
}

/* Moments published for x_0 ~ N(0.7, 0.25) from the marginal at 1 (or the prior) to 1e-3 (or, denoised, to 0). */
START_TEST(euler_maruyama)
{
	static const struct {
		const char *grid;
		int64_t steps;
		int prior;
		double want[5];
	} rows[] = {
		{"uniform", 10, 0, {0.801209610785, -0.0985507806595, 2.21750123718, 1.77025705295, 2.74051881695}},
		{"uniform", 50, 0, {0.725794162408, -0.00912877321791, 0.279898006674, 0.0259929149861, 0.164473412804}},
		{"quadratic:from=end", 10, 0, {0.750921532472, -0.00595809182396, 0.431483153097, 0.028651399214, 0.0926446348222}},
		{"quadratic:from=end", 50, 0, {0.708924780511, -0.00331564806417, 0.265846552851, 0.000517274213673, 0.0245907922544}},
		{"quadratic:from=end", 50, 1, {0.70897699795, -0.00030059136976, 0.265836295321, 0.00075832051458, 0.0077259200261}}};
	static const double m1[2] = {0.00211341455579, -0.000939295358127};
	static const double S1[4] = {0.999986249327, 6.06339521387e-6, 6.06339521387e-6, 0.249997326164};
	static const double zero[2] = {0, 0}, prior[4] = {1, 0, 0, 0.25};
	double got[5];
	int i, k;

	for (i = 0; i < 5; i++) {
		rig r = open_rig(PAPER, DATA, 1, "em");
		sf_grid *g = NULL;

		assert_ok(r.ctx, sf_grid_new(r.ctx, rows[i].grid, &g));
		r.run.grid = g;
		r.run.denoise = rows[i].prior;
		law(&r, rows[i].steps, rows[i].prior ? zero : m1, rows[i].prior ? prior : S1, got, got + 2);
		for (k = 0; k < 5; k++)
			assert_close(got[k], rows[i].want[k], 2e-11, 2e-12);
		sf_grid_free(g);
		close_rig(&r);
	}
}
END_TEST

/* Data at equilibrium: ten uniform steps of Euler-Maruyama from the prior miss it by far. */
START_TEST(equilibrium)
{
	static const double zero[2] = {0, 0}, prior[4] = {1, 0, 0, 0.25};
	rig r = open_rig("cld:eps=0,gamma=1", "gaussian", 1, "em");
	double mean[2], cov[3];

	r.run.denoise = 0;
	law(&r, 10, zero, prior, mean, cov);
	assert_close(mean[0], 0, 0, 1e-13);
	assert_close(cov[0], 2.4033, 0, 5e-5);
	assert_close(cov[1], 0.9232, 0, 5e-5);
	assert_close(cov[2], 1.1551, 0, 5e-5);
	close_rig(&r);
}
END_TEST

/* ---- the probability-flow ODE ---- */

/* The flow's affine map u -> A u + b, from three runs. */
static void flow(rig *r, double *A, double *b)
{
	double u[6] = {0, 0, 1, 0, 0, 1};
	int k;

	r->run.n = 3;
	r->run.given_start = 1;
	r->run.denoise = 0;
	assert_ok(r->ctx, sf_sample(r->sampler, r->score, &r->run, u, NULL));
	for (k = 0; k < 2; k++) {
		b[k] = u[k];
		A[2 * k] = u[2 + k] - u[k];
		A[2 * k + 1] = u[4 + k] - u[k];
	}
}

/* What the exact map would do to N(m_1, S_1) beside the marginal at 1e-3: the largest difference. */
static double miss(rig *r)
{
	static const double m1[2] = {0.00211341455579, -0.000939295358127}, m0[2] = {0.699977719109, -0.00277768936154};
	static const double S1[4] = {0.999986249327, 6.06339521387e-6, 6.06339521387e-6, 0.249997326164};
	static const double S0[4] = {0.249987279224, -0.000772815501893, -0.000772815501893, 0.0175615663723};
	double A[4], b[2], S[4], most = 0;
	int k;

	flow(r, A, b);
	carry(A, S1, S);
	for (k = 0; k < 4; k++)
		most = fmax(most, fabs(S[k] - S0[k]));
	for (k = 0; k < 2; k++)
		most = fmax(most, fabs(A[2 * k] * m1[0] + A[2 * k + 1] * m1[1] + b[k] - m0[k]));
	return most;
}

START_TEST(flow_maps_marginals)
{
	static const char *const first_order[] = {"euler", "em:eta=0"};
	rig r = open_rig(PAPER, DATA, 1, "rk45:rtol=1e-10,atol=1e-12");
	double error[2];
	int i, k;

	ck_assert(miss(&r) < 1e-8);
	close_rig(&r);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 2; i++) {
			r = open_rig(PAPER, DATA, 1, first_order[k]);
			r.run.steps = 2000 << i;
			error[i] = miss(&r);
			close_rig(&r);
		}
		assert_close(error[0] / error[1], 2, 0.02, 0);
	}
}
END_TEST

/* The map's volume: the divergence integrates to half the log ratio of the determinants, by the run and by the score's
 * derivative along the velocity, which normal data make the same everywhere. */
START_TEST(flow_volume)
{
	static const double end[] = {1e-3, 1e-5}, half_ratio[] = {2.02110249107, 2.29874815003};
	static const double x[3] = {0.2386191860831969, 0.6612093864662645, 0.9324695142031521},
			    w[3] = {0.467913934572691, 0.3607615730481386, 0.1713244923791704};
	int i, j, panel;

	for (i = 0; i < 2; i++) {
		rig r = open_rig(PAPER, DATA, 1, "rk45:rtol=1e-10,atol=1e-12");
		double A[4], b[2], sum = 0, u[2] = {0.3, -0.2}, along[2] = {0, 1}, ds[2], F[4];

		r.run.end = end[i];
		flow(&r, A, b);
		assert_close(-log(A[0] * A[3] - A[1] * A[2]), half_ratio[i], 1e-7, 0);
		for (panel = 0; panel < 60; panel++) {
			double lo = end[i] * pow(1 / end[i], panel / 60.0), hi = end[i] * pow(1 / end[i], (panel + 1) / 60.0);

			for (j = 0; j < 6; j++) {
				double t = (lo + hi) / 2 + (hi - lo) / 2 * (j % 2 ? x[j / 2] : -x[j / 2]);

				assert_ok(r.ctx, sf_score_jvp(r.score, 1, u, &t, along, ds));
				sf_process_drift_matrix(r.process, t, F);
				sum += w[j / 2] * (hi - lo) / 2 * (F[0] + F[3] - sf_process_g2(r.process, t) / 2 * ds[1]);
			}
		}
		assert_close(sum, half_ratio[i], 1e-9, 0);
		close_rig(&r);
	}
}
END_TEST

/* ---- the last step ---- */

/* u - t [f - G G' score] once, after any method; one evaluation. */
START_TEST(last_step)
{
	static const char *const specs[] = {"em", "em:eta=0", "euler", "rk45", "rk45:fixed=20"};
	int k;

	for (k = 0; k < 5; k++) {
		rig r = open_rig(PAPER, DATA, 2, specs[k]);
		sf_sample_report plain, last;
		double u[4], v[4], s[4], t = 1e-3;
		int j;

		r.run.seed = 4;
		r.run.steps = 30;
		r.run.denoise = 0;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, u, &plain));
		r.run.denoise = -1;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, v, &last));
		ck_assert(last.nfe == plain.nfe + 1);
		if (k < 3)
			ck_assert(last.nfe == 31);
		assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, 1, u, &t, s));
		for (j = 0; j < 2; j++) {
			assert_close(v[j], u[j] - t * 16 * u[2 + j], 1e-13, 1e-15);
			assert_close(v[2 + j], u[2 + j] + t * (4 * u[j] + 16 * u[2 + j] + 8 * s[2 + j]), 1e-13, 1e-15);
		}
		r.run.denoise = 1;
		r.run.nfe_max = (int64_t)plain.nfe;
		ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, v, NULL), SF_EBUDGET);
		close_rig(&r);
	}
}
END_TEST

START_TEST(refused)
{
	rig r = open_rig("cld", DATA, 1, "heun");
	double u[2];

	ck_assert_int_eq(sf_sampler_accepts(r.sampler, r.process), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "'cld' has none (two state blocks)"));
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, u, NULL), SF_EUNSUP);
	ck_assert_int_eq(sf_score_eval(r.score, SF_DENOISED, 1, u, u, u), SF_EUNSUP);
	close_rig(&r);
}
END_TEST

/* The stride in time of the paper: tau_i = (1 - e) [1 - (1 - i/N)^2]; the last step is (1 - e)/N^2. */
START_TEST(stride)
{
	rig r = open_rig("cld", NULL, 0, "em");
	sf_grid *g = NULL;
	double t[51];
	int i;

	assert_ok(r.ctx, sf_grid_new(r.ctx, "quadratic:from=end", &g));
	assert_ok(r.ctx, sf_grid_fill(g, r.process, NAN, NAN, 50, t));
	for (i = 0; i <= 50; i++)
		assert_close(1 - t[i], 0.999 * (1 - (50 - i) * (50 - i) / 2500.0), 1e-14, 1e-16);
	ck_assert(t[0] == 1 && t[50] == 1e-3);
	assert_close(t[49] - t[50], 0.999 / 2500, 1e-12, 0);
	sf_grid_free(g);
	assert_ok(r.ctx, sf_grid_new(r.ctx, "quadratic:from=end,final=zero", &g));
	assert_ok(r.ctx, sf_grid_fill(g, r.process, NAN, NAN, 5, t));
	assert_close(t[2], 1e-3 + 0.999 / 4, 1e-14, 0);
	ck_assert(t[4] == 1e-3 && t[5] == 0);
	ck_assert_int_eq(sf_grid_fill(g, r.process, 0.2, 0.4, 5, t), SF_EINVAL);
	sf_grid_free(g);
	close_rig(&r);
}
END_TEST

/* ---- samples ---- */

START_TEST(positions)
{
	rig r = open_rig("cld", "gaussian:mean=0.7:-0.3,std=0.5:0.2", 2, "em"), v = open_rig("vp", NULL, 0, "em");
	double u[12] = {1, 2, -1, -1, 3, 4, -1, -1, 5, 6, -1, -1}, *x, mean[2] = {0}, var[2] = {0};
	int i, j, n = 4000;

	sf_process_position(r.process, 3, 2, u);
	for (i = 0; i < 6; i++)
		ck_assert(u[i] == i + 1);
	sf_process_position(v.process, 3, 2, u); /* nothing to drop */
	ck_assert(u[2] == 3 && u[5] == 6);
	close_rig(&v);
	x = calloc((size_t)n, 4 * sizeof *x);
	ck_assert_ptr_nonnull(x);
	r.run.n = n;
	r.run.steps = 200;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
	sf_process_position(r.process, n, 2, x);
	for (i = 0; i < n; i++)
		for (j = 0; j < 2; j++) {
			mean[j] += x[2 * i + j] / n;
			var[j] += x[2 * i + j] * x[2 * i + j] / n;
		}
	for (j = 0; j < 2; j++) { /* four standard errors and the bias of 200 steps */
		double m = j ? -0.3 : 0.7, sd = j ? 0.2 : 0.5;

		assert_close(mean[j], m, 0, 4 * sd / sqrt(n) + 0.02);
		assert_close(var[j] - mean[j] * mean[j], sd * sd, 0, 4 * sd * sd * sqrt(2.0 / n) + 0.02);
	}
	free(x);
	close_rig(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cld-runs");
	TCase *cases = tcase_create("cld-runs");

	tcase_add_test(cases, euler_maruyama);
	tcase_add_test(cases, equilibrium);
	tcase_add_test(cases, flow_maps_marginals);
	tcase_add_test(cases, flow_volume);
	tcase_add_test(cases, last_step);
	tcase_add_test(cases, refused);
	tcase_add_test(cases, stride);
	tcase_add_test(cases, positions);
	suite_add_tcase(suite, cases);
	return sf_test_main(suite);
}
