/* stf.c: stable target fields (Xu, Tong, Jaakkola 2023, 2302.00670): denoising score matching against the average of
 * the conditional scores of a reference batch x_1 .. x_n that holds the source x_src,
 *
 *     L = w/2 |eps(x_t,t) - T|^2,   T = z + (alpha/sigma) sum_k w_k (x_src - x_k)
 *     w_k = softmax_k( -|z + (alpha/sigma)(x_src - x_k)|^2/2 ),   x_t = alpha x_src + sigma z
 *
 * T is what DSM's target z is on average given x_t and the batch as a set (w_k is the probability that x_k is the
 * source), so for every n it is an unbiased target of the same score with variance that falls with n: n = 1 is DSM
 * bit for bit, n the whole data set the exact posterior mean. What it takes is that the source is in the batch once
 * and that the others are drawn as it was; source=false leaves it out, an importance-sampling estimate with a bias
 * of order 1/n. With a conditional model only the rows of the source's own label count, as other classes have other
 * scores; with augmented data only those that were augmented as the source was, which are those with the same augmentation labels:
 * at EDM's
 * probability of 0.12 three sources of five have such rows, for the others this is DSM.
 *
 * n = 256 is the batch of the two-dimensional presets, where nothing is read for the reference alone; the authors'
 * code takes 4096 where it is not told, and 1024 for the networks it offers. Cost: n d multiplications a sample.
 * Known answers: the tables of tests/check_stf.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/family.h"
#include "objective/rule.h"
#include "objective/stable.h"

struct stf {
	sf_objective_options common;
	int64_t n;
	int source, classes;
};
enum { AUTO, YES, NO };

#define AT(m) offsetof(struct stf, m)
static const sf_opt opts[] = {
	SF_OBJECTIVE_OPTIONS(struct stf),
	{"n", "size of the reference batch, the source included; 1 is dsm", SF_OPT_INT, AT(n), "256", 1, 1e7, NULL},
	{"source", "whether the source is in its own reference batch; without it (n others) the target is biased",
	 SF_OPT_BOOL, AT(source), "true", 0, 0, NULL},
	{"classes", "compare with rows of the source's own label: auto does so for conditional models, for which all "
	 "classes together (false) would give the unconditional score and are refused", SF_OPT_CHOICE, AT(classes), "auto",
	 0, 0, "auto|true|false"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int64_t reference(const void *state)
{
	const struct stf *st = state;

	return st->source ? (st->n > 1 ? st->n : 0) : st->n + 1;
}

static int accepts(const void *state, sf_ctx *ctx, const sf_model *m)
{
	const struct stf *st = state;

	if (st->classes == YES && m->classes == 0)
		return sf_fail(ctx, SF_EMISMATCH, "objective 'stf': classes=true, but labels missing: the model is unconditional "
		               "(model.conditional=true makes it read the data's labels)");
	if (st->classes == NO && m->classes > 0)
		return sf_fail(ctx, SF_EUNSUP, "objective 'stf': classes=false gives a conditional model the score of all "
		               "classes together for a target; leave classes=auto");
	return SF_OK;
}

/* Whether rows of the reference are draws from one density, that of what the network is told. */
static int alike(const sf_model *m, const sf_draw *d, int64_t row, int64_t own)
{
	int k;

	if (m->classes > 0 && d->ref_label[row] != d->ref_label[own])
		return 0;
	for (k = 0; d->ref_augment && k < m->augments; k++)
		if (d->ref_augment[row * m->augments + k] != d->ref_augment[own * m->augments + k])
			return 0;
	return 1;
}

/* Goes through n rows of the reference batch, in turn from the sample's own on. Until the end x_t's place holds the sum. */
static double draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i)
{
	const struct stf *st = state;
	double sigma = sf_draw_state(m, d, i, 0), alpha = sf_process_alpha(m->process, d->t[i]);
	double *z = d->z + i * d->size, *xt = d->xt + i * d->size;
	const double *x0 = d->x0 + i * d->size;
	int64_t own = (int64_t)d->first + i, k, j;
	sf_stable a;

	if (reference(st) == 0 || !(sigma > 0) || d->later)
		return sigma;
	sf_stable_start(&a, d->size, alpha / sigma, z, x0, xt);
	for (k = st->source ? 0 : 1; k < reference(st); k++) {
		int64_t row = (own + k) % d->nref;

		if (alike(m, d, row, own))
			sf_stable_add(&a, d->ref + row * d->size);
	}
	for (j = 0; j < d->size; j++) {
		double target = z[j] + alpha / sigma * sf_stable_shift(&a, j);

		xt[j] = alpha * x0[j] + sigma * z[j]; /* as it was */
		z[j] = target;
	}
	return sigma;
}

int sf_stf_first(const sf_objective *o)
{
	const struct stf *st = o->object.state;

	return st->source ? 0 : 1;
}

static sf_var loss(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	(void)state;
	return sf_loss_regression(m, g, train, l);
}

extern const sf_objective_class sf_objective_stf;
const sf_objective_class sf_objective_stf = {
	{"stf", "stable target field: denoising score matching against a reference batch",
	 "Xu, Tong, Jaakkola 2023 (2302.00670)", sizeof(struct stf), opts, NULL, NULL},
	1, SF_NEEDS_LINEAR | SF_NEEDS_ONE, 0, NULL, reference, accepts, NULL, draw, loss};
