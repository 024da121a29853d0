/* parallel.c: what ranks tell each other in training: the state at the start, the sum of gradients, means, and whether to stop.
 *
 * Numbers that all must agree on travel in a table with a row a rank, which is zero but for the own row: its sum over ranks has no
 * rounding and is the same with any comm. Rows are then added in order.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/parallel.h"

#include "core/core.h"
#include "graph/device.h"

#include <string.h>

enum { ROW = SF_RANKS_SAID + 1, STAGE = 1 << 18 /* numbers */ };

struct sf_ranks {
	sf_ctx *ctx;
	sf_comm *comm;
	int rank, ranks;
	double *table; /* (ranks,ROW) */
	float *stage;  /* (STAGE), where the comm takes no memory of a device; or NULL */
};

int sf_ranks_share(sf_ctx *ctx, const sf_comm *comm, int64_t batch, int64_t shards, sf_share *share)
{
	int64_t ranks = sf_comm_ranks(comm);

	if (batch < 1 || shards < 1 || batch % ranks)
		return sf_fail(ctx, SF_EINVAL, "a batch of %lld cannot be shared by %lld ranks; expected a multiple of their number",
		               (long long)batch, (long long)ranks);
	share->whole = batch;
	share->n = batch / ranks;
	share->first = sf_comm_rank(comm) * share->n;
	share->shards = shards < ranks ? 1 : shards / ranks;
	if (share->shards > share->n)
		share->shards = share->n;
	return SF_OK;
}

int sf_ranks_new(sf_ctx *ctx, sf_comm *comm, sf_ranks **out)
{
	sf_ranks *r;

	*out = NULL;
	if (!comm)
		return SF_OK;
	r = sf_alloc(1, sizeof *r);
	if (r) {
		r->ctx = ctx;
		r->comm = comm;
		r->rank = sf_comm_rank(comm);
		r->ranks = sf_comm_ranks(comm);
		r->table = sf_alloc((size_t)r->ranks, ROW * sizeof *r->table);
		if (!sf_comm_on_device(comm))
			r->stage = sf_alloc(STAGE, sizeof *r->stage);
	}
	if (!r || !r->table || (!r->stage && !sf_comm_on_device(comm))) {
		sf_ranks_free(r);
		return sf_fail(ctx, SF_ENOMEM, "training: out of memory");
	}
	*out = r;
	return SF_OK;
}

void sf_ranks_free(sf_ranks *r)
{
	if (!r)
		return;
	sf_free(r->table);
	sf_free(r->stage);
	sf_free(r);
}

int sf_ranks_writes(const sf_ranks *r)
{
	return !r || r->rank == 0;
}

void sf_ranks_fail(sf_ranks *r)
{
	if (r)
		sf_comm_abort(r->comm, sf_ctx_message(r->ctx));
}

/* ---- the table ---- */

static double *row(const sf_ranks *r, int rank)
{
	return r->table + (size_t)rank * ROW;
}

static double *clear(sf_ranks *r)
{
	memset(r->table, 0, (size_t)r->ranks * ROW * sizeof *r->table);
	return row(r, r->rank);
}

static int share_table(sf_ranks *r)
{
	return sf_comm_sum(r->comm, SF_F64, (int64_t)r->ranks * ROW, r->table);
}

int sf_ranks_agree(sf_ranks *r, int n, double *mean, int *stop)
{
	double *mine;
	int i, k;

	if (!r)
		return SF_OK;
	if (n > SF_RANKS_SAID)
		return sf_fail(r->ctx, SF_ERANGE, "training: ranks cannot agree on %d numbers", n);
	mine = clear(r);
	for (i = 0; i < n; i++)
		mine[i] = mean[i];
	mine[SF_RANKS_SAID] = stop && *stop;
	SF_TRY(share_table(r));
	for (i = 0; i < n; i++) {
		mean[i] = row(r, 0)[i];
		for (k = 1; k < r->ranks; k++)
			mean[i] += row(r, k)[i];
		mean[i] /= r->ranks;
	}
	for (k = 0; stop && k < r->ranks; k++)
		*stop |= row(r, k)[SF_RANKS_SAID] > 0;
	return SF_OK;
}

/* FNV-1a; its halves are whole numbers that doubles hold. */
static void fingerprint(const char *text, double half[2])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	half[0] = (double)(h >> 32);
	half[1] = (double)(h & UINT64_C(0xffffffff));
}

int sf_ranks_same(sf_ranks *r, const char *what, const char *text)
{
	int k;

	if (!r)
		return SF_OK;
	fingerprint(text, clear(r));
	SF_TRY(share_table(r));
	for (k = 1; k < r->ranks; k++)
		if (row(r, k)[0] != row(r, 0)[0] || row(r, k)[1] != row(r, 0)[1])
			return sf_fail(r->ctx, SF_EMISMATCH, "training: rank %d has another %s than rank 0", k, what);
	return SF_OK;
}

/* ---- state and gradients ---- */

/* The counts of a state, as they are in memory. */
struct counts {
	int64_t step, loss_n, nonfinite, n[SF_TERMS];
	double loss_sum, sum[SF_TERMS];
};

static void put_counts(sf_state *st, struct counts *c, int back)
{
	int i;

	if (back) {
		st->step = c->step;
		st->loss_sum = c->loss_sum;
		st->loss_n = c->loss_n;
		st->nonfinite = c->nonfinite;
	} else {
		c->step = st->step;
		c->loss_sum = st->loss_sum;
		c->loss_n = st->loss_n;
		c->nonfinite = st->nonfinite;
	}
	for (i = 0; i < SF_TERMS; i++) {
		if (back) {
			st->term[i].sum = c->sum[i];
			st->term[i].n = c->n[i];
		} else {
			c->sum[i] = st->term[i].sum;
			c->n[i] = st->term[i].n;
		}
	}
}

int sf_ranks_state(sf_ranks *r, sf_state *st)
{
	struct counts c;
	size_t bytes;
	int i;

	if (!r)
		return SF_OK;
	bytes = (size_t)st->total * (st->type == SF_F32 ? sizeof(float) : sizeof(double));
	put_counts(st, &c, 0);
	SF_TRY(sf_comm_broadcast(r->comm, sizeof c, &c));
	put_counts(st, &c, 1);
	SF_TRY(sf_comm_broadcast(r->comm, bytes, st->param));
	SF_TRY(sf_comm_broadcast(r->comm, bytes, st->m));
	SF_TRY(sf_comm_broadcast(r->comm, bytes, st->v));
	SF_TRY(sf_comm_broadcast(r->comm, bytes, st->ema));
	for (i = 1; i < st->averages; i++)
		SF_TRY(sf_comm_broadcast(r->comm, bytes, st->more[i - 1]));
	return SF_OK;
}

/* A gradient on a device, summed on the host. */
static int sum_staged(sf_ranks *r, int64_t n, float *g)
{
	for (; n > 0; n -= STAGE, g += STAGE) {
		int64_t k = n < STAGE ? n : STAGE;

		SF_TRY(sf_device_copy(r->ctx, r->stage, g, (size_t)k * sizeof *g));
		SF_TRY(sf_comm_sum(r->comm, SF_F32, k, r->stage));
		SF_TRY(sf_device_copy(r->ctx, g, r->stage, (size_t)k * sizeof *g));
	}
	return SF_OK;
}

int sf_ranks_sum(sf_ranks *r, sf_dtype type, int64_t n, void *g, int device)
{
	if (!r)
		return SF_OK;
	return device && r->stage ? sum_staged(r, n, g) : sf_comm_sum(r->comm, type, n, g);
}
