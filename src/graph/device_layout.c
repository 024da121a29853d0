/* device_layout.c: where a plan's values lie on a device, for n samples at once.
 *
 * Lifetimes and shared memory are the planner's (plan_memory.c); sizes are those of the whole batch, and a large per-sample value may
 * be of bfloat16.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include "graph/device.h"

#include <string.h>

enum { DEVICE_ALIGN = 256 };

static size_t rounded(size_t bytes)
{
	return (bytes + DEVICE_ALIGN - 1) / DEVICE_ALIGN * DEVICE_ALIGN;
}

/* Of a root: large, and nobody outside sees it. */
static int may_be_small(const sf_val *v, const sf_device_how *how)
{
	const int64_t large = how->large > 0 ? how->large : SF_DEVICE_LARGE;

	return how->precision == SF_DEVICE_BF16 && v->node.shape.per_sample && v->node.shape.size >= large && v->out < 0 && v->node.op != SF_OP_INPUT;
}

size_t sf_device_width(const sf_plan *p, int val)
{
	return may_be_small(&p->val[p->val[val].root], &sf_device_of(p->ctx, (int)p->type)->how) ? 2 : 4;
}

static int bytes_of(const sf_val *v, int64_t n, int bf16, size_t *bytes)
{
	size_t count = (size_t)v->node.shape.size;

	if (v->node.shape.per_sample && sf_mul_size(count, (size_t)n, &count) < 0)
		return SF_ENOMEM;
	if (sf_mul_size(count, bf16 ? 2 : 4, bytes) < 0 || *bytes > SIZE_MAX / 8)
		return SF_ENOMEM;
	return SF_OK;
}

/* The planner's pieces, as large as they are here; the packed operands of the processor's kernels are nothing here. */
static int resize(const sf_plan *p, int64_t n, const sf_device_layout *lay, sf_buf *buf)
{
	int i;

	for (i = 0; i < p->nbuf; i++) {
		buf[i] = p->buf[i];
		buf[i].bytes = 0;
	}
	for (i = 0; i < p->nval; i++) {
		const sf_val *v = &p->val[i];
		size_t bytes;

		if (v->root != i || v->buf < 0)
			continue;
		SF_TRY(bytes_of(v, n, lay->bf16[i], &bytes));
		if (rounded(bytes) > buf[v->buf].bytes)
			buf[v->buf].bytes = rounded(bytes);
	}
	return SF_OK;
}

int sf_device_lay_out(const sf_plan *p, int64_t n, const sf_device_how *how, sf_device_layout *lay)
{
	sf_buf *buf = sf_alloc((size_t)p->nbuf + 1, sizeof *buf);
	size_t arena = 0, shared = 0;
	int i, rc = SF_ENOMEM;

	memset(lay, 0, sizeof *lay);
	lay->n = n;
	lay->offset = sf_alloc((size_t)p->nval + 1, sizeof *lay->offset);
	lay->bf16 = sf_alloc((size_t)p->nval + 1, 1);
	if (buf && lay->offset && lay->bf16) {
		for (i = 0; i < p->nval; i++)
			lay->bf16[i] = (unsigned char)may_be_small(&p->val[p->val[i].root], how);
		rc = resize(p, n, lay, buf);
	}
	if (rc == 0)
		rc = sf_plan_place(buf, p->nbuf, SF_IN_ARENA, &arena);
	if (rc == 0)
		rc = sf_plan_place(buf, p->nbuf, SF_IN_SHARED, &shared);
	for (i = 0; rc == 0 && i < p->nval; i++) {
		const sf_val *v = &p->val[i];

		lay->offset[i] = SIZE_MAX;
		if (v->root == i && v->buf >= 0)
			lay->offset[i] = buf[v->buf].offset + (buf[v->buf].region == SF_IN_ARENA ? rounded(shared) : 0);
	}
	lay->bytes = rounded(shared) + arena;
	sf_free(buf);
	if (rc < 0)
		sf_device_layout_free(lay);
	return rc;
}

void sf_device_layout_free(sf_device_layout *lay)
{
	sf_free(lay->offset);
	sf_free(lay->bf16);
	memset(lay, 0, sizeof *lay);
}
