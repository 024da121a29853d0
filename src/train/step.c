/* step.c: the batch of one training step: data, draws, rounding to the plan's type, and the run.
 *
 * Step n takes draws n B .. (n+1) B - 1 of the data stream and noise keyed by n, so a step needs nothing of the
 * one before but the weights: a resumed run goes on with the same bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include <string.h>

static int allocate(sf_step_batch *b, int64_t batch)
{
	sf_ctx *ctx = b->s->ctx;
	size_t e = b->s->type == SF_F32 ? sizeof(float) : sizeof(double), n = (size_t)batch, nx;
	sf_draw *d = &b->draw;
	int i, extras = sf_objective_extras(b->s->objective), bad;

	if (sf_mul_size(n, (size_t)b->s->model.size, &nx) < 0)
		return sf_fail(ctx, SF_ERANGE, "[train] batch=%lld is too large for this data", (long long)batch);
	b->x0 = sf_alloc(nx, sizeof(double));
	b->label = sf_alloc(n, sizeof(double));
	d->n = d->batch = batch;
	d->size = b->s->model.size;
	d->x0 = b->x0;
	d->t = sf_alloc(n, sizeof(double));
	d->coef = sf_alloc(n, sizeof(sf_coef));
	d->weight = sf_alloc(n, sizeof(double));
	d->xt = sf_alloc(nx, sizeof(double));
	d->z = sf_alloc(nx, sizeof(double));
	bad = !b->x0 || !b->label || !d->t || !d->coef || !d->weight || !d->xt || !d->z;
	for (i = 0; i < extras; i++)
		bad |= !(d->extra[i] = sf_alloc(n, sizeof(double)));
	for (i = 0; i < SF_STEP_INPUTS; i++)
		if (i < SF_STEP_EXTRA + extras && (i != SF_STEP_LABEL || b->l.v.label != SF_NOVAR))
			bad |= !(b->in[i] = sf_alloc(i <= SF_STEP_Z ? nx : n, e));
	b->loss = sf_alloc(n, e);
	b->grad = sf_alloc((size_t)b->total, e);
	if (bad || !b->loss || !b->grad)
		return sf_fail(ctx, SF_ENOMEM, "training: out of memory for a batch of %lld", (long long)batch);
	return SF_OK;
}

static int bind(sf_step_batch *b)
{
	const sf_loss *l = &b->l;
	sf_var var[SF_STEP_INPUTS];
	int i;

	var[SF_STEP_XT] = l->v.x;
	var[SF_STEP_Z] = l->z;
	var[SF_STEP_WEIGHT] = l->weight;
	var[SF_STEP_C_IN] = l->v.c_in;
	var[SF_STEP_C_NOISE] = l->v.c_noise;
	var[SF_STEP_E_X] = l->v.e_x;
	var[SF_STEP_E_F] = l->v.e_f;
	var[SF_STEP_LABEL] = l->v.label;
	for (i = 0; i < SF_OBJECTIVE_EXTRA; i++)
		var[SF_STEP_EXTRA + i] = l->extra[i];
	for (i = 0; i < SF_STEP_INPUTS; i++)
		if (b->in[i])
			SF_TRY(sf_plan_bind(b->plan, var[i], b->in[i]));
	return SF_OK;
}

/* Outputs: the loss, then one gradient a parameter, straight into the flat buffer. */
static int plan(sf_step_batch *b, int64_t batch)
{
	sf_ctx *ctx = b->s->ctx;
	int n = sf_param_count(b->g), i, rc;
	size_t e = b->s->type == SF_F32 ? sizeof(float) : sizeof(double);
	sf_var *wrt = sf_alloc((size_t)n + 1, sizeof *wrt), *out = sf_alloc((size_t)n + 1, sizeof *out);

	rc = wrt && out ? SF_OK : sf_fail(ctx, SF_ENOMEM, "training: out of memory");
	for (i = 0; rc == 0 && i < n; i++)
		wrt[i] = sf_param_get(b->g, i)->var;
	if (rc == 0) {
		out[0] = b->l.loss;
		rc = sf_grad(b->g, b->l.loss, wrt, n, out + 1);
	}
	b->total = sf_param_total(b->g);
	if (rc == 0)
		rc = sf_plan_new(b->g, out, n + 1, b->s->type, (batch + b->shards - 1) / b->shards, &b->plan);
	if (rc == 0)
		rc = allocate(b, batch);
	if (rc == 0)
		rc = bind(b);
	if (rc == 0)
		rc = sf_plan_output(b->plan, 0, b->loss);
	for (i = 0; rc == 0 && i < n; i++)
		rc = sf_plan_output(b->plan, i + 1, (char *)b->grad + (size_t)sf_param_get(b->g, i)->offset * e);
	sf_free(wrt);
	sf_free(out);
	return rc;
}

int sf_step_open(const sf_setup *s, sf_step_batch *b)
{
	const sf_settings *set = sf_config_settings(s->config);
	int64_t shards = set->train.shards;
	int rc;

	memset(b, 0, sizeof *b);
	b->s = s;
	if (shards & (shards - 1))
		return sf_fail(s->ctx, SF_EINVAL, "[train] shards=%lld is not a power of two", (long long)shards);
	while (shards > set->train.batch)
		shards /= 2;
	b->shards = shards;
	b->draw.seed = (uint64_t)set->train.seed;
	SF_TRY(sf_graph_new(s->ctx, sf_objective_order(s->objective), &b->g));
	rc = sf_objective_build(s->objective, &s->model, b->g, 1, &b->l);
	if (rc == 0)
		rc = plan(b, set->train.batch);
	if (rc < 0)
		sf_step_close(b);
	return rc;
}

void sf_step_close(sf_step_batch *b)
{
	int i;

	sf_plan_free(b->plan);
	sf_graph_free(b->g);
	sf_free(b->x0);
	sf_free(b->label);
	sf_free(b->draw.t);
	sf_free(b->draw.coef);
	sf_free(b->draw.weight);
	sf_free(b->draw.xt);
	sf_free(b->draw.z);
	for (i = 0; i < SF_OBJECTIVE_EXTRA; i++)
		sf_free(b->draw.extra[i]);
	for (i = 0; i < SF_STEP_INPUTS; i++)
		sf_free(b->in[i]);
	sf_free(b->loss);
	sf_free(b->grad);
	memset(b, 0, sizeof *b);
}

struct job {
	sf_step_batch *b;
	int64_t step, tile;
};

static int read_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	sf_step_batch *b = j->b;
	int64_t i, n = b->draw.n, end = (tile + 1) * j->tile < n ? (tile + 1) * j->tile : n;

	(void)worker;
	for (i = tile * j->tile; i < end; i++) {
		int label = -1;

		sf_view_draw(&b->s->view, (uint64_t)(j->step * n + i), b->x0 + i * b->draw.size, &label);
		b->label[i] = label;
	}
	return 0;
}

static void put(const sf_step_batch *b, int which, int64_t first, int64_t n, const double *from)
{
	int64_t i;

	if (b->s->type == SF_F32) {
		float *to = (float *)b->in[which] + first;

		for (i = 0; i < n; i++)
			to[i] = (float)from[i];
	} else {
		memcpy((double *)b->in[which] + first, from, (size_t)n * sizeof *from);
	}
}

static int convert_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	sf_step_batch *b = j->b;
	const sf_draw *d = &b->draw;
	int64_t i, k, first = tile * j->tile, end = first + j->tile < d->n ? first + j->tile : d->n;

	(void)worker;
	put(b, SF_STEP_XT, first * d->size, (end - first) * d->size, d->xt + first * d->size);
	put(b, SF_STEP_Z, first * d->size, (end - first) * d->size, d->z + first * d->size);
	put(b, SF_STEP_WEIGHT, first, end - first, d->weight + first);
	if (b->in[SF_STEP_LABEL])
		put(b, SF_STEP_LABEL, first, end - first, b->label + first);
	for (k = 0; k < SF_OBJECTIVE_EXTRA; k++)
		if (b->in[SF_STEP_EXTRA + k])
			put(b, SF_STEP_EXTRA + (int)k, first, end - first, d->extra[k] + first);
	for (i = first; i < end; i++) {
		put(b, SF_STEP_C_IN, i, 1, &d->coef[i].c_in);
		put(b, SF_STEP_C_NOISE, i, 1, &d->coef[i].c_noise);
		put(b, SF_STEP_E_X, i, 1, &d->coef[i].e_x);
		put(b, SF_STEP_E_F, i, 1, &d->coef[i].e_f);
	}
	return 0;
}

int sf_step_run(sf_step_batch *b, const void *params, int64_t step, double *loss)
{
	sf_ctx *ctx = b->s->ctx;
	struct job j = {NULL, 0, 0};
	int64_t i, tiles;
	double sum = 0;
	sf_run run;

	j.b = b;
	j.step = step;
	j.tile = b->draw.size < 64 ? 64 : 1;
	tiles = (b->draw.n + j.tile - 1) / j.tile;
	b->draw.step = (uint32_t)step;
	SF_TRY(sf_parallel(ctx, tiles, read_tile, &j));
	SF_TRY(sf_objective_draw(b->s->objective, &b->s->model, &b->draw));
	SF_TRY(sf_parallel(ctx, tiles, convert_tile, &j));

	memset(&run, 0, sizeof run);
	run.n = b->draw.n;
	run.shards = b->shards;
	run.seed = b->draw.seed;
	run.step = b->draw.step;
	SF_TRY(sf_plan_bind_params(b->plan, params));
	SF_TRY(sf_plan_run(b->plan, &run));
	for (i = 0; i < run.n; i++)
		sum += b->s->type == SF_F32 ? (double)((const float *)b->loss)[i] : ((const double *)b->loss)[i];
	*loss = sum / (double)run.n;
	return SF_OK;
}
