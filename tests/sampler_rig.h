/* sampler_rig.h: a sampler over a process and a score, and the specs that the sampler tests loop
 * over.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_SAMPLER_RIG_H
#define SF_TEST_SAMPLER_RIG_H

#include "support.h"

#include <scorefield/sampler.h>

#include <string.h>

typedef struct rig {
	sf_ctx *ctx;
	sf_process *process;
	sf_score *score;
	sf_sampler *sampler;
	sf_sample_run run;
} rig;

static rig open_rig(const char *process, const char *score, int64_t d, const char *sampler)
{
	rig r;

	memset(&r, 0, sizeof r);
	r.ctx = ck_ctx();
	assert_ok(r.ctx, sf_process_new(r.ctx, process, &r.process));
	if (score)
		assert_ok(r.ctx, sf_score_new(r.ctx, score, r.process, d, &r.score));
	assert_ok(r.ctx, sf_sampler_new(r.ctx, sampler, &r.sampler));
	sf_sample_defaults(&r.run);
	r.run.n = 1;
	return r;
}

static void close_rig(rig *r)
{
	sf_sampler_free(r->sampler);
	sf_score_free(r->score);
	sf_process_free(r->process);
	sf_ctx_free(r->ctx);
}

/* A score -x (n,1) that keeps the times it is asked for. */
typedef struct asked {
	int n;
	double t[2200];
} asked;

static inline int listen(void *user, int64_t n, const double *x, const double *t, double *out)
{
	asked *a = user;

	ck_assert_int_lt(a->n, 2200);
	a->t[a->n++] = t[0];
	while (n-- > 0)
		out[n] = -x[n];
	return SF_OK;
}

static const char *const all[] = {
	"em", "em:eta=0.5", "em:published=true", "euler", "heun", "heun:churn=20,s-noise=1.01",
	"heun:time=process,alpha=0.7,churn=5", "heun:order=1", "rk45:rtol=1e-3,atol=1e-3",
	"rk45:fixed=7", "ddim", "ddim:eta=0.7", "deis", "dpm", "dpm:order=2,prediction=data,variant=taylor", "dpm2",
	"dpm2:eta=1", "dpm-adaptive", "dpm-adaptive:order=2,control=theta,prediction=data", "dpm-fast", "dpmpp",
	"dpmpp:order=3", "dpmpp:method=singlestep", "dpmpp-sde", "dpmpp-sde:solver=2s-ancestral",
	"dpmpp-sde:solver=2m,eta=0.5", "dpmpp-sde:solver=3m", "euler-ancestral", "ipndm", "lms", "rk4", "unipc",
	"unipc:order=4,variant=bh2,prediction=noise", "dpm-v3", "dpm-v3:prediction=noise,pseudo=true,corrector-pseudo=true,half=late",
	"reverse-diffusion", "reverse-diffusion:eta=0.3", "ancestral", "ancestral:variance=posterior", "pc",
	"pc:corrector=ald,first=predictor,predictor=em", "pc:predictor=none,norms=dimension", "ald:inner=1",
	"ggf:rtol=2,atol=1", "ggf:noise=published,norm=max,rtol=1,atol=0.5"};
/* Those for position and velocity alone have tests of their own. */
static const char *const of_two_blocks[] = {"sscs"};
static const char *const processes[] = {"ve", "vp", "subvp", "edm"};
enum { ALL = sizeof all / sizeof *all };

#endif
