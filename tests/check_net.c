/* check_net.c: networks, parametrisations and the model around them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model_case.h"
#include "support.h"

#include <scorefield.h>

#include "net/build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- counting parameters by hand ---- */
static int64_t dense(int64_t i, int64_t o) { return i * o + o; }
static int64_t conv(int64_t i, int64_t o, int64_t k) { return k * k * i * o + o; }
static int64_t res(int64_t i, int64_t o, int64_t e, int shortcut)
{
	return 2 * i + conv(i, o, 3) + dense(e, o) + 2 * o + conv(o, o, 3) + (shortcut ? conv(i, o, 1) : 0);
}
static int64_t attn(int64_t c) { return 2 * c + 4 * conv(c, c, 1); }

static int64_t count(const char *net, int rank, const int64_t *dim, int classes)
{
	sf_ctx *ctx = ck_ctx();
	sf_model m = make_model(ctx, net, "vp", "eps", rank, dim, classes);
	int64_t n = 0, total;

	assert_ok(ctx, sf_model_check(&m));
	assert_ok(ctx, sf_model_params(&m, &n, &total));
	ck_assert_int_ge(total, n);
	free_model(&m);
	sf_ctx_free(ctx);
	return n;
}

START_TEST(mlp_parameters)
{
	static const int64_t two[] = {2}, image[] = {4, 4, 3};
	int64_t w = 24, e = 16;

	ck_assert_int_eq(count("mlp:width=24,depth=3,embed-width=16", 1, two, 0),
	                 dense(e, e) + dense(2, w) + 2 * dense(w, w) + 3 * dense(e, w) + dense(w, 2));
	ck_assert_int_eq(count("mlp:width=24,depth=1,embed-width=16,residual=true", 3, image, 0),
	                 dense(e, e) + dense(48, w) + dense(e, w) + dense(w, 48));
	/* labels: one row a class, and a bias */
	ck_assert_int_eq(count("mlp:width=24,depth=1,embed-width=16", 1, two, 10) -
	                 count("mlp:width=24,depth=1,embed-width=16", 1, two, 0), 11 * 16);
	/* Fourier frequencies are stored too, but not trained */
	ck_assert_int_eq(count("mlp:width=24,depth=1,embed-width=16,embed=fourier", 1, two, 0),
	                 count("mlp:width=24,depth=1,embed-width=16", 1, two, 0));
	/* nothing to embed: layers alone; labels bring the embedding back */
	ck_assert_int_eq(count("mlp:width=24,depth=3,embed-width=16,embed=none", 1, two, 0),
	                 dense(2, w) + 2 * dense(w, w) + dense(w, 2));
	ck_assert_int_eq(count("mlp:width=24,depth=3,embed-width=16,embed=none", 1, two, 10),
	                 count("mlp:width=24,depth=3,embed-width=16", 1, two, 10));
	ck_assert_int_eq(count("affine", 1, two, 0), 6);
}
END_TEST

/* base 64, mult 1,2,2, 2 blocks, attention at 14x14 (each block) and in the middle, 28x28x1 */
START_TEST(unet_parameters_ho)
{
	static const int64_t dim[] = {28, 28, 1};
	int64_t e = 256, n = 0;

	n += dense(64, e) + dense(e, e) + conv(1, 64, 3);
	n += 2 * res(64, 64, e, 0) + conv(64, 64, 3);                                           /* 28 */
	n += res(64, 128, e, 1) + res(128, 128, e, 0) + 2 * attn(128) + conv(128, 128, 3);      /* 14 */
	n += 2 * res(128, 128, e, 0);                                                           /* 7 */
	n += 2 * res(128, 128, e, 0) + attn(128);
	/* skips, last first: 128 128 128 | 128 128 64 | 64 64 64 */
	n += 3 * res(256, 128, e, 1) + conv(128, 128, 3);
	n += 2 * res(256, 128, e, 1) + res(192, 128, e, 1) + 3 * attn(128) + conv(128, 128, 3);
	n += res(192, 64, e, 1) + 2 * res(128, 64, e, 1);
	n += 2 * 64 + conv(64, 1, 3);
	ck_assert_int_eq(n, 6469889);
	ck_assert_int_eq(count("unet:width=64,mult=1:2:2,blocks=2,attn=14,attn-up=each,resample=conv", 3, dim, 0), n);
}
END_TEST

/* DDPM++ cont. of Song et al. 2021 on CIFAR-10: 61,804,419, and the deep one 106,632,579 */
START_TEST(unet_parameters_ddpmpp)
{
	static const int64_t dim[] = {32, 32, 3};

	ck_assert_int_eq(count("unet:width=128,mult=1:2:2:2,blocks=4,attn=16", 3, dim, 0), 61804419);
	ck_assert_int_eq(count("unet:width=128,mult=1:2:2:2,blocks=8,attn=16", 3, dim, 0), 106632579);
}
END_TEST

static void refuse(const char *net, int rank, const int64_t *dim, const char *word)
{
	sf_ctx *ctx = ck_ctx();
	sf_net *n;

	assert_ok(ctx, sf_net_new(ctx, net, &n));
	ck_assert_int_lt(sf_net_accepts(n, rank, dim), 0);
	ck_assert_msg(strstr(sf_ctx_message(ctx), word) != NULL, "%s", sf_ctx_message(ctx));
	sf_net_free(n);
	sf_ctx_free(ctx);
}

START_TEST(refusals)
{
	static const int64_t odd[] = {30, 30, 1}, two[] = {2}, fine[] = {32, 16, 3};
	static const int64_t large[] = {100000};
	sf_ctx *ctx = ck_ctx();
	sf_net *n;

	refuse("unet:mult=1:2:2", 3, odd, "multiples of 4");
	refuse("unet", 1, two, "images");
	refuse("unet:attn=9", 3, fine, "attn=9");
	refuse("affine", 1, large, "4096");
	ck_assert_int_eq(sf_net_new(ctx, "unte", &n), SF_ENAME);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "unet"));
	ck_assert_int_eq(sf_net_new(ctx, "mlp:width=0", &n), SF_ERANGE);
	ck_assert_int_eq(sf_net_new(ctx, "mlp:embed-width=7", &n), SF_EINVAL);
	ck_assert_int_eq(sf_net_new(ctx, "unet:mult=1.5", &n), SF_EINVAL);
	assert_ok(ctx, sf_net_new(ctx, "unet:attn=16:8", &n));
	assert_ok(ctx, sf_net_accepts(n, 3, fine));
	sf_net_free(n);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- running a model's graph in double ---- */
typedef struct bench {
	sf_model m;
	sf_graph *g;
	sf_plan *plan;
	sf_model_vars v;
	int64_t n, total;
	double *params, *x, *in[5], *eps;
} bench;

static void bench_open(sf_ctx *ctx, bench *b, const char *net, const char *process, const char *param, int rank,
                       const int64_t *dim, int classes, int order, int64_t n)
{
	int64_t i;
	int k;
	sf_var var[5];

	memset(b, 0, sizeof *b);
	b->m = make_model(ctx, net, process, param, rank, dim, classes);
	b->n = n;
	assert_ok(ctx, sf_graph_new(ctx, order, &b->g));
	sf_model_vars_init(&b->v);
	assert_ok(ctx, sf_model_build(&b->m, b->g, 0, &b->v));
	assert_ok(ctx, sf_plan_new(b->g, &b->v.eps, 1, SF_F64, n, &b->plan));
	b->total = sf_param_total(b->g);
	b->params = sf_alloc((size_t)b->total, sizeof(double));
	sf_param_init(b->g, 3, SF_F64, b->params);
	for (i = 0; i < b->total; i++) /* away from zero biases and zero last layers */
		b->params[i] += .02 * sin(1 + 3 * (double)i);
	b->x = sf_alloc((size_t)(n * b->m.size), sizeof(double));
	b->eps = sf_alloc((size_t)(n * b->m.size), sizeof(double));
	for (i = 0; i < n * b->m.size; i++)
		b->x[i] = sin(.7 * (double)i);
	var[0] = b->v.c_in;
	var[1] = b->v.c_noise;
	var[2] = b->v.e_x;
	var[3] = b->v.e_f;
	var[4] = b->v.label;
	for (k = 0; k < 5; k++)
		b->in[k] = sf_alloc((size_t)n, sizeof(double));
	for (i = 0; i < n; i++) {
		sf_coef c;

		sf_model_coef(&b->m, .2 + .15 * (double)i, &c);
		b->in[0][i] = c.c_in;
		b->in[1][i] = c.c_noise;
		b->in[2][i] = c.e_x;
		b->in[3][i] = c.e_f;
		b->in[4][i] = classes ? (double)(i % (classes + 1)) - 1 : 0;
	}
	assert_ok(ctx, sf_plan_bind(b->plan, b->v.x, b->x));
	for (k = 0; k < 5; k++)
		if (var[k] != SF_NOVAR)
			assert_ok(ctx, sf_plan_bind(b->plan, var[k], b->in[k]));
	assert_ok(ctx, sf_plan_bind_params(b->plan, b->params));
	assert_ok(ctx, sf_plan_output(b->plan, 0, b->eps));
}

static void bench_run(sf_ctx *ctx, bench *b)
{
	sf_run run;

	memset(&run, 0, sizeof run);
	run.n = b->n;
	assert_ok(ctx, sf_plan_run(b->plan, &run));
}

static void bench_close(bench *b)
{
	int k;

	sf_plan_free(b->plan);
	sf_graph_free(b->g);
	free_model(&b->m);
	for (k = 0; k < 5; k++)
		sf_free(b->in[k]);
	sf_free(b->x);
	sf_free(b->eps);
	sf_free(b->params);
}

static const char *const nets[] = {
	"mlp:width=8,depth=2,embed-width=8", "mlp:width=8,depth=3,embed-width=8,act=tanh,residual=true,embed=fourier,fourier-scale=1",
	"unet:width=8,mult=1:2,blocks=1,attn=4,init-scale=1",
	"unet:width=8,mult=1:2,blocks=1,resample=conv,attn=8:4,attn-up=each,init-scale=1,skip-rescale=false", "affine"};

START_TEST(orders_agree) /* composites and primitives are the same function; every registered net is shaped */
{
	static const int64_t dim[] = {8, 8, 1};
	sf_ctx *ctx = ck_ctx();
	bench a, b;
	int64_t i;

	bench_open(ctx, &a, nets[_i], "vp", "eps", 3, dim, 3, 1, 2);
	bench_open(ctx, &b, nets[_i], "vp", "eps", 3, dim, 3, 2, 2);
	ck_assert_int_eq(sf_shape_of(a.g, a.v.eps).rank, 3);
	ck_assert_int_eq(sf_shape_of(a.g, a.v.eps).size, 64);
	bench_run(ctx, &a);
	bench_run(ctx, &b);
	for (i = 0; i < 128; i++) {
		ck_assert(isfinite(a.eps[i]));
		assert_close(a.eps[i], b.eps[i], 1e-10, 1e-11);
	}
	bench_close(&a);
	bench_close(&b);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(gradient) /* of sum(eps^2) in a few parameters of each tensor, against central differences */
{
	static const int64_t dim[] = {8, 8, 1};
	sf_ctx *ctx = ck_ctx();
	sf_var *wrt, *grad, loss;
	double *out, worst = 0;
	sf_plan *plan;
	int np, i;
	bench b;

	bench_open(ctx, &b, nets[_i], "vp", "eps", 3, dim, 3, 1, 2);
	np = sf_param_count(b.g);
	wrt = sf_alloc((size_t)np, sizeof *wrt);
	grad = sf_alloc((size_t)np, sizeof *grad);
	out = sf_alloc((size_t)b.total, sizeof *out);
	for (i = 0; i < np; i++)
		wrt[i] = sf_param_get(b.g, i)->var;
	loss = sf_sumsq(b.g, b.v.eps);
	assert_ok(ctx, sf_grad(b.g, loss, wrt, np, grad));
	assert_ok(ctx, sf_plan_new(b.g, grad, np, SF_F64, 2, &plan));
	assert_ok(ctx, sf_plan_bind(plan, b.v.x, b.x));
	assert_ok(ctx, sf_plan_bind(plan, b.v.c_in, b.in[0]));
	assert_ok(ctx, sf_plan_bind(plan, b.v.c_noise, b.in[1]));
	assert_ok(ctx, sf_plan_bind(plan, b.v.e_x, b.in[2]));
	assert_ok(ctx, sf_plan_bind(plan, b.v.e_f, b.in[3]));
	assert_ok(ctx, sf_plan_bind(plan, b.v.label, b.in[4]));
	assert_ok(ctx, sf_plan_bind_params(plan, b.params));
	for (i = 0; i < np; i++)
		assert_ok(ctx, sf_plan_output(plan, i, out + sf_param_get(b.g, i)->offset));
	{
		sf_run run;

		memset(&run, 0, sizeof run);
		run.n = 2;
		assert_ok(ctx, sf_plan_run(plan, &run));
	}
	for (i = 0; i < np; i++) {
		const sf_param_info *p = sf_param_get(b.g, i);
		int64_t k;

		for (k = 0; k < p->shape.size; k += p->shape.size / 2 + 1) {
			double *w = b.params + p->offset + k, keep = *w, h = 1e-5, f[2] = {0, 0}, fd, g;
			int side;
			int64_t j;

			for (side = 0; side < 2; side++) {
				*w = keep + (side ? -h : h);
				bench_run(ctx, &b);
				for (j = 0; j < 2 * b.m.size; j++)
					f[side] += b.eps[j] * b.eps[j];
			}
			*w = keep;
			fd = (f[0] - f[1]) / (2 * h);
			g = out[p->offset + k];
			if (strstr(p->name, "frequencies")) { /* fixed by design */
				ck_assert(g == 0);
				continue;
			}
			ck_assert_msg(fabs(fd - g) <= 1e-6 * (1 + fabs(g) + fabs(f[0]) / 100), "%s[%d]: %.12g, expected %.12g",
			              p->name, (int)k, g, fd);
			worst = fmax(worst, fabs(g));
		}
	}
	ck_assert(worst > 0);
	sf_plan_free(plan);
	bench_close(&b);
	sf_free(wrt);
	sf_free(grad);
	sf_free(out);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- parametrisations ---- */
START_TEST(edm_golden) /* Karras et al. 2022, table 1 with sd = 0.5 */
{
	static const double rows[][6] = {/* sigma, c_skip, c_out, c_in, c_noise, weight = 1/c_out^2 */
		{.1, 0.9615384615, 0.09805806757, 1.961161351, -0.5756462732, 104},
		{.5, .5, 0.3535533906, 1.414213562, -0.1732867951, 8},
		{1, .2, 0.4472135955, 0.894427191, 0, 5},
		{80, 3.906097418e-05, 0.4999902347, 0.01249975587, 1.095506659, 4.00015625}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p;
	int i;

	assert_ok(ctx, sf_process_new(ctx, "edm", &p));
	for (i = 0; i < 4; i++) {
		double s = rows[i][0];
		sf_coef c;

		sf_param_coef(SF_PARAM_EDM, p, .5, SF_COND_LOG4, 0, sf_process_time_of_ratio(p, s), &c);
		assert_close(c.sigma / c.alpha, s, 1e-14, 0);
		assert_close(1 - c.e_x * c.sigma, rows[i][1], 1e-9, 1e-14); /* c_skip */
		assert_close(-c.e_f * c.sigma, rows[i][2], 1e-9, 0);      /* c_out */
		assert_close(c.c_in, rows[i][3], 1e-9, 0);
		assert_close(c.c_noise, rows[i][4], 1e-9, 1e-12);
		assert_close(1 / (c.e_f * c.e_f * s * s), rows[i][5], 1e-9, 0);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(parametrisations) /* F made from a known x_0 and z gives eps = z back, for every process that has a model */
{
	const sf_class *const *cls = sf_members("process");
	sf_ctx *ctx = ck_ctx();
	int k, j;

	for (; *cls; cls++) {
		sf_process *p;

		assert_ok(ctx, sf_process_new(ctx, (*cls)->name, &p));
		if (sf_process_blocks(p) != 1 || !sf_process_linear(p)) {
			sf_process_free(p);
			continue;
		}
		for (j = 0; j <= 10; j++) {
			double lo = sf_process_t_train(p), hi = sf_process_horizon(p), t = lo + (hi - lo) * j / 10;
			double x0 = .7, z = -1.3, sd = .5, a = sf_process_alpha(p, t), s = sf_process_sigma(p, t), r = s / a;
			double x = a * x0 + s * z, f[5];

			f[SF_PARAM_EPS] = z;
			f[SF_PARAM_SCORE] = -z / s;
			f[SF_PARAM_X0] = x0;
			f[SF_PARAM_V] = (a * z - s * x0) / sqrt(a * a + s * s);
			/* D = c_skip x/a + c_out F = x0 */
			f[SF_PARAM_EDM] = (x0 - sd * sd / (r * r + sd * sd) * x / a) / (r * sd / sqrt(r * r + sd * sd));
			for (k = 0; k < 5; k++) {
				sf_coef c;

				sf_param_coef(k, p, sd, SF_COND_TIME, 0, t, &c);
				/* x0 amplifies the rounding of x by 1/sigma, edm's F is made from a difference */
				assert_close(c.e_x * x + c.e_f * f[k], z, 1e-12, 1e-14 * (1 + fabs(x) / s));
				assert_close(c.c_noise, 999 * t / hi, 1e-12, 0);
			}
		}
		sf_process_free(p);
	}
	ck_assert_int_eq(sf_param_find(ctx, "epss", &k), SF_ENAME);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "'eps'"));
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(embedding) /* positional, width 4: frequencies 1 and 1e-4; order sin, sin, cos, cos */
{
	static const double rows[][5] = {
		{1, .841470984808, 9.99999998333e-5, .540302305868, .999999995},
		{999, -.0264607527371, .0997339157313, .999649852981, .995014143645}};
	sf_ctx *ctx = ck_ctx();
	sf_var cond, e[2];
	double out[4], wide[20];
	sf_graph *g;
	sf_plan *plan;
	sf_run run;
	int i, k;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	cond = sf_input(g, "cond", 1, 0, NULL);
	e[0] = sf_net_embed(g, SF_EMBED_POSITIONAL, cond, 4, 0);
	e[1] = sf_net_embed(g, SF_EMBED_POSITIONAL, cond, 20, 0);
	assert_ok(ctx, sf_plan_new(g, e, 2, SF_F64, 1, &plan));
	memset(&run, 0, sizeof run);
	run.n = 1;
	for (i = 0; i < 2; i++) {
		assert_ok(ctx, sf_plan_bind(plan, cond, &rows[i][0]));
		assert_ok(ctx, sf_plan_output(plan, 0, out));
		assert_ok(ctx, sf_plan_output(plan, 1, wide));
		assert_ok(ctx, sf_plan_run(plan, &run));
		for (k = 0; k < 4; k++)
			assert_close(out[k], rows[i][k + 1], 1e-10, 1e-13);
		for (k = 0; k < 10; k++) { /* ten frequencies are not a power of two */
			double angle = rows[i][0] * exp(-log(10000.) * k / 9);

			assert_close(wide[k], sin(angle), 1e-10, 1e-11);
			assert_close(wide[10 + k], cos(angle), 1e-10, 1e-11);
		}
	}
	sf_plan_free(plan);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(condition) /* c_noise: time for VP, logarithm for VE, EDM and Fourier features */
{
	static const int64_t dim[] = {2};
	sf_ctx *ctx = ck_ctx();
	sf_model m;
	sf_coef c;

	m = make_model(ctx, "mlp", "vp", "eps", 1, dim, 0);
	sf_model_coef(&m, .5, &c);
	assert_close(c.c_noise, 499.5, 1e-14, 0);
	free_model(&m);
	m = make_model(ctx, "mlp", "ve", "eps", 1, dim, 0);
	sf_model_coef(&m, .5, &c);
	assert_close(c.c_noise, log(c.sigma) / 4, 1e-14, 0);
	free_model(&m);
	m = make_model(ctx, "mlp:embed=fourier", "vp", "eps", 1, dim, 0);
	sf_model_coef(&m, .5, &c);
	assert_close(c.c_noise, log(c.sigma / c.alpha) / 4, 1e-14, 0);
	free_model(&m);
	m = make_model(ctx, "mlp", "vp", "edm", 1, dim, 0);
	sf_model_coef(&m, .5, &c);
	assert_close(c.c_noise, log(c.sigma / c.alpha) / 4, 1e-14, 0);
	m.sigma_data = 0;
	ck_assert_int_eq(sf_model_check(&m), SF_ERANGE);
	free_model(&m);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net");
	TCase *tc = tcase_create("net");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, mlp_parameters);
	tcase_add_test(tc, unet_parameters_ho);
	tcase_add_test(tc, unet_parameters_ddpmpp);
	tcase_add_test(tc, refusals);
	tcase_add_loop_test(tc, orders_agree, 0, 5);
	tcase_add_loop_test(tc, gradient, 0, 5);
	tcase_add_test(tc, edm_golden);
	tcase_add_test(tc, parametrisations);
	tcase_add_test(tc, embedding);
	tcase_add_test(tc, condition);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
