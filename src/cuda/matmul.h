/* matmul.h: matrix products (..,r,k) by (..,k,m).
 *
 * All forms of run_matmul (src/graph/cpu_linear_body.h) become products of matrices at equal distances:
 *
 *     sum, A' B          one product over the rows of all samples
 *     one B              one product, all rows of A as one matrix
 *     others             a batch; where samples and leading indices are not at equal distances, several batches
 *     sum, others        a batch, then a sum over it in order
 *
 * The library's matrices are columns first, so that ours are transposed to it: C' = B' A'.
 * SPDX-License-Identifier: BSD-3-Clause */

/* C_z = A_z B_z + bias for z in [0, batch), (rows,inner) by (inner,cols); ta, tb: transposed in memory. */
typedef struct cu_product {
	int64_t rows, cols, inner, batch;
	int64_t step_a, step_b, step_c; /* numbers from one matrix to the next */
	int ta, tb;
} cu_product;

enum { CU_ADDEND = 64 }; /* numbers that are added up before they are added to the others */

CU_KERNEL cu_product_kernel(cu_product d, cu_mem a, cu_mem b, cu_mem bias, cu_mem c)
{
	const int64_t n = d.batch * d.rows * d.cols, sa = d.ta ? d.rows : 1, sb = d.tb ? 1 : d.cols;
	int64_t e, k, j;

	for (e = cu_block() * cu_threads() + cu_thread(); e < n; e += cu_blocks() * cu_threads()) {
		const int64_t col = e % d.cols, row = e / d.cols % d.rows, z = e / d.cols / d.rows;
		const int64_t ia = z * d.step_a + (d.ta ? row : row * d.inner), ib = z * d.step_b + (d.tb ? col * d.inner : col);
		float sum = bias.p ? cu_get(bias, col) : 0;

		for (k = 0; k < d.inner; k += CU_ADDEND) {
			float part = 0;

			for (j = k; j < d.inner && j < k + CU_ADDEND; j++)
				part += cu_get(a, ia + j * sa) * cu_get(b, ib + j * sb);
			sum += part;
		}
		cu_put(c, z * d.step_c + row * d.cols + col, sum);
	}
}

/* c (+)= the sum of `count` arrays of n numbers. */
CU_KERNEL cu_stack_kernel(cu_mem c, cu_mem from, int64_t n, int64_t count, int accumulate)
{
	int64_t e, z;

	for (e = cu_block() * cu_threads() + cu_thread(); e < n; e += cu_blocks() * cu_threads()) {
		float sum = accumulate ? cu_get(c, e) : 0;

		for (z = 0; z < count; z++)
			sum += cu_get(from, z * n + e);
		cu_put(c, e, sum);
	}
}

static cu_mem cu_moved(cu_mem m, int64_t n)
{
	if (m.p)
		m.p = (unsigned char *)m.p + n * (int64_t)cu_width(m.type);
	return m;
}

#ifdef SF_CUDA_EMULATED
static void cu_products_free(struct cu_linear *k)
{
	(void)k;
}

static int cu_product_library(const cu_lane *l, const cu_product *d, cu_mem a, cu_mem b, cu_mem bias, cu_mem c)
{
	(void)l, (void)d, (void)a, (void)b, (void)bias, (void)c;
	return 0;
}
#else
/* ---- by cuBLASLt ---- */

/* What the library's choice depends on, */
typedef struct cu_product_key {
	cu_product d;
	int type, made, bias, align;
} cu_product_key;

/* and the choice; usable 0: it has none. */
typedef struct cu_product_plan {
	cu_product_key key;
	int usable;
	cublasLtMatmulDesc_t how;
	cublasLtMatrixLayout_t a, b, c;
	cublasLtMatmulAlgo_t algo;
	struct cu_product_plan *next;
} cu_product_plan;

static void cu_product_drop(cu_product_plan *p)
{
	if (p->how)
		cublasLtMatmulDescDestroy(p->how);
	if (p->a)
		cublasLtMatrixLayoutDestroy(p->a);
	if (p->b)
		cublasLtMatrixLayoutDestroy(p->b);
	if (p->c)
		cublasLtMatrixLayoutDestroy(p->c);
	p->how = NULL;
	p->a = p->b = p->c = NULL;
}

static void cu_products_free(struct cu_linear *k)
{
	while (k->products) {
		cu_product_plan *p = k->products;

		k->products = p->next;
		cu_product_drop(p);
		free(p);
	}
}

static cublasStatus_t cu_layout(cublasLtMatrixLayout_t *m, int type, int64_t rows, int64_t cols, int64_t batch, int64_t step)
{
	const int32_t count = (int32_t)batch;
	cublasStatus_t e = cublasLtMatrixLayoutCreate(m, type == CU_BF16 ? CUDA_R_16BF : CUDA_R_32F, (uint64_t)rows, (uint64_t)cols, rows);

	if (e == CUBLAS_STATUS_SUCCESS && batch > 1)
		e = cublasLtMatrixLayoutSetAttribute(*m, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count);
	if (e == CUBLAS_STATUS_SUCCESS && batch > 1)
		e = cublasLtMatrixLayoutSetAttribute(*m, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof step);
	return e;
}

static cublasStatus_t cu_product_describe(cu_product_plan *p, cublasComputeType_t compute)
{
	const cu_product *d = &p->key.d;
	const cublasOperation_t first = d->tb ? CUBLAS_OP_T : CUBLAS_OP_N, second = d->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
	const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
	const int32_t made = p->key.made == CU_BF16 ? CUDA_R_16BF : CUDA_R_32F;
	cublasStatus_t e = cublasLtMatmulDescCreate(&p->how, compute, CUDA_R_32F);

	if (e == CUBLAS_STATUS_SUCCESS)
		e = cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
	if (e == CUBLAS_STATUS_SUCCESS)
		e = cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
	if (e == CUBLAS_STATUS_SUCCESS && p->key.bias)
		e = cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
	if (e == CUBLAS_STATUS_SUCCESS && p->key.bias)
		e = cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &made, sizeof made);
	if (e == CUBLAS_STATUS_SUCCESS)
		e = cu_layout(&p->a, p->key.type, d->tb ? d->inner : d->cols, d->tb ? d->cols : d->inner, d->batch, d->step_b);
	if (e == CUBLAS_STATUS_SUCCESS)
		e = cu_layout(&p->b, p->key.type, d->ta ? d->rows : d->inner, d->ta ? d->inner : d->rows, d->batch, d->step_a);
	if (e == CUBLAS_STATUS_SUCCESS)
		e = cu_layout(&p->c, p->key.made, d->cols, d->rows, d->batch, d->step_c);
	return e;
}

/* The first algorithm of the library's heuristic. Sums that are split are added up in float and in order: the same bytes each time. */
static cublasStatus_t cu_product_choose(const struct cu_linear *k, cu_product_plan *p)
{
	const uint64_t room = CU_LINEAR_WORKSPACE;
	const uint32_t split = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, align = (uint32_t)p->key.align;
	static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
	cublasLtMatmulPreference_t want = NULL;
	cublasLtMatmulHeuristicResult_t found;
	cublasStatus_t e = cublasLtMatmulPreferenceCreate(&want);
	int i, count = 0;

	if (e == CUBLAS_STATUS_SUCCESS)
		e = cublasLtMatmulPreferenceSetAttribute(want, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room);
	if (e == CUBLAS_STATUS_SUCCESS)
		e = cublasLtMatmulPreferenceSetAttribute(want, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &split, sizeof split);
	for (i = 0; i < 4 && e == CUBLAS_STATUS_SUCCESS; i++)
		e = cublasLtMatmulPreferenceSetAttribute(want, aligned[i], &align, sizeof align);
	if (e == CUBLAS_STATUS_SUCCESS)
		e = cublasLtMatmulAlgoGetHeuristic(k->blas, p->how, p->a, p->b, p->c, p->c, want, 1, &found, &count);
	if (e == CUBLAS_STATUS_SUCCESS)
		e = count > 0 ? found.state : CUBLAS_STATUS_NOT_SUPPORTED;
	if (e == CUBLAS_STATUS_SUCCESS)
		p->algo = found.algo;
	if (want)
		cublasLtMatmulPreferenceDestroy(want);
	return e;
}

/* NULL: the library has nothing for it. Asked once for each form, before it is recorded. */
static cu_product_plan *cu_product_plan_of(const cu_lane *l, const cu_product_key *key)
{
	static const cublasComputeType_t strict[2] = {CUBLAS_COMPUTE_32F_PEDANTIC, CUBLAS_COMPUTE_32F};
	struct cu_linear *k = l->d->linear;
	const int exact = l->d->how.precision == SF_DEVICE_STRICT;
	cu_product_plan *p;
	int i;

	for (p = k->products; p; p = p->next)
		if (memcmp(&p->key, key, sizeof *key) == 0)
			return p->usable ? p : NULL;
	p = (cu_product_plan *)calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->key = *key;
	for (i = 0; i < 1 + exact && !p->usable; i++) {
		const cublasComputeType_t compute = exact                  ? strict[i]
		                                    : key->type == CU_BF16 ? CUBLAS_COMPUTE_32F
		                                                           : CUBLAS_COMPUTE_32F_FAST_TF32;

		cu_product_drop(p);
		p->usable = cu_product_describe(p, compute) == CUBLAS_STATUS_SUCCESS && cu_product_choose(k, p) == CUBLAS_STATUS_SUCCESS;
	}
	p->next = k->products;
	k->products = p;
	return p->usable ? p : NULL;
}

/* The largest power of two, up to 16, that divides where operands lie. */
static int cu_alignment(cu_mem a, cu_mem b, cu_mem bias, cu_mem c)
{
	const uintptr_t bits = (uintptr_t)a.p | (uintptr_t)b.p | (uintptr_t)bias.p | (uintptr_t)c.p | 16;

	return (int)(bits & (~bits + 1));
}

/* 1: done; 0: there is no such product. */
static int cu_product_library(const cu_lane *l, const cu_product *d, cu_mem a, cu_mem b, cu_mem bias, cu_mem c)
{
	struct cu_linear *k = l->d->linear;
	const float one = 1, zero = 0;
	cu_product_key key;
	cu_product_plan *p;
	cublasStatus_t e = CUBLAS_STATUS_SUCCESS;

	memset(&key, 0, sizeof key);
	key.d = *d;
	key.type = a.type;
	key.made = c.type;
	key.bias = bias.p != NULL;
	key.align = cu_alignment(a, b, bias, c);
	p = cu_product_plan_of(l, &key);
	if (!p)
		return 0;
	if (key.bias)
		e = cublasLtMatmulDescSetAttribute(p->how, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias.p, sizeof bias.p);
	if (e == CUBLAS_STATUS_SUCCESS)
		e = cublasLtMatmul(k->blas, p->how, &one, b.p, p->a, a.p, p->b, &zero, c.p, p->c, c.p, p->c, &p->algo, k->workspace,
		                   CU_LINEAR_WORKSPACE, l->stream);
	if (e == CUBLAS_STATUS_SUCCESS)
		return 1;
	snprintf(k->why, sizeof k->why, "a matrix product (%lld,%lld) by (%lld,%lld): %s", (long long)d->rows, (long long)d->inner,
	         (long long)d->inner, (long long)d->cols, cublasLtGetStatusString(e));
	return SF_EUNSUP;
}
#endif

static int cu_multiply(const cu_lane *l, const cu_product *d, cu_mem a, cu_mem b, cu_mem bias, cu_mem c)
{
	const int done = cu_product_library(l, d, a, b, bias, c);

	if (done == 0)
		CU_LAUNCH(cu_product_kernel, cu_grid(d->batch * d->rows * d->cols), 1, CU_THREADS, l->stream, *d, a, b, bias, c);
	return done < 0 ? done : 0;
}

/* ---- a node as products ---- */

typedef struct cu_matmul {
	cu_product d;
	int64_t outer, next_a, next_b, next_c; /* so many batches, and numbers from one to the next */
	int64_t na, nb, nc;                    /* numbers of operands and result */
	int64_t together;                      /* of a sum: matrices that there is room for at once; else 0 */
	int type;
} cu_matmul;

enum { CU_STACK_BYTES = 1 << 23 };

/* Samples at distances ia, ib, ic, leading indices at ja, jb, jc. */
static void cu_batches(cu_matmul *m, int64_t n, int64_t lead, int64_t ia, int64_t ib, int64_t ja, int64_t jb)
{
	const int64_t jc = m->d.rows * m->d.cols, ic = lead * jc;
	const int by_sample = lead == 1 || (n > lead && (ia != lead * ja || ib != lead * jb));

	m->d.batch = by_sample ? n : lead;
	m->d.step_a = by_sample ? ia : ja;
	m->d.step_b = by_sample ? ib : jb;
	m->d.step_c = by_sample ? ic : jc;
	if (!by_sample && ia == lead * ja && ib == lead * jb) {
		m->d.batch = n * lead;
		return;
	}
	m->outer = by_sample ? lead : n;
	m->next_a = by_sample ? ja : ia;
	m->next_b = by_sample ? jb : ib;
	m->next_c = by_sample ? jc : ic;
}

static cu_matmul cu_matmul_of(const cu_lane *l, const sf_node *node)
{
	const sf_shape *a = &cu_val(l, node->in[0])->node.shape, *b = &cu_val(l, node->in[1])->node.shape;
	const int64_t n = a->per_sample || b->per_sample ? l->n : 1, ia = a->per_sample ? a->size : 0, ib = b->per_sample ? b->size : 0;
	int64_t la, lb, lead;
	cu_matmul m;

	memset(&m, 0, sizeof m);
	m.d.ta = node->i[0] != 0;
	m.d.tb = node->i[1] != 0;
	m.d.rows = a->rank > 1 ? a->dim[a->rank - 2 + m.d.ta] : 1;
	m.d.inner = a->dim[a->rank - 1 - m.d.ta];
	m.d.cols = b->dim[b->rank - 1 - m.d.tb];
	m.d.batch = m.outer = 1;
	la = a->size / (m.d.rows * m.d.inner);
	lb = b->size / (m.d.inner * m.d.cols);
	lead = la > lb ? la : lb;
	m.na = a->size * (ia ? n : 1);
	m.nb = b->size * (ib ? n : 1);
	m.nc = node->shape.size * (node->shape.per_sample ? n : 1);
	m.type = cu_at(l, node->in[0]).type == CU_BF16 || cu_at(l, node->in[1]).type == CU_BF16 ? CU_BF16 : CU_F32;
	if (node->i[2] && m.d.ta && !m.d.tb) {
		m.d.inner *= n * lead;
		return m;
	}
	if (!node->i[2] && !m.d.ta && lb == 1) { /* all rows that meet one B */
		m.d.rows *= la * (ib ? 1 : n);
		if (ib)
			cu_batches(&m, n, 1, ia, ib, 0, 0);
		return m;
	}
	cu_batches(&m, n, lead, ia, ib, la > 1 ? a->size / la : 0, lb > 1 ? b->size / lb : 0);
	if (node->i[2]) { /* both are per-sample and have the same leading sizes */
		m.together = CU_STACK_BYTES / (m.nc * (int64_t)sizeof(float));
		m.together = m.together < 1 ? 1 : m.together > m.d.batch ? m.d.batch : m.together;
	}
	return m;
}

/* The type that step v's result is made in. */
static int cu_made_type(const cu_lane *l, int v, int type)
{
	return type == CU_F32 ? CU_F32 : cu_at(l, v).type;
}

static int cu_pack_form_matmul(const cu_lane *l, int v, int k, cu_pack *form)
{
	const sf_node *node = &cu_val(l, v)->node;
	const int type = cu_matmul_of(l, node).type;

	form->type = k < 2 ? type : cu_made_type(l, v, type);
	form->rows = cu_val(l, node->in[k])->node.shape.size;
	return form->type != cu_at(l, node->in[k]).type;
}

typedef struct cu_factors {
	cu_mem a, b, bias, c, stack;
} cu_factors;

static void cu_factors_of(cu_room *r, const cu_lane *l, const sf_work *s, const cu_matmul *m, cu_factors *f)
{
	const int made = cu_made_type(l, s->val, m->type);

	memset(f, 0, sizeof *f);
	f->a = cu_operand(r, l, s, 0, m->type, m->na, 0);
	f->b = cu_operand(r, l, s, 1, m->type, m->nb, 0);
	if (cu_val(l, s->val)->node.nin > 2)
		f->bias = cu_operand(r, l, s, 2, made, m->d.cols, 0);
	f->c = cu_result(r, l, s->val, made, m->nc, 0);
	if (m->together)
		f->stack = cu_room_take(r, CU_F32, m->together * m->nc);
}

static size_t cu_scratch_matmul(const cu_lane *l, const sf_work *s)
{
	const cu_matmul m = cu_matmul_of(l, &cu_val(l, s->val)->node);
	cu_room r = {NULL, 0};
	cu_factors f;

	cu_factors_of(&r, l, s, &m, &f);
	return r.used;
}

/* The sum of a batch of products. */
static int cu_multiply_sum(const cu_lane *l, const cu_matmul *m, const cu_factors *f)
{
	cu_product d = m->d;
	int64_t z;
	int rc = 0;

	for (z = 0; z < m->d.batch && rc == 0; z += m->together) {
		d.batch = m->d.batch - z < m->together ? m->d.batch - z : m->together;
		d.step_c = m->nc;
		rc = cu_multiply(l, &d, cu_moved(f->a, z * d.step_a), cu_moved(f->b, z * d.step_b), f->bias, f->stack);
		CU_LAUNCH(cu_stack_kernel, cu_grid(m->nc), 1, CU_THREADS, l->stream, f->c, f->stack, m->nc, d.batch, z > 0);
	}
	return rc;
}

static int cu_run_matmul(const cu_lane *l, const sf_work *s)
{
	const cu_matmul m = cu_matmul_of(l, &cu_val(l, s->val)->node);
	cu_room r = {l, 0};
	cu_factors f;
	int64_t i;
	int rc = 0;

	cu_factors_of(&r, l, s, &m, &f);
	if (m.together)
		rc = cu_multiply_sum(l, &m, &f);
	for (i = 0; !m.together && i < m.outer && rc == 0; i++)
		rc = cu_multiply(l, &m.d, cu_moved(f.a, i * m.next_a), cu_moved(f.b, i * m.next_b), f.bias, cu_moved(f.c, i * m.next_c));
	cu_deliver(l, s->val, f.c, m.nc);
	return rc;
}
