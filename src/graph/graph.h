/* graph.h (internal): nodes, the op table, and what autodiff, planner and executor share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_GRAPH_H
#define SF_GRAPH_H

#include <scorefield/graph.h>

#include "core/core.h"
#include "kernel/kernel.h"

/* Kinds of nodes. Elementwise ops come first so that chains are found by comparison. */
typedef enum sf_opcode {
	/* elementwise, one operand; attribute c */
	SF_OP_SCALE, SF_OP_OFFSET, SF_OP_SQUARE, SF_OP_SQRT, SF_OP_EXP, SF_OP_LOG, SF_OP_SIN, SF_OP_COS,
	SF_OP_TANH, SF_OP_SIGMOID, SF_OP_SOFTPLUS, SF_OP_SILU, SF_OP_RELU, SF_OP_ELU, SF_OP_STEP,
	SF_OP_DETACH,
	/* elementwise, two operands that broadcast */
	SF_OP_ADD, SF_OP_SUB, SF_OP_MUL, SF_OP_DIV, SF_OP_SILU_GRAD, SF_OP_ELU_GRAD,
	/* leaves */
	SF_OP_INPUT,  /* no attribute */
	SF_OP_PARAM,  /* i[0] = index of the parameter */
	SF_OP_CONST,  /* c = the value, a shared scalar; or tap = the values of a shared tensor */
	SF_OP_RANDOM, /* i[0] = kind 'n' 'u' 'r', i[1] = purpose */
	/* reductions and broadcasts */
	SF_OP_SUM_TO, SF_OP_BROADCAST,
	/* linear algebra */
	SF_OP_MATMUL,      /* i[0] = ta, i[1] = tb; i[2] = 1: both operands are per-sample and of equal
	                      leading sizes, result summed over batch and leading, shared (r,m) */
	SF_OP_CONV,        /* in x, w; i[0] = stride, i[1] = pad, i[4] = dilation */
	SF_OP_CONV_DATA,   /* in dy, w; adjoint in x; i[2], i[3] = h, w of x */
	SF_OP_CONV_WEIGHT, /* in x, dy; adjoint in w, shared (batch sum of per-sample operands; both
	                      may be shared, then no batch sum); i[2], i[3] = kh, kw */
	SF_OP_UPFIRDN,     /* i[0..3] = up, down, pad0, pad1; taps */
	SF_OP_PICK,        /* in x, t; i[0..2] = k, stride, pad: t at the maximum of x in each window */
	SF_OP_UNPICK,      /* in x, dy; its adjoint in t */
	/* shape */
	SF_OP_RESHAPE,
	SF_OP_PERMUTE, /* i[0..rank) = axis: out dim j = in dim i[j] */
	SF_OP_CONCAT,  /* last dimension; operands both per-sample or both shared */
	SF_OP_SLICE,   /* last dimension; i[0] = first, i[1] = number kept */
	SF_OP_PAD,     /* adjoint of SLICE: i[0] = first, i[1] = size of the last dimension */
	SF_OP_GATHER,  /* in table (rows,k) shared, index per-sample () -> (k) per-sample */
	SF_OP_SCATTER, /* in dy (k), index; its adjoint -> (rows,k) shared; i[0] = rows */
	/* composites */
	SF_OP_SOFTMAX, SF_OP_SOFTMAX_GRAD,                /* in y, dy */
	SF_OP_GROUP_NORM,                                 /* in x, gamma, beta; i[0] = groups, i[1] = act, c = eps */
	SF_OP_GROUP_NORM_GRAD, /* in x, gamma, beta, dy -> dx; */
	SF_OP_GROUP_NORM_GRAD_AFFINE, /* the same operands -> (2,c): dgamma, dbeta, batch sum */
	SF_OP_COUNT
} sf_opcode;

enum { SF_MAXIN = 4 };

typedef struct sf_node {
	sf_opcode op;
	int nin;
	sf_var in[SF_MAXIN];
	sf_shape shape;
	double c;           /* constant attribute */
	int64_t i[6];       /* integer attributes */
	const double *tap;  /* SF_OP_UPFIRDN, SF_OP_CONST: owned by the graph */
	int ntap;
	const char *name;   /* leaves; owned by the graph; else NULL */
	/* recompute.c; filled in when the node is appended */
	int segment;        /* what marks cut the graph into */
	int keep;           /* never computed again */
	int listed;         /* segment for which a copy was last asked for */
	sf_var origin;      /* the node that this one computes again, or SF_NOVAR */
	sf_var copy;        /* its latest copy, or SF_NOVAR */
} sf_node;

/* One row per opcode. vjp appends what flows back into operand k for the gradient `dy` of node y, or
 * returns SF_NOVAR where that operand has none; jvp appends the tangent for the operands'
 * tangents (SF_NOVAR = zero). NULL rules: the derivative is zero. `flops` per sample. */
typedef struct sf_op {
	const char *name;
	int (*shape)(sf_graph *g, sf_node *node); /* fills node->shape, refuses bad operands */
	sf_var (*vjp)(sf_graph *g, sf_var y, int k, sf_var dy);
	sf_var (*jvp)(sf_graph *g, sf_var y, const sf_var *tangent);
	double (*flops)(const sf_graph *g, const sf_node *node);
} sf_op;
extern const sf_op sf_ops[SF_OP_COUNT];

struct sf_graph {
	sf_ctx *ctx;
	int order, status;
	sf_node *node;
	int n, cap;
	sf_param_info *param;
	int nparam, param_cap;
	int64_t param_total;
	char *prefix;       /* from sf_push: "down0.res1." */
	size_t prefix_len, prefix_cap;
	size_t *mark;       /* prefix_len before each push */
	int nmark, mark_cap;
	void **owned;       /* names and taps, freed with the graph */
	int nowned, owned_cap;
	int recompute, marked; /* see sf_graph_recompute; is there a mark? */
	int segment, segments; /* the open segment; the number of the newest */
	int *belongs;       /* segment -> the one it was derived from, or -1 */
	int segment_cap;
	sf_var copies_below; /* while differentiating: first node that is new, 0 = no copies */
	int last_segment, walked; /* not copied; the one whose derivative is being appended */
	sf_var *wanted;
	int wanted_cap;
	int plain;          /* plans of this graph fuse nothing: for tests */
	int deriving;       /* inside sf_grad or sf_jvp: equal nodes are shared (cse.c) */
	sf_var *cse;        /* hash table of nodes, SF_NOVAR = free */
	int cse_cap, cse_known; /* slots; nodes [0, cse_known) are in it */
	char message[SF_MESSAGE_MAX]; /* text of the first error */
};

/* Appends a node after the shape rule has accepted it. */
sf_var sf_append(sf_graph *g, const sf_node *node);
const sf_node *sf_node_of(const sf_graph *g, sf_var v);
int sf_same_shape(const sf_shape *a, const sf_shape *b);

#endif
