/* check_cuda_nets.c: every score network of the registry on the device: losses and the gradient of each parameter against the
 * processor in double, in all precisions, bfloat16 with the storage that training has; and the same bytes when run again.
 *
 * Errors are L2 norms: of the losses, of the whole gradient, and of each parameter's, relative to its own norm or to a 100th of the
 * whole one's where that is more. Float: rounding (6e-8) grows over some hundred steps forward and back, and time embeddings take
 * sines of angles up to 1000, whose rounding is 6e-5. TF32 is float on the emulated device. bfloat16: to round the parameters
 * alone to it changes the image networks' gradients by 1 to 10 %, on the processor in double; a run rounds each layer's values and
 * their gradients too. That this is the networks' condition and no defect is seen with half precision in its place, whose unit of
 * rounding is an eighth: the errors are too.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"

#include <scorefield.h>

#include "net/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double losses[RIG_PRECISIONS] = {1e-4, 2e-3, 2e-2, 2e-2 / 8};
static const double whole[RIG_PRECISIONS] = {5e-5, 2e-2, .2, .2 / 8}, one[RIG_PRECISIONS] = {1e-4, 5e-2, .5, .5 / 8};

typedef struct network {
	const char *name, *spec; /* NULL: not a score network */
	const char *process, *objective;
	int rank;
} network;

static const network networks[] = {
	{"affine", "affine", "vp", "dsm", 1},
	{"mlp", "mlp:width=24,depth=3,embed-width=8", "vp", "dsm", 1},
	{"mlp", "mlp:width=300,depth=3,embed=none,residual=true", "vp", "dsm", 1},
	{"mlp", "mlp:width=12,depth=2,embed-width=8", "vp", "ssm", 1},
	{"mlp", "mlp:width=12,depth=2,embed-width=8", "cld", "hsm", 1},
	{"unet", "unet:width=16,mult=1:2,blocks=1,attn=4,attn-up=each,resample=conv,init-scale=1", "vp", "dsm", 3},
	{"ddpm", "ddpm:width=32,mult=1:2,blocks=1,attn=8", "vp", "dsm", 3},
	{"ddpmpp", "ddpmpp:width=16,mult=1:2,blocks=1,attn=8", "vp", "dsm", 3},
	{"ncsnpp", "ncsnpp:width=16,mult=1:2,blocks=1,attn=8", "vp", "dsm", 3},
	{"songunet", "songunet:width=16,mult=1:2,blocks=1,attn=8", "vp", "dsm", 3},
	{"ncsn", "ncsn:width=8,levels=5", "ve:levels=5", "dsm:t=discrete", 3},
	{"ncsnv2", "ncsnv2:width=8", "vp", "dsm", 3},
	{"nvae-encoder", NULL, NULL, NULL, 0},
	{"nvae-decoder", NULL, NULL, NULL, 0},
};
enum { NETWORKS = sizeof networks / sizeof *networks, N = 4 };

static sf_ctx *ctx;

/* A batch of one precision; everything that is drawn or initialised is the same. */
typedef struct side {
	sf_model m;
	sf_batch *b;
	int64_t total;
	void *params;
} side;

static void open_side(side *s, const sf_objective *o, const sf_model *m, sf_dtype type)
{
	const sf_graph *g;
	const sf_noise key = {3, SF_NOISE_USER, 0};
	double *x, *p, *more;
	int64_t rows, i;
	sf_draw *d;

	s->m = *m;
	s->m.type = type;
	assert_ok(ctx, sf_batch_new(o, &s->m, N, 1, 1, &s->b));
	g = sf_batch_graph(s->b);
	d = sf_batch_draw(s->b);
	d->seed = 5;
	d->step = 1;
	rows = sf_batch_data(s->b, &x, NULL);
	for (i = 0; i < rows * m->size; i++)
		x[i] = sin(1.3 * (double)i);
	assert_ok(ctx, sf_batch_prepare(s->b));
	s->total = sf_param_total(g);
	p = calloc((size_t)s->total, sizeof *p);
	s->params = calloc((size_t)s->total, sizeof *p);
	more = calloc((size_t)s->total, sizeof *more);
	ck_assert(p && more && s->params);
	sf_noise_normal_d(ctx, key, 0, 0, (size_t)s->total, more);
	sf_param_init(g, 2, SF_F64, p);
	for (i = 0; i < s->total; i++) { /* no layer begins at zero */
		const float f = (float)(p[i] + .05 * more[i]);

		if (type == SF_F32)
			((float *)s->params)[i] = f;
		else
			((double *)s->params)[i] = (double)f;
	}
	free(more);
	free(p);
}

static void close_side(side *s)
{
	sf_batch_free(s->b);
	free(s->params);
}

static double norm(const double *x, int64_t n)
{
	double sum = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		sum += x[i] * x[i];
	return sqrt(sum);
}

static void compare(const side *f, const side *d, int precision, const char *what)
{
	const sf_graph *g = sf_batch_graph(f->b);
	const float *got = sf_batch_gradient(f->b);
	const double *want = sf_batch_gradient(d->b), all = norm(want, d->total);
	double far = rig_distance(N, sf_batch_losses(f->b), sf_batch_losses(d->b));
	int i;

	ck_assert_msg(far <= losses[precision], "%s, %s: losses are %g off, at most %g", what, rig_precision[precision], far,
	              losses[precision]);
	ck_assert_double_gt(all, 0);
	far = rig_distance(d->total, got, want);
	ck_assert_msg(far <= whole[precision], "%s, %s: the gradient is %g off, at most %g", what, rig_precision[precision], far,
	              whole[precision]);
	for (i = 0; i < sf_param_count(g); i++) {
		const sf_param_info *p = sf_param_get(g, i);
		const double own = norm(want + p->offset, p->shape.size);

		if (own > 0)
			far = rig_distance(p->shape.size, got + p->offset, want + p->offset) * own / fmax(own, .01 * all);
		else
			far = rig_distance(p->shape.size, got + p->offset, want + p->offset) / all;
		ck_assert_msg(far <= one[precision], "%s, %s: the gradient of %s is %g off, at most %g", what, rig_precision[precision], p->name,
		              far, one[precision]);
	}
}

static void run_both(const sf_objective *o, const sf_model *m, int precision, const char *what)
{
	float loss[N], *grad;
	const sf_graph *g;
	side f, d;
	int i;

	open_side(&d, o, m, SF_F64);
	assert_ok(ctx, sf_batch_run(d.b, d.params, NULL));
	rig_device_as_is(ctx, precision, 1);
	open_side(&f, o, m, SF_F32);
	g = sf_batch_graph(f.b);
	grad = sf_batch_gradient(f.b);
	for (i = 0; i < sf_param_count(g); i++)
		memset(grad + sf_param_get(g, i)->offset, 0xff, (size_t)sf_param_get(g, i)->shape.size * sizeof *grad);
	assert_ok(ctx, sf_batch_run(f.b, f.params, NULL));
	compare(&f, &d, precision, what);
	memcpy(loss, sf_batch_losses(f.b), sizeof loss);
	grad = malloc((size_t)f.total * sizeof *grad);
	ck_assert_ptr_nonnull(grad);
	memcpy(grad, sf_batch_gradient(f.b), (size_t)f.total * sizeof *grad);
	assert_ok(ctx, sf_batch_run(f.b, f.params, NULL));
	ck_assert_mem_eq(loss, sf_batch_losses(f.b), sizeof loss);
	ck_assert_mem_eq(grad, sf_batch_gradient(f.b), (size_t)f.total * sizeof *grad);
	free(grad);
	close_side(&f);
	close_side(&d);
	assert_ok(ctx, sf_ctx_set_device(ctx, "cpu"));
}

START_TEST(gradients)
{
	static const int64_t vector[] = {2}, image[] = {8, 8, 1};
	const network *c = &networks[_i / RIG_PRECISIONS];
	sf_objective *o = NULL;
	sf_process *process = NULL;
	sf_net *net = NULL;
	sf_model m;
	int i;

	if (!c->spec || _i % RIG_PRECISIONS >= rig_precisions())
		return;
	ctx = ck_ctx();
	memset(&m, 0, sizeof m);
	assert_ok(ctx, sf_net_new(ctx, c->spec, &net));
	assert_ok(ctx, sf_process_new(ctx, c->process, &process));
	assert_ok(ctx, sf_objective_new(ctx, c->objective, &o));
	assert_ok(ctx, sf_param_find(ctx, "eps", &m.param));
	m.cond = strcmp(c->name, "ncsn") == 0 ? SF_COND_LEVEL : SF_COND_AUTO;
	m.ctx = ctx;
	m.net = net;
	m.process = process;
	m.sigma_data = .5;
	m.rank = c->rank;
	m.size = 1;
	for (i = 0; i < m.rank; i++)
		m.size *= m.dim[i] = m.rank == 1 ? vector[i] : image[i];
	run_both(o, &m, _i % RIG_PRECISIONS, c->spec);
	sf_objective_free(o);
	sf_process_free(process);
	sf_net_free(net);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(complete)
{
	const sf_class *const *c;
	int i;

	for (c = sf_members("net"); *c; c++) {
		const void *record = *c; /* the head is its first member */

		if (((const sf_net_class *)record)->codec)
			continue; /* no score */
		for (i = 0; i < NETWORKS && strcmp(networks[i].name, (*c)->name) != 0; i++)
			;
		ck_assert_msg(i < NETWORKS, "net '%s' has no row in this test", (*c)->name);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cuda_nets");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, gradients, 0, RIG_PRECISIONS * NETWORKS);
	tcase_add_test(t, complete);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
