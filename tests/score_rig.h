/* score_rig.h: a process and up to two scores made from specs, freed after each test, and scores against differences of their
 * densities.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_SCORE_RIG_H
#define SF_TEST_SCORE_RIG_H

#include "support.h"

#include <scorefield/score.h>

#include <string.h>

static sf_ctx *ctx;
static sf_process *p;
static sf_score *s, *r;

static inline void setup(void)
{
	ctx = ck_ctx();
	p = NULL;
	s = r = NULL;
}

static inline void teardown(void)
{
	sf_score_free(s);
	sf_score_free(r);
	sf_process_free(p);
	sf_ctx_free(ctx);
}

static inline void process(const char *spec)
{
	assert_ok(ctx, sf_process_new(ctx, spec, &p));
}

static inline sf_score *score(const char *spec, int64_t d)
{
	sf_score *made = NULL;

	assert_ok(ctx, sf_score_new(ctx, spec, p, d, &made));
	return made;
}

/* ln p and its gradient by fourth-order differences; the derivative along v likewise. */
static inline void check_gradient(sf_score *of, int64_t size, const double *x, double t, double h, double tol, int jvp)
{
	static const double offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	double out[16], y[16], v[16] = {0}, got[16], sum[16], part[16], e;
	int64_t i, j;
	int o;

	assert_ok(ctx, sf_score_eval(of, SF_SCORE, 1, x, &t, out));
	for (i = 0; i < size; i++) {
		double slope = 0;

		memset(sum, 0, sizeof sum);
		for (o = 0; o < 4; o++) {
			memcpy(y, x, (size_t)size * sizeof *y);
			y[i] += offset[o] * h;
			assert_ok(ctx, sf_score_logp(of, 1, y, &t, &e));
			assert_ok(ctx, sf_score_eval(of, SF_SCORE, 1, y, &t, part));
			slope += weight[o] * e / (12 * h);
			for (j = 0; j < size; j++)
				sum[j] += weight[o] * part[j] / (12 * h);
		}
		assert_close(slope, out[i], tol, tol);
		if (!jvp)
			continue;
		memset(v, 0, sizeof v);
		v[i] = 1;
		assert_ok(ctx, sf_score_jvp(of, 1, x, &t, v, got));
		for (j = 0; j < size; j++)
			assert_close(got[j], sum[j], tol, tol);
	}
}

#endif
