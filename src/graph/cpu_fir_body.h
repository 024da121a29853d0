/* cpu_fir_body.h: separable FIR resampling, row by row of the result: rows of the operand are combined into one, which
 * is then resampled along its columns; part of cpu_body.h.
 *
 *     y[o] = sum_j f[L-1-j] z[o down + j],   z[q] = x[(q - pad0)/up] where that is a whole index,
 * else 0
 * SPDX-License-Identifier: BSD-3-Clause */

static size_t upfirdn_scratch(const sf_plan *p, const sf_work *s)
{
	const sf_node *node = &p->val[s->val].node;
	const sf_shape *x = &p->val[node->in[0]].node.shape;

	return (size_t)(x->dim[1] * x->dim[2]);
}

/* o = or += c a; kernels for long runs, a plain loop where the call would cost more */
static void add_scaled(const KERN *k, int64_t n, T c, const T *a, int first, T *o)
{
	int64_t i;

	if (n >= 16) {
		if (first)
			k->map1[SF_EW1_SCALE](n, a, (double)c, o);
		else
			k->axpy(n, c, a, o);
		return;
	}
	for (i = 0; i < n; i++)
		o[i] = first ? c * a[i] : o[i] + c * a[i];
}

/* One axis: vectors first .. to of n elements out of `from`. */
static void resample(const KERN *k, const sf_node *node, int64_t from, int64_t first_o, int64_t to, int64_t n,
                     const T *x, T *y)
{
	int64_t up = node->i[0], down = node->i[1], pad = node->i[2], o, j;

	for (o = first_o; o < to; o++, y += n) {
		int first = 1;

		for (j = 0; j < node->ntap; j++) {
			int64_t q = o * down + j - pad;

			if (q < 0 || q % up != 0 || q / up >= from)
				continue;
			add_scaled(k, n, (T)node->tap[node->ntap - 1 - j], x + q / up * n, first,
			           y);
			first = 0;
		}
		if (first)
			memset(y, 0, (size_t)n * sizeof *y);
	}
}

static void run_upfirdn(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	const sf_shape *x = &l->p->val[node->in[0]].node.shape, *y = &node->shape;
	int64_t c = x->dim[2], i, r;
	T *row = l->scratch;

	for (i = 0; i < n; i++)
		for (r = 0; r < y->dim[0]; r++) {
			resample(l->kern, node, x->dim[0], r, r + 1, x->dim[1] * c, at(l, node->in[0]) + i * x->size, row);
			resample(l->kern, node, x->dim[1], 0, y->dim[1], c, row,
			         at(l, v) + i * y->size + r * y->dim[1] * c);
		}
}
