/* rules.h: what the files that define operations share, and the rules that ops.c puts into the
 * op table. A shape rule gets a node whose operands are valid variables; where the result's shape
 * is an argument of the call (leaves, SUM_TO, BROADCAST, RESHAPE) it is filled in already.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_GRAPH_RULES_H
#define SF_GRAPH_RULES_H

#include "graph/graph.h"

/* ---- graph.c ---- */
enum { SF_SHAPE_TEXT = 96 };
/* "(4,8)"; a pointer to `text`. */
const char *sf_shape_text(sf_shape s, char text[SF_SHAPE_TEXT]);
/* Checks rank, sizes and their product; 0 or the graph fails with `what` in front. */
int sf_make_shape(sf_graph *g, const char *what, int per_sample, int rank, const int64_t *dim,
                  sf_shape *out);
/* NumPy broadcasting of one sample's shapes; per-sample if one is. -1 where they do not fit. */
int sf_broadcast_shapes(sf_shape a, sf_shape b, sf_shape *out);
/* Can `a` be broadcast to `to`? Then summing from `to` to `a` is its adjoint. */
int sf_broadcasts(sf_shape a, sf_shape to);
/* 1 if the graph is sound and a, b are variables of it; else it fails with the op's name. */
int sf_usable(sf_graph *g, sf_opcode op, sf_var a, sf_var b);
/* A node with its operands filled in; SF_NOVAR for none. */
sf_node sf_make(sf_opcode op, sf_var a, sf_var b);
/* Is v one number everywhere, known while building? */
int sf_is_const(const sf_graph *g, sf_var v, double *c);
void *sf_own(sf_graph *g, void *p); /* freed with the graph; NULL stays NULL and fails the graph */
int sf_grow(void **p, int *cap, int need, size_t size);
char *sf_full_name(sf_graph *g, const char *name); /* prefix and name, owned by the graph */

/* ---- recompute.c ---- */
sf_var sf_append_raw(sf_graph *g, const sf_node *node); /* graph.c: as it is, n.origin and n.keep included */
sf_var sf_origin(const sf_graph *g, sf_var v);    /* of a copy; else v */
void sf_segment_open(sf_graph *g, int of);        /* later nodes are in a new segment, derived from `of` or -1 */
void sf_segment_note(sf_graph *g, sf_var v);      /* v was appended */
void sf_copies_begin(sf_graph *g, sf_var y);      /* a derivative of y begins, */
void sf_copies_at(sf_graph *g, sf_var v);         /* reaches v, */
void sf_copies_end(sf_graph *g);                  /* and ends */
sf_var sf_copy_of(sf_graph *g, sf_var v);         /* what a node appended now should read for v */

/* ---- cse.c ---- */
sf_var sf_cse_find(sf_graph *g, const sf_node *node);

/* ---- reduce.c ---- */
sf_var sf_fit(sf_graph *g, sf_var a, sf_shape to);    /* broadcast to exactly this shape */
sf_var sf_reduce(sf_graph *g, sf_var a, sf_shape to); /* sum to exactly this shape */
sf_var sf_fill(sf_graph *g, double c, sf_shape to);   /* a constant of this shape */

/* ---- autodiff.c: rules that several ops share ---- */
/* The op is linear in every operand: sum over operands of the op with the tangent put in. */
sf_var sf_jvp_linear(sf_graph *g, sf_var y, const sf_var *tangent);
/* The op is linear in its first operand and the second (an index) has no tangent. */
sf_var sf_jvp_first(sf_graph *g, sf_var y, const sf_var *tangent);
/* The fused op has no further derivative: the graph fails and names the way out. */
sf_var sf_vjp_refuse(sf_graph *g, sf_var y, int k, sf_var dy);
sf_var sf_jvp_refuse(sf_graph *g, sf_var y, const sf_var *tangent);

/* ---- the table's rules ---- */
typedef int sf_shape_rule(sf_graph *g, sf_node *node);
typedef sf_var sf_vjp_rule(sf_graph *g, sf_var y, int k, sf_var dy);
typedef sf_var sf_jvp_rule(sf_graph *g, sf_var y, const sf_var *tangent);
typedef double sf_flops_rule(const sf_graph *g, const sf_node *node);

sf_shape_rule sf_shape_leaf, sf_shape_map1, sf_shape_map2, sf_shape_sum_to, sf_shape_broadcast,
	sf_shape_matmul, sf_shape_conv, sf_shape_conv_data, sf_shape_conv_weight, sf_shape_upfirdn, sf_shape_pick, sf_shape_unpick,
	sf_shape_reshape, sf_shape_permute, sf_shape_concat, sf_shape_slice, sf_shape_pad,
	sf_shape_gather, sf_shape_scatter, sf_shape_softmax, sf_shape_softmax_grad,
	sf_shape_group_norm, sf_shape_group_norm_grad, sf_shape_group_norm_affine;
sf_vjp_rule sf_vjp_map1, sf_vjp_map2, sf_vjp_sum_to, sf_vjp_broadcast, sf_vjp_matmul, sf_vjp_conv,
	sf_vjp_conv_data, sf_vjp_conv_weight, sf_vjp_upfirdn, sf_vjp_pick, sf_vjp_unpick, sf_vjp_reshape, sf_vjp_permute,
	sf_vjp_concat, sf_vjp_slice, sf_vjp_pad, sf_vjp_gather, sf_vjp_scatter, sf_vjp_softmax,
	sf_vjp_group_norm;
sf_jvp_rule sf_jvp_map1, sf_jvp_map2, sf_jvp_concat, sf_jvp_softmax, sf_jvp_pick;
sf_flops_rule sf_flops_none, sf_flops_map, sf_flops_in, sf_flops_matmul, sf_flops_conv,
	sf_flops_conv_data, sf_flops_conv_weight, sf_flops_upfirdn, sf_flops_pick, sf_flops_softmax, sf_flops_norm;

#endif
