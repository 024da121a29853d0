/* conv_body.h: which algorithm a geometry gets. Winograd for 3x3 of stride 1, undilated, with whole vectors of
 * channels in single precision; else im2col.
 * SPDX-License-Identifier: BSD-3-Clause */
#if TBITS == 32
#define WINOGRAD(s) F(wino_takes)(s)
#else
#define WINOGRAD(s) 0
#endif

static size_t F(conv_packed)(const sf_conv *s)
{
	return WINOGRAD(s) ? (size_t)(16 * s->ci * s->co) : F(im2col_packed)(s);
}

static size_t F(conv_scratch)(const sf_conv *s)
{
#if TBITS == 32
	if (WINOGRAD(s))
		return F(wino_scratch)(s);
#endif
	return F(im2col_scratch)(s);
}

static void F(conv_pack)(const sf_conv *s, int adjoint, const T *w, T *packed)
{
#if TBITS == 32
	if (WINOGRAD(s)) {
		F(wino_pack)(s, adjoint, w, packed);
		return;
	}
#endif
	F(im2col_pack)(s, adjoint, w, packed);
}

static void F(conv_forward)(const sf_conv *s, int64_t n, const T *x, const T *packed, T *y,
                            T *scratch)
{
#if TBITS == 32
	if (WINOGRAD(s)) {
		F(wino_forward)(s, 0, n, x, packed, y, scratch);
		return;
	}
#endif
	F(im2col_forward)(s, n, x, packed, y, scratch);
}

static void F(conv_data)(const sf_conv *s, int64_t n, const T *dy, const T *packed, T *dx,
                         T *scratch)
{
#if TBITS == 32
	if (WINOGRAD(s)) {
		F(wino_forward)(s, 1, n, dy, packed, dx, scratch);
		return;
	}
#endif
	F(im2col_data)(s, n, dy, packed, dx, scratch);
}

static int64_t F(conv_rows)(const sf_conv *s, int adjoint)
{
	return WINOGRAD(s) ? 2 : F(im2col_splits)(s, adjoint);
}

static void F(conv_part)(const sf_conv *s, int adjoint, int64_t from, int64_t to, const T *x, const T *packed, T *y,
                         T *scratch)
{
#if TBITS == 32
	if (WINOGRAD(s)) {
		const int64_t tw = (s->w + 1) / 2;

		F(wino_tiles)(s, adjoint, from / 2 * tw, (to + 1) / 2 * tw, x, packed, y, scratch);
		return;
	}
#endif
	F(im2col_part)(s, adjoint, from, to, x, packed, y, scratch);
}

static void F(conv_weight)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                           T *dw, T *scratch)
{
#if TBITS == 32
	if (WINOGRAD(s)) {
		F(wino_weights)(s, n, x, dy, accumulate, dw, scratch);
		return;
	}
#endif
	F(im2col_weight)(s, n, x, dy, accumulate, dw, scratch);
}
#undef WINOGRAD
