/* check_energy.c: networks as energies, log p = -<x,F>/sigma: eps and score are gradients, losses of second order
 * train, samplers run; and which finite-difference losses are refused, with the bound on their perturbation.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loss_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MLP "mlp:width=10,depth=2,embed-width=8,act=tanh"
#define UNET "unet:width=4,mult=1,blocks=1,init-scale=1"
enum { N = 6 };
static const int64_t space[] = {G}, image[] = {4, 4, 1};

/* <x,F> of sample i at its state plus `step` in coordinate `at` of the noisy block. */
static double energy(rig *r, int64_t i, int64_t at, double step)
{
	int64_t size = r->m.size, k = sf_process_blocks(r->process);
	const double *xt = r->d->xt + i * k * size;
	double x[16], value;
	sf_model_vars v;
	sf_graph *g;
	sf_plan *plan;
	sf_run run;

	memcpy(x, xt + (k - 1) * size, sizeof *x * (size_t)size);
	x[at] += step;
	assert_ok(r->ctx, sf_graph_new(r->ctx, 1, &g));
	sf_model_vars_init(&v);
	assert_ok(r->ctx, sf_model_build_energy(&r->m, g, 0, &v));
	ck_assert_int_eq(v.eps, SF_NOVAR);
	assert_ok(r->ctx, sf_plan_new(g, &v.energy, 1, SF_F64, 1, &plan));
	assert_ok(r->ctx, sf_plan_bind_params(plan, r->param));
	assert_ok(r->ctx, sf_plan_bind(plan, v.x, x));
	if (v.position != SF_NOVAR)
		assert_ok(r->ctx, sf_plan_bind(plan, v.position, xt));
	assert_ok(r->ctx, sf_plan_bind(plan, v.c_in, &r->d->coef[i].c_in));
	assert_ok(r->ctx, sf_plan_bind(plan, v.c_noise, &r->d->coef[i].c_noise));
	assert_ok(r->ctx, sf_plan_output(plan, 0, &value));
	memset(&run, 0, sizeof run);
	run.n = 1;
	assert_ok(r->ctx, sf_plan_run(plan, &run));
	sf_plan_free(plan);
	sf_graph_free(g);
	return value;
}

/* eps = dE/dx and score = -(dE/dx)/sigma; sf_model_score gives (n,k,d) with what belongs to the velocity last. */
static void check_gradient_of_energy(const char *net, const char *process, int rank, const int64_t *dim)
{
	int64_t i, j, k, size;
	double *score, h = 1e-4;
	sf_score *s;
	rig r;

	rig_open(&r, net, NULL, process, "energy", "fd-ssm", rank, dim, N);
	k = sf_process_blocks(r.process);
	size = r.m.size;
	score = sf_alloc((size_t)(N * k * size), sizeof *score);
	assert_ok(r.ctx, sf_model_score(&r.m, SF_F64, r.param, 0, &s));
	assert_ok(r.ctx, sf_score_eval(s, SF_SCORE, N, r.d->xt, r.d->t, score));
	for (i = 0; i < N; i++) {
		double eps[16];

		rig_eps(&r, i, NULL, NULL, eps, NULL);
		for (j = 0; j < size; j++) {
			/* error h^4/30 of the fifth derivative */
			double d = (8 * (energy(&r, i, j, h) - energy(&r, i, j, -h)) -
			            (energy(&r, i, j, 2 * h) - energy(&r, i, j, -2 * h))) / (12 * h);

			assert_close(eps[j], d, 1e-9, 1e-10);
			assert_close(score[(i * k + k - 1) * size + j], -d / sf_process_scale(r.process, r.d->t[i]), 1e-9,
			             1e-10 / sf_process_scale(r.process, r.d->t[i]));
		}
	}
	sf_score_free(s);
	sf_free(score);
	rig_close(&r);
}

START_TEST(gradient_of_energy)
{
	check_gradient_of_energy(MLP, "vp", 1, space);
	check_gradient_of_energy(MLP, "static", 1, space);
	check_gradient_of_energy(MLP, "double-well", 1, space);
	check_gradient_of_energy(MLP, "cld", 1, space);
	check_gradient_of_energy(UNET, "vp", 3, image);
	check_gradient_of_energy(UNET, "cld", 3, image);
}
END_TEST

START_TEST(no_energy)
{
	sf_model_vars v;
	sf_graph *g;
	rig r;

	rig_open(&r, MLP, NULL, "vp", "eps", "dsm", 1, space, 1);
	assert_ok(r.ctx, sf_graph_new(r.ctx, 1, &g));
	sf_model_vars_init(&v);
	ck_assert_int_eq(sf_model_build_energy(&r.m, g, 0, &v), SF_EUNSUP);
	ck_assert(strstr(sf_ctx_message(r.ctx), "energy") != NULL);
	sf_graph_free(g);
	rig_close(&r);
}
END_TEST

/* ---- losses of second order ---- */
START_TEST(dsm_gradient)
{
	static const char *const specs[] = {"dsm", "lcss", "lcss:stage=two,antithetic=true"};
	int i;

	for (i = 0; i < 3; i++) {
		rig r;

		rig_open(&r, MLP, NULL, "vp", "energy", specs[i], 1, space, N);
		ck_assert_int_eq(sf_objective_order(r.o, &r.m), 2);
		rig_draw_at(&r, .5);
		rig_check_gradient(&r, 3, 1e-6);
		rig_close(&r);
		rig_open(&r, UNET, NULL, "cld", "energy", specs[i], 3, image, 2);
		rig_draw_at(&r, .5);
		rig_check_gradient(&r, 61, 1e-6);
		rig_close(&r);
	}
}
END_TEST

/* Gradient descent on the Gaussian's 12 points of (x_0, z) reaches tr(alpha^2 C C_t^{-1})/2 (VP, t = .3), by DSM with
 * a gradient of the energy and by values alone. */
static void train(const char *objective, int slices)
{
	double l[G][G], ct[G][G], inv[G][G], a, s, mean = 0;
	int i, j, k;
	rig r;

	rig_open(&r, "affine", NULL, "vp", "energy", objective, 1, space, 4 * G);
	rig_draw_at(&r, .3);
	a = r.d->coef[0].alpha;
	s = r.d->coef[0].sigma;
	rig_factor(l);
	for (k = 0; k < 4 * G; k++) {
		double side = (k % 2 ? -1 : 1) * sqrt(2 * G);
		int axis = k / 2;

		for (i = 0; i < G; i++) {
			r.d->z[k * G + i] = axis == G + i ? side : 0;
			r.d->xt[k * G + i] = a * (G_M[i] + (axis < G ? side * l[i][axis] : 0)) + s * r.d->z[k * G + i];
		}
		for (i = 0; i < slices * G; i++)
			r.d->probe[k * slices * G + i] = i / G == i % G ? sqrt(G) : 0;
	}
	for (k = 0; k < 3000; k++) {
		mean = rig_run(&r);
		for (i = 0; i < r.total; i++)
			r.param[i] -= .12 * r.grad[i] / (4 * G);
	}
	assert_close(mean, .7129870628, 0, 1e-9);
	for (i = 0; i < G; i++)
		for (j = 0; j < G; j++)
			ct[i][j] = a * a * G_C[i][j] + (i == j ? s * s : 0);
	rig_inverse(ct, inv);
	for (i = 0; i < G; i++) /* eps = (A + A')x + b = sigma C_t^{-1} (x - alpha m) */
		for (j = 0; j < G; j++)
			assert_close(r.param[i * G + j] + r.param[j * G + i], s * inv[i][j], 0, 1e-5);
	rig_close(&r);
}

START_TEST(training)
{
	train("dsm", 0);
	train("fd-dsm:slices=3", G);
	train("fd-dsm:slices=3,eps=1", G);
}
END_TEST

/* ---- sampling: an affine energy is the affine eps with A + A' ---- */
static void sample(const char *net_params, const char *sampler, double *x)
{
	sf_sampler *method;
	sf_sample_run run;
	sf_score *s;
	int i, j;
	rig r;

	rig_open(&r, "affine", NULL, "vp", net_params, "fd-ssm", 1, space, N);
	for (i = 0; i < G; i++) {
		for (j = 0; j < G; j++)
			r.param[i * G + j] = r.m.param == SF_PARAM_ENERGY ? -G_A[i][j] / 2 : -(G_A[i][j] + G_A[j][i]) / 2;
		r.param[16 + i] = G_B[i];
	}
	assert_ok(r.ctx, sf_model_score(&r.m, SF_F64, r.param, 0, &s));
	assert_ok(r.ctx, sf_sampler_new(r.ctx, sampler, &method));
	sf_sample_defaults(&run);
	run.n = 32;
	run.steps = 20;
	run.seed = 3;
	assert_ok(r.ctx, sf_sample(method, s, &run, x, NULL));
	sf_sampler_free(method);
	sf_score_free(s);
	rig_close(&r);
}

START_TEST(sampling)
{
	static const char *const samplers[] = {"em", "euler", "heun"};
	double x[32 * G], y[32 * G];
	int k, i;

	for (k = 0; k < 3; k++) {
		sample("energy", samplers[k], x);
		sample("eps", samplers[k], y);
		for (i = 0; i < 32 * G; i++)
			assert_close(x[i], y[i], 1e-10, 1e-10);
	}
}
END_TEST

/* ---- what finite differences accept ---- */
static const char *const members[] = {"fd-ssm", "fd-ssm-vr", "fd-dsm"};

static int accepts(rig *r, const char *objective)
{
	sf_objective *o;
	int rc;

	assert_ok(r->ctx, sf_objective_new(r->ctx, objective, &o));
	rc = sf_objective_accepts(o, &r->m);
	sf_objective_free(o);
	return rc;
}

START_TEST(defaults_are_resolved) /* in single precision, by every process */
{
	static const char *const processes[] = {"vp", "subvp", "ve", "edm", "ddpm", "cld", "double-well", "sech", "static"};
	static const char *const params[] = {"eps", "energy"};
	static const double deviations[] = {.5, 1};
	int p, q, s, k;

	for (p = 0; p < 9; p++)
		for (q = 0; q < 2; q++)
			for (s = 0; s < 2; s++) {
				rig r;

				rig_model(&r, MLP, NULL, processes[p], params[q], 1, space);
				r.m.type = SF_F32;
				r.m.sigma_data = deviations[s];
				for (k = 0; k < 3; k++)
					if (k < 2 || (q == 1 && p < 6))
						assert_ok(r.ctx, accepts(&r, members[k]));
				rig_close(&r);
			}
}
END_TEST

/* On `static` with sigma_data 1/2 numbers are of size 2: spacing 2^-22 and 2^-51, of which 100 are asked for; of the
 * energy's second difference for h^2, as sigma = 1. */
START_TEST(short_lengths)
{
	int type, k, q;

	for (type = 0; type < 2; type++)
		for (q = 0; q < 2; q++)
			for (k = 0; k < 2; k++) {
				double bound = ldexp(100, type ? -51 : -22), h, said;
				const char *at, *precision = type ? "double" : "single";
				char spec[80];
				rig r;

				rig_model(&r, MLP, NULL, "static", q ? "energy" : "eps", 1, space);
				r.m.type = type ? SF_F64 : SF_F32;
				h = q && k == 0 ? sqrt(bound) : bound;
				snprintf(spec, sizeof spec, "%s:eps-min=0,eps=%g", members[k], 1.01 * h);
				assert_ok(r.ctx, accepts(&r, spec));
				snprintf(spec, sizeof spec, "%s:eps-min=0,eps=%g", members[k], .99 * h);
				ck_assert_int_eq(accepts(&r, spec), SF_ERANGE);
				at = strstr(sf_ctx_message(r.ctx), "at least ");
				ck_assert_msg(at && strstr(sf_ctx_message(r.ctx), precision), "%s", sf_ctx_message(r.ctx));
				said = strtod(at + 9, NULL);
				assert_close(said, bound, 5e-3, 0);
				snprintf(spec, sizeof spec, "%s:eps-min=%g,eps=%g", members[k], 1.01 * h, .99 * h);
				assert_ok(r.ctx, accepts(&r, spec)); /* held up */
				rig_close(&r);
			}
}
END_TEST

START_TEST(needs)
{
	rig r;

	rig_model(&r, MLP, NULL, "vp", "eps", 1, space);
	ck_assert_int_eq(accepts(&r, "fd-dsm"), SF_EUNSUP);
	ck_assert(strstr(sf_ctx_message(r.ctx), "energy") != NULL);
	rig_close(&r);
	rig_model(&r, MLP, NULL, "static", "energy", 1, space);
	ck_assert_int_eq(accepts(&r, "fd-dsm"), SF_EUNSUP);
	ck_assert(strstr(sf_ctx_message(r.ctx), "'static'") != NULL);
	rig_close(&r);
	rig_model(&r, "mlp:width=10,depth=2,embed-width=8,act=relu", NULL, "vp", "energy", 1, space);
	assert_ok(r.ctx, accepts(&r, "fd-ssm")); /* values alone */
	assert_ok(r.ctx, accepts(&r, "fd-dsm"));
	ck_assert_int_eq(accepts(&r, "fd-ssm-vr"), SF_EUNSUP); /* gradients of the energy */
	ck_assert_int_eq(accepts(&r, "dsm"), SF_EUNSUP);
	rig_close(&r);
	rig_open(&r, MLP, NULL, "vp", "energy", "fd-ssm", 1, space, 1);
	ck_assert_int_eq(sf_objective_order(r.o, &r.m), 1);
	rig_close(&r);
	rig_open(&r, MLP, NULL, "vp", "energy", "fd-ssm-vr", 1, space, 1);
	ck_assert_int_eq(sf_objective_order(r.o, &r.m), 2);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("energy");
	TCase *tc = tcase_create("energy");

	tcase_add_test(tc, gradient_of_energy);
	tcase_add_test(tc, no_energy);
	tcase_add_test(tc, dsm_gradient);
	tcase_add_test(tc, training);
	tcase_add_test(tc, sampling);
	tcase_add_test(tc, defaults_are_resolved);
	tcase_add_test(tc, short_lengths);
	tcase_add_test(tc, needs);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
