/* check_cuda_ops.c: every operation on the device against the naive loops in double: each instance of the op table's tests and each
 * graph of the planner's, with gradients, in all precisions. Operands and shapes are odd, results are poisoned first.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const how device_how = {SF_F32, "base", 1, 1, SAMPLES, 1};

/* A line of SF_ERROR_TABLE's file, where one is named: operation, precision, error. */
static void note_error(const char *op, int precision, double d)
{
	const char *path = getenv("SF_ERROR_TABLE");
	FILE *file = path ? fopen(path, "a") : NULL;

	if (!file)
		return;
	fprintf(file, "%s\t%s\t%.3g\n", op, rig_precision[precision], d);
	fclose(file);
}

static void compare(plan_fixture *f, int precision, double tolerance, const char *what)
{
	plan_array *out;
	int i;

	rig_device(f->ctx, precision, 1);
	out = plan_run_all(f, &device_how);
	for (i = 0; i < f->nout; i++) {
		const sf_shape *s = &f->g->node[f->out[i]].shape;
		const int64_t n = s->size * (s->per_sample ? f->n : 1);
		double d;

		ck_assert_uint_eq(out[i].bytes, (size_t)n * sizeof(float));
		d = rig_distance(n, out[i].data, plan_expected(f, i));
		note_error(sf_ops[f->g->node[f->out[i]].op].name, precision, d);
		ck_assert_msg(d <= tolerance, "%s, %s: output %d (%s) is %g off, at most %g", what,
		              rig_precision[precision], i, sf_ops[f->g->node[f->out[i]].op].name, d, tolerance);
	}
	plan_free_arrays(out, f->nout);
}

START_TEST(check_table)
{
	const op_case *c = &op_cases[_i];
	int variant, order, precision;

	for (variant = 0; variant < c->variants; variant++)
		for (order = 1; order <= 2; order++)
			for (precision = 0; precision < rig_precisions(); precision++) {
				plan_fixture f;

				plan_set_up_op(&f, c, variant, order);
				compare(&f, precision, rig_tolerance[precision], c->name);
				plan_tear_down(&f);
			}
}
END_TEST

/* Many operations in a row, each of which leaves its result in bfloat16, and some take differences of such: up to 25 units of
 * rounding of 2^-9. That it is rounding is seen with half precision, where an eighth is allowed. */
START_TEST(check_graphs)
{
	static const double tolerance[RIG_PRECISIONS] = {1e-5, 1e-3, 25. / 512, 25. / 4096};
	const plan_case *c = &plan_cases[_i];
	int precision;

	for (precision = 0; precision < rig_precisions(); precision++) {
		plan_fixture f;

		plan_set_up(&f, c, SAMPLES, 0);
		compare(&f, precision, tolerance[precision], c->name);
		plan_tear_down(&f);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cuda_ops");
	TCase *t = tcase_create("ops");

	tcase_add_loop_test(t, check_table, 0, op_case_count);
	tcase_add_loop_test(t, check_graphs, 0, plan_case_count);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
