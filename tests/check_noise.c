/* check_noise.c: Philox against its published answers; the streams' cuts, moments, range and
 * independence of instruction set and precision; permutations.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield/noise.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

/* ck_assert without its mark in a file each time, for loops over elements. */
#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ck_abort_msg("%s", #cond);                                                 \
	} while (0)

static const sf_noise KEY = {0x123456789abcdef0u, SF_NOISE_USER, 7};

/* kat_vectors of Random123 (Salmon, Moraes, Dror, Shaw 2011), philox4x32 10. */
START_TEST(philox_known)
{
	static const uint32_t row[3][10] = {
		{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
	         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
	         0x94fdcceb, 0x5001e420, 0x24126ea1},
	};
	uint32_t out[4];
	int i;

	for (i = 0; i < 3; i++) {
		sf_philox(row[i], row[i] + 4, out);
		must(memcmp(out, row[i] + 6, sizeof out) == 0);
	}
}
END_TEST

/* The documented counter layout, and the uniform of a word, on every instruction set. */
START_TEST(layout)
{
	const uint64_t sample = 0x0003456789abcdefu, first = 4001;
	const uint32_t key[2] = {0x9abcdef0u, 0x12345678u};
	sf_ctx *ctx = ck_ctx();
	uint32_t word[300], four[4];
	double u[300];
	int isa, i;

	sf_noise_words(ctx, KEY, sample, first, 300, word);
	for (i = 0; i < 300; i++) {
		const uint64_t e = first + (uint64_t)i;
		const uint32_t counter[4] = {(uint32_t)(e / 4), 0x89abcdefu, 7,
		                             SF_NOISE_USER + 0x45670000u};

		sf_philox(counter, key, four);
		must(word[i] == four[e % 4]);
	}
	for (isa = 0; isa < SF_ISA_COUNT; isa++) {
		if (!sf_isa_usable(isa))
			continue;
		ctx->isa = isa;
		sf_noise_uniform_d(ctx, KEY, sample, first, 300, u);
		for (i = 0; i < 300; i++)
			must(u[i] == (double)(word[i] >> 8 | 1) / 16777216.0);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Box-Muller in double: |error| <= radius times the error of the polynomials, 2e-7. */
START_TEST(normal_oracle)
{
	enum { N = 40000 };
	sf_ctx *ctx = ck_ctx();
	uint32_t *w = malloc(N * sizeof *w);
	float *z = malloc(N * sizeof *z);
	int i;

	sf_noise_words(ctx, KEY, 1, 0, N, w);
	sf_noise_normal(ctx, KEY, 1, 0, N, z);
	for (i = 0; i < N; i += 2) {
		const double u0 = (double)(w[i] >> 8 | 1) / 16777216.0,
			u1 = (double)(w[i + 1] >> 8 | 1) / 16777216.0;
		const double r = sqrt(-2 * log(u0));

		must(sf_close((double)z[i], r * cos(2 * SF_PI * u1), 0, 1e-6));
		must(sf_close((double)z[i + 1], r * sin(2 * SF_PI * u1), 0, 1e-6));
	}
	free(w);
	free(z);
	sf_ctx_free(ctx);
}
END_TEST

static float bits(uint32_t u)
{
	float x;

	memcpy(&x, &u, sizeof x);
	return x;
}

static uint32_t word_of(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	return u;
}

static float uniform(uint32_t w)
{
	return (float)(int32_t)(w >> 8 | 1) * (1.0f / 16777216);
}

/* log u, u = 2^e (1 + f) with 1 + f from sqrt(1/2) on: Cephes, logf */
static float cephes_log(float u)
{
	static const float p[] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
		-1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f};
	float f, e, z, y;
	int k = 0, i;

	for (f = u; f < bits(0x3f3504f3u); f *= 2)
		k--;
	e = (float)k;
	f -= 1;
	z = f * f;
	for (i = 1, y = p[0]; i < 9; i++)
		y = y * f + p[i];
	y = f * z * y + e * -2.12194440e-4f - 0.5f * z;
	return f + y + e * 0.693359375f;
}

/* The published numbers, operation by operation in single precision: Cephes logf, sinf, cosf on +-pi/4 */
START_TEST(normal_bytes)
{
	enum { N = 40000 };
	sf_ctx *ctx = ck_ctx();
	uint32_t *w = malloc(N * sizeof *w);
	float *z = malloc(N * sizeof *z);
	int isa, i;

	sf_noise_words(ctx, KEY, 1, 0, N, w);
	for (isa = 0; isa < SF_ISA_COUNT; isa++) {
		if (!sf_isa_usable(isa))
			continue;
		ctx->isa = isa;
		sf_noise_normal(ctx, KEY, 1, 0, N, z);
		for (i = 0; i < N; i += 2) {
			const float radius = sqrtf(-2 * cephes_log(uniform(w[i]))), turn = uniform(w[i + 1]) * 4;
			const float q = rintf(turn), r = (turn - q) * 1.57079632679f, t = r * r;
			const float s = ((-1.9515295891e-4f * t + 8.3321608736e-3f) * t - 1.6666654611e-1f) * t * r + r;
			const float c = ((2.443315711809948e-5f * t - 1.388731625493765e-3f) * t + 4.166664568298827e-2f) *
			                        t * t - 0.5f * t + 1;
			const float x[4] = {c, -s, -c, s}, y[4] = {s, c, -s, -c};
			const int quarter = (int)q % 4;

			must(word_of(z[i]) == word_of(radius * x[quarter]));
			must(word_of(z[i + 1]) == word_of(radius * y[quarter]));
		}
	}
	free(w);
	free(z);
	sf_ctx_free(ctx);
}
END_TEST

/* Same bytes on all instruction sets and in both precisions. */
START_TEST(one_stream)
{
	enum { N = 1001 };
	sf_ctx *ctx = ck_ctx();
	float z[N], z0[N], u[N], u0[N];
	double zd[N], ud[N];
	int isa, i;

	ctx->isa = SF_ISA_REF;
	sf_noise_normal(ctx, KEY, 3, 5, N, z0);
	sf_noise_uniform(ctx, KEY, 3, 5, N, u0);
	for (isa = 0; isa < SF_ISA_COUNT; isa++) {
		if (!sf_isa_usable(isa))
			continue;
		ctx->isa = isa;
		sf_noise_normal(ctx, KEY, 3, 5, N, z);
		sf_noise_uniform(ctx, KEY, 3, 5, N, u);
		sf_noise_normal_d(ctx, KEY, 3, 5, N, zd);
		sf_noise_uniform_d(ctx, KEY, 3, 5, N, ud);
		must(memcmp(z, z0, sizeof z) == 0 && memcmp(u, u0, sizeof u) == 0);
		for (i = 0; i < N; i++)
			must(zd[i] == (double)z[i] && ud[i] == (double)u[i]);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Any offset and length gives the matching part; elements around the guards stay untouched. */
START_TEST(any_cut)
{
	enum { N = 700 };
	sf_ctx *ctx = ck_ctx();
	float whole[N], part[N + 2];
	int first, n;

	sf_noise_normal(ctx, KEY, 9, 0, N, whole);
	for (first = 0; first < 300; first += 1 + first / 9)
		for (n = 0; n <= N - first; n += 1 + n / 7) {
			memset(part, 0xff, sizeof part);
			sf_noise_normal(ctx, KEY, 9, (uint64_t)first, (size_t)n, part + 1);
			must(memcmp(part + 1, whole + first, (size_t)n * sizeof *part) == 0);
			must(part[0] != part[0] && part[n + 1] != part[n + 1]);
		}
	sf_ctx_free(ctx);
}
END_TEST

/* Rows are the numbers of calls sample by sample, also where the sample's low word overflows. */
START_TEST(rows)
{
	enum { ROWS = 70, WIDE = 131 };
	static double together[ROWS * WIDE + 1], alone[WIDE];
	const uint64_t first[] = {0, 5, (UINT64_C(1) << 32) - 7, (UINT64_C(1) << 40) + 3};
	const size_t size[] = {1, 2, 4, 5, 9, 128, WIDE}, count[] = {0, 1, 3, 4, 33, ROWS};
	sf_ctx *ctx = ck_ctx();
	size_t f, s, c, i;

	for (f = 0; f < sizeof first / sizeof *first; f++)
		for (s = 0; s < sizeof size / sizeof *size; s++)
			for (c = 0; c < sizeof count / sizeof *count; c++) {
				const uint64_t from = 4 * (f % 2) + c % 2; /* element */

				together[count[c] * size[s]] = 99; /* nothing is written beyond the rows */
				sf_noise_normal_rows(ctx, KEY, first[f], (int64_t)count[c], from, size[s], together);
				must(together[count[c] * size[s]] == 99);
				for (i = 0; i < count[c]; i++) {
					sf_noise_normal_d(ctx, KEY, first[f] + i, from, size[s], alone);
					must(memcmp(together + i * size[s], alone, size[s] * sizeof *alone) == 0);
				}
				sf_noise_uniform_rows(ctx, KEY, first[f], (int64_t)count[c], from, size[s], together);
				for (i = 0; i < count[c]; i++) {
					sf_noise_uniform_d(ctx, KEY, first[f] + i, from, size[s], alone);
					must(memcmp(together + i * size[s], alone, size[s] * sizeof *alone) == 0);
				}
			}
	sf_ctx_free(ctx);
}
END_TEST

/* Each part of the name changes the numbers. */
START_TEST(names_differ)
{
	sf_ctx *ctx = ck_ctx();
	uint32_t w[7];
	sf_noise k = KEY;
	int i, j;

	sf_noise_words(ctx, k, 1, 0, 1, w);
	sf_noise_words(ctx, k, 2, 0, 1, w + 1);
	sf_noise_words(ctx, k, 1 + ((uint64_t)1 << 32), 0, 1, w + 2);
	sf_noise_words(ctx, k, 1, 4, 1, w + 3);
	k.step++;
	sf_noise_words(ctx, k, 1, 0, 1, w + 4);
	k = KEY;
	k.purpose++;
	sf_noise_words(ctx, k, 1, 0, 1, w + 5);
	k = KEY;
	k.seed ^= (uint64_t)1 << 63;
	sf_noise_words(ctx, k, 1, 0, 1, w + 6);
	for (i = 0; i < 7; i++)
		for (j = 0; j < i; j++)
			ck_assert_uint_ne(w[i], w[j]);
	sf_ctx_free(ctx);
}
END_TEST

/* Moments of N(0,1): means of z, z^2 - 1, z^3, z^4 - 3 and z_i z_{i+1} within 4 standard errors,
 * whose variances are 1, 2, 15, 96 and 1. Fixed seed: the test passes always or never. */
START_TEST(normal_moments)
{
	enum { N = 1 << 20 };
	const double variance[5] = {1, 2, 15, 96, 1};
	double sum[5] = {0}, top = 0;
	sf_ctx *ctx = ck_ctx();
	float *z = malloc(N * sizeof *z);
	int i;

	sf_noise_normal(ctx, KEY, 0, 0, N, z);
	for (i = 0; i < N; i++) {
		const double x = (double)z[i];

		sum[0] += x;
		sum[1] += x * x - 1;
		sum[2] += x * x * x;
		sum[3] += x * x * x * x - 3;
		sum[4] += x * (double)z[(i + 1) % N];
		top = fabs(x) > top ? fabs(x) : top;
	}
	for (i = 0; i < 5; i++)
		ck_assert_msg(fabs(sum[i] / N) <= 4 * sqrt(variance[i] / N), "moment %d is %g", i,
		              sum[i] / N);
	/* expected largest of 2^20 is 4.9; none is beyond sqrt(48 log 2) */
	must(top > 4.3 && top < 5.7682);
	free(z);
	sf_ctx_free(ctx);
}
END_TEST

/* The ends of the range come from the words 0 and 2^32 - 1. */
START_TEST(uniform_moments)
{
	enum { N = 1 << 20 };
	double sum = 0, square = 0, low = 1, high = 0;
	sf_ctx *ctx = ck_ctx();
	float *u = malloc(N * sizeof *u);
	int i;

	sf_noise_uniform(ctx, KEY, 0, 0, N, u);
	for (i = 0; i < N; i++) {
		const double x = (double)u[i] - 0.5;

		low = (double)u[i] < low ? (double)u[i] : low;
		high = (double)u[i] > high ? (double)u[i] : high;
		sum += x;
		square += x * x - 1.0 / 12;
	}
	must(low > 0 && high < 1);
	must(fabs(sum / N) <= 4 * sqrt(1.0 / 12 / N));
	must(fabs(square / N) <= 4 * sqrt(1.0 / 180 / N));
	must((float)(0xffffffffu >> 8 | 1) / 16777216.0f < 1 && (float)(0u >> 8 |
	                                                                1) / 16777216.0f > 0);
	free(u);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(uniform53_words)
{
	enum { N = 10000 };
	sf_ctx *ctx = ck_ctx();
	uint32_t w[2];
	double sum = 0;
	int i;

	for (i = 0; i < N; i++) {
		const double u = sf_noise_uniform53(KEY, 4, (uint64_t)i);

		sf_noise_words(ctx, KEY, 4, 2 * (uint64_t)i, 2, w);
		must(u >= 0 && u < 1);
		must(u == ldexp((double)(((uint64_t)(w[0] >> 5) << 26) + (w[1] >> 6)), -53));
		sum += u - 0.5;
	}
	must(fabs(sum / N) <= 4 * sqrt(1.0 / 12 / N));
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(permutation)
{
	const uint64_t size[] = {1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, 4097};
	size_t s;
	uint64_t i;

	for (s = 0; s < sizeof size / sizeof *size; s++) {
		const uint64_t n = size[s];
		unsigned char *seen = calloc(n, 1);

		for (i = 0; i < n; i++) {
			const uint64_t j = sf_noise_permute(KEY, n, i);

			must(j < n && !seen[j]);
			seen[j] = 1;
		}
		free(seen);
	}
	ck_assert_uint_lt(sf_noise_permute(KEY, (uint64_t)1 << 63, 12345), (uint64_t)1 << 63);
}
END_TEST

/* Of a random permutation: one fixed point on average (variance 1) and no correlation of i with
 * p(i) (standard error 1/sqrt(n - 1)); another step gives another one. */
START_TEST(permutation_random)
{
	enum { N = 5000, STEPS = 20 };
	double fixed = 0, correlation = 0;
	sf_noise key = KEY;
	int step, i;

	for (step = 0; step < STEPS; step++) {
		key.step = (uint32_t)step;
		for (i = 0; i < N; i++) {
			const double j = (double)sf_noise_permute(key, N, (uint64_t)i);

			fixed += j == i;
			correlation += (j - (N - 1) / 2.0) * (i - (N - 1) / 2.0);
		}
	}
	correlation /= STEPS * (double)N * ((double)N * N - 1) / 12;
	ck_assert_msg(fabs(fixed / STEPS - 1) <= 4 / sqrt(STEPS), "%g fixed points", fixed / STEPS);
	ck_assert_msg(fabs(correlation) <= 4 / sqrt((double)STEPS * (N - 1)), "correlation %g",
	              correlation);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("noise");
	TCase *c = tcase_create("noise");

	tcase_add_test(c, philox_known);
	tcase_add_test(c, layout);
	tcase_add_test(c, normal_oracle);
	tcase_add_test(c, normal_bytes);
	tcase_add_test(c, one_stream);
	tcase_add_test(c, any_cut);
	tcase_add_test(c, rows);
	tcase_add_test(c, names_differ);
	tcase_add_test(c, normal_moments);
	tcase_add_test(c, uniform_moments);
	tcase_add_test(c, uniform53_words);
	tcase_add_test(c, permutation);
	tcase_add_test(c, permutation_random);
	suite_add_tcase(s, c);
	return sf_test_main(s);
}
