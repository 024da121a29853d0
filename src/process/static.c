/* static.c: no process: the data's own density, for unconditional models,
 *
 *     dx = 0,   x_t = x_0 for every t.
 *
 * Implicit and sliced score matching as first published learn the score of the data themselves, without noise or
 * time (Hyvarinen 2005; Song, Garg, Shi, Ermon 2019), which needs data with a density. T = 1 and every t is the
 * same; the scale of a network's noise estimate is 1, so that eps = -score. The prior N(0,1) is a name only:
 * nothing comes from it, and samplers that reverse a process refuse this one. Known answer: x_t = x_0, tail 0.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

static void drift(const void *st, int64_t d, const double *x, double t, double *f)
{
	(void)st;
	(void)x;
	(void)t;
	while (d-- > 0)
		f[d] = 0;
}

static double none(const void *st, double t)
{
	(void)st;
	(void)t;
	return 0;
}

static double scale(const void *st, double t)
{
	(void)st;
	(void)t;
	return 1;
}

static int64_t steps(const void *st)
{
	(void)st;
	return 0;
}

static double horizon(const void *st)
{
	(void)st;
	return 1;
}

static double soon(const void *st)
{
	(void)st;
	return 1e-3;
}

static void prior_var(const void *st, double *var)
{
	(void)st;
	var[0] = 1;
}

const sf_process_class sf_process_static = {
	.head = {"static", "no noise: the data's own density, for unconditional models",
	         "Hyvarinen 2005; Song, Garg, Shi, Ermon 2019 (1905.07088)", 1, NULL, NULL, NULL},
	.k = 1,
	.sigma = scale,
	.drift = drift,
	.diffusion = none,
	.steps = steps,
	.horizon = horizon,
	.t_train = soon,
	.t_sample = soon,
	.prior_var = prior_var};
