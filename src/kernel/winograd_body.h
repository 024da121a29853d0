/* winograd_body.h: 3x3 convolution, stride 1, padding 1, by the minimal algorithm F(2x2,3x3)
 * (Winograd 1980; Lavin and Gray 2016): a 2x2 output tile costs 16 products a channel pair instead
 * of 36.
 *
 *   Y = A'[(G g G') . (B' d B)]A,   d the 4x4 input tile that starts one pixel up and left
 *   B' = 1  0 -1  0    G = 1   0   0     A' = 1 1  1  0
 *        0  1  1  0        .5  .5  .5         0 1 -1 -1
 *        0 -1  1  0        .5 -.5  .5
 *        0  1  0 -1        0   0   1
 * Weight gradient, the exact adjoint: dU += (B' d B)' (A dY A'), dW = G' dU G.
 *
 * The 16 products are matrix products over blocks of tiles that stay in the second cache level.
 * Tiles of several samples share a block; each output's chain is the same wherever its tile lies.
 * As exact as the direct sum for F(2x2,3x3); larger tiles lose a digit and are not offered.
 * SPDX-License-Identifier: BSD-3-Clause */
#define WINO_BYTES (4096 * 1024)
#define WINO_MAX 112 /* tiles of a block */

typedef struct F(wino) {
	int64_t h, w, ci, co;  /* of the map read and the map written */
	int64_t th, tw;        /* tiles of a sample */
	int64_t block;         /* tiles at a time */
	int64_t lda, ldm;      /* rows of a and m, off powers of two */
	T *a, *m, *zero;       /* (16,block,ci), (16,block,co), a pixel of zeros */
} F(wino);

static int F(wino_takes)(const sf_conv *s)
{
	return s->kh == 3 && s->kw == 3 && s->stride == 1 && s->pad == 1 && s->dilation == 1 &&
	       s->ci % 16 == 0 && s->co % 16 == 0 && s->h * s->w >= 49;
}

static F(wino) F(wino_open)(const sf_conv *s, int swap, T *scratch)
{
	F(wino) g;
	int64_t fit;

	g.h = s->h;
	g.w = s->w;
	g.ci = swap ? s->co : s->ci;
	g.co = swap ? s->ci : s->co;
	g.th = (s->h + 1) / 2;
	g.tw = (s->w + 1) / 2;
	g.lda = g.ci + 16;
	g.ldm = g.co + 16;
	fit = WINO_BYTES / (16 * (int64_t)sizeof(T) * (g.lda + g.ldm)) / MR * MR;
	g.block = fit < 2 * MR ? 2 * MR : fit > WINO_MAX / MR * MR ? WINO_MAX / MR * MR : fit;
	g.a = scratch;
	g.m = g.a ? g.a + 16 * g.block * g.lda : NULL;
	g.zero = g.m ? g.m + 16 * g.block * g.ldm : NULL;
	return g;
}

static size_t F(wino_scratch)(const sf_conv *s)
{
	const F(wino) g = F(wino_open)(s, 0, NULL);
	const int64_t widest = s->ci > s->co ? s->ci : s->co;

	return (size_t)(16 * g.block * (g.lda + g.ldm) + widest + 16 * s->ci * s->co);
}

/* e, then d = a transform of both sides of the matrix d; line(from, step, to, step) does a line. */
#define BOTH_SIDES(line, rows, d, e)                                                               \
	do {                                                                                       \
		int z_;                                                                            \
		UNROLL                                                                             \
		for (z_ = 0; z_ < (rows); z_++)                                                    \
			line(d + z_, (rows), e + z_, (rows));                                      \
		UNROLL                                                                             \
		for (z_ = 0; z_ < 4; z_++)                                                         \
			line(e + (rows)*z_, 1, d + 4 * z_, 1);                                     \
	} while (0)

INLINE void F(line_b)(const VEC *d, int s, VEC *o, int t) /* B' */
{
	const VEC d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s];

	o[0] = d0 - d2;
	o[t] = d1 + d2;
	o[2 * t] = d2 - d1;
	o[3 * t] = d1 - d3;
}

INLINE void F(line_a)(const VEC *d, int s, VEC *o, int t) /* A' */
{
	o[0] = d[0] + d[s] + d[2 * s];
	o[t] = d[s] - d[2 * s] - d[3 * s];
}

INLINE void F(line_at)(const VEC *d, int s, VEC *o, int t) /* A */
{
	const VEC d0 = d[0], d1 = d[s];

	o[0] = d0;
	o[t] = d0 + d1;
	o[2 * t] = d0 - d1;
	o[3 * t] = -d1;
}

/* Addresses of the side x side pixels from (y,x) of one sample; outside it, the pixel of zeros. */
INLINE void F(wino_pixels)(const F(wino) *g, const T *x, int64_t c, int side, int64_t y0,
                           int64_t x0, const T **at)
{
	int i, j;

	for (i = 0; i < side; i++)
		for (j = 0; j < side; j++) {
			const int64_t iy = y0 + i, ix = x0 + j;

			at[i * side + j] = iy < 0 || iy >= g->h || ix < 0 || ix >= g->w
			                           ? g->zero
			                           : x + (iy * g->w + ix) * c;
		}
}

/* a[.][t] = B' d B for tiles first .. first+n of the batch x */
static void F(wino_input)(const F(wino) *g, const T *x, int64_t first, int64_t n)
{
	const int64_t tiles = g->th * g->tw, step = g->block * g->lda;
	int64_t t, c;
	int i;

	for (t = 0; t < n; t++) {
		const int64_t k = (first + t) % tiles;
		const T *at[16];

		F(wino_pixels)(g, x + (first + t) / tiles * g->h * g->w * g->ci, g->ci, 4,
		               k / g->tw * 2 - 1, k % g->tw * 2 - 1, at);
		for (c = 0; c < g->ci; c += VW) {
			VEC d[16], e[16];
			T *to = g->a + t * g->lda + c;

			UNROLL
			for (i = 0; i < 16; i++)
				d[i] = LOAD(at[i] + c);
			BOTH_SIDES(F(line_b), 4, d, e);
			UNROLL
			for (i = 0; i < 16; i++)
				STORE(to + i * step, d[i]);
		}
	}
}

/* m[.][t] = A dY A' for tiles of the batch dy */
static void F(wino_gradient)(const F(wino) *g, const T *dy, int64_t first, int64_t n)
{
	const int64_t tiles = g->th * g->tw, step = g->block * g->ldm;
	int64_t t, c;
	int i;

	for (t = 0; t < n; t++) {
		const int64_t k = (first + t) % tiles;
		const T *at[4];

		F(wino_pixels)(g, dy + (first + t) / tiles * g->h * g->w * g->co, g->co, 2,
		               k / g->tw * 2, k % g->tw * 2, at);
		for (c = 0; c < g->co; c += VW) {
			VEC d[16], e[16];
			T *to = g->m + t * g->ldm + c;

			UNROLL
			for (i = 0; i < 4; i++)
				d[i] = LOAD(at[i] + c);
			BOTH_SIDES(F(line_at), 2, d, e);
			UNROLL
			for (i = 0; i < 16; i++)
				STORE(to + i * step, d[i]);
		}
	}
}

/* y = A' m A for tiles of the batch y; pixels beyond an odd edge are dropped */
static void F(wino_output)(const F(wino) *g, T *y, int64_t first, int64_t n)
{
	const int64_t tiles = g->th * g->tw, step = g->block * g->ldm;
	int64_t t, c;
	int i;

	for (t = 0; t < n; t++) {
		const int64_t k = (first + t) % tiles, oy = k / g->tw * 2, ox = k % g->tw * 2;
		const int down = oy + 1 < g->h, right = ox + 1 < g->w;
		T *to = y + (((first + t) / tiles * g->h + oy) * g->w + ox) * g->co;

		for (c = 0; c < g->co; c += VW, to += VW) {
			VEC d[16], e[8];
			const T *from = g->m + t * g->ldm + c;

			UNROLL
			for (i = 0; i < 16; i++)
				d[i] = LOAD(from + i * step);
			UNROLL
			for (i = 0; i < 4; i++)
				F(line_a)(d + i, 4, e + i, 4);
			UNROLL
			for (i = 0; i < 2; i++)
				F(line_a)(e + 4 * i, 1, d + 2 * i, 1);
			STORE(to, d[0]);
			if (right)
				STORE(to + g->co, d[1]);
			if (down)
				STORE(to + g->w * g->co, d[2]);
			if (down && right)
				STORE(to + (g->w + 1) * g->co, d[3]);
		}
	}
}

/* G g G' of VW filters g (9) -> 16 vectors, `step` apart */
INLINE void F(wino_filter)(const VEC *g, T *to, int64_t step)
{
	VEC h[12], u[4];
	int i, j;

	UNROLL
	for (j = 0; j < 3; j++) {
		const VEC even = g[j] + g[6 + j];

		h[j] = g[j];
		h[3 + j] = (T)0.5 * (even + g[3 + j]);
		h[6 + j] = (T)0.5 * (even - g[3 + j]);
		h[9 + j] = g[6 + j];
	}
	UNROLL
	for (i = 0; i < 4; i++) {
		const VEC *r = h + 3 * i;
		const VEC even = r[0] + r[2];

		u[0] = r[0];
		u[1] = (T)0.5 * (even + r[1]);
		u[2] = (T)0.5 * (even - r[1]);
		u[3] = r[2];
		UNROLL
		for (j = 0; j < 4; j++)
			STORE(to + (4 * i + j) * step, u[j]);
	}
}

/* packed (16, panels, ci, width): panels of NR columns and a narrower last one. The adjoint has the
 * filters rotated by 180 degrees, ci and co swapped. */
static void F(wino_pack)(const sf_conv *s, int adjoint, const T *w, T *packed)
{
	const int64_t ci = adjoint ? s->co : s->ci, co = adjoint ? s->ci : s->co;
	int64_t c, o;
	int q, v;

	for (o = 0; o < co; o += VW) {
		const int64_t j0 = o / NR * NR, width = co - j0 < NR ? co - j0 : NR;

		for (c = 0; c < ci; c++) {
			T turned[9 * VW] ALIGNED;
			VEC g[9];

			for (q = 0; adjoint && q < 9; q++)
				for (v = 0; v < VW; v++)
					turned[q * VW + v] = w[((8 - q) * co + o + v) * ci + c];
			UNROLL
			for (q = 0; q < 9; q++)
				g[q] = LOAD(adjoint ? turned + q * VW : w + (q * ci + c) * co + o);
			F(wino_filter)(g, packed + j0 * ci + c * width + (o - j0), ci * co);
		}
	}
}

/* Forward, or with swapped channels and packed weights made for it, the adjoint in x: tiles first .. last. */
static void F(wino_tiles)(const sf_conv *s, int swap, int64_t first, int64_t last, const T *x, const T *packed,
                          T *y, T *scratch)
{
	const F(wino) g = F(wino_open)(s, swap, scratch);
	int64_t t, rows, j0;
	int i;

	memset(g.zero, 0, (size_t)g.ci * sizeof(T));
	for (t = first; t < last; t += rows) {
		rows = last - t < g.block ? last - t : g.block;
		F(wino_input)(&g, x, t, rows);
		for (i = 0; i < 16; i++)
			for (j0 = 0; j0 < g.co; j0 += NR) {
				const int64_t width = g.co - j0 < NR ? g.co - j0 : NR;

				F(panel)(rows, (int)(width / VW), g.ci, g.a + i * g.block * g.lda,
				         g.lda, 1, packed + (i * g.co + j0) * g.ci, width, 0, NULL,
				         g.m + i * g.block * g.ldm + j0, g.ldm);
			}
		F(wino_output)(&g, y, t, rows);
	}
}

static void F(wino_forward)(const sf_conv *s, int swap, int64_t n, const T *x, const T *packed,
                            T *y, T *scratch)
{
	F(wino_tiles)(s, swap, 0, n * ((s->h + 1) / 2) * ((s->w + 1) / 2), x, packed, y, scratch);
}

/* (+)= G' u G for one pair of channels; u has stride `step` */
INLINE void F(wino_weight)(const T *u, int64_t step, int accumulate, T *dw, int64_t next)
{
	VEC t[12];
	int i, j;

	UNROLL
	for (j = 0; j < 4; j++) {
		const VEC u0 = LOAD(u + j * step), u1 = LOAD(u + (4 + j) * step);
		const VEC u2 = LOAD(u + (8 + j) * step), u3 = LOAD(u + (12 + j) * step);

		t[j] = u0 + (T)0.5 * (u1 + u2);
		t[4 + j] = (T)0.5 * (u1 - u2);
		t[8 + j] = (T)0.5 * (u1 + u2) + u3;
	}
	UNROLL
	for (i = 0; i < 3; i++) {
		const VEC *r = t + 4 * i;
		const VEC o[3] = {r[0] + (T)0.5 * (r[1] + r[2]), (T)0.5 * (r[1] - r[2]),
		                  (T)0.5 * (r[1] + r[2]) + r[3]};

		UNROLL
		for (j = 0; j < 3; j++) {
			T *to = dw + (3 * i + j) * next;

			STORE(to, accumulate ? LOAD(to) + o[j] : o[j]);
		}
	}
}

static void F(wino_weights)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                            T *dw, T *scratch)
{
	const F(wino) g = F(wino_open)(s, 0, scratch);
	const int64_t all = n * g.th * g.tw, pairs = g.ci * g.co;
	T *u = g.zero + (g.ci > g.co ? g.ci : g.co);
	int64_t t, rows;
	int i;

	memset(g.zero, 0, (size_t)(u - g.zero) * sizeof(T));
	if (all == 0)
		memset(u, 0, (size_t)(16 * pairs) * sizeof(T));
	for (t = 0; t < all; t += rows) {
		rows = all - t < g.block ? all - t : g.block;
		F(wino_input)(&g, x, t, rows);
		F(wino_gradient)(&g, dy, t, rows);
		for (i = 0; i < 16; i++)
			F(gemm)(g.ci, g.co, rows, g.a + i * g.block * g.lda, 1, g.lda,
			        g.m + i * g.block * g.ldm, g.ldm, t > 0, NULL, u + i * pairs, g.co);
	}
	for (t = 0; t < pairs; t += VW)
		F(wino_weight)(u + t, pairs, accumulate, dw + t, pairs);
}
