/* unit.h: the device itself, its memory, and the record of functions that the library finds the unit by.
 * SPDX-License-Identifier: BSD-3-Clause */

#ifdef SF_CUDA_EMULATED
static int cu_count(char *why)
{
	(void)why;
	return 1;
}

static int cu_open(sf_device *d, char *why)
{
	(void)d;
	(void)why;
	return 0;
}

static void cu_describe(sf_device *d, sf_device_info *info)
{
	(void)d;
	snprintf(info->name, sizeof info->name, "emulated");
	info->capability = 90;
}
#else
static int cu_count(char *why)
{
	int n = 0, runtime = 0, driver = 0;
	cudaError_t e = cudaGetDeviceCount(&n);

	if (e == cudaSuccess && n > 0)
		return n;
	(void)cudaGetLastError();
	cudaRuntimeGetVersion(&runtime);
	cudaDriverGetVersion(&driver);
	if (e == cudaErrorInsufficientDriver && driver)
		snprintf(why, SF_DEVICE_WHY, "the driver is for CUDA %d.%d, this build needs %d.%d or newer", driver / 1000,
		         driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
	else if (e == cudaErrorInsufficientDriver)
		snprintf(why, SF_DEVICE_WHY, "there is no NVIDIA driver");
	else
		snprintf(why, SF_DEVICE_WHY, "%s", e == cudaSuccess ? "there is no CUDA device" : cudaGetErrorString(e));
	return 0;
}

CU_KERNEL cu_nothing(void)
{
}

/* A kernel of this build must be there for the device's architecture. */
static int cu_open(sf_device *d, char *why)
{
	struct cudaFuncAttributes a;
	struct cudaDeviceProp prop;
	cudaError_t e = cudaSetDevice(d->how.number);

	if (e == cudaSuccess)
		e = cudaGetDeviceProperties(&prop, d->how.number);
	if (e == cudaSuccess) {
		e = cudaFuncGetAttributes(&a, cu_nothing);
		if (e == cudaErrorNoKernelImageForDevice || e == cudaErrorInvalidDeviceFunction || e == cudaErrorUnsupportedPtxVersion) {
			snprintf(why, SF_DEVICE_WHY, "%s has compute capability %d.%d, and this build has nothing for it "
			         "(./configure --with-cuda-arch=%d%d)", prop.name, prop.major, prop.minor, prop.major, prop.minor);
			return SF_EUNSUP;
		}
	}
	if (e == cudaSuccess && d->how.precision != SF_DEVICE_STRICT && prop.major < 8) {
		snprintf(why, SF_DEVICE_WHY, "%s has compute capability %d.%d; bf16 and tf32 need 8.0 (use cuda:%d,strict)", prop.name,
		         prop.major, prop.minor, d->how.number);
		return SF_EUNSUP;
	}
	if (e == cudaSuccess)
		e = cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking);
	if (e == cudaSuccess)
		return 0;
	snprintf(why, SF_DEVICE_WHY, "%s", cudaGetErrorString(e));
	return e == cudaErrorMemoryAllocation ? SF_ENOMEM : SF_EUNSUP;
}

static void cu_describe(sf_device *d, sf_device_info *info)
{
	struct cudaDeviceProp prop;

	if (cudaGetDeviceProperties(&prop, d->how.number) != cudaSuccess)
		return;
	snprintf(info->name, sizeof info->name, "%.100s", prop.name);
	info->capability = 10 * prop.major + prop.minor;
}
#endif

static void sf_cu_describe(sf_device *d, sf_device_info *info)
{
	cu_describe(d, info);
	cu_memory(&info->bytes, &info->free);
}

static void sf_cu_close(sf_device *d)
{
	if (!d)
		return;
	while (d->blocks) {
		cu_block *b = d->blocks;

		d->blocks = b->next;
		cu_mfree(b->p);
		free(b);
	}
	cu_codes_close(d);
	cu_linear_close(d);
	cu_mfree(d->sums);
	cu_mfree(d->stage);
#ifndef SF_CUDA_EMULATED
	if (d->stream)
		cudaStreamDestroy(d->stream);
#endif
	free(d);
}

static int sf_cu_open(const sf_device_how *how, const sf_device_host *host, sf_device **out, char *why)
{
	sf_device *d = (sf_device *)calloc(1, sizeof *d);
	int rc;

	*out = NULL;
	snprintf(why, SF_DEVICE_WHY, "out of memory");
	if (!d)
		return SF_ENOMEM;
	d->how = *how;
	d->host = host;
	rc = cu_open(d, why);
	if (rc == 0)
		rc = cu_linear_open(d, why);
	if (rc == 0 && !(d->sums = (double *)cu_malloc(CU_SUMS * sizeof *d->sums)))
		rc = SF_ENOMEM;
	if (rc < 0) {
		sf_cu_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

static void *sf_cu_take(sf_device *d, size_t bytes)
{
	cu_block *b = (cu_block *)calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->p = (unsigned char *)cu_malloc(bytes);
	b->bytes = bytes ? bytes : 1;
	if (!b->p || cu_fill_async(b->p, 0, b->bytes, d->stream) != CU_OK || cu_wait(d->stream) != CU_OK) {
		cu_mfree(b->p);
		free(b);
		return NULL;
	}
	b->next = d->blocks;
	d->blocks = b;
	return b->p;
}

static void sf_cu_give(sf_device *d, void *p)
{
	cu_block **b = &d->blocks, *gone;

	while (*b && (*b)->p != (unsigned char *)p)
		b = &(*b)->next;
	gone = *b;
	if (!gone)
		return;
	(void)cu_wait(d->stream);
	*b = gone->next;
	cu_mfree(gone->p);
	free(gone);
}

static int sf_cu_copy(sf_device *d, void *to, const void *from, size_t bytes, char *why)
{
	cu_error e = cu_copy_async(to, from, bytes, d->stream);

	if (e == CU_OK)
		e = cu_wait(d->stream);
	return e == CU_OK ? 0 : cu_failed(e, why);
}

CU_C
#ifndef SF_CUDA_EMULATED
__attribute__((visibility("default")))
#endif
const sf_device_unit sf_device_unit_cuda = {SF_DEVICE_VERSION, sizeof(sf_plan), sizeof(sf_val), "cuda", cu_count, sf_cu_open,
	sf_cu_close, sf_cu_describe, sf_cu_take, sf_cu_give, sf_cu_copy, sf_cu_peak, sf_cu_plan_open, sf_cu_plan_close, sf_cu_plan_run,
	sf_cu_squares, sf_cu_update, sf_cu_sanitise, sf_cu_feed, sf_cu_wait, sf_cu_chains, sf_cu_chains_by, sf_cu_convs, sf_cu_ranks_id,
	sf_cu_ranks_open, sf_cu_ranks_sum, sf_cu_ranks_broadcast, sf_cu_ranks_close, sf_cu_stable};
CU_C_END
