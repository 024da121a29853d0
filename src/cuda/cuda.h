/* cuda.h (internal): what the CUDA unit does for the rest of the library, in C.
 *
 * The unit is one translation unit (cuda.cu and the headers beside it) with C linkage and hidden symbols. It is built with
 * ./configure --with-cuda and needs neither a device nor a driver to be loaded.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CUDA_H
#define SF_CUDA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What products are computed in: operands of bfloat16 summed in float; float operands rounded to TF32; float throughout. */
enum { SF_CUDA_BF16, SF_CUDA_TF32, SF_CUDA_STRICT, SF_CUDA_PRECISIONS };
enum { SF_CUDA_FORWARD, SF_CUDA_DATA, SF_CUDA_WEIGHT, SF_CUDA_DIRECTIONS };

/* A convolution of n samples: x (h,w,ci), weights as (co,kh,kw,ci), y (ho,wo,co). */
typedef struct sf_cuda_conv {
	int direction, precision;
	int deterministic; /* no engine whose sums change from run to run */
	int64_t n, h, w, ci, co, kh, kw, stride, pad, dilation;
} sf_cuda_conv;

/* ---- plans of convolutions, made by cuDNN's heuristics ---- */
typedef struct sf_cuda_dnn sf_cuda_dnn;
/* A maker of plans for a device that is described by a text, cuDNN's JSON representation of its properties (NULL: an H100),
 * so that no device is needed. NULL on failure. */
sf_cuda_dnn *sf_cuda_dnn_described(const char *json, char *why, size_t size);
/* A maker of plans that can be run, for the device of an open handle (cudnnHandle_t), which stays the caller's. NULL: no memory. */
sf_cuda_dnn *sf_cuda_dnn_here(void *handle);
void sf_cuda_dnn_free(sf_cuda_dnn *d);
typedef struct sf_cuda_conv_plan {
	void *plan;        /* cudnnBackendDescriptor_t, owned by the maker */
	int64_t workspace; /* bytes */
	int tensor_cores;  /* the engine uses them */
	int considered;    /* engines that were looked at until one would do */
} sf_cuda_conv_plan;
/* The first engine in the heuristic's order that may be used at this precision, can be finalised and needs `room` bytes of workspace at
 * most. Plans are kept: asking again gives the same one, also where there is none. 0, or -1 with the reason. */
int sf_cuda_conv_find(sf_cuda_dnn *d, const sf_cuda_conv *c, int64_t room, sf_cuda_conv_plan *plan, char *why, size_t size);
/* Queues it on the handle's stream: two of x (h,w,ci), w (co,kh,kw,ci) and y (ho,wo,co) are read, the one that the direction says is
 * written. All of them, and the workspace, lie at multiples of 16 bytes. 0, or -1 with the reason. */
int sf_cuda_conv_run(sf_cuda_dnn *d, const sf_cuda_conv_plan *plan, void *x, void *w, void *y, void *workspace, char *why, size_t size);
/* Plans made, and asked for. */
void sf_cuda_dnn_count(const sf_cuda_dnn *d, int *made, int *asked);

#ifdef __cplusplus
}
#endif
#endif
