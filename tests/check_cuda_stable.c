/* check_cuda_stable.c: stable targets on the device against the processor's: the draw of a batch in double, with and without the
 * source, with labels, and with more rows than samples.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"

#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 12, SIZE = 5 };

static const struct {
	const char *objective, *process;
	int classes;
} cases[] = {
	{"stf:n=40", "vp", 0},
	{"stf:n=40,source=false", "vp", 0},
	{"stf:n=7", "ve", 0}, /* fewer than the batch */
	{"stf:n=64,t=lognormal", "edm", 3},
	{"stf:n=2", "subvp", 0},
};

/* z of the draw; freed by the caller. */
static double *targets(sf_ctx *ctx, const char *objective, const char *process, int classes, double *moved)
{
	sf_objective *o = NULL;
	sf_process *p = NULL;
	sf_net *net = NULL;
	sf_batch *b = NULL;
	sf_batch_how how;
	double *x, *label, *z = malloc(N * SIZE * sizeof *z);
	int64_t rows, i;
	sf_model m;
	sf_draw *d;

	memset(&m, 0, sizeof m);
	memset(&how, 0, sizeof how);
	assert_ok(ctx, sf_net_new(ctx, "mlp:width=8,depth=1", &net));
	assert_ok(ctx, sf_process_new(ctx, process, &p));
	assert_ok(ctx, sf_objective_new(ctx, objective, &o));
	assert_ok(ctx, sf_param_find(ctx, "eps", &m.param));
	m.ctx = ctx;
	m.net = net;
	m.process = p;
	m.sigma_data = 1;
	m.type = SF_F32;
	m.rank = 1;
	m.size = m.dim[0] = SIZE;
	m.classes = classes;
	how.n = N;
	how.shards = 1;
	how.train = 1;
	how.device = 1;
	assert_ok(ctx, sf_batch_plan(o, &m, &how, &b));
	assert_ok(ctx, sf_batch_open(b));
	d = sf_batch_draw(b);
	d->seed = 11;
	d->step = 2;
	rows = sf_batch_data(b, &x, &label);
	for (i = 0; i < rows * SIZE; i++)
		x[i] = sin(1.7 * (double)i);
	for (i = 0; i < rows; i++)
		label[i] = classes ? (double)(i % classes) : -1;
	assert_ok(ctx, sf_batch_prepare(b));
	ck_assert_ptr_nonnull(z);
	memcpy(z, d->z, N * SIZE * sizeof *z);
	for (*moved = 0, i = 0; i < N; i++) { /* x_t stays that of the noise: z is no longer what made it */
		double alpha = sf_process_alpha(p, d->t[i]), sigma = d->coef[i].sigma;
		int64_t j;

		for (j = i * SIZE; j < (i + 1) * SIZE; j++)
			*moved = fmax(*moved, fabs((d->xt[j] - alpha * d->x0[j]) / sigma - z[j]));
	}
	sf_batch_free(b);
	sf_objective_free(o);
	sf_process_free(p);
	sf_net_free(net);
	return z;
}

START_TEST(same)
{
	sf_ctx *ctx = ck_ctx();
	double moved[2], *host = targets(ctx, cases[_i].objective, cases[_i].process, cases[_i].classes, &moved[0]), *there;
	int k;

	rig_device(ctx, SF_DEVICE_STRICT, 1);
	there = targets(ctx, cases[_i].objective, cases[_i].process, cases[_i].classes, &moved[1]);
	ck_assert_double_gt(moved[0], 1e-3);
	assert_close(moved[1], moved[0], 1e-9, 0);
	for (k = 0; k < N * SIZE; k++)
		assert_close(there[k], host[k], 1e-10, 1e-10);
	free(host);
	free(there);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cuda_stable");
	TCase *t = tcase_create("targets");

	tcase_add_loop_test(t, same, 0, sizeof cases / sizeof *cases);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
