/* ops.c: the op table. One row an operation: name, shape rule, reverse rule, forward rule, work. A
 * row without rules has derivative zero; tests/check_autodiff.c refuses a row without an instance.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

double sf_flops_none(const sf_graph *g, const sf_node *n)
{
	(void)g;
	(void)n;
	return 0;
}

double sf_flops_map(const sf_graph *g, const sf_node *n)
{
	(void)g;
	return (double)n->shape.size;
}

double sf_flops_in(const sf_graph *g, const sf_node *n)
{
	return (double)sf_shape_of(g, n->in[0]).size;
}

#define MAP1(name) {name, sf_shape_map1, sf_vjp_map1, sf_jvp_map1, sf_flops_map}
#define FLAT1(name) {name, sf_shape_map1, NULL, NULL, sf_flops_map}
#define MAP2(name) {name, sf_shape_map2, sf_vjp_map2, sf_jvp_map2, sf_flops_map}
#define FUSED2(name) {name, sf_shape_map2, sf_vjp_refuse, sf_jvp_refuse, sf_flops_map}
#define LEAF(name) {name, sf_shape_leaf, NULL, NULL, sf_flops_none}
#define MOVE(name, rule) {name, sf_shape_##rule, sf_vjp_##rule, sf_jvp_linear, sf_flops_none}

const sf_op sf_ops[SF_OP_COUNT] = {
	[SF_OP_SCALE] = MAP1("scale"),
	[SF_OP_OFFSET] = MAP1("offset"),
	[SF_OP_SQUARE] = MAP1("square"),
	[SF_OP_SQRT] = MAP1("sqrt"),
	[SF_OP_EXP] = MAP1("exp"),
	[SF_OP_LOG] = MAP1("log"),
	[SF_OP_SIN] = MAP1("sin"),
	[SF_OP_COS] = MAP1("cos"),
	[SF_OP_TANH] = MAP1("tanh"),
	[SF_OP_SIGMOID] = MAP1("sigmoid"),
	[SF_OP_SOFTPLUS] = MAP1("softplus"),
	[SF_OP_SILU] = MAP1("silu"),
	[SF_OP_RELU] = MAP1("relu"),
	[SF_OP_ELU] = MAP1("elu"),
	[SF_OP_STEP] = FLAT1("step"),
	[SF_OP_DETACH] = FLAT1("detach"),
	[SF_OP_ADD] = MAP2("add"),
	[SF_OP_SUB] = MAP2("sub"),
	[SF_OP_MUL] = MAP2("mul"),
	[SF_OP_DIV] = MAP2("div"),
	[SF_OP_SILU_GRAD] = FUSED2("silu_grad"),
	[SF_OP_ELU_GRAD] = FUSED2("elu_grad"),
	[SF_OP_INPUT] = LEAF("input"),
	[SF_OP_PARAM] = LEAF("param"),
	[SF_OP_CONST] = LEAF("const"),
	[SF_OP_RANDOM] = LEAF("random"),
	[SF_OP_SUM_TO] = {"sum_to", sf_shape_sum_to, sf_vjp_sum_to, sf_jvp_linear, sf_flops_in},
	[SF_OP_BROADCAST] = MOVE("broadcast", broadcast),
	[SF_OP_MATMUL] = {"matmul", sf_shape_matmul, sf_vjp_matmul, sf_jvp_linear, sf_flops_matmul},
	[SF_OP_CONV] = {"conv2d", sf_shape_conv, sf_vjp_conv, sf_jvp_linear, sf_flops_conv},
	[SF_OP_CONV_DATA] = {"conv2d_data", sf_shape_conv_data, sf_vjp_conv_data, sf_jvp_linear,
	                     sf_flops_conv_data},
	[SF_OP_CONV_WEIGHT] = {"conv2d_weight", sf_shape_conv_weight, sf_vjp_conv_weight, sf_jvp_linear,
	                       sf_flops_conv_weight},
	[SF_OP_UPFIRDN] = {"upfirdn", sf_shape_upfirdn, sf_vjp_upfirdn, sf_jvp_linear,
	                   sf_flops_upfirdn},
	[SF_OP_PICK] = {"pick", sf_shape_pick, sf_vjp_pick, sf_jvp_pick, sf_flops_pick},
	[SF_OP_UNPICK] = {"unpick", sf_shape_unpick, sf_vjp_unpick, sf_jvp_pick, sf_flops_pick},
	[SF_OP_RESHAPE] = MOVE("reshape", reshape),
	[SF_OP_PERMUTE] = MOVE("permute", permute),
	[SF_OP_CONCAT] = {"concat", sf_shape_concat, sf_vjp_concat, sf_jvp_concat, sf_flops_none},
	[SF_OP_SLICE] = MOVE("slice", slice),
	[SF_OP_PAD] = MOVE("pad", pad),
	[SF_OP_GATHER] = {"gather", sf_shape_gather, sf_vjp_gather, sf_jvp_first, sf_flops_none},
	[SF_OP_SCATTER] = {"scatter", sf_shape_scatter, sf_vjp_scatter, sf_jvp_first, sf_flops_in},
	[SF_OP_SOFTMAX] = {"softmax", sf_shape_softmax, sf_vjp_softmax, sf_jvp_softmax,
	                   sf_flops_softmax},
	[SF_OP_SOFTMAX_GRAD] = {"softmax_grad", sf_shape_softmax_grad, sf_vjp_refuse, sf_jvp_refuse,
	                        sf_flops_softmax},
	[SF_OP_GROUP_NORM] = {"group_norm", sf_shape_group_norm, sf_vjp_group_norm, sf_jvp_refuse,
	                      sf_flops_norm},
	[SF_OP_GROUP_NORM_GRAD] = {"group_norm_grad", sf_shape_group_norm_grad, sf_vjp_refuse,
	                           sf_jvp_refuse, sf_flops_norm},
	[SF_OP_GROUP_NORM_GRAD_AFFINE] = {"group_norm_grad_affine", sf_shape_group_norm_affine,
	                                  sf_vjp_refuse, sf_jvp_refuse, sf_flops_norm},
};
