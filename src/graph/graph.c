/* graph.c: the graph itself: making it, appending nodes, errors that stick, names.
 *
 * A node is appended after its op's shape rule has accepted it, so every node in the graph has a
 * shape and refers to earlier nodes only. The first error is kept with its text; from then on
 * every call is a no-op that returns SF_NOVAR.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int64_t SIZE_LIMIT = (int64_t)1 << 40; /* elements of one sample */

int sf_graph_new(sf_ctx *ctx, int order, sf_graph **out)
{
	sf_graph *g;

	*out = NULL;
	if (order != 1 && order != 2)
		return sf_fail(ctx, SF_ERANGE, "graph: order is %d, expected 1 or 2", order);
	g = sf_alloc(1, sizeof *g);
	if (!g)
		return sf_fail(ctx, SF_ENOMEM, "graph: out of memory");
	g->ctx = ctx;
	g->order = order;
	*out = g;
	return SF_OK;
}

void sf_graph_free(sf_graph *g)
{
	int i;

	if (!g)
		return;
	for (i = 0; i < g->nowned; i++)
		sf_free(g->owned[i]);
	sf_free(g->owned);
	sf_free(g->node);
	sf_free(g->param);
	sf_free(g->prefix);
	sf_free(g->mark);
	sf_free(g->cse);
	sf_free(g->belongs);
	sf_free(g->wanted);
	sf_free(g);
}

int sf_graph_order(const sf_graph *g)
{
	return g->order;
}

int sf_graph_nodes(const sf_graph *g)
{
	return g->n;
}

/* The context may have failed elsewhere since; say it again. */
int sf_graph_status(const sf_graph *g)
{
	return g->status < 0 ? sf_fail(g->ctx, g->status, "%s", g->message) : SF_OK;
}

sf_var sf_graph_fail(sf_graph *g, int code, const char *fmt, ...)
{
	size_t len;
	va_list ap;

	if (g->status < 0)
		return SF_NOVAR;
	va_start(ap, fmt);
	vsnprintf(g->message, sizeof g->message, fmt, ap);
	va_end(ap);
	len = strlen(g->message);
	if (g->prefix_len > 1) /* where in the network; without the last dot */
		snprintf(g->message + len, sizeof g->message - len, " (in %.*s)",
		         (int)g->prefix_len - 1, g->prefix);
	g->status = code < 0 ? code : SF_EINVAL;
	sf_fail(g->ctx, g->status, "%s", g->message);
	return SF_NOVAR;
}

const sf_node *sf_node_of(const sf_graph *g, sf_var v)
{
	return v >= 0 && v < g->n ? &g->node[v] : NULL;
}

sf_shape sf_shape_of(const sf_graph *g, sf_var a)
{
	static const sf_shape none = {0, 0, {0, 0, 0, 0}, 0};
	const sf_node *n = sf_node_of(g, a);

	return n ? n->shape : none;
}

int sf_usable(sf_graph *g, sf_opcode op, sf_var a, sf_var b)
{
	if (g->status < 0)
		return 0;
	if (a >= 0 && a < g->n && b >= 0 && b < g->n)
		return 1;
	sf_graph_fail(g, SF_EINVAL, "%s: an operand is not a variable of this graph", sf_ops[op].name);
	return 0;
}

sf_node sf_make(sf_opcode op, sf_var a, sf_var b)
{
	sf_node n;

	memset(&n, 0, sizeof n);
	n.op = op;
	n.nin = a == SF_NOVAR ? 0 : b == SF_NOVAR ? 1 : 2;
	n.in[0] = a;
	n.in[1] = b;
	n.in[2] = n.in[3] = SF_NOVAR;
	return n;
}

int sf_grow(void **p, int *cap, int need, size_t size)
{
	int bigger = *cap ? *cap : 64;
	void *q;

	if (need <= *cap)
		return 0;
	while (bigger < need)
		bigger = bigger > INT_MAX / 2 ? INT_MAX : 2 * bigger;
	q = sf_alloc((size_t)bigger, size);
	if (!q)
		return SF_ENOMEM;
	if (*p)
		memcpy(q, *p, (size_t)*cap * size);
	sf_free(*p);
	*p = q;
	*cap = bigger;
	return 0;
}

/* The node is copied first: `node` may point into the array that grows. */
sf_var sf_append(sf_graph *g, const sf_node *node)
{
	sf_node copy = *node;
	sf_var same;
	int k;

	if (g->status < 0)
		return SF_NOVAR;
	for (k = 0; k < copy.nin; k++)
		if (copy.in[k] < 0 || copy.in[k] >= g->n)
			return sf_graph_fail(g, SF_EINVAL, "%s: operand %d is not a variable of this graph",
			                     sf_ops[copy.op].name, k + 1);
	if (sf_ops[copy.op].shape(g, &copy) < 0)
		return SF_NOVAR;
	if (g->deriving && (same = sf_cse_find(g, &copy)) != SF_NOVAR)
		return same;
	for (k = 0; k < copy.nin; k++)
		copy.in[k] = sf_copy_of(g, copy.in[k]);
	copy.origin = SF_NOVAR;
	copy.keep = 0;
	return sf_append_raw(g, &copy);
}

sf_var sf_append_raw(sf_graph *g, const sf_node *node)
{
	sf_node copy = *node;
	void *array = g->node;

	if (g->status < 0)
		return SF_NOVAR;
	if (g->n == INT_MAX || sf_grow(&array, &g->cap, g->n + 1, sizeof *g->node) < 0)
		return sf_graph_fail(g, SF_ENOMEM, "graph: out of memory after %d nodes", g->n);
	g->node = array;
	copy.segment = g->segment;
	copy.copy = SF_NOVAR;
	copy.listed = -1;
	g->node[g->n] = copy;
	sf_segment_note(g, g->n++);
	return g->status < 0 ? SF_NOVAR : g->n - 1;
}

void *sf_own(sf_graph *g, void *p)
{
	void *array = g->owned;

	if (p && sf_grow(&array, &g->owned_cap, g->nowned + 1, sizeof *g->owned) == 0) {
		g->owned = array;
		g->owned[g->nowned++] = p;
		return p;
	}
	sf_free(p);
	sf_graph_fail(g, SF_ENOMEM, "graph: out of memory after %d nodes", g->n);
	return NULL;
}

/* ---- names ---- */

void sf_push(sf_graph *g, const char *fmt, ...)
{
	char name[256];
	void *marks = g->mark;
	size_t need;
	int len;
	va_list ap;

	if (g->status < 0)
		return;
	va_start(ap, fmt);
	len = vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	if (len <= 0 || (size_t)len >= sizeof name) {
		sf_graph_fail(g, SF_EINVAL, "push: a name of %d characters, expected 1 to 255", len);
		return;
	}
	need = g->prefix_len + (size_t)len + 2;
	if (need > g->prefix_cap) {
		char *longer = sf_alloc(2 * need, 1);

		if (!longer) {
			sf_graph_fail(g, SF_ENOMEM, "push: out of memory");
			return;
		}
		if (g->prefix)
			memcpy(longer, g->prefix, g->prefix_len);
		sf_free(g->prefix);
		g->prefix = longer;
		g->prefix_cap = 2 * need;
	}
	if (sf_grow(&marks, &g->mark_cap, g->nmark + 1, sizeof *g->mark) < 0) {
		sf_graph_fail(g, SF_ENOMEM, "push: out of memory");
		return;
	}
	g->mark = marks;
	g->mark[g->nmark++] = g->prefix_len;
	memcpy(g->prefix + g->prefix_len, name, (size_t)len);
	memcpy(g->prefix + g->prefix_len + len, ".", 2);
	g->prefix_len += (size_t)len + 1;
}

void sf_pop(sf_graph *g)
{
	if (g->status < 0)
		return;
	if (g->nmark == 0) {
		sf_graph_fail(g, SF_EINVAL, "pop: there is no push that it could end");
		return;
	}
	g->prefix_len = g->mark[--g->nmark];
	g->prefix[g->prefix_len] = '\0';
}

char *sf_full_name(sf_graph *g, const char *name)
{
	size_t len = strlen(name);
	char *full = sf_alloc(g->prefix_len + len + 1, 1);

	if (full) {
		if (g->prefix_len)
			memcpy(full, g->prefix, g->prefix_len);
		memcpy(full + g->prefix_len, name, len + 1);
	}
	return sf_own(g, full);
}

/* ---- shapes ---- */

const char *sf_shape_text(sf_shape s, char text[SF_SHAPE_TEXT])
{
	int i, at = snprintf(text, SF_SHAPE_TEXT, "(");

	for (i = 0; i < s.rank; i++)
		at += snprintf(text + at, (size_t)(SF_SHAPE_TEXT - at), i ? ",%lld" : "%lld",
		               (long long)s.dim[i]);
	snprintf(text + at, (size_t)(SF_SHAPE_TEXT - at), ")");
	return text;
}

int sf_same_shape(const sf_shape *a, const sf_shape *b)
{
	int i;

	if (a->rank != b->rank || a->per_sample != b->per_sample)
		return 0;
	for (i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return 0;
	return 1;
}

int sf_make_shape(sf_graph *g, const char *what, int per_sample, int rank, const int64_t *dim,
                  sf_shape *out)
{
	int i;

	memset(out, 0, sizeof *out);
	if (rank < 0 || rank > SF_MAXRANK || (rank > 0 && !dim))
		return sf_graph_fail(g, SF_ERANGE, "%s: rank is %d, expected 0 to %d", what, rank,
		                     SF_MAXRANK);
	out->per_sample = per_sample != 0;
	out->rank = rank;
	out->size = 1;
	for (i = 0; i < rank; i++) {
		out->dim[i] = dim[i];
		if (dim[i] < 1)
			return sf_graph_fail(g, SF_ERANGE, "%s: size %lld of dimension %d, expected 1 or more",
			                     what, (long long)dim[i], i);
		if (sf_mul_i64(out->size, dim[i], &out->size) < 0 || out->size > SIZE_LIMIT)
			return sf_graph_fail(g, SF_ERANGE, "%s: more than 2^40 elements in a sample", what);
	}
	return 0;
}

int sf_broadcast_shapes(sf_shape a, sf_shape b, sf_shape *out)
{
	int i;

	memset(out, 0, sizeof *out);
	out->per_sample = a.per_sample || b.per_sample;
	out->rank = a.rank > b.rank ? a.rank : b.rank;
	out->size = 1;
	for (i = 0; i < out->rank; i++) { /* counted from the last dimension */
		int64_t p = i < a.rank ? a.dim[a.rank - 1 - i] : 1;
		int64_t q = i < b.rank ? b.dim[b.rank - 1 - i] : 1;

		if (p != q && p != 1 && q != 1)
			return -1;
		out->dim[out->rank - 1 - i] = p > q ? p : q;
		if (sf_mul_i64(out->size, p > q ? p : q, &out->size) < 0 || out->size > SIZE_LIMIT)
			return -1;
	}
	return 0;
}

int sf_broadcasts(sf_shape a, sf_shape to)
{
	sf_shape both;

	return sf_broadcast_shapes(a, to, &both) == 0 && sf_same_shape(&both, &to);
}

int sf_is_const(const sf_graph *g, sf_var v, double *c)
{
	const sf_node *n = &g->node[v];

	if (n->op == SF_OP_BROADCAST)
		n = &g->node[n->in[0]];
	if (n->op != SF_OP_CONST || n->tap)
		return 0;
	*c = n->c;
	return 1;
}
