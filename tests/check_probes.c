/* check_probes.c: the directions of sliced score matching and what their losses are on networks: moments of the
 * three laws, the exact trace in closed form, ISM as SSM over a basis, gradients, refusals, and the same bytes
 * however work is cut.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loss_rig.h"
#include "moments.h"

#include "objective/family.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t space[] = {G}, plane[] = {2}, image[] = {2, 2, 1};
static const char *const laws[] = {"rademacher", "gaussian", "sphere"};

/* ---- directions ---- */

/* For a 3 x 3 matrix A and n directions: E v = 0, E v v' = I, and the variance of v'A v by the table of slices.h. */
START_TEST(directions)
{
	enum { N = 8192, SLICES = 4, ALL = N * SLICES };
	double *v, *x = sf_alloc(ALL, sizeof *x), *y = sf_alloc(ALL, sizeof *y), want[3], F = 0, tr = 0, diag = 0;
	char spec[80];
	int i, j, k;
	rig r;

	for (i = 0; i < G; i++) {
		tr += G_A[i][i];
		diag += G_A[i][i] * G_A[i][i];
		for (j = 0; j < G; j++)
			F += (G_A[i][j] + G_A[j][i]) * (G_A[i][j] + G_A[j][i]) / 4;
	}
	want[0] = 2 * (F - diag), want[1] = 2 * F, want[2] = 2. / 5 * (3 * F - tr * tr);
	snprintf(spec, sizeof spec, "ssm-vr:slices=%d,projections=%s", SLICES, laws[_i]);
	rig_open(&r, "affine", NULL, "static", "score", spec, 1, space, N);
	v = r.d->probe;
	for (k = 0; k < ALL; k++) {
		double q = 0, length = 0;

		for (i = 0; i < G; i++) {
			length += v[k * G + i] * v[k * G + i];
			for (j = 0; j < G; j++)
				q += v[k * G + i] * G_A[i][j] * v[k * G + j];
			if (_i == SF_PROBE_RADEMACHER)
				ck_assert(v[k * G + i] == 1 || v[k * G + i] == -1);
		}
		if (_i == SF_PROBE_SPHERE)
			assert_close(length, G, 1e-14, 0);
		x[k] = (q - tr) * (q - tr);
	}
	assert_mean(x, ALL, want[_i], 0); /* of the square: the bound for the variance */
	for (i = 0; i < G; i++) {
		for (k = 0; k < ALL; k++)
			x[k] = v[k * G + i];
		assert_mean(x, ALL, 0, 0);
		for (j = 0; j < i; j++) {
			for (k = 0; k < ALL; k++)
				y[k] = v[k * G + j];
			assert_product(x, y, ALL, 0);
		}
		for (k = 0; k < ALL; k++)
			y[k] = x[k] * x[k];
		assert_mean(y, ALL, 1, 1e-13);
		for (k = 0; k + G * SLICES < ALL; k += SLICES) /* two slices of a sample, and two samples */
			y[k / SLICES] = x[k] * x[k + 1];
		assert_mean(y, k / SLICES, 0, 0);
		for (k = 0; k + SLICES < ALL; k += SLICES)
			y[k / SLICES] = x[k] * x[k + SLICES];
		assert_mean(y, k / SLICES, 0, 0);
	}
	sf_free(x);
	sf_free(y);
	rig_close(&r);
}
END_TEST

/* One number a sample: all laws of length sqrt(d) are signs. */
START_TEST(one_dimension)
{
	static const int64_t one[] = {1};
	char spec[80];
	int k, i, plus;
	rig r;

	for (k = 0; k < 3; k += 2) {
		snprintf(spec, sizeof spec, "ssm:projections=%s", laws[k]);
		rig_open(&r, "affine", NULL, "static", "score", spec, 1, one, 2000);
		for (plus = 0, i = 0; i < 2000; i++) {
			assert_close(fabs(r.d->probe[i]), 1, 4e-16, 0);
			plus += r.d->probe[i] > 0;
		}
		ck_assert(abs(plus - 1000) < 4.5 * sqrt(500)); /* standard deviations of a binomial */
		rig_close(&r);
	}
}
END_TEST

/* ---- networks ---- */

static double act(int kind, double a)
{
	return kind == 0 ? tanh(a) : kind == 1 ? log1p(exp(a)) : a / (1 + exp(-a));
}

static double slope(int kind, double a)
{
	double s = 1 / (1 + exp(-a)), t = tanh(a);

	return kind == 0 ? 1 - t * t : kind == 1 ? s : s + a * s * (1 - s);
}

/* s = W2 f(W1 x + b1) + b2 has tr J = sum_k f'(a_k) (W1 W2)_kk; the loss is tr J + |s|^2/2. */
START_TEST(one_hidden_layer)
{
	enum { H = 5, N = 8 };
	static const char *const acts[] = {"tanh", "softplus", "silu"};
	char net[80];
	int64_t i;
	int k, j, l;
	rig r;

	snprintf(net, sizeof net, "mlp:width=%d,depth=1,embed-width=2,act=%s", H, acts[_i]);
	rig_open(&r, net, NULL, "static", "score", "ism", 1, space, N);
	for (k = 0; k < r.total; k++)
		r.param[k] = .9 * cos(1.7 * k + .3);
	memset(rig_param(&r, "time0.weight"), 0, 2 * H * sizeof(double));
	memset(rig_param(&r, "time0.bias"), 0, H * sizeof(double));
	rig_run(&r);
	for (i = 0; i < N; i++) {
		const double *w1 = rig_param(&r, "layer0.weight"), *w2 = rig_param(&r, "out.weight"), *x = r.d->xt + i * G;
		double want = 0, s[G], a[H];

		for (l = 0; l < G; l++)
			s[l] = rig_param(&r, "out.bias")[l];
		for (k = 0; k < H; k++) {
			a[k] = rig_param(&r, "layer0.bias")[k];
			for (j = 0; j < G; j++) /* weights are (in,out) */
				a[k] += x[j] * w1[j * H + k];
			for (j = 0; j < G; j++) {
				s[j] += w2[k * G + j] * act(_i, a[k]);
				want += slope(_i, a[k]) * w1[j * H + k] * w2[k * G + j];
			}
		}
		for (l = 0; l < G; l++)
			want += s[l] * s[l] / 2;
		assert_close(r.loss[i], want, 1e-13, 1e-13);
	}
	rig_close(&r);
}
END_TEST

/* With the d directions sqrt(d) e_k, both sliced losses are ISM's, sample by sample, and so are their gradients. */
static void check_basis(const char *net, const char *process, const char *param, int rank, const int64_t *dim,
                        int64_t size)
{
	enum { N = 4 };
	static const char *const names[] = {"ssm", "ssm-vr"};
	double largest = 0;
	int64_t i, j, k;
	char spec[80];
	rig ism, r;
	int o;

	rig_open(&ism, net, NULL, process, param, "ism:weight=one", rank, dim, N);
	rig_run(&ism);
	for (k = 0; k < ism.total; k++)
		largest = fmax(largest, fabs(ism.grad[k]));
	ck_assert(largest > 0);
	for (o = 0; o < 2; o++) {
		snprintf(spec, sizeof spec, "%s:weight=one,slices=%d", names[o], (int)size);
		rig_open(&r, net, NULL, process, param, spec, rank, dim, N);
		for (i = 0; i < N; i++)
			for (k = 0; k < size; k++)
				for (j = 0; j < size; j++)
					r.d->probe[(i * size + k) * size + j] = j == k ? sqrt((double)size) : 0;
		rig_run(&r);
		ck_assert_int_eq(r.total, ism.total);
		for (i = 0; i < N; i++) {
			ck_assert(r.d->xt[i] == ism.d->xt[i]);
			assert_close(r.loss[i], ism.loss[i], 1e-11, 1e-12 * ism.d->weight[i]);
		}
		for (k = 0; k < r.total; k++)
			assert_close(r.grad[k], ism.grad[k], 1e-11, 1e-11 * largest);
		rig_close(&r);
	}
	rig_close(&ism);
}

#define SMALL "mlp:width=8,depth=2,embed-width=8,act="
#define UNET "unet:width=4,mult=1:1,blocks=1,attn=2,init-scale=1"

START_TEST(basis)
{
	check_basis(SMALL "tanh", "vp", "v", 1, space, 3);
	check_basis(SMALL "silu", "edm", "edm", 1, space, 3);
	check_basis(SMALL "softplus", "cld", "mixed", 1, space, 3);
	check_basis(SMALL "silu", "double-well", "score", 1, space, 3);
	check_basis(SMALL "tanh", "vp", "energy", 1, plane, 2);
	check_basis(UNET, "vp", "eps", 3, image, 4);
}
END_TEST

/* The losses by their formulas, from eps and J_eps v of sf_model_build and sf_jvp. */
START_TEST(formula)
{
	enum { N = 6, M = 3 };
	static const char *const processes[] = {"vp", "ve", "cld", "double-well", "static"};
	static const char *const names[] = {"ssm", "ssm-vr", "ssm:unit-norm=true,projections=sphere"};
	char spec[100];
	int p, o, i, k, j;

	for (p = 0; p < 5; p++)
		for (o = 0; o < 3; o++) {
			rig r;

			snprintf(spec, sizeof spec, "%s%sslices=%d,weight=one", names[o], o == 2 ? "," : ":", M);
			rig_open(&r, SMALL "silu", NULL, processes[p], "score", spec, 1, space, N);
			rig_run(&r);
			for (i = 0; i < N; i++) {
				double want = 0, e[G], jv[G], size = 0;

				for (k = 0; k < M; k++) {
					const double *v = r.d->probe + (i * M + k) * G;
					double ve = 0, ee = 0, vjv = 0;

					rig_eps(&r, i, NULL, v, e, jv);
					for (j = 0; j < G; j++) {
						ve += v[j] * e[j];
						ee += e[j] * e[j];
						vjv += v[j] * jv[j];
					}
					want += ((o == 1 ? ee : ve * ve) / 2 - r.d->coef[i].sigma * vjv) / M;
					size += ee + fabs(r.d->coef[i].sigma * vjv);
				}
				/* lambda = 1 */
				assert_close(r.d->weight[i], 1 / (r.d->coef[i].sigma * r.d->coef[i].sigma), 1e-13, 0);
				want *= r.d->weight[i] / (o == 2 ? G : 1);
				assert_close(r.loss[i], want, 1e-12, 1e-13 * r.d->weight[i] * size);
			}
			rig_close(&r);
		}
}
END_TEST

START_TEST(gradients) /* parameter gradients against differences, which take the activation's second derivative */
{
	static const struct {
		const char *objective, *net, *process, *param;
	} rows[] = {
		{"ism", SMALL "tanh", "vp", "eps"}, {"ism", SMALL "softplus", "static", "score"},
		{"ism", SMALL "silu", "cld", "mixed"}, {"ssm", SMALL "tanh", "static", "eps"},
		{"ssm:slices=2,projections=gaussian", SMALL "softplus", "subvp", "v"},
		{"ssm:unit-norm=true", SMALL "silu", "edm", "edm"}, {"ssm-vr", SMALL "tanh", "double-well", "eps"},
		{"ssm-vr:projections=sphere", SMALL "softplus", "ve", "x0"}, {"ssm-vr", SMALL "silu", "cld", "score"},
		{"ism", SMALL "tanh", "vp", "energy"}, {"ssm", SMALL "softplus", "static", "energy"}};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		rig r;

		rig_open(&r, rows[i].net, NULL, rows[i].process, rows[i].param, rows[i].objective, 1, space, 3);
		rig_draw_at(&r, strcmp(rows[i].process, "static") == 0 ? 1 : .3);
		rig_check_gradient(&r, 29, 1e-6);
		rig_close(&r);
	}
}
END_TEST

START_TEST(unet_gradients)
{
	static const char *const specs[] = {"ism", "ssm", "ssm-vr"};
	rig r;

	rig_open(&r, UNET, NULL, "vp", "v", specs[_i], 3, image, 2);
	rig_draw_at(&r, .3);
	rig_check_gradient(&r, 601, 1e-6);
	rig_close(&r);
}
END_TEST

/* ---- bytes ---- */

static sf_batch *run_with(rig *r, int threads, int64_t n, int64_t shards, int64_t first)
{
	double *x, *all;
	int64_t i;
	sf_batch *b;

	sf_ctx_set_threads(r->ctx, threads);
	assert_ok(r->ctx, sf_batch_new(r->o, &r->m, n, shards, 0, &b));
	sf_batch_draw(b)->seed = r->d->seed;
	sf_batch_draw(b)->step = r->d->step;
	sf_batch_draw(b)->first = (uint64_t)first;
	sf_batch_data(b, &x, NULL);
	sf_batch_data(r->b, &all, NULL);
	for (i = 0; i < n * r->m.size; i++)
		x[i] = all[first * r->m.size + i];
	assert_ok(r->ctx, sf_objective_draw(r->o, &r->m, sf_batch_draw(b)));
	assert_ok(r->ctx, sf_batch_run(b, r->param, NULL));
	return b;
}

START_TEST(bytes) /* threads leave everything as it is, the cut of the batch the losses and the draws */
{
	enum { N = 48 };
	static const char *const specs[] = {"ism", "ssm:slices=3,projections=sphere", "ssm-vr", "ssm:projections=gaussian"};
	int k, threads, half;

	for (k = 0; k < 4; k++) {
		size_t e = sizeof(double);
		sf_batch *one, *b;
		rig r;

		rig_open(&r, SMALL "silu", NULL, k % 2 ? "vp" : "cld", "eps", specs[k], 1, space, N);
		one = run_with(&r, 1, N, 4, 0);
		for (threads = 2; threads <= 3; threads++) {
			b = run_with(&r, threads, N, 4, 0);
			ck_assert(memcmp(sf_batch_losses(b), sf_batch_losses(one), N * e) == 0);
			ck_assert(memcmp(sf_batch_gradient(b), sf_batch_gradient(one), (size_t)r.total * e) == 0);
			sf_batch_free(b);
		}
		for (half = 0; half < 2; half++) {
			const double *whole = sf_batch_losses(one), *probe = sf_batch_draw(one)->probe;
			int64_t slices = sf_objective_probes(r.o);

			b = run_with(&r, 2, N / 2, 3, half * N / 2);
			ck_assert(memcmp(sf_batch_losses(b), whole + half * N / 2, N / 2 * e) == 0);
			if (probe)
				ck_assert(memcmp(sf_batch_draw(b)->probe, probe + half * N / 2 * slices * G,
				                 (size_t)(N / 2 * slices * G) * e) == 0);
			sf_batch_free(b);
		}
		sf_batch_free(one);
		rig_close(&r);
	}
}
END_TEST

/* ---- refusals ---- */

START_TEST(refusals)
{
	static const struct {
		const char *spec, *say;
	} rows[] = {{"ssm-vr:unit-norm=true", "1/d of the score"}, {"ssm:unit-norm=true,projections=gaussian", "sphere"},
	            {"ssm:slices=0", "slices"}, {"ssm-vr:slices=65", "slices"}, {"ssm:projections=unit", "projections"},
	            {"ism:slices=2", "slices"}};
	static const int64_t big[] = {129}, most[] = {128};
	sf_objective *o;
	size_t i;
	rig r;

	rig_model(&r, SMALL "silu", NULL, "vp", "eps", 1, most);
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_int_lt(sf_objective_new(r.ctx, rows[i].spec, &o), 0);
		ck_assert_msg(strstr(sf_ctx_message(r.ctx), rows[i].say), "%s", sf_ctx_message(r.ctx));
	}
	assert_ok(r.ctx, sf_objective_new(r.ctx, "ism", &r.o));
	assert_ok(r.ctx, sf_objective_accepts(r.o, &r.m));
	r.m.size = r.m.dim[0] = big[0];
	ck_assert_int_eq(sf_objective_accepts(r.o, &r.m), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "ssm"));
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("probes");
	TCase *tc = tcase_create("probes");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, directions, 0, 3);
	tcase_add_test(tc, one_dimension);
	tcase_add_loop_test(tc, one_hidden_layer, 0, 3);
	tcase_add_test(tc, basis);
	tcase_add_test(tc, formula);
	tcase_add_test(tc, gradients);
	tcase_add_loop_test(tc, unet_gradients, 0, 3);
	tcase_add_test(tc, bytes);
	tcase_add_test(tc, refusals);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
