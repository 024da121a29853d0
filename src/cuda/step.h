/* step.h: the function of each op, and a section of a plan's steps in order.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct cu_op {
	int (*run)(const cu_lane *l, const sf_work *s);
	size_t (*scratch)(const cu_lane *l, const sf_work *s);
} cu_op;

static const struct {
	int op;
	cu_op f;
} cu_ops[] = {
	{SF_OP_RANDOM, {cu_run_random, NULL}},
	{SF_OP_SUM_TO, {cu_run_sum_to, cu_scratch_sum_to}},
	{SF_OP_MATMUL, {cu_run_matmul, cu_scratch_matmul}},
	{SF_OP_CONV, {cu_run_conv, cu_scratch_conv}},
	{SF_OP_CONV_DATA, {cu_run_conv, cu_scratch_conv}},
	{SF_OP_CONV_WEIGHT, {cu_run_conv, cu_scratch_conv}},
	{SF_OP_UPFIRDN, {cu_run_upfirdn, cu_scratch_upfirdn}},
	{SF_OP_PICK, {cu_run_pick, NULL}},
	{SF_OP_UNPICK, {cu_run_unpick, cu_scratch_unpick}},
	{SF_OP_PERMUTE, {cu_run_permute, NULL}},
	{SF_OP_CONCAT, {cu_run_concat, NULL}},
	{SF_OP_SLICE, {cu_run_slice_or_pad, NULL}},
	{SF_OP_PAD, {cu_run_slice_or_pad, NULL}},
	{SF_OP_GATHER, {cu_run_gather, NULL}},
	{SF_OP_SCATTER, {cu_run_scatter, cu_scratch_scatter}},
	{SF_OP_SOFTMAX, {cu_run_softmax, NULL}},
	{SF_OP_SOFTMAX_GRAD, {cu_run_softmax, NULL}},
	{SF_OP_GROUP_NORM, {cu_run_norm, cu_scratch_norm}},
	{SF_OP_GROUP_NORM_GRAD, {cu_run_norm_grad, cu_scratch_norm_grad}},
	{SF_OP_GROUP_NORM_GRAD_AFFINE, {cu_run_norm_grad, cu_scratch_norm_grad}},
};

static cu_op cu_op_of(const sf_plan *p, const sf_work *s)
{
	const cu_op chain = {cu_run_chain, NULL}, none = {NULL, NULL};
	size_t i;

	if (s->nlink)
		return chain;
	for (i = 0; i < sizeof cu_ops / sizeof *cu_ops; i++)
		if (cu_ops[i].op == (int)p->val[s->val].node.op)
			return cu_ops[i].f;
	return none;
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
