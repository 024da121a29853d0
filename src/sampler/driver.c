/* driver.c: the loop behind every sampler: prior, grid, steps, budget, finiteness, observer, last
 * denoising.
 *
 * The start is the process's prior at T, or N(0, Sigma(start)) where a run starts lower (EDM's
 * sampler begins with latent times its first noise level). The last step x <- E[x_0|x] (Tweedie)
 * is a sampler's habit where noise would remain in its result: Song et al. 2021 (2011.13456),
 * appendix G, find that FID degrades badly without it. Where that mean is not known from the score (two blocks,
 * nonlinear drifts) it is a step of the reverse SDE to time 0 without its noise, as Dockhorn et al. 2022 (2112.07068)
 * end every run:
 *
 *     u <- u - t [f(u,t) - G G' score(u,t)]
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/sampler.h"

#include <math.h>
#include <string.h>

void sf_sample_defaults(sf_sample_run *run)
{
	static const sf_sample_run plain = {.start = 0};

	*run = plain;
	run->start = run->end = NAN;
	run->denoise = -1;
}

static int check_ask(const sf_sampler *s, const sf_process *p, const sf_sample_run *ask)
{
	sf_ctx *ctx = s->object.ctx;

	if (ask->n < 1 || ask->steps < 0 || ask->nfe_max < 0 || ask->steps > UINT32_MAX)
		return sf_fail(ctx, SF_ERANGE,
		               "sampling: n=%lld, steps=%lld, budget=%lld; expected n at least 1, "
		               "the others not negative",
		               (long long)ask->n, (long long)ask->steps, (long long)ask->nfe_max);
	if (ask->first_sample >> 48 || (uint64_t)ask->n >> 48 ||
	    (ask->first_sample + (uint64_t)ask->n) >> 48)
		return sf_fail(ctx, SF_ERANGE, "sampling: sample numbers go beyond 2^48");
	return sf_sampler_accepts(s, p);
}

/* All memory of a run in one piece. */
static int layout(sf_run *run, const sf_sampler_class *c, sf_arena *a, double **grid)
{
	size_t numbers;
	int i, states = c->step && c->work > 2 ? c->work : 2; /* `denoise` takes two */

	if (sf_mul_size((size_t)run->n, (size_t)run->size, &numbers) < 0)
		return sf_fail(run->ctx, SF_ERANGE,
		               "sampling: %lld samples of %lld numbers do not fit",
		               (long long)run->n, (long long)run->size);
	*grid = sf_arena_take(a, (size_t)run->steps + 1, sizeof **grid);
	run->time = sf_arena_take(a, (size_t)run->n, sizeof *run->time);
	for (i = 0; i < states; i++)
		run->work[i] = sf_arena_take(a, numbers, sizeof *run->x);
	return SF_OK;
}

/* Fills the grid t[0..steps], or {start, end} for methods that choose their own steps. */
static int make_grid(const sf_sampler *s, const sf_process *p, const sf_sample_run *ask,
                     int64_t steps, double *t)
{
	sf_ctx *ctx = s->object.ctx;
	sf_grid *own = NULL;
	int64_t ignored;
	int rc;

	if (ask->grid && !sf_sampler_adaptive(s))
		return sf_grid_fill(ask->grid, p, ask->start, ask->end, steps, t);
	SF_TRY(sf_grid_new(
		ctx, sf_sampler_adaptive(s) ? "uniform" : sf_sampler_grid(s, p, &ignored), &own));
	rc = sf_grid_fill(own, p, ask->start, ask->end, steps, t);
	sf_grid_free(own);
	return rc;
}

static int begin(const sf_sampler *s, sf_run *run)
{
	const sf_sampler_class *c = sf_sampler_record(s);
	const void *st = s->object.state;
	const sf_process *p = run->process;
	double cov[4], l[4];
	int k = sf_process_blocks(p);
	int64_t i, j;

	if (run->ask->given_start)
		return sf_run_finite(run, run->x, run->n, 0, run->t);
	if (c->start && c->start(st, run))
		return SF_OK;
	sf_run_noise(run, SF_NOISE_PRIOR, run->x);
	if (run->t == sf_process_horizon(p)) {
		sf_process_prior(p, run->n, run->d, run->x);
		return SF_OK;
	}
	if (!sf_process_linear(p))
		return sf_fail(run->ctx, SF_EUNSUP,
		               "sampling: process '%s' has no closed form to start from at %g; "
		               "give the start",
		               sf_process_name(p), run->t);
	sf_process_cov(p, run->t, cov);
	sf_block_cholesky(k, cov, l);
	for (i = 0; i < run->n; i++) {
		double *x = run->x + i * run->size;

		for (j = 0; j < run->d; j++) {
			if (k == 2)
				x[run->d + j] = l[2] * x[j] + l[3] * x[run->d + j];
			x[j] *= l[0];
		}
	}
	return SF_OK;
}

int sf_run_observe(const sf_run *run, int64_t step, double t)
{
	if (run->ask->observe && run->ask->observe(run->ask->user, step, t, run->n, run->x) != 0)
		return sf_fail(run->ctx, SF_ESTOPPED, "sampling stopped on request after step %lld",
		               (long long)step);
	return SF_OK;
}

int sf_run_pay(const sf_run *run, int64_t *spent, int cost, double t)
{
	cost *= sf_score_price(run->score);
	if (run->ask->nfe_max && *spent + cost > run->ask->nfe_max)
		return sf_fail(run->ctx, SF_EBUDGET,
		               "the budget of %lld evaluations per sample is used up after %lld, "
		               "at time %g",
		               (long long)run->ask->nfe_max, (long long)*spent, t);
	*spent += cost;
	return SF_OK;
}

/* Cuts off the part of the grid that run->ask->teleport stands for, or makes another one below it. */
static int shorten(const sf_sampler *s, sf_run *run, double *grid, double *saved)
{
	sf_sample_run below = *run->ask;
	double start;

	SF_TRY(sf_teleport_aim(s, run, grid, &start, saved));
	below.start = start;
	return isnan(start) ? SF_OK : make_grid(s, run->process, &below, run->steps, grid);
}

/* Whether the state after the last step is the sample: neither at a time above 0 that was asked for, nor to be denoised. */
static int finished(const sf_run *run, int denoise_follows)
{
	if (run->index + 1 < run->steps || denoise_follows)
		return 0;
	return run->t_next == 0 || run->denoise || isnan(run->ask->end);
}

static int walk(const sf_sampler *s, sf_run *run, int denoise_follows, int64_t *spent)
{
	const sf_sampler_class *c = sf_sampler_record(s);
	const void *st = s->object.state;
	int cost;

	for (run->index = 0; run->index < run->steps; run->index++) {
		run->t = run->grid[run->index];
		run->t_next = run->grid[run->index + 1];
		cost = c->price ? c->price(st, run) : c->cost ? c->cost(st, run->t, run->t_next) : 1;
		SF_TRY(sf_run_pay(run, spent, cost, run->t));
		SF_TRY(c->step(st, run));
		SF_TRY(sf_run_finite(run, run->x, run->n, run->index + 1, run->t_next));
		SF_TRY(sf_run_replace(run, run->index + 1, run->t_next, finished(run, denoise_follows)));
		SF_TRY(sf_run_observe(run, run->index + 1, run->t_next));
	}
	return SF_OK;
}

/* x <- E[x_0|x], or one noiseless step, from the time the run ended at. */
static int denoise(sf_run *run, double t, int64_t step, int64_t *spent)
{
	int64_t i, total = run->n * run->size;

	SF_TRY(sf_run_pay(run, spent, 1, t));
	if (sf_process_linear(run->process) && sf_process_blocks(run->process) == 1) {
		SF_TRY(sf_run_read(run, SF_DENOISED, t, run->x, run->work[0]));
		memcpy(run->x, run->work[0], (size_t)total * sizeof *run->x);
	} else {
		SF_TRY(sf_run_drift(run, t, run->x, 1, run->work[0], run->work[1]));
		for (i = 0; i < total; i++)
			run->x[i] -= t * run->work[1][i];
	}
	SF_TRY(sf_run_finite(run, run->x, run->n, step, 0));
	SF_TRY(sf_run_replace(run, step, 0, 1));
	return sf_run_observe(run, step, 0);
}

/* Whether a denoising step follows a run that ends at t. */
static int wants_denoise(const sf_sampler *s, const sf_run *run, double t)
{
	if (t <= 0)
		return 0;
	return run->ask->denoise < 0 ? (sf_sampler_flags(s) & SF_SAMPLER_DENOISE) != 0
	                             : run->ask->denoise;
}

int sf_sample(sf_sampler *s, sf_score *score, const sf_sample_run *ask, double *x,
              sf_sample_report *report)
{
	const sf_sampler_class *c = sf_sampler_record(s);
	const sf_process *p = sf_score_process(score);
	int64_t before = sf_score_count(score), spent = 0, steps = 0;
	sf_sample_report own, *done = report ? report : &own;
	sf_run run = {.ctx = s->object.ctx, .process = p, .score = score, .ask = ask, .x = x};
	sf_arena arena = {NULL, 0, 0};
	double *grid;
	int denoise_follows, rc;

	memset(done, 0, sizeof *done);
	SF_TRY(check_ask(s, p, ask));
	if (ask->known)
		SF_TRY(sf_known_check(s, p, sf_score_dim(score), ask->known));
	if (ask->teleport)
		SF_TRY(sf_teleport_check(s, score, ask));
	sf_sampler_grid(s, p, &steps);
	run.n = ask->n;
	run.d = sf_score_dim(score);
	run.size = sf_process_blocks(p) * run.d;
	run.steps = sf_sampler_adaptive(s) ? 1 : ask->steps ? ask->steps : steps;
	SF_TRY(layout(&run, c, &arena, &grid));
	if (sf_arena_open(&arena) < 0)
		return sf_fail(run.ctx, SF_ENOMEM,
		               "sampling: out of memory for %lld samples of %lld numbers",
		               (long long)run.n, (long long)run.size);
	layout(&run, c, &arena, &grid);
	run.grid = grid;
	rc = make_grid(s, p, ask, run.steps, grid);
	if (rc < 0)
		goto done;
	run.t = grid[0];
	if (ask->teleport && (rc = shorten(s, &run, grid, &done->saved)) < 0)
		goto done;
	run.denoise = wants_denoise(s, &run, grid[run.steps]);
	denoise_follows = run.denoise && !(sf_sampler_flags(s) & SF_SAMPLER_MEAN);
	rc = begin(s, &run);
	if (rc == 0 && ask->teleport)
		rc = sf_score_flow(ask->teleport, run.n, run.t, grid[0], x);
	run.t = done->start = grid[0];
	if (rc == 0)
		rc = sf_run_replace(&run, 0, run.t, 0);
	if (rc == 0)
		rc = sf_run_observe(&run, 0, run.t);
	if (rc < 0)
		goto done;
	if (sf_sampler_adaptive(s)) {
		if (c->clock && grid[1] == 0) {
			grid[1] = sf_process_t_sample(p) < grid[0] ? sf_process_t_sample(p) : grid[0] / 2;
			run.denoise = denoise_follows = 1;
		}
		rc = sf_run_adaptive(s, &run, grid[1], done, &spent);
	} else {
		rc = walk(s, &run, denoise_follows, &spent);
		done->steps = run.index;
	}
	if (rc == 0 && denoise_follows)
		rc = denoise(&run, grid[run.steps], done->steps + 1, &spent);
done:
	done->nfe = (double)(sf_score_count(score) - before) / (double)run.n;
	sf_arena_close(&arena);
	return rc;
}
