/* autodiff.c: reverse and forward mode as transformations that only append.
 *
 * sf_grad walks from y to its operands in falling order of nodes. A node's gradient is complete when
 * it is reached, because everything that uses it comes later in the graph; contributions are
 * added in that fixed order. Only nodes between wrt and y are visited. A per-sample y stands for its
 * sum over the batch, so the walk starts from ones.
 *
 * sf_jvp walks from x to y in rising order and carries tangents.
 *
 * The appended nodes are ordinary nodes, so both modes nest. In a graph of order 1 the fused gradients
 * have no rule of their own: differentiating through one fails the graph, it is never left out.
 * Griewank and Walther 2008, sections 3.1 (forward) and 3.2 (reverse).
 * Known answers: d(x'x)/dx = 2x; <v, J u> = <J' v, u>.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <string.h>

/* use[v] = 1 for nodes v <= y whose value depends on a marked one by differentiable operations. */
static void spread_up(const sf_graph *g, unsigned char *use, sf_var y)
{
	sf_var v;
	int k;

	for (v = 0; v <= y; v++)
		for (k = 0; !use[v] && sf_ops[g->node[v].op].vjp && k < g->node[v].nin; k++)
			use[v] = use[sf_origin(g, g->node[v].in[k])];
}

static int check_shape(sf_graph *g, const char *mode, sf_var of, sf_var d)
{
	sf_shape a = sf_shape_of(g, of), b = sf_shape_of(g, d);

	if (g->status < 0)
		return -1;
	if (!sf_same_shape(&a, &b))
		return sf_graph_fail(g, SF_EMISMATCH, "%s of %s: wrong shape from its rule (a bug)", mode,
		                     sf_ops[g->node[of].op].name);
	return 0;
}

/* What flows back from node v into its operands. */
static int step_back(sf_graph *g, sf_var v, const unsigned char *use, sf_var *grad)
{
	sf_node n = g->node[v]; /* a copy: appending moves the array */
	int k;

	if (check_shape(g, "gradient", v, grad[v]) < 0)
		return -1;
	sf_copies_at(g, v);
	for (k = 0; k < n.nin; k++) {
		sf_var d, a = sf_origin(g, n.in[k]);

		if (!use[a])
			continue;
		d = sf_ops[n.op].vjp(g, v, k, grad[v]);
		if (g->status < 0)
			return -1;
		if (d != SF_NOVAR)
			grad[a] = grad[a] == SF_NOVAR ? d : sf_add(g, grad[a], d);
	}
	return 0;
}

int sf_grad(sf_graph *g, sf_var y, const sf_var *wrt, int n, sf_var *out)
{
	char text[SF_SHAPE_TEXT];
	int i, nested = g->deriving;
	unsigned char *use = NULL;
	sf_var v, *grad = NULL;

	for (i = 0; i < n; i++)
		if (g->status == 0 && (wrt[i] < 0 || wrt[i] >= g->n))
			sf_graph_fail(g, SF_EINVAL, "grad: argument %d is not a variable of this graph", i + 1);
	if (g->status == 0 && (y < 0 || y >= g->n))
		sf_graph_fail(g, SF_EINVAL, "grad: y is not a variable of this graph");
	else if (g->status == 0 && sf_shape_of(g, y).size != 1)
		sf_graph_fail(g, SF_EMISMATCH, "grad: y is %s, expected a scalar",
		              sf_shape_text(sf_shape_of(g, y), text));
	if (g->status < 0)
		goto done;
	use = sf_alloc((size_t)g->n, sizeof *use);
	grad = sf_alloc((size_t)g->n, sizeof *grad);
	if (!use || !grad) {
		sf_graph_fail(g, SF_ENOMEM, "grad: out of memory");
		goto done;
	}
	for (v = 0; v < g->n; v++)
		grad[v] = SF_NOVAR;
	y = sf_origin(g, y);
	for (i = 0; i < n; i++)
		use[sf_origin(g, wrt[i])] = 1;
	spread_up(g, use, y);

	g->deriving = 1;
	sf_copies_begin(g, y);
	if (use[y])
		grad[y] = sf_fill(g, 1, sf_shape_of(g, y));
	for (v = y; v >= 0 && g->status == 0; v--)
		if (grad[v] != SF_NOVAR && sf_ops[g->node[v].op].vjp && step_back(g, v, use, grad) < 0)
			goto done;
	for (i = 0; i < n && g->status == 0; i++) { /* `out` may be the same array as `wrt` */
		sf_var x = sf_origin(g, wrt[i]);

		out[i] = grad[x] == SF_NOVAR ? sf_fill(g, 0, sf_shape_of(g, x)) : grad[x];
		check_shape(g, "gradient", x, out[i]);
	}
done:
	for (i = 0; i < n && g->status < 0; i++)
		out[i] = SF_NOVAR;
	sf_copies_end(g);
	g->deriving = nested;
	sf_free(use);
	sf_free(grad);
	return sf_graph_status(g);
}

/* need[v] = 1 for the nodes that y is computed from. */
static void spread_down(const sf_graph *g, unsigned char *need, sf_var y)
{
	sf_var v;
	int k;

	need[y] = 1;
	for (v = y; v >= 0; v--)
		for (k = 0; need[v] && k < g->node[v].nin; k++)
			need[sf_origin(g, g->node[v].in[k])] = 1;
}

/* The tangent of node v from those of its operands; SF_NOVAR where they are all zero. */
static sf_var step_on(sf_graph *g, sf_var v, const sf_var *tangent)
{
	const sf_node *n = &g->node[v];
	sf_var in[SF_MAXIN] = {SF_NOVAR, SF_NOVAR, SF_NOVAR, SF_NOVAR}, t;
	int k, any = 0;

	for (k = 0; k < n->nin; k++) {
		in[k] = tangent[sf_origin(g, n->in[k])];
		any |= in[k] != SF_NOVAR;
	}
	if (!any || !sf_ops[n->op].jvp)
		return SF_NOVAR;
	sf_copies_at(g, v);
	n = &g->node[v];
	t = sf_ops[n->op].jvp(g, v, in);
	return t == SF_NOVAR || check_shape(g, "tangent", v, t) < 0 ? SF_NOVAR : t;
}

sf_var sf_jvp(sf_graph *g, sf_var y, sf_var x, sf_var xdot)
{
	char tx[SF_SHAPE_TEXT], td[SF_SHAPE_TEXT];
	unsigned char *need = NULL;
	sf_var v, *tangent = NULL, out = SF_NOVAR;
	int nested = g->deriving;
	sf_shape sx, sd;

	if (g->status < 0)
		return SF_NOVAR;
	if (y < 0 || y >= g->n || x < 0 || x >= g->n || xdot < 0 || xdot >= g->n)
		return sf_graph_fail(g, SF_EINVAL, "jvp: an argument is not a variable of this graph");
	sx = sf_shape_of(g, x);
	sd = sf_shape_of(g, xdot);
	if (!sf_broadcasts(sd, sx))
		return sf_graph_fail(g, SF_EMISMATCH, "jvp: the tangent is %s%s, expected %s%s",
		                     sd.per_sample ? "per-sample " : "shared ", sf_shape_text(sd, td),
		                     sx.per_sample ? "per-sample " : "shared ", sf_shape_text(sx, tx));
	need = sf_alloc((size_t)g->n, sizeof *need);
	tangent = sf_alloc((size_t)g->n, sizeof *tangent);
	if (!need || !tangent) {
		sf_graph_fail(g, SF_ENOMEM, "jvp: out of memory");
		goto done;
	}
	for (v = 0; v < g->n; v++)
		tangent[v] = SF_NOVAR;
	y = sf_origin(g, y);
	x = sf_origin(g, x);
	spread_down(g, need, y);

	g->deriving = 1;
	sf_copies_begin(g, y);
	tangent[x] = sf_fit(g, xdot, sx);
	for (v = x + 1; v <= y && g->status == 0; v++)
		if (need[v])
			tangent[v] = step_on(g, v, tangent);
	if (g->status == 0)
		out = y >= x && tangent[y] != SF_NOVAR ? tangent[y] : sf_fill(g, 0, sf_shape_of(g, y));
done:
	sf_copies_end(g);
	g->deriving = nested;
	sf_free(need);
	sf_free(tangent);
	return g->status < 0 ? SF_NOVAR : out;
}

/* ---- rules that several ops share ---- */

sf_var sf_jvp_linear(sf_graph *g, sf_var y, const sf_var *tangent)
{
	sf_node n = g->node[y];
	sf_var t = SF_NOVAR;
	int k;

	for (k = 0; k < n.nin; k++) {
		sf_node m = n;
		sf_var u;

		if (tangent[k] == SF_NOVAR)
			continue;
		m.in[k] = tangent[k];
		u = sf_append(g, &m);
		t = t == SF_NOVAR ? u : sf_add(g, t, u);
	}
	return t;
}

sf_var sf_jvp_first(sf_graph *g, sf_var y, const sf_var *tangent)
{
	sf_node n = g->node[y];

	n.in[0] = tangent[0];
	return tangent[0] == SF_NOVAR ? SF_NOVAR : sf_append(g, &n);
}

sf_var sf_vjp_refuse(sf_graph *g, sf_var y, int k, sf_var dy)
{
	(void)k;
	(void)dy;
	return sf_graph_fail(g, SF_EUNSUP,
	                     "op %s was built for one differentiation; make the graph with order 2",
	                     sf_ops[g->node[y].op].name);
}

sf_var sf_jvp_refuse(sf_graph *g, sf_var y, const sf_var *tangent)
{
	(void)tangent;
	return sf_graph_fail(g, SF_EUNSUP,
	                     "op %s has no tangent in a graph of order 1; make the graph with order 2",
	                     sf_ops[g->node[y].op].name);
}
