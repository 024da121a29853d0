/* device_rig.c: see device_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

extern int sf_cuda_emulated_half;

const double rig_tolerance[RIG_PRECISIONS] = {1e-5, 1e-3, 1e-2, 1e-2 / 8};
const char *const rig_precision[RIG_PRECISIONS] = {"strict", "tf32", "bf16", "half"};

int rig_precisions(void)
{
	return rig_real() ? RIG_HALF : RIG_PRECISIONS;
}

int rig_real(void)
{
	const char *s = getenv("SF_TEST_DEVICE");

	return s && strcmp(s, "cuda") == 0;
}

static void use(sf_ctx *ctx, int precision, int deterministic, int large)
{
	sf_device_how how = {0, 0, 0, 0};

	sf_cuda_emulated_half = precision == RIG_HALF;
	how.precision = precision == RIG_HALF ? SF_DEVICE_BF16 : precision;
	how.deterministic = deterministic;
	how.large = large;
	assert_ok(ctx, sf_device_use(ctx, rig_real() ? NULL : &sf_device_unit_cuda, &how));
}

void rig_device(sf_ctx *ctx, int precision, int deterministic)
{
	use(ctx, precision, deterministic, 1);
}

void rig_device_as_is(sf_ctx *ctx, int precision, int deterministic)
{
	use(ctx, precision, deterministic, 0);
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
