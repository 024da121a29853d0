/* latent.h: score models of latent variables (LSGM: Vahdat, Kreis, Kautz 2021, 2106.05931; with critically damped Langevin
 * diffusion, Dockhorn et al. 2022, as the prior).
 *
 * A variational autoencoder q(z|x), p(x|z) whose prior p(z) is a score model: an ordinary sf_model whose data are the
 * latents z. The bound per datum is
 *
 *     -log p(x) <= -log p(x|z) - H(q(.|x)) + CE(q, p),    z ~ q(z|x)
 *
 * with the entropy H in closed form and the cross entropy with the score model's prior
 *
 *     k = 1:  CE = int_e^T g^2/(2 sigma^2) E|eps - eps_theta(z_t,t)|^2 dt + D/2 (1 + ln(2 pi sigma^2(e)))
 *     k = 2:  CE <= int_e^T G^2/2 ell^2 E|eps_v - eps_theta(u_t,t)|^2 dt + D (ln(2 pi e) + 1/2 ln det Sigma_e)
 *                   - D/2 ln(2 pi e gamma M)
 *
 * (eq 6 to 8 and the code of LSGM, e = t_train; k = 2: hybrid score matching in position and velocity, the velocity's entropy
 * taken off). Both integrands are the objectives' loss with weight=g2, so that training, importance sampling and tests
 * are those of the objectives.
 *
 * The parameters of a run with latents lie in one flat buffer: those of the score model first, in the layout of
 * sf_model_build, then "encoder.*" and "posterior.*", then "decoder.*". So sf_model_score reads the buffer's start, and
 * what is below reads it from sf_model_params' total on.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_LATENT_H
#define SCOREFIELD_LATENT_H

#include <scorefield/net.h>

SF_BEGIN

/* ---- the autoencoder ---- */
typedef struct sf_vae sf_vae;

enum { SF_VAE_GAUSSIAN, SF_VAE_BERNOULLI, SF_VAE_LOGISTIC };
typedef struct sf_vae_how {
	const char *encoder, *decoder; /* specs of networks */
	int64_t latent;      /* channels (or numbers) of the latent, all groups together */
	int groups;          /* 1 to `latent`, which they divide; group g's mean and deviation know those before it */
	int likelihood;      /* SF_VAE_... */
	double std;          /* of a Gaussian decoder; 0: learned, one for all */
	int mixture;         /* components of the discretised logistic, 1 to 30 */
	/* the data: network values x (rank, dim); v = scale x + shift is stored, of `levels` whole values lo .. hi (0: real numbers).
	 * Bernoulli takes (v - lo)/(hi - lo) as the chance of a one. */
	int rank;
	int64_t dim[3];
	double scale, shift, lo, hi;
	int64_t levels;
} sf_vae_how;
/* Builds the pair once to find the latent's shape and to see that it fits. SF_EMISMATCH where the decoder does not give back the
 * data's shape (says which shapes met), SF_EUNSUP for a logistic decoder of data without levels or with dequantisation noise. */
SF_API int sf_vae_new(sf_ctx *ctx, const sf_vae_how *how, sf_vae **v);
SF_API void sf_vae_free(sf_vae *v);
SF_API const sf_vae_how *sf_vae_made(const sf_vae *v);
/* The shape of a latent, (d) or (h,w,c). Returns its size. */
SF_API int64_t sf_vae_latent(const sf_vae *v, int *rank, int64_t dim[3]);
/* Numbers that are trained, and the size of the pair's part of the flat buffer. */
SF_API int sf_vae_params(const sf_vae *v, int64_t *trainable, int64_t *total);

/* q(z|x) = prod_g N(mean_g, std_g^2) given the groups before; mean and ln std are 5 tanh(./5) of what networks say, as in LSGM. */
enum { SF_VAE_GROUPS = 16 };
typedef struct sf_posterior {
	sf_var z;                    /* mean + std e, shape of a latent */
	sf_var mean, log_std;        /* of all groups, in the latent's order */
	sf_var entropy;              /* per-sample scalar: sum of ln std + 1/2 ln(2 pi e) */
	sf_var kl[SF_VAE_GROUPS];    /* per-sample scalars: KL(q_g || N(0,1)) */
} sf_posterior;
/* Appends the encoder and the posterior for data x and unit normals e (shape of a latent). */
SF_API int sf_vae_build_encoder(const sf_vae *v, sf_graph *g, sf_var x, sf_var e, int train, sf_posterior *out);
/* Appends the decoder: the parameters of p(x|z), */
SF_API sf_var sf_vae_build_decoder(const sf_vae *v, sf_graph *g, sf_var z, int train);
/* what they say of x: ln p(x|z), a per-sample scalar (of densities in network values, of probabilities for data with levels), and */
SF_API sf_var sf_vae_build_logp(const sf_vae *v, sf_graph *g, sf_var parameters, sf_var x);
/* the mean of x in network values. */
SF_API sf_var sf_vae_build_mean(const sf_vae *v, sf_graph *g, sf_var parameters);

/* A pair with weights, for use: `params` (flat, the pair's part) must outlive it. batch: samples at a time; nothing is allocated
 * in a call. Arrays are double, (n, size), latents (n, D). */
typedef struct sf_coder sf_coder;
SF_API int sf_coder_new(const sf_vae *v, sf_dtype type, const void *params, int64_t batch, sf_coder **c);
SF_API void sf_coder_free(sf_coder *c);
/* Any of mean, std, z, entropy (n), kl (n, groups) may be NULL. e: unit normals (n, D); NULL: zeros, so that z = mean. */
SF_API int sf_coder_encode(sf_coder *c, int64_t n, const double *x, const double *e, double *mean, double *std, double *z,
                           double *entropy, double *kl);
/* x: the mean of p(x|z). */
SF_API int sf_coder_decode(sf_coder *c, int64_t n, const double *z, double *x);
/* logp (n): ln p(x|z). */
SF_API int sf_coder_logp(sf_coder *c, int64_t n, const double *z, const double *x, double *logp);
/* Names the pair's weights: a 64-bit hash of its shape and numbers (rounded to float, little-endian), 16 hexadecimal digits. A score
 * model goes with the encoder that it was trained for. */
SF_API void sf_vae_hash(const sf_vae *v, sf_dtype type, const void *params, char hex[17]);

/* ---- cross entropy with a score model's prior ---- */
/* The constant of CE for D numbers, e = t_train. SF_EUNSUP for nonlinear processes and those that stand still. */
SF_API int sf_cross_entropy_constant(const sf_process *p, double e, int64_t d, double *constant);

SF_END
#endif
