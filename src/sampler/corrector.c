/* corrector.c: Langevin steps at one time, which leave p_t as it is and bring x nearer to it.
 *
 *     x <- x + e score(x,t) + sqrt(2 e) z,   e = 2 a (r |z|/|score|)^2   (langevin)
 *                                            e = 2 a (r sigma(t))^2      (ald)
 *
 * Song et al. 2021 (2011.13456), algorithms 4 and 5; r is their signal-to-noise ratio, a = 1 for ve. The norms are over all numbers
 * of a sample. norms=sample takes each sample's own; norms=batch the averages of both over the batch, as score_sde does, so that
 * a sample depends on its neighbours; norms=dimension sqrt(d) for |z|, which they advise for small batches. In few dimensions a
 * sample's score comes near 0 often enough to throw it far off: there take batch, or ald, whose step asks for no norm. NCSN's step
 * e = step_lr (sigma_i/sigma_L)^2 is ald's with r = sqrt(step_lr/2)/sigma_L.
 * Known answers (r = 0.16): scores (-2,1), (0.5,-0.5), z (0.5,-1), (1,2), norms=batch: e = 0.0664952132218772.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/predictor.h"
#include "score/score.h"

#include <math.h>

static double norm(const double *v, int64_t n)
{
	double sum = 0;
	int64_t j;

	for (j = 0; j < n; j++)
		sum += v[j] * v[j];
	return sqrt(sum);
}

/* Where the score vanishes no length follows from it, and the sample stays. */
static double length(double a, double r, double z, double score)
{
	double ratio = r * z / score;

	return score == 0 ? 0 : 2 * a * ratio * ratio;
}

typedef struct job {
	const sf_corrector *c;
	const sf_run *run;
	double a, same; /* one e for all samples, or negative */
	const double *score, *z;
} job;

static int steps(void *arg, int64_t first, int64_t last)
{
	const job *w = arg;
	int64_t size = w->run->size, i, j;

	for (i = first; i < last; i++) {
		const double *s = w->score + i * size, *z = w->z + i * size;
		double *x = w->run->x + i * size, e = w->same, spread;

		if (w->c->norms == SF_NORMS_SAMPLE)
			e = length(w->a, w->c->snr, norm(z, size), norm(s, size));
		else if (w->c->norms == SF_NORMS_DIMENSION)
			e = length(w->a, w->c->snr, sqrt((double)size), norm(s, size));
		spread = sqrt(2 * e);
		for (j = 0; j < size; j++)
			x[j] += e * s[j] + spread * z[j];
	}
	return SF_OK;
}

static double shared_length(const job *w)
{
	double z = 0, s = 0, n = (double)w->run->n;
	int64_t size = w->run->size, i;

	for (i = 0; i < w->run->n; i++) {
		z += norm(w->z + i * size, size);
		s += norm(w->score + i * size, size);
	}
	return length(w->a, w->c->snr, z / n, s / n);
}

static int langevin(const sf_corrector *c, sf_run *run, double t, double a, int64_t draw)
{
	job w = {c, run, a, -1, run->work[0], run->work[1]};

	SF_TRY(sf_run_read(run, SF_SCORE, t, run->x, run->work[0]));
	SF_TRY(sf_run_noise_at(run, SF_NOISE_CORRECT, draw, run->work[1]));
	if (c->norms == SF_NORMS_BATCH)
		w.same = shared_length(&w);
	return sf_over_samples(run->ctx, run->n, 8 * run->size, steps, &w);
}

int sf_correct(const sf_corrector *c, sf_run *run, double t, double a, int64_t visit)
{
	double sigma = sf_process_sigma(run->process, t), e = 2 * a * c->snr * c->snr * sigma * sigma;
	int64_t j;

	for (j = 0; j < c->steps; j++) {
		int64_t draw = visit * c->steps + j;

		if (c->method == SF_CORRECT_LANGEVIN)
			SF_TRY(langevin(c, run, t, a, draw));
		else
			SF_TRY(sf_move(run, t, 1, e, sqrt(2 * e), SF_NOISE_CORRECT, draw));
	}
	return SF_OK;
}
