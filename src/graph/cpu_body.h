/* cpu_body.h: all operations of the CPU executor for one element type. Included once by cpu_f32.c
 * and once by cpu_f64.c, after exec.h (whose kernel tables use T as well), with T, KERN, KERNELS,
 * CPU        the element type, its kernel table, the table's getter, our name NOISE_NORMAL,
 * NOISE_UNIFORM  its noise
 *
 * Each function runs one step on the l->n samples of a lane. Operands and result are dense; sample
 * s of value v starts at at(l, v) + s * skip(p, v), and skip is 0 for shared values, so that every
 * mixture of shared and per-sample operands works.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

static T *at(const sf_lane *l, int v)
{
	return l->ptr[v];
}

static int64_t skip(const sf_plan *p, int v)
{
	return p->val[v].node.shape.per_sample ? p->val[v].node.shape.size : 0;
}

static int64_t last_dim(const sf_shape *s)
{
	return s->rank ? s->dim[s->rank - 1] : 1;
}

#include "graph/cpu_part_body.h"
#include "graph/cpu_map_body.h"
#include "graph/cpu_sum_body.h"
#include "graph/cpu_linear_body.h"
#include "graph/cpu_norm_body.h"
#include "graph/cpu_shape_body.h"
#include "graph/cpu_fir_body.h"
#include "graph/cpu_pick_body.h"

static int run(sf_lane *l, const sf_work *s)
{
	const sf_val *v = &l->p->val[s->val];
	const sf_node *node = &v->node;
	int64_t n = v->phase == SF_SHARD ? l->n : 1;

	if (s->nlink) {
		run_chain(l, s, n);
		return SF_OK;
	}
	if (!l->ptr[s->val] && (s->partner < 0 || !l->ptr[s->partner]))
		return SF_OK; /* a dropped output */
	switch ((int)node->op) {
	case SF_OP_RANDOM:
		run_random(l, s->val, n);
		return SF_OK;
	case SF_OP_SUM_TO:
		run_sum_to(l, s->val, n);
		return SF_OK;
	case SF_OP_MATMUL:
		run_matmul(l, s, n);
		return SF_OK;
	case SF_OP_CONV:
	case SF_OP_CONV_DATA:
		run_conv(l, s, n);
		return SF_OK;
	case SF_OP_CONV_WEIGHT:
		run_conv_weight(l, s->val, n);
		return SF_OK;
	case SF_OP_UPFIRDN:
		run_upfirdn(l, s->val, n);
		return SF_OK;
	case SF_OP_PICK:
		run_pick(l, s->val, n);
		return SF_OK;
	case SF_OP_UNPICK:
		run_unpick(l, s->val, n);
		return SF_OK;
	case SF_OP_PERMUTE:
		run_permute(l, s->val, n);
		return SF_OK;
	case SF_OP_CONCAT:
		run_concat(l, s->val, n);
		return SF_OK;
	case SF_OP_SLICE:
	case SF_OP_PAD:
		run_slice_or_pad(l, s->val, n);
		return SF_OK;
	case SF_OP_GATHER:
	case SF_OP_SCATTER:
		return run_gather_or_scatter(l, s->val, n);
	case SF_OP_SOFTMAX:
	case SF_OP_SOFTMAX_GRAD:
		run_softmax(l, s->val, n);
		return SF_OK;
	case SF_OP_GROUP_NORM:
		run_norm(l, s->val, n);
		return SF_OK;
	case SF_OP_GROUP_NORM_GRAD:
	case SF_OP_GROUP_NORM_GRAD_AFFINE:
		run_norm_grad(l, s, n);
		return SF_OK;
	default:
		l->bad = s->val;
		return SF_EUNSUP;
	}
}

/* Elements of scratch memory that a step needs. */
static size_t scratch(const sf_plan *p, const sf_work *s)
{
	const sf_val *v = &p->val[s->val];

	if (s->nlink)
		return (size_t)(SF_SLOTS + SF_FETCH) * SF_BLOCK;
	switch ((int)v->node.op) {
	case SF_OP_SUM_TO:
		return SUM_ROOM;
	case SF_OP_MATMUL:
		return matmul_scratch(p, s);
	case SF_OP_CONV:
	case SF_OP_CONV_DATA:
	case SF_OP_CONV_WEIGHT:
		return conv_scratch(p, s);
	case SF_OP_UPFIRDN:
		return upfirdn_scratch(p, s);
	case SF_OP_PICK:
	case SF_OP_UNPICK:
		return pick_scratch(p, s);
	case SF_OP_GROUP_NORM:
	case SF_OP_GROUP_NORM_GRAD:
	case SF_OP_GROUP_NORM_GRAD_AFFINE:
		return norm_scratch(p, s);
	default:
		return 0;
	}
}

static const void *kernels(const sf_ctx *ctx)
{
	return KERNELS(ctx);
}

static void add(const void *kern, int64_t n, const void *a, const void *b, void *o)
{
	((const KERN *)kern)->map2[SF_EW2_ADD](n, a, b, o);
}

static void set(const sf_node *constant, void *o)
{
	T *to = o;
	int i;

	to[0] = (T)constant->c;
	for (i = 0; i < constant->ntap; i++)
		to[i] = (T)constant->tap[i];
}

const sf_cpu CPU = {kernels, run, scratch, pack_size, pack, add, set};
