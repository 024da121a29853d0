/* chain.h: a chain of elementwise nodes as a small program.
 *
 * A step's operands are the step before (the accumulator), a slot, or numbers in memory; its results stay in slots while the chain
 * reads them, and go to memory where something else does. An operand that repeats is found by dividing: its index is cut into
 * digits (cu_source). map.h interprets programs, source.h writes them out as source text.
 * SPDX-License-Identifier: BSD-3-Clause */

enum {
	CU_CHAIN_SLOTS = 12,
	CU_ADDRESSES = 200,     /* of a chain: 48 links have two operands and two results each */
	CU_DIGITS = 6
};

/* What a step reads: the step before, slot k, or source k. */
enum { CU_ACC = -1, CU_NONE = -2, CU_SOURCE = 1024 };

typedef struct cu_step {
	int op;            /* SF_OP_... */
	int pair;          /* SiLU and its slope */
	int a, b;          /* b CU_NONE: one operand */
	int keep, slope;   /* slots for the results, or -1 */
	int to, slope_to;  /* addresses, or -1 */
	int type, slope_type;
	float c;
} cu_step;

/* x / by, exact for 0 <= x < 2^31: (x m) >> (31 + shift) with m = ceil(2^(31 + shift) / by), 2^shift >= by (Granlund and
 * Montgomery 1994). m = 0: the processor's division. */
typedef struct cu_divisor {
	int64_t by;
	uint32_t m;
	int shift;
} cu_divisor;

static cu_divisor cu_divisor_of(int64_t by, int small)
{
	cu_divisor d;

	d.by = by;
	d.m = 0;
	d.shift = 0;
	if (!small || by >= 1 << 30)
		return d;
	while ((int64_t)1 << d.shift < by)
		d.shift++;
	d.m = (uint32_t)((((uint64_t)1 << (31 + d.shift)) + (uint64_t)by - 1) / (uint64_t)by);
	return d;
}

CU_DEVICE int64_t cu_quotient(int64_t x, cu_divisor d)
{
	return d.m ? (int64_t)((uint64_t)(uint32_t)x * d.m >> (31 + d.shift)) : x / d.by;
}

/* Where an operand's numbers lie: index = sum of digit k of e times stride[k], digits counted from the innermost one, the last one
 * without a bound. For eight numbers from a multiple of eight on: one number for all, a row in 16-byte pieces, or each by itself. */
enum { CU_ONE, CU_ROW, CU_EACH };
typedef struct cu_source {
	int address, type, how, digits; /* bounded digits */
	cu_divisor size[CU_DIGITS];
	int64_t stride[CU_DIGITS + 1];
} cu_source;

CU_DEVICE int64_t cu_index(const cu_source *s, int64_t e)
{
	int64_t at = 0, q;
	int k;

	for (k = 0; k < s->digits; k++) {
		q = cu_quotient(e, s->size[k]);
		at += (e - q * s->size[k].by) * s->stride[k];
		e = q;
	}
	return at + e * s->stride[k];
}

typedef struct cu_chain {
	int nstep, nsource, naddress; /* 0 steps: not a chain */
	int wide;              /* samples are of whole eights */
	int slots;
	int64_t size;          /* numbers of a sample */
	cu_step *step;
	cu_source *source;
	int *address;          /* values */
	unsigned char *even;   /* by address: 1 where it must be a multiple of 16 bytes, 2 where it is written */
	const cu_step *on_step; /* on the device */
	const cu_source *on_source;
	int kernel, width;     /* the compiled one or -1, and how many numbers its threads take at a time */
} cu_chain;

struct cu_code; /* code.h */
struct cu_chains {
	const sf_plan *p;
	int small;             /* below 2^31 numbers */
	cu_chain *chain;       /* by step of the plan */
	cu_step *step;         /* of all chains */
	cu_source *source;
	int *address;
	unsigned char *even;
	int nstep, nsource, naddress, nchain;
	void *memory;          /* on the device: steps and sources */
	struct cu_code *code;  /* compiled, or NULL */
	int kernels;
};

/* What differs from run to run. */
typedef struct cu_places {
	int64_t total;
	void *p[CU_ADDRESSES];
} cu_places;

/* ---- from the plan's links to a program ---- */

/* One more digit of `size` values that move by `stride`, merged with the one below where they count on. */
static void cu_add_digit(cu_source *s, int64_t size, int64_t stride, int small)
{
	const int k = s->digits - 1;

	if (size == 1)
		return;
	if (k >= 0 && s->stride[k] * s->size[k].by == stride) {
		s->size[k] = cu_divisor_of(s->size[k].by * size, small);
		return;
	}
	s->size[s->digits] = cu_divisor_of(size, small);
	s->stride[s->digits++] = stride;
}

/* The digits of a view. */
static void cu_set_digits(cu_source *s, const sf_view *v, int small)
{
	int64_t last = 1;
	int k;

	s->digits = 0;
	if (v->kind == SF_CYCLE) {
		cu_add_digit(s, v->period, 1, small);
		if (v->repeat)
			cu_add_digit(s, v->repeat, 0, small);
		last = v->repeat ? v->period : 0;
	} else if (v->kind == SF_GRID) {
		for (k = SF_MAXRANK - 1; k >= 0; k--)
			cu_add_digit(s, v->dim[k], v->stride[k], small);
		last = v->sample;
	}
	k = s->digits - 1;
	if (k >= 0 && s->stride[k] * s->size[k].by == last)
		last = s->stride[s->digits = k]; /* the last digit needs no bound */
	s->stride[s->digits] = last;
}

/* How eight neighbours are read where samples are of whole eights. */
static int cu_how(const cu_source *s)
{
	int k;

	if (s->digits && s->size[0].by % CU_PACK)
		return CU_EACH;
	for (k = 1; k <= s->digits; k++)
		if (s->stride[k] % CU_PACK && s->stride[0])
			return CU_EACH;
	return s->stride[0] == 0 ? CU_ONE : s->stride[0] == 1 ? CU_ROW : CU_EACH;
}

static int cu_address_of(cu_chain *c, int v, int flags)
{
	int i = 0;

	while (i < c->naddress && c->address[i] != v)
		i++;
	if (i == c->naddress) {
		c->address[c->naddress++] = v;
		c->even[i] = 0;
	}
	c->even[i] |= (unsigned char)flags;
	return i;
}

static int cu_same_source(const cu_source *a, const cu_source *b)
{
	int k;

	if (a->address != b->address || a->type != b->type || a->digits != b->digits || a->stride[a->digits] != b->stride[b->digits])
		return 0;
	for (k = 0; k < a->digits; k++)
		if (a->size[k].by != b->size[k].by || a->stride[k] != b->stride[k])
			return 0;
	return 1;
}

static int cu_add_source(cu_chain *c, const sf_view *v, int type, int small)
{
	cu_source *s = &c->source[c->nsource];
	int i;

	memset(s, 0, sizeof *s);
	s->type = type;
	cu_set_digits(s, v, small);
	s->how = cu_how(s);
	s->address = cu_address_of(c, v->val, s->how == CU_ROW);
	for (i = 0; i < c->nsource; i++)
		if (cu_same_source(&c->source[i], s))
			return CU_SOURCE + i;
	return CU_SOURCE + c->nsource++;
}

/* The last link after i that reads value v, and how many do; i and 0: none. */
static int cu_last_reader(const sf_link *link, int n, int i, int v, int *reads)
{
	int last = i, k;

	*reads = 0;
	for (k = i + 1; v >= 0 && k < n; k++)
		if (link[k].a.val == v || link[k].b.val == v) {
			last = k;
			++*reads;
		}
	return last;
}

/* What slots hold: a value until its last reader has read it. */
typedef struct cu_holds {
	int val[CU_CHAIN_SLOTS], last[CU_CHAIN_SLOTS], most;
} cu_holds;

static int cu_take_slot(cu_holds *h, int v, int last, int spare)
{
	int free = 0, k, at = -1;

	for (k = CU_CHAIN_SLOTS - 1; k >= 0; k--)
		if (h->val[k] < 0) {
			free++;
			at = k;
		}
	if (free <= spare)
		return -1;
	h->val[at] = v;
	h->last[at] = last;
	h->most = at + 1 > h->most ? at + 1 : h->most;
	return at;
}

/* A result of link i that is read from link i + 2 on, or is not the accumulator, needs a slot. One that has memory as well may be
 * left without where the others, up to SF_SLOTS at a time, would not find one: then it is read from there. */
static int cu_result_slot(const cu_lane *l, cu_holds *h, const sf_link *link, int n, int i, int v, int is_acc)
{
	int reads, last = cu_last_reader(link, n, i, v, &reads);

	if (!reads || (is_acc && last == i + 1))
		return -1;
	return cu_take_slot(h, v, last, cu_val(l, v)->slot >= 0 ? 0 : SF_SLOTS);
}

static int cu_operand_of(const cu_lane *l, cu_chain *c, const cu_holds *h, const sf_view *v, int before, int small)
{
	int k;

	if (v->val < 0)
		return CU_NONE;
	if (v->val == before)
		return CU_ACC;
	for (k = 0; k < CU_CHAIN_SLOTS; k++)
		if (h->val[k] == v->val)
			return k;
	return cu_add_source(c, v, l->val[v->val].type, small);
}

/* The address that a result goes to, or -1. */
static int cu_target(const cu_lane *l, cu_chain *c, int v)
{
	return v < 0 || cu_val(l, v)->slot >= 0 ? -1 : cu_address_of(c, v, 3);
}

static void cu_chain_build(const cu_lane *l, const sf_work *s, int small, cu_chain *c)
{
	const sf_link *link = l->p->link + s->link;
	cu_holds h;
	int before = -1, i, k;

	c->size = cu_val(l, s->val)->node.shape.size;
	c->wide = c->size % CU_PACK == 0;
	c->nstep = s->nlink;
	c->kernel = -1;
	h.most = 0;
	for (k = 0; k < CU_CHAIN_SLOTS; k++)
		h.val[k] = -1;
	for (i = 0; i < s->nlink; i++) {
		const sf_link *n = &link[i];
		cu_step *t = &c->step[i];

		t->op = (int)cu_val(l, n->val)->node.op;
		t->c = (float)cu_val(l, n->val)->node.c;
		t->pair = n->slope >= 0;
		t->a = cu_operand_of(l, c, &h, &n->a, before, small);
		t->b = cu_operand_of(l, c, &h, &n->b, before, small);
		for (k = 0; k < CU_CHAIN_SLOTS; k++)
			if (h.val[k] >= 0 && h.last[k] <= i)
				h.val[k] = -1;
		t->slope = n->slope < 0 ? -1 : cu_result_slot(l, &h, link, s->nlink, i, n->slope, 0);
		t->keep = cu_result_slot(l, &h, link, s->nlink, i, n->val, 1);
		t->to = cu_target(l, c, n->val);
		t->slope_to = cu_target(l, c, n->slope);
		t->type = l->val[n->val].type;
		t->slope_type = n->slope < 0 ? CU_F32 : l->val[n->slope].type;
		before = n->val;
	}
	c->slots = h.most;
}

/* code.h */
static void cu_code_drop(struct cu_code *c);

static void cu_chains_free(struct cu_chains *c)
{
	if (!c)
		return;
	cu_code_drop(c->code);
	cu_mfree(c->memory);
	free(c->chain);
	free(c->step);
	free(c->source);
	free(c->address);
	free(c->even);
	free(c);
}

/* Programs of all chains; l->val tells the types. NULL: out of memory. */
static struct cu_chains *cu_chains_build(const cu_lane *l, int64_t most)
{
	const sf_plan *p = l->p;
	struct cu_chains *c = (struct cu_chains *)calloc(1, sizeof *c);
	const size_t links = (size_t)p->nlink + 1;
	int i;

	if (!c)
		return NULL;
	c->p = p;
	c->small = 1;
	c->chain = (cu_chain *)calloc((size_t)p->nstep + 1, sizeof *c->chain);
	c->step = (cu_step *)calloc(links, sizeof *c->step);
	c->source = (cu_source *)calloc(2 * links, sizeof *c->source);
	c->address = (int *)calloc(4 * links, sizeof *c->address);
	c->even = (unsigned char *)calloc(4 * links, 1);
	if (!c->chain || !c->step || !c->source || !c->address || !c->even) {
		cu_chains_free(c);
		return NULL;
	}
	for (i = 0; i < p->nstep; i++)
		c->small &= p->val[p->step[i].val].node.shape.size < ((int64_t)1 << 30) / (most > 1 ? most : 1);
	for (i = 0; i < p->nstep; i++) {
		cu_chain *n = &c->chain[i];

		if (!p->step[i].nlink)
			continue;
		n->step = c->step + c->nstep;
		n->source = c->source + c->nsource;
		n->address = c->address + c->naddress;
		n->even = c->even + c->naddress;
		cu_chain_build(l, &p->step[i], c->small, n);
		c->nstep += n->nstep;
		c->nsource += n->nsource;
		c->naddress += n->naddress;
		c->nchain++;
	}
	return c;
}
