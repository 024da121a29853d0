/* verify.h: derivation checks. Each row compares a number that the library computes with one that
 * a closed form, an identity, a convergence order or an invariance gives.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_VERIFY_H
#define SCOREFIELD_VERIFY_H

#include <scorefield/context.h>

SF_BEGIN

typedef struct sf_row {
	double expected, measured, tolerance; /* pass: |measured - expected| <= tolerance */
} sf_row;

typedef struct sf_check {
	const char *family; /* "process", "objective", ... */
	const char *name;   /* "vp.alpha-sigma-golden": starts with the member's name */
	const char *what;   /* one line */
	const char *ref;    /* paper, equation */
	int (*run)(sf_ctx *ctx, sf_row *row);
} sf_check;

/* All checks, NULL name ended. */
SF_API const sf_check *sf_verify_checks(void);
/* Whether a check belongs to what the user named: a family, a member ("vp") or a check's full
 * name. */
SF_API int sf_verify_selects(const sf_check *check, const char *name);
/* Runs one; 0 and row filled, or an error. *pass tells the verdict (NaN fails). */
SF_API int sf_verify_run(sf_ctx *ctx, const sf_check *check, sf_row *row, int *pass);

SF_END
#endif
