/* predictor.c: the stretch of the forward process that a predictor takes back, and the move that all of them make,
 *
 *     x_t = phi x_s + sqrt(q) z,   phi = alpha_t/alpha_s,   q = sigma_t^2 - phi^2 sigma_s^2.
 *
 * For ve q = sigma_k^2 - sigma_(k-1)^2 (SMLD), for ddpm on its own levels phi = sqrt(1 - beta_k) and q = beta_k. Time 0 counts as free
 * of noise, also for processes that start with some (ve, ddpm).
 * Known answers (vp, N = 1000, published, t = 0.5): level 499, q = 0.01004004004.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/predictor.h"
#include "score/score.h"

#include <math.h>

/* From s to t; `clean`: s is before all noise. */
static void exact(const sf_process *p, double s, int clean, double t, sf_stretch *out)
{
	double end = sf_process_sigma(p, t), start = clean ? 0 : sf_process_sigma(p, s);

	out->phi = sf_process_alpha(p, t) / (clean ? 1 : sf_process_alpha(p, s));
	out->q = (end - out->phi * start) * (end + out->phi * start);
	out->kept = start / end * (start / end);
}

/* vp, and no other: g^2 = -2 F, and no noise at time 0 */
static int preserves_variance(const sf_process *p)
{
	double F, t = sf_process_t_sample(p);

	sf_process_drift_matrix(p, t, &F);
	return fabs(sf_process_g2(p, t) + 2 * F) <= 1e-12 * fabs(F);
}

double sf_predictor_time(const sf_predictor *how, const sf_run *run, int64_t index)
{
	double from = run->grid[0], to = run->grid[run->steps];

	if (!how->published)
		return run->grid[index];
	return run->steps > 1 ? from + (double)index / (double)(run->steps - 1) * (to - from) : from;
}

static int64_t level(const sf_predictor *how, const sf_run *run, int64_t index, double t)
{
	double end = sf_process_horizon(run->process);

	if (run->grid[0] == end && !how->truncate)
		return run->steps - 1 - index;
	return (int64_t)(t * (double)(run->steps - 1) / end);
}

static int published(const sf_predictor *how, const sf_run *run, int64_t index, sf_stretch *s)
{
	const sf_process *p = run->process;
	double n = (double)run->steps, end = sf_process_horizon(p), gap = run->steps > 1 ? end / (n - 1) : end, F;
	int64_t k = level(how, run, index, s->t);
	double tau = run->steps > 1 ? (double)k * gap : end, below = k > 0 ? (double)(k - 1) * gap : 0;
	double at = sf_process_sigma(p, tau) > 0 ? tau : s->t; /* a level 0 without noise is none */

	if (!(sf_process_sigma(p, at) > 0))
		return sf_fail(run->ctx, SF_EINVAL, "sampling: published steps need a grid that ends above time 0");
	if (sf_process_levels(p) > 0 || sf_process_alpha(p, end) == 1) {
		exact(p, below, k == 0, at, s);
		return SF_OK;
	}
	exact(p, below, k == 0, at, s); /* for `kept` */
	if (preserves_variance(p)) {
		s->q = sf_process_g2(p, tau) * end / n;
		s->phi = sqrt(1 - s->q);
	} else {
		sf_process_drift_matrix(p, s->t, &F);
		s->q = sf_process_g2(p, s->t) * end / n;
		s->phi = 1 + F * end / n;
	}
	if (s->phi > 0)
		return SF_OK;
	return sf_fail(run->ctx, SF_ERANGE,
	               "sampling: %lld published steps of process '%s' are too few: the level at time %g would keep nothing of the one below",
	               (long long)run->steps, sf_process_name(p), at);
}

int sf_predictor_stretch(const sf_predictor *how, const sf_run *run, int64_t index, sf_stretch *s)
{
	s->t = sf_predictor_time(how, run, index);
	if (how->published)
		return published(how, run, index, s);
	exact(run->process, run->grid[index + 1], run->grid[index + 1] == 0, s->t, s);
	return SF_OK;
}

int sf_predictor_mean(const sf_predictor *how, const sf_run *run)
{
	return how->published && run->denoise && run->index == run->steps - 1;
}

int sf_predictor_flags(const void *st)
{
	const sf_predictor *how = st;

	return SF_SAMPLER_DENOISE | (how->eta > 0 ? SF_SAMPLER_STOCHASTIC : 0) | (how->published ? SF_SAMPLER_MEAN : 0);
}

/* One evaluation goes to the final denoising. */
int64_t sf_predictor_steps(const void *st, int64_t nfe)
{
	return ((const sf_predictor *)st)->published ? nfe : nfe - 1;
}

const char *sf_predictor_suit(const void *st, const sf_process *p, int64_t *steps)
{
	double t = sf_process_t_sample(p), near = t + sf_process_horizon(p) / (double)*steps;

	(void)st;
	/* the quotient is NaN, and the answer uniform, where a process has no noise level */
	return sf_process_logsnr(p, t) - sf_process_logsnr(p, near) > 2 * log(4) ? "karras:final=last" : "uniform";
}

typedef struct move {
	const sf_run *run;
	double a, b, c;
	const double *score, *z;
} move;

static int move_some(void *arg, int64_t first, int64_t last)
{
	const move *m = arg;
	double *x = m->run->x;
	int64_t j;

	for (j = first * m->run->size; j < last * m->run->size; j++)
		x[j] = m->a * x[j] + m->b * m->score[j];
	for (j = first * m->run->size; m->c != 0 && j < last * m->run->size; j++)
		x[j] += m->c * m->z[j];
	return SF_OK;
}

int sf_move(sf_run *run, double t, double a, double b, double c, uint32_t purpose, int64_t step)
{
	move m = {run, a, b, c, run->work[0], run->work[1]};

	SF_TRY(sf_run_read(run, SF_SCORE, t, run->x, run->work[0]));
	if (c != 0)
		SF_TRY(sf_run_noise_at(run, purpose, step, run->work[1]));
	return sf_over_samples(run->ctx, run->n, 4 * run->size, move_some, &m);
}
