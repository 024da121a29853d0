/* gemm_body.h: C = (accumulate ? C : 0) + A B (+ bias) in register tiles of MR rows by NR = 2 VW
 * columns.
 *
 * Element (i,j) is the chain c = fma(A(i,l), B(l,j), c) for l = 0, 1, ... and the bias last.
 * Neither the tile's height nor its place nor the blocks of KC steps (between which c rests in
 * memory) changes that chain: a row's result never depends on the other rows, and a column's never
 * on the other columns. Tails use lower tiles and zero columns.
 *
 * B is read where it lies: its panel stays in the second cache level together with the MC x KC block of A, whose
 * rows the registers keep busy longer than a load takes. Rows of B far apart, which would need a page each, and panels
 * that do not fill vectors are copied to the stack when enough rows share them. Rows of A and C that may come from
 * further away are asked for one tile ahead.
 * SPDX-License-Identifier: BSD-3-Clause */
#define NR (2 * VW)
#define KC 256
#define MC 224
#define PACK_ROWS (2 * MR) /* fewer rows read B where it lies, */
#define PACK_APART 1024    /* and all do whose distance in bytes is at most that */

#define FETCH_STEPS (64 / (int)sizeof(T)) /* terms whose part of a row fills a cache line */
#define FETCH(address) __builtin_prefetch((const void *)(address))

/* mr <= MR rows by nv vectors (both constant after inlining). Two row pointers, because an address
 * has one scaled index. Where `next` is not NULL the rows of A from there on come into the cache meanwhile, a line
 * each at a time: more would wait for each other. */
INLINE void F(tile)(const int mr, const int nv, int64_t k, const T *a, int64_t rsa, int64_t csa, const T *next,
                    const T *b, int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	enum { HALF = (MR + 1) / 2 };
	const T *q = a + HALF * rsa;
	uintptr_t ahead = (uintptr_t)next, at;
	VEC acc[MR][2];
	int64_t l, steps;
	T *row = c;
	int i, v;

	UNROLL
	for (i = 0; i < mr; i++)
		UNROLL
		for (v = 0; v < nv; v++)
			acc[i][v] = (VEC){0};
	if (accumulate)
		UNROLL
		for (i = 0; i < mr; i++, row += ldc)
			UNROLL
			for (v = 0; v < nv; v++)
				acc[i][v] = LOAD(row + v * VW);
	for (; k > 0; k -= steps) {
		steps = next && k > FETCH_STEPS ? FETCH_STEPS : k;
		if (next) {
			for (i = 0, at = ahead; i < mr; i++, at += (uintptr_t)rsa * sizeof(T))
				FETCH(at);
			ahead += 64;
		}
		for (l = 0; l < steps; l++, a += csa, q += csa, b += ldb) {
			VEC w[2];

			UNROLL
			for (v = 0; v < nv; v++)
				w[v] = LOAD(b + v * VW);
			UNROLL
			for (i = 0; i < mr; i++) {
				const VEC x = SPLAT(i < HALF ? a[i * rsa] : q[(i - HALF) * rsa]);

				UNROLL
				for (v = 0; v < nv; v++)
					acc[i][v] = FMA(x, w[v], acc[i][v]);
			}
		}
	}
	if (bias)
		UNROLL
		for (i = 0; i < mr; i++)
			UNROLL
			for (v = 0; v < nv; v++)
				acc[i][v] += LOAD(bias + v * VW);
	row = c;
	UNROLL
	for (i = 0; i < mr; i++, row += ldc)
		UNROLL
		for (v = 0; v < nv; v++)
			STORE(row + v * VW, acc[i][v]);
}

/* One function for each height and width, so that the compiler sees constants. */
#define TILE(name, mr)                                                                             \
	NOINLINE void F(tile_##name)(int nv, int64_t k, const T *a, int64_t rsa, int64_t csa,      \
	                             const T *next, const T *b, int64_t ldb, int accumulate,       \
	                             const T *bias, T *c, int64_t ldc)                             \
	{                                                                                          \
		if (nv == 2)                                                                       \
			F(tile)(mr, 2, k, a, rsa, csa, next, b, ldb, accumulate, bias, c, ldc);    \
		else                                                                               \
			F(tile)(mr, 1, k, a, rsa, csa, next, b, ldb, accumulate, bias, c, ldc);    \
	}
#define LOWER(mr) TILE(mr, mr)
TILE(max, MR)
MR_STEPS(LOWER)
#undef LOWER
#undef TILE

/* What a panel asks for before it is needed */
enum { F(FETCH_A) = 1, F(FETCH_C) = 2 };

/* All m rows of a panel of `nv` whole vectors. */
static void F(panel_fetch)(int fetch, int64_t m, int nv, int64_t k, const T *a, int64_t rsa, int64_t csa, const T *b,
                           int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	int64_t i = 0, most = MR, r;

#define STEP(name, mr)                                                                             \
	{                                                                                          \
		for (r = i > 0 ? mr : 0; fetch & F(FETCH_C) && r < 2 * mr && i + r < m; r++) {     \
			FETCH(c + (i + r) * ldc);                                                  \
			if (nv * VBYTES > 64)                                                      \
				FETCH(c + (i + r) * ldc + nv * VW - 1);                            \
		}                                                                                  \
		F(tile_##name)(nv, k, a + i * rsa, rsa, csa,                                       \
		               fetch & F(FETCH_A) && i + mr < m ? a + (i + mr) * rsa : NULL, b,    \
		               ldb, accumulate, bias, c + i * ldc, ldc);                           \
	}
	for (; m - i >= 2 * MR || m - i == MR; i += MR)
		STEP(max, MR)
	if (m - i > MR) /* two tiles of about one height rather than a full one and a low one that waits for its sums */
		most = (m - i + 1) / 2 + 1;
#define LOWER(mr)                                                                                  \
	for (; mr <= most && i + mr <= m; i += mr)                                                 \
		STEP(mr, mr)
	MR_STEPS(LOWER)
#undef LOWER
#undef STEP
}

/* The same with everything at hand. */
static void F(panel)(int64_t m, int nv, int64_t k, const T *a, int64_t rsa, int64_t csa, const T *b,
                     int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	F(panel_fetch)(0, m, nv, k, a, rsa, csa, b, ldb, accumulate, bias, c, ldc);
}

/* A panel of cols < VW nv columns: C goes through a whole tile on the stack. */
static void F(panel_edge)(int64_t m, int cols, int64_t k, const T *a, int64_t rsa, int64_t csa,
                          const T *b, int accumulate, const T *bias, T *c, int64_t ldc)
{
	const int nv = cols > VW ? 2 : 1;
	const size_t bytes = (size_t)cols * sizeof(T);
	T whole[MR * NR] ALIGNED = {0}, ends[NR] ALIGNED = {0};
	int64_t i, r, mr;

	if (bias)
		memcpy(ends, bias, bytes);
	for (i = 0; i < m; i += mr) {
		mr = m - i < MR ? m - i : MR;
		for (r = 0; accumulate && r < mr; r++)
			memcpy(whole + r * NR, c + (i + r) * ldc, bytes);
		F(panel)(mr, nv, k, a + i * rsa, rsa, csa, b, NR, accumulate, bias ? ends : NULL,
		         whole, NR);
		for (r = 0; r < mr; r++)
			memcpy(c + (i + r) * ldc, whole + r * NR, bytes);
	}
}

/* Rows of `cols` of B, filled up with zeros to NR. */
static void F(pack_panel)(int64_t k, int cols, const T *b, int64_t ldb, T *to)
{
	int64_t l;
	int j;

	for (l = 0; cols == NR && l < k; l++, b += ldb, to += NR)
		memcpy(to, b, NR * sizeof(T));
	for (; l < k; l++, b += ldb, to += NR)
		for (j = 0; j < NR; j++)
			to[j] = j < cols ? b[j] : 0;
}

/* The product has no terms. */
static void F(gemm_empty)(int64_t m, int64_t n, int accumulate, const T *bias, T *c, int64_t ldc)
{
	int64_t i, j;

	for (i = 0; i < m; i++)
		for (j = 0; j < n; j++)
			c[i * ldc + j] = (accumulate ? c[i * ldc + j] : 0) + (bias ? bias[j] : 0);
}

#include "kernel/gemm_thin_body.h"

/* A product of any size in blocks. */
static void F(gemm_blocks)(int64_t m, int64_t n, int64_t k, const T *a, int64_t rsa, int64_t csa,
                           const T *b, int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	T packed[KC * NR] ALIGNED;
	int64_t i0, l0, j0;

	for (i0 = 0; i0 < m; i0 += MC)
		for (l0 = 0; l0 < k; l0 += KC) {
			const int64_t mc = m - i0 < MC ? m - i0 : MC;
			const int64_t kc = k - l0 < KC ? k - l0 : KC;
			const int add = accumulate || l0 > 0, last = l0 + kc == k;
			const int fetch = csa == 1 && kc >= FETCH_STEPS ? F(FETCH_A) | F(FETCH_C) : 0;
			const T *ablock = a + i0 * rsa + l0 * csa;

			for (j0 = 0; j0 < n; j0 += NR) {
				const int cols = (int)(n - j0 < NR ? n - j0 : NR);
				const int whole = cols % VW == 0, far = j0 == 0 ? fetch : fetch & ~F(FETCH_A);
				const T *bblock = b + l0 * ldb + j0;
				const T *ends = bias && last ? bias + j0 : NULL;
				T *cblock = c + i0 * ldc + j0;

				if (whole && (mc < PACK_ROWS || ldb * (int64_t)sizeof(T) <= PACK_APART)) {
					F(panel_fetch)(far, mc, cols / VW, kc, ablock, rsa, csa, bblock, ldb, add, ends,
					               cblock, ldc);
					continue;
				}
				F(pack_panel)(kc, cols, bblock, ldb, packed);
				if (whole)
					F(panel_fetch)(far, mc, cols / VW, kc, ablock, rsa, csa, packed, NR, add, ends,
					               cblock, ldc);
				else
					F(panel_edge)(mc, cols, kc, ablock, rsa, csa, packed, add, ends, cblock, ldc);
			}
		}
}

static void F(gemm)(int64_t m, int64_t n, int64_t k, const T *a, int64_t rsa, int64_t csa,
                    const T *b, int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc)
{
	const int64_t rest = n % VW;
	int64_t done = 0;

	if (k == 0) {
		F(gemm_empty)(m, n, accumulate, bias, c, ldc);
		return;
	}
	if (k <= SHALLOW && n >= VW) {
		F(gemm_shallow)(m, n - rest, k, a, rsa, csa, b, ldb, accumulate, bias, c, ldc);
		F(gemm_blocks)(m, rest, k, a, rsa, csa, b + n - rest, ldb, accumulate, bias ? bias + n - rest : NULL,
		               c + n - rest, ldc);
		return;
	}
	if (n > VW && rest > 0 && rest <= VW / 4 && rest <= THIN && csa == 1) { /* a few columns would cost a whole vector */
		F(gemm)(m, rest, k, a, rsa, csa, b + n - rest, ldb, accumulate, bias ? bias + n - rest : NULL,
		        c + n - rest, ldc);
		n -= rest;
	}
	if (n > 0 && n <= THIN && rsa == 1)
		done = F(gemm_thin)(m, n, k, a, csa, b, ldb, accumulate, bias, c, ldc);
	else if (n > 0 && n <= THIN && csa == 1)
		done = F(gemm_thin_rows)(m, n, k, a, rsa, b, ldb, accumulate, bias, c, ldc);
	F(gemm_blocks)(m - done, n, k, a + done * rsa, rsa, csa, b, ldb, accumulate, bias, c + done * ldc, ldc);
}
