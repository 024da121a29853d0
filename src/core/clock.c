/* clock.c: seconds that pass.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <time.h>

double sf_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
