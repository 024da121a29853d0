/* im2col_body.h: convolution of any geometry as matrix products over blocks of output rows that
 * stay in the second cache level. The including file sets GEMM, the product, and CONV(name), the
 * names.
 *
 *   forward  y = cols(x) W, W (kh kw ci, co)
 *   data     dx = the columns dy W' put back where they came from, where they overlap added
 * For stride 1 each of these two can do the other's work, with the kernel rotated by 180 degrees,
 * ci and co swapped and padding dilation (k - 1) - pad. The first wants a wide result and the second a thin
 * one: with few result channels, k^2 of them together fill the registers of the product.
 *   weight   dW += cols(x)' dy, block by block, sample by sample
 * A 1x1 kernel of stride 1 needs no columns: one product for all samples.
 * SPDX-License-Identifier: BSD-3-Clause */
#define BLOCK_BYTES 196608
#define FEW 4 /* channels */

/* What cols() reads: an image (h,w,c), and the grid of windows it makes columns of. */
typedef struct CONV(view) {
	int64_t h, w, c, kh, kw, wo;
	int64_t stride, dilation, ph, pw;
} CONV(view);

static int64_t CONV(ld)(int64_t k)
{
	return k % 64 == 0 ? k + 16 : k; /* rows a power of two apart would share cache sets */
}

/* Output rows of a block. */
static int64_t CONV(rows)(int64_t ho, int64_t wo, int64_t k)
{
	const int64_t rows = BLOCK_BYTES / (int64_t)sizeof(T) / (wo * CONV(ld)(k) + 1);

	return rows < 1 ? 1 : rows > ho ? ho : rows;
}

/* Column (y, x) = the window at output (y, x), zero outside the image; rows y0 .. y1. */
static void CONV(cols)(const CONV(view) *g, const T *x, int64_t y0, int64_t y1, T *to)
{
	const int64_t ld = CONV(ld)(g->kh * g->kw * g->c);
	const size_t bytes = (size_t)g->c * sizeof(T);
	int64_t oy, ox, ky, kx;

	for (oy = y0; oy < y1; oy++)
		for (ox = 0; ox < g->wo; ox++, to += ld) {
			T *at = to;

			for (ky = 0; ky < g->kh; ky++) {
				const int64_t iy = oy * g->stride + ky * g->dilation - g->ph;

				for (kx = 0; kx < g->kw; kx++, at += g->c) {
					const int64_t ix = ox * g->stride + kx * g->dilation - g->pw;

					if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w)
						memset(at, 0, bytes);
					else
						memcpy(at, x + (iy * g->w + ix) * g->c, bytes);
				}
			}
		}
}

/* The adjoint of cols(). */
static void CONV(add_cols)(const CONV(view) *g, const T *from, int64_t y0, int64_t y1, T *x)
{
	const int64_t ld = CONV(ld)(g->kh * g->kw * g->c);
	int64_t oy, ox, ky, kx, i;

	for (oy = y0; oy < y1; oy++)
		for (ox = 0; ox < g->wo; ox++, from += ld)
			for (ky = 0; ky < g->kh; ky++)
				for (kx = 0; kx < g->kw; kx++) {
					const int64_t iy = oy * g->stride + ky * g->dilation - g->ph;
					const int64_t ix = ox * g->stride + kx * g->dilation - g->pw;
					const T *at = from + (ky * g->kw + kx) * g->c;
					T *to = x + (iy * g->w + ix) * g->c;

					if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w)
						continue;
					for (i = 0; i < g->c; i++)
						to[i] += at[i];
				}
}

static CONV(view) CONV(view_of_x)(const sf_conv *s)
{
	CONV(view) g;

	g.h = s->h;
	g.w = s->w;
	g.c = s->ci;
	g.kh = s->kh;
	g.kw = s->kw;
	g.wo = s->wo;
	g.stride = s->stride;
	g.dilation = s->dilation;
	g.ph = g.pw = s->pad;
	return g;
}

/* Whether forward and data can be exchanged. */
static int CONV(turns)(const sf_conv *s)
{
	return s->stride == 1 && s->pad <= s->dilation * (s->kh - 1) &&
	       s->pad <= s->dilation * (s->kw - 1) && s->kh * s->kw > 1;
}

/* Whether y (or dx, for the adjoint) is made by adding columns. */
static int CONV(scatters)(const sf_conv *s, int adjoint)
{
	const int thin = (adjoint ? s->ci : s->co) <= FEW;

	return CONV(turns)(s) ? thin : adjoint;
}

static int CONV(pointwise)(const sf_conv *s)
{
	return s->kh == 1 && s->kw == 1 && s->stride == 1 && s->pad == 0;
}

static size_t CONV(packed)(const sf_conv *s)
{
	return (size_t)(s->kh * s->kw * s->ci * s->co);
}

static size_t CONV(scratch)(const sf_conv *s)
{
	const int64_t taps = s->kh * s->kw;
	const int64_t x = CONV(rows)(s->ho, s->wo, taps * s->ci) * s->wo * CONV(ld)(taps * s->ci);
	const int64_t y = CONV(rows)(s->h, s->w, taps * s->co) * s->w * CONV(ld)(taps * s->co);

	return (size_t)(x > y ? x : y);
}

/* Weights as the right factor: (taps ci, co) for sums over columns of x, (co, taps ci) for columns
 * made from dy; of the exchanged problem where that one is solved. */
static void CONV(pack)(const sf_conv *s, int adjoint, const T *w, T *packed)
{
	const int64_t taps = s->kh * s->kw, ci = s->ci, co = s->co;
	const int scatters = CONV(scatters)(s, adjoint), turned = scatters != adjoint;
	int64_t t, i, o;

	for (t = 0; t < taps; t++)
		for (i = 0; i < ci; i++)
			for (o = 0; o < co; o++) {
				const int64_t k = turned ? taps - 1 - t : t;
				const int64_t from = adjoint ? o : i, to = adjoint ? i : o;
				const int64_t nfrom = adjoint ? co : ci, nto = adjoint ? ci : co;

				const int64_t at = scatters ? (from * taps + k) * nto + to
				                            : (k * nfrom + from) * nto + to;

				packed[at] = w[(t * ci + i) * co + o];
			}
}

/* Rows from .. to of out (ho,wo,n) = cols(x) W of one sample */
static void CONV(gather_rows)(const CONV(view) *g, int64_t ho, int64_t from, int64_t to, int64_t n, const T *x,
                              const T *w, T *out, T *scratch)
{
	const int64_t k = g->kh * g->kw * g->c, rows = CONV(rows)(ho, g->wo, k);
	int64_t y0, y1;

	for (y0 = from; y0 < to; y0 = y1) {
		y1 = y0 + rows < to ? y0 + rows : to;
		CONV(cols)(g, x, y0, y1, scratch);
		GEMM((y1 - y0) * g->wo, n, k, scratch, CONV(ld)(k), 1, w, n, 0, NULL,
		     out + y0 * g->wo * n, n);
	}
}

static void CONV(gather)(const CONV(view) *g, int64_t samples, int64_t ho, int64_t n, const T *x,
                         const T *w, T *out, T *scratch)
{
	int64_t s;

	for (s = 0; s < samples; s++, x += g->h * g->w * g->c, out += ho * g->wo * n)
		CONV(gather_rows)(g, ho, 0, ho, n, x, w, out, scratch);
}

/* out (h,w,c of the view) of each sample = the columns that y (ho,wo,n) W makes, added */
static void CONV(scatter)(const CONV(view) *g, int64_t samples, int64_t ho, int64_t n, const T *y,
                          const T *w, T *out, T *scratch)
{
	const int64_t k = g->kh * g->kw * g->c, rows = CONV(rows)(ho, g->wo, k);
	int64_t s, y0, y1;

	memset(out, 0, (size_t)(samples * g->h * g->w * g->c) * sizeof(T));
	for (s = 0; s < samples; s++, out += g->h * g->w * g->c, y += ho * g->wo * n)
		for (y0 = 0; y0 < ho; y0 = y1) {
			y1 = y0 + rows < ho ? y0 + rows : ho;
			GEMM((y1 - y0) * g->wo, k, n, y + y0 * g->wo * n, n, 1, w, k, 0, NULL,
			     scratch, CONV(ld)(k));
			CONV(add_cols)(g, scratch, y0, y1, out);
		}
}

/* The view of the exchanged problem: windows in y make x. */
static CONV(view) CONV(view_of_y)(const sf_conv *s)
{
	CONV(view) g = CONV(view_of_x)(s);

	g.h = s->ho;
	g.w = s->wo;
	g.c = s->co;
	g.wo = s->w;
	g.ph = s->dilation * (s->kh - 1) - s->pad;
	g.pw = s->dilation * (s->kw - 1) - s->pad;
	return g;
}

static void CONV(forward)(const sf_conv *s, int64_t n, const T *x, const T *packed, T *y,
                          T *scratch)
{
	const CONV(view) gx = CONV(view_of_x)(s), gy = CONV(view_of_y)(s);

	if (CONV(pointwise)(s))
		GEMM(n * s->h * s->w, s->co, s->ci, x, s->ci, 1, packed, s->co, 0, NULL, y, s->co);
	else if (CONV(scatters)(s, 0))
		CONV(scatter)(&gy, n, s->h, s->ci, x, packed, y, scratch);
	else
		CONV(gather)(&gx, n, s->ho, s->co, x, packed, y, scratch);
}

static void CONV(data)(const sf_conv *s, int64_t n, const T *dy, const T *packed, T *dx, T *scratch)
{
	const CONV(view) gx = CONV(view_of_x)(s), gy = CONV(view_of_y)(s);

	if (CONV(pointwise)(s))
		GEMM(n * s->h * s->w, s->ci, s->co, dy, s->co, 1, packed, s->ci, 0, NULL, dx,
		     s->ci);
	else if (CONV(scatters)(s, 1))
		CONV(scatter)(&gx, n, s->ho, s->co, dy, packed, dx, scratch);
	else
		CONV(gather)(&gy, n, s->h, s->ci, dy, packed, dx, scratch);
}

static int64_t CONV(splits)(const sf_conv *s, int adjoint)
{
	return CONV(pointwise)(s) || !CONV(scatters)(s, adjoint);
}

static void CONV(part)(const sf_conv *s, int adjoint, int64_t from, int64_t to, const T *x, const T *packed, T *y,
                       T *scratch)
{
	const CONV(view) g = adjoint ? CONV(view_of_y)(s) : CONV(view_of_x)(s);
	const int64_t ci = adjoint ? s->co : s->ci, co = adjoint ? s->ci : s->co;

	if (!CONV(splits)(s, adjoint))
		(adjoint ? CONV(data) : CONV(forward))(s, 1, x, packed, y, scratch);
	else if (CONV(pointwise)(s))
		GEMM((to - from) * s->w, co, ci, x + from * s->w * ci, ci, 1, packed, co, 0, NULL, y + from * s->w * co, co);
	else
		CONV(gather_rows)(&g, adjoint ? s->h : s->ho, from, to, co, x, packed, y, scratch);
}

static void CONV(weight)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                         T *dw, T *scratch)
{
	const CONV(view) g = CONV(view_of_x)(s);
	const int64_t k = s->kh * s->kw * s->ci, ld = CONV(ld)(k);
	const int64_t rows = CONV(rows)(s->ho, s->wo, k);
	int64_t i, y0, y1;

	if (!accumulate)
		memset(dw, 0, CONV(packed)(s) * sizeof(T));
	for (i = 0; i < n; i++, x += s->h * s->w * s->ci, dy += s->ho * s->wo * s->co)
		for (y0 = 0; y0 < s->ho; y0 = y1) {
			const T *a = scratch, *b = dy + y0 * s->wo * s->co;

			y1 = y0 + rows < s->ho ? y0 + rows : s->ho;
			if (CONV(pointwise)(s))
				a = x + y0 * s->w * s->ci;
			else
				CONV(cols)(&g, x, y0, y1, scratch);
			GEMM(k, s->co, (y1 - y0) * s->wo, a, 1, a == scratch ? ld : s->ci, b,
			     s->co, 1, NULL, dw, s->co);
		}
}
#undef BLOCK_BYTES
#undef FEW
