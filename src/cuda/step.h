/* step.h: the function of each op, and a section of a plan's steps in order.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct cu_op {
	int (*run)(const cu_lane *l, const sf_work *s);
	size_t (*scratch)(const cu_lane *l, const sf_work *s);
} cu_op;

static cu_op cu_op_of(const sf_plan *p, const sf_work *s)
{
	cu_op o = {NULL, NULL};

	if (s->nlink) {
		o.run = cu_run_chain;
		return o;
	}
	switch ((int)p->val[s->val].node.op) {
	case SF_OP_RANDOM:
		o.run = cu_run_random;
		break;
	case SF_OP_SUM_TO:
		o.run = cu_run_sum_to;
		o.scratch = cu_scratch_sum_to;
		break;
	case SF_OP_MATMUL:
		o.run = cu_run_matmul;
		o.scratch = cu_scratch_matmul;
		break;
	case SF_OP_CONV:
	case SF_OP_CONV_DATA:
	case SF_OP_CONV_WEIGHT:
		o.run = cu_run_conv;
		o.scratch = cu_scratch_conv;
		break;
	case SF_OP_UPFIRDN:
		o.run = cu_run_upfirdn;
		o.scratch = cu_scratch_upfirdn;
		break;
	case SF_OP_PICK:
		o.run = cu_run_pick;
		break;
	case SF_OP_UNPICK:
		o.run = cu_run_unpick;
		o.scratch = cu_scratch_unpick;
		break;
	case SF_OP_PERMUTE:
		o.run = cu_run_permute;
		break;
	case SF_OP_CONCAT:
		o.run = cu_run_concat;
		break;
	case SF_OP_SLICE:
	case SF_OP_PAD:
		o.run = cu_run_slice_or_pad;
		break;
	case SF_OP_GATHER:
		o.run = cu_run_gather;
		break;
	case SF_OP_SCATTER:
		o.run = cu_run_scatter;
		o.scratch = cu_scratch_scatter;
		break;
	case SF_OP_SOFTMAX:
	case SF_OP_SOFTMAX_GRAD:
		o.run = cu_run_softmax;
		break;
	case SF_OP_GROUP_NORM:
		o.run = cu_run_norm;
		o.scratch = cu_scratch_norm;
		break;
	case SF_OP_GROUP_NORM_GRAD:
	case SF_OP_GROUP_NORM_GRAD_AFFINE:
		o.run = cu_run_norm_grad;
		o.scratch = cu_scratch_norm_grad;
		break;
	default:
		break;
	}
	return o;
}

/* A dropped result has no memory, and need not be computed. */
static int cu_wanted(const cu_lane *l, const sf_work *s)
{
	return s->nlink || l->val[s->val].p || (s->partner >= 0 && l->val[s->partner].p);
}

static int cu_run_steps(cu_lane *l, int phase, int64_t n, sf_device_lap lap, void *arg)
{
	int i, rc = 0;

	for (i = l->p->begin[phase]; i < l->p->begin[phase + 1] && rc == 0; i++) {
		const sf_work *s = &l->p->step[i];
		const cu_op op = cu_op_of(l->p, s);

		l->n = phase == SF_SHARD ? n : 1;
		rc = !op.run ? SF_EUNSUP : cu_wanted(l, s) ? op.run(l, s) : 0;
		if (lap) {
			(void)cu_wait(l->stream);
			lap(arg, i);
		}
	}
	return rc;
}
