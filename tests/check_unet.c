/* check_unet.c: the papers' U-Nets by their sizes and tensors, their initialisation, labels, channels and refusals.
 * Their functions are compared with other implementations in check_papers.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include "net/build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sf_net *net_of(sf_ctx *ctx, const char *spec)
{
	sf_net *net;

	assert_ok(ctx, sf_net_new(ctx, spec, &net));
	return net;
}

/* Appends a network of inputs that exist; classes, augments: what it has weights for. */
static sf_var append(sf_graph *g, const char *spec, sf_net_io io)
{
	sf_ctx *ctx = ck_ctx();
	sf_net *net = net_of(ctx, spec);
	sf_var y = sf_net_build(net, g, &io);

	sf_net_free(net);
	sf_ctx_free(ctx);
	return y;
}

static sf_net_io plain(sf_graph *g, int64_t size, int64_t channels)
{
	int64_t dim[3];
	sf_net_io io;

	dim[0] = dim[1] = size;
	dim[2] = channels;
	memset(&io, 0, sizeof io);
	io.x = sf_input(g, "x", 1, 3, dim);
	io.cond = sf_input(g, "cond", 1, 0, NULL);
	io.label = io.augment = SF_NOVAR;
	return io;
}

/* ---- sizes ---- */
#define EDM_NCSNPP "songunet:resample=fir,embed=fourier,progressive-input=residual"
#define PIXEL "progressive-input=input-skip,progressive-output=output-skip"
static const struct size {
	const char *spec;
	int64_t size;
	int classes, augments;
	int64_t params;
	int tensors; /* that are trained; EDM has one for our q, k and v: 4 fewer in each of its 6 attention blocks */
	int64_t fixed;
} sizes[] = {
	/* Song et al. 2021: their code's layers, counted */
	{"ncsnpp:embed=positional", 32, 0, 0, 62693251, 570, 0},
	{"ncsnpp", 32, 0, 0, 62758787, 570, 128},
	{"ncsnpp:blocks=8", 32, 0, 0, 107586947, 962, 128},
	{"ncsnpp:blocks=8,embed=positional", 32, 0, 0, 107521411, 962, 0},
	{"ddpmpp", 32, 0, 0, 61804419, 564, 0},
	{"ddpmpp:blocks=8", 32, 0, 0, 106632579, 956, 0},
	{"ddpm", 32, 0, 0, 35218947, 308, 0},
	{"ncsnpp:mult=1:1:2:2:2:2:2,blocks=2," PIXEL, 256, 0, 0, 65574421, 644, 128},
	{"ncsnpp:width=16,mult=1:2:4:8:16:32:32:32,blocks=1," PIXEL, 1024, 0, 0, 105785880, 552, 16},
	/* Ho et al. 2020: attention after each block on the way up */
	{"ddpm:attn-up=each", 32, 0, 0, 35746307, 328, 0},
	/* 3x3 for 1x1 in the shortcuts 128 -> 256 on the way down, and on the way up 8 of 512 -> 256 and the four below */
	{"ddpm:conv-shortcut=true", 32, 0, 0,
	 35218947 + 8 * (128 * 256 + 8 * 512 * 256 + 384 * 256 + 384 * 128 + 2 * 256 * 128), 308, 0},
	/* halving and doubling without convolutions: one of 128 channels and five of 256 fewer */
	{"ddpm:resample=mean", 32, 0, 0, 35218947 - 9 * 128 * 128 - 128 - 5 * (9 * 256 * 256 + 256), 296, 0},
	/* Karras et al. 2022: their constructor, counted; 417 and 421 tensors with augmentation labels */
	{"songunet", 32, 0, 9, 55733891, 417 + 24, 0},
	{"songunet", 32, 10, 9, 55735299, 419 + 24, 0},
	{"songunet", 32, 0, 0, 55732739, 416 + 24, 0},
	{EDM_NCSNPP, 32, 0, 9, 56397827, 421 + 24, 128},
	{EDM_NCSNPP, 32, 10, 9, 56400643, 423 + 24, 128},
	{EDM_NCSNPP, 32, 0, 0, 56395523, 420 + 24, 128},
	{"songunet:mult=1:2:2:2", 64, 0, 9, 61805571, 0, 0},
	{EDM_NCSNPP ",mult=1:2:2:2", 64, 0, 9, 62761091, 0, 128},
	{"songunet:mult=1:2:2:2", 32, 0, 0, 61804419, 0, 0},
	{EDM_NCSNPP ",mult=1:2:2:2", 32, 0, 0, 62758787, 0, 128}};

START_TEST(published_sizes)
{
	const struct size *s = &sizes[_i];
	int64_t n = 0, fixed = 0;
	sf_ctx *ctx = ck_ctx();
	int i, tensors = 0;
	sf_graph *g;
	sf_net_io io;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	io = plain(g, s->size, 3);
	io.classes = s->classes;
	io.augments = s->augments;
	append(g, s->spec, io);
	assert_ok(ctx, sf_graph_status(g));
	for (i = 0; i < sf_param_count(g); i++) {
		const sf_param_info *p = sf_param_get(g, i);

		*(p->fixed ? &fixed : &n) += p->shape.size;
		tensors += !p->fixed;
	}
	ck_assert_int_eq(n, s->params);
	ck_assert_int_eq(fixed, s->fixed);
	if (s->tensors)
		ck_assert_int_eq(tensors, s->tensors);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* A spec leaves out what is the default: these are the published values. */
#define SONG "width=128,mult=1:2:2:2,attn=16,attn-up=last,progressive-output=none,dropout=0.1,init-scale=0,"
static const struct { const char *name, *options; } published[] = {
	{"ddpmpp", SONG "blocks=4,resample=mean,block=biggan,groups=0,progressive-input=none,input=centered,embed=positional,"
	           "skip-rescale=true"},
	{"ncsnpp", SONG "blocks=4,resample=fir,fir=1:3:3:1,block=biggan,groups=0,progressive-input=residual,input=unit,"
	           "embed=fourier,fourier-scale=16,skip-rescale=true"},
	{"ddpm", SONG "blocks=2,resample=conv,block=ddpm,groups=32,progressive-input=none,input=centered,embed=positional,"
	         "skip-rescale=false"},
	{"songunet", "width=128,mult=2:2:2,blocks=4,attn=16,attn-up=last,resample=mean,fir=1:3:3:1,block=biggan,groups=0,"
	             "embed=positional,fourier-scale=16,dropout=0.13,skip-rescale=true,input=centered"}};

START_TEST(published_defaults)
{
	sf_ctx *ctx = ck_ctx();
	char spec[400];
	sf_net *net;

	snprintf(spec, sizeof spec, "%s:%s", published[_i].name, published[_i].options);
	net = net_of(ctx, spec);
	ck_assert_str_eq(sf_spec(net), published[_i].name);
	sf_net_free(net);
	sf_ctx_free(ctx);
}
END_TEST

/* Velocity and position in: 6 channels to 3. The first convolution grows, and that of a residual input pyramid's
 * first level, but no output does. */
START_TEST(velocity_channels)
{
	static const struct { const char *spec; int64_t more; } nets[] = {
		{"ddpmpp:width=32,attn=8,mult=1:2,blocks=1", 27 * 32},
		{"ncsnpp:width=32,attn=8,mult=1:2:2,blocks=1", 27 * 32 + 27 * 32},
		{"ncsnpp:width=32,attn=8,mult=1:2:2,blocks=1," PIXEL, 27 * 32 + 3 * (32 + 64)}};
	int64_t n[2] = {0, 0};
	sf_ctx *ctx = ck_ctx();
	int i, two;

	for (two = 0; two < 2; two++) {
		sf_net_io io;
		sf_graph *g;
		sf_shape s;
		sf_var y;

		assert_ok(ctx, sf_graph_new(ctx, 1, &g));
		io = plain(g, 16, two ? 6 : 3);
		io.out_channels = 3;
		y = append(g, nets[_i].spec, io);
		assert_ok(ctx, sf_graph_status(g));
		s = sf_shape_of(g, y);
		ck_assert(s.rank == 3 && s.dim[0] == 16 && s.dim[1] == 16 && s.dim[2] == 3);
		for (i = 0; i < sf_param_count(g); i++)
			n[two] += sf_param_get(g, i)->shape.size;
		sf_graph_free(g);
	}
	ck_assert_int_eq(n[1] - n[0], nets[_i].more);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- initialisation ---- */
static int has(const char *name, const char *part)
{
	return strstr(name, part) != NULL;
}

static const struct start {
	const char *spec;
	int linear_skip, images; /* shortcuts are DDPM's; the output pyramid is of images */
} starts[] = {{"ncsnpp:width=32,attn=8,mult=1:2,blocks=1,embed-mult=16", 0, 0},
              {"ddpm:width=32,attn=8,mult=1:2,blocks=1", 1, 0},
              {"ddpm:width=32,attn=8,mult=1:2,blocks=1,conv-shortcut=true", 0, 0},
              {"ncsnpp:width=32,attn=8,mult=1:2,blocks=1," PIXEL, 0, 1},
              {"ncsnpp:width=32,attn=8,mult=1:2,blocks=1,block=ddpm,resample=fir-conv,progressive-output=residual", 1, 0}};

/* The last layer of a branch or of the network. */
static int ends(const struct start *s, const char *name)
{
	return has(name, ".conv1.") || (has(name, "attn") && has(name, ".out.")) || strcmp(name, "out.conv.weight") == 0 ||
	       (s->images && strncmp(name, "up", 2) == 0 && has(name, "pyramid.conv"));
}

/* Variance as published, 0 for constants: 1/fan_avg; q, k, v and DDPM's shortcuts .1/fan_avg; ends 1e-10/fan_avg. */
static double variance(const struct start *s, const sf_param_info *p)
{
	const int64_t *dim = p->shape.dim;
	double area = p->shape.rank == 4 ? (double)(dim[0] * dim[1]) : 1, scale = 1;
	int r = p->shape.rank;

	if (has(p->name, "frequencies"))
		return 256;
	if (r == 1)
		return 0;
	if (ends(s, p->name))
		scale = 1e-10;
	else if (has(p->name, ".q.") || has(p->name, ".k.") || has(p->name, ".v.") ||
	         (s->linear_skip && has(p->name, "skip")))
		scale = .1;
	return scale / (area * (double)(dim[r - 2] + dim[r - 1]) / 2);
}

START_TEST(initial_values)
{
	sf_ctx *ctx = ck_ctx();
	double *flat;
	sf_graph *g;
	sf_net_io io;
	int i, seen = 0;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	io = plain(g, 16, 3);
	io.classes = 10;
	io.augments = 9;
	append(g, starts[_i].spec, io);
	assert_ok(ctx, sf_graph_status(g));
	flat = calloc((size_t)sf_param_total(g), sizeof *flat);
	sf_param_init(g, 5, SF_F64, flat);
	for (i = 0; i < sf_param_count(g); i++) {
		const sf_param_info *p = sf_param_get(g, i);
		double v = variance(&starts[_i], p), n = (double)p->shape.size, s = 0, most = 0;
		int64_t j;

		for (j = 0; j < p->shape.size; j++) {
			double w = flat[p->offset + j];

			if (v == 0)
				ck_assert_msg(w == (has(p->name, "norm") && has(p->name, "weight")), "%s[%d] = %g", p->name, (int)j, w);
			s += w * w;
			most = fmax(most, fabs(w));
		}
		if (v == 0)
			continue;
		seen++;
		if (has(p->name, "frequencies")) { /* normal: the variance of its square is 2 v^2 */
			ck_assert_msg(fabs(s / n / v - 1) < 5 * sqrt(2 / n), "%s: variance %g, expected %g", p->name, s / n, v);
			continue;
		}
		/* uniform: the variance of its square is (9/5 - 1) v^2, and the largest of n is near the bound */
		ck_assert_msg(fabs(s / n / v - 1) < 5 * sqrt(.8 / n), "%s: variance %g, expected %g", p->name, s / n, v);
		v = sqrt(3 * v);
		ck_assert_msg(most <= v * (1 + 1e-6) && most > v * (1 - 12 / n), "%s: largest %g of %g", p->name, most, v);
	}
	ck_assert_int_gt(seen, 40);
	free(flat);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- values ---- */
/* Runs `n` outputs of a graph in double for two samples of `size` x `size` x `c`. */
static void evaluate(sf_ctx *ctx, sf_graph *g, sf_net_io io, const sf_var *y, int n, int64_t elements, double **out)
{
	int64_t i, size = sf_shape_of(g, io.x).size;
	double *x = calloc((size_t)(2 * size), sizeof *x), cond[2] = {.3, 20}, augment[18] = {0};
	double *flat = calloc((size_t)sf_param_total(g), sizeof *flat);
	sf_plan *plan;
	sf_run run;
	int k;

	for (i = 0; i < 2 * size; i++)
		x[i] = sin(.7 * (double)i) + .2;
	sf_param_init(g, 3, SF_F64, flat);
	assert_ok(ctx, sf_plan_new(g, y, n, SF_F64, 2, &plan));
	assert_ok(ctx, sf_plan_bind(plan, io.x, x));
	assert_ok(ctx, sf_plan_bind(plan, io.cond, cond));
	if (io.augment != SF_NOVAR)
		assert_ok(ctx, sf_plan_bind(plan, io.augment, augment));
	assert_ok(ctx, sf_plan_bind_params(plan, flat));
	for (k = 0; k < n; k++) {
		out[k] = calloc((size_t)(2 * elements), sizeof **out);
		assert_ok(ctx, sf_plan_output(plan, k, out[k]));
	}
	memset(&run, 0, sizeof run);
	run.n = 2;
	assert_ok(ctx, sf_plan_run(plan, &run));
	sf_plan_free(plan);
	free(flat);
	free(x);
}

static const char *const labelled[] = {"songunet:width=8,mult=1:1,blocks=1,attn=4,init-scale=1",
                                       EDM_NCSNPP ",width=8,mult=1:1,blocks=1,attn=4,init-scale=1",
                                       "unet:width=8,mult=1:1,blocks=1,attn=4,init-scale=1", "mlp:width=16,depth=2"};

/* Biases start at 0, so label -1, no label and zero augmentation labels all give the network without labels; a label
 * does not. */
START_TEST(no_labels)
{
	const char *spec = labelled[_i];
	int64_t nine = 9;
	sf_ctx *ctx = ck_ctx();
	sf_net_io io, with;
	double *out[5], most = 0;
	sf_var y[5], zero;
	sf_graph *g;
	int i, k;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	io = plain(g, 8, 3);
	y[0] = append(g, spec, io);
	zero = sf_scale(g, io.cond, 0);
	with = io;
	with.classes = 4;
	with.augments = 9;
	with.augment = io.augment = sf_input(g, "augment", 1, 1, &nine);
	with.label = sf_offset(g, zero, -1);
	y[1] = append(g, spec, with);
	with.augment = SF_NOVAR;
	y[2] = append(g, spec, with);
	with.label = SF_NOVAR;
	y[3] = append(g, spec, with);
	with.label = sf_offset(g, zero, 3);
	y[4] = append(g, spec, with);
	assert_ok(ctx, sf_graph_status(g));
	evaluate(ctx, g, io, y, 5, 8 * 8 * 3, out);
	for (i = 0; i < 2 * 8 * 8 * 3; i++) {
		for (k = 1; k < 4; k++)
			ck_assert_msg(out[k][i] == out[0][i], "output %d: %.17g, without labels %.17g", k, out[k][i], out[0][i]);
		most = fmax(most, fabs(out[4][i] - out[0][i]));
	}
	ck_assert_msg(most > 1e-3, "a label changes nothing (%g)", most);
	for (k = 0; k < 5; k++)
		free(out[k]);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* min(c/4, 32) groups: on one pixel each has mean 0, and no fewer channels do. */
START_TEST(groups_of_a_norm)
{
	static const struct { int c, size; } norms[] = {{256, 8}, {512, 16}, {128, 4}, {64, 4}, {8, 4}};
	int64_t dim[3] = {1, 1, 0};
	sf_ctx *ctx = ck_ctx();
	sf_net_io io;
	sf_graph *g;
	double *out, part = 0, sum = 0;
	sf_var y;
	int i;

	dim[2] = norms[_i].c;
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	io = plain(g, 1, dim[2]);
	y = sf_add(g, sf_net_norm(g, "n", io.x, SF_ACT_NONE), sf_scale(g, io.cond, 0));
	evaluate(ctx, g, io, &y, 1, dim[2], &out);
	for (i = 0; i < norms[_i].c; i++) {
		sum += out[i];
		if ((i + 1) % norms[_i].size == 0)
			assert_close(sum, 0, 0, 1e-12);
		else
			part = fmax(part, fabs(sum));
		if (i + 1 == norms[_i].size / 2)
			ck_assert(fabs(sum) > 1e-3);
	}
	ck_assert(part > .1);
	free(out);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* input=unit at x is the centred network at 2x - 1. */
START_TEST(unit_input)
{
	const char *spec = "ncsnpp:width=8,mult=1:1,blocks=1,attn=4,init-scale=1";
	sf_ctx *ctx = ck_ctx();
	sf_net_io io, centred;
	double *out[2];
	sf_var y[2];
	sf_graph *g;
	int i;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	io = centred = plain(g, 8, 3);
	y[0] = append(g, spec, io);
	centred.x = sf_offset(g, sf_scale(g, io.x, 2), -1);
	y[1] = append(g, "ncsnpp:width=8,mult=1:1,blocks=1,attn=4,init-scale=1,input=centered", centred);
	assert_ok(ctx, sf_graph_status(g));
	evaluate(ctx, g, io, y, 2, 8 * 8 * 3, out);
	for (i = 0; i < 2 * 8 * 8 * 3; i++)
		ck_assert(out[0][i] == out[1][i] && out[0][i] != 0);
	free(out[0]);
	free(out[1]);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- refusals ---- */
static const struct { const char *spec; int64_t h, w; const char *word; } shapes[] = {
	{"ddpmpp", 30, 32, "multiples of 8"}, {"ncsnpp", 32, 20, "32x20"}, {"ddpm", 36, 36, "net 'ddpm'"},
	{"songunet", 34, 34, "multiples of 4"}, {"songunet", 28, 28, "attn=16"}, {"ncsnpp", 24, 24, "24 to 3 high"}};

START_TEST(sizes_that_fit)
{
	sf_ctx *ctx = ck_ctx();
	sf_net *net = net_of(ctx, shapes[_i].spec);
	int64_t dim[3];

	dim[0] = shapes[_i].h;
	dim[1] = shapes[_i].w;
	dim[2] = 3;
	ck_assert_int_eq(sf_net_accepts(net, 3, dim), SF_EUNSUP);
	ck_assert_msg(strstr(sf_ctx_message(ctx), shapes[_i].word) != NULL, "%s", sf_ctx_message(ctx));
	dim[0] = dim[1] = 32;
	dim[2] = 5; /* any number of channels */
	assert_ok(ctx, sf_net_accepts(net, 3, dim));
	sf_net_free(net);
	sf_ctx_free(ctx);
}
END_TEST

static const struct { const char *spec; int code; const char *word; } options[] = {
	{"ddpm:width=48", SF_EINVAL, "groups=32"}, {"ddpmpp:conv-shortcut=true", SF_EINVAL, "block=ddpm"},
	{"ncsnpp:combine=cat", SF_EINVAL, "input-skip"}, {"ncsnpp:fir=1:2:3", SF_EINVAL, "symmetric"},
	{"ncsnpp:fir=1", SF_ERANGE, "taps"}, {"ncsnpp:fir=1:-1:-1:1", SF_ERANGE, "sum"},
	{"ncsnpp:fir=1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1", SF_ERANGE, "2 to 16"},
	{"songunet:width=33", SF_EINVAL, "odd"}, {"ddpmpp:mult=1.5", SF_EINVAL, "whole"},
	{"ddpmpp:mult=1:1:1:1:1:1:1:1:1:1:1", SF_ERANGE, "1 to 10"},
	{"ddpmpp:progressive-input=skip", SF_EINVAL, "residual"}};

START_TEST(options_that_fit)
{
	sf_ctx *ctx = ck_ctx();
	sf_net *net = NULL;

	ck_assert_int_eq(sf_net_new(ctx, options[_i].spec, &net), options[_i].code);
	ck_assert_msg(strstr(sf_ctx_message(ctx), options[_i].word) != NULL, "%s", sf_ctx_message(ctx));
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("unet");
	TCase *tc = tcase_create("size");

	tcase_add_loop_test(tc, published_sizes, 0, sizeof sizes / sizeof *sizes);
	tcase_add_loop_test(tc, published_defaults, 0, sizeof published / sizeof *published);
	tcase_add_loop_test(tc, velocity_channels, 0, 3);
	tcase_add_loop_test(tc, initial_values, 0, sizeof starts / sizeof *starts);
	suite_add_tcase(s, tc);
	tc = tcase_create("values");
	tcase_add_loop_test(tc, no_labels, 0, sizeof labelled / sizeof *labelled);
	tcase_add_test(tc, unit_input);
	tcase_add_loop_test(tc, groups_of_a_norm, 0, 5);
	suite_add_tcase(s, tc);
	tc = tcase_create("refusals");
	tcase_add_loop_test(tc, sizes_that_fit, 0, sizeof shapes / sizeof *shapes);
	tcase_add_loop_test(tc, options_that_fit, 0, sizeof options / sizeof *options);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
