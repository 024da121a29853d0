/* ggf.c: the adaptive solver of "Gotta Go Fast" on the reverse SDE, one step size for each sample.
 *
 *     D(x,t) = f - G G' score,   K1 = -h D(x,t) + G(t) dW,   x1 = x + K1,   K2 = -h D(x1,t-h) + G(t-h) dW
 *     x2 = x + (K1 + K2)/2,      error = rms( (K2 - K1)/2 / max(atol, rtol max(|x1|, |x1 of the step before|)) )
 *
 * Jolicoeur-Martineau et al. 2021 (2105.14080), algorithm 1: accepted up to an error of 1, then x2 goes on (extrapolation), and h
 * becomes 0.9 h error^-0.9 after any try. atol 0.0078 is one grey level of data in [-1,1] (0.0039 for [0,1]); rtol 0.01 to 0.1 are
 * the paper's. NFE = 2 a try, rejected ones too, and 1 for the final denoising, which is Tweedie's formula (the published program leaves
 * 1/alpha out). The published program draws new noise after a rejection, which favours the noise that was accepted: in few dimensions
 * the law of the samples is then badly off. Here the noise of all tries is read from one Brownian path (brown.c, in the time t).
 * For two blocks atol of the velocity is in units of its prior's standard deviation. fixed=N takes N
 * equal steps without control, of weak order 2 (1 without extrapolation).
 * Known answer (vp, data N(0.7, 0.25), from the exact p_1, noise=published,fixed=100): mean 0.699851363214, variance 0.249881007444.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"
#include "score/score.h"

#include <math.h>
#include <string.h>

typedef struct ggf {
	double rtol, atol, first, safety, exponent;
	int norm, extrapolate, previous, noise;
	int64_t fixed;
} ggf;

enum { NORM_RMS, NORM_MAX };
enum { NOISE_PATH, NOISE_PUBLISHED };

static const sf_opt options[] = {
	{"rtol", "relative tolerance", SF_OPT_DOUBLE, offsetof(ggf, rtol), "0.02", 0, 1e9, NULL},
	{"atol", "absolute tolerance; 0.0078 is a grey level of data in [-1,1]", SF_OPT_DOUBLE, offsetof(ggf, atol), "0.0078", 1e-12, 1e9,
	 NULL},
	{"h-init", "first step", SF_OPT_DOUBLE, offsetof(ggf, first), "0.01", 1e-12, 1e9, NULL},
	{"safety", "factor of the next step", SF_OPT_DOUBLE, offsetof(ggf, safety), "0.9", 0.01, 1, NULL},
	{"exponent", "the next step is the last times safety error^-exponent", SF_OPT_DOUBLE, offsetof(ggf, exponent), "0.9", 0.1, 2,
	 NULL},
	{"norm", "of the scaled error over a sample: root mean square, or largest", SF_OPT_CHOICE, offsetof(ggf, norm), "rms", 0, 0,
	 "rms|max"},
	{"extrapolate", "go on from x2, else from x1 (Euler-Maruyama)", SF_OPT_BOOL, offsetof(ggf, extrapolate), "true", 0, 0, NULL},
	{"previous", "let the tolerance see the x1 of the step before too", SF_OPT_BOOL, offsetof(ggf, previous), "true", 0, 0, NULL},
	{"noise", "every try's from one Brownian path, or drawn anew after a rejection, as published", SF_OPT_CHOICE, offsetof(ggf, noise),
	 "path", 0, 0, "path|published"},
	{"fixed", "take this many equal steps without error control; 0: adaptive", SF_OPT_INT, offsetof(ggf, fixed), "0", 0, 1e9, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

enum { K1, DW, K2, SCRATCH, WORK };

typedef struct job {
	const ggf *s;
	sf_pack *p;
} job;

static void add(const sf_run *run, uint64_t sample, uint32_t node, double c, double *z, double *dw)
{
	sf_noise key = {run->ask->seed, SF_NOISE_BROWN, node};
	int64_t j;

	sf_noise_normal_d(run->ctx, key, sample, 0, (size_t)run->size, z);
	for (j = 0; j < run->size; j++)
		dw[j] += c * z[j];
}

/* dw = W(t) - W(s); where both follow the tree together a normal is drawn once. */
static void increment(const sf_run *run, uint64_t sample, double s, double t, double *z, double *dw)
{
	sf_brown from, to;
	int j, same = 0;

	sf_brown_at(sf_process_horizon(run->process), s, &from);
	sf_brown_at(sf_process_horizon(run->process), t, &to);
	memset(dw, 0, (size_t)run->size * sizeof *dw);
	for (; same < from.n && same < to.n && from.node[same] == to.node[same]; same++)
		add(run, sample, to.node[same], to.c[same] - from.c[same], z, dw);
	for (j = same; j < from.n; j++)
		add(run, sample, from.node[j], -from.c[j], z, dw);
	for (j = same; j < to.n; j++)
		add(run, sample, to.node[j], to.c[j], z, dw);
}

/* dW over the step */
static int draw(void *arg, int64_t first, int64_t last)
{
	const job *w = arg;
	const sf_pack *p = w->p;
	const sf_run *run = p->run;
	int64_t size = run->size, i, j;

	for (i = first; i < last; i++) {
		uint64_t sample = run->ask->first_sample + (uint64_t)p->sample[i];
		sf_noise key = {run->ask->seed, SF_NOISE_STEP, (uint32_t)p->tries[i]};
		double *dw = p->work[DW] + i * size;

		if (w->s->noise == NOISE_PATH) {
			increment(run, sample, p->t_new[i], p->t[i], p->work[SCRATCH] + i * size, dw);
			continue;
		}
		sf_noise_normal_d(run->ctx, key, sample, 0, (size_t)size, dw);
		for (j = 0; j < size; j++)
			dw[j] *= sqrt(p->h[i]);
	}
	return SF_OK;
}

/* D becomes K1, and x1 goes where the tolerance of the next step finds it */
static int euler(void *arg, int64_t first, int64_t last)
{
	const job *w = arg;
	sf_pack *p = w->p;
	int64_t size = p->run->size, i, j;

	for (i = first; i < last; i++) {
		double *k1 = p->work[K1] + i * size;

		for (j = 0; j < size; j++)
			k1[j] *= -p->h[i];
		sf_diffuse(p->run->process, p->run->d, p->t[i], 1, p->work[DW] + i * size, k1);
		for (j = 0; j < size; j++)
			p->f_new[i * size + j] = p->y[i * size + j] + k1[j];
	}
	return SF_OK;
}

static double larger(double a, double b)
{
	return a > b || isnan(a) ? a : b;
}

static int improve(void *arg, int64_t first, int64_t last)
{
	const job *w = arg;
	const ggf *s = w->s;
	sf_pack *p = w->p;
	int64_t size = p->run->size, d = p->run->d, i, j;
	double var[SF_BLOCKS_MAX] = {1, 1}, atol[SF_BLOCKS_MAX];

	sf_process_record(p->run->process)->prior_var(p->run->process->object.state, var);
	atol[0] = s->atol;
	atol[1] = s->atol * sqrt(var[1] / var[0]);
	for (i = first; i < last; i++) {
		const double *k1 = p->work[K1] + i * size, *x1 = p->f_new + i * size, *before = p->f + i * size;
		double *k2 = p->work[K2] + i * size, sum = 0, most = 0;

		for (j = 0; j < size; j++)
			k2[j] *= -p->h[i];
		sf_diffuse(p->run->process, d, p->t_new[i], 1, p->work[DW] + i * size, k2);
		for (j = 0; j < size; j++) {
			double tall = s->previous ? larger(fabs(x1[j]), fabs(before[j])) : fabs(x1[j]);
			double part = (k2[j] - k1[j]) / 2 / larger(s->rtol * tall, atol[j / d]);

			sum += part * part;
			most = larger(part * part, most);
			p->y_new[i * size + j] = s->extrapolate ? p->y[i * size + j] + (k1[j] + k2[j]) / 2 : x1[j];
		}
		p->error[i] = s->norm == NORM_MAX ? most : sum / (double)size;
	}
	return SF_OK;
}

static int attempt(const void *st, sf_pack *p)
{
	job w = {st, p};
	const sf_ctx *ctx = p->run->ctx;

	SF_TRY(sf_pack_drift(p, p->t, p->y, 1, p->work[K1], p->work[K1]));
	SF_TRY(sf_over_samples(ctx, p->m, 64 * p->run->size, draw, &w));
	SF_TRY(sf_over_samples(ctx, p->m, 8 * p->run->size, euler, &w));
	SF_TRY(sf_pack_drift(p, p->t_new, p->f_new, 1, p->work[K2], p->work[K2]));
	return sf_over_samples(ctx, p->m, 8 * p->run->size, improve, &w);
}

static int begin(const void *st, sf_pack *p, double end)
{
	int64_t i;

	(void)end;
	for (i = 0; i < p->m; i++)
		p->h[i] = ((const ggf *)st)->first;
	memcpy(p->f, p->y, (size_t)(p->m * p->run->size) * sizeof *p->f);
	return SF_OK;
}

static double factor(const void *st, double rms, int rejected_before)
{
	const ggf *s = st;

	(void)rejected_before;
	return rms > 0 ? s->safety * pow(rms, -s->exponent) : INFINITY;
}

static int64_t fixed(const void *st)
{
	return ((const ggf *)st)->fixed;
}

static int order(const void *st)
{
	return ((const ggf *)st)->extrapolate ? 2 : 1;
}

const sf_sampler_class sf_sampler_ggf = {
	.head = {"ggf", "Gotta Go Fast: adaptive steps on the reverse SDE", "Jolicoeur-Martineau et al. 2021 (2105.14080), algorithm 1",
	         sizeof(ggf), options, NULL, NULL},
	.flags = SF_SAMPLER_STOCHASTIC | SF_SAMPLER_DENOISE,
	.work = WORK,
	.order_with = order,
	.grid = "uniform",
	.steps = 1,
	.begin = begin,
	.attempt = attempt,
	.factor = factor,
	.fixed = fixed,
	.attempt_cost = 2,
	.accept_one = 1};
