/* likelihood_rig.h: a score over a process and a likelihood of it, for the tests of both.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_LIKELIHOOD_RIG_H
#define SF_TEST_LIKELIHOOD_RIG_H

#include "likelihood_base.h"

#include <math.h>
#include <string.h>

#define ROTATED "gaussian:mean=0.3:-1,std=0.5:2,rho=0.6"
#define THREE "mixture:weights=1:2:3,means=0:0:1:1:-1:2,std=0.3:0.5:0.2"
enum { N = 5, D = 3 };

static void setup(void)
{
	base_setup();
	run.n = 1;
	run.solver = "rk45:rtol=1e-10,atol=1e-10";
}

static void points(int64_t count, double *x)
{
	int64_t i;

	for (i = 0; i < count; i++)
		x[i] = 1.2 * sin(2.3 * (double)i + 1);
}

#endif
