/* brown.c: one Brownian path per sample and element over the noise level rho = sigma/alpha, which no grid changes.
 *
 *     W(0) = 0,   W(m) given W(a), W(b) at a < m < b is  N( ((b-m) W(a) + (m-a) W(b))/(b-a),  (m-a)(b-m)/(b-a) )
 *
 * Levy's construction: W is drawn at the end of the tree, then at points that split intervals again and again, with
 * the normal of the interval's number in the tree (a virtual tree: nothing is stored); at the bottom the asked-for
 * level is itself the splitting point. So W at any two levels of different leaves has the exact joint law of
 * Brownian motion, cov = min(rho, rho'), and refining a grid keeps the path at the points that stay. Intervals are
 * split in the middle of u = (rho/most)^(1/8), 18 times: leaves are narrower than 0.03 % of rho down to 10^-8 of
 * `most`. W is a sum of at most 20 normals. Methods with several draws in a step need the increments of one path:
 * drawn independently, the second-order SDE methods have weak order 1 only.
 * Known answer: the squares of the weights add up to rho.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"
#include "score/score.h"

#include <math.h>
#include <string.h>

enum { SPLITS = SF_BROWN_TERMS - 2, BLOCK = 256 };

static double level(double most, double u)
{
	double u2 = u * u, u4 = u2 * u2;

	return most * (u4 * u4);
}

/* c = the weights of W(m) given those of W(a) and W(b), and the new normal's */
static void bridge(double a, const double *ca, double b, const double *cb, double m, int n, double *c)
{
	int j;

	for (j = 0; j < n; j++)
		c[j] = ((b - m) * ca[j] + (m - a) * cb[j]) / (b - a);
	c[n] = sqrt((m - a) * (b - m) / (b - a));
}

void sf_brown_at(double most, double rho, sf_brown *out)
{
	double ca[SF_BROWN_TERMS] = {0}, cb[SF_BROWN_TERMS] = {0}, ua = 0, ub = 1, a = 0, b = most;
	uint32_t cell = 1;
	int i;

	memset(out, 0, sizeof *out);
	if (!(rho > 0))
		return;
	out->node[0] = 0;
	out->n = 1;
	out->c[0] = cb[0] = sqrt(most);
	if (rho >= most)
		return;
	for (i = 0; i <= SPLITS; i++) {
		double u = (ua + ub) / 2, m = i == SPLITS ? rho : level(most, u);

		out->node[out->n] = cell;
		bridge(a, ca, b, cb, m, out->n, out->c);
		out->n++;
		if (m == rho)
			return;
		if (rho < m) {
			b = m;
			ub = u;
			memcpy(cb, out->c, sizeof cb);
			cell = 2 * cell;
		} else {
			a = m;
			ua = u;
			memcpy(ca, out->c, sizeof ca);
			cell = 2 * cell + 1;
		}
	}
}

typedef struct path {
	const sf_run *run;
	sf_brown w;
	double *out;
} path;

static int draw_some(void *arg, int64_t first, int64_t last)
{
	const path *p = arg;
	const sf_run *run = p->run;
	double z[BLOCK];
	int64_t i, e, k, count;
	int j;

	for (i = first; i < last; i++)
		for (e = 0; e < run->size; e += BLOCK) {
			double *out = p->out + i * run->size + e;

			count = run->size - e < BLOCK ? run->size - e : BLOCK;
			memset(out, 0, (size_t)count * sizeof *out);
			for (j = 0; j < p->w.n; j++) {
				sf_noise key = {run->ask->seed, SF_NOISE_BROWN, p->w.node[j]};

				sf_noise_normal_d(run->ctx, key, run->ask->first_sample + (uint64_t)i, (uint64_t)e,
				                  (size_t)count, z);
				for (k = 0; k < count; k++)
					out[k] += p->w.c[j] * z[k];
			}
		}
	return SF_OK;
}

void sf_run_brown(sf_run *run, double rho, double *out)
{
	path p = {.run = run, .out = out};

	sf_brown_at(sf_point_at(run->process, sf_process_horizon(run->process)).rho, rho, &p.w);
	sf_over_samples(run->ctx, run->n, 32 * SF_BROWN_TERMS * run->size, draw_some, &p);
}
