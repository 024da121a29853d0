/* place.c: which rank this is, of which job, and where the ranks meet.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "comm/comm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* In this order: mpirun within a batch job sees the batch system's variables too. */
static const struct {
	const char *rank, *ranks;
} launcher[] = {
	{"SCOREFIELD_RANK", "SCOREFIELD_RANKS"},
	{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
	{"PMI_RANK", "PMI_SIZE"},
	{"SLURM_PROCID", "SLURM_NTASKS"},
};

static const char *set(const char *name)
{
	const char *text = name ? getenv(name) : NULL;

	return text && *text ? text : NULL;
}

static int number(sf_comm *c, const char *name, int64_t *out)
{
	if (sf_parse_int(set(name), out) == 0)
		return SF_OK;
	return sf_comm_fail(c, SF_EINVAL, "%s=%.40s is not a whole number", name, set(name));
}

static int read_ranks(sf_comm *c, const sf_place *p)
{
	const char *rank = "rank", *ranks = "ranks";
	int64_t r = p->rank, n = p->ranks;
	size_t i;

	if ((r < 0) != (n == 0))
		return sf_comm_fail(c, SF_EINVAL, "the options rank and ranks go together, and one of them is missing");
	for (i = 0; n == 0 && i < sizeof launcher / sizeof *launcher; i++) {
		rank = launcher[i].rank;
		ranks = launcher[i].ranks;
		if (!set(rank) && !set(ranks))
			continue;
		if (!set(rank) || !set(ranks))
			return sf_comm_fail(c, SF_EINVAL, "%s is set and %s is not", set(rank) ? rank : ranks,
			                    set(rank) ? ranks : rank);
		SF_TRY(number(c, rank, &r));
		SF_TRY(number(c, ranks, &n));
		if (n < 1 || n > SF_COMM_RANKS)
			return sf_comm_fail(c, SF_ERANGE, "%s=%lld; expected 1 to %d", ranks, (long long)n, SF_COMM_RANKS);
	}
	if (n == 0)
		return sf_comm_fail(c, SF_EINVAL, "neither the options rank and ranks nor SCOREFIELD_RANK and SCOREFIELD_RANKS nor a "
		                    "launcher say which rank this is");
	if (r < 0 || r >= n)
		return sf_comm_fail(c, SF_ERANGE, "%s=%lld of %s=%lld; expected 0 to %lld", rank, (long long)r, ranks, (long long)n,
		                    (long long)n - 1);
	c->rank = (int)r;
	c->ranks = (int)n;
	return SF_OK;
}

/* Part of file names: other characters than letters, digits, dots and dashes become '_'. */
static int read_job(sf_comm *c, const sf_place *p)
{
	static const char *const from[] = {"SCOREFIELD_JOB", "SLURM_JOB_ID", "PMIX_NAMESPACE"};
	const char *job = *p->job ? p->job : NULL;
	size_t i;

	for (i = 0; !job && i < sizeof from / sizeof *from; i++)
		job = set(from[i]);
	if (!job)
		return sf_comm_fail(c, SF_EINVAL, "the run has no name; set SCOREFIELD_JOB to a word of its own, the same for all ranks");
	if (strlen(job) > SF_COMM_JOB)
		return sf_comm_fail(c, SF_ERANGE, "the job's name has %lu characters; expected at most %d", (unsigned long)strlen(job),
		                    SF_COMM_JOB);
	for (i = 0; job[i]; i++)
		c->job[i] = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", job[i]) ? job[i] : '_';
	return SF_OK;
}

static int read_folder(sf_comm *c, const sf_place *p)
{
	struct stat is;

	c->meet = *p->meet ? p->meet : set("SCOREFIELD_MEET");
	if (!c->meet)
		return sf_comm_fail(c, SF_EINVAL, "the ranks have no folder to meet in; set SCOREFIELD_MEET to one that all of them see");
	if (stat(c->meet, &is) < 0 || !S_ISDIR(is.st_mode))
		return sf_comm_fail(c, SF_EINVAL, "'%.200s', where the ranks should meet, is not a folder", c->meet);
	return SF_OK;
}

int sf_place_read(sf_comm *c, const sf_place *p)
{
	c->timeout = p->timeout;
	SF_TRY(read_ranks(c, p));
	if (c->ranks == 1)
		return SF_OK;
	SF_TRY(read_job(c, p));
	return read_folder(c, p);
}

int sf_comm_local_rank(sf_ctx *ctx, int *local)
{
	static const char *const from[] = {"SCOREFIELD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"};
	int64_t n;
	size_t i;

	*local = 0;
	for (i = 0; i < sizeof from / sizeof *from; i++) {
		if (!set(from[i]))
			continue;
		if (sf_parse_int(set(from[i]), &n) < 0 || n < 0 || n >= SF_COMM_RANKS)
			return sf_fail(ctx, SF_EINVAL, "%s=%.40s; expected a whole number from 0 to %d", from[i], set(from[i]),
			               SF_COMM_RANKS - 1);
		*local = (int)n;
		return SF_OK;
	}
	return SF_OK;
}
