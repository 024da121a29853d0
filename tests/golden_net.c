/* golden_net.c: see golden_net.h. Element i of the k-th parameter, in PyTorch's memory order, is a hash of (seed, k, i):
 *
 *     h = i 2654435761 + (1000 seed + k) 40503 + 12345;  h ^= h >> 15;  h *= 2246822519;  h ^= h >> 13     mod 2^32
 *     u = h/2^32 - 1/2,   p = base + scale sqrt(12) u,   rounded to float
 *
 * scale = .5/sqrt(fan) for two and more dimensions, fan the product of all but the first, else .1; base = 1 for
 * vectors named weight, alpha or gamma. The gradient is that of sum(y r), r = sqrt(12) u with k = 999.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "golden_net.h"
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 3, RANK = 4 };

struct rig {
	const golden_case *c;
	sf_ctx *ctx;
	sf_tensors file;
	json_t *list; /* of parameters, [name, shape] */
	uint32_t seed;
	sf_dtype type;
	sf_graph *g;
	sf_plan *plan;
	golden_io io;
	sf_var r, y, *out; /* out: y, gradient in x, gradients of the parameters */
	int64_t n, dim[3], size, augments; /* samples; (h,w,c) of x; its size */
	int64_t out_dim[3], out_size;
	double *param, *grad, *yd, *gx; /* in double, converted for the run */
};

static double u_of(uint32_t seed, uint32_t k, uint32_t i)
{
	uint32_t h = i * UINT32_C(2654435761) + (1000 * seed + k) * UINT32_C(40503) + 12345;

	h ^= h >> 15;
	h *= UINT32_C(2246822519);
	h ^= h >> 13;
	return h / 4294967296. - .5;
}

/* "exact.x" in place of "input.x" where the file has it */
static const sf_tensor *input(const struct rig *r, const char *name)
{
	const char *dot = strchr(name, '.');
	const sf_tensor *t;
	char exact[96];

	snprintf(exact, sizeof exact, "exact%s", dot ? dot : name);
	t = sf_tensors_find(&r->file, exact);
	return t && strncmp(name, "grad.", 5) != 0 ? t : sf_tensors_find(&r->file, name);
}

static const sf_param_info *find(const sf_graph *g, const char *name)
{
	int i;

	for (i = 0; i < sf_param_count(g); i++)
		if (strcmp(sf_param_get(g, i)->name, name) == 0)
			return sf_param_get(g, i);
	ck_abort_msg("the network has no parameter '%s'", name);
	return NULL;
}

/* ---- one parameter of theirs ---- */
struct theirs {
	const char *name;
	int rank;
	int64_t dim[RANK], size;
	golden_place place;
	const sf_param_info *ours[PARTS];
};

static void open_param(struct rig *r, size_t k, struct theirs *t)
{
	json_t *entry = json_array_get(r->list, k), *shape = json_array_get(entry, 1);
	int64_t total = 0;
	int j;

	memset(t, 0, sizeof *t);
	t->name = json_string_value(json_array_get(entry, 0));
	t->rank = (int)json_array_size(shape);
	ck_assert(t->name && t->rank >= 1 && t->rank <= RANK);
	t->size = 1;
	for (j = 0; j < t->rank; j++)
		t->size *= t->dim[j] = json_integer_value(json_array_get(shape, (size_t)j));
	t->place.parts = 1;
	r->c->place(t->name, &t->place, r->c->user);
	for (j = 0; j < t->place.parts; j++)
		total += (t->ours[j] = find(r->g, t->place.name[j]))->shape.size;
	ck_assert_msg(total == t->size, "'%s' has %lld elements, ours %lld", t->name, (long long)t->size, (long long)total);
}

/* Where element i of theirs lies in our flat buffer. (out,in,kh,kw) is (kh,kw,in,out) here. */
static int64_t locate(const struct theirs *t, int64_t i)
{
	int64_t inner = t->size / t->dim[0], out = i / inner, rest = i % inner, outs = t->dim[0] / t->place.parts;
	const sf_param_info *p = t->ours[t->place.parts > 1 ? out % t->place.parts : 0];
	int64_t area = t->rank == 4 ? t->dim[2] * t->dim[3] : 1, in = rest / area, at = rest % area;

	if (t->rank == 1 || t->place.keep)
		return p->offset + (t->rank == 1 ? out / t->place.parts : i);
	return p->offset + (at * t->dim[1] + in) * outs + out / t->place.parts;
}

static int ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static void fill_params(struct rig *r)
{
	char *seen = calloc((size_t)sf_param_total(r->g), 1);
	int64_t i, j, set = 0, want = 0;
	size_t k;

	for (k = 0; k < json_array_size(r->list); k++) {
		double base, scale;
		struct theirs t;

		open_param(r, k, &t);
		base = t.rank == 1 && (ends_in(t.name, "weight") || ends_in(t.name, "alpha") || ends_in(t.name, "gamma"));
		scale = t.rank > 1 ? .5 / sqrt((double)(t.size / t.dim[0])) : .1;
		for (i = 0; i < t.size; i++) {
			j = locate(&t, i);
			r->param[j] = (float)(base + scale * sqrt(12) * u_of(r->seed, (uint32_t)k, (uint32_t)i));
			set += !seen[j];
			seen[j] = 1;
		}
	}
	for (i = 0; i < sf_param_count(r->g); i++)
		if (!sf_param_get(r->g, (int)i)->fixed)
			want += sf_param_get(r->g, (int)i)->shape.size;
	ck_assert_msg(set == want, "the file sets %lld of %lld parameters", (long long)set, (long long)want);
	free(seen);
	if (r->c->fixed) {
		const sf_tensor *t = input(r, r->c->fixed_tensor);
		const sf_param_info *p = find(r->g, r->c->fixed);

		ck_assert_msg(t && t->size == p->shape.size && p->fixed, "no tensor '%s' for '%s'", r->c->fixed_tensor, p->name);
		assert_ok(r->ctx, sf_tensor_to_double(r->ctx, t, r->param + p->offset));
	}
}

/* ---- buffers of the plan's type ---- */
static void *narrow(sf_dtype type, const double *from, int64_t n)
{
	size_t e = type == SF_F32 ? sizeof(float) : sizeof(double);
	void *to = malloc((size_t)n * e + 1);
	int64_t i;

	for (i = 0; i < n; i++)
		if (type == SF_F32)
			((float *)to)[i] = (float)from[i];
		else
			((double *)to)[i] = from[i];
	return to;
}

static void widen(sf_dtype type, const void *from, int64_t n, double *to)
{
	int64_t i;

	for (i = 0; i < n; i++)
		to[i] = type == SF_F32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

/* (n,c,h,w) to (n,h,w,c) */
static double *image(const double *from, int64_t n, const int64_t *dim)
{
	int64_t h = dim[0], w = dim[1], c = dim[2], i, area = h * w;
	double *to = malloc((size_t)(n * area * c) * sizeof *to);

	for (i = 0; i < n * area * c; i++)
		to[(i / (c * area) * area + i % area) * c + i / area % c] = from[i];
	return to;
}

static double *tensor(struct rig *r, const char *name, int64_t size)
{
	const sf_tensor *t = input(r, name);
	double *v;

	ck_assert_msg(t != NULL, "%s: no tensor '%s'", r->c->file, name);
	ck_assert_msg(size < 0 || t->size == size, "%s: '%s' has %lld elements", r->c->file, name, (long long)t->size);
	v = malloc((size_t)t->size * sizeof *v);
	assert_ok(r->ctx, sf_tensor_to_double(r->ctx, t, v));
	return v;
}

/* ---- the run ---- */
static void build(struct rig *r)
{
	const sf_tensor *x = sf_tensors_find(&r->file, "input.x"), *y = sf_tensors_find(&r->file, "output.y");
	const sf_tensor *a = sf_tensors_find(&r->file, "input.augment");
	sf_var *wrt;
	int i, np;

	ck_assert(x && y && x->rank == 4 && y->rank == 4);
	r->n = x->dim[0];
	for (i = 0; i < 3; i++) {
		r->dim[i] = x->dim[i == 2 ? 1 : i + 2];
		r->out_dim[i] = y->dim[i == 2 ? 1 : i + 2];
	}
	r->size = x->size / r->n;
	r->out_size = y->size / r->n;
	assert_ok(r->ctx, sf_graph_new(r->ctx, 1, &r->g));
	r->io.x = sf_input(r->g, "x", 1, 3, r->dim);
	r->io.cond = sf_input(r->g, "cond", 1, 0, NULL);
	r->io.label = sf_tensors_find(&r->file, "input.label") ? sf_input(r->g, "label", 1, 0, NULL) : SF_NOVAR;
	r->augments = a ? a->dim[1] : 0;
	r->io.augments = (int)r->augments;
	r->io.augment = a ? sf_input(r->g, "augment", 1, 1, &r->augments) : SF_NOVAR;
	r->y = r->c->build(r->g, &r->io, r->c->user);
	r->r = sf_input(r->g, "r", 1, 3, r->out_dim);
	np = sf_param_count(r->g);
	wrt = malloc((size_t)(np + 1) * sizeof *wrt);
	r->out = malloc((size_t)(np + 2) * sizeof *r->out);
	wrt[0] = r->io.x;
	for (i = 0; i < np; i++)
		wrt[i + 1] = sf_param_get(r->g, i)->var;
	r->out[0] = r->y;
	assert_ok(r->ctx, sf_grad(r->g, sf_dot(r->g, r->y, r->r), wrt, np + 1, r->out + 1));
	assert_ok(r->ctx, sf_plan_new(r->g, r->out, np + 2, r->type, r->n, &r->plan));
	free(wrt);
}

static void bind(struct rig *r, sf_var v, const char *name, int64_t size, void **keep)
{
	double *d;

	*keep = NULL;
	if (v == SF_NOVAR)
		return;
	d = tensor(r, name, r->n * size);
	*keep = narrow(r->type, d, r->n * size);
	free(d);
	assert_ok(r->ctx, sf_plan_bind(r->plan, v, *keep));
}

static void run(struct rig *r)
{
	int64_t i, total = sf_param_total(r->g), nx = r->n * r->size, ny = r->n * r->out_size;
	size_t e = r->type == SF_F32 ? sizeof(float) : sizeof(double);
	double *x = tensor(r, "input.x", nx), *rand = malloc((size_t)ny * sizeof *rand), *t;
	void *in[6], *y = calloc((size_t)ny, e), *gx = calloc((size_t)nx, e), *grad = calloc((size_t)total, e);
	sf_run how;

	for (i = 0; i < ny; i++)
		rand[i] = sqrt(12) * u_of(r->seed, 999, (uint32_t)i);
	in[0] = narrow(r->type, t = image(x, r->n, r->dim), nx);
	free(t);
	in[1] = narrow(r->type, t = image(rand, r->n, r->out_dim), ny);
	free(t);
	in[2] = narrow(r->type, r->param, total);
	assert_ok(r->ctx, sf_plan_bind(r->plan, r->io.x, in[0]));
	assert_ok(r->ctx, sf_plan_bind(r->plan, r->r, in[1]));
	assert_ok(r->ctx, sf_plan_bind_params(r->plan, in[2]));
	bind(r, r->io.cond, "input.cond", 1, &in[3]);
	bind(r, r->io.label, "input.label", 1, &in[4]);
	bind(r, r->io.augment, "input.augment", r->augments, &in[5]);
	assert_ok(r->ctx, sf_plan_output(r->plan, 0, y));
	assert_ok(r->ctx, sf_plan_output(r->plan, 1, gx));
	for (i = 0; i < sf_param_count(r->g); i++)
		assert_ok(r->ctx, sf_plan_output(r->plan, (int)i + 2,
		                                 (char *)grad + (size_t)sf_param_get(r->g, (int)i)->offset * e));
	memset(&how, 0, sizeof how);
	how.n = r->n;
	assert_ok(r->ctx, sf_plan_run(r->plan, &how));
	widen(r->type, y, ny, r->yd);
	widen(r->type, gx, nx, r->gx);
	widen(r->type, grad, total, r->grad);
	for (i = 0; i < 6; i++)
		free(in[i]);
	free(x);
	free(rand);
	free(y);
	free(gx);
	free(grad);
}

/* ---- comparison ---- */
static void compare_images(struct rig *r, const char *name, const int64_t *dim, const double *ours, double rtol)
{
	int64_t n = r->n * dim[0] * dim[1] * dim[2], i;
	double *flat = tensor(r, name, n), *want = image(flat, r->n, dim), most = 0;

	for (i = 0; i < n; i++)
		most = fmax(most, fabs(want[i]));
	ck_assert(most > 0);
	for (i = 0; i < n; i++)
		ck_assert_msg(sf_close(ours[i], want[i], 0, rtol * most), "%s: %s[%lld] = %.17g, expected %.17g (largest %g)",
		              r->c->file, name, (long long)i, ours[i], want[i], most);
	free(flat);
	free(want);
}

static void compare_params(struct rig *r, double rtol)
{
	size_t k, n = json_array_size(r->list);
	double *dot = tensor(r, "grad.dot", (int64_t)n), *norm = tensor(r, "grad.norm", (int64_t)n), most = 0;

	for (k = 0; k < n; k++)
		most = fmax(most, norm[k]);
	for (k = 0; k < n; k++) {
		/* a bias before a normalisation of single channels has no gradient but for rounding */
		double d = 0, s = 0, v, size = norm[k] > 1e-12 * most ? norm[k] : most;
		struct theirs t;
		int64_t i;

		open_param(r, k, &t);
		for (i = 0; i < t.size; i++) {
			v = r->grad[locate(&t, i)];
			d += v * u_of(r->seed, (uint32_t)k, (uint32_t)i);
			s += v * v;
		}
		ck_assert_msg(sf_close(sqrt(s), norm[k], 0, rtol * size), "%s: norm of the gradient of %s = %.17g, expected %.17g",
		              r->c->file, t.name, sqrt(s), norm[k]);
		ck_assert_msg(sf_close(d, dot[k], 0, rtol * size), "%s: projected gradient of %s = %.17g, expected %.17g (norm %g)",
		              r->c->file, t.name, d, dot[k], norm[k]);
	}
	free(dot);
	free(norm);
}

static void open_file(struct rig *r)
{
	const char *seed, *list;
	char path[200];

	snprintf(path, sizeof path, "tests/golden/networks/%s.safetensors", r->c->file);
	assert_ok(r->ctx, sf_tensors_read(r->ctx, sf_test_path(path), &r->file));
	seed = sf_tensors_meta(&r->file, "seed");
	list = sf_tensors_meta(&r->file, "parameters");
	ck_assert(seed && list);
	r->seed = (uint32_t)strtoul(seed, NULL, 10);
	r->list = json_loads(list, 0, NULL);
	ck_assert(json_is_array(r->list));
}

void golden_check(const golden_case *c, sf_dtype type, double rtol)
{
	struct rig r;

	memset(&r, 0, sizeof r);
	r.c = c;
	r.type = type;
	r.ctx = ck_ctx();
	open_file(&r);
	build(&r);
	r.param = calloc((size_t)sf_param_total(r.g), sizeof(double));
	r.grad = calloc((size_t)sf_param_total(r.g), sizeof(double));
	r.yd = calloc((size_t)(r.n * r.out_size), sizeof(double));
	r.gx = calloc((size_t)(r.n * r.size), sizeof(double));
	fill_params(&r);
	run(&r);
	compare_images(&r, "output.y", r.out_dim, r.yd, rtol);
	compare_images(&r, "grad.x", r.dim, r.gx, rtol);
	compare_params(&r, rtol);
	free(r.param);
	free(r.grad);
	free(r.yd);
	free(r.gx);
	free(r.out);
	sf_plan_free(r.plan);
	sf_graph_free(r.g);
	json_decref(r.list);
	sf_tensors_free(&r.file);
	sf_ctx_free(r.ctx);
}
