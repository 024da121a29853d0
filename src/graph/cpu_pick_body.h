/* cpu_pick_body.h: t at the maximum of x in each window, and its adjoint; part of cpu_body.h.
 *
 * Row by row of the image the maxima along that row are found, then of each window the maximum over its rows;
 * earlier places win ties in both, which is row-major order. Only the k rows that a window spans are kept, as
 * a ring. For the adjoint the places travel instead of t, as tags 0 .. k-1, first the one in the column, then
 * the one in the row.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct pool {
	int64_t k, stride, pad, h, w, c, ho, wo;
	int64_t row; /* elements of a row of results */
} pool;

static pool pool_of(const sf_plan *p, const sf_node *node)
{
	const sf_shape *x = &p->val[node->in[0]].node.shape;
	const sf_shape *y = node->op == SF_OP_PICK ? &node->shape : &p->val[node->in[1]].node.shape;
	pool d;

	d.k = node->i[0];
	d.stride = node->i[1];
	d.pad = node->i[2];
	d.h = x->dim[0];
	d.w = x->dim[1];
	d.c = x->dim[2];
	d.ho = y->dim[0];
	d.wo = y->dim[1];
	d.row = d.wo * d.c;
	return d;
}

static size_t pick_scratch(const sf_plan *p, const sf_work *s)
{
	const sf_node *node = &p->val[s->val].node;
	pool d = pool_of(p, node);

	return (size_t)(node->op == SF_OP_PICK ? (2 * d.k + 1) * d.row : (3 * d.k + 2) * d.row);
}

/* The windows [first, end) along a row whose tap kx lies in the image. */
static void span_of(const pool *d, int64_t kx, int64_t *first, int64_t *end)
{
	int64_t before = d->pad - kx, room = d->w - 1 + before;

	*first = before > 0 ? (before + d->stride - 1) / d->stride : 0;
	*end = room < 0 ? 0 : room / d->stride + 1 < d->wo ? room / d->stride + 1 : d->wo;
}

/* The first tap of window o in the image. */
static int64_t first_tap(const pool *d, int64_t o)
{
	return o * d->stride < d->pad ? d->pad - o * d->stride : 0;
}

/* Maxima m of a row of x, and v: t there, or without t the tag. */
static void pool_row(const KERN *k, const pool *d, const T *x, const T *t, T *m, T *v)
{
	int64_t kx, o, i, j, end, step, n;

	for (o = 0; o < d->wo; o++) {
		kx = first_tap(d, o);
		i = (o * d->stride + kx - d->pad) * d->c;
		memcpy(m + o * d->c, x + i, (size_t)d->c * sizeof *m);
		for (j = 0; j < d->c; j++)
			v[o * d->c + j] = t ? t[i + j] : (T)kx;
	}
	step = d->stride == 1 ? d->wo : 1; /* neighbours go together */
	for (kx = 0; kx < d->k; kx++) {
		span_of(d, kx, &o, &end);
		for (; o < end; o += step) {
			i = (o * d->stride + kx - d->pad) * d->c;
			j = o * d->c;
			n = (step == 1 ? 1 : end - o) * d->c;
			if (t)
				k->pick(n, x + i, t + i, m + j, v + j);
			else
				k->pick_tag(n, x + i, (T)kx, m + j, v + j);
		}
	}
}

/* The adjoint along a row: dx at the tags v += g */
static void unpool_row(const KERN *k, const pool *d, const T *v, const T *g, T *dx)
{
	int64_t kx, o, end, step = d->stride == 1 ? d->wo : 1;

	for (kx = 0; kx < d->k; kx++) {
		span_of(d, kx, &o, &end);
		for (; o < end; o += step)
			k->add_tagged((step == 1 ? 1 : end - o) * d->c, v + o * d->c, (T)kx, g + o * d->c,
			              dx + (o * d->stride + kx - d->pad) * d->c);
	}
}

static void run_pick(const sf_lane *l, int val, int64_t n)
{
	const sf_node *node = &l->p->val[val].node;
	pool d = pool_of(l->p, node);
	T *m = l->scratch, *v = m + d.k * d.row, *top = v + d.k * d.row;
	int64_t s, o, i, next;

	for (s = 0; s < n; s++) {
		const T *x = at(l, node->in[0]) + s * skip(l->p, node->in[0]);
		const T *t = at(l, node->in[1]) + s * skip(l->p, node->in[1]);
		T *y = at(l, val) + s * node->shape.size;

		for (o = next = 0; o < d.ho; o++, y += d.row) {
			int64_t low = o * d.stride - d.pad, high = low + d.k < d.h ? low + d.k : d.h;

			low = low < 0 ? 0 : low;
			for (next = next < low ? low : next; next < high; next++)
				pool_row(l->kern, &d, x + next * d.w * d.c, t + next * d.w * d.c,
				         m + next % d.k * d.row, v + next % d.k * d.row);
			memcpy(top, m + low % d.k * d.row, (size_t)d.row * sizeof *top);
			memcpy(y, v + low % d.k * d.row, (size_t)d.row * sizeof *y);
			for (i = low + 1; i < high; i++)
				((const KERN *)l->kern)->pick(d.row, m + i % d.k * d.row,
				                              v + i % d.k * d.row, top, y);
		}
	}
}

static void run_unpick(const sf_lane *l, int val, int64_t n)
{
	const sf_node *node = &l->p->val[val].node;
	const KERN *k = l->kern;
	pool d = pool_of(l->p, node);
	T *m = l->scratch, *v = m + d.k * d.row, *g = v + d.k * d.row; /* g: gradients of m */
	T *top = g + d.k * d.row, *tag = top + d.row;
	int64_t s, o, i, next, done;

	for (s = 0; s < n; s++) {
		const T *x = at(l, node->in[0]) + s * skip(l->p, node->in[0]);
		const T *dy = at(l, node->in[1]) + s * skip(l->p, node->in[1]);
		T *dx = at(l, val) + s * node->shape.size;

		memset(dx, 0, (size_t)node->shape.size * sizeof *dx);
		for (o = next = done = 0; o < d.ho; o++, dy += d.row) {
			int64_t low = o * d.stride - d.pad, high = low + d.k < d.h ? low + d.k : d.h;

			low = low < 0 ? 0 : low;
			for (; done < low && done < next; done++)
				unpool_row(k, &d, v + done % d.k * d.row, g + done % d.k * d.row,
				           dx + done * d.w * d.c);
			done = low;
			for (next = next < low ? low : next; next < high; next++) {
				pool_row(k, &d, x + next * d.w * d.c, NULL, m + next % d.k * d.row,
				         v + next % d.k * d.row);
				memset(g + next % d.k * d.row, 0, (size_t)d.row * sizeof *g);
			}
			memcpy(top, m + low % d.k * d.row, (size_t)d.row * sizeof *top);
			for (i = 0; i < d.row; i++)
				tag[i] = (T)(low % d.k);
			for (i = low + 1; i < high; i++)
				k->pick_tag(d.row, m + i % d.k * d.row, (T)(i % d.k), top, tag);
			for (i = low; i < high; i++)
				k->add_tagged(d.row, tag, (T)(i % d.k), dy, g + i % d.k * d.row);
		}
		for (; done < next; done++)
			unpool_row(k, &d, v + done % d.k * d.row, g + done % d.k * d.row,
			           dx + done * d.w * d.c);
	}
}
