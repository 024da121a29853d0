/* score.h: what a member of the score family sees.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SCORE_H
#define SF_SCORE_H

#include "process/process.h"

#include <scorefield/score.h>

struct sf_score {
	sf_object object;
	const sf_process *process;
	int64_t d;
	int64_t count; /* samples evaluated, times price */
	int price;     /* evaluations that one makes */
	const int64_t *which; /* sf_score_which */
};

sf_ctx *sf_score_context(const sf_score *s);

/* A score of a class that takes no spec: its state (class record's state_size) starts as zeros
 * and is freed by the record's fini. */
int sf_score_make(sf_ctx *ctx, const sf_score_class *cls, const sf_process *p, int64_t d,
                  sf_score **s);

/* Runs body(arg, first, last) over samples in tiles that depend on n and `work` (operations per
 * sample) alone. */
typedef int (*sf_samples_fn)(void *arg, int64_t first, int64_t last);
int sf_over_samples(const sf_ctx *ctx, int64_t n, int64_t work, sf_samples_fn body, void *arg);

/* Refuses a process without closed forms. */
int sf_score_needs_linear(const sf_score *s);

/* The noise model of one coordinate at time t around a point y: u = a y + N(0, M), with M = a a'
 * var + Sigma(t). Fills a (k), the inverse of M (k,k) and returns ln det M. */
double sf_score_block(const sf_process *p, double t, double var, double *a, double *inverse);

#endif
