/* rings.c: circles of radius 3k/n, k = 1 .. n, with equal weight, plus noise. The common 2-D
 * benchmark has n = 4 and noise 0.08. Mean 0; E|x|^2 = 3 (n+1)(2n+1)/(2 n^2) + 2 noise^2.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

typedef struct rings {
	int64_t seed, number;
	double noise;
} rings;

static const sf_opt options[] = {
	{"number", "circles", SF_OPT_INT, offsetof(rings, number), "4", 1, 64, NULL},
	{"noise", "standard deviation around the circles", SF_OPT_DOUBLE, offsetof(rings, noise),
         "0.08", 0, 100, NULL},
	SF_TOY_SEED(rings),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int describe(sf_data *d)
{
	const rings *r = sf_data_state(d);

	return sf_toy_describe(d, 2, (int)r->number, -4, 4);
}

static void read_record(const sf_data *d, int64_t index, double *x, int *label)
{
	const rings *r = sf_data_state(d);
	double u[4], z[4], radius;
	int k;

	sf_toy_noise(d, r->seed, index, u, z);
	k = (int)(u[1] * (double)r->number); /* u < 1 */
	radius = 3.0 * (k + 1) / (double)r->number;
	x[0] = radius * cos(2 * SF_PI * u[0]) + r->noise * z[0];
	x[1] = radius * sin(2 * SF_PI * u[0]) + r->noise * z[1];
	if (label)
		*label = k;
}

const sf_data_class sf_data_rings = {
	{"rings", "circles around one centre", "common 2-D benchmark", sizeof(rings), options, NULL,
         NULL},
	describe,
	read_record,
	NULL,
};
