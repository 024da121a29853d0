/* code.h: programs of chains: compiled by NVRTC when a plan is opened, and kept with the device for the next plan with the same
 * chains. Where that fails, and with SCOREFIELD_CHAINS=interpret in the environment, map.h's interpreter runs them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CUDA_EMULATED
#include <nvrtc.h>
#if CUDART_VERSION >= 12090
#define CU_COMPILES /* the runtime can load a program */
#endif
#endif

typedef struct cu_code {
	sf_device *d;
	char *text;
	int users, kernels;
	void **kernel;
	void *built;
	struct cu_code *next;
} cu_code;

enum { CU_CODE_SPARE = 4 }; /* programs that are kept though no plan uses them */

static int cu_interpret(void)
{
	const char *how = getenv("SCOREFIELD_CHAINS");

	return how && strcmp(how, "interpret") == 0;
}

#ifdef SF_CUDA_EMULATED
/* Who makes functions of a program's text; tests say so. */
static const sf_device_builder *cu_builder;

static void sf_cu_chains_by(const sf_device_builder *b)
{
	cu_builder = b;
}

static int cu_code_build(cu_code *c)
{
	char name[32];
	int k;

	c->built = cu_builder ? cu_builder->build(c->text) : NULL;
	for (k = 0; c->built && k < c->kernels; k++) {
		snprintf(name, sizeof name, "cu_chain_%d", k);
		c->kernel[k] = cu_builder->find(c->built, name);
		if (!c->kernel[k])
			return -1;
	}
	return c->built ? 0 : -1;
}

static void cu_code_unload(cu_code *c)
{
	if (c->built && cu_builder)
		cu_builder->drop(c->built);
}

static int cu_code_run(const cu_code *c, const cu_chain *n, cu_places *where, cu_stream stream)
{
	void (*run)(const cu_places *);

	(void)stream;
	memcpy(&run, &c->kernel[n->kernel], sizeof run);
	run(where);
	return 0;
}
#else
static void sf_cu_chains_by(const sf_device_builder *b)
{
	(void)b;
}

/* Machine code for a capability, in memory that the caller frees; NULL with the compiler's words in `why`. */
static void *cu_machine_code(const char *text, int capability, size_t *bytes, char *why)
{
	char arch[40], *log = NULL;
	const char *option[2];
	nvrtcProgram program;
	void *code = NULL;
	size_t length = 0;
	nvrtcResult r = nvrtcCreateProgram(&program, text, "chains.cu", 0, NULL, NULL);

	snprintf(why, SF_DEVICE_WHY, "the chains' program: %s", nvrtcGetErrorString(r));
	if (r != NVRTC_SUCCESS)
		return NULL;
	snprintf(arch, sizeof arch, "--gpu-architecture=sm_%d", capability);
	option[0] = arch;
	option[1] = "--fmad=false";
	r = nvrtcCompileProgram(program, 2, option);
	if (r == NVRTC_SUCCESS)
		r = nvrtcGetCUBINSize(program, bytes);
	else if (nvrtcGetProgramLogSize(program, &length) == NVRTC_SUCCESS && (log = (char *)calloc(1, length + 1)))
		(void)nvrtcGetProgramLog(program, log);
	if (r == NVRTC_SUCCESS && (code = malloc(*bytes + 1)))
		r = nvrtcGetCUBIN(program, (char *)code);
	if (r != NVRTC_SUCCESS) {
		snprintf(why, SF_DEVICE_WHY, "the chains' program: %s: %.300s", nvrtcGetErrorString(r), log ? log : "");
		free(code);
		code = NULL;
	}
	free(log);
	nvrtcDestroyProgram(&program);
	return code;
}

#ifdef CU_COMPILES
static int cu_code_build(cu_code *c)
{
	char name[32], why[SF_DEVICE_WHY];
	cudaLibrary_t library = NULL;
	int major = 0, minor = 0, k;
	size_t bytes = 0;
	void *code;

	if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, c->d->how.number) != cudaSuccess ||
	    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, c->d->how.number) != cudaSuccess)
		return -1;
	code = cu_machine_code(c->text, 10 * major + minor, &bytes, why);
	if (!code)
		return -1;
	if (cudaLibraryLoadData(&library, code, NULL, NULL, 0, NULL, NULL, 0) == cudaSuccess)
		c->built = library;
	free(code);
	for (k = 0; c->built && k < c->kernels; k++) {
		cudaKernel_t kernel;

		snprintf(name, sizeof name, "cu_chain_%d", k);
		if (cudaLibraryGetKernel(&kernel, library, name) != cudaSuccess)
			return -1;
		c->kernel[k] = kernel;
	}
	return c->built ? 0 : -1;
}

static void cu_code_unload(cu_code *c)
{
	if (c->built)
		(void)cudaLibraryUnload((cudaLibrary_t)c->built);
}
#else
static int cu_code_build(cu_code *c)
{
	(void)c;
	return -1;
}

static void cu_code_unload(cu_code *c)
{
	(void)c;
}
#endif

/* Small chains in small blocks, so that they spread over the device. */
static int cu_code_run(const cu_code *c, const cu_chain *n, cu_places *where, cu_stream stream)
{
	const int64_t items = where->total / n->width, threads = items >= 65536 ? CU_THREADS : 64;
	int64_t blocks = (items + threads - 1) / threads;
	void *argument = where;

	blocks = blocks > 65536 ? 65536 : blocks;
	return cudaLaunchKernel((const void *)c->kernel[n->kernel], dim3((unsigned)blocks), dim3((unsigned)threads), &argument, 0,
	                        stream) == cudaSuccess ? 0 : SF_EUNSUP;
}
#endif

static void cu_code_free(cu_code *c)
{
	if (!c)
		return;
	cu_code_unload(c);
	free(c->kernel);
	free(c->text);
	free(c);
}

/* A plan is done with it. */
static void cu_code_drop(struct cu_code *c)
{
	cu_code **at, *gone;
	int spare = 0;

	if (!c)
		return;
	c->users--;
	for (at = &c->d->codes; *at; ) {
		gone = *at;
		if (gone->users > 0 || ++spare <= CU_CODE_SPARE) {
			at = &gone->next;
			continue;
		}
		*at = gone->next;
		cu_code_free(gone);
	}
}

/* All programs of a device that closes. */
static void cu_codes_close(sf_device *d)
{
	while (d->codes) {
		cu_code *c = d->codes;

		d->codes = c->next;
		cu_code_free(c);
	}
}

static cu_code *cu_code_known(const sf_device *d, const char *text)
{
	cu_code *c = d->codes;

	while (c && strcmp(c->text, text) != 0)
		c = c->next;
	return c;
}

/* Where this fails the chains are interpreted. */
static void cu_chains_compile(sf_device *d, struct cu_chains *c)
{
	cu_text t = {NULL, 0, 0, 0};
	cu_code *code = NULL;
	int i;

	if (c->nchain && !cu_interpret() && cu_chains_text(c, &t) == 0)
		code = cu_code_known(d, t.s);
	if (!code && t.s && !t.bad && (code = (cu_code *)calloc(1, sizeof *code))) {
		code->d = d;
		code->text = t.s;
		code->kernels = c->kernels;
		code->kernel = (void **)calloc((size_t)c->kernels + 1, sizeof *code->kernel);
		t.s = NULL;
		if (!code->kernel || cu_code_build(code) < 0) {
			cu_code_free(code);
			code = NULL;
		} else {
			code->next = d->codes;
			d->codes = code;
		}
	}
	free(t.s);
	c->code = code;
	if (code)
		code->users++;
	for (i = 0; !code && i < c->p->nstep; i++)
		c->chain[i].kernel = -1;
}

/* See sf_device_unit: the program of a plan that has no part, for tests and for the curious. */
static int sf_cu_chains(const sf_plan *p, const sf_device_layout *lay, int capability, sf_device_chains *out, char *why)
{
	cu_text t = {NULL, 0, 0, 0};
	struct cu_chains *c = NULL;
	cu_lane l;
	cu_mem *val = (cu_mem *)calloc((size_t)p->nval + 1, sizeof *val);
	int rc = SF_ENOMEM, i;

	memset(out, 0, sizeof *out);
	memset(&l, 0, sizeof l);
	snprintf(why, SF_DEVICE_WHY, "out of memory");
	l.p = p;
	l.val = val;
	for (i = 0; val && i < p->nval; i++)
		val[i].type = lay->bf16[p->val[i].root] ? CU_BF16 : CU_F32;
	if (val && (c = cu_chains_build(&l, lay->n)))
		rc = cu_chains_text(c, &t);
#ifndef SF_CUDA_EMULATED
	if (rc == 0 && c->nchain) {
		free(cu_machine_code(t.s, capability, &out->code, why));
		rc = out->code ? 0 : SF_EUNSUP;
	}
#endif
	(void)capability;
	if (rc == 0) {
		out->chains = c->nchain;
		out->kernels = c->kernels;
		out->text = t.s;
		t.s = NULL;
	}
	free(t.s);
	free(val);
	cu_chains_free(c);
	return rc;
}
