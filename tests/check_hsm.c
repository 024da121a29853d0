/* check_hsm.c: losses on the process of position and velocity: hybrid and denoising score matching, their common
 * minimiser and its closed value, the published weightings, what LCSS and local DSM become there, mixed
 * parametrisation.
 *
 * Data x_0 ~ N(m, c) of one number, s_v affine in (x,v): integrands have degree 2 in the normals behind a draw, so
 * the 2n points +-sqrt(n) e_k give expectations exactly.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

#include "process/process.h"

enum { NORMALS = 5, POINTS = 2 * NORMALS, NPARAM = 32 }; /* x_0, e, z, v_0 or nothing, second z; A at 0, b at 16 */
static const int64_t line[] = {1};
static const double MEAN = .7;
static const double times[] = {1e-3, .01, .1, .3};

/* Mean and covariance of u_t for data N(m,c): Phi's first column carries the data. */
static void marginal(const sf_process *p, double t, double m, double c, double *mean, double *S)
{
	double P[4];
	int i;

	sf_process_phi(p, 0, t, P);
	sf_process_cov(p, t, S);
	for (i = 0; i < 4; i++)
		S[i] += P[i / 2 * 2] * P[i % 2 * 2] * c;
	mean[0] = P[0] * m;
	mean[1] = P[2] * m;
}

/* The velocity's score of N(mean,S) as A (x,v) + b, times `factor`. */
static void gaussian_score(const double *mean, const double *S, double factor, double *a)
{
	double det = S[0] * S[3] - S[1] * S[1];

	a[0] = factor * S[1] / det;
	a[1] = -factor * S[0] / det;
	a[2] = -(a[0] * mean[0] + a[1] * mean[1]);
}

/* u_t and the loss's z at the points; `second` is the standard deviation of noise added to the velocity. */
static void place(const parts *p, sf_draw *d, double t, double c, int given_velocity, double second)
{
	double P[4], S[4], l[3], root = sqrt(NORMALS), scale = sf_process_scale(p->process, t);
	int k;

	sf_process_phi(p->process, 0, t, P);
	(given_velocity ? sf_process_noise_cov : sf_process_cov)(p->process, t, S);
	l[0] = sqrt(S[0]);
	l[1] = S[1] / l[0];
	l[2] = sqrt(S[3] - l[1] * l[1]);
	for (k = 0; k < POINTS; k++) {
		double n[NORMALS] = {0}, x, v;

		n[k / 2] = k % 2 ? -root : root;
		x = MEAN + sqrt(c) * n[0];
		v = given_velocity ? sqrt(sf_process_start_var(p->process)) * n[3] : 0;
		d->xt[2 * k] = P[0] * x + P[1] * v + l[0] * n[1];
		d->xt[2 * k + 1] = P[2] * x + P[3] * v + l[1] * n[1] + l[2] * n[2] + second * n[4];
		d->z[k] = second > 0 ? n[4] : scale / l[2] * n[2];
	}
}

/* Expected loss of F = a[0] x + a[1] v + a[2], and its gradient. */
static double expected(const char *objective, const char *param, double t, double c, const double *a, double *grad)
{
	double w[NPARAM] = {0}, second = 0, mean = 0;
	const double *loss;
	sf_batch *b;
	sf_draw *d;
	parts p;
	int k;

	open_parts(&p, "affine", "cld:eps=0", param, objective, 1, line);
	assert_ok(p.ctx, sf_batch_new(p.o, &p.m, POINTS, 1, 0, &b));
	d = sf_batch_draw(b);
	for (k = 0; k < POINTS; k++)
		d->t[k] = t;
	assert_ok(p.ctx, sf_objective_draw_at(p.o, &p.m, d));
	if (strstr(objective, "stage=two"))
		second = d->extra[1][0];
	place(&p, d, t, c, strncmp(objective, "dsm", 3) == 0, second);
	memcpy(w, a, 2 * sizeof *a);
	w[16] = a[2];
	assert_ok(p.ctx, sf_batch_run(b, w, NULL));
	loss = sf_batch_losses(b);
	for (k = 0; k < POINTS; k++)
		mean += loss[k] / POINTS;
	for (k = 0; grad && k < 3; k++)
		grad[k] = ((const double *)sf_batch_gradient(b))[k < 2 ? k : 16] / POINTS;
	sf_batch_free(b);
	close_parts(&p);
	return mean;
}

static sf_process *cld(sf_ctx *ctx)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_new(ctx, "cld:eps=0", &p));
	return p;
}

/* E |z - alpha|^2 at the optimum is 1 - [S^-1]_vv/ell^2 (per dimension); ours has the half. */
START_TEST(minimum)
{
	static const double want[2][4] = {{.856724503647, .724195324967, .305298421155, .0163110953904},
	                                  {.856725679837, .724690728359, .436083981913, .0578198090302}};
	static const double var[2] = {.25, 1};
	static const double off[3][3] = {{.1, 0, 0}, {0, .1, 0}, {0, 0, .1}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = cld(ctx);
	int i, j, k, n;

	for (i = 0; i < 2; i++)
		for (j = 0; j < 4; j++) {
			double mean[2], S[4], C[4], a[3], g[3], s = sf_process_scale(p, times[j]), tail2, least, dsm;

			marginal(p, times[j], MEAN, var[i], mean, S);
			gaussian_score(mean, S, -s, a);
			least = expected("hsm", "eps", times[j], var[i], a, g);
			assert_close(least, want[i][j] / 2, 1e-10, 0);
			for (k = 0; k < 3; k++)
				assert_close(g[k], 0, 0, 1e-11);
			assert_close(expected("local-dsm", "eps", times[j], var[i], a, g), least, 1e-14, 0);
			/* the same minimiser, higher by the velocity's own share: (ell_DSM^2/ell_HSM^2 - 1)/2 */
			dsm = expected("dsm", "eps", times[j], var[i], a, g);
			sf_process_noise_cov(p, times[j], C);
			tail2 = C[3] - C[1] * C[1] / C[0];
			assert_close(dsm, least + (s * s / tail2 - 1) / 2, 1e-9, 0);
			ck_assert(dsm > least);
			for (k = 0; k < 3; k++)
				assert_close(g[k], 0, 0, 1e-10);
			for (n = 0; n < 3; n++) { /* a minimum, in every direction */
				double moved[3];

				for (k = 0; k < 3; k++)
					moved[k] = a[k] + off[n][k];
				ck_assert(expected("hsm", "eps", times[j], var[i], moved, NULL) > least);
				ck_assert(expected("dsm", "eps", times[j], var[i], moved, NULL) > dsm);
			}
		}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

static double divergence(const double *m, const double *S, const double *n, const double *R)
{
	double ds = S[0] * S[3] - S[1] * S[1], dr = R[0] * R[3] - R[1] * R[1], x = m[0] - n[0], v = m[1] - n[1];

	return (log(dr / ds) - 2 + (R[3] * S[0] - 2 * R[1] * S[1] + R[0] * S[3]) / dr +
	        (R[3] * x * x - 2 * R[1] * x * v + R[0] * v * v) / dr) / 2;
}

/* -d/dt KL(p_t|q_t) = Gamma beta E_p |s_p - s_q|^2, which weight=g2 measures: what the loss gains from s_q to s_p. */
START_TEST(likelihood)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = cld(ctx);
	int i;

	for (i = 1; i < 4; i++) {
		double t = times[i], h = 1e-4 * t, mp[2], mq[2], S[4], R[4], kl[2], a[3], b[3], s = sf_process_scale(p, t), lost;
		int side;

		for (side = 0; side < 2; side++) {
			marginal(p, t + (side ? h : -h), MEAN, .25, mp, S);
			marginal(p, t + (side ? h : -h), -.2, .6, mq, R);
			kl[side] = divergence(mp, S, mq, R);
		}
		marginal(p, t, MEAN, .25, mp, S);
		marginal(p, t, -.2, .6, mq, R);
		gaussian_score(mp, S, -s, a);
		gaussian_score(mq, R, -s, b);
		lost = expected("hsm:weight=g2", "eps", t, .25, b, NULL) - expected("hsm:weight=g2", "eps", t, .25, a, NULL);
		assert_close(lost, (kl[0] - kl[1]) / (2 * h), 1e-6, 0);
		lost = expected("dsm:weight=g2", "eps", t, .25, b, NULL) - expected("dsm:weight=g2", "eps", t, .25, a, NULL);
		assert_close(lost, (kl[0] - kl[1]) / (2 * h), 1e-6, 0);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* Two stages: the score of the velocity smoothed by sigma_p, E[L] = -[S^-1]_vv/2 there for lambda = 1. */
START_TEST(smoothed)
{
	static const struct {
		const char *spec;
		double rho, constant;
	} rows[] = {{"lcss:weight=one", 0, 0}, {"lcss:weight=one,stage=two,rho=0.7", .7, 0},
	            {"lcss:weight=one,stage=two,rho=0.7,antithetic=true", .7, 0},
	            {"lcss:weight=one,stage=two,perturb=constant,sigma-p=0.3", 0, .3}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = cld(ctx);
	size_t i;
	int k;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		double mean[2], S[4], a[3], g[3], s = sf_process_scale(p, .1), second = rows[i].rho * s + rows[i].constant;

		marginal(p, .1, MEAN, .25, mean, S);
		S[3] += second * second;
		gaussian_score(mean, S, 1, a);
		assert_close(expected(rows[i].spec, "score", .1, .25, a, g), a[1] / 2, 1e-12, 0);
		for (k = 0; k < 3; k++)
			assert_close(g[k], 0, 0, 1e-12);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- draws and weights ---- */

/* hsm: given x_0; dsm: given v_0 too, with z in units of the scale that eps is in. */
START_TEST(draws)
{
	static const char *const spec[2] = {"hsm", "dsm"};
	int given, i, k;

	for (given = 0; given < 2; given++) {
		double u[2 * W], z[W], tail, *x0;
		sf_noise key = {11, SF_NOISE_PERTURB, 4};
		sf_batch *b;
		sf_draw *d;
		parts p;

		open_parts(&p, MLP, "cld", "eps", spec[given], 1, plane);
		assert_ok(p.ctx, sf_batch_new(p.o, &p.m, N, 1, 0, &b));
		d = sf_batch_draw(b);
		d->seed = 11;
		d->step = 4;
		sf_batch_data(b, &x0, NULL);
		for (i = 0; i < N * W; i++)
			x0[i] = sin(1.3 * i);
		assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, d));
		for (i = 0; i < N; i++) {
			double scale = sf_process_scale(p.process, d->t[i]);

			assert_ok(p.ctx, sf_process_draw(p.process, W, x0 + i * W, d->t[i], key, (uint64_t)i, given, u, z, &tail));
			ck_assert(memcmp(u, d->xt + 2 * i * W, sizeof u) == 0 && d->coef[i].sigma == scale && d->weight[i] == 1);
			ck_assert(given ? tail < scale : tail == scale);
			for (k = 0; k < W; k++)
				assert_close(d->z[i * W + k], z[k] * scale / tail, 1e-15, 0);
		}
		sf_batch_free(b);
		close_parts(&p);
	}
}
END_TEST

/* Published without our half: versions 1 and 2 and the likelihood's are Gamma beta, 1 and Gamma beta ell^2 (Gamma =
 * 1, beta = 4). */
START_TEST(weights)
{
	static const struct {
		const char *spec;
		double c, power; /* w = c ell^power */
	} rows[] = {{"hsm", 1, 0}, {"hsm:weight=g2-sigma2", 8, 0}, {"hsm:weight=g2", 8, 2}, {"hsm:weight=one", 1, 2}};
	static const double ell[2][2] = {{.1, 2.67518144945}, {.01, 6.91381025172}};
	int i, j;

	for (i = 0; i < 4; i++) {
		parts p;

		open_parts(&p, MLP, "cld:eps=0", "mixed", rows[i].spec, 1, plane);
		for (j = 0; j < 2; j++)
			assert_close(sf_objective_weight(p.o, &p.m, ell[j][0], 0), rows[i].c * pow(ell[j][1], rows[i].power), 1e-10, 0);
		close_parts(&p);
	}
}
END_TEST

/* On a network: l_HSM = l_LCSS + w |z|^2/2 per sample and one gradient; local DSM is HSM to the bit. */
START_TEST(one_stage)
{
	static const char *const spec[3] = {"hsm:weight=g2", "lcss:weight=g2", "local-dsm:weight=g2"};
	double *w = NULL, *grad = NULL, largest = 0;
	double loss[N], z2[N];
	int o, i, k;

	for (o = 0; o < 3; o++) {
		int64_t total, j;
		const double *l, *g;
		double *x0;
		sf_batch *b;
		sf_draw *d;
		parts p;

		open_parts(&p, MLP, "cld", "mixed", spec[o], 1, plane);
		assert_ok(p.ctx, sf_batch_new(p.o, &p.m, N, 2, 0, &b));
		d = sf_batch_draw(b);
		d->seed = 3;
		sf_batch_data(b, &x0, NULL);
		for (i = 0; i < N * W; i++)
			x0[i] = sin(1.3 * i);
		assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, d));
		total = sf_param_total(sf_batch_graph(b));
		if (!w) {
			w = sf_alloc((size_t)total, sizeof *w);
			grad = sf_alloc((size_t)total, sizeof *grad);
			sf_param_init(sf_batch_graph(b), 2, SF_F64, w);
		}
		assert_ok(p.ctx, sf_batch_run(b, w, NULL));
		l = sf_batch_losses(b);
		g = sf_batch_gradient(b);
		if (o == 0) {
			memcpy(loss, l, sizeof loss);
			memcpy(grad, g, (size_t)total * sizeof *g);
			for (i = 0; i < N; i++)
				for (z2[i] = 0, k = 0; k < W; k++)
					z2[i] += d->weight[i] * d->z[i * W + k] * d->z[i * W + k] / 2;
			for (j = 0; j < total; j++)
				largest = fmax(largest, fabs(g[j]));
			ck_assert(largest > 0);
		} else if (o == 1) {
			for (i = 0; i < N; i++)
				assert_close(l[i] + z2[i], loss[i], 1e-12, 1e-12 * z2[i]);
			for (j = 0; j < total; j++)
				assert_close(g[j], grad[j], 1e-12, 1e-13 * largest);
		} else {
			ck_assert(memcmp(loss, l, sizeof loss) == 0 && memcmp(grad, g, (size_t)total * sizeof *g) == 0);
		}
		sf_batch_free(b);
		close_parts(&p);
	}
	sf_free(w);
	sf_free(grad);
}
END_TEST

/* ---- mixed parametrisation ---- */

/* F = 0 is the score of unit normal data, -x/(alpha^2 + sigma^2), and of two blocks -v/Sigma_vv with v_0's spread. */
START_TEST(mixed_start)
{
	static const struct {
		const char *process;
		double t, var; /* alpha^2 + sigma^2 in closed form, or Sigma_vv of the published constants */
	} rows[] = {{"cld:eps=0", .1, .215758350548}, {"cld:eps=0", .01, .0755354892222}, {"cld:eps=0", .5, .247933550212},
	            {"vp", .3, 1}, {"ddpm", .7, 1}, {"edm", .5, 1.25}, {"ve:sigma-max=1", .5, 1.01}};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		double w[NPARAM] = {0}, u[2 * W] = {.3, -.4, .9, 1.7}, out[2 * W];
		int k, two;
		sf_coef c;
		parts p;
		sf_score *s;

		open_parts(&p, "affine", rows[i].process, "mixed", "lcss", 1, plane);
		sf_param_coef(SF_PARAM_MIXED, p.process, .5, SF_COND_AUTO, 0, rows[i].t, &c);
		assert_close(c.e_x / c.sigma, 1 / rows[i].var, 1e-11, 0);
		ck_assert(c.e_f == 1 && c.c_in == 1 && c.sigma == sf_process_scale(p.process, rows[i].t));
		assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 1, &s));
		assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, 1, u, &rows[i].t, out));
		two = sf_process_blocks(p.process) == 2;
		for (k = 0; k < W; k++) {
			assert_close(out[two * W + k], -u[two * W + k] / rows[i].var, 1e-11, 0);
			if (two)
				ck_assert(out[k] == 0);
		}
		sf_score_free(s);
		close_parts(&p);
	}
}
END_TEST

/* On Gaussian data what is left for F is alpha' = eps - v/(ell Sigma_vv), linear in (x,v). */
START_TEST(mixed_remainder)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = cld(ctx);
	int j, k;

	for (j = 0; j < 4; j++) {
		double mean[2], S[4], C[4], a[3], g[3], s = sf_process_scale(p, times[j]), least;

		marginal(p, times[j], MEAN, .25, mean, S);
		sf_process_cov(p, times[j], C);
		gaussian_score(mean, S, -s, a);
		least = expected("hsm", "eps", times[j], .25, a, NULL);
		a[1] -= s / C[3];
		assert_close(expected("hsm", "mixed", times[j], .25, a, g), least, 1e-12, 0);
		for (k = 0; k < 3; k++)
			assert_close(g[k], 0, 0, 1e-11);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(refusals)
{
	static const struct {
		const char *process, *param, *objective, *reason;
	} bad[] = {{"vp", "eps", "hsm", "position and velocity"},
	           {"double-well", "eps", "hsm", "closed-form"},
	           {"static", "eps", "hsm", "closed-form"},
	           {"cld", "x0", "hsm", "mixed"},
	           {"cld", "edm", "hsm", "mixed"},
	           {"double-well", "mixed", "lcss", "eps, score, sigma-score or energy"},
	           {"cld", "eps", "hsm:weight=edm", "sigma/alpha"},
	           {"cld", "eps", "hsm:t=importance", "sigma/alpha"},
	           {"cld", "eps", "hsm:t=discrete", "levels"},
	           {"cld", "eps", "lcss:stage=two,relabel=true", "relabel"},
	           {"cld", "eps", "local-dsm:step=linearised", "one state block"}};
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		parts p;

		open_parts(&p, MLP, "vp", "eps", "dsm", 1, plane);
		sf_process_free(p.process);
		sf_objective_free(p.o);
		p.o = NULL;
		assert_ok(p.ctx, sf_process_new(p.ctx, bad[i].process, &p.process));
		assert_ok(p.ctx, sf_objective_new(p.ctx, bad[i].objective, &p.o));
		assert_ok(p.ctx, sf_param_find(p.ctx, bad[i].param, &p.m.param));
		p.m.process = p.process;
		ck_assert_int_eq(sf_objective_accepts(p.o, &p.m), SF_EUNSUP);
		ck_assert_msg(strstr(sf_ctx_message(p.ctx), bad[i].reason) != NULL, "%s on %s: %s", bad[i].objective,
		              bad[i].process, sf_ctx_message(p.ctx));
		close_parts(&p);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hsm");
	TCase *tc = tcase_create("hsm");

	tcase_add_test(tc, minimum);
	tcase_add_test(tc, likelihood);
	tcase_add_test(tc, smoothed);
	tcase_add_test(tc, draws);
	tcase_add_test(tc, weights);
	tcase_add_test(tc, one_stage);
	tcase_add_test(tc, mixed_start);
	tcase_add_test(tc, mixed_remainder);
	tcase_add_test(tc, refusals);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
