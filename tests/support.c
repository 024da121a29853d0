/* support.c: what the test programs share.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int sf_test_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	setenv("SCOREFIELD_WAKE", "0", 0); /* small problems go to several threads too */
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

sf_ctx *ck_ctx(void)
{
	sf_ctx *ctx = NULL;

	ck_assert_int_eq(sf_ctx_new(&ctx), 0);
	ck_assert_int_eq(sf_ctx_set_threads(ctx, 2), 0);
	return ctx;
}

int sf_close(double x, double y, double rtol, double atol)
{
	const char *text = getenv("SCOREFIELD_TEST_TOL");
	double scale = text ? strtod(text, NULL) : 1, size = fabs(x) > fabs(y) ? fabs(x) : fabs(y);

	if (x == y)
		return 1;
	return fabs(x - y) <= scale * (atol + rtol * size);
}

const char *sf_test_path(const char *relative)
{
	static char path[1024];
	const char *root = getenv("SF_SRCDIR");

	snprintf(path, sizeof path, "%s/%s", root ? root : ".", relative);
	return path;
}

const char *sf_test_mkdir(void)
{
	static char path[1024];
	const char *tmp = getenv("TMPDIR");

	snprintf(path, sizeof path, "%s/scorefield-test-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(path));
	return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void sf_test_rmdir(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void sf_test_skip(const char *why)
{
	printf("SKIP: %s\n", why);
	exit(77);
}
