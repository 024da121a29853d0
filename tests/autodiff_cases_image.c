/* autodiff_cases_image.c: instances of the operations on images: convolution, resampling, pooling, resizing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "autodiff_cases_image.h"

/* stride, padding, image, kernel, result */
static const struct conv_set {
	int stride, pad;
	const char *x, *w, *z;
	int h, wd, kh, kw, dilation;
} convs[] = {
	{1, 1, "*5,4,2", "3,3,2,3", "*5,4,3", 5, 4, 3, 3, 1},
	{1, 0, "*4,3,3", "1,1,3,2", "*4,3,2", 4, 3, 1, 1, 1},
	{2, 0, "*6,5,2", "3,2,2,1", "*2,2,1", 6, 5, 3, 2, 1},
	{2, 1, "*5,6,1", "3,3,1,2", "*3,3,2", 5, 6, 3, 3, 1},
	{3, 2, "*4,5,2", "2,4,2,2", "*3,2,2", 4, 5, 2, 4, 1},
	{1, 1, "4,3,1", "3,3,1,2", "4,3,2", 4, 3, 3, 3, 1},
	{1, 2, "*5,4,2", "3,3,2,2", "*5,4,2", 5, 4, 3, 3, 2},
	{2, 1, "*6,7,1", "2,3,1,2", "*3,2,2", 6, 7, 2, 3, 3},
	{1, 4, "*3,4,1", "3,3,1,1", "*3,4,1", 3, 4, 3, 3, 4},
	{1, 0, "7,5,1", "3,2,1,2", "3,3,2", 7, 5, 3, 2, 2},
};

static sf_var form(instance *t, sf_var a, sf_var b, const struct conv_set *s, int64_t p, int64_t q)
{
	const int64_t i[6] = {s->stride, s->pad, p, q, s->dilation, 0};

	return case_append6(t, a, b, i);
}

void case_conv(instance *t, int variant)
{
	const struct conv_set *s = &convs[variant];
	sf_var x, w, z;

	if (t->op == SF_OP_CONV) {
		x = put(t, -1, 1, s->x);
		w = put(t, -1, 1, s->w);
		t->y = s->dilation > 1 ? sf_conv2d_dilated(t->g, x, w, s->stride, s->pad, s->dilation)
		                     : sf_conv2d(t->g, x, w, s->stride, s->pad);
	} else if (t->op == SF_OP_CONV_DATA) {
		z = put(t, -1, 1, s->z);
		w = put(t, -1, 1, s->w);
		t->y = form(t, z, w, s, s->h, s->wd);
	} else {
		x = put(t, -1, 1, s->x);
		z = put(t, -1, 1, s->z);
		t->y = form(t, x, z, s, s->kh, s->kw);
	}
}

void case_upfirdn(instance *t, int variant)
{
	static const double tap[5] = {0.3, -0.7, 1.1, 0.2, 0.9};
	static const struct {
		const char *x;
		int up, down, pad0, pad1, ntap;
	} sets[] = {
		{"*4,3,2", 1, 1, 1, 1, 3}, {"*3,4,1", 2, 1, 2, 1, 4}, {"*6,4,1", 1, 2, 1, 1, 4},
		{"*5,4,2", 1, 2, 0, 0, 2}, {"*5,4,1", 3, 2, -1, 2, 4}, {"*4,5,1", 2, 3, 1, 1, 5},
		{"*6,7,1", 1, 3, 0, 1, 2}, {"4,5,2", 1, 1, -1, -1, 1}, {"*5,6,1", 1, 3, 4, -2, 3},
		{"*3,8,1", 1, 4, 2, 2, 3},
	};

	t->y = sf_upfirdn(t->g, put(t, -1, 1, sets[variant].x), sets[variant].up, sets[variant].down,
	                  sets[variant].pad0, sets[variant].pad1, sets[variant].ntap, tap);
}

void case_halves(instance *t, int variant)
{
	t->y = variant ? sf_up2(t->g, put(t, -1, 1, "*3,2,2")) : sf_down2(t->g, put(t, -1, 1, "*4,6,2"));
}

/* ---- pooling and resizing ---- */

/* x, then t for pick or dy for unpick; window, stride, padding */
void case_pick(instance *t, int variant)
{
	static const struct {
		const char *x, *t, *y;
		int k, stride, pad;
	} sets[] = {
		{"*5,4,2", "*5,4,2", "*5,4,2", 3, 1, 1},  {"*4,6,1", "*4,6,1", "*2,3,1", 2, 2, 0},
		{"*5,5,2", "*5,5,2", "*5,5,2", 5, 1, 2},  {"*7,6,1", "*7,6,1", "*3,2,1", 3, 2, 0},
		{"*7,6,1", "*7,6,1", "*3,2,1", 3, 3, 1},  {"4,3,2", "4,3,2", "3,2,2", 2, 1, 0},
		{"4,3,1", "*4,3,1", "*4,3,1", 3, 1, 1},   {"*4,3,1", "4,3,1", "4,3,1", 3, 1, 1},
		{"*7,5,1", "*7,5,1", "*2,1,1", 2, 5, 0},  {"*4,1,2", "*4,1,2", "*5,2,2", 4, 1, 2},
		{"*4,1,2", "*4,1,2", "*3,1,2", 4, 2, 2},
	};
	const int64_t i[6] = {sets[variant].k, sets[variant].stride, sets[variant].pad, 0, 0, 0};
	sf_var x = put(t, -20, 20, sets[variant].x); /* far apart: differences must not change the choice */

	t->y = case_append6(t, x, put(t, -1, 1, t->op == SF_OP_PICK ? sets[variant].t : sets[variant].y), i);
}

void case_pools(instance *t, int variant)
{
	sf_var x = put(t, -20, 20, "*5,4,1");

	t->y = variant ? sf_avg_pool(t->g, x, 5, 1, 2) : sf_mul(t->g, x, sf_max_pool(t->g, x, 3, 1, 1));
}

void case_resize(instance *t, int variant)
{
	static const struct {
		const char *x;
		int h, w;
	} sets[] = {{"*3,4,2", 5, 7}, {"*5,4,1", 2, 4}, {"*1,2,2", 3, 3}, {"*4,3,1", 1, 2}, {"3,2,2", 6, 2}};

	t->y = sf_resize_bilinear(t->g, put(t, -1, 1, sets[variant].x), sets[variant].h, sets[variant].w);
}
