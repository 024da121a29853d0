/* moons.c: two half circles that reach into each other, with a uniform on [0, pi]:
 *
 *     label 0: (cos a, sin a)    label 1: (1 - cos a, 1/2 - sin a)
 *
 * then noise is added, and the point scaled by 2 and moved by (-1, -1/5): scikit-learn's make_moons
 * in the scale of the common 2-D benchmarks (noise 1/10 before scaling). Mean (0, 3/10); the
 * variance of x1 is 4 (3/4 + noise^2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

typedef struct moons {
	int64_t seed;
	double noise;
} moons;

static const sf_opt options[] = {
	{"noise", "standard deviation around the half circles, before scaling by 2", SF_OPT_DOUBLE,
         offsetof(moons, noise), "0.1", 0, 100, NULL},
	SF_TOY_SEED(moons),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int describe(sf_data *d)
{
	return sf_toy_describe(d, 2, 2, -4, 4);
}

static void read_record(const sf_data *d, int64_t index, double *x, int *label)
{
	const moons *m = sf_data_state(d);
	double u[4], z[4], a;
	int lower;

	sf_toy_noise(d, m->seed, index, u, z);
	a = SF_PI * u[0];
	lower = u[1] >= 0.5;
	x[0] = 2 * ((lower ? 1 - cos(a) : cos(a)) + m->noise * z[0]) - 1;
	x[1] = 2 * ((lower ? 0.5 - sin(a) : sin(a)) + m->noise * z[1]) - 0.2;
	if (label)
		*label = lower;
}

const sf_data_class sf_data_moons = {
	{"moons", "two half circles that reach into each other",
         "common 2-D benchmark (scikit-learn's make_moons)", sizeof(moons), options, NULL, NULL},
	describe,
	read_record,
	NULL,
};
