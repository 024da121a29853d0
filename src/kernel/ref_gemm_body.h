/* ref_gemm_body.h: the matrix product as a textbook writes it.
 * SPDX-License-Identifier: BSD-3-Clause */

static void F(gemm)(int64_t m, int64_t n, int64_t k, const T *a, int64_t rsa, int64_t csa,
                    const T *b, int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	int64_t i, j, l;

	for (i = 0; i < m; i++)
		for (j = 0; j < n; j++) {
			T sum = accumulate ? c[i * ldc + j] : 0;

			for (l = 0; l < k; l++)
				sum += a[i * rsa + l * csa] * b[l * ldb + j];
			c[i * ldc + j] = bias ? sum + bias[j] : sum;
		}
}
