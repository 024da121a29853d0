/* recompute.c: gradients that compute parts of the forward pass again (Chen et al. 2016, 1604.06174; Griewank and
 * Walther 2008, chapter 12).
 *
 * Marks cut the nodes, in the order in which they are appended, into segments; what sf_grad and sf_jvp append for
 * the nodes of a segment is a segment that belongs to it. A value that another segment reads is kept, like leaves,
 * shared values and marked ones. Any other value of an earlier segment has a copy in each segment that wants it:
 * sf_copy_of appends the copy, and the copies of what it depends on back to kept values, where it is first asked
 * for, so that it runs right before its use, and the planner frees the original after the forward pass.
 *
 * A copy stands for its origin in everything but memory: gradients flow to the origin (autodiff.c), equal nodes are
 * found by their operands' origins (cse.c). The graph with copies and origins taken as one is therefore, node by
 * node, the graph that would have been built without recomputation, whatever the nesting; and a copy runs the same
 * kernel on the same bytes (random leaves count, they hold no state). So results are equal bit by bit.
 *
 * The segment that y is in would be computed twice in a row, and is not copied. SF_RECOMPUTE_CHEAP lets each product,
 * convolution and softmax end a segment: only what costs little is computed again.
 * Known answer: for a chain of n equal nodes cut at m equally spaced marks, memory falls from n to about m + n/m.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <stdlib.h>

void sf_graph_recompute(sf_graph *g, int level)
{
	g->recompute = level;
}

void sf_segment_open(sf_graph *g, int of)
{
	void *array = g->belongs;

	if (g->status < 0)
		return;
	if (sf_grow(&array, &g->segment_cap, g->segments + 2, sizeof *g->belongs) < 0) {
		sf_graph_fail(g, SF_ENOMEM, "graph: out of memory after %d nodes", g->n);
		return;
	}
	g->belongs = array;
	if (g->segments == 0) /* nodes before the first mark are in segment 0 */
		g->belongs[0] = -1;
	g->segment = ++g->segments;
	g->belongs[g->segment] = of;
}

sf_var sf_keep(sf_graph *g, sf_var a)
{
	if (g->status < 0 || a < 0 || a >= g->n)
		return a;
	g->node[sf_origin(g, a)].keep = 1;
	g->marked = 1;
	sf_segment_open(g, -1);
	return a;
}

sf_var sf_origin(const sf_graph *g, sf_var v)
{
	return g->node[v].origin == SF_NOVAR ? v : g->node[v].origin;
}

/* Work per element that grows with the size of the operands. */
static int costly(sf_opcode op)
{
	return op == SF_OP_MATMUL || op == SF_OP_CONV || op == SF_OP_CONV_DATA || op == SF_OP_SOFTMAX ||
	       op == SF_OP_SOFTMAX_GRAD;
}

/* Is it the segment that nodes are appended to now, or one to which that belongs? */
static int at_home(const sf_graph *g, int segment)
{
	int s = g->segment;

	while (s != segment && s > 0)
		s = g->belongs[s];
	return s == segment;
}

/* Value v is read from the open segment. Views have no memory to keep, and concatenation, like cheap normalisation, can
 * be had again from its operands alone. */
static void note_reader(sf_graph *g, sf_var v, int again)
{
	sf_node *n = &g->node[v = sf_origin(g, v)];

	if (at_home(g, n->segment) || n->keep || !n->shape.per_sample)
		return;
	if (n->op == SF_OP_RESHAPE || n->op == SF_OP_DETACH || n->op == SF_OP_BROADCAST) {
		note_reader(g, n->in[0], again);
	} else if (!again && (n->op == SF_OP_CONCAT || (n->op == SF_OP_GROUP_NORM && g->recompute == SF_RECOMPUTE_CHEAP))) {
		note_reader(g, n->in[0], 1);
		note_reader(g, n->in[1], 1);
	} else {
		n->keep = 1;
	}
}

void sf_segment_note(sf_graph *g, sf_var v)
{
	const sf_node *n = &g->node[v];
	int k;

	for (k = 0; k < n->nin && g->segments; k++)
		note_reader(g, n->in[k], 0);
	if (g->recompute != SF_RECOMPUTE_CHEAP || !costly(n->op) || !n->shape.per_sample)
		return;
	g->node[v].keep = g->marked = 1;
	if (!g->deriving)
		sf_segment_open(g, -1);
}

/* ---- copies ---- */

void sf_copies_begin(sf_graph *g, sf_var y)
{
	g->copies_below = g->recompute ? g->n : 0;
	g->last_segment = g->node[y].segment;
	g->walked = -1;
}

void sf_copies_at(sf_graph *g, sf_var v)
{
	if (!g->marked || g->walked == g->node[v].segment)
		return;
	g->walked = g->node[v].segment;
	sf_segment_open(g, g->walked);
}

void sf_copies_end(sf_graph *g)
{
	g->copies_below = 0;
	if (g->marked)
		sf_segment_open(g, -1);
}

/* Is the value gone by the time of this derivative? */
static int gone(const sf_graph *g, sf_var origin)
{
	const sf_node *n = &g->node[origin];

	return origin < g->copies_below && !n->keep && n->shape.per_sample && n->op != SF_OP_INPUT &&
	       n->segment != g->last_segment;
}

/* What stands for `origin` in the open segment, or SF_NOVAR before there is a copy. */
static sf_var present(const sf_graph *g, sf_var origin)
{
	sf_var c = g->node[origin].copy;

	if (!gone(g, origin))
		return origin;
	return c != SF_NOVAR && g->node[c].segment == g->segment ? c : SF_NOVAR;
}

static int push(sf_graph *g, sf_var v, int *count)
{
	void *array = g->wanted;

	if (sf_grow(&array, &g->wanted_cap, *count + 1, sizeof *g->wanted) < 0)
		return -1;
	g->wanted = array;
	g->wanted[(*count)++] = v;
	g->node[v].listed = g->segment;
	return 0;
}

static int rising(const void *a, const void *b)
{
	sf_var x = *(const sf_var *)a, y = *(const sf_var *)b;

	return (x > y) - (x < y);
}

static int copy(sf_graph *g, sf_var origin)
{
	sf_node n = g->node[origin];
	sf_var c;
	int k;

	for (k = 0; k < n.nin; k++)
		n.in[k] = present(g, sf_origin(g, n.in[k]));
	n.origin = origin;
	n.keep = 0;
	c = sf_append_raw(g, &n);
	if (c == SF_NOVAR)
		return -1;
	g->node[origin].copy = c;
	return 0;
}

/* The originals that are missing are listed first and then copied in the order in which they ran. */
sf_var sf_copy_of(sf_graph *g, sf_var v)
{
	sf_var origin = sf_origin(g, v), u;
	int count = 0, i, k;

	if (!g->copies_below)
		return v;
	if ((u = present(g, origin)) != SF_NOVAR)
		return u;
	if (push(g, origin, &count) < 0)
		goto memory;
	for (i = 0; i < count; i++)
		for (k = 0; k < g->node[g->wanted[i]].nin; k++) {
			u = sf_origin(g, g->node[g->wanted[i]].in[k]);
			if (present(g, u) == SF_NOVAR && g->node[u].listed != g->segment && push(g, u, &count) < 0)
				goto memory;
		}
	qsort(g->wanted, (size_t)count, sizeof *g->wanted, rising);
	for (i = 0; i < count; i++)
		if (copy(g, g->wanted[i]) < 0)
			return SF_NOVAR;
	return g->node[origin].copy;
memory:
	return sf_graph_fail(g, SF_ENOMEM, "graph: out of memory after %d nodes", g->n);
}
