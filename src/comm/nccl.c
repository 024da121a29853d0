/* nccl.c: one device a process, sums on the devices by NCCL, which the device's unit is linked to.
 *
 * Memory may be of the device, which is summed in place, or of the host, which goes through it. Rank 0 draws NCCL's identifier; the
 * others get it in the meeting folder. Sums are of float or double in the order of NCCL's algorithm: all ranks have the same bytes,
 * and on a "deterministic" device ring and simple protocol are pinned and in-switch sums are off, unless NCCL_ALGO, NCCL_PROTO or
 * NCCL_NVLS_ENABLE say otherwise.
 * Reference: NVIDIA Collective Communication Library, user guide (ncclCommInitRankConfig, ncclAllReduce, ncclCommAbort).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "comm/comm.h"

#include "graph/device.h"

#include <string.h>

struct state {
	sf_place place;
	void *ranks; /* the unit's */
};

static const sf_device_link *link_of(const sf_comm *c)
{
	return sf_device_of(c->object.ctx, SF_F32);
}

static int done(sf_comm *c, int rc, const char *why)
{
	return rc < 0 ? sf_comm_fail(c, rc, "%s", why) : SF_OK;
}

static int open_nccl(sf_comm *c)
{
	struct state *s = c->object.state;
	const sf_device_link *l = link_of(c);
	unsigned char id[SF_DEVICE_ID] = {0};
	char why[SF_DEVICE_WHY] = "";

	if (!l)
		return sf_comm_fail(c, SF_EUNSUP, "it sums on devices, and this context has none (see sf_ctx_set_device)");
	if (c->rank == 0)
		SF_TRY(done(c, l->unit->ranks_id(id, why), why));
	SF_TRY(sf_meet(c, id, sizeof id));
	return done(c, l->unit->ranks_open(l->d, c->ranks, c->rank, id, c->timeout, &s->ranks, why), why);
}

static int sum(sf_comm *c, sf_dtype type, int64_t n, void *x)
{
	struct state *s = c->object.state;
	char why[SF_DEVICE_WHY] = "";

	return done(c, link_of(c)->unit->ranks_sum(s->ranks, type == SF_F64, n, x, why), why);
}

static int broadcast(sf_comm *c, size_t bytes, void *p)
{
	struct state *s = c->object.state;
	char why[SF_DEVICE_WHY] = "";

	return done(c, link_of(c)->unit->ranks_broadcast(s->ranks, bytes, p, why), why);
}

static int barrier(sf_comm *c)
{
	double one = 1;

	return sum(c, SF_F64, 1, &one);
}

static void end(sf_comm *c, int aborted)
{
	struct state *s = c->object.state;

	if (s->ranks)
		link_of(c)->unit->ranks_close(s->ranks, aborted);
	s->ranks = NULL;
}

static void abort_all(sf_comm *c)
{
	end(c, 1);
}

static void close_nccl(sf_comm *c)
{
	end(c, 0);
}

static const sf_opt options[] = {SF_PLACE_OPTIONS, {NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

const sf_comm_class sf_comm_nccl = {
	{"nccl", "One CUDA device a process, sums by NCCL", "NVIDIA NCCL 2.14 or later", sizeof(struct state), options, NULL, NULL},
	0, 1, open_nccl, sum, broadcast, barrier, abort_all, close_nccl};
