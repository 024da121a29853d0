/* check_kernel_body.h: the kernel tests of one element type. Included by check_kernel.c with
 *   T, SUFFIX, EPS (unit roundoff), TABLE(isa), LONG (a wider type for oracles)
 * SPDX-License-Identifier: BSD-3-Clause */

/* n poisoned elements between poisoned guards, off any alignment by one element. */
static T *F(fresh)(int64_t n)
{
	T *p = malloc(((size_t)n + 2 * GUARD) * sizeof *p);

	ck_assert_ptr_nonnull(p);
	memset(p, 0xff, ((size_t)n + 2 * GUARD) * sizeof *p);
	return p + GUARD;
}

static void F(drop)(T *p, int64_t n)
{
	const unsigned char *b = (const unsigned char *)(p - GUARD),
		*e = (const unsigned char *)(p + n);
	size_t i;

	for (i = 0; i < GUARD * sizeof *p; i++)
		expect(b[i] == 0xff && e[i] == 0xff, "wrote outside its %d elements", (int)n);
	free(p - GUARD);
}

/* Uniform in (-1, 1). */
static T *F(random)(int64_t n, uint32_t seed)
{
	T *p = F(fresh)(n);
	int64_t i;

	for (i = 0; i < n; i++)
		p[i] = (T)(2 * noise_at(seed, i) - 1);
	return p;
}

static void F(same)(const char *what, int isa, const T *a, const T *b, int64_t n)
{
	expect(memcmp(a, b, (size_t)n * sizeof *a) == 0, "%s: %s differs, n = %d", what,
	              sf_isa_name(isa), (int)n);
}

/* The same, where any NaN equals any NaN. */
static void F(same_nan)(int kind, int isa, const T *a, const T *b, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++)
		expect((a[i] != a[i] && b[i] != b[i]) || memcmp(a + i, b + i, sizeof *a) == 0,
		              "map %d: %s gives %.17g, expected %.17g", kind, sf_isa_name(isa),
		              (double)a[i], (double)b[i]);
}

/* ---- maps ---- */

static const double F(special)[] = {0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 20.0, -20.0, 90.0, -90.0,
                                    1e3, -1e3,
                                    1e-3, -1e-3, 1e-30, 1e30, -1e30, (double)INFINITY,
	(double)-INFINITY,
                                    (double)NAN, 1e-40, 1.5707963267948966, 104.0, -104.0, 745.0};

static T *F(map_data)(int64_t n, uint32_t seed)
{
	const int64_t count = (int64_t)(sizeof F(special) / sizeof *F(special));
	T *p = F(random)(n, seed);
	int64_t i;

	for (i = 0; i < n; i++)
		p[i] = (i + seed) % 3 ? p[i] * 10 : (T)F(special)[(i + seed) % count];
	return p;
}

KERNEL_TEST(maps_same_bytes)
{
	const F(sf_kern) *ref = TABLE(SF_ISA_REF), *t;
	int isa, k, n;

	for (isa = SF_ISA_BASE; isa < SF_ISA_COUNT; isa++)
		for (n = 0; (t = TABLE(isa)) && n <= 67; n++) {
			T *a = F(map_data)(n, 1), *b = F(map_data)(n, 2), *o = F(fresh)(n),
				*r = F(fresh)(n);

			for (k = 0; k < SF_EW1_COUNT; k++) {
				ref->map1[k](n, a, 0.7, r);
				t->map1[k](n, a, 0.7, o);
				F(same_nan)(k, isa, o, r, n);
				memcpy(o, a, (size_t)n * sizeof *o);
				t->map1[k](n, o, 0.7, o);
				F(same_nan)(k, isa, o, r, n);
			}
			for (k = 0; k < SF_EW2_COUNT; k++) {
				ref->map2[k](n, a, b, r);
				t->map2[k](n, a, b, o);
				F(same_nan)(k, isa, o, r, n);
				memcpy(o, b, (size_t)n * sizeof *o);
				t->map2[k](n, a, o, o);
				F(same_nan)(k, isa, o, r, n);
			}
			F(drop)(a, n);
			F(drop)(b, n);
			F(drop)(o, n);
			F(drop)(r, n);
		}
}
END_TEST

/* Only comparisons and moves: the bytes of a loop written here, in every table. */
KERNEL_TEST(maxima)
{
	const F(sf_kern) *t;
	int isa, n, i;

	for (isa = 0; isa < SF_ISA_COUNT; isa++)
		for (n = 0; (t = TABLE(isa)) && n <= 67; n++) {
			T *x = F(map_data)(n, 1), *y = F(map_data)(n, 2), *m = F(map_data)(n, 4), *v = F(random)(n, 5);
			T *m2 = F(map_data)(n, 4), *v2 = F(random)(n, 5);

			for (i = 0; i < n; i++) {
				x[i] = i % 7 == 3 ? (T)NAN : i % 7 == 5 ? m[i] : x[i];
				y[i] = i % 5 == 3 ? (T)NAN : i % 5 == 1 ? m[i] : y[i];
			}
			t->pick(n, x, y, m, v);
			for (i = 0; i < n; i++)
				if (x[i] > m2[i] || isnan(x[i])) {
					m2[i] = x[i];
					v2[i] = y[i];
				}
			F(same)("pick m", isa, m, m2, n);
			F(same)("pick v", isa, v, v2, n);
			t->pick_tag(n, y, 3, m, v);
			for (i = 0; i < n; i++)
				if (y[i] > m2[i] || isnan(y[i])) {
					m2[i] = y[i];
					v2[i] = 3;
				}
			F(same)("pick_tag m", isa, m, m2, n);
			F(same)("pick_tag v", isa, v, v2, n);
			t->add_tagged(n, v, 3, x, m);
			for (i = 0; i < n; i++)
				if (v2[i] == 3)
					m2[i] += x[i];
			F(same_nan)(-1, isa, m, m2, n);
			F(drop)(x, n);
			F(drop)(y, n);
			F(drop)(m, n);
			F(drop)(v, n);
			F(drop)(m2, n);
			F(drop)(v2, n);
		}
}
END_TEST

KERNEL_TEST(maps_broadcast)
{
	const int64_t size[][2] = {{1, 1}, {3, 1}, {1, 67}, {5, 16}, {7, 33}, {0, 4}, {4, 0}};
	const F(sf_kern) *t;
	int isa, k;
	size_t s;
	int64_t i, j;

	for (isa = 0; isa < SF_ISA_COUNT; isa++)
		for (s = 0; (t = TABLE(isa)) && s < sizeof size / sizeof *size; s++) {
			const int64_t rows = size[s][0], cols = size[s][1], n = rows * cols;
			T *a = F(random)(n, 1), *b = F(random)(rows + cols, 2), *o = F(fresh)(n);

			for (k = 0; k < SF_EW2_COUNT; k++) {
				T one;

				t->map2_row[k](rows, cols, a, b, o);
				for (i = 0; i < rows; i++)
					for (j = 0; j < cols; j++) {
						t->map2[k](1, a + i * cols + j, b + j, &one);
						must(one == o[i * cols + j]);
					}
				t->map2_col[k](rows, cols, a, b, o);
				for (i = 0; i < rows; i++)
					for (j = 0; j < cols; j++) {
						t->map2[k](1, a + i * cols + j, b + i, &one);
						must(one == o[i * cols + j]);
					}
			}
			F(drop)(a, n);
			F(drop)(b, rows + cols);
			F(drop)(o, n);
		}
}
END_TEST

/* Largest error in units of the last place over 20000 points of [lo, hi]. */
static double F(worst)(int kind, double lo, double hi, long double (*f)(long double))
{
	enum { N = 20000 };
	T *x = F(fresh)(N), *y = F(fresh)(N);
	double worst = 0;
	int i;

	for (i = 0; i < N; i++)
		x[i] = (T)(lo + (hi - lo) * noise_at(77, i));
	TABLE(SF_ISA_BASE)->map1[kind](N, x, 0, y);
	for (i = 0; i < N; i++) {
		const long double exact = f((long double)x[i]);
		int e;
		double err;

		frexpl(exact, &e);
		err = (double)(fabsl((long double)y[i] - exact) / ldexpl(2 * (long double)EPS,
		                                                         e - 1));
		worst = err > worst || err != err ? err : worst;
	}
	F(drop)(x, N);
	F(drop)(y, N);
	return worst;
}

KERNEL_TEST(maps_accurate)
{
	static const struct {
		int kind;
		double lo, hi, ulp;
		long double (*f)(long double);
	} row[] = {
		{SF_EW1_EXP, -80, 80, 1.5, expl},          {SF_EW1_EXP, -1e-3, 1e-3, 1, expl},
		{SF_EW1_LOG, 1e-6, 3, 1.5, logl},          {SF_EW1_LOG, 0.9, 1.1, 1.5, logl},
		{SF_EW1_LOG, 1, 1e30, 1, logl},            {SF_EW1_SIN, -3.1, 3.1, 2, sinl},
		{SF_EW1_COS, -1.5, 1.5, 2, cosl},          {SF_EW1_TANH, -12, 12, 4, tanhl},
		{SF_EW1_TANH, -1e-2, 1e-2, 4, tanhl},      {SF_EW1_SIGMOID, -80, 80, 3, sigmoid_l},
		{SF_EW1_SOFTPLUS, -30, 30, 3, softplus_l}, {SF_EW1_SILU, -80, 80, 4, silu_l},
		{SF_EW1_ELU, -20, 0, 4, expm1l},           {SF_EW1_ELU, -1e-3, 0, 2, expm1l},
		{SF_EW1_SQRT, 0, 1e6, 0.51, sqrtl},
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		const double ulp = F(worst)(row[i].kind, row[i].lo, row[i].hi, row[i].f);

		expect(ulp <= row[i].ulp, "map %d on [%g, %g]: %.3f ulp, expected %.3f",
		       row[i].kind,
		              row[i].lo, row[i].hi, ulp, row[i].ulp);
	}
}
END_TEST

/* Reduction for large arguments: absolute error, 1e6 is 6e5 quarter turns. */
KERNEL_TEST(sin_far_away)
{
	int i;

	for (i = 0; i < 20000; i++) {
		T x = (T)(2e6 * noise_at(5, i) - 1e6), s, c;

		TABLE(SF_ISA_BASE)->map1[SF_EW1_SIN](1, &x, 0, &s);
		TABLE(SF_ISA_BASE)->map1[SF_EW1_COS](1, &x, 0, &c);
		near((double)s, (double)sinl((long double)x), 0, 2 * EPS);
		near((double)c, (double)cosl((long double)x), 0, 2 * EPS);
	}
}
END_TEST

KERNEL_TEST(maps_special)
{
	static const struct {
		int kind;
		double x, y;
	} row[] = {
		{SF_EW1_EXP, -1e300, 0},        {SF_EW1_EXP, 1000, (double)INFINITY}, {SF_EW1_EXP,
		                                                                       0, 1},
		{SF_EW1_LOG, 0, -(double)INFINITY}, {SF_EW1_LOG, 1, 0},
		{SF_EW1_LOG, (double)INFINITY, (double)INFINITY},
		{SF_EW1_TANH, 1e30, 1},         {SF_EW1_TANH, -1e30, -1},      {SF_EW1_SIGMOID,
		                                                                -1e30, 0},
		{SF_EW1_SIGMOID, 1e30, 1},      {SF_EW1_SILU, -1e30, 0},       {SF_EW1_SILU, 1e30,
		                                                                (T)1e30},
		{SF_EW1_SOFTPLUS, -1e30, 0},    {SF_EW1_SOFTPLUS, 1e30, (T)1e30}, {SF_EW1_ELU,
		                                                                   -1e30, -1},
		{SF_EW1_RELU, -2, 0},           {SF_EW1_STEP, 0, 0},           {SF_EW1_STEP,
		                                                                1e-30, 1},
		{SF_EW1_SIN, 0, 0},             {SF_EW1_COS, 0, 1},            {SF_EW1_SIGMOID, 0,
		                                                                0.5},
	};
	const F(sf_kern) *t = TABLE(SF_ISA_BASE);
	T x, y;
	size_t i;
	int k;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		x = (T)row[i].x;
		t->map1[row[i].kind](1, &x, 0, &y);
		expect((double)y == row[i].y, "map %d of %g = %g, expected %g", row[i].kind,
		       row[i].x,
		              (double)y, row[i].y);
	}
	for (k = 0; k < SF_EW1_COUNT; k++) {
		x = (T)NAN;
		t->map1[k](1, &x, 1, &y);
		expect(y != y, "map %d loses NaN", k);
	}
	x = -1;
	t->map1[SF_EW1_LOG](1, &x, 0, &y);
	must(y != y);
	x = -(T)1e30;
	y = 1;
	t->map2[SF_EW2_SILU_GRAD](1, &y, &x, &y);
	must(y == 0);
}
END_TEST

/* ---- reductions ---- */

KERNEL_TEST(reductions)
{
	const F(sf_kern) *base = TABLE(SF_ISA_BASE), *t;
	int isa, n;

	for (isa = 0; isa < SF_ISA_COUNT; isa++)
		for (n = 0; (t = TABLE(isa)) && n <= 3000; n = n < 67 ? n + 1 : n * 2 + 1) {
			T *a = F(random)(n, 1), *b = F(random)(n, 2), *o = F(random)(n, 3),
				*r = F(random)(n, 3);
			const T s = t->sum(n, a), d = t->dot(n, a, b);
			const double squares = t->squares(n, a);
			LONG sum = 0, dot = 0, size = 0;
			long double square = 0;
			int i;

			for (i = 0; i < n; i++) {
				sum += (LONG)a[i];
				dot += (LONG)a[i] * (LONG)b[i];
				square += (long double)a[i] * (long double)a[i];
				size += (LONG)fabs((double)a[i]);
			}
			/* 64 additions in a lane, 4 in the tree, 1 rounding */
			near((double)s, (double)sum, 0, 70 * EPS * (double)size);
			near((double)d, (double)dot, 0, 70 * EPS * (double)size);
			near(squares, (double)square, (n + 2) * DBL_EPSILON, 0);
			if (isa > SF_ISA_BASE) {
				const T bs = base->sum(n, a), bd = base->dot(n, a, b);

				must(base->squares(n, a) == squares);

				F(same)("sum", isa, &s, &bs, 1);
				F(same)("dot", isa, &d, &bd, 1);
			}
			t->axpy(n, (T)0.3, a, o);
			for (i = 0; i < n; i++)
				r[i] += (T)0.3 * a[i];
			F(same)("axpy", isa, o, r, n);
			F(drop)(a, n);
			F(drop)(b, n);
			F(drop)(o, n);
			F(drop)(r, n);
		}
}
END_TEST

KERNEL_TEST(rows_and_transpose)
{
	const int64_t size[][2] = {{1, 1}, {3, 5}, {17, 33}, {16, 64}, {40, 1}, {1, 40}, {0, 3}, {35, 18}};
	const F(sf_kern) *ref = TABLE(SF_ISA_REF), *t;
	size_t s;
	int isa;
	int64_t i, j;

	for (isa = SF_ISA_BASE; isa < SF_ISA_COUNT; isa++)
		for (s = 0; (t = TABLE(isa)) && s < sizeof size / sizeof *size; s++) {
			const int64_t rows = size[s][0], cols = size[s][1], n = rows * cols;
			T *a = F(random)(n, 1), *o = F(fresh)(cols), *r = F(fresh)(cols),
				*x = F(fresh)(n);

			t->sum_rows(rows, cols, a, 0, o);
			ref->sum_rows(rows, cols, a, 0, r);
			F(same)("sum_rows", isa, o, r, cols);
			t->sum_rows(rows, cols, a, 1, o);
			ref->sum_rows(rows, cols, a, 1, r);
			F(same)("sum_rows", isa, o, r, cols);
			t->transpose(rows, cols, a, cols, x, rows);
			for (i = 0; i < rows; i++)
				for (j = 0; j < cols; j++)
					must(x[j * rows + i] == a[i * cols + j]);
			F(drop)(a, n);
			F(drop)(o, cols);
			F(drop)(r, cols);
			F(drop)(x, n);
		}
}
END_TEST

KERNEL_TEST(softmax)
{
	const F(sf_kern) *base = TABLE(SF_ISA_BASE), *ref = TABLE(SF_ISA_REF), *t;
	int isa, n, i;

	for (isa = SF_ISA_BASE; isa < SF_ISA_COUNT; isa++)
		for (n = 1; (t = TABLE(isa)) && n <= 67; n++) {
			T *x = F(random)(3 * n, 1), *y = F(fresh)(3 * n), *r = F(fresh)(3 * n);
			T *dy = F(random)(3 * n, 2), *dx = F(fresh)(3 * n), *dr = F(fresh)(3 * n);

			x[0] = 100; /* far above the rest: exp must not overflow */
			t->softmax(3, n, x, y);
			t->softmax_grad(3, n, y, dy, dx);
			ref->softmax(3, n, x, r);
			ref->softmax_grad(3, n, r, dy, dr);
			for (i = 0; i < 3 * n; i++) {
				near((double)y[i], (double)r[i], 80 * EPS, 0);
				near((double)dx[i], (double)dr[i], 0, 160 * EPS);
			}
			base->softmax(3, n, x, r);
			F(same)("softmax", isa, y, r, 3 * n);
			base->softmax_grad(3, n, r, dy, dr);
			F(same)("softmax_grad", isa, dx, dr, 3 * n);
			F(drop)(x, 3 * n);
			F(drop)(y, 3 * n);
			F(drop)(r, 3 * n);
			F(drop)(dy, 3 * n);
			F(drop)(dx, 3 * n);
			F(drop)(dr, 3 * n);
		}
}
END_TEST

/* Two steps against the algorithm written out in double. */
KERNEL_TEST(adam)
{
	const F(sf_kern) *base = TABLE(SF_ISA_BASE), *t;
	int isa, n, i, step;

	for (isa = 0; isa < SF_ISA_COUNT; isa++)
		for (n = 0; (t = TABLE(isa)) && n <= 67; n++) {
			T *state[2][5];
			double p[67], m[67] = {0}, v[67] = {0}, e[67];

			for (i = 0; i < 5; i++) {
				state[0][i] = F(random)(n, (uint32_t)i);
				state[1][i] = F(random)(n, (uint32_t)i);
			}
			for (i = 0; i < n; i++) {
				state[0][2][i] = state[0][3][i] = state[1][2][i] =
					state[1][3][i] = 0;
				p[i] = (double)state[0][1][i];
				e[i] = (double)state[0][4][i];
			}
			for (step = 1; step <= 2; step++) {
				const sf_adam s = {1e-2, 0.9, 0.999, 1e-8, 1 - pow(0.9, step),
				                   1 - pow(0.999, step), 0.5, 0.99};

				t->adam(n, &s, state[0][0], state[0][1], state[0][2], state[0][3],
				        state[0][4]);
				base->adam(n, &s, state[1][0], state[1][1], state[1][2],
				           state[1][3], state[1][4]);
				for (i = 0; i < n; i++) {
					const double g = 0.5 * (double)state[0][0][i];

					m[i] = 0.9 * m[i] + 0.1 * g;
					v[i] = 0.999 * v[i] + 0.001 * g * g;
					p[i] -= 1e-2 * (m[i] / s.bias1) / (sqrt(v[i] / s.bias2) +
					                                   1e-8);
					e[i] = 0.99 * e[i] + 0.01 * p[i];
				}
			}
			t->average(n, 0.75, state[0][1], state[0][4]); /* another average's update */
			base->average(n, 0.75, state[1][1], state[1][4]);
			for (i = 0; i < n; i++) {
				e[i] = 0.75 * e[i] + 0.25 * p[i];
				near((double)state[0][1][i], p[i], 8 * EPS, 8 * EPS);
				near((double)state[0][4][i], e[i], 8 * EPS, 8 * EPS);
			}
			for (i = 0; i < 5; i++) {
				F(same)("adam", isa, state[0][i], state[1][i], n);
				F(drop)(state[0][i], n);
				F(drop)(state[1][i], n);
			}
		}
}
END_TEST
