/* bench.c: times of the parts that training and sampling are made of: medians over repeated runs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 400 };

struct opts {
	common common;
	int64_t batch;
	double seconds;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {OPTION(0, "N", "batch", "samples of a training or sampling step",
					SF_OPT_INT, AT(batch), "64", 1, 65536),
				 OPTION(0, "S", "seconds", "time to spend on a row", SF_OPT_DOUBLE,
					AT(seconds), "1", 0.001, 3600),
				 OPTION_END
};

typedef struct bench {
	sf_ctx *ctx;
	const struct opts *o;
	json_t *rows;
} bench;

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One row: the work of a run in some unit, and so its rate. */
static int row(bench *b, const char *name, const char *what, double median, int repeats,
	       double work, const char *unit)
{
	if (b->o->common.json)
		return json_array_append_new(
			b->rows, json_pack("{s:s, s:s, s:f, s:i, s:f, s:s}", "name", name, "what",
		                           what, "seconds", median, "repeats", repeats, "rate",
		                           work / median, "unit", unit));
	out("%-14s %-34s %12.4f ms %10.4g %s\n", name, what, 1e3 * median, work / median, unit);
	return 0;
}

typedef int (*work_fn)(void *arg);

static int measure(bench *b, work_fn work, void *arg, double *median, int *repeats)
{
	double *t = malloc(REPEATS * sizeof *t), begin;
	int n = 0, rc;

	if (!t)
		return fail(STATUS_INPUT, "out of memory");
	rc = work(arg); /* caches, page tables, clock speed */
	for (begin = now(); rc == 0 && n < REPEATS && (n < 3 || now() - begin < b->o->seconds);
	     n++) {
		t[n] = now();
		rc = work(arg);
		t[n] = now() - t[n];
	}
	qsort(t, (size_t)n, sizeof *t, by_size);
	*median = n ? t[n / 2] : 0;
	*repeats = n;
	free(t);
	return rc;
}

/* ---- plans of one operation ---- */

typedef struct plan_run {
	sf_plan *plan;
	sf_run run;
} plan_run;

static int run_plan(void *arg)
{
	plan_run *p = arg;

	return sf_plan_run(p->plan, &p->run);
}

static float *numbers(sf_ctx *ctx, int64_t n)
{
	sf_noise key = {1, SF_NOISE_USER, 0};
	float *x = malloc((size_t)n * sizeof *x);

	if (x)
		sf_noise_normal(ctx, key, 0, 0, (size_t)n, x);
	return x;
}

enum { OP_GEMM, OP_CONV, OP_CONV_GRAD, OP_NORM };

static sf_var build(sf_graph *g, int op, sf_var *x, sf_var *w)
{
	static const int64_t square[2] = {256, 256}, image[3] = {32, 32, 64},
			     kernel[4] = {3, 3, 64, 64}, channels[1] = {64};
	sf_var grad[1] = {SF_NOVAR}, wrt[1];

	*x = op == OP_GEMM ? sf_input(g, "x", 1, 2, square) : sf_input(g, "x", 1, 3, image);
	if (op == OP_GEMM) {
		*w = sf_input(g, "w", 0, 2, square);
		return sf_matmul(g, *x, *w, 0, 0);
	}
	if (op == OP_NORM) {
		*w = sf_input(g, "w", 0, 1, channels);
		return sf_group_norm(g, *x, *w, *w, 16, 1e-6, SF_ACT_SILU);
	}
	*w = sf_input(g, "w", 0, 4, kernel);
	if (op == OP_CONV)
		return sf_conv2d(g, *x, *w, 1, 1);
	wrt[0] = *w;
	sf_grad(g, sf_sumsq(g, sf_conv2d(g, *x, *w, 1, 1)), wrt, 1, grad);
	return grad[0];
}

static int bench_op(bench *b, int op, const char *name, const char *what)
{
	int64_t n = 4 * (int64_t)sf_ctx_threads(b->ctx), nx, nw;
	float *x = NULL, *w = NULL, *y = NULL;
	plan_run p = {NULL, {0, 0, 0, 0, 0, 0, 0}};
	sf_graph *g = NULL;
	sf_plan_info info;
	sf_var vx, vw, vy;
	sf_shape out_shape;
	double median = 0;
	int repeats = 0, rc = sf_graph_new(b->ctx, 1, &g);

	if (rc < 0)
		return rc;
	vy = build(g, op, &vx, &vw);
	rc = sf_graph_status(g);
	if (rc == 0)
		rc = sf_plan_new(g, &vy, 1, SF_F32, 4, &p.plan);
	if (rc == 0) {
		out_shape = sf_shape_of(g, vy);
		nx = n * sf_shape_of(g, vx).size;
		nw = sf_shape_of(g, vw).size;
		x = numbers(b->ctx, nx);
		w = numbers(b->ctx, nw);
		y = malloc((size_t)(n * out_shape.size) * sizeof *y);
		rc = x && w && y ? 0 : fail(STATUS_INPUT, "out of memory");
	}
	if (rc == 0)
		rc = sf_plan_bind(p.plan, vx, x);
	if (rc == 0)
		rc = sf_plan_bind(p.plan, vw, w);
	if (rc == 0)
		rc = sf_plan_output(p.plan, 0, y);
	p.run.n = n;
	if (rc == 0)
		rc = measure(b, run_plan, &p, &median, &repeats);
	if (rc == 0) {
		sf_plan_describe(p.plan, &info);
		rc = row(b, name, what, median, repeats, 1e-9 * info.flops * (double)n, "GFLOP/s");
	}
	sf_plan_free(p.plan);
	sf_graph_free(g);
	free(x);
	free(w);
	free(y);
	return rc;
}

/* ---- normals ---- */

enum { NORMALS = 1 << 20 };
typedef struct normals {
	sf_ctx *ctx;
	float *x;
} normals;

static int run_normals(void *arg)
{
	normals *w = arg;
	sf_noise key = {1, SF_NOISE_USER, 0};

	sf_noise_normal(w->ctx, key, 0, 0, NORMALS, w->x);
	return 0;
}

static int bench_normals(bench *b)
{
	normals w;
	double median = 0;
	int repeats = 0, rc;

	w.ctx = b->ctx;
	w.x = malloc(NORMALS * sizeof *w.x);
	if (!w.x)
		return fail(STATUS_INPUT, "out of memory");
	rc = measure(b, run_normals, &w, &median, &repeats);
	if (rc == 0)
		rc = row(b, "normals", "2^20 numbers, one thread", median, repeats, 1e-6 * NORMALS,
		         "million/s");
	free(w.x);
	return rc;
}

/* ---- steps of a preset ---- */

typedef struct train_run {
	step *s;
	const void *params;
} train_run;

static int run_train(void *arg)
{
	train_run *w = arg;

	return sf_batch_run(w->s->batch, w->params, NULL);
}

static int bench_train(bench *b, step *s, const char *preset)
{
	int64_t n = b->o->batch, i;
	void *params = calloc((size_t)s->total, s->setup.type == SF_F64 ? 8 : 4);
	double *x, median = 0;
	train_run w;
	int repeats = 0, rc = params ? 0 : fail(STATUS_INPUT, "out of memory");

	if (rc == 0) {
		int64_t rows = sf_batch_data(s->batch, &x, NULL);

		for (i = 0; i < rows * s->setup.model.size; i++)
			x[i] = 0.5 + (double)(i % 7) / 7;
		sf_param_init(sf_batch_graph(s->batch), 0, s->setup.type, params);
		rc = sf_objective_draw(s->setup.objective, &s->setup.model, sf_batch_draw(s->batch));
	}
	w.s = s;
	w.params = params;
	if (rc == 0)
		rc = measure(b, run_train, &w, &median, &repeats);
	if (rc == 0) {
		char what[64];

		snprintf(what, sizeof what, "%.20s, loss and gradient, %lld", preset, (long long)n);
		rc = row(b, "training", what, median, repeats, 1e-9 * s->info.flops * (double)n, "GFLOP/s");
	}
	free(params);
	return rc;
}

typedef struct score_run {
	sf_score *score;
	int64_t n;
	double *x, *t, *y;
} score_run;

static int run_score(void *arg)
{
	score_run *w = arg;

	return sf_score_eval(w->score, SF_SCORE, w->n, w->x, w->t, w->y);
}

static int bench_sample(bench *b, step *s, const char *preset)
{
	int64_t n = b->o->batch, each = s->setup.model.size, i;
	double t = sf_process_time_of_ratio(s->setup.process, 1), median = 0;
	void *params = calloc((size_t)s->total, s->setup.type == SF_F64 ? 8 : 4);
	score_run w;
	char what[64];
	int repeats = 0, rc = 0;

	w.score = NULL;
	w.n = n;
	w.x = calloc((size_t)(n * each), sizeof *w.x);
	w.y = calloc((size_t)(n * each), sizeof *w.y);
	w.t = calloc((size_t)n, sizeof *w.t);
	if (!params || !w.x || !w.y || !w.t)
		rc = fail(STATUS_INPUT, "out of memory");
	if (rc == 0) {
		for (i = 0; i < n; i++)
			w.t[i] = t;
		sf_param_init(sf_batch_graph(s->batch), 0, s->setup.type, params);
		rc = sf_model_score(&s->setup.model, s->setup.type, params, 0, &w.score);
	}
	if (rc == 0)
		rc = measure(b, run_score, &w, &median, &repeats);
	if (rc == 0) {
		snprintf(what, sizeof what, "%.20s, one evaluation, %lld", preset, (long long)n);
		rc = row(b, "sampling", what, median, repeats, (double)n, "samples/s");
	}
	sf_score_free(w.score);
	free(w.x);
	free(w.y);
	free(w.t);
	free(params);
	return rc;
}

static int bench_preset(bench *b, const char *preset)
{
	sf_config *c = NULL;
	step s;
	int rc = step_config(b->ctx, &b->o->common, preset, &c);

	if (rc)
		return rc;
	rc = step_open(b->ctx, c, b->o->batch, 4, &s);
	if (rc == 0)
		rc = bench_train(b, &s, preset);
	if (rc == 0)
		rc = bench_sample(b, &s, preset);
	step_close(&s);
	sf_config_free(c);
	return rc;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	bench b;
	int i, rc;

	b.ctx = ctx;
	b.o = options_given;
	b.rows = b.o->common.json ? json_array() : NULL;
	if (!b.o->common.json && !b.o->common.quiet)
		out("%d threads, instruction set %s, BLAS %s\n", sf_ctx_threads(ctx),
		    sf_ctx_isa(ctx), sf_blas_name());
	rc = bench_op(&b, OP_GEMM, "gemm", "256 x 256 x 256 a sample");
	if (rc == 0)
		rc = bench_op(&b, OP_CONV, "conv", "3 x 3, 64 to 64, 32 x 32");
	if (rc == 0)
		rc = bench_op(&b, OP_CONV_GRAD, "conv-gradient",
		              "the same and its weight gradient");
	if (rc == 0)
		rc = bench_op(&b, OP_NORM, "group-norm", "32 x 32 x 64, 16 groups, with SiLU");
	if (rc == 0)
		rc = bench_normals(&b);
	if (rc == 0 && n == 0)
		rc = bench_preset(&b, "digits");
	for (i = 0; rc == 0 && i < n; i++)
		rc = bench_preset(&b, word[i]);
	if (rc == 0 && b.rows)
		return out_json(json_pack("{s:i, s:s, s:s, s:o}", "threads", sf_ctx_threads(ctx),
		                          "isa", sf_ctx_isa(ctx), "blas", sf_blas_name(), "rows",
		                          b.rows));
	json_decref(b.rows);
	return rc;
}

const command bench_command = {"bench",
			       "Time the parts of training and sampling",
			       "[PRESET|FILE.ini]...",
			       "Medians. Without operands the preset 'digits' is timed. Rates "
			       "count the floating-point operations\n"
			       "of the plan.\n",
			       options,
			       sizeof(struct opts),
			       0,
			       -1,
			       run};
