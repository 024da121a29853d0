/* vae_rig.h: a pair with weights, and anything built on it run in double or float.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_VAE_RIG_H
#define SF_TEST_VAE_RIG_H

#include <scorefield.h>

#include "support.h"

/* Data of rank 1 (d numbers) or 3; no levels. */
sf_vae_how vae_how(const char *encoder, const char *decoder, int64_t latent, int64_t h, int64_t w, int64_t c);
/* The same for `levels` values 0 .. levels-1, network values -1 .. 1. */
void vae_levels(sf_vae_how *how, int likelihood, int64_t levels);

typedef struct vae_rig {
	sf_ctx *ctx;
	sf_vae *v;
	int64_t size, latent, total, trainable;
	double *params; /* the pair's part */
	sf_graph *g;    /* the pair once more, to be built upon */
	sf_var x, e, z0, out, logp, mean;
	sf_posterior q; /* of x and e; out, logp and mean are of q.z */
} vae_rig;
/* Weights: what an initialisation draws, times `spread` where that is not a gain, plus as much noise. */
void vae_open(vae_rig *r, const sf_vae_how *how, double spread);
void vae_close(vae_rig *r);
/* Where a parameter lies; fails the test where there is none. */
const sf_param_info *vae_param(const vae_rig *r, const char *name);
/* var (n samples) for x and e; type as named, results in double. */
void vae_run(vae_rig *r, sf_dtype type, const sf_var *var, int nvar, int64_t n, const double *x, const double *e, double **out);
/* One number a sample, of one sample. */
double vae_one(vae_rig *r, sf_var var, const double *x, const double *e);
/* Fills with normals. */
void vae_normals(sf_ctx *ctx, unsigned step, int64_t n, double *out);
/* The gradient of a scalar (one sample) against differences, along a random direction in each parameter. */
void graph_differences(sf_ctx *ctx, sf_graph *g, sf_var loss, int nin, const sf_var *in, const double *const *data, double *params,
                       double rtol);

#endif
