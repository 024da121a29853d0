/* step.c: the batch of one training step: data, draws, and the run.
 *
 * Step n takes draws n B .. (n+1) B - 1 of the data stream and noise keyed by n, so a step needs nothing of the
 * one before but the weights: a resumed run goes on with the same bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

int sf_step_open(const sf_setup *s, sf_batch **b)
{
	const sf_settings *set = sf_config_settings(s->config);
	int64_t shards = set->train.shards;

	*b = NULL;
	if (shards & (shards - 1))
		return sf_fail(s->ctx, SF_EINVAL, "[train] shards=%lld is not a power of two", (long long)shards);
	while (shards > set->train.batch)
		shards /= 2;
	SF_TRY(sf_batch_new(s->objective, &s->model, set->train.batch, shards, 1, b));
	sf_batch_draw(*b)->seed = (uint64_t)set->train.seed;
	return SF_OK;
}

struct job {
	const sf_setup *s;
	double *x0, *label;
	int64_t n, size, step, tile;
};

static int read_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t i, end = (tile + 1) * j->tile < j->n ? (tile + 1) * j->tile : j->n;

	(void)worker;
	for (i = tile * j->tile; i < end; i++) {
		int label = -1;

		sf_view_draw(&j->s->view, (uint64_t)(j->step * j->n + i), j->x0 + i * j->size, &label);
		j->label[i] = label;
	}
	return 0;
}

int sf_step_run(const sf_setup *s, sf_batch *b, const void *params, int64_t step, double *loss)
{
	sf_draw *d = sf_batch_draw(b);
	struct job j;

	j.s = s;
	j.n = d->n;
	j.size = d->size;
	j.step = step;
	j.tile = d->size < 64 ? 64 : 1;
	sf_batch_data(b, &j.x0, &j.label);
	d->step = (uint32_t)step;
	SF_TRY(sf_parallel(s->ctx, (j.n + j.tile - 1) / j.tile, read_tile, &j));
	SF_TRY(sf_objective_draw(s->objective, &s->model, d));
	return sf_batch_run(b, params, loss);
}
