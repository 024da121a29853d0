/* parallel.h: training steps that several ranks (sf_comm) share.
 *
 * Rank r of R makes samples r B/R .. (r+1) B/R - 1 of a batch of B, which must be a multiple of R, in S/R of its S shards: as the part
 * r of R of a step in parts, with the same samples, noise and cut. Gradients are summed over ranks; then every rank has the same
 * bytes, makes the same update, and goes on with the same weights. So state is kept once a rank and never sent again after
 * the start; rank 0 alone writes files.
 *
 * What is equal: one rank is bit for bit a run without ranks. Where R divides S and S/R and R are powers of two, and sums are a tree
 * over the ranks (comm local), the tree over ranks is the upper part of the tree over shards, so that sums over the batch, and with
 * them weights whose gradients are such sums, have the bytes of one process. Otherwise results differ by the order of float
 * sums. Means of losses are added in double in the order of ranks, with any comm: they can differ from one process's in the last digit.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TRAIN_PARALLEL_H
#define SF_TRAIN_PARALLEL_H

#include <scorefield/comm.h>
#include <scorefield/train.h>

/* The samples that a rank makes: n from `first` on of the `whole` batch, in `shards` parts. */
typedef struct sf_share {
	int64_t whole, first, n, shards;
} sf_share;
/* SF_EINVAL where the batch is no multiple of the ranks. comm NULL: all of it. */
int sf_ranks_share(sf_ctx *ctx, const sf_comm *comm, int64_t batch, int64_t shards, sf_share *share);

typedef struct sf_ranks sf_ranks;
/* The comm (NULL: *r is NULL, for which nothing below does anything) must outlive it. Nothing is allocated afterwards. */
int sf_ranks_new(sf_ctx *ctx, sf_comm *comm, sf_ranks **r);
void sf_ranks_free(sf_ranks *r);
int sf_ranks_writes(const sf_ranks *r); /* does this rank write files? */

/* SF_EMISMATCH on all ranks unless `text` (the configuration) is the same on all; `what` names it. */
int sf_ranks_same(sf_ranks *r, const char *what, const char *text);
/* The state becomes that of rank 0, buffers (on the host, of equal sizes on all ranks) and counts. */
int sf_ranks_state(sf_ranks *r, sf_state *st);
/* g (n) becomes the sum over ranks. device: it is memory of the context's device. */
int sf_ranks_sum(sf_ranks *r, sf_dtype type, int64_t n, void *g, int device);
/* mean[i] of this rank's share becomes that of the whole batch, *stop (may be NULL) 1 where it is 1 on any rank. n up to SF_RANKS_SAID. */
enum { SF_RANKS_SAID = 8 };
int sf_ranks_agree(sf_ranks *r, int n, double *mean, int *stop);
/* This rank has failed, as the context's message says: the others need not wait. */
void sf_ranks_fail(sf_ranks *r);

#endif
