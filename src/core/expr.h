/* expr.h: formulas in t, with their slopes.
 *
 *     sum = product {(+|-) product}   product = sign {(*|/) sign}   sign = {-|+} power   power = unit [^ sign]
 *     unit = number | t | pi | e | (sum) | function(sum)
 *
 * functions: exp log sqrt sin cos tan sinh cosh tanh asin acos atan expm1 log1p abs. ^ binds tightest and to the
 * right, so -t^2 = -(t^2) and 2^3^2 = 2^9.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_EXPR_H
#define SF_EXPR_H

#include "core/core.h"

enum { SF_EXPR_MAX = 256 }; /* numbers, names and operations of one formula */

typedef struct sf_expr { /* operations in the order in which a stack machine takes them */
	int n;
	struct {
		int op;
		double number;
	} step[SF_EXPR_MAX];
} sf_expr;

/* Parses the whole text. SF_EINVAL with a message that starts with `what` and names the place. */
int sf_expr_parse(sf_ctx *ctx, const char *what, const char *text, sf_expr *e);

/* The value at t and its derivative (dual numbers: forward mode); NaN where there is none. slope may be NULL. */
double sf_expr_at(const sf_expr *e, double t, double *slope);

#endif
