/* iddpm.c: the grid of iDDPM in EDM's frame: noise levels out of the table of its cosine schedule,
 *
 *     abar_j = sin^2( (pi/2) j/(M (1 + C2)) )
 *     u_M = 0,   u_{j-1} = sqrt( (u_j^2 + 1)/max(abar_{j-1}/abar_j, C1) - 1 )
 *     of the K levels within [s_min, s_max]:  s_i = u[round(i (K-1)/(N-1))],   t_i = t(s_i),   t_N = 0
 *
 * Karras et al. 2022 (2206.00364), table 1: M = 1000, C1 = 0.001, C2 = 0.008; published range 0.0064254 (u_999) to
 * 81. Halves round to even, as in the published code. The first and the last time are the ends of the range
 * themselves.
 * Known answers: u_0 = 20291.1696, u_8 = 80.2037018, u_500 = 1.01238954, u_999 = 0.00642541277.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"
#include "process/process.h"

#include <math.h>

#define C1 0.001
#define C2 0.008

typedef struct iddpm {
	int64_t levels;
	int final;
	double *u; /* (levels), falling */
} iddpm;

static const sf_opt options[] = {
	{"levels", "size M of the table", SF_OPT_INT, offsetof(iddpm, levels), "1000", 2, 100000, NULL},
	{"final", "end at the least noise level, or step on to time zero", SF_OPT_CHOICE,
	 offsetof(iddpm, final), "zero", 0, 0, SF_GRID_FINAL_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	iddpm *s = st;
	double m = (double)s->levels, u = 0, after = sin(SF_PI / 2 / (1 + C2)), root, kept;
	int64_t j;

	s->u = sf_alloc((size_t)s->levels, sizeof *s->u);
	if (!s->u)
		return sf_fail(ctx, SF_ENOMEM, "grid 'iddpm': out of memory for %lld levels", (long long)s->levels);
	for (j = s->levels - 1; j >= 0; j--) { /* the roots of abar_j, abar_{j+1} */
		root = sin(SF_PI / 2 * (double)j / (m * (1 + C2)));
		kept = root * root / (after * after);
		u = sqrt((u * u + 1) / (kept > C1 ? kept : C1) - 1);
		s->u[j] = u;
		after = root;
	}
	return SF_OK;
}

static void fini(void *st)
{
	sf_free(((iddpm *)st)->u);
}

static double ratio(const sf_process *p, double t)
{
	return sf_process_sigma(p, t) / sf_process_alpha(p, t);
}

static double round_even(double x)
{
	double low = floor(x), part = x - low;

	return part > .5 || (part == .5 && fmod(low, 2) != 0) ? low + 1 : low;
}

static int fill(const void *st, const sf_process *p, double start, double end, int64_t steps,
                double *t)
{
	const iddpm *s = st;
	sf_span span = sf_grid_span(p, start, end, steps, s->final);
	int64_t first = 0, last = s->levels - 1, i;
	double hi, lo;

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(sf_process_context(p), SF_EUNSUP,
			       "grid 'iddpm' needs a noise level sigma/alpha; process '%s' has none",
			       sf_process_name(p));
	hi = ratio(p, span.start) * (1 + 1e-9);
	lo = ratio(p, span.end) * (1 - 1e-9);
	while (first < s->levels && s->u[first] > hi)
		first++;
	while (last >= first && s->u[last] < lo)
		last--;
	for (i = 1; i < span.pieces; i++) {
		double at = round_even((double)i * (double)(last - first) / (double)span.pieces);

		t[i] = last < first ? span.start : sf_process_time_of_ratio(p, s->u[first + (int64_t)at]);
	}
	t[0] = span.start;
	if (span.pieces > 0)
		t[span.pieces] = span.end;
	if (span.zero)
		t[span.pieces + 1] = 0;
	return SF_OK;
}

const sf_grid_class sf_grid_iddpm = {
	.head = {"iddpm", "noise levels of iDDPM's cosine table",
	         "Karras et al. 2022 (2206.00364), table 1", sizeof(iddpm), options, init, fini},
	.fill = fill};
