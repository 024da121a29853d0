/* batch.c: loss and gradient of a batch: the graph, its plan, and every array between the data and the result.
 *
 * An objective's loss is one draw and one scalar that all parameters are differentiated by; another kind (latents) has several
 * draws and losses, and says which parameters each is differentiated by.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/batch.h"

#include <math.h>
#include <string.h>

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

/* The same of the device, which is not counted. */
static void take_there(sf_batch *b, void *p, int64_t count, int64_t size, size_t element)
{
	void *made = NULL;

	if (!b->taking)
		return;
	made = sf_batch_there(b, count, size, element);
	b->lacks |= !made;
	memcpy(p, &made, sizeof made);
}

static void take_draw(sf_batch *b, sf_draw *d)
{
	size_t num = sizeof(double);
	int64_t n = b->room, i;

	take(b, &d->t, n, 1, num);
	take(b, &d->coef, n, 1, sizeof *d->coef);
	take(b, &d->weight, n, 1, num);
	if (!b->source) {
		take(b, &d->xt, n, b->blocks * d->size, num);
		take(b, &d->z, n, d->size, num);
	}
	if (b->probes)
		take(b, &d->probe, n, b->probes * d->size, num);
	for (i = 0; i < b->extras; i++)
		take(b, &d->extra[i], n, 1, num);
}

void sf_batch_count(sf_batch *b)
{
	size_t e = b->type == SF_F32 ? sizeof(float) : sizeof(double), num = sizeof(double);
	int64_t n = b->room;
	int i;

	b->bytes = 0;
	if (b->source) {
		take(b, &b->sample, n, 1, sizeof *b->sample);
		take_there(b, &b->sample_there, n, 1, sizeof *b->sample_there);
	} else {
		take(b, &b->x0, b->rows, b->data, num);
	}
	take(b, &b->label, b->rows, 1, num);
	if (b->later) {
		take(b, &b->ratio, n, 1, num);
		take(b, &b->own, n, 1, sizeof *b->own);
		if (b->m.classes > 0)
			take(b, &b->group, b->rows, 1, sizeof *b->group);
	}
	take(b, &b->seen, n, 1, num);
	if (b->augments)
		take(b, &b->augment, b->rows, b->augments, num);
	if (b->kind)
		take(b, &b->zero, n, b->m.size, num);
	for (i = 0; i < b->made.draws; i++)
		take_draw(b, &b->draw[i]);
	for (i = 0; i < SF_BATCH_SCALARS; i++)
		if (b->made.scalar[i] != SF_NOVAR)
			take(b, &b->scalar[i], n, 1, num);
	sf_batch_list(b);
	for (i = 0; i < b->nrow; i++)
		(b->row[i].made == SF_ROW_DRAWN ? take : take_there)(b, &b->in[i], n, b->row[i].count, e);
	for (i = 0; i < SF_BATCH_VALUES; i++)
		if (b->made.value[i] != SF_NOVAR)
			take(b, &b->value[i], n, 1, e);
	(b->device ? take_there : take)(b, &b->grad, sf_param_total(b->g), 1, e);
}

/* ---- graph and plan ---- */

int sf_batch_grads(sf_graph *g, sf_var **grad)
{
	int np = sf_param_count(g), i;

	SF_TRY(sf_graph_status(g));
	*grad = sf_alloc((size_t)np + 1, sizeof **grad);
	if (!*grad) {
		sf_graph_fail(g, SF_ENOMEM, "training: out of memory");
		return SF_ENOMEM;
	}
	for (i = 0; i < np; i++)
		(*grad)[i] = SF_NOVAR;
	return SF_OK;
}

int sf_batch_grad(sf_graph *g, sf_var loss, int first, int end, sf_var *grad, int more, const sf_var *also, sf_var *also_out)
{
	enum { MORE = 4 };
	int n = end - first, i, rc;
	sf_var *wrt, *out;

	SF_TRY(sf_graph_status(g));
	wrt = sf_alloc(2 * ((size_t)n + MORE), sizeof *wrt);
	if (!wrt || more > MORE) {
		sf_free(wrt);
		sf_graph_fail(g, SF_ENOMEM, "training: out of memory");
		return SF_ENOMEM;
	}
	out = wrt + n + MORE;
	for (i = 0; i < n; i++)
		wrt[i] = sf_param_get(g, first + i)->var;
	for (i = 0; i < more; i++)
		wrt[n + i] = also[i];
	rc = sf_grad(g, loss, wrt, n + more, out);
	for (i = 0; rc == 0 && i < n; i++)
		grad[first + i] = out[i];
	for (i = 0; rc == 0 && i < more; i++)
		also_out[i] = out[n + i];
	sf_free(wrt);
	return rc;
}

/* The objective's loss and nothing else. */
static int build_plain(sf_batch *b, int train, sf_batch_made *made)
{
	made->draws = 1;
	SF_TRY(sf_objective_build(b->o, &b->m, b->g, train, &made->draw[0]));
	made->value[0] = made->draw[0].loss;
	SF_TRY(sf_batch_grads(b->g, &made->grad));
	return sf_batch_grad(b->g, made->value[0], 0, sf_param_count(b->g), made->grad, 0, NULL, NULL);
}

static int plan(sf_batch *b, int64_t shard)
{
	int np = sf_param_count(b->g), n = 0, i, rc;
	sf_var *var = sf_alloc((size_t)np + SF_BATCH_VALUES, sizeof *var);

	if (!var)
		return sf_fail(b->ctx, SF_ENOMEM, "training: out of memory");
	for (i = 0; i < SF_BATCH_VALUES; i++)
		if (b->made.value[i] != SF_NOVAR)
			var[n++] = b->made.value[i];
	for (i = 0; i < np; i++)
		if (b->made.grad[i] != SF_NOVAR)
			var[n++] = b->made.grad[i];
	rc = sf_plan_layout(b->g, var, n, b->type, shard, &b->plan);
	sf_free(var);
	return rc;
}

static int open_graph(sf_batch *b, const sf_batch_how *how)
{
	int order = b->kind ? b->kind->order : sf_objective_order(b->o, &b->m), i;

	b->made.data = SF_NOVAR;
	for (i = 0; i < SF_BATCH_SCALARS; i++)
		b->made.scalar[i] = SF_NOVAR;
	for (i = 0; i < SF_BATCH_VALUES; i++)
		b->made.value[i] = SF_NOVAR;
	SF_TRY(sf_graph_new(b->ctx, order, &b->g));
	sf_graph_recompute(b->g, how->recompute);
	SF_TRY(b->kind ? b->kind->build(b->kind->user, b->g, how->train, &b->made) : build_plain(b, how->train, &b->made));
	return plan(b, (how->n + how->shards - 1) / how->shards);
}

int sf_batch_plan(const sf_objective *o, const sf_model *m, const sf_batch_how *how, sf_batch **out)
{
	int64_t parts = how->parts > 1 ? how->parts : 1, n, first;
	sf_batch *b;
	int rc, i;

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
	b->o = o;
	b->m = *m;
	b->kind = how->kind;
	b->device = how->device && sf_device_of(b->ctx, (int)b->type);
	b->data = how->kind ? how->kind->data : m->size;
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
	b->whole = how->whole ? how->whole : how->n;
	b->from = how->first;
	b->later = b->device && b->reference && !b->augments;
	b->draw[0].later = b->later;
	b->rows = !b->reference ? b->room : b->whole > b->reference ? b->whole : b->reference;
	for (i = 0; i < SF_BATCH_DRAWS; i++) {
		b->draw[i].batch = b->whole;
		b->draw[i].size = m->size;
	}
	rc = open_graph(b, how);
	if (rc < 0) {
		sf_batch_free(b);
		return rc;
	}
	sf_batch_count(b);
	*out = b;
	return SF_OK;
}

/* Gradients go straight into the flat buffer. */
static int bind(sf_batch *b)
{
	size_t e = b->type == SF_F32 ? sizeof(float) : sizeof(double);
	int np = sf_param_count(b->g), n = 0, i;

	for (i = 0; i < b->nrow; i++)
		SF_TRY(sf_plan_bind(b->plan, b->row[i].var, b->in[i]));
	for (i = 0; i < SF_BATCH_VALUES; i++)
		if (b->value[i])
			SF_TRY(sf_plan_output(b->plan, n++, b->value[i]));
	for (i = 0; i < np; i++)
		if (b->made.grad[i] != SF_NOVAR)
			SF_TRY(sf_plan_output(b->plan, n++, (char *)b->grad + (size_t)sf_param_get(b->g, i)->offset * e));
	return SF_OK;
}

int sf_batch_open(sf_batch *b)
{
	int64_t i;

	if (b->taking)
		return SF_OK;
	SF_TRY(sf_plan_room(b->plan, b->room));
	SF_TRY(sf_plan_take(b->plan));
	b->taking = 1;
	sf_batch_count(b);
	if (b->lacks)
		return SF_ENOMEM; /* the device has said so */
	if (b->bad)
		return sf_fail(b->ctx, SF_ENOMEM, "training: out of memory for a batch of %lld samples of %lld numbers",
		               (long long)b->room, (long long)b->data);
	for (i = 0; i < b->rows; i++)
		b->label[i] = -1;
	if (b->reference) {
		b->draw[0].nref = b->rows;
		b->draw[0].ref = b->x0;
		b->draw[0].ref_label = b->label;
		b->draw[0].ref_augment = b->augment;
	}
	SF_TRY(bind(b));
	return sf_batch_part(b, 0);
}

int sf_batch_part(sf_batch *b, int64_t part)
{
	sf_draw *d = &b->draw[0];
	int64_t row;

	if (part < 0 || part >= b->run.parts)
		return sf_fail(b->ctx, SF_ERANGE, "part %lld of a batch of %lld parts", (long long)part, (long long)b->run.parts);
	b->run.part = part;
	d->n = sf_run_samples(&b->run, &b->base);
	row = b->reference ? b->from + b->base : 0;
	d->first = (uint64_t)(b->from + b->base);
	d->x0 = b->kind ? b->zero : b->source ? NULL : b->x0 + row * d->size;
	d->label = b->label + row;
	d->augment = b->augments ? b->augment + row * b->augments : NULL;
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

static void free_draw(sf_draw *d)
{
	int i;

	sf_free(d->t);
	sf_free(d->coef);
	sf_free(d->weight);
	sf_free(d->xt);
	sf_free(d->z);
	sf_free(d->probe);
	for (i = 0; i < SF_OBJECTIVE_EXTRA; i++)
		sf_free(d->extra[i]);
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
	sf_free(b->zero);
	sf_free(b->seen);
	for (i = 0; i < SF_BATCH_DRAWS; i++)
		free_draw(&b->draw[i]);
	for (i = 0; i < SF_BATCH_SCALARS; i++)
		sf_free(b->scalar[i]);
	for (i = 0; i < SF_BATCH_ROWS; i++)
		if (b->row[i].made == SF_ROW_DRAWN)
			sf_free(b->in[i]);
	for (i = 0; i < SF_BATCH_VALUES; i++)
		sf_free(b->value[i]);
	sf_free(b->made.grad);
	sf_free(b->sample);
	sf_free(b->ratio);
	sf_free(b->own);
	sf_free(b->group);
	if (!b->device)
		sf_free(b->grad);
	sf_batch_leave(b);
	sf_free(b);
}

sf_draw *sf_batch_draw(sf_batch *b)
{
	return &b->draw[0];
}

int64_t sf_batch_data(const sf_batch *b, double **x, double **label)
{
	if (x)
		*x = b->x0;
	if (label)
		*label = b->label;
	return b->reference ? b->rows : b->draw[0].n;
}

double *sf_batch_augment(sf_batch *b)
{
	return b->augment;
}

/* ---- running ---- */

int sf_batch_prepare(sf_batch *b)
{
	if (b->source)
		return sf_objective_draw_times(b->o, &b->m, &b->draw[0]);
	if (b->kind)
		return b->kind->draw(b->kind->user, b->draw, b->scalar);
	SF_TRY(sf_objective_draw(b->o, &b->m, &b->draw[0]));
	return b->later ? sf_batch_stable(b) : SF_OK;
}

/* Their means over the parts run so far. */
static void add_values(sf_batch *b)
{
	int64_t i, n = b->draw[0].n;
	int k;

	for (k = 0; k < SF_BATCH_VALUES; k++) {
		const void *v = b->value[k];

		if (b->run.part == 0)
			b->sum[k] = v ? 0 : NAN;
		for (i = 0; v && i < n; i++)
			b->sum[k] += b->type == SF_F32 ? (double)((const float *)v)[i] : ((const double *)v)[i];
	}
}

int sf_batch_run(sf_batch *b, const void *params, double *loss)
{
	const sf_draw *d = &b->draw[0];
	double start = b->profile ? sf_seconds() : 0, fed = start;
	sf_run run = b->run;

	sf_batch_list(b); /* a part's arrays are where they are now */
	if (b->source)
		SF_TRY(sf_batch_feed(b));
	if (b->profile && b->source) {
		fed = sf_seconds();
		b->profile->seconds[SF_KIND_DRAW] += fed - start;
	}
	SF_TRY(sf_batch_put(b));
	if (b->profile)
		b->profile->seconds[SF_KIND_DATA] += sf_seconds() - fed;
	if (run.parts == 1)
		run.n = d->n;
	run.seed = d->seed;
	run.step = d->step;
	run.first_sample = d->first - (uint64_t)b->base;
	SF_TRY(sf_plan_bind_params(b->plan, params));
	SF_TRY(sf_plan_run(b->plan, &run));
	add_values(b);
	if (loss)
		*loss = sf_batch_value(b, 0);
	return SF_OK;
}

double sf_batch_value(const sf_batch *b, int i)
{
	return b->sum[i] / (double)(b->base + b->draw[0].n);
}

const void *sf_batch_losses(const sf_batch *b)
{
	return b->value[0];
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
