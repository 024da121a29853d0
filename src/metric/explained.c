/* explained.c: the share of a network's score that models of the data explain (see metric.h):
 *
 *     EV(x) = 1 - |s(x) - s_m(x)|^2/|s(x)|^2   at x = alpha y + sigma z,   then the mean over points,
 *
 * and the same for the denoised value D = (x + sigma^2 s)/alpha.
 *
 * Wang and Vastola 2024 (2412.09726) and the definitions of their code: no centring, a mean of quotients, points
 * around the records rather than on sampling trajectories.
 * Known answers: a model 1.1 times the network's score explains 0.99 of it; EDM's network with F = 0 is the isotropic
 * Gaussian of variance sigma_data^2, exactly.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/metric.h>

#include "core/core.h"
#include "process/process.h"

#include <math.h>
#include <string.h>

enum { BATCH = 512 };

typedef struct job {
	sf_ctx *ctx;
	int64_t n, d; /* of this batch */
	double alpha, sigma, t;
	double *x, *net, *model, *time, *part; /* (n,d) three times, (n), (n,3) */
} job;

static void draw(job *j, int64_t records, const double *rows, int64_t points, int64_t first, sf_noise key)
{
	int64_t i, k;

	for (i = 0; i < j->n; i++) {
		int64_t record = (int64_t)((double)(first + i) / (double)points * (double)records);
		const double *y = rows + record * j->d;
		double *x = j->x + i * j->d, *z = j->net + i * j->d;

		sf_noise_normal_d(j->ctx, key, (uint64_t)(first + i), 0, (size_t)j->d, z);
		for (k = 0; k < j->d; k++)
			x[k] = j->alpha * y[k] + j->sigma * z[k];
		j->time[i] = j->t;
	}
}

static void compare(const job *j)
{
	double s2 = j->sigma * j->sigma;
	int64_t i, k;

	for (i = 0; i < j->n; i++) {
		const double *x = j->x + i * j->d, *a = j->net + i * j->d, *b = j->model + i * j->d;
		double off = 0, size = 0, other = 0, clean = 0;

		for (k = 0; k < j->d; k++) {
			double D = x[k] + s2 * a[k]; /* alpha times the denoised value */

			off += (a[k] - b[k]) * (a[k] - b[k]);
			size += a[k] * a[k];
			other += b[k] * b[k];
			clean += D * D;
		}
		j->part[3 * i] = off > 0 ? 1 - off / size : 1;
		j->part[3 * i + 1] = off > 0 ? 1 - s2 * s2 * off / clean : 1;
		j->part[3 * i + 2] = off > 0 ? 1 - off / other : 1;
	}
}

static int finite(const job *j, const double *v, const char *whose)
{
	int64_t i;

	for (i = 0; i < j->n * j->d; i++)
		if (!isfinite(v[i]))
			return sf_fail(j->ctx, SF_EDIVERGED,
				       "explained variance: the score of %s is not finite at t = %g", whose, j->t);
	return SF_OK;
}

static int batch(job *j, sf_score *net, int models, sf_score *const *model, sf_explained *out, double *squares)
{
	int64_t i;
	int m;

	SF_TRY(sf_score_eval(net, SF_SCORE, j->n, j->x, j->time, j->net));
	SF_TRY(finite(j, j->net, "the network"));
	for (m = 0; m < models; m++) {
		SF_TRY(sf_score_eval(model[m], SF_SCORE, j->n, j->x, j->time, j->model));
		SF_TRY(finite(j, j->model, "a model"));
		compare(j);
		for (i = 0; i < j->n; i++) {
			out[m].score += j->part[3 * i];
			out[m].denoised += j->part[3 * i + 1];
			out[m].reverse += j->part[3 * i + 2];
			squares[2 * m] += j->part[3 * i] * j->part[3 * i];
			squares[2 * m + 1] += j->part[3 * i + 1] * j->part[3 * i + 1];
		}
	}
	return SF_OK;
}

static int check(sf_ctx *ctx, sf_score *net, int models, sf_score *const *model, int64_t records, int64_t points,
		 double t)
{
	const sf_process *p = sf_score_process(net);
	int m;

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(
			ctx, SF_EUNSUP,
			"explained variance: points around records need a linear process of one block, not '%s'",
			sf_process_name(p));
	for (m = 0; m < models; m++)
		if (strcmp(sf_spec(sf_score_process(model[m])), sf_spec(p)) != 0 ||
		    sf_score_dim(model[m]) != sf_score_dim(net))
			return sf_fail(
				ctx, SF_EMISMATCH,
				"explained variance: model %d is of another process or of dimension %lld, not %lld",
				m, (long long)sf_score_dim(model[m]), (long long)sf_score_dim(net));
	if (models < 1 || records < 1 || points < 2 || points > INT64_C(1) << 40)
		return sf_fail(
			ctx, SF_ERANGE,
			"explained variance: %d models, %lld records and %lld points; expected 1, 1 and 2 at least",
			models, (long long)records, (long long)points);
	if (!(t > 0 && t <= sf_process_horizon(p)))
		return sf_fail(ctx, SF_ERANGE, "explained variance: time %g is outside 0 to %g", t,
			       sf_process_horizon(p));
	return SF_OK;
}

static double error_of(double mean, double squares, int64_t n)
{
	double var = squares / (double)n - mean * mean;

	return sqrt((var > 0 ? var : 0) / (double)(n - 1));
}

int sf_metric_explained(sf_score *net, int models, sf_score *const *model, int64_t records, const double *x,
			int64_t points, uint64_t seed, uint32_t level, double t, sf_explained *out)
{
	const sf_process *p = sf_score_process(net);
	sf_noise key = {seed, SF_NOISE_EVALUATE, level};
	job j = {sf_process_context(p), 0, sf_score_dim(net), 0, 0, t, NULL, NULL, NULL, NULL, NULL};
	size_t each = (size_t)j.d * sizeof(double);
	double *squares;
	int64_t first;
	int m, rc = SF_OK;

	SF_TRY(check(j.ctx, net, models, model, records, points, t));
	j.alpha = sf_process_alpha(p, t);
	j.sigma = sf_process_sigma(p, t);
	j.x = sf_alloc(BATCH, each);
	j.net = sf_alloc(BATCH, each);
	j.model = sf_alloc(BATCH, each);
	j.time = sf_alloc(BATCH, sizeof(double));
	j.part = sf_alloc(BATCH, 3 * sizeof(double));
	squares = sf_alloc((size_t)models, 2 * sizeof(double));
	if (!j.x || !j.net || !j.model || !j.time || !j.part || !squares)
		rc = sf_fail(j.ctx, SF_ENOMEM, "explained variance: out of memory");
	for (m = 0; m < models; m++)
		out[m].score = out[m].denoised = out[m].reverse = 0;
	for (first = 0; first < points && rc == 0; first += BATCH) {
		j.n = points - first < BATCH ? points - first : BATCH;
		draw(&j, records, x, points, first, key);
		rc = batch(&j, net, models, model, out, squares);
	}
	for (m = 0; m < models && rc == 0; m++) {
		out[m].score /= (double)points;
		out[m].denoised /= (double)points;
		out[m].reverse /= (double)points;
		out[m].score_se = error_of(out[m].score, squares[2 * m], points);
		out[m].denoised_se = error_of(out[m].denoised, squares[2 * m + 1], points);
	}
	sf_free(j.x);
	sf_free(j.net);
	sf_free(j.model);
	sf_free(j.time);
	sf_free(j.part);
	sf_free(squares);
	return rc;
}
