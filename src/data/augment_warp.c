/* augment_warp.c: resamples an image through an affine map G without much aliasing: the band is halved before points are
 * read off and restored afterwards (Karras et al. 2020, 2006.06676, appendix B).
 *
 *     pad        side - 1 pixels on each side by reflection
 *     upsample   y_q = sum_i x_i h_{5+q-2i}, along rows and columns; h: the 12 taps of sym6, sum sqrt 2
 *     sample     2(H+6) x 2(W+6) places, bilinear, 0 outside of the padded image: place k, from the centre in
 *                half pixels, reads y at 2 G((k - W - 4)/2) + W - 1 (of the image before padding)
 *     downsample o_j = sum_t h_t s_{2j+t}: the places that the published code reads and does not crop away
 *
 * As h is orthogonal to its even shifts (to 1e-12, as the authors give it), the identity gives the image back, its border
 * too, since the taps reach 5 pixels beyond it (hence SF_WARP_SIDE), and shifts by whole pixels are exact. Smooth images
 * are moved by tau = (5 - m)/2 = -0.0491 pixels and back, m = sum_t t h_t / sqrt 2: f(p) becomes f(G (p - tau) + tau). A half
 * turn is a permutation up to the filter r_n = sum_t h_t h_{10-2n-t} along both sides.
 *
 * What differs from the published code: that pads by what the most distant corner of the batch needs and 6 pixels, at most
 * side - 1, so that an image depends on its neighbours in the batch where its taps reach further: by 3e-6 in 64 draws as for
 * CIFAR-10, by 5e-5 in an extreme one (tests/golden/augment.py). Here the margin is always the largest. Of the upsampled
 * image, only the part that is read is computed, which changes nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/augment.h"

#include <math.h>
#include <string.h>

enum { TAPS = 12, REACH = 3 /* pixels of the padded image that an upsampled one reaches to either side */ };

const double sf_sym6[TAPS] = {
	0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
	0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
	-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148};

/* A side of the image: its pixels, and the pairs (2A, 2A+1) of upsampled pixels that are read, of the padded image. */
typedef struct side {
	int64_t n, padded, first, pairs;
} side;

static int64_t places(int64_t n)
{
	return 2 * n + TAPS - 2;
}

int64_t sf_warp_room(int64_t h, int64_t w)
{
	const int64_t most = (int64_t)1 << 20;

	if (h > most || w > most)
		return -1;
	/* plane and a row of zeros; upsampled along y, a padded row, upsampled; samples; downsampled along x */
	return (h + 1) * w + 2 * (3 * h - 2) * w + 3 * w - 2 + 2 * REACH + 4 * (3 * h - 2) * (3 * w - 2) +
	       places(h) * places(w) + places(h) * w;
}

/* Pixel I of the padded side; -1: outside of it. */
static int64_t reflect(const side *s, int64_t i)
{
	int64_t at = i - (s->n - 1);

	if (i < 0 || i >= s->padded)
		return -1;
	if (at < 0)
		return -at;
	return at < s->n ? at : 2 * (s->n - 1) - at;
}

/* Where place (i,j) reads, in upsampled pixels of the padded image. */
static double where(const double g[3], const side *to, const side *y, const side *x, int64_t i, int64_t j)
{
	return g[0] * (double)(j - x->n - 4) + g[1] * (double)(i - y->n - 4) + 2 * g[2] + (double)(to->padded - 1);
}

/* Which pairs of a side are read: those between the places' corners, and a pixel more for rounding. */
static void reach(const double g[3], side *to, const side *y, const side *x)
{
	double lo = INFINITY, hi = -INFINITY;
	int64_t last;
	int k;

	for (k = 0; k < 4; k++) {
		double v = where(g, to, y, x, k & 1 ? places(y->n) - 1 : 0, k & 2 ? places(x->n) - 1 : 0);

		lo = fmin(lo, v);
		hi = fmax(hi, v);
	}
	to->first = (int64_t)fmax(0, fmin(floor(lo) - 1, 2. * (double)to->padded)) / 2;
	last = (int64_t)fmax(-1, fmin(floor(hi) + 2, 2. * (double)to->padded - 1));
	to->pairs = last < 0 || to->first > last / 2 ? 0 : last / 2 - to->first + 1;
}

/* even[k] and odd[k] of pair A from the seven padded pixels A-3 .. A+3. */
#define EVEN(p)                                                                                                          \
	(h[11] * p(0) + h[9] * p(1) + h[7] * p(2) + h[5] * p(3) + h[3] * p(4) + h[1] * p(5))
#define ODD(p)                                                                                                           \
	(h[10] * p(1) + h[8] * p(2) + h[6] * p(3) + h[4] * p(4) + h[2] * p(5) + h[0] * p(6))

static void upsample_columns(const double *plane, const double *zeros, const side *y, int64_t w, double *out)
{
	const double *h = sf_sym6, *row[7];
	int64_t a, x, k;

	for (a = 0; a < y->pairs; a++, out += 2 * w) {
		for (k = 0; k < 7; k++) {
			int64_t at = reflect(y, y->first + a + k - REACH);

			row[k] = at < 0 ? zeros : plane + at * w;
		}
		for (x = 0; x < w; x++) {
#define FROM(k) row[k][x]
			out[x] = EVEN(FROM);
			out[x + w] = ODD(FROM);
#undef FROM
		}
	}
}

static void upsample_rows(const double *in, int64_t rows, const side *x, double *padded, double *out)
{
	const double *h = sf_sym6;
	int64_t r, a;

	for (r = 0; r < rows; r++, in += x->n) {
		for (a = 0; a < x->pairs + 2 * REACH; a++) {
			int64_t at = reflect(x, x->first + a - REACH);

			padded[a] = at < 0 ? 0 : in[at];
		}
		for (a = 0; a < x->pairs; a++, out += 2) {
#define FROM(k) padded[a + (k)]
			out[0] = EVEN(FROM);
			out[1] = ODD(FROM);
#undef FROM
		}
	}
}

/* Upsampled pixel (t,l) of the computed part, whose surroundings are outside of the padded image. */
static double pixel(const double *in, int64_t rows, int64_t cols, int64_t t, int64_t l)
{
	return t >= 0 && t < rows && l >= 0 && l < cols ? in[t * cols + l] : 0;
}

static int64_t whole(double v) /* floor, without a call */
{
	int64_t i = (int64_t)v;

	return v < (double)i ? i - 1 : i;
}

/* Bilinear. */
static void sample(const double g[2][3], const side *y, const side *x, const double *in, double *out)
{
	int64_t rows = 2 * y->pairs, cols = 2 * x->pairs, i, j;
	double left = 2. * (double)x->first, top = 2. * (double)y->first;

	for (i = 0; i < places(y->n); i++)
		for (j = 0; j < places(x->n); j++, out++) {
			double px = where(g[0], x, y, x, i, j) - left, py = where(g[1], y, y, x, i, j) - top, u, v;
			int64_t l, t;

			*out = 0;
			if (!(px > -1 && py > -1 && px < (double)cols && py < (double)rows))
				continue;
			l = whole(px);
			t = whole(py);
			u = px - (double)l;
			v = py - (double)t;
			if (l < 0 || t < 0 || l + 1 >= cols || t + 1 >= rows) {
				double near[4];
				int k;

				for (k = 0; k < 4; k++)
					near[k] = pixel(in, rows, cols, t + k / 2, l + k % 2);
				*out = (1 - v) * ((1 - u) * near[0] + u * near[1]) + v * ((1 - u) * near[2] + u * near[3]);
			} else {
				const double *at = in + t * cols + l;

				*out = (1 - v) * ((1 - u) * at[0] + u * at[1]) + v * ((1 - u) * at[cols] + u * at[cols + 1]);
			}
		}
}

static void downsample_rows(const double *in, int64_t rows, int64_t w, double *out)
{
	int64_t r, j;
	int t;

	for (r = 0; r < rows; r++, in += places(w))
		for (j = 0; j < w; j++) {
			double sum = 0;

			for (t = 0; t < TAPS; t++)
				sum += sf_sym6[t] * in[2 * j + t];
			*out++ = sum;
		}
}

static void downsample_columns(const double *in, int64_t h, int64_t w, double *out)
{
	int64_t j, x;
	int t;

	memset(out, 0, (size_t)(h * w) * sizeof *out);
	for (j = 0; j < h; j++, out += w)
		for (t = 0; t < TAPS; t++) {
			const double *row = in + (2 * j + t) * w;

			for (x = 0; x < w; x++)
				out[x] += sf_sym6[t] * row[x];
		}
}

void sf_warp(const double g[2][3], int64_t h, int64_t w, int64_t c, double *x, double *room)
{
	side down = {0, 0, 0, 0}, along = {0, 0, 0, 0};
	double *plane = room, *zeros = plane + h * w, *tall = zeros + w, *row = tall + 2 * (3 * h - 2) * w;
	double *wide = row + 3 * w - 2 + 2 * REACH, *taken = wide + 4 * (3 * h - 2) * (3 * w - 2);
	double *narrow = taken + places(h) * places(w);
	int64_t i, k;

	down.n = h;
	down.padded = 3 * h - 2;
	along.n = w;
	along.padded = 3 * w - 2;
	reach(g[1], &down, &down, &along);
	reach(g[0], &along, &down, &along);
	memset(zeros, 0, (size_t)w * sizeof *zeros);
	for (k = 0; k < c; k++) {
		for (i = 0; i < h * w; i++)
			plane[i] = x[i * c + k];
		upsample_columns(plane, zeros, &down, w, tall);
		upsample_rows(tall, 2 * down.pairs, &along, row, wide);
		sample(g, &down, &along, wide, taken);
		downsample_rows(taken, places(h), w, narrow);
		downsample_columns(narrow, h, w, plane);
		for (i = 0; i < h * w; i++)
			x[i * c + k] = plane[i];
	}
}
