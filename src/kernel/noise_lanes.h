/* noise_lanes.h: Philox4x32-10 and Box-Muller on many counters at once, see scorefield/noise.h.
 *
 *   Philox  Salmon, Moraes, Dror, Shaw 2011: ten rounds of (hi1^c1^k0, lo1, hi0^c3^k1, lo0), where
 *           (hi0,lo0) = D2511F53 c0 and (hi1,lo1) = CD9E8D57 c2; keys grow by 9E3779B9, BB67AE85
 *   Normal  z0 = r cos 2 pi u1, z1 = r sin 2 pi u1, r = sqrt(-2 log u0) (Box and Muller 1958)
 *
 * Polynomials of the Cephes library for log, sin and cos in single precision; only + * and sqrt, so
 * the stream is the same everywhere. A uniform is an odd multiple of 2^-24: 24 bits hold it
 * exactly.
 *
 * Everything here waits for the step before it, so several vectors go through each step together.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_NOISE_LANES_H
#define SF_NOISE_LANES_H

/* Vectors of words; words as floats and back bit by bit. TOGETHER: for each vector of those that step together. */
#if SF_SIMD
typedef uint32_t v_u32 __attribute__((vector_size(VBYTES)));
typedef uint32_t u_u32 __attribute__((vector_size(VBYTES), aligned(4), may_alias));
#define NOISE_WIDTH (VBYTES / 4)
#define NOISE_BITS(x) ((v_u32)(x))
#define NOISE_FLOAT(u) ((v_f32)(u))
#define NOISE_TOGETHER (VBYTES == 64 ? 8 : 4)
#define TOGETHER UNROLL for (h = 0; h < together; h++)
#else
typedef uint32_t v_u32, u_u32;
#define NOISE_WIDTH 1
#define NOISE_BITS(x) bits_of_float(x)
#define NOISE_FLOAT(u) float_of_bits(u)
#define NOISE_TOGETHER 1
#define TOGETHER h = together - 1;
#endif

/* Blocks of four numbers at a time: many, some, or one vector's pairs */
enum { NOISE_LANES = 64, NOISE_SOME = 16, NOISE_ONE = (NOISE_WIDTH + 1) / 2 };
enum { NOISE_FEW = NOISE_ONE > 4 ? NOISE_ONE : 4 };

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
/* A multiplication reads the low halves of 64-bit elements, so a counter's words lie in four of them, and what the
 * high halves hold does not matter before the end. */
typedef uint64_t v_u64 __attribute__((vector_size(VBYTES)));
typedef uint64_t u_u64 __attribute__((vector_size(VBYTES), aligned(4), may_alias));

enum { PHILOX_TOGETHER = VBYTES == 64 ? 8 : 2 };

static const uint64_t philox_count[8] = {0, 1, 2, 3, 4, 5, 6, 7};

/* `streams` vectors of counters from `first` on; see philox_lanes. */
INLINE void philox_vectors(const int streams, const uint32_t key[2], const uint32_t counter[4], int moves,
                           uint32_t first, uint32_t *even, uint32_t *odd)
{
	const v_u64 m0 = 0xD2511F53u - (v_u64){0}, m1 = 0xCD9E8D57u - (v_u64){0};
	uint64_t k0 = key[0], k1 = key[1];
	v_u64 c[4][PHILOX_TOGETHER];
	int h, round;

	UNROLL
	for (h = 0; h < streams; h++) {
		const v_u64 at = *(const u_u64 *)philox_count + (first + (uint64_t)(h * (VBYTES / 8)));

		c[0][h] = counter[0] + (moves == 0 ? at : (v_u64){0});
		c[1][h] = counter[1] + (moves == 1 ? at : (v_u64){0});
		c[2][h] = counter[2] - (v_u64){0};
		c[3][h] = counter[3] - (v_u64){0};
	}
	UNROLL
	for (round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
		UNROLL
		for (h = 0; h < streams; h++) {
			const v_u64 p = WIDE_PRODUCT(m0, c[0][h]), q = WIDE_PRODUCT(m1, c[2][h]);

			c[0][h] = q >> 32 ^ c[1][h] ^ k0;
			c[1][h] = q;
			c[2][h] = p >> 32 ^ c[3][h] ^ k1;
			c[3][h] = p;
		}
	UNROLL
	for (h = 0; h < streams; h++) {
		*(u_u64 *)(void *)(even + h * (VBYTES / 4)) = (c[0][h] & 0xffffffffu) | c[2][h] << 32;
		*(u_u64 *)(void *)(odd + h * (VBYTES / 4)) = (c[1][h] & 0xffffffffu) | c[3][h] << 32;
	}
}

/* All lanes, which are whole vectors */
INLINE int philox_wide(const int lanes, const uint32_t key[2], const uint32_t counter[4], int moves, uint32_t first,
                       uint32_t *even, uint32_t *odd)
{
	const int vectors = lanes / (VBYTES / 8), streams = vectors < PHILOX_TOGETHER ? vectors : PHILOX_TOGETHER;
	const int step = streams * (VBYTES / 8);
	int i;

	for (i = 0; i < lanes; i += step)
		philox_vectors(streams, key, counter, moves, first + (uint32_t)i, even + 2 * i, odd + 2 * i);
	return i;
}
#else
#define philox_wide(lanes, key, counter, moves, first, even, odd) 0
#endif

/* The words of the counter with first + i added to its word `moves`: 0 and 2 in even[2i], even[2i + 1], 1 and 3 in
 * odd[2i], odd[2i + 1]. `lanes` is constant after inlining. */
INLINE void philox_lanes(const int lanes, const uint32_t key[2], const uint32_t counter[4], int moves, uint32_t first,
                         uint32_t *even, uint32_t *odd)
{
	const int done = philox_wide(lanes, key, counter, moves, first, even, odd);
	uint32_t w[4][NOISE_LANES], k0 = key[0], k1 = key[1];
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
	for (i = done; i < lanes; i++) {
		even[2 * i] = w[0][i];
		even[2 * i + 1] = w[2][i];
		odd[2 * i] = w[1][i];
		odd[2 * i + 1] = w[3][i];
	}
}

/* (w >> 8 | 1) 2^-24 times 1 or 4, whose bits are `one`: the bits above the last behind the point of 1.0 or 4.0, and
 * what that adds too much taken off again. Exact. */
INLINE v_f32 uniform_of_word(v_u32 w, uint32_t one)
{
	return NOISE_FLOAT(w >> 9 | one) - float_of_bits(one - 1);
}

/* -2 log of the uniform of each word. All is scaled by -2 from f on, which changes no digit. */
INLINE void squared_radii(const int together, const uint32_t *w, float *radius2)
{
	const uint32_t root = 0x3f3504f3u, whole = 0x4b000000u; /* sqrt(1/2), 2^23 */
	v_u32 i[NOISE_TOGETHER];
	v_f32 e[NOISE_TOGETHER], f[NOISE_TOGETHER], g[NOISE_TOGETHER], z[NOISE_TOGETHER], p[NOISE_TOGETHER];
	int h;

	TOGETHER i[h] = NOISE_BITS(uniform_of_word(*(const u_u32 *)(w + h * NOISE_WIDTH), 0x3f800000u));
	TOGETHER i[h] += (127u << 23) - root;
	TOGETHER e[h] = NOISE_FLOAT(i[h] >> 23 | whole) - (8388608.0f + 127);
	TOGETHER f[h] = NOISE_FLOAT((i[h] & 0x7fffffu) + root) - 1;
	TOGETHER p[h] = f[h] * 7.0376836292e-2f - 1.1514610310e-1f;
	TOGETHER p[h] = p[h] * f[h] + 1.1676998740e-1f;
	TOGETHER p[h] = p[h] * f[h] - 1.2420140846e-1f;
	TOGETHER p[h] = p[h] * f[h] + 1.4249322787e-1f;
	TOGETHER p[h] = p[h] * f[h] - 1.6668057665e-1f;
	TOGETHER p[h] = p[h] * f[h] + 2.0000714765e-1f;
	TOGETHER p[h] = p[h] * f[h] - 2.4999993993e-1f;
	TOGETHER p[h] = p[h] * f[h] + 3.3333331174e-1f;
	TOGETHER z[h] = f[h] * f[h];
	TOGETHER g[h] = f[h] * -2;
	TOGETHER p[h] = g[h] * z[h] * p[h] + e[h] * (2 * 2.12194440e-4f) + z[h];
	TOGETHER *(u_f32 *)(radius2 + h * NOISE_WIDTH) = g[h] + p[h] + e[h] * (-2 * 0.693359375f);
}

/* z[2i], z[2i + 1] = a[i], b[i] */
INLINE void store_pairs(v_f32 a, v_f32 b, float *z)
{
#if SF_SIMD
	*(u_f32 *)z = ZIP_LO_f32(a, b);
	*(u_f32 *)(z + NOISE_WIDTH) = ZIP_HI_f32(a, b);
#else
	z[0] = a;
	z[1] = b;
#endif
}

/* Pairs (z0, z1) of radii and words */
INLINE void normal_pairs(const int together, const float *radius, const uint32_t *w, float *to)
{
	const float round = 12582912.0f; /* 1.5 2^23 */
	v_f32 t[NOISE_TOGETHER], r[NOISE_TOGETHER], z[NOISE_TOGETHER], s[NOISE_TOGETHER], c[NOISE_TOGETHER];
	int h;

	TOGETHER r[h] = uniform_of_word(*(const u_u32 *)(w + h * NOISE_WIDTH), 0x40800000u); /* in quarters */
	TOGETHER t[h] = r[h] + round;
	TOGETHER r[h] = (r[h] - (t[h] - round)) * 1.57079632679f;
	TOGETHER z[h] = r[h] * r[h];
	TOGETHER s[h] = z[h] * -1.9515295891e-4f + 8.3321608736e-3f;
	TOGETHER c[h] = z[h] * 2.443315711809948e-5f - 1.388731625493765e-3f;
	TOGETHER s[h] = s[h] * z[h] - 1.6666654611e-1f;
	TOGETHER c[h] = c[h] * z[h] + 4.166664568298827e-2f;
	TOGETHER s[h] = s[h] * z[h] * r[h] + r[h];
	TOGETHER c[h] = c[h] * z[h] * z[h] - z[h] * 0.5f + 1;
	TOGETHER {
		const v_f32 length = *(const u_f32 *)(radius + h * NOISE_WIDTH);
		const v_u32 q = NOISE_BITS(t[h]), bs = NOISE_BITS(s[h]), bc = NOISE_BITS(c[h]);
		const v_u32 swap = (bs ^ bc) & (0 - (q & 1));

		store_pairs(length * NOISE_FLOAT(bc ^ swap ^ ((q + 1) & 2) << 30),
		            length * NOISE_FLOAT(bs ^ swap ^ (q & 2) << 30), to + 2 * h * NOISE_WIDTH);
	}
}

#undef TOGETHER

/* Four numbers of each block from `first` on */
INLINE void normal_lanes(const int lanes, const uint32_t key[2], const uint32_t counter[4], int moves,
                         uint32_t first, float *z)
{
	const int vectors = 2 * lanes / NOISE_WIDTH, together = vectors < NOISE_TOGETHER ? vectors : NOISE_TOGETHER;
	const int step = together * NOISE_WIDTH;
	uint32_t even[2 * NOISE_LANES], odd[2 * NOISE_LANES];
	float radius[2 * NOISE_LANES];
	int i;

	philox_lanes(lanes, key, counter, moves, first, even, odd);
	for (i = 0; i < 2 * lanes; i += step)
		squared_radii(together, even + i, radius + i);
	for (i = 0; i < 2 * lanes; i++)
		radius[i] = sqrtf(radius[i]);
	for (i = 0; i < 2 * lanes; i += step)
		normal_pairs(together, radius + i, odd + i, z + 2 * i);
}

INLINE void uniform_lanes(const int lanes, const uint32_t key[2], const uint32_t counter[4], int moves,
                          uint32_t first, float *u)
{
	uint32_t even[2 * NOISE_LANES], odd[2 * NOISE_LANES];
	int i;

	philox_lanes(lanes, key, counter, moves, first, even, odd);
	for (i = 0; i < 2 * lanes; i += NOISE_WIDTH)
		store_pairs(uniform_of_word(*(const u_u32 *)(even + i), 0x3f800000u),
		            uniform_of_word(*(const u_u32 *)(odd + i), 0x3f800000u), u + 2 * i);
}

#undef NOISE_BITS
#undef NOISE_FLOAT

#endif
