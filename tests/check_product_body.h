/* check_product_body.h: tests of gemm, convolution and normalisation of one element type; included
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

/* ---- convolution ---- */

/* h, w, ci, co, kh, kw, stride, pad, dilation */
static const int F(conv_sizes)[][9] = {
	{5, 7, 3, 4, 3, 3, 1, 1, 1},    {8, 8, 16, 32, 3, 3, 1, 1, 1},  {7, 7, 32, 16, 3, 3, 1, 1, 1},
	{9, 11, 48, 16, 3, 3, 1, 1, 1}, {6, 6, 16, 16, 3, 3, 1, 1, 1},  {8, 6, 4, 5, 3, 3, 2, 1, 1},
	{9, 9, 3, 2, 5, 5, 1, 2, 1},    {6, 5, 17, 9, 1, 1, 1, 0, 1},   {7, 6, 4, 3, 1, 1, 2, 0, 1},
	{10, 9, 1, 8, 3, 3, 1, 1, 1},   {10, 9, 8, 1, 3, 3, 1, 1, 1},   {7, 8, 2, 3, 3, 5, 1, 1, 1},
	{4, 4, 2, 3, 4, 4, 1, 0, 1},    {6, 6, 3, 3, 2, 2, 2, 0, 1},    {5, 5, 2, 2, 3, 3, 1, 3, 1},
	{8, 8, 16, 16, 3, 3, 1, 2, 2},  {9, 7, 16, 32, 3, 3, 1, 4, 4},
	{8, 9, 5, 2, 3, 3, 1, 2, 2},    {7, 9, 3, 4, 2, 3, 2, 3, 3},  {9, 10, 16, 16, 3, 3, 1, 1, 2},
	{30, 40, 32, 3, 3, 3, 1, 1, 1}, {8, 8, 64, 48, 3, 3, 1, 1, 1},
};
enum { F(CONV_SIZES) = sizeof F(conv_sizes) / sizeof *F(conv_sizes) };

static sf_conv F(conv_of)(const int *z)
{
	sf_conv s;

	s.h = z[0];
	s.w = z[1];
	s.ci = z[2];
	s.co = z[3];
	s.kh = z[4];
	s.kw = z[5];
	s.stride = z[6];
	s.pad = z[7];
	s.dilation = z[8];
	s.ho = (s.h + 2 * s.pad - s.dilation * (s.kh - 1) - 1) / s.stride + 1;
	s.wo = (s.w + 2 * s.pad - s.dilation * (s.kw - 1) - 1) / s.stride + 1;
	return s;
}

/* Runs one of the three with packing and exact scratch: 'f', 'd' or 'w' (which adds to `out`). */
static void F(conv_run)(const F(sf_kern) *t, const sf_conv *s, char which, int64_t n, const T *x,
                        const T *y, const T *w, T *out)
{
	const int64_t np = (int64_t)t->conv_packed(s), ns = (int64_t)t->conv_scratch(s);
	T *packed = F(fresh)(np), *scratch = F(fresh)(ns);

	if (which != 'w')
		t->conv_pack(s, which == 'd', w, packed);
	if (which == 'f')
		t->conv_forward(s, n, x, packed, out, scratch);
	else if (which == 'd')
		t->conv_data(s, n, y, packed, out, scratch);
	else
		t->conv_weight(s, n, x, y, 1, out, scratch);
	F(drop)(packed, np);
	F(drop)(scratch, ns);
}

static void F(magnitudes)(T *p, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++)
		p[i] = (T)fabs((double)p[i]);
}

/* Against the reference loops; the same loops on magnitudes give the scale of the error. A chain
 * has k terms; Winograd adds 4 + 4 levels of its transforms, whose factors sum to less than 16. */
static void F(conv_case)(const F(sf_kern) *t, const char *what, const int *z)
{
	const F(sf_kern) *ref = TABLE(SF_ISA_REF);
	const sf_conv s = F(conv_of)(z);
	const int64_t n = 2, nx = n * s.h * s.w * s.ci, ny = n * s.ho * s.wo * s.co;
	const int64_t nw = s.kh * s.kw * s.ci * s.co;
	const int64_t size[3] = {ny, nx, nw};
	const int64_t terms[3] = {nw / s.co, nw / s.ci, n * s.ho * s.wo};
	int k;

	for (k = 0; k < 3; k++) {
		T *x = F(random)(nx, 1), *y = F(random)(ny, 2), *w = F(random)(nw, 3);
		T *o = F(random)(size[k], 4), *r = F(random)(size[k], 4), *m = F(random)(size[k],
		                                                                         4);
		int64_t i;
		double scale = 0;

		F(conv_run)(t, &s, "fdw"[k], n, x, y, w, o);
		F(conv_run)(ref, &s, "fdw"[k], n, x, y, w, r);
		F(magnitudes)(x, nx);
		F(magnitudes)(y, ny);
		F(magnitudes)(w, nw);
		F(magnitudes)(m, size[k]);
		F(conv_run)(ref, &s, "fdw"[k], n, x, y, w, m);
		for (i = 0; i < size[k]; i++)
			scale = (double)m[i] > scale ? (double)m[i] : scale;
		for (i = 0; i < size[k]; i++)
			expect(fabs((double)o[i] - (double)r[i]) <=
			                      EPS * (2 * (double)terms[k] + 16) * scale,
			              "%s %c %dx%d %d->%d k%d s%d p%d d%d at %d: %.9g, expected %.9g",
				what,
			              "fdw"[k], z[0], z[1], z[2], z[3], z[4], z[6], z[7], z[8], (int)i,
			              (double)o[i], (double)r[i]);
		F(drop)(x, nx);
		F(drop)(y, ny);
		F(drop)(w, nw);
		F(drop)(o, size[k]);
		F(drop)(r, size[k]);
		F(drop)(m, size[k]);
	}
}

KERNEL_TEST(conv_bound)
{
	const F(sf_kern) *t;
	int isa, i;

	for (isa = SF_ISA_BASE; isa < SF_ISA_COUNT; isa++)
		for (i = 0; (t = TABLE(isa)) && i < (int)F(CONV_SIZES); i++)
			F(conv_case)(t, sf_isa_name(isa), F(conv_sizes)[i]);
}
END_TEST

KERNEL_TEST(conv_through_blas)
{
	sf_ctx *ctx = ck_ctx();
	int i;

	ck_assert_int_eq(setenv("SCOREFIELD_GEMM", "blas", 1), 0);
	sf_blas_set_threads(1);
	for (i = 0; i < (int)F(CONV_SIZES); i++)
		F(conv_case)(TABLE_OF(ctx), "blas", F(conv_sizes)[i]);
	unsetenv("SCOREFIELD_GEMM");
	sf_ctx_free(ctx);
}
END_TEST

/* One sample, row by row as far as the kernel can be cut: in parts of one and of two smallest pieces. */
static void F(conv_by_parts)(const F(sf_kern) *t, const sf_conv *s, int adjoint, const T *x, const T *w, T *out)
{
	const int64_t np = (int64_t)t->conv_packed(s), ns = (int64_t)t->conv_scratch(s), rows = adjoint ? s->h : s->ho;
	const int64_t step = t->conv_rows(s, adjoint);
	T *packed = F(fresh)(np), *scratch = F(fresh)(ns);
	int64_t from, to;
	int k;

	t->conv_pack(s, adjoint, w, packed);
	for (from = 0, k = 1; from < rows; from = to, k = 3 - k) {
		to = step > 0 && from + k * step < rows ? from + k * step : rows;
		t->conv_part(s, adjoint, from, to, x, packed, out, scratch);
	}
	F(drop)(packed, np);
	F(drop)(scratch, ns);
}

/* Five samples together give the bytes of five calls, and of their parts; weights twice the same bytes. */
KERNEL_TEST(conv_batch)
{
	enum { N = 5 };
	const F(sf_kern) *t;
	int isa, k;
	int64_t i;

	for (isa = 0; isa < SF_ISA_COUNT; isa++)
		for (k = 0; (t = TABLE(isa)) && k < (int)F(CONV_SIZES) - 2; k++) {
			const sf_conv s = F(conv_of)(F(conv_sizes)[k]);
			const int64_t x1 = s.h * s.w * s.ci, y1 = s.ho * s.wo * s.co,
				nw = s.kh * s.kw * s.ci * s.co;
			T *x = F(random)(N * x1, 1), *y = F(random)(N * y1, 2), *w = F(random)(nw,
			                                                                       3);
			T *fx = F(fresh)(N * y1), *gx = F(fresh)(N * y1), *fy = F(fresh)(N * x1),
				*gy = F(fresh)(N * x1);
			T *v = F(random)(nw, 4), *u = F(random)(nw, 4);

			F(conv_run)(t, &s, 'f', N, x, y, w, fx);
			F(conv_run)(t, &s, 'd', N, x, y, w, fy);
			for (i = 0; i < N; i++) {
				F(conv_run)(t, &s, 'f', 1, x + i * x1, NULL, w, gx + i * y1);
				F(conv_run)(t, &s, 'd', 1, NULL, y + i * y1, w, gy + i * x1);
			}
			F(same)("conv_forward", isa, fx, gx, N * y1);
			F(same)("conv_data", isa, fy, gy, N * x1);
			F(conv_by_parts)(t, &s, 0, x + x1, w, gx);
			F(same)("conv_part forward", isa, fx + y1, gx, y1);
			F(conv_by_parts)(t, &s, 1, y + y1, w, gy);
			F(same)("conv_part data", isa, fy + x1, gy, x1);
			F(conv_run)(t, &s, 'w', N, x, y, w, u);
			F(conv_run)(t, &s, 'w', N, x, y, w, v);
			F(same)("conv_weight", isa, u, v, nw);
			F(drop)(x, N * x1);
			F(drop)(y, N * y1);
			F(drop)(w, nw);
			F(drop)(fx, N * y1);
			F(drop)(gx, N * y1);
			F(drop)(fy, N * x1);
			F(drop)(gy, N * x1);
			F(drop)(u, nw);
			F(drop)(v, nw);
		}
}
END_TEST

static double F(inner)(int64_t n, const T *a, const T *b)
{
	double s = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		s += (double)a[i] * (double)b[i];
	return s;
}

/* <y, x*w> = <adjoint in x of y, x> = <adjoint in w of y, w>; accumulate = 0 overwrites poison. */
KERNEL_TEST(conv_adjoint)
{
	const F(sf_kern) *t;
	int isa, k;

	for (isa = 0; isa < SF_ISA_COUNT; isa++)
		for (k = 0; (t = TABLE(isa)) && k < (int)F(CONV_SIZES); k++) {
			const sf_conv s = F(conv_of)(F(conv_sizes)[k]);
			const int64_t nx = s.h * s.w * s.ci, ny = s.ho * s.wo * s.co,
				nw = s.kh * s.kw * s.ci * s.co;
			const int64_t ns = (int64_t)t->conv_scratch(&s);
			T *x = F(random)(nx, 1), *y = F(random)(ny, 2), *w = F(random)(nw, 3);
			T *fx = F(fresh)(ny), *dx = F(fresh)(nx), *dw = F(fresh)(nw),
				*scratch = F(fresh)(ns);
			double size;

			F(conv_run)(t, &s, 'f', 1, x, NULL, w, fx);
			F(conv_run)(t, &s, 'd', 1, NULL, y, w, dx);
			t->conv_weight(&s, 1, x, y, 0, dw, scratch);
			size = sqrt(F(inner)(ny, y, y) * F(inner)(ny, fx, fx));
			near(F(inner)(ny, y, fx), F(inner)(nx, dx, x), 0, 20 * EPS * size);
			near(F(inner)(ny, y, fx), F(inner)(nw, dw, w), 0, 20 * EPS * size);
			F(drop)(x, nx);
			F(drop)(y, ny);
			F(drop)(w, nw);
			F(drop)(fx, ny);
			F(drop)(dx, nx);
			F(drop)(dw, nw);
			F(drop)(scratch, ns);
		}
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

/* A mean of 30 spreads makes E[x^2] - mean^2 visibly wrong. */
KERNEL_TEST(norm_same)
{
	const F(sf_kern) *ref = TABLE(SF_ISA_REF), *base = TABLE(SF_ISA_BASE), *t;
	int isa, k, act, i;

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
			F(same)("norm_forward", isa, o[0][0], o[1][0], n);
			F(same)("norm stat", isa, o[0][1], o[1][1], 2 * g);
			F(same)("norm dx", isa, o[0][2], o[1][2], n);
			F(same)("norm dgamma", isa, o[0][3], o[1][3], c);
			F(same)("norm dbeta", isa, o[0][4], o[1][4], c);
			/* the sum of 64 values near 30 wanders by about 8 roundings of 30: the
			 * error of x - mean is 250 eps, of xh 250 eps rstd */
			for (i = 0; i < n; i++) {
				const double rstd = (double)o[2][1][2 * (i % c / (c / g)) + 1];

				near((double)o[0][0][i], (double)o[2][0][i], 0,
				     250 * EPS * (1 + rstd));
				near((double)o[0][2][i], (double)o[2][2][i], 0,
				             1000 * EPS * (1 + rstd) * (1 + rstd));
			}
			for (i = 0; i < c; i++) {
				const double rstd = (double)o[2][1][2 * (i / (c / g)) + 1];

				near((double)o[0][3][i], (double)o[2][3][i], 0,
				     500 * EPS * p * (1 + rstd));
				near((double)o[0][4][i], (double)o[2][4][i], 0,
				     500 * EPS * p * (1 + rstd));
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
