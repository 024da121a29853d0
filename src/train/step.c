/* step.c: the batch of one training step: data, draws, and the run.
 *
 * Step n takes draws n B .. (n+1) B - 1 of the data stream and noise keyed by n, so a step needs nothing of the
 * one before but the weights: a resumed run goes on with the same bytes. With [train] accumulate the batch is made in parts,
 * which the plan's tree of sums puts together; a reference batch is read as a whole with the first. Where the data lie on a
 * device (records.c), to read them is to say which ones.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "data/data.h"
#include "objective/batch.h"
#include "train/parallel.h"

#include <string.h>

/* The work of a shard should be many times that of adding its gradient to the others'; both depend on network and batch
 * alone, and so do the bytes. 128 operations for a parameter: about where the sums begin to show in the step of a small network. */
static int64_t worthwhile(const sf_setup *s, const sf_batch *b)
{
	const sf_settings *set = sf_config_settings(s->config);
	double parameters = (double)sf_param_total(sf_batch_graph(b)), flops;
	int64_t ranks = sf_comm_ranks(s->comm), shards = sf_batch_shards(b) * ranks;
	sf_plan_info info;

	sf_batch_describe(b, &info);
	flops = info.flops * (double)set->train.batch;
	while (shards > ranks && flops < 128 * parameters * (double)shards)
		shards /= 2;
	return shards;
}

static int few_shards(const sf_setup *s, int64_t shards)
{
	const sf_settings *set = sf_config_settings(s->config);

	if (set->train.accumulate <= shards)
		return SF_OK;
	return sf_fail(s->ctx, SF_ERANGE, "[train] accumulate=%lld is more than the %lld shards that the batch is cut into; "
	               "expected 1 to %lld, or more shards (train.shards, a power of two up to the batch of %lld)",
	               (long long)set->train.accumulate, (long long)shards, (long long)shards, (long long)set->train.batch);
}

static int plan(const sf_setup *s, int phase, int64_t shards, int64_t parts, sf_batch **b)
{
	const sf_settings *set = sf_config_settings(s->config);
	sf_batch_how how;
	sf_share share;

	memset(&how, 0, sizeof how);
	SF_TRY(sf_ranks_share(s->ctx, s->comm, set->train.batch, shards, &share));
	how.n = share.n;
	how.shards = share.shards;
	how.whole = share.whole;
	how.first = share.first;
	how.parts = parts;
	how.train = 1;
	how.recompute = set->train.recompute; /* SF_RECOMPUTE_... */
	how.kind = phase < 0 ? NULL : sf_latent_kind(s->latent, phase);
	how.device = 1;
	return sf_batch_plan(s->objective, &s->model, &how, b);
}

int sf_step_plan(const sf_setup *s, int phase, sf_batch **b)
{
	const sf_settings *set = sf_config_settings(s->config);
	int64_t shards = set->train.shards > 0 ? set->train.shards : SF_SHARDS_AUTO;

	*b = NULL;
	if (shards & (shards - 1))
		return sf_fail(s->ctx, SF_EINVAL, "[train] shards=%lld is not a power of two", (long long)shards);
	while (shards > set->train.batch)
		shards /= 2;
	if (set->train.shards == 0) {
		SF_TRY(plan(s, phase, shards, 1, b));
		shards = worthwhile(s, *b);
		sf_batch_free(*b);
		*b = NULL;
	}
	SF_TRY(few_shards(s, shards < sf_comm_ranks(s->comm) ? 1 : shards / sf_comm_ranks(s->comm)));
	SF_TRY(plan(s, phase, shards, set->train.accumulate, b));
	sf_batch_draw(*b)->seed = (uint64_t)set->train.seed;
	sf_batch_draw(*b)->label_dropout = set->train.label_dropout;
	return SF_OK;
}

int sf_step_phases(const sf_setup *s, sf_batch *b[2])
{
	int first = sf_phase_at(s, 0), last = sf_phase_at(s, INT64_MAX), rc;

	b[1] = NULL;
	SF_TRY(sf_step_plan(s, first, &b[0]));
	rc = first == last ? SF_OK : sf_step_plan(s, last, &b[1]);
	if (rc < 0) {
		sf_batch_free(b[0]);
		b[0] = NULL;
	}
	return rc;
}

struct job {
	const sf_setup *s;
	double *x0, *label, *augment; /* NULL: none */
	const sf_batch_source *source; /* NULL: records are read; else `sample` says which */
	sf_device_sample *sample;
	int64_t first, n, batch, rows, size, step, tile; /* n of the batch from first on; rows: 0 without a reference batch */
};

static void name(const struct job *j, int64_t i)
{
	sf_device_sample *to = &j->sample[i];
	int mirrored;

	to->draw = (uint64_t)(j->step * j->batch + j->first + i);
	sf_view_which(&j->s->view, to->draw, &to->record, &mirrored);
	to->flip = mirrored;
	j->label[i] = j->source->label[to->record];
}

static int read_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t all = j->rows ? j->rows : j->n, i, end = (tile + 1) * j->tile < all ? (tile + 1) * j->tile : all;
	const sf_view *v = &j->s->view;

	i = tile * j->tile;
	if (j->source) {
		for (; i < end; i++)
			name(j, i);
		return 0;
	}
	if (!j->rows && !j->augment) {
		sf_view_draws(v, (uint64_t)(j->step * j->batch + j->first + i), end - i, j->x0 + i * j->size, j->label + i);
		return 0;
	}
	for (; i < end; i++) {
		int label = -1;

		if (j->rows)
			sf_view_reference(v, (uint64_t)j->step, j->batch, j->rows, i, j->x0 + i * j->size, &label);
		else
			sf_view_draw(v, (uint64_t)(j->step * j->batch + j->first + i), j->x0 + i * j->size, &label);
		j->label[i] = label;
		if (j->augment)
			sf_augment(j->s->augmenter, worker, sf_view_number((uint64_t)j->step, j->batch, j->rows, j->first + i),
			           j->x0 + i * j->size, j->augment + i * SF_AUGMENT_LABELS);
	}
	return 0;
}

int sf_step_read(const sf_setup *s, sf_batch *b, int64_t step)
{
	sf_draw *d = sf_batch_draw(b);
	sf_ctx team = *s->ctx;
	struct job j;
	int64_t rows;

	j.s = s;
	j.first = (int64_t)d->first;
	j.n = d->n;
	j.batch = d->batch;
	j.rows = d->nref;
	j.size = s->info.size;
	j.step = step;
	j.source = sf_batch_source_of(b);
	j.sample = sf_batch_samples(b);
	j.tile = j.size < 64 || j.source ? 64 : 1;
	sf_batch_data(b, &j.x0, &j.label);
	j.augment = s->augmenter ? sf_batch_augment(b) : NULL;
	if (j.augment && team.threads > sf_augmenter_workers(s->augmenter))
		team.threads = sf_augmenter_workers(s->augmenter);
	d->step = (uint32_t)step;
	if (j.rows && b->run.part > 0)
		return SF_OK; /* came with the first part */
	rows = j.rows ? j.rows : j.n;
	return sf_parallel_work(&team, (double)rows * (j.source ? 500 : 100 + (j.augment ? 50 : 2) * (double)j.size),
	                        (rows + j.tile - 1) / j.tile, read_tile, &j);
}

void sf_step_lap(sf_profile *f, int kind, double *since)
{
	double now;

	if (!f)
		return;
	now = sf_seconds();
	f->seconds[kind] += now - *since;
	f->calls[kind]++;
	*since = now;
}

int sf_step_run(const sf_setup *s, sf_batch *b, const void *params, int64_t step, sf_profile *f, double *loss)
{
	int64_t part;

	for (part = 0; part < sf_batch_parts(b); part++) {
		double since = f ? sf_seconds() : 0;

		SF_TRY(sf_batch_part(b, part));
		SF_TRY(sf_step_read(s, b, step));
		sf_step_lap(f, SF_KIND_DATA, &since);
		SF_TRY(sf_batch_prepare(b));
		sf_step_lap(f, SF_KIND_DRAW, &since);
		SF_TRY(sf_batch_run(b, params, loss));
	}
	return SF_OK;
}
