/* data.h: data sets: 2-D toys, shipped digits, IDX, CIFAR-10, folders of PNG, NPY. Every source is a list of
 * records of one shape, read by index, so that order, split and augmentation are the caller's
 * counter-based choice and any part can be read by any thread.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_DATA_H
#define SCOREFIELD_DATA_H

#include <scorefield/noise.h>
#include <scorefield/object.h>

SF_BEGIN

typedef struct sf_data sf_data;

typedef struct sf_data_info {
	int64_t n;       /* records; 0 for a generator without end */
	int rank;        /* 1: (d); 3: (h,w,c) */
	int64_t dim[3];
	int64_t size;    /* product */
	int classes;     /* 0 without labels */
	int levels;      /* grey levels 0 .. levels-1 for integer data (256 for 8-bit), else 0 */
	double lo, hi;   /* range of the values as stored (0, 255); for toys a box that holds the bulk */
	int64_t bytes;   /* of memory that the records and labels are held in; 0: none */
} sf_data_info;

typedef struct sf_data_class {
	sf_class head;
	int (*open)(sf_data *d);                /* after options are set: reads, checks, fills d->info */
	/* values as stored, and the label (-1 without; `label` may be NULL); thread-safe */
	void (*read)(const sf_data *d, int64_t index, double *x, int *label);
	/* sources with a density in closed form: that of alpha X + s Z and its score (may be NULL); optional */
	double (*logp)(const sf_data *d, const double *x, double alpha, double s, double *score);
} sf_data_class;

SF_API int sf_data_new(sf_ctx *ctx, const char *spec, sf_data **d);
SF_API void sf_data_free(sf_data *d);
SF_API const sf_data_info *sf_data_describe(const sf_data *d);
SF_API void sf_data_read(const sf_data *d, int64_t index, double *x, int *label);
/* Log density, and the score where `score` is not NULL, of alpha X + s Z at x, for X from a source whose density
 * is known and Z standard normal; alpha > 0, s >= 0. SF_EUNSUP for other sources. */
SF_API int sf_data_logp(const sf_data *d, const double *x, double alpha, double s, double *logp, double *score);

/* How stored values become network values and back: x = (v - shift) / scale. */
typedef enum { SF_SCALE_NONE, SF_SCALE_UNIT /* [0,1] */, SF_SCALE_PM1 /* [-1,1] */,
               SF_SCALE_STANDARD /* mean 0, one standard deviation over all coordinates `std` */ } sf_scaling;
typedef struct sf_view { /* what a training loop reads */
	const sf_data *data;
	double shift, scale;
	double mean, std;  /* of the scaled values (over up to 10,000 records); EDM's sigma_data is std */
	int flip;          /* mirror left-right with probability 1/2, keyed by draw */
	int dequantise;    /* add U(0,1) to grey levels before scaling, range levels */
	double augment;    /* probability of a transform, see sf_augment; 0: none. No function of views transforms anything */
	int augment_kinds;
	uint64_t seed;
} sf_view;
/* Works out shift and scale (integer data with levels L: SF_SCALE_PM1 maps 0..L-1 to -1..1, dequantised
 * v+u in [0,L) to [-1,1)), mean and std. `std` is the target for SF_SCALE_STANDARD. */
SF_API int sf_view_make(const sf_data *d, sf_scaling scaling, double std, int flip, int dequantise,
                        uint64_t seed, sf_view *view);
/* Draw number `draw` (0, 1, ...) of the endless training stream: a fresh permutation of the data each
 * epoch, or the generator's next record. Depends only on (seed, draw). label may be NULL. */
SF_API void sf_view_draw(const sf_view *v, uint64_t draw, double *x, int *label);
/* Row `row` < rows of the data of training step `step` for an objective that compares with a reference batch of
 * `rows` records: rows below `batch` are the step's own draws, those that follow the rest of the reference. All
 * together are exchangeable: `rows` different records, drawn uniformly (steps never straddle two epochs, so that of n
 * records the last n mod batch of an epoch's permutation are left out; needs batch, rows <= n), or fresh records of a
 * generator. Each row has a flip and noise of its own. Depends only on (seed, step, batch, rows, row); steps times rows
 * below 2^46. label may be NULL. */
SF_API void sf_view_reference(const sf_view *v, uint64_t step, int64_t batch, int64_t rows, int64_t row, double *x,
                              int *label);
/* The draw that this row is: what keys its flip, noise and augmentation. Rows of plain steps (rows = batch) are
 * numbered as the draws of sf_view_draw. */
SF_API uint64_t sf_view_number(uint64_t step, int64_t batch, int64_t rows, int64_t row);
/* Record `index` scaled, without flip or dequantisation. */
SF_API void sf_view_read(const sf_view *v, int64_t index, double *x, int *label);
/* Record `index` as a draw from a density: grey levels k are spread over a cell of their own, [k, k+1) where the view is
 * dequantised and [k - 1/2, k + 1/2) where it is not, so that what is fed lies around what was trained on. The noise is
 * keyed by (seed of the view, pass, index); other data are scaled alone. No flip. label may be NULL. */
SF_API void sf_view_spread(const sf_view *v, int64_t index, uint32_t pass, double *x, int *label);

/* ---- augmentation (Karras et al. 2022, appendix F.2; src/data/augment.c) ---- */
/* Labels that tell a network how an image was transformed: x-flip; y-flip; w of the scale 2^(0.2 w); cos a - 1 and
 * sin a of a rotation; w cos r and w sin r of a stretch by 2^(0.2 w) along r; shifts in eighths of width and height.
 * All 0: the image as it is. */
enum { SF_AUGMENT_LABELS = 9 };
enum { SF_AUGMENT_XFLIP = 1, SF_AUGMENT_YFLIP = 2, SF_AUGMENT_SCALE = 4, SF_AUGMENT_ROTATE = 8, SF_AUGMENT_STRETCH = 16,
       SF_AUGMENT_TRANSLATE = 32, SF_AUGMENT_ALL = 63 };
/* "all", or names with colons between them: x-flip, y-flip, scale, rotate, stretch, translate. SF_ENAME. */
SF_API int sf_augment_kinds(sf_ctx *ctx, const char *text, int *kinds);
/* Sets a view's augmentation. Each transform is drawn with that probability, the left-right flip with 1/2 whatever it is;
 * 0 turns all off. SF_EUNSUP for data that are not images of at least 6 x 6, SF_ERANGE, SF_EINVAL. */
SF_API int sf_view_set_augment(sf_ctx *ctx, sf_view *v, const sf_data_info *info, double probability, int kinds);
/* Transforms images of that shape as the view says. Has memory for the threads that the context has then, 0.4 KiB a pixel
 * each. SF_EINVAL for a view without augmentation. */
typedef struct sf_augmenter sf_augmenter;
SF_API int sf_augmenter_new(sf_ctx *ctx, const sf_view *v, const sf_data_info *info, sf_augmenter **a);
SF_API void sf_augmenter_free(sf_augmenter *a);
SF_API int sf_augmenter_workers(const sf_augmenter *a);
SF_API double sf_augmenter_bytes(const sf_augmenter *a); /* of memory; NULL: 0 */
/* Transforms x (h,w,c), network values, as draw number `draw`, and writes its labels (SF_AUGMENT_LABELS; may be NULL).
 * Places that nothing is known of become 0. Depends on seed, draw and x alone. Threads pass different `worker`s, from 0 to
 * sf_augmenter_workers - 1. */
SF_API void sf_augment(sf_augmenter *a, int worker, uint64_t draw, double *x, double *label);

SF_END
#endif
