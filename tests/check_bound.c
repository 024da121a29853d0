/* check_bound.c: the variational bound against its closed form on normal data; bits per dimension; latents in
 * between. SPDX-License-Identifier: BSD-3-Clause */
#include "likelihood_base.h"
#include "model_case.h"
#include "support.h"

#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const processes[] = {"vp", "subvp", "ve", "edm"};
enum { PROCESSES = 4, M = 3000 };

/* The importance weights that Song et al. 2021b tabulate: int g^2/sigma^2 dt from 1e-5 is the fall of lambda, and
 * their quantiles of t are even parts of it. */
START_TEST(importance_sampling)
{
	static const double total[] = {23.8644723654695, 37.6789457319341, 17.0342160389686};
	static const double quantile[2][3] = {{1.07701403e-4, .114421449, .872627659}, {6.54336947e-5, .0305502284,
	                                                                                .789807375}};
	static const double part[] = {.1, .5, .9};
	double top, range;
	int i;

	assert_ok(ctx, sf_process_new(ctx, processes[_i], &process));
	top = sf_process_logsnr(process, 1e-5);
	range = top - sf_process_logsnr(process, 1);
	assert_close(range, total[_i], 1e-12, 0);
	for (i = 0; i < 3 && _i < 2; i++)
		assert_close(sf_process_time_of_ratio(process, exp(-(top - part[i] * range) / 2)), quantile[_i][i], 1e-8, 0);
}
END_TEST

/* Data N(m, S^2) at x, with r = (sigma/alpha)^2: E|z - eps|^2 = (S^4 + r (x - m)^2)/(S^2 + r)^2, whose half integral
 * over ln r is H(r_T) - H(r_0). */
static double antiderivative(double r, double S2, double e2)
{
	return .5 * (log(r / (S2 + r)) + S2 / (S2 + r) - e2 / (S2 + r));
}

static double square_error(double r, double S2, double e2)
{
	return (S2 * S2 + r * e2) / ((S2 + r) * (S2 + r));
}

static double mean_of(const sf_bound *b, size_t at, double *se)
{
	double sum = 0, square = 0;
	int i;

	for (i = 0; i < M; i++) {
		const void *p = (const char *)&b[i] + at;
		double v;

		memcpy(&v, p, sizeof v);
		sum += v / M;
		square += v * v / M;
	}
	*se = sqrt(fmax(0, square - sum * sum) / M);
	return sum;
}

START_TEST(closed_form)
{
	static sf_bound b[M];
	static double x[M];
	double m = .3, S2 = .25, at = -.4, e2 = (at - m) * (at - m), T, t0, r0, rT, aT, sT, var, exact[3], mean, se, kl;
	static const int64_t times[] = {16, 64, 16, 64};
	int i;

	open_score(processes[_i], "gaussian:mean=0.3,std=0.5", 1);
	for (i = 0; i < M; i++)
		x[i] = at;
	run.n = M;
	assert_ok(ctx, sf_likelihood_bound(score, &run, times[_i], x, b));
	T = sf_process_horizon(process);
	t0 = sf_process_t_train(process);
	r0 = exp(-sf_process_logsnr(process, t0));
	rT = exp(-sf_process_logsnr(process, T));
	aT = sf_process_alpha(process, T);
	sT = sf_process_sigma(process, T);
	var = _i < 2 ? 1 : sT * sT;
	exact[0] = .5 * (aT * aT * at * at / var + sT * sT / var - 1 - log(sT * sT / var));
	exact[1] = antiderivative(rT, S2, e2) - antiderivative(r0, S2, e2);
	exact[2] = .5 * (log(2 * SF_PI * r0) + square_error(r0, S2, e2));
	for (i = 0; i < M; i++)
		assert_close(b[i].prior, exact[0], 1e-12, 1e-15);
	mean = mean_of(b, offsetof(sf_bound, diffusion), &se);
	ck_assert(se < .1 && se > 0);
	assert_close(mean, exact[1], 0, 5 * se);
	mean = mean_of(b, offsetof(sf_bound, reconstruction), &se);
	assert_close(mean, exact[2], 0, 5 * se);
	mean = mean_of(b, offsetof(sf_bound, logp), &se);
	assert_close(mean, -(exact[0] + exact[1] + exact[2]), 0, 5 * se);
	/* tight: what is left is the law at T, KL(q(x_T|x) || prior) - KL(q(x_T|x) || p_T), and t0 */
	{
		double V = aT * aT * S2 + sT * sT;

		kl = .5 * (aT * aT * e2 / V + sT * sT / V - 1 - log(sT * sT / V));
		assert_close(exact[0] + exact[1] + exact[2] - (exact[0] - kl), .5 * (log(2 * SF_PI * S2) + e2 / S2), 0,
		             2 * r0 / S2 * (1 + e2 / S2));
	}
}
END_TEST

START_TEST(bounds_a_mixture) /* from below, and closely where the score is exact; further off with a wrong one */
{
	static sf_bound b[M];
	static double x[M];
	double near0 = 1e-9, se, mean, wrong, exact;
	sf_process *p;
	sf_score *s;
	int i;

	open_score("vp", "mixture:preset=skewed", 1);
	for (i = 0; i < M; i++)
		x[i] = .9;
	assert_ok(ctx, sf_score_logp(score, 1, x, &near0, &exact));
	run.n = M;
	assert_ok(ctx, sf_likelihood_bound(score, &run, 32, x, b));
	mean = mean_of(b, offsetof(sf_bound, logp), &se);
	assert_close(mean, exact, 0, 5 * se + 1e-3); /* the prior is off by KL(p_1||N) < 1e-4 */
	assert_ok(ctx, sf_process_new(ctx, "vp", &p));
	assert_ok(ctx, sf_score_new(ctx, "gaussian:mean=0.3,std=2", p, 1, &s));
	assert_ok(ctx, sf_likelihood_bound(s, &run, 32, x, b));
	wrong = mean_of(b, offsetof(sf_bound, logp), &se);
	/* that is the bound on the wrong model's density */
	assert_close(wrong, -.5 * (.09 + log(2 * SF_PI * 4)), 0, 5 * se + 5e-3);
	sf_score_free(s);
	sf_process_free(p);
}
END_TEST

enum { TIMES = 40, ENDS = TIMES / 8 + 1 };
static double seen[3 * (TIMES + ENDS)];

static int look(void *user, int64_t n, const double *x, const double *t, double *out)
{
	int64_t i;

	(void)user;
	for (i = 0; i < n; i++) {
		out[i] = -x[i];
		seen[i] = t[i];
	}
	return SF_OK;
}

START_TEST(a_time_in_each_part) /* of lambda's range, different ones for each sample */
{
	double x[3] = {.1, .2, .3}, top, range;
	sf_bound b[3];
	int i, q;

	assert_ok(ctx, sf_process_new(ctx, processes[_i], &process));
	assert_ok(ctx, sf_score_from_function(ctx, process, 1, look, NULL, NULL, &score));
	run.n = 3;
	assert_ok(ctx, sf_likelihood_bound(score, &run, TIMES, x, b));
	top = sf_process_logsnr(process, sf_process_t_train(process));
	range = top - sf_process_logsnr(process, sf_process_horizon(process));
	for (q = 0; q < TIMES; q++)
		for (i = 0; i < 3; i++) {
			double part = (top - sf_process_logsnr(process, seen[3 * q + i])) / range * TIMES;

			ck_assert_msg(part > q - 1e-6 && part < q + 1 + 1e-6, "time %d of sample %d is in part %g", q, i, part);
			ck_assert(i == 0 || seen[3 * q + i] != seen[3 * q]);
		}
	for (q = 3 * TIMES; q < 3 * (TIMES + ENDS); q++)
		ck_assert(seen[q] == sf_process_t_train(process));
}
END_TEST

START_TEST(equal_bytes)
{
	double x[14];
	sf_bound whole[7], b[7];
	int threads, cut, k;

	open_score("vp", "mixture:preset=rings8", 2);
	for (k = 0; k < 14; k++)
		x[k] = sin(k);
	run.n = 7;
	run.first_sample = 5;
	run.seed = 3;
	assert_ok(ctx, sf_likelihood_bound(score, &run, 700, x, whole)); /* more than one call's rows */
	for (threads = 1; threads <= 3; threads++)
		for (cut = 1; cut <= 7; cut += 3) {
			assert_ok(ctx, sf_ctx_set_threads(ctx, threads));
			for (k = 0; k < 7; k += cut) {
				run.first_sample = 5 + (uint64_t)k;
				run.n = 7 - k < cut ? 7 - k : cut;
				assert_ok(ctx, sf_likelihood_bound(score, &run, 700, x + 2 * k, b + k));
			}
			ck_assert(memcmp(b, whole, sizeof b) == 0);
		}
}
END_TEST

static int broken(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)user;
	(void)x;
	while (n-- > 0)
		out[n] = t[n] > .9 ? NAN : 0;
	return SF_OK;
}

START_TEST(refused)
{
	double x[2] = {.1, .2};
	sf_bound b[2];

	open_score("cld", "gaussian:std=0.5", 1);
	run.n = 2;
	ck_assert_int_eq(sf_likelihood_bound(score, &run, 8, x, b), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "'cld' is one of two"));
	open_score("vp", "gaussian:std=0.5", 1);
	ck_assert_int_eq(sf_likelihood_bound(score, &run, 0, x, b), SF_ERANGE);
	run.n = 0;
	ck_assert_int_eq(sf_likelihood_bound(score, &run, 8, x, b), SF_ERANGE);
	run.n = INT64_MAX / 4;
	ck_assert_int_eq(sf_likelihood_bound(score, &run, 8, x, b), SF_ERANGE);
	run.n = 2;
	run.start = 1.5;
	ck_assert_int_eq(sf_likelihood_bound(score, &run, 8, x, b), SF_ERANGE);
	run.start = NAN;
	sf_score_free(score);
	assert_ok(ctx, sf_score_from_function(ctx, process, 1, broken, NULL, NULL, &score));
	ck_assert_int_eq(sf_likelihood_bound(score, &run, 64, x, b), SF_EDIVERGED);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "at time 0.9"));
}
END_TEST

/* ---- bits of 8-bit data ---- */

START_TEST(cells) /* a density that is 1/256 on every level's cell needs 8 bits, whatever the scaling */
{
	unsigned char pixel[6 * 4];
	const char *dir = sf_test_mkdir();
	char spec[512];
	double x[4], again[4], other[4];
	sf_array a;
	sf_data *data;
	sf_view v;
	int i, k, j, dequantised = _i / 2, unit = _i % 2;

	for (i = 0; i < 24; i++)
		pixel[i] = (unsigned char)(i == 0 ? 0 : i == 1 ? 255 : i * 37 % 256);
	memset(&a, 0, sizeof a);
	a.type = SF_U8;
	a.rank = 2;
	a.dim[0] = 6;
	a.dim[1] = 4;
	a.size = 24;
	a.data = pixel;
	snprintf(spec, sizeof spec, "%s/x.npy", dir);
	assert_ok(ctx, sf_npy_write(ctx, spec, &a));
	snprintf(spec, sizeof spec, "npy:path=%s/x.npy", dir);
	assert_ok(ctx, sf_data_new(ctx, spec, &data));
	ck_assert_int_eq(sf_data_describe(data)->levels, 256);
	assert_ok(ctx, sf_view_make(data, unit ? SF_SCALE_UNIT : SF_SCALE_PM1, 0, 0, dequantised, 9, &v));
	if (dequantised)
		assert_close(sf_view_bits(&v, 4, 0), unit ? 8 : 7, 1e-15, 0); /* of scale 256 and 128 */
	assert_close(sf_view_bits(&v, 4, -4 * log(256 / v.scale)), 8, 1e-15, 0);
	for (i = 0; i < 6; i++) {
		sf_view_spread(&v, i, 0, x, NULL);
		sf_view_spread(&v, i, 0, again, NULL);
		sf_view_spread(&v, i, 1, other, NULL);
		ck_assert(memcmp(x, again, sizeof x) == 0 && memcmp(x, other, sizeof x) != 0);
		for (k = 0; k < 4; k++) {
			double stored = v.scale * x[k] + v.shift - pixel[4 * i + k];

			ck_assert(dequantised ? stored > 0 && stored < 1 : stored > -.5 && stored < .5);
		}
	}
	for (j = 0, x[0] = 0; j < 2000; j++) { /* in the middle of the cell on average */
		sf_view_spread(&v, 3, (uint32_t)j, again, NULL);
		x[0] += (v.scale * again[2] + v.shift - pixel[14]) / 2000;
	}
	assert_close(x[0], dequantised ? .5 : 0, 0, 5 * sqrt(1.0 / 12 / 2000));
	sf_data_free(data);
	sf_test_rmdir(dir);
}
END_TEST

/* ---- a network: whatever its weights, its density integrates to one ---- */

START_TEST(network_density)
{
	static const int64_t dim[] = {1};
	enum { POINTS = 401 };
	static double x[POINTS], w[4096];
	static sf_logp l[POINTS];
	sf_model m = make_model(ctx, "mlp:width=8,depth=1,embed-width=4", "edm:sigma-max=5", _i ? "energy" : "edm", 1, dim,
	                        0);
	double sum = 0, second = 0, h = _i ? .15 : .1, off = 0;
	int64_t trainable, total, i;

	assert_ok(ctx, sf_model_params(&m, &trainable, &total));
	ck_assert_int_le(total, 4096);
	for (i = 0; i < total; i++)
		w[i] = (_i ? .1 : .6) * sin(1.7 * (double)i);
	for (i = 0; i < POINTS; i++)
		x[i] = h * (double)(i - POINTS / 2);
	assert_ok(ctx, sf_model_score(&m, SF_F64, w, 0, &score));
	run.n = POINTS;
	run.solver = "rk45:rtol=1e-7,atol=1e-7";
	run.start = .1;
	assert_ok(ctx, sf_likelihood(score, &run, x, l, NULL, NULL));
	for (i = 0; i < POINTS; i++) {
		sum += h * exp(l[i].logp);
		second += h * x[i] * x[i] * exp(l[i].logp);
	}
	for (i = 0; i < POINTS; i++) /* and it is not normal */
		off += h * fabs(exp(l[i].logp) - exp(-.5 * x[i] * x[i] / second) / sqrt(2 * SF_PI * second));
	ck_assert_msg(off > .01, "the density is normal (%g)", off);
	assert_close(sum, 1, 1e-5, 0);
	sf_score_free(score);
	score = NULL;
	free_model(&m);
}
END_TEST

/* ---- latents ---- */

START_TEST(between)
{
	double a[4] = {1, .5, -.3, .2}, b[4] = {-.4, 1.2, .1, .6}, out[4], var[2], aa = 0, bb = 0, length, before = 0;
	int i, j;

	assert_ok(ctx, sf_process_new(ctx, _i ? "cld" : "vp", &process));
	var[0] = 1;
	var[1] = _i ? .25 : 1;
	for (j = 0; j < 4; j++) { /* on one sphere */
		aa += a[j] * a[j] / var[_i ? j / 2 : 0];
		bb += b[j] * b[j] / var[_i ? j / 2 : 0];
	}
	for (j = 0; j < 4; j++)
		b[j] *= sqrt(aa / bb);
	for (i = 0; i <= 10; i++) {
		double angle = 0;

		sf_latent_between(process, _i ? 2 : 4, a, b, i / 10., out);
		for (length = 0, j = 0; j < 4; j++) {
			length += out[j] * out[j] / var[_i ? j / 2 : 0];
			angle += out[j] * a[j] / var[_i ? j / 2 : 0] / aa;
		}
		assert_close(length, aa, 1e-13, 0);
		for (j = 0; j < 4; j++)
			if (i % 10 == 0)
				assert_close(out[j], i ? b[j] : a[j], 1e-13, 1e-15);
		if (i == 1)
			before = acos(angle);
		if (i > 0) /* at even angles */
			assert_close(acos(angle), i * before, 1e-10, 0);
	}
	sf_latent_between(process, _i ? 2 : 4, a, a, .3, out);
	for (j = 0; j < 4; j++)
		assert_close(out[j], a[j], 1e-15, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bound");
	TCase *t = tcase_create("bound");

	tcase_add_checked_fixture(t, base_setup, teardown);
	tcase_add_loop_test(t, importance_sampling, 0, 3);
	tcase_add_loop_test(t, closed_form, 0, PROCESSES);
	tcase_add_test(t, bounds_a_mixture);
	tcase_add_loop_test(t, a_time_in_each_part, 0, PROCESSES);
	tcase_add_test(t, equal_bytes);
	tcase_add_test(t, refused);
	tcase_add_loop_test(t, cells, 0, 4);
	tcase_add_loop_test(t, network_density, 0, 2);
	tcase_add_loop_test(t, between, 0, 2);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
