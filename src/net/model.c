/* model.c: eps(x,t) = e_x x + e_f F(c_in x; c_noise) appended to a graph, and the checks that a network, a process
 * and a data shape make a model together.
 *
 * mixed-learned: eps = (1 - a) e_x x + a e_f F with a learned share a = sigmoid(logit) for each channel, "mix.logit"
 * (Vahdat, Kreis, Kautz 2021, 2106.05931, the mixed score of their code; logit -3 to begin with, -6 for MNIST). With F = 0 it is
 * the score of N(0,1) data as a goes to 0. Known answers: a = .0474258731776 at -3, .00247262315663 at -6.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/net.h>

#include "core/core.h"

#include "net/internal.h"

#include <math.h>
#include <string.h>

enum { LEVELS_MAX = 100000 }; /* as processes have */
#define MIX -3. /* LSGM's logit */
#define MIX_MAX 700 /* exp of it is a number */

/* Which parametrisations a process has coefficients for. */
static int fits(const sf_model *m)
{
	const char *param = sf_param_names()[m->param], *process = sf_process_name(m->process);

	if (m->param == SF_PARAM_EPS || m->param == SF_PARAM_SCORE || m->param == SF_PARAM_SIGMA_SCORE ||
	    m->param == SF_PARAM_ENERGY)
		return SF_OK;
	if (!sf_process_linear(m->process))
		return sf_fail(m->ctx, SF_EUNSUP, "parametrisation '%s' needs x_t = alpha x_0 + sigma z, which the "
		               "nonlinear process '%s' has not (eps, score, sigma-score or energy)", param, process);
	if (sf_process_blocks(m->process) == 2 && m->param != SF_PARAM_MIXED && m->param != SF_PARAM_MIXED_LEARNED)
		return sf_fail(m->ctx, SF_EUNSUP, "parametrisation '%s' is for processes of one block; '%s' has two "
		               "(eps, score, sigma-score, mixed, mixed-learned or energy)", param, process);
	return SF_OK;
}

/* Whether there is what the network is to be told. */
static int fits_cond(const sf_model *m)
{
	int64_t own = sf_process_levels(m->process), n = sf_cond_levels(m->param, m->process, m->levels);
	const char *process = sf_process_name(m->process);
	int cond;

	if (m->cond < SF_COND_AUTO || m->cond > SF_COND_VP_TIME)
		return sf_fail(m->ctx, SF_EINVAL, "unknown conditioning %d", m->cond);
	if (m->levels && (m->levels < 2 || m->levels > LEVELS_MAX))
		return sf_fail(m->ctx, SF_ERANGE, "a model of %lld noise levels; expected 2 to %d, or 0 for those of the process",
		               (long long)m->levels, LEVELS_MAX);
	cond = sf_model_cond(m);
	if (cond == SF_COND_VP_TIME && !sf_net_has_level(m->process))
		return sf_fail(m->ctx, SF_EUNSUP, "cond=vp-time needs a noise level sigma/alpha, which process '%s' has not (time, "
		               "log)", process);
	if (cond != SF_COND_LEVEL)
		return SF_OK;
	if (n == 0)
		return sf_fail(m->ctx, SF_EUNSUP, "cond=level needs to know how many noise levels: process '%s' has none of its "
		               "own (ve and ddpm have); set levels", process);
	if (m->param != SF_PARAM_EDM_IDDPM && own && n != own)
		return sf_fail(m->ctx, SF_EMISMATCH, "cond=level with %lld noise levels on process '%s', which has %lld",
		               (long long)n, process, (long long)own);
	return SF_OK;
}

int sf_model_check(const sf_model *m)
{
	int64_t size = 1;
	int i;

	if (sf_net_codec(m->net))
		return sf_fail(m->ctx, SF_EUNSUP, "net '%s' is half of an autoencoder: its result has another size than x, so that it is no "
		               "score (mlp, unet and its relatives are; [vae] encoder and decoder take this one)", sf_spec(m->net));
	SF_TRY(sf_net_accepts(m->net, m->rank, m->dim));
	for (i = 0; i < m->rank; i++)
		if (sf_mul_i64(size, m->dim[i], &size) < 0)
			return sf_fail(m->ctx, SF_ERANGE, "a sample has too many numbers");
	if (size != m->size)
		return sf_fail(m->ctx, SF_EINVAL, "the model's size is %lld, its dimensions give %lld",
		               (long long)m->size, (long long)size);
	if (m->param < SF_PARAM_EPS || m->param > SF_PARAM_MIXED_LEARNED)
		return sf_fail(m->ctx, SF_EINVAL, "unknown parametrisation %d", m->param);
	SF_TRY(fits(m));
	SF_TRY(fits_cond(m));
	if (m->param == SF_PARAM_EDM && !(m->sigma_data > 0))
		return sf_fail(m->ctx, SF_ERANGE, "parametrisation 'edm' needs sigma-data > 0, it is %g",
		               m->sigma_data);
	if (m->param == SF_PARAM_MIXED_LEARNED && !(fabs(m->mix) <= MIX_MAX))
		return sf_fail(m->ctx, SF_ERANGE, "parametrisation 'mixed-learned' starts from the logit mix, within %d of 0; it is %g",
		               MIX_MAX, m->mix);
	if (m->classes < 0)
		return sf_fail(m->ctx, SF_ERANGE, "a model of %d classes", m->classes);
	if (m->augments < 0)
		return sf_fail(m->ctx, SF_ERANGE, "a model of %d augmentation labels", m->augments);
	return SF_OK;
}

void sf_model_vars_init(sf_model_vars *v)
{
	v->x = v->position = v->c_in = v->c_noise = v->e_x = v->e_f = v->label = v->augment = v->eps = v->energy = SF_NOVAR;
}

static void scalar(sf_graph *g, const char *name, sf_var *v)
{
	if (*v == SF_NOVAR)
		*v = sf_input(g, name, 1, 0, NULL);
}

/* Augmented images are learned as if they were data unless the network can tell them. */
static sf_var told(const sf_model *m, sf_graph *g, sf_var f)
{
	static const char weight[] = "augment.weight";
	int i;

	for (i = 0; m->augments > 0 && i < sf_param_count(g); i++) {
		const char *name = sf_param_get(g, i)->name;
		size_t n = strlen(name);

		if (n >= sizeof weight - 1 && strcmp(name + n - (sizeof weight - 1), weight) == 0)
			return f;
	}
	if (m->augments == 0 || sf_graph_status(g) < 0)
		return f;
	return sf_graph_fail(g, SF_EUNSUP, "net '%s' does not take augmentation labels, without which it would learn the augmented "
	                     "images as data (unet and its relatives take them; data.augment=0 turns augmentation off)",
	                     sf_spec(m->net));
}

/* F(c_in x; c_noise), of position and velocity where the process has both. */
static sf_var network(const sf_model *m, sf_graph *g, int train, sf_model_vars *v)
{
	int two = sf_process_blocks(m->process) == 2;
	sf_net_io io;

	if (v->x == SF_NOVAR)
		v->x = sf_input(g, "xt", 1, m->rank, m->dim);
	if (two && v->position == SF_NOVAR)
		v->position = sf_input(g, "position", 1, m->rank, m->dim);
	scalar(g, "c_in", &v->c_in);
	scalar(g, "c_noise", &v->c_noise);
	if (m->classes > 0)
		scalar(g, "label", &v->label);
	io.x = sf_mul(g, two ? sf_concat(g, v->position, v->x) : v->x, v->c_in);
	io.cond = v->c_noise;
	io.label = m->classes > 0 ? v->label : SF_NOVAR;
	io.classes = m->classes;
	io.augment = m->augments > 0 ? v->augment : SF_NOVAR;
	io.augments = m->augments;
	io.out_channels = two ? (int)m->dim[m->rank - 1] : 0;
	io.train = train;
	return told(m, g, sf_net_build(m->net, g, &io));
}

int sf_model_build_energy(const sf_model *m, sf_graph *g, int train, sf_model_vars *v)
{
	sf_var f;

	if (m->param != SF_PARAM_ENERGY)
		return sf_fail(m->ctx, SF_EUNSUP, "parametrisation '%s' has no energy; choose parametrisation energy",
		               sf_param_names()[m->param]);
	f = network(m, g, train, v);
	v->energy = sf_dot(g, v->x, f);
	return sf_graph_status(g);
}

/* The logits (channels) of mixed-learned. */
static sf_var mix(const sf_model *m, sf_graph *g)
{
	sf_init start = {SF_INIT_CONST, 0, 0, 0};

	start.scale = m->mix != 0 ? m->mix : MIX;
	return sf_param(g, "mix.logit", 1, &m->dim[m->rank - 1], start);
}

int sf_model_build(const sf_model *m, sf_graph *g, int train, sf_model_vars *v)
{
	sf_var normal, logit;

	if (m->param == SF_PARAM_ENERGY) {
		SF_TRY(sf_model_build_energy(m, g, train, v));
		return sf_grad(g, v->energy, &v->x, 1, &v->eps);
	}
	scalar(g, "e_x", &v->e_x);
	scalar(g, "e_f", &v->e_f);
	v->eps = sf_mul(g, network(m, g, train, v), v->e_f);
	normal = sf_mul(g, v->x, v->e_x);
	if (m->param == SF_PARAM_MIXED_LEARNED) {
		logit = mix(m, g);
		v->eps = sf_mul(g, v->eps, sf_sigmoid(g, logit));
		normal = sf_mul(g, normal, sf_sigmoid(g, sf_neg(g, logit))); /* 1 - a, to the last bit */
	}
	v->eps = sf_add(g, normal, v->eps);
	return sf_graph_status(g);
}

int sf_model_params(const sf_model *m, int64_t *trainable, int64_t *total)
{
	sf_model_vars v;
	sf_graph *g;
	int i, rc;

	SF_TRY(sf_graph_new(m->ctx, 1, &g));
	sf_model_vars_init(&v);
	rc = sf_model_build(m, g, 0, &v);
	*trainable = 0;
	for (i = 0; rc == 0 && i < sf_param_count(g); i++)
		if (!sf_param_get(g, i)->fixed)
			*trainable += sf_param_get(g, i)->shape.size;
	*total = sf_param_total(g);
	sf_graph_free(g);
	return rc;
}
