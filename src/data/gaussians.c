/* gaussians.c: equal normals on a circle, centres radius (cos 2 pi k/n, sin 2 pi k/n). Defaults are
 * the common "8 Gaussians": centres at 4 and deviation 1/2, both divided by sqrt 2.
 *
 * In more dimensions each further pair of coordinates has a circle of its own, which centre k goes round h times as fast:
 * pair j is radius (cos 2 pi h k/n, sin 2 pi h k/n) with h = 1 + (j mod (n-1)), never a multiple of n, so that the centres'
 * mean stays 0 (n > 1). An odd last coordinate has the cosine alone. Our choice, to look at what a dimension costs
 * while each plane looks alike. Known answer: for even d, E|x|^2 = d (radius^2/2 + std^2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

typedef struct gaussians {
	int64_t seed, number, dim;
	double radius, std;
	sf_normals m;
} gaussians;

static const sf_opt options[] = {
	{"number", "normals on the circle", SF_OPT_INT, offsetof(gaussians, number), "8", 1,
         SF_LIST_MAX, NULL},
	{"dim", "dimensions: a circle in each pair of coordinates", SF_OPT_INT, offsetof(gaussians, dim), "2", 2,
         SF_LIST_MAX, NULL},
	{"radius", "radius of the circle", SF_OPT_DOUBLE, offsetof(gaussians, radius),
         "2.8284271247461903", 0, 1e6, NULL},
	{"std", "standard deviation of each", SF_OPT_DOUBLE, offsetof(gaussians, std),
         "0.35355339059327379", 1e-6, 1e6, NULL},
	SF_TOY_SEED(gaussians),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int describe(sf_data *d)
{
	gaussians *g = sf_data_state(d);
	double box = ceil(g->radius + 3 * g->std);
	int k, i;

	g->m.n = (int)g->number;
	g->m.d = (int)g->dim;
	for (k = 0; k < g->m.n; k++) {
		g->m.w[k] = 1.0 / g->m.n;
		g->m.std[k] = g->std;
		for (i = 0; i < g->m.d; i++) {
			int h = g->m.n > 1 ? 1 + i / 2 % (g->m.n - 1) : 0;
			double angle = 2 * SF_PI * (h * k % g->m.n) / g->m.n;

			g->m.mean[k * g->m.d + i] = g->radius * (i % 2 ? sin(angle) : cos(angle));
		}
	}
	return sf_toy_describe(d, g->m.d, g->m.n, -box, box);
}

static void read_record(const sf_data *d, int64_t index, double *x, int *label)
{
	const gaussians *g = sf_data_state(d);

	sf_normals_read(d, &g->m, g->seed, index, x, label);
}

static double logp(const sf_data *d, const double *x, double alpha, double s, double *score)
{
	return sf_normals_logp(&((const gaussians *)sf_data_state(d))->m, x, alpha, s, score);
}

const sf_data_class sf_data_gaussians = {
	{"gaussians", "equal normals on a circle, in any pair of coordinates", "common 2-D benchmark (8 Gaussians)",
         sizeof(gaussians), options, NULL, NULL},
	describe,
	read_record,
	logp,
};
