/* cpu_sum_body.h: sums over dimensions and over the batch; part of cpu_body.h.
 *
 * Neighbouring dimensions that are kept, or summed, merge into groups, so that nearly every sum is
 * a sum of rows, sums along rows, or both in turn. A batch sum goes sample by sample.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct group {
	int64_t size;
	int kept;
} group;

/* Segments of rows, each summed along itself and over all rows (group normalisation): rows first, in `room`. */
enum { SUM_ROOM = 1024 };
static void sum_segments(const KERN *k, const group *g, const T *a, T *room, T *o)
{
	int64_t segments = g[1].size, length = g[2].size, i;

	k->sum_rows(g[0].size, segments * length, a, 0, room);
	for (i = 0; i < segments; i++)
		o[i] += k->sum(length, room + i * length);
}

/* o += a summed over the groups that are not kept. */
static void sum_groups(const KERN *k, const group *g, int groups, const T *a, T *room, T *o)
{
	int64_t in = 1, out = 1, i;
	int j;

	if (groups == 1 && g[0].kept) {
		k->map2[SF_EW2_ADD](g[0].size, o, a, o);
	} else if (groups == 1) {
		o[0] += k->sum(g[0].size, a);
	} else if (groups == 2 && !g[0].kept && g[1].kept) {
		k->sum_rows(g[0].size, g[1].size, a, 1, o);
	} else if (groups == 3 && !g[0].kept && g[1].size * g[2].size <= SUM_ROOM) {
		sum_segments(k, g, a, room, o);
	} else {
		for (j = 1; j < groups; j++) {
			in *= g[j].size;
			out *= g[j].kept ? g[j].size : 1;
		}
		for (i = 0; i < g[0].size; i++)
			sum_groups(k, g + 1, groups - 1, a + i * in, room, g[0].kept ? o + i * out : o);
	}
}

static void run_sum_to(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	const sf_shape *to = &node->shape, *from = &l->p->val[node->in[0]].node.shape;
	group g[SF_MAXRANK + 1];
	int groups = 0, i;

	for (i = 0; i < from->rank; i++) {
		int j = i - (from->rank - to->rank), kept = j >= 0 && to->dim[j] == from->dim[i];

		if (from->dim[i] == 1)
			continue;
		if (groups && g[groups - 1].kept == kept) {
			g[groups - 1].size *= from->dim[i];
		} else {
			g[groups].kept = kept;
			g[groups++].size = from->dim[i];
		}
	}
	if (groups == 0) {
		g[0].kept = 1;
		g[groups++].size = 1;
	}
	if (from->per_sample) {
		int kept = to->per_sample != 0;

		/* rows of all samples follow each other; sums along a sample stay its own */
		if (g[0].kept == kept && (kept || groups > 1)) {
			g[0].size *= n;
		} else {
			memmove(g + 1, g, (size_t)groups * sizeof *g);
			g[0].size = n;
			g[0].kept = kept;
			groups++;
		}
	}
	memset(at(l, v), 0, (size_t)((to->per_sample ? n : 1) * to->size) * sizeof(T));
	sum_groups(l->kern, g, groups, at(l, node->in[0]), l->scratch, at(l, v));
}
