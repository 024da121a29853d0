/* cse.c: equal nodes are shared while differentiating. The rules of neighbouring operations ask for
 * the same intermediate (one sigmoid, one pair of affine gradients); a hash table over op,
 * operands, attributes and shape returns the node that exists. Calls of the user always append:
 * what is built twice outside sf_grad and sf_jvp stays two variables, so that a gradient with
 * respect to one of them means what was written. Operands that are computed again (recompute.c) count as
 * what they repeat.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <limits.h>
#include <string.h>

/* FNV-1a over the bytes of the fields (not of the struct, which has padding). */
static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	while (n--)
		h = (h ^ *b++) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t hash(const sf_graph *g, const sf_node *n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	int k;

	h = mix(h, &n->op, sizeof n->op);
	for (k = 0; k < n->nin; k++) {
		sf_var in = sf_origin(g, n->in[k]);

		h = mix(h, &in, sizeof in);
	}
	h = mix(h, &n->c, sizeof n->c);
	h = mix(h, n->i, sizeof n->i);
	h = mix(h, &n->shape.per_sample, sizeof n->shape.per_sample);
	return mix(h, n->shape.dim, (size_t)n->shape.rank * sizeof n->shape.dim[0]);
}

static int equal(const sf_graph *g, const sf_node *a, const sf_node *b)
{
	int k;

	if (a->op != b->op || a->nin != b->nin)
		return 0;
	for (k = 0; k < a->nin; k++)
		if (sf_origin(g, a->in[k]) != sf_origin(g, b->in[k]))
			return 0;
	return a->ntap == b->ntap &&
	       memcmp(&a->c, &b->c, sizeof a->c) == 0 && memcmp(a->i, b->i, sizeof a->i) == 0 &&
	       sf_same_shape(&a->shape, &b->shape) &&
	       (a->ntap == 0 || memcmp(a->tap, b->tap, (size_t)a->ntap * sizeof *a->tap) == 0);
}

/* A leaf is a value of its own; constants are not. */
static int shareable(const sf_node *n)
{
	return n->op != SF_OP_INPUT && n->op != SF_OP_PARAM && n->op != SF_OP_RANDOM;
}

/* The slot that holds an equal node, or the free one where it belongs. */
static int slot_of(const sf_graph *g, const sf_node *node)
{
	unsigned at = (unsigned)hash(g, node) & (unsigned)(g->cse_cap - 1);

	while (g->cse[at] != SF_NOVAR && !equal(g, &g->node[g->cse[at]], node))
		at = (at + 1) & (unsigned)(g->cse_cap - 1);
	return (int)at;
}

/* Brings the table up to date with nodes appended since the last look. */
static int catch_up(sf_graph *g)
{
	if (g->n >= g->cse_cap / 2) {
		int i, cap = g->cse_cap ? g->cse_cap : 1024;
		sf_var *table;

		while (cap / 2 <= g->n && cap <= INT_MAX / 4)
			cap *= 2;
		table = sf_alloc((size_t)cap, sizeof *table);
		if (!table || cap / 2 <= g->n) {
			sf_free(table);
			return -1;
		}
		for (i = 0; i < cap; i++)
			table[i] = SF_NOVAR;
		sf_free(g->cse);
		g->cse = table;
		g->cse_cap = cap;
		g->cse_known = 0;
	}
	for (; g->cse_known < g->n; g->cse_known++) {
		const sf_node *n = &g->node[g->cse_known];
		int at;

		if (!shareable(n))
			continue;
		at = slot_of(g, n);
		if (g->cse[at] == SF_NOVAR)
			g->cse[at] = g->cse_known;
	}
	return 0;
}

/* Without memory for the table nothing is shared, which is still right. */
sf_var sf_cse_find(sf_graph *g, const sf_node *node)
{
	if (!shareable(node) || catch_up(g) < 0)
		return SF_NOVAR;
	return g->cse[slot_of(g, node)];
}
