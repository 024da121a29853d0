/* sum.h: sums over dimensions and over the batch; before them what the kernels of this and the following files share: warps,
 * forms of a kernel, copies into shared memory.
 *
 * Neighbouring dimensions that are kept, or summed, merge, the batch being the outermost one; what is left alternates, five
 * at most. Is the last one kept, a block adds rows of some columns (its threads side by side take columns, the others rows);
 * is it summed, a block, a warp or a thread adds along it. Where results are too few for the device, blocks add
 * chunks whose sums are added in a second pass. Every order is fixed by the sizes, and a thread adds CU_SUM_RUN numbers
 * before they join the rest, so that ten million floats lose no more than some roundings.
 * Bytes: the operand once; partial sums are at most CU_SUM_BLOCKS * 1 KiB, written and read once.
 * SPDX-License-Identifier: BSD-3-Clause */

/* ---- warps: lanes that work in step and meet without cu_sync ---- */
#ifdef SF_CUDA_EMULATED
#define cu_lanes() 1
#define CU_ALIGNED16
#define CU_HOLDS(blocks)
CU_DEVICE float cu_warp_sum(float v)
{
	return v;
}

CU_DEVICE float cu_warp_max(float v)
{
	return v;
}
#else
#define cu_lanes() CU_WARP
#define CU_ALIGNED16 __align__(16)
#define CU_HOLDS(blocks) __launch_bounds__(CU_THREADS, blocks)
CU_DEVICE float cu_warp_sum(float v)
{
	int k;

	for (k = CU_WARP / 2; k > 0; k /= 2)
		v += __shfl_xor_sync(0xffffffffu, v, k);
	return v;
}

CU_DEVICE float cu_warp_max(float v)
{
	int k;

	for (k = CU_WARP / 2; k > 0; k /= 2)
		v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, k));
	return v;
}
#endif

/* ---- forms of a kernel: eight numbers at a time, all bfloat16, all float or mixed, and one number at a time ---- */
enum { CU_ANY = -1 };
enum { CU_FORM_BF16, CU_FORM_F32, CU_FORM_MIXED, CU_FORM_ONE };
/* name is a function of (numbers at a time, type or CU_ANY, struct); the first two are constants of each kernel. A
 * processor of the device shall hold `least` blocks of CU_THREADS at once. */
#define CU_FORMS(name, type, least)                                \
	CU_KERNEL CU_HOLDS(least) name##_bf16(type a)              \
	{                                                          \
		name(CU_PACK, CU_BF16, a);                         \
	}                                                          \
	CU_KERNEL CU_HOLDS(least) name##_f32(type a)               \
	{                                                          \
		name(CU_PACK, CU_F32, a);                          \
	}                                                          \
	CU_KERNEL CU_HOLDS(least) name##_mixed(type a)             \
	{                                                          \
		name(CU_PACK, CU_ANY, a);                          \
	}                                                          \
	CU_KERNEL CU_HOLDS(least) name##_one(type a)               \
	{                                                          \
		name(1, CU_ANY, a);                                \
	}
#define CU_LAUNCH_FORM(name, form, blocks, threads, stream, a)                         \
	do {                                                                           \
		if ((form) == CU_FORM_BF16)                                            \
			CU_LAUNCH(name##_bf16, blocks, 1, threads, stream, a);         \
		else if ((form) == CU_FORM_F32)                                        \
			CU_LAUNCH(name##_f32, blocks, 1, threads, stream, a);          \
		else if ((form) == CU_FORM_MIXED)                                      \
			CU_LAUNCH(name##_mixed, blocks, 1, threads, stream, a);        \
		else                                                                   \
			CU_LAUNCH(name##_one, blocks, 1, threads, stream, a);          \
	} while (0)

/* The form for operands of these types; `eight`: sizes and distances are multiples of eight. */
static int cu_form(int eight, const cu_mem *m, int count)
{
	int i, same = 1;

	for (i = 0; i < count; i++) {
		same &= m[i].type == m[0].type;
		eight &= ((uintptr_t)m[i].p & 15u) == 0;
	}
	return !eight ? CU_FORM_ONE : !same ? CU_FORM_MIXED : m[0].type == CU_BF16 ? CU_FORM_BF16 : CU_FORM_F32;
}

CU_DEVICE cu_mem cu_as(cu_mem m, const int type)
{
	if (type != CU_ANY)
		m.type = type;
	return m;
}

/* v numbers, 1 or CU_PACK. */
CU_DEVICE void cu_get_some(const int v, cu_mem m, int64_t i, float *f)
{
	if (v == CU_PACK)
		cu_get8(m, i, f);
	else
		f[0] = cu_get(m, i);
}

CU_DEVICE void cu_put_some(const int v, cu_mem m, int64_t i, const float *f)
{
	if (v == CU_PACK)
		cu_put8(m, i, f);
	else
		cu_put(m, i, f[0]);
}

/* ---- memory ---- */

/* Queues a copy of 16 bytes into shared memory. */
CU_DEVICE void cu_fetch16(void *to, const void *from)
{
#if !defined SF_CUDA_EMULATED && __CUDA_ARCH__ >= 800
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" : : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from));
#else
	cu_write16(to, cu_read16(from));
#endif
}

/* What was queued is there, for all threads. */
CU_DEVICE void cu_fetched(void)
{
#if !defined SF_CUDA_EMULATED && __CUDA_ARCH__ >= 800
	asm volatile("cp.async.wait_all;" : : : "memory");
#endif
	cu_sync();
}

/* Scratch memory as floats. */
static cu_mem cu_scratch_mem(const cu_lane *l)
{
	cu_mem m;

	m.p = l->scratch;
	m.type = CU_F32;
	return m;
}

/* ---- sums ---- */
enum { CU_SUM_BLOCKS = 1056, CU_SUM_RUN = 64, CU_SUM_SPAN = 256 };

/* Where item i of two nested loops starts. */
typedef struct cu_pair {
	int64_t inner, near_step, far_step; /* items of the inner loop, and steps */
} cu_pair;

CU_DEVICE int64_t cu_pair_at(cu_pair p, int64_t i)
{
	return p.inner == 1 ? i * p.far_step : i / p.inner * p.far_step + i % p.inner * p.near_step;
}

typedef struct cu_sum {
	cu_mem from, to;
	cu_pair out, in;       /* where a result, or a summand, starts: all but the last dimension */
	int64_t outs, ins;     /* how many of each */
	int64_t cols;          /* the last dimension */
	int64_t chunk, chunks; /* summands of a block */
	int64_t tiles;         /* rows: parts of the last dimension */
	int lanes;             /* rows: threads side by side; along: threads of a sum, 0: a block */
} cu_sum;

/* Rows are added. Block: tile, then chunk, then result. */
CU_DEVICE void cu_sum_rows(const int v, const int type, cu_sum a)
{
	CU_SHARED(float, part, CU_PACK * CU_THREADS);
	const cu_mem from = cu_as(a.from, type);
	const int lanes = a.lanes < cu_threads() ? a.lanes : cu_threads();
	const int rows = cu_threads() / lanes, row = cu_thread() / lanes, lane = cu_thread() % lanes;
	const int64_t tile = cu_block() % a.tiles, rest = cu_block() / a.tiles;
	const int64_t chunk = rest % a.chunks, o = rest / a.chunks, base = cu_pair_at(a.out, o);
	const int64_t first = chunk * a.chunk, last = first + a.chunk < a.ins ? first + a.chunk : a.ins;
	const int64_t start = tile * a.lanes * v, end = start + a.lanes * v < a.cols ? start + a.lanes * v : a.cols;
	int64_t at, j, stop;
	int k, r;

	for (at = start; at < end; at += lanes * v) {
		const int64_t c = at + lane * v;
		float sum[CU_PACK] = {0};

		for (j = first + row; row < rows && c < end && j < last; j = stop) {
			float run[CU_PACK] = {0}, f[CU_PACK];

			stop = j + CU_SUM_RUN * rows;
			for (; j < stop && j < last; j += rows) {
				cu_get_some(v, from, base + cu_pair_at(a.in, j) + c, f);
				for (k = 0; k < v; k++)
					run[k] += f[k];
			}
			for (k = 0; k < v; k++)
				sum[k] += run[k];
		}
		for (k = 0; k < v; k++)
			part[k * cu_threads() + cu_thread()] = sum[k];
		cu_sync();
		for (r = rows; r > 1; r = (r + 1) / 2) {
			const int half = (r + 1) / 2;

			if (row + half < r)
				for (k = 0; k < v; k++)
					part[k * cu_threads() + cu_thread()] += part[k * cu_threads() + cu_thread() + half * lanes];
			cu_sync();
		}
		if (row == 0 && c < end) {
			for (k = 0; k < v; k++)
				sum[k] = part[k * cu_threads() + cu_thread()];
			for (k = 0; k < v; k++)
				cu_put(a.to, (chunk * a.outs + o) * a.cols + c + k, sum[k]);
		}
		cu_sync();
	}
}
CU_FORMS(cu_sum_rows, cu_sum, 4)

/* The summands first + lane v, and so on, of one result. */
CU_DEVICE float cu_sum_line(const int v, cu_mem from, const cu_sum *a, int64_t base, int64_t first, int64_t last, int lane, int lanes)
{
	const int64_t step = (int64_t)lanes * v;
	float sum[CU_PACK] = {0};
	int64_t j, stop;
	int k;

	for (j = first + (int64_t)lane * v; j < last; j = stop) {
		float run[CU_PACK] = {0}, f[CU_PACK];

		stop = j + CU_SUM_RUN * step;
		for (; j < stop && j < last; j += step) {
			cu_get_some(v, from, base + (a->ins == 1 ? j : cu_pair_at(a->in, j / a->cols) + j % a->cols), f);
			for (k = 0; k < v; k++)
				run[k] += f[k];
		}
		for (k = 0; k < v; k++)
			sum[k] += run[k];
	}
	return v == 1 ? sum[0] : (sum[0] + sum[1]) + (sum[2] + sum[3]) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* A block, or `lanes` threads, add along the last dimension. */
CU_DEVICE void cu_sum_along(const int v, const int type, cu_sum a)
{
	const cu_mem from = cu_as(a.from, type);
	const int64_t all = a.ins * a.cols;

	if (a.lanes == 0) {
		const int64_t o = cu_block() / a.chunks, chunk = cu_block() % a.chunks, first = chunk * a.chunk;
		const int64_t last = first + a.chunk < all ? first + a.chunk : all;
		const float sum = cu_block_sum(cu_sum_line(v, from, &a, cu_pair_at(a.out, o), first, last, cu_thread(), cu_threads()));

		if (cu_thread() == 0)
			cu_put(a.to, chunk * a.outs + o, sum);
	} else {
		const int lanes = a.lanes < cu_lanes() ? a.lanes : cu_lanes(), units = cu_threads() / lanes;
		int64_t o;

		for (o = cu_block() * units + cu_thread() / lanes; o < a.outs; o += cu_blocks() * units) {
			float sum = cu_sum_line(v, from, &a, cu_pair_at(a.out, o), 0, all, cu_thread() % lanes, lanes);

			if (lanes > 1)
				sum = cu_warp_sum(sum);
			if (cu_thread() % lanes == 0)
				cu_put(a.to, o, sum);
		}
	}
}
CU_FORMS(cu_sum_along, cu_sum, 4)

/* How few columns' sums would be the work of few blocks: the rows are cut. */
static int64_t cu_pieces(int64_t items, int64_t blocks, int64_t least)
{
	int64_t pieces = CU_SUM_BLOCKS / blocks;

	if (pieces > items / least)
		pieces = items / least;
	return pieces < 1 ? 1 : pieces;
}

static void cu_queue_sum(const cu_lane *l, cu_sum *a, int kept, int form)
{
	const int v = form == CU_FORM_ONE ? 1 : CU_PACK;

	if (kept) {
		a->tiles = (a->cols + a->lanes * v - 1) / (a->lanes * v);
		CU_LAUNCH_FORM(cu_sum_rows, form, a->tiles * a->chunks * a->outs, CU_THREADS, l->stream, *a);
	} else if (a->lanes == 0) {
		CU_LAUNCH_FORM(cu_sum_along, form, a->chunks * a->outs, CU_THREADS, l->stream, *a);
	} else {
		CU_LAUNCH_FORM(cu_sum_along, form, cu_grid(a->outs * a->lanes), CU_THREADS, l->stream, *a);
	}
}

/* to[c] = sum of `rows` rows of `cols` floats: second passes, and gradients of the same form. */
static void cu_queue_columns(const cu_lane *l, const float *from, int64_t rows, int64_t cols, cu_mem to)
{
	cu_sum a;
	int form;

	memset(&a, 0, sizeof a);
	memcpy(&a.from.p, &from, sizeof a.from.p); /* is only read */
	a.to = to;
	a.out.inner = a.in.inner = 1;
	a.in.far_step = cols;
	a.outs = 1;
	a.ins = rows;
	a.cols = cols;
	a.chunk = rows;
	a.chunks = 1;
	form = cu_form(cols % CU_PACK == 0, &a.from, 1);
	a.lanes = form == CU_FORM_ONE ? 8 : 4; /* few columns a block, so that there are many blocks */
	while (a.lanes < 64 && a.lanes * 16 < cols / CU_SUM_BLOCKS)
		a.lanes *= 2;
	cu_queue_sum(l, &a, 1, form);
}

typedef struct cu_sum_group {
	int64_t size;
	int kept;
} cu_sum_group;

/* The dimensions of a sum as runs that are kept and summed in turn; how many. */
static int cu_sum_runs(const cu_lane *l, const sf_shape *from, const sf_shape *to, cu_sum_group *g)
{
	int runs = 0, i;

	if (from->per_sample) {
		g[0].size = l->n;
		g[runs++].kept = to->per_sample != 0;
	}
	for (i = 0; i < from->rank; i++) {
		const int j = i - (from->rank - to->rank), kept = j >= 0 && to->dim[j] == from->dim[i];

		if (from->dim[i] == 1)
			continue;
		if (runs && g[runs - 1].kept == kept) {
			g[runs - 1].size *= from->dim[i];
		} else {
			g[runs].kept = kept;
			g[runs++].size = from->dim[i];
		}
	}
	if (runs == 0) {
		g[0].kept = 1;
		g[runs++].size = 1;
	}
	return runs;
}

/* Of runs before the last one, those that are `kept`, which are two at most. */
static int64_t cu_sum_pair(const cu_sum_group *g, int runs, int kept, cu_pair *p)
{
	int64_t step = g[runs - 1].size, count = 1;
	int i, found = 0;

	p->inner = 1;
	p->near_step = p->far_step = 0;
	for (i = runs - 2; i >= 0; i--) {
		if (g[i].kept == kept) {
			if (found++) {
				p->inner = count;
				p->near_step = p->far_step;
			}
			p->far_step = step;
			count *= g[i].size;
		}
		step *= g[i].size;
	}
	return count;
}

static size_t cu_scratch_sum_to(const cu_lane *l, const sf_work *s)
{
	(void)l;
	(void)s;
	return (size_t)CU_SUM_BLOCKS * CU_SUM_SPAN * sizeof(float);
}

static int cu_run_sum_to(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	cu_sum_group g[SF_MAXRANK + 1];
	const int runs = cu_sum_runs(l, &cu_val(l, node->in[0])->node.shape, &node->shape, g), kept = g[runs - 1].kept;
	const cu_mem to = cu_at(l, s->val);
	cu_sum a;
	int form, v;

	memset(&a, 0, sizeof a);
	a.from = cu_at(l, node->in[0]);
	a.to = to;
	a.cols = g[runs - 1].size;
	a.outs = cu_sum_pair(g, runs, 1, &a.out);
	a.ins = cu_sum_pair(g, runs, 0, &a.in);
	form = cu_form(a.cols % CU_PACK == 0, &a.from, 1);
	v = form == CU_FORM_ONE ? 1 : CU_PACK;
	if (kept) {
		for (a.lanes = 1; a.lanes * v < CU_SUM_SPAN && a.lanes * v < a.cols; a.lanes *= 2)
			;
		if (a.ins > 1 && a.lanes > CU_WARP)
			a.lanes = CU_WARP;
		a.chunks = cu_pieces(a.ins, a.outs * ((a.cols + a.lanes * v - 1) / (a.lanes * v)), 4 * CU_THREADS / a.lanes);
		a.chunk = (a.ins + a.chunks - 1) / a.chunks;
		a.chunks = (a.ins + a.chunk - 1) / a.chunk;
	} else {
		const int64_t all = a.ins * a.cols;

		a.chunks = cu_pieces(all, a.outs, 4096);
		a.chunk = ((all + a.chunks - 1) / a.chunks + v - 1) / v * v;
		a.chunks = (all + a.chunk - 1) / a.chunk;
		a.lanes = a.chunks > 1 || all > 4096 || (all > 1024 && a.outs < CU_SUM_BLOCKS) ? 0 : all > 4 * v ? CU_WARP : 1;
	}
	if (a.chunks > 1)
		a.to = cu_scratch_mem(l);
	cu_queue_sum(l, &a, kept, form);
	if (a.chunks > 1)
		cu_queue_columns(l, (const float *)l->scratch, a.chunks, a.outs * (kept ? a.cols : 1), to);
	return 0;
}
