/* gemm_thin_body.h: products with at most THIN columns, as layers to one or three channels and their weight
 * gradients have: the lanes of a vector are rows of C, because columns would leave most of them empty. Where the rows
 * of A' are contiguous lanes are loaded as they lie; where the rows of A are, squares of A are turned in registers
 * first. And products of at most SHALLOW terms, as layers from one to three channels have: B stays in registers while
 * rows of C pass. The chain of an element is the one of gemm_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#define THIN 4
#define DEEP 4 /* vectors of rows at a time */

/* nv VW rows of C by n columns, A(i,l) = a[i + l csa] */
INLINE void F(thin)(const int n, const int nv, int64_t k, const T *a, int64_t csa, const T *b,
                    int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	VEC acc[THIN][DEEP];
	T lane[VW] ALIGNED;
	int64_t l;
	int i, j, v;

	UNROLL
	for (j = 0; j < n; j++)
		UNROLL
		for (v = 0; v < nv; v++) {
			for (i = 0; i < VW; i++)
				lane[i] = accumulate ? c[(v * VW + i) * ldc + j] : 0;
			acc[j][v] = LOAD(lane);
		}
	for (l = 0; l < k; l++, a += csa, b += ldb) {
		VEC x[DEEP];

		UNROLL
		for (v = 0; v < nv; v++)
			x[v] = LOAD(a + v * VW);
		UNROLL
		for (j = 0; j < n; j++) {
			const VEC w = SPLAT(b[j]);

			UNROLL
			for (v = 0; v < nv; v++)
				acc[j][v] = FMA(x[v], w, acc[j][v]);
		}
	}
	UNROLL
	for (j = 0; j < n; j++)
		UNROLL
		for (v = 0; v < nv; v++) {
			STORE(lane, acc[j][v]);
			for (i = 0; i < VW; i++)
				c[(v * VW + i) * ldc + j] = bias ? lane[i] + bias[j] : lane[i];
		}
}

#define THIN_CASE(n, nv)                                                                           \
	NOINLINE void F(thin_##n##_##nv)(int64_t k, const T *a, int64_t csa, const T *b,           \
	                                 int64_t ldb, int accumulate, const T *bias, T *c,         \
	                                 int64_t ldc)                                              \
	{                                                                                          \
		F(thin)(n, nv, k, a, csa, b, ldb, accumulate, bias, c, ldc);                       \
	}
THIN_CASE(1, 4)
THIN_CASE(2, 4)
THIN_CASE(3, 4)
THIN_CASE(4, 4)
THIN_CASE(1, 1)
THIN_CASE(2, 1)
THIN_CASE(3, 1)
THIN_CASE(4, 1)
#undef THIN_CASE

/* The rows that fill vectors; returns how many. */
static int64_t F(gemm_thin)(int64_t m, int64_t n, int64_t k, const T *a, int64_t csa, const T *b,
                            int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	typedef void (*fn)(int64_t, const T *, int64_t, const T *, int64_t, int, const T *, T *,
	                   int64_t);
	static const fn deep[THIN] = {F(thin_1_4), F(thin_2_4), F(thin_3_4), F(thin_4_4)};
	static const fn flat[THIN] = {F(thin_1_1), F(thin_2_1), F(thin_3_1), F(thin_4_1)};
	int64_t i = 0;

	for (; i + DEEP * VW <= m; i += DEEP * VW)
		deep[n - 1](k, a + i, csa, b, ldb, accumulate, bias, c + i * ldc, ldc);
	for (; i + VW <= m; i += VW)
		flat[n - 1](k, a + i, csa, b, ldb, accumulate, bias, c + i * ldc, ldc);
	return i;
}

/* VW rows of C by n columns, A(i,l) = a[i rsa + l] */
INLINE void F(thin_rows)(const int n, int64_t k, const T *a, int64_t rsa, const T *b, int64_t ldb,
                         int accumulate, const T *bias, T *c, int64_t ldc)
{
	VEC acc[THIN], r[VW];
	T lane[VW] ALIGNED;
	int64_t l = 0;
	int i, j;

	UNROLL
	for (j = 0; j < n; j++) {
		for (i = 0; i < VW; i++)
			lane[i] = accumulate ? c[i * ldc + j] : 0;
		acc[j] = LOAD(lane);
	}
	for (; l + VW <= k; l += VW, a += VW) {
		F(turn)(a, rsa, r);
		UNROLL
		for (i = 0; i < VW; i++, b += ldb)
			UNROLL
			for (j = 0; j < n; j++)
				acc[j] = FMA(r[i], SPLAT(b[j]), acc[j]);
	}
	for (; l < k; l++, a++, b += ldb) {
		VEC x;

		for (i = 0; i < VW; i++)
			lane[i] = a[i * rsa];
		x = LOAD(lane);
		UNROLL
		for (j = 0; j < n; j++)
			acc[j] = FMA(x, SPLAT(b[j]), acc[j]);
	}
	UNROLL
	for (j = 0; j < n; j++) {
		STORE(lane, acc[j]);
		for (i = 0; i < VW; i++)
			c[i * ldc + j] = bias ? lane[i] + bias[j] : lane[i];
	}
}

#define THIN_ROWS(n)                                                                               \
	NOINLINE void F(thin_rows_##n)(int64_t k, const T *a, int64_t rsa, const T *b,             \
	                               int64_t ldb, int accumulate, const T *bias, T *c,           \
	                               int64_t ldc)                                                \
	{                                                                                          \
		F(thin_rows)(n, k, a, rsa, b, ldb, accumulate, bias, c, ldc);                      \
	}
THIN_ROWS(1)
THIN_ROWS(2)
THIN_ROWS(3)
THIN_ROWS(4)
#undef THIN_ROWS

/* The rows that fill vectors, where a row of A is contiguous; returns how many. */
static int64_t F(gemm_thin_rows)(int64_t m, int64_t n, int64_t k, const T *a, int64_t rsa, const T *b,
                                 int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	typedef void (*fn)(int64_t, const T *, int64_t, const T *, int64_t, int, const T *, T *,
	                   int64_t);
	static const fn rows[THIN] = {F(thin_rows_1), F(thin_rows_2), F(thin_rows_3), F(thin_rows_4)};
	int64_t i = 0;

	for (; i + VW <= m; i += VW)
		rows[n - 1](k, a + i * rsa, rsa, b, ldb, accumulate, bias, c + i * ldc, ldc);
	return i;
}
#undef DEEP

#define SHALLOW 4

/* m rows of C by nv vectors, k <= SHALLOW terms */
INLINE void F(shallow)(const int k, const int nv, int64_t m, const T *a, int64_t rsa, int64_t csa, const T *b,
                       int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	VEC w[SHALLOW][4], end[4];
	int64_t i;
	int l, v;

	UNROLL
	for (v = 0; v < nv; v++) {
		end[v] = bias ? LOAD(bias + v * VW) : (VEC){0};
		UNROLL
		for (l = 0; l < k; l++)
			w[l][v] = LOAD(b + l * ldb + v * VW);
	}
	for (i = 0; i < m; i++, a += rsa, c += ldc) {
		VEC acc[4];

		UNROLL
		for (v = 0; v < nv; v++)
			acc[v] = accumulate ? LOAD(c + v * VW) : (VEC){0};
		UNROLL
		for (l = 0; l < k; l++) {
			const VEC x = SPLAT(a[l * csa]);

			UNROLL
			for (v = 0; v < nv; v++)
				acc[v] = FMA(x, w[l][v], acc[v]);
		}
		UNROLL
		for (v = 0; v < nv; v++)
			STORE(c + v * VW, bias ? acc[v] + end[v] : acc[v]);
	}
}

/* n: whole vectors */
#define SHALLOW_CASE(k)                                                                            \
	NOINLINE void F(shallow_##k)(int64_t m, int64_t n, const T *a, int64_t rsa, int64_t csa,   \
	                             const T *b, int64_t ldb, int add, const T *bias, T *c,        \
	                             int64_t ldc)                                                  \
	{                                                                                          \
		int64_t j = 0;                                                                     \
                                                                                                   \
		for (; j + 4 * VW <= n; j += 4 * VW)                                               \
			F(shallow)(k, 4, m, a, rsa, csa, b + j, ldb, add, bias ? bias + j : NULL,  \
			           c + j, ldc);                                                    \
		for (; j < n; j += VW)                                                             \
			F(shallow)(k, 1, m, a, rsa, csa, b + j, ldb, add, bias ? bias + j : NULL,  \
			           c + j, ldc);                                                    \
	}
SHALLOW_CASE(1)
SHALLOW_CASE(2)
SHALLOW_CASE(3)
SHALLOW_CASE(4)
#undef SHALLOW_CASE

static void F(gemm_shallow)(int64_t m, int64_t n, int64_t k, const T *a, int64_t rsa, int64_t csa, const T *b,
                            int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	typedef void (*fn)(int64_t, int64_t, const T *, int64_t, int64_t, const T *, int64_t, int, const T *, T *,
	                   int64_t);
	static const fn by_terms[SHALLOW] = {F(shallow_1), F(shallow_2), F(shallow_3), F(shallow_4)};

	by_terms[k - 1](m, n, a, rsa, csa, b, ldb, accumulate, bias, c, ldc);
}
