/* few_body.h: convolution of stride 1 between few channels (an image's one or three) and many, where columns would cost more
 * than the sums, in loops of its own:
 *
 *   spread  many[p] = sum over taps k and c of few[p + k][c] w[k][c]    lanes are the many channels
 *   pool    few[p] = sum over taps k of many[p + k] . w[k]              lanes too, added up in pairs at the end
 *   weight  dw[k][c] += sum over p of few[p + k][c] many[p]
 * From few to many, forward is spread, data is pool; from many to few the other way round, with the kernel turned
 * by 180 degrees, and so is the weight gradient: its image of few channels is then dy.
 * SPDX-License-Identifier: BSD-3-Clause */
#define FEW 4

static int F(few_takes)(const sf_conv *s)
{
	return ((s->ci <= FEW && s->co % 16 == 0) || (s->co <= FEW && s->ci % 16 == 0)) && s->dilation == 1 &&
	       F(im2col_turns)(s);
}

/* Windows slide over the image that is summed: x, or dy for the adjoint. */
static F(im2col_view) F(few_view)(const sf_conv *s, int adjoint)
{
	return adjoint ? F(im2col_view_of_y)(s) : F(im2col_view_of_x)(s);
}

/* n rows from y on, with zeros around the image; the next row is (w + 2 pw) c on */
static void F(few_rows)(const F(im2col_view) *g, const T *x, int64_t y, int64_t n, T *to)
{
	const int64_t side = g->pw * g->c, row = g->w * g->c;
	int64_t i;

	for (i = y; i < y + n; i++, to += row + 2 * side) {
		memset(to, 0, (size_t)(row + 2 * side) * sizeof(T));
		if (i >= 0 && i < g->h)
			memcpy(to + side, x + i * row, (size_t)row * sizeof(T));
	}
}

/* ---- spread ---- */

/* mr <= MR pixels by nv vectors: kh runs of `run` terms, `next` apart */
INLINE void F(few_tile)(const int mr, const int nv, int64_t kh, int64_t run, const T *a, int64_t next, int64_t c,
                        const T *w, int64_t ld, T *y)
{
	enum { HALF = (MR + 1) / 2 };
	VEC acc[MR][2];
	int64_t l;
	int i, v;

	UNROLL
	for (i = 0; i < mr; i++)
		UNROLL
		for (v = 0; v < nv; v++)
			acc[i][v] = (VEC){0};
	for (; kh > 0; kh--, a += next) {
		const T *p = a, *q = a + HALF * c;

		for (l = 0; l < run; l++, p++, q++, w += ld) {
			VEC b[2];

			UNROLL
			for (v = 0; v < nv; v++)
				b[v] = LOAD(w + v * VW);
			UNROLL
			for (i = 0; i < mr; i++) {
				const VEC x = SPLAT(i < HALF ? p[i * c] : q[(i - HALF) * c]);

				UNROLL
				for (v = 0; v < nv; v++)
					acc[i][v] = FMA(x, b[v], acc[i][v]);
			}
		}
	}
	UNROLL
	for (i = 0; i < mr; i++)
		UNROLL
		for (v = 0; v < nv; v++)
			STORE(y + i * ld + v * VW, acc[i][v]);
}

#define FEW_TILE(name, mr)                                                                         \
	NOINLINE void F(few_tile_##name)(int nv, int64_t kh, int64_t run, const T *a, int64_t next,        \
	                                 int64_t c, const T *w, int64_t ld, T *y)                  \
	{                                                                                          \
		if (nv == 2)                                                                       \
			F(few_tile)(mr, 2, kh, run, a, next, c, w, ld, y);                         \
		else                                                                               \
			F(few_tile)(mr, 1, kh, run, a, next, c, w, ld, y);                         \
	}
#define FEW_STEP(mr) FEW_TILE(mr, mr)
FEW_TILE(max, MR)
MR_STEPS(FEW_STEP)
#undef FEW_STEP
#undef FEW_TILE

/* One row y (wo,many) from rows of the image, w (kh kw c, many) */
static void F(few_spread)(const F(im2col_view) *g, int64_t many, const T *rows, const T *w, T *y)
{
	const int64_t run = g->kw * g->c, next = (g->w + 2 * g->pw) * g->c;
	int64_t i, j;

	for (j = 0; j < many; j += NR) {
		const int nv = many - j < NR ? (int)((many - j) / VW) : 2;

		i = 0;
#define FEW_STEP(name, mr)                                                                         \
	for (; i + mr <= g->wo; i += mr)                                                           \
		F(few_tile_##name)(nv, g->kh, run, rows + i * g->c, next, g->c, w + j, many, y + i * many + j);
#define FEW_LOWER(mr) FEW_STEP(mr, mr)
		FEW_STEP(max, MR)
		MR_STEPS(FEW_LOWER)
#undef FEW_STEP
#undef FEW_LOWER
	}
}

/* ---- pool ---- */

/* The lanes' sum, in pairs */
INLINE T F(few_sum)(VEC a)
{
	T lane[VW] ALIGNED;
	int half, i;

	STORE(lane, a);
	UNROLL
	for (half = VW / 2; half > 0; half /= 2)
		UNROLL
		for (i = 0; i < half; i++)
			lane[i] += lane[i + half];
	return lane[0];
}

/* np neighbouring pixels by nc channels, kh runs of whole vectors; w (nc,kh,kw,many) */
INLINE void F(few_pool)(const int np, const int nc, int64_t kh, int64_t run, const T *x, int64_t next, int64_t many,
                        const T *w, int64_t wnext, int64_t size, T *y)
{
	VEC acc[8][FEW];
	int64_t l;
	int i, o;

	UNROLL
	for (i = 0; i < np; i++)
		UNROLL
		for (o = 0; o < nc; o++)
			acc[i][o] = (VEC){0};
	for (; kh > 0; kh--, x += next, w += wnext)
		for (l = 0; l < run; l += VW) {
			VEC b[FEW];

			UNROLL
			for (o = 0; o < nc; o++)
				b[o] = LOAD(w + o * size + l);
			UNROLL
			for (i = 0; i < np; i++) {
				const VEC a = LOAD(x + i * many + l);

				UNROLL
				for (o = 0; o < nc; o++)
					acc[i][o] = FMA(a, b[o], acc[i][o]);
			}
		}
	UNROLL
	for (i = 0; i < np; i++)
		UNROLL
		for (o = 0; o < nc; o++)
			y[i * nc + o] = F(few_sum)(acc[i][o]);
}

#define FEW_POOL(np, nc)                                                                                   \
	NOINLINE void F(few_pool_##nc)(int one, int64_t kh, int64_t run, const T *x, int64_t next, int64_t many,   \
	                               const T *w, int64_t wnext, int64_t size, T *y)                      \
	{                                                                                                  \
		if (one)                                                                                   \
			F(few_pool)(1, nc, kh, run, x, next, many, w, wnext, size, y);                     \
		else                                                                                       \
			F(few_pool)(np, nc, kh, run, x, next, many, w, wnext, size, y);                    \
	}
FEW_POOL(8, 1)
FEW_POOL(4, 2)
FEW_POOL(4, 3)
FEW_POOL(2, 4)
#undef FEW_POOL

/* Row oy of y (wo,few); taps outside the image are left out */
static void F(few_gather)(const F(im2col_view) *g, int64_t few, int64_t oy, const T *x, const T *w, T *y)
{
	typedef void (*fn)(int, int64_t, int64_t, const T *, int64_t, int64_t, const T *, int64_t, int64_t, T *);
	static const fn pool[FEW] = {F(few_pool_1), F(few_pool_2), F(few_pool_3), F(few_pool_4)};
	static const int pixels[FEW] = {8, 4, 4, 2};
	const int64_t size = g->kh * g->kw * g->c, iy = oy - g->ph;
	const int64_t k0 = iy < 0 ? -iy : 0, k1 = g->h - iy < g->kh ? g->h - iy : g->kh;
	int64_t ox, step;

	for (ox = 0; ox < g->wo; ox += step) {
		const int64_t ix = ox - g->pw, np = pixels[few - 1];
		const int whole = ix >= 0 && ix + np - 1 + g->kw <= g->w;
		const int64_t j0 = ix < 0 ? -ix : 0, j1 = g->w - ix < g->kw ? g->w - ix : g->kw;
		const int64_t first = ((iy + k0) * g->w + ix + j0) * g->c;

		step = whole ? np : 1;
		pool[few - 1](!whole, k1 - k0, (j1 - j0) * g->c, x + first, g->w * g->c, g->c,
		              w + (k0 * g->kw + j0) * g->c, g->kw * g->c, size, y + ox * few);
	}
}

/* ---- the table's entries ---- */

static size_t F(few_scratch)(const sf_conv *s)
{
	const F(im2col_view) x = F(few_view)(s, 0), y = F(few_view)(s, 1);
	const F(im2col_view) *g = s->ci <= FEW ? &x : &y;
	const int64_t rows = (s->h > s->ho ? s->h : s->ho) + g->kh;

	return (size_t)(rows * (g->w + 2 * g->pw) * g->c + s->kh * s->kw * s->ci * s->co);
}

/* For pool, (to, kh, kw, from); for spread, the right factor as im2col has it */
static void F(few_pack)(const sf_conv *s, int adjoint, const T *w, T *packed)
{
	const int64_t taps = s->kh * s->kw, ci = s->ci, co = s->co, many = ci > co ? ci : co, few = ci > co ? co : ci;
	const int pools = (ci <= FEW) == adjoint;
	int64_t t, i, o;

	for (t = 0; t < taps; t++)
		for (i = 0; i < ci; i++)
			for (o = 0; o < co; o++) {
				const int64_t k = adjoint ? taps - 1 - t : t, wide = ci > co ? i : o, thin = ci > co ? o : i;

				packed[pools ? (thin * taps + k) * many + wide : (k * few + thin) * many + wide] =
					w[(t * ci + i) * co + o];
			}
}

/* Rows from .. to of one sample's result */
static void F(few_part)(const sf_conv *s, int adjoint, int64_t from, int64_t to, const T *x, const T *packed, T *y,
                        T *scratch)
{
	const F(im2col_view) g = F(few_view)(s, adjoint);
	const int64_t n = adjoint ? s->ci : s->co;
	int64_t oy;

	for (oy = from; oy < to; oy++)
		if (n <= FEW) {
			F(few_gather)(&g, n, oy, x, packed, y + oy * g.wo * n);
		} else {
			F(few_rows)(&g, x, oy - g.ph, g.kh, scratch);
			F(few_spread)(&g, n, scratch, packed, y + oy * g.wo * n);
		}
}

static void F(few_forward)(const sf_conv *s, int adjoint, int64_t n, const T *x, const T *packed, T *y, T *scratch)
{
	const int64_t in = s->h * s->w * s->ci, out = s->ho * s->wo * s->co;
	int64_t i;

	for (i = 0; i < n; i++, x += adjoint ? out : in, y += adjoint ? in : out)
		F(few_part)(s, adjoint, 0, adjoint ? s->h : s->ho, x, packed, y, scratch);
}

/* ---- weight ---- */

/* A 3x3 kernel of one channel by nv vectors of the many, in registers from the first pixel to the last; m
 * (ho,wo,many) */
INLINE void F(few_nine)(const int nv, int64_t ho, int64_t wo, const T *rows, int64_t next, const T *m, int64_t many,
                        T *o)
{
	VEC acc[9][2];
	int64_t l;
	int i, v;

	UNROLL
	for (i = 0; i < 9; i++)
		UNROLL
		for (v = 0; v < nv; v++)
			acc[i][v] = LOAD(o + i * many + v * VW);
	for (; ho > 0; ho--, rows += next) {
		const T *p = rows, *q = rows + next, *r = q + next;

		for (l = 0; l < wo; l++, p++, q++, r++, m += many) {
			VEC b[2];

			UNROLL
			for (v = 0; v < nv; v++)
				b[v] = LOAD(m + v * VW);
			UNROLL
			for (i = 0; i < 9; i++) {
				const VEC a = SPLAT(i < 3 ? p[i] : i < 6 ? q[i - 3] : r[i - 6]);

				UNROLL
				for (v = 0; v < nv; v++)
					acc[i][v] = FMA(a, b[v], acc[i][v]);
			}
		}
	}
	UNROLL
	for (i = 0; i < 9; i++)
		UNROLL
		for (v = 0; v < nv; v++)
			STORE(o + i * many + v * VW, acc[i][v]);
}

NOINLINE void F(few_nines)(int64_t ho, int64_t wo, const T *rows, int64_t next, const T *m, int64_t many, T *o)
{
	int64_t j = 0;

	for (; j + 2 * VW <= many; j += 2 * VW)
		F(few_nine)(2, ho, wo, rows, next, m + j, many, o + j);
	for (; j < many; j += VW)
		F(few_nine)(1, ho, wo, rows, next, m + j, many, o + j);
}

/* o (kh kw c, many) += sums over the pixels of one sample, m (ho,wo,many); `rows` is the padded image of the few. A
 * chain of pixels in order for each, however it is cut. */
static void F(few_correlate)(const F(im2col_view) *g, int64_t ho, int64_t many, const T *rows, const T *m, T *o)
{
	const int64_t run = g->kw * g->c, next = (g->w + 2 * g->pw) * g->c;
	int64_t j, k;

	if (MR >= 9 && g->kh == 3 && run == 3 && g->c == 1) { /* fewer registers do not hold 9 x 2 sums */
		F(few_nines)(ho, g->wo, rows, next, m, many, o);
		return;
	}
	for (; ho > 0; ho--, rows += next, m += g->wo * many)
		for (j = 0; j < many; j += NR)
			for (k = 0; k < g->kh; k++)
				F(panel)(run, many - j < NR ? (int)((many - j) / VW) : 2, g->wo, rows + k * next, 1, g->c,
				         m + j, many, 1, NULL, o + k * run * many + j, many);
}

static void F(few_weight)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate, T *dw, T *scratch)
{
	const int turned = s->ci > FEW;
	const F(im2col_view) g = F(few_view)(s, turned);
	const int64_t taps = s->kh * s->kw, ci = s->ci, co = s->co, many = turned ? ci : co;
	const T *few = turned ? dy : x, *wide = turned ? x : dy;
	const int64_t ho = turned ? s->h : s->ho, rows = ho + g.kh - 1;
	T *sum = turned ? scratch + rows * (g.w + 2 * g.pw) * g.c : dw;
	int64_t b, t, i, o;

	if (turned || !accumulate)
		memset(sum, 0, (size_t)(taps * ci * co) * sizeof(T));
	for (b = 0; b < n; b++, few += g.h * g.w * g.c, wide += ho * g.wo * many) {
		F(few_rows)(&g, few, -g.ph, rows, scratch);
		F(few_correlate)(&g, ho, many, scratch, wide, sum);
	}
	for (t = 0; turned && t < taps; t++)
		for (i = 0; i < ci; i++)
			for (o = 0; o < co; o++) {
				const T from = sum[((taps - 1 - t) * co + o) * ci + i];
				T *to = dw + (t * ci + i) * co + o;

				*to = accumulate ? *to + from : from;
			}
}
#undef FEW
