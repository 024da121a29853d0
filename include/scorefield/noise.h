/* noise.h: counter-based noise. A number depends only on
 *
 *     (seed, purpose, step, sample, element)
 *
 * so it is the same for any number of threads, batch split or machine. Words come from
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): key = (seed low, seed high), counter =
 * (element/4, sample low, step, purpose + 2^16 * (sample high mod 2^16)). Uniforms are
 * ((word >> 8) | 1) 2^-24, odd multiples of 2^-24: exact in single precision, strictly inside (0,1),
 * symmetric about 1/2. Normals pair two uniforms by Box-Muller with fixed polynomials in single
 * precision (no libm), so |z| <= sqrt(48 log 2) = 5.77; the double functions return the same
 * single-precision numbers, so that both precisions draw one stream.
 * Known answer: Philox of counter 0, key 0 is 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_NOISE_H
#define SCOREFIELD_NOISE_H

#include <scorefield/context.h>

SF_BEGIN

/* What a stream is for; two purposes never share numbers. Users take SF_NOISE_USER and above
 * (below 65536). */
enum {
	SF_NOISE_INIT,    /* parameter initialisation; step = index of the parameter */
	SF_NOISE_ORDER,   /* data order */
	SF_NOISE_DATA,    /* synthetic data */
	SF_NOISE_DEQUANT, /* dequantisation */
	SF_NOISE_FLIP,    /* which images are mirrored */
	SF_NOISE_TIME,    /* training times */
	SF_NOISE_PERTURB, /* training noise z */
	SF_NOISE_PERTURB2,/* second training noise (two-stage LCSS) */
	SF_NOISE_PROBE,   /* projections v */
	SF_NOISE_DROPOUT, /* dropout; + layer number */
	SF_NOISE_PATH = 2048, /* training: what a path meets before its last noise */
	SF_NOISE_REFERENCE, /* training: which data a reference batch holds */
	SF_NOISE_LABEL,   /* training: which samples lose their label */
	SF_NOISE_AUGMENT, /* training: how images are transformed */
	SF_NOISE_ENCODE,  /* unit normals of an encoder */
	SF_NOISE_PRIOR = 4096, /* samplers: start */
	SF_NOISE_STEP,    /* samplers: noise of a step */
	SF_NOISE_CORRECT, /* samplers: noise of a corrector */
	SF_NOISE_EVALUATE, /* metrics: the noise of what a model is measured on */
	SF_NOISE_MODEL,   /* models of data: the start of k-means (step 0), a rotation (1) */
	SF_NOISE_BROWN,   /* samplers: a Brownian path; step = a node of its tree */
	SF_NOISE_KNOWN,   /* samplers: the known part of a state that is filled in */
	SF_NOISE_TRACE = 6144, /* likelihoods: probes of a trace, */
	SF_NOISE_VELOCITY, /* velocities that data begin with, */
	SF_NOISE_BOUND,   /* and the times and noise of the variational bound */
	SF_NOISE_USER = 8192
};

typedef struct sf_noise {
	uint64_t seed;
	uint32_t purpose; /* below 65536 */
	uint32_t step;
} sf_noise;

/* Four words of Philox4x32-10. */
SF_API void sf_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Fills out[0..n) with elements first .. first+n of sample `sample`. `first` is any number: a
 * call gives the same numbers as the matching part of a longer one. Elements below 2^34,
 * samples below 2^48. */
SF_API void sf_noise_normal(const sf_ctx *ctx, sf_noise key, uint64_t sample, uint64_t first,
                            size_t n, float *out);
SF_API void sf_noise_uniform(const sf_ctx *ctx, sf_noise key, uint64_t sample, uint64_t first,
                             size_t n, float *out);
SF_API void sf_noise_normal_d(const sf_ctx *ctx, sf_noise key, uint64_t sample, uint64_t first,
                              size_t n, double *out);
SF_API void sf_noise_uniform_d(const sf_ctx *ctx, sf_noise key, uint64_t sample, uint64_t first,
                               size_t n, double *out);
/* Raw words: element i is word i%4 of block i/4. */
SF_API void sf_noise_words(const sf_ctx *ctx, sf_noise key, uint64_t sample, uint64_t first,
                           size_t n, uint32_t *out);
/* A number in [0, 2^53) / 2^53 of one element pair (2i, 2i+1), for times in double. */
SF_API double sf_noise_uniform53(sf_noise key, uint64_t sample, uint64_t i);

/* A permutation of 0..n-1 evaluated entry by entry (a Feistel cipher over Philox with cycle
 * walking), for shuffling without memory. i < n. */
SF_API uint64_t sf_noise_permute(sf_noise key, uint64_t n, uint64_t i);

SF_END
#endif
