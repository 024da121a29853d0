/* trial.c: see trial.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include <math.h>
#include <string.h>

static int open_parts(sf_ctx *ctx, const char *net, const char *process, const char *param, const char *objective,
                      sf_trial *r)
{
	int64_t vector = SF_TRIAL_D, rows, i;

	SF_TRY(sf_net_new(ctx, net, &r->net));
	SF_TRY(sf_process_new(ctx, process, &r->process));
	SF_TRY(sf_objective_new(ctx, objective, &r->objective));
	SF_TRY(sf_param_find(ctx, param, &r->m.param));
	r->m.ctx = ctx;
	r->m.net = r->net;
	r->m.process = r->process;
	r->m.sigma_data = .5;
	r->m.rank = 1;
	r->m.size = r->m.dim[0] = vector;
	if (sf_net_accepts(r->net, 1, &vector) < 0) {
		r->m.rank = 3;
		r->m.dim[0] = r->m.dim[1] = SF_TRIAL_PIXELS;
		r->m.dim[2] = 1;
		r->m.size = SF_TRIAL_PIXELS * SF_TRIAL_PIXELS;
	}
	r->m.type = SF_F64;
	SF_TRY(sf_batch_new(r->objective, &r->m, SF_TRIAL_N, 1, 0, &r->batch));
	r->d = sf_batch_draw(r->batch);
	r->d->seed = 1;
	rows = sf_batch_data(r->batch, &r->x0, NULL);
	for (i = 0; i < rows * r->m.size; i++)
		r->x0[i] = 1.5 * sin(1.1 * (double)i + .2);
	r->total = sf_param_total(sf_batch_graph(r->batch));
	r->param = sf_alloc((size_t)r->total, sizeof *r->param);
	if (!r->param)
		return sf_fail(ctx, SF_ENOMEM, "check: out of memory");
	sf_param_init(sf_batch_graph(r->batch), 2, SF_F64, r->param);
	r->loss = sf_batch_losses(r->batch);
	r->grad = sf_batch_gradient(r->batch);
	return SF_OK;
}

int sf_trial_open(sf_ctx *ctx, const char *net, const char *process, const char *param, const char *objective,
                  sf_trial **trial)
{
	int rc;

	*trial = sf_alloc(1, sizeof **trial);
	if (!*trial)
		return sf_fail(ctx, SF_ENOMEM, "check: out of memory");
	rc = open_parts(ctx, net, process, param, objective, *trial);
	if (rc < 0) {
		sf_trial_close(*trial);
		*trial = NULL;
	}
	return rc;
}

void sf_trial_close(sf_trial *r)
{
	if (!r)
		return;
	sf_batch_free(r->batch);
	sf_objective_free(r->objective);
	sf_process_free(r->process);
	sf_net_free(r->net);
	sf_free(r->param);
	sf_free(r);
}

int sf_trial_draw(sf_trial *r, uint32_t step)
{
	r->d->step = step;
	return sf_objective_draw(r->objective, &r->m, r->d);
}

int sf_trial_run(sf_trial *r)
{
	return sf_batch_run(r->batch, r->param, NULL);
}

int sf_trial_differences(sf_trial *r, int64_t stride, double *worst)
{
	static const double offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	double largest = 0, *grad = sf_alloc((size_t)r->total, sizeof *grad);
	int64_t k;
	int i, o, rc;

	*worst = NAN;
	if (!grad)
		return sf_fail(r->m.ctx, SF_ENOMEM, "check: out of memory");
	rc = sf_trial_run(r);
	for (k = 0; rc == 0 && k < r->total; k++) /* the runs below write over the trial's */
		largest = fmax(largest, fabs(grad[k] = r->grad[k]));
	if (rc == 0 && largest > 0)
		*worst = 0;
	for (k = 0; rc == 0 && k < r->total; k += stride) {
		double keep = r->param[k], h = 1e-3, sum = 0;

		for (o = 0; rc == 0 && o < 4; o++) {
			r->param[k] = keep + offset[o] * h;
			rc = sf_trial_run(r);
			for (i = 0; i < r->d->n; i++)
				sum += weight[o] * r->loss[i];
		}
		r->param[k] = keep;
		if (grad[k] != 0 || sum != 0) /* the gaps between parameters */
			sf_worst(worst, grad[k], sum / (12 * h), largest);
	}
	sf_free(grad);
	return rc;
}

enum { D = SF_TRIAL_D };

void sf_trial_inverse(double a[D][D], double out[D][D])
{
	double det = 0;
	int i, j;

	for (i = 0; i < D; i++)
		for (j = 0; j < D; j++)
			out[i][j] = a[(j + 1) % D][(i + 1) % D] * a[(j + 2) % D][(i + 2) % D] -
			            a[(j + 1) % D][(i + 2) % D] * a[(j + 2) % D][(i + 1) % D];
	for (i = 0; i < D; i++)
		det += a[0][i] * out[i][0];
	for (i = 0; i < D; i++)
		for (j = 0; j < D; j++)
			out[i][j] /= det;
}

void sf_trial_factor(double a[D][D], double out[D][D])
{
	int i, j, k;

	memset(out, 0, sizeof(double) * D * D);
	for (i = 0; i < D; i++)
		for (j = 0; j <= i; j++) {
			double sum = a[i][j];

			for (k = 0; k < j; k++)
				sum -= out[i][k] * out[j][k];
			out[i][j] = i == j ? sqrt(sum) : sum / out[j][j];
		}
}
