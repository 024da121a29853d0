/* check_verify.c: the table of derivation checks is well formed, every row holds, a wrong row
 * fails, and rows are found by family, member and name.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield/verify.h>

#include <math.h>
#include <string.h>

START_TEST(table)
{
	const sf_check *c, *o;
	int n = 0;

	for (c = sf_verify_checks(); c->name; c++, n++) {
		ck_assert(c->family[0] && c->what[0] && c->ref[0]);
		ck_assert_ptr_nonnull(strchr(c->name, '.'));
		ck_assert_ptr_null(strchr(c->what, '\n'));
		for (o = c + 1; o->name; o++)
			ck_assert_msg(strcmp(c->name, o->name) != 0 ||
			                      strcmp(c->family, o->family) != 0,
			              "two rows are called %s", c->name);
	}
	ck_assert_int_ge(n, 80);
}
END_TEST

START_TEST(all_hold)
{
	sf_ctx *ctx = ck_ctx();
	const sf_check *c = &sf_verify_checks()[_i];
	sf_row row;
	int pass;

	ck_assert_ptr_nonnull(c->name);
	assert_ok(ctx, sf_verify_run(ctx, c, &row, &pass));
	ck_assert_msg(pass, "%s: measured %.17g, expected %.17g within %g", c->name, row.measured,
	              row.expected, row.tolerance);
	ck_assert(row.tolerance >= 0);
	sf_ctx_free(ctx);
}
END_TEST

/* The same numbers on one thread and on three. */
START_TEST(threads)
{
	sf_ctx *ctx = ck_ctx();
	const sf_check *c;

	for (c = sf_verify_checks(); c->name; c++) {
		sf_row one, three;
		int pass;

		if (strcmp(c->family, "score") != 0 && strcmp(c->family, "grid") != 0)
			continue;
		assert_ok(ctx, sf_ctx_set_threads(ctx, 1));
		assert_ok(ctx, sf_verify_run(ctx, c, &one, &pass));
		assert_ok(ctx, sf_ctx_set_threads(ctx, 3));
		assert_ok(ctx, sf_verify_run(ctx, c, &three, &pass));
		ck_assert_msg(one.measured == three.measured, "%s depends on threads", c->name);
	}
	sf_ctx_free(ctx);
}
END_TEST

static int off(sf_ctx *ctx, sf_row *row)
{
	(void)ctx;
	row->expected = 1;
	row->measured = 1.001;
	row->tolerance = 1e-4;
	return SF_OK;
}

static int nan_row(sf_ctx *ctx, sf_row *row)
{
	off(ctx, row);
	row->measured = NAN;
	row->tolerance = INFINITY;
	return SF_OK;
}

static int unfilled(sf_ctx *ctx, sf_row *row)
{
	(void)ctx;
	(void)row;
	return SF_OK;
}

static int failing(sf_ctx *ctx, sf_row *row)
{
	off(ctx, row);
	row->tolerance = 1;
	return sf_fail(ctx, SF_EIO, "no luck");
}

START_TEST(wrong_rows)
{
	sf_check c = {"test", "test.row", "what", "ref", off};
	sf_ctx *ctx = ck_ctx();
	sf_row row;
	int pass = 1;

	ck_assert_int_eq(sf_verify_run(ctx, &c, &row, &pass), 0);
	ck_assert_int_eq(pass, 0);
	c.run = nan_row;
	ck_assert_int_eq(sf_verify_run(ctx, &c, &row, &pass), 0);
	ck_assert_int_eq(pass, 0);
	c.run = unfilled;
	ck_assert_int_eq(sf_verify_run(ctx, &c, &row, &pass), 0);
	ck_assert_int_eq(pass, 0);
	c.run = failing;
	ck_assert_int_eq(sf_verify_run(ctx, &c, &row, &pass), SF_EIO);
	ck_assert_int_eq(pass, 0);
	ck_assert_str_eq(sf_ctx_message(ctx), "no luck");
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(selection)
{
	static const sf_check c = {"process", "vp.inverse", "what", "ref", off};

	ck_assert(sf_verify_selects(&c, "process"));
	ck_assert(sf_verify_selects(&c, "vp"));
	ck_assert(sf_verify_selects(&c, "vp.inverse"));
	ck_assert(!sf_verify_selects(&c, "v"));
	ck_assert(!sf_verify_selects(&c, "vp."));
	ck_assert(!sf_verify_selects(&c, "vp.inv"));
	ck_assert(!sf_verify_selects(&c, "subvp"));
	ck_assert(!sf_verify_selects(&c, ""));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verify");
	TCase *frame = tcase_create("frame"), *rows = tcase_create("rows");
	int n = 0;

	while (sf_verify_checks()[n].name)
		n++;
	tcase_add_test(frame, table);
	tcase_add_test(frame, wrong_rows);
	tcase_add_test(frame, selection);
	tcase_add_test(frame, threads);
	tcase_add_loop_test(rows, all_hold, 0, n);
	suite_add_tcase(suite, frame);
	suite_add_tcase(suite, rows);
	return sf_test_main(suite);
}
