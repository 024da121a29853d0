/* record.h: what was queued once, to be queued again: a CUDA graph.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct cu_record {
	int seen, ready, refused; /* ran once; can be replayed; cannot be recorded */
#ifndef SF_CUDA_EMULATED
	cudaGraphExec_t exec;
#endif
} cu_record;

#ifdef SF_CUDA_EMULATED
#define cu_record_begin(r, stream) ((void)(r), 0)
#define cu_record_end(r, stream) ((void)(r), 0)
#define cu_record_replay(r, stream) ((void)(r), 0)
static inline void cu_record_drop(cu_record *r)
{
	memset(r, 0, sizeof *r);
}
#else
/* 1: what is queued from now on is recorded and not run, or (r->ready) there is something to replay. 0: run it. */
static inline int cu_record_begin(cu_record *r, cu_stream stream)
{
	if (r->ready)
		return 1;
	if (r->refused || !r->seen++)
		return 0;
	r->refused = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess;
	return !r->refused;
}

static inline int cu_record_end(cu_record *r, cu_stream stream)
{
	cudaGraph_t graph = NULL;

	if (cudaStreamEndCapture(stream, &graph) == cudaSuccess && graph)
		r->ready = cudaGraphInstantiate(&r->exec, graph, 0) == cudaSuccess;
	if (graph)
		cudaGraphDestroy(graph);
	r->refused = !r->ready;
	if (r->refused)
		(void)cudaGetLastError();
	return r->ready ? 0 : -1;
}

static inline int cu_record_replay(cu_record *r, cu_stream stream)
{
	return cudaGraphLaunch(r->exec, stream) == cudaSuccess ? 0 : -1;
}

static inline void cu_record_drop(cu_record *r)
{
	if (r->ready)
		cudaGraphExecDestroy(r->exec);
	memset(r, 0, sizeof *r);
}
#endif
