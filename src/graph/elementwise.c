/* elementwise.c: maps of one operand and of two that broadcast as in NumPy.
 *
 * A map's Jacobian is diagonal, so one function gives both modes: `partial` appends
 * t * dy/d(operand k), and then
 *
 *     vjp   gradient of operand k = sum_to(partial(k, dy), shape of operand k), across the batch too
 *           where the operand is shared and the result is not
 *     jvp   tangent = sum over k of partial(k, tangent of operand k)
 *
 * Derivatives are spelled with the node y where that is cheaper than the operand x:
 *     sqrt  t/(2y)     exp  t y      tanh  t - t y^2     sigmoid  t (y - y^2)     div  t/b, -t y/b
 *     elu   t (s + (1 - s)(y + 1)) with s = step(x): closed under differentiation, left-continuous
 *     relu  t step(x)  softplus  t sigmoid(x)    step, detach  0
 * In graphs of order 1 SILU and ELU have a fused derivative (SILU_GRAD, ELU_GRAD), which has none;
 * in graphs of order 2 silu is x sigmoid(x).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

int sf_shape_map1(sf_graph *g, sf_node *node)
{
	node->shape = sf_shape_of(g, node->in[0]);
	return 0;
}

int sf_shape_map2(sf_graph *g, sf_node *node)
{
	char ta[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];
	sf_shape a = sf_shape_of(g, node->in[0]), b = sf_shape_of(g, node->in[1]);

	if (sf_broadcast_shapes(a, b, &node->shape) < 0)
		return sf_graph_fail(g, SF_EMISMATCH, "%s: %s by %s: sizes differ and neither is 1",
		                     sf_ops[node->op].name, sf_shape_text(a, ta), sf_shape_text(b, tb));
	return 0;
}

static sf_var map1(sf_graph *g, sf_opcode op, sf_var a)
{
	sf_node n = sf_make(op, a, SF_NOVAR);

	return sf_usable(g, op, a, a) ? sf_append(g, &n) : SF_NOVAR;
}

static sf_var map2(sf_graph *g, sf_opcode op, sf_var a, sf_var b)
{
	sf_node n = sf_make(op, a, b);

	return sf_append(g, &n);
}

/* ---- derivatives ---- */

static sf_var partial1(sf_graph *g, sf_var y, sf_var t)
{
	sf_node n = g->node[y];
	sf_var x = n.in[0], s;

	switch ((int)n.op) {
	case SF_OP_SCALE:
		return sf_scale(g, t, n.c);
	case SF_OP_OFFSET:
		return t;
	case SF_OP_SQUARE:
		return sf_mul(g, t, sf_scale(g, x, 2));
	case SF_OP_SQRT:
		return sf_scale(g, sf_div(g, t, y), 0.5);
	case SF_OP_EXP:
		return sf_mul(g, t, y);
	case SF_OP_LOG:
		return sf_div(g, t, x);
	case SF_OP_SIN:
		return sf_mul(g, t, sf_cos(g, x));
	case SF_OP_COS:
		return sf_neg(g, sf_mul(g, t, sf_sin(g, x)));
	case SF_OP_TANH:
		return sf_mul(g, t, sf_offset(g, sf_neg(g, sf_square(g, y)), 1));
	case SF_OP_SIGMOID:
		return sf_mul(g, t, sf_sub(g, y, sf_square(g, y)));
	case SF_OP_SOFTPLUS:
		return sf_mul(g, t, sf_sigmoid(g, x));
	case SF_OP_SILU:
		return map2(g, SF_OP_SILU_GRAD, t, x);
	case SF_OP_RELU:
		return sf_mul(g, t, sf_step(g, x));
	case SF_OP_ELU:
		if (g->order == 1)
			return map2(g, SF_OP_ELU_GRAD, t, x);
		s = sf_step(g, x);
		s = sf_add(g, s, sf_mul(g, sf_offset(g, sf_neg(g, s), 1), sf_offset(g, y, 1)));
		return sf_mul(g, t, s);
	default:
		return sf_graph_fail(g, SF_EUNSUP, "%s: no derivative rule", sf_ops[n.op].name);
	}
}

static sf_var partial2(sf_graph *g, sf_var y, int k, sf_var t)
{
	sf_node n = g->node[y];

	switch ((int)n.op) {
	case SF_OP_ADD:
		return t;
	case SF_OP_SUB:
		return k == 0 ? t : sf_neg(g, t);
	case SF_OP_MUL:
		return sf_mul(g, t, n.in[1 - k]);
	case SF_OP_DIV:
		t = k == 0 ? t : sf_neg(g, sf_mul(g, t, y));
		return sf_div(g, t, n.in[1]);
	default:
		return sf_graph_fail(g, SF_EUNSUP, "%s: no derivative rule", sf_ops[n.op].name);
	}
}

sf_var sf_vjp_map1(sf_graph *g, sf_var y, int k, sf_var dy)
{
	(void)k;
	return partial1(g, y, dy);
}

sf_var sf_jvp_map1(sf_graph *g, sf_var y, const sf_var *tangent)
{
	return partial1(g, y, tangent[0]);
}

/* Add and sub are summed first: the minus sign then works on the smaller one. */
sf_var sf_vjp_map2(sf_graph *g, sf_var y, int k, sf_var dy)
{
	sf_node n = g->node[y];
	sf_shape to = sf_shape_of(g, n.in[k]);

	if (n.op == SF_OP_ADD || n.op == SF_OP_SUB)
		return partial2(g, y, k, sf_reduce(g, dy, to));
	return sf_reduce(g, partial2(g, y, k, dy), to);
}

sf_var sf_jvp_map2(sf_graph *g, sf_var y, const sf_var *tangent)
{
	sf_var t = SF_NOVAR, u;
	int k;

	for (k = 0; k < 2; k++) {
		if (tangent[k] == SF_NOVAR)
			continue;
		u = partial2(g, y, k, tangent[k]);
		t = t == SF_NOVAR ? u : sf_add(g, t, u);
	}
	return t == SF_NOVAR ? t : sf_fit(g, t, sf_shape_of(g, y));
}

/* ---- builders ---- */

/* Is b one number, and the result of the shape of a? */
static int other_is_number(sf_graph *g, sf_var a, sf_var b, double *c)
{
	return sf_is_const(g, b, c) && sf_broadcasts(g->node[b].shape, g->node[a].shape);
}

sf_var sf_scale(sf_graph *g, sf_var a, double c)
{
	sf_node n = sf_make(SF_OP_SCALE, a, SF_NOVAR);
	double v;

	if (!sf_usable(g, SF_OP_SCALE, a, a))
		return SF_NOVAR;
	if (sf_is_const(g, a, &v)) /* a map of a number is a number: nothing has to run */
		return sf_fill(g, c * v, g->node[a].shape);
	if (g->node[a].op == SF_OP_SCALE) {
		c *= g->node[a].c;
		n.in[0] = g->node[a].in[0];
	}
	if (c == 1)
		return n.in[0];
	n.c = c;
	return sf_append(g, &n);
}

sf_var sf_offset(sf_graph *g, sf_var a, double c)
{
	sf_node n = sf_make(SF_OP_OFFSET, a, SF_NOVAR);
	double v;

	if (!sf_usable(g, SF_OP_OFFSET, a, a))
		return SF_NOVAR;
	if (sf_is_const(g, a, &v))
		return sf_fill(g, v + c, g->node[a].shape);
	if (c == 0)
		return a;
	n.c = c;
	return sf_append(g, &n);
}

sf_var sf_neg(sf_graph *g, sf_var a)
{
	return sf_scale(g, a, -1);
}

sf_var sf_add(sf_graph *g, sf_var a, sf_var b)
{
	double c;

	if (!sf_usable(g, SF_OP_ADD, a, b))
		return SF_NOVAR;
	if (other_is_number(g, a, b, &c))
		return sf_offset(g, a, c);
	if (other_is_number(g, b, a, &c))
		return sf_offset(g, b, c);
	return map2(g, SF_OP_ADD, a, b);
}

sf_var sf_sub(sf_graph *g, sf_var a, sf_var b)
{
	double c;

	if (!sf_usable(g, SF_OP_SUB, a, b))
		return SF_NOVAR;
	if (other_is_number(g, a, b, &c))
		return sf_offset(g, a, -c);
	if (other_is_number(g, b, a, &c))
		return sf_offset(g, sf_neg(g, b), c);
	return map2(g, SF_OP_SUB, a, b);
}

sf_var sf_mul(sf_graph *g, sf_var a, sf_var b)
{
	double c;

	if (!sf_usable(g, SF_OP_MUL, a, b))
		return SF_NOVAR;
	if (sf_origin(g, a) == sf_origin(g, b))
		return sf_square(g, a);
	if (other_is_number(g, a, b, &c))
		return sf_scale(g, a, c);
	if (other_is_number(g, b, a, &c))
		return sf_scale(g, b, c);
	return map2(g, SF_OP_MUL, a, b);
}

sf_var sf_div(sf_graph *g, sf_var a, sf_var b)
{
	return sf_usable(g, SF_OP_DIV, a, b) ? map2(g, SF_OP_DIV, a, b) : SF_NOVAR;
}

#define MAP1(name, op)                                                                             \
	sf_var name(sf_graph *g, sf_var a)                                                         \
	{                                                                                          \
		return map1(g, op, a);                                                             \
	}
MAP1(sf_square, SF_OP_SQUARE)
MAP1(sf_sqrt, SF_OP_SQRT)
MAP1(sf_exp, SF_OP_EXP)
MAP1(sf_log, SF_OP_LOG)
MAP1(sf_sin, SF_OP_SIN)
MAP1(sf_cos, SF_OP_COS)
MAP1(sf_tanh, SF_OP_TANH)
MAP1(sf_sigmoid, SF_OP_SIGMOID)
MAP1(sf_softplus, SF_OP_SOFTPLUS)
MAP1(sf_relu, SF_OP_RELU)
MAP1(sf_elu, SF_OP_ELU)
MAP1(sf_step, SF_OP_STEP)
MAP1(sf_detach, SF_OP_DETACH)

sf_var sf_silu(sf_graph *g, sf_var a)
{
	return g->order == 1 ? map1(g, SF_OP_SILU, a) : sf_mul(g, a, sf_sigmoid(g, a));
}
