/* setup.c: from a configuration to objects that fit together.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"
#include "train/meta.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int open_data(sf_setup *s, const sf_settings *set)
{
	int rc = sf_data_new(s->ctx, set->data.spec, &s->data);
	sf_scaling scaling;

	if (rc == SF_EIO && *set->data.shape) {
		char message[SF_MESSAGE_MAX];

		snprintf(message, sizeof message, "%s", sf_ctx_message(s->ctx));
		return sf_fail(s->ctx, rc, "%.300s; this configuration is for %.40s data, which do not come with scorefield: put "
		               "them there, or set data.spec", message, set->data.shape);
	}
	SF_TRY(rc);
	s->info = *sf_data_describe(s->data);
	SF_TRY(sf_shape_check(s->ctx, set, &s->info));
	switch (set->data.scale) {
	case SF_SET_SCALE_NONE: scaling = SF_SCALE_NONE; break;
	case SF_SET_SCALE_UNIT: scaling = SF_SCALE_UNIT; break;
	case SF_SET_SCALE_PM1: scaling = SF_SCALE_PM1; break;
	case SF_SET_SCALE_STANDARD: scaling = SF_SCALE_STANDARD; break;
	default: scaling = s->info.levels > 0 ? SF_SCALE_PM1 : SF_SCALE_NONE;
	}
	return sf_view_make(s->data, scaling, set->data.std, set->data.flip, set->data.dequantise,
	                    (uint64_t)set->train.seed, &s->view);
}

static int open_augment(sf_setup *s, const sf_settings *set)
{
	int kinds;

	SF_TRY(sf_augment_kinds(s->ctx, set->data.augment_kinds, &kinds));
	return sf_view_set_augment(s->ctx, &s->view, &s->info, set->data.augment, kinds);
}

/* The data's encoder and decoder; the model is then of their latents. */
static int open_vae(sf_setup *s, const sf_settings *set)
{
	sf_model *m = &s->model;
	sf_vae_how how;

	SF_TRY(sf_phase_check(s->ctx, set));
	m->rank = s->info.rank;
	memcpy(m->dim, s->info.dim, sizeof m->dim);
	m->size = s->info.size;
	if (!*set->vae.encoder)
		return SF_OK;
	memset(&how, 0, sizeof how);
	how.encoder = set->vae.encoder;
	how.decoder = set->vae.decoder;
	how.latent = set->vae.latent;
	how.groups = (int)set->vae.groups;
	how.likelihood = set->vae.likelihood;
	how.std = set->vae.std;
	how.mixture = (int)set->vae.mixture;
	how.rank = s->info.rank;
	memcpy(how.dim, s->info.dim, sizeof how.dim);
	how.scale = s->view.scale;
	how.shift = s->view.shift;
	how.lo = s->info.lo;
	how.hi = s->info.hi;
	how.levels = set->data.dequantise ? 0 : s->info.levels;
	SF_TRY(sf_vae_new(s->ctx, &how, &s->vae));
	m->size = sf_vae_latent(s->vae, &m->rank, m->dim);
	if (set->model.sigma_data == 0)
		m->sigma_data = 1; /* what latents are drawn to */
	return SF_OK;
}

/* Those of a run: the model's, which [net] parameters is about, and the pair's. */
static int count_params(sf_setup *s, const sf_settings *set)
{
	int64_t total, pair = 0;

	SF_TRY(sf_model_params(&s->model, &s->params, &total));
	if (set->net.parameters && set->net.parameters != s->params)
		return sf_fail(s->ctx, SF_EMISMATCH, "network '%s' has %lld parameters, but [net] parameters expects %lld; set "
		               "net.parameters=0 for another network", set->net.spec, (long long)s->params,
		               (long long)set->net.parameters);
	if (!s->vae)
		return SF_OK;
	s->pair = total;
	SF_TRY(sf_vae_params(s->vae, &pair, &total));
	s->params += pair;
	return SF_OK;
}

static int open_model(sf_setup *s, const sf_settings *set)
{
	sf_model *m = &s->model;

	s->type = set->model.precision ? SF_F64 : SF_F32;
	if (s->type == SF_F64 && strcmp(sf_ctx_device(s->ctx), "cpu") != 0)
		sf_note(s->ctx, SF_LOG_WARNING, "networks of double run on the processor: the device computes in float (precision "
		        "single)");
	SF_TRY(sf_process_new(s->ctx, set->process.spec, &s->process));
	SF_TRY(sf_net_new(s->ctx, set->net.spec, &s->net));
	SF_TRY(sf_param_find(s->ctx, set->model.parametrisation, &m->param));
	m->ctx = s->ctx;
	m->type = s->type;
	m->net = s->net;
	m->process = s->process;
	m->sigma_data = set->model.sigma_data > 0 ? set->model.sigma_data : s->view.std;
	m->cond = set->model.cond;
	m->levels = set->model.levels;
	m->mix = set->model.mix;
	SF_TRY(open_vae(s, set));
	if (set->model.conditional && s->info.classes < 1)
		return sf_fail(s->ctx, SF_EMISMATCH, "[model] conditional=true needs labels, which the data '%s' have "
		               "not", set->data.spec);
	if (set->train.label_dropout > 0 && !set->model.conditional)
		return sf_fail(s->ctx, SF_EMISMATCH, "[train] label-dropout=%g is for conditional models; [model] conditional is "
		               "false", set->train.label_dropout);
	m->classes = set->model.conditional ? s->info.classes : 0;
	m->augments = s->view.augment > 0 ? SF_AUGMENT_LABELS : 0;
	SF_TRY(sf_model_check(m));
	return count_params(s, set);
}

int sf_reference_check(const sf_setup *s, const sf_objective *o, int64_t batch)
{
	int64_t reference = sf_objective_reference(o), n = s->info.n;

	if (!reference || !n)
		return SF_OK;
	if (reference > n)
		return sf_fail(s->ctx, SF_ERANGE, "objective '%s' asks for a reference batch of %lld records, but the data '%s' "
		               "have only %lld", sf_spec(o), (long long)reference, sf_spec(s->data), (long long)n);
	if (batch > n)
		return sf_fail(s->ctx, SF_ERANGE, "a batch of %lld is more than the %lld records of the data '%s'; the "
		               "reference batch of objective '%s' holds none twice", (long long)batch, (long long)n,
		               sf_spec(s->data), sf_spec(o));
	return SF_OK;
}

/* What is learned, and by what. */
static int open_objective(sf_setup *s, const sf_settings *set)
{
	sf_latent_how how;

	SF_TRY(sf_objective_new(s->ctx, set->objective.spec, &s->objective));
	SF_TRY(sf_objective_accepts(s->objective, &s->model));
	sf_phase_how(set, &how);
	if (s->vae)
		SF_TRY(sf_latent_new(&how, s->objective, &s->model, s->vae, &s->latent));
	if (s->data)
		SF_TRY(sf_reference_check(s, s->objective, set->train.batch));
	if (s->data && s->view.augment > 0)
		SF_TRY(sf_augmenter_new(s->ctx, &s->view, &s->info, &s->augmenter));
	return SF_OK;
}

static int open_parts(sf_setup *s, int needs, const char *checkpoint)
{
	const sf_settings *set = sf_config_settings(s->config);

	int assume = (needs & SF_SETUP_SHAPE) && *set->data.shape, stored = !assume && !(needs & SF_SETUP_DATA) && checkpoint;

	if (assume)
		SF_TRY(sf_shape_assume(s->ctx, set, &s->info, &s->view));
	else if (stored)
		SF_TRY(sf_meta_describe(s->ctx, checkpoint, &s->info, &s->view));
	else
		SF_TRY(open_data(s, set));
	if (!stored)
		SF_TRY(open_augment(s, set));
	SF_TRY(open_model(s, set));
	if (needs & SF_SETUP_OBJECTIVE)
		SF_TRY(open_objective(s, set));
	if (needs & SF_SETUP_SAMPLER) {
		SF_TRY(sf_sampler_new(s->ctx, set->sample.sampler, &s->sampler));
		SF_TRY(sf_sampler_accepts(s->sampler, s->process));
		if (*set->sample.grid)
			SF_TRY(sf_grid_new(s->ctx, set->sample.grid, &s->grid));
	}
	return SF_OK;
}

int sf_setup_open(sf_ctx *ctx, sf_config *c, int needs, const char *checkpoint, sf_setup *s)
{
	int rc;

	memset(s, 0, sizeof *s);
	s->ctx = ctx;
	s->config = c;
	rc = open_parts(s, needs, checkpoint);
	if (rc < 0)
		sf_setup_close(s);
	return rc;
}

void sf_setup_close(sf_setup *s)
{
	sf_grid_free(s->grid);
	sf_sampler_free(s->sampler);
	sf_latent_free(s->latent);
	sf_vae_free(s->vae);
	sf_objective_free(s->objective);
	sf_augmenter_free(s->augmenter);
	sf_net_free(s->net);
	sf_process_free(s->process);
	sf_data_free(s->data);
	memset(s, 0, sizeof *s);
}

void sf_setup_pixels(const sf_setup *s, int64_t count, const double *x, unsigned char *pixel)
{
	double unit = s->info.hi > 0 ? 255 / s->info.hi : 255;
	int64_t i;

	for (i = 0; i < count; i++) {
		double v = (x[i] * s->view.scale + s->view.shift) * unit;

		pixel[i] = v >= 255 ? 255 : v > 0 ? (unsigned char)(v + .5) : 0; /* NaN: 0 */
	}
}
