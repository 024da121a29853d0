/* ops.c: rows of single operations, through plans: what a network's layers cost with all threads.
 *
 * Gradients are taken with respect to one operand, so that a plan holds one convolution: forward, its adjoint in the
 * image (data) or in the weights (weight).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct plan_work {
	sf_graph *g;
	sf_plan *plan;
	sf_run run;
	float *in[3], *out;
	int nin;
	double flops;
} plan_work;

static int run_plan(void *state)
{
	plan_work *w = state;

	return sf_plan_run(w->plan, &w->run);
}

static float *numbers(const sf_ctx *ctx, int64_t n)
{
	sf_noise key = {1, SF_NOISE_USER, 0};
	float *x = malloc((size_t)n * sizeof *x);

	if (x)
		sf_noise_normal(ctx, key, 0, 0, (size_t)n, x);
	return x;
}

static void close_plan(plan_work *w)
{
	int i;

	sf_plan_free(w->plan);
	sf_graph_free(w->g);
	for (i = 0; i < w->nin; i++)
		free(w->in[i]);
	free(w->out);
}

/* Plans y of the inputs, fills them with noise and binds everything; n samples in the parts that w->run asks for or
 * else in as many as keep all threads busy at the end. */
static int open_plan(bench *b, plan_work *w, const sf_var *in, int nin, sf_var y, int64_t n)
{
	int64_t shards = w->run.shards > 0 ? w->run.shards : 16, count;
	sf_plan_info info;
	sf_shape s;
	int i;

	if (sf_graph_status(w->g) < 0)
		return sf_graph_status(w->g);
	if (shards > n)
		shards = n;
	s = sf_shape_of(w->g, y);
	w->out = malloc((size_t)((s.per_sample ? n : 1) * s.size) * sizeof(float));
	if (!w->out)
		return SF_ENOMEM;
	i = sf_plan_new(w->g, &y, 1, SF_F32, (n + shards - 1) / shards, &w->plan);
	for (; i == 0 && w->nin < nin; w->nin++) {
		s = sf_shape_of(w->g, in[w->nin]);
		count = (s.per_sample ? n : 1) * s.size;
		w->in[w->nin] = numbers(b->ctx, count);
		i = w->in[w->nin] ? sf_plan_bind(w->plan, in[w->nin], w->in[w->nin]) : SF_ENOMEM;
	}
	if (i < 0)
		return i;
	w->run.n = n;
	w->run.shards = shards;
	sf_plan_describe(w->plan, &info);
	w->flops = info.flops * (double)n;
	return sf_plan_output(w->plan, 0, w->out);
}

static int time_plan(bench *b, row *r, const sf_var *in, int nin, sf_var y, int64_t n, plan_work *w)
{
	int rc = open_plan(b, w, in, nin, y, n);

	if (rc == 0)
		rc = bench_row(b, r, run_plan, w);
	else
		fprintf(stderr, "bench: %s %s: %s\n", r->group, r->what, sf_ctx_message(b->ctx));
	close_plan(w);
	return rc;
}

/* ---- convolutions ---- */

static int convolution(bench *b, int kind, int k, int batch, int size, int ci, int co)
{
	static const char *const kinds[] = {"forward", "data", "weight"};
	int64_t image[3] = {0, 0, 0}, result[3], kernel[4] = {0, 0, 0, 0};
	plan_work w;
	sf_var in[3], y, grad = SF_NOVAR;
	row r;

	memset(&r, 0, sizeof r);
	memset(&w, 0, sizeof w);
	r.group = k == 3 ? "conv 3x3" : "conv 1x1";
	snprintf(r.what, sizeof r.what, "%s, %d of %dx%d, %d to %d", kinds[kind], batch, size, size, ci, co);
	snprintf(r.request, sizeof r.request, "conv %s %d %d %d %d %d", kinds[kind], k, batch, size, ci, co);
	r.flop = 2. * batch * size * size * ci * co * k * k;
	if (!bench_wants(b, &r))
		return 0;
	image[0] = image[1] = result[0] = result[1] = size;
	image[2] = kernel[2] = ci;
	result[2] = kernel[3] = co;
	kernel[0] = kernel[1] = k;
	if (sf_graph_new(b->ctx, 1, &w.g) < 0)
		return SF_ENOMEM;
	in[0] = sf_input(w.g, "x", 1, 3, image);
	in[1] = sf_input(w.g, "w", 0, 4, kernel);
	y = sf_conv2d(w.g, in[0], in[1], 1, k / 2);
	if (kind > 0) {
		in[2] = sf_input(w.g, "dy", 1, 3, result);
		sf_grad(w.g, sf_dot(w.g, y, in[2]), &in[kind - 1], 1, &grad);
		in[kind - 1] = in[2]; /* the operand that the gradient does not read */
		y = grad;
	}
	return time_plan(b, &r, in, 2, y, batch, &w);
}

/* A 1x1 convolution is a matrix product over all pixels, as the networks build it. */
static int pointwise(bench *b, int kind, int batch, int size, int ci, int co)
{
	static const char *const kinds[] = {"forward", "data", "weight"};
	int64_t image[2], result[2], matrix[2];
	plan_work w;
	sf_var in[3], y, grad = SF_NOVAR;
	row r;

	memset(&r, 0, sizeof r);
	memset(&w, 0, sizeof w);
	r.group = "conv 1x1";
	snprintf(r.what, sizeof r.what, "%s, %d of %dx%d, %d to %d", kinds[kind], batch, size, size, ci, co);
	snprintf(r.request, sizeof r.request, "conv %s 1 %d %d %d %d", kinds[kind], batch, size, ci, co);
	r.flop = 2. * batch * size * size * ci * co;
	if (!bench_wants(b, &r))
		return 0;
	image[0] = result[0] = (int64_t)size * size;
	image[1] = matrix[0] = ci;
	result[1] = matrix[1] = co;
	if (sf_graph_new(b->ctx, 1, &w.g) < 0)
		return SF_ENOMEM;
	in[0] = sf_input(w.g, "x", 1, 2, image);
	in[1] = sf_input(w.g, "w", 0, 2, matrix);
	y = sf_matmul(w.g, in[0], in[1], 0, 0);
	if (kind > 0) {
		in[2] = sf_input(w.g, "dy", 1, 2, result);
		sf_grad(w.g, sf_dot(w.g, y, in[2]), &in[kind - 1], 1, &grad);
		in[kind - 1] = in[2];
		y = grad;
	}
	return time_plan(b, &r, in, 2, y, batch, &w);
}

/* ---- matrix products ---- */

static int product(bench *b, int m, int n, int k)
{
	int64_t left = k, right[2];
	plan_work w;
	sf_var in[2], y;
	row r;

	memset(&r, 0, sizeof r);
	memset(&w, 0, sizeof w);
	r.group = "gemm";
	snprintf(r.what, sizeof r.what, "%d x %d x %d", m, n, k);
	snprintf(r.request, sizeof r.request, "gemm %d %d %d", m, n, k);
	r.flop = 2. * m * n * k;
	if (!bench_wants(b, &r))
		return 0;
	right[0] = k;
	right[1] = n;
	if (sf_graph_new(b->ctx, 1, &w.g) < 0)
		return SF_ENOMEM;
	in[0] = sf_input(w.g, "a", 1, 1, &left); /* a row is a sample */
	in[1] = sf_input(w.g, "b", 0, 2, right);
	y = sf_matmul(w.g, in[0], in[1], 0, 0);
	/* rows that a thread had last time are still in its cache, and each part reads all of the right factor: few parts */
	w.run.shards = r.flop < 4e6 ? 2 : 4;
	return time_plan(b, &r, in, 2, y, m, &w);
}

/* ---- normalisation and noise ---- */

static int normalisation(bench *b, int batch, int size, int c)
{
	int64_t image[3], channels = c;
	plan_work w;
	sf_var in[3], y;
	row r;

	memset(&r, 0, sizeof r);
	memset(&w, 0, sizeof w);
	r.group = "norm and SiLU";
	snprintf(r.what, sizeof r.what, "%d of %dx%d, %d channels", batch, size, size, c);
	snprintf(r.request, sizeof r.request, "norm %d %d %d", batch, size, c);
	r.items = (double)batch * size * size * c;
	r.unit = "numbers";
	if (!bench_wants(b, &r))
		return 0;
	image[0] = image[1] = size;
	image[2] = c;
	if (sf_graph_new(b->ctx, 1, &w.g) < 0)
		return SF_ENOMEM;
	in[0] = sf_input(w.g, "x", 1, 3, image);
	in[1] = sf_input(w.g, "gamma", 0, 1, &channels);
	in[2] = sf_input(w.g, "beta", 0, 1, &channels);
	y = sf_group_norm(w.g, in[0], in[1], in[2], c / 4 < 32 ? c / 4 : 32, 1e-6, SF_ACT_SILU);
	return time_plan(b, &r, in, 3, y, batch, &w);
}

static int normals(bench *b)
{
	enum { COUNT = 1 << 20, PARTS = 64 };
	int64_t part = COUNT / PARTS;
	plan_work w;
	sf_var y;
	row r;

	memset(&r, 0, sizeof r);
	memset(&w, 0, sizeof w);
	r.group = "normals";
	snprintf(r.what, sizeof r.what, "%d", COUNT);
	snprintf(r.request, sizeof r.request, "normals %d", COUNT);
	r.items = COUNT;
	r.unit = "numbers";
	if (!bench_wants(b, &r))
		return 0;
	if (sf_graph_new(b->ctx, 1, &w.g) < 0)
		return SF_ENOMEM;
	y = sf_random(w.g, 'n', SF_NOISE_USER, 1, &part);
	return time_plan(b, &r, NULL, 0, y, PARTS, &w);
}

int bench_kernels(bench *b)
{
	static const int shape[][4] = {/* batch, size, channels in and out */
		{32, 28, 64, 64}, {32, 14, 128, 128}, {32, 7, 128, 128}, {32, 32, 64, 64}, {32, 16, 128, 128},
		{32, 8, 256, 256}, {32, 14, 256, 128}, {128, 28, 64, 64}, {128, 14, 128, 128}, {32, 28, 1, 64}, {32, 28, 64, 1}};
	static const int matrix[][3] = {{64, 64, 64}, {128, 128, 128}, {512, 512, 512}, {2048, 2048, 2048},
		{512, 128, 128}, {1024, 512, 512}, {512, 128, 2}, {512, 2, 128}, {25088, 64, 576}};
	static const int image[][3] = {{32, 28, 64}, {32, 14, 128}, {128, 28, 64}};
	size_t i;
	int k;

	for (i = 0; i < sizeof shape / sizeof *shape; i++)
		for (k = 0; k < 3; k++)
			convolution(b, k, 3, shape[i][0], shape[i][1], shape[i][2], shape[i][3]);
	for (i = 0; i < 2; i++)
		for (k = 0; k < 3; k++)
			pointwise(b, k, shape[i][0], shape[i][1], shape[i][2], 2 * shape[i][3]);
	for (i = 0; i < sizeof matrix / sizeof *matrix; i++)
		product(b, matrix[i][0], matrix[i][1], matrix[i][2]);
	for (i = 0; i < sizeof image / sizeof *image; i++)
		normalisation(b, image[i][0], image[i][1], image[i][2]);
	normals(b);
	return b->failed;
}
