/* pinwheel.c: n arms bent around the origin: with f = (1 + radial z0, tangential z1) and the angle
 * a = 2 pi k/n + rate exp(f0), data = 2 (f0 cos a + f1 sin a, -f0 sin a + f1 cos a). Defaults are
 * the common 2-D benchmark's. Mean 0; E|x|^2 = 4 (1 + radial^2 + tangential^2), 4.4 by default.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

typedef struct pinwheel {
	int64_t seed, number;
	double radial, tangential, rate;
} pinwheel;

static const sf_opt options[] = {
	{"number", "arms", SF_OPT_INT, offsetof(pinwheel, number), "5", 1, 64, NULL},
	{"radial", "standard deviation along an arm", SF_OPT_DOUBLE, offsetof(pinwheel, radial),
         "0.3", 0, 10, NULL},
	{"tangential", "standard deviation across an arm", SF_OPT_DOUBLE,
         offsetof(pinwheel, tangential), "0.1", 0, 10, NULL},
	{"rate", "how much the arms bend", SF_OPT_DOUBLE, offsetof(pinwheel, rate), "0.25", -10, 10,
         NULL},
	SF_TOY_SEED(pinwheel),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int describe(sf_data *d)
{
	const pinwheel *p = sf_data_state(d);

	return sf_toy_describe(d, 2, (int)p->number, -4, 4);
}

static void read_record(const sf_data *d, int64_t index, double *x, int *label)
{
	const pinwheel *p = sf_data_state(d);
	double u[4], z[4], f0, f1, a;
	int k;

	sf_toy_noise(d, p->seed, index, u, z);
	k = (int)(u[0] * (double)p->number); /* u < 1 */
	f0 = 1 + p->radial * z[0];
	f1 = p->tangential * z[1];
	a = 2 * SF_PI * k / (double)p->number + p->rate * exp(f0);
	x[0] = 2 * (f0 * cos(a) + f1 * sin(a));
	x[1] = 2 * (f1 * cos(a) - f0 * sin(a));
	if (label)
		*label = k;
}

const sf_data_class sf_data_pinwheel = {
	{"pinwheel", "bent arms around the origin", "common 2-D benchmark", sizeof(pinwheel),
         options, NULL, NULL},
	describe,
	read_record,
	NULL,
};
