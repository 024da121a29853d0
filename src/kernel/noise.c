/* noise.c: the public noise functions over the block kernels; words, uniform53 and permutations.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/noise.h>

#include "kernel/kernel.h"

#include <string.h>

void sf_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	uint32_t k0 = key[0], k1 = key[1];
	int round;

	for (round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
		const uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;

		c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)q;
		c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)p;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

/* Key and counter of a block of four elements. */
typedef struct address {
	uint32_t key[2], counter[4];
} address;

static address at_block(sf_noise key, uint64_t sample, uint64_t block)
{
	address a;

	a.key[0] = (uint32_t)key.seed;
	a.key[1] = (uint32_t)(key.seed >> 32);
	a.counter[0] = (uint32_t)block;
	a.counter[1] = (uint32_t)sample;
	a.counter[2] = key.step;
	a.counter[3] = (key.purpose & 0xffffu) | (uint32_t)(sample >> 32 & 0xffffu) << 16;
	return a;
}

/* Elements first .. first+n: the end of a block, whole blocks straight into `out`, the start of
 * one. */
#define FILL(type, suffix, name, public_name)                                                      \
	void public_name(const sf_ctx *ctx, sf_noise key, uint64_t sample, uint64_t first,         \
	                 size_t n, type *out)                                                      \
	{                                                                                          \
		const sf_kern_##suffix *kern = sf_kernels_##suffix##_isa(ctx->isa);                \
		address a = at_block(key, sample, first / 4);                                      \
		size_t skip = (size_t)(first % 4), part;                                           \
		type four[4];                                                                      \
                                                                                                   \
		if (skip > 0 && n > 0) {                                                           \
			part = n < 4 - skip ? n : 4 - skip;                                        \
			kern->name(a.key, a.counter, 0, 1, four);                                     \
			memcpy(out, four + skip, part * sizeof *out);                              \
			a.counter[0]++;                                                            \
			out += part;                                                               \
			n -= part;                                                                 \
		}                                                                                  \
		kern->name(a.key, a.counter, 0, (int64_t)(n / 4), out);                               \
		if (n % 4 > 0) {                                                                   \
			a.counter[0] += (uint32_t)(n / 4);                                         \
			kern->name(a.key, a.counter, 0, 1, four);                                     \
			memcpy(out + n / 4 * 4, four, n % 4 * sizeof *out);                        \
		}                                                                                  \
	}

FILL(float, f32, normal, sf_noise_normal)
FILL(float, f32, uniform, sf_noise_uniform)
FILL(double, f64, normal, sf_noise_normal_d)
FILL(double, f64, uniform, sf_noise_uniform_d)

/* Elements first .. first+size-1 of samples sample .. sample+n-1, many samples to a call of the kernel. */
#define FILL_ROWS(name, public_name, one)                                                          \
	void public_name(const sf_ctx *ctx, sf_noise key, uint64_t sample, int64_t n,              \
	                 uint64_t first, size_t size, double *out)                                 \
	{                                                                                          \
		enum { ROWS = 32 };                                                                \
		const sf_kern_f64 *kern = sf_kernels_f64_isa(ctx->isa);                            \
		double four[4 * ROWS];                                                             \
		int64_t i, rows, left;                                                             \
		size_t at, k, part;                                                                \
                                                                                                   \
		for (; n > 0; n -= rows, sample += (uint64_t)rows, out += (size_t)rows * size) {   \
			left = (int64_t)((UINT64_C(1) << 32) - (sample & 0xffffffffu));            \
			rows = n < left ? n : left; /* before the low word overflows */            \
			rows = first % 4 > 0 || size > 4 * ROWS || rows < 4 ? 1                    \
			       : rows < ROWS                                ? rows                 \
			                                                    : ROWS;                \
			if (rows == 1)                                                             \
				one(ctx, key, sample, first, size, out);                           \
			for (at = 0; rows > 1 && at < size; at += 4) {                             \
				const address a = at_block(key, sample, (first + at) / 4);         \
                                                                                                   \
				part = size - at < 4 ? size - at : 4;                              \
				kern->name(a.key, a.counter, 1, rows, four);                       \
				for (i = 0; i < rows; i++)                                         \
					for (k = 0; k < part; k++)                                 \
						out[(size_t)i * size + at + k] =                   \
							four[4 * i + (int64_t)k];                  \
			}                                                                          \
		}                                                                                  \
	}

FILL_ROWS(normal, sf_noise_normal_rows, sf_noise_normal_d)
FILL_ROWS(uniform, sf_noise_uniform_rows, sf_noise_uniform_d)

void sf_noise_words(const sf_ctx *ctx, sf_noise key, uint64_t sample, uint64_t first, size_t n,
                    uint32_t *out)
{
	uint32_t four[4];
	size_t i;

	(void)ctx;
	for (i = 0; i < n; i++, first++) {
		if (i == 0 || first % 4 == 0) {
			const address a = at_block(key, sample, first / 4);

			sf_philox(a.counter, a.key, four);
		}
		out[i] = four[first % 4];
	}
}

/* 27 bits of the first word above 26 bits of the second. */
double sf_noise_uniform53(sf_noise key, uint64_t sample, uint64_t i)
{
	const address a = at_block(key, sample, i / 2);
	const int w = (int)(i % 2) * 2;
	uint32_t four[4];

	sf_philox(a.counter, a.key, four);
	return ((double)(four[w] >> 5) * 67108864.0 + (double)(four[w + 1] >> 6)) *
	       (1.0 / 9007199254740992.0);
}

/* A balanced Feistel network over the next even number of bits permutes 0 .. 4^half - 1; whoever
 * lands outside walks on along its cycle until it is inside, which takes less than four steps on
 * average. Round keys come from the counters of samples 2^48 - 8 and above, which data do not
 * use. */
uint64_t sf_noise_permute(sf_noise key, uint64_t n, uint64_t i)
{
	enum { ROUNDS = 6 };
	int half = 1, round;
	uint64_t mask, left, right, mixed;
	uint32_t four[4];

	if (n < 2)
		return 0;
	while (half < 32 && (n - 1) >> (2 * half) != 0)
		half++;
	mask = ((uint64_t)1 << half) - 1;
	do {
		left = i >> half;
		right = i & mask;
		for (round = 0; round < ROUNDS; round++) {
			const address a = at_block(key, 0xfffffffffff8u + (uint64_t)round, right);

			sf_philox(a.counter, a.key, four);
			mixed = left ^ (four[0] & mask);
			left = right;
			right = mixed;
		}
		i = left << half | right;
	} while (i >= n);
	return i;
}
