/* layout.c: how the numbers of a tensor lie in another program, against ours. With input and output channels i, o and
 * kernel places h, w:
 *
 *     same     as ours
 *     linear   (o,i)       ours (i,o)
 *     oihw     (o,i,h,w)   ours (h,w,i,o)
 *     1x1      (o,i,1,1)   ours (i,o) or (1,1,i,o)
 *     nin      (i,o)       ours (i,o) or (1,1,i,o)
 *
 * A part J/M is the output channels J, J + M, J + 2M, ... of theirs: ours number o is theirs number M o + J. (EDM keeps
 * query, key and value side by side: the channel of number c and j = 0, 1, 2 for q, k, v is 3c + j.)
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/map.h"

#include <string.h>

int sf_layout_find(const char *name)
{
	static const char *const names[] = {"same", "linear", "oihw", "1x1", "nin"};
	int i;

	for (i = 0; i < (int)(sizeof names / sizeof *names); i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

int sf_layout_fits(const sf_rule *r, const sf_shape *s)
{
	int matrix = s->rank == 2 || (s->rank == 4 && s->dim[0] == 1 && s->dim[1] == 1);

	switch (r->layout) {
	case SF_LAYOUT_LINEAR:
		return s->rank == 2;
	case SF_LAYOUT_OIHW:
		return s->rank == 4;
	case SF_LAYOUT_1X1:
		return matrix;
	case SF_LAYOUT_NIN:
		return matrix && r->of == 1;
	default:
		return r->of == 1 || s->rank == 1;
	}
}

void sf_layout_shape(const sf_rule *r, const sf_shape *s, int *rank, int64_t *dim)
{
	int64_t outs = s->rank ? s->dim[s->rank - 1] : 1, ins = s->rank > 1 ? s->dim[s->rank - 2] : 1;

	*rank = r->layout == SF_LAYOUT_SAME ? s->rank : r->layout == SF_LAYOUT_LINEAR || r->layout == SF_LAYOUT_NIN ? 2 : 4;
	memcpy(dim, s->dim, (size_t)s->rank * sizeof *dim);
	if (r->layout != SF_LAYOUT_SAME) {
		dim[0] = r->layout == SF_LAYOUT_NIN ? ins : outs;
		dim[1] = r->layout == SF_LAYOUT_NIN ? outs : ins;
	}
	if (*rank == 4 && r->layout != SF_LAYOUT_SAME) {
		dim[2] = s->rank == 4 ? s->dim[0] : 1;
		dim[3] = s->rank == 4 ? s->dim[1] : 1;
	}
	if (r->of > 1)
		dim[0] *= r->of;
}

int64_t sf_layout_place(const sf_rule *r, const sf_shape *s, int64_t i)
{
	int64_t outs = s->rank ? s->dim[s->rank - 1] : 1, ins = s->rank > 1 ? s->dim[s->rank - 2] : 1;
	int64_t o = i % outs, rest = i / outs, pixels;

	if (r->layout == SF_LAYOUT_SAME || r->layout == SF_LAYOUT_NIN)
		return r->of > 1 ? r->of * i + r->part : i;
	pixels = s->rank == 4 ? s->dim[0] * s->dim[1] : 1;
	return ((r->of * o + r->part) * ins + rest % ins) * pixels + rest / ins;
}
