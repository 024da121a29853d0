/* math_body.h: elementary functions of one element, branch-free, so that loops over them become
 * vector code. Only + - * /, square root and bit operations: the same bytes on every machine.
 *
 *   exp, expm1   x = n ln 2 + r, |r| <= ln(2)/2; e^r by its Taylor series (float: (e^r - 1 - r)/r^2 by the
 *                polynomial through its values at the five Chebyshev nodes of [-ln(2)/2, ln(2)/2], relative error
 *                of e^r 1e-8); exact scaling by 2^n in two steps, so that results fade into subnormals, 0 and
 *                infinity as they should
 *   log          x = 2^e m, m in [sqrt(1/2), sqrt 2); log m = 2 atanh(s), s = (m - 1)/(m + 1),
 *                arranged as f - (f^2/2 - s (f^2/2 + R)) with f = m - 1 (Tang 1990, as fdlibm)
 *   tanh         expm1(2|x|)/(expm1(2|x|) + 2)
 *   softplus     max(x,0) + log1p(exp(-|x|))
 *
 * Error at most 2 ulp (tanh, softplus, sigmoid 4) as tests/check_kernel measures against libm. NaN
 * stays NaN. exp(-inf) = 0, exp(1000) = inf, log(0) = -inf, log(-1) = NaN, silu(-1e30) = -0;
 * silu(-inf) is NaN.
 * SPDX-License-Identifier: BSD-3-Clause */

#if TBITS == 32
#define K(single, full) single##f
#define BITS uint32_t
#define MANTISSA 23
#define EXPONENT_BIAS 127u
#else
#define K(single, full) full
#define BITS uint64_t
#define MANTISSA 52
#define EXPONENT_BIAS 1023u
#endif

INLINE BITS F(bits)(T x)
{
	BITS u;

	memcpy(&u, &x, sizeof u);
	return u;
}

INLINE T F(of_bits)(BITS u)
{
	T x;

	memcpy(&x, &u, sizeof x);
	return x;
}

INLINE T F(f_abs)(T x)
{
	return F(of_bits)(F(bits)(x) & ~(BITS)0 >> 1);
}

INLINE T F(f_sqrt)(T x)
{
#if TBITS == 32
	return sqrtf(x);
#else
	return sqrt(x);
#endif
}

#define LN2_HI K(0.693359375, 6.93147180369123816490e-01) /* short: times n it is exact */
#define LN2_LO K(-2.12194440e-4, 1.90821492927058770002e-10)

/* e^r - 1 with x = n ln 2 + r, for |x| < 1000 */
INLINE T F(exp_part)(T x, BITS *n)
{
	const T round = K(12582912.0, 6755399441055744.0); /* 1.5 2^23, 1.5 2^52 */
	T t = x * K(1.44269504088896341, 1.44269504088896341) + round, r, p;

	*n = F(bits)(t) - F(bits)(round);
	t -= round;
	r = x - t * LN2_HI;
	r = r - t * LN2_LO;
#if TBITS == 32
	p = r * 1.392617612e-3f + 8.363173075e-3f;
	p = p * r + 4.166655466e-2f;
	p = p * r + 1.666657703e-1f;
#else
	p = r * (1.0 / 6227020800.0) + 1.0 / 479001600.0; /* 1/13!, 1/12! ... */
	p = p * r + 1.0 / 39916800.0;
	p = p * r + 1.0 / 3628800.0;
	p = p * r + 1.0 / 362880.0;
	p = p * r + 1.0 / 40320.0;
	p = p * r + 1.0 / 5040.0;
	p = p * r + 1.0 / 720.0;
	p = p * r + 1.0 / 120.0;
	p = p * r + 1.0 / 24.0;
	p = p * r + 1.0 / 6.0;
#endif
	p = p * r + (T)0.5;
	return r + r * r * p;
}

/* The same for any x; 2^n = lo hi */
INLINE T F(exp_parts)(T x, T *lo, T *hi)
{
	BITS n, half;
	T p;

	x = x < K(-104.0, -746.0) ? K(-104.0, -746.0) : x;
	x = x > K(89.0, 710.0) ? K(89.0, 710.0) : x;
	p = F(exp_part)(x, &n);
	n += 4 * (EXPONENT_BIAS + 1);
	half = n >> 1;
	*lo = F(of_bits)((half - (EXPONENT_BIAS + 2)) << MANTISSA);
	*hi = F(of_bits)((n - half - (EXPONENT_BIAS + 2)) << MANTISSA);
	return p;
}

INLINE T F(f_exp)(T x)
{
	T lo, hi, p = F(exp_parts)(x, &lo, &hi);

	return (1 + p) * lo * hi;
}

/* 1 + exp(x): one scaling, by 2^(n-1), is enough: it is infinite where exp(x) is, and a smaller exp(x) than it can
 * make adds nothing to 1 */
INLINE T F(one_and_exp)(T x)
{
	BITS n;
	T e;

	x = x < K(-86.0, -708.0) ? K(-86.0, -708.0) : x;
	x = x > K(89.5, 710.5) ? K(89.5, 710.5) : x;
	e = 1 + F(exp_part)(x, &n);
	e *= F(of_bits)((n + (EXPONENT_BIAS - 1)) << MANTISSA);
	return 1 + (e + e);
}

INLINE T F(f_expm1)(T x) /* x <= 40 */
{
	T lo, hi, p = F(exp_parts)(x, &lo, &hi);

	return p * lo * hi + (lo * hi - 1);
}

INLINE T F(f_log)(T x)
{
	const T tiny = K(1.17549435082228751e-38, 2.2250738585072014e-308);
	const T whole = K(8388608.0, 4503599627370496.0); /* 2^23, 2^52 */
	const BITS root = F(bits)(K(0.70710678118654752440, 0.70710678118654752440));
	T y = x < tiny ? x * whole : x, e, f, s, z, h, p, special;
	BITS i = F(bits)(y) - root;

	/* the exponent as a number: e + 2^MANTISSA is assembled from its bits */
	e = F(of_bits)((i + ((BITS)EXPONENT_BIAS << MANTISSA)) >> MANTISSA | F(bits)(whole));
	e = e - whole - EXPONENT_BIAS - (x < tiny ? (T)MANTISSA : (T)0);
	f = F(of_bits)((i & (((BITS)1 << MANTISSA) - 1)) + root) - 1;
	s = f / (2 + f);
	z = s * s;
#if TBITS == 32
	p = z * (2.0f / 11) + 2.0f / 9;
#else
	p = z * (2.0 / 23) + 2.0 / 21;
	p = p * z + 2.0 / 19;
	p = p * z + 2.0 / 17;
	p = p * z + 2.0 / 15;
	p = p * z + 2.0 / 13;
	p = p * z + 2.0 / 11;
	p = p * z + 2.0 / 9;
#endif
	p = p * z + (T)2 / 7;
	p = p * z + (T)2 / 5;
	p = p * z + (T)2 / 3;
	h = (T)0.5 * f * f;
	y = e * LN2_HI - ((h - (s * (h + z * p) + e * LN2_LO)) - f);
	special = x == 0 ? -(T)INFINITY : (T)NAN;
	y = x < (T)INFINITY ? y : x;
	return x > 0 ? y : special;
}

INLINE T F(f_log1p)(T u) /* 0 <= u <= 1 */
{
	T t = 1 + u;

	return F(f_log)(t) + (u - (t - 1)) / t;
}

INLINE T F(f_tanh)(T x)
{
	T a = F(f_abs)(x), e;

	a = a > K(10.0, 20.0) ? K(10.0, 20.0) : a;
	e = F(f_expm1)(2 * a);
	return F(of_bits)(F(bits)(e / (e + 2)) | (F(bits)(x) & (BITS)1 << (TBITS - 1)));
}

INLINE T F(f_sigmoid)(T x)
{
	return 1 / F(one_and_exp)(-x);
}

INLINE T F(f_softplus)(T x)
{
	return (x > 0 ? x : 0) + F(f_log1p)(F(f_exp)(-F(f_abs)(x)));
}

INLINE T F(f_silu)(T x)
{
	return x / F(one_and_exp)(-x);
}

INLINE T F(f_silu_grad)(T x) /* s (1 + x (1 - s)) */
{
	T s = F(f_sigmoid)(x);

	return s * (1 + x * (1 - s));
}

INLINE T F(f_elu)(T x)
{
	T e = F(f_expm1)(x > 0 ? 0 : x);

	return x > 0 ? x : e;
}

INLINE T F(f_elu_grad)(T x)
{
	return F(f_exp)(x > 0 ? 0 : x);
}

#undef K
#undef BITS
#undef MANTISSA
#undef EXPONENT_BIAS
#undef LN2_HI
#undef LN2_LO
