/* check_expr.c: formulas: values against C's own, slopes against differences and closed forms, precedence, and what
 * is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/expr.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static sf_ctx *ctx;

static void setup(void)
{
	ctx = ck_ctx();
}

static void teardown(void)
{
	sf_ctx_free(ctx);
}

static double value(const char *text, double t, double *slope)
{
	sf_expr e;

	assert_ok(ctx, sf_expr_parse(ctx, "formula", text, &e));
	return sf_expr_at(&e, t, slope);
}

START_TEST(precedence)
{
	static const struct {
		const char *text;
		double v; /* at t = 3 */
	} row[] = {{"1", 1},
		   {"t", 3},
		   {" \t 2 + 3*4 ", 14},
		   {"2-3-4", -5},
		   {"2/4/2", .25},
		   {"(2-3)*4", -4},
		   {"-t^2", -9},
		   {"(-t)^2", 9},
		   {"2^3^2", 512},
		   {"2^-1", .5},
		   {"--2", 2},
		   {"-+-2", 2},
		   {"2*-3", -6},
		   {"1e-2", .01},
		   {".5", .5},
		   {"5.", 5},
		   {"2E+1", 20},
		   {"2e", NAN},
		   {"1+2*t^2/6-4", 0},
		   {"t*t*t", 27},
		   {"(((t)))", 3},
		   {"-2^2", -4},
		   {"t^0.5", 1.7320508075688772},
		   {"+t", 3},
		   {"6/2*3", 9},
		   {"2*e", 2 * 2.718281828459045},
		   {"pi", SF_PI}};
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		sf_expr e;

		if (isnan(row[i].v)) { /* a number with half an exponent */
			ck_assert_int_eq(sf_expr_parse(ctx, "formula", row[i].text, &e), SF_EINVAL);
			continue;
		}
		assert_close(value(row[i].text, 3, NULL), row[i].v, 1e-15, 0);
	}
}
END_TEST

START_TEST(functions)
{
	static const struct {
		const char *name;
		double (*f)(double x);
	} row[] = {{"exp", exp},   {"log", log},   {"sqrt", sqrt},   {"sin", sin},     {"cos", cos},
		   {"tan", tan},   {"sinh", sinh}, {"cosh", cosh},   {"tanh", tanh},   {"asin", asin},
		   {"acos", acos}, {"atan", atan}, {"expm1", expm1}, {"log1p", log1p}, {"abs", fabs}};
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		double t, h = 1e-4, slope;
		char text[40];

		snprintf(text, sizeof text, "%s(0.3*t)", row[i].name);
		for (t = .4; t < 3; t += .7) {
			double (*f)(double x) = row[i].f, x = .3 * t;

			ck_assert(value(text, t, &slope) == f(x));
			assert_close(slope,
				     .3 * (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h),
				     1e-10, 1e-10);
		}
	}
}
END_TEST

START_TEST(slopes)
{
	double d;

	assert_close(value("exp(-t^2/2)", 1, &d), exp(-.5), 1e-15, 0);
	assert_close(d, -exp(-.5), 1e-15, 0);
	value("t^3-2*t", 2, &d);
	assert_close(d, 10, 1e-15, 0);
	value("t/(1+t)", 3, &d);
	assert_close(d, 1. / 16, 1e-15, 0);
	value("2^t", 3, &d);
	assert_close(d, 8 * log(2), 1e-15, 0);
	value("t^t", 2, &d);
	assert_close(d, 4 * (log(2) + 1), 1e-15, 0);
	value("(t-3)^2", 2, &d); /* a negative base and a whole exponent */
	assert_close(d, -2, 1e-15, 0);
	value("t^2", 0, &d);
	ck_assert(d == 0);
	value("t^1", 0, &d);
	ck_assert(d == 1);
	value("sqrt(4)+t", 0, &d); /* what does not depend on t has the slope 0, even of sqrt at 0 */
	ck_assert(d == 1);
	value("sqrt(0)", 1, &d);
	ck_assert(d == 0);
	value("abs(t)", -2, &d);
	ck_assert(d == -1);
	value("-(t+1)*-t", 2, &d);
	assert_close(d, 5, 1e-15, 0);
	ck_assert(isnan(value("sqrt(t)", -1, NULL)));
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *text, *say;
		int code;
	} row[] = {{"", "the end", SF_EINVAL},
		   {"1+", "the end", SF_EINVAL},
		   {"(1", "')'", SF_EINVAL},
		   {"1)", "an operator or the end", SF_EINVAL},
		   {"1 2", "character 3", SF_EINVAL},
		   {"x", "unknown name 'x'", SF_ENAME},
		   {"sin t", "'(' after", SF_EINVAL},
		   {"sin()", "a number", SF_EINVAL},
		   {"foo(t)", "unknown name 'foo'", SF_ENAME},
		   {"t$", "'$'", SF_EINVAL},
		   {"1..2", "a number", SF_EINVAL},
		   {"*t", "'*'", SF_EINVAL},
		   {"t\x80", "'?'", SF_EINVAL},
		   {"1e999", "a number", SF_EINVAL},
		   {"0x10", "an operator", SF_EINVAL},
		   {"inf", "unknown name 'inf'", SF_ENAME},
		   {"expm1(t", "')'", SF_EINVAL},
		   {"verylongnamethatisnone", "a known name", SF_EINVAL}};
	char deep[600], wide[1200];
	size_t i;
	sf_expr e;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		ck_assert_msg(sf_expr_parse(ctx, "thing 'x'", row[i].text, &e) == row[i].code, "'%s': %s",
			      row[i].text, sf_ctx_message(ctx));
		ck_assert_msg(strstr(sf_ctx_message(ctx), row[i].say) && strstr(sf_ctx_message(ctx), "thing 'x'"),
			      "'%s': %s", row[i].text, sf_ctx_message(ctx));
	}
	memset(deep, '(', 500);
	strcpy(deep + 500, "t");
	ck_assert_int_eq(sf_expr_parse(ctx, "x", deep, &e), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "deep"));
	memset(deep, '-', 500);
	ck_assert_int_eq(sf_expr_parse(ctx, "x", deep, &e), SF_EINVAL);
	for (i = 0; i + 2 < sizeof deep; i += 2)
		memcpy(deep + i, "t^", 2);
	ck_assert_int_eq(sf_expr_parse(ctx, "x", deep, &e), SF_EINVAL);
	for (i = 0; i + 2 < sizeof wide; i += 2)
		memcpy(wide + i, "t+", 2);
	wide[i] = 't';
	wide[i + 1] = '\0';
	ck_assert_int_eq(sf_expr_parse(ctx, "x", wide, &e), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "parts"));
	wide[255] = '\0'; /* 128 terms, 127 sums: as much as there is room for */
	wide[254] = 't';
	assert_ok(ctx, sf_expr_parse(ctx, "x", wide, &e));
	ck_assert(sf_expr_at(&e, 1, NULL) == 128);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("expr");
	TCase *t = tcase_create("expr");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, precedence);
	tcase_add_test(t, functions);
	tcase_add_test(t, slopes);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
