/* check_known.c: filling in around known data. Exact: the result's known part, states on the way, unknown coordinates that are
 * independent of the known ones, and the moments of Euler-Maruyama on correlated normal data, a linear recursion. And what
 * every sampler must survive: a score that fails at some step, one sample, one step, a budget.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler_rig.h"

#include <math.h>
#include <stdio.h>

/* The score of N(0, S) in the plane, S = (v, c; c, v), as alpha^2 S + sigma^2 inverted by hand; NaN below time `broken`. */
typedef struct normal {
	const sf_process *p;
	double v, c, broken;
} normal;

static void precision(const normal *w, double t, double *P, double *Q)
{
	double a = sf_process_alpha(w->p, t), s = sf_process_sigma(w->p, t), on = a * a * w->v + s * s, off = a * a * w->c,
	       det = (on - off) * (on + off);

	*P = on / det;
	*Q = -off / det;
}

static int normal_score(void *user, int64_t n, const double *x, const double *t, double *out)
{
	const normal *w = user;
	int64_t i;

	for (i = 0; i < n; i++) {
		double P, Q;

		precision(w, t[i], &P, &Q);
		out[2 * i] = w->c == 0 ? -P * x[2 * i] : -P * x[2 * i] - Q * x[2 * i + 1];
		out[2 * i + 1] = w->c == 0 ? -P * x[2 * i + 1] : -Q * x[2 * i] - P * x[2 * i + 1];
		if (t[i] < w->broken)
			out[2 * i] = NAN;
	}
	return SF_OK;
}

static rig open_normal(const char *process, const char *sampler, double c, normal *w)
{
	rig r = open_rig(process, NULL, 2, sampler);

	w->p = r.process;
	w->v = 1;
	w->c = c;
	w->broken = 0;
	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 2, normal_score, w, NULL, &r.score));
	return r;
}

static const unsigned char first[] = {1, 0};
static const double rows[] = {1.5, NAN, -0.5, NAN, 0.25, NAN}; /* what is not known is not read */
static const sf_known known = {first, rows, 3};

/* Samplers whose step sizes come from norms over all coordinates, so that no coordinate is by itself. */
static int couples(const char *name)
{
	return strncmp(name, "pc", 2) == 0;
}

/* Every sampler on a grid: the known part is exact, in turn by the sample's index; the other coordinate, independent of it, has
 * the bytes of a run without; and neither cut nor threads show. */
START_TEST(independent)
{
	const sf_class *const *member;
	int p, tried = 0;

	for (member = sf_members("sampler"); *member; member++)
		for (p = 0; p < 4; p++) {
			normal w;
			rig r = open_normal(processes[p], (*member)->name, 0, &w);
			double plain[10], filled[10], part[4];
			int i, rc;

			r.run.n = 5;
			r.run.steps = 9;
			r.run.seed = 11;
			r.run.first_sample = 4;
			if (sf_sampler_adaptive(r.sampler) || sf_sampler_accepts(r.sampler, r.process) < 0) {
				close_rig(&r);
				continue;
			}
			rc = sf_sample(r.sampler, r.score, &r.run, plain, NULL);
			r.run.known = &known;
			if (rc == SF_EUNSUP || rc == SF_ERANGE) { /* what it refuses it refuses here too */
				ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, filled, NULL), rc);
				close_rig(&r);
				continue;
			}
			assert_ok(r.ctx, rc);
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, filled, NULL));
			for (i = 0; i < 5; i++) {
				ck_assert_msg(filled[2 * i] == rows[2 * ((4 + i) % 3)], "%s on %s: known %g", (*member)->name,
				              processes[p], filled[2 * i]);
				ck_assert_msg(couples((*member)->name) || filled[2 * i + 1] == plain[2 * i + 1],
				              "%s on %s: sample %d is %.17g, without filling %.17g", (*member)->name, processes[p], i,
				              filled[2 * i + 1], plain[2 * i + 1]);
			}
			r.run.first_sample = 7;
			r.run.n = 2;
			sf_ctx_set_threads(r.ctx, 1);
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, part, NULL));
			ck_assert_msg(memcmp(part, filled + 6, sizeof part) == 0, "%s on %s: the cut shows", (*member)->name,
			              processes[p]);
			tried++;
			close_rig(&r);
		}
	ck_assert_int_ge(tried, 40);
}
END_TEST

typedef struct watch {
	const sf_process *p;
	sf_ctx *ctx;
	int64_t steps, last;
	int clean; /* the last state is the sample */
} watch;

/* alpha y + sigma z with the documented stream at the start and after every step; y at the end. */
static int see(void *user, int64_t step, double t, int64_t n, const double *x)
{
	watch *w = user;
	sf_noise key = {3, SF_NOISE_KNOWN, (uint32_t)step};
	int64_t i;

	for (i = 0; i < n; i++) {
		double z, want = rows[2 * (i % 3)];

		sf_noise_normal_d(w->ctx, key, (uint64_t)i, 0, 1, &z);
		if (step < w->steps || !w->clean)
			want = sf_process_alpha(w->p, t) * want + sf_process_sigma(w->p, t) * z;
		ck_assert_msg(x[2 * i] == want, "step %d, sample %d: %.17g, expected %.17g", (int)step, (int)i, x[2 * i], want);
	}
	w->last = step;
	return 0;
}

START_TEST(states)
{
	static const struct {
		const char *process, *sampler;
		double end;
		int denoise;
		int64_t last; /* step with the result; 6 steps and perhaps a denoising one */
		int clean;
	} cases[] = {{"vp", "em", NAN, -1, 7, 1},   {"ve", "em", NAN, 0, 6, 1},    {"vp", "em", 0.3, 0, 6, 0},
	             {"vp", "em", 0.3, 1, 7, 1},    {"edm", "heun", NAN, -1, 6, 1}, {"vp", "heun", 0.1, 0, 6, 0},
	             {"ve", "reverse-diffusion", NAN, -1, 7, 1},
	             {"ve", "reverse-diffusion:published=true", NAN, -1, 6, 1}};
	int k;

	for (k = 0; k < 8; k++) {
		normal c;
		rig r = open_normal(cases[k].process, cases[k].sampler, 0.5, &c);
		watch w = {r.process, r.ctx, cases[k].last, 0, cases[k].clean};
		double x[8];

		r.run.n = 4;
		r.run.steps = 6;
		r.run.seed = 3;
		r.run.end = cases[k].end;
		r.run.denoise = cases[k].denoise;
		r.run.known = &known;
		r.run.observe = see;
		r.run.user = &w;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
		ck_assert_int_eq(w.last, cases[k].last);
		close_rig(&r);
	}
}
END_TEST

enum { WIDE = 300 };
static int see_wide(void *user, int64_t step, double t, int64_t n, const double *x)
{
	const watch *w = user;
	sf_noise known_key = {3, SF_NOISE_KNOWN, 0}, key = {3, SF_NOISE_PRIOR, 0};
	double z[WIDE], start[WIDE];
	int64_t i, j, bad = 0;

	for (i = 0; step == 0 && i < n; i++) {
		sf_noise_normal_d(w->ctx, known_key, (uint64_t)i, 0, WIDE, z);
		sf_noise_normal_d(w->ctx, key, (uint64_t)i, 0, WIDE, start);
		for (j = 0; j < WIDE; j++)
			bad += x[i * WIDE + j] != (j % 3 == 0 ? sf_process_alpha(w->p, t) * (double)j / WIDE +
			                                                sf_process_sigma(w->p, t) * z[j]
			                                      : start[j]);
	}
	ck_assert_int_eq(bad, 0);
	return 0;
}

/* The same with more coordinates than are drawn at once. */
START_TEST(wide)
{
	unsigned char mask[WIDE];
	double y[WIDE], x[2 * WIDE];
	sf_known part = {mask, y, 1};
	rig r = open_rig("vp", "gaussian:std=0.5", WIDE, "em");
	watch w = {r.process, r.ctx, 0, 0, 0};
	int64_t j;

	for (j = 0; j < WIDE; j++) {
		mask[j] = j % 3 == 0;
		y[j] = (double)j / WIDE;
	}
	r.run.n = 2;
	r.run.steps = 2;
	r.run.seed = 3;
	r.run.known = &part;
	r.run.observe = see_wide;
	r.run.user = &w;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
	for (j = 0; j < 2 * WIDE; j++)
		ck_assert((j % WIDE) % 3 || x[j] == y[j % WIDE]);
	close_rig(&r);
}
END_TEST

/* Mean and variance of the unknown coordinate under Euler-Maruyama on vp, exactly: with x' = x - h (f x + g^2 (P x + Q k)) +
 * sqrt(h) g z and k = alpha y + sigma z fresh in each step,
 *
 *     m' = A m + B alpha y,   V' = A^2 V + B^2 sigma^2 + h g^2,   A = 1 - h (f + g^2 P),   B = -h g^2 Q
 *
 * and a last step x_0 = (x + sigma^2 s)/alpha of the same form without noise. f = -g^2/2 on vp. */
static void recursion(const normal *w, const double *grid, int64_t steps, double y, double *mean, double *var)
{
	double m = 0, V = 1, P, Q, A, B;
	int64_t i;

	for (i = 0; i < steps; i++) {
		double t = grid[i], h = t - grid[i + 1], g2 = sf_process_g2(w->p, t), s = sf_process_sigma(w->p, t);

		precision(w, t, &P, &Q);
		A = 1 - h * (-g2 / 2 + g2 * P);
		B = -h * g2 * Q;
		m = A * m + B * sf_process_alpha(w->p, t) * y;
		V = A * A * V + B * B * s * s + h * g2;
	}
	precision(w, grid[steps], &P, &Q);
	A = sf_process_sigma(w->p, grid[steps]);
	B = sf_process_alpha(w->p, grid[steps]);
	*mean = ((1 - A * A * P) * m - A * A * Q * B * y) / B;
	*var = ((1 - A * A * P) * (1 - A * A * P) * V + A * A * Q * A * A * Q * A * A) / (B * B);
}

/* Sample moments within 5 standard errors of the recursion; and the recursion against p(x_1 | x_0 = y) = N(c y, 1 - c^2), from
 * which the method stays away however fine the steps, as it conditions noisy states on noisy data: mean 1.2, variance 0.36, where
 * a thousand steps give 0.75 and 0.495. The unconditioned ones are 0 and 1. */
START_TEST(correlated)
{
	enum { N = 6000 };
	static double x[2 * N];
	static const double y = 1.5;
	static const double steps[] = {20, 100};
	static const sf_known one = {first, &y, 1}; /* a row of which only the first number is read */
	int k;

	for (k = 0; k < 2; k++) {
		normal w;
		rig r = open_normal("vp", "em", 0.8, &w);
		double grid[1001], mean, var, m = 0, v = 0;
		sf_grid *g;
		int64_t exact = 0, i;

		assert_ok(r.ctx, sf_grid_new(r.ctx, "uniform", &g));
		r.run.grid = g;
		r.run.n = N;
		r.run.steps = (int64_t)steps[k];
		r.run.known = &one;
		assert_ok(r.ctx, sf_grid_fill(g, r.process, NAN, NAN, r.run.steps, grid));
		recursion(&w, grid, r.run.steps, y, &mean, &var);
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
		for (i = 0; i < N; i++) {
			exact += x[2 * i] == y;
			m += x[2 * i + 1] / N;
		}
		ck_assert_int_eq(exact, N);
		for (i = 0; i < N; i++)
			v += (x[2 * i + 1] - m) * (x[2 * i + 1] - m) / (N - 1);
		ck_assert_msg(fabs(m - mean) < 5 * sqrt(var / N), "mean %g, expected %g", m, mean);
		ck_assert_msg(fabs(v - var) < 5 * var * sqrt(2. / N), "variance %g, expected %g", v, var);
		if (k == 1) {
			assert_ok(r.ctx, sf_grid_fill(g, r.process, NAN, NAN, 1000, grid));
			recursion(&w, grid, 1000, y, &mean, &var);
			ck_assert(mean > 0.7 && mean < w.c * y - 0.1 && var < 0.5 && var > 1 - w.c * w.c + 0.1);
		}
		sf_grid_free(g);
		close_rig(&r);
	}
}
END_TEST

static void refuse(rig *r, const sf_known *k, int code, const char *text)
{
	double x[4];

	r->run.known = k;
	ck_assert_int_eq(sf_sample(r->sampler, r->score, &r->run, x, NULL), code);
	ck_assert_msg(strstr(sf_ctx_message(r->ctx), text) != NULL, "%s", sf_ctx_message(r->ctx));
}

START_TEST(refused)
{
	static const double bad[] = {0, 0, INFINITY, 0};
	static const sf_known none = {first, rows, 0}, broken = {first, bad, 2};
	normal w;
	rig r = open_normal("vp", "rk45", 0, &w);

	refuse(&r, &known, SF_EUNSUP, "'rk45' chooses its own steps");
	close_rig(&r);
	r = open_normal("vp", "em", 0, &w);
	refuse(&r, &none, SF_ERANGE, "0 rows");
	refuse(&r, &broken, SF_EINVAL, "row 1 ");
	close_rig(&r);
	r = open_rig("cld", "gaussian", 1, "em");
	refuse(&r, &known, SF_EUNSUP, "'cld' is not of that form");
	close_rig(&r);
}
END_TEST

/* ---- what every sampler must survive ---- */

/* A score that is NaN from the middle of the run on: SF_EDIVERGED with a step and a time, whatever the sampler. */
START_TEST(broken_score)
{
	const sf_class *const *member;
	int tried = 0;

	for (member = sf_members("sampler"); *member; member++) {
		normal w;
		rig r = open_normal("vp", (*member)->name, 0.3, &w);
		double x[6];
		int rc;

		r.run.n = 3;
		r.run.steps = 20;
		if (sf_sampler_accepts(r.sampler, r.process) == 0 &&
		    (rc = sf_sample(r.sampler, r.score, &r.run, x, NULL)) == 0) {
			w.broken = 0.5;
			ck_assert_msg(sf_sample(r.sampler, r.score, &r.run, x, NULL) == SF_EDIVERGED, "%s: %s", (*member)->name,
			              sf_ctx_message(r.ctx));
			ck_assert_msg(strstr(sf_ctx_message(r.ctx), "step ") && strstr(sf_ctx_message(r.ctx), "time "), "%s: %s",
			              (*member)->name, sf_ctx_message(r.ctx));
			tried++;
		}
		close_rig(&r);
	}
	ck_assert_int_ge(tried, 15);
}
END_TEST

/* Uniform steps of vp from 1 to 0.001: with 4 of them the third evaluation is at 0.5005. */
START_TEST(named_step)
{
	normal w;
	rig r = open_normal("vp", "em", 0, &w);
	double x[2];
	sf_grid *g;

	assert_ok(r.ctx, sf_grid_new(r.ctx, "uniform", &g));
	r.run.grid = g;
	r.run.start = 1;
	r.run.end = 0.001;
	r.run.steps = 4;
	w.broken = 0.6;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EDIVERGED);
	ck_assert_msg(strstr(sf_ctx_message(r.ctx), "sample 0 is not finite after step 3, at time 0.25075"), "%s",
	              sf_ctx_message(r.ctx));
	sf_grid_free(g);
	close_rig(&r);
}
END_TEST

/* One sample and one step, and a budget of one evaluation less than a run takes. */
START_TEST(least)
{
	const sf_class *const *member;

	for (member = sf_members("sampler"); *member; member++) {
		normal w;
		rig r = open_normal("vp", (*member)->name, 0.3, &w);
		sf_sample_report report;
		double x[2];

		if (sf_sampler_accepts(r.sampler, r.process) == 0) {
			int rc;

			r.run.steps = 1;
			rc = sf_sample(r.sampler, r.score, &r.run, x, NULL);
			ck_assert_msg(rc == 0 ? isfinite(x[0]) && isfinite(x[1])
			                      : rc == SF_EUNSUP || rc == SF_ERANGE || rc == SF_EINVAL,
			              "%s in one step: %d %s", (*member)->name, rc, sf_ctx_message(r.ctx));
			r.run.steps = 6;
			if (sf_sample(r.sampler, r.score, &r.run, x, &report) == 0 && report.nfe > 1) {
				r.run.nfe_max = (int64_t)report.nfe;
				assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
				r.run.nfe_max--;
				ck_assert_msg(sf_sample(r.sampler, r.score, &r.run, x, NULL) == SF_EBUDGET, "%s: %g evaluations",
				              (*member)->name, report.nfe);
				ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "budget"));
			}
		}
		close_rig(&r);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("known");
	TCase *tc = tcase_create("known");

	tcase_add_test(tc, independent);
	tcase_add_test(tc, states);
	tcase_add_test(tc, wide);
	tcase_add_test(tc, correlated);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, broken_score);
	tcase_add_test(tc, named_step);
	tcase_add_test(tc, least);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
