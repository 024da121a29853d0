/* data.c: checks of the data sources.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <scorefield/data.h>

#include <math.h>
#include <stdlib.h>

/* sigma, log p and the score of alpha = 1 at (0.3,-1.7) */
static const double board[5][4] = {{0.10, -9.3816657537, -16.3933040794, -16.3933040794},
                                   {0.25, -5.0570525887, -2.9362309571, -2.9362309571},
                                   {0.50, -4.3860893226, -0.7513709171, -0.7513604584},
                                   {1.00, -4.1969578730, -0.0852986836, -0.0662104457},
                                   {2.00, -4.3451435470, -0.0206953124, 0.1151085565}};
static const double place[2] = {0.3, -1.7};

static int board_logp(sf_ctx *ctx, sf_row *row)
{
	double worst = 0, l;
	sf_data *d;
	int i, rc;

	SF_TRY(sf_data_new(ctx, "checkerboard", &d));
	for (i = 0, rc = 0; i < 5 && rc == 0; i++) {
		rc = sf_data_logp(d, place, 1, board[i][0], &l, NULL);
		sf_worst(&worst, l, board[i][1], 1);
	}
	sf_data_free(d);
	return rc < 0 ? rc : sf_row_worst(row, worst, 6e-11);
}

static int board_score(sf_ctx *ctx, sf_row *row)
{
	double worst = 0, l, s[2];
	sf_data *d;
	int i, rc;

	SF_TRY(sf_data_new(ctx, "checkerboard", &d));
	for (i = 0, rc = 0; i < 5 && rc == 0; i++) {
		rc = sf_data_logp(d, place, 1, board[i][0], &l, s);
		sf_worst(&worst, s[0], board[i][2], 1);
		sf_worst(&worst, s[1], board[i][3], 1);
	}
	sf_data_free(d);
	return rc < 0 ? rc : sf_row_worst(row, worst, 6e-11);
}

/* The integral of p |score|^2 over the plane for sigma = 1, by the midpoint rule. */
static int board_fisher(sf_ctx *ctx, sf_row *row)
{
	const double half = 12, h = 0.1;
	double sum = 0, x[2], s[2], l;
	sf_data *d;
	int i, j, rc = 0;

	SF_TRY(sf_data_new(ctx, "checkerboard", &d));
	for (i = 0; i < 240 && rc == 0; i++)
		for (j = 0; j < 240 && rc == 0; j++) {
			x[0] = -half + (i + 0.5) * h;
			x[1] = -half + (j + 0.5) * h;
			rc = sf_data_logp(d, x, 1, 1, &l, s);
			sum += exp(l) * (s[0] * s[0] + s[1] * s[1]) * h * h;
		}
	sf_data_free(d);
	return rc < 0 ? rc : sf_row_value(row, sum, 0.56514066, 1e-8);
}

/* The mixture's score against central differences of its log density. */
static int mixture_score(sf_ctx *ctx, sf_row *row)
{
	const double h = 1e-5;
	double worst = 0, l, up, down, s[2], x[2];
	sf_data *d;
	int k, rc;

	SF_TRY(sf_data_new(ctx, "mixture:weights=1:3,means=0:0:4:1,stds=1:2", &d));
	for (k = 0, rc = 0; k < 2 && rc == 0; k++) {
		x[0] = 1.5;
		x[1] = -0.5;
		rc = sf_data_logp(d, x, 0.7, 0.4, &l, s);
		x[k] += h;
		if (rc == 0)
			rc = sf_data_logp(d, x, 0.7, 0.4, &up, NULL);
		x[k] -= 2 * h;
		if (rc == 0)
			rc = sf_data_logp(d, x, 0.7, 0.4, &down, NULL);
		if (rc == 0)
			sf_worst(&worst, s[k], (up - down) / (2 * h), 1);
	}
	sf_data_free(d);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-8);
}

/* Sum of all pixels, and how many records are not as often there as known, of the shipped digits.
 */
static int digits(sf_ctx *ctx, double *sum, int *wrong)
{
	static const int known[10] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
	int count[10] = {0}, k, label;
	const sf_data_info *info;
	double x[64];
	sf_data *d;
	int64_t i;

	SF_TRY(sf_data_new(ctx, "digits", &d));
	info = sf_data_describe(d);
	*sum = 0;
	*wrong = info->size == 64 ? 0 : 10;
	for (i = 0; i < info->n && info->size == 64; i++) {
		sf_data_read(d, i, x, &label);
		for (k = 0; k < 64; k++)
			*sum += x[k];
		if (label >= 0 && label < 10)
			count[label]++;
	}
	for (k = 0; k < 10; k++)
		*wrong += abs(count[k] - known[k]);
	sf_data_free(d);
	return SF_OK;
}

static int digits_sum(sf_ctx *ctx, sf_row *row)
{
	double sum;
	int wrong;

	SF_TRY(digits(ctx, &sum, &wrong));
	return sf_row_value(row, sum, 561718, 0);
}

static int digits_counts(sf_ctx *ctx, sf_row *row)
{
	double sum;
	int wrong;

	SF_TRY(digits(ctx, &sum, &wrong));
	return sf_row_value(row, wrong, 0, 0);
}

#define BOARD "closed form: a mixture of eight uniform squares with normal noise"

const sf_check sf_checks_data[] = {
	{"data", "checkerboard.logp-golden", "log density with noise 0.1 to 2", BOARD, board_logp},
	{"data", "checkerboard.score-golden", "score with noise 0.1 to 2", BOARD, board_score},
	{"data", "checkerboard.fisher", "E |score|^2 with noise 1", BOARD, board_fisher},
	{"data", "mixture.score-gradient", "the score is the gradient of the log density",
         "closed form: a mixture of normals", mixture_score},
	{"data", "digits.sum", "the pixels add up", "Alpaydin and Kaynak 1998 (UCI)", digits_sum},
	{"data", "digits.counts", "each digit is there as often as it should be",
         "Alpaydin and Kaynak 1998 (UCI)", digits_counts},
	{NULL, NULL, NULL, NULL, NULL},
};
