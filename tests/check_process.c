/* check_process.c: the forward processes: the registry's contract, perturbation and reversed
 * drift against hand formulas, and the paths for two blocks and nonlinear drifts, by the
 * processes of process_cases.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"
#include "process_cases.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sf_process *open_process(sf_ctx *ctx, const char *spec)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_new(ctx, spec, &p));
	return p;
}

/* ---- the registry's contract ---- */

START_TEST(registry)
{
	sf_ctx *ctx = ck_ctx();
	const sf_class *const *m = sf_members("process");
	int n = 0;

	for (; *m; m++, n++) {
		sf_process *p = open_process(ctx, (*m)->name), *again;
		double T = sf_process_horizon(p);
		const sf_opt *o;
		double value;

		ck_assert((*m)->brief[0] && (*m)->ref[0]);
		ck_assert(strchr((*m)->brief, '\n') == NULL);
		ck_assert_str_eq(sf_process_name(p), (*m)->name);
		ck_assert_str_eq(sf_spec(p), (*m)->name);
		ck_assert(T > 0 && sf_process_t_train(p) > 0 &&
		          sf_process_t_train(p) <= sf_process_t_sample(p) &&
		          sf_process_t_sample(p) < T);
		ck_assert(sf_process_blocks(p) == 1 || sf_process_blocks(p) == 2);
		for (o = (*m)->opts; o && o->name; o++) {
			char spec[128];

			ck_assert(o->help[0]);
			if (o->type != SF_OPT_DOUBLE)
				continue;
			value = strtod(o->def, NULL);
			value = value != 0 ? 1.37 * value : 0.9;
			if (o->min < o->max && value > o->max)
				value = (strtod(o->def, NULL) + o->max) / 2;
			snprintf(spec, sizeof spec, "%s:%s=%.17g", (*m)->name, o->name, value);
			again = open_process(ctx, spec);
			ck_assert_ptr_nonnull(strstr(sf_spec(again), o->name));
			sf_process_free(p);
			p = open_process(ctx, sf_spec(again));
			ck_assert_str_eq(sf_spec(p), sf_spec(again));
			sf_process_free(again);
			snprintf(spec, sizeof spec, "%s:%s=-3", (*m)->name, o->name);
			ck_assert_int_eq(sf_process_new(ctx, spec, &again), SF_ERANGE);
			ck_assert_ptr_null(again);
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), o->name));
		}
		sf_process_free(p);
	}
	ck_assert_int_ge(n, 4);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(bad_options)
{
	static const struct {
		const char *spec;
		int code;
		const char *says;
	} bad[] = {
		{"vpp", SF_ENAME, "vp"},
		{"vp:beta-maxx=3", SF_ENAME, "beta-max"},
		{"vp:beta-min=nine", SF_EINVAL, "beta-min"},
		{"vp:beta-min=30", SF_EINVAL, "beta-max"},
		{"subvp:beta-min=30", SF_EINVAL, "beta-max"},
		{"ve:sigma-min=60", SF_EINVAL, "sigma-max"},
		{"edm:sigma-max=0.001", SF_EINVAL, "sigma-min"},
		{"edm:sigma-max=inf", SF_ERANGE, "sigma-max"},
		{"edm:sigma-max", SF_EINVAL, "key=value"},
		{"", SF_EINVAL, "spec"}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_int_eq(sf_process_new(ctx, bad[i].spec, &p), bad[i].code);
		ck_assert_ptr_null(p);
		ck_assert_msg(strstr(sf_ctx_message(ctx), bad[i].says) != NULL, "%s: %s",
		              bad[i].spec, sf_ctx_message(ctx));
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Options reach the formulas: VE with other ends, and constant beta, where the quadratic
 * degenerates. */
START_TEST(option_values)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "ve:sigma-min=0.02,sigma-max=72");

	assert_close(sf_process_sigma(p, 0.5), 1.2, 1e-14, 0);
	assert_close(sf_process_sigma(p, 1), 72, 1e-14, 0);
	assert_close(sf_process_time_of_ratio(p, 1.2), 0.5, 1e-14, 0);
	sf_process_free(p);
	p = open_process(ctx, "vp:beta-min=3,beta-max=3");
	assert_close(sf_process_alpha(p, 0.4), exp(-0.6), 1e-14, 0);
	assert_close(sf_process_time_of_ratio(p, sqrt(expm1(1.2))), 0.4, 1e-14, 0);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* No cancellation: sigma near t = 0 against the leading terms of the series, B = beta t up to
 * t^2. */
START_TEST(small_times)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *vp = open_process(ctx, "vp"), *sub = open_process(ctx, "subvp");
	double t;

	for (t = 1e-12; t < 1e-8; t *= 10) {
		double B = 0.1 * t + 9.95 * t * t;

		assert_close(sf_process_sigma(vp, t), sqrt(B * (1 - B / 2)), 1e-15, 0);
		assert_close(sf_process_sigma(sub, t), B * (1 - B / 2), 4e-16, 0);
		assert_close(sf_process_g2(sub, t), (0.1 + 19.9 * t) * 2 * B * (1 - B), 1e-15, 0);
		assert_close(sf_process_time_of_ratio(vp, sqrt(B * (1 + B / 2))), t, 1e-14, 0);
		assert_close(sf_process_time_of_ratio(sub, B), t, 1e-14, 0);
	}
	sf_process_free(vp);
	sf_process_free(sub);
	sf_ctx_free(ctx);
}
END_TEST

/* Clamped outside the range; NaN goes through; the internal form goes on past T. */
START_TEST(inverse_ends)
{
	sf_ctx *ctx = ck_ctx();
	const sf_class *const *m = sf_members("process");

	for (; *m; m++) {
		sf_process *p = open_process(ctx, (*m)->name);
		double T = sf_process_horizon(p),
		       top = sf_process_sigma(p, T) / sf_process_alpha(p, T);

		if (!sf_process_linear(p) || sf_process_blocks(p) != 1) {
			ck_assert(isnan(top) && isnan(sf_process_time_of_ratio(p, 1)));
			sf_process_free(p);
			continue;
		}
		ck_assert(sf_process_time_of_ratio(p, 2 * top) == T);
		ck_assert(sf_process_time_of_ratio(p, INFINITY) == T);
		ck_assert(sf_process_time_beyond(p, 1.4 * top) > T);
		ck_assert(sf_process_time_of_ratio(p, 0) == 0);
		ck_assert(sf_process_time_of_ratio(p, -1) == 0);
		ck_assert(isnan(sf_process_time_of_ratio(p, NAN)));
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(scalar_fallbacks)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = NULL;
	double t;

	assert_ok(ctx, sf_process_from_class(ctx, &decay, &p));
	for (t = 0.05; t < 1; t += 0.21) {
		double s = sqrt(-0.64 / 3 * expm1(-3 * t));

		assert_close(sf_process_alpha(p, t), exp(-1.5 * t), 1e-15, 0);
		assert_close(sf_process_sigma(p, t), s, 1e-15, 0);
		assert_close(sf_process_g2(p, t), 0.64, 1e-15, 0);
		assert_close(sf_process_time_of_ratio(p, s / exp(-1.5 * t)), t, 1e-12, 0);
	}
	ck_assert(sf_process_time_of_ratio(p, 1e9) == 1);
	ck_assert(sf_process_time_of_ratio(p, 0) == 0);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(incomplete_class)
{
	sf_ctx *ctx = ck_ctx();
	sf_process_class broken = decay;
	sf_process *p;
	int i;

	broken.cov = NULL;
	ck_assert_int_eq(sf_process_from_class(ctx, &broken, &p), SF_EINVAL);
	ck_assert_ptr_null(p);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "decay"));
	broken = decay;
	broken.k = 3;
	ck_assert_int_eq(sf_process_from_class(ctx, &broken, &p), SF_EINVAL);
	for (i = 0; i < 4; i++) { /* what nonlinear ones need */
		broken = well;
		if (i == 0)
			broken.drift = NULL;
		if (i == 1)
			broken.diffusion = NULL;
		if (i == 2)
			broken.sigma = NULL;
		if (i == 3)
			broken.steps = NULL;
		ck_assert_int_eq(sf_process_from_class(ctx, &broken, &p), SF_EINVAL);
	}
	for (i = 0; i < 2; i++) { /* what two blocks need */
		broken = damped;
		if (i == 0)
			broken.noise_cov = NULL;
		if (i == 1)
			broken.start_var = NULL;
		ck_assert_int_eq(sf_process_from_class(ctx, &broken, &p), SF_EINVAL);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* ---- states ---- */

START_TEST(perturb_scalar)
{
	static const double x0[6] = {0.3, -1.2, 2.2, 0.7, -0.4, 1.1},
			    z[6] = {0.5, 1.4, -0.8, -0.1, 2.1, 0.6};
	static const double t[3] = {0.2, 0.61, 0.95};
	sf_ctx *ctx = ck_ctx();
	const sf_class *const *m = sf_members("process");
	double xt[6];
	int i, j;

	for (; *m; m++) {
		sf_process *p = open_process(ctx, (*m)->name);
		int scalar = sf_process_linear(p) && sf_process_blocks(p) == 1;

		if (scalar)
			assert_ok(ctx, sf_process_perturb(p, 3, 2, x0, t, z, xt));
		for (i = 0; scalar && i < 3; i++)
			for (j = 0; j < 2; j++)
				assert_close(xt[2 * i + j],
				             sf_process_alpha(p, t[i]) * x0[2 * i + j] +
				                     sf_process_sigma(p, t[i]) * z[2 * i + j],
				             1e-14, 0);
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Two blocks: the factor reproduces Sigma column by column, and the mean starts in the position
 * alone. */
START_TEST(perturb_blocks)
{
	const double x0[2] = {1.3, -0.4}, t = 0.7;
	sf_ctx *ctx = ck_ctx();
	sf_process *p = NULL;
	double mean[4], e0[4], e1[4], z[4] = {0}, phi[4], cov[4];
	int j;

	assert_ok(ctx, sf_process_from_class(ctx, &damped, &p));
	sf_process_phi(p, 0, t, phi);
	sf_process_cov(p, t, cov);
	assert_ok(ctx, sf_process_perturb(p, 1, 2, x0, &t, z, mean));
	z[0] = z[1] = 1; /* position normals of both coordinates */
	assert_ok(ctx, sf_process_perturb(p, 1, 2, x0, &t, z, e0));
	z[0] = z[1] = 0;
	z[2] = z[3] = 1;
	assert_ok(ctx, sf_process_perturb(p, 1, 2, x0, &t, z, e1));
	for (j = 0; j < 2; j++) {
		double a = e0[j] - mean[j], b = e0[2 + j] - mean[2 + j],
		       c = e1[2 + j] - mean[2 + j];

		assert_close(mean[j], phi[0] * x0[j], 1e-14, 0);
		assert_close(mean[2 + j], phi[2] * x0[j], 1e-14, 0);
		assert_close(e1[j], mean[j], 1e-15, 0);
		assert_close(a * a, cov[0], 1e-13, 0);
		assert_close(a * b, cov[1], 1e-12, 0);
		assert_close(b * b + c * c, cov[3], 1e-13, 0);
	}
	ck_assert(isnan(sf_process_alpha(p, t)) && isnan(sf_process_sigma(p, t)));
	ck_assert(sf_process_g2(p, t) == 4); /* that of the velocity */
	ck_assert(isnan(sf_process_time_of_ratio(p, 1)));
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(perturb_refused)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = NULL;
	double x = 1, t = 0.5, z = 0, out;

	assert_ok(ctx, sf_process_from_class(ctx, &well, &p));
	ck_assert_int_eq(sf_process_perturb(p, 1, 1, &x, &t, &z, &out), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "well"));
	ck_assert(isnan(sf_process_alpha(p, t)));
	assert_close(sf_process_g2(p, t), 2, 1e-15, 0);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* f - (1 + eta^2)/2 g^2 s, also in place. */
START_TEST(reverse_scalar)
{
	static const double x[4] = {0.3, -1.2, 2.2, 0.7}, s[4] = {-2, 0.4, 1.5, -0.2},
			    t[2] = {0.3, 0.8};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");
	double out[4], f[4], place[4];
	int i;

	assert_ok(ctx, sf_process_drift(p, 2, 2, x, t, f));
	assert_ok(ctx, sf_process_reverse_drift(p, 2, 2, x, t, s, 0.5, out));
	memcpy(place, s, sizeof s);
	assert_ok(ctx, sf_process_reverse_drift(p, 2, 2, x, t, place, 0.5, place));
	for (i = 0; i < 4; i++) {
		double beta = 0.1 + 19.9 * t[i / 2];

		assert_close(f[i], -beta / 2 * x[i], 1e-14, 0);
		assert_close(out[i], f[i] - 0.625 * beta * s[i], 1e-14, 0);
		ck_assert(place[i] == out[i]);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(reverse_blocks)
{
	static const double u[4] = {0.3, -1.2, 2.2, 0.7}, s[4] = {-2, 0.4, 1.5, -0.2}, t = 0.3;
	sf_ctx *ctx = ck_ctx();
	sf_process *p = NULL;
	double out[4];
	int j;

	assert_ok(ctx, sf_process_from_class(ctx, &damped, &p));
	memcpy(out, s, sizeof s);
	assert_ok(ctx, sf_process_reverse_drift(p, 1, 2, u, &t, out, 1, out));
	for (j = 0; j < 2; j++) {
		assert_close(out[j], u[2 + j], 1e-15, 0);
		assert_close(out[2 + j], -u[j] - 2 * u[2 + j] - 4 * s[2 + j], 1e-15, 0);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* At the stationary law the probability-flow drift vanishes: f = g^2/2 score with score = x -
 * x^3. */
START_TEST(reverse_nonlinear)
{
	static const double x[3] = {-1.4, 0.2, 0.9}, t = 0.5;
	sf_ctx *ctx = ck_ctx();
	sf_process *p = NULL;
	double s[3], out[3];
	int j;

	assert_ok(ctx, sf_process_from_class(ctx, &well, &p));
	for (j = 0; j < 3; j++)
		s[j] = x[j] - x[j] * x[j] * x[j];
	assert_ok(ctx, sf_process_reverse_drift(p, 1, 3, x, &t, s, 0, out));
	for (j = 0; j < 3; j++)
		assert_close(out[j], 0, 0, 1e-15);
	memcpy(out, s, sizeof s);
	assert_ok(ctx, sf_process_reverse_drift(p, 1, 3, x, &t, out, 1, out));
	for (j = 0; j < 3; j++)
		assert_close(out[j], -s[j], 1e-14, 0);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(prior)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "ve"), *two = NULL;
	double z[4] = {1, -2, 0.5, 3}, logp[2];

	sf_process_prior(p, 2, 2, z);
	assert_close(z[0], 50, 1e-15, 0);
	assert_close(z[3], 150, 1e-15, 0);
	sf_process_prior_logp(p, 2, 2, z, logp);
	assert_close(logp[0], -2.5 - log(2 * SF_PI * 2500), 1e-14, 0);
	assert_close(logp[1], -4.625 - log(2 * SF_PI * 2500), 1e-14, 0);
	sf_process_free(p);
	/* blocks have variances of their own: 1 and 4 */
	z[0] = z[1] = z[2] = z[3] = 1;
	assert_ok(ctx, sf_process_from_class(ctx, &damped, &two));
	sf_process_prior(two, 1, 2, z);
	ck_assert(z[0] == 1 && z[1] == 1 && z[2] == 2 && z[3] == 2);
	sf_process_prior_logp(two, 1, 2, z, logp);
	assert_close(logp[0], -2 - 2 * log(2 * SF_PI) - log(4), 1e-14, 0);
	sf_process_free(two);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(blocks)
{
	static const double a[4] = {4, 2, 2, 5};
	double l[4], inverse[4], x[2] = {1, -1}, back[2];

	sf_block_cholesky(2, a, l);
	ck_assert(l[0] == 2 && l[1] == 0 && l[2] == 1 && l[3] == 2);
	assert_close(sf_block_inverse(2, a, inverse), log(16), 1e-15, 0);
	sf_block_apply(2, a, x, back);
	sf_block_apply(2, inverse, back, back);
	assert_close(back[0], 1, 1e-15, 0);
	assert_close(back[1], -1, 1e-15, 0);
	assert_close(sf_block_inverse(1, a, inverse), log(4), 1e-15, 0);
	ck_assert(inverse[0] == 0.25);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("process");
	TCase *registered = tcase_create("registry"), *states = tcase_create("states");

	tcase_add_test(registered, registry);
	tcase_add_test(registered, bad_options);
	tcase_add_test(registered, option_values);
	tcase_add_test(registered, small_times);
	tcase_add_test(registered, inverse_ends);
	tcase_add_test(registered, scalar_fallbacks);
	tcase_add_test(registered, incomplete_class);
	tcase_add_test(states, perturb_scalar);
	tcase_add_test(states, perturb_blocks);
	tcase_add_test(states, perturb_refused);
	tcase_add_test(states, reverse_scalar);
	tcase_add_test(states, reverse_blocks);
	tcase_add_test(states, reverse_nonlinear);
	tcase_add_test(states, prior);
	tcase_add_test(states, blocks);
	suite_add_tcase(suite, registered);
	suite_add_tcase(suite, states);
	return sf_test_main(suite);
}
