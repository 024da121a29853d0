/* check_conv_body.h: tests of convolution of one element type; included by check_kernel.c after check_kernel_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */

/* h, w, ci, co, kh, kw, stride, pad, dilation */
static const int F(conv_sizes)[][9] = {
	{5, 7, 3, 4, 3, 3, 1, 1, 1},    {8, 8, 16, 32, 3, 3, 1, 1, 1},  {7, 7, 32, 16, 3, 3, 1, 1, 1},
	{9, 11, 48, 16, 3, 3, 1, 1, 1}, {6, 6, 16, 16, 3, 3, 1, 1, 1},  {8, 6, 4, 5, 3, 3, 2, 1, 1},
	{9, 9, 3, 2, 5, 5, 1, 2, 1},    {6, 5, 17, 9, 1, 1, 1, 0, 1},   {7, 6, 4, 3, 1, 1, 2, 0, 1},
	{10, 9, 1, 8, 3, 3, 1, 1, 1},   {10, 9, 8, 1, 3, 3, 1, 1, 1},   {7, 8, 2, 3, 3, 5, 1, 1, 1},
	{4, 4, 2, 3, 4, 4, 1, 0, 1},    {6, 6, 3, 3, 2, 2, 2, 0, 1},    {5, 5, 2, 2, 3, 3, 1, 3, 1},
	{8, 8, 16, 16, 3, 3, 1, 2, 2},  {9, 7, 16, 32, 3, 3, 1, 4, 4},
	{8, 9, 5, 2, 3, 3, 1, 2, 2},    {7, 9, 3, 4, 2, 3, 2, 3, 3},  {9, 10, 16, 16, 3, 3, 1, 1, 2},
	/* tiles: the smallest, panels of 64 channels and their rests, several blocks of tiles, and both */
	{3, 3, 16, 16, 3, 3, 1, 1, 1},  {4, 3, 80, 144, 3, 3, 1, 1, 1}, {2, 7, 16, 16, 3, 3, 1, 1, 1},
	{17, 30, 16, 80, 3, 3, 1, 1, 1}, {15, 17, 80, 112, 3, 3, 1, 1, 1},
	/* few channels on one side: every number of them, pieces of pixels, other kernels and paddings */
	{9, 31, 1, 48, 3, 3, 1, 1, 1},  {9, 31, 16, 1, 3, 3, 1, 1, 1},  {6, 20, 2, 48, 3, 3, 1, 1, 1},
	{6, 20, 48, 2, 3, 3, 1, 1, 1},  {5, 16, 3, 16, 3, 3, 1, 1, 1},  {5, 16, 32, 3, 3, 3, 1, 1, 1},
	{7, 9, 4, 16, 3, 3, 1, 1, 1},   {7, 9, 16, 4, 3, 3, 1, 1, 1},   {8, 9, 3, 32, 5, 4, 1, 2, 1},
	{8, 9, 32, 3, 4, 5, 1, 0, 1},   {2, 2, 1, 16, 5, 5, 1, 2, 1},   {2, 3, 16, 2, 5, 5, 1, 3, 1},
	{1, 1, 4, 16, 3, 3, 1, 1, 1},   {1, 1, 16, 3, 3, 3, 1, 1, 1},   {5, 4, 16, 3, 1, 3, 1, 0, 1},
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
	const int64_t row = adjoint ? s->w * s->ci : s->wo * s->co;
	T *packed = F(fresh)(np), *scratch = F(fresh)(ns), poison;
	int64_t from, to, i;
	int k;

	memset(&poison, 0xff, sizeof poison);
	memset(out, 0xff, (size_t)(rows * row) * sizeof *out);
	t->conv_pack(s, adjoint, w, packed);
	for (from = 0, k = 1; from < rows; from = to, k = 3 - k) {
		to = step > 0 && from + k * step < rows ? from + k * step : rows;
		t->conv_part(s, adjoint, from, to, x, packed, out, scratch);
		for (i = to * row; i < rows * row; i++) /* others may be writing there */
			expect(memcmp(out + i, &poison, sizeof poison) == 0, "rows beyond %d written", (int)to);
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

/* Root mean square of the difference to exact values, and largest difference. */
static void F(errors)(int64_t n, const T *got, const LONG *exact, double *rms, double *most)
{
	int64_t i;

	*rms = *most = 0;
	for (i = 0; i < n; i++) {
		const double e = fabs((double)((LONG)got[i] - exact[i]));

		*rms += e * e / (double)n;
		*most = e > *most ? e : *most;
	}
	*rms = sqrt(*rms);
}

/* Winograd's forward pass and weight gradient lose at most twice what direct sums lose: the products of the columns, on
 * the same instruction set and numbers, each sum one chain. */
KERNEL_TEST(winograd_error)
{
	enum { H = 12, C = 48, D = 32, P = H * H, K = 9 * C, Y = P * D, W = K * D };
	const int z[9] = {H, H, C, D, 3, 3, 1, 1, 1};
	const sf_conv s = F(conv_of)(z);
	LONG *ey = calloc(Y, sizeof *ey), *ew = calloc(W, sizeof *ew);
	T *x = F(random)(P * C, 11), *w = F(random)(W, 12), *dy = F(random)(Y, 13), *cols = F(random)(P * K, 14);
	T *y = F(random)(Y, 15), *dw = F(random)(W, 16);
	const F(sf_kern) *t;
	int isa, p, k, c, o;

	for (p = 0; p < P; p++)
		for (k = 0; k < 9; k++) {
			const int iy = p / H + k / 3 - 1, ix = p % H + k % 3 - 1;

			for (c = 0; c < C; c++)
				cols[p * K + k * C + c] =
					iy < 0 || iy >= H || ix < 0 || ix >= H ? 0 : x[(iy * H + ix) * C + c];
		}
	for (p = 0; p < P; p++)
		for (k = 0; k < K; k++)
			for (o = 0; o < D; o++) {
				const LONG a = (LONG)cols[p * K + k];

				ey[p * D + o] += a * (LONG)w[k * D + o];
				ew[k * D + o] += a * (LONG)dy[p * D + o];
			}
	for (isa = SF_ISA_BASE; isa < SF_ISA_COUNT; isa++) {
		double direct[2], tiles[2];

		t = TABLE(isa);
		if (!t)
			continue;
		must(t->conv_packed(&s) == 16 * C * D); /* it is Winograd's */
		t->gemm(P, D, K, cols, K, 1, w, D, 0, NULL, y, D);
		F(errors)(Y, y, ey, direct, direct + 1);
		F(conv_run)(t, &s, 'f', 1, x, NULL, w, y);
		F(errors)(Y, y, ey, tiles, tiles + 1);
		expect(tiles[0] > 0 && tiles[0] <= 2 * direct[0] && tiles[1] <= 2 * direct[1],
		       "%s forward: %g and %g, direct %g and %g", sf_isa_name(isa), tiles[0], tiles[1], direct[0], direct[1]);
		t->gemm(K, D, P, cols, 1, K, dy, D, 0, NULL, dw, D);
		F(errors)(W, dw, ew, direct, direct + 1);
		memset(dw, 0, W * sizeof *dw);
		F(conv_run)(t, &s, 'w', 1, x, dy, NULL, dw);
		F(errors)(W, dw, ew, tiles, tiles + 1);
		expect(tiles[0] > 0 && tiles[0] <= 2 * direct[0] && tiles[1] <= 2 * direct[1],
		       "%s weight: %g and %g, direct %g and %g", sf_isa_name(isa), tiles[0], tiles[1], direct[0], direct[1]);
	}
	free(ey);
	free(ew);
	F(drop)(x, P * C);
	F(drop)(w, W);
	F(drop)(dy, Y);
	F(drop)(cols, P * K);
	F(drop)(y, Y);
	F(drop)(dw, W);
}
END_TEST
