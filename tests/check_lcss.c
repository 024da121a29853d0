/* check_lcss.c: local curvature smoothing beyond one stage on a linear process: the unconditional form on data as
 * they stand, variances of its estimators, the curvature it adds to implicit score matching, its identity with
 * finite differences on every kind of process, and two stages on position and velocity.
 *
 * Expectations are sums: the 3^n points of Gauss-Hermite rules integrate degree 5 in each normal exactly;
 * trapezoidal sums over normals converge faster than any power of the spacing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

#include "moments.h"

enum { D = 3, NPARAM = 32, CUBE = 729 }; /* A at 0, b at 16; 3^(2 D) */

static const double M[D] = {.5, -1, 2};
static const double C[D][D] = {{2, .3, -.4}, {.3, 1, .2}, {-.4, .2, 1.5}};
static const double A[D][D] = {{-.7, .2, .1}, {0, -1.1, .3}, {-.2, .1, -.4}};
static const double B[D] = {.3, -.2, .5};
static const int64_t space[] = {D};

typedef struct rig {
	parts p;
	sf_batch *b;
	sf_draw *d;
} rig;

/* A batch of n at the time .5 with the weights and extra inputs that the objective gives. */
static void open_rig(rig *r, const char *net, const char *process, const char *param, const char *objective, int rank,
                     const int64_t *dim, int64_t n)
{
	int64_t i;

	open_parts(&r->p, net, process, param, objective, rank, dim);
	assert_ok(r->p.ctx, sf_batch_new(r->p.o, &r->p.m, n, 1, 0, &r->b));
	r->d = sf_batch_draw(r->b);
	for (i = 0; i < n; i++)
		r->d->t[i] = .5;
	assert_ok(r->p.ctx, sf_objective_draw_at(r->p.o, &r->p.m, r->d));
}

static void close_rig(rig *r)
{
	sf_batch_free(r->b);
	close_parts(&r->p);
}

static void linear_score(double *w)
{
	memset(w, 0, NPARAM * sizeof *w);
	memcpy(w, A, sizeof A);
	memcpy(w + 16, B, sizeof B);
}

static void cholesky(double L[D][D])
{
	int i, j, k;

	for (i = 0; i < D; i++)
		for (j = 0; j <= i; j++) {
			double sum = C[i][j];

			for (k = 0; k < j; k++)
				sum -= L[i][k] * L[j][k];
			L[i][j] = i == j ? sqrt(sum) : sum / L[j][j];
		}
}

/* Mean and variance of the loss of s = A x + b on x' = x + z/2, x ~ N(M,C); gradient (may be NULL). */
static void statistics(const char *process, const char *objective, double *mean, double *var, double *grad)
{
	double L[D][D] = {{0}}, w[NPARAM], share[CUBE], g[NPARAM] = {0};
	const double *loss;
	rig r;
	int k, i, j;

	cholesky(L);
	linear_score(w);
	open_rig(&r, "affine", process, "score", objective, 1, space, CUBE);
	for (k = 0; k < CUBE; k++) {
		double u[2 * D];
		int rest = k;

		share[k] = 1;
		for (i = 0; i < 2 * D; i++, rest /= 3) {
			u[i] = (rest % 3 - 1) * sqrt(3);
			share[k] *= rest % 3 == 1 ? 2. / 3 : 1. / 6;
		}
		for (i = 0; i < D; i++) {
			r.d->z[k * D + i] = u[D + i];
			r.d->xt[k * D + i] = M[i] + u[D + i] / 2;
			for (j = 0; j <= i; j++)
				r.d->xt[k * D + i] += L[i][j] * u[j];
		}
		r.d->weight[k] *= grad ? CUBE * share[k] : 1;
	}
	assert_ok(r.p.ctx, sf_batch_run(r.b, w, NULL));
	loss = sf_batch_losses(r.b);
	*mean = *var = 0;
	for (k = 0; k < CUBE; k++)
		*mean += grad ? loss[k] / CUBE : share[k] * loss[k];
	for (k = 0; k < CUBE; k++)
		*var += share[k] * (loss[k] - *mean) * (loss[k] - *mean);
	memcpy(g, sf_batch_gradient(r.b), sizeof g);
	for (k = 0; grad && k < NPARAM; k++)
		grad[k] = g[k] / CUBE;
	close_rig(&r);
}

#define STATIC "lcss:stage=two,perturb=constant,sigma-p=0.5"

/* Unconditional, as first published for data with a density: x' = x + sigma z, no process. */
START_TEST(unconditional)
{
	static const struct {
		const char *spec;
		double value;
	} rows[] = {{STATIC, .5405}, {STATIC ",weight=sigma-p2", .5405 / 4}, {STATIC ",antithetic=true", .5405},
	            {STATIC ",control-variate=true", .5405}, {STATIC ",norm-at=base", .28425},
	            {STATIC ",gamma=0.5", .5405 + 1.1}, {"lcss:stage=two,rho=0.5", .5405}};
	static const double smooth[D][D] = {{-.58, .11, .395}, {.3, -1.815, 3.305}, {-.51, .485, -.6}};
	static const double plain[D][D] = {{-.405, .06, .37}, {.3, -1.54, 3.23}, {-.46, .46, -.5}};
	static const double db[D] = {-.05, 1.5, -.5};
	double mean, var, g[NPARAM];
	size_t k;
	int i, j;

	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		statistics("static", rows[k].spec, &mean, &var, NULL);
		assert_close(mean, rows[k].value, 1e-12, 1e-13);
	}
	for (k = 0; k < 2; k++) {
		statistics("static", k ? STATIC ",norm-at=base" : STATIC, &mean, &var, g);
		for (i = 0; i < D; i++) {
			for (j = 0; j < D; j++)
				assert_close(g[i * D + j], k ? plain[i][j] : smooth[i][j], 1e-11, 1e-12);
			assert_close(g[16 + i], db[i], 1e-11, 1e-12);
		}
	}
}
END_TEST

/* Of the loss of one sample, x and z random. */
START_TEST(variances)
{
	static const struct {
		const char *process, *spec;
		double var;
	} rows[] = {{"static", STATIC, 18.37659163},
	            {"edm", "lcss:weight=one", 18.37659163},
	            {"edm", "dsm:weight=one", 26.82659162},
	            {"static", STATIC ",antithetic=true", 7.23317913},
	            {"static", STATIC ",control-variate=true", 8.62169163}};
	double mean, var;
	size_t k;

	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		statistics(rows[k].process, rows[k].spec, &mean, &var, NULL);
		assert_close(var, rows[k].var, 0, 6e-9);
	}
}
END_TEST

/* Trace of the covariance over z of the gradient with respect to b, x fixed: s + z/sigma is affine in z, so its
 * second moment needs the 2 d points +-sqrt(d) e_k. */
START_TEST(gradient_variance)
{
	static const struct {
		const char *process, *spec;
		double var;
	} rows[] = {{"static", STATIC, 8.1125}, {"edm", "dsm:weight=one", 8.1125}, {"static", STATIC ",antithetic=true", 0}};
	double w[NPARAM];
	size_t k;

	linear_score(w);
	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		double sum[D] = {0}, square = 0;
		int point, i;
		rig r;

		open_rig(&r, "affine", rows[k].process, "score", rows[k].spec, 1, space, 1);
		for (point = 0; point < 2 * D; point++) {
			const double *g = sf_batch_gradient(r.b);

			for (i = 0; i < D; i++) {
				r.d->z[i] = i == point / 2 ? (point % 2 ? -sqrt(D) : sqrt(D)) : 0;
				r.d->xt[i] = .4 * i - .3 + r.d->z[i] / 2;
			}
			assert_ok(r.p.ctx, sf_batch_run(r.b, w, NULL));
			for (i = 0; i < D; i++) {
				sum[i] += g[16 + i] / (2 * D);
				square += g[16 + i] * g[16 + i] / (2 * D);
			}
		}
		for (i = 0; i < D; i++)
			square -= sum[i] * sum[i];
		assert_close(square, rows[k].var, 1e-12, 1e-12);
		close_rig(&r);
	}
}
END_TEST

/* ---- p = .3 N(-1,.25) + .7 N(1.5,.5), s(x) = 1.5 tanh(.8 x) - x ---- */

enum { XS = 41, ZS = 33, PLANE = 2 * XS * ZS };
static const double share[2] = {.3, .7}, centre[2] = {-1, 1.5}, variance[2] = {.25, .5};

/* eps = x + F with the one unit F = -1.5 tanh(.8 x). */
static void tanh_unit(const sf_graph *g, double *w)
{
	int i, set = 0;

	memset(w, 0, (size_t)sf_param_total(g) * sizeof *w);
	for (i = 0; i < sf_param_count(g); i++) {
		const sf_param_info *info = sf_param_get(g, i);

		if (strncmp(info->name, "layer0", 6) == 0 && info->shape.rank == 2)
			w[info->offset] = .8, set++;
		if (strncmp(info->name, "out", 3) == 0 && info->shape.rank == 2)
			w[info->offset] = -1.5, set++;
	}
	ck_assert_int_eq(set, 2);
}

static double on_mixture(const char *objective, double sigma)
{
	static double w[4096], weight[PLANE];
	char spec[160];
	const double *loss;
	double mean = 0;
	int c, i, j, k = 0;
	rig r;

	snprintf(spec, sizeof spec, "%s,stage=two,perturb=constant,sigma-p=%.17g", objective, sigma);
	open_rig(&r, "mlp:width=1,depth=1,act=tanh,embed=none,embed-width=2", "static", "eps", spec, 1,
	         (const int64_t[]){1}, PLANE);
	tanh_unit(sf_batch_graph(r.b), w);
	for (c = 0; c < 2; c++)
		for (i = 0; i < XS; i++)
			for (j = 0; j < ZS; j++, k++) {
				double u = .4 * (i - XS / 2), z = .5 * (j - ZS / 2);

				weight[k] = share[c] * .4 * .5 * exp(-(u * u + z * z) / 2) / (2 * SF_PI);
				r.d->z[k] = z;
				r.d->xt[k] = centre[c] + sqrt(variance[c]) * u + sigma * z;
				r.d->coef[k].e_x = 1;
			}
	assert_ok(r.p.ctx, sf_batch_run(r.b, w, NULL));
	loss = sf_batch_losses(r.b);
	for (k = 0; k < PLANE; k++)
		mean += weight[k] * loss[k];
	close_rig(&r);
	return mean;
}

/* E_p of s''' + s'^2 + s s'' (or of s'^2 alone): a smoothing by sigma adds sigma^2/2 of it. */
static double curvature(int norm_alone)
{
	double sum = 0;
	int c, i;

	for (c = 0; c < 2; c++)
		for (i = 0; i < XS; i++) {
			double u = .4 * (i - XS / 2), x = centre[c] + sqrt(variance[c]) * u, t = tanh(.8 * x), d = 1 - t * t;
			double s = 1.5 * t - x, s1 = 1.2 * d - 1, s2 = -1.92 * t * d, s3 = -1.536 * d * (d - 2 * t * t);

			sum += share[c] * .4 * exp(-u * u / 2) / sqrt(2 * SF_PI) * (norm_alone ? s1 * s1 : s3 + s1 * s1 + s * s2);
		}
	return sum;
}

START_TEST(mixture)
{
	const double ism = -.3658035879;
	double tenth = on_mixture("lcss:weight=one", .1) - ism, twentieth = on_mixture("lcss:weight=one", .05) - ism;
	double fifth = on_mixture("lcss:weight=one", .2) - ism, first, second;

	assert_close(on_mixture("lcss:weight=one", .5), -.3050222642, 0, 1e-10);
	assert_close(on_mixture("lcss:weight=one,antithetic=true", .5), -.3050222642, 0, 1e-10);
	assert_close(on_mixture("lcss:weight=one,control-variate=true", .5), -.3050222642, 0, 1e-10);
	assert_close(tenth, .0026310, 0, 5e-8);
	assert_close(curvature(0) * .01 / 2, .0026415, 0, 5e-8);
	assert_close(curvature(1) * .01 / 2, .0016952, 0, 5e-8);
	/* what is left is O(sigma^4) */
	first = fifth - curvature(0) * .04 / 2;
	second = tenth - curvature(0) * .01 / 2;
	assert_close(first / second, 16, .05, 0);
	assert_close(twentieth, curvature(0) * .0025 / 2, 5e-3, 0);
}
END_TEST

/* ---- any process ---- */

/* l_anti - |s+ - s-|^2/8 = |s+ + s-|^2/8 + z.(s+ - s-)/(2 sigma_p): antithetic LCSS is FD-SSM-VR along sigma_p z plus
 * a penalty on curvature (lambda = 1). */
START_TEST(antithetic)
{
	static const struct {
		const char *process, *spec;
	} rows[] = {{"cld", "lcss:weight=one,antithetic=true,stage=two,rho=0.7"}, {"cld", "lcss:weight=one,antithetic=true"},
	            {"double-well", "lcss:weight=one,antithetic=true,stage=two,perturb=constant,sigma-p=0.2"},
	            {"double-well", "lcss:weight=one,antithetic=true"}, {"sech", "lcss:weight=one,antithetic=true"},
	            {"static", "lcss:weight=one,antithetic=true,stage=two"}};
	size_t k;

	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		double sp[2 * N * W], sm[2 * N * W], mirrored[2 * N * W], *w, *x0;
		const double *loss;
		int i, j, blocks;
		sf_score *s;
		rig r;

		open_rig(&r, MLP, rows[k].process, "eps", rows[k].spec, 1, plane, N);
		blocks = sf_process_blocks(r.p.process);
		sf_batch_data(r.b, &x0, NULL);
		for (i = 0; i < N * W; i++)
			x0[i] = sin(1.3 * i);
		assert_ok(r.p.ctx, sf_objective_draw(r.p.o, &r.p.m, r.d));
		w = sf_alloc((size_t)sf_param_total(sf_batch_graph(r.b)), sizeof *w);
		sf_param_init(sf_batch_graph(r.b), 2, SF_F64, w);
		assert_ok(r.p.ctx, sf_batch_run(r.b, w, NULL));
		loss = sf_batch_losses(r.b);
		memcpy(mirrored, r.d->xt, (size_t)(blocks * N * W) * sizeof *mirrored);
		for (i = 0; i < N; i++)
			for (j = 0; j < W; j++)
				mirrored[(i * blocks + blocks - 1) * W + j] -= 2 * r.d->extra[1][i] * r.d->z[i * W + j];
		assert_ok(r.p.ctx, sf_model_score(&r.p.m, SF_F64, w, 0, &s));
		assert_ok(r.p.ctx, sf_score_eval(s, SF_SCORE, N, r.d->xt, r.d->t, sp));
		assert_ok(r.p.ctx, sf_score_eval(s, SF_SCORE, N, mirrored, r.d->t, sm));
		for (i = 0; i < N; i++) {
			double minus = 0, plus = 0, cross = 0, sigma = r.d->extra[1][i];

			for (j = 0; j < W; j++) {
				int at = (i * blocks + blocks - 1) * W + j;

				minus += (sp[at] - sm[at]) * (sp[at] - sm[at]);
				plus += (sp[at] + sm[at]) * (sp[at] + sm[at]);
				cross += r.d->z[i * W + j] * (sp[at] - sm[at]);
			}
			ck_assert(minus > 0);
			assert_close(loss[i] - minus / 8, plus / 8 + cross / (2 * sigma), 1e-10, 1e-9 * (plus + minus) + 1e-10 / sigma);
		}
		sf_score_free(s);
		sf_free(w);
		close_rig(&r);
	}
}
END_TEST

/* Position and velocity: given (x', x_0), -z/sigma_p has the mean -(v' - E[v|x,x_0])/tau^2 and the variance
 * sigma^2/(sigma_p^2 tau^2), tau^2 = sigma^2 + sigma_p^2: less noise, the same target. */
START_TEST(rao_blackwell)
{
	enum { COUNT = 20000 };
	static double gap[COUNT], target[COUNT], term[COUNT];
	double P[4], S[4], s, second, tau2, *x0;
	rig r;
	int i;

	open_rig(&r, "affine", "cld:eps=0", "eps", "lcss:stage=two,rho=0.6", 1, (const int64_t[]){1}, COUNT);
	sf_batch_data(r.b, &x0, NULL);
	for (i = 0; i < COUNT; i++)
		x0[i] = sin(1.3 * i);
	for (i = 0; i < COUNT; i++)
		r.d->t[i] = .1;
	assert_ok(r.p.ctx, sf_objective_draw_at(r.p.o, &r.p.m, r.d));
	sf_process_phi(r.p.process, 0, .1, P);
	sf_process_cov(r.p.process, .1, S);
	s = sqrt(S[3] - S[1] * S[1] / S[0]);
	second = r.d->extra[1][0];
	tau2 = s * s + second * second;
	assert_close(second, .6 / 2.67518144945, 1e-10, 0);
	assert_close(r.d->extra[0][0], 1 / .6, 1e-12, 0);
	for (i = 0; i < COUNT; i++) {
		gap[i] = r.d->xt[2 * i + 1] - P[2] * x0[i] - S[1] / S[0] * (r.d->xt[2 * i] - P[0] * x0[i]);
		target[i] = -r.d->z[i] / second;
		term[i] = target[i] + gap[i] / tau2;
	}
	assert_product(gap, gap, COUNT, tau2);
	assert_product(gap, target, COUNT, -1);
	assert_product(gap, term, COUNT, 0);
	assert_product(term, term, COUNT, s * s / (second * second * tau2));
	close_rig(&r);
}
END_TEST

/* Noise that single precision rounds away is refused: the kernel's in one stage as for dsm, the second one in two. */
START_TEST(precision)
{
	static const struct {
		const char *process, *spec;
	} rows[] = {{"ve:sigma-min=1e-8,sigma-max=1", "dsm"}, {"ve:sigma-min=1e-8,sigma-max=1", "lcss"},
	            {"ve:sigma-min=1e-8,sigma-max=1", "local-dsm"}, {"edm", "lcss:stage=two,perturb=constant,sigma-p=1e-6"}};
	size_t k;

	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		parts p;

		open_parts(&p, MLP, rows[k].process, "eps", rows[k].spec, 1, plane); /* sound in double */
		p.m.type = SF_F32;
		ck_assert_int_eq(sf_objective_accepts(p.o, &p.m), SF_ERANGE);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(p.ctx), "rounding"));
		close_parts(&p);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lcss");
	TCase *tc = tcase_create("lcss");

	tcase_add_test(tc, unconditional);
	tcase_add_test(tc, variances);
	tcase_add_test(tc, gradient_variance);
	tcase_add_test(tc, mixture);
	tcase_add_test(tc, antithetic);
	tcase_add_test(tc, rao_blackwell);
	tcase_add_test(tc, precision);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
