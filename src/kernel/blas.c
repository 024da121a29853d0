/* blas.c: the only file that sees <cblas.h> and <lapacke.h>, and the BLAS's own thread control.
 *
 * The control is looked up by name at run time, because which BLAS is loaded is decided by the
 * system's alternatives and not by the link line. OpenBLAS built with OpenMP also sets the caller's
 * OpenMP number of threads in openblas_set_num_threads, so it is called where that goes no further (sf_apart).
 * Built with threads of its own, it is a calamity inside a parallel region (128^3: 21 GFLOP/s for 194) unless it is
 * kept at one thread.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"

#include <cblas.h>
#include <dlfcn.h>
#include <lapacke.h>
#include <limits.h>
#include <string.h>

#define F_(name, suffix) name##_##suffix
#define F__(name, suffix) F_(name, suffix)
#define F(name) F__(name, SUFFIX)
#define T float
#define SUFFIX f32
#include "kernel/blas_entries.h"
#undef T
#undef SUFFIX
#define T double
#define SUFFIX f64
#include "kernel/blas_entries.h"

void sf_blas_tile_f32(int n, int k, const float *a, const float *b, int ldb, float *c)
{
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 32, n, k, 1, a, k, b, ldb, 1, c, n);
}

void sf_blas_tile_f64(int n, int k, const double *a, const double *b, int ldb, double *c)
{
	cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 32, n, k, 1, a, k, b, ldb, 1, c, n);
}

void sf_blas_gemm(int ta, int tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                  int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc)
{
	cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
	            (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

/* Column-major LAPACK sees the transpose of a row-major matrix: itself, where it is symmetric. Its
 * eigenvector columns are then our rows. */
int sf_blas_eigh(int64_t n, double *a, double *val, double *vec)
{
	if (n < 0 || n > INT_MAX)
		return SF_ERANGE;
	if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (lapack_int)n, a,
	                   (lapack_int)(n > 0 ? n : 1), val) != 0)
		return SF_EINVAL;
	memcpy(vec, a, (size_t)n * (size_t)n * sizeof *vec);
	return SF_OK;
}

int sf_blas_cholesky(int64_t n, double *a)
{
	int64_t i, j;

	if (n < 0 || n > INT_MAX)
		return SF_ERANGE;
	/* our lower triangle is the upper one of the transpose */
	if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (lapack_int)n, a,
	                   (lapack_int)(n > 0 ? n : 1)) != 0)
		return SF_EINVAL;
	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			a[i * n + j] = 0;
	return SF_OK;
}

/* The symbol of that name in this process, or NULL. C has no conversion from the object pointer of
 * dlsym to a function pointer; POSIX promises that its bytes are one. */
static int find(const char *name, void *function)
{
	void *self = dlopen(NULL, RTLD_LAZY), *symbol = self ? dlsym(self, name) : NULL;

	memcpy(function, &symbol, sizeof symbol);
	if (self)
		dlclose(self);
	return symbol != NULL;
}

/* One row a BLAS: how it sets and tells its threads. MKL's lower-case entries take pointers, so its
 * C entries are named here; bli_... takes a dim_t. */
static const struct {
	const char *name, *set, *get;
	int wide; /* arguments are int64_t */
} provider[] = {
	{"FlexiBLAS", "flexiblas_set_num_threads", "flexiblas_get_num_threads", 0},
	{"OpenBLAS", "openblas_set_num_threads", "openblas_get_num_threads", 0},
	{"BLIS", "bli_thread_set_num_threads", "bli_thread_get_num_threads", 1},
	{"MKL", "MKL_Set_Num_Threads", "MKL_Get_Max_Threads", 0},
};
enum { PROVIDERS = (int)(sizeof provider / sizeof *provider) };

static int loaded(void)
{
	void (*any)(void);
	int i;

	for (i = 0; i < PROVIDERS; i++)
		if (find(provider[i].set, &any))
			return i;
	return -1;
}

const char *sf_blas_name(void)
{
	const int i = loaded();

	return i < 0 ? "unknown CBLAS" : provider[i].name;
}

int sf_blas_threads(void)
{
	const int i = loaded();
	int (*get)(void);
	int64_t (*get_wide)(void);

	if (i < 0)
		return 0;
	if (provider[i].wide)
		return find(provider[i].get, &get_wide) ? (int)get_wide() : 0;
	return find(provider[i].get, &get) ? get() : 0;
}

struct setting {
	int which, threads;
};

static void set_threads(void *arg)
{
	struct setting *s = arg;
	void (*set)(int);
	void (*set_wide)(int64_t);

	if (provider[s->which].wide) {
		if (find(provider[s->which].set, &set_wide))
			set_wide(s->threads);
	} else if (find(provider[s->which].set, &set)) {
		set(s->threads);
	}
}

static int found; /* threads that the BLAS came with; 0: never asked */

int sf_blas_set_threads(int threads)
{
	struct setting s;

	if (!found)
		found = sf_blas_threads();
	s.which = loaded();
	s.threads = threads;
	if (threads < 1)
		return SF_ERANGE;
	if (s.which < 0)
		return SF_EUNSUP;
	sf_apart(set_threads, &s);
	return SF_OK;
}

/* OpenBLAS says what it was built with: 0 one thread, 1 threads of its own, 2 OpenMP. */
static int own_threads(void)
{
	int (*parallel)(void);

	return find("openblas_get_parallel", &parallel) && parallel() == 1;
}

static void look_once(void *arg)
{
	static int looked;
	int *first = arg;

	*first = !looked;
	looked = 1;
}

void sf_blas_tame(sf_ctx *ctx)
{
	int first = 0;

	sf_alone(look_once, &first);
	if (!first || !own_threads())
		return;
	(void)sf_blas_set_threads(1);
	if (found > 1) /* else OPENBLAS_NUM_THREADS has said so */
		sf_note(ctx, SF_LOG_WARNING, "this OpenBLAS was built with threads of its own (pthread) and is kept at one of them; the OpenMP "
	        "build does not start any (Debian: libopenblas0-openmp)");
}
