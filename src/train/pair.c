/* pair.c: encoders and decoders in checkpoints: what they are, which they are, and taking those of another run.
 *
 * The metadata hold their description as text ("vae") and a hash of their weights of each kind ("vae-hash" of the first average,
 * "vae-hash1", ... of further ones, "vae-hash-raw" of the weights as trained), because a score model of latents is of use with the
 * encoder and decoder that it was trained for alone.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/meta.h"

#include "io/io.h"
#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t width(sf_dtype type)
{
	return type == SF_F32 ? sizeof(float) : sizeof(double);
}

int sf_pair_text(const sf_setup *s, char **out)
{
	static const char *const likelihoods[] = {"gaussian", "bernoulli", "logistic"};
	const sf_vae_how *h = sf_vae_made(s->vae);
	sf_text t = {NULL, 0, 0, 0};
	char std[40];

	sf_format_double(h->std, std, sizeof std);
	sf_text_add(&t, "encoder %s, decoder %s, latent %lld, groups %d, likelihood %s, std %s, mixture %d", h->encoder, h->decoder,
	            (long long)h->latent, h->groups, likelihoods[h->likelihood], std, h->mixture);
	*out = t.s;
	if (!t.failed && t.s)
		return SF_OK;
	free(t.s);
	return sf_fail(s->ctx, SF_ENOMEM, "checkpoint: out of memory");
}

int sf_pair_check(const sf_setup *s, const char *path, const sf_tensors *file)
{
	const char *is = sf_tensors_meta(file, "vae");
	char *own;
	int rc = SF_OK;

	if (!s->vae)
		return !is ? SF_OK : sf_fail(s->ctx, SF_EMISMATCH, "%s: a model of latents (%.200s), and the configuration has no [vae] encoder",
		                             path, is);
	SF_TRY(sf_pair_text(s, &own));
	if (!is)
		rc = sf_fail(s->ctx, SF_EMISMATCH, "%s: holds no encoder and decoder; expected %.300s", path, own);
	else if (strcmp(is, own) != 0)
		rc = sf_fail(s->ctx, SF_EMISMATCH, "%s: its latents are of %.300s; the configuration's of %.300s", path, is, own);
	free(own);
	return rc;
}

const char *sf_pair_hash(const sf_tensors *file, const char *prefix)
{
	char key[24];

	if (strcmp(prefix, "param.") == 0)
		return sf_tensors_meta(file, "vae-hash-raw");
	if (strncmp(prefix, "ema", 3) != 0)
		return NULL;
	snprintf(key, sizeof key, "vae-hash%.*s", (int)(strlen(prefix) - 4), prefix + 3);
	return sf_tensors_meta(file, key);
}

int sf_setup_layout(const sf_setup *s, sf_graph *g)
{
	sf_model_vars v;

	if (s->vae)
		return sf_latent_layout(&s->model, s->vae, g, NULL);
	sf_model_vars_init(&v);
	return sf_model_build(&s->model, g, 0, &v);
}

/* Name, or the prefix of an average's tensors: "raw" and NULL, "0.999". */
static int prefix_of(const sf_setup *s, const char *path, const sf_tensors *file, const char *name, char *prefix, size_t size)
{
	int which = 0;

	if (name && strcmp(name, "raw") == 0) {
		snprintf(prefix, size, "param.");
		return SF_OK;
	}
	if (name)
		SF_TRY(sf_averages_find(s->ctx, path, file, name, &which));
	snprintf(prefix, size, which ? "ema%d." : "ema.", which);
	return SF_OK;
}

int sf_pair_read(const sf_setup *s, const sf_graph *g, const char *path, const sf_tensors *file, const char *prefix, void *flat,
                 char hex[17])
{
	const char *told;
	int i;

	SF_TRY(sf_meta_check(s->ctx, path, file));
	SF_TRY(sf_pair_check(s, path, file));
	for (i = 0; i < sf_param_count(g); i++)
		if (sf_param_get(g, i)->offset >= s->pair)
			SF_TRY(sf_checkpoint_one(s, path, file, prefix, sf_param_get(g, i), s->type,
			                         (char *)flat + (size_t)sf_param_get(g, i)->offset * width(s->type)));
	sf_vae_hash(s->vae, s->type, (char *)flat + (size_t)s->pair * width(s->type), hex);
	told = sf_pair_hash(file, prefix);
	if (told && strcmp(told, hex) != 0)
		return sf_fail(s->ctx, SF_EMISMATCH, "%s: prior was trained for encoder %.20s, the file holds %s", path, told, hex);
	return SF_OK;
}

/* Both with a layout and a buffer of their own. */
static int take_pair(const sf_setup *s, const char *path, const sf_tensors *file, const char *name, void **flat, char hex[17])
{
	sf_graph *g;
	char prefix[16];
	int rc;

	*flat = NULL;
	SF_TRY(prefix_of(s, path, file, name, prefix, sizeof prefix));
	SF_TRY(sf_graph_new(s->ctx, 1, &g));
	rc = sf_setup_layout(s, g);
	if (rc == 0 && !(*flat = sf_alloc((size_t)sf_param_total(g), width(s->type))))
		rc = sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", path);
	if (rc == 0)
		rc = sf_pair_read(s, g, path, file, prefix, *flat, hex);
	sf_graph_free(g);
	return rc;
}

static size_t pair_bytes(const sf_setup *s)
{
	int64_t trainable, total = 0;

	sf_vae_params(s->vae, &trainable, &total);
	return (size_t)total * width(s->type);
}

int sf_setup_pair(const sf_setup *s, const char *prior, const char *path, const char *name, void *params)
{
	size_t at = (size_t)s->pair * width(s->type);
	sf_tensors file, own;
	const char *told;
	char hex[17];
	void *flat;
	int rc;

	if (!s->vae)
		return sf_fail(s->ctx, SF_EINVAL, "%s: the configuration has no [vae] encoder", path);
	SF_TRY(sf_tensors_read(s->ctx, path, &file));
	rc = take_pair(s, path, &file, name, &flat, hex);
	sf_tensors_free(&file);
	if (rc == 0)
		rc = sf_tensors_read(s->ctx, prior, &own);
	if (rc == 0) {
		told = sf_pair_hash(&own, "ema.");
		if (!told || strcmp(told, hex) != 0)
			rc = sf_fail(s->ctx, SF_EMISMATCH, "%s: prior was trained for encoder %.20s, %s holds %s", prior,
			             told ? told : "(unknown)", path, hex);
		sf_tensors_free(&own);
	}
	if (rc == 0)
		memcpy((char *)params + at, (char *)flat + at, pair_bytes(s));
	sf_free(flat);
	return rc;
}

int sf_pair_start(const sf_setup *s, sf_state *st)
{
	size_t at = (size_t)s->pair * width(s->type);
	char path[SF_PATH_MAX], hex[17];
	sf_tensors file;
	void *flat;
	int rc;

	SF_TRY(sf_run_latest(s->ctx, sf_config_settings(s->config)->vae.from, path, sizeof path, NULL));
	SF_TRY(sf_tensors_read(s->ctx, path, &file));
	rc = take_pair(s, path, &file, NULL, &flat, hex);
	sf_tensors_free(&file);
	if (rc == 0) {
		memcpy((char *)st->ema + at, (char *)flat + at, pair_bytes(s));
		sf_phase_freeze(s, st);
	}
	sf_free(flat);
	return rc;
}
