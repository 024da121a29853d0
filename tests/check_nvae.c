/* check_nvae.c: the halves of an autoencoder of images: sizes, parameters by hand, refusals, gradients by differences.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vae_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct half {
	sf_ctx *ctx;
	sf_net *net;
	sf_graph *g;
	sf_var x, y;
} half;

static void open_half(half *a, const char *spec, int64_t h, int64_t w, int64_t c, int out)
{
	int64_t dim[3];
	sf_net_io io;

	dim[0] = h;
	dim[1] = w;
	dim[2] = c;
	a->ctx = ck_ctx();
	assert_ok(a->ctx, sf_net_new(a->ctx, spec, &a->net));
	assert_ok(a->ctx, sf_net_accepts(a->net, 3, dim));
	assert_ok(a->ctx, sf_graph_new(a->ctx, 1, &a->g));
	memset(&io, 0, sizeof io);
	io.x = a->x = sf_input(a->g, "x", 1, 3, dim);
	io.cond = io.label = io.augment = SF_NOVAR;
	io.out_channels = out;
	a->y = sf_net_build(a->net, a->g, &io);
	assert_ok(a->ctx, sf_graph_status(a->g));
}

static void close_half(half *a)
{
	sf_graph_free(a->g);
	sf_net_free(a->net);
	sf_ctx_free(a->ctx);
}

static int64_t count(const half *a)
{
	int64_t n = 0;
	int i;

	for (i = 0; i < sf_param_count(a->g); i++)
		n += sf_param_get(a->g, i)->shape.size;
	return n;
}

static void ck_shape(const half *a, int64_t h, int64_t w, int64_t c)
{
	sf_shape s = sf_shape_of(a->g, a->y);

	ck_assert(s.per_sample && s.rank == 3);
	ck_assert_int_eq(s.dim[0], h);
	ck_assert_int_eq(s.dim[1], w);
	ck_assert_int_eq(s.dim[2], c);
}

static int64_t conv(int64_t k, int64_t in, int64_t out)
{
	return k * k * in * out + out;
}

/* A cell: two normalisations, two convolutions, a shortcut where channels change, squeeze and excitation. */
static int64_t cell(int64_t in, int64_t out, int squeeze)
{
	int64_t few = out / 16 < 4 ? 4 : out / 16;

	return 2 * in + 2 * out + conv(3, in, out) + conv(3, out, out) + (in != out ? conv(1, in, out) : 0) +
	       (squeeze ? conv(1, out, few) + conv(1, few, out) : 0);
}

START_TEST(sizes)
{
	half a;

	ck_assert_int_eq(cell(8, 8, 1), 1276);
	open_half(&a, "nvae-encoder:width=4,levels=1,squeeze=false", 8, 6, 1, 6);
	ck_shape(&a, 4, 3, 6);
	ck_assert_int_eq(count(&a), 1750);
	ck_assert_int_eq(count(&a), conv(3, 1, 4) + cell(4, 4, 0) + cell(4, 8, 0) + 16 + conv(3, 8, 6));
	close_half(&a);
	open_half(&a, "nvae-encoder:width=8,cells=2", 28, 28, 1, 12); /* 28 -> 14 -> 7 */
	ck_shape(&a, 7, 7, 12);
	ck_assert_int_eq(count(&a), conv(3, 1, 8) + 2 * cell(8, 8, 1) + cell(8, 16, 1) + cell(16, 16, 1) + cell(16, 32, 1) +
	                            cell(32, 32, 1) + 64 + conv(3, 32, 12));
	close_half(&a);
	open_half(&a, "nvae-decoder:width=8,cells=2", 7, 7, 6, 3);
	ck_shape(&a, 28, 28, 3);
	ck_assert_int_eq(count(&a), conv(3, 6, 32) + 2 * cell(32, 32, 1) + cell(32, 16, 1) + cell(16, 16, 1) + cell(16, 8, 1) +
	                            cell(8, 8, 1) + 16 + conv(3, 8, 3));
	close_half(&a);
	open_half(&a, "nvae-encoder:width=8,max-width=16,levels=3", 16, 8, 2, 2);
	ck_shape(&a, 2, 1, 2);
	ck_assert_int_eq(count(&a), conv(3, 2, 8) + cell(8, 8, 1) + cell(8, 16, 1) + 2 * cell(16, 16, 1) + 32 + conv(3, 16, 2));
	close_half(&a);
	open_half(&a, "nvae-decoder:width=4,levels=0", 5, 3, 2, 0); /* nothing is doubled; channels as the input's */
	ck_shape(&a, 5, 3, 2);
	close_half(&a);
}
END_TEST

static double run_one(half *a, sf_var var, const double *params, const double *x, int64_t n, double *out)
{
	sf_plan *plan;
	sf_run run;

	memset(&run, 0, sizeof run);
	run.n = n;
	run.shards = 1;
	assert_ok(a->ctx, sf_plan_new(a->g, &var, 1, SF_F64, n, &plan));
	sf_plan_bind(plan, a->x, x);
	assert_ok(a->ctx, sf_plan_bind_params(plan, params));
	assert_ok(a->ctx, sf_plan_output(plan, 0, out));
	assert_ok(a->ctx, sf_plan_run(plan, &run));
	sf_plan_free(plan);
	return out[0];
}

/* The whole network by hand, on an image of one pixel. */
START_TEST(one_pixel)
{
	half a;
	double *p, x[1] = {.7}, y[2], c[4], n[4], h[4], m[4], e[4], out[2];
	const sf_param_info *info;
	int i, j;

	open_half(&a, "nvae-encoder:width=4,levels=0", 1, 1, 1, 2);
	p = calloc((size_t)sf_param_total(a.g), sizeof *p);
	ck_assert(p != NULL);
	vae_normals(a.ctx, 1, sf_param_total(a.g), p);
	run_one(&a, a.y, p, x, 1, y);
	/* on one pixel a 3x3 convolution is its middle tap, and the mean over positions the pixel */
	{
		int64_t at[16];
		static const char *const name[16] = {
			"conv_in.weight", "conv_in.bias", "level0.cell0.norm0.weight", "level0.cell0.norm0.bias", "level0.cell0.conv0.weight",
			"level0.cell0.conv0.bias", "level0.cell0.norm1.weight", "level0.cell0.norm1.bias", "level0.cell0.conv1.weight",
			"level0.cell0.conv1.bias", "level0.cell0.squeeze.weight", "level0.cell0.squeeze.bias",
			"level0.cell0.excite.weight", "level0.cell0.excite.bias", "norm_out.weight", "norm_out.bias"};
		const double *w, *b;

		for (i = 0; i < 16; i++) {
			info = sf_param_get(a.g, i);
			ck_assert_str_eq(info->name, name[i]);
			at[i] = info->offset;
		}
#define NORM(from, k)                                                                                                    \
	do {                                                                                                             \
		double mean = 0, var = 0;                                                                                \
		for (j = 0; j < 4; j++)                                                                                  \
			mean += from[j] / 4;                                                                             \
		for (j = 0; j < 4; j++)                                                                                  \
			var += (from[j] - mean) * (from[j] - mean) / 4;                                                  \
		for (j = 0; j < 4; j++) {                                                                                \
			n[j] = (from[j] - mean) / sqrt(var + 1e-6) * p[at[k] + j] + p[at[k + 1] + j];                    \
			n[j] /= 1 + exp(-n[j]);                                                                          \
		}                                                                                                        \
	} while (0)
#define DENSE(to, from, in, k, middle, width)                                                                            \
	for (w = p + at[k] + (middle) * (in) * (width), b = p + at[k + 1], i = 0; i < (width); i++)                      \
		for (to[i] = b[i], j = 0; j < (in); j++)                                                                 \
			to[i] += from[j] * w[j * (width) + i]
		DENSE(c, x, 1, 0, 4, 4);
		NORM(c, 2);
		DENSE(h, n, 4, 4, 4, 4);
		NORM(h, 6);
		DENSE(h, n, 4, 8, 4, 4);
		DENSE(m, h, 4, 10, 0, 4);
		for (i = 0; i < 4; i++)
			m[i] = m[i] > 0 ? m[i] : 0;
		DENSE(e, m, 4, 12, 0, 4);
		for (i = 0; i < 4; i++)
			c[i] += .1 * h[i] / (1 + exp(-e[i]));
		NORM(c, 14);
		at[0] = sf_param_get(a.g, 16)->offset;
		at[1] = sf_param_get(a.g, 17)->offset;
		DENSE(out, n, 4, 0, 4, 2);
	}
	assert_close(y[0], out[0], 1e-11, 0);
	assert_close(y[1], out[1], 1e-11, 0);
	free(p);
	close_half(&a);
}
END_TEST

/* With the middle taps alone a larger image of one value is that pixel everywhere: means over positions are means. */
START_TEST(one_value)
{
	static const char spec[] = "nvae-encoder:width=4,levels=0";
	double *p, x[6], y[2], many[12];
	half one, six;
	int64_t j, per;
	int i;

	open_half(&one, spec, 1, 1, 1, 2);
	open_half(&six, spec, 3, 2, 1, 2);
	p = calloc((size_t)sf_param_total(one.g), sizeof *p);
	ck_assert(p != NULL);
	vae_normals(one.ctx, 1, sf_param_total(one.g), p);
	for (i = 0; i < sf_param_count(one.g); i++) {
		const sf_param_info *info = sf_param_get(one.g, i);

		ck_assert_int_eq(info->offset, sf_param_get(six.g, i)->offset);
		per = info->shape.size / 9;
		for (j = 0; info->shape.rank == 4 && j < info->shape.size; j++)
			p[info->offset + j] *= j / per == 4;
	}
	for (i = 0; i < 6; i++)
		x[i] = .7;
	run_one(&one, one.y, p, x, 1, y);
	run_one(&six, six.y, p, x, 1, many);
	for (i = 0; i < 12; i++)
		assert_close(many[i], y[i % 2], 1e-10, 0);
	free(p);
	close_half(&one);
	close_half(&six);
}
END_TEST

/* Each image's result is its own. */
START_TEST(neighbours)
{
	half a;
	double x[3 * 32], y[3 * 12], alone[12], *p;
	int i;

	open_half(&a, "nvae-encoder:width=4,levels=1,cells=2", 4, 4, 2, 3);
	p = calloc((size_t)sf_param_total(a.g), sizeof *p);
	ck_assert(p != NULL);
	sf_param_init(a.g, 3, SF_F64, p);
	vae_normals(a.ctx, 2, 3 * 32, x);
	run_one(&a, a.y, p, x, 3, y);
	for (i = 0; i < 3; i++) {
		run_one(&a, a.y, p, x + 32 * i, 1, alone);
		ck_assert_mem_eq(alone, y + 12 * i, sizeof alone);
	}
	free(p);
	close_half(&a);
}
END_TEST

START_TEST(gradients)
{
	static const char *const spec[] = {"nvae-encoder:width=4,levels=1,norm-groups=2", "nvae-decoder:width=4,levels=1,cells=2",
	                                   "nvae-encoder:width=8,levels=2,squeeze=false"};
	const double *at;
	double x[32], *p, *noise;
	int64_t j;
	half a;

	open_half(&a, spec[_i], 4, 4, 2, 3);
	p = calloc((size_t)sf_param_total(a.g), sizeof *p);
	noise = calloc((size_t)sf_param_total(a.g), sizeof *noise);
	ck_assert(p && noise);
	sf_param_init(a.g, 3, SF_F64, p);
	vae_normals(a.ctx, 1, sf_param_total(a.g), noise);
	for (j = 0; j < sf_param_total(a.g); j++)
		p[j] += .05 * noise[j];
	vae_normals(a.ctx, 2, 32, x);
	at = x;
	graph_differences(a.ctx, a.g, sf_sumsq(a.g, sf_offset(a.g, a.y, .3)), 1, &a.x, &at, p, 1e-6);
	free(p);
	free(noise);
	close_half(&a);
}
END_TEST

static void refused(const char *spec, int rank, int64_t h, int64_t w, const char *text)
{
	sf_ctx *ctx = ck_ctx();
	int64_t dim[3];
	sf_net *net;
	int rc;

	dim[0] = h;
	dim[1] = w;
	dim[2] = 1;
	rc = sf_net_new(ctx, spec, &net);
	if (rc == 0) {
		rc = sf_net_accepts(net, rank, dim);
		sf_net_free(net);
	}
	ck_assert(rc < 0);
	ck_assert_msg(strstr(sf_ctx_message(ctx), text) != NULL, "'%s' without '%s'", sf_ctx_message(ctx), text);
	sf_ctx_free(ctx);
}

START_TEST(refusals)
{
	refused("nvae-encoder:levels=3", 3, 28, 28, "divisible by 8 (32x32 would do), or levels of at most 2");
	refused("nvae-encoder:levels=1", 3, 28, 7, "divisible by 2 (28x8 would do), or levels of at most 0");
	refused("nvae-encoder", 1, 28, 28, "takes images");
	refused("nvae-decoder", 1, 28, 28, "takes images");
	refused("nvae-decoder", 3, (int64_t)1 << 40, 1, "too large");
	refused("nvae-encoder:width=8,norm-groups=3", 3, 8, 8, "norm-groups=3 do not divide 8");
	refused("nvae-encoder:width=8,max-width=4", 3, 8, 8, "below width=8");
	refused("nvae-decoder:levels=9", 3, 8, 8, "levels");
}
END_TEST

/* A network that does not give back x's shape is no score. */
START_TEST(no_score)
{
	static const char *const spec[] = {"nvae-encoder:levels=0", "nvae-decoder", "nvae-encoder"};
	sf_ctx *ctx = ck_ctx();
	sf_process *process;
	sf_score *score;
	sf_model m;
	sf_net *net;
	float params[16] = {0};
	int rc;

	assert_ok(ctx, sf_process_new(ctx, "vp", &process));
	assert_ok(ctx, sf_net_new(ctx, spec[_i], &net));
	ck_assert_int_eq(sf_net_codec(net), 1);
	memset(&m, 0, sizeof m);
	m.ctx = ctx;
	m.net = net;
	m.process = process;
	m.rank = 3;
	m.dim[0] = m.dim[1] = 8;
	m.dim[2] = 1;
	m.size = 64;
	rc = sf_model_check(&m);
	ck_assert_int_eq(rc, SF_EUNSUP);
	ck_assert(strstr(sf_ctx_message(ctx), "half of an autoencoder") != NULL);
	ck_assert_int_eq(sf_model_score(&m, SF_F32, params, 1, &score), SF_EUNSUP);
	sf_net_free(net);
	sf_process_free(process);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvae");
	TCase *tc = tcase_create("nvae");

	tcase_add_test(tc, sizes);
	tcase_add_test(tc, one_pixel);
	tcase_add_test(tc, one_value);
	tcase_add_test(tc, neighbours);
	tcase_add_loop_test(tc, gradients, 0, 3);
	tcase_add_test(tc, refusals);
	tcase_add_loop_test(tc, no_score, 0, 3);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
