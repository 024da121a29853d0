/* gemm_blas_body.h: the matrix product in CBLAS calls of one fixed shape, and the convolutions over
 * it, for one element type.
 *
 * A BLAS may choose another order of additions for another shape or another place of a row in its
 * tile. So each call has 32 rows, the last ones zero where m ends, and A and C lie in scratch
 * memory whose alignment does not change: a row's result then does not depend on m. B is read where
 * it lies.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/blas_entries.h"

void F(sf_blas_gemm)(int64_t m, int64_t n, int64_t k, const T *a, int64_t rsa, int64_t csa,
                     const T *b, int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	T at[TILE_ROWS * TILE_K] ALIGNED, ct[TILE_ROWS * TILE_N] ALIGNED;
	int64_t i0, j0, l0, i, j, l, rows, cols, terms;

	for (i0 = 0; i0 < m; i0 += TILE_ROWS)
		for (j0 = 0; j0 < n; j0 += TILE_N) {
			rows = m - i0 < TILE_ROWS ? m - i0 : TILE_ROWS;
			cols = n - j0 < TILE_N ? n - j0 : TILE_N;
			memset(ct, 0, sizeof ct);
			for (i = 0; accumulate && i < rows; i++)
				memcpy(ct + i * cols, c + (i0 + i) * ldc + j0,
				       (size_t)cols * sizeof(T));
			for (l0 = 0; l0 < k; l0 += TILE_K) {
				terms = k - l0 < TILE_K ? k - l0 : TILE_K;
				memset(at, 0, sizeof at);
				for (i = 0; i < rows; i++) {
					const T *row = a + (i0 + i) * rsa + l0 * csa;

					for (l = 0; l < terms; l++)
						at[i * terms + l] = row[l * csa];
				}
				F(sf_blas_tile)((int)cols, (int)terms, at, b + l0 * ldb + j0,
				                (int)ldb, ct);
			}
			for (i = 0; i < rows; i++) {
				T *row = c + (i0 + i) * ldc + j0;

				for (j = 0; j < cols; j++)
					row[j] = ct[i * cols + j] + (bias ? bias[j0 + j] : 0);
			}
		}
}

#define GEMM F(sf_blas_gemm)
#define CONV(name) F(blas_##name)
#include "kernel/im2col_body.h"
#undef GEMM
#undef CONV

size_t F(sf_blas_conv_packed)(const sf_conv *s)
{
	return F(blas_packed)(s);
}

size_t F(sf_blas_conv_scratch)(const sf_conv *s)
{
	return F(blas_scratch)(s);
}

void F(sf_blas_conv_pack)(const sf_conv *s, int adjoint, const T *w, T *packed)
{
	F(blas_pack)(s, adjoint, w, packed);
}

void F(sf_blas_conv_forward)(const sf_conv *s, int64_t n, const T *x, const T *packed, T *y,
                             T *scratch)
{
	F(blas_forward)(s, n, x, packed, y, scratch);
}

void F(sf_blas_conv_data)(const sf_conv *s, int64_t n, const T *dy, const T *packed, T *dx,
                          T *scratch)
{
	F(blas_data)(s, n, dy, packed, dx, scratch);
}

int64_t F(sf_blas_conv_rows)(const sf_conv *s, int adjoint)
{
	return F(blas_splits)(s, adjoint);
}

void F(sf_blas_conv_part)(const sf_conv *s, int adjoint, int64_t from, int64_t to, const T *x, const T *packed, T *y,
                          T *scratch)
{
	F(blas_part)(s, adjoint, from, to, x, packed, y, scratch);
}

void F(sf_blas_conv_weight)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                            T *dw, T *scratch)
{
	F(blas_weight)(s, n, x, dy, accumulate, dw, scratch);
}
