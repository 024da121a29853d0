/* known.c: filling in what is missing: the known part of every state is replaced by that of a path to the known data.
 *
 *     x_j <- alpha(t) y_j + sigma(t) z_j   for known j, at the start and after every step, z fresh at each;
 *     x_j <- y_j                           when the sample is done
 *
 * Song et al. 2021 (2011.13456), section 5 and appendix I. The score is that of whole data, which makes the rest an
 * approximation: p(x_t | y) is taken for p(x_t | y_t) with y_t drawn along. What is exact: the known part of the result is y,
 * and where known and unknown coordinates are independent the unknown ones are as without it, bit for bit. Unlike the
 * published program, the start is noised as well (alpha y + sigma z, not y), a step's end takes the noise of its end and not
 * that of its start, and a final denoising step reaches the unknown part.
 * How rough: N(0, (1 .8; .8 1)) given x_0 = 1.5 has mean 1.2 and variance 0.36; fine steps of the reverse SDE end at 0.75 and
 * 0.495.
 * Known answer: N(0, (1 r; r 1)) under Euler-Maruyama has the moments of a linear recursion (tests/check_known.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/sampler.h"
#include "score/score.h"

#include <math.h>

enum { PART = 128 }; /* normals drawn at once, on the stack */

typedef struct job {
	const sf_run *run;
	sf_noise key;
	double alpha, sigma; /* 1, 0: the data themselves */
} job;

static int replace(void *arg, int64_t first, int64_t last)
{
	const job *w = arg;
	const sf_run *run = w->run;
	const sf_known *known = run->ask->known;
	int64_t i, j, from, d = run->d;

	for (i = first; i < last; i++) {
		uint64_t sample = run->ask->first_sample + (uint64_t)i;
		const double *y = known->x + (int64_t)(sample % (uint64_t)known->rows) * d;
		double *x = run->x + i * d;

		for (from = 0; from < d; from += PART) {
			double z[PART] = {0};
			int64_t n = d - from < PART ? d - from : PART;

			if (w->sigma > 0)
				sf_noise_normal_d(run->ctx, w->key, sample, (uint64_t)from, (size_t)n, z);
			for (j = 0; j < n; j++)
				if (known->mask[from + j])
					x[from + j] = w->alpha * y[from + j] + w->sigma * z[j];
		}
	}
	return SF_OK;
}

int sf_run_replace(sf_run *run, int64_t step, double t, int clean)
{
	job w = {run, {run->ask->seed, SF_NOISE_KNOWN, (uint32_t)step}, 1, 0};

	if (!run->ask->known)
		return SF_OK;
	if (!clean && t > 0) {
		w.alpha = sf_process_alpha(run->process, t);
		w.sigma = sf_process_sigma(run->process, t);
	}
	return sf_over_samples(run->ctx, run->n, 16 * run->d, replace, &w);
}

int sf_known_check(const sf_sampler *s, const sf_process *p, int64_t d, const sf_known *known)
{
	const char *name = s->object.cls->name;
	int64_t i, j;

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(s->object.ctx, SF_EUNSUP, "filling in replaces the known part by alpha x_0 + sigma z; process '%s' "
		               "is not of that form", sf_process_name(p));
	if (sf_sampler_adaptive(s))
		return sf_fail(s->object.ctx, SF_EUNSUP, "filling in replaces the known part after every step of a grid; sampler "
		               "'%s' chooses its own steps", name);
	if (known->rows < 1)
		return sf_fail(s->object.ctx, SF_ERANGE, "filling in: %lld rows of known data, expected at least 1",
		               (long long)known->rows);
	for (i = 0; i < known->rows; i++)
		for (j = 0; j < d; j++)
			if (known->mask[j] && !isfinite(known->x[i * d + j]))
				return sf_fail(s->object.ctx, SF_EINVAL, "filling in: element %lld of row %lld of the known data is "
				               "not finite", (long long)j, (long long)i);
	return SF_OK;
}
