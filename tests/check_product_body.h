/* check_product_body.h: tests of gemm and normalisation of one element type; included
 * by check_kernel.c after check_kernel_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */

/* ---- gemm ---- */

static const int64_t F(gemm_sizes)[][3] = {
	{1, 1, 1},    {1, 33, 7},   {2, 2, 2},    {5, 2, 128},  {64, 2, 65},  {31, 1, 40},  {3,
	                                                                                     15, 9},
	{14, 32, 5},  {15, 33, 16}, {28, 64, 64}, {29, 47, 31}, {67, 16, 3},  {13, 8, 300}, {70,
	                                                                                     40,
		523},
	{230, 36, 9}, {6, 100, 2},  {7, 64, 257}, {0, 5, 3},    {4, 0, 3},    {4, 5, 0},    {33,
	                                                                                     7, 20},
	{150, 3, 20}, {135, 4, 9},  {99, 1, 30},
	/* two tiles of about one height; rows of A turned, with and without a rest */
	{27, 32, 11}, {18, 64, 5},  {23, 32, 9},  {40, 3, 37},  {48, 4, 16},  {70, 2, 300}, {20, 1, 8},
	/* few terms; few columns beside whole vectors */
	{21, 147, 4}, {18, 68, 1}, {9, 80, 3}, {35, 49, 40}, {17, 36, 300}, {20, 65, 5},
};
enum { F(GEMM_SIZES) = sizeof F(gemm_sizes) / sizeof *F(gemm_sizes) };

/* Variants: bit 0 accumulate, bit 1 bias, bit 2 transposed A. C lies in rows of n + 3. */
static void F(gemm_case)(const F(sf_kern) *t, const char *what, const int64_t *size, int variant)
{
	const int64_t m = size[0], n = size[1], k = size[2], ldb = n + 1, ldc = n + 3;
	const int64_t rsa = variant & 4 ? 1 : k + 2, csa = variant & 4 ? m + 1 : 1;
	const int64_t na = variant & 4 ? k * (m + 1) : m * (k + 2);
	T *a = F(random)(na, 1), *b = F(random)(k * ldb, 2), *bias = F(random)(n, 3);
	T *c = F(random)(m * ldc, 4), *old = F(random)(m * ldc, 4);
	int64_t i, j, l;

	t->gemm(m, n, k, a, rsa, csa, b, ldb, variant & 1, variant & 2 ? bias : NULL, c, ldc);
	for (i = 0; i < m; i++)
		for (j = 0; j < ldc; j++) {
			LONG sum = variant & 1 ? (LONG)old[i * ldc + j] : 0,
				size_sum = fabsl((long double)sum);

			if (j >= n) {
				expect(c[i * ldc + j] == old[i * ldc + j], "%s: gap written", what);
				continue;
			}
			for (l = 0; l < k; l++) {
				const LONG term = (LONG)a[i * rsa + l * csa] * (LONG)b[l * ldb + j];

				sum += term;
				size_sum += (LONG)fabsl((long double)term);
			}
			if (variant & 2)
				sum += (LONG)bias[j];
			size_sum += 1;
			/* |error| <= gamma_{k+2} (|A||B| + |C| + |bias|), Higham 2002, eq 3.13 */
			{
				const LONG bound = (LONG)(1.1 * (double)(k + 2) * EPS) * size_sum;
				const LONG got = (LONG)c[i * ldc + j];

				expect(got - sum <= bound && sum - got <= bound,
				       "%s: %dx%dx%d variant %d at %d,%d: %.17g, expected %.17g", what,
				       (int)m, (int)n, (int)k, variant, (int)i, (int)j, (double)got,
				       (double)sum);
			}
		}
	F(drop)(a, na);
	F(drop)(b, k * ldb);
	F(drop)(bias, n);
	F(drop)(c, m * ldc);
	F(drop)(old, m * ldc);
}

KERNEL_TEST(gemm_bound)
{
	const F(sf_kern) *t;
	int isa, s, v;

	for (isa = 0; isa < SF_ISA_COUNT; isa++)
		for (s = 0; (t = TABLE(isa)) && s < (int)F(GEMM_SIZES); s++)
			for (v = 0; v < 8; v++)
				F(gemm_case)(t, sf_isa_name(isa), F(gemm_sizes)[s], v);
}
END_TEST

/* Rows one by one give the bytes of rows together, and columns too, for A by rows and by
 * columns. */
static void F(gemm_rows)(const F(sf_kern) *t, const int64_t *size, int transposed, int columns)
{
	const int64_t m = size[0], n = size[1], k = size[2], rsa = transposed ? 1 : k,
		csa = transposed ? m : 1;
	T *a = F(random)(m * k, 1), *b = F(random)(k * n, 2), *bias = F(random)(n, 3);
	T *c = F(fresh)(m * n), *d = F(fresh)(m * n), *e = F(fresh)(m * n);
	int64_t i, j;

	t->gemm(m, n, k, a, rsa, csa, b, n, 0, bias, c, n);
	for (i = 0; i < m; i++)
		t->gemm(1, n, k, a + i * rsa, rsa, csa, b, n, 0, bias, d + i * n, n);
	expect(memcmp(c, d, (size_t)(m * n) * sizeof *c) == 0, "rows of %dx%dx%d", (int)m, (int)n,
	              (int)k);
	for (j = 0; columns && j < n; j++)
		t->gemm(m, 1, k, a, rsa, csa, b + j, n, 0, bias + j, e + j, n);
	if (columns)
		expect(memcmp(c, e, (size_t)(m * n) * sizeof *c) == 0, "columns of %dx%dx%d",
		       (int)m,
		              (int)n, (int)k);
	F(drop)(a, m * k);
	F(drop)(b, k * n);
	F(drop)(bias, n);
	F(drop)(c, m * n);
	F(drop)(d, m * n);
	F(drop)(e, m * n);
}

KERNEL_TEST(gemm_batch)
{
	const F(sf_kern) *t;
	int isa, s, v;

	for (isa = 0; isa < SF_ISA_COUNT; isa++)
		for (s = 0; (t = TABLE(isa)) && s < (int)F(GEMM_SIZES); s++)
			for (v = 0; v < 2; v++)
				F(gemm_rows)(t, F(gemm_sizes)[s], v, 1);
}
END_TEST

KERNEL_TEST(gemm_through_blas)
{
	const int64_t wide[3] = {40, 300, 600};
	sf_ctx *ctx = ck_ctx();
	const F(sf_kern) *own, *t;
	int s, v;

	unsetenv("SCOREFIELD_GEMM");
	own = TABLE_OF(ctx);
	ck_assert_int_eq(setenv("SCOREFIELD_GEMM", "blas", 1), 0);
	t = TABLE_OF(ctx);
	must(t->gemm != own->gemm && t->sum == own->sum);
	sf_blas_set_threads(1);
	F(gemm_case)(t, "blas", wide, 3);
	for (s = 0; s < (int)F(GEMM_SIZES); s++) {
		for (v = 0; v < 8; v++)
			F(gemm_case)(t, "blas", F(gemm_sizes)[s], v);
		F(gemm_rows)(t, F(gemm_sizes)[s], 0, 0);
	}
	unsetenv("SCOREFIELD_GEMM");
	sf_ctx_free(ctx);
}
END_TEST

/* ---- normalisation ---- */

/* p, c, groups */
static const int F(norm_sizes)[][3] = {{1, 4, 1},  {5, 6, 3},   {49, 64, 16}, {67, 32, 32}, {9,
                                                                                             130,
	2},
                                       {3, 67, 1}, {130, 8, 2}, {20, 96, 32}, {4, 200, 50}, {30,
                                                                                             1, 1}};
enum { F(NORM_SIZES) = sizeof F(norm_sizes) / sizeof *F(norm_sizes) };

/* A mean of 30 spreads makes E[x^2] - mean^2 visibly wrong. Instruction sets differ by roundings: of a mean near 30, of
 * fused multiply-adds and of another exponential. */
KERNEL_TEST(norm_same)
{
	const F(sf_kern) *ref = TABLE(SF_ISA_REF), *base = TABLE(SF_ISA_BASE), *t;
	int isa, k, k1, act, i;

	for (isa = SF_ISA_BASE; isa < SF_ISA_COUNT; isa++)
		for (k = 0; (t = TABLE(isa)) && k < 2 * (int)F(NORM_SIZES); k++) {
			const int *z = F(norm_sizes)[k / 2], p = z[0], c = z[1], g = z[2],
				n = p * c;
			T *x = F(random)(n, 1), *dy = F(random)(n, 2), *ga = F(random)(c, 3),
				*be = F(random)(c, 4);
			T *o[3][5];

			act = k % 2;
			for (i = 0; i < n; i++)
				x[i] += 30;
			for (i = 0; i < 3; i++) {
				const F(sf_kern) *u = i == 0 ? t : i == 1 ? base : ref;

				o[i][0] = F(fresh)(n);
				o[i][1] = F(fresh)(2 * g);
				o[i][2] = F(fresh)(n);
				o[i][3] = F(random)(c, 5);
				o[i][4] = F(random)(c, 6);
				u->norm_forward(p, c, g, 1e-5, act, x, ga, be, o[i][0], o[i][1]);
				u->norm_backward(p, c, g, 1e-5, act, x, ga, be, dy, o[i][2],
				                 o[i][3], o[i][4]);
			}
			/* beside the baseline set: the rounding of a mean near 30 is 32 eps, of x - mean another 0; beside the
			 * reference: the sum of 64 values near 30 wanders by about 8 roundings of 30, the error of x - mean is 250 eps
			 */
			for (i = 0; i < g; i++) {
				long double sum = 0;

				for (k1 = 0; k1 < n; k1++)
					sum += k1 % c / (c / g) == i ? (long double)x[k1] : 0;
				near((double)o[0][1][2 * i], (double)(sum * g / n), 0, 40 * EPS);
			}
			for (k1 = 1; k1 < 3; k1++) {
				const double mean = (k1 == 1 ? 40 : 250) * EPS;

				for (i = 0; i < n; i++) {
					const double rstd = (double)o[2][1][2 * (i % c / (c / g)) + 1];

					near((double)o[0][0][i], (double)o[k1][0][i], 0, mean * (1 + rstd));
					near((double)o[0][2][i], (double)o[k1][2][i], 0,
					     4 * mean * (1 + rstd) * (1 + rstd));
				}
				for (i = 0; i < g; i++) {
					const double rstd = (double)o[2][1][2 * i + 1];

					near((double)o[0][1][2 * i + 1], (double)o[k1][1][2 * i + 1], mean, 2 * mean * rstd);
				}
				for (i = 0; i < c; i++) {
					const double rstd = (double)o[2][1][2 * (i / (c / g)) + 1];

					near((double)o[0][3][i], (double)o[k1][3][i], 0, 2 * mean * p * (1 + rstd));
					near((double)o[0][4][i], (double)o[k1][4][i], 0, 2 * mean * p * (1 + rstd));
				}
			}
			/* only dx, in place of dy; only the affine gradients */
			t->norm_backward(p, c, g, 1e-5, act, x, ga, be, dy, NULL, o[2][3], NULL);
			t->norm_backward(p, c, g, 1e-5, act, x, ga, be, dy, dy, NULL, NULL);
			F(same)("norm dx alone", isa, dy, o[0][2], n);
			for (i = 0; i < 15; i++)
				F(drop)(o[i / 5][i % 5], i % 5 == 1 ? 2 * g : i % 5 > 2 ? c : n);
			F(drop)(x, n);
			F(drop)(dy, n);
			F(drop)(ga, c);
			F(drop)(be, c);
		}
}
END_TEST

/* One position and scales of 0: y = silu(beta) and dbeta = dy silu'(beta), for any beta. */
KERNEL_TEST(norm_silu)
{
	enum { C = 4099, SOME = 6 };
	static const double some[SOME][3] = {{1e30, 1e30, 1},         {-1e30, 0, 0}, {(double)INFINITY, (double)INFINITY, NAN},
	                                     {(double)NAN, NAN, NAN}, {0, 0, .5},    {-95, 0, 0}};
	T *x = F(random)(C, 1), *dy = F(fresh)(C), *zero = F(fresh)(C), *beta = F(random)(C, 2), *y = F(fresh)(C);
	T *dbeta = F(fresh)(C);
	int isa, i;

	for (i = 0; i < C; i++) {
		zero[i] = 0;
		dy[i] = 1;
		beta[i] = (T)(i % 2 ? 80 : 4) * beta[i];
	}
	for (i = 0; i < SOME; i++)
		beta[7 * i] = (T)some[i][0];
	for (isa = 0; isa < SF_ISA_COUNT; isa++) {
		const F(sf_kern) *t = TABLE(isa);

		for (i = 0; i < C; i++)
			dbeta[i] = 0;
		if (!t)
			continue;
		t->norm_forward(1, C, 1, 1, 1, x, zero, beta, y, NULL);
		t->norm_backward(1, C, 1, 1, 1, x, zero, beta, dy, NULL, NULL, dbeta);
		for (i = 0; i < C; i++) {
			const double z = (double)beta[i], exact = (double)silu_l((long double)z);
			const double s = (double)sigmoid_l((long double)z);

			if (i % 7 == 0 && i / 7 < SOME) {
				const double *e = some[i / 7];

				expect(isnan(e[1]) ? y[i] != y[i] : y[i] == (T)e[1] || fabs((double)y[i] - e[1]) < 1e-36,
				       "silu(%g) = %g", z, (double)y[i]);
				expect(isnan(e[2]) ? dbeta[i] != dbeta[i] : fabs((double)dbeta[i] - e[2]) < 1e-36,
				       "silu'(%g) = %g", z, (double)dbeta[i]);
				continue;
			}
			near((double)y[i], exact, 8 * EPS, 0);
			near((double)dbeta[i], s * (1 + z * (1 - s)), 0, (4 + 2 * fabs(z)) * EPS);
		}
	}
	F(drop)(x, C);
	F(drop)(dy, C);
	F(drop)(zero, C);
	F(drop)(beta, C);
	F(drop)(y, C);
	F(drop)(dbeta, C);
}
END_TEST

/* Statistics where the first values, or the first run of them, are far from the others; where the mean is 1000 spreads. */
KERNEL_TEST(norm_outlier)
{
	enum { P = 200, C = 19 };
	T *x = F(fresh)(P * C), *y = F(fresh)(P * C), one[C], zero[C] = {0}, stat[2];
	int isa, kind, i;

	for (i = 0; i < C; i++)
		one[i] = 1;
	for (kind = 0; kind < 3; kind++) {
		long double mean = 0, var = 0;

		for (i = 0; i < P * C; i++) {
			x[i] = (T)(noise_at(3, i) + (kind == 2 ? 1000 : 0));
			if (i < (kind == 0 ? C : kind == 1 ? 64 * C : 0))
				x[i] += 4096;
			mean += (long double)x[i] / (P * C);
		}
		for (i = 0; i < P * C; i++)
			var += ((long double)x[i] - mean) * ((long double)x[i] - mean) / (P * C);
		for (isa = 0; isa < SF_ISA_COUNT; isa++)
			if (TABLE(isa)) {
				TABLE(isa)->norm_forward(P, C, 1, 0, 0, x, one, zero, y, stat);
				near((double)stat[0], (double)mean, 40 * EPS, 0);
				near((double)stat[1], (double)(1 / sqrtl(var)), 40 * EPS, 0);
			}
	}
	F(drop)(x, P * C);
	F(drop)(y, P * C);
}
END_TEST

/* x = 1, 3 in one group: mean 2, variance 1, so y = -+gamma + beta. */
KERNEL_TEST(norm_known)
{
	const T x[2] = {1, 3}, gamma[1] = {2}, beta[1] = {5};
	T y[2], stat[2];
	int isa;

	for (isa = 0; isa < SF_ISA_COUNT; isa++) {
		if (!TABLE(isa))
			continue;
		TABLE(isa)->norm_forward(2, 1, 1, 0, 0, x, gamma, beta, y, stat);
		must(y[0] == 3 && y[1] == 7 && stat[0] == 2 && stat[1] == 1);
	}
}
END_TEST

/* sum(dy . norm(x)) differentiated by central differences, in the reference and every table. */
KERNEL_TEST(norm_gradient)
{
	enum { P = 5, C = 6, G = 3, N = P * C };
	const double h = cbrt(3 * EPS), tol = 40 * h * h;
	const F(sf_kern) *t;
	int isa, i, side;

	for (isa = 0; isa < SF_ISA_COUNT; isa++) {
		T *x = F(random)(N, 1), *dy = F(random)(N, 2), *ga = F(random)(C, 3),
			*be = F(random)(C, 4);
		T *dx = F(fresh)(N), *dga = F(random)(C, 5), *dbe = F(random)(C, 5),
			*y = F(fresh)(N);

		if ((t = TABLE(isa)) != NULL) {
			memset(dga, 0, C * sizeof *dga);
			memset(dbe, 0, C * sizeof *dbe);
			t->norm_backward(P, C, G, 1e-3, 1, x, ga, be, dy, dx, dga, dbe);
			for (i = 0; i < N + 2 * C; i++) {
				T *at = i < N ? x + i : i < N + C ? ga + (i - N) : be + (i - N - C);
				const T was = *at;
				const double got = (double)(i < N ? dx[i] : i < N + C ? dga[i -
				                                                            N] :
					dbe[i - N - C]);
				double f[2], w[2];

				for (side = 0; side < 2; side++) {
					*at = (T)((double)was + (side ? h : -h));
					w[side] = (double)*at;
					t->norm_forward(P, C, G, 1e-3, 1, x, ga, be, y, NULL);
					f[side] = F(inner)(N, dy, y);
				}
				*at = was;
				near(got, (f[1] - f[0]) / (w[1] - w[0]), tol, tol);
			}
		}
		F(drop)(x, N);
		F(drop)(dy, N);
		F(drop)(ga, C);
		F(drop)(be, C);
		F(drop)(dx, N);
		F(drop)(dga, C);
		F(drop)(dbe, C);
		F(drop)(y, N);
	}
}
END_TEST
