/* iddpm.c: the grid of iDDPM in EDM's frame: noise levels out of the table of its cosine schedule,
 *
 *     of the K levels u_j (process/levels.c) within [s_min, s_max]:
 *     s_i = u[round(i (K-1)/(N-1))],   t_i = t(s_i),   t_N = 0
 *
 * Karras et al. 2022 (2206.00364), table 1: M = 1000; published range 0.0064254 (u_999) to 81. Halves round to even, as in
 * the published code. The first and the last time are the ends of the range themselves. Known answer: the highest level
 * below 81 is u_8 = 80.2037018.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"
#include "process/process.h"

#include <math.h>

typedef struct iddpm {
	int64_t levels;
	int final;
} iddpm;

static const sf_opt options[] = {
	{"levels", "size M of the table", SF_OPT_INT, offsetof(iddpm, levels), "1000", 2, 100000, NULL},
	{"final", "end at the least noise level, or step on to time zero", SF_OPT_CHOICE,
	 offsetof(iddpm, final), "zero", 0, 0, SF_GRID_FINAL_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

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
	while (first < s->levels && sf_iddpm_level(s->levels, first) > hi)
		first++;
	while (last >= first && sf_iddpm_level(s->levels, last) < lo)
		last--;
	for (i = 1; i < span.pieces; i++) {
		double at = round_even((double)i * (double)(last - first) / (double)span.pieces);

		t[i] = last < first ? span.start : sf_process_time_of_ratio(p, sf_iddpm_level(s->levels, first + (int64_t)at));
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
	         "Karras et al. 2022 (2206.00364), table 1", sizeof(iddpm), options, NULL, NULL},
	.fill = fill};
