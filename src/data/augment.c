/* augment.c: non-leaky augmentation (Karras et al. 2022, 2206.00364, appendix F.2; the pipe is that of Karras et al. 2020,
 * 2006.06676). A network that is told how each image was transformed learns the density of the plain ones: told nothing
 * (labels 0) it samples those.
 *
 *     transform            drawn                                   labels             probability
 *     x-flip, y-flip       fair coin                               0 or 1             1, p
 *     scale                w ~ N(0,1), s = 2^(0.2 w)               w                  p
 *     rotate               a ~ U(-pi,pi)                           cos a - 1, sin a   p
 *     stretch              w ~ N(0,1), s' = 2^(0.2 w); axis r ~    w cos r, w sin r   p
 *                          U(-pi,pi), or 0 half of the time
 *     translate            (w0,w1) ~ N(0,I): w0 W/8, w1 H/8        w0, w1             p (one coin for both)
 *
 * p is 0.12 for CIFAR-10 and 0.15 for FFHQ and AFHQv2 (the authors' training script). Labels are 0 where the coin says no.
 * Flips come first, the rest is one inverse map of pixel coordinates from the centre, with R(a) = [cos, -sin; sin, cos],
 *
 *     G = S(1/s, 1/s) R(a) R(-r) S(1/s', s') R(r) T(-w0 W/8, -w1 H/8),
 *
 * carried out by augment_warp.c, and not at all where it is the identity (which the warp would give to rounding). Draw k
 * has noise keyed by (seed, k), so that neither threads nor batches show.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/augment.h"

#include <math.h>
#include <string.h>

/* Uniforms by their element of the stream; normals follow. */
enum { XFLIP, YFLIP, YFLIP_ON, SCALE_ON, ROTATE, ROTATE_ON, AXIS, AXIS_ON, STRETCH_ON, TRANSLATE_ON };
enum { NORMALS = 12 };

static const double OCTAVES = 0.2, SHARE = 0.125; /* of a side */

struct sf_augmenter {
	sf_ctx *ctx;
	double probability, *room;
	int64_t dim[3], each;
	uint64_t seed;
	int kinds, workers;
};

void sf_transform_make(const double *u, const double *z, double p, int kinds, sf_transform *t)
{
	memset(t, 0, sizeof *t);
	t->flip[0] = (kinds & SF_AUGMENT_XFLIP) && u[XFLIP] < 0.5;
	t->flip[1] = (kinds & SF_AUGMENT_YFLIP) && u[YFLIP_ON] < p && u[YFLIP] < 0.5;
	if ((kinds & SF_AUGMENT_SCALE) && u[SCALE_ON] < p)
		t->scale = z[0];
	if ((kinds & SF_AUGMENT_ROTATE) && u[ROTATE_ON] < p)
		t->rotate = (2 * u[ROTATE] - 1) * SF_PI;
	if ((kinds & SF_AUGMENT_STRETCH) && u[STRETCH_ON] < p) {
		t->stretch = z[1];
		t->axis = u[AXIS_ON] < 0.5 ? (2 * u[AXIS] - 1) * SF_PI : 0;
	}
	if ((kinds & SF_AUGMENT_TRANSLATE) && u[TRANSLATE_ON] < p) {
		t->shift[0] = z[2];
		t->shift[1] = z[3];
	}
}

void sf_transform_draw(const sf_ctx *ctx, uint64_t seed, uint64_t draw, double p, int kinds, sf_transform *t)
{
	sf_noise key = {seed, SF_NOISE_AUGMENT, 0};
	double u[SF_TRANSFORM_UNIFORMS], z[SF_TRANSFORM_NORMALS];

	sf_noise_uniform_d(ctx, key, draw, 0, SF_TRANSFORM_UNIFORMS, u);
	sf_noise_normal_d(ctx, key, draw, NORMALS, SF_TRANSFORM_NORMALS, z);
	sf_transform_make(u, z, p, kinds, t);
}

void sf_transform_labels(const sf_transform *t, double label[SF_AUGMENT_LABELS])
{
	label[0] = t->flip[0];
	label[1] = t->flip[1];
	label[2] = t->scale;
	label[3] = cos(t->rotate) - 1;
	label[4] = sin(t->rotate);
	label[5] = t->stretch * cos(t->axis);
	label[6] = t->stretch * sin(t->axis);
	label[7] = t->shift[0];
	label[8] = t->shift[1];
}

/* a = a b */
static void times(double a[2][2], double b00, double b01, double b10, double b11)
{
	int i;

	for (i = 0; i < 2; i++) {
		double a0 = a[i][0], a1 = a[i][1];

		a[i][0] = a0 * b00 + a1 * b10;
		a[i][1] = a0 * b01 + a1 * b11;
	}
}

static void turn(double a[2][2], double angle)
{
	times(a, cos(angle), -sin(angle), sin(angle), cos(angle));
}

void sf_transform_matrix(const sf_transform *t, int64_t h, int64_t w, double g[2][3])
{
	double s = exp2(OCTAVES * t->scale), along = exp2(OCTAVES * t->stretch), a[2][2] = {{1, 0}, {0, 1}};
	double x = t->shift[0] * SHARE * (double)w, y = t->shift[1] * SHARE * (double)h;
	int i;

	times(a, 1 / s, 0, 0, 1 / s);
	turn(a, t->rotate);
	turn(a, -t->axis);
	times(a, 1 / along, 0, 0, along);
	turn(a, t->axis);
	for (i = 0; i < 2; i++) {
		g[i][0] = a[i][0];
		g[i][1] = a[i][1];
		g[i][2] = -(a[i][0] * x + a[i][1] * y);
	}
}

/* ---- on a view ---- */
static const char *const names[] = {"x-flip", "y-flip", "scale", "rotate", "stretch", "translate"};

int sf_augment_kinds(sf_ctx *ctx, const char *text, int *kinds)
{
	enum { COUNT = sizeof names / sizeof *names };
	const char *at = text;

	*kinds = 0;
	if (strcmp(text, "all") == 0) {
		*kinds = SF_AUGMENT_ALL;
		return SF_OK;
	}
	do {
		size_t n = strcspn(at, ":");
		int i = 0;

		while (i < COUNT && !(strlen(names[i]) == n && memcmp(names[i], at, n) == 0))
			i++;
		if (i == COUNT)
			return sf_fail(ctx, SF_ENAME, "'%.*s' is no kind of augmentation; expected all, or some of x-flip, y-flip, "
			               "scale, rotate, stretch and translate with colons between them", (int)(n < 40 ? n : 40), at);
		*kinds |= 1 << i;
		at += n;
	} while (*at++ == ':');
	return SF_OK;
}

int sf_view_set_augment(sf_ctx *ctx, sf_view *v, const sf_data_info *info, double probability, int kinds)
{
	if (!(probability >= 0 && probability <= 1))
		return sf_fail(ctx, SF_ERANGE, "augmentation with probability %g; expected 0 to 1", probability);
	if (probability > 0 && (info->rank != 3 || info->dim[0] < SF_WARP_SIDE || info->dim[1] < SF_WARP_SIDE))
		return sf_fail(ctx, SF_EUNSUP, info->rank == 3 ? "augmentation turns and shifts images of %d pixels a side and "
		               "more; these are smaller" : "augmentation turns and shifts images, which these data are not",
		               SF_WARP_SIDE);
	if (probability > 0 && (kinds < 1 || kinds > SF_AUGMENT_ALL))
		return sf_fail(ctx, SF_EINVAL, "augmentation of kinds %d; expected some of the %d bits", kinds, SF_AUGMENT_ALL);
	v->augment = probability;
	v->augment_kinds = probability > 0 ? kinds : 0;
	return SF_OK;
}

int sf_augmenter_new(sf_ctx *ctx, const sf_view *v, const sf_data_info *info, sf_augmenter **out)
{
	sf_view same = *v;
	sf_augmenter *a;
	int64_t n;

	*out = NULL;
	SF_TRY(sf_view_set_augment(ctx, &same, info, v->augment, v->augment_kinds));
	if (!(v->augment > 0))
		return sf_fail(ctx, SF_EINVAL, "the view has no augmentation");
	a = sf_alloc(1, sizeof *a);
	if (!a)
		return sf_fail(ctx, SF_ENOMEM, "augmentation: out of memory");
	a->ctx = ctx;
	a->probability = v->augment;
	a->kinds = v->augment_kinds;
	a->seed = v->seed;
	a->workers = sf_ctx_threads(ctx);
	memcpy(a->dim, info->dim, sizeof a->dim);
	a->each = sf_warp_room(a->dim[0], a->dim[1]);
	if (a->each > 0 && sf_mul_i64(a->each, a->workers, &n) == 0 && (uint64_t)n <= (size_t)-1)
		a->room = sf_alloc((size_t)n, sizeof *a->room);
	if (!a->room) {
		sf_free(a);
		return sf_fail(ctx, SF_ENOMEM, "augmentation: out of memory for images of %lld x %lld pixels",
		               (long long)info->dim[1], (long long)info->dim[0]);
	}
	*out = a;
	return SF_OK;
}

void sf_augmenter_free(sf_augmenter *a)
{
	if (!a)
		return;
	sf_free(a->room);
	sf_free(a);
}

int sf_augmenter_workers(const sf_augmenter *a)
{
	return a->workers;
}

double sf_augmenter_bytes(const sf_augmenter *a)
{
	return a ? (double)a->each * a->workers * (double)sizeof *a->room : 0;
}

void sf_augment(sf_augmenter *a, int worker, uint64_t draw, double *x, double *label)
{
	int64_t h = a->dim[0], w = a->dim[1], c = a->dim[2];
	sf_transform t;

	sf_transform_draw(a->ctx, a->seed, draw, a->probability, a->kinds, &t);
	if (t.flip[0])
		sf_mirror(h, w, c, x);
	if (t.flip[1])
		sf_mirror(1, h, w * c, x);
	if (t.scale != 0 || t.rotate != 0 || t.stretch != 0 || t.shift[0] != 0 || t.shift[1] != 0) {
		double g[2][3];

		sf_transform_matrix(&t, h, w, g);
		sf_warp((const double(*)[3])g, h, w, c, x, a->room + worker * a->each);
	}
	if (label)
		sf_transform_labels(&t, label);
}
