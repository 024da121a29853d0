/* check_kernel.c: every entry of every kernel table this machine can run, in both element types:
 * against the reference table or an oracle in a wider type, on guarded and poisoned buffers, at odd
 * sizes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield/noise.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

enum { GUARD = 33 };

/* A number in (0,1) of stream `seed`. */
static double noise_at(uint32_t seed, int64_t i)
{
	const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), seed, 0}, key[2] = {1, 2};
	uint32_t w[4];

	sf_philox(counter, key, w);
	return ((double)(w[0] >> 5) * 67108864.0 + (double)(w[1] >> 6) + 0.5) / 9007199254740992.0;
}

static long double sigmoid_l(long double x)
{
	return 1 / (1 + expl(-x));
}

static long double silu_l(long double x)
{
	return x / (1 + expl(-x));
}

static long double softplus_l(long double x)
{
	return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
}

/* As Check's assertions, which also write a mark to a file each time: too slow for every
 * element. */
#define expect(cond, ...)                                                                          \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ck_abort_msg(__VA_ARGS__);                                                 \
	} while (0)
#define must(cond) expect(cond, "%s", #cond)
#define near(x, y, rtol, atol)                                                                     \
	expect(sf_close((x), (y), (rtol), (atol)), "%s = %.17g, expected %.17g", #x, (double)(x),  \
	       (double)(y))

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define F(name) JOIN(name, SUFFIX)
#define START(name) START_TEST(name)      /* expands F before Check pastes */
#define KERNEL_TEST(name) START(F(name))

#define T float
#define SUFFIX f32
#define EPS (FLT_EPSILON / 2.0)
#define LONG double
#define TABLE sf_kernels_f32_isa
#define TABLE_OF sf_kernels_f32
#include "check_kernel_body.h"
#include "check_conv_body.h"
#include "check_product_body.h"
#undef T
#undef SUFFIX
#undef EPS
#undef LONG
#undef TABLE
#undef TABLE_OF
#define T double
#define SUFFIX f64
#define EPS (DBL_EPSILON / 2.0)
#define LONG long double
#define TABLE sf_kernels_f64_isa
#define TABLE_OF sf_kernels_f64
#include "check_kernel_body.h"
#include "check_conv_body.h"
#include "check_product_body.h"

/* A = Q diag(1, 3) Q' with Q a rotation by 45 degrees. */
START_TEST(eigh_known)
{
	double a[4] = {2, 1, 1, 2}, val[2], vec[4];

	ck_assert_int_eq(sf_blas_eigh(2, a, val, vec), 0);
	assert_close(val[0], 1, 1e-15, 0);
	assert_close(val[1], 3, 1e-15, 0);
	assert_close(fabs(vec[0]), sqrt(0.5), 1e-15, 0);
	assert_close(vec[0] * vec[1], -0.5, 1e-15, 0);
	assert_close(vec[2] * vec[3], 0.5, 1e-15, 0);
}
END_TEST

START_TEST(cholesky_known)
{
	double a[9] = {4, 2, -2, 2, 10, 2, -2, 2, 6}, bad[4] = {1, 2, 2, 1};
	const double expected[9] = {2, 0, 0, 1, 3, 0, -1, 1, 2};
	int i;

	ck_assert_int_eq(sf_blas_cholesky(3, a), 0);
	for (i = 0; i < 9; i++)
		assert_close(a[i], expected[i], 1e-15, 1e-15);
	ck_assert_int_eq(sf_blas_cholesky(2, bad), SF_EINVAL);
}
END_TEST

START_TEST(blas_gemm_known)
{
	const double a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 0, 0, 1, 1, 1};
	double c[4] = {100, 100, 100, 100}, d[9];

	sf_blas_gemm(0, 0, 2, 2, 3, 1, a, 3, b, 2, 0, c, 2);
	ck_assert(c[0] == 4 && c[1] == 5 && c[2] == 10 && c[3] == 11);
	sf_blas_gemm(1, 1, 3, 3, 2, 1, a, 3, b, 2, 0, d, 3); /* A' B' */
	ck_assert(d[0] == 1 && d[1] == 4 && d[2] == 5 && d[6] == 3 && d[8] == 9);
}
END_TEST

START_TEST(blas_threads)
{
	ck_assert_ptr_nonnull(sf_blas_name());
	ck_assert_int_eq(sf_blas_set_threads(0), SF_ERANGE);
	if (sf_blas_set_threads(1) == 0 && sf_blas_threads() > 0)
		ck_assert_int_eq(sf_blas_threads(), 1);
}
END_TEST

#define ADD(name)                                                                                  \
	do {                                                                                       \
		TCase *c_ = tcase_create(#name);                                                   \
		tcase_add_test(c_, name##_f32);                                                    \
		tcase_add_test(c_, name##_f64);                                                    \
		suite_add_tcase(s, c_);                                                            \
	} while (0)

int main(void)
{
	Suite *s = suite_create("kernel");
	TCase *blas = tcase_create("blas");

	ADD(maps_same_bytes);
	ADD(maxima);
	ADD(maps_broadcast);
	ADD(maps_accurate);
	ADD(sin_far_away);
	ADD(maps_special);
	ADD(reductions);
	ADD(rows_and_transpose);
	ADD(softmax);
	ADD(adam);
	ADD(gemm_bound);
	ADD(gemm_batch);
	ADD(gemm_through_blas);
	ADD(conv_bound);
	ADD(conv_batch);
	ADD(conv_adjoint);
	ADD(conv_through_blas);
	ADD(winograd_error);
	ADD(norm_same);
	ADD(norm_silu);
	ADD(norm_outlier);
	ADD(norm_known);
	ADD(norm_gradient);
	tcase_add_test(blas, eigh_known);
	tcase_add_test(blas, cholesky_known);
	tcase_add_test(blas, blas_gemm_known);
	tcase_add_test(blas, blas_threads);
	suite_add_tcase(s, blas);
	return sf_test_main(s);
}
