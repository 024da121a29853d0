/* teleport.c: the first part of a run replaced by a closed form (Wang and Vastola 2024, 2412.09726, analytical teleportation).
 *
 *     x_T ~ prior,   x_skip = the exact probability-flow map of a Gaussian model of the data,   then the sampler from there
 *
 * Where there is much noise, a score is nearly that of normal data with the data's mean and covariance, so that nothing is lost
 * above some level sigma_skip: 10 to 20 on CIFAR-10, 20 to 40 on AFHQ with [-1,1] values. A run keeps the grid it would have had and
 * drops the steps above the grid's level nearest to sigma_skip; or, with `all_steps`, it makes its grid from sigma_skip on and spends
 * all its evaluations there. The model is any score with sf_score_flow.
 * Known answers: for normal data and their own score, what is left is the error of the remaining steps alone; the levels of
 * karras with N = 18 left after dropping k are those that the grid makes from level k with N - k steps.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/sampler.h"

#include <math.h>
#include <string.h>

static double level(const sf_process *p, double t)
{
	return t > 0 ? sf_process_sigma(p, t) / sf_process_alpha(p, t) : 0;
}

int sf_teleport_check(const sf_sampler *s, const sf_score *score, const sf_sample_run *ask)
{
	const sf_process *p = sf_score_process(score), *q = sf_score_process(ask->teleport);
	sf_ctx *ctx = s->object.ctx;

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(ctx, SF_EUNSUP, "teleportation skips noise levels sigma/alpha; process '%s' has none", sf_process_name(p));
	if (sf_sampler_record(s)->start)
		return sf_fail(ctx, SF_EUNSUP, "teleportation: sampler '%s' does not begin with the process's prior", s->object.cls->name);
	if (strcmp(sf_spec(p), sf_spec(q)) != 0)
		return sf_fail(ctx, SF_EMISMATCH, "teleportation: the model is one of process '%s', the run one of '%s'", sf_spec(q), sf_spec(p));
	if (sf_score_dim(score) != sf_score_dim(ask->teleport))
		return sf_fail(ctx, SF_EMISMATCH, "teleportation: the model has dimension %lld, the score %lld",
		               (long long)sf_score_dim(ask->teleport), (long long)sf_score_dim(score));
	return SF_OK;
}

/* Evaluations per sample of the run's grid. */
static int64_t price(const sf_sampler *s, sf_run *run)
{
	const sf_sampler_class *c = sf_sampler_record(s);
	const void *st = s->object.state;
	int64_t sum = 0;

	for (run->index = 0; run->index < run->steps; run->index++) {
		run->t = run->grid[run->index];
		run->t_next = run->grid[run->index + 1];
		sum += c->price ? c->price(st, run) : c->cost ? c->cost(st, run->t, run->t_next) : 1;
	}
	return sum * sf_score_price(run->score);
}

/* Drops the steps above the level nearest to run->ask->skip; at least one is left. */
static void drop(const sf_sampler *s, sf_run *run, double *grid, double *saved)
{
	int64_t i, nearest = 0, full = price(s, run);
	double least = INFINITY;

	for (i = 0; i < run->steps; i++) {
		double off = fabs(log(level(run->process, grid[i]) / run->ask->skip));

		if (off < least) {
			least = off;
			nearest = i;
		}
	}
	memmove(grid, grid + nearest, (size_t)(run->steps - nearest + 1) * sizeof *grid);
	run->steps -= nearest;
	*saved = (double)(full - price(s, run));
}

int sf_teleport_aim(const sf_sampler *s, sf_run *run, double *grid, double *start, double *saved)
{
	double skip = run->ask->skip, from = grid[0], most = level(run->process, from), least = level(run->process, grid[run->steps]);
	int adaptive = sf_sampler_adaptive(s);

	if (least == 0) /* time 0 is reached in one step, which cannot be all that is left */
		least = level(run->process, run->steps > 1 ? grid[run->steps - 1] : sf_process_t_sample(run->process));
	if (!(skip > least && skip <= most))
		return sf_fail(run->ctx, SF_ERANGE, "teleportation to noise level %g: expected one above %g and up to %g, where this run begins",
		               skip, least, most);
	*saved = adaptive ? NAN : 0;
	*start = NAN;
	if (adaptive || run->ask->all_steps)
		*start = skip == most ? from : sf_process_time_of_ratio(run->process, skip);
	else
		drop(s, run, grid, saved);
	run->index = 0;
	run->t = from;
	return SF_OK;
}
