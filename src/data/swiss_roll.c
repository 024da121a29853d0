/* swiss_roll.c: a spiral, (t cos t, t sin t)/5 + noise, t uniform on [3 pi/2, 9 pi/2];
 * scikit-learn's make_swiss_roll seen from the side, in the scale of the common 2-D benchmarks
 * (noise 1/5). Mean (2/5, 2/(15 pi)); E|x|^2 = 117 pi^2/300 + 2 noise^2.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

typedef struct roll {
	int64_t seed;
	double noise;
} roll;

static const sf_opt options[] = {
	{"noise", "standard deviation around the spiral", SF_OPT_DOUBLE, offsetof(roll, noise),
         "0.2", 0, 100, NULL},
	SF_TOY_SEED(roll),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int describe(sf_data *d)
{
	return sf_toy_describe(d, 2, 0, -4, 4);
}

static void read_record(const sf_data *d, int64_t index, double *x, int *label)
{
	const roll *r = sf_data_state(d);
	double u[4], z[4], t;

	sf_toy_noise(d, r->seed, index, u, z);
	t = 1.5 * SF_PI * (1 + 2 * u[0]);
	x[0] = t * cos(t) / 5 + r->noise * z[0];
	x[1] = t * sin(t) / 5 + r->noise * z[1];
	if (label)
		*label = -1;
}

const sf_data_class sf_data_swiss_roll = {
	{"swiss-roll", "a spiral",
         "common 2-D benchmark (scikit-learn's make_swiss_roll from the side)", sizeof(roll),
         options, NULL, NULL},
	describe,
	read_record,
	NULL,
};
