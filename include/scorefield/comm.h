/* comm.h: ranks: processes that share one computation, each with a part of the batch.
 *
 * A comm is a rank's place among them. All ranks call the same functions in the same order with the same sizes; each returns when its
 * result is there. Members: null (one rank), local (processes of one machine), nccl (one device a process).
 *
 * Sums are of float or double as they are, never of a narrower type, and all ranks get the same bytes. In which order they are added:
 * local adds ranks as a binary tree, (0,1) (2,3) ..., then pairs of pairs, an odd one going up unchanged: the order in which a plan
 * adds its shards (graph.h). nccl's order is fixed by NCCL's algorithm, which sizes, ranks and the machine decide; on a device that
 * is opened as "deterministic" algorithm and protocol are pinned, so that a run repeats on the same machines with the same NCCL.
 *
 * A rank that fails says so to the others; one that vanishes is noticed; one that is silent for longer than the option `timeout`
 * counts as gone. After a failure a comm fails at once in every call.
 *
 * Rank and number of ranks come from the options, else from SCOREFIELD_RANK and SCOREFIELD_RANKS, else from what the usual launchers set
 * (OMPI_COMM_WORLD_RANK and _SIZE, PMI_RANK and PMI_SIZE, SLURM_PROCID and SLURM_NTASKS). With more than one rank local and nccl find
 * each other through files in a folder that all of them see (meet, SCOREFIELD_MEET), whose names hold the job's name (job,
 * SCOREFIELD_JOB, SLURM_JOB_ID, PMIX_NAMESPACE). Files of other runs are never taken for this one's, even if the job has the same name.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_COMM_H
#define SCOREFIELD_COMM_H

#include <scorefield/graph.h>
#include <scorefield/object.h>

SF_BEGIN

typedef struct sf_comm sf_comm;

/* Meets the other ranks. spec NULL or "auto": null, unless SCOREFIELD_RANKS is set and above 1: then nccl where the context has a
 * device, else local. What a launcher sets counts for a comm that is named alone, for a batch job's own shell has these variables too.
 * SF_EINVAL where rank, ranks, job or folder are missing or no such thing; SF_ERANGE for a rank that is not below the ranks; SF_EIO
 * where the others do not come in time; SF_EUNSUP for nccl without a device or without NCCL. The context must outlive it, and for nccl
 * the context's device must stay. */
SF_API int sf_comm_new(sf_ctx *ctx, const char *spec, sf_comm **c);
SF_API void sf_comm_free(sf_comm *c);

/* This rank, from 0, and how many there are. NULL stands for the only rank. */
SF_API int sf_comm_rank(const sf_comm *c);
SF_API int sf_comm_ranks(const sf_comm *c);
/* 1 where sums and broadcasts take memory of the context's device too. */
SF_API int sf_comm_on_device(const sf_comm *c);

/* x (n) becomes the sum over all ranks. SF_EIO where a rank is gone or has stopped, with what it said; SF_EMISMATCH where ranks
 * call different things. With one rank nothing is changed. */
SF_API int sf_comm_sum(sf_comm *c, sf_dtype type, int64_t n, void *x);
/* p becomes what it is on rank 0. Errors as above, also below. */
SF_API int sf_comm_broadcast(sf_comm *c, size_t bytes, void *p);
/* Returns when all ranks have called it. */
SF_API int sf_comm_barrier(sf_comm *c);

/* This rank cannot go on: the others fail in their present or next call, and those of local say why. Freeing a comm is no failure. */
SF_API void sf_comm_abort(sf_comm *c, const char *why);

/* Which rank of its own machine this is, so that it can pick a device: SCOREFIELD_LOCAL_RANK, OMPI_COMM_WORLD_LOCAL_RANK,
 * MPI_LOCALRANKID or SLURM_LOCALID; *local is 0 where none is set. SF_EINVAL where the first that is set is not a number. */
SF_API int sf_comm_local_rank(sf_ctx *ctx, int *local);

SF_END
#endif
