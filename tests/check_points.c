/* check_points.c: scores of many points by matrix products: against plain sums, near ties, records of a data set,
 * parts, bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/components.h"
#include "score_rig.h"
#include "support.h"

#include <scorefield/io.h>
#include <scorefield/noise.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 700, D = 40 };

static void cloud(double *y, double spread)
{
	sf_noise key = {2, SF_NOISE_USER, 0};

	sf_noise_normal_d(ctx, key, 0, 0, N * D, y);
	for (key.step = 0; key.step < N * D; key.step++)
		y[key.step] = spread * y[key.step] + 5; /* away from zero, so that squares are large */
}

/* The products against plain sums in long double, at noise levels where one point wins, some do, all do. */
START_TEST(products)
{
	static const double level[] = {1e-7, 1e-4, .05, .3, 1, 6, 200};
	static double y[N * D];
	double x[D], out[D], logp, t = level[_i];
	sf_noise key = {5, SF_NOISE_USER, 1};
	long double e[N], least = INFINITY, sum = 0, mean[D] = {0};
	int i, j;

	cloud(y, 1e-3 + .2 * (_i > 1));
	process("edm:sigma-min=1e-9,sigma-max=1000");
	assert_ok(ctx, sf_score_delta(ctx, p, N, D, y, &s));
	sf_noise_normal_d(ctx, key, 0, 0, D, x);
	for (j = 0; j < D; j++)
		x[j] = y[17 * D + j] + t * x[j];
	for (i = 0; i < N; i++) {
		e[i] = 0;
		for (j = 0; j < D; j++)
			e[i] += ((long double)x[j] - y[i * D + j]) * ((long double)x[j] - y[i * D + j]) / 2 / t / t;
		least = e[i] < least ? e[i] : least;
	}
	for (i = 0; i < N; i++) {
		sum += expl(least - e[i]);
		for (j = 0; j < D; j++)
			mean[j] += expl(least - e[i]) * y[i * D + j];
	}
	assert_ok(ctx, sf_score_eval(s, SF_DENOISED, 1, x, &t, out));
	for (j = 0; j < D; j++)
		assert_close(out[j], (double)(mean[j] / sum), 1e-10, 0);
	assert_ok(ctx, sf_score_logp(s, 1, x, &t, &logp));
	assert_close(logp, (double)(logl(sum / N) - least) - .5 * D * log(2 * SF_PI * t * t), 2e-10, 2e-10);
}
END_TEST

/* A point taken twice weighs twice; the nearest of two that differ in the last digits of their squares wins. */
START_TEST(near_ties)
{
	static double y[N * D];
	double x[D], out[D], t = 1e-8;
	int j;

	cloud(y, .2);
	memcpy(y + 3 * D, y + 600 * D, D * sizeof *y);
	y[3 * D] += 1e-7;
	memcpy(x, y + 600 * D, sizeof x);
	process("edm:sigma-min=1e-9");
	assert_ok(ctx, sf_score_delta(ctx, p, N, D, y, &s));
	assert_ok(ctx, sf_score_eval(s, SF_DENOISED, 1, x, &t, out));
	for (j = 0; j < D; j++)
		ck_assert(out[j] == x[j]);
	t = 1e-7; /* the other is one sigma away: weights 1 and e^-1/2 */
	assert_ok(ctx, sf_score_eval(s, SF_DENOISED, 1, x, &t, out));
	assert_close(out[0] - x[0], 1e-7 * exp(-.5) / (1 + exp(-.5)), 1e-7, 0);
}
END_TEST

START_TEST(same_bytes)
{
	static const char *const made[] = {
		"low-rank:weights=1:3,means=0.5:-1:0:-0.7:0.2:1,axes=1:0.2:0:0.2:0.9:-0.4,rest=0.2", "product:seed=3",
		NULL};
	enum { MANY = 150 };
	static double y[N * D], x[MANY * D], t[MANY], whole[MANY * D], part[MANY * D], lw[MANY], lp[MANY];
	int k, threads, i;

	cloud(y, .3);
	process("edm");
	for (k = 0; k < 3; k++) {
		int64_t d = made[k] ? 3 : D;

		if (made[k])
			s = score(made[k], 3);
		else
			assert_ok(ctx, sf_score_delta(ctx, p, N, D, y, &s));
		for (i = 0; i < MANY; i++) {
			t[i] = .01 * pow(1.06, i);
			memcpy(x + i * d, y + i * D, (size_t)d * sizeof *x);
			x[i * d] += t[i];
		}
		assert_ok(ctx, sf_ctx_set_threads(ctx, 1));
		assert_ok(ctx, sf_score_eval(s, SF_SCORE, MANY, x, t, whole));
		assert_ok(ctx, sf_score_logp(s, MANY, x, t, lw));
		for (threads = 1; threads <= 3; threads++) {
			assert_ok(ctx, sf_ctx_set_threads(ctx, threads));
			for (i = 0; i < MANY; i += 7 * threads) {
				int64_t n = MANY - i < 7 * threads ? MANY - i : 7 * threads;

				assert_ok(ctx, sf_score_eval(s, SF_SCORE, n, x + i * d, t + i, part + i * d));
				assert_ok(ctx, sf_score_logp(s, n, x + i * d, t + i, lp + i));
			}
			ck_assert(memcmp(whole, part, (size_t)(MANY * d) * sizeof *whole) == 0);
			ck_assert(memcmp(lw, lp, sizeof lw) == 0);
		}
		sf_score_free(s);
		s = NULL;
	}
}
END_TEST

/* Records of a data set are the points, scaled. */
START_TEST(records)
{
	double y[6], x[2] = {.3, .1}, t = .4, a[2], b[2];
	sf_data *data;
	sf_view view;
	int i;

	process("vp");
	assert_ok(ctx, sf_data_new(ctx, "moons", &data));
	assert_ok(ctx, sf_view_make(data, SF_SCALE_STANDARD, .7, 0, 0, 0, &view));
	for (i = 0; i < 3; i++)
		sf_view_read(&view, i, y + 2 * i, NULL);
	s = score("deltas:data=moons,records=3,scaling=standard,std=0.7", 2);
	assert_ok(ctx, sf_score_delta(ctx, p, 3, 2, y, &r));
	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, a));
	assert_ok(ctx, sf_score_eval(r, SF_SCORE, 1, x, &t, b));
	ck_assert(memcmp(a, b, sizeof a) == 0);
	sf_data_free(data);
}
END_TEST

enum { FEW = 150 };

/* Against the plain sum on another process, as the denoised value, at noise levels where one point wins by far and where all count. */
START_TEST(delta_sum)
{
	static const double level[] = {1e-3, 0.3, 20};
	sf_noise key = {3, SF_NOISE_USER, 0};
	double y[FEW][3], x[3] = {0.2, -0.4, 0.9}, out[3];
	int k, i, j;

	process("ve:sigma-min=0.0001");
	sf_noise_normal_d(ctx, key, 0, 0, FEW * 3, y[0]);
	assert_ok(ctx, sf_score_delta(ctx, p, FEW, 3, y[0], &s));
	for (k = 0; k < 3; k++) {
		double sd = level[k], t = sf_process_time_of_ratio(p, sd), least = INFINITY,
		       sum = 0, mean[3] = {0};
		double e[FEW], logp;

		for (i = 0; i < FEW; i++) {
			e[i] = 0;
			for (j = 0; j < 3; j++)
				e[i] += (x[j] - y[i][j]) * (x[j] - y[i][j]) / (2 * sd * sd);
			least = e[i] < least ? e[i] : least;
		}
		for (i = 0; i < FEW; i++) {
			sum += exp(least - e[i]);
			for (j = 0; j < 3; j++)
				mean[j] += exp(least - e[i]) * y[i][j];
		}
		assert_ok(ctx, sf_score_eval(s, SF_DENOISED, 1, x, &t, out));
		for (j = 0; j < 3; j++)
			assert_close(out[j], mean[j] / sum, 1e-9, 1e-9);
		assert_ok(ctx, sf_score_logp(s, 1, x, &t, &logp));
		assert_close(logp, -least + log(sum / FEW) - 1.5 * log(2 * SF_PI * sd * sd),
		             1e-9, 0);
	}
	ck_assert_int_eq(sf_score_jvp(s, 1, x, level, x, out), SF_EUNSUP);
}
END_TEST

/* A point repeated is one point with that weight: 8192 copies each of the known answer's five fill five parts of the
 * work, each with a maximum of its own. The known answer; the same score as of five points; bytes for any number of
 * threads and cut into batches; and 40 coordinates, where products are used, give that score forty times. */
START_TEST(parts)
{
	enum { COPIES = 8192, SAMPLES = 45 };
	static const double point[5] = {-1.3, -.4, .1, .9, 2};
	sf_noise key = {9, SF_NOISE_USER, 0};
	double x[SAMPLES], t[SAMPLES], few[SAMPLES], lp[SAMPLES], whole[SAMPLES], part[SAMPLES], logp[SAMPLES];
	double *y = calloc((size_t)5 * COPIES * D, sizeof *y), wide[2 * D], out[2 * D];
	sf_score *five = NULL;
	int i, j;

	process("edm");
	sf_noise_uniform_d(ctx, key, 0, 0, SAMPLES, x);
	for (i = 0; i < SAMPLES; i++) {
		t[i] = i == 0 ? .7 : .01 + i % 4;
		x[i] = i == 0 ? .3 : i == 4 ? -.4 : 6 * x[i] - 3; /* the fifth: a thousand nats ahead in one part */
	}
	for (i = 0; i < 5 * COPIES; i++)
		y[i] = point[i / COPIES];
	assert_ok(ctx, sf_score_delta(ctx, p, 5, 1, point, &five));
	assert_ok(ctx, sf_score_eval(five, SF_DENOISED, SAMPLES, x, t, few));
	assert_ok(ctx, sf_score_logp(five, SAMPLES, x, t, lp));
	assert_close(few[0], .20382946269025046, 1e-14, 0);
	assert_ok(ctx, sf_score_delta(ctx, p, 5 * COPIES, 1, y, &s));
	for (j = 1; j <= 3; j++) {
		assert_ok(ctx, sf_ctx_set_threads(ctx, j));
		assert_ok(ctx, sf_score_eval(s, SF_DENOISED, SAMPLES, x, t, j == 1 ? whole : part));
		assert_ok(ctx, sf_score_logp(s, SAMPLES, x, t, logp));
		for (i = 0; i < SAMPLES; i++) {
			assert_close(whole[i], few[i], 1e-11, 1e-13);
			assert_close(logp[i], lp[i], 1e-12, 1e-12);
		}
		ck_assert(j == 1 || memcmp(whole, part, sizeof whole) == 0);
	}
	for (i = 0; i < SAMPLES; i += 7)
		assert_ok(ctx, sf_score_eval(s, SF_DENOISED, SAMPLES - i < 7 ? SAMPLES - i : 7, x + i, t + i, part + i));
	ck_assert(memcmp(whole, part, sizeof whole) == 0);
	sf_score_free(s);
	s = NULL;
	for (i = 0; i < 5 * COPIES * D; i++)
		y[i] = point[i / D / COPIES];
	for (j = 0; j < 2 * D; j++)
		wide[j] = x[j / D];
	t[0] *= sqrt(D); /* forty equal coordinates weigh as one with a fortieth of the variance */
	t[1] = 2 * sqrt(D);
	assert_ok(ctx, sf_score_delta(ctx, p, 5 * COPIES, D, y, &s));
	assert_ok(ctx, sf_score_eval(s, SF_DENOISED, 2, wide, t, out));
	t[0] = .7;
	t[1] = 2;
	assert_ok(ctx, sf_score_eval(five, SF_DENOISED, 2, x, t, few));
	for (j = 0; j < 2 * D; j++)
		assert_close(out[j], few[j / D], 1e-9, 0);
	sf_score_free(five);
	free(y);
}
END_TEST

START_TEST(delta_refused)
{
	double y[2] = {1, NAN};

	process("edm");
	ck_assert_int_eq(sf_score_delta(ctx, p, 2, 1, y, &s), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "point 1"));
	ck_assert_int_eq(sf_score_delta(ctx, p, 0, 1, y, &s), SF_ERANGE);
	ck_assert_int_eq(sf_score_delta(ctx, p, INT64_MAX, 3, y, &s), SF_ERANGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("points");
	TCase *t = tcase_create("points");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, products, 0, 7);
	tcase_add_test(t, near_ties);
	tcase_add_test(t, same_bytes);
	tcase_add_test(t, records);
	tcase_add_test(t, delta_sum);
	tcase_add_test(t, parts);
	tcase_add_test(t, delta_refused);
	suite_add_tcase(suite, t);
	return sf_test_main(suite);
}
