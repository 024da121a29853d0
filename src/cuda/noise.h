/* noise.h: noise, bit for bit the CPU's (scorefield/noise.h, kernel/noise_lanes.h).
 *
 *   Philox4x32-10  Salmon, Moraes, Dror, Shaw 2011; counter = (element/4, sample low, step, purpose + 2^16 (sample high)), key = seed
 *   Uniform        ((word >> 8) | 1) 2^-24
 *   Normal         z0 = r cos 2 pi u1, z1 = r sin 2 pi u1, r = sqrt(-2 log u0) (Box and Muller 1958), Cephes' polynomials
 *
 * Only + * and the square root, each rounded by itself (--fmad=false, no flushing to zero), in the CPU's order.
 * SPDX-License-Identifier: BSD-3-Clause */

CU_DEVICE void cu_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
	int round;

	for (round = 0; round < 10; round++) {
		const uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;

		c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)q;
		c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)p;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

/* Whose numbers: see sf_noise. */
typedef struct cu_noise {
	uint64_t seed;
	uint32_t purpose, step;
} cu_noise;

/* The words of elements 4 block .. 4 block + 3 of a sample */
CU_DEVICE void cu_noise_words(cu_noise key, uint64_t sample, uint64_t block, uint32_t word[4])
{
	uint32_t counter[4], k[2];

	k[0] = (uint32_t)key.seed;
	k[1] = (uint32_t)(key.seed >> 32);
	counter[0] = (uint32_t)block;
	counter[1] = (uint32_t)sample;
	counter[2] = key.step;
	counter[3] = (key.purpose & 0xffffu) | (uint32_t)(sample >> 32 & 0xffffu) << 16;
	cu_philox(counter, k, word);
}

/* (w >> 8 | 1) 2^-24 times 1 or 4, whose bits are `one`; exact, see uniform_of_word of noise_lanes.h */
CU_DEVICE float cu_uniform_times(uint32_t w, uint32_t one)
{
	return cu_bits_to_float(w >> 9 | one) - cu_bits_to_float(one - 1);
}

CU_DEVICE float cu_uniform_of_word(uint32_t w)
{
	return cu_uniform_times(w, 0x3f800000u);
}

/* The top bit as a sign */
CU_DEVICE float cu_sign_of_word(uint32_t w)
{
	return w >> 31 ? 1.0f : -1.0f;
}

/* -2 log of the uniform of a word */
CU_DEVICE float cu_squared_radius(uint32_t w)
{
	const uint32_t root = 0x3f3504f3u, whole = 0x4b000000u; /* sqrt(1/2), 2^23 */
	const uint32_t i = cu_float_to_bits(cu_uniform_of_word(w)) + ((127u << 23) - root);
	const float e = cu_bits_to_float(i >> 23 | whole) - (8388608.0f + 127.0f);
	const float f = cu_bits_to_float((i & 0x7fffffu) + root) - 1.0f;
	const float z = f * f, g = f * -2.0f;
	float p = f * 7.0376836292e-2f - 1.1514610310e-1f;

	p = p * f + 1.1676998740e-1f;
	p = p * f - 1.2420140846e-1f;
	p = p * f + 1.4249322787e-1f;
	p = p * f - 1.6668057665e-1f;
	p = p * f + 2.0000714765e-1f;
	p = p * f - 2.4999993993e-1f;
	p = p * f + 3.3333331174e-1f;
	p = g * z * p + e * (2 * 2.12194440e-4f) + z;
	return g + p + e * (-2 * 0.693359375f);
}

/* Elements 2k and 2k + 1 from words 2k and 2k + 1 */
CU_DEVICE void cu_normal_pair(uint32_t w0, uint32_t w1, float *z0, float *z1)
{
	const float round = 12582912.0f; /* 1.5 2^23 */
	const float length = sqrtf(cu_squared_radius(w0)), u = cu_uniform_times(w1, 0x40800000u); /* in quarters */
	const float t = u + round, r = (u - (t - round)) * 1.57079632679f, z = r * r;
	float s = z * -1.9515295891e-4f + 8.3321608736e-3f, c = z * 2.443315711809948e-5f - 1.388731625493765e-3f;
	uint32_t q, bs, bc, swap;

	s = s * z - 1.6666654611e-1f;
	c = c * z + 4.166664568298827e-2f;
	s = s * z * r + r;
	c = c * z * z - z * 0.5f + 1.0f;
	q = cu_float_to_bits(t);
	bs = cu_float_to_bits(s);
	bc = cu_float_to_bits(c);
	swap = (bs ^ bc) & (0u - (q & 1u));
	*z0 = length * cu_bits_to_float(bc ^ swap ^ ((q + 1u) & 2u) << 30);
	*z1 = length * cu_bits_to_float(bs ^ swap ^ (q & 2u) << 30);
}

/* Elements 4 block .. 4 block + 3 of a sample; kind is of sf_leaf: 'n' normal, 'u' uniform, else signs */
CU_DEVICE void cu_noise_four(int kind, cu_noise key, uint64_t sample, uint64_t block, float o[4])
{
	uint32_t w[4];
	int k;

	cu_noise_words(key, sample, block, w);
	if (kind == 'n') {
		cu_normal_pair(w[0], w[1], &o[0], &o[1]);
		cu_normal_pair(w[2], w[3], &o[2], &o[3]);
		return;
	}
	for (k = 0; k < 4; k++)
		o[k] = kind == 'u' ? cu_uniform_of_word(w[k]) : cu_sign_of_word(w[k]);
}

/* One element of a sample */
CU_DEVICE float cu_noise_normal(cu_noise key, uint64_t sample, uint64_t element)
{
	float four[4];

	cu_noise_four('n', key, sample, element / 4, four);
	return four[element % 4];
}

CU_DEVICE float cu_noise_uniform(cu_noise key, uint64_t sample, uint64_t element)
{
	uint32_t w[4];

	cu_noise_words(key, sample, element / 4, w);
	return cu_uniform_of_word(w[element % 4]);
}

/* sf_noise_uniform53 */
CU_DEVICE double cu_noise_uniform53(cu_noise key, uint64_t sample, uint64_t i)
{
	const int at = (int)(i % 2) * 2;
	uint32_t w[4];

	cu_noise_words(key, sample, i / 2, w);
	return ((double)(w[at] >> 5) * 67108864.0 + (double)(w[at + 1] >> 6)) * (1.0 / 9007199254740992.0);
}
