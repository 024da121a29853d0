/* network.c: a trained network as a score: s(x,t) = -eps(x,t)/sigma(t).
 *
 * An evaluation runs the model's plan over chunks of the samples: coefficients are worked out per time in double,
 * inputs are rounded once to the plan's type, the result is divided by -sigma in double. Each sample's
 * result is its own, so neither the cut into chunks nor the threads show. Everything is allocated when the
 * score is made.
 *
 * A directional derivative J v = -(d eps/dx) v/sigma runs a plan of its own, forward mode on a graph of primitives
 * with the same parameters. It is planned when it is asked for the first time, and takes no memory after that.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/net.h>

#include "core/core.h"
#include "net/internal.h"
#include "score/score.h"

#include <string.h>

enum { XT, C_IN, C_NOISE, E_X, E_F, LABEL, POSITION, X_DOT, POSITION_DOT, INPUTS }; /* order of `in` */

struct network {
	sf_model m;
	sf_graph *g, *g2;
	sf_plan *plan, *tangent; /* g2, tangent: of the derivative, NULL until it is asked for */
	const void *params;
	sf_dtype type;
	int64_t batch, chunk; /* samples per shard and per run */
	void *in[INPUTS];     /* of the plan's type */
	void *eps;            /* or its tangent */
	double *sigma;
	int blocks;
	int *label;           /* what sf_model_score_labels set */
	int64_t nlabel;
};

/* n numbers from element `at` on of an input, rounded to the plan's type. */
static void store(const struct network *w, int which, int64_t at, int64_t n, const double *v)
{
	int64_t k;

	if (!w->in[which])
		return;
	if (w->type == SF_F32)
		for (k = 0; k < n; k++)
			((float *)w->in[which])[at + k] = (float)v[k];
	else
		memcpy((double *)w->in[which] + at, v, (size_t)n * sizeof *v);
}

struct job {
	struct network *w;
	int64_t first, n, tile; /* samples of the chunk; how many a tile takes */
	const int64_t *which;   /* sf_score_which */
	const double *x, *t, *v; /* v: NULL, or the direction of a derivative */
	double *out;
};

/* States u of samples i .. i+n-1 into the input of the noisy block and, where there are two, of the position. */
static void store_states(const struct network *w, int noisy, int position, int64_t i, int64_t n, const double *u)
{
	int64_t d = w->m.size, end = i + n;

	if (w->blocks == 1) {
		store(w, noisy, i * d, n * d, u);
		return;
	}
	for (; i < end; i++, u += 2 * d) {
		store(w, position, i * d, d, u);
		store(w, noisy, i * d, d, u + d);
	}
}

static void store_label(const struct job *j, int64_t i)
{
	const struct network *w = j->w;
	int64_t sample = j->which ? j->which[j->first + i] : j->first + i;
	double label = w->nlabel ? w->label[sample % w->nlabel] : -1;

	store(w, LABEL, i, 1, &label);
}

static void fill_some(struct job *j, int64_t i, int64_t n)
{
	struct network *w = j->w;
	int64_t at = (j->first + i) * w->m.size * w->blocks, end = i + n, k;
	const double *t = j->t + j->first;
	sf_coef c;

	store_states(w, XT, POSITION, i, n, j->x + at);
	if (j->v)
		store_states(w, X_DOT, POSITION_DOT, i, n, j->v + at);
	for (k = i; k < end; k++) {
		if (k == i || t[k] != t[k - 1]) /* samplers have one time for all samples */
			sf_model_coef(&w->m, t[k], &c);
		store(w, C_IN, k, 1, &c.c_in);
		store(w, C_NOISE, k, 1, &c.c_noise);
		store(w, E_X, k, 1, &c.e_x);
		store(w, E_F, k, 1, &c.e_f);
		w->sigma[k] = c.sigma;
		if (w->in[LABEL])
			store_label(j, k);
	}
}

static void finish_one(struct job *j, int64_t i)
{
	const struct network *w = j->w;
	int64_t d = w->m.size, k;
	double *out = j->out + (j->first + i) * d * w->blocks;

	/* two blocks: the noise, and so the score that anything asks for, is the velocity's */
	for (k = 0; w->blocks == 2 && k < d; k++)
		*out++ = 0;
	for (k = 0; k < d; k++) {
		double eps = w->type == SF_F32 ? ((const float *)w->eps)[i * d + k]
		                               : ((const double *)w->eps)[i * d + k];
		out[k] = -eps / w->sigma[i];
	}
}

static int fill(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t end = (tile + 1) * j->tile < j->n ? (tile + 1) * j->tile : j->n;

	(void)worker;
	fill_some(j, tile * j->tile, end - tile * j->tile);
	return 0;
}

static int finish(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t i, end = (tile + 1) * j->tile < j->n ? (tile + 1) * j->tile : j->n;

	(void)worker;
	for (i = tile * j->tile; i < end; i++)
		finish_one(j, i);
	return 0;
}

/* Shards of at most `most` samples, as many for each thread where there are enough samples. */
static int64_t cut(int64_t n, int64_t most, int64_t threads)
{
	int64_t shards = ((n + most - 1) / most + threads - 1) / threads * threads;

	return shards < n ? shards : n;
}

/* The score, or with a direction v its derivative. */
static int evaluate(const sf_score *s, sf_plan *plan, int64_t n, const double *x, const double *t, const double *v,
                    double *out)
{
	struct network *w = s->object.state;
	struct job j;
	int64_t threads = sf_ctx_threads(w->m.ctx);

	j.w = w;
	j.which = s->which;
	j.tile = w->m.size < 256 ? 64 : 1;
	j.x = x;
	j.t = t;
	j.v = v;
	j.out = out;
	for (j.first = 0; j.first < n; j.first += w->chunk) {
		int64_t m = n - j.first < w->chunk ? n - j.first : w->chunk;
		double ns = (double)m * (8 + 2 * (double)w->m.size);
		sf_run run;

		memset(&run, 0, sizeof run);
		run.n = j.n = m;
		run.shards = cut(m, w->batch, threads);
		SF_TRY(sf_parallel_work(w->m.ctx, ns, (m + j.tile - 1) / j.tile, fill, &j));
		SF_TRY(sf_plan_run(plan, &run));
		SF_TRY(sf_parallel_work(w->m.ctx, ns, (m + j.tile - 1) / j.tile, finish, &j));
	}
	return SF_OK;
}

static int is_state(int which)
{
	return which == XT || which == POSITION || which == X_DOT || which == POSITION_DOT;
}

/* Takes the buffers of the inputs that are there and binds them. */
static int bind(struct network *w, sf_plan *plan, const sf_var *var)
{
	size_t e = w->type == SF_F32 ? sizeof(float) : sizeof(double), n = (size_t)w->chunk;
	int i;

	for (i = 0; i < INPUTS; i++) {
		if (var[i] == SF_NOVAR)
			continue;
		if (!w->in[i])
			w->in[i] = sf_alloc(is_state(i) ? n * (size_t)w->m.size : n, e);
		if (!w->in[i])
			return sf_fail(w->m.ctx, SF_ENOMEM, "network score: out of memory");
		SF_TRY(sf_plan_bind(plan, var[i], w->in[i]));
	}
	SF_TRY(sf_plan_bind_params(plan, w->params));
	SF_TRY(sf_plan_hold(plan, 1));
	return sf_plan_output(plan, 0, w->eps);
}

static void list_inputs(const sf_model_vars *v, sf_var *var)
{
	var[XT] = v->x;
	var[C_IN] = v->c_in;
	var[C_NOISE] = v->c_noise;
	var[E_X] = v->e_x;
	var[E_F] = v->e_f;
	var[LABEL] = v->label;
	var[POSITION] = v->position;
	var[X_DOT] = var[POSITION_DOT] = SF_NOVAR;
}

static int plan_tangent(struct network *w)
{
	const sf_model *m = &w->m;
	sf_var var[INPUTS], dot;
	sf_model_vars v;

	SF_TRY(sf_graph_new(m->ctx, 2, &w->g2));
	sf_model_vars_init(&v);
	SF_TRY(sf_model_build(m, w->g2, 0, &v));
	list_inputs(&v, var);
	var[X_DOT] = sf_input(w->g2, "x_dot", 1, m->rank, m->dim);
	dot = sf_jvp(w->g2, v.eps, v.x, var[X_DOT]);
	if (v.position != SF_NOVAR) {
		var[POSITION_DOT] = sf_input(w->g2, "position_dot", 1, m->rank, m->dim);
		dot = sf_add(w->g2, dot, sf_jvp(w->g2, v.eps, v.position, var[POSITION_DOT]));
	}
	SF_TRY(sf_plan_new(w->g2, &dot, 1, w->type, w->batch, &w->tangent));
	return bind(w, w->tangent, var);
}

static void drop_tangent(struct network *w)
{
	sf_plan_free(w->tangent);
	sf_graph_free(w->g2);
	w->tangent = NULL;
	w->g2 = NULL;
}

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return evaluate(s, ((struct network *)s->object.state)->plan, n, x, t, NULL, out);
}

static int jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v, double *out)
{
	struct network *w = s->object.state;
	int rc = w->tangent ? SF_OK : plan_tangent(w);

	if (rc < 0) {
		drop_tangent(w);
		return rc;
	}
	return evaluate(s, w->tangent, n, x, t, v, out);
}

static void fini(void *state)
{
	struct network *w = state;
	int i;

	drop_tangent(w);
	sf_plan_free(w->plan);
	sf_graph_free(w->g);
	for (i = 0; i < INPUTS; i++)
		sf_free(w->in[i]);
	sf_free(w->eps);
	sf_free(w->sigma);
	sf_free(w->label);
}

static const sf_score_class network_class = {
	{"network", "a trained network", "", sizeof(struct network), NULL, NULL, fini},
	NULL, eval, NULL, jvp, NULL};

/* A shard's activations should stay in cache, but a matrix product wants some rows. */
static int64_t shard_of(const sf_model *m, int64_t batch)
{
	return batch ? batch : m->size <= 64 ? 128 : 8;
}

static int on_device(const sf_model *m, sf_dtype type)
{
	return type == SF_F32 && strcmp(sf_ctx_device(m->ctx), "cpu") != 0;
}

/* Samples of a run: one shard a thread, and of small data many, because to start a run costs as much as some samples. */
static int64_t chunk_of(const sf_model *m, sf_dtype type, int64_t batch)
{
	enum { SMALL = 64, MANY = 2048, DEVICE = 512 };
	int64_t chunk = shard_of(m, batch) * sf_ctx_threads(m->ctx);

	if (on_device(m, type))
		return batch ? batch : m->size <= SMALL ? 8 * MANY : DEVICE;
	return batch == 0 && m->size <= SMALL && chunk < MANY ? MANY : chunk;
}

/* A device takes the chunk as a whole; where it has too little memory for that, less. */
static int take_plan(struct network *w, sf_var eps)
{
	int rc;

	SF_TRY(sf_plan_layout(w->g, &eps, 1, w->type, w->batch, &w->plan));
	do {
		SF_TRY(sf_plan_room(w->plan, w->chunk));
		rc = sf_plan_take(w->plan);
	} while (rc == SF_ENOMEM && on_device(&w->m, w->type) && (w->chunk /= 2) > 0);
	return rc;
}

static int prepare(struct network *w)
{
	sf_ctx *ctx = w->m.ctx;
	size_t e = w->type == SF_F32 ? sizeof(float) : sizeof(double), nx;
	sf_var var[INPUTS];
	sf_model_vars v;

	if (sf_mul_size((size_t)w->chunk, (size_t)w->m.size, &nx) < 0)
		return sf_fail(ctx, SF_ERANGE, "network score: a batch of %lld samples is too large",
		               (long long)w->chunk);
	SF_TRY(sf_graph_new(ctx, 1, &w->g));
	sf_model_vars_init(&v);
	SF_TRY(sf_model_build(&w->m, w->g, 0, &v));
	SF_TRY(take_plan(w, v.eps));
	w->eps = sf_alloc((size_t)w->chunk * (size_t)w->m.size, e);
	w->sigma = sf_alloc((size_t)w->chunk, sizeof(double));
	if (!w->eps || !w->sigma)
		return sf_fail(ctx, SF_ENOMEM, "network score: out of memory");
	list_inputs(&v, var);
	return bind(w, w->plan, var);
}

int sf_model_score_bytes(const sf_model *m, sf_dtype type, int64_t batch, double *bytes)
{
	double threads = sf_ctx_threads(m->ctx), arrays;
	sf_plan_info info;
	sf_model_vars v;
	sf_graph *g;
	int rc;

	*bytes = 0;
	SF_TRY(sf_graph_new(m->ctx, 1, &g));
	sf_model_vars_init(&v);
	rc = sf_model_build(m, g, 0, &v);
	if (rc == 0)
		rc = sf_plan_measure(g, &v.eps, 1, type, shard_of(m, batch), &info);
	if (rc == 0) { /* x_t, the position where there is one, and eps */
		arrays = (2 + (v.position != SF_NOVAR)) * (double)m->size * (type == SF_F32 ? sizeof(float) : sizeof(double));
		*bytes = (double)chunk_of(m, type, batch) * arrays;
		if (!on_device(m, type))
			*bytes += (double)info.shared_bytes + threads * (double)info.arena_bytes;
	}
	sf_graph_free(g);
	return rc;
}

int sf_model_score(const sf_model *m, sf_dtype type, const void *params, int64_t batch, sf_score **s)
{
	struct network *w;
	int rc;

	*s = NULL;
	SF_TRY(sf_model_check(m));
	if (batch < 0)
		return sf_fail(m->ctx, SF_ERANGE, "network score: a batch of %lld samples", (long long)batch);
	SF_TRY(sf_score_make(m->ctx, &network_class, m->process, m->size, s));
	w = (*s)->object.state;
	w->m = *m;
	w->type = type;
	w->batch = shard_of(m, batch);
	w->chunk = chunk_of(m, type, batch);
	w->m.cond = sf_model_cond(m);
	w->blocks = sf_process_blocks(m->process);
	w->params = params;
	rc = prepare(w);
	if (rc < 0) {
		sf_score_free(*s);
		*s = NULL;
	}
	return rc;
}

int sf_model_score_params(sf_score *s, const void *params)
{
	struct network *w = s->object.state;

	if (s->object.cls != &network_class.head)
		return sf_fail(sf_score_context(s), SF_EINVAL, "only the score of a network takes parameters");
	w->params = params;
	SF_TRY(sf_plan_bind_params(w->plan, params));
	return w->tangent ? sf_plan_bind_params(w->tangent, params) : SF_OK;
}

int sf_model_score_labels(sf_score *s, int64_t n, const int *label)
{
	struct network *w = s->object.state;
	int *copy;
	int64_t i;

	if (s->object.cls != &network_class.head)
		return sf_fail(sf_score_context(s), SF_EINVAL, "only the score of a network takes labels");
	for (i = 0; i < n; i++)
		if (label[i] < -1 || label[i] >= w->m.classes)
			return sf_fail(w->m.ctx, SF_ERANGE, "label %d; the model has %d classes", label[i],
			               w->m.classes);
	copy = n > 0 ? sf_alloc((size_t)n, sizeof *copy) : NULL;
	if (n > 0 && !copy)
		return sf_fail(w->m.ctx, SF_ENOMEM, "network score: out of memory");
	for (i = 0; i < n; i++)
		copy[i] = label[i];
	sf_free(w->label);
	w->label = copy;
	w->nlabel = n;
	return SF_OK;
}
