/* check_fd.c: the finite-difference losses: exact on linear scores and quadratic energies at any length, second order
 * elsewhere, what is drawn, gradients, and the link to LCSS. Closed forms are in check_fd_forms.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loss_rig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MLP "mlp:width=10,depth=2,embed-width=8,act=tanh"
enum { N = 12 };
static const int64_t space[] = {G};

/* ---- the losses that finite differences stand for, in eps notation ---- */
enum { SSM, VR, DSM, KINDS };
static const char *const names[KINDS] = {"fd-ssm", "fd-ssm-vr", "fd-dsm"};

/* w {(u.e)^2/2 - sigma u'J u}, w {|e|^2/2 - sigma u'J u}, w/2 {u.(e - z)}^2, over the slices' mean. */
static double limit(rig *r, int kind, int64_t i)
{
	int64_t size = r->m.size, slices = sf_objective_probes(r->o), k, j;
	double sum = 0;

	for (k = 0; k < slices; k++) {
		const double *u = r->d->probe + (i * slices + k) * size, *z = r->d->z + i * size;
		double e[16], ju[16], ue = 0, uju = 0, ee = 0, uz = 0;

		rig_eps(r, i, NULL, u, e, ju);
		for (j = 0; j < size; j++) {
			ue += u[j] * e[j];
			uju += u[j] * ju[j];
			ee += e[j] * e[j];
			uz += u[j] * z[j];
		}
		sum += kind == DSM ? (ue - uz) * (ue - uz) / 2
		                   : (kind == SSM ? ue * ue : ee) / 2 - r->d->coef[i].sigma * uju;
	}
	return r->d->weight[i] * sum / (double)slices;
}

static void fill(double *param, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++)
		param[i] = .5 * cos(.7 * (double)i + .1);
}

/* ---- exact at any length ---- */
static void check_exact(int kind, const char *process, const char *param, const char *options)
{
	char spec[100];
	int64_t i;
	rig r;

	snprintf(spec, sizeof spec, "%s:eps-min=0,%s", names[kind], options);
	rig_open(&r, "affine", NULL, process, param, spec, 1, space, N);
	fill(r.param, r.total);
	rig_run(&r);
	for (i = 0; i < N; i++) {
		double h = r.d->extra[1][i], s = r.d->coef[i].sigma, want = limit(&r, kind, i);
		double energy = r.m.param == SF_PARAM_ENERGY ? s / (h * h) : 0, e2 = 0;
		int64_t k = sf_process_blocks(r.process), j;

		for (j = 0; j < k * G; j++)
			e2 += r.d->xt[i * k * G + j] * r.d->xt[i * k * G + j];
		/* rounding: of states and eps over h, of energies over h^2 */
		assert_close(r.loss[i], want, 1e-13, 1e-14 * r.d->weight[i] * (1 + s / h + energy) * (1 + e2) * (1 + e2));
	}
	rig_close(&r);
}

START_TEST(exact)
{
	static const char *const lengths[] = {"eps=0.001", "eps=0.1", "eps=1", "eps=0.1,scale=one,slices=3",
	                                      "eps=1,scale=one,weight=one"};
	static const char *const processes[] = {"static", "vp", "edm", "cld", "double-well"};
	int p, k;

	for (p = 0; p < 5; p++)
		for (k = 0; k < 5; k++) {
			check_exact(SSM, processes[p], "eps", lengths[k]);
			check_exact(SSM, processes[p], "score", lengths[k]);
			check_exact(SSM, processes[p], "energy", lengths[k]);
			check_exact(VR, processes[p], "score", lengths[k]);
			check_exact(VR, processes[p], "energy", lengths[k]);
			if (p == 1 || p == 2 || p == 3)
				check_exact(DSM, processes[p], "energy", lengths[k]);
		}
}
END_TEST

/* ---- second order on a network ---- */
static double error(int kind, const char *process, const char *param, double eps)
{
	double sum = 0;
	char spec[80];
	int64_t i;
	rig r;

	snprintf(spec, sizeof spec, "%s:eps-min=0,eps=%g", names[kind], eps);
	rig_open(&r, MLP, NULL, process, param, spec, 1, space, N);
	rig_draw_at(&r, sf_process_horizon(r.process) * .6);
	rig_run(&r);
	for (i = 0; i < N; i++)
		sum += fabs(r.loss[i] - limit(&r, kind, i));
	rig_close(&r);
	return sum;
}

START_TEST(second_order)
{
	static const struct {
		int kind;
		const char *process, *param;
	} rows[] = {{SSM, "vp", "v"}, {SSM, "static", "eps"}, {SSM, "vp", "energy"}, {SSM, "cld", "mixed"},
	            {VR, "vp", "v"}, {VR, "double-well", "score"}, {VR, "subvp", "energy"}, {DSM, "vp", "energy"},
	            {DSM, "cld", "energy"}};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		double coarse = error(rows[i].kind, rows[i].process, rows[i].param, .04);
		double fine = error(rows[i].kind, rows[i].process, rows[i].param, .02);

		ck_assert(fine > 1e-9);
		assert_close(coarse / fine, 4, .01, 0);
	}
}
END_TEST

/* ---- what is drawn ---- */
START_TEST(draws)
{
	static const char *const processes[] = {"vp", "subvp", "static", "cld", "double-well"};
	int kind, p;
	int64_t i, j;

	for (kind = SSM; kind < KINDS; kind++)
		for (p = 0; p < 5; p++) {
			char spec[80];
			rig r;

			if (kind == DSM && (p == 2 || p == 4))
				continue;
			snprintf(spec, sizeof spec, "%s:slices=2,eps=0.2,eps-min=0.05", names[kind]);
			rig_open(&r, "affine", NULL, processes[p], "energy", spec, 1, space, N);
			for (i = 0; i < N; i++) {
				double s = sf_process_scale(r.process, r.d->t[i]), h = fmax(.2 * s, .05);

				assert_close(r.d->extra[1][i], h, 1e-15, 0);
				assert_close(r.d->extra[0][i], s, 1e-15, 0);
			}
			for (i = 0; i < 2 * N; i++) {
				double sum = 0;

				for (j = 0; j < G; j++)
					sum += r.d->probe[i * G + j] * r.d->probe[i * G + j];
				assert_close(sum, G, 1e-14, 0);
			}
			rig_close(&r);
		}
}
END_TEST

/* The energy is taken at alpha x_0 + sigma z for the z that the loss is paired with. */
START_TEST(noisy_points)
{
	double *x0;
	int64_t i;
	rig r;

	rig_open(&r, "affine", NULL, "vp", "energy", "fd-dsm", 1, space, N);
	sf_batch_data(r.b, &x0, NULL);
	for (i = 0; i < N * G; i++)
		assert_close(r.d->xt[i], r.d->coef[i / G].alpha * x0[i] + r.d->coef[i / G].sigma * r.d->z[i], 1e-14, 1e-15);
	rig_close(&r);
}
END_TEST

START_TEST(normal_directions) /* unit normals of the probe stream, where the sphere has them scaled */
{
	sf_noise key = {5, SF_NOISE_PROBE, 1};
	double z[2 * G];
	int64_t i, j;
	rig r;

	rig_open(&r, "affine", NULL, "vp", "eps", "fd-ssm-vr:direction=gaussian,slices=2", 1, space, N);
	for (i = 0; i < N; i++) {
		sf_noise_normal_d(r.ctx, key, (uint64_t)i, 0, 2 * G, z);
		for (j = 0; j < 2 * G; j++)
			ck_assert(r.d->probe[i * 2 * G + j] == z[j]);
	}
	rig_close(&r);
}
END_TEST

/* ---- parameter gradients ---- */
START_TEST(gradients)
{
	static const int64_t image[] = {4, 4, 1};
	static const char *const unet = "unet:width=4,mult=1,blocks=1,init-scale=1";
	static const char *const nets[] = {MLP, unet};
	static const struct {
		const char *process, *param, *objective;
	} rows[] = {{"vp", "v", "fd-ssm:slices=2"}, {"vp", "energy", "fd-ssm"}, {"static", "eps", "fd-ssm-vr"},
	            {"subvp", "x0", "fd-ssm-vr:direction=gaussian,weight=g2"}, {"vp", "energy", "fd-ssm-vr"},
	            {"vp", "energy", "fd-dsm:slices=2"}, {"cld", "energy", "fd-dsm"}, {"cld", "mixed", "fd-ssm"}};
	size_t i;
	int n;

	for (n = 0; n < 2; n++)
		for (i = 0; i < sizeof rows / sizeof *rows; i++) {
			rig r;

			rig_open(&r, nets[n], NULL, rows[i].process, rows[i].param, rows[i].objective, n ? 3 : 1,
			         n ? image : space, 2);
			rig_draw_at(&r, .5 * sf_process_horizon(r.process));
			rig_check_gradient(&r, n ? 101 : 11, 1e-6);
			rig_close(&r);
		}
}
END_TEST

/* ---- l_FD = l_antithetic - lambda |s+ - s-|^2/8 with v = sigma_p z, per sample ---- */
START_TEST(antithetic_lcss)
{
	static const char *const processes[] = {"vp", "static", "cld", "double-well"};
	int p, k;

	for (p = 0; p < 4; p++) {
		rig a, f;
		int64_t i, j, b;

		rig_open(&a, MLP, NULL, processes[p], "eps", "lcss:stage=two,rho=0.7,antithetic=true,weight=one", 1,
		         space, N);
		rig_open(&f, MLP, NULL, processes[p], "eps", "fd-ssm-vr:direction=gaussian,eps=0.7,eps-min=0,weight=one",
		         1, space, N);
		rig_run(&a);
		b = sf_process_blocks(a.process);
		memcpy(f.d->xt, a.d->xt, sizeof *f.d->xt * (size_t)(N * b * G));
		memcpy(f.d->probe, a.d->z, sizeof *f.d->probe * N * G);
		for (i = 0; i < N; i++) {
			assert_close(f.d->extra[1][i], a.d->extra[1][i], 1e-15, 0);
			for (j = 0; j < G; j++) /* LCSS stores x + sigma_p z */
				f.d->xt[(i * b + b - 1) * G + j] -= a.d->extra[1][i] * a.d->z[i * G + j];
		}
		rig_run(&f);
		for (i = 0; i < N; i++) {
			double e[2][G], v[G], penalty = 0;

			for (k = 0; k < 2; k++) {
				for (j = 0; j < G; j++)
					v[j] = (k ? -1 : 1) * f.d->extra[1][i] * f.d->probe[i * G + j];
				rig_eps(&f, i, v, NULL, e[k], NULL);
			}
			for (j = 0; j < G; j++)
				penalty += (e[0][j] - e[1][j]) * (e[0][j] - e[1][j]) / 8;
			ck_assert(penalty > 0);
			assert_close(f.loss[i], a.loss[i] - f.d->weight[i] * penalty, 1e-12, 1e-11 * f.d->weight[i]);
		}
		rig_close(&a);
		rig_close(&f);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fd");
	TCase *tc = tcase_create("fd");

	tcase_add_test(tc, exact);
	tcase_add_test(tc, second_order);
	tcase_add_test(tc, draws);
	tcase_add_test(tc, noisy_points);
	tcase_add_test(tc, normal_directions);
	tcase_add_test(tc, gradients);
	tcase_add_test(tc, antithetic_lcss);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
