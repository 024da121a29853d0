/* support.h: what the test programs share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_SUPPORT_H
#define SF_TEST_SUPPORT_H

#include <check.h>

#include "core/core.h"

/* Runs a suite; the exit status of a test program. */
int sf_test_main(Suite *suite);

/* A fresh context with two threads; fails the test where there is none. Freed by the caller. */
sf_ctx *ck_ctx(void);

/* |x - y| <= atol + rtol max(|x|,|y|), both scaled by SCOREFIELD_TEST_TOL (default 1); NaN fails. */
int sf_close(double x, double y, double rtol, double atol);
#define assert_close(x, y, rtol, atol)                                                             \
	ck_assert_msg(sf_close((x), (y), (rtol), (atol)), "%s = %.17g, expected %s = %.17g", #x,   \
	              (double)(x), #y, (double)(y))

/* Fails unless rc is 0, with the context's message. */
#define assert_ok(ctx, rc) ck_assert_msg((rc) >= 0, "%s: %s", #rc, sf_ctx_message(ctx))

/* Path of a file below the source root (SF_SRCDIR); static buffer. */
const char *sf_test_path(const char *relative);
/* A fresh empty directory below $TMPDIR; static buffer. Removed by sf_test_rmdir. */
const char *sf_test_mkdir(void);
void sf_test_rmdir(const char *path);

/* The test program skips (exit 77) and says why. */
void sf_test_skip(const char *why);

#endif
