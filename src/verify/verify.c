/* verify.c: the list of derivation checks, choosing among them, and running one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

/* One line for each file of checks. */
static const sf_check *const tables[] = {
	sf_checks_noise,
	sf_checks_data,
	sf_checks_process,
	sf_checks_cld,
	sf_checks_walk,
	sf_checks_score,
	sf_checks_fitted,
	sf_checks_grid,
	sf_checks_sampler,
	sf_checks_sampler_order,
	sf_checks_multistep,
	sf_checks_sde,
	sf_checks_predictor,
	sf_checks_ald,
	sf_checks_ggf,
	sf_checks_sscs,
	sf_checks_condition, sf_checks_likelihood,
	sf_checks_teleport,
	sf_checks_net,
	sf_checks_precond,
	sf_checks_objective,
	sf_checks_stf,
	sf_checks_hsm,
	sf_checks_slices,
	sf_checks_gradient,
	sf_checks_fd,
	sf_checks_latent,
	sf_checks_latent_time,
};

enum { TABLES = sizeof tables / sizeof *tables, CHECKS_MAX = 1024 };

/* A table too small must not go unnoticed: its last row then fails. */
static int no_room(sf_ctx *ctx, sf_row *row)
{
	(void)row;
	return sf_fail(ctx, SF_ERANGE, "there are more checks than verify.c has room for");
}

static const sf_check too_many = {"verify", "verify.room", "room for all checks", "-", no_room};

const sf_check *sf_verify_checks(void)
{
	static sf_check all[CHECKS_MAX + 1]; /* every caller writes the same bytes */
	const sf_check *c;
	int i, n = 0;

	for (i = 0; i < TABLES; i++)
		for (c = tables[i]; c->name; c++) {
			if (n < CHECKS_MAX)
				all[n++] = *c;
			else
				all[CHECKS_MAX - 1] = too_many;
		}
	return all;
}

int sf_verify_selects(const sf_check *check, const char *name)
{
	size_t member = strcspn(check->name, ".");

	if (strcmp(name, check->family) == 0 || strcmp(name, check->name) == 0)
		return 1;
	return strlen(name) == member && strncmp(name, check->name, member) == 0;
}

int sf_verify_run(sf_ctx *ctx, const sf_check *check, sf_row *row, int *pass)
{
	int rc;

	row->expected = row->measured = row->tolerance = NAN;
	*pass = 0;
	rc = check->run(ctx, row);
	if (rc < 0)
		return rc;
	*pass = fabs(row->measured - row->expected) <= row->tolerance;
	return SF_OK;
}

int sf_rig_open(sf_ctx *ctx, const char *process, const char *score, int64_t d, const char *sampler,
                const char *grid, sf_rig *rig)
{
	int rc;

	memset(rig, 0, sizeof *rig);
	rc = sf_process_new(ctx, process, &rig->process);
	if (rc == 0 && score)
		rc = sf_score_new(ctx, score, rig->process, d, &rig->score);
	if (rc == 0 && sampler)
		rc = sf_sampler_new(ctx, sampler, &rig->sampler);
	if (rc == 0 && grid)
		rc = sf_grid_new(ctx, grid, &rig->grid);
	if (rc < 0)
		sf_rig_close(rig);
	return rc;
}

void sf_rig_close(sf_rig *rig)
{
	sf_grid_free(rig->grid);
	sf_sampler_free(rig->sampler);
	sf_score_free(rig->score);
	sf_process_free(rig->process);
	memset(rig, 0, sizeof *rig);
}

int sf_rig_sample(const sf_rig *rig, int64_t n, int64_t steps, double start, double end,
                  uint64_t seed, double *x, sf_sample_report *report)
{
	sf_sample_run run;

	sf_sample_defaults(&run);
	run.n = n;
	run.steps = steps;
	run.seed = seed;
	run.start = start;
	run.end = end;
	run.grid = rig->grid;
	run.given_start = 1;
	run.denoise = 0;
	return sf_sample(rig->sampler, rig->score, &run, x, report);
}

int sf_constant_score(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)user;
	(void)x;
	(void)t;
	while (n-- > 0)
		out[n] = -2;
	return SF_OK;
}

int sf_keep_first(void *user, int64_t step, double t, int64_t n, const double *x)
{
	(void)t;
	(void)n;
	if (step == 1)
		*(double *)user = x[0];
	return step == 1;
}

void sf_worst(double *worst, double measured, double expected, double floor)
{
	double size = fabs(expected) > floor ? fabs(expected) : floor;
	double deviation = fabs(measured - expected) / size;

	if (!isnan(*worst) && !(deviation <= *worst))
		*worst = deviation;
}

int sf_row_worst(sf_row *row, double worst, double tolerance)
{
	return sf_row_value(row, worst, 0, tolerance);
}

int sf_row_value(sf_row *row, double measured, double expected, double tolerance)
{
	row->measured = measured;
	row->expected = expected;
	row->tolerance = tolerance;
	return SF_OK;
}
