/* peak.h: what the device can do at best: a large product in its precision, and copies of its memory.
 * SPDX-License-Identifier: BSD-3-Clause */

#ifdef SF_CUDA_EMULATED
static int sf_cu_peak(sf_device *d, double *flops, double *bytes, char *why)
{
	(void)d;
	*flops = *bytes = 0;
	snprintf(why, SF_DEVICE_WHY, "an emulated device has no speed to speak of");
	return SF_EUNSUP;
}
#else
#include <cublasLt.h>

enum { CU_PEAK_SIDE = 8192, CU_PEAK_TURNS = 10 };

/* Seconds between two events, of one of the turns. */
static int cu_elapsed(cudaEvent_t begin, cudaEvent_t end, double *seconds)
{
	float ms = 0;

	if (cudaEventSynchronize(end) != cudaSuccess || cudaEventElapsedTime(&ms, begin, end) != cudaSuccess || ms <= 0)
		return -1;
	*seconds = 1e-3 * (double)ms / CU_PEAK_TURNS;
	return 0;
}

typedef struct cu_trial {
	cublasLtHandle_t handle;
	cublasLtMatmulDesc_t product;
	cublasLtMatrixLayout_t matrix;
	cublasLtMatmulPreference_t preference;
	cublasLtMatmulHeuristicResult_t way;
	cudaEvent_t begin, end;
	void *a, *b, *c, *room;
	size_t bytes; /* of a matrix */
} cu_trial;

enum { CU_PEAK_ROOM = 32 << 20 };

static int cu_trial_open(const sf_device *d, cu_trial *t)
{
	const int bf16 = d->how.precision == SF_DEVICE_BF16;
	const cublasComputeType_t compute = d->how.precision == SF_DEVICE_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
	size_t room = CU_PEAK_ROOM;
	int found = 0;

	t->bytes = (size_t)CU_PEAK_SIDE * CU_PEAK_SIDE * (bf16 ? 2 : 4);
	if (!(t->a = cu_malloc(t->bytes)) || !(t->b = cu_malloc(t->bytes)) || !(t->c = cu_malloc(t->bytes)) ||
	    !(t->room = cu_malloc(room)))
		return SF_ENOMEM;
	if (cudaMemsetAsync(t->a, 0, t->bytes, d->stream) != cudaSuccess || cudaMemsetAsync(t->b, 0, t->bytes, d->stream) != cudaSuccess ||
	    cudaEventCreate(&t->begin) != cudaSuccess || cudaEventCreate(&t->end) != cudaSuccess ||
	    cublasLtCreate(&t->handle) != CUBLAS_STATUS_SUCCESS ||
	    cublasLtMatmulDescCreate(&t->product, compute, CUDA_R_32F) != CUBLAS_STATUS_SUCCESS ||
	    cublasLtMatrixLayoutCreate(&t->matrix, bf16 ? CUDA_R_16BF : CUDA_R_32F, CU_PEAK_SIDE, CU_PEAK_SIDE, CU_PEAK_SIDE) !=
	            CUBLAS_STATUS_SUCCESS ||
	    cublasLtMatmulPreferenceCreate(&t->preference) != CUBLAS_STATUS_SUCCESS ||
	    cublasLtMatmulPreferenceSetAttribute(t->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room) !=
	            CUBLAS_STATUS_SUCCESS ||
	    cublasLtMatmulAlgoGetHeuristic(t->handle, t->product, t->matrix, t->matrix, t->matrix, t->matrix, t->preference, 1, &t->way,
	                                   &found) != CUBLAS_STATUS_SUCCESS || found < 1)
		return SF_EUNSUP;
	return 0;
}

static int cu_trial_run(const sf_device *d, cu_trial *t, int copy, double *seconds)
{
	const float one = 1, zero = 0;
	int turn, bad = 0;

	for (turn = -2; turn < CU_PEAK_TURNS; turn++) { /* two to warm up */
		if (turn == 0)
			bad |= cudaEventRecord(t->begin, d->stream) != cudaSuccess;
		if (copy)
			bad |= cudaMemcpyAsync(t->c, t->a, t->bytes, cudaMemcpyDeviceToDevice, d->stream) != cudaSuccess;
		else
			bad |= cublasLtMatmul(t->handle, t->product, &one, t->a, t->matrix, t->b, t->matrix, &zero, t->c, t->matrix, t->c,
			                      t->matrix, &t->way.algo, t->room, CU_PEAK_ROOM, d->stream) != CUBLAS_STATUS_SUCCESS;
	}
	bad |= cudaEventRecord(t->end, d->stream) != cudaSuccess;
	return bad || cu_elapsed(t->begin, t->end, seconds) < 0 ? SF_EUNSUP : 0;
}

static void cu_trial_close(cu_trial *t)
{
	if (t->preference)
		cublasLtMatmulPreferenceDestroy(t->preference);
	if (t->matrix)
		cublasLtMatrixLayoutDestroy(t->matrix);
	if (t->product)
		cublasLtMatmulDescDestroy(t->product);
	if (t->handle)
		cublasLtDestroy(t->handle);
	if (t->begin)
		cudaEventDestroy(t->begin);
	if (t->end)
		cudaEventDestroy(t->end);
	cudaFree(t->a);
	cudaFree(t->b);
	cudaFree(t->c);
	cudaFree(t->room);
}

static int sf_cu_peak(sf_device *d, double *flops, double *bytes, char *why)
{
	double product = 0, copy = 0;
	cu_trial t;
	int rc;

	memset(&t, 0, sizeof t);
	rc = cu_trial_open(d, &t);
	if (rc == 0)
		rc = cu_trial_run(d, &t, 0, &product);
	if (rc == 0)
		rc = cu_trial_run(d, &t, 1, &copy);
	if (rc < 0)
		snprintf(why, SF_DEVICE_WHY, "the device's peak cannot be measured: %s",
		         rc == SF_ENOMEM ? "out of memory" : cudaGetErrorString(cudaGetLastError()));
	*flops = rc == 0 ? 2 * (double)CU_PEAK_SIDE * CU_PEAK_SIDE * CU_PEAK_SIDE / product : 0;
	*bytes = rc == 0 ? 2 * (double)t.bytes / copy : 0;
	cu_trial_close(&t);
	return rc;
}
#endif
