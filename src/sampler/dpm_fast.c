/* dpm_fast.c: DPM-Solver-fast: singlestep steps of order 3, and at the end of lower ones, so that a run costs
 * exactly n evaluations in K = floor(n/3) + 1 steps:
 *
 *     n = 3K - 3:  3, .., 3, 2, 1       n = 3K - 2:  3, .., 3, 1       n = 3K - 1:  3, .., 3, 2
 *
 * Lu et al. 2022 (2206.00927). n comes from the run's budget of evaluations (less one for a denoising
 * step), if it fits the number of steps K; else from `last`, the orders of the end. A step to noise 0 is of first
 * order. Order 1 as the number of steps grows, by the last step; its error is that of one short step.
 * Known answer: orders 3, 3, 2, 1 for n = 9, 3, 3, 3, 1 for n = 10 and 3, 3, 3, 2 for n = 11.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

typedef struct fast {
	int prediction, variant, last;
} fast;

enum { LAST_21, LAST_1, LAST_2 };

static const sf_opt options[] = {
	{"prediction", "the model's output that is integrated", SF_OPT_CHOICE, offsetof(fast, prediction), "noise", 0, 0,
	 SF_PREDICT_CHOICES},
	{"variant", "least terms for the order, or all of the Taylor expansion", SF_OPT_CHOICE, offsetof(fast, variant),
	 "midpoint", 0, 0, SF_VARIANT_CHOICES},
	{"last", "orders of the last steps where no budget decides", SF_OPT_CHOICE, offsetof(fast, last), "2+1", 0, 0,
	 "2+1|1|2"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int order_of(const fast *s, const sf_run *run)
{
	int64_t K = run->steps, left = K - run->index, n = 3 * K - 3 + s->last;
	int64_t budget = run->ask->nfe_max - (run->denoise ? 1 : 0);

	if (budget >= 3 * K - 3 && budget < 3 * K && budget > 0)
		n = budget;
	if (run->t_next <= 0)
		return 1;
	switch (n - (3 * K - 3)) {
	case LAST_21:
		return left > 2 ? 3 : (int)left;
	case LAST_1:
		return left > 1 ? 3 : 1;
	default:
		return left > 1 ? 3 : 2;
	}
}

static int price(const void *st, const sf_run *run)
{
	return order_of(st, run);
}

static int64_t steps_for(const void *st, int64_t nfe)
{
	(void)st;
	return nfe / 3 + 1;
}

static int step(const void *st, sf_run *run)
{
	const fast *s = st;

	return sf_step_single(run, s->prediction, order_of(s, run), s->variant);
}

const sf_sampler_class sf_sampler_dpm_fast = {
	.head = {"dpm-fast", "DPM-Solver of order 3 with lower orders at the end, for any number of evaluations",
	         "Lu et al. 2022 (2206.00927)", sizeof(fast), options, NULL, NULL},
	.flags = SF_SAMPLER_SCALAR,
	.work = 4,
	.order = 1,
	.grid = "logsnr",
	.steps = 7,
	.price = price,
	.steps_for = steps_for,
	.step = step};
