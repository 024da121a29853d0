/* shape.h: operations that only move elements, each in one pass: read once, written once.
 *
 * A permutation whose last dimension stays moves rows; else tiles of 32 by 32 pass through shared memory, so that both sides are read and
 * written along their last dimension. A gather that meets an index which is no row writes zeros, and one block leaves the first
 * such sample in l->run, unless an earlier step has found one. A scatter adds each row's samples in their order.
 * SPDX-License-Identifier: BSD-3-Clause */

/* ---- rows side by side: concatenation, slices, padding ---- */
typedef struct cu_rows {
	cu_mem from, to;
	int64_t rows, cols;           /* of the part of `to` that is written */
	int64_t in, shift;            /* column j is column j + shift of `from` where that is in [0, in), else 0 */
	int64_t pitch, pitch_to, at;  /* numbers from row to row; first column in `to` */
} cu_rows;

CU_DEVICE void cu_move_rows(const int v, const int type, cu_rows a)
{
	const cu_mem from = cu_as(a.from, type), to = cu_as(a.to, type);
	const int64_t each = a.cols / v, count = a.rows * each;
	int64_t i;
	int k;

	for (i = cu_block() * cu_threads() + cu_thread(); i < count; i += cu_blocks() * cu_threads()) {
		const int64_t row = i / each, j = (i - row * each) * v, c = j + a.shift;
		float f[CU_PACK];

		if (c >= 0 && c < a.in) {
			cu_get_some(v, from, row * a.pitch + c, f);
		} else {
			for (k = 0; k < v; k++)
				f[k] = 0;
		}
		cu_put_some(v, to, row * a.pitch_to + a.at + j, f);
	}
}
CU_FORMS(cu_move_rows, cu_rows, 4)

static void cu_queue_rows(const cu_lane *l, const cu_rows *a)
{
	cu_mem m[2];
	int form;

	m[0] = a->from;
	m[1] = a->to;
	form = cu_form((a->cols | a->in | a->shift | a->pitch | a->pitch_to | a->at) % CU_PACK == 0, m, 2);
	CU_LAUNCH_FORM(cu_move_rows, form, cu_grid(a->rows * a->cols / (form == CU_FORM_ONE ? 1 : CU_PACK)), CU_THREADS, l->stream, *a);
}

static int cu_run_concat(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	const int64_t c = cu_last_dim(&node->shape);
	cu_rows a;
	int k;

	a.to = cu_at(l, s->val);
	a.rows = l->n * (node->shape.size / c);
	a.pitch_to = c;
	a.shift = a.at = 0;
	for (k = 0; k < node->nin; k++) {
		a.from = cu_at(l, node->in[k]);
		a.cols = a.in = a.pitch = cu_last_dim(&cu_val(l, node->in[k])->node.shape);
		cu_queue_rows(l, &a);
		a.at += a.cols;
	}
	return 0;
}

static int cu_run_slice_or_pad(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	cu_rows a;

	a.from = cu_at(l, node->in[0]);
	a.to = cu_at(l, s->val);
	a.cols = a.pitch_to = cu_last_dim(&node->shape);
	a.rows = l->n * (node->shape.size / a.cols);
	a.in = a.pitch = cu_last_dim(&cu_val(l, node->in[0])->node.shape);
	a.shift = node->op == SF_OP_SLICE ? node->i[0] : -node->i[0];
	a.at = 0;
	cu_queue_rows(l, &a);
	return 0;
}

/* ---- permutations ---- */
/* The result is dense (sizes d, the batch first), and its element at index i of dimension k is i s[k] further in the operand. */
enum { CU_AXES = SF_MAXRANK + 1, CU_TILE = 32 };
typedef struct cu_turn {
	cu_mem from, to;
	int64_t d[CU_AXES], s[CU_AXES];
	int64_t pitch[CU_AXES]; /* of the result */
	int axis;               /* that comes from the operand's last dimension */
} cu_turn;

CU_DEVICE void cu_permute_rows(const int v, const int type, cu_turn a)
{
	const cu_mem from = cu_as(a.from, type), to = cu_as(a.to, type);
	const int64_t each = a.d[4] / v, count = a.d[0] * a.pitch[0] / v;
	int64_t i;

	for (i = cu_block() * cu_threads() + cu_thread(); i < count; i += cu_blocks() * cu_threads()) {
		int64_t rest = i / each, at = (i - rest * each) * v;
		float f[CU_PACK];
		int k;

		for (k = 3; k > 0; k--) {
			const int64_t up = a.d[k] == 1 ? rest : rest / a.d[k];

			at += (rest - up * a.d[k]) * a.s[k];
			rest = up;
		}
		cu_get_some(v, from, at + rest * a.s[0], f);
		cu_put_some(v, to, i * v, f);
	}
}
CU_FORMS(cu_permute_rows, cu_turn, 4)

/* Block: a tile of dimensions 4 and `axis`; the others one after the other. */
CU_DEVICE void cu_permute_tile(cu_turn a)
{
	CU_SHARED(float, tile, CU_TILE * (CU_TILE + 1));
	const int64_t wide = (a.d[4] + CU_TILE - 1) / CU_TILE, high = (a.d[a.axis] + CU_TILE - 1) / CU_TILE;
	const int64_t j0 = cu_block() % wide * CU_TILE, i0 = cu_block() / wide % high * CU_TILE;
	int64_t rest = cu_block() / wide / high, from = 0, to = 0;
	int e, k;

	for (k = 3; k >= 0; k--) {
		if (k == a.axis)
			continue;
		from += rest % a.d[k] * a.s[k];
		to += rest % a.d[k] * a.pitch[k];
		rest /= a.d[k];
	}
	for (e = cu_thread(); e < CU_TILE * CU_TILE; e += cu_threads()) {
		const int64_t i = i0 + e % CU_TILE, j = j0 + e / CU_TILE;

		if (i < a.d[a.axis] && j < a.d[4])
			tile[e % CU_TILE * (CU_TILE + 1) + e / CU_TILE] = cu_get(a.from, from + i * a.s[a.axis] + j * a.s[4]);
	}
	cu_sync();
	for (e = cu_thread(); e < CU_TILE * CU_TILE; e += cu_threads()) {
		const int64_t i = i0 + e / CU_TILE, j = j0 + e % CU_TILE;

		if (i < a.d[a.axis] && j < a.d[4])
			cu_put(a.to, to + i * a.pitch[a.axis] + j, tile[e / CU_TILE * (CU_TILE + 1) + e % CU_TILE]);
	}
}

CU_KERNEL cu_permute_tiles(cu_turn a)
{
	cu_permute_tile(a);
}

/* Neighbours that stay neighbours are one dimension; those of one element go to the front. */
static void cu_turn_of(const cu_lane *l, const sf_node *node, const sf_shape *from, cu_turn *a)
{
	int64_t pitch[SF_MAXRANK], d[CU_AXES], s[CU_AXES], step = 1;
	int rank = 1, k, first;

	for (k = from->rank - 1; k >= 0; k--) {
		pitch[k] = step;
		step *= from->dim[k];
	}
	d[0] = l->n;
	s[0] = from->size;
	for (k = 0; k < node->shape.rank; k++) {
		const int64_t dim = node->shape.dim[k], p = pitch[node->i[k]];

		if (dim == 1)
			continue;
		if (s[rank - 1] == p * dim) {
			d[rank - 1] *= dim;
			s[rank - 1] = p;
		} else {
			d[rank] = dim;
			s[rank++] = p;
		}
	}
	first = CU_AXES - rank;
	for (k = 0; k < CU_AXES; k++) {
		a->d[k] = k < first ? 1 : d[k - first];
		a->s[k] = k < first ? 0 : s[k - first];
	}
	a->axis = -1;
	for (step = 1, k = CU_AXES - 1; k >= 0; k--) {
		a->pitch[k] = step;
		step *= a->d[k];
		if (k < CU_AXES - 1 && a->s[k] == 1)
			a->axis = k;
	}
}

static int cu_run_permute(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	cu_turn a;
	cu_mem m[2];
	int form;

	cu_turn_of(l, node, &cu_val(l, node->in[0])->node.shape, &a);
	a.from = m[0] = cu_at(l, node->in[0]);
	a.to = m[1] = cu_at(l, s->val);
	if (a.s[4] == 1) {
		form = cu_form((a.s[0] | a.s[1] | a.s[2] | a.s[3] | a.d[4]) % CU_PACK == 0, m, 2);
		CU_LAUNCH_FORM(cu_permute_rows, form, cu_grid(a.d[0] * a.pitch[0] / (form == CU_FORM_ONE ? 1 : CU_PACK)), CU_THREADS,
		               l->stream, a);
	} else {
		const int64_t tiles = (a.d[4] + CU_TILE - 1) / CU_TILE * ((a.d[a.axis] + CU_TILE - 1) / CU_TILE);

		CU_LAUNCH(cu_permute_tiles, a.d[0] * a.pitch[0] / a.d[4] / a.d[a.axis] * tiles, 1, CU_THREADS, l->stream, a);
	}
	return 0;
}

/* ---- rows of a table ---- */

/* A whole number in [0, rows), or -1. */
CU_DEVICE int64_t cu_row_index(float x, int64_t rows)
{
	if (!(x >= 0 && (double)x < (double)rows) || (double)x != (double)(int64_t)x)
		return -1;
	return (int64_t)x;
}

/* One block. The first sample with an index that is no row. */
CU_KERNEL cu_find_bad(cu_numbers *run, cu_mem index, int64_t step, int64_t n, int64_t rows, int32_t value)
{
	CU_SHARED(int64_t, found, CU_THREADS);
	int64_t s = cu_thread(), first = n;
	int k;

	while (s < n && cu_row_index(cu_get(index, s * step), rows) >= 0)
		s += cu_threads();
	found[cu_thread()] = s;
	cu_sync();
	for (k = 0; k < cu_threads(); k++)
		first = found[k] < first ? found[k] : first;
	if (cu_thread() == 0 && first < n && run->bad == 0) {
		run->bad = value + 1;
		run->bad_sample = first;
		run->bad_index = (double)cu_get(index, first * step);
	}
}

/* o[s] = table[index[s]] */
CU_KERNEL cu_gather(cu_mem table, cu_mem index, cu_mem o, int64_t step_table, int64_t step_index, int64_t rows, int64_t k, int64_t n)
{
	int64_t i;

	for (i = cu_block() * cu_threads() + cu_thread(); i < n * k; i += cu_blocks() * cu_threads()) {
		const int64_t s = i / k, r = cu_row_index(cu_get(index, s * step_index), rows);

		cu_put(o, i, r < 0 ? 0 : cu_get(table, s * step_table + r * k + i % k));
	}
}

/* o[r] = sum over the samples with index[s] = r of dy[s]. Block: row x, columns y. */
CU_KERNEL cu_scatter(cu_mem dy, cu_mem index, cu_mem o, int64_t step_dy, int64_t step_index, int64_t rows, int64_t k, int64_t n)
{
	CU_SHARED(int64_t, row, CU_THREADS);
	const int64_t first = cu_block_y() * CU_THREADS, end = first + CU_THREADS < k ? first + CU_THREADS : k;
	int64_t r, s, at;

	for (r = cu_block(); r < rows; r += cu_blocks()) {
		for (at = first; at < end; at += cu_threads()) {
			const int64_t j = at + cu_thread();
			float sum = 0;

			for (s = 0; s < n; s += cu_threads()) {
				const int some = (int)(n - s < cu_threads() ? n - s : cu_threads());
				int i;

				cu_sync();
				if (cu_thread() < some)
					row[cu_thread()] = cu_row_index(cu_get(index, (s + cu_thread()) * step_index), rows);
				cu_sync();
				for (i = 0; i < some; i++)
					if (row[i] == r && j < end)
						sum += cu_get(dy, (s + i) * step_dy + j);
			}
			if (j < end)
				cu_put(o, r * k + j, sum);
		}
	}
}

static int cu_run_gather(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	const sf_shape *table = &cu_val(l, node->in[0])->node.shape;
	const int64_t k = cu_last_dim(table), rows = table->size / k;
	const int64_t step = cu_skip(l->p, node->in[0]), step_index = cu_skip(l->p, node->in[1]);

	CU_LAUNCH(cu_find_bad, 1, 1, CU_THREADS, l->stream, l->run, cu_at(l, node->in[1]), step_index, l->n, rows, s->val);
	CU_LAUNCH(cu_gather, cu_grid(l->n * k), 1, CU_THREADS, l->stream, cu_at(l, node->in[0]), cu_at(l, node->in[1]), cu_at(l, s->val),
	          step, step_index, rows, k, l->n);
	return 0;
}

static size_t cu_scratch_scatter(const cu_lane *l, const sf_work *s)
{
	(void)l;
	(void)s;
	return 0;
}

static int cu_run_scatter(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	const int64_t k = cu_last_dim(&node->shape), rows = node->shape.size / k;
	const int64_t step = cu_skip(l->p, node->in[0]), step_index = cu_skip(l->p, node->in[1]);

	CU_LAUNCH(cu_find_bad, 1, 1, CU_THREADS, l->stream, l->run, cu_at(l, node->in[1]), step_index, l->n, rows, s->val);
	CU_LAUNCH(cu_scatter, rows < 65536 ? rows : 65536, (k + CU_THREADS - 1) / CU_THREADS, CU_THREADS, l->stream, cu_at(l, node->in[0]),
	          cu_at(l, node->in[1]), cu_at(l, s->val), step, step_index, rows, k, l->n);
	return 0;
}
