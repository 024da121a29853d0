/* cpu_linear_body.h: matrix products and convolutions; part of cpu_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */

/* ---- matrix product (..,r,k) by (..,k,m) ---- */

typedef struct product {
	int64_t r, k, m;
	int64_t la, lb; /* leading sizes of a and b: equal, or one of them is 1 */
	int ta, tb, sum;
} product;

static product product_of(const sf_plan *p, const sf_node *node)
{
	const sf_shape *a = &p->val[node->in[0]].node.shape, *b = &p->val[node->in[1]].node.shape;
	product d;

	d.ta = node->i[0] != 0;
	d.tb = node->i[1] != 0;
	d.sum = node->i[2] != 0;
	d.r = a->rank > 1 ? a->dim[a->rank - 2 + d.ta] : 1;
	d.k = a->dim[a->rank - 1 - d.ta];
	d.m = b->dim[b->rank - 1 - d.tb];
	d.la = a->size / (d.r * d.k);
	d.lb = b->size / (d.k * d.m);
	return d;
}

static size_t matmul_scratch(const sf_plan *p, const sf_work *s)
{
	product d = product_of(p, &p->val[s->val].node);

	return d.tb && s->pack < 0 ? (size_t)(d.k * d.m) : 0;
}

/* Rows first .. first + rows of C (+)= A B (+ bias) for one pair of matrices or, with more than r, for a stack of A. b is (k,m) by now. */
static void multiply_rows(const sf_lane *l, const product *d, int64_t first, int64_t rows, const T *a, const T *b,
                          int accumulate, const T *bias, T *c)
{
	const KERN *k = l->kern;
	const int64_t rsa = d->ta ? 1 : d->k;

	k->gemm(rows, d->m, d->k, a + first * rsa, rsa, d->ta ? d->r : 1, b, d->m, accumulate, bias, c + first * d->m, d->m);
}

typedef struct factors {
	const product *d;
	const T *a, *b, *bias;
	int accumulate;
	T *c;
} factors;

static void multiply_part(const parts *j, int64_t part, T *scratch)
{
	const factors *f = j->what;
	const int64_t first = part * j->each;

	(void)scratch;
	multiply_rows(j->l, f->d, first, part_end(j, first) - first, f->a, f->b, f->accumulate, f->bias, f->c);
}

static void multiply(const sf_lane *l, const product *d, int64_t rows, const T *a, const T *b,
                     int accumulate, const T *bias, T *c)
{
	parts j = {l, NULL, multiply_part, 0, 0, 0, 0, NULL, NULL};
	factors f;

	if (rows < 2 || !shared(l, .02 * 2 * (double)rows * (double)d->m * (double)d->k)) {
		multiply_rows(l, d, 0, rows, a, b, accumulate, bias, c);
		return;
	}
	f.d = d;
	f.a = a;
	f.b = b;
	f.bias = bias;
	f.accumulate = accumulate;
	f.c = c;
	j.what = &f;
	sf_parallel(l->team, cut(&j, rows, 4, l->team->threads), run_part, &j);
}

/* The second operand as it was packed before the shards. */
static const T *packed_of(const sf_lane *l, const sf_work *s)
{
	const void *data = l->p->memory + l->p->buf[l->p->pack[s->pack].buf].offset;

	return data;
}

/* Matrix b as (k,m): itself, its packed transpose, or transposed into scratch memory. */
static const T *upright(const sf_lane *l, const product *d, const sf_work *s, const T *b,
                        int64_t item, const T **held)
{
	const KERN *k = l->kern;

	if (!d->tb)
		return b + item * d->k * d->m;
	if (s->pack >= 0)
		return packed_of(l, s) + item * d->k * d->m;
	b += item * d->k * d->m;
	if (*held != b)
		k->transpose(d->m, d->k, b, d->k, l->scratch, d->m);
	*held = b;
	return l->scratch;
}

static void run_matmul(const sf_lane *l, const sf_work *s, int64_t n)
{
	const sf_node *node = &l->p->val[s->val].node;
	product d = product_of(l->p, node);
	int64_t ska = skip(l->p, node->in[0]), skb = skip(l->p, node->in[1]);
	int64_t lead = d.la > d.lb ? d.la : d.lb, i, j;
	const T *a = at(l, node->in[0]), *b = at(l, node->in[1]), *held = NULL;
	const T *bias = node->nin > 2 ? at(l, node->in[2]) : NULL;
	T *c = at(l, s->val);

	if (d.sum && d.ta && !d.tb) { /* A' B over all rows of all samples at once */
		d.k *= n * lead;
		multiply(l, &d, d.r, a, b, 0, NULL, c);
		return;
	}
	if (!d.sum && !d.ta && skb == 0 && d.lb == 1) { /* one B for all rows */
		b = upright(l, &d, s, b, 0, &held);
		multiply(l, &d, (ska ? n : 1) * d.la * d.r, a, b, 0, bias, c);
		return;
	}
	for (i = 0; i < n; i++)
		for (j = 0; j < lead; j++) {
			const T *aj = a + i * ska + (d.la > 1 ? j * d.r * d.k : 0);
			const T *bj = upright(l, &d, s, b + i * skb, d.lb > 1 ? j : 0, &held);

			multiply(l, &d, d.r, aj, bj, d.sum && i + j > 0, bias, c);
			if (!d.sum)
				c += d.r * d.m;
		}
}

/* ---- convolution ---- */

/* Packed weights that stand before the kernel's scratch, to a whole cache line. */
static size_t pack_room(const KERN *k, const sf_conv *c)
{
	return (k->conv_packed(c) + 15) / 16 * 16;
}

static size_t conv_scratch(const sf_plan *p, const sf_work *s)
{
	const sf_node *node = &p->val[s->val].node;
	const KERN *k = p->kern;
	sf_conv c = sf_conv_of(p, node);

	return k->conv_scratch(&c) +
	       (s->pack < 0 && node->op != SF_OP_CONV_WEIGHT ? pack_room(k, &c) : 0);
}

static void conv_part(const parts *j, int64_t part, T *scratch)
{
	const sf_node *node = &j->l->p->val[j->s->val].node;
	const KERN *k = j->l->kern;
	const sf_conv *c = j->what;
	const int64_t sample = part / j->split, from = part % j->split * j->each;

	if (j->s->pack < 0)
		scratch += pack_room(k, c);
	k->conv_part(c, node->op == SF_OP_CONV_DATA, from, part_end(j, from),
	             at(j->l, node->in[0]) + sample * skip(j->l->p, node->in[0]), j->packed,
	             at(j->l, j->s->val) + sample * skip(j->l->p, j->s->val), scratch);
}

/* Shares the rows of the result, if that is worth it. */
static int conv_in_parts(const sf_lane *l, const sf_work *s, int64_t n, const sf_conv *c, const T *packed)
{
	const KERN *k = l->kern;
	const int data = l->p->val[s->val].node.op == SF_OP_CONV_DATA;
	const double taps = (double)(c->kh * c->kw * c->ci * c->co);
	const int64_t rows = k->conv_rows(c, data);
	parts j = {l, s, conv_part, 0, 0, 0, 0, NULL, NULL};

	if (rows == 0 || !shared(l, .02 * (double)(n * c->ho * c->wo) * taps))
		return 0;
	j.packed = packed;
	j.what = c;
	j.split = cut(&j, data ? c->h : c->ho, rows, (l->team->threads + n - 1) / n);
	sf_parallel(l->team, n * j.split, run_part, &j);
	return 1;
}

static void run_conv(const sf_lane *l, const sf_work *s, int64_t n)
{
	const sf_node *node = &l->p->val[s->val].node;
	const KERN *k = l->kern;
	sf_conv c = sf_conv_of(l->p, node);
	T *scratch = l->scratch, *here = scratch;
	const T *packed = here;

	if (s->pack >= 0) {
		packed = packed_of(l, s);
	} else {
		scratch += pack_room(k, &c);
		k->conv_pack(&c, node->op == SF_OP_CONV_DATA, at(l, node->in[1]), here);
	}
	if (conv_in_parts(l, s, n, &c, packed))
		return;
	if (node->op == SF_OP_CONV)
		k->conv_forward(&c, n, at(l, node->in[0]), packed, at(l, s->val), scratch);
	else
		k->conv_data(&c, n, at(l, node->in[0]), packed, at(l, s->val), scratch);
}

static void run_conv_weight(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	const KERN *k = l->kern;
	sf_conv c = sf_conv_of(l->p, node);

	k->conv_weight(&c, n, at(l, node->in[0]), at(l, node->in[1]), 0, at(l, v), l->scratch);
}

/* ---- operands packed once per run ---- */

static size_t pack_size(const sf_plan *p, const sf_pack *q)
{
	const KERN *k = p->kern;

	return q->kind == SF_PACK_TRANSPOSE ? (size_t)(q->count * q->rows * q->cols)
	                                    : k->conv_packed(&q->conv);
}

static void pack(const sf_plan *p, const sf_pack *q, const void *src, void *dst)
{
	const KERN *k = p->kern;
	const T *from = src;
	T *to = dst;
	int64_t i, size = q->rows * q->cols;

	if (q->kind != SF_PACK_TRANSPOSE) {
		k->conv_pack(&q->conv, q->kind == SF_PACK_ADJOINT, from, to);
		return;
	}
	for (i = 0; i < q->count; i++)
		k->transpose(q->rows, q->cols, from + i * size, q->cols, to + i * size, q->rows);
}
