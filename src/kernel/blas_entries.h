/* blas_entries.h: the table entries that go through CBLAS (SCOREFIELD_GEMM=blas), of both types.
 * Included by table_body.h's users through T, SUFFIX and F.
 * SPDX-License-Identifier: BSD-3-Clause */
void F(sf_blas_gemm)(int64_t m, int64_t n, int64_t k, const T *a, int64_t rsa, int64_t csa,
                     const T *b, int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc);
size_t F(sf_blas_conv_packed)(const sf_conv *s);
size_t F(sf_blas_conv_scratch)(const sf_conv *s);
void F(sf_blas_conv_pack)(const sf_conv *s, int adjoint, const T *w, T *packed);
void F(sf_blas_conv_forward)(const sf_conv *s, int64_t n, const T *x, const T *packed, T *y,
                             T *scratch);
void F(sf_blas_conv_data)(const sf_conv *s, int64_t n, const T *dy, const T *packed, T *dx,
                          T *scratch);
int64_t F(sf_blas_conv_rows)(const sf_conv *s, int adjoint);
void F(sf_blas_conv_part)(const sf_conv *s, int adjoint, int64_t from, int64_t to, const T *x, const T *packed, T *y,
                          T *scratch);
void F(sf_blas_conv_weight)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                            T *dw, T *scratch);
/* blas.c: C (32,n) += A (32,k) B, row-major with leading dimensions k, ldb, n */
void F(sf_blas_tile)(int n, int k, const T *a, const T *b, int ldb, T *c);
