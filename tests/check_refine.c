/* check_refine.c: NCSN and NCSNv2 against other implementations (tests/golden/README.md), their numbers of parameters,
 * initial values, sizes, and training.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "golden_net.h"
#include "support.h"

#include "net/refine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct net {
	const char *golden, *spec;
	int divided; /* the file's output is divided by sigma of the level, 50 to .01 */
};
static const struct net nets[] = {{"ncsnv2-small", "ncsnv2:width=16", 1},
                                  {"ncsn-small", "ncsn:width=8,levels=5", 0},
                                  {"ncsnv2-128-small", "ncsnv2:width=8,size=128", 0},
                                  {"ncsnv2-256-small", "ncsnv2:width=8,size=256", 0}};
enum { NETS = sizeof nets / sizeof *nets, SIGMAS = 10 };

static sf_net_io io_of(sf_var x, sf_var cond)
{
	sf_net_io io;

	memset(&io, 0, sizeof io);
	io.x = x;
	io.cond = cond;
	io.label = io.augment = SF_NOVAR;
	return io;
}

static sf_var network(sf_graph *g, const char *spec, sf_var x, sf_var cond)
{
	sf_ctx *ctx = ck_ctx();
	sf_net_io io = io_of(x, cond);
	sf_net *net;
	sf_var y;

	assert_ok(ctx, sf_net_new(ctx, spec, &net));
	y = sf_net_build(net, g, &io);
	sf_net_free(net);
	sf_ctx_free(ctx);
	return y;
}

static sf_var build(sf_graph *g, const golden_io *in, void *user)
{
	const struct net *n = user;
	const int64_t dim[2] = {SIGMAS, 1};
	double sigma[SIGMAS];
	sf_var y = network(g, n->spec, in->x, in->cond);
	int i;

	if (!n->divided)
		return y;
	for (i = 0; i < SIGMAS; i++)
		sigma[i] = exp(log(50) + (log(.01) - log(50)) * i / (SIGMAS - 1));
	return sf_div(g, y, sf_gather(g, sf_const_tensor(g, 2, dim, sigma), in->cond));
}

/* The names are theirs; their 1x1 convolution is a matrix here. */
static void place(const char *theirs, golden_place *p, void *user)
{
	const char *table = strstr(theirs, "embed.weight");

	(void)user;
	snprintf(p->name[0], sizeof p->name[0], "%s", theirs);
	p->parts = 1;
	p->keep = table != NULL;
}

static void check_golden(int i, sf_dtype type, double rtol)
{
	struct net n = nets[i];
	golden_case c;

	memset(&c, 0, sizeof c);
	c.file = n.golden;
	c.build = build;
	c.place = place;
	c.user = &n;
	golden_check(&c, type, rtol);
}

START_TEST(golden_double)
{
	check_golden(_i, SF_F64, 1e-9);
}
END_TEST

START_TEST(golden_float)
{
	check_golden(_i, SF_F32, 1e-4);
}
END_TEST

/* ---- parameters ---- */

static sf_graph *graph_of(sf_ctx *ctx, const char *spec, int order, const int64_t *dim, sf_var *y)
{
	sf_graph *g;
	sf_var x;

	assert_ok(ctx, sf_graph_new(ctx, order, &g));
	x = sf_input(g, "x", 1, 3, dim); /* 0, and 1 the condition */
	*y = network(g, spec, x, sf_input(g, "cond", 1, 0, NULL));
	assert_ok(ctx, sf_graph_status(g));
	return g;
}

static int64_t conv(int64_t k, int64_t in, int64_t out, int bias)
{
	return k * k * in * out + (bias ? out : 0);
}

/* The same structure counted by hand: `up` = channels of the levels, `down` = those refined to, dilated from level d on. */
static int64_t counted(int n, const int64_t *up, const int64_t *down, int d, int64_t levels)
{
	const int64_t per = levels ? 3 * levels : 3; /* numbers of a normalisation by channel */
	const int64_t in_norms = levels ? per : 0;   /* the same where NCSNv2 has none */
	int64_t total = conv(3, 3, up[0], 1) + conv(3, up[0], 3, 1) + per * up[0], rcu;
	int i, j;

	for (i = 0; i < n; i++) {
		int64_t in = i ? up[i - 1] : up[0], out = up[i];

		total += 2 * per * in + conv(3, in, in, 1) + conv(3, in, out, 1); /* first block */
		if (i > 0)
			total += conv(i >= d ? 3 : 1, in, out, 1);
		total += 2 * per * out + 2 * conv(3, out, out, 1);
		for (j = 0; j < (i == n - 1 ? 1 : 2); j++) { /* its refine block */
			int64_t c = j ? down[i + 1] : out;

			rcu = 4 * (conv(3, c, c, 0) + in_norms * c);
			total += rcu + (i == n - 1 ? 0 : conv(3, c, down[i], 1) + in_norms * c);
		}
		total += (2 + (i ? 2 : 6)) * (conv(3, down[i], down[i], 0) + in_norms * down[i]);
	}
	return total;
}

START_TEST(parameters)
{
	static const int64_t small[3] = {32, 32, 3}, medium[3] = {128, 128, 3}, large[3] = {256, 256, 3};
	static const int64_t up[] = {128, 256, 256, 256}, down[] = {128, 128, 256, 256};
	static const int64_t up2[] = {128, 256, 256, 512, 512}, down2[] = {128, 128, 256, 256, 512};
	static const int64_t up3[] = {128, 256, 256, 256, 512, 512}, down3[] = {128, 128, 256, 256, 256, 512};
	const struct {
		const char *spec;
		const int64_t *dim;
		int64_t want;
	} row[] = {{"ncsnv2", small, 29694083},
	           {"ncsnv2", small, counted(4, up, down, 2, 0)},
	           {"ncsnv2", medium, counted(5, up2, down2, 3, 0)},
	           {"ncsnv2", large, counted(6, up3, down3, 4, 0)},
	           {"ncsn:levels=7", small, counted(4, up, down, 2, 7)}};
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		sf_ctx *ctx = ck_ctx();
		int64_t n = 0;
		sf_var y;
		sf_graph *g = graph_of(ctx, row[i].spec, 1, row[i].dim, &y);
		int k;

		for (k = 0; k < sf_param_count(g); k++)
			n += sf_param_get(g, k)->shape.size;
		ck_assert_msg(n == row[i].want, "%s at %lld: %lld parameters, expected %lld", row[i].spec,
		              (long long)row[i].dim[0], (long long)n, (long long)row[i].want);
		sf_graph_free(g);
		sf_ctx_free(ctx);
	}
}
END_TEST

static const sf_param_info *named(const sf_graph *g, const char *name)
{
	int i;

	for (i = 0; i < sf_param_count(g); i++)
		if (strcmp(sf_param_get(g, i)->name, name) == 0)
			return sf_param_get(g, i);
	ck_abort_msg("no parameter '%s'", name);
	return NULL;
}

static void moments(const double *p, int64_t n, double *mean, double *sd, double *most)
{
	double s = 0, q = 0;
	int64_t i;

	for (i = 0, *most = 0; i < n; i++) {
		s += p[i];
		*most = fmax(*most, fabs(p[i]));
	}
	*mean = s / (double)n;
	for (i = 0; i < n; i++)
		q += (p[i] - *mean) * (p[i] - *mean);
	*sd = sqrt(q / (double)n);
}

/* As PyTorch's layers begin: within 1/sqrt(fan_in), standard deviation a third of that's square's root; gains N(1, .02^2),
 * shifts 0. Six standard errors. */
START_TEST(initial_values)
{
	static const int64_t dim[3] = {8, 8, 3};
	sf_ctx *ctx = ck_ctx();
	double *flat, mean, sd, most, gain[2 * 24 * 40], shift[24 * 40], *row, *p;
	const sf_param_info *w;
	sf_var y;
	sf_graph *g = graph_of(ctx, "ncsn:width=24,levels=40", 1, dim, &y);
	int64_t n;
	int i;

	flat = malloc((size_t)sf_param_total(g) * sizeof *flat);
	sf_param_init(g, 5, SF_F64, flat);
	for (i = 0; i < 2; i++) {
		w = named(g, i ? "res1.0.conv1.bias" : "res1.0.conv1.weight");
		p = flat + w->offset;
		n = w->shape.size;
		moments(p, n, &mean, &sd, &most);
		ck_assert(most <= 1 / sqrt(9 * 24) && most > .9 / sqrt(9 * 24));
		assert_close(mean, 0, 0, 6 * sd / sqrt((double)n));
		assert_close(sd, 1 / sqrt(3. * 9 * 24), 0, 6 * sd / sqrt((double)n));
	}
	p = flat + named(g, "normalizer.embed.weight")->offset;
	for (i = 0; i < 40; i++) {
		row = p + (int64_t)i * 72;
		memcpy(gain + (ptrdiff_t)i * 48, row, 48 * sizeof *row);
		memcpy(shift + (ptrdiff_t)i * 24, row + 48, 24 * sizeof *row);
	}
	moments(shift, 960, &mean, &sd, &most);
	ck_assert_double_eq(most, 0);
	moments(gain, 1920, &mean, &sd, &most);
	assert_close(mean, 1, 0, 6 * .02 / sqrt(1920));
	assert_close(sd, .02, 0, 6 * .02 / sqrt(2 * 1920));
	free(flat);
	sf_graph_free(g);
	g = graph_of(ctx, "ncsnv2:width=512", 1, dim, &y);
	flat = malloc((size_t)sf_param_total(g) * sizeof *flat);
	sf_param_init(g, 5, SF_F64, flat);
	for (i = 0; i < 2; i++) {
		moments(flat + named(g, i ? "normalizer.alpha" : "normalizer.gamma")->offset, 512, &mean, &sd, &most);
		assert_close(mean, 1, 0, 6 * .02 / sqrt(512));
		assert_close(sd, .02, 0, 6 * .02 / sqrt(2 * 512));
	}
	moments(flat + named(g, "normalizer.beta")->offset, 512, &mean, &sd, &most);
	ck_assert_double_eq(most, 0);
	free(flat);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- one normalisation ---- */

/* Two channels, two pixels: 0, 2 and 2, 4. Means 1 and 3, so m = 2, v = 2 (unbiased); variances 1, so
 * y = gamma (-+1/sqrt(1 + e) -+ alpha/sqrt(2 + e)) + beta. */
START_TEST(norm_known)
{
	static const int64_t dim[3] = {1, 2, 2};
	static const double x[4] = {0, 2, 2, 4}, gamma[2] = {2, 3}, alpha[2] = {.5, -.25}, beta[2] = {.1, .2};
	sf_ctx *ctx = ck_ctx();
	int conditional, c, p;

	for (conditional = 0; conditional < 2; conditional++) {
		double out[4], params[64] = {0}, level = 1;
		sf_refine r;
		sf_graph *g;
		sf_plan *plan;
		sf_var in, index, y;
		sf_run run;

		assert_ok(ctx, sf_graph_new(ctx, 1, &g));
		in = sf_input(g, "x", 1, 3, dim);
		index = sf_input(g, "level", 1, 0, NULL);
		r.level = index;
		r.levels = conditional ? 3 : 0;
		y = sf_refine_norm(g, &r, "n", in);
		assert_ok(ctx, sf_plan_new(g, &y, 1, SF_F64, 1, &plan));
		for (c = 0; c < 2; c++) {
			if (conditional) { /* row 1 of (3,6) */
				params[6 + c] = gamma[c];
				params[8 + c] = alpha[c];
				params[10 + c] = beta[c];
			} else {
				params[named(g, "n.gamma")->offset + c] = gamma[c];
				params[named(g, "n.alpha")->offset + c] = alpha[c];
				params[named(g, "n.beta")->offset + c] = beta[c];
			}
		}
		assert_ok(ctx, sf_plan_bind(plan, in, x));
		assert_ok(ctx, sf_plan_bind(plan, index, &level));
		assert_ok(ctx, sf_plan_bind_params(plan, params));
		assert_ok(ctx, sf_plan_output(plan, 0, out));
		memset(&run, 0, sizeof run);
		run.n = 1;
		assert_ok(ctx, sf_plan_run(plan, &run));
		for (p = 0; p < 2; p++)
			for (c = 0; c < 2; c++) {
				double h = (p ? 1 : -1) / sqrt(1 + 1e-5), s = (c ? 1 : -1) / sqrt(2 + 1e-5);

				assert_close(out[2 * p + c], gamma[c] * (h + alpha[c] * s) + beta[c], 1e-14, 1e-14);
			}
		sf_plan_free(plan);
		sf_graph_free(g);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Orders 1 and 2 give one function; <u, J v> = <J'u, v>, which joins the two modes through every layer. */
START_TEST(orders)
{
	static const char *const spec[] = {"ncsn:width=4,levels=3", "ncsnv2:width=4"};
	static const int64_t dim[3] = {6, 4, 3};
	enum { N = 2, SIZE = 6 * 4 * 3 };
	sf_ctx *ctx = ck_ctx();
	double x[N * SIZE], u[N * SIZE], v[N * SIZE], level[N] = {2, 0}, y[3][N * SIZE], s[2][N], *flat = NULL;
	int order, i;

	for (i = 0; i < N * SIZE; i++) {
		x[i] = .5 + .5 * sin(3 * i);
		u[i] = cos(i);
		v[i] = sin(2 * i + 1);
	}
	for (order = 1; order <= 2; order++) {
		sf_var f, in = 0, cond = 1, iu, iv, d, out[3];
		sf_graph *g = graph_of(ctx, spec[_i], order, dim, &f);
		sf_plan *plan;
		sf_run run;

		iu = sf_input(g, "u", 1, 3, dim);
		iv = sf_input(g, "v", 1, 3, dim);
		out[0] = f;
		if (order == 2) {
			out[1] = sf_dot(g, iu, sf_jvp(g, f, in, iv));
			assert_ok(ctx, sf_grad(g, sf_dot(g, iu, f), &in, 1, &d));
			out[2] = sf_dot(g, iv, d);
		}
		if (!flat) {
			flat = malloc((size_t)sf_param_total(g) * sizeof *flat);
			sf_param_init(g, 3, SF_F64, flat);
		}
		assert_ok(ctx, sf_plan_new(g, out, order == 2 ? 3 : 1, SF_F64, N, &plan));
		assert_ok(ctx, sf_plan_bind(plan, in, x));
		assert_ok(ctx, sf_plan_bind(plan, cond, level));
		assert_ok(ctx, sf_plan_bind(plan, iu, u));
		assert_ok(ctx, sf_plan_bind(plan, iv, v));
		assert_ok(ctx, sf_plan_bind_params(plan, flat));
		assert_ok(ctx, sf_plan_output(plan, 0, y[order]));
		for (i = 0; order == 2 && i < 2; i++)
			assert_ok(ctx, sf_plan_output(plan, i + 1, s[i]));
		memset(&run, 0, sizeof run);
		run.n = N;
		assert_ok(ctx, sf_plan_run(plan, &run));
		sf_plan_free(plan);
		sf_graph_free(g);
	}
	for (i = 0; i < N * SIZE; i++)
		assert_close(y[1][i], y[2][i], 1e-11, 1e-12);
	for (i = 0; i < N; i++) {
		ck_assert(fabs(s[0][i]) > 1e-3);
		assert_close(s[0][i], s[1][i], 1e-11, 0);
	}
	free(flat);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- what they take ---- */

START_TEST(sizes)
{
	static const struct {
		const char *spec;
		int64_t h, w;
		const char *why; /* NULL: taken */
	} row[] = {
		{"ncsnv2", 32, 32, NULL}, {"ncsnv2", 28, 26, NULL}, {"ncsnv2", 4, 4, NULL},
		{"ncsnv2", 31, 32, "multiples of 2 from 4 on"}, {"ncsnv2", 2, 4, "the data are 2x4"},
		{"ncsn", 94, 94, NULL}, {"ncsn", 96, 94, "size=128 halves an image 2 times"},
		{"ncsnv2", 96, 100, NULL}, {"ncsnv2", 128, 126, "multiples of 4 from 8 on"},
		{"ncsnv2", 130, 128, "size=256 halves an image 3 times"}, {"ncsnv2", 136, 8, "multiples of 8 from 16 on"},
		{"ncsnv2", 136, 16, NULL}, {"ncsnv2:size=64", 130, 128, NULL}, {"ncsn:size=256", 32, 48, NULL},
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		sf_ctx *ctx = ck_ctx();
		int64_t dim[3] = {row[i].h, row[i].w, 3};
		sf_net *net;
		int rc;

		assert_ok(ctx, sf_net_new(ctx, row[i].spec, &net));
		rc = sf_net_accepts(net, 3, dim);
		ck_assert_msg(rc == (row[i].why ? SF_EUNSUP : SF_OK), "%s %dx%d: %d", row[i].spec, (int)row[i].h, (int)row[i].w,
		              rc);
		if (row[i].why)
			ck_assert_msg(strstr(sf_ctx_message(ctx), row[i].why) != NULL, "%s", sf_ctx_message(ctx));
		sf_net_free(net);
		sf_ctx_free(ctx);
	}
}
END_TEST

START_TEST(refusals)
{
	static const int64_t dim[3] = {8, 8, 1};
	sf_ctx *ctx = ck_ctx();
	sf_net_io io;
	sf_graph *g;
	sf_net *net;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	assert_ok(ctx, sf_net_new(ctx, "ncsnv2:width=4", &net));
	io = io_of(sf_input(g, "x", 1, 3, dim), sf_input(g, "cond", 1, 0, NULL));
	io.classes = 10;
	ck_assert_int_eq(sf_net_build(net, g, &io), SF_NOVAR);
	ck_assert_int_eq(sf_graph_status(g), SF_EUNSUP);
	ck_assert(strstr(sf_ctx_message(ctx), "class labels") != NULL);
	ck_assert(!sf_net_smooth(net));
	sf_net_free(net);
	ck_assert_int_eq(sf_net_new(ctx, "ncsnv2:size=100", &net), SF_EINVAL);
	ck_assert_int_eq(sf_net_new(ctx, "ncsn:levels=0", &net), SF_ERANGE);
	assert_ok(ctx, sf_net_new(ctx, "ncsn", &net));
	ck_assert(sf_net_smooth(net));
	sf_net_free(net);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- two steps on the digits, as the papers train ---- */

START_TEST(training)
{
	static const char *const settings[][3] = {
		{"net.spec=ncsnv2:width=8", "model.parametrisation=sigma-score", "process.spec=ve:sigma-min=0.01,sigma-max=10"},
		{"net.spec=ncsn:width=8,levels=10", "model.parametrisation=score", "process.spec=ve:sigma-min=0.01,sigma-max=1,levels=10"},
	};
	static const char *const common[] = {"data.spec=digits", "objective.spec=dsm", "train.steps=2", "train.batch=6",
	                                     "train.log-every=1", "train.events=false", "train.seed=3"};
	sf_ctx *ctx = ck_ctx();
	const char *dir = sf_test_mkdir();
	char path[1200];
	sf_config *c;
	sf_trainer *t;
	size_t i;

	assert_ok(ctx, sf_config_new(ctx, &c));
	for (i = 0; i < sizeof common / sizeof *common; i++)
		assert_ok(ctx, sf_config_set(c, common[i]));
	for (i = 0; i < 3; i++)
		assert_ok(ctx, sf_config_set(c, settings[_i][i]));
	if (_i == 1) {
		assert_ok(ctx, sf_config_set(c, "model.cond=level"));
		assert_ok(ctx, sf_config_set(c, "objective.spec=dsm:t=discrete"));
	}
	snprintf(path, sizeof path, "%s/run", dir);
	assert_ok(ctx, sf_trainer_new(ctx, c, path, 0, 0, &t));
	assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
	sf_trainer_free(t);
	sf_config_free(c);
	sf_test_rmdir(dir);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("refine");
	TCase *t = tcase_create("nets");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, golden_double, 0, NETS);
	tcase_add_loop_test(t, golden_float, 0, NETS);
	tcase_add_test(t, parameters);
	tcase_add_test(t, initial_values);
	tcase_add_test(t, norm_known);
	tcase_add_loop_test(t, orders, 0, 2);
	tcase_add_test(t, sizes);
	tcase_add_test(t, refusals);
	tcase_add_loop_test(t, training, 0, 2);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
