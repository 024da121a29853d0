/* vae.c: an autoencoder of two networks of the registry: construction, shapes, layout of the parameters.
 *
 *     encoder: x -> 2 L channels,      decoder: z (L channels) -> the parameters of p(x|z)
 *
 * A network that wants images sees (h,w,c), and the latent has the height and width of its result; any other one sees the
 * data as one vector, and the latent is a vector of L numbers. Networks are told no noise level.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent/latent.h"

#include "net/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MIXTURE_MAX = 30, TEXT = 80 };

static const char *shape_text(int rank, const int64_t *dim, char *out)
{
	int i, n = snprintf(out, TEXT, "(");

	for (i = 0; i < rank; i++)
		n += snprintf(out + n, TEXT - (size_t)n, "%s%lld", i ? "," : "", (long long)dim[i]);
	snprintf(out + n, TEXT - (size_t)n, ")");
	return out;
}

static int check_data(sf_ctx *ctx, const sf_vae_how *h, int64_t *size)
{
	int i;

	if (h->rank != 1 && h->rank != 3)
		return sf_fail(ctx, SF_EINVAL, "vae: data of rank %d; expected (d) or (h,w,c)", h->rank);
	*size = 1;
	for (i = 0; i < h->rank; i++)
		if (h->dim[i] < 1 || sf_mul_i64(*size, h->dim[i], size) < 0)
			return sf_fail(ctx, SF_EINVAL, "vae: a data dimension is %lld", (long long)h->dim[i]);
	if (*size > (int64_t)1 << 30)
		return sf_fail(ctx, SF_ERANGE, "vae: %lld numbers a sample are too many", (long long)*size);
	if (!isfinite(h->scale) || h->scale == 0 || !isfinite(h->shift))
		return sf_fail(ctx, SF_ERANGE, "vae: stored values are %g x + %g of network values; expected finite numbers, the "
		               "first not 0", h->scale, h->shift);
	return SF_OK;
}

static int check_likelihood(sf_ctx *ctx, const sf_vae_how *h)
{
	if (h->likelihood < SF_VAE_GAUSSIAN || h->likelihood > SF_VAE_LOGISTIC)
		return sf_fail(ctx, SF_EINVAL, "vae: unknown likelihood %d", h->likelihood);
	if (!(h->std >= 0) || !isfinite(h->std))
		return sf_fail(ctx, SF_ERANGE, "vae: std %g of the decoder; expected a positive number, or 0 to learn it", h->std);
	if (h->mixture < 1 || h->mixture > MIXTURE_MAX)
		return sf_fail(ctx, SF_ERANGE, "vae: mixture of %d; expected 1 to %d components", h->mixture, (int)MIXTURE_MAX);
	if (h->mixture > 1 && h->likelihood != SF_VAE_LOGISTIC)
		return sf_fail(ctx, SF_EUNSUP, "vae: a mixture of %d components is of likelihood logistic", h->mixture);
	if (h->likelihood == SF_VAE_LOGISTIC && h->levels < 2)
		return sf_fail(ctx, SF_EUNSUP, "vae: likelihood logistic gives probabilities of levels, and the data are real numbers "
		               "(data without levels, or with dequantisation noise: turn it off, or choose likelihood gaussian)");
	if (h->likelihood != SF_VAE_GAUSSIAN && !(h->hi > h->lo && isfinite(h->hi - h->lo)))
		return sf_fail(ctx, SF_ERANGE, "vae: stored values from %g to %g; this likelihood needs a range", h->lo, h->hi);
	return SF_OK;
}

static int check_latent(sf_ctx *ctx, const sf_vae_how *h)
{
	if (h->latent < 1 || h->latent > 65536)
		return sf_fail(ctx, SF_ERANGE, "vae: latent of %lld channels; expected 1 to 65536", (long long)h->latent);
	if (h->groups < 1 || h->groups > SF_VAE_GROUPS || h->latent % h->groups)
		return sf_fail(ctx, SF_ERANGE, "vae: %d groups of %lld latent channels; expected a divisor from 1 to %d", h->groups,
		               (long long)h->latent, (int)SF_VAE_GROUPS);
	return SF_OK;
}

sf_var sf_vae_network(const sf_net *net, sf_graph *g, sf_var x, int64_t channels, int train)
{
	sf_shape s = sf_shape_of(g, x);
	char why[SF_MESSAGE_MAX];
	sf_net_io io;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	if (!sf_net_images(net) && s.rank != 1) {
		s.rank = 1;
		s.dim[0] = s.size;
		x = sf_reshape(g, x, 1, s.dim);
	}
	if (sf_net_accepts(net, s.rank, s.dim) < 0) {
		snprintf(why, sizeof why, "%s", sf_ctx_message(sf_net_context(net)));
		return sf_graph_fail(g, SF_EMISMATCH, "vae: %s", why);
	}
	memset(&io, 0, sizeof io);
	io.x = x;
	io.cond = io.label = io.augment = SF_NOVAR;
	io.out_channels = (int)channels;
	io.train = train;
	return sf_net_build(net, g, &io);
}

/* The shape of a latent is what the encoder makes of the data, with half its channels. */
static int find_latent(sf_vae *v)
{
	sf_ctx *ctx = v->ctx;
	char was[TEXT], is[TEXT];
	sf_shape s;
	sf_graph *g;
	sf_var h;
	int rc, i;

	SF_TRY(sf_graph_new(ctx, 1, &g));
	h = sf_vae_network(v->encoder, g, sf_input(g, "x", 1, v->how.rank, v->how.dim), 2 * v->how.latent, 0);
	rc = sf_graph_status(g);
	s = sf_shape_of(g, h);
	sf_graph_free(g);
	SF_TRY(rc);
	if ((s.rank != 1 && s.rank != 3) || s.dim[s.rank - 1] != 2 * v->how.latent)
		return sf_fail(ctx, SF_EMISMATCH, "vae: encoder '%s' makes %s of data %s; expected %lld channels, mean and ln std of "
		               "%lld", sf_spec(v->encoder), shape_text(s.rank, s.dim, is), shape_text(v->how.rank, v->how.dim, was),
		               (long long)(2 * v->how.latent), (long long)v->how.latent);
	v->rank = s.rank;
	v->latent = 1;
	for (i = 0; i < s.rank; i++) {
		v->dim[i] = i == s.rank - 1 ? v->how.latent : s.dim[i];
		v->latent *= v->dim[i];
	}
	return SF_OK;
}

/* The whole pair, which also lays out the parameters. */
static int build(sf_vae *v)
{
	sf_graph *g;

	SF_TRY(sf_graph_new(v->ctx, 1, &v->g));
	g = v->g;
	v->x = sf_input(g, "x", 1, v->how.rank, v->how.dim);
	v->e = sf_input(g, "e", 1, v->rank, v->dim);
	SF_TRY(sf_vae_build_encoder(v, g, v->x, v->e, 0, &v->q));
	v->z = sf_input(g, "z", 1, v->rank, v->dim);
	v->parameters = sf_vae_build_decoder(v, g, v->z, 0);
	v->logp = sf_vae_build_logp(v, g, v->parameters, v->x);
	v->mean = sf_vae_build_mean(v, g, v->parameters);
	return sf_graph_status(g);
}

static int make(sf_vae *v, const sf_vae_how *how)
{
	sf_ctx *ctx = v->ctx;

	v->how = *how;
	v->how.encoder = v->how.decoder = NULL;
	SF_TRY(check_data(ctx, how, &v->size));
	SF_TRY(check_likelihood(ctx, how));
	SF_TRY(check_latent(ctx, how));
	v->channels = how->rank == 3 ? how->dim[2] : 1;
	v->pixels = v->size / v->channels;
	SF_TRY(sf_net_new(ctx, how->encoder, &v->encoder));
	SF_TRY(sf_net_new(ctx, how->decoder, &v->decoder));
	v->how.encoder = v->text[0] = sf_strdup(sf_spec(v->encoder));
	v->how.decoder = v->text[1] = sf_strdup(sf_spec(v->decoder));
	if (!v->text[0] || !v->text[1])
		return sf_fail(ctx, SF_ENOMEM, "vae: out of memory");
	SF_TRY(find_latent(v));
	return build(v);
}

int sf_vae_new(sf_ctx *ctx, const sf_vae_how *how, sf_vae **out)
{
	sf_vae *v = sf_alloc(1, sizeof *v);
	int rc;

	*out = NULL;
	if (!v)
		return sf_fail(ctx, SF_ENOMEM, "vae: out of memory");
	v->ctx = ctx;
	rc = make(v, how);
	if (rc < 0)
		sf_vae_free(v);
	else
		*out = v;
	return rc;
}

void sf_vae_free(sf_vae *v)
{
	if (!v)
		return;
	sf_graph_free(v->g);
	if (v->encoder)
		sf_net_free(v->encoder);
	if (v->decoder)
		sf_net_free(v->decoder);
	sf_free(v->text[0]);
	sf_free(v->text[1]);
	sf_free(v);
}

const sf_vae_how *sf_vae_made(const sf_vae *v)
{
	return &v->how;
}

int64_t sf_vae_latent(const sf_vae *v, int *rank, int64_t dim[3])
{
	if (rank)
		*rank = v->rank;
	if (dim)
		memcpy(dim, v->dim, sizeof v->dim);
	return v->latent;
}

int sf_vae_params(const sf_vae *v, int64_t *trainable, int64_t *total)
{
	int i;

	*trainable = 0;
	for (i = 0; i < sf_param_count(v->g); i++)
		if (!sf_param_get(v->g, i)->fixed)
			*trainable += sf_param_get(v->g, i)->shape.size;
	*total = sf_param_total(v->g);
	return SF_OK;
}
