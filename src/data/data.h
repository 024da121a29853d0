/* data.h: what data sources share: records held in memory, the noise of the toys, Gaussian
 * mixtures.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_DATA_H
#define SF_DATA_H

#include <scorefield/data.h>

#include "core/core.h"
#include "io/io.h"

struct sf_toy_block;

struct sf_data {
	sf_object base;
	sf_data_info info;
	struct sf_toy_block *block; /* NULL, or in a reader's copy: where toys keep noise of the records that come next */
};

static inline void *sf_data_state(const sf_data *d)
{
	return d->base.state;
}

/* ---- store.c: records in memory; a member's state starts with one, so that one `read` serves all
 * ---- */
typedef struct sf_store {
	sf_array x; /* (n,d), (n,h,w) or (n,h,w,c) */
	int *label; /* (n), or NULL */
} sf_store;
/* Checks x and fills d->info from it. levels: 0 for 256 where x is U8, none else; > 0 asks that all
 * values are whole numbers 0 .. levels-1. `what` names the file. */
int sf_store_describe(sf_data *d, const char *what, int64_t levels);
/* Takes labels from an array of whole numbers, one a record. Call after sf_store_describe. */
int sf_store_label(sf_data *d, const char *what, const sf_array *labels);
/* Images and labels ("" for none) from IDX files. */
int sf_store_idx(sf_data *d, const char *images, const char *labels, int64_t levels);
/* Puts `pad` black pixels around grey images of bytes. */
int sf_store_pad(sf_data *d, const char *what, int64_t pad);
void sf_store_read(const sf_data *d, int64_t index, double *x, int *label);
void sf_store_fini(void *state); /* the `fini` of such members */

/* ---- cifar10.c ---- */
/* One binary batch: records of a label byte and 32 x 32 red, green and blue planes. Writes
 * (32,32,3) pixels and labels of size/3073 records; pixels NULL: only checks. */
int sf_cifar_parse(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size,
                   unsigned char *pixels, int *label);

/* ---- view.c ---- */
/* Left-right mirror image of x (h,w,c). */
void sf_mirror(int64_t h, int64_t w, int64_t c, double *x);
/* What sf_view_draw makes of which record, for sources with an end: its index, and whether it is mirrored. */
void sf_view_which(const sf_view *v, uint64_t draw, int64_t *record, int *mirrored);
/* Draws draw .. draw+n-1 of the view, x (n,size) and labels (n), -1 without: n times sf_view_draw. */
void sf_view_draws(const sf_view *v, uint64_t draw, int64_t n, double *x, double *label);

/* ---- toy.c: generators without end ---- */
int sf_toy_describe(sf_data *d, int dim, int classes, double lo, double hi);
/* Four uniforms in (0,1) and four standard normals that belong to record `index`. */
void sf_toy_noise(const sf_data *d, int64_t seed, int64_t index, double u[4], double z[4]);
enum { SF_TOY_ROWS = 32 };
struct sf_toy_block {
	int64_t first, n; /* records whose noise it holds */
	double u[SF_TOY_ROWS][4], z[SF_TOY_ROWS][4];
};

/* Options that every toy has. */
#define SF_TOY_SEED(T)                                                                             \
	{                                                                                          \
		"seed", "seed of the records", SF_OPT_INT, offsetof(T, seed), "0", 0, 9e15, NULL   \
	}

/* ---- normals.c: mixtures sum_k w_k N(m_k, s_k^2 I) in d dimensions ---- */
typedef struct sf_normals {
	int n, d;
	double w[SF_LIST_MAX], mean[SF_LIST_MAX * SF_LIST_MAX], std[SF_LIST_MAX]; /* (n), (n,d), (n); weights add up to 1 */
} sf_normals;
void sf_normals_read(const sf_data *d, const sf_normals *m, int64_t seed, int64_t index, double *x,
                     int *label);
double sf_normals_logp(const sf_normals *m, const double *x, double alpha, double s, double *score);

#endif
