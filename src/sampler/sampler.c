/* sampler.c: what all samplers share: construction, what they accept, drift and noise for a batch.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/sampler.h"
#include "score/score.h"

#include <math.h>

const sf_sampler_class *sf_sampler_record(const sf_sampler *s)
{
	const void *cls = s->object.cls; /* the head is its first member */

	return cls;
}

int sf_sampler_new(sf_ctx *ctx, const char *spec, sf_sampler **s)
{
	return sf_object_new(ctx, "sampler", spec, sizeof **s, s);
}

void sf_sampler_free(sf_sampler *s)
{
	sf_object_free(s);
}

int sf_sampler_flags(const sf_sampler *s)
{
	const sf_sampler_class *c = sf_sampler_record(s);

	return c->flags_with ? c->flags_with(s->object.state) : c->flags;
}

/* dx = F_xv v dt, noise in the velocity alone */
static int with_velocity(const sf_process *p)
{
	double F[4], G[4], t = sf_process_horizon(p);

	if (!sf_process_linear(p) || sf_process_blocks(p) != 2)
		return 0;
	sf_process_drift_matrix(p, t, F);
	sf_process_diffusion_matrix(p, t, G);
	return F[0] == 0 && G[0] == 0 && G[1] == 0;
}

int sf_sampler_accepts(const sf_sampler *s, const sf_process *p)
{
	int scalar = sf_process_linear(p) && sf_process_blocks(p) == 1;

	if (!sf_process_linear(p) && sf_process_record(p)->steps(p->object.state) == 0)
		return sf_fail(s->object.ctx, SF_EUNSUP,
		               "sampler '%s' reverses a process; '%s' brings no noise that could be taken back",
		               s->object.cls->name, sf_process_name(p));
	if (sf_sampler_flags(s) & SF_SAMPLER_VELOCITY) {
		if (with_velocity(p))
			return SF_OK;
		return sf_fail(s->object.ctx, SF_EUNSUP,
		               "sampler '%s' splits the motion of position and velocity; process '%s' is not of that kind",
		               s->object.cls->name, sf_process_name(p));
	}
	if (!(sf_sampler_flags(s) & SF_SAMPLER_SCALAR) || scalar)
		return SF_OK;
	return sf_fail(s->object.ctx, SF_EUNSUP,
	               "sampler '%s' works on noise levels sigma/alpha; process '%s' has none (%s)",
	               s->object.cls->name, sf_process_name(p),
	               sf_process_linear(p) ? "two state blocks" : "not linear");
}

int sf_sampler_order(const sf_sampler *s)
{
	const sf_sampler_class *c = sf_sampler_record(s);

	return c->order_with ? c->order_with(s->object.state) : c->order;
}

int sf_sampler_adaptive(const sf_sampler *s)
{
	return sf_sampler_record(s)->step == NULL;
}

int sf_sampler_stochastic(const sf_sampler *s)
{
	return (sf_sampler_flags(s) & SF_SAMPLER_STOCHASTIC) != 0;
}

const char *sf_sampler_grid(const sf_sampler *s, const sf_process *p, int64_t *steps)
{
	const sf_sampler_class *c = sf_sampler_record(s);

	*steps = c->steps;
	return c->suit ? c->suit(s->object.state, p, steps) : c->grid;
}

int64_t sf_sampler_steps(const sf_sampler *s, int64_t nfe)
{
	const sf_sampler_class *c = sf_sampler_record(s);
	int64_t steps = c->steps_for ? c->steps_for(s->object.state, nfe) : nfe;

	return steps > 1 ? steps : 1;
}

static void set_time(sf_run *run, double t)
{
	int64_t i;

	for (i = 0; i < run->n; i++)
		run->time[i] = t;
}

int sf_run_drift(sf_run *run, double t, const double *x, double eta, double *score, double *out)
{
	set_time(run, t);
	SF_TRY(sf_score_eval(run->score, SF_SCORE, run->n, x, run->time, score));
	return sf_process_reverse_drift(run->process, run->n, run->d, x, run->time, score, eta,
	                                out);
}

int sf_run_read(sf_run *run, sf_what what, double t, const double *x, double *out)
{
	set_time(run, t);
	return sf_score_eval(run->score, what, run->n, x, run->time, out);
}

typedef struct draw {
	const sf_run *run;
	sf_noise key;
	double *z;
} draw;

static int draw_some(void *arg, int64_t first, int64_t last)
{
	const draw *w = arg;
	const sf_run *run = w->run;
	int64_t i;

	for (i = first; i < last; i++)
		sf_noise_normal_d(run->ctx, w->key, run->ask->first_sample + (uint64_t)i, 0,
		                  (size_t)run->size, w->z + i * run->size);
	return SF_OK;
}

void sf_run_noise(sf_run *run, uint32_t purpose, double *z)
{
	sf_run_noise_at(run, purpose, run->index, z); /* the driver has fewer steps than 2^32 */
}

int sf_run_noise_at(sf_run *run, uint32_t purpose, int64_t step, double *z)
{
	draw w = {run, {run->ask->seed, purpose, (uint32_t)step}, z};

	if (step > UINT32_MAX)
		return sf_fail(run->ctx, SF_ERANGE, "sampling: noise is drawn more than 2^32 times a sample");
	return sf_over_samples(run->ctx, run->n, 32 * run->size, draw_some, &w);
}

void sf_diffuse(const sf_process *p, int64_t d, double t, double c, const double *z, double *x)
{
	int64_t j;
	double G[4];

	if (sf_process_blocks(p) == 1 || !sf_process_linear(p)) {
		double g = sqrt(sf_process_g2(p, t));

		for (j = 0; j < d * sf_process_blocks(p); j++)
			x[j] += c * g * z[j];
		return;
	}
	sf_process_diffusion_matrix(p, t, G);
	for (j = 0; j < d; j++) {
		x[j] += c * (G[0] * z[j] + G[1] * z[d + j]);
		x[d + j] += c * (G[2] * z[j] + G[3] * z[d + j]);
	}
}

int sf_run_finite(const sf_run *run, const double *x, int64_t n, int64_t step, double t)
{
	int64_t i, total = n * run->size;

	for (i = 0; i < total; i++)
		if (!isfinite(x[i]))
			return sf_fail(run->ctx, SF_EDIVERGED,
			               "sample %lld is not finite after step %lld, at time %g",
			               (long long)((int64_t)run->ask->first_sample + i / run->size),
			               (long long)step, t);
	return SF_OK;
}
