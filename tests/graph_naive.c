/* graph_naive.c: the graph by textbook loops.
 *
 * Every node becomes an array (n,size), shared ones (1,size); `at` reads an operand for a sample, a
 * shared operand being the same for all. Sums over the batch run over the samples in order.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph_naive.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef int64_t idx[SF_MAXRANK];

void naive_open(naive *v, const sf_graph *g, int64_t n)
{
	memset(v, 0, sizeof *v);
	v->g = g;
	v->n = n;
}

void naive_close(naive *v)
{
	int i;

	for (i = 0; i < v->cap; i++)
		free(v->val[i]);
	free(v->val);
}

/* The graph may have grown since the last call. */
static void reserve(naive *v)
{
	if (v->cap >= v->g->n)
		return;
	v->val = realloc(v->val, (size_t)v->g->n * sizeof *v->val);
	ck_assert_ptr_nonnull(v->val);
	while (v->cap < v->g->n)
		v->val[v->cap++] = NULL;
}

int64_t naive_count(const naive *v, sf_var a)
{
	const sf_shape *s = &v->g->node[a].shape;

	return s->per_sample ? v->n * s->size : s->size;
}

static int is_data(const sf_node *n)
{
	return n->op == SF_OP_INPUT || n->op == SF_OP_PARAM;
}

void naive_set(naive *v, sf_var leaf, const double *data)
{
	size_t bytes = (size_t)naive_count(v, leaf) * sizeof *data;
	int i;

	reserve(v);
	ck_assert(is_data(&v->g->node[leaf]));
	for (i = 0; i < v->cap; i++) {
		if (!is_data(&v->g->node[i])) {
			free(v->val[i]);
			v->val[i] = NULL;
		}
	}
	if (!v->val[leaf])
		v->val[leaf] = malloc(bytes);
	ck_assert_ptr_nonnull(v->val[leaf]);
	memcpy(v->val[leaf], data, bytes);
}

void naive_set_params(naive *v, const double *flat)
{
	int i;

	for (i = 0; i < sf_param_count(v->g); i++) {
		const sf_param_info *p = sf_param_get(v->g, i);

		naive_set(v, p->var, flat + p->offset);
	}
}

/* ---- indices ---- */

/* Splits the flat index i of shape s. */
static void split(const sf_shape *s, int64_t i, idx at)
{
	int d;

	memset(at, 0, sizeof(idx));
	for (d = s->rank - 1; d >= 0; d--) {
		at[d] = i % s->dim[d];
		i /= s->dim[d];
	}
}

static int64_t flat(const sf_shape *s, const int64_t *at)
{
	int64_t i = 0;
	int d;

	for (d = 0; d < s->rank; d++)
		i = i * s->dim[d] + at[d];
	return i;
}

/* The element of the smaller shape `s` that element `at` of shape `big` reads when s is broadcast. */
static int64_t broadcast(const sf_shape *s, const sf_shape *big, const int64_t *at)
{
	idx small;
	int d;

	for (d = 0; d < s->rank; d++)
		small[d] = s->dim[d] == 1 ? 0 : at[big->rank - s->rank + d];
	return flat(s, small);
}

typedef struct naive_job {
	const naive *v;
	const sf_node *n;
	const sf_shape *y;           /* result */
	const sf_shape *a[SF_MAXIN]; /* operands */
	const double *p[SF_MAXIN];
	double *o;                   /* zero at first */
} naive_job;

/* Operand k of sample s, element i; a shared operand is the same for all samples. */
static double naive_at(const naive_job *j, int k, int64_t s, int64_t i)
{
	return j->p[k][(j->a[k]->per_sample ? s * j->a[k]->size : 0) + i];
}

static int64_t naive_samples(const naive_job *j, const sf_shape *s)
{
	return s->per_sample ? j->v->n : 1;
}

#include "graph_naive_norm_body.h"

/* ---- elementwise ---- */

static double map1(const sf_node *n, double x)
{
	switch ((int)n->op) {
	case SF_OP_SCALE: return n->c * x;
	case SF_OP_OFFSET: return x + n->c;
	case SF_OP_SQUARE: return x * x;
	case SF_OP_SQRT: return sqrt(x);
	case SF_OP_EXP: return exp(x);
	case SF_OP_LOG: return log(x);
	case SF_OP_SIN: return sin(x);
	case SF_OP_COS: return cos(x);
	case SF_OP_TANH: return tanh(x);
	case SF_OP_SIGMOID: return naive_sigmoid(x);
	case SF_OP_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
	case SF_OP_SILU: return x * naive_sigmoid(x);
	case SF_OP_RELU: return x > 0 ? x : 0;
	case SF_OP_ELU: return x > 0 ? x : expm1(x);
	case SF_OP_STEP: return x > 0;
	default: return x; /* DETACH */
	}
}

static double map2(const sf_node *n, double a, double b)
{
	switch ((int)n->op) {
	case SF_OP_ADD: return a + b;
	case SF_OP_SUB: return a - b;
	case SF_OP_MUL: return a * b;
	case SF_OP_DIV: return a / b;
	case SF_OP_SILU_GRAD: return a * naive_silu_slope(b);
	default: return a * (b > 0 ? 1 : exp(b)); /* ELU_GRAD */
	}
}

static void run_map(naive_job *j)
{
	int64_t s, i;
	idx x;

	for (s = 0; s < naive_samples(j, j->y); s++) {
		for (i = 0; i < j->y->size; i++) {
			double *o = &j->o[s * j->y->size + i];

			split(j->y, i, x);
			if (j->n->nin == 1)
				*o = map1(j->n, naive_at(j, 0, s, i));
			else
				*o = map2(j->n, naive_at(j, 0, s, broadcast(j->a[0], j->y, x)),
				          naive_at(j, 1, s, broadcast(j->a[1], j->y, x)));
		}
	}
}

/* ---- reductions ---- */

static void run_sum_to(naive_job *j)
{
	int64_t s, i;
	idx x;

	for (s = 0; s < naive_samples(j, j->a[0]); s++) {
		for (i = 0; i < j->a[0]->size; i++) {
			split(j->a[0], i, x);
			j->o[(j->y->per_sample ? s * j->y->size : 0) + broadcast(j->y, j->a[0], x)] +=
				naive_at(j, 0, s, i);
		}
	}
}

static void run_broadcast(naive_job *j)
{
	int64_t s, i;
	idx x;

	for (s = 0; s < naive_samples(j, j->y); s++) {
		for (i = 0; i < j->y->size; i++) {
			split(j->y, i, x);
			j->o[s * j->y->size + i] = naive_at(j, 0, s, broadcast(j->a[0], j->y, x));
		}
	}
}

/* ---- products ---- */

/* Element (row, col) of operand k under the leading index l, transposed or not. */
static double entry(const naive_job *j, int k, int64_t s, int64_t l, int64_t row, int64_t col)
{
	const sf_shape *a = j->a[k];
	int64_t r = a->rank == 1 ? 1 : a->dim[a->rank - 2], c = a->dim[a->rank - 1];

	if (a->rank <= 2)
		l = 0;
	return naive_at(j, k, s, l * r * c + (j->n->i[k] ? col * c + row : row * c + col));
}

static void run_matmul(naive_job *j)
{
	const sf_shape *a = j->a[0];
	int sum = j->n->i[2] != 0, rank = j->y->rank;
	int64_t rows = rank == 1 ? 1 : j->y->dim[rank - 2], cols = j->y->dim[rank - 1];
	int64_t inner = a->rank == 1 ? a->dim[0] : a->dim[a->rank - (j->n->i[0] ? 2 : 1)];
	int64_t leads = (sum ? a->size / (rows * inner) : j->y->size / (rows * cols));
	int64_t n = naive_samples(j, sum ? a : j->y), s, l, r, c, k;

	for (s = 0; s < n; s++)
		for (l = 0; l < leads; l++)
			for (r = 0; r < rows; r++)
				for (c = 0; c < cols; c++) {
					double t = 0;

					for (k = 0; k < inner; k++)
						t += entry(j, 0, s, l, r, k) * entry(j, 1, s, l, k, c);
					j->o[sum ? r * cols + c
					         : s * j->y->size + (l * rows + r) * cols + c] += t;
				}
}

#include "graph_naive_image_body.h"

/* ---- moves ---- */

static double moved(const naive_job *j, int64_t s, int64_t i)
{
	const sf_node *n = j->n;
	int last = j->y->rank - 1, d;
	int64_t width;
	idx x, from;

	split(j->y, i, x);
	memcpy(from, x, sizeof from);
	switch ((int)n->op) {
	case SF_OP_PERMUTE:
		for (d = 0; d < j->y->rank; d++)
			from[n->i[d]] = x[d];
		return naive_at(j, 0, s, flat(j->a[0], from));
	case SF_OP_CONCAT:
		width = j->a[0]->dim[last];
		if (x[last] < width)
			return naive_at(j, 0, s, flat(j->a[0], x));
		from[last] -= width;
		return naive_at(j, 1, s, flat(j->a[1], from));
	case SF_OP_SLICE:
		from[last] += n->i[0];
		return naive_at(j, 0, s, flat(j->a[0], from));
	case SF_OP_PAD:
		from[last] -= n->i[0];
		if (from[last] < 0 || from[last] >= j->a[0]->dim[last])
			return 0;
		return naive_at(j, 0, s, flat(j->a[0], from));
	case SF_OP_GATHER:
		return naive_at(j, 0, s, (int64_t)naive_at(j, 1, s, 0) * j->y->size + i);
	default: /* RESHAPE */
		return naive_at(j, 0, s, i);
	}
}

static void run_move(naive_job *j)
{
	int64_t s, i;

	for (s = 0; s < naive_samples(j, j->y); s++)
		for (i = 0; i < j->y->size; i++)
			j->o[s * j->y->size + i] = moved(j, s, i);
}

static void run_scatter(naive_job *j)
{
	int64_t s, i, k = j->a[0]->size;

	for (s = 0; s < j->v->n; s++)
		for (i = 0; i < k; i++)
			j->o[(int64_t)naive_at(j, 1, s, 0) * k + i] += naive_at(j, 0, s, i);
}

/* ---- leaves ---- */

static void run_random(naive_job *j)
{
	const naive *v = j->v;
	sf_noise key;
	int64_t s, i;

	key.seed = v->seed;
	key.purpose = (uint32_t)j->n->i[1];
	key.step = v->step;
	for (s = 0; s < v->n; s++) {
		double *o = j->o + s * j->y->size;
		uint64_t sample = v->first_sample + (uint64_t)s;

		if (j->n->i[0] == 'n')
			sf_noise_normal_d(v->g->ctx, key, sample, 0, (size_t)j->y->size, o);
		else
			sf_noise_uniform_d(v->g->ctx, key, sample, 0, (size_t)j->y->size, o);
		for (i = 0; j->n->i[0] == 'r' && i < j->y->size; i++)
			o[i] = o[i] < 0.5 ? -1 : 1;
	}
}

static void (*const run[SF_OP_COUNT])(naive_job *) = {
	[SF_OP_RANDOM] = run_random,
	[SF_OP_SUM_TO] = run_sum_to,
	[SF_OP_BROADCAST] = run_broadcast,
	[SF_OP_MATMUL] = run_matmul,
	[SF_OP_CONV] = run_conv,
	[SF_OP_CONV_DATA] = run_conv,
	[SF_OP_CONV_WEIGHT] = run_conv,
	[SF_OP_UPFIRDN] = run_upfirdn,
	[SF_OP_PICK] = run_pick,
	[SF_OP_UNPICK] = run_pick,
	[SF_OP_RESHAPE] = run_move,
	[SF_OP_PERMUTE] = run_move,
	[SF_OP_CONCAT] = run_move,
	[SF_OP_SLICE] = run_move,
	[SF_OP_PAD] = run_move,
	[SF_OP_GATHER] = run_move,
	[SF_OP_SCATTER] = run_scatter,
	[SF_OP_SOFTMAX] = naive_softmax,
	[SF_OP_SOFTMAX_GRAD] = naive_softmax,
	[SF_OP_GROUP_NORM] = naive_norm,
	[SF_OP_GROUP_NORM_GRAD] = naive_norm,
	[SF_OP_GROUP_NORM_GRAD_AFFINE] = naive_norm,
};

static void evaluate(naive *v, sf_var a)
{
	naive_job j;
	int k;

	memset(&j, 0, sizeof j);
	j.v = v;
	j.n = &v->g->node[a];
	j.y = &j.n->shape;
	for (k = 0; k < j.n->nin; k++) {
		j.a[k] = &v->g->node[j.n->in[k]].shape;
		j.p[k] = v->val[j.n->in[k]];
	}
	ck_assert_msg(!is_data(j.n), "%s '%s' has no values", sf_ops[j.n->op].name, j.n->name);
	j.o = calloc((size_t)naive_count(v, a), sizeof *j.o);
	ck_assert_ptr_nonnull(j.o);
	v->val[a] = j.o;
	if (j.n->op == SF_OP_CONST && j.n->tap)
		memcpy(j.o, j.n->tap, (size_t)j.y->size * sizeof *j.o);
	else if (j.n->op == SF_OP_CONST)
		j.o[0] = j.n->c;
	else if (j.n->op < SF_OP_INPUT)
		run_map(&j);
	else {
		ck_assert_msg(run[j.n->op] != NULL, "no loop for %s", sf_ops[j.n->op].name);
		run[j.n->op](&j);
	}
}

const double *naive_get(naive *v, sf_var a)
{
	unsigned char *need;
	int i, k;

	ck_assert_msg(a >= 0 && a < v->g->n, "no variable %d: %s", a, sf_ctx_message(v->g->ctx));
	reserve(v);
	need = calloc((size_t)a + 1, 1);
	ck_assert_ptr_nonnull(need);
	need[a] = 1;
	for (i = a; i >= 0; i--)
		for (k = 0; need[i] && !v->val[i] && k < v->g->node[i].nin; k++)
			need[v->g->node[i].in[k]] = 1;
	for (i = 0; i <= a; i++)
		if (need[i] && !v->val[i])
			evaluate(v, i);
	free(need);
	return v->val[a];
}
