/* reduce_body.h: sums. Element i goes to lane i mod 16; after each block of 1024 the lanes are
 * added as a binary tree and the block's total is added in double precision. So the order is fixed,
 * whatever the width of the registers is, and the error of a long float sum stays near that of 64
 * additions.
 * SPDX-License-Identifier: BSD-3-Clause */
#define LANES 16
#define SUM_BLOCK 1024

/* Lanes 0..7 += 8..15, and so on down to one. */
INLINE double F(lane_total)(T *lane)
{
	int w, l;

	for (w = LANES / 2; w > 0; w /= 2)
		for (l = 0; l < w; l++)
			lane[l] += lane[l + w];
	return (double)lane[0];
}

static T F(sum)(int64_t n, const T *a)
{
	double total = 0;
	int64_t i, end;
	int l;

	for (i = 0; i < n; i = end) {
		T lane[LANES] = {0};

		end = i + SUM_BLOCK < n ? i + SUM_BLOCK : n;
		for (; i + LANES <= end; i += LANES)
			for (l = 0; l < LANES; l++)
				lane[l] += a[i + l];
		for (l = 0; i < end; i++, l++)
			lane[l] += a[i];
		total += F(lane_total)(lane);
	}
	return (T)total;
}

static T F(dot)(int64_t n, const T *a, const T *b)
{
	double total = 0;
	int64_t i, end;
	int l;

	for (i = 0; i < n; i = end) {
		T lane[LANES] = {0};

		end = i + SUM_BLOCK < n ? i + SUM_BLOCK : n;
		for (; i + LANES <= end; i += LANES)
			for (l = 0; l < LANES; l++)
				lane[l] += a[i + l] * b[i + l];
		for (l = 0; i < end; i++, l++)
			lane[l] += a[i] * b[i];
		total += F(lane_total)(lane);
	}
	return (T)total;
}

static double F(squares)(int64_t n, const T *a)
{
	double lane[LANES] = {0};
	int64_t i;
	int l, w;

	for (i = 0; i + LANES <= n; i += LANES)
		for (l = 0; l < LANES; l++)
			lane[l] += (double)a[i + l] * (double)a[i + l];
	for (l = 0; i < n; i++, l++)
		lane[l] += (double)a[i] * (double)a[i];
	for (w = LANES / 2; w > 0; w /= 2)
		for (l = 0; l < w; l++)
			lane[l] += lane[l + w];
	return lane[0];
}

static void F(axpy)(int64_t n, T c, const T *a, T *o)
{
	int64_t i;

	EACH
	for (i = 0; i < n; i++)
		o[i] += c * a[i];
}

static void F(sum_rows)(int64_t rows, int64_t cols, const T *a, int accumulate, T *o)
{
	int64_t i;

	if (!accumulate)
		memset(o, 0, (size_t)cols * sizeof *o);
	for (i = 0; i < rows; i++)
		F(axpy)(cols, 1, a + i * cols, o);
}

#if SF_SIMD
/* r = the transpose of the VW rows at src: log2 VW rounds in which row i and row i + VW/2 are zipped. */
INLINE void F(turn)(const T *src, int64_t lds, VEC *r)
{
	VEC s[VW];
	int step, i;

	UNROLL
	for (i = 0; i < VW; i++)
		r[i] = LOAD(src + i * lds);
	UNROLL
	for (step = 1; step < VW; step *= 2) {
		UNROLL
		for (i = 0; i < VW / 2; i++) {
			s[2 * i] = ZIP_LO(r[i], r[i + VW / 2]);
			s[2 * i + 1] = ZIP_HI(r[i], r[i + VW / 2]);
		}
		UNROLL
		for (i = 0; i < VW; i++)
			r[i] = s[i];
	}
}
#endif

/* Squares in registers, and what is left at the edges. */
static void F(transpose)(int64_t rows, int64_t cols, const T *src, int64_t lds, T *dst, int64_t ldd)
{
	int64_t done = 0, across = 0, i, j;

#if SF_SIMD
	for (; done + VW <= rows; done += VW)
		for (j = 0; j + VW <= cols; j += VW) {
			VEC r[VW];

			F(turn)(src + done * lds + j, lds, r);
			UNROLL
			for (i = 0; i < VW; i++)
				STORE(dst + (j + i) * ldd + done, r[i]);
		}
	across = cols / VW * VW;
#endif
	for (j = across; j < cols; j++)
		for (i = 0; i < done; i++)
			dst[j * ldd + i] = src[i * lds + j];
	for (i = done; i < rows; i++)
		for (j = 0; j < cols; j++)
			dst[j * ldd + i] = src[i * lds + j];
}
