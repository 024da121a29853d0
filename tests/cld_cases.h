/* cld_cases.h: what the tests of process cld share: making one, and 2 x 2 matrices, row-major.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_CLD_CASES_H
#define SF_TEST_CLD_CASES_H

#include "process/process.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PAPER "cld:eps=0"

static inline sf_process *open_process(sf_ctx *ctx, const char *spec)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_new(ctx, spec, &p));
	return p;
}

static inline sf_process *open_with(sf_ctx *ctx, double m_inv, double friction, double beta0, double beta1)
{
	char spec[200];

	snprintf(spec, sizeof spec, "cld:eps=0,m-inv=%.17g,friction=%.17g,beta0=%.17g,beta1=%.17g", m_inv, friction, beta0,
	         beta1);
	return open_process(ctx, spec);
}

/* 1/standard deviation of the velocity given the position */
static inline double ell(const double *S)
{
	return sqrt(S[0] / (S[0] * S[3] - S[1] * S[1]));
}

static inline void product(const double *a, const double *b, double *out)
{
	double r[4] = {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2],
	               a[2] * b[1] + a[3] * b[3]};

	memcpy(out, r, sizeof r);
}

/* P S P' */
static inline void carry(const double *P, const double *S, double *out)
{
	double t[4] = {P[0], P[2], P[1], P[3]};

	product(P, S, out);
	product(out, t, out);
}

static inline void equal(const double *a, const double *b, double rtol, double atol)
{
	int i;

	for (i = 0; i < 4; i++)
		assert_close(a[i], b[i], rtol, atol);
}

#endif
