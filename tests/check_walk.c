/* check_walk.c: the processes towards a law other than the normal (double-well, sech), static and ddpm: priors by
 * their own distribution functions, stationarity, the linearised transition against series, published levels.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "moments.h"
#include "process/langevin.h"
#include "sampler_rig.h"
#include "support.h"

#include <math.h>
#include <string.h>

static const sf_noise key = {4711, SF_NOISE_PERTURB, 1}, other = {4711, SF_NOISE_USER, 0};

static sf_process *open_process(sf_ctx *ctx, const char *spec)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_new(ctx, spec, &p));
	return p;
}

static double score_of(const sf_process *p, double x)
{
	return strcmp(sf_process_name(p), "sech") ? x - x * x * x : -SF_PI / 2 * tanh(SF_PI / 2 * x);
}

static const struct {
	const char *name;
	double second, fourth, fisher; /* E x^2, E x^4, E phi^2 */
} law[2] = {{"double-well", 1.0417972965, 2.0417972965, 2.1253918895}, {"sech", 1, 5, SF_PI * SF_PI / 8}};

static void assert_law(const sf_process *p, int which, const double *x, int n, double bias)
{
	double *term = sf_alloc((size_t)n, sizeof *term);
	int i;

	assert_mean(x, n, 0, 0);
	for (i = 0; i < n; i++)
		term[i] = x[i] * x[i];
	assert_mean(term, n, law[which].second, bias * law[which].second);
	for (i = 0; i < n; i++)
		term[i] *= term[i];
	assert_mean(term, n, law[which].fourth, 2 * bias * law[which].fourth);
	for (i = 0; i < n; i++)
		term[i] = score_of(p, x[i]) * score_of(p, x[i]);
	assert_mean(term, n, law[which].fisher, 2 * bias * law[which].fisher);
	sf_free(term);
}

/* ---- priors ---- */

/* Integral of the prior's density over [a, b] by Simpson's rule on its own logarithm. */
static double mass(const sf_process *p, double a, double b)
{
	double sum = 0, logp, x;
	int i, n = 20000;

	for (i = 0; i <= n; i++) {
		x = a + (b - a) * i / n;
		sf_process_prior_logp(p, 1, 1, &x, &logp);
		sum += (i == 0 || i == n ? 1 : i % 2 ? 4 : 2) * exp(logp);
	}
	return sum * (b - a) / (3 * n);
}

START_TEST(prior)
{
	static const double far[2] = {5, 45};
	double *x = sf_alloc(MANY, sizeof *x), z, y, mirror;
	sf_ctx *ctx = ck_ctx();
	int i;

	for (i = 0; i < 2; i++) {
		sf_process *p = open_process(ctx, law[i].name);

		assert_close(mass(p, 0, far[i]), 0.5, 1e-11, 0);
		for (z = -5.75; z < 5.8; z += 0.25) { /* N(x) of the quantile is N of the normal, tail by tail */
			y = z;
			sf_process_prior(p, 1, 1, &y);
			ck_assert(fabs(z) < 0.1 ? fabs(y) < 1e-15 : z * y > 0);
			assert_close(mass(p, fabs(y), far[i]), erfc(fabs(z) / sqrt(2)) / 2, 1e-11, 0);
			mirror = -z;
			sf_process_prior(p, 1, 1, &mirror);
			ck_assert(mirror == -y || fabs(y) < 1e-15);
		}
		for (z = 1; z < 38; z += 0.37) { /* rises as far as doubles go */
			double next = z + 0.01;

			y = z;
			sf_process_prior(p, 1, 1, &y);
			sf_process_prior(p, 1, 1, &next);
			ck_assert(next >= y && isfinite(next));
		}
		sf_noise_normal_d(ctx, other, 0, 0, MANY, x);
		sf_process_prior(p, MANY / 10, 10, x);
		assert_law(p, i, x, MANY, 0);
		sf_process_free(p);
	}
	sf_free(x);
	sf_ctx_free(ctx);
}
END_TEST

/* Published constants, and phi = d log pi/dx, phi' by differences. */
START_TEST(laws)
{
	static const double two[2] = {0.3, -1.4};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "double-well"), *sech = open_process(ctx, "sech");
	double x = 0, logp, both, up, down, f, t = 0.3, z, h = 1e-4;
	int i;

	sf_process_prior_logp(p, 1, 1, &x, &logp);
	assert_close(exp(-logp), 3.9051371699, 2e-11, 0);
	sf_process_prior_logp(sech, 1, 1, &x, &logp);
	assert_close(exp(-logp), 2, 1e-15, 0);
	x = -0.674489750196082; /* N(x) = 1/4 */
	sf_process_prior(sech, 1, 1, &x);
	assert_close(x, -0.561099852339180, 1e-13, 0);
	for (i = 0; i < 2; i++) {
		sf_process *q = i ? sech : p;

		sf_process_prior_logp(q, 1, 2, two, &both);
		sf_process_prior_logp(q, 1, 1, two, &up);
		sf_process_prior_logp(q, 1, 1, two + 1, &down);
		assert_close(both, up + down, 1e-14, 0);
		for (z = -2.1; z < 2.5; z += 0.7) {
			const sf_langevin *s = q->object.state;

			x = z + h;
			sf_process_prior_logp(q, 1, 1, &x, &up);
			x = z - h;
			sf_process_prior_logp(q, 1, 1, &x, &down);
			assert_close((up - down) / (2 * h), score_of(q, z), 1e-7, 1e-7);
			assert_close((s->score(z + h) - s->score(z - h)) / (2 * h), s->slope(z), 1e-6, 1e-7);
			x = z;
			assert_ok(ctx, sf_process_drift(q, 1, 1, &x, &t, &f));
			assert_close(f, (0.1 + 19.9 * t) / 2 * score_of(q, z), 1e-14, 0);
		}
		assert_close(sf_process_g2(q, t), 0.1 + 19.9 * t, 1e-14, 0);
		assert_close(sf_process_scale(q, t), sqrt(-expm1(-0.1 * t - 9.95 * t * t)), 1e-14, 0);
	}
	sf_process_free(p);
	sf_process_free(sech);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- dynamics ---- */

/* Started from its prior a path stays there; started at 0 it gets there. The chain of dB = 0.1 that ends the
 * default 200 steps has a law of its own, within 3 per cent of pi's second moment. */
START_TEST(stationary)
{
	static const struct {
		const char *spec;
		double t, bias;
		int from_prior;
	} run[] = {{"double-well:steps=1000", 0.2, 0.002, 1}, {"sech:steps=1000", 0.2, 0.002, 1},
	           {"double-well", 1, 0.03, 0}, {"sech", 1, 0.03, 0}};
	enum { N = MANY / 4 };
	double *x0 = sf_alloc(3 * (size_t)N, sizeof *x0), *xt = x0 + N, *z = x0 + 2 * N, tail;
	sf_ctx *ctx = ck_ctx();
	int i, j;

	for (i = 0; i < 4; i++) {
		sf_process *p = open_process(ctx, run[i].spec);

		sf_noise_normal_d(ctx, other, 0, 0, N, x0);
		sf_process_prior(p, 1, N, x0);
		for (j = 0; j < N && !run[i].from_prior; j++)
			x0[j] = 0;
		assert_ok(ctx, sf_process_draw(p, N, x0, run[i].t, key, 0, 0, xt, z, &tail));
		assert_law(p, i % 2, xt, N, run[i].bias);
		sf_process_free(p);
	}
	sf_free(x0);
	sf_ctx_free(ctx);
}
END_TEST

static double minus(double x)
{
	return -x;
}

static double minus_one(double x)
{
	(void)x;
	return -1;
}

static double nothing(double x)
{
	(void)x;
	return 0;
}

static double one(double x)
{
	(void)x;
	return 1;
}

/* pi = N(0,1) is VP: its alpha and sigma come out. A constant phi is Brownian motion with a drift. */
START_TEST(transition_limits)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *vp = open_process(ctx, "vp");
	sf_langevin s = {{0.1, 20}, 200, minus, minus_one};
	double t, mean, std;

	for (t = 1e-6; t <= 1; t *= 1.7) {
		double y = 1.3;

		sf_langevin_transition(&s, 1, &y, 0, t, &mean, &std);
		assert_close(mean, sf_process_alpha(vp, t) * y, 0, 4e-16);
		ck_assert(std == sf_process_sigma(vp, t));
	}
	s.score = one;
	s.slope = nothing;
	sf_langevin_linearised(&s, 0.5, 0.3, &mean, &std);
	ck_assert(mean == 0.65 && std == sqrt(0.3));
	sf_process_free(vp);
	sf_ctx_free(ctx);
}
END_TEST

/* Moments of x over dB from y in the double well: with the generator L = phi/2 d/dx + 1/2 d2/dx2, which maps
 * polynomials to polynomials, E x^q = sum dB^k/k! (L^k x^q)(y). */
enum { ORDERS = 7, DEGREE = 2 + 2 * ORDERS };

static double well_moment(int q, double y, double dB)
{
	double c[DEGREE + 3] = {0}, next[DEGREE + 3], sum, total = 0, factor = 1;
	int k, i;

	c[q] = 1;
	for (k = 0; k <= ORDERS; k++) {
		for (sum = 0, i = DEGREE; i >= 0; i--)
			sum = sum * y + c[i];
		total += factor * sum;
		factor *= dB / (k + 1);
		memset(next, 0, sizeof next);
		for (i = 1; i <= DEGREE; i++) {
			next[i] += c[i] * i / 2; /* (x - x^3)/2 i x^(i-1) */
			next[i + 2] -= c[i] * i / 2;
			if (i >= 2)
				next[i - 2] += c[i] * i * (i - 1) / 2;
		}
		memcpy(c, next, sizeof c);
	}
	return total;
}

/* The linearised mean misses phi''(y) dB^2/8 = -3/4 y dB^2, the variance a term of dB^3; Euler-Maruyama's variance
 * (dB) already one of dB^2. */
START_TEST(transition_order)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "double-well:beta-min=2,beta-max=2");
	double y, off[2][2], mean, std, dB = 0.001;
	int i;

	for (y = -1.3; y < 1.6; y += 0.65) {
		if (fabs(y) < 0.1)
			continue;
		for (i = 0; i < 2; i++, dB /= 2) {
			double m = well_moment(1, y, dB), v = well_moment(2, y, dB) - m * m;

			sf_langevin_transition(p->object.state, 1, &y, 0.1, 0.1 + dB / 2, &mean, &std);
			off[0][i] = m - mean;
			off[1][i] = v - std * std;
			assert_close(off[0][i] / (dB * dB), -0.75 * y, 0.05, 0);
		}
		dB *= 4;
		assert_close(off[0][0] / off[0][1], 4, 0.05, 0);
		assert_close(off[1][0] / off[1][1], 8, 0.05, 0);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* With the stationary score, which is exact from the prior on, the reverse SDE keeps the law, and the
 * probability-flow ODE stands still. */
static int own_score(void *user, int64_t n, const double *x, const double *t, double *out)
{
	int64_t i;

	(void)t;
	for (i = 0; i < 10 * n; i++)
		out[i] = score_of(user, x[i]);
	return 0;
}

START_TEST(sampled)
{
	static const char *const sampler[2] = {"em", "em:eta=0"};
	enum { N = 1000, D = 10 };
	double *x = sf_alloc((size_t)N * D, sizeof *x), *start = sf_alloc((size_t)N * D, sizeof *start);
	int i, k, j;

	for (i = 0; i < 2; i++)
		for (k = 0; k < 2; k++) {
			rig r = open_rig(law[i].name, NULL, D, sampler[k]);

			assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, D, own_score, r.process, NULL, &r.score));
			r.run.n = N;
			r.run.steps = k == 0 ? 250 : 20;
			r.run.seed = 3;
			r.run.denoise = 0;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
			if (k == 0) {
				assert_law(r.process, i, x, N * D, 0.02);
			} else {
				const sf_noise begin = {3, SF_NOISE_PRIOR, 0};

				for (j = 0; j < N; j++)
					sf_noise_normal_d(r.ctx, begin, (uint64_t)j, 0, D, start + j * D);
				sf_process_prior(r.process, N, D, start);
				for (j = 0; j < N * D; j++)
					assert_close(x[j], start[j], 1e-12, 1e-12);
			}
			close_rig(&r);
		}
	sf_free(x);
	sf_free(start);
}
END_TEST

/* ---- static ---- */

START_TEST(stands_still)
{
	double x0[3] = {1, -2, 0.5}, xt[3], z[3], want[3], std[3], tail = 7, t = 0.4, f[3];
	rig r = open_rig("static", NULL, 3, "em");

	assert_ok(r.ctx, sf_process_draw(r.process, 3, x0, t, key, 2, 0, xt, z, &tail));
	sf_noise_normal_d(r.ctx, key, 2, 0, 3, want);
	ck_assert(memcmp(x0, xt, sizeof xt) == 0 && memcmp(z, want, sizeof z) == 0 && tail == 0);
	ck_assert(sf_process_scale(r.process, t) == 1 && sf_process_g2(r.process, t) == 0);
	assert_ok(r.ctx, sf_process_drift(r.process, 1, 3, x0, &t, f));
	ck_assert(f[0] == 0 && f[1] == 0 && f[2] == 0);
	ck_assert_int_eq(sf_process_draw_local(r.process, 3, x0, t, 0.5, key, 2, xt, z, std), SF_EUNSUP);
	ck_assert_int_eq(sf_sampler_accepts(r.sampler, r.process), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "static"));
	close_rig(&r);
}
END_TEST

/* ---- levels ---- */

START_TEST(ddpm)
{
	static const struct {
		int level;
		double beta, abar, sigma;
	} row[] = {{0, 0.0001, 0.9999, 0.01},
	           {1, 0.00011991991991992, 0.999780092072072, 0.0148292929004697},
	           {99, 0.00207207207207207, 0.89701814567496, 0.320907859556353},
	           {499, 0.01004004004004, 0.0785872428817783, 0.959902472711797},
	           {998, 0.0199800800800801, 4.11819363813846e-05, 0.999979408819811},
	           {999, 0.02, 4.03582976537569e-05, 0.99997982064757}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "ddpm"), *four = open_process(ctx, "ddpm:levels=4,beta-min=1,beta-max=2");
	double phi, abar = 1, t;
	size_t i;

	ck_assert_int_eq(sf_process_levels(p), 1000);
	for (i = 0; i < sizeof row / sizeof *row; i++) {
		t = row[i].level / 999.0;
		assert_close(sf_process_alpha(p, t) * sf_process_alpha(p, t), row[i].abar, 2e-13, 0);
		assert_close(sf_process_sigma(p, t), row[i].sigma, 2e-13, 0);
		if (row[i].level == 0)
			continue;
		sf_process_phi(p, (row[i].level - 1) / 999.0, t, &phi);
		assert_close(1 - phi * phi, row[i].beta, 1e-10, 0);
	}
	ck_assert_int_eq(sf_process_levels(four), 4);
	for (i = 0; i < 4; i++) { /* by the product; halfway between levels the geometric mean */
		double before = abar;

		abar *= 1 - (1 + (double)i / 3) / 4;
		t = (double)i / 3;
		assert_close(sf_process_alpha(four, t), sqrt(abar), 1e-15, 0);
		if (i == 0)
			continue;
		assert_close(sf_process_alpha(four, t - 1 / 6.0), pow(before * abar, 0.25), 1e-15, 0);
		assert_close(sf_process_g2(four, t - 0.1), 3 * log(before / abar), 1e-14, 0);
		sf_process_drift_matrix(four, t - 0.1, &phi);
		assert_close(phi, -1.5 * log(before / abar), 1e-14, 0);
	}
	for (t = 0.01; t < 1.5; t += 0.13) /* also past T */
		assert_close(sf_process_time_beyond(four, sf_process_sigma(four, t) / sf_process_alpha(four, t)), t, 1e-13, 0);
	ck_assert(sf_process_time_of_ratio(four, 0.1) == 0); /* less noise than level 0 has */
	sf_process_free(p);
	sf_process_free(four);
	ck_assert_int_eq(sf_process_new(ctx, "ddpm:levels=15", &p), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "beta-max=20"));
	ck_assert_int_eq(sf_process_new(ctx, "ddpm:levels=1", &p), SF_ERANGE);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(levels)
{
	static const struct {
		const char *spec;
		int64_t n;
	} has[] = {{"ve", 1000}, {"ve:levels=232", 232}, {"vp", 0}, {"sech", 0}, {"static", 0}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p;
	size_t i;

	for (i = 0; i < sizeof has / sizeof *has; i++) {
		p = open_process(ctx, has[i].spec);
		ck_assert_int_eq(sf_process_levels(p), has[i].n);
		sf_process_free(p);
	}
	/* score_sde's table of 1000 */
	p = open_process(ctx, "ve");
	assert_close(sf_process_sigma(p, 1 / 999.0), 0.0100856216635839, 1e-13, 0);
	assert_close(sf_process_sigma(p, 499 / 999.0), 0.704098900000859, 1e-13, 0);
	assert_close(sf_process_sigma(p, 998 / 999.0), 49.5755260982419, 1e-13, 0);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("walk");
	TCase *walks = tcase_create("walk");

	tcase_add_test(walks, prior);
	tcase_add_test(walks, laws);
	tcase_add_test(walks, stationary);
	tcase_add_test(walks, transition_limits);
	tcase_add_test(walks, transition_order);
	tcase_add_test(walks, sampled);
	tcase_add_test(walks, stands_still);
	tcase_add_test(walks, ddpm);
	tcase_add_test(walks, levels);
	suite_add_tcase(suite, walks);
	return sf_test_main(suite);
}
