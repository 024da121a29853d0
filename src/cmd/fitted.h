/* fitted.h: models of data on the command line: what to fit and to which records.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_FITTED_H
#define SF_CMD_FITTED_H

#include "cmd/cmd.h"

enum { GENERATED = 10000 /* records of a generator, where no number is given */ };

/* The first `most` records (-1 or 0: all there are, GENERATED of a generator), scaled; *x (n,size) is freed by free. */
int records_read(const sf_view *view, int64_t most, int64_t *n, double **x);

/* "mixture", "mixture:20" (components), "low-rank:8" (rank), "gaussian", "isotropic", "mean" over what o holds:
 * STATUS_USAGE for other words. */
int fitted_word(const char *word, sf_fit_options *o);

#endif
