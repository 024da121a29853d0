/* sincos.h: sine and cosine in double precision; the float kernels round them.
 *
 * x = q pi/2 + r with |r| <= pi/4; pi/2 is the sum of three parts of 33 bits, so that q times a
 * part is exact up to |x| = 1.6e6 (Cody and Waite 1980). Taylor series of sin r and cos r: the
 * first term left out is below 3e-18. The quadrant picks the series and the sign by masks, without
 * a branch. Beyond 1e9, where the reduction would be noise, the result is NaN.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SINCOS_H
#define SF_SINCOS_H

INLINE uint64_t bits_of_double(double x)
{
	uint64_t u;

	memcpy(&u, &x, sizeof u);
	return u;
}

INLINE double double_of_bits(uint64_t u)
{
	double x;

	memcpy(&x, &u, sizeof x);
	return x;
}

/* sin(x + shift pi/2) */
INLINE double sin_shifted(double x, uint64_t shift)
{
	const double round = 6755399441055744.0; /* 1.5 2^52: adding it rounds to a whole number */
	double t = x * 0.63661977236758134308 + round, r, z, s, c, w;
	uint64_t q = bits_of_double(t) + shift, odd = 0 - (q & 1);

	t -= round;
	r = x - t * 1.57079632673412561417e+00;
	r = r - t * 6.07710050630396597660e-11;
	r = r - t * 2.02226624879595063154e-21;
	z = r * r;
	s = z * (1.0 / 355687428096000.0) - 1.0 / 1307674368000.0; /* 1/17!, 1/15! ... */
	s = s * z + 1.0 / 6227020800.0;
	s = s * z - 1.0 / 39916800.0;
	s = s * z + 1.0 / 362880.0;
	s = s * z - 1.0 / 5040.0;
	s = s * z + 1.0 / 120.0;
	s = s * z - 1.0 / 6.0;
	s = r + r * z * s;
	c = z * (1.0 / 20922789888000.0) - 1.0 / 87178291200.0; /* 1/16!, 1/14! ... */
	c = c * z + 1.0 / 479001600.0;
	c = c * z - 1.0 / 3628800.0;
	c = c * z + 1.0 / 40320.0;
	c = c * z - 1.0 / 720.0;
	c = c * z + 1.0 / 24.0;
	w = 1 - 0.5 * z;
	c = w + (((1 - w) - 0.5 * z) + z * z * c);
	s = double_of_bits((bits_of_double(s) & ~odd) | (bits_of_double(c) & odd));
	s = double_of_bits(bits_of_double(s) ^ (q & 2) << 62);
	return x >= -1e9 && x <= 1e9 ? s : (double)NAN;
}

#endif
