/* nccl.h: sums over the devices of several processes.
 *
 * Everything is queued on the unit's stream, after what computes the numbers and before what reads them, and waited for with a clock:
 * a rank that is gone would otherwise be waited for without end. Memory of the host goes through a stage on the device. Emulated, or
 * without NCCL, there is one rank, whose numbers go the same way and stay as they are.
 * SPDX-License-Identifier: BSD-3-Clause */

#if defined SF_HAVE_NCCL && !defined SF_CUDA_EMULATED
#define CU_NCCL
#include <nccl.h>
#include <time.h>
#endif

enum { CU_STAGE = 1 << 22 }; /* bytes */

typedef struct cu_ranks {
	sf_device *d;
	unsigned char *stage;
#ifdef CU_NCCL
	ncclComm_t comm;
	double timeout;
#endif
} cu_ranks;

#ifdef CU_NCCL
static double cu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int cu_nccl_failed(cu_ranks *r, ncclResult_t e, const char *what, char *why)
{
	const char *more = ncclGetLastError(r ? r->comm : NULL);

	snprintf(why, SF_DEVICE_WHY, "%s: %s%s%.200s", what, ncclGetErrorString(e), more && *more ? "; " : "", more ? more : "");
	return SF_EIO;
}

/* Spins for a millisecond, then sleeps in between. */
static void cu_nap(double since)
{
	struct timespec t = {0, 50000};

	if (cu_seconds() - since > 1e-3)
		nanosleep(&t, NULL);
}

/* Calls do not block: until what was started is under way. */
static int cu_started(cu_ranks *r, ncclResult_t e, const char *what, char *why)
{
	const double start = cu_seconds();

	while (e == ncclInProgress) {
		if (cu_seconds() - start > r->timeout) {
			snprintf(why, SF_DEVICE_WHY, "%s: a rank did not take part within %g s", what, r->timeout);
			return SF_EIO;
		}
		cu_nap(start);
		if (ncclCommGetAsyncError(r->comm, &e) != ncclSuccess)
			e = ncclInternalError;
	}
	return e == ncclSuccess ? 0 : cu_nccl_failed(r, e, what, why);
}

/* Until all of it is done. */
static int cu_finished(cu_ranks *r, const char *what, char *why)
{
	const double start = cu_seconds();
	ncclResult_t e = ncclSuccess;
	cudaError_t c;

	while ((c = cudaStreamQuery(r->d->stream)) == cudaErrorNotReady) {
		if (ncclCommGetAsyncError(r->comm, &e) != ncclSuccess || (e != ncclSuccess && e != ncclInProgress))
			return cu_nccl_failed(r, e, what, why);
		if (cu_seconds() - start > r->timeout) {
			snprintf(why, SF_DEVICE_WHY, "%s: a rank has been silent for %g s", what, r->timeout);
			return SF_EIO;
		}
		cu_nap(start);
	}
	return c == cudaSuccess ? 0 : cu_failed(c, why);
}

static int cu_nccl_open(cu_ranks *r, int ranks, int rank, const unsigned char *id, char *why)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	ncclUniqueId unique;

	if (r->d->how.deterministic) {
		setenv("NCCL_ALGO", "Ring", 0);
		setenv("NCCL_PROTO", "Simple", 0);
		setenv("NCCL_NVLS_ENABLE", "0", 0);
	}
	memcpy(&unique, id, sizeof unique);
	config.blocking = 0;
	return cu_started(r, ncclCommInitRankConfig(&r->comm, ranks, unique, rank, &config), "ncclCommInitRank", why);
}

static int cu_all(cu_ranks *r, int what, int64_t n, void *x, char *why)
{
	static const ncclDataType_t type[] = {ncclFloat32, ncclFloat64, ncclUint8};
	const char *name = what == 2 ? "ncclBroadcast" : "ncclAllReduce";
	ncclResult_t e;
	int rc;

	e = what == 2 ? ncclBroadcast(x, x, (size_t)n, type[what], 0, r->comm, r->d->stream) :
	                ncclAllReduce(x, x, (size_t)n, type[what], ncclSum, r->comm, r->d->stream);
	rc = cu_started(r, e, name, why);
	return rc < 0 ? rc : cu_finished(r, name, why);
}

static int sf_cu_ranks_id(unsigned char *id, char *why)
{
	ncclUniqueId unique;
	ncclResult_t e = ncclGetUniqueId(&unique);

	if (e != ncclSuccess)
		return cu_nccl_failed(NULL, e, "ncclGetUniqueId", why);
	memcpy(id, &unique, sizeof unique);
	return 0;
}

static void cu_nccl_close(cu_ranks *r, int aborted)
{
	char why[SF_DEVICE_WHY];

	if (!r->comm)
		return;
	if (aborted || cu_started(r, ncclCommFinalize(r->comm), "ncclCommFinalize", why) < 0)
		ncclCommAbort(r->comm);
	else
		ncclCommDestroy(r->comm);
}
#else
static int cu_all(cu_ranks *r, int what, int64_t n, void *x, char *why)
{
	(void)r;
	(void)what;
	(void)n;
	(void)x;
	(void)why;
	return 0;
}

static int sf_cu_ranks_id(unsigned char *id, char *why)
{
	memset(id, 0, SF_DEVICE_ID);
	(void)why;
	return 0;
}
#endif

/* what: 0 floats, 1 doubles, 2 bytes of rank 0. */
static int cu_ranks_all(cu_ranks *r, int what, int64_t n, void *x, char *why)
{
	static const int64_t width[] = {4, 8, 1};
	const int64_t most = CU_STAGE / width[what];
	unsigned char *at = (unsigned char *)x;
	cu_error e = CU_OK;
	int rc = 0;

	if (cu_is_ours(r->d, x))
		return cu_all(r, what, n, x, why);
	for (; n > 0 && rc == 0 && e == CU_OK; n -= most, at += CU_STAGE) {
		const int64_t k = n < most ? n : most;

		e = cu_copy_async(r->stage, at, (size_t)(k * width[what]), r->d->stream);
		if (e == CU_OK)
			rc = cu_all(r, what, k, r->stage, why);
		if (e == CU_OK && rc == 0)
			e = cu_copy_async(at, r->stage, (size_t)(k * width[what]), r->d->stream);
		if (e == CU_OK && rc == 0)
			e = cu_wait(r->d->stream);
	}
	return e == CU_OK ? rc : cu_failed(e, why);
}

static int sf_cu_ranks_sum(void *ranks, int doubles, int64_t n, void *x, char *why)
{
	return cu_ranks_all((cu_ranks *)ranks, doubles ? 1 : 0, n, x, why);
}

static int sf_cu_ranks_broadcast(void *ranks, size_t bytes, void *p, char *why)
{
	return cu_ranks_all((cu_ranks *)ranks, 2, (int64_t)bytes, p, why);
}

static void sf_cu_ranks_close(void *ranks, int aborted)
{
	cu_ranks *r = (cu_ranks *)ranks;

#ifdef CU_NCCL
	cu_nccl_close(r, aborted);
#endif
	(void)aborted;
	cu_mfree(r->stage);
	free(r);
}

static int sf_cu_ranks_open(sf_device *d, int ranks, int rank, const unsigned char *id, double timeout, void **out, char *why)
{
	cu_ranks *r = (cu_ranks *)calloc(1, sizeof *r);
	int rc = 0;

	*out = NULL;
	snprintf(why, SF_DEVICE_WHY, "out of memory");
	if (!r)
		return SF_ENOMEM;
	r->d = d;
	r->stage = (unsigned char *)cu_malloc(CU_STAGE);
	if (!r->stage)
		rc = SF_ENOMEM;
#ifdef CU_NCCL
	r->timeout = timeout;
	if (rc == 0)
		rc = cu_nccl_open(r, ranks, rank, id, why);
#else
	(void)rank;
	(void)id;
	(void)timeout;
	if (rc == 0 && ranks > 1) {
		snprintf(why, SF_DEVICE_WHY, "%d ranks need NCCL, which this build of the unit is without", ranks);
		rc = SF_EUNSUP;
	}
#endif
	if (rc < 0)
		sf_cu_ranks_close(r, 1);
	else
		*out = r;
	return rc;
}
