/* grid.c: what the time grids share: the ends, equal steps in a warped time, and the check that
 * time falls.
 *
 *     t_i = u^-1( (1 - i/N) u(start) + i/N u(end) ),   i = 0 .. N
 *
 * With a final step to zero the warp covers N-1 steps and t_N = 0, as EDM's grid does (Karras et
 * al. 2022, 2206.00364, eq 5); N = 1 is then {start, 0}.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"

#include <math.h>

struct sf_grid {
	sf_object object;
};

static const sf_grid_class *record(const sf_grid *g)
{
	const void *cls = g->object.cls; /* the head is its first member */

	return cls;
}

int sf_grid_new(sf_ctx *ctx, const char *spec, sf_grid **g)
{
	return sf_object_new(ctx, "grid", spec, sizeof **g, g);
}

void sf_grid_free(sf_grid *g)
{
	sf_object_free(g);
}

sf_span sf_grid_span(const sf_process *p, double start, double end, int64_t steps, int final)
{
	sf_span s = {start, end, steps, 0};

	if (isnan(start))
		s.start = sf_process_horizon(p);
	s.zero = isnan(end) ? final == SF_GRID_ZERO : end == 0 && final == SF_GRID_ZERO;
	if (s.zero)
		s.pieces--;
	if (isnan(end) || s.zero)
		s.end = sf_process_t_sample(p);
	return s;
}

void sf_grid_warp(sf_span s, double (*to)(const void *arg, double t),
                  double (*from)(const void *arg, double u), const void *arg, double *t)
{
	double first = to(arg, s.start), last = to(arg, s.end);
	int64_t i;

	for (i = 1; i < s.pieces; i++)
		t[i] = from(arg, first + (double)i / (double)s.pieces * (last - first));
	t[0] = s.start;
	if (s.pieces > 0)
		t[s.pieces] = s.end;
	if (s.zero)
		t[s.pieces + 1] = 0;
}

int sf_grid_fill(const sf_grid *g, const sf_process *p, double start, double end, int64_t steps,
                 double *t)
{
	sf_ctx *ctx = g->object.ctx;
	const char *name = g->object.cls->name;
	double horizon = sf_process_horizon(p);
	int64_t i;

	if (steps < 1)
		return sf_fail(ctx, SF_ERANGE, "grid '%s': %lld steps; expected at least 1", name,
		               (long long)steps);
	if (start > horizon || start <= 0 || end < 0)
		return sf_fail(ctx, SF_ERANGE,
		               "grid '%s': times %g to %g leave the range of process '%s', %g to 0",
		               name, start, end, sf_process_name(p), horizon);
	SF_TRY(record(g)->fill(g->object.state, p, start, end, steps, t));
	for (i = 0; i <= steps; i++) {
		if (!(t[i] >= 0 && t[i] <= horizon))
			return sf_fail(ctx, SF_ERANGE,
			               "grid '%s': time %g of step %lld is outside 0 to %g of "
			               "process '%s'",
			               name, t[i], (long long)i, horizon, sf_process_name(p));
		if (i > 0 && !(t[i] < t[i - 1]))
			return sf_fail(ctx, SF_EINVAL,
			               "grid '%s': time %g of step %lld does not fall below %g",
			               name, t[i], (long long)i, t[i - 1]);
	}
	return SF_OK;
}
