/* check_variance.c: variances of targets against closed forms, of gradients against a linear network, and the rows of
 * reference batches: which records they hold.
 *
 * The estimates are compared within five of their standard errors; their seeds are fixed.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"
#include "support.h"

#include <scorefield.h>

#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- targets ---- */

/* -1 and +1 in equal numbers, so many that batches are as good as independent draws. */
START_TEST(two_points)
{
	static const double sigma[3] = {.5, 1, 2};
	static const int64_t n[4] = {1, 2, 8, 64};
	static const double want[3][5] = {{1.097558541, 1.097558541, .5487792703, .09061694221, .01015349919},
	                                  {.4495995092, .4495995092, .2247997546, .04324302107, .004991525433},
	                                  {.0497466084, .0497466084, .0248733042, .005542739487, .0006642201379}};
	enum { COUNT = 8000 };
	double *x = sf_alloc(COUNT, sizeof *x), v[5], error[5];
	sf_ctx *ctx = ck_ctx();
	sf_variance p = {5000, 8, 3, 4, n};
	sf_process *edm;
	int i, q;

	for (i = 0; i < COUNT; i++)
		x[i] = i % 2 ? 1 : -1;
	assert_ok(ctx, sf_process_new(ctx, "edm", &edm));
	for (q = 0; q < 3; q++) {
		assert_ok(ctx, sf_variance_targets(ctx, edm, COUNT, 1, x, sigma[q], &p, v, error));
		for (i = 0; i < 5; i++) {
			ck_assert(error[i] > 0 && error[i] < .1 * want[q][i]);
			assert_close(v[i], want[q][i], 0, 5 * error[i]);
		}
	}
	sf_process_free(edm);
	sf_ctx_free(ctx);
	sf_free(x);
}
END_TEST

/* Half N(M e1, c^2 I), half N(-M e1, c^2 I), c = .1, M = 1, d = 64; and the same under VP, where with r =
 * sigma/alpha in the place of sigma V is V/alpha^2. */
START_TEST(two_gaussians)
{
	static const double sigma[3] = {1, 2, 5}, want[3] = {1.077489457, .08942528937, .002560789244};
	enum { COUNT = 4000, D = 64 };
	double *x = sf_alloc(COUNT * D, sizeof *x), v, error;
	sf_noise key = {5, SF_NOISE_USER, 0};
	sf_ctx *ctx = ck_ctx();
	sf_variance p = {150, 1, 1, 0, NULL};
	sf_process *edm, *vp;
	int i, j, q;

	for (i = 0; i < COUNT; i++) {
		sf_noise_normal_d(ctx, key, (uint64_t)i, 0, D, x + i * D);
		for (j = 0; j < D; j++)
			x[i * D + j] *= .1;
		x[i * D] += i % 2 ? 1 : -1;
	}
	assert_ok(ctx, sf_process_new(ctx, "edm", &edm));
	assert_ok(ctx, sf_process_new(ctx, "vp", &vp));
	for (q = 0; q < 3; q++) {
		double t = sf_process_time_of_ratio(vp, sigma[q]), a = sf_process_alpha(vp, t);

		assert_ok(ctx, sf_variance_targets(ctx, edm, COUNT, D, x, sigma[q], &p, &v, &error));
		/* the data's own covariance is known to about sqrt(2/(COUNT D)) and its mean to 1/sqrt(COUNT) */
		assert_close(v, want[q], .02, 5 * error);
		ck_assert(error < .1 * v);
		assert_ok(ctx, sf_variance_targets(ctx, vp, COUNT, D, x, t, &p, &v, &error));
		assert_close(v * a * a, want[q], .02, 5 * error * a * a);
	}
	sf_process_free(edm);
	sf_process_free(vp);
	sf_ctx_free(ctx);
	sf_free(x);
}
END_TEST

/* Five points, without replacement: over x from the smoothed data the enumerated variances (which tests/check_stf
 * has at three points) fall to 0 at n = 5; and nothing depends on threads. */
START_TEST(without_replacement)
{
	static const double x[5] = {-1.3, -.4, .1, .9, 2};
	static const int64_t n[5] = {1, 2, 3, 4, 5};
	double one[6], three[6], error[6];
	sf_variance p = {3000, 12, 1, 5, n};
	sf_ctx *ctx = ck_ctx();
	sf_process *edm;
	int i;

	assert_ok(ctx, sf_process_new(ctx, "edm", &edm));
	sf_ctx_set_threads(ctx, 1);
	assert_ok(ctx, sf_variance_targets(ctx, edm, 5, 1, x, .7, &p, one, error));
	sf_ctx_set_threads(ctx, 3);
	assert_ok(ctx, sf_variance_targets(ctx, edm, 5, 1, x, .7, &p, three, NULL));
	ck_assert(memcmp(one, three, sizeof one) == 0);
	assert_close(one[1], one[0], 0, 5 * error[1]);
	for (i = 1; i < 5; i++)
		ck_assert(one[i + 1] < one[i]);
	ck_assert(one[5] < 1e-28);
	{ /* n = 2 by quadrature over x, the source from the posterior, the other one of four */
		double want = 0, h = .02, s2 = .49;
		int k, a, b;

		for (k = -300; k <= 400; k++) {
			double u = k * h, p0[5], sum = 0, mu = 0;

			for (a = 0; a < 5; a++)
				sum += p0[a] = exp(-(u - x[a]) * (u - x[a]) / (2 * s2));
			for (a = 0; a < 5; a++)
				mu += p0[a] / sum * x[a];
			for (a = 0; a < 5; a++)
				for (b = 0; b < 5; b++)
					if (a != b) {
						double d = (p0[a] * x[a] + p0[b] * x[b]) / (p0[a] + p0[b]) - mu;

						want += h * p0[a] / 4 * d * d / (5 * sqrt(2 * SF_PI * s2)) / (s2 * s2);
					}
		}
		assert_close(one[2], want, 0, 5 * error[2]);
		ck_assert(error[2] < .03 * want);
	}
	sf_process_free(edm);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(refusals)
{
	static const double x[2] = {-1, 1};
	static const int64_t large[1] = {3}, falling[2] = {2, 1};
	sf_variance p = {4, 1, 1, 1, large};
	sf_ctx *ctx = ck_ctx();
	sf_process *edm, *cld;
	double v[3];

	assert_ok(ctx, sf_process_new(ctx, "edm", &edm));
	assert_ok(ctx, sf_process_new(ctx, "cld", &cld));
	ck_assert_int_eq(sf_variance_targets(ctx, edm, 2, 1, x, 1, &p, v, NULL), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "3 points"));
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "only 2"));
	p.n = falling;
	p.count = 2;
	ck_assert_int_eq(sf_variance_targets(ctx, edm, 2, 1, x, 1, &p, v, NULL), SF_ERANGE);
	p.count = 0;
	ck_assert_int_eq(sf_variance_targets(ctx, edm, 2, 1, x, 0, &p, v, NULL), SF_ERANGE);
	ck_assert_int_eq(sf_variance_targets(ctx, cld, 2, 1, x, .5, &p, v, NULL), SF_EUNSUP);
	p.points = (int64_t)1 << 40;
	ck_assert_int_eq(sf_variance_targets(ctx, edm, 2, 1, x, 1, &p, v, NULL), SF_ERANGE);
	sf_process_free(edm);
	sf_process_free(cld);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- gradients ---- */

/* Of two gradients g and h the trace is |g - h|^2/2 and the squared mean less its noise g.h. */
static void two_batches(const sf_setup *s, const sf_objective *o, const double *params, int64_t n)
{
	double g[32] = {0}, dot = 0, apart = 0;
	sf_gradient_variance v;
	const double *h;
	sf_batch *b;
	int64_t i;
	int k;

	assert_ok(s->ctx, sf_batch_new(o, &s->model, n, 1, 0, &b));
	ck_assert_int_le(sf_param_total(sf_batch_graph(b)), 32);
	h = sf_batch_gradient(b);
	sf_batch_draw(b)->seed = 9;
	for (k = 0; k < 2; k++) {
		memcpy(g, h, (size_t)sf_param_total(sf_batch_graph(b)) * sizeof *g);
		for (i = 0; i < n; i++)
			sf_batch_draw(b)->t[i] = 2;
		assert_ok(s->ctx, sf_step_read(s, b, k));
		assert_ok(s->ctx, sf_objective_draw_at(o, &s->model, sf_batch_draw(b)));
		assert_ok(s->ctx, sf_batch_run(b, params, NULL));
	}
	for (i = 0; i < sf_param_total(sf_batch_graph(b)); i++) {
		dot += g[i] * h[i];
		apart += (g[i] - h[i]) * (g[i] - h[i]);
	}
	assert_ok(s->ctx, sf_variance_gradient(s, o, params, 2, n, 2, 9, &v));
	assert_close(v.trace, apart / 2 / (double)(n * n), 1e-11, 0);
	assert_close(v.mean2, dot / (double)(n * n), 1e-9, 1e-12);
	ck_assert(v.trace_error > 1e300);
	sf_batch_free(b);
}

/* A network that is zero but for its bias b: eps = b, so one sample's gradient in b is w (b - z), with covariance
 * w^2 I: the trace for b is d w^2/batch. The weights' gradient (b - z) x_t' has, for independent x_t = x_0 + sigma
 * z, known moments too. */
START_TEST(linear_network)
{
	enum { BATCH = 8 };
	static const double b[2] = {.5, -.25};
	sf_ctx *ctx = ck_ctx();
	sf_gradient_variance v, again;
	sf_config *c;
	sf_objective *o;
	sf_setup s;
	double *params, s2 = 4, m2 = 1, trace = 0, mean2 = 0;
	int64_t i, trainable, total;
	int j, k;

	/* one Gaussian of variance 1 in two dimensions: x_t ~ N(0, (1 + s2) I), Cov(x_t, z) = sigma I */
	assert_ok(ctx, sf_config_new(ctx, &c));
	assert_ok(ctx, sf_config_set(c, "data.spec=mixture:weights=1,means=0:0,stds=1"));
	assert_ok(ctx, sf_config_set(c, "process.spec=edm"));
	assert_ok(ctx, sf_config_set(c, "net.spec=affine"));
	assert_ok(ctx, sf_config_set(c, "model.parametrisation=eps"));
	assert_ok(ctx, sf_config_set(c, "model.precision=float64"));
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	assert_ok(ctx, sf_objective_new(ctx, "dsm", &o));
	assert_ok(ctx, sf_model_params(&s.model, &trainable, &total));
	ck_assert_int_eq(trainable, 6);
	params = sf_alloc((size_t)total, sizeof *params);
	params[16] = b[0]; /* parameters start at multiples of 16 */
	params[17] = b[1];
	assert_ok(ctx, sf_variance_gradient(&s, o, params, 2, BATCH, 3000, 7, &v));
	for (j = 0; j < 2; j++) {
		trace += 1; /* b: z_j */
		mean2 += b[j] * b[j];
		for (k = 0; k < 2; k++) {
			/* (b_j - z_j) x_k with x_k = y_k + sigma z_k: mean -sigma [j=k], second moment
			 * b_j^2 (m2 + s2) + E z_j^2 x_k^2, as E z_j x_k^2 = 0 */
			double mean = j == k ? -sqrt(s2) : 0;
			double second = b[j] * b[j] * (m2 + s2) + (m2 + (j == k ? 3 : 1) * s2);

			trace += second - mean * mean;
			mean2 += mean * mean;
		}
	}
	assert_close(v.trace, trace / BATCH, 0, 5 * v.trace_error);
	ck_assert(v.trace_error < .05 * v.trace);
	assert_close(v.mean2, mean2, .05, 0);
	sf_ctx_set_threads(ctx, 3);
	assert_ok(ctx, sf_variance_gradient(&s, o, params, 2, BATCH, 3000, 7, &again));
	ck_assert(memcmp(&v, &again, sizeof v) == 0);
	two_batches(&s, o, params, BATCH);
	ck_assert_int_eq(sf_variance_gradient(&s, o, params, 2, BATCH, 1, 7, &v), SF_ERANGE);
	ck_assert_int_eq(sf_variance_gradient(&s, o, params, 1e9, BATCH, 2, 7, &v), SF_ERANGE);
	for (i = 0; i < total; i++)
		ck_assert(isfinite(params[i]));
	sf_free(params);
	sf_objective_free(o);
	sf_setup_close(&s);
	sf_config_free(c);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- rows of a reference batch ---- */
enum { RECORDS = 23 };

/* Records 0, 1, ... of one number each, without scaling: a row tells which record it is. */
static sf_data *numbered(sf_ctx *ctx, const char *dir)
{
	double x[RECORDS];
	char spec[1200];
	sf_data *d;
	sf_array a;
	int i;

	for (i = 0; i < RECORDS; i++)
		x[i] = i;
	memset(&a, 0, sizeof a);
	a.type = SF_FLOAT64;
	a.rank = 2;
	a.dim[0] = a.size = RECORDS;
	a.dim[1] = 1;
	a.data = x;
	assert_ok(ctx, sf_npy_write(ctx, in_dir(dir, "x.npy"), &a));
	snprintf(spec, sizeof spec, "npy:path=%s", in_dir(dir, "x.npy"));
	assert_ok(ctx, sf_data_new(ctx, spec, &d));
	return d;
}

START_TEST(rows_are_a_draw_without_replacement)
{
	enum { STEPS = 3000, BATCH = 5, ROWS = 11 };
	static int together[RECORDS][RECORDS];
	char dir[1024];
	sf_ctx *ctx = ck_ctx();
	sf_data *d;
	sf_view v;
	int s, i, j, set, moved = 0, shared = 0;

	snprintf(dir, sizeof dir, "%s", sf_test_mkdir());
	d = numbered(ctx, dir);
	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 0, 4, &v));
	for (s = 0; s < STEPS; s++) {
		int seen[RECORDS] = {0}, row[ROWS];

		for (i = 0; i < ROWS; i++) {
			double x;

			sf_view_reference(&v, (uint64_t)s, BATCH, ROWS, i, &x, NULL);
			row[i] = (int)x;
			ck_assert_msg(!seen[row[i]]++, "record %d twice in step %d", row[i], s);
			if (i < BATCH && s < RECORDS / BATCH) { /* the first epoch: the training stream itself */
				sf_view_draw(&v, (uint64_t)(s * BATCH + i), &x, NULL);
				ck_assert_int_eq(row[i], (int)x);
			}
		}
		for (i = 1; i < ROWS; i++) /* a source and a companion */
			together[row[0]][row[i]]++;
	}
	/* every ordered pair alike: STEPS (ROWS - 1)/(RECORDS (RECORDS - 1)) times, within five standard deviations */
	for (i = 0; i < RECORDS; i++)
		for (j = 0; j < RECORDS; j++) {
			double want = (double)STEPS * (ROWS - 1) / (RECORDS * (RECORDS - 1));

			if (i != j)
				assert_close(together[i][j], want, 0, 5 * sqrt(want));
		}
	for (s = 0; s < STEPS; s += 4) { /* companions of two steps of an epoch: 13 positions, each in both with (6/18)^2 */
		double x;

		for (set = i = 0; i < ROWS - BATCH; i++) {
			sf_view_reference(&v, (uint64_t)s, BATCH, ROWS, BATCH + i, &x, NULL);
			set |= 1 << (int)x;
		}
		for (i = 0; i < ROWS - BATCH; i++) {
			sf_view_reference(&v, (uint64_t)s + 2, BATCH, ROWS, BATCH + i, &x, NULL);
			shared += set >> (int)x & 1;
		}
	}
	assert_close(shared / (STEPS / 4.), 13. / 9, 0, 5 * 1.2 / sqrt(STEPS / 4.));
	for (s = 0; s < 40; s++) { /* as many rows as records: the data set, in a new order every step */
		int seen = 0;

		for (i = 0; i < RECORDS; i++) {
			double x;

			sf_view_reference(&v, (uint64_t)s, BATCH, RECORDS, i, &x, NULL);
			seen |= 1 << (int)x;
			moved += i == 20 && (int)x != 20;
		}
		ck_assert_int_eq(seen, (1 << RECORDS) - 1);
	}
	ck_assert_int_gt(moved, 20);
	for (set = 0; set < 4; set++) { /* a batch of the whole data set */
		int seen = 0;

		for (i = 0; i < RECORDS; i++) {
			double x;

			sf_view_reference(&v, (uint64_t)set, RECORDS, RECORDS, i, &x, NULL);
			seen |= 1 << (int)x;
		}
		ck_assert_int_eq(seen, (1 << RECORDS) - 1);
	}
	sf_data_free(d);
	sf_ctx_free(ctx);
	sf_test_rmdir(dir);
}
END_TEST

START_TEST(generators_give_fresh_records)
{
	enum { STEPS = 40, BATCH = 4, ROWS = 9 };
	sf_ctx *ctx = ck_ctx();
	double x[STEPS * ROWS][2], y[2];
	sf_data *d;
	sf_view v;
	int s, i, j;

	assert_ok(ctx, sf_data_new(ctx, "moons", &d));
	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 0, 4, &v));
	for (s = 0; s < STEPS; s++)
		for (i = 0; i < ROWS; i++) {
			sf_view_reference(&v, (uint64_t)s, BATCH, ROWS, i, x[s * ROWS + i], NULL);
			sf_view_draw(&v, (uint64_t)(s * BATCH + i), y, NULL);
			ck_assert(i >= BATCH || memcmp(x[s * ROWS + i], y, sizeof y) == 0);
		}
	for (i = 0; i < STEPS * ROWS; i++)
		for (j = 0; j < i; j++)
			ck_assert(memcmp(x[i], x[j], sizeof y) != 0);
	sf_data_free(d);
	sf_ctx_free(ctx);
}
END_TEST

/* Training: the same bytes for any number of threads; n = 1 is dsm; n = 64 is not. */
static void train(const char *objective, int threads, double *param, int64_t *total)
{
	sf_ctx *ctx = ck_ctx();
	sf_trainer *t;
	sf_config *c;
	char line[80];

	setenv("SCOREFIELD_DATA", sf_test_path("data"), 1);
	sf_ctx_set_threads(ctx, threads);
	assert_ok(ctx, sf_config_new(ctx, &c));
	assert_ok(ctx, sf_config_preset(c, "tiny"));
	assert_ok(ctx, sf_config_set(c, "data.spec=digits"));
	assert_ok(ctx, sf_config_set(c, "net.spec=mlp:width=8,depth=1"));
	assert_ok(ctx, sf_config_set(c, "data.flip=true"));
	assert_ok(ctx, sf_config_set(c, "data.dequantise=true"));
	assert_ok(ctx, sf_config_set(c, "data.scale=pm1"));
	assert_ok(ctx, sf_config_set(c, "train.steps=6"));
	assert_ok(ctx, sf_config_set(c, "train.batch=8"));
	assert_ok(ctx, sf_config_set(c, "model.precision=float64"));
	snprintf(line, sizeof line, "objective.spec=%s", objective);
	assert_ok(ctx, sf_config_set(c, line));
	assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
	assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
	*total = sf_trainer_state(t)->total;
	ck_assert_int_le(*total, 4096);
	memcpy(param, sf_trainer_state(t)->param, (size_t)*total * sizeof *param);
	sf_trainer_free(t);
	sf_config_free(c);
	sf_ctx_free(ctx);
}

START_TEST(training)
{
	static double a[4096], b[4096];
	int64_t n;
	int k;

	for (k = 0; k < 2; k++) { /* a window of the batch, and more than the batch */
		train(k ? "stf:n=64,t=stratified" : "stf:n=5,t=lognormal", 1, a, &n);
		train(k ? "stf:n=64,t=stratified" : "stf:n=5,t=lognormal", 3, b, &n);
		ck_assert(memcmp(a, b, (size_t)n * sizeof *a) == 0);
		train(k ? "dsm:t=stratified" : "dsm:t=lognormal", 2, b, &n);
		ck_assert(memcmp(a, b, (size_t)n * sizeof *a) != 0);
		train(k ? "stf:n=1,t=stratified" : "stf:n=1,t=lognormal", 2, a, &n);
		ck_assert(memcmp(a, b, (size_t)n * sizeof *a) == 0);
	}
}
END_TEST

START_TEST(too_few_records)
{
	sf_ctx *ctx = ck_ctx();
	sf_trainer *t;
	sf_config *c;

	assert_ok(ctx, sf_config_new(ctx, &c));
	setenv("SCOREFIELD_DATA", sf_test_path("data"), 1);
	assert_ok(ctx, sf_config_set(c, "data.spec=digits"));
	assert_ok(ctx, sf_config_set(c, "net.spec=mlp:width=8,depth=1"));
	assert_ok(ctx, sf_config_set(c, "objective.spec=stf:n=1798"));
	ck_assert_int_eq(sf_trainer_new(ctx, c, NULL, 0, 0, &t), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "1798"));
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "1797"));
	assert_ok(ctx, sf_config_set(c, "objective.spec=stf:n=1797,source=false")); /* the source comes on top */
	ck_assert_int_eq(sf_trainer_new(ctx, c, NULL, 0, 0, &t), SF_ERANGE);
	assert_ok(ctx, sf_config_set(c, "objective.spec=stf:n=4"));
	assert_ok(ctx, sf_config_set(c, "train.batch=1798"));
	ck_assert_int_eq(sf_trainer_new(ctx, c, NULL, 0, 0, &t), SF_ERANGE);
	assert_ok(ctx, sf_config_set(c, "objective.spec=stf:n=1797"));
	assert_ok(ctx, sf_config_set(c, "train.batch=4"));
	assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
	sf_trainer_free(t);
	sf_config_free(c);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("variance");
	TCase *tc = tcase_create("variance");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, two_points);
	tcase_add_test(tc, two_gaussians);
	tcase_add_test(tc, without_replacement);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, linear_network);
	tcase_add_test(tc, rows_are_a_draw_without_replacement);
	tcase_add_test(tc, generators_give_fresh_records);
	tcase_add_test(tc, training);
	tcase_add_test(tc, too_few_records);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
