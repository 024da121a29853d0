/* noise.c: checks of the counter-based noise.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>

/* Counter, key and output of kat_vectors in Random123, philox4x32 with 10 rounds. */
static int known_answers(sf_ctx *ctx, sf_row *row)
{
	static const uint32_t known[3][10] = {
		{0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
	         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
	         0x94fdcceb, 0x5001e420, 0x24126ea1}};
	uint32_t out[4];
	int i, j, right = 0;

	(void)ctx;
	for (i = 0; i < 3; i++) {
		sf_philox(known[i], known[i] + 4, out);
		for (j = 0; j < 4; j++)
			right += out[j] == known[i][6 + j];
	}
	return sf_row_value(row, right, 12, 0);
}

enum { DRAWS = 1 << 16 };

/* Raw moment of DRAWS normals; its standard error is sqrt(Var z^p / DRAWS), five of them are
 * allowed. */
static int moment(sf_ctx *ctx, sf_row *row, int power, double expected, double variance)
{
	sf_noise key = {20210126, SF_NOISE_USER, 0};
	double *z = sf_alloc(DRAWS, sizeof *z), sum = 0;
	int i;

	if (!z)
		return sf_fail(ctx, SF_ENOMEM, "noise check: out of memory");
	sf_noise_normal_d(ctx, key, 3, 0, DRAWS, z);
	for (i = 0; i < DRAWS; i++)
		sum += pow(z[i], power);
	sf_free(z);
	return sf_row_value(row, sum / DRAWS, expected, 5 * sqrt(variance / DRAWS));
}

static int mean(sf_ctx *ctx, sf_row *row)
{
	return moment(ctx, row, 1, 0, 1);
}

static int variance(sf_ctx *ctx, sf_row *row)
{
	return moment(ctx, row, 2, 1, 2);
}

static int kurtosis(sf_ctx *ctx, sf_row *row)
{
	return moment(ctx, row, 4, 3, 96);
}

/* The second half of a stream drawn on its own equals the second half of the whole. */
static int cut(sf_ctx *ctx, sf_row *row)
{
	sf_noise key = {7, SF_NOISE_USER, 5};
	double whole[100], part[63], worst = 0;
	int i;

	sf_noise_normal_d(ctx, key, 11, 0, 100, whole);
	sf_noise_normal_d(ctx, key, 11, 37, 63, part);
	for (i = 0; i < 63; i++)
		sf_worst(&worst, part[i], whole[37 + i], 1);
	return sf_row_worst(row, worst, 0);
}

#define PHILOX "Salmon et al. 2011, Random123 kat_vectors"

const sf_check sf_checks_noise[] = {
	{"noise", "philox.known-answers", "words that agree with the published vectors", PHILOX,
	 known_answers},
	{"noise", "normal.mean", "mean of 65536 normals", "E z = 0", mean},
	{"noise", "normal.variance", "mean square of 65536 normals", "E z^2 = 1", variance},
	{"noise", "normal.fourth-moment", "mean fourth power of 65536 normals", "E z^4 = 3",
	 kurtosis},
	{"noise", "normal.cut", "a stream drawn in parts is the same stream", "counter-based noise",
	 cut},
	{NULL, NULL, NULL, NULL, NULL}};
