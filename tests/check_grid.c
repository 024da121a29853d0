/* check_grid.c: time grids fall strictly, hit their ends, keep the caller's ends, and refuse what
 * they cannot do.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield/grid.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 300 };

static sf_process *open_process(sf_ctx *ctx, const char *spec)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_new(ctx, spec, &p));
	return p;
}

static sf_grid *open_grid(sf_ctx *ctx, const char *spec)
{
	sf_grid *g = NULL;

	assert_ok(ctx, sf_grid_new(ctx, spec, &g));
	return g;
}

static void falls(const double *t, int64_t steps)
{
	int64_t i;

	for (i = 1; i <= steps; i++)
		ck_assert_msg(t[i] < t[i - 1], "step %d: %g after %g", (int)i, t[i], t[i - 1]);
}

/* Every grid on every process, all numbers of steps from 1, both ways to end. */
START_TEST(registry)
{
	static const char *const finals[] = {"last", "zero"};
	sf_ctx *ctx = ck_ctx();
	const sf_class *const *m = sf_members("grid"), *const *pm;
	double t[MOST + 1];
	int f, n = 0;
	int64_t steps;

	for (; *m; m++, n++) {
		ck_assert((*m)->brief[0] && (*m)->ref[0]);
		for (pm = sf_members("process"); *pm; pm++) {
			sf_process *p = open_process(ctx, (*pm)->name);

			if (!sf_process_linear(p) || sf_process_blocks(p) != 1) {
				sf_process_free(p);
				continue;
			}
			for (f = 0; f < 2; f++) {
				char spec[64];
				sf_grid *g;

				snprintf(spec, sizeof spec, "%s:final=%s", (*m)->name, finals[f]);
				g = open_grid(ctx, spec);
				for (steps = 1; steps <= 33; steps++) {
					assert_ok(ctx, sf_grid_fill(g, p, NAN, NAN, steps, t));
					falls(t, steps);
					ck_assert(t[0] == sf_process_horizon(p));
					ck_assert(t[steps] == (f ? 0 : sf_process_t_sample(p)));
					if (f && steps > 1)
						ck_assert(t[steps - 1] == sf_process_t_sample(p));
				}
				assert_ok(ctx, sf_grid_fill(g, p, NAN, NAN, MOST, t));
				falls(t, MOST);
				sf_grid_free(g);
			}
			sf_process_free(p);
		}
	}
	ck_assert_int_ge(n, 3);
	sf_ctx_free(ctx);
}
END_TEST

/* The caller's ends win over the grid's; an end above zero has no step to zero after it. */
START_TEST(given_ends)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "edm");
	const sf_class *const *m = sf_members("grid");
	double t[9];

	for (; *m; m++) {
		sf_grid *g = open_grid(ctx, (*m)->name);

		assert_ok(ctx, sf_grid_fill(g, p, 10, 0.5, 8, t));
		falls(t, 8);
		ck_assert(t[0] == 10 && t[8] == 0.5);
		assert_ok(ctx, sf_grid_fill(g, p, 10, 0, 8, t));
		falls(t, 8);
		ck_assert(t[0] == 10 && t[8] == 0);
		sf_grid_free(g);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		double start, end;
		int64_t steps;
		int code;
		const char *says;
	} bad[] = {{0.2, 0.5, 4, SF_EINVAL, "fall"}, {0.5, 0.5, 4, SF_EINVAL, "fall"},
	           {2, 0.1, 4, SF_ERANGE, "range"},  {1, -0.1, 4, SF_ERANGE, "range"},
	           {0, NAN, 4, SF_ERANGE, "range"},  {1, 0.1, 0, SF_ERANGE, "steps"},
	           {1, 0.1, -3, SF_ERANGE, "steps"}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");
	const sf_class *const *m = sf_members("grid");
	sf_grid *g;
	double t[8];
	size_t i;

	for (; *m; m++) {
		g = open_grid(ctx, (*m)->name);
		for (i = 0; i < sizeof bad / sizeof *bad; i++) {
			ck_assert_msg(sf_grid_fill(g, p, bad[i].start, bad[i].end, bad[i].steps,
			                           t) == bad[i].code,
			              "%s, case %d: %s", (*m)->name, (int)i, sf_ctx_message(ctx));
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), bad[i].says));
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), (*m)->name));
		}
		sf_grid_free(g);
	}
	ck_assert_int_eq(sf_grid_new(ctx, "karas", &g), SF_ENAME);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "karras"));
	ck_assert_int_eq(sf_grid_new(ctx, "karras:rho=0", &g), SF_ERANGE);
	ck_assert_int_eq(sf_grid_new(ctx, "karras:sigma-min=5,sigma-max=2", &g), SF_EINVAL);
	/* more steps than there are numbers in between */
	g = open_grid(ctx, "uniform");
	ck_assert_int_eq(sf_grid_fill(g, p, 0.5, nextafter(nextafter(0.5, 0), 0), 5, t), SF_EINVAL);
	sf_grid_free(g);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* Noise levels of karras stay equally spaced in sigma^{1/rho} whatever the process. */
START_TEST(karras_spacing)
{
	static const char *const processes[] = {"ve", "vp", "subvp", "edm"};
	sf_ctx *ctx = ck_ctx();
	sf_grid *g = open_grid(ctx, "karras:rho=3,final=last,sigma-min=0.05,sigma-max=30");
	double t[12], first = pow(30, 1.0 / 3), last = pow(0.05, 1.0 / 3);
	int k, i;

	for (k = 0; k < 4; k++) {
		sf_process *p = open_process(ctx, processes[k]);

		assert_ok(ctx, sf_grid_fill(g, p, NAN, NAN, 11, t));
		for (i = 0; i <= 11; i++)
			assert_close(cbrt(sf_process_sigma(p, t[i]) / sf_process_alpha(p, t[i])),
			             first + (last - first) * i / 11, 1e-11, 0);
		sf_process_free(p);
	}
	sf_grid_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* The noise levels of cosine are those of the cosine schedule at equal steps of its time, in any process. */
START_TEST(cosine_levels)
{
	static const char *const processes[] = {"ve", "vp", "subvp", "edm"};
	sf_ctx *ctx = ck_ctx();
	sf_grid *g = open_grid(ctx, "cosine");
	double t[9], s = 0.008, half_pi = acos(0), u[9];
	int k, i;

	for (k = 0; k < 4; k++) {
		sf_process *p = open_process(ctx, processes[k]);

		assert_ok(ctx, sf_grid_fill(g, p, NAN, NAN, 8, t));
		for (i = 0; i <= 8; i++) { /* alpha-bar = f(u)/f(0), f(u) = cos^2((u + s)/(1 + s) pi/2) */
			double r = sf_process_sigma(p, t[i]) / sf_process_alpha(p, t[i]), f0 = cos(s / (1 + s) * half_pi);

			u[i] = acos(f0 / sqrt(1 + r * r)) / half_pi * (1 + s) - s;
		}
		for (i = 1; i < 8; i++)
			assert_close(u[i], u[0] + (u[8] - u[0]) * i / 8, 1e-8, 1e-9);
		sf_process_free(p);
	}
	sf_grid_free(g);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(known)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");
	sf_process *edm = open_process(ctx, "edm");
	sf_grid *u = open_grid(ctx, "uniform"), *q = open_grid(ctx, "quadratic"), *g;
	double t[6];

	assert_ok(ctx, sf_grid_fill(u, p, NAN, NAN, 2, t));
	assert_close(t[1], 0.5005, 1e-15, 0);
	assert_ok(ctx, sf_grid_fill(q, p, 1, 0.25, 2, t));
	assert_close(t[1], 0.5625, 1e-15, 0);
	g = open_grid(ctx, "logsnr");
	assert_ok(ctx, sf_grid_fill(g, edm, NAN, NAN, 4, t));
	assert_close(t[1], 5.656854249492381, 1e-14, 0);
	assert_close(t[2], 0.4, 1e-14, 0);
	assert_close(t[3], 0.028284271247461903, 1e-14, 0);
	assert_ok(ctx, sf_grid_fill(g, edm, 80, 0, 5, t)); /* no lambda at 0: a step of its own */
	assert_close(t[3], 0.028284271247461903, 1e-14, 0);
	ck_assert(t[4] == 0.002 && t[5] == 0);
	sf_grid_free(g);
	g = open_grid(ctx, "logsnr:power=3"); /* k-diffusion: exp((1 - i/N)^3 ln(80/0.002) + ln 0.002) */
	assert_ok(ctx, sf_grid_fill(g, edm, NAN, NAN, 2, t));
	assert_close(t[1], exp(log(40000) / 8 + log(0.002)), 1e-14, 0);
	sf_grid_free(g);
	g = open_grid(ctx, "cosine:s=0");
	assert_ok(ctx, sf_grid_fill(g, edm, 1, 0, 2, t));
	assert_close(t[1], 0.41421356237309503, 1e-14, 0);
	sf_grid_free(g);
	sf_grid_free(u);
	sf_grid_free(q);
	sf_process_free(edm);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("grid");
	TCase *cases = tcase_create("grid");

	tcase_add_test(cases, registry);
	tcase_add_test(cases, given_ends);
	tcase_add_test(cases, refused);
	tcase_add_test(cases, karras_spacing);
	tcase_add_test(cases, cosine_levels);
	tcase_add_test(cases, known);
	suite_add_tcase(suite, cases);
	return sf_test_main(suite);
}
