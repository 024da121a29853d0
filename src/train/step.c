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
	sf_batch_draw(*b)->label_dropout = set->train.label_dropout;
	return SF_OK;
}

struct job {
	const sf_setup *s;
	double *x0, *label;
	int64_t n, rows, size, step, tile; /* rows: 0 without a reference batch */
};

static int read_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t all = j->rows ? j->rows : j->n, i, end = (tile + 1) * j->tile < all ? (tile + 1) * j->tile : all;
	const sf_view *v = &j->s->view;

	(void)worker;
	for (i = tile * j->tile; i < end; i++) {
		int label = -1;

		if (j->rows)
			sf_view_reference(v, (uint64_t)j->step, j->n, j->rows, i, j->x0 + i * j->size, &label);
		else
			sf_view_draw(v, (uint64_t)(j->step * j->n + i), j->x0 + i * j->size, &label);
		j->label[i] = label;
	}
	return 0;
}

int sf_step_read(const sf_setup *s, sf_batch *b, int64_t step)
{
	sf_draw *d = sf_batch_draw(b);
	struct job j;
	int64_t rows;

	j.s = s;
	j.n = d->n;
	j.rows = d->nref;
	j.size = d->size;
	j.step = step;
	j.tile = d->size < 64 ? 64 : 1;
	sf_batch_data(b, &j.x0, &j.label);
	d->step = (uint32_t)step;
	rows = j.rows ? j.rows : j.n;
	return sf_parallel(s->ctx, (rows + j.tile - 1) / j.tile, read_tile, &j);
}

int sf_step_run(const sf_setup *s, sf_batch *b, const void *params, int64_t step, double *loss)
{
	sf_draw *d = sf_batch_draw(b);

	SF_TRY(sf_step_read(s, b, step));
	SF_TRY(sf_objective_draw(s->objective, &s->model, d));
	return sf_batch_run(b, params, loss);
}
