/* check_guidance.c: classifier-free guidance against scores that are known: components of mixtures, normals, a network with
 * labels; what it costs; and the training that goes with it, labels dropped at a given rate.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model_case.h"
#include "sampler_rig.h"

#include <scorefield.h>

#include <math.h>
#include <stdio.h>

static const double weights[] = {-0.5, 0, 0.3, 1, 2, 7.5};
enum { WEIGHTS = 6 };

typedef struct pair {
	rig r;
	sf_score *none, *guided;
} pair;

static pair open_pair(const char *process, const char *cond, const char *none, int64_t d, const char *sampler, double weight)
{
	pair p;

	p.r = open_rig(process, cond, d, sampler);
	assert_ok(p.r.ctx, sf_score_new(p.r.ctx, none, p.r.process, d, &p.none));
	assert_ok(p.r.ctx, sf_score_guided(p.r.ctx, p.r.score, p.none, weight, &p.guided));
	return p;
}

static void close_pair(pair *p)
{
	sf_score_free(p->guided);
	sf_score_free(p->none);
	close_rig(&p->r);
}

/* Normals of one variance: guidance moves the mean to m' + W (m - m'); any process, two blocks too. */
START_TEST(normals)
{
	static const char *const specs[] = {"ve", "vp", "subvp", "edm", "cld"};
	char moved[100];
	int k, w, i, j;

	for (k = 0; k < 5; k++)
		for (w = 0; w < WEIGHTS; w++) {
			pair p = open_pair(specs[k], "gaussian:mean=1:-0.5,std=0.4", "gaussian:mean=0.2:0.3,std=0.4", 2, "euler",
			                   weights[w]);
			int blocks = sf_process_blocks(p.r.process);
			sf_score *exact;
			double x[12], v[12], t[3], out[12], want[12];

			snprintf(moved, sizeof moved, "gaussian:mean=%.17g:%.17g,std=0.4", 0.2 + weights[w] * 0.8,
			         0.3 - weights[w] * 0.8);
			assert_ok(p.r.ctx, sf_score_new(p.r.ctx, moved, p.r.process, 2, &exact));
			for (i = 0; i < 3; i++) {
				t[i] = sf_process_horizon(p.r.process) * (0.2 + 0.3 * i);
				for (j = 0; j < 2 * blocks; j++) {
					x[i * 2 * blocks + j] = sin(5 * i + j);
					v[i * 2 * blocks + j] = cos(3 * i + 2 * j);
				}
			}
			assert_ok(p.r.ctx, sf_score_eval(p.guided, SF_SCORE, 3, x, t, out));
			assert_ok(p.r.ctx, sf_score_eval(exact, SF_SCORE, 3, x, t, want));
			for (i = 0; i < 6 * blocks; i++)
				assert_close(out[i], want[i], 1e-11, 1e-13);
			assert_ok(p.r.ctx, sf_score_jvp(p.guided, 3, x, t, v, out));
			assert_ok(p.r.ctx, sf_score_jvp(exact, 3, x, t, v, want));
			for (i = 0; i < 6 * blocks; i++)
				assert_close(out[i], want[i], 1e-11, 1e-13);
			ck_assert_int_eq(sf_score_logp(p.guided, 3, x, t, out), SF_EUNSUP);
			sf_score_free(exact);
			close_pair(&p);
		}
}
END_TEST

/* The same over several tiles of samples. */
START_TEST(many)
{
	enum { D = 1000, N = 700 };
	static double x[N * D], t[N], out[N * D];
	pair p = open_pair("vp", "gaussian:mean=1,std=0.5", "gaussian:mean=0.2,std=0.5", D, "euler", 3);
	int64_t i, j, bad = 0;

	for (i = 0; i < N; i++) {
		t[i] = 0.1 + 0.001 * (double)i;
		for (j = 0; j < D; j++)
			x[i * D + j] = sin((double)(i + j));
	}
	assert_ok(p.r.ctx, sf_score_eval(p.guided, SF_SCORE, N, x, t, out));
	for (i = 0; i < N; i++) {
		double a = sf_process_alpha(p.r.process, t[i]), s = sf_process_sigma(p.r.process, t[i]);

		for (j = 0; j < D; j++)
			bad += !sf_close(out[i * D + j], -(x[i * D + j] - 2.6 * a) / (a * a / 4 + s * s), 1e-11, 1e-12);
	}
	ck_assert_int_eq(bad, 0);
	close_pair(&p);
}
END_TEST

/* A component of a mixture against the mixture: s_c = -(x - alpha m_c)/V, s_none = sum of r_i s_i with responsibilities
 * r_i ~ w_i exp(-(x - alpha m_i)^2/2V), V = alpha^2 v + sigma^2; noise and denoised readings from the sum. */
START_TEST(components)
{
	int w, i;

	for (w = 0; w < WEIGHTS; w++) {
		pair p = open_pair("vp", "gaussian:mean=1,std=0.5", "mixture:weights=1:3,means=1:-2,std=0.5", 1, "euler", weights[w]);

		for (i = 0; i < 9; i++) {
			double x = -4 + i, t = 0.05 + 0.1 * i, alpha = sf_process_alpha(p.r.process, t),
			       sigma = sf_process_sigma(p.r.process, t), V = alpha * alpha * 0.25 + sigma * sigma;
			double s[2] = {-(x - alpha) / V, -(x + 2 * alpha) / V}, r[2], none, want, out;

			r[0] = exp(-(x - alpha) * (x - alpha) / (2 * V));
			r[1] = 3 * exp(-(x + 2 * alpha) * (x + 2 * alpha) / (2 * V));
			none = (r[0] * s[0] + r[1] * s[1]) / (r[0] + r[1]);
			want = none + weights[w] * (s[0] - none);
			assert_ok(p.r.ctx, sf_score_eval(p.guided, SF_SCORE, 1, &x, &t, &out));
			assert_close(out, want, 1e-11, 1e-12);
			assert_ok(p.r.ctx, sf_score_eval(p.guided, SF_EPS, 1, &x, &t, &out));
			assert_close(out, -sigma * want, 1e-11, 1e-12);
			assert_ok(p.r.ctx, sf_score_eval(p.guided, SF_DENOISED, 1, &x, &t, &out));
			assert_close(out, (x + sigma * sigma * want) / alpha, 1e-10, 1e-11);
		}
		close_pair(&p);
	}
}
END_TEST

/* The flow of a normal is known, x_0 = M + (x_T - alpha M) sqrt(v/(alpha^2 v + sigma^2)); samples that leave the pack early
 * show nothing. */
START_TEST(sampling)
{
	pair p = open_pair("edm", "gaussian:mean=1,std=0.5", "gaussian:mean=0.2,std=0.5", 1, "rk45:rtol=1e-9,atol=1e-11", 3);
	double x[5], z, M = 0.2 + 3 * 0.8, one;
	sf_noise key = {7, SF_NOISE_PRIOR, 0};
	int i;

	p.r.run.n = 5;
	p.r.run.seed = 7;
	p.r.run.end = 1e-6;
	p.r.run.denoise = 0;
	assert_ok(p.r.ctx, sf_sample(p.r.sampler, p.guided, &p.r.run, x, NULL));
	for (i = 0; i < 5; i++) {
		sf_noise_normal_d(p.r.ctx, key, (uint64_t)i, 0, 1, &z);
		assert_close(x[i], M + (80 * z - M) * 0.5 / sqrt(0.25 + 6400), 1e-7, 0);
		p.r.run.n = 1;
		p.r.run.first_sample = (uint64_t)i;
		assert_ok(p.r.ctx, sf_sample(p.r.sampler, p.guided, &p.r.run, &one, NULL));
		ck_assert(one == x[i]);
	}
	close_pair(&p);
}
END_TEST

/* Heun takes 2N - 1 evaluations; guidance doubles them, in the report, in the parts' own counts and in the budget. */
START_TEST(cost)
{
	static const struct {
		double weight;
		int price, cond, none;
	} cases[] = {{1, 1, 9, 0}, {0, 1, 0, 9}, {2, 2, 9, 9}, {-1, 2, 9, 9}};
	int k;

	for (k = 0; k < 4; k++) {
		pair p = open_pair("vp", "gaussian:mean=1", "gaussian", 1, "heun", cases[k].weight);
		sf_sample_report report;
		double x[3];

		ck_assert_int_eq(sf_score_price(p.guided), cases[k].price);
		ck_assert_int_eq(sf_score_price(p.none), 1);
		p.r.run.n = 3;
		p.r.run.steps = 5;
		p.r.run.nfe_max = 9 * cases[k].price;
		assert_ok(p.r.ctx, sf_sample(p.r.sampler, p.guided, &p.r.run, x, &report));
		ck_assert(report.nfe == 9 * cases[k].price);
		ck_assert_int_eq(sf_score_count(p.guided), 27 * cases[k].price);
		ck_assert_int_eq(sf_score_count(p.r.score), 3 * cases[k].cond);
		ck_assert_int_eq(sf_score_count(p.none), 3 * cases[k].none);
		p.r.run.nfe_max--;
		ck_assert_int_eq(sf_sample(p.r.sampler, p.guided, &p.r.run, x, &report), SF_EBUDGET);
		close_pair(&p);
	}
}
END_TEST

START_TEST(same_bytes)
{
	static const char *const specs[] = {"em", "heun", "rk45:rtol=1e-3,atol=1e-3"};
	int k, threads;
	int64_t i;

	for (k = 0; k < 3; k++) {
		pair p = open_pair("vp", "mixture:preset=skewed", "gaussian:mean=0.5,std=2", 1, specs[k], 2.5);
		double x[7], y[7];

		p.r.run.steps = 12;
		p.r.run.n = 7;
		assert_ok(p.r.ctx, sf_sample(p.r.sampler, p.guided, &p.r.run, x, NULL));
		for (threads = 1; threads <= 3; threads++) {
			sf_ctx_set_threads(p.r.ctx, threads);
			for (i = 0; i < 7; i += 3) {
				p.r.run.n = 7 - i < 3 ? 7 - i : 3;
				p.r.run.first_sample = (uint64_t)i;
				assert_ok(p.r.ctx, sf_sample(p.r.sampler, p.guided, &p.r.run, y + i, NULL));
			}
			ck_assert(memcmp(x, y, sizeof x) == 0);
		}
		close_pair(&p);
	}
}
END_TEST

START_TEST(refused)
{
	pair p = open_pair("vp", "gaussian", "gaussian:mean=1", 1, "heun", 2);
	sf_process *other;
	sf_score *wide, *ve, *s;

	assert_ok(p.r.ctx, sf_process_new(p.r.ctx, "ve", &other));
	assert_ok(p.r.ctx, sf_score_new(p.r.ctx, "gaussian", p.r.process, 2, &wide));
	assert_ok(p.r.ctx, sf_score_new(p.r.ctx, "gaussian", other, 1, &ve));
	ck_assert_int_eq(sf_score_guided(p.r.ctx, p.r.score, wide, 2, &s), SF_EMISMATCH);
	ck_assert_ptr_null(s);
	ck_assert_int_eq(sf_score_guided(p.r.ctx, p.r.score, ve, 2, &s), SF_EMISMATCH);
	ck_assert_int_eq(sf_score_guided(p.r.ctx, p.r.score, p.r.score, 2, &s), SF_EMISMATCH);
	ck_assert_int_eq(sf_score_guided(p.r.ctx, p.r.score, p.none, INFINITY, &s), SF_ERANGE);
	ck_assert_int_eq(sf_score_guided(p.r.ctx, p.r.score, p.none, NAN, &s), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(p.r.ctx), "finite"));
	sf_score_free(wide);
	sf_score_free(ve);
	sf_process_free(other);
	close_pair(&p);
}
END_TEST

/* Two scores of one network, one without labels: which sample stands where reaches the labelled one; label -1 is not guided. */
START_TEST(network)
{
	static const int64_t dim[] = {2}, which[] = {3, 0, 3, 2};
	static const int label[] = {0, 1, -1, 2};
	sf_ctx *ctx = ck_ctx();
	sf_model m = make_model(ctx, "mlp:width=16,embed-width=8", "vp", "eps", 1, dim, 3);
	double x[8], t[4], got[8], cond[8], none[8], w[2048];
	sf_score *with, *without, *s;
	int64_t n, total, i;

	assert_ok(ctx, sf_model_params(&m, &n, &total));
	ck_assert_int_le(total, 2048);
	for (i = 0; i < total; i++)
		w[i] = .3 * sin(1.7 * (double)i);
	for (i = 0; i < 8; i++) {
		x[i] = .4 * cos((double)i);
		t[i / 2] = .2;
	}
	assert_ok(ctx, sf_model_score(&m, SF_F64, w, 2, &with));
	assert_ok(ctx, sf_model_score(&m, SF_F64, w, 2, &without));
	assert_ok(ctx, sf_model_score_labels(with, 4, label));
	assert_ok(ctx, sf_score_guided(ctx, with, without, 4, &s));
	sf_score_which(s, which);
	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 4, x, t, got));
	assert_ok(ctx, sf_score_eval(without, SF_SCORE, 4, x, t, none));
	for (i = 0; i < 4; i++) {
		assert_ok(ctx, sf_model_score_labels(with, 1, &label[which[i]]));
		assert_ok(ctx, sf_score_eval(with, SF_SCORE, 1, x + 2 * i, t + i, cond + 2 * i));
	}
	for (i = 0; i < 8; i++) {
		assert_close(got[i], none[i] + 4 * (cond[i] - none[i]), 1e-12, 1e-14);
		ck_assert(i >= 6 ? got[i] == none[i] : got[i] != none[i]);
	}
	sf_score_free(s);
	sf_score_free(without);
	sf_score_free(with);
	free_model(&m);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- training without labels now and then ---- */

static void set(sf_ctx *ctx, sf_config *c, const char *assignment)
{
	assert_ok(ctx, sf_config_set(c, assignment));
}

static sf_config *configured(sf_ctx *ctx)
{
	sf_config *c;

	assert_ok(ctx, sf_config_new(ctx, &c));
	set(ctx, c, "data.spec=gaussians");
	set(ctx, c, "net.spec=mlp:width=8,depth=1,embed-width=4");
	set(ctx, c, "train.events=false");
	return c;
}

/* Absolute sums of the gradient of the labels' layer after one step: its bias, which all samples feel, and the classes'
 * rows, which those with a label do. */
static void dropping(sf_ctx *ctx, double p, double *bias, double *classes)
{
	sf_config *c = configured(ctx);
	const sf_state *st;
	sf_trainer *t;
	char line[60];
	int64_t i;
	sf_tensors file;
	const char *dir = sf_test_mkdir();
	char run[1100], path[1200];

	snprintf(line, sizeof line, "train.label-dropout=%g", p);
	set(ctx, c, "model.conditional=true");
	set(ctx, c, "model.precision=float64");
	set(ctx, c, "train.steps=1");
	set(ctx, c, "train.batch=64");
	set(ctx, c, line);
	snprintf(run, sizeof run, "%s/run", dir);
	assert_ok(ctx, sf_trainer_new(ctx, c, run, 0, 0, &t));
	st = sf_trainer_state(t);
	ck_assert_int_gt(st->total, 0);
	assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
	snprintf(path, sizeof path, "%s/checkpoint-00000001.safetensors", run);
	assert_ok(ctx, sf_tensors_read(ctx, path, &file));
	*bias = *classes = 0;
	for (i = 0; i < file.n; i++) { /* Adam's mean is (1 - beta1) times the gradient */
		const sf_tensor *a = &file.tensor[i];
		double v[1024];
		int64_t j;

		if (strncmp(a->name, "adam.m.", 7) != 0 || !strstr(a->name, "labels"))
			continue;
		ck_assert_int_le(a->size, 1024);
		assert_ok(ctx, sf_tensor_to_double(ctx, a, v));
		for (j = 0; j < a->size; j++)
			*(a->rank == 1 ? bias : classes) += fabs(v[j]);
	}
	sf_tensors_free(&file);
	sf_trainer_free(t);
	sf_config_free(c);
	sf_test_rmdir(dir);
}

START_TEST(dropped_labels)
{
	sf_ctx *ctx = ck_ctx();
	double bias, classes;

	dropping(ctx, 0, &bias, &classes);
	ck_assert(bias > 0 && classes > 0);
	dropping(ctx, 1, &bias, &classes);
	ck_assert(bias > 0 && classes == 0);
	dropping(ctx, 0.5, &bias, &classes);
	ck_assert(bias > 0 && classes > 0);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(dropout_needs_classes)
{
	sf_ctx *ctx = ck_ctx();
	sf_config *c = configured(ctx);
	sf_trainer *t;

	set(ctx, c, "train.label-dropout=0.1");
	ck_assert_int_eq(sf_trainer_new(ctx, c, NULL, 0, 0, &t), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "label-dropout"));
	ck_assert_int_eq(sf_config_set(c, "train.label-dropout=1.5"), SF_ERANGE);
	sf_config_free(c);
	sf_ctx_free(ctx);
}
END_TEST

/* Which samples lose their label: those whose number of the stream (seed, SF_NOISE_LABEL, step) lies below p, about p n of
 * them; the loss is that of a batch whose labels are taken away by hand. */
START_TEST(share)
{
	enum { N = 2000 };
	static const int64_t dim[] = {2};
	static const double rates[] = {0.1, 0.6};
	sf_noise key = {5, SF_NOISE_LABEL, 9};
	sf_ctx *ctx = ck_ctx();
	sf_model m = make_model(ctx, "mlp:width=16,embed-width=8", "vp", "eps", 1, dim, 3);
	double w[2048], *x, *label, loss, by_hand, whole;
	sf_objective *o;
	int64_t n, total, i;
	sf_batch *b;
	sf_draw *d;
	int k;

	assert_ok(ctx, sf_model_params(&m, &n, &total));
	ck_assert_int_le(total, 2048);
	for (i = 0; i < total; i++)
		w[i] = .3 * sin(1.7 * (double)i);
	m.type = SF_F64;
	assert_ok(ctx, sf_objective_new(ctx, "dsm", &o));
	assert_ok(ctx, sf_batch_new(o, &m, N, 8, 1, &b));
	sf_batch_data(b, &x, &label);
	d = sf_batch_draw(b);
	d->seed = key.seed;
	d->step = key.step;
	for (i = 0; i < 2 * N; i++)
		x[i] = cos(3 * (double)i);
	for (k = 0; k < 2; k++) {
		int64_t dropped = 0;

		for (i = 0; i < N; i++)
			label[i] = (double)(i % 3);
		d->label_dropout = 0;
		assert_ok(ctx, sf_objective_draw(o, &m, d));
		assert_ok(ctx, sf_batch_run(b, w, &whole));
		d->label_dropout = rates[k];
		assert_ok(ctx, sf_batch_run(b, w, &loss));
		d->label_dropout = 0;
		for (i = 0; i < N; i++)
			if (sf_noise_uniform53(key, (uint64_t)i, 0) < rates[k]) {
				label[i] = -1;
				dropped++;
			}
		assert_ok(ctx, sf_batch_run(b, w, &by_hand));
		ck_assert(loss == by_hand && loss != whole);
		ck_assert_double_lt(fabs((double)dropped - rates[k] * N), 5 * sqrt(N * rates[k] * (1 - rates[k])));
	}
	sf_batch_free(b);
	sf_objective_free(o);
	free_model(&m);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("guidance");
	TCase *tc = tcase_create("guidance");

	tcase_add_test(tc, normals);
	tcase_add_test(tc, many);
	tcase_add_test(tc, components);
	tcase_add_test(tc, sampling);
	tcase_add_test(tc, cost);
	tcase_add_test(tc, same_bytes);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, network);
	tcase_add_test(tc, dropped_labels);
	tcase_add_test(tc, dropout_needs_classes);
	tcase_add_test(tc, share);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
