/* check_schedules.c: the processes cosine, geometric-vp, formula and the reformulations of VP, VE and iDDPM in EDM's
 * frame: published values, the identities of a linear SDE, no cancellation, options, and EDM's ablation runs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler_rig.h"

#include "process/process.h"

#include <math.h>
#include <stdio.h>

static sf_ctx *ctx;
static sf_process *p, *q;

static void setup(void)
{
	ctx = ck_ctx();
	p = q = NULL;
}

static void teardown(void)
{
	sf_process_free(p);
	sf_process_free(q);
	sf_ctx_free(ctx);
}

static sf_process *open_process(const char *spec)
{
	sf_process *made = NULL;

	assert_ok(ctx, sf_process_new(ctx, spec, &made));
	return made;
}

static double ratio(const sf_process *of, double t)
{
	return sf_process_sigma(of, t) / sf_process_alpha(of, t);
}

#define VP_RANGE "sigma-min=0.010485992786702987,sigma-max=152.16697028394637"

static const char *const specs[] = {"cosine",
				    "cosine:s=0",
				    "cosine:s=0.05,end=0.9,scale=4",
				    "geometric-vp",
				    "geometric-vp:sigma2-0=0,sigma2-min=0.01,sigma2-max=0.9",
				    "geometric-vp:sigma2-0=0.02,sigma2-min=0.001,sigma2-max=0.95",
				    "edm:schedule=ve,sigma-min=0.02,sigma-max=100",
				    "edm:schedule=ve,scaling=vp",
				    "edm:scaling=vp",
				    "edm:schedule=vp",
				    "edm:schedule=vp,scaling=vp",
				    ("edm:schedule=vp,scaling=vp," VP_RANGE),
				    "formula",
				    "formula:alpha=1-t,sigma=t,end=0.99",
				    "formula:alpha=cos(t),sigma=sin(t)+0.1*t,end=1.5",
				    "formula:alpha=1+t,sigma=t*(1+t)^2,end=3"};
enum { SPECS = sizeof specs / sizeof *specs };

/* Fourth-order central difference of alpha and of sigma^2. */
static double slope(double t, int squared)
{
	static const double offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	double h = 2e-4 * fmin(t, 1.002 * sf_process_horizon(p) - t), sum = 0;
	int i;

	for (i = 0; i < 4; i++) {
		double s = sf_process_sigma(p, t + offset[i] * h);

		sum += weight[i] * (squared ? s * s : log(sf_process_alpha(p, t + offset[i] * h)));
	}
	return sum / (12 * h);
}

START_TEST(ordinary_equations)
{
	static const double part[] = {0.004, 0.05, 0.3, 0.52, 0.77, 0.96, 0.999};
	size_t i;

	p = open_process(specs[_i]);
	for (i = 0; i < sizeof part / sizeof *part; i++) {
		double t = part[i] * sf_process_horizon(p), F, g2 = sf_process_g2(p, t), s = sf_process_sigma(p, t),
		       cov;

		if (t < 3 * sf_process_t_train(p)) /* where VP's refitted schedule begins */
			continue;
		sf_process_drift_matrix(p, t, &F);
		sf_process_cov(p, t, &cov);
		assert_close(cov, s * s, 1e-15, 0);
		assert_close(slope(t, 0), F, 1e-7, 1e-7);
		assert_close(slope(t, 1), 2 * F * s * s + g2, 1e-7, 1e-7 * g2);
	}
}
END_TEST

START_TEST(two_stages)
{
	static const double part[] = {0, 0.01, 0.2, 0.55, 0.9, 1};
	int i, j, k;

	p = open_process(specs[_i]);
	for (i = 0; i < 6; i++)
		for (j = i; j < 6; j++)
			for (k = j; k < 6; k++) {
				double T = sf_process_horizon(p), a, b, c;

				sf_process_phi(p, part[i] * T, part[j] * T, &a);
				sf_process_phi(p, part[j] * T, part[k] * T, &b);
				sf_process_phi(p, part[i] * T, part[k] * T, &c);
				assert_close(a * b, c, 1e-13, 0);
				if (i == 0)
					assert_close(a * sf_process_alpha(p, 0), sf_process_alpha(p, part[j] * T),
						     1e-13, 0);
			}
}
END_TEST

START_TEST(inverses)
{
	int i;

	p = open_process(specs[_i]);
	for (i = 1; i <= 40; i++) {
		double t = sf_process_horizon(p) * pow(i / 40., 2);

		if (t < sf_process_t_train(p))
			continue;
		assert_close(sf_process_time_of_ratio(p, ratio(p, t)), t, 2e-12, 0);
		ck_assert(ratio(p, t) > 0 && sf_process_g2(p, t) >= 0);
	}
	ck_assert(sf_process_time_of_ratio(p, INFINITY) == sf_process_horizon(p));
	ck_assert(sf_process_time_of_ratio(p, 0) == 0);
}
END_TEST

/* ---- cosine ---- */

START_TEST(cosine_known)
{
	double t, prior;

	p = open_process("cosine:s=0");
	assert_close(sf_process_alpha(p, .5), sqrt(.5), 1e-15, 0);
	assert_close(sf_process_sigma(p, .5), sqrt(.5), 1e-15, 0);
	for (t = .01; t < .99; t += .07) {
		assert_close(sf_process_alpha(p, t), cos(SF_PI * t / 2), 1e-14, 0);
		assert_close(sf_process_sigma(p, t), sin(SF_PI * t / 2), 1e-14, 0);
		assert_close(sf_process_logsnr(p, t), -2 * log(tan(SF_PI * t / 2)), 1e-12, 1e-12);
		assert_close(sf_process_g2(p, t), SF_PI * tan(SF_PI * t / 2), 1e-13, 0); /* -2 alpha'/alpha */
	}
	q = open_process("cosine"); /* the published form: a quotient of cosines */
	assert_close(sf_process_horizon(q), .9946, 0, 0);
	assert_close(sf_process_logsnr(q, .5), -.02462688281151433, 1e-13, 0);
	for (t = .05; t < .99; t += .09)
		assert_close(sf_process_alpha(q, t),
			     cos((t + .008) / 1.008 * SF_PI / 2) / cos(.008 / 1.008 * SF_PI / 2), 1e-14, 0);
	assert_close(sf_process_alpha(q, .3) * sf_process_alpha(q, .3) +
			     sf_process_sigma(q, .3) * sf_process_sigma(q, .3),
		     1, 1e-15, 0);
	prior = 1;
	sf_process_prior(q, 1, 1, &prior);
	ck_assert(prior == 1);
	sf_process_free(p);
	p = open_process("cosine:scale=4"); /* four times the pixels a side: sigma/alpha is four times as much */
	assert_close(ratio(p, .37), 4 * ratio(q, .37), 1e-14, 0);
	assert_close(sf_process_logsnr(p, .37), sf_process_logsnr(q, .37) + 2 * log(64 / 256.), 1e-13, 0);
}
END_TEST

/* sigma^2 = 2 w tan(b) t + w^2 (1 + 3 tan^2 b) t^2 + ... over 1 + that; for s = 0 sigma = sin(pi t/2). */
START_TEST(cosine_small_times)
{
	double t, w = SF_PI / 2 / 1.008, b = .008 * w;

	p = open_process("cosine");
	q = open_process("cosine:s=0");
	for (t = 1e-12; t < 1e-8; t *= 10) {
		double r2 = t * (2 * w * tan(b) + w * w * (1 + 3 * tan(b) * tan(b)) * t);

		assert_close(ratio(p, t), sqrt(r2), 1e-14, 0);
		assert_close(sf_process_time_of_ratio(p, sqrt(r2)), t, 1e-13, 0);
		assert_close(sf_process_sigma(q, t), SF_PI / 2 * t, 1e-14, 0);
		assert_close(sf_process_time_of_ratio(q, SF_PI / 2 * t), t, 1e-14, 0);
	}
}
END_TEST

/* ---- geometric-vp ---- */

START_TEST(geometric_known)
{
	double phi, t;

	p = open_process("geometric-vp");
	assert_close(sf_process_g2(p, 0), 3.12e-4, 1.6e-3, 0); /* published to three digits and more */
	assert_close(sf_process_g2(p, .5), .0573, 1e-3, 0);
	assert_close(sf_process_g2(p, 1), 10403, 5e-5, 0);
	sf_process_phi(p, 0, 1, &phi);
	assert_close(-2 * log(phi), log((1 - 3e-5) / .001), 1e-13, 0); /* the integral of beta: */
	assert_close(-2 * log(phi), 6.9078, 2e-5, 0);                  /* published */
	assert_close(sf_process_sigma(p, 0), sqrt(3e-5), 1e-15, 0);
	assert_close(sf_process_sigma(p, 1), sqrt(.999), 1e-14, 0);
	for (t = .1; t < 1; t += .1) { /* m^2 = 1 + smin (1 - r^t)/(1 - sigma0^2) */
		double r = pow(.999 / 3e-5, t), s = sf_process_sigma(p, t);

		assert_close(sf_process_alpha(p, t), sqrt(1 + 3e-5 * (1 - r) / (1 - 3e-5)), 1e-12, 0);
		assert_close(s * s, 3e-5 * r, 1e-13, 0);
	}
	/* near the end 1 - sigma^2 = 0.001 + 0.999 (1 - r^{t-1}), to the last digits */
	assert_close(sf_process_alpha(p, 1) * sf_process_alpha(p, 1) * (1 - 3e-5), .001, 1e-13, 0);
	q = open_process("geometric-vp:sigma2-0=0"); /* no noise at 0: sigma^2 = smin ln r t and more */
	for (t = 1e-12; t < 1e-8; t *= 10)
		assert_close(sf_process_sigma(q, t), sqrt(3e-5 * log(.999 / 3e-5) * t), 1e-7, 0);
	assert_close(sf_process_sigma(q, 1e-12), sqrt(3e-5 * log(.999 / 3e-5) * 1e-12), 1e-11, 0);
}
END_TEST

/* ---- EDM's frame ---- */

START_TEST(edm_vp)
{
	static const double published[][2] = {
		{1e-3, 0.010485992786702987}, {.5, 3.41291830906912}, {1, 152.16697028394637}};
	double t, B;
	int i;

	p = open_process("edm:schedule=vp,scaling=vp," VP_RANGE); /* the default range gives back VP itself */
	q = open_process("vp");
	for (i = 0; i < 3; i++)
		assert_close(ratio(p, published[i][0]), published[i][1], 1e-12, 0);
	for (t = .001; t <= 1; t += .0333) {
		assert_close(sf_process_alpha(p, t), sf_process_alpha(q, t), 1e-12, 0);
		assert_close(sf_process_sigma(p, t), sf_process_sigma(q, t), 1e-12, 0);
		assert_close(sf_process_g2(p, t), sf_process_g2(q, t), 1e-11, 0);
	}
	ck_assert(sf_process_horizon(p) == 1 && sf_process_t_train(p) == 1e-3);
	sf_process_free(p);
	p = open_process(
		"edm:schedule=vp"); /* B = beta_min t + beta_d t^2/2 with the published refit of 0.002 to 80 */
	B = .5 * -0.0047689865 + .125 * 17.537956987;
	assert_close(log1p(ratio(p, .5) * ratio(p, .5)), B, 1e-9, 0);
	assert_close(ratio(p, 1e-3), .002, 1e-10, 0);
	assert_close(ratio(p, 1), 80, 1e-13, 0);
	/* below 5.4e-4 the refitted noise is imaginary */
	ck_assert(sf_process_sigma(p, 5.4e-4) == 0 && sf_process_sigma(p, 5.5e-4) > 0 && sf_process_g2(p, 2e-4) == 0);
	sf_process_free(p);
	p = NULL;
	ck_assert_int_eq(sf_process_new(ctx, "edm:schedule=vp,sigma-min=0.5", &p), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "0.0938")); /* sqrt(exp(ln(1 + 80^2)/1000) - 1) */
}
END_TEST

START_TEST(edm_ve)
{
	double t;

	p = open_process("edm:schedule=ve,sigma-min=0.02,sigma-max=100");
	ck_assert(sf_process_horizon(p) == 1e4);
	assert_close(sf_process_t_sample(p), 4e-4, 1e-15, 0);
	for (t = .01; t < 1e4; t *= 7) {
		assert_close(sf_process_sigma(p, t), sqrt(t), 1e-15, 0);
		ck_assert(sf_process_alpha(p, t) == 1 && sf_process_g2(p, t) == 1); /* Brownian motion */
	}
	q = open_process("edm:scaling=vp"); /* x = (x_0 + t z)/sqrt(1 + t^2) */
	assert_close(sf_process_alpha(q, 3), sqrt(.1), 1e-15, 0);
	assert_close(sf_process_sigma(q, 3), 3 * sqrt(.1), 1e-15, 0);
}
END_TEST

/* Karras et al. 2022, algorithm 1 with other schedules, scalings and grids, on data N(0, 1/4). */
START_TEST(ablations)
{
	static const struct {
		const char *process, *grid, *sampler;
		int64_t steps;
		double x;
		int nfe;
	} row[] = {{"edm", "karras", "heun", 18, 0.527624637001047, 35},
		   {"edm", "karras", "heun:time=process", 18, 0.527624637001047, 35},
		   {"edm", "karras", "heun:order=1,time=process", 18, 0.423031436407978, 18},
		   {"edm:schedule=vp,scaling=vp," VP_RANGE, "vp", "heun:order=1,time=process", 512, 0.499547587650061,
		    512},
		   {"edm:schedule=vp,scaling=vp", "karras", "heun:time=process", 128, 0.500074653552877, 255},
		   {"edm:schedule=vp,scaling=vp," VP_RANGE, "vp", "heun:time=process", 18, 0.504195644752739, 35},
		   {"edm:schedule=ve,sigma-min=0.02,sigma-max=100", "logsnr:final=zero", "heun:time=process", 18,
		    0.202547800817792, 35},
		   {"edm:schedule=ve,sigma-min=0.02,sigma-max=100", "logsnr:final=zero", "heun:order=1,time=process",
		    18, 1.59047989749001, 18},
		   {"edm:sigma-min=0.00642541277,sigma-max=80.2037018", "iddpm", "heun", 18, 0.508185815455033, 35},
		   {"edm:schedule=ve", "karras", "heun:time=process", 18, 0.25298569945412, 35},
		   {"edm:schedule=vp,scaling=vp", "karras", "heun:time=process", 18, 0.504004730783431, 35},
		   {"edm", "karras", "heun:alpha=1.1", 18, 0.535755597818937, 35},
		   {"edm", "karras", "heun:alpha=0.5", 18, 0.497774612157243, 35}};
	double x, T;
	sf_sample_report report;
	rig r = open_rig(row[_i].process, "gaussian:std=0.5", 1, row[_i].sampler);
	sf_grid *g = NULL;
	/* the table's ends have nine digits */
	double rtol = strcmp(row[_i].grid, "iddpm") == 0 ? 1e-8 : 2e-13;

	assert_ok(r.ctx, sf_grid_new(r.ctx, row[_i].grid, &g));
	T = sf_process_horizon(r.process);
	x = sf_process_sigma(r.process, T);
	r.run.steps = row[_i].steps;
	r.run.given_start = 1;
	r.run.denoise = 0;
	r.run.grid = g;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
	assert_close(x, row[_i].x, rtol, 0);
	ck_assert(report.nfe == row[_i].nfe);
	sf_grid_free(g);
	close_rig(&r);
}
END_TEST
enum { ABLATIONS = 13 };

/* EDM's sampler on iDDPM's levels with the table's own ends (Karras et al. 2022, algorithm 1; data N(0, 1/4)). */
START_TEST(iddpm_sampler)
{
	sf_sample_report report;
	sf_grid *g = NULL;
	char spec[120];
	double x;
	rig r;

	snprintf(spec, sizeof spec, "edm:sigma-min=%.17g,sigma-max=%.17g", sf_iddpm_level(1000, 999), sf_iddpm_level(1000, 8));
	r = open_rig(spec, "gaussian:std=0.5", 1, "heun");
	assert_ok(r.ctx, sf_grid_new(r.ctx, "iddpm", &g));
	x = sf_process_sigma(r.process, sf_process_horizon(r.process));
	r.run.steps = 18;
	r.run.given_start = 1;
	r.run.denoise = 0;
	r.run.grid = g;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
	assert_close(x, 0.508185815455033, 2e-12, 0);
	ck_assert(report.nfe == 35);
	sf_grid_free(g);
	close_rig(&r);
}
END_TEST

/* u_8, u_500 and the ends of iDDPM's table, on a grid that takes every level. */
START_TEST(iddpm_table)
{
	static double t[1000];
	sf_grid *g = NULL;

	p = open_process("edm:sigma-min=0.00642541277,sigma-max=80.2037018");
	assert_ok(ctx, sf_grid_new(ctx, "iddpm", &g));
	assert_ok(ctx, sf_grid_fill(g, p, NAN, NAN, 992, t));
	assert_close(t[0], 80.2037018, 1e-15, 0);
	assert_close(t[1], 71.2911981, 1e-9, 0);
	assert_close(t[3], 58.3272728, 1e-9, 0);
	assert_close(t[492], 1.01238954, 6e-8, 0); /* published in single precision */
	assert_close(t[990], 0.00935049284, 1e-9, 0);
	assert_close(t[991], 0.00642541277, 1e-15, 0);
	ck_assert(t[992] == 0);
	sf_process_free(p);
	p = open_process("edm:sigma-min=0.00642541277,sigma-max=15000"); /* below u_0 = 20291.17, which C1 sets */
	assert_ok(ctx, sf_grid_fill(g, p, NAN, NAN, 999, t));
	assert_close(t[1], 320.830393, 2e-9, 0);
	sf_grid_free(g);
	assert_ok(ctx, sf_grid_new(ctx, "iddpm:levels=20", &g)); /* more steps than levels */
	ck_assert_int_eq(sf_grid_fill(g, p, NAN, NAN, 60, t), SF_EINVAL);
	sf_grid_free(g);
}
END_TEST

/* On vp itself the grid vp is uniform, in the time of its own schedule. */
START_TEST(vp_grid)
{
	double a[13], b[13];
	sf_grid *g = NULL, *u = NULL;
	int i;

	p = open_process("vp");
	assert_ok(ctx, sf_grid_new(ctx, "vp", &g));
	assert_ok(ctx, sf_grid_new(ctx, "uniform:final=zero", &u));
	assert_ok(ctx, sf_grid_fill(g, p, NAN, NAN, 12, a));
	assert_ok(ctx, sf_grid_fill(u, p, NAN, NAN, 12, b));
	for (i = 0; i < 12; i++)
		assert_close(a[i], b[i], 1e-10, 0);
	q = open_process("cld");
	ck_assert_int_eq(sf_grid_fill(g, q, NAN, NAN, 12, a), SF_EUNSUP);
	sf_grid_free(g);
	sf_grid_free(u);
}
END_TEST

/* ---- formula ---- */

START_TEST(formula_known)
{
	static const char *const pair[][2] = {
		{"vp", "formula:alpha=exp(-(0.1*t+9.95*t^2)/2),sigma=sqrt(-expm1(-(0.1*t+9.95*t^2)))"},
		{"ve", "formula:alpha=1,sigma=0.01*5000^t"},
		{"edm", "formula:alpha=1,sigma=t,start=0.002,end=80"},
		{"subvp", "formula:alpha=exp(-(0.1*t+9.95*t^2)/2),sigma=-expm1(-(0.1*t+9.95*t^2))"},
		{"cosine:s=0", "formula:alpha=cos(pi*t/2),sigma=sin(pi*t/2),end=0.9946"}};
	double part, F;
	int i;

	p = open_process("formula");
	sf_process_drift_matrix(p, .5, &F);
	assert_close(F, -3, 1e-14, 0);
	assert_close(sf_process_g2(p, .5), 6, 1e-13, 0);
	for (i = 0; i < 5; i++) {
		sf_process_free(p);
		sf_process_free(q);
		p = open_process(pair[i][0]);
		q = open_process(pair[i][1]);
		assert_close(sf_process_horizon(q), sf_process_horizon(p), 1e-15, 0);
		for (part = .0005; part <= 1; part *= 1.6) {
			double t = part * sf_process_horizon(p), a, b, phi[2];

			assert_close(sf_process_alpha(q, t), sf_process_alpha(p, t), 1e-13, 0);
			assert_close(sf_process_sigma(q, t), sf_process_sigma(p, t), 1e-13, 0);
			sf_process_drift_matrix(p, t, &a);
			sf_process_drift_matrix(q, t, &b);
			assert_close(a, b, 1e-12, 1e-12);
			assert_close(sf_process_g2(q, t), sf_process_g2(p, t), 1e-10, 0);
			sf_process_phi(p, t / 2, t, &phi[0]);
			sf_process_phi(q, t / 2, t, &phi[1]);
			assert_close(phi[0], phi[1], 1e-12, 0);
			assert_close(sf_process_time_of_ratio(q, ratio(p, t)), t, 1e-11, 0);
		}
	}
}
END_TEST

START_TEST(formula_refused)
{
	static const struct {
		const char *spec, *say;
		int code;
	} row[] = {{"formula:alpha=2*x", "unknown name 'x'", SF_ENAME},
		   {"formula:sigma=t+", "sigma: expected", SF_EINVAL},
		   {"formula:alpha=", "alpha: expected", SF_EINVAL},
		   {"formula:alpha=1-2*t", "alpha is", SF_EINVAL},
		   {"formula:sigma=t-0.5", "sigma is", SF_EINVAL},
		   {"formula:alpha=1,sigma=1-t/2", "falls", SF_EINVAL},
		   {"formula:sigma=0", "sigma is 0", SF_EINVAL},
		   {"formula:start=2", "start=2", SF_EINVAL},
		   {"formula:alpha=1+1/t,sigma=t", "alpha is inf", SF_EINVAL},
		   {"formula:sigma=log(t)", "sigma is", SF_EINVAL},
		   {"formula:end=0", "end", SF_ERANGE}};
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		ck_assert_msg(sf_process_new(ctx, row[i].spec, &p) == row[i].code, "%s: %s", row[i].spec,
			      sf_ctx_message(ctx));
		ck_assert_ptr_null(p);
		ck_assert_msg(strstr(sf_ctx_message(ctx), row[i].say), "%s: %s", row[i].spec, sf_ctx_message(ctx));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schedules");
	TCase *t = tcase_create("schedules");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, ordinary_equations, 0, SPECS);
	tcase_add_loop_test(t, two_stages, 0, SPECS);
	tcase_add_loop_test(t, inverses, 0, SPECS);
	tcase_add_test(t, cosine_known);
	tcase_add_test(t, cosine_small_times);
	tcase_add_test(t, geometric_known);
	tcase_add_test(t, edm_vp);
	tcase_add_test(t, edm_ve);
	tcase_add_loop_test(t, ablations, 0, ABLATIONS);
	tcase_add_test(t, iddpm_sampler);
	tcase_add_test(t, iddpm_table);
	tcase_add_test(t, vp_grid);
	tcase_add_test(t, formula_known);
	tcase_add_test(t, formula_refused);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
