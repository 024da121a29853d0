/* batch.c: loss and gradient of a batch: the graph, its plan, and every array between the data and the result.
 *
 * Draws are double; they are rounded once, to the plan's type, on the way into it. Position and velocity of two-block
 * processes lie one after the other in a draw and go to two inputs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/rule.h"

#include <string.h>

/* Inputs of the loss graph: of the data's size first, then scalars. */
enum { XT, POSITION, Z, PROBE, WEIGHT, C_IN, C_NOISE, E_X, E_F, LABEL, EXTRA, INPUTS = EXTRA + SF_OBJECTIVE_EXTRA };

struct sf_batch {
	sf_ctx *ctx;
	sf_dtype type;
	sf_graph *g;
	sf_plan *plan;
	sf_loss l;
	sf_draw draw;
	int64_t shards, rows, blocks, probes;
	double *x0, *label; /* (rows,size), (rows) */
	void *in[INPUTS];   /* of the plan's type; NULL where the graph has no such input */
	void *loss, *grad;
};

static sf_var variable(const sf_loss *l, int which)
{
	switch (which) {
	case XT: return l->v.x;
	case POSITION: return l->v.position;
	case Z: return l->z;
	case PROBE: return l->probe;
	case WEIGHT: return l->weight;
	case C_IN: return l->v.c_in;
	case C_NOISE: return l->v.c_noise;
	case E_X: return l->v.e_x;
	case E_F: return l->v.e_f;
	case LABEL: return l->v.label;
	default: return l->extra[which - EXTRA];
	}
}

/* Allocates count x size numbers into *p; a failure shows in *bad. */
static void take(void *p, int64_t count, int64_t size, size_t element, int *bad)
{
	size_t n;
	void *made = NULL;

	if (sf_mul_size((size_t)count, (size_t)size, &n) == 0)
		made = sf_alloc(n ? n : 1, element);
	*bad |= !made;
	memcpy(p, &made, sizeof made); /* any pointer to an object */
}

static int allocate(sf_batch *b, int extras)
{
	size_t e = b->type == SF_F32 ? sizeof(float) : sizeof(double), num = sizeof(double);
	sf_draw *d = &b->draw;
	int64_t n = d->n, i;
	int bad = 0;

	take(&b->x0, b->rows, d->size, num, &bad);
	take(&b->label, b->rows, 1, num, &bad);
	take(&d->t, n, 1, num, &bad);
	take(&d->coef, n, 1, sizeof *d->coef, &bad);
	take(&d->weight, n, 1, num, &bad);
	take(&d->xt, n, b->blocks * d->size, num, &bad);
	take(&d->z, n, d->size, num, &bad);
	if (b->probes)
		take(&d->probe, n, b->probes * d->size, num, &bad);
	for (i = 0; i < extras; i++)
		take(&d->extra[i], n, 1, num, &bad);
	for (i = 0; i < INPUTS; i++)
		if (variable(&b->l, (int)i) != SF_NOVAR)
			take(&b->in[i], n, i == PROBE ? b->probes * d->size : i <= Z ? d->size : 1, e, &bad);
	take(&b->loss, n, 1, e, &bad);
	take(&b->grad, sf_param_total(b->g), 1, e, &bad);
	if (bad)
		return sf_fail(b->ctx, SF_ENOMEM, "training: out of memory for a batch of %lld samples of %lld numbers",
		               (long long)n, (long long)d->size);
	for (i = 0; i < b->rows; i++)
		b->label[i] = -1;
	d->x0 = b->x0;
	d->label = b->label;
	return SF_OK;
}

/* Outputs: the loss, then one gradient a parameter, straight into the flat buffer. */
static int plan(sf_batch *b, sf_var *wrt, sf_var *out, int extras)
{
	int64_t n = b->draw.n;
	size_t e = b->type == SF_F32 ? sizeof(float) : sizeof(double);
	int np = sf_param_count(b->g), i;

	for (i = 0; i < np; i++)
		wrt[i] = sf_param_get(b->g, i)->var;
	out[0] = b->l.loss;
	SF_TRY(sf_grad(b->g, b->l.loss, wrt, np, out + 1));
	SF_TRY(sf_plan_new(b->g, out, np + 1, b->type, (n + b->shards - 1) / b->shards, &b->plan));
	SF_TRY(allocate(b, extras));
	for (i = 0; i < INPUTS; i++)
		if (b->in[i])
			SF_TRY(sf_plan_bind(b->plan, variable(&b->l, i), b->in[i]));
	SF_TRY(sf_plan_output(b->plan, 0, b->loss));
	for (i = 0; i < np; i++)
		SF_TRY(sf_plan_output(b->plan, i + 1, (char *)b->grad + (size_t)sf_param_get(b->g, i)->offset * e));
	return SF_OK;
}

int sf_batch_new(const sf_objective *o, const sf_model *m, int64_t n, int64_t shards, int train, sf_batch **out)
{
	int64_t reference = sf_objective_reference(o);
	sf_batch *b;
	sf_var *wrt = NULL, *var = NULL;
	int rc;

	*out = NULL;
	if (n < 1 || shards < 1 || shards > n)
		return sf_fail(m->ctx, SF_ERANGE, "a batch of %lld samples in %lld parts", (long long)n, (long long)shards);
	b = sf_alloc(1, sizeof *b);
	if (!b)
		return sf_fail(m->ctx, SF_ENOMEM, "training: out of memory");
	b->ctx = m->ctx;
	b->type = m->type;
	b->shards = shards;
	b->blocks = sf_process_blocks(m->process);
	b->probes = sf_objective_probes(o);
	b->rows = n > reference ? n : reference;
	b->draw.n = b->draw.batch = n;
	b->draw.size = m->size;
	rc = sf_graph_new(m->ctx, sf_objective_order(o, m), &b->g);
	if (rc == 0)
		rc = sf_objective_build(o, m, b->g, train, &b->l);
	if (rc == 0) {
		size_t np = (size_t)sf_param_count(b->g) + 1;

		wrt = sf_alloc(np, sizeof *wrt);
		var = sf_alloc(np, sizeof *var);
		rc = wrt && var ? plan(b, wrt, var, sf_objective_extras(o))
		                : sf_fail(m->ctx, SF_ENOMEM, "training: out of memory");
	}
	if (rc == 0 && reference) {
		b->draw.nref = b->rows;
		b->draw.ref = b->x0;
		b->draw.ref_label = b->label;
	}
	sf_free(wrt);
	sf_free(var);
	if (rc < 0)
		sf_batch_free(b);
	else
		*out = b;
	return rc;
}

void sf_batch_free(sf_batch *b)
{
	int i;

	if (!b)
		return;
	sf_plan_free(b->plan);
	sf_graph_free(b->g);
	sf_free(b->x0);
	sf_free(b->label);
	sf_free(b->draw.t);
	sf_free(b->draw.coef);
	sf_free(b->draw.weight);
	sf_free(b->draw.xt);
	sf_free(b->draw.z);
	sf_free(b->draw.probe);
	for (i = 0; i < SF_OBJECTIVE_EXTRA; i++)
		sf_free(b->draw.extra[i]);
	for (i = 0; i < INPUTS; i++)
		sf_free(b->in[i]);
	sf_free(b->loss);
	sf_free(b->grad);
	sf_free(b);
}

sf_draw *sf_batch_draw(sf_batch *b)
{
	return &b->draw;
}

int64_t sf_batch_data(const sf_batch *b, double **x, double **label)
{
	if (x)
		*x = b->x0;
	if (label)
		*label = b->label;
	return b->rows;
}

/* ---- running ---- */
static void put(const sf_batch *b, int which, int64_t first, int64_t n, const double *from)
{
	int64_t i;

	if (!b->in[which])
		return;
	if (b->type == SF_F32) {
		float *to = (float *)b->in[which] + first;

		for (i = 0; i < n; i++)
			to[i] = (float)from[i];
	} else {
		memcpy((double *)b->in[which] + first, from, (size_t)n * sizeof *from);
	}
}

/* Ho and Salimans 2022 (2207.12598): the network goes without the label now and then. */
static int drops_label(const sf_draw *d, int64_t i)
{
	sf_noise key = {d->seed, SF_NOISE_LABEL, d->step};

	return d->label_dropout > 0 && sf_noise_uniform53(key, d->first + (uint64_t)i, 0) < d->label_dropout;
}

static void put_sample(const sf_batch *b, int64_t i)
{
	static const double none = -1;
	const sf_draw *d = &b->draw;
	int64_t size = d->size, k;
	const double *u = d->xt + i * b->blocks * size;

	put(b, XT, i * size, size, u + (b->blocks - 1) * size);
	put(b, POSITION, i * size, size, u);
	put(b, Z, i * size, size, d->z + i * size);
	if (b->probes)
		put(b, PROBE, i * b->probes * size, b->probes * size, d->probe + i * b->probes * size);
	put(b, WEIGHT, i, 1, d->weight + i);
	put(b, C_IN, i, 1, &d->coef[i].c_in);
	put(b, C_NOISE, i, 1, &d->coef[i].c_noise);
	put(b, E_X, i, 1, &d->coef[i].e_x);
	put(b, E_F, i, 1, &d->coef[i].e_f);
	put(b, LABEL, i, 1, drops_label(d, i) ? &none : d->label + i);
	for (k = 0; k < SF_OBJECTIVE_EXTRA && d->extra[k]; k++)
		put(b, EXTRA + (int)k, i, 1, d->extra[k] + i);
}

struct job {
	const sf_batch *b;
	int64_t tile;
};

static int put_tile(void *arg, int64_t tile, int worker)
{
	const struct job *j = arg;
	int64_t i, n = j->b->draw.n, end = (tile + 1) * j->tile < n ? (tile + 1) * j->tile : n;

	(void)worker;
	for (i = tile * j->tile; i < end; i++)
		put_sample(j->b, i);
	return 0;
}

int sf_batch_run(sf_batch *b, const void *params, double *loss)
{
	const sf_draw *d = &b->draw;
	struct job j = {NULL, 0};
	double sum = 0;
	int64_t i;
	sf_run run;

	j.b = b;
	j.tile = d->size < 64 ? 64 : 1;
	SF_TRY(sf_parallel(b->ctx, (d->n + j.tile - 1) / j.tile, put_tile, &j));
	memset(&run, 0, sizeof run);
	run.n = d->n;
	run.shards = b->shards;
	run.seed = d->seed;
	run.step = d->step;
	run.first_sample = d->first;
	SF_TRY(sf_plan_bind_params(b->plan, params));
	SF_TRY(sf_plan_run(b->plan, &run));
	for (i = 0; loss && i < d->n; i++)
		sum += b->type == SF_F32 ? (double)((const float *)b->loss)[i] : ((const double *)b->loss)[i];
	if (loss)
		*loss = sum / (double)d->n;
	return SF_OK;
}

const void *sf_batch_losses(const sf_batch *b)
{
	return b->loss;
}

void *sf_batch_gradient(const sf_batch *b)
{
	return b->grad;
}

const sf_graph *sf_batch_graph(const sf_batch *b)
{
	return b->g;
}

void sf_batch_describe(const sf_batch *b, sf_plan_info *info)
{
	sf_plan_describe(b->plan, info);
}
