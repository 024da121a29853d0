/* likelihood_base.h: a score over a process, opened and closed around each test.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_LIKELIHOOD_BASE_H
#define SF_TEST_LIKELIHOOD_BASE_H

#include "support.h"

#include <scorefield/likelihood.h>

static sf_ctx *ctx;
static sf_process *process;
static sf_score *score;
static sf_likelihood_run run;

static void base_setup(void)
{
	ctx = ck_ctx();
	process = NULL;
	score = NULL;
	sf_likelihood_defaults(&run);
}

static void teardown(void)
{
	sf_score_free(score);
	sf_process_free(process);
	sf_ctx_free(ctx);
}

/* s NULL: the process alone */
static void open_score(const char *p, const char *s, int64_t d)
{
	sf_score_free(score);
	sf_process_free(process);
	score = NULL;
	process = NULL;
	assert_ok(ctx, sf_process_new(ctx, p, &process));
	if (s)
		assert_ok(ctx, sf_score_new(ctx, s, process, d, &score));
}

#endif
