/* winograd_body.h: 3x3 convolution, stride 1, padding 1, by the minimal algorithm F(2x2,3x3)
 * (Winograd 1980; Lavin and Gray 2016): a 2x2 output tile costs 16 products a channel pair instead
 * of 36.
 *
 *   Y = A'[(G g G') . (B' d B)]A,   d the 4x4 input tile that starts one pixel up and left
 *   B' = 1  0 -1  0    G = 1   0   0     A' = 1 1  1  0
 *        0  1  1  0        .5  .5  .5         0 1 -1 -1
 *        0 -1  1  0        .5 -.5  .5
 *        0  1  0 -1        0   0   1
 *
 * The 16 products are matrix products over blocks of tiles: the transformed tiles stay in the second
 * cache level, the result takes shape in panels of channels that never leave it, and the packed
 * weights stream by once a block, in the order in which they are read. Tiles of several samples share
 * a block; each output's chain is the same wherever its tile lies.
 * As exact as the direct sum for F(2x2,3x3); larger tiles lose a digit and are not offered.
 * SPDX-License-Identifier: BSD-3-Clause */
#define WINO_BYTES (768 * 1024) /* of a block's transformed tiles */
#define WINO_MAX 112            /* tiles of a block */
#define WINO_COLS 64            /* channels of a panel of the result, whole register tiles */

typedef struct F(wino) {
	int64_t h, w, ci, co; /* of the map read and the map written */
	int64_t th, tw;       /* tiles of a sample */
	int64_t block;        /* tiles at a time */
	int64_t lda, ldm;     /* rows of a and m, off powers of two, which would share cache sets */
	int64_t astep, mstep; /* from one of the 16 matrices to the next */
	T *a, *m, *zero;      /* (16,block,ci); (16,block,co), forward a panel of it; a pixel of zeros */
} F(wino);

/* A tile's sample, row and column. */
typedef struct F(spot) {
	int64_t s, y, x;
} F(spot);

INLINE F(spot) F(spot_next)(const F(wino) *g, F(spot) p)
{
	if (++p.x == g->tw) {
		p.x = 0;
		if (++p.y == g->th) {
			p.y = 0;
			p.s++;
		}
	}
	return p;
}

static F(spot) F(spot_at)(const F(wino) *g, int64_t tile)
{
	const F(spot) p = {tile / (g->th * g->tw), tile / g->tw % g->th, tile % g->tw};

	return p;
}

/* Odd sizes waste part of their last tiles, which leaves 1.7 of 2.25 times at 7x7 and 1.3 at 3x3. */
static int F(wino_takes)(const sf_conv *s)
{
	return s->kh == 3 && s->kw == 3 && s->stride == 1 && s->pad == 1 && s->dilation == 1 &&
	       s->ci % 16 == 0 && s->co % 16 == 0 && s->h > 2 && s->w > 2;
}

/* Tiles of a block whose a fits */
static int64_t F(wino_fit)(int64_t ci)
{
	const int64_t fit = WINO_BYTES / (16 * (int64_t)sizeof(T) * (ci + 16)) / MR * MR;

	return fit < 2 * MR ? 2 * MR : fit > WINO_MAX / MR * MR ? WINO_MAX / MR * MR : fit;
}

static F(wino) F(wino_open)(const sf_conv *s, int64_t ci, int64_t co, int64_t cols, int64_t block, T *scratch)
{
	F(wino) g;

	g.h = s->h;
	g.w = s->w;
	g.ci = ci;
	g.co = co;
	g.th = (s->h + 1) / 2;
	g.tw = (s->w + 1) / 2;
	g.block = block;
	g.lda = ci + 16;
	g.ldm = cols + 16;
	g.astep = block * g.lda;
	g.mstep = block * g.ldm + 16;
	g.a = scratch;
	g.m = g.a ? g.a + 16 * g.astep : NULL;
	g.zero = g.m ? g.m + 16 * g.mstep : NULL;
	return g;
}

/* Forward, or with swapped channels for the adjoint in x. */
static F(wino) F(wino_open_forward)(const sf_conv *s, int swap, T *scratch)
{
	const int64_t ci = swap ? s->co : s->ci, co = swap ? s->ci : s->co;

	return F(wino_open)(s, ci, co, WINO_COLS, F(wino_fit)(ci), scratch);
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

	for (i = 0; i < side; i++) {
		const int64_t first = ((y0 + i) * g->w + x0) * c;
		const int inside = y0 + i >= 0 && y0 + i < g->h;

		for (j = 0; j < side; j++)
			at[i * side + j] =
				inside && x0 + j >= 0 && x0 + j < g->w ? x + (first + j * c) : g->zero;
	}
}

/* a[.][t] = B' d B for n tiles of the batch x from p on */
static void F(wino_input)(const F(wino) *g, const T *x, F(spot) p, int64_t n)
{
	int64_t t, c;
	int i;

	for (t = 0; t < n; t++, p = F(spot_next)(g, p)) {
		const T *at[16];

		F(wino_pixels)(g, x + p.s * g->h * g->w * g->ci, g->ci, 4, 2 * p.y - 1, 2 * p.x - 1, at);
		for (c = 0; c < g->ci; c += VW) {
			VEC d[16], e[16];
			T *to = g->a + t * g->lda + c;

			UNROLL
			for (i = 0; i < 16; i++)
				d[i] = LOAD(at[i] + c);
			BOTH_SIDES(F(line_b), 4, d, e);
			UNROLL
			for (i = 0; i < 16; i++)
				STORE(to + i * g->astep, d[i]);
		}
	}
}

/* Channels j .. j+cols of y = A' m A for n tiles of the batch y from p on; pixels beyond an odd edge
 * are dropped */
static void F(wino_output)(const F(wino) *g, T *y, F(spot) p, int64_t n, int64_t j, int64_t cols)
{
	int64_t t, c;
	int i;

	for (t = 0; t < n; t++, p = F(spot_next)(g, p)) {
		const int down = 2 * p.y + 1 < g->h, right = 2 * p.x + 1 < g->w;
		T *to = y + ((p.s * g->h + 2 * p.y) * g->w + 2 * p.x) * g->co + j;

		for (c = 0; c < cols; c += VW, to += VW) {
			VEC d[16], e[8];
			const T *from = g->m + t * g->ldm + c;

			UNROLL
			for (i = 0; i < 16; i++)
				d[i] = LOAD(from + i * g->mstep);
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

/* packed (panels, 16, register tiles, ci, width), in the order of use. The adjoint has the
 * filters rotated by 180 degrees, ci and co swapped. */
static void F(wino_pack)(const sf_conv *s, int adjoint, const T *w, T *packed)
{
	const int64_t ci = adjoint ? s->co : s->ci, co = adjoint ? s->ci : s->co;
	int64_t c, o;
	int q, v;

	for (o = 0; o < co; o += VW) {
		const int64_t j = o / WINO_COLS * WINO_COLS, cols = co - j < WINO_COLS ? co - j : WINO_COLS;
		const int64_t k = (o - j) / NR * NR, width = cols - k < NR ? cols - k : NR;
		T *to = packed + (16 * j + k) * ci + (o - j - k);

		for (c = 0; c < ci; c++) {
			T turned[9 * VW] ALIGNED;
			VEC g[9];

			for (q = 0; adjoint && q < 9; q++)
				for (v = 0; v < VW; v++)
					turned[q * VW + v] = w[((8 - q) * co + o + v) * ci + c];
			UNROLL
			for (q = 0; q < 9; q++)
				g[q] = LOAD(adjoint ? turned + q * VW : w + (q * ci + c) * co + o);
			F(wino_filter)(g, to + c * width, ci * cols);
		}
	}
}

/* m = a times the packed weights of cols columns, for the 16 places */
static void F(wino_products)(const F(wino) *g, int64_t rows, int64_t cols, const T *packed)
{
	int64_t j, width;
	int i;

	for (i = 0; i < 16; i++)
		for (j = 0; j < cols; j += width, packed += g->ci * width) {
			width = cols - j < NR ? cols - j : NR;
			F(panel)(rows, (int)(width / VW), g->ci, g->a + i * g->astep, g->lda, 1, packed,
			         width, 0, NULL, g->m + i * g->mstep + j, g->ldm);
		}
}

/* Forward, or with swapped channels and packed weights made for it, the adjoint in x: tiles first .. last. */
static void F(wino_tiles)(const sf_conv *s, int swap, int64_t first, int64_t last, const T *x, const T *packed,
                          T *y, T *scratch)
{
	const F(wino) g = F(wino_open_forward)(s, swap, scratch);
	F(spot) p = F(spot_at)(&g, first);
	int64_t t, rows, j;

	memset(g.zero, 0, (size_t)g.ci * sizeof(T));
	for (t = first; t < last; t += rows) {
		rows = last - t < g.block ? last - t : g.block;
		F(wino_input)(&g, x, p, rows);
		for (j = 0; j < g.co; j += WINO_COLS) {
			const int64_t cols = g.co - j < WINO_COLS ? g.co - j : WINO_COLS;

			F(wino_products)(&g, rows, cols, packed + 16 * j * g.ci);
			F(wino_output)(&g, y, p, rows, j, cols);
		}
		p = F(spot_at)(&g, t + rows);
	}
}

static void F(wino_forward)(const sf_conv *s, int swap, int64_t n, const T *x, const T *packed,
                            T *y, T *scratch)
{
	F(wino_tiles)(s, swap, 0, n * ((s->h + 1) / 2) * ((s->w + 1) / 2), x, packed, y, scratch);
}
