/* device_rig.c: see device_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"

#include <scorefield/graph.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const double rig_tolerance[3] = {1e-5, 1e-3, 1e-2};
const char *const rig_precision[3] = {"strict", "tf32", "bf16"};

int rig_real(void)
{
	const char *s = getenv("SF_TEST_DEVICE");

	return s && strcmp(s, "cuda") == 0;
}

void rig_device(sf_ctx *ctx, int precision, int deterministic)
{
	sf_device_how how = {0, 0, 0, 1};
	char spec[64];

	how.precision = precision;
	how.deterministic = deterministic;
	snprintf(spec, sizeof spec, "cuda,%s%s", rig_precision[precision], deterministic ? ",deterministic" : "");
	if (rig_real())
		assert_ok(ctx, sf_ctx_set_device(ctx, spec));
	else
		assert_ok(ctx, sf_device_use(ctx, &sf_device_unit_cuda, &how));
}

double rig_distance(int64_t n, const float *a, const double *b)
{
	double error = 0, size = 0;
	int64_t i;

	for (i = 0; i < n; i++) {
		double d = (double)a[i] - b[i];

		if (isnan(a[i]) != isnan(b[i]))
			return INFINITY;
		if (isnan(b[i]))
			continue;
		error += d * d;
		size += b[i] * b[i];
	}
	return sqrt(error) / (size > 0 ? sqrt(size) : 1);
}
