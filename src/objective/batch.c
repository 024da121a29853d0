/* batch.c: loss and gradient of a batch: the graph, its plan, and every array between the data and the result.
 *
 * Draws are double; they are rounded once, to the plan's type, on the way into it. Position and velocity of two-block
 * processes lie one after the other in a draw and go to two inputs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/rule.h"

#include <string.h>

/* Inputs of the loss graph: of the data's size first, then scalars. */
enum { XT, POSITION, Z, PROBE, AUGMENT, WEIGHT, C_IN, C_NOISE, E_X, E_F, LABEL, EXTRA, INPUTS = EXTRA + SF_OBJECTIVE_EXTRA };

struct sf_batch {
	sf_ctx *ctx;
	sf_dtype type;
	sf_graph *g;
	sf_plan *plan;
	sf_loss l;
	sf_draw draw;
	sf_run run;         /* n, shards, parts, and the part at hand */
	int64_t room, base; /* samples of the largest part; the first one of the part at hand */
	int64_t rows, blocks, probes, extras, reference, augments;
	double *x0, *label; /* (rows,size), (rows) */
	double *augment;    /* (rows,augments); NULL: none */
	sf_profile *profile; /* NULL: nobody asks where the time goes */
	void *in[INPUTS];   /* of the plan's type; NULL where the graph has no such input */
	void *loss, *grad;
	double sum;         /* of the losses of a step's parts so far */
	double bytes;       /* of all arrays */
	int taking, bad;    /* allocate: counts alone; memory ran out */
};

static sf_var variable(const sf_loss *l, int which)
{
	switch (which) {
	case XT: return l->v.x;
	case POSITION: return l->v.position;
	case Z: return l->z;
	case PROBE: return l->probe;
	case AUGMENT: return l->v.augment;
	case WEIGHT: return l->weight;
	case C_IN: return l->v.c_in;
	case C_NOISE: return l->v.c_noise;
	case E_X: return l->v.e_x;
	case E_F: return l->v.e_f;
	case LABEL: return l->v.label;
	default: return l->extra[which - EXTRA];
	}
}

/* Numbers of a sample. */
static int64_t numbers(const sf_batch *b, int which)
{
	switch (which) {
	case PROBE: return b->probes * b->draw.size;
	case AUGMENT: return b->augments;
	default: return which <= Z ? b->draw.size : 1;
	}
}

/* Counts, and once it is time allocates, count x size numbers into *p. */
static void take(sf_batch *b, void *p, int64_t count, int64_t size, size_t element)
{
	size_t n;
	void *made = NULL;

	b->bytes += (double)count * (double)size * (double)element;
	if (!b->taking)
		return;
	if (sf_mul_size((size_t)count, (size_t)size, &n) == 0)
		made = sf_alloc(n ? n : 1, element);
	b->bad |= !made;
	memcpy(p, &made, sizeof made); /* any pointer to an object */
}

static void take_all(sf_batch *b)
{
	size_t e = b->type == SF_F32 ? sizeof(float) : sizeof(double), num = sizeof(double);
	sf_draw *d = &b->draw;
	int64_t n = b->room, i;

	b->bytes = 0;
	take(b, &b->x0, b->rows, d->size, num);
	take(b, &b->label, b->rows, 1, num);
	if (b->augments)
		take(b, &b->augment, b->rows, b->augments, num);
	take(b, &d->t, n, 1, num);
	take(b, &d->coef, n, 1, sizeof *d->coef);
	take(b, &d->weight, n, 1, num);
	take(b, &d->xt, n, b->blocks * d->size, num);
	take(b, &d->z, n, d->size, num);
	if (b->probes)
		take(b, &d->probe, n, b->probes * d->size, num);
	for (i = 0; i < b->extras; i++)
		take(b, &d->extra[i], n, 1, num);
	for (i = 0; i < INPUTS; i++)
		if (variable(&b->l, (int)i) != SF_NOVAR)
			take(b, &b->in[i], n, numbers(b, (int)i), e);
	take(b, &b->loss, n, 1, e);
	take(b, &b->grad, sf_param_total(b->g), 1, e);
}

/* What is planned: the loss, then one gradient a parameter. (np) and (np + 1); freed by the caller. */
static int gradients(sf_ctx *ctx, sf_graph *g, sf_var loss, sf_var **out)
{
	int np = sf_param_count(g), i, rc;
	sf_var *wrt = sf_alloc((size_t)np + 1, sizeof *wrt);

	*out = sf_alloc((size_t)np + 1, sizeof **out);
	if (!wrt || !*out) {
		sf_free(wrt);
		return sf_fail(ctx, SF_ENOMEM, "training: out of memory");
	}
	for (i = 0; i < np; i++)
		wrt[i] = sf_param_get(g, i)->var;
	**out = loss;
	rc = sf_grad(g, loss, wrt, np, *out + 1);
	sf_free(wrt);
	return rc;
}

static int open_graph(sf_batch *b, const sf_objective *o, const sf_model *m, const sf_batch_how *how)
{
	sf_var *var = NULL;
	int rc;

	SF_TRY(sf_graph_new(m->ctx, sf_objective_order(o, m), &b->g));
	sf_graph_recompute(b->g, how->recompute);
	SF_TRY(sf_objective_build(o, m, b->g, how->train, &b->l));
	rc = gradients(m->ctx, b->g, b->l.loss, &var);
	if (rc == 0)
		rc = sf_plan_layout(b->g, var, sf_param_count(b->g) + 1, b->type, (how->n + how->shards - 1) / how->shards,
		                    &b->plan);
	sf_free(var);
	return rc;
}

int sf_batch_plan(const sf_objective *o, const sf_model *m, const sf_batch_how *how, sf_batch **out)
{
	int64_t parts = how->parts > 1 ? how->parts : 1, n, first;
	sf_batch *b;
	int rc;

	*out = NULL;
	if (how->n < 1 || how->shards < 1 || how->shards > how->n)
		return sf_fail(m->ctx, SF_ERANGE, "a batch of %lld samples in %lld shards", (long long)how->n,
		               (long long)how->shards);
	if (parts > how->shards)
		return sf_fail(m->ctx, SF_ERANGE, "a batch of %lld shards in %lld parts; expected at most %lld, one a shard",
		               (long long)how->shards, (long long)parts, (long long)how->shards);
	b = sf_alloc(1, sizeof *b);
	if (!b)
		return sf_fail(m->ctx, SF_ENOMEM, "training: out of memory");
	b->ctx = m->ctx;
	b->type = m->type;
	b->run.n = how->n;
	b->run.shards = how->shards;
	b->run.parts = parts;
	b->blocks = sf_process_blocks(m->process);
	b->probes = sf_objective_probes(o);
	b->extras = sf_objective_extras(o);
	b->reference = sf_objective_reference(o);
	b->augments = m->augments;
	for (; b->run.part < parts; b->run.part++) {
		n = sf_run_samples(&b->run, &first);
		b->room = n > b->room ? n : b->room;
	}
	b->run.part = 0;
	b->rows = !b->reference ? b->room : how->n > b->reference ? how->n : b->reference;
	b->draw.batch = how->n;
	b->draw.size = m->size;
	rc = open_graph(b, o, m, how);
	if (rc < 0) {
		sf_batch_free(b);
		return rc;
	}
	take_all(b);
	*out = b;
	return SF_OK;
}

/* Gradients go straight into the flat buffer. */
static int bind(sf_batch *b)
{
	size_t e = b->type == SF_F32 ? sizeof(float) : sizeof(double);
	int np = sf_param_count(b->g), i;

	for (i = 0; i < INPUTS; i++)
		if (b->in[i])
			SF_TRY(sf_plan_bind(b->plan, variable(&b->l, i), b->in[i]));
	SF_TRY(sf_plan_output(b->plan, 0, b->loss));
	for (i = 0; i < np; i++)
		SF_TRY(sf_plan_output(b->plan, i + 1, (char *)b->grad + (size_t)sf_param_get(b->g, i)->offset * e));
	return SF_OK;
}

int sf_batch_open(sf_batch *b)
{
	int64_t i;

	if (b->taking)
		return SF_OK;
	SF_TRY(sf_plan_take(b->plan));
	b->taking = 1;
	take_all(b);
	if (b->bad)
		return sf_fail(b->ctx, SF_ENOMEM, "training: out of memory for a batch of %lld samples of %lld numbers",
		               (long long)b->room, (long long)b->draw.size);
	for (i = 0; i < b->rows; i++)
		b->label[i] = -1;
	if (b->reference) {
		b->draw.nref = b->rows;
		b->draw.ref = b->x0;
		b->draw.ref_label = b->label;
		b->draw.ref_augment = b->augment;
	}
	SF_TRY(bind(b));
	return sf_batch_part(b, 0);
}

int sf_batch_part(sf_batch *b, int64_t part)
{
	sf_draw *d = &b->draw;

	if (part < 0 || part >= b->run.parts)
		return sf_fail(b->ctx, SF_ERANGE, "part %lld of a batch of %lld parts", (long long)part, (long long)b->run.parts);
	b->run.part = part;
	d->n = sf_run_samples(&b->run, &b->base);
	d->first = (uint64_t)b->base;
	d->x0 = b->x0 + (b->reference ? b->base * d->size : 0);
	d->label = b->label + (b->reference ? b->base : 0);
	d->augment = b->augments ? b->augment + (b->reference ? b->base * b->augments : 0) : NULL;
	return SF_OK;
}

int sf_batch_new(const sf_objective *o, const sf_model *m, int64_t n, int64_t shards, int train, sf_batch **out)
{
	sf_batch_how how;
	int rc;

	memset(&how, 0, sizeof how);
	how.n = n;
	how.shards = shards;
	how.train = train;
	rc = sf_batch_plan(o, m, &how, out);
	if (rc == 0 && (rc = sf_batch_open(*out)) < 0) {
		sf_batch_free(*out);
		*out = NULL;
	}
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
	sf_free(b->augment);
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
	return b->reference ? b->rows : b->draw.n;
}

double *sf_batch_augment(sf_batch *b)
{
	return b->augment;
}

/* ---- running ---- */

/* Numbers first .. first+n-1 of an input, rounded to the plan's type; they lie `stride` apart. */
static void put(const sf_batch *b, int which, int64_t first, int64_t n, const double *from, int64_t stride)
{
	int64_t i;

	if (!b->in[which])
		return;
	if (b->type == SF_F32) {
		float *to = (float *)b->in[which] + first;

		for (i = 0; i < n; i++)
			to[i] = (float)from[i * stride];
	} else {
		double *to = (double *)b->in[which] + first;

		for (i = 0; i < n; i++)
			to[i] = from[i * stride];
	}
}

/* Ho and Salimans 2022 (2207.12598): the network goes without the label now and then. */
static int drops_label(const sf_draw *d, int64_t i)
{
	sf_noise key = {d->seed, SF_NOISE_LABEL, d->step};

	return d->label_dropout > 0 && sf_noise_uniform53(key, d->first + (uint64_t)i, 0) < d->label_dropout;
}

static void put_labels(const sf_batch *b, int64_t first, int64_t n)
{
	static const double none = -1;
	int64_t i;

	for (i = first; b->in[LABEL] && i < first + n; i++)
		put(b, LABEL, i, 1, drops_label(&b->draw, i) ? &none : b->draw.label + i, 1);
}

/* Samples first .. first+n-1. */
static void put_samples(const sf_batch *b, int64_t first, int64_t n)
{
	static const double zero = 0;
	const sf_draw *d = &b->draw;
	const int64_t size = d->size, probes = b->probes * size, stride = (int64_t)(sizeof *d->coef / sizeof(double));
	const sf_coef *c = d->coef + first;
	int64_t i, k;

	if (b->blocks == 1)
		put(b, XT, first * size, n * size, d->xt + first * size, 1);
	for (i = first; b->blocks == 2 && i < first + n; i++) {
		put(b, POSITION, i * size, size, d->xt + i * 2 * size, 1);
		put(b, XT, i * size, size, d->xt + (i * 2 + 1) * size, 1);
	}
	put(b, Z, first * size, n * size, d->z + first * size, 1);
	if (probes)
		put(b, PROBE, first * probes, n * probes, d->probe + first * probes, 1);
	if (b->augments)
		put(b, AUGMENT, first * b->augments, n * b->augments, d->augment ? d->augment + first * b->augments : &zero,
		    d->augment != NULL);
	put(b, WEIGHT, first, n, d->weight + first, 1);
	put(b, C_IN, first, n, &c->c_in, stride);
	put(b, C_NOISE, first, n, &c->c_noise, stride);
	put(b, E_X, first, n, &c->e_x, stride);
	put(b, E_F, first, n, &c->e_f, stride);
	put_labels(b, first, n);
	for (k = 0; k < SF_OBJECTIVE_EXTRA && d->extra[k]; k++)
		put(b, EXTRA + (int)k, first, n, d->extra[k] + first, 1);
}

struct job {
	const sf_batch *b;
	int64_t tile;
};

static int put_tile(void *arg, int64_t tile, int worker)
{
	const struct job *j = arg;
	int64_t first = tile * j->tile, left = j->b->draw.n - first;

	(void)worker;
	put_samples(j->b, first, left < j->tile ? left : j->tile);
	return 0;
}

int sf_batch_run(sf_batch *b, const void *params, double *loss)
{
	const sf_draw *d = &b->draw;
	struct job j = {NULL, 0};
	int64_t i;
	sf_run run = b->run;
	double start;

	j.b = b;
	j.tile = d->size < 64 ? 64 : 1;
	start = b->profile ? sf_seconds() : 0;
	SF_TRY(sf_parallel_work(b->ctx, (double)d->n * (100 + (double)((b->blocks + b->probes + 1) * d->size)),
	                        (d->n + j.tile - 1) / j.tile, put_tile, &j));
	if (b->profile)
		b->profile->seconds[SF_KIND_DATA] += sf_seconds() - start;
	if (run.parts == 1)
		run.n = d->n;
	run.seed = d->seed;
	run.step = d->step;
	run.first_sample = d->first - (uint64_t)b->base;
	SF_TRY(sf_plan_bind_params(b->plan, params));
	SF_TRY(sf_plan_run(b->plan, &run));
	if (run.part == 0)
		b->sum = 0;
	for (i = 0; i < d->n; i++)
		b->sum += b->type == SF_F32 ? (double)((const float *)b->loss)[i] : ((const double *)b->loss)[i];
	if (loss)
		*loss = b->sum / (double)(b->base + d->n);
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

int64_t sf_batch_shards(const sf_batch *b)
{
	return b->run.shards;
}

int64_t sf_batch_parts(const sf_batch *b)
{
	return b->run.parts;
}

double sf_batch_bytes(const sf_batch *b)
{
	return b->bytes;
}

int sf_batch_profile(sf_batch *b, sf_profile *into)
{
	b->profile = into;
	return sf_plan_profile(b->plan, into);
}

void sf_batch_describe(const sf_batch *b, sf_plan_info *info)
{
	sf_plan_describe(b->plan, info);
}
