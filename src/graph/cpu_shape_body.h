/* cpu_shape_body.h: operations that only move elements; part of cpu_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */

/* `rows` rows of `cols` elements from one pitch to another. */
static void move_rows(int64_t rows, int64_t cols, const T *from, int64_t pitch_from, T *to,
                      int64_t pitch_to)
{
	int64_t i;

	if (cols == pitch_from && cols == pitch_to) {
		memcpy(to, from, (size_t)(rows * cols) * sizeof *to);
		return;
	}
	for (i = 0; i < rows; i++)
		memcpy(to + i * pitch_to, from + i * pitch_from, (size_t)cols * sizeof *to);
}

static void run_concat(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	int64_t c = last_dim(&node->shape), rows = n * (node->shape.size / c), done = 0;
	int k;

	for (k = 0; k < node->nin; k++) {
		int64_t part = last_dim(&l->p->val[node->in[k]].node.shape);

		move_rows(rows, part, at(l, node->in[k]), part, at(l, v) + done, c);
		done += part;
	}
}

static void run_slice_or_pad(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	int64_t in = last_dim(&l->p->val[node->in[0]].node.shape), out = last_dim(&node->shape);
	int64_t rows = n * (node->shape.size / out);

	if (node->op == SF_OP_SLICE) {
		move_rows(rows, out, at(l, node->in[0]) + node->i[0], in, at(l, v), out);
		return;
	}
	if (in < out)
		memset(at(l, v), 0, (size_t)(rows * out) * sizeof(T));
	move_rows(rows, in, at(l, node->in[0]), in, at(l, v) + node->i[0], out);
}

/* The inner two dimensions of a permutation: o (d0,d1) dense, element (i,j) at a[i s0 + j s1]. */
static void permute_plane(const KERN *k, int64_t d0, int64_t d1, const T *a, int64_t s0, int64_t s1,
                          T *o)
{
	int64_t i, j;

	if (s1 == 1) {
		move_rows(d0, d1, a, s0, o, d1);
	} else if (s0 == 1) {
		k->transpose(d1, d0, a, s1, o, d1);
	} else {
		for (i = 0; i < d0; i++)
			for (j = 0; j < d1; j++)
				o[i * d1 + j] = a[i * s0 + j * s1];
	}
}

static void run_permute(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	const sf_shape *from = &l->p->val[node->in[0]].node.shape;
	int64_t pitch[SF_MAXRANK], d[SF_MAXRANK], s[SF_MAXRANK], stride = 1, i, j, m;
	int rank = 0, k;
	const T *a = at(l, node->in[0]);
	T *o = at(l, v);

	for (k = from->rank - 1; k >= 0; k--) {
		pitch[k] = stride;
		stride *= from->dim[k];
	}
	for (k = 0; k < node->shape.rank;
	     k++) { /* neighbours that stay neighbours are one dimension */
		int64_t dim = node->shape.dim[k], p = pitch[node->i[k]];

		if (dim == 1)
			continue;
		if (rank && s[rank - 1] == p * dim) {
			d[rank - 1] *= dim;
			s[rank - 1] = p;
		} else {
			d[rank] = dim;
			s[rank++] = p;
		}
	}
	for (; rank < SF_MAXRANK; rank++) {
		memmove(d + 1, d, (size_t)rank * sizeof *d);
		memmove(s + 1, s, (size_t)rank * sizeof *s);
		d[0] = 1;
		s[0] = 0;
	}
	for (m = 0; m < n; m++, a += from->size)
		for (i = 0; i < d[0]; i++)
			for (j = 0; j < d[1]; j++, o += d[2] * d[3])
				permute_plane(l->kern, d[2], d[3], a + i * s[0] + j * s[1], s[2],
				              s[3], o);
}

/* A whole number in [0, rows), or -1. */
static int64_t row_index(T value, int64_t rows)
{
	double x = (double)value;

	if (!(x >= 0 && x < (double)rows) || x != (double)(int64_t)x)
		return -1;
	return (int64_t)x;
}

/* GATHER: o[s] = table[index[s]]; SCATTER: o[index[s]] += dy[s], samples in order. */
static int run_gather_or_scatter(sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	const KERN *kern = l->kern;
	int scatter = node->op == SF_OP_SCATTER;
	const sf_shape *table = scatter ? &node->shape : &l->p->val[node->in[0]].node.shape;
	int64_t k = last_dim(table), rows = table->size / k, ski = skip(l->p, node->in[1]), s, r;
	const T *a = at(l, node->in[0]), *index = at(l, node->in[1]);
	T *o = at(l, v);

	if (scatter)
		memset(o, 0, (size_t)table->size * sizeof *o);
	for (s = 0; s < n; s++) {
		r = row_index(index[s * ski], rows);
		if (r < 0) {
			l->bad = v;
			l->bad_sample = l->first + s;
			l->bad_index = (double)index[s * ski];
			return SF_ERANGE;
		}
		if (scatter)
			kern->axpy(k, 1, a + s * skip(l->p, node->in[0]), o + r * k);
		else
			memcpy(o + s * k, a + s * skip(l->p, node->in[0]) + r * k,
			       (size_t)k * sizeof *o);
	}
	return SF_OK;
}
