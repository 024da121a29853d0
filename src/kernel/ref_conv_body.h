/* ref_conv_body.h: convolution and its two adjoints as a textbook writes them:
 *   y[oy][ox][o] = sum_{ky,kx,i} x[oy s + ky d - pad][ox s + kx d - pad][i] w[ky][kx][i][o],  d the dilation
 * SPDX-License-Identifier: BSD-3-Clause */

static size_t F(conv_packed)(const sf_conv *s)
{
	return (size_t)(s->kh * s->kw * s->ci * s->co);
}

static size_t F(conv_scratch)(const sf_conv *s)
{
	(void)s;
	return 0;
}

static void F(conv_pack)(const sf_conv *s, int adjoint, const T *w, T *packed)
{
	(void)adjoint;
	memcpy(packed, w, F(conv_packed)(s) * sizeof(T));
}

/* Runs `body` for every term: offsets xi, yi, wi of the first channel of x, y and w. The five loops
 * are one over their common index: sample, output row and column, kernel row and column. */
#define EVERY_TERM(body)                                                                           \
	do {                                                                                       \
		const int64_t all_ = n * s->ho * s->wo * s->kh * s->kw;                            \
		int64_t at_;                                                                       \
                                                                                                   \
		for (at_ = 0; at_ < all_; at_++) {                                                 \
			const int64_t taps_ = s->kh * s->kw, tap_ = at_ % taps_, pixel_ = at_ / taps_; \
			const int64_t ox_ = pixel_ % s->wo, oy_ = pixel_ / s->wo % s->ho;          \
			const int64_t b_ = pixel_ / s->wo / s->ho;                                 \
			const int64_t iy_ = oy_ * s->stride + tap_ / s->kw * s->dilation - s->pad; \
			const int64_t ix_ = ox_ * s->stride + tap_ % s->kw * s->dilation - s->pad; \
			const int64_t xi = ((b_ * s->h + iy_) * s->w + ix_) * s->ci;               \
			const int64_t yi = pixel_ * s->co, wi = tap_ * s->ci * s->co;              \
                                                                                                   \
			if (iy_ >= 0 && iy_ < s->h && ix_ >= 0 && ix_ < s->w) {                    \
				body                                                               \
			}                                                                          \
		}                                                                                  \
	} while (0)

static void F(conv_forward)(const sf_conv *s, int64_t n, const T *x, const T *packed, T *y,
                            T *scratch)
{
	int64_t i, o;

	(void)scratch;
	memset(y, 0, (size_t)(n * s->ho * s->wo * s->co) * sizeof(T));
	EVERY_TERM(
		for (i = 0; i < s->ci; i++)
			for (o = 0; o < s->co; o++)
				y[yi + o] += x[xi + i] * packed[wi + i * s->co + o];
	);
}

static void F(conv_data)(const sf_conv *s, int64_t n, const T *dy, const T *packed, T *dx,
                         T *scratch)
{
	int64_t i, o;

	(void)scratch;
	memset(dx, 0, (size_t)(n * s->h * s->w * s->ci) * sizeof(T));
	EVERY_TERM(
		for (i = 0; i < s->ci; i++)
			for (o = 0; o < s->co; o++)
				dx[xi + i] += dy[yi + o] * packed[wi + i * s->co + o];
	);
}

static int64_t F(conv_rows)(const sf_conv *s, int adjoint)
{
	(void)s;
	(void)adjoint;
	return 0;
}

static void F(conv_part)(const sf_conv *s, int adjoint, int64_t from, int64_t to, const T *x, const T *packed, T *y,
                         T *scratch)
{
	(void)from;
	(void)to;
	if (adjoint)
		F(conv_data)(s, 1, x, packed, y, scratch);
	else
		F(conv_forward)(s, 1, x, packed, y, scratch);
}

static void F(conv_weight)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                           T *dw, T *scratch)
{
	int64_t i, o;

	(void)scratch;
	if (!accumulate)
		memset(dw, 0, F(conv_packed)(s) * sizeof(T));
	EVERY_TERM(
		for (i = 0; i < s->ci; i++)
			for (o = 0; o < s->co; o++)
				dw[wi + i * s->co + o] += x[xi + i] * dy[yi + o];
	);
}
#undef EVERY_TERM
