/* check_objective.c: the losses against closed forms on Gaussians, identities between them, times and weights.
 *
 * For a linear score the integrands have degree 2 in (x,z), so the 2n points +-sqrt(n) e_k of the joint standard normal
 * of n = 2d numbers give expectations exactly.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

enum { D = 3, POINTS = 4 * D, NPARAM = 32 }; /* A at 0, b at 16 of the flat buffer */

static const double M[D] = {.5, -1, 2};
static const double C[D][D] = {{2, .3, -.4}, {.3, 1, .2}, {-.4, .2, 1.5}};
static const double A[D][D] = {{-.7, .2, .1}, {0, -1.1, .3}, {-.2, .1, -.4}};
static const double B[D] = {.3, -.2, .5};

/* Runs the loss graph of a filled draw in double: per-sample losses, and the gradient of their sum (may be NULL). */
static void run_loss(parts *p, const sf_draw *d, const double *params, double *loss, double *grad, int64_t total)
{
	size_t n = (size_t)d->n, size = n * (size_t)d->size, e = sizeof(double);
	sf_batch *b;
	sf_draw *to;
	int i;

	assert_ok(p->ctx, sf_batch_new(p->o, &p->m, d->n, 1, 0, &b));
	ck_assert_int_eq(sf_param_total(sf_batch_graph(b)), total);
	to = sf_batch_draw(b);
	memcpy(to->coef, d->coef, n * sizeof *d->coef);
	memcpy(to->weight, d->weight, n * e);
	memcpy(to->xt, d->xt, size * e);
	memcpy(to->z, d->z, size * e);
	for (i = 0; i < sf_objective_extras(p->o); i++)
		memcpy(to->extra[i], d->extra[i], n * e);
	assert_ok(p->ctx, sf_batch_run(b, params, NULL));
	memcpy(loss, sf_batch_losses(b), n * e);
	if (grad)
		memcpy(grad, sf_batch_gradient(b), (size_t)total * e);
	sf_batch_free(b);
}

static double *weights_of(parts *p, int64_t *total)
{
	sf_model_vars v;
	double *w;
	sf_graph *g;

	assert_ok(p->ctx, sf_graph_new(p->ctx, 1, &g));
	sf_model_vars_init(&v);
	assert_ok(p->ctx, sf_model_build(&p->m, g, 0, &v));
	*total = sf_param_total(g);
	w = sf_alloc((size_t)*total, sizeof *w);
	sf_param_init(g, 2, SF_F64, w);
	sf_graph_free(g);
	return w;
}

static void inverse3(double a[D][D], double out[D][D])
{
	double det = 0;
	int i, j;

	for (i = 0; i < D; i++)
		for (j = 0; j < D; j++) {
			int r = (j + 1) % D, s = (j + 2) % D, u = (i + 1) % D, v = (i + 2) % D;

			out[i][j] = a[r][u] * a[s][v] - a[r][v] * a[s][u];
		}
	for (i = 0; i < D; i++)
		det += a[0][i] * out[i][0];
	for (i = 0; i < D; i++)
		for (j = 0; j < D; j++)
			out[i][j] /= det;
}

/* Expected loss and gradient of a linear score s = a x + b on x_t = alpha x_0 + sigma z, x_0 ~ N(M,C), at time t. The
 * objective draws a batch at that time (coefficients, weights, extra inputs); the points then replace x_t and z. */
static double expected(const char *objective, const char *process, double t, double a[D][D], const double *b,
                       double *grad)
{
	static const int64_t dim[] = {D};
	double L[D][D] = {{0}}, params[NPARAM] = {0}, loss[POINTS], xt[POINTS * D], z[POINTS * D], weight[POINTS];
	double extra[2][POINTS], x0[POINTS * D] = {0}, times[POINTS], root = sqrt(2. * D), mean = 0;
	sf_coef coef[POINTS];
	sf_draw d;
	parts p;
	int i, j, k;

	open_parts(&p, "affine", process, "score", objective, 1, dim);
	for (i = 0; i < D; i++)
		for (j = 0; j <= i; j++) {
			double sum = C[i][j];

			for (k = 0; k < j; k++)
				sum -= L[i][k] * L[j][k];
			L[i][j] = i == j ? sqrt(sum) : sum / L[j][j];
		}
	memset(&d, 0, sizeof d);
	d.n = POINTS;
	d.size = D;
	d.x0 = x0;
	d.t = times;
	d.coef = coef;
	d.weight = weight;
	d.xt = xt;
	d.z = z;
	d.extra[0] = extra[0];
	d.extra[1] = extra[1];
	for (k = 0; k < POINTS; k++)
		times[k] = t;
	assert_ok(p.ctx, sf_objective_draw_at(p.o, &p.m, &d));
	memset(z, 0, sizeof z);
	for (k = 0; k < POINTS; k++) {
		double u[D] = {0}, sign = k % 2 ? -root : root;
		int axis = k / 2;

		*(axis < D ? &u[axis] : &z[k * D + axis - D]) = sign;
		for (i = 0; i < D; i++) {
			double x = M[i];

			for (j = 0; j <= i; j++)
				x += L[i][j] * u[j];
			xt[k * D + i] = coef[k].alpha * x + coef[k].sigma * z[k * D + i];
		}
	}
	for (i = 0; i < D; i++) {
		for (j = 0; j < D; j++)
			params[i * D + j] = a[i][j];
		params[16 + i] = b[i];
	}
	run_loss(&p, &d, params, loss, grad, NPARAM);
	for (k = 0; k < POINTS; k++)
		mean += loss[k] / POINTS;
	for (k = 0; grad && k < NPARAM; k++)
		grad[k] /= POINTS;
	close_parts(&p);
	return mean;
}

static void copy(double to[D][D])
{
	memcpy(to, A, sizeof A);
}

START_TEST(gaussian_values)
{
	static const struct {
		const char *spec;
		double value;
	} rows[] = {
		{"dsm:weight=one", 6.5405},
		{"dsm:weight=sigma2", 6.5405 / 4},
		{"lcss:weight=one", .5405},
		{"lcss:weight=one,antithetic=true", .5405},
		{"lcss:weight=one,control-variate=true", .5405},
		{"lcss:weight=one,norm-at=base", .28425},
		{"lcss:weight=one,norm-at=base,antithetic=true", .28425},
		{"lcss:weight=one,norm-at=base,control-variate=true", .28425},
		{"lcss:weight=one,gamma=0.5", .5405 + 1.1}, /* tr A = -2.2 */
	};
	double a[D][D];
	size_t i;

	copy(a);
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_close(expected(rows[i].spec, "edm", .5, a, B, NULL), rows[i].value, 1e-12, 1e-13);
}
END_TEST

START_TEST(gaussian_gradients) /* dJ/dA = I + A C_s + e m', dJ/db = e = A m + b */
{
	static const double dA[D][D] = {{-.58, .11, .395}, {.3, -1.815, 3.305}, {-.51, .485, -.6}};
	static const double db[D] = {-.05, 1.5, -.5};
	static const double ism[D][D] = {{-.405, .06, .37}, {.3, -1.54, 3.23}, {-.46, .46, -.5}};
	static const char *const specs[] = {"dsm:weight=one", "lcss:weight=one", "lcss:weight=one,antithetic=true",
	                                    "lcss:weight=one,control-variate=true", "lcss:weight=one,norm-at=base"};
	double a[D][D], g[NPARAM];
	int k, i, j;

	copy(a);
	for (k = 0; k < 5; k++) {
		expected(specs[k], "edm", .5, a, B, g);
		for (i = 0; i < D; i++) {
			for (j = 0; j < D; j++)
				assert_close(g[i * D + j], k == 4 ? ism[i][j] : dA[i][j], 1e-12, 1e-13);
			assert_close(g[16 + i], db[i], 1e-12, 1e-13);
		}
	}
}
END_TEST

START_TEST(minima) /* at A = -C_s^{-1}, b = C_s^{-1} m: value known, gradient zero */
{
	double cs[D][D], inv[D][D], a[D][D], b[D], g[NPARAM] = {0};
	int i, j;

	memcpy(cs, C, sizeof C);
	for (i = 0; i < D; i++)
		cs[i][i] += .25;
	inverse3(cs, inv);
	for (i = 0; i < D; i++) {
		b[i] = 0;
		for (j = 0; j < D; j++) {
			a[i][j] = -inv[i][j];
			b[i] += inv[i][j] * M[j];
		}
	}
	assert_close(expected("lcss:weight=one", "edm", .5, a, b, g), -.976815113948, 0, 1e-11);
	for (i = 0; i < NPARAM; i++)
		assert_close(g[i], 0, 0, 1e-12);
	assert_close(expected("dsm:weight=one", "edm", .5, a, b, g), 5.023184886052, 0, 1e-11);
	for (i = 0; i < NPARAM; i++)
		assert_close(g[i], 0, 0, 1e-12);
}
END_TEST

START_TEST(sign) /* at s = 0 the gradient is I: descent makes the curvature negative */
{
	static const char *const specs[] = {"dsm:weight=one", "lcss:weight=one", "lcss:weight=one,norm-at=base"};
	double a[D][D] = {{0}}, b[D] = {0}, g[NPARAM];
	int k, i, j;

	for (k = 0; k < 3; k++) {
		expected(specs[k], "edm", .5, a, b, g);
		for (i = 0; i < D; i++)
			for (j = 0; j < D; j++)
				assert_close(g[i * D + j], i == j, 0, 1e-13);
	}
}
END_TEST

START_TEST(time_goldens) /* optimum for C_t = alpha^2 C + sigma^2 I, s = -C_t^{-1}(x - alpha m) */
{
	static const struct {
		const char *process;
		double t, alpha, sigma, g2, dsm, ism;
	} rows[] = {
		{"vp", .05, .9851735110, .1715609314, 1.095, 1.4644910441, -1.2064271761},
		{"vp", .3, .6295500003, .7769599713, 6.07, 0.7129870628, -1.3037207629},
		{"vp", 1, .0065715865, .9999784069, 20, 0.0000971648, -1.4999676124},
		{"subvp", .05, .9851735110, .0294331532, .06351000, 1.4989254585, -1.2403652906},
		{"subvp", .3, .6295500003, .6036667971, 5.11652435, 0.8919068721, -1.6686894363},
		{"ve", .05, 1, .0153090591, .00399230, 1.4997176769, -1.2046182425},
		{"ve", .3, 1, .1287333294, .28229845, 1.4803444331, -1.1860515672},
		{"ve", 1, 1, 50, 42585.96595708, 0.0008993741, -0.0005996403}};
	size_t k;
	int i, j;

	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		double ct[D][D], inv[D][D], a[D][D], b[D], al = rows[k].alpha, s = rows[k].sigma, g2 = rows[k].g2;
		sf_ctx *ctx = ck_ctx();
		sf_process *p;

		assert_ok(ctx, sf_process_new(ctx, rows[k].process, &p));
		assert_close(sf_process_alpha(p, rows[k].t), al, 1e-8, 0);
		assert_close(sf_process_sigma(p, rows[k].t), s, 1e-8, 0);
		al = sf_process_alpha(p, rows[k].t);
		s = sf_process_sigma(p, rows[k].t);
		assert_close(sf_process_g2(p, rows[k].t), g2, 1e-6, 0);
		g2 = sf_process_g2(p, rows[k].t);
		sf_process_free(p);
		sf_ctx_free(ctx);
		for (i = 0; i < D; i++)
			for (j = 0; j < D; j++)
				ct[i][j] = al * al * C[i][j] + (i == j ? s * s : 0);
		inverse3(ct, inv);
		for (i = 0; i < D; i++) {
			b[i] = 0;
			for (j = 0; j < D; j++) {
				a[i][j] = -inv[i][j];
				b[i] += inv[i][j] * al * M[j];
			}
		}
		assert_close(expected("dsm", rows[k].process, rows[k].t, a, b, NULL), rows[k].dsm, 1e-9, 1e-10);
		assert_close(expected("lcss:weight=one", rows[k].process, rows[k].t, a, b, NULL), rows[k].ism, 1e-9, 1e-10);
		assert_close(expected("dsm:weight=g2", rows[k].process, rows[k].t, a, b, NULL),
		             g2 * (1.5 / (s * s) + rows[k].ism), 1e-11, 1e-10 * g2);
	}
}
END_TEST

/* Per sample l_DSM = l_LCSS + w |z|^2/2, and the same parameter gradient, for every weighting and time density. */
START_TEST(lcss_is_dsm)
{
	static const char *const options[] = {
		"weight=sigma2", "weight=one,t=lognormal,p-mean=0", "weight=g2,t=importance", "weight=edm,t=stratified",
		"weight=min-snr", "weight=sigma-p2"};
	static const char *const processes[] = {"vp", "subvp", "ve", "edm"};
	static const char *const params[] = {"eps", "score", "x0", "v", "edm"};
	int k;

	for (k = 0; k < 6; k++) {
		double loss[2][N], *grad[2], *w, norm = 0;
		int64_t total = 0, i, j;
		batch b[2];
		parts p;
		int o;

		for (o = 0; o < 2; o++) {
			char spec[80];

			snprintf(spec, sizeof spec, "%s:%s", o ? "lcss" : "dsm", options[k]);
			open_parts(&p, MLP, processes[k % 4], params[k % 5], spec, 1, plane);
			draw_batch(&p, &b[o], 7);
			w = weights_of(&p, &total);
			grad[o] = sf_alloc((size_t)total, sizeof(double));
			run_loss(&p, &b[o].d, w, loss[o], grad[o], total);
			sf_free(w);
			close_parts(&p);
		}
		ck_assert(memcmp(b[0].xt, b[1].xt, sizeof b[0].xt) == 0 && memcmp(b[0].z, b[1].z, sizeof b[0].z) == 0);
		for (i = 0; i < N; i++) {
			double z2 = 0;

			for (j = 0; j < W; j++)
				z2 += b[0].z[i * W + j] * b[0].z[i * W + j];
			assert_close(loss[0][i], loss[1][i] + b[0].weight[i] * z2 / 2, 1e-12,
			             1e-12 * b[0].weight[i] * (1 + z2));
		}
		for (i = 0; i < total; i++)
			norm = fmax(norm, fabs(grad[0][i]));
		ck_assert(norm > 0);
		for (i = 0; i < total; i++)
			assert_close(grad[0][i], grad[1][i], 1e-12, 1e-12 * norm);
		sf_free(grad[0]);
		sf_free(grad[1]);
	}
}
END_TEST

/* l_anti - |s+ - s-|^2/8 = |s+ + s-|^2/8 + z.(s+ - s-)/(2 sigma_p), lambda = 1, with scores from sf_model_score. */
START_TEST(antithetic_identity)
{
	double loss[N], sp[N * W], sm[N * W], mirrored[N * W], *w;
	int64_t total;
	sf_score *s;
	batch b;
	parts p;
	int i, j;

	open_parts(&p, MLP, "vp", "v", "lcss:weight=one,stage=two,rho=0.7,antithetic=true", 1, plane);
	draw_batch(&p, &b, 3);
	w = weights_of(&p, &total);
	run_loss(&p, &b.d, w, loss, NULL, total);
	for (i = 0; i < N * W; i++)
		mirrored[i] = b.xt[i] - 2 * b.extra[1][i / W] * b.z[i];
	assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 0, &s));
	assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, N, b.xt, b.t, sp));
	assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, N, mirrored, b.t, sm));
	for (i = 0; i < N; i++) {
		double minus = 0, plus = 0, cross = 0;

		for (j = i * W; j < (i + 1) * W; j++) {
			minus += (sp[j] - sm[j]) * (sp[j] - sm[j]);
			plus += (sp[j] + sm[j]) * (sp[j] + sm[j]);
			cross += b.z[j] * (sp[j] - sm[j]);
		}
		assert_close(loss[i] - minus / 8, plus / 8 + cross / (2 * b.extra[1][i]), 1e-10, 1e-9 * (plus + minus));
	}
	sf_score_free(s);
	sf_free(w);
	close_parts(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("objective");
	TCase *tc = tcase_create("objective");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, gaussian_values);
	tcase_add_test(tc, gaussian_gradients);
	tcase_add_test(tc, minima);
	tcase_add_test(tc, sign);
	tcase_add_test(tc, time_goldens);
	tcase_add_test(tc, lcss_is_dsm);
	tcase_add_test(tc, antithetic_identity);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
