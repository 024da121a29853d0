/* autodiff_fixture.c: a case with values, and finite differences of it by the naive evaluator.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "autodiff_fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void open_case(fixture *f, const op_case *c, int variant, int order)
{
	memset(f, 0, sizeof *f);
	f->ctx = ck_ctx();
	ck_assert_int_eq(sf_graph_new(f->ctx, order, &f->t.g), 0);
	f->t.op = c->op;
	c->build(&f->t, variant);
	snprintf(f->what, sizeof f->what, "%s, variant %d, order %d", c->name, variant, order);
	ck_assert_msg(sf_graph_status(f->t.g) == 0, "%s: %s", f->what, sf_ctx_message(f->ctx));
	f->own = f->t.nin;
	naive_open(&f->v, f->t.g, N);
	f->v.seed = 7;
}

void close_case(fixture *f)
{
	naive_close(&f->v);
	sf_graph_free(f->t.g);
	sf_ctx_free(f->ctx);
}

/* A sound graph? Then gives every input its values. */
void set_values(fixture *f)
{
	int k;

	ck_assert_msg(sf_graph_status(f->t.g) == 0, "%s: %s", f->what, sf_ctx_message(f->ctx));
	for (k = 0; k < f->t.nin; k++) {
		ck_assert_int_le(naive_count(&f->v, f->t.in[k]), MOST);
		case_values(&f->t, k, naive_count(&f->v, f->t.in[k]), 1, f->x[k]);
		naive_set(&f->v, f->t.in[k], f->x[k]);
	}
}

double total(fixture *f, sf_var a)
{
	const double *p = naive_get(&f->v, a);
	int64_t i, n = naive_count(&f->v, a);
	double s = 0;

	for (i = 0; i < n; i++)
		s += p[i];
	return s;
}

double biggest(const double *p, int64_t n)
{
	double m = 0;

	while (n-- > 0)
		m = fabs(p[n]) > m ? fabs(p[n]) : m;
	return m;
}

void compare(const fixture *f, const char *check, const double *a, const double *b, int64_t n,
                    double rtol, double atol)
{
	double size = biggest(a, n) > biggest(b, n) ? biggest(a, n) : biggest(b, n);
	int64_t i;

	for (i = 0; i < n; i++)
		ck_assert_msg(sf_close(a[i], b[i], 0, rtol * size + atol), "%s: %s: element %d is %.15g, expected %.15g",
		              f->what, check, (int)i, a[i], b[i]);
}

/* The five-point difference at step h of what `fn` gives for x + s h. */
static const double STEP = 1e-3;
static const double shift[4] = {-2, -1, 1, 2}, weight[4] = {1. / 12, -8. / 12, 8. / 12, -1. / 12};

/* d(sum of s)/d(input k), element by element */
void difference(fixture *f, sf_var s, int k, double *out)
{
	int64_t i, n = naive_count(&f->v, f->t.in[k]);
	int j;

	for (i = 0; i < n; i++) {
		double keep = f->x[k][i];

		out[i] = 0;
		for (j = 0; j < 4; j++) {
			f->x[k][i] = keep + shift[j] * STEP;
			naive_set(&f->v, f->t.in[k], f->x[k]);
			out[i] += weight[j] / STEP * total(f, s);
		}
		f->x[k][i] = keep;
	}
	naive_set(&f->v, f->t.in[k], f->x[k]);
}

/* The same of all elements of y along direction d of input k. */
void directional(fixture *f, sf_var y, int k, const double *d, double *out)
{
	int64_t i, n = naive_count(&f->v, f->t.in[k]), m = naive_count(&f->v, y);
	double moved[MOST];
	const double *p;
	int j;

	memset(out, 0, (size_t)m * sizeof *out);
	for (j = 0; j < 4; j++) {
		for (i = 0; i < n; i++)
			moved[i] = f->x[k][i] + shift[j] * STEP * d[i];
		naive_set(&f->v, f->t.in[k], moved);
		p = naive_get(&f->v, y);
		for (i = 0; i < m; i++)
			out[i] += weight[j] / STEP * p[i];
	}
	naive_set(&f->v, f->t.in[k], f->x[k]);
}

/* sum over elements, and over the batch where there is one */
sf_var whole(sf_graph *g, sf_var a)
{
	a = sf_sum(g, a);
	return sf_shape_of(g, a).per_sample ? sf_batch_sum(g, a) : a;
}

sf_var weighted(fixture *f)
{
	return sf_sum(f->t.g, sf_mul(f->t.g, put_like(&f->t, f->t.y), f->t.y));
}

/* The inputs that are differentiated: x[0..n), and their positions among the inputs. */
int smooth_inputs(const fixture *f, sf_var *x, int *at)
{
	int k, n = 0;

	for (k = 0; k < f->own; k++) {
		if (f->t.index[k])
			continue;
		x[n] = f->t.in[k];
		at[n++] = k;
	}
	return n;
}

void open_plain(fixture *f, int order, const char *what)
{
	memset(f, 0, sizeof *f);
	f->ctx = ck_ctx();
	ck_assert_int_eq(sf_graph_new(f->ctx, order, &f->t.g), 0);
	snprintf(f->what, sizeof f->what, "%s", what);
	naive_open(&f->v, f->t.g, N);
}
