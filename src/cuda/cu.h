/* cu.h: the language of the CUDA unit: the common part of C99 and CUDA C++.
 *
 * With SF_CUDA_EMULATED the unit is plain C99: a launch is two loops over the grid's blocks, and a block has one thread. Kernels
 * are written so that they are right for any number of threads in a block: work is shared out by loops that start at
 * cu_thread() and step by cu_threads(), and threads meet in cu_sync and cu_block_sum alone. So all arithmetic and all
 * indices are tested without a device; what is left for one is that threads meet where they must.
 *
 * Numbers in memory are float or bfloat16, which a value says of itself (cu_mem); arithmetic is float, sums over many elements
 * too, pairwise within a block. Fused multiply-adds are asked for by name (fmaf): the unit is compiled without contraction, and
 * without fast math, so that noise is the CPU's bit for bit.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef SF_CUDA_EMULATED
#define CU_C
#define CU_C_END
#define CU_DEVICE static inline
#define CU_KERNEL static void
#define CU_SHARED(type, name, count) static type name[count]
typedef struct cu_dim3 {
	unsigned x, y;
} cu_dim3;
static cu_dim3 cu_block_index, cu_grid_size;
#define cu_thread() 0
#define cu_threads() 1
#define cu_block() ((int64_t)cu_block_index.x)
#define cu_block_y() ((int64_t)cu_block_index.y)
#define cu_blocks() ((int64_t)cu_grid_size.x)
#define cu_sync() ((void)0)
typedef int cu_stream;
typedef int cu_error;
#define CU_OK 0
#define CU_NO_MEMORY 2
/* CU_LAUNCH(kernel, blocks, blocks_y, threads, stream, arguments) */
#define CU_LAUNCH(kernel, nx, ny, threads, stream, ...)                                              \
	do {                                                                                         \
		unsigned cu_x, cu_y;                                                                 \
		(void)(stream);                                                                      \
		cu_grid_size.x = (unsigned)(nx);                                                     \
		cu_grid_size.y = (unsigned)(ny);                                                     \
		for (cu_y = 0; cu_y < cu_grid_size.y; cu_y++)                                        \
			for (cu_x = 0; cu_x < cu_grid_size.x; cu_x++) {                              \
				cu_block_index.x = cu_x;                                             \
				cu_block_index.y = cu_y;                                             \
				kernel(__VA_ARGS__);                                                 \
			}                                                                            \
	} while (0)
#else
#include <cuda_runtime.h>
#define CU_C extern "C" {
#define CU_C_END }
#define CU_DEVICE static __device__ __forceinline__
#define CU_KERNEL static __global__ void
#define CU_SHARED(type, name, count) __shared__ type name[count]
#define cu_thread() ((int)threadIdx.x)
#define cu_threads() ((int)blockDim.x)
#define cu_block() ((int64_t)blockIdx.x)
#define cu_block_y() ((int64_t)blockIdx.y)
#define cu_blocks() ((int64_t)gridDim.x)
#define cu_sync() __syncthreads()
typedef cudaStream_t cu_stream;
typedef cudaError_t cu_error;
#define CU_OK cudaSuccess
#define CU_NO_MEMORY cudaErrorMemoryAllocation
#define CU_LAUNCH(kernel, nx, ny, threads, stream, ...) \
	kernel<<<dim3((unsigned)(nx), (unsigned)(ny)), (unsigned)(threads), 0, stream>>>(__VA_ARGS__)
#endif

enum { CU_THREADS = 256, CU_WARP = 32 };

/* ---- numbers in memory ---- */
enum { CU_F32, CU_BF16 };
typedef struct cu_mem {
	void *p;
	int type;
} cu_mem;

static inline size_t cu_width(int type)
{
	return type == CU_BF16 ? 2 : 4;
}

CU_DEVICE float cu_bits_to_float(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof f);
	return f;
}

CU_DEVICE uint32_t cu_float_to_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof bits);
	return bits;
}

#ifdef SF_CUDA_EMULATED
/* Tests can have half precision in place of bfloat16, whose unit of rounding is eight times as large: an error that does not shrink with
 * it is none of rounding. */
extern int sf_cuda_emulated_half;
int sf_cuda_emulated_half;

static inline float cu_from_half(uint16_t h)
{
	const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = h >> 10 & 31u, m = h & 1023u;

	if (e == 0)
		return sign ? -(float)m / 16777216 : (float)m / 16777216;
	return cu_bits_to_float(sign | (e == 31 ? 0x7f800000u | m << 13 : ((uint32_t)(h & 0x7fffu) << 13) + 0x38000000u));
}

static inline uint16_t cu_to_half(float f)
{
	const uint32_t bits = cu_float_to_bits(f), sign = bits >> 16 & 0x8000u, a = bits & 0x7fffffffu;

	if (a > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00u);
	if (a >= 0x477ff000u)
		return (uint16_t)(sign | 0x7c00u);
	if (a < 0x38800000u) /* a multiple of 2^-24 */
		return (uint16_t)(sign | (uint32_t)lrintf(cu_bits_to_float(a) * 16777216));
	return (uint16_t)(sign | (a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13);
}
#endif

CU_DEVICE float cu_from_bf16(uint16_t b)
{
#ifdef SF_CUDA_EMULATED
	if (sf_cuda_emulated_half)
		return cu_from_half(b);
#endif
	return cu_bits_to_float((uint32_t)b << 16);
}

#if !defined SF_CUDA_EMULATED && defined __CUDA_ARCH__
#if __CUDA_ARCH__ >= 800
#define CU_HAS_BF16 /* as an instruction */
#endif
#endif

/* Nearest, ties to even; NaNs stay NaNs. */
CU_DEVICE uint16_t cu_to_bf16(float f)
{
#ifdef CU_HAS_BF16
	uint16_t h;

	asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f));
	return h;
#else
	uint32_t bits = cu_float_to_bits(f);

#ifdef SF_CUDA_EMULATED
	if (sf_cuda_emulated_half)
		return cu_to_half(f);
#endif
	if ((bits & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(bits >> 16 | 0x40u);
	return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
#endif
}

/* Two of them in a word, the first in the lower half */
CU_DEVICE uint32_t cu_to_bf16_pair(float lo, float hi)
{
#ifdef CU_HAS_BF16
	uint32_t w;

	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(hi), "f"(lo));
	return w;
#else
	return (uint32_t)cu_to_bf16(lo) | (uint32_t)cu_to_bf16(hi) << 16;
#endif
}

CU_DEVICE float cu_get(cu_mem m, int64_t i)
{
	return m.type == CU_BF16 ? cu_from_bf16(((const uint16_t *)m.p)[i]) : ((const float *)m.p)[i];
}

CU_DEVICE void cu_put(cu_mem m, int64_t i, float f)
{
	if (m.type == CU_BF16)
		((uint16_t *)m.p)[i] = cu_to_bf16(f);
	else
		((float *)m.p)[i] = f;
}

/* Eight numbers from a multiple of eight on: one or two accesses of 16 bytes. */
enum { CU_PACK = 8 };
typedef struct cu_words {
	uint32_t w[4];
} cu_words; /* 16 bytes, aligned so by its users */

CU_DEVICE cu_words cu_read16(const void *p)
{
#ifdef SF_CUDA_EMULATED
	cu_words v;

	memcpy(&v, p, sizeof v);
	return v;
#else
	const uint4 u = *(const uint4 *)p;
	cu_words v = {{u.x, u.y, u.z, u.w}};

	return v;
#endif
}

CU_DEVICE void cu_write16(void *p, cu_words v)
{
#ifdef SF_CUDA_EMULATED
	memcpy(p, &v, sizeof v);
#else
	*(uint4 *)p = make_uint4(v.w[0], v.w[1], v.w[2], v.w[3]);
#endif
}

/* A device refuses 16 bytes that do not begin at a multiple of 16; where it is emulated they are no numbers. */
#ifdef SF_CUDA_EMULATED
static inline int cu_refused(cu_mem m, int64_t i)
{
	return ((uintptr_t)m.p + (uintptr_t)i * cu_width(m.type)) % 16 != 0;
}
#endif

CU_DEVICE void cu_get8(cu_mem m, int64_t i, float f[CU_PACK])
{
	int k;

#ifdef SF_CUDA_EMULATED
	if (cu_refused(m, i)) {
		for (k = 0; k < CU_PACK; k++)
			f[k] = NAN;
		return;
	}
#endif
	if (m.type == CU_BF16) { /* the device is little-endian; where it is emulated, halves are taken one by one */
		for (k = 0; k < CU_PACK; k++) {
#ifdef SF_CUDA_EMULATED
			f[k] = cu_get(m, i + k);
#else
			break;
#endif
		}
#ifndef SF_CUDA_EMULATED
		cu_words v = cu_read16((const uint16_t *)m.p + i);

#pragma unroll
		for (k = 0; k < 4; k++) {
			f[2 * k] = cu_bits_to_float(v.w[k] << 16);
			f[2 * k + 1] = cu_bits_to_float(v.w[k] & 0xffff0000u);
		}
#endif
	} else {
		cu_words a = cu_read16((const float *)m.p + i), b = cu_read16((const float *)m.p + i + 4);

		for (k = 0; k < 4; k++) {
			f[k] = cu_bits_to_float(a.w[k]);
			f[4 + k] = cu_bits_to_float(b.w[k]);
		}
	}
}

CU_DEVICE void cu_put8(cu_mem m, int64_t i, const float f[CU_PACK])
{
	int k;

#ifdef SF_CUDA_EMULATED
	if (cu_refused(m, i)) {
		for (k = 0; k < CU_PACK; k++)
			cu_put(m, i + k, NAN);
		return;
	}
#endif
	if (m.type == CU_BF16) {
#ifdef SF_CUDA_EMULATED
		for (k = 0; k < CU_PACK; k++)
			cu_put(m, i + k, f[k]);
#else
		cu_words v;

#pragma unroll
		for (k = 0; k < 4; k++)
			v.w[k] = cu_to_bf16_pair(f[2 * k], f[2 * k + 1]);
		cu_write16((uint16_t *)m.p + i, v);
#endif
	} else {
		cu_words a, b;

		for (k = 0; k < 4; k++) {
			a.w[k] = cu_float_to_bits(f[k]);
			b.w[k] = cu_float_to_bits(f[4 + k]);
		}
		cu_write16((float *)m.p + i, a);
		cu_write16((float *)m.p + i + 4, b);
	}
}

/* ---- sums over the threads of a block, the same for all of them; fixed order ---- */
#ifdef SF_CUDA_EMULATED
#define CU_BLOCK_SUM(name, number) \
	CU_DEVICE number name(number v) \
	{ \
		return v; \
	}
#else
#define CU_BLOCK_SUM(name, number) \
	CU_DEVICE number name(number v) \
	{ \
		__shared__ number warp[32]; \
		number sum = 0; \
		int k, warps = (cu_threads() + CU_WARP - 1) / CU_WARP; \
\
		for (k = CU_WARP / 2; k > 0; k /= 2) \
			v += __shfl_xor_sync(0xffffffffu, v, k); \
		cu_sync(); \
		if (cu_thread() % CU_WARP == 0) \
			warp[cu_thread() / CU_WARP] = v; \
		cu_sync(); \
		for (k = 0; k < warps; k++) \
			sum += warp[k]; \
		return sum; \
	}
#endif
CU_BLOCK_SUM(cu_block_sum, float)
CU_BLOCK_SUM(cu_block_sum_d, double)

CU_DEVICE float cu_block_max(float v)
{
#ifdef SF_CUDA_EMULATED
	return v;
#else
	__shared__ float warp[32];
	int k, warps = (cu_threads() + CU_WARP - 1) / CU_WARP;

	for (k = CU_WARP / 2; k > 0; k /= 2)
		v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, k));
	cu_sync();
	if (cu_thread() % CU_WARP == 0)
		warp[cu_thread() / CU_WARP] = v;
	cu_sync();
	v = warp[0];
	for (k = 1; k < warps; k++)
		v = fmaxf(v, warp[k]);
	return v;
#endif
}

/* ---- memory and queues ---- */
#ifdef SF_CUDA_EMULATED
/* Memory as of a device: so much of it, aligned, and filled with what is no number. A block knows its size. */
extern size_t sf_cuda_emulated_free;
size_t sf_cuda_emulated_free = (size_t)1 << 33;
/* Blocks that were taken so far, and bytes that were copied */
extern int64_t sf_cuda_emulated_taken, sf_cuda_emulated_copied;
int64_t sf_cuda_emulated_taken, sf_cuda_emulated_copied;
enum { CU_BLOCK = 256 };
static inline void *cu_malloc(size_t bytes)
{
	void *p = NULL;

	if (bytes > sf_cuda_emulated_free || posix_memalign(&p, CU_BLOCK, CU_BLOCK + bytes) != 0)
		return NULL;
	sf_cuda_emulated_free -= bytes;
	sf_cuda_emulated_taken++;
	memcpy(p, &bytes, sizeof bytes);
	memset((unsigned char *)p + CU_BLOCK, 0xff, bytes);
	return (unsigned char *)p + CU_BLOCK;
}
static inline void cu_mfree(void *p)
{
	size_t bytes = 0;

	if (!p)
		return;
	p = (unsigned char *)p - CU_BLOCK;
	memcpy(&bytes, p, sizeof bytes);
	sf_cuda_emulated_free += bytes;
	free(p);
}
#define cu_host_malloc(bytes) malloc(bytes)
#define cu_host_free(p) free(p)
#define cu_copy_async(to, from, bytes, stream) \
	((void)(stream), sf_cuda_emulated_copied += (int64_t)(bytes), memcpy(to, from, bytes), CU_OK)
#define cu_copy_in(to, from, bytes, stream) cu_copy_async(to, from, bytes, stream)
#define cu_fill_async(to, byte, bytes, stream) ((void)(stream), memset(to, byte, bytes), CU_OK)
#define cu_wait(stream) ((void)(stream), CU_OK)
#define cu_last_error() CU_OK
#define cu_error_text(e) "emulated device"
static inline void cu_memory(double *all, double *free)
{
	*all = 8589934592.0;
	*free = (double)sf_cuda_emulated_free;
}
#else
static inline void *cu_malloc(size_t bytes)
{
	void *p = NULL;

	if (cudaMalloc(&p, bytes ? bytes : 1) != cudaSuccess) {
		(void)cudaGetLastError();
		return NULL;
	}
	return p;
}
#define cu_mfree(p) cudaFree(p)
/* Memory of the host that a queue can copy from while the caller goes on */
static inline void *cu_host_malloc(size_t bytes)
{
	void *p = NULL;

	return cudaMallocHost(&p, bytes) == cudaSuccess ? p : NULL;
}
#define cu_host_free(p) cudaFreeHost(p)
#define cu_copy_async(to, from, bytes, stream) cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream)
/* From the host: its memory may change when this returns. Ordinary memory has been staged by then; what the device reads itself is
 * waited for. */
static inline cudaError_t cu_copy_in(void *to, const void *from, size_t bytes, cudaStream_t stream)
{
	struct cudaPointerAttributes a;
	cudaError_t e = cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream);

	if (e != cudaSuccess)
		return e;
	if (cudaPointerGetAttributes(&a, from) == cudaSuccess && a.type == cudaMemoryTypeUnregistered)
		return cudaSuccess;
	(void)cudaGetLastError();
	return cudaStreamSynchronize(stream);
}
#define cu_fill_async(to, byte, bytes, stream) cudaMemsetAsync(to, byte, bytes, stream)
#define cu_wait(stream) cudaStreamSynchronize(stream)
#define cu_last_error() cudaGetLastError()
#define cu_error_text(e) cudaGetErrorString(e)
static inline void cu_memory(double *all, double *free)
{
	size_t a = 0, f = 0;

	(void)cudaMemGetInfo(&f, &a);
	*all = (double)a;
	*free = (double)f;
}
#endif
