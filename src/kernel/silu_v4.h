/* silu_v4.h: 1 + exp(-x) of 16 floats with AVX-512, for loops whose time is the exponential.
 *
 *   -x = n ln(2)/32 + r, |r| <= ln(2)/64;  e^-x = 2^(n div 32) 2^((n mod 32)/32) e^r
 *
 * The 32 values of the second factor lie in two registers and a permutation looks them up; e^r - 1 = r c1 + r^2 / 2,
 * where c1 spreads the cubic term's error evenly (5e-8). ln(2)/32 is one float, 3e-9 off, and its product with n is not
 * rounded: at x = -80 that is 2e-7 of the result, where most of the error of 4 ulp comes from. exp(-x) is made at a
 * quarter of its size, so that it turns into infinity by additions. NaN gives any number.
 *
 * Six multiply-adds beside the division that follows; the polynomial of math_body.h takes 15 operations.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SILU_V4_H
#define SF_SILU_V4_H

/* bits of 2^(i/32 - 2), less i 2^18: n 2^18 added makes the exponent n div 32 */
static const uint32_t silu_power[32] = {
	0x3e800000, 0x3e7ecd87, 0x3e7daac3, 0x3e7c980f, 0x3e7b95c2, 0x3e7aa43a, 0x3e79c3d3, 0x3e78f4f0,
	0x3e7837f0, 0x3e778d3a, 0x3e76f532, 0x3e767043, 0x3e75fed7, 0x3e75a15b, 0x3e75583f, 0x3e7523f6,
	0x3e7504f3, 0x3e74fbaf, 0x3e7508a4, 0x3e752c4d, 0x3e75672a, 0x3e75b9be, 0x3e76248c, 0x3e76a81e,
	0x3e7744fd, 0x3e77fbb8, 0x3e78ccdf, 0x3e79b907, 0x3e7ac0c7, 0x3e7be4ba, 0x3e7d257d, 0x3e7e83b3,
};

static inline __attribute__((always_inline)) __m512 one_and_exp_minus(__m512 x)
{
	const __m512 round = _mm512_set1_ps(12582912.f); /* 1.5 2^23 */
	__m512 t, r, p, e;
	__m512i n;

	x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(86.f)), _mm512_set1_ps(-90.f));
	t = _mm512_fmadd_ps(x, _mm512_set1_ps(-32 * 1.44269504f), round);
	n = _mm512_castps_si512(t);
	t = _mm512_sub_ps(t, round);
	r = _mm512_fmadd_ps(t, _mm512_set1_ps(.693147182f / 32), x); /* -r */
	p = _mm512_fmadd_ps(r, _mm512_set1_ps(.5f), _mm512_set1_ps(-1.0000147f));
	p = _mm512_mul_ps(p, r);
	e = _mm512_permutex2var_ps((__m512)_mm512_loadu_si512(silu_power), n,
	                           (__m512)_mm512_loadu_si512(silu_power + 16));
	e = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(e), _mm512_slli_epi32(n, 18)));
	e = _mm512_fmadd_ps(e, p, e);
	e = _mm512_add_ps(e, e);
	e = _mm512_add_ps(e, e);
	return _mm512_add_ps(e, _mm512_set1_ps(1.f));
}

#endif
