/* conv_body.h: which algorithm a geometry gets, by its shape alone: Winograd for 3x3 of stride 1, undilated, with whole
 * vectors of channels; loops of their own for few channels on one side; else im2col.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef enum F(conv_way) { F(BY_COLUMNS), F(BY_TILES), F(BY_FEW) } F(conv_way);

static F(conv_way) F(conv_by)(const sf_conv *s)
{
	return F(wino_takes)(s) ? F(BY_TILES) : F(few_takes)(s) ? F(BY_FEW) : F(BY_COLUMNS);
}

static size_t F(conv_packed)(const sf_conv *s)
{
	return F(conv_by)(s) == F(BY_TILES) ? (size_t)(16 * s->ci * s->co) : F(im2col_packed)(s);
}

static size_t F(conv_scratch)(const sf_conv *s)
{
	switch (F(conv_by)(s)) {
	case F(BY_TILES):
		return F(wino_scratch)(s);
	case F(BY_FEW):
		return F(few_scratch)(s);
	case F(BY_COLUMNS):
		break;
	}
	return F(im2col_scratch)(s);
}

static void F(conv_pack)(const sf_conv *s, int adjoint, const T *w, T *packed)
{
	switch (F(conv_by)(s)) {
	case F(BY_TILES):
		F(wino_pack)(s, adjoint, w, packed);
		break;
	case F(BY_FEW):
		F(few_pack)(s, adjoint, w, packed);
		break;
	case F(BY_COLUMNS):
		F(im2col_pack)(s, adjoint, w, packed);
		break;
	}
}

static void F(conv_forward)(const sf_conv *s, int64_t n, const T *x, const T *packed, T *y,
                            T *scratch)
{
	switch (F(conv_by)(s)) {
	case F(BY_TILES):
		F(wino_forward)(s, 0, n, x, packed, y, scratch);
		break;
	case F(BY_FEW):
		F(few_forward)(s, 0, n, x, packed, y, scratch);
		break;
	case F(BY_COLUMNS):
		F(im2col_forward)(s, n, x, packed, y, scratch);
		break;
	}
}

static void F(conv_data)(const sf_conv *s, int64_t n, const T *dy, const T *packed, T *dx,
                         T *scratch)
{
	switch (F(conv_by)(s)) {
	case F(BY_TILES):
		F(wino_forward)(s, 1, n, dy, packed, dx, scratch);
		break;
	case F(BY_FEW):
		F(few_forward)(s, 1, n, dy, packed, dx, scratch);
		break;
	case F(BY_COLUMNS):
		F(im2col_data)(s, n, dy, packed, dx, scratch);
		break;
	}
}

static int64_t F(conv_rows)(const sf_conv *s, int adjoint)
{
	switch (F(conv_by)(s)) {
	case F(BY_TILES):
		return 2;
	case F(BY_FEW):
		return 1;
	case F(BY_COLUMNS):
		break;
	}
	return F(im2col_splits)(s, adjoint);
}

static void F(conv_part)(const sf_conv *s, int adjoint, int64_t from, int64_t to, const T *x, const T *packed, T *y,
                         T *scratch)
{
	const int64_t tw = (s->w + 1) / 2;

	switch (F(conv_by)(s)) {
	case F(BY_TILES):
		F(wino_tiles)(s, adjoint, from / 2 * tw, (to + 1) / 2 * tw, x, packed, y, scratch);
		break;
	case F(BY_FEW):
		F(few_part)(s, adjoint, from, to, x, packed, y, scratch);
		break;
	case F(BY_COLUMNS):
		F(im2col_part)(s, adjoint, from, to, x, packed, y, scratch);
		break;
	}
}

static void F(conv_weight)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                           T *dw, T *scratch)
{
	switch (F(conv_by)(s)) {
	case F(BY_TILES):
		F(wino_weights)(s, n, x, dy, accumulate, dw, scratch);
		break;
	case F(BY_FEW):
		F(few_weight)(s, n, x, dy, accumulate, dw, scratch);
		break;
	case F(BY_COLUMNS):
		F(im2col_weight)(s, n, x, dy, accumulate, dw, scratch);
		break;
	}
}
