/* check_precond.c: what networks are told of the noise and what their output stands for: EDM's table of preconditionings, iDDPM's
 * noise levels, labels of discrete models, the choice that a model makes, and that checkpoints remember it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model_case.h"
#include "support.h"

#include "process/process.h"

#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static sf_process *open_process(sf_ctx *ctx, const char *spec)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_new(ctx, spec, &p));
	return p;
}

static double ratio(const sf_process *p, double t)
{
	return sf_process_sigma(p, t) / sf_process_alpha(p, t);
}

/* u_0 .. u_M by the published recurrence. */
static void recurrence(int M, double *u)
{
	double after = sin(SF_PI / 2 / 1.008), before;
	int j;

	for (u[M] = 0, j = M; j > 0; j--) {
		before = sin(SF_PI / 2 * (j - 1) / (M * 1.008));
		u[j - 1] = sqrt((u[j] * u[j] + 1) / fmax(before * before / (after * after), .001) - 1);
		after = before;
	}
}

static int nearest(int M, const double *u, double r) /* argmin_j |u_j - r|, the first */
{
	int j, best = 0;

	for (j = 1; j < M; j++)
		if (fabs(u[j] - r) < fabs(u[best] - r))
			best = j;
	return best;
}

/* ---- Karras et al. 2022, table 1 ---- */

enum { VP, VE, IDDPM, EDM, WRAPPERS };
static const int kinds[WRAPPERS] = {SF_PARAM_EDM_VP, SF_PARAM_EDM_VE, SF_PARAM_EDM_IDDPM, SF_PARAM_EDM};
static double u1000[1001];

/* sigma -> c_skip, c_out, c_in, c_noise, lambda */
static void published(int wrapper, double s, double *row)
{
	double sd = .5, m2 = s * s + sd * sd;

	row[0] = wrapper == EDM ? sd * sd / m2 : 1;
	row[1] = wrapper == EDM ? s * sd / sqrt(m2) : wrapper == VE ? s : -s;
	row[2] = wrapper == EDM ? 1 / sqrt(m2) : wrapper == VE ? 1 : 1 / sqrt(s * s + 1);
	row[3] = wrapper == VP ? 999 * (sqrt(.01 + 39.8 * log1p(s * s)) - .1) / 19.9
	         : wrapper == VE ? log(s / 2)
	         : wrapper == EDM ? log(s) / 4 : 999 - nearest(1000, u1000, s);
	row[4] = wrapper == EDM ? m2 / (s * sd * s * sd) : 1 / (s * s);
}

START_TEST(table) /* the four columns in every process's frame */
{
	static const char *const spec[] = {"edm", "vp", "subvp", "ve:sigma-min=0.02,sigma-max=100", "ddpm", "cosine",
	                                   "ddpm:schedule=cosine", "edm:schedule=vp,scaling=vp"};
	static const double sigma[] = {.01, .1, .5, 1, 3.7, 20, 79};
	sf_ctx *ctx = ck_ctx();
	size_t i, k, n = 0;
	int w;

	recurrence(1000, u1000);
	for (i = 0; i < sizeof spec / sizeof *spec; i++) {
		sf_process *p = open_process(ctx, spec[i]);

		for (k = 0; k < sizeof sigma / sizeof *sigma; k++) {
			double t = sf_process_time_of_ratio(p, sigma[k]), s = ratio(p, t);

			if (fabs(s / sigma[k] - 1) > 1e-9) /* the process has no such noise */
				continue;
			for (w = 0; w < WRAPPERS; w++, n++) {
				double want[5];
				sf_coef c;

				sf_param_coef(kinds[w], p, .5, SF_COND_AUTO, 0, t, &c);
				published(w, s, want);
				assert_close(1 - c.e_x * c.sigma, want[0], 1e-9, 1e-14);
				assert_close(-c.e_f * s, want[1], 1e-12, 0);
				assert_close(c.c_in * c.alpha, want[2], 1e-12, 0);
				assert_close(c.c_noise, want[3], 1e-10, 1e-10);
				/* lambda c_out^2 = 1: the network learns at unit weight everywhere */
				assert_close(want[4] * want[1] * want[1], 1, 1e-12, 0);
				assert_close(want[4] * s * s * c.e_f * c.e_f, 1, 1e-12, 0);
			}
		}
		sf_process_free(p);
	}
	ck_assert(n > 150);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(golden)
{
	static const double vp[][2] = {{80, 0.93351114324}, {1, 0.25896026243}, {.002, 3.98419754e-5}};
	static const double range[][4] = {/* sigma(t_train), sigma(T) */
		{0.001000497626681674, 152.16697028394637}, {.02, 100}, {0.00642541277, 20291.1696}};
	static const char *const spec[] = {"vp", "ve:sigma-min=0.02,sigma-max=100", "ddpm:schedule=cosine"};
	sf_ctx *ctx = ck_ctx();
	sf_process *edm = open_process(ctx, "edm"), *p;
	sf_coef c;
	int i;

	for (i = 0; i < 3; i++) {
		sf_param_coef(SF_PARAM_EDM_VP, edm, .5, SF_COND_AUTO, 0, vp[i][0], &c);
		assert_close(c.c_noise, 999 * vp[i][1], 2e-9, 0);
	}
	sf_param_coef(SF_PARAM_EDM_VP, edm, .5, SF_COND_AUTO, 0, 1, &c);
	assert_close(c.c_noise, 258.70130217, 1e-10, 0);
	assert_close(c.c_in, sqrt(.5), 1e-15, 0);
	p = open_process(ctx, "vp"); /* in its own time it is the time */
	for (i = 0; i <= 50; i++) {
		double t = 1e-5 + (1 - 1e-5) * i * i / 2500;
		sf_coef own;

		sf_param_coef(SF_PARAM_EDM_VP, p, .5, SF_COND_AUTO, 0, t, &c);
		sf_param_coef(SF_PARAM_EDM_VP, p, .5, SF_COND_TIME, 0, t, &own);
		assert_close(c.c_noise, 999 * t, 1e-11, 0);
		assert_close(own.c_noise, 999 * t, 1e-15, 0);
	}
	sf_process_free(p);
	sf_param_coef(SF_PARAM_EDM_IDDPM, edm, .5, SF_COND_AUTO, 0, 1.01238954, &c);
	ck_assert(c.c_noise == 499 && c.e_f == 1 && c.e_x == 0);
	sf_param_coef(SF_PARAM_EDM_IDDPM, edm, .5, SF_COND_AUTO, 0, .0064, &c);
	ck_assert(c.c_noise == 0); /* u_999; argmin_j, as the appendix has it, would be 999 */
	sf_param_coef(SF_PARAM_EDM_VE, edm, .5, SF_COND_AUTO, 0, 2, &c);
	ck_assert(c.c_noise == 0 && c.c_in == 1 && c.e_f == -1 && c.e_x == 0);
	for (i = 0; i < 3; i++) { /* the noise that the published models know */
		p = open_process(ctx, spec[i]);
		/* VE's training starts at t = 1e-5; iDDPM's at its first level */
		assert_close(ratio(p, i == VP ? sf_process_t_train(p) : 0), range[i][0], 1e-9, 0);
		assert_close(ratio(p, sf_process_horizon(p)), range[i][1], 1e-8, 0);
		sf_process_free(p);
	}
	sf_process_free(edm);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- the others ---- */

START_TEST(conditions) /* all kinds at one noise level, and t in its place where there is none */
{
	static const struct {
		const char *process;
		double t, r;
	} row[] = {{"vp", .5, 3.41291830906912}, {"ve:levels=11", .5, .707106781186548}, {"edm", 7, 7}, {"cld", .3, .3}, {"sech", .4, .4}};
	sf_ctx *ctx = ck_ctx();
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		sf_process *p = open_process(ctx, row[i].process);
		double t = row[i].t, part = t / sf_process_horizon(p), want[7];
		int k;

		want[SF_COND_TIME] = 999 * part;
		want[SF_COND_LOG] = log(row[i].r);
		want[SF_COND_LOG4] = log(row[i].r) / 4;
		want[SF_COND_LOG_HALF] = log(row[i].r / 2);
		want[SF_COND_LEVEL] = strcmp(row[i].process, "edm") ? floor(part * 10) : 9; /* 11 levels; alpha = 1 counts down */
		for (k = SF_COND_TIME; k <= SF_COND_LEVEL; k++) {
			sf_coef c;

			sf_param_coef(SF_PARAM_SIGMA_SCORE, p, .5, k, 11, t, &c);
			assert_close(c.c_noise, want[k], 1e-13, 0);
			ck_assert(c.e_x == 0 && c.e_f == -1 && c.c_in == 1 && c.sigma == sf_process_scale(p, t));
		}
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(labels) /* of every level at its time, and between the levels */
{
	static const int counts[] = {2, 10, 232, 500, 1000, 1086, 2311};
	sf_ctx *ctx = ck_ctx();
	size_t k;

	for (k = 0; k < sizeof counts / sizeof *counts; k++) {
		int n = counts[k], i;
		char spec[2][60];
		sf_process *ve, *dd, *vp = open_process(ctx, "vp");
		sf_coef c;

		snprintf(spec[0], sizeof spec[0], "ve:levels=%d", n);
		snprintf(spec[1], sizeof spec[1], "ddpm:beta-min=0.01,beta-max=1,levels=%d", n);
		ve = open_process(ctx, spec[0]);
		dd = open_process(ctx, spec[1]);
		for (i = 0; i < n; i++) {
			double t = (double)i / (n - 1), next = (i + .4) / (n - 1);

			/* sigmas descend with the label: exp(linspace(ln 50, ln 0.01, n)) */
			sf_param_coef(SF_PARAM_SIGMA_SCORE, ve, .5, SF_COND_LEVEL, 0, t, &c);
			ck_assert(c.c_noise == n - 1 - i);
			assert_close(c.sigma, exp(log(50) + c.c_noise / (n - 1) * log(.01 / 50)), 1e-12, 0);
			sf_param_coef(SF_PARAM_EPS, dd, .5, SF_COND_LEVEL, 0, t, &c);
			ck_assert(c.c_noise == i);
			sf_param_coef(SF_PARAM_EPS, vp, .5, SF_COND_LEVEL, n, t, &c);
			ck_assert(c.c_noise == i);
			if (i == n - 1)
				continue;
			sf_param_coef(SF_PARAM_SIGMA_SCORE, ve, .5, SF_COND_LEVEL, 0, next, &c);
			ck_assert(c.c_noise == n - 1 - i); /* rounded: 0.4 below */
			sf_param_coef(SF_PARAM_SIGMA_SCORE, ve, .5, SF_COND_LEVEL, 0, next + .2 / (n - 1), &c);
			ck_assert(c.c_noise == n - 2 - i); /* 0.6 */
			sf_param_coef(SF_PARAM_EPS, dd, .5, SF_COND_LEVEL, 0, next + .2 / (n - 1), &c);
			ck_assert(c.c_noise == i); /* cut off */
		}
		sf_process_free(ve);
		sf_process_free(dd);
		sf_process_free(vp);
	}
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(choice)
{
	static const struct {
		const char *net, *process, *param, *cond;
	} row[] = {
		{"mlp", "vp", "eps", "time"},          {"mlp", "ddpm", "eps", "time"},          {"mlp", "ve", "score", "log4"},
		{"mlp", "ve", "sigma-score", "log4"},  {"mlp:embed=fourier", "vp", "v", "log4"}, {"mlp", "edm", "x0", "log4"},
		{"mlp", "vp", "edm", "log4"},          {"mlp", "vp", "edm-vp", "vp-time"},      {"mlp", "edm", "edm-vp", "vp-time"},
		{"mlp:embed=fourier", "vp", "edm-vp", "vp-time"}, {"mlp:embed=fourier", "ve", "edm-ve", "log-half"},
		{"mlp", "edm", "edm-iddpm", "level"},  {"mlp", "cld", "mixed", "time"},         {"mlp:embed=fourier", "cld", "mixed", "log"},
		{"mlp", "sech", "sigma-score", "time"}, {"mlp:embed=fourier", "sech", "eps", "log"}};
	static const int64_t dim[] = {2};
	sf_ctx *ctx = ck_ctx();
	size_t i;
	int k;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		sf_model m = make_model(ctx, row[i].net, row[i].process, row[i].param, 1, dim, 0);
		double T = sf_process_horizon(m.process);
		sf_coef a, b;

		assert_ok(ctx, sf_model_check(&m));
		ck_assert_str_eq(sf_cond_names()[sf_model_cond(&m)], row[i].cond);
		sf_model_coef(&m, .4 * T, &a);
		sf_param_coef(m.param, m.process, .5, sf_model_cond(&m), 0, .4 * T, &b);
		ck_assert(a.c_noise == b.c_noise && a.e_f == b.e_f);
		m.cond = SF_COND_LOG; /* the model says otherwise */
		ck_assert_int_eq(sf_model_cond(&m), SF_COND_LOG);
		free_model(&m);
	}
	for (k = 0; sf_cond_names()[k]; k++)
		;
	ck_assert_int_eq(k, SF_COND_VP_TIME + 1);
	for (k = 0; sf_param_names()[k]; k++) {
		int kind;

		assert_ok(ctx, sf_param_find(ctx, sf_param_names()[k], &kind));
		ck_assert_int_eq(kind, k);
	}
	ck_assert_int_eq(k, SF_PARAM_MIXED_LEARNED + 1);
	ck_assert_int_eq(sf_param_find(ctx, "edm-vq", &k), SF_ENAME);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "mean 'edm-v"));
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *process, *param;
		int cond;
		int64_t levels;
		int code;
		const char *say;
	} row[] = {{"cld", "edm-vp", 0, 0, SF_EUNSUP, "two"},
	           {"cld", "edm-ve", 0, 0, SF_EUNSUP, "two"},
	           {"cld", "edm-iddpm", 0, 0, SF_EUNSUP, "two"},
	           {"sech", "edm-vp", 0, 0, SF_EUNSUP, "nonlinear"},
	           {"double-well", "edm-ve", 0, 0, SF_EUNSUP, "nonlinear"},
	           {"static", "edm-iddpm", 0, 0, SF_EUNSUP, "nonlinear"},
	           {"sech", "mixed-learned", 0, 0, SF_EUNSUP, "nonlinear"},
	           {"cld", "eps", SF_COND_VP_TIME, 0, SF_EUNSUP, "vp-time"},
	           {"sech", "eps", SF_COND_VP_TIME, 0, SF_EUNSUP, "vp-time"},
	           {"vp", "eps", SF_COND_LEVEL, 0, SF_EUNSUP, "set levels"},
	           {"vp", "eps", SF_COND_LEVEL, 1, SF_ERANGE, "1 noise levels"},
	           {"vp", "eps", SF_COND_LEVEL, -3, SF_ERANGE, "-3"},
	           {"vp", "eps", 0, 100001, SF_ERANGE, "100000"},
	           {"ve", "sigma-score", SF_COND_LEVEL, 232, SF_EMISMATCH, "1000"},
	           {"vp", "eps", -1, 0, SF_EINVAL, "-1"},
	           {"vp", "eps", SF_COND_VP_TIME + 1, 0, SF_EINVAL, "7"},
	           {"ve:levels=232", "sigma-score", SF_COND_LEVEL, 232, SF_OK, NULL},
	           {"ve", "edm-iddpm", 0, 50, SF_OK, NULL},
	           {"static", "sigma-score", SF_COND_LEVEL, 7, SF_OK, NULL},
	           {"cld", "sigma-score", SF_COND_LOG_HALF, 0, SF_OK, NULL}};
	static const int64_t dim[] = {2};
	sf_ctx *ctx = ck_ctx();
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		sf_model m = make_model(ctx, "mlp", row[i].process, row[i].param, 1, dim, 0);

		m.cond = row[i].cond;
		m.levels = row[i].levels;
		ck_assert_msg(sf_model_check(&m) == row[i].code, "%s %s: %s", row[i].process, row[i].param, sf_ctx_message(ctx));
		ck_assert_msg(!row[i].say || strstr(sf_ctx_message(ctx), row[i].say), "%s", sf_ctx_message(ctx));
		free_model(&m);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* ---- iDDPM's levels ---- */

START_TEST(iddpm_levels)
{
	static const double known[] = {20291.1696,  641.662345, 320.830393, 213.886063, 160.413638, 128.329975,
	                               106.940694, 91.6624868, 80.2037018, 71.2911981, 64.1610911, 58.3272728};
	static const int sizes[] = {2, 3, 50, 1000, 4000};
	static double u[4001];
	size_t k;
	int j;

	for (j = 0; j < 12; j++)
		assert_close(sf_iddpm_level(1000, j), known[j], 5e-9, 0);
	assert_close(sf_iddpm_level(1000, 500), 1.01238954, 5e-9, 6e-8); /* published in single precision */
	assert_close(sf_iddpm_level(1000, 998), 0.00935049284, 1e-9, 0);
	assert_close(sf_iddpm_level(1000, 999), 0.00642541277, 1e-9, 0);
	for (k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		int M = sizes[k];
		double r;

		recurrence(M, u);
		for (j = 0; j < M; j++) {
			assert_close(sf_iddpm_level(M, j), u[j], 1e-9, 0);
			ck_assert_int_eq(sf_iddpm_nearest(M, sf_iddpm_level(M, j)), j);
		}
		for (r = 1e-6; r < 1e7; r *= 1.173)
			ck_assert_int_eq(sf_iddpm_nearest(M, r), nearest(M, u, r));
		for (j = 0; j + 1 < M; j += 1 + j / 7) {
			double middle = (u[j] + u[j + 1]) / 2;

			ck_assert_int_eq(sf_iddpm_nearest(M, middle * (1 + 1e-6)), j);
			ck_assert_int_eq(sf_iddpm_nearest(M, middle * (1 - 1e-6)), j + 1);
		}
		ck_assert_int_eq(sf_iddpm_nearest(M, 0), M - 1);
		ck_assert_int_eq(sf_iddpm_nearest(M, INFINITY), 0);
	}
}
END_TEST

static double cosine_bar(double t) /* Nichol and Dhariwal 2021, eq 17 */
{
	double c = cos((t + .008) / 1.008 * SF_PI / 2);

	return c * c;
}

START_TEST(iddpm_process) /* beta_i = min(1 - abar(i+1)/abar(i), 0.999); the wrapper's label is the level's number */
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "ddpm:schedule=cosine");
	double abar = 1, a;
	int i;

	ck_assert_int_eq(sf_process_levels(p), 1000);
	for (i = 0; i < 1000; i++) {
		double t = i / 999., beta = fmin(1 - cosine_bar((i + 1) / 1000.) / cosine_bar(i / 1000.), .999);
		sf_coef c;

		abar *= 1 - beta;
		a = sf_process_alpha(p, t);
		assert_close(a * a, abar, 1e-10, 0);
		assert_close(a * a + sf_process_sigma(p, t) * sf_process_sigma(p, t), 1, 1e-14, 0);
		assert_close(sf_process_time_of_ratio(p, ratio(p, t)), t, 1e-9, 1e-12);
		sf_param_coef(SF_PARAM_EDM_IDDPM, p, .5, SF_COND_AUTO, 0, t, &c);
		ck_assert(c.c_noise == i && c.c_in == 1 / sqrt(c.alpha * c.alpha + c.sigma * c.sigma));
		sf_param_coef(SF_PARAM_EPS, p, .5, SF_COND_LEVEL, 0, t, &c);
		ck_assert(c.c_noise == i);
	}
	ck_assert(abar < 1e-8); /* not 0: the bound of 0.999 */
	sf_process_free(p);
	p = open_process(ctx, "ddpm:schedule=cosine,levels=20"); /* beta-max = 20 plays no part */
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- checkpoints remember what the network was told ---- */

static int try_weights(sf_ctx *ctx, const char *dir, const char *settings, char *message, size_t size)
{
	char path[900], run[900], text[600], *at, *next;
	void *weights = NULL;
	sf_config *c;
	sf_setup s;
	int rc;

	snprintf(path, sizeof path, "%s/run/config.ini", dir);
	assert_ok(ctx, sf_config_new(ctx, &c));
	assert_ok(ctx, sf_config_read(c, path));
	snprintf(text, sizeof text, "%s", settings);
	for (at = text; at && *at; at = next) {
		if ((next = strchr(at, ' ')))
			*next++ = '\0';
		assert_ok(ctx, sf_config_set(c, at));
	}
	snprintf(run, sizeof run, "%s/run", dir);
	assert_ok(ctx, sf_run_latest(ctx, run, path, sizeof path, NULL));
	rc = sf_setup_open(ctx, c, 0, path, &s);
	if (rc == 0) {
		rc = sf_setup_weights(&s, path, 0, &weights);
		ck_assert_int_eq(s.model.cond == SF_COND_LEVEL && s.model.levels == 20, rc == 0);
	}
	snprintf(message, size, "%s", rc ? sf_ctx_message(ctx) : "");
	sf_setup_free_weights(weights);
	sf_setup_close(&s);
	sf_config_free(c);
	return rc;
}

START_TEST(checkpoint)
{
	static const char *const settings[] = {
		"data.spec=checkerboard", "net.spec=mlp:width=12,depth=2,embed-width=8", "train.steps=1", "train.batch=4", "train.events=false",
		"process.spec=vp", "model.parametrisation=edm-vp", "model.cond=level", "model.levels=20"};
	const char *dir = sf_test_mkdir();
	char path[900], message[400];
	sf_ctx *ctx = ck_ctx();
	sf_trainer *t;
	sf_config *c;
	size_t i;

	assert_ok(ctx, sf_config_new(ctx, &c));
	for (i = 0; i < sizeof settings / sizeof *settings; i++)
		assert_ok(ctx, sf_config_set(c, settings[i]));
	snprintf(path, sizeof path, "%s/run", dir);
	assert_ok(ctx, sf_trainer_new(ctx, c, path, 0, 0, &t));
	assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
	sf_trainer_free(t);
	sf_config_free(c);
	ck_assert_msg(try_weights(ctx, dir, "", message, sizeof message) == 0, "%s", message);
	ck_assert_int_eq(try_weights(ctx, dir, "model.cond=time", message, sizeof message), SF_EMISMATCH);
	ck_assert_msg(strstr(message, "cond=level") && strstr(message, "cond=time"), "%s", message);
	ck_assert_int_eq(try_weights(ctx, dir, "model.cond=auto", message, sizeof message), SF_EMISMATCH);
	ck_assert_int_eq(try_weights(ctx, dir, "model.levels=21", message, sizeof message), SF_EMISMATCH);
	ck_assert_msg(strstr(message, "levels=20") && strstr(message, "levels=21"), "%s", message);
	ck_assert_int_eq(try_weights(ctx, dir, "model.levels=1", message, sizeof message), SF_ERANGE);
	sf_test_rmdir(dir);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("precond");
	TCase *tc = tcase_create("precond");

	tcase_add_test(tc, table);
	tcase_add_test(tc, golden);
	tcase_add_test(tc, conditions);
	tcase_add_test(tc, labels);
	tcase_add_test(tc, choice);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, iddpm_levels);
	tcase_add_test(tc, iddpm_process);
	tcase_add_test(tc, checkpoint);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
