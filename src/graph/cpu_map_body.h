/* cpu_map_body.h: chains of elementwise nodes, block by block, and random leaves; part of
 * cpu_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Spreads elements [e, e + n) of an operand that repeats by coordinates into o. Rows may be short: coordinates are
 * divided out once and then count up. */
static void fetch_grid(const sf_view *v, const T *p, int64_t e, int64_t n, T *o)
{
	const int64_t *d = v->dim, *s = v->stride;
	int64_t at[SF_MAXRANK], row, i; /* row: where at[3] = 0 */
	int k;

	for (k = SF_MAXRANK - 1; k >= 0; k--) {
		at[k] = e % d[k];
		e /= d[k];
	}
	row = e * v->sample + at[0] * s[0] + at[1] * s[1] + at[2] * s[2];
	while (n > 0) {
		int64_t run = least(d[3] - at[3], n);

		if (s[3] == 1)
			memcpy(o, p + row + at[3], (size_t)run * sizeof *o);
		else
			for (i = 0; i < run; i++)
				o[i] = p[row];
		n -= run;
		o += run;
		at[3] = 0;
		row += s[2];
		for (k = 2; k > 0 && ++at[k] == d[k]; k--) {
			at[k] = 0;
			row += s[k - 1] - d[k] * s[k];
		}
		if (k == 0 && ++at[0] == d[0]) {
			at[0] = 0;
			row += v->sample - d[0] * s[0];
		}
	}
}

/* The same for one that repeats in cycles. */
static void fetch_cycle(const sf_view *v, const T *p, int64_t e, int64_t n, T *o)
{
	while (n > 0) {
		int64_t row = e / v->period, col = e % v->period, run, i;
		const T *a = p + (v->repeat ? row / v->repeat : 0) * v->period + col;

		if (v->period == 1) {
			run = v->repeat ? least(v->repeat - row % v->repeat, n) : n;
			for (i = 0; i < run; i++)
				o[i] = *a;
		} else {
			run = least(v->period - col, n);
			memcpy(o, a, (size_t)run * sizeof *o);
		}
		e += run;
		n -= run;
		o += run;
	}
}

/* Elements [e, e + n) of an operand: where they lie, or spread out in `room`. */
static const T *fetch(const sf_view *v, const T *p, int64_t e, int64_t n, T *room)
{
	if (v->kind == SF_DENSE)
		return p + e;
	if (v->kind == SF_CYCLE)
		fetch_cycle(v, p, e, n, room);
	else
		fetch_grid(v, p, e, n, room);
	return room;
}

/* o = a op b for elements [e, e + n), a dense (from element e on), b repeating in cycles. */
static void map_cycle(const KERN *k, int op, int64_t e, int64_t n, const T *a, const sf_view *v,
                      const T *b, T *o)
{
	while (n > 0) {
		int64_t row = e / v->period, col = e % v->period, within, run;
		const T *q = b + (v->repeat ? row / v->repeat : 0) * v->period + col;

		within = v->repeat ? row % v->repeat : 0;
		if (v->period == 1 && v->repeat && within == 0 && n >= v->repeat) {
			run = n / v->repeat * v->repeat;
			k->map2_col[op](n / v->repeat, v->repeat, a, q, o);
		} else if (v->period == 1) {
			run = v->repeat ? least(v->repeat - within, n) : n;
			k->map2_col[op](1, run, a, q, o);
		} else if (col == 0 && n >= v->period) {
			int64_t rows = n / v->period;

			if (v->repeat)
				rows = least(rows, v->repeat - within);
			run = rows * v->period;
			k->map2_row[op](rows, v->period, a, q, o);
		} else {
			run = least(v->period - col, n);
			k->map2[op](run, a, q, o);
		}
		e += run;
		n -= run;
		a += run;
		o += run;
	}
}

/* What an operand's view starts from: its block, if the chain keeps it in one, else its memory. */
static const T *source(const sf_lane *l, const sf_view *v, const T *blocks, int *in_block)
{
	int slot = l->p->val[v->val].slot;

	*in_block = slot >= 0;
	return slot >= 0 ? blocks + slot * SF_BLOCK : at(l, v->val);
}

/* Where elements from e on of a link's result go; NULL for a dropped output. */
static T *target(const sf_lane *l, int v, int64_t e, T *blocks)
{
	int slot = l->p->val[v].slot;
	T *o = at(l, v);

	return slot >= 0 ? blocks + slot * SF_BLOCK : o ? o + e : NULL;
}

static void run_link(const sf_lane *l, const sf_link *link, int64_t e, int64_t n, T *blocks)
{
	const KERN *k = l->kern;
	const sf_val *v = &l->p->val[link->val];
	T *o = target(l, link->val, e, blocks);
	T *room = blocks + SF_SLOTS * SF_BLOCK;
	const sf_view *va = &link->a, *vb = &link->b;
	const T *a, *b;
	int held, op;

	if (link->slope >= 0) {
		a = source(l, va, blocks, &held);
		k->silu_pair(n, held ? a : fetch(va, a, e, n, room), o ? o : room + SF_BLOCK, target(l, link->slope, e, blocks));
		return;
	}
	if (!o)
		return; /* a dropped output */
	if (vb->val < 0) {
		a = source(l, va, blocks, &held);
		if (v->node.op == SF_OP_BROADCAST && va->kind != SF_DENSE) {
			fetch(va, a, e, n, o);
			return;
		}
		op = v->node.op == SF_OP_BROADCAST ? SF_EW1_COPY
		                                   : SF_EW1_SCALE + (int)(v->node.op - SF_OP_SCALE);
		k->map1[op](n, held ? a : fetch(va, a, e, n, room), v->node.c, o);
		return;
	}
	op = SF_EW2_ADD + (int)(v->node.op - SF_OP_ADD);
	if (va->kind != SF_DENSE && vb->kind == SF_DENSE &&
	    (v->node.op == SF_OP_ADD || v->node.op == SF_OP_MUL)) {
		va = &link->b;
		vb = &link->a;
	}
	a = source(l, va, blocks, &held);
	if (!held)
		a = fetch(va, a, e, n, room);
	b = source(l, vb, blocks, &held);
	if (held || vb->kind != SF_CYCLE)
		k->map2[op](n, a, held ? b : fetch(vb, b, e, n, room + SF_BLOCK), o);
	else
		map_cycle(k, op, e, n, a, vb, b, o);
}

/* Elements from .. to, `from` at the start of a block. */
static void run_blocks(const sf_lane *l, const sf_work *s, int64_t from, int64_t to, T *blocks)
{
	int64_t e;
	int i;

	for (e = from; e < to; e += s->block)
		for (i = 0; i < s->nlink; i++)
			run_link(l, &l->p->link[s->link + i], e, least(s->block, to - e), blocks);
}

static void run_chain_part(const parts *j, int64_t part, T *scratch)
{
	run_blocks(j->l, j->s, part * j->each, part_end(j, part * j->each), scratch);
}

static void run_chain(const sf_lane *l, const sf_work *s, int64_t n)
{
	int64_t total = n * l->p->val[s->val].node.shape.size, count;
	parts j = {l, s, run_chain_part, 0, 0, 0, 0, NULL, NULL};

	if (!shared(l, .3 * (double)(total * s->nlink))) {
		run_blocks(l, s, 0, total, l->scratch);
		return;
	}
	count = cut(&j, total, s->block, 4 * (int64_t)l->team->threads);
	sf_parallel(l->team, count, run_part, &j);
}

/* +1 where the uniform of the word is above a half, else -1: the top bit of each word. */
static void rademacher(const sf_lane *l, sf_noise key, uint64_t sample, int64_t n, T *o)
{
	uint32_t word[256];
	int64_t e, i;

	for (e = 0; e < n; e += 256) {
		int64_t len = least(256, n - e);

		sf_noise_words(l->p->ctx, key, sample, (uint64_t)e, (size_t)len, word);
		for (i = 0; i < len; i++)
			o[e + i] = word[i] >> 31 ? (T)1 : (T)-1;
	}
}

static void run_random(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	int64_t size = node->shape.size, s;
	sf_noise key;

	key.seed = l->run->seed;
	key.purpose = (uint32_t)node->i[1];
	key.step = l->run->step;
	for (s = 0; s < n; s++) {
		uint64_t sample = l->run->first_sample + (uint64_t)(l->first + s);
		T *o = at(l, v) + s * size;

		if (node->i[0] == 'n')
			NOISE_NORMAL(l->p->ctx, key, sample, 0, (size_t)size, o);
		else if (node->i[0] == 'u')
			NOISE_UNIFORM(l->p->ctx, key, sample, 0, (size_t)size, o);
		else
			rademacher(l, key, sample, size, o);
	}
}
