/* check_cuda_noise.c: the device's noise: Philox's known answers, the CPU's numbers bit for bit, random leaves of plans.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"

#include <scorefield/graph.h>
#include <scorefield/noise.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The device's noise as functions */
#define CU_DEVICE static inline

CU_DEVICE float cu_bits_to_float(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof f);
	return f;
}

CU_DEVICE uint32_t cu_float_to_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof bits);
	return bits;
}

#include "cuda/noise.h"

static void *must(void *p)
{
	ck_assert_ptr_nonnull(p);
	return p;
}

/* Known answers of Random123 1.09 (kat_vectors, philox4x32 10). */
START_TEST(philox)
{
	static const uint32_t counter[3][4] = {{0, 0, 0, 0}, {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu},
	                                       {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}};
	static const uint32_t key[3][2] = {{0, 0}, {0xffffffffu, 0xffffffffu}, {0xa4093822u, 0x299f31d0u}};
	static const uint32_t answer[3][4] = {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u},
	                                      {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu},
	                                      {0xd16cfe09u, 0x94fdcceb, 0x5001e420u, 0x24126ea1u}};
	uint32_t out[4];
	int i;

	for (i = 0; i < 3; i++) {
		cu_philox(counter[i], key[i], out);
		ck_assert_mem_eq(out, answer[i], sizeof out);
	}
}
END_TEST

/* Single numbers, and those in double. */
START_TEST(one_by_one)
{
	const sf_noise key = {0x123456789abcdef1u, 4097, 77};
	cu_noise same;
	sf_ctx *ctx = ck_ctx();
	uint64_t i;

	same.seed = key.seed;
	same.purpose = key.purpose;
	same.step = key.step;
	for (i = 0; i < 200; i++) {
		const uint64_t sample = i * 0x51f3a7c21u, first = i * i * 77777;
		float z, u;

		sf_noise_normal(ctx, key, sample, first, 1, &z);
		sf_noise_uniform(ctx, key, sample, first, 1, &u);
		ck_assert(cu_noise_normal(same, sample, first) == z);
		ck_assert(cu_noise_uniform(same, sample, first) == u);
		ck_assert(cu_noise_uniform53(same, sample, first) == sf_noise_uniform53(key, sample, first));
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Every word: the extreme uniforms, and all 2^16 that differ in the upper half. */
START_TEST(words)
{
	uint32_t i;
	float z[2];

	for (i = 0; i < 65536; i++) {
		const double u = (double)((i << 8) | 1) / 16777216, r = sqrt(-2 * log(u)), a = 6.283185307179586 * u;

		ck_assert(cu_uniform_of_word(i << 16) == (float)u);
		cu_normal_pair(i << 16, i << 16, &z[0], &z[1]);
		assert_close(z[0], r * cos(a), 2e-6, 2e-6);
		assert_close(z[1], r * sin(a), 2e-6, 2e-6);
	}
}
END_TEST

static void expect_noise(const sf_ctx *ctx, char kind, uint32_t purpose, const sf_run *r, uint64_t sample, int64_t size, float *o)
{
	sf_noise key;
	int64_t i;

	key.seed = r->seed;
	key.purpose = purpose;
	key.step = r->step;
	if (kind == 'n')
		sf_noise_normal(ctx, key, sample, 0, (size_t)size, o);
	else if (kind == 'u')
		sf_noise_uniform(ctx, key, sample, 0, (size_t)size, o);
	for (i = 0; kind == 'r' && i < size; i++) {
		uint32_t word;

		sf_noise_words(ctx, key, sample, (uint64_t)i, 1, &word);
		o[i] = word >> 31 ? 1.0f : -1.0f;
	}
}

/* One plan, run again with other seeds, steps, samples and numbers of them. */
static void try_leaf(sf_ctx *ctx, char kind, int64_t size, int64_t most)
{
	static const sf_run runs[] = {{0, 0, 77, 3, 1000, 0, 0}, {0, 0, 77, 4, 1000, 0, 0}, {0, 0, 0x9876543210u, 0xfffffff0u, 0xfffffffeu, 0, 0},
	                              {0, 0, 77, 3, 0xffffffff0000u, 0, 0}};
	float *out = must(malloc((size_t)(size * most + 1) * sizeof *out)), *want = must(malloc((size_t)size * sizeof *want));
	sf_graph *g;
	sf_plan *p;
	sf_var x;
	int i;
	int64_t s;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	x = sf_random(g, kind, 4242, 1, &size);
	assert_ok(ctx, sf_plan_new(g, &x, 1, SF_F32, most, &p));
	assert_ok(ctx, sf_plan_output(p, 0, out));
	for (i = 0; i < 4; i++) {
		sf_run r = runs[i];

		r.n = i % 2 ? (most + 1) / 2 : most;
		memset(out, 0xff, (size_t)(size * most + 1) * sizeof *out);
		assert_ok(ctx, sf_plan_run(p, &r));
		for (s = 0; s < r.n; s++) {
			expect_noise(ctx, kind, 4242, &r, r.first_sample + (uint64_t)s, size, want);
			ck_assert_mem_eq(out + s * size, want, (size_t)size * sizeof *want);
		}
		ck_assert(isnan(out[r.n * size]));
	}
	sf_plan_free(p);
	sf_graph_free(g);
	free(out);
	free(want);
}

START_TEST(leaves)
{
	static const int64_t size[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 63, 64, 255, 256, 1001, 3072};
	static const char kinds[] = "nur";
	sf_ctx *ctx = ck_ctx();
	unsigned i;
	int k;

	rig_device(ctx, SF_DEVICE_STRICT, 1);
	for (i = 0; i < sizeof size / sizeof *size; i++)
		for (k = 0; k < 3; k++) {
			try_leaf(ctx, kinds[k], size[i], 1);
			try_leaf(ctx, kinds[k], size[i], 37);
		}
	try_leaf(ctx, 'n', 100003, 5);
	try_leaf(ctx, 'n', 2, 100003);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cuda_noise");
	TCase *t = tcase_create("noise");

	tcase_add_test(t, philox);
	tcase_add_test(t, one_by_one);
	tcase_add_test(t, words);
	tcase_add_test(t, leaves);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
