/* variance.c: the variance of score-matching targets and of one batch's gradient. See <scorefield/variance.h>.
 *
 * Everything about a state is measured from its source: with delta = x_src - E_w x over all points (the posterior
 * mean) and shift_n the same over a reference batch, T - mu = alpha/sigma^2 (delta - shift_n); so nothing cancels
 * where the posterior is one point. Reference batches of all sizes grow from one permutation, so their differences
 * are less noisy than they are. Known answers: the tables of tests/check_variance.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/variance.h>

#include "objective/stable.h"
#include "train/internal.h"

#include <math.h>

/* Mean of x[0], x[stride], ... and its standard error. */
static void mean_of(int64_t n, const double *x, int64_t stride, double *mean, double *error)
{
	double sum = 0, square = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		sum += x[i * stride];
	*mean = sum / (double)n;
	for (i = 0; i < n; i++)
		square += (x[i * stride] - *mean) * (x[i * stride] - *mean);
	if (error)
		*error = n > 1 ? sqrt(square / ((double)n * (double)(n - 1))) : INFINITY;
}

/* ---- targets ---- */
struct job {
	sf_ctx *ctx;
	const sf_variance *p;
	const double *x;
	double r; /* alpha/sigma */
	int64_t N, d;
	double *scratch; /* (workers,3,d): z, mean, reference's mean */
	double *value;   /* (points,1 + count), in units of x_0 */
};

/* Index of the source of a point, and the j-th of the others of its reference batch. */
static uint64_t source_of(const struct job *w, int64_t point)
{
	sf_noise key = {0, SF_NOISE_DATA, 0};

	key.seed = w->p->seed;
	return (uint64_t)fmin(floor((double)w->N * sf_noise_uniform53(key, (uint64_t)point, 0)), (double)(w->N - 1));
}

static uint64_t other(const struct job *w, int64_t batch, uint64_t source, int64_t j)
{
	sf_noise key = {0, SF_NOISE_REFERENCE, 0};
	uint64_t k;

	key.seed = w->p->seed;
	key.step = (uint32_t)batch;
	k = sf_noise_permute(key, (uint64_t)w->N - 1, (uint64_t)j);
	return k < source ? k : k + 1;
}

static void reference(const struct job *w, int64_t batch, uint64_t source, const double *z, const sf_stable *all,
                      double *mean, double *value)
{
	const double *from = w->x + (int64_t)source * w->d;
	int64_t k, j;
	sf_stable a;
	int i = 0;

	sf_stable_start(&a, w->d, w->r, z, from, mean);
	sf_stable_add(&a, from);
	for (k = 1; i < w->p->count; k++) {
		double miss = 0;

		if (k == w->p->n[i]) { /* the batch has k points */
			for (j = 0; j < w->d; j++)
				miss += pow(sf_stable_shift(&a, j) - sf_stable_shift(all, j), 2);
			value[i++] += miss / (double)w->p->repeats;
		}
		if (i < w->p->count)
			sf_stable_add(&a, w->x + (int64_t)other(w, batch, source, k - 1) * w->d);
	}
}

static int one_point(void *arg, int64_t point, int worker)
{
	const struct job *w = arg;
	double *z = w->scratch + (int64_t)worker * 3 * w->d, *value = w->value + point * (1 + w->p->count);
	uint64_t source = source_of(w, point);
	sf_noise key = {0, SF_NOISE_PERTURB, 0};
	sf_stable all;
	int64_t k;

	key.seed = w->p->seed;
	sf_noise_normal_d(w->ctx, key, (uint64_t)point, 0, (size_t)w->d, z);
	sf_stable_start(&all, w->d, w->r, z, w->x + (int64_t)source * w->d, z + w->d);
	for (k = 0; k < w->N; k++)
		sf_stable_add(&all, w->x + k * w->d);
	value[0] = sf_stable_trace(&all);
	for (k = 0; k < w->p->repeats; k++)
		reference(w, point * w->p->repeats + k, source, z, &all, z + 2 * w->d, value + 1);
	return 0;
}

static int check(sf_ctx *ctx, const sf_process *process, int64_t N, int64_t d, double t, const sf_variance *p)
{
	int i;

	if (!sf_process_linear(process) || sf_process_blocks(process) != 1)
		return sf_fail(ctx, SF_EUNSUP, "variance of targets: process '%s' is not linear with one state block, and its "
		               "posterior has no closed form", sf_process_name(process));
	if (!(t > 0 && t <= sf_process_horizon(process)))
		return sf_fail(ctx, SF_ERANGE, "variance of targets: time %g is outside 0 to %g of process '%s'", t,
		               sf_process_horizon(process), sf_process_name(process));
	if (N < 1 || d < 1 || p->points < 1 || p->repeats < 1 || p->count < 0)
		return sf_fail(ctx, SF_ERANGE, "variance of targets: %lld records of %lld numbers, %lld points, %lld repeats",
		               (long long)N, (long long)d, (long long)p->points, (long long)p->repeats);
	if (p->points > (int64_t)UINT32_MAX / p->repeats)
		return sf_fail(ctx, SF_ERANGE, "variance of targets: %lld points of %lld repeats are more than 2^32 draws",
		               (long long)p->points, (long long)p->repeats);
	for (i = 0; i < p->count; i++) {
		if (p->n[i] > N)
			return sf_fail(ctx, SF_ERANGE, "variance of targets: a reference batch of %lld points, but the data have "
			               "only %lld", (long long)p->n[i], (long long)N);
		if (p->n[i] < 1 || (i && p->n[i] <= p->n[i - 1]))
			return sf_fail(ctx, SF_ERANGE, "variance of targets: reference sizes must rise from 1 or more; %lld is not "
			               "allowed", (long long)p->n[i]);
	}
	return SF_OK;
}

int sf_variance_targets(sf_ctx *ctx, const sf_process *process, int64_t N, int64_t d, const double *x, double t,
                        const sf_variance *p, double *v, double *error)
{
	double alpha, sigma, unit;
	size_t each;
	struct job w;
	int i, rc = SF_OK;

	SF_TRY(check(ctx, process, N, d, t, p));
	alpha = sf_process_alpha(process, t);
	sigma = sf_process_sigma(process, t);
	if (!(sigma > 0))
		return sf_fail(ctx, SF_ERANGE, "variance of targets: process '%s' has no noise at t = %g", sf_process_name(process),
		               t);
	w.ctx = ctx;
	w.p = p;
	w.x = x;
	w.r = alpha / sigma;
	w.N = N;
	w.d = d;
	w.scratch = w.value = NULL;
	if (sf_mul_size((size_t)d, 3 * sizeof(double), &each) == 0)
		w.scratch = sf_alloc((size_t)sf_ctx_threads(ctx), each);
	w.value = sf_alloc((size_t)p->points, (size_t)(1 + p->count) * sizeof(double));
	if (!w.scratch || !w.value)
		rc = sf_fail(ctx, SF_ENOMEM, "variance of targets: out of memory");
	if (rc == 0)
		rc = sf_parallel(ctx, p->points, one_point, &w);
	unit = w.r * w.r / (sigma * sigma); /* alpha^2/sigma^4 */
	for (i = 0; rc == 0 && i <= p->count; i++) {
		mean_of(p->points, w.value + i, 1 + p->count, &v[i], error ? &error[i] : NULL);
		v[i] *= unit;
		if (error)
			error[i] *= unit;
	}
	sf_free(w.scratch);
	sf_free(w.value);
	return rc;
}

/* ---- gradients ---- */

/* Welford's update of the mean gradient; returns (g - old mean).(g - new mean), this batch's part of the trace. */
static double update(const void *gradient, sf_dtype type, int64_t total, double scale, int64_t count, double *mean)
{
	double sum = 0;
	int64_t i;

	for (i = 0; i < total; i++) {
		double g = scale * (type == SF_F32 ? (double)((const float *)gradient)[i] : ((const double *)gradient)[i]);
		double was = g - mean[i];

		mean[i] += was / (double)count;
		sum += was * (g - mean[i]);
	}
	return sum;
}

/* Every part but the first, which is 0, has the trace for its expectation; their spread gives its error. */
static int gradients(const sf_setup *s, const sf_objective *o, sf_batch *b, const void *params, double t,
                     int64_t repeats, double *mean, double *part, sf_gradient_variance *v)
{
	int64_t total = sf_param_total(sf_batch_graph(b)), k, i;
	sf_draw *d = sf_batch_draw(b);
	double sum = 0, square = 0;

	for (i = 0; i < d->n; i++)
		d->t[i] = t;
	for (k = 0; k < repeats; k++) {
		SF_TRY(sf_step_read(s, b, k));
		SF_TRY(sf_objective_draw_at(o, &s->model, d));
		SF_TRY(sf_batch_run(b, params, NULL));
		part[k] = update(sf_batch_gradient(b), s->model.type, total, 1 / (double)d->n, k + 1, mean);
	}
	for (k = 0; k < repeats; k++)
		sum += part[k];
	v->trace = sum / (double)(repeats - 1);
	for (k = 1; k < repeats; k++)
		square += (part[k] - v->trace) * (part[k] - v->trace);
	v->trace_error = repeats > 2 ? sqrt(square / ((double)(repeats - 1) * (double)(repeats - 2))) : INFINITY;
	v->mean2 = -v->trace / (double)repeats;
	for (i = 0; i < total; i++)
		v->mean2 += mean[i] * mean[i];
	return SF_OK;
}

int sf_variance_gradient(const sf_setup *s, const sf_objective *o, const void *params, double t, int64_t batch,
                         int64_t repeats, uint64_t seed, sf_gradient_variance *v)
{
	double horizon = sf_process_horizon(s->process), *mean = NULL, *part = NULL;
	int64_t most = INT32_MAX, shards;
	sf_batch *b;
	int rc = SF_OK;

	if (repeats < 2 || repeats > most || batch < 1)
		return sf_fail(s->ctx, SF_ERANGE, "variance of gradients: %lld repeats of batches of %lld; expected 2 or more of "
		               "1 or more", (long long)repeats, (long long)batch);
	if (!(t > 0 && t <= horizon))
		return sf_fail(s->ctx, SF_ERANGE, "variance of gradients: time %g is outside 0 to %g of process '%s'", t, horizon,
		               sf_process_name(s->process));
	if (!s->data)
		return sf_fail(s->ctx, SF_EINVAL, "variance of gradients: the set-up has no data");
	if (s->vae)
		return sf_fail(s->ctx, SF_EUNSUP, "variance of gradients: of a model of latents ([vae] encoder) it is not measured");
	SF_TRY(sf_reference_check(s, o, batch));
	shards = sf_config_settings(s->config)->train.shards;
	for (shards = shards > 0 ? shards : SF_SHARDS_AUTO; shards > batch;)
		shards /= 2;
	SF_TRY(sf_batch_new(o, &s->model, batch, shards, 0, &b));
	sf_batch_draw(b)->seed = seed;
	mean = sf_alloc((size_t)sf_param_total(sf_batch_graph(b)), sizeof *mean);
	part = sf_alloc((size_t)repeats, sizeof *part);
	if (!mean || !part)
		rc = sf_fail(s->ctx, SF_ENOMEM, "variance of gradients: out of memory");
	if (rc == 0)
		rc = gradients(s, o, b, params, t, repeats, mean, part, v);
	sf_free(mean);
	sf_free(part);
	sf_batch_free(b);
	return rc;
}
