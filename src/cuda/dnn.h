/* dnn.h: convolutions as plans of cuDNN's graph interface.
 *
 * One convolution is a graph of one operation between three tensors; the library names engines for it in the order that its
 * heuristic (mode A) expects them to be fast. An engine is refused by its notes:
 *
 *     strict float    tensor cores and converted inputs, because engines for float round them to TF32 without being asked
 *     deterministic   sums whose order changes from run to run
 *
 * and passed over where it cannot be finalised: the heuristic counts engines that then do not exist. Results of
 * bfloat16 operands are bfloat16; there is no engine that gives float.
 *
 * A described device stands in for a real one, so that plans can be made and checked on any machine; with a handle they can be run.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <cudnn.h>

#define SF_DNN_ENGINES 64
#define SF_DNN_DIMS 4
#define SF_DNN_ALIGNMENT 16

/* An H100 with 80 GB, as far as the library asks. */
static const char sf_dnn_h100[] =
	"{\"deviceName\":\"NVIDIA H100 80GB HBM3\",\"deviceVer\":900,\"driverVer\":13000,\"cudaDeviceId\":0,\"pciDeviceId\":0,"
	"\"multiProcessorCount\":132,\"smClockRateKHz\":1980000,\"memClockRateKHz\":2619000,\"l2CacheSize\":52428800,"
	"\"totalGlobalMem\":85000000000,\"warpSize\":32,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
	"\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,"
	"\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":232448,"
	"\"reservedSharedMemoryPerBlock\":1024,\"maxCtasPerSM\":32,\"isTccDriver\":0,\"supportCoopLaunch\":1}";

typedef struct sf_dnn_known {
	sf_cuda_conv conv;
	sf_cuda_conv_plan plan; /* its plan NULL: there is none in `room` bytes */
	int64_t room;
	struct sf_dnn_known *next;
} sf_dnn_known;

enum { SF_DNN_BUCKETS = 256 };

struct sf_cuda_dnn {
	cudnnHandle_t handle;            /* of a real device, */
	cudnnBackendDescriptor_t device; /* or a description */
	sf_dnn_known *known[SF_DNN_BUCKETS];
	int made, asked;
};

typedef cudnnBackendDescriptor_t sf_dnn_desc;

static void sf_dnn_drop(sf_dnn_desc *d)
{
	if (*d)
		cudnnBackendDestroyDescriptor(*d);
	*d = NULL;
}

/* A failed call leaves its name in *at; later ones do nothing. */
typedef struct sf_dnn_calls {
	cudnnStatus_t status;
	const char *at;
} sf_dnn_calls;

static void sf_dnn_said(sf_dnn_calls *c, cudnnStatus_t status, const char *at)
{
	if (c->status == CUDNN_STATUS_SUCCESS && status != CUDNN_STATUS_SUCCESS) {
		c->status = status;
		c->at = at;
	}
}

static sf_dnn_desc sf_dnn_make(sf_dnn_calls *c, cudnnBackendDescriptorType_t type, const char *at)
{
	sf_dnn_desc d = NULL;

	if (c->status == CUDNN_STATUS_SUCCESS)
		sf_dnn_said(c, cudnnBackendCreateDescriptor(type, &d), at);
	return d;
}

static void sf_dnn_set(sf_dnn_calls *c, sf_dnn_desc d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                       int64_t count, const void *value, const char *at)
{
	if (c->status == CUDNN_STATUS_SUCCESS)
		sf_dnn_said(c, cudnnBackendSetAttribute(d, name, type, count, value), at);
}

static void sf_dnn_finalise(sf_dnn_calls *c, sf_dnn_desc d, const char *at)
{
	if (c->status == CUDNN_STATUS_SUCCESS)
		sf_dnn_said(c, cudnnBackendFinalize(d), at);
}

/* dim as the library wants them, (n,c,h,w); memory is (n,h,w,c). */
static sf_dnn_desc sf_dnn_tensor(sf_dnn_calls *c, int64_t id, cudnnDataType_t type, int64_t n, int64_t ch, int64_t h,
                                 int64_t w)
{
	const int64_t dim[SF_DNN_DIMS] = {n, ch, h, w}, stride[SF_DNN_DIMS] = {ch * h * w, 1, ch * w, ch};
	const int64_t alignment = SF_DNN_ALIGNMENT;
	sf_dnn_desc t = sf_dnn_make(c, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor");

	sf_dnn_set(c, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type, "tensor type");
	sf_dnn_set(c, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, SF_DNN_DIMS, dim, "tensor dimensions");
	sf_dnn_set(c, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, SF_DNN_DIMS, stride, "tensor strides");
	sf_dnn_set(c, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id, "tensor id");
	sf_dnn_set(c, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment, "tensor alignment");
	sf_dnn_finalise(c, t, "tensor");
	return t;
}

static sf_dnn_desc sf_dnn_geometry(sf_dnn_calls *c, const sf_cuda_conv *v)
{
	const int64_t dims = 2, pad[2] = {v->pad, v->pad}, stride[2] = {v->stride, v->stride};
	const int64_t dilation[2] = {v->dilation, v->dilation};
	const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
	const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
	sf_dnn_desc d = sf_dnn_make(c, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution");

	sf_dnn_set(c, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dims, "spatial dimensions");
	sf_dnn_set(c, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute, "compute type");
	sf_dnn_set(c, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode, "mode");
	sf_dnn_set(c, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad, "padding");
	sf_dnn_set(c, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad, "padding");
	sf_dnn_set(c, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride, "stride");
	sf_dnn_set(c, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation, "dilation");
	sf_dnn_finalise(c, d, "convolution");
	return d;
}

/* The attributes of an operation, by direction: geometry, image, weights, result. */
static const struct {
	cudnnBackendDescriptorType_t type;
	cudnnBackendAttributeName_t geometry, x, w, y, alpha, beta;
} sf_dnn_operations[SF_CUDA_DIRECTIONS] = {
	{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
	{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
	{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
	 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

enum { SF_DNN_X, SF_DNN_W, SF_DNN_Y, SF_DNN_TENSORS }; /* also their ids in a graph */

/* Everything of one convolution up to the heuristic; released together. */
typedef struct sf_dnn_work {
	sf_dnn_desc tensor[SF_DNN_TENSORS], geometry, operation, graph, heuristic, config[SF_DNN_ENGINES];
} sf_dnn_work;

static void sf_dnn_release(sf_dnn_work *k)
{
	int i;

	for (i = 0; i < SF_DNN_ENGINES; i++)
		sf_dnn_drop(&k->config[i]);
	sf_dnn_drop(&k->heuristic);
	sf_dnn_drop(&k->graph);
	sf_dnn_drop(&k->operation);
	sf_dnn_drop(&k->geometry);
	for (i = 0; i < SF_DNN_TENSORS; i++)
		sf_dnn_drop(&k->tensor[i]);
}

static int64_t sf_dnn_out(int64_t in, int64_t k, const sf_cuda_conv *v)
{
	return (in + 2 * v->pad - v->dilation * (k - 1) - 1) / v->stride + 1;
}

static void sf_dnn_describe(sf_dnn_calls *c, const sf_cuda_dnn *d, const sf_cuda_conv *v, sf_dnn_work *k)
{
	const cudnnDataType_t type = v->precision == SF_CUDA_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
	const float alpha = 1, beta = 0;

	k->tensor[SF_DNN_X] = sf_dnn_tensor(c, SF_DNN_X, type, v->n, v->ci, v->h, v->w);
	k->tensor[SF_DNN_W] = sf_dnn_tensor(c, SF_DNN_W, type, v->co, v->ci, v->kh, v->kw);
	k->tensor[SF_DNN_Y] = sf_dnn_tensor(c, SF_DNN_Y, type, v->n, v->co, sf_dnn_out(v->h, v->kh, v),
	                                    sf_dnn_out(v->w, v->kw, v));
	k->geometry = sf_dnn_geometry(c, v);
	k->operation = sf_dnn_make(c, sf_dnn_operations[v->direction].type, "operation");
	sf_dnn_set(c, k->operation, sf_dnn_operations[v->direction].geometry, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &k->geometry,
	           "operation's geometry");
	sf_dnn_set(c, k->operation, sf_dnn_operations[v->direction].x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
	           &k->tensor[SF_DNN_X], "operation's image");
	sf_dnn_set(c, k->operation, sf_dnn_operations[v->direction].w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
	           &k->tensor[SF_DNN_W], "operation's weights");
	sf_dnn_set(c, k->operation, sf_dnn_operations[v->direction].y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
	           &k->tensor[SF_DNN_Y], "operation's result");
	sf_dnn_set(c, k->operation, sf_dnn_operations[v->direction].alpha, CUDNN_TYPE_FLOAT, 1, &alpha, "alpha");
	sf_dnn_set(c, k->operation, sf_dnn_operations[v->direction].beta, CUDNN_TYPE_FLOAT, 1, &beta, "beta");
	sf_dnn_finalise(c, k->operation, "operation");
	k->graph = sf_dnn_make(c, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "graph");
	if (d->handle)
		sf_dnn_set(c, k->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle, "graph's handle");
	sf_dnn_set(c, k->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &k->operation,
	           "graph's operation");
	sf_dnn_finalise(c, k->graph, "graph");
}

/* Engines in the heuristic's order. Only the number that the second question returns can be used. */
static int64_t sf_dnn_engines(sf_dnn_calls *c, const sf_cuda_dnn *d, sf_dnn_work *k)
{
	const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
	int64_t count = 0, i;

	k->heuristic = sf_dnn_make(c, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "heuristic");
	sf_dnn_set(c, k->heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &k->graph,
	           "heuristic's graph");
	sf_dnn_set(c, k->heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode, "heuristic's mode");
	if (d->device)
		sf_dnn_set(c, k->heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &d->device,
		           "heuristic's device");
	sf_dnn_finalise(c, k->heuristic, "heuristic");
	for (i = 0; i < SF_DNN_ENGINES; i++)
		k->config[i] = sf_dnn_make(c, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "engine");
	if (c->status == CUDNN_STATUS_SUCCESS)
		sf_dnn_said(c, cudnnBackendGetAttribute(k->heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS,
		                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, SF_DNN_ENGINES, &count, k->config),
		            "heuristic's results");
	return c->status == CUDNN_STATUS_SUCCESS ? count : 0;
}

/* What an engine's notes say; 0 where they cannot be read. */
static int sf_dnn_may(sf_dnn_desc config, const sf_cuda_conv *v, int *tensor_cores)
{
	cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
	int64_t count = 0, i;
	sf_dnn_desc engine = NULL;
	int may = 1;

	*tensor_cores = 0;
	if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS)
		return 0;
	if (cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine) !=
	            CUDNN_STATUS_SUCCESS ||
	    cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
	                             CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, note) != CUDNN_STATUS_SUCCESS)
		may = 0;
	for (i = 0; may && i < count; i++) {
		*tensor_cores |= note[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
		if (v->deterministic && note[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)
			may = 0;
		if (v->precision == SF_CUDA_STRICT &&
		    (note[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS))
			may = 0;
	}
	sf_dnn_drop(&engine);
	return may;
}

/* NULL where the engine turns out not to do this one, or not in this room. */
static sf_dnn_desc sf_dnn_plan(const sf_cuda_dnn *d, sf_dnn_desc config, int64_t room, int64_t *workspace)
{
	sf_dnn_calls c = {CUDNN_STATUS_SUCCESS, ""};
	sf_dnn_desc plan = sf_dnn_make(&c, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "plan");
	int64_t count = 0;

	sf_dnn_set(&c, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config, "plan's engine");
	if (d->handle)
		sf_dnn_set(&c, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &d->handle, "plan's handle");
	else
		sf_dnn_set(&c, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &d->device,
		           "plan's device");
	sf_dnn_finalise(&c, plan, "plan");
	if (c.status == CUDNN_STATUS_SUCCESS)
		sf_dnn_said(&c, cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
		                                         &count, workspace), "plan's workspace");
	if (c.status != CUDNN_STATUS_SUCCESS || *workspace > room)
		sf_dnn_drop(&plan);
	return plan;
}

static int sf_dnn_find(const sf_cuda_dnn *d, const sf_cuda_conv *v, int64_t room, sf_cuda_conv_plan *out, char *why, size_t size)
{
	sf_dnn_calls c = {CUDNN_STATUS_SUCCESS, ""};
	sf_dnn_work k;
	int64_t engines, i;

	memset(&k, 0, sizeof k);
	memset(out, 0, sizeof *out);
	sf_dnn_describe(&c, d, v, &k);
	engines = sf_dnn_engines(&c, d, &k);
	for (i = 0; i < engines && !out->plan; i++)
		if (sf_dnn_may(k.config[i], v, &out->tensor_cores))
			out->plan = sf_dnn_plan(d, k.config[i], room, &out->workspace);
	out->considered = (int)i;
	sf_dnn_release(&k);
	if (c.status != CUDNN_STATUS_SUCCESS)
		snprintf(why, size, "cuDNN refuses the %s (%s)", c.at, cudnnGetErrorString(c.status));
	else if (!out->plan)
		snprintf(why, size, "cuDNN has no engine (of %lld) for it in %lld bytes", (long long)engines, (long long)room);
	return out->plan ? 0 : -1;
}

extern "C" void sf_cuda_dnn_free(sf_cuda_dnn *d)
{
	int i;

	for (i = 0; d && i < SF_DNN_BUCKETS; i++)
		while (d->known[i]) {
			sf_dnn_known *k = d->known[i];
			sf_dnn_desc plan = (sf_dnn_desc)k->plan.plan;

			d->known[i] = k->next;
			sf_dnn_drop(&plan);
			free(k);
		}
	if (d)
		sf_dnn_drop(&d->device);
	free(d);
}

extern "C" sf_cuda_dnn *sf_cuda_dnn_here(void *handle)
{
	sf_cuda_dnn *d = (sf_cuda_dnn *)calloc(1, sizeof *d);

	if (d)
		d->handle = (cudnnHandle_t)handle;
	return d;
}

extern "C" sf_cuda_dnn *sf_cuda_dnn_described(const char *json, char *why, size_t size)
{
	sf_dnn_calls c = {CUDNN_STATUS_SUCCESS, ""};
	sf_cuda_dnn *d = (sf_cuda_dnn *)calloc(1, sizeof *d);

	if (!d) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	if (!json)
		json = sf_dnn_h100;
	d->device = sf_dnn_make(&c, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "device's description");
	sf_dnn_set(&c, d->device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json) + 1, json,
	           "device's description");
	sf_dnn_finalise(&c, d->device, "device's description");
	if (c.status == CUDNN_STATUS_SUCCESS)
		return d;
	snprintf(why, size, "cuDNN refuses the %s (%s)", c.at, cudnnGetErrorString(c.status));
	sf_cuda_dnn_free(d);
	return NULL;
}

static int sf_dnn_same(const sf_cuda_conv *a, const sf_cuda_conv *b)
{
	return a->direction == b->direction && a->precision == b->precision && !a->deterministic == !b->deterministic &&
	       a->n == b->n && a->h == b->h && a->w == b->w && a->ci == b->ci && a->co == b->co && a->kh == b->kh &&
	       a->kw == b->kw && a->stride == b->stride && a->pad == b->pad && a->dilation == b->dilation;
}

static unsigned sf_dnn_bucket(const sf_cuda_conv *v)
{
	const int64_t part[] = {v->direction, v->precision, v->n, v->h, v->w, v->ci, v->co, v->kh, v->stride};
	uint64_t hash = 0;
	size_t i;

	for (i = 0; i < sizeof part / sizeof *part; i++)
		hash = (hash ^ (uint64_t)part[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(hash >> 32) % SF_DNN_BUCKETS;
}

/* What is known of it: a plan that needs no more than `room`, or that there was none in as much. */
static const sf_dnn_known *sf_dnn_recall(const sf_cuda_dnn *d, const sf_cuda_conv *v, int64_t room)
{
	const sf_dnn_known *k;

	for (k = d->known[sf_dnn_bucket(v)]; k; k = k->next)
		if (sf_dnn_same(&k->conv, v) && (k->plan.plan ? k->plan.workspace <= room : k->room >= room))
			return k;
	return NULL;
}

extern "C" int sf_cuda_conv_find(sf_cuda_dnn *d, const sf_cuda_conv *v, int64_t room, sf_cuda_conv_plan *out, char *why, size_t size)
{
	sf_dnn_known **bucket = &d->known[sf_dnn_bucket(v)], *n;
	const sf_dnn_known *k = sf_dnn_recall(d, v, room);
	int rc;

	d->asked++;
	if (k) {
		*out = k->plan;
		if (!out->plan)
			snprintf(why, size, "cuDNN has no engine for it in %lld bytes", (long long)room);
		return out->plan ? 0 : -1;
	}
	rc = sf_dnn_find(d, v, room, out, why, size);
	n = (sf_dnn_known *)calloc(1, sizeof *n);
	if (!n) {
		sf_dnn_desc plan = (sf_dnn_desc)out->plan;

		sf_dnn_drop(&plan);
		out->plan = NULL;
		snprintf(why, size, "out of memory");
		return -1;
	}
	n->conv = *v;
	n->plan = *out;
	n->room = room;
	n->next = *bucket;
	*bucket = n;
	d->made += rc == 0;
	return rc;
}

extern "C" int sf_cuda_conv_run(sf_cuda_dnn *d, const sf_cuda_conv_plan *plan, void *x, void *w, void *y, void *workspace, char *why,
                                size_t size)
{
	const int64_t id[SF_DNN_TENSORS] = {SF_DNN_X, SF_DNN_W, SF_DNN_Y};
	void *const data[SF_DNN_TENSORS] = {x, w, y};
	sf_dnn_calls c = {CUDNN_STATUS_SUCCESS, ""};
	sf_dnn_desc pack = sf_dnn_make(&c, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "pointers");

	sf_dnn_set(&c, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, SF_DNN_TENSORS, id, "tensors' ids");
	sf_dnn_set(&c, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, SF_DNN_TENSORS, data, "pointers");
	sf_dnn_set(&c, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace, "workspace");
	sf_dnn_finalise(&c, pack, "pointers");
	if (c.status == CUDNN_STATUS_SUCCESS)
		sf_dnn_said(&c, cudnnBackendExecute(d->handle, (sf_dnn_desc)plan->plan, pack), "convolution");
	sf_dnn_drop(&pack);
	if (c.status != CUDNN_STATUS_SUCCESS)
		snprintf(why, size, "cuDNN refuses the %s (%s)", c.at, cudnnGetErrorString(c.status));
	return c.status == CUDNN_STATUS_SUCCESS ? 0 : -1;
}

extern "C" void sf_cuda_dnn_count(const sf_cuda_dnn *d, int *made, int *asked)
{
	*made = d->made;
	*asked = d->asked;
}
