/* loss.c: what a score model of latents and its pair are trained by (Vahdat, Kreis, Kautz 2021, 2106.05931).
 *
 * Two losses, and which parameters each is differentiated by:
 *
 *     loss_p   w_p/2 |eps - eps_theta(z_t,t)|^2                               theta
 *     loss_q   -log p(x|z) - b H(q(.|x)) + b CE                               encoder, decoder
 *     CE     = (T - e) w_ll/2 |eps - eps_theta(z_t,t)|^2 + constant           w_ll: the objective's weight=g2
 *
 * z_t = a(t) z + noise with z = mean + std e from the encoder. So the encoder always gets the likelihood's weighting, whatever the
 * score model is trained by (a loss of another weighting pulls the latents together), and nothing needs to be thrown away.
 *
 * With shared times one evaluation serves both: the network sees a copy of z_t that stops gradients; one pass back from loss_p gives
 * the score model's gradient and, of each sample, h = d loss_p/d z_t, and as the two integrands of a sample differ by the factor
 * r = (T - e) w_ll/w_p alone, the encoder's gradient is that of b r <h, z_t> with h held still. With separate times the network
 * is evaluated again, at times and noise of its own.
 *
 * Balancing: group g counts c_g = (KL_g + .01)/mean_g' (KL_g' + .01) of the sample itself, held still, while b < 1, so that no group
 * collapses first (Vahdat and Kautz 2020, 2007.03898, who take the batch's means: here a sample's gradient knows no other sample).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent/loss.h"

#include "latent/latent.h"
#include "objective/rule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Scalars of a sample: b, whether to balance, r, and a(t) of each draw and block. */
enum { ANNEAL, BALANCE, RATIO, SCALE, SCALE_VELOCITY, SCALE_2, SCALE_VELOCITY_2 };
#define SECOND ((uint64_t)1 << 40) /* samples of a second draw count from here */

struct phase {
	const sf_latent *l;
	int which;
};

struct sf_latent {
	sf_latent_how how;
	const sf_objective *o;
	sf_objective *own; /* of the cross entropy */
	sf_model m;
	const sf_vae *v;
	double span, constant; /* T - e, and that of CE */
	struct phase phase[SF_LATENT_PHASES];
	sf_batch_kind kind[SF_LATENT_PHASES];
};

double sf_latent_anneal(const sf_latent_how *how, int64_t step)
{
	if (how->kl_steps <= 0 || step >= how->kl_steps)
		return 1;
	return how->kl_start + (1 - how->kl_start) * ((double)step / (double)how->kl_steps);
}

/* ---- the order of the parameters ---- */

static int declare(const sf_graph *from, sf_graph *to)
{
	int i;

	for (i = 0; i < sf_param_count(from); i++) {
		const sf_param_info *p = sf_param_get(from, i);

		if (p->fixed)
			sf_param_fixed(to, p->name, p->shape.rank, p->shape.dim, p->init);
		else
			sf_param(to, p->name, p->shape.rank, p->shape.dim, p->init);
	}
	return sf_graph_status(to);
}

int sf_latent_layout(const sf_model *m, const sf_vae *v, sf_graph *g, int *pair)
{
	sf_graph *score;
	sf_model_vars vars;
	int rc;

	SF_TRY(sf_graph_new(m->ctx, 1, &score));
	sf_model_vars_init(&vars);
	rc = sf_model_build(m, score, 0, &vars);
	if (rc == 0)
		rc = declare(score, g);
	if (rc == 0)
		rc = declare(v->g, g);
	if (rc == 0 && sf_param_total(g) != sf_param_total(score) + sf_param_total(v->g))
		rc = sf_fail(m->ctx, SF_EMISMATCH, "the score model of latents has parameters with the names of its encoder's or decoder's");
	if (rc == 0 && pair)
		*pair = sf_param_count(score);
	sf_graph_free(score);
	return rc;
}

/* ---- graphs ---- */

static sf_var scalar(sf_graph *g, sf_batch_made *made, int which, const char *name)
{
	if (made->scalar[which] == SF_NOVAR)
		made->scalar[which] = sf_input(g, name, 1, 0, NULL);
	return made->scalar[which];
}

/* sum_g KL_g; as trained: balanced. */
static sf_var divergence(const sf_latent *l, sf_graph *g, const sf_posterior *q, sf_batch_made *made, sf_var *trained)
{
	int groups = sf_vae_made(l->v)->groups, i;
	sf_var sum = q->kl[0], share, weighted = SF_NOVAR;

	for (i = 1; i < groups; i++)
		sum = sf_add(g, sum, q->kl[i]);
	*trained = sum;
	if (groups == 1 || !l->how.balance || l->how.kl_steps <= 0)
		return sum;
	share = sf_scale(g, sf_offset(g, sum, .01 * groups), 1. / groups); /* the mean */
	for (i = 0; i < groups; i++) {
		sf_var c = sf_detach(g, sf_div(g, sf_offset(g, q->kl[i], .01), share)), t;

		c = sf_offset(g, sf_mul(g, scalar(g, made, BALANCE, "balance"), sf_offset(g, c, -1)), 1);
		t = sf_mul(g, c, q->kl[i]);
		weighted = i ? sf_add(g, weighted, t) : t;
	}
	*trained = weighted;
	return sum;
}

/* An objective's loss at z_t = a z + noise; `stop`: at a copy that stops gradients. *at: what it was evaluated at, *moved: z_t. */
struct point {
	sf_var z_t, position; /* with gradients */
	sf_model_vars at;     /* as the network sees them */
};

static int build_at(const sf_latent *l, const sf_objective *o, sf_graph *g, int train, sf_var z, int second, int stop,
                    sf_batch_made *made, struct point *p, sf_var *loss)
{
	static const char *const names[] = {"scale", "scale_velocity", "scale_2", "scale_velocity_2"};
	const sf_model *m = &l->m;
	int two = sf_process_blocks(m->process) == 2, first = second ? SCALE_2 : SCALE;
	sf_var x = sf_input(g, "noise", 1, m->rank, m->dim), position = SF_NOVAR;
	sf_loss *made_loss = &made->draw[second];

	memset(p, 0, sizeof *p);
	sf_model_vars_init(&p->at);
	p->position = SF_NOVAR;
	p->z_t = sf_add(g, x, sf_mul(g, scalar(g, made, first + two, names[first + two - SCALE]), z));
	p->at.x = stop ? sf_detach(g, p->z_t) : p->z_t;
	if (two) {
		position = sf_input(g, "noise_position", 1, m->rank, m->dim);
		p->position = sf_add(g, position, sf_mul(g, scalar(g, made, first, names[first - SCALE]), z));
		p->at.position = stop ? sf_detach(g, p->position) : p->position;
	}
	SF_TRY(sf_objective_build_at(o, m, g, train, &p->at, made_loss));
	*loss = made_loss->loss;
	made_loss->v.x = x;
	made_loss->v.position = position;
	made->draws = second + 1;
	return SF_OK;
}

/* The score model's gradient into made->grad, and in *pull a scalar whose gradient by z is that of CE. */
static int build_shared(sf_graph *g, sf_var loss, const struct point *p, int pair, sf_batch_made *made, sf_var *pull)
{
	int two = p->position != SF_NOVAR;
	sf_var at[2], h[2];

	at[0] = p->at.x;
	at[1] = p->at.position;
	SF_TRY(sf_batch_grad(g, loss, 0, pair, made->grad, 1 + two, at, h));
	*pull = sf_dot(g, sf_detach(g, h[0]), p->z_t);
	if (two)
		*pull = sf_add(g, *pull, sf_dot(g, sf_detach(g, h[1]), p->position));
	*pull = sf_mul(g, scalar(g, made, RATIO, "ratio"), *pull);
	return sf_graph_status(g);
}

static int build_joint(const sf_latent *l, sf_graph *g, int train, const sf_posterior *q, int pair, sf_batch_made *made,
                       sf_var *kl, sf_var *trained)
{
	struct point p;
	sf_var loss, ce, pull;

	SF_TRY(build_at(l, l->o, g, train, q->z, 0, 1, made, &p, &loss));
	made->value[SF_LATENT_PRIOR] = loss;
	if (l->how.separate) {
		SF_TRY(sf_batch_grad(g, loss, 0, pair, made->grad, 0, NULL, NULL));
		SF_TRY(build_at(l, l->own, g, train, q->z, 1, 0, made, &p, &ce));
		pull = ce = sf_scale(g, ce, l->span);
	} else {
		SF_TRY(build_shared(g, loss, &p, pair, made, &pull));
		ce = sf_mul(g, made->scalar[RATIO], loss);
	}
	*trained = sf_sub(g, pull, q->entropy);
	*kl = sf_sub(g, sf_offset(g, ce, l->constant), q->entropy);
	return sf_graph_status(g);
}

static int build(const void *user, sf_graph *g, int train, sf_batch_made *made)
{
	const struct phase *ph = user;
	const sf_latent *l = ph->l;
	const sf_vae_how *how = sf_vae_made(l->v);
	int64_t dim[3];
	sf_posterior q;
	struct point p;
	sf_var e, loss, kl, trained, miss;
	int pair, rank, frozen = ph->which == SF_LATENT_FROZEN;

	SF_TRY(sf_latent_layout(&l->m, l->v, g, &pair));
	SF_TRY(sf_batch_grads(g, &made->grad));
	sf_vae_latent(l->v, &rank, dim);
	made->data = sf_input(g, "x", 1, how->rank, how->dim);
	e = sf_random(g, 'n', SF_NOISE_ENCODE, rank, dim);
	SF_TRY(sf_vae_build_encoder(l->v, g, made->data, e, train && !frozen, &q));
	if (frozen) {
		SF_TRY(build_at(l, l->o, g, train, q.z, 0, 1, made, &p, &loss));
		made->value[0] = loss;
		return sf_batch_grad(g, loss, 0, pair, made->grad, 0, NULL, NULL);
	}
	if (ph->which == SF_LATENT_PRETRAIN)
		kl = divergence(l, g, &q, made, &trained);
	else
		SF_TRY(build_joint(l, g, train, &q, pair, made, &kl, &trained));
	miss = sf_neg(g, sf_vae_build_logp(l->v, g, sf_vae_build_decoder(l->v, g, q.z, train), made->data));
	loss = sf_add(g, miss, sf_mul(g, scalar(g, made, ANNEAL, "anneal"), trained));
	made->value[0] = sf_add(g, miss, kl);
	made->value[SF_LATENT_RECONSTRUCTION] = miss;
	made->value[SF_LATENT_KL] = kl;
	return sf_batch_grad(g, loss, pair, sf_param_count(g), made->grad, 0, NULL, NULL);
}

/* ---- draws ---- */

/* a(t): what of z is in each block of z_t. */
static void scales(const sf_latent *l, const sf_draw *d, int64_t i, double *const *scalar, int first)
{
	double phi[4];

	if (sf_process_blocks(l->m.process) == 1) {
		scalar[first][i] = d->coef[i].alpha;
		return;
	}
	sf_process_phi(l->m.process, 0, d->t[i], phi);
	scalar[first][i] = phi[0];
	scalar[first + 1][i] = phi[2];
}

static double ratio(const sf_latent *l, const sf_draw *d, int64_t i)
{
	double s = d->coef[i].sigma, t = d->t[i];

	return l->span * sf_objective_weight(l->own, &l->m, t, s) / sf_objective_weight(l->o, &l->m, t, s);
}

static int draw_second(const sf_latent *l, const sf_draw *d, double *const *scalar)
{
	sf_draw own = d[1];
	int64_t i;

	own.n = d->n;
	own.batch = d->batch;
	own.seed = d->seed;
	own.step = d->step;
	own.first = d->first + SECOND;
	own.x0 = d->x0;
	own.label = d->label;
	SF_TRY(sf_objective_draw(l->own, &l->m, &own));
	for (i = 0; i < d->n; i++)
		scales(l, &own, i, scalar, SCALE_2);
	return SF_OK;
}

static int draw(const void *user, const sf_draw *d, double *const *scalar)
{
	const struct phase *ph = user;
	const sf_latent *l = ph->l;
	double b = sf_latent_anneal(&l->how, d->step);
	int64_t i;

	if (ph->which != SF_LATENT_PRETRAIN)
		SF_TRY(sf_objective_draw(l->o, &l->m, d));
	for (i = 0; i < d->n; i++) {
		if (ph->which != SF_LATENT_PRETRAIN)
			scales(l, d, i, scalar, SCALE);
		if (scalar[RATIO])
			scalar[RATIO][i] = ratio(l, d, i);
		if (scalar[ANNEAL])
			scalar[ANNEAL][i] = b;
		if (scalar[BALANCE])
			scalar[BALANCE][i] = b < 1;
	}
	return scalar[SCALE_2] ? draw_second(l, d, scalar) : SF_OK;
}

/* ---- what goes together ---- */

static int accepts(const sf_latent *l)
{
	const sf_model *m = &l->m;
	const char *process = sf_process_name(m->process), *name = l->o->object.cls->name;
	const char *want = sf_process_blocks(m->process) == 2 ? "hsm" : "dsm";
	const sf_objective_options *opt = l->o->object.state; /* the options are its first member */
	int t = opt->t;

	if (strcmp(name, want) != 0)
		return sf_fail(m->ctx, SF_EUNSUP, "the prior of latents under process '%s' is trained with objective '%s', whose loss is an "
		               "integrand of the cross entropy; this one is '%s'", process, want, name);
	if (l->how.joint && !l->how.separate && (t == SF_T_LOGNORMAL || t == SF_T_DISCRETE || t == SF_T_FIXED))
		return sf_fail(m->ctx, SF_EUNSUP, "[vae] times=shared needs times that cover %g to %g with a density that is divided out "
		               "(objective t=uniform, stratified, importance or normal); set vae.times=separate",
		               sf_process_t_train(m->process), sf_process_horizon(m->process));
	return SF_OK;
}

static int open_latent(sf_latent *l)
{
	const sf_process *p = l->m.process;
	char spec[80];

	SF_TRY(accepts(l));
	l->span = sf_process_horizon(p) - sf_process_t_train(p);
	SF_TRY(sf_cross_entropy_constant(p, sf_process_t_train(p), l->m.size, &l->constant));
	snprintf(spec, sizeof spec, "%s:weight=g2,t=%.20s", sf_process_blocks(p) == 2 ? "hsm" : "dsm", l->how.q_times);
	SF_TRY(sf_objective_new(l->m.ctx, spec, &l->own));
	return sf_objective_accepts(l->own, &l->m);
}

int sf_latent_new(const sf_latent_how *how, const sf_objective *o, const sf_model *m, const sf_vae *v, sf_latent **out)
{
	const sf_vae_how *made = sf_vae_made(v);
	sf_latent *l = sf_alloc(1, sizeof *l);
	int64_t data = 1;
	int i, rc;

	*out = NULL;
	if (!l)
		return sf_fail(m->ctx, SF_ENOMEM, "training: out of memory");
	l->how = *how;
	l->o = o;
	l->m = *m;
	l->v = v;
	for (i = 0; i < made->rank; i++)
		data *= made->dim[i];
	for (i = 0; i < SF_LATENT_PHASES; i++) {
		l->phase[i].l = l;
		l->phase[i].which = i;
		l->kind[i].user = &l->phase[i];
		l->kind[i].data = data;
		l->kind[i].order = sf_objective_order(o, m);
		l->kind[i].build = build;
		l->kind[i].draw = draw;
	}
	rc = open_latent(l);
	if (rc < 0)
		sf_latent_free(l);
	else
		*out = l;
	return rc;
}

void sf_latent_free(sf_latent *l)
{
	if (!l)
		return;
	sf_objective_free(l->own);
	sf_free(l);
}

const sf_batch_kind *sf_latent_kind(const sf_latent *l, int phase)
{
	return &l->kind[phase];
}
