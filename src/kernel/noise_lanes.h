/* noise_lanes.h: Philox4x32-10 and Box-Muller on many counters at once, see scorefield/noise.h.
 *
 *   Philox  Salmon, Moraes, Dror, Shaw 2011: ten rounds of (hi1^c1^k0, lo1, hi0^c3^k1, lo0), where
 *           (hi0,lo0) = D2511F53 c0 and (hi1,lo1) = CD9E8D57 c2; keys grow by 9E3779B9, BB67AE85
 *   Normal  z0 = r cos 2 pi u1, z1 = r sin 2 pi u1, r = sqrt(-2 log u0) (Box and Muller 1958)
 *
 * Polynomials of the Cephes library for log, sin and cos in single precision; only + * and sqrt, so
 * the stream is the same everywhere. A uniform is an odd multiple of 2^-24: 24 bits hold it
 * exactly.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_NOISE_LANES_H
#define SF_NOISE_LANES_H

enum { NOISE_LANES = 64, NOISE_SOME = 16, NOISE_FEW = 4 }; /* fewer blocks than the last go one by one */

INLINE uint32_t bits_of_float(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	return u;
}

INLINE float float_of_bits(uint32_t u)
{
	float x;

	memcpy(&x, &u, sizeof x);
	return x;
}

#if SF_SIMD && defined WIDE_PRODUCT
/* Two counters in each 64-bit element are done as two vectors, of even and of odd counters in the low halves: a
 * multiplication reads the low halves alone, so what the high halves hold does not matter before the end. */
typedef uint64_t v_u64 __attribute__((vector_size(VBYTES)));
typedef uint64_t u_u64 __attribute__((vector_size(VBYTES), aligned(4), may_alias));

enum { PHILOX_VECTOR = VBYTES / 4 }; /* counters of both vectors */

/* The first lanes of w, as many as fill vectors; see philox_lanes. */
INLINE int philox_wide(const int lanes, const uint32_t key[2], const uint32_t counter[4], int moves, uint32_t first,
                       uint32_t w[4][NOISE_LANES])
{
	enum { VECTOR = VBYTES / 4 }; /* counters of two vectors */
	const v_u64 m0 = 0xD2511F53u - (v_u64){0}, m1 = 0xCD9E8D57u - (v_u64){0};
	const uint64_t add0 = moves == 0 ? VECTOR : 0, add1 = moves == 1 ? VECTOR : 0;
	uint64_t even[VBYTES / 8];
	v_u64 from0[2], from1[2];
	int i, j, h, round;

	if (lanes < VECTOR)
		return 0;
	for (j = 0; j < VBYTES / 8; j++)
		even[j] = first + 2 * (uint64_t)j;
	for (h = 0; h < 2; h++) {
		const v_u64 at = *(u_u64 *)(void *)even + (uint64_t)h;

		from0[h] = counter[0] + (moves == 0 ? at : (v_u64){0});
		from1[h] = counter[1] + (moves == 1 ? at : (v_u64){0});
	}
	for (i = 0; i + VECTOR <= lanes; i += VECTOR) {
		uint64_t k0 = key[0], k1 = key[1];
		v_u64 c[4][2];

		UNROLL
		for (h = 0; h < 2; h++) {
			c[0][h] = from0[h];
			c[1][h] = from1[h];
			c[2][h] = counter[2] - (v_u64){0};
			c[3][h] = counter[3] - (v_u64){0};
			from0[h] += add0;
			from1[h] += add1;
		}
		UNROLL
		for (round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
			UNROLL
			for (h = 0; h < 2; h++) {
				const v_u64 p = WIDE_PRODUCT(m0, c[0][h]), q = WIDE_PRODUCT(m1, c[2][h]);

				c[0][h] = q >> 32 ^ c[1][h] ^ k0;
				c[1][h] = q;
				c[2][h] = p >> 32 ^ c[3][h] ^ k1;
				c[3][h] = p;
			}
		UNROLL
		for (j = 0; j < 4; j++)
			*(u_u64 *)(void *)(w[j] + i) = (c[j][0] & 0xffffffffu) | c[j][1] << 32;
	}
	return i;
}
#else
#define philox_wide(lanes, key, counter, moves, first, w) 0
#endif

/* w[j][i] = word j of the counter with first + i added to its word `moves`. `lanes` is constant after inlining:
 * NOISE_LANES, or fewer for the few numbers of a small sample. */
INLINE void philox_lanes(const int lanes, const uint32_t key[2], const uint32_t counter[4], int moves, uint32_t first,
                         uint32_t w[4][NOISE_LANES])
{
	const int done = philox_wide(lanes, key, counter, moves, first, w);
	uint32_t k0 = key[0], k1 = key[1];
	int round, i;

	if (done == lanes)
		return;
	for (i = done; i < lanes; i++) {
		w[0][i] = counter[0] + (moves == 0 ? first + (uint32_t)i : 0);
		w[1][i] = counter[1] + (moves == 1 ? first + (uint32_t)i : 0);
		w[2][i] = counter[2];
		w[3][i] = counter[3];
	}
	for (round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
		EACH
		for (i = done; i < lanes; i++) {
			const uint64_t p = (uint64_t)0xD2511F53u * w[0][i];
			const uint64_t q = (uint64_t)0xCD9E8D57u * w[2][i];
			const uint32_t c1 = w[1][i], c3 = w[3][i];

			w[0][i] = (uint32_t)(q >> 32) ^ c1 ^ k0;
			w[1][i] = (uint32_t)q;
			w[2][i] = (uint32_t)(p >> 32) ^ c3 ^ k1;
			w[3][i] = (uint32_t)p;
		}
	}
}

INLINE float uniform_of_word(uint32_t w)
{
	return (float)(int32_t)(w >> 8 | 1) * (1.0f / 16777216);
}

INLINE float log_of_uniform(float u)
{
	const uint32_t root = 0x3f3504f3u; /* sqrt(1/2) */
	const uint32_t i = bits_of_float(u) - root;
	const float e = (float)(int32_t)((i + (127u << 23)) >> 23) - 127;
	const float f = float_of_bits((i & 0x7fffffu) + root) - 1, z = f * f;
	float p = 7.0376836292e-2f;

	p = p * f - 1.1514610310e-1f;
	p = p * f + 1.1676998740e-1f;
	p = p * f - 1.2420140846e-1f;
	p = p * f + 1.4249322787e-1f;
	p = p * f - 1.6668057665e-1f;
	p = p * f + 2.0000714765e-1f;
	p = p * f - 2.4999993993e-1f;
	p = p * f + 3.3333331174e-1f;
	p = f * z * p + e * -2.12194440e-4f - 0.5f * z;
	return f + p + e * 0.693359375f;
}

/* (z0, z1) of two words */
INLINE void normal_pair(uint32_t w0, uint32_t w1, float *z0, float *z1)
{
	const float radius = sqrtf(-2 * log_of_uniform(uniform_of_word(w0)));
	const float quarters = uniform_of_word(w1) * 4, t = quarters + 12582912.0f;
	const uint32_t q = bits_of_float(t), odd = 0 - (q & 1);
	const float r = (quarters - (t - 12582912.0f)) * 1.57079632679f, z = r * r;
	const float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z *
	                r + r;
	const float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z +
	                 4.166664568298827e-2f) * z * z - 0.5f * z + 1;
	const uint32_t bs = bits_of_float(s), bc = bits_of_float(c);

	*z0 = radius * float_of_bits(((bc & ~odd) | (bs & odd)) ^ ((q + 1) & 2) << 30);
	*z1 = radius * float_of_bits(((bs & ~odd) | (bc & odd)) ^ (q & 2) << 30);
}

INLINE void normal_lanes(const int lanes, const uint32_t key[2], const uint32_t counter[4], int moves,
                         uint32_t first, float z[4][NOISE_LANES])
{
	uint32_t w[4][NOISE_LANES];
	int i;

	philox_lanes(lanes, key, counter, moves, first, w);
	for (i = 0; i < lanes; i++)
		normal_pair(w[0][i], w[1][i], &z[0][i], &z[1][i]);
	for (i = 0; i < lanes; i++)
		normal_pair(w[2][i], w[3][i], &z[2][i], &z[3][i]);
}

INLINE void uniform_lanes(const int lanes, const uint32_t key[2], const uint32_t counter[4], int moves,
                          uint32_t first, float u[4][NOISE_LANES])
{
	uint32_t w[4][NOISE_LANES];
	int i, j;

	philox_lanes(lanes, key, counter, moves, first, w);
	for (j = 0; j < 4; j++)
		for (i = 0; i < lanes; i++)
			u[j][i] = uniform_of_word(w[j][i]);
}

#endif
