/* linear.h: what products and convolutions share: operands in the type that is multiplied, weights brought into their form once per run,
 * and plain kernels for all that no library does.
 *
 * Type of a product: bfloat16 where one of its operands is, else float. A convolution: bfloat16 where one of its images is. Operands of the
 * other type are converted, and so are results. Where a weight depends on shared values alone, that happens once per run, after
 * section PRE (cu_packs); otherwise in the step.
 *
 * Weights (kh,kw,ci,co) of a convolution are turned into (co,kh,kw,ci), the form of the libraries.
 * SPDX-License-Identifier: BSD-3-Clause */

#ifndef SF_CUDA_EMULATED
#include <cublasLt.h>
#endif

/* ---- numbers of one type as another ---- */

static int cu_aligned(const void *p)
{
	return (uintptr_t)p % 16 == 0;
}

CU_KERNEL cu_recast_kernel(cu_mem to, cu_mem from, int64_t n)
{
	int64_t i;

	for (i = cu_block() * cu_threads() + cu_thread(); i < n; i += cu_blocks() * cu_threads())
		cu_put(to, i, cu_get(from, i));
}

CU_KERNEL cu_recast8_kernel(cu_mem to, cu_mem from, int64_t n)
{
	const int64_t whole = n / CU_PACK;
	int64_t i;
	float f[CU_PACK];

	for (i = cu_block() * cu_threads() + cu_thread(); i < whole; i += cu_blocks() * cu_threads()) {
		cu_get8(from, i * CU_PACK, f);
		cu_put8(to, i * CU_PACK, f);
	}
	if (cu_block() == 0)
		for (i = whole * CU_PACK + cu_thread(); i < n; i += cu_threads())
			cu_put(to, i, cu_get(from, i));
}

static void cu_recast(cu_stream stream, cu_mem to, cu_mem from, int64_t n)
{
	if (cu_aligned(to.p) && cu_aligned(from.p))
		CU_LAUNCH(cu_recast8_kernel, cu_grid((n + CU_PACK - 1) / CU_PACK), 1, CU_THREADS, stream, to, from, n);
	else
		CU_LAUNCH(cu_recast_kernel, cu_grid(n), 1, CU_THREADS, stream, to, from, n);
}

/* to (cols,rows) = transpose of from (rows,cols), by tiles. */
enum { CU_SQUARE = 32 };

CU_KERNEL cu_transpose_kernel(cu_mem to, cu_mem from, int64_t rows, int64_t cols)
{
	CU_SHARED(float, tile, CU_SQUARE * (CU_SQUARE + 1));
	const int64_t across = (cols + CU_SQUARE - 1) / CU_SQUARE, tiles = across * ((rows + CU_SQUARE - 1) / CU_SQUARE);
	int64_t t;
	int k;

	for (t = cu_block(); t < tiles; t += cu_blocks()) {
		const int64_t row = t / across * CU_SQUARE, col = t % across * CU_SQUARE;

		for (k = cu_thread(); k < CU_SQUARE * CU_SQUARE; k += cu_threads()) {
			const int i = k / CU_SQUARE, j = k % CU_SQUARE;

			if (row + i < rows && col + j < cols)
				tile[i * (CU_SQUARE + 1) + j] = cu_get(from, (row + i) * cols + col + j);
		}
		cu_sync();
		for (k = cu_thread(); k < CU_SQUARE * CU_SQUARE; k += cu_threads()) {
			const int j = k / CU_SQUARE, i = k % CU_SQUARE;

			if (row + i < rows && col + j < cols)
				cu_put(to, (col + j) * rows + row + i, tile[i * (CU_SQUARE + 1) + j]);
		}
		cu_sync();
	}
}

static void cu_transpose(cu_stream stream, cu_mem to, cu_mem from, int64_t rows, int64_t cols)
{
	const int64_t tiles = ((rows + CU_SQUARE - 1) / CU_SQUARE) * ((cols + CU_SQUARE - 1) / CU_SQUARE);

	CU_LAUNCH(cu_transpose_kernel, tiles < 65536 ? tiles : 65536, 1, CU_THREADS, stream, to, from, rows, cols);
}

/* ---- the device's part ---- */

struct cu_linear {
#ifndef SF_CUDA_EMULATED
	cublasLtHandle_t blas;
	cudnnHandle_t dnn;
	sf_cuda_dnn *convs;           /* plans of convolutions */
	struct cu_product_plan *products;
#endif
	void *workspace;              /* of matrix products */
	char why[SF_DEVICE_WHY];      /* the last failure */
};

enum { CU_LINEAR_WORKSPACE = 1 << 26 };

static const char *cu_why(const sf_device *d)
{
	return d->linear->why[0] ? d->linear->why : "a kernel could not be started";
}

static void cu_products_free(struct cu_linear *k); /* matmul.h */

static void cu_linear_close(sf_device *d)
{
	struct cu_linear *k = d->linear;

	if (!k)
		return;
	cu_products_free(k);
#ifndef SF_CUDA_EMULATED
	sf_cuda_dnn_free(k->convs);
	if (k->dnn)
		cudnnDestroy(k->dnn);
	if (k->blas)
		cublasLtDestroy(k->blas);
	cu_mfree(k->workspace);
#endif
	free(k);
	d->linear = NULL;
}

static int cu_linear_open(sf_device *d, char *why)
{
	struct cu_linear *k = (struct cu_linear *)calloc(1, sizeof *k);

	d->linear = k;
	if (!k)
		return SF_ENOMEM;
#ifdef SF_CUDA_EMULATED
	(void)why;
	return 0;
#else
	cublasStatus_t blas = cublasLtCreate(&k->blas);
	cudnnStatus_t dnn;

	if (blas != CUBLAS_STATUS_SUCCESS) {
		snprintf(why, SF_DEVICE_WHY, "cuBLASLt cannot be used (%s)", cublasLtGetStatusString(blas));
		return SF_EUNSUP;
	}
	dnn = cudnnCreate(&k->dnn);
	if (dnn == CUDNN_STATUS_SUCCESS)
		dnn = cudnnSetStream(k->dnn, d->stream);
	if (dnn != CUDNN_STATUS_SUCCESS) {
		snprintf(why, SF_DEVICE_WHY, "cuDNN cannot be used (%s)", cudnnGetErrorString(dnn));
		return SF_EUNSUP;
	}
	k->convs = sf_cuda_dnn_here(k->dnn);
	k->workspace = cu_malloc(CU_LINEAR_WORKSPACE);
	return k->convs && k->workspace ? 0 : SF_ENOMEM;
#endif
}

/* ---- weights in another form, once per run ---- */

/* cols 0: rows numbers as they are, in the other type; else a matrix to be turned. */
typedef struct cu_pack {
	int val, type; /* a root, and what it becomes */
	int64_t rows, cols;
	size_t offset; /* in the part's block */
} cu_pack;

enum { CU_OPERANDS = 3 };

struct cu_packs {
	cu_pack *pack;
	int n;
	int *of;                      /* pack of each operand of each step, or -1 */
	const unsigned char *memory;  /* the part's block, once there is one */
};

static void cu_packs_free(struct cu_packs *k)
{
	free(k->pack);
	free(k->of);
	memset(k, 0, sizeof *k);
}

/* Which form operand k of a step is wanted in; 0: as it is. matmul.h, conv.h */
static int cu_pack_form_matmul(const cu_lane *l, int v, int k, cu_pack *form);
static int cu_pack_form_conv(const cu_lane *l, int v, int k, cu_pack *form);

static int cu_pack_form(const cu_lane *l, const sf_work *s, int k, cu_pack *form)
{
	const sf_node *node = &l->p->val[s->val].node;

	memset(form, 0, sizeof *form);
	if (s->nlink || k >= node->nin || l->p->val[s->val].phase == SF_PRE || l->p->val[node->in[k]].phase != SF_PRE)
		return 0;
	form->val = l->p->val[node->in[k]].root;
	if (node->op == SF_OP_MATMUL)
		return cu_pack_form_matmul(l, s->val, k, form);
	if (node->op == SF_OP_CONV || node->op == SF_OP_CONV_DATA)
		return cu_pack_form_conv(l, s->val, k, form);
	return 0;
}

/* Places for all of them from *at on; steps that want the same share one. */
static int cu_packs_plan(struct cu_packs *k, const cu_lane *l, size_t *at)
{
	const sf_plan *p = l->p;
	int i, j, o;

	k->pack = (cu_pack *)calloc((size_t)p->nstep * CU_OPERANDS + 1, sizeof *k->pack);
	k->of = (int *)calloc((size_t)p->nstep * CU_OPERANDS + 1, sizeof *k->of);
	if (!k->pack || !k->of)
		return SF_ENOMEM;
	for (i = 0; i < p->nstep; i++)
		for (o = 0; o < CU_OPERANDS; o++) {
			cu_pack f;

			k->of[i * CU_OPERANDS + o] = -1;
			if (!cu_pack_form(l, &p->step[i], o, &f))
				continue;
			for (j = 0; j < k->n; j++)
				if (k->pack[j].val == f.val && k->pack[j].type == f.type && k->pack[j].rows == f.rows && k->pack[j].cols == f.cols)
					break;
			k->of[i * CU_OPERANDS + o] = j;
			if (j < k->n)
				continue;
			f.offset = *at;
			*at += ((size_t)(f.rows * (f.cols ? f.cols : 1)) * cu_width(f.type) + 255) / 256 * 256;
			k->pack[k->n++] = f;
		}
	return 0;
}

static cu_mem cu_packed(const struct cu_packs *k, int i)
{
	cu_mem m;

	memcpy(&m.p, &k->memory, sizeof m.p);
	m.p = (unsigned char *)m.p + k->pack[i].offset;
	m.type = k->pack[i].type;
	return m;
}

static void cu_packs_run(const cu_lane *l)
{
	const struct cu_packs *k = l->packs;
	int i;

	for (i = 0; i < k->n; i++) {
		const cu_pack *f = &k->pack[i];

		if (f->cols)
			cu_transpose(l->stream, cu_packed(k, i), l->val[f->val], f->rows, f->cols);
		else
			cu_recast(l->stream, cu_packed(k, i), l->val[f->val], f->rows);
	}
}

/* The pack of operand k of a step, or -1. */
static int cu_pack_of(const cu_lane *l, const sf_work *s, int k)
{
	return l->packs->of ? l->packs->of[(s - l->p->step) * CU_OPERANDS + k] : -1;
}

/* ---- scratch memory, handed out from the front ---- */
typedef struct cu_room {
	const cu_lane *l; /* whose operands are converted; NULL: only counted */
	size_t used;
} cu_room;

static cu_mem cu_room_take(cu_room *r, int type, int64_t n)
{
	cu_mem m;

	m.type = type;
	m.p = r->l ? (unsigned char *)r->l->scratch + r->used : NULL;
	r->used += ((size_t)n * cu_width(type) + 255) / 256 * 256;
	return m;
}

/* What a user binds may lie anywhere; everything else starts at a multiple of 256 bytes. */
static int cu_is_bound(const cu_lane *l, int v)
{
	const sf_val *a = cu_val(l, cu_val(l, v)->root);

	return a->node.op == SF_OP_INPUT || a->node.op == SF_OP_PARAM || a->out >= 0;
}

/* Operand k of a step, n numbers of `type`: packed, itself, or a copy that is made here. */
static cu_mem cu_operand(cu_room *r, const cu_lane *l, const sf_work *s, int k, int type, int64_t n, int aligned)
{
	const int v = l->p->val[s->val].node.in[k], pack = cu_pack_of(l, s, k);
	const cu_mem m = cu_at(l, v);
	cu_mem copy = m;

	if (pack >= 0)
		return cu_packed(l->packs, pack);
	if (m.type != type || (aligned && cu_is_bound(l, v)))
		copy = cu_room_take(r, type, n);
	if (m.type == type && (!aligned || cu_aligned(m.p)))
		return m;
	if (r->l)
		cu_recast(l->stream, copy, m, n);
	return copy;
}

/* Where a result of `type` is made: value v itself, or scratch that cu_deliver brings there. */
static cu_mem cu_result(cu_room *r, const cu_lane *l, int v, int type, int64_t n, int aligned)
{
	const cu_mem m = cu_at(l, v);
	cu_mem made = m;

	if (m.type != type || (aligned && cu_is_bound(l, v)))
		made = cu_room_take(r, type, n);
	return m.type == type && (!aligned || cu_aligned(m.p)) ? m : made;
}

static void cu_deliver(const cu_lane *l, int v, cu_mem made, int64_t n)
{
	const cu_mem m = cu_at(l, v);

	if (m.p != made.p)
		cu_recast(l->stream, m, made, n);
}
