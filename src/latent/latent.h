/* latent.h: what the files of the latent layer share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_LATENT_LATENT_H
#define SF_LATENT_LATENT_H

#include <scorefield/latent.h>

#include "core/core.h"

struct sf_vae {
	sf_ctx *ctx;
	sf_vae_how how;         /* its texts are copies */
	char *text[2];
	sf_net *encoder, *decoder;
	int64_t size, pixels, channels; /* of the data; pixels channels = size. Vectors: one channel */
	int rank;               /* of a latent, */
	int64_t dim[3], latent; /* its shape and size */
	sf_graph *g;            /* the pair, built once: layout of the parameters, and what a coder plans */
	sf_var x, e, z, parameters, logp, mean;
	sf_posterior q;
};

/* ---- vae.c ---- */
/* A network of the pair on x, flattened unless it wants images, with `channels` in the last dimension. */
sf_var sf_vae_network(const sf_net *net, sf_graph *g, sf_var x, int64_t channels, int train);

/* ---- decoder.c, logistic.c: x and parameters as (pixels, channels) and (pixels, numbers a pixel) ---- */
int64_t sf_vae_numbers(const sf_vae *v); /* parameters a pixel */
sf_var sf_logistic_logp(const sf_vae *v, sf_graph *g, sf_var parameters, sf_var x);
sf_var sf_logistic_mean(const sf_vae *v, sf_graph *g, sf_var parameters);

/* ---- spectral.c ---- */
typedef struct sf_spectral sf_spectral;
int sf_spectral_new(const sf_vae *v, sf_dtype type, sf_spectral **s);
void sf_spectral_free(sf_spectral *s);
/* grad += weight dR/dparams and *penalty = R, between the backward pass and the update; params and grad: the pair's part of
 * the flat buffers. Allocates nothing; the same bytes for any number of threads. */
int sf_spectral_add(sf_spectral *s, const void *params, double weight, void *grad, double *penalty);

#endif
