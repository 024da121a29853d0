/* check_augment.c: what EDM's augmentation draws and its labels, against their laws. The resampling: check_augment_warp.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include "data/augment.h"

#include <math.h>
#include <string.h>

static sf_ctx *ctx;

static void setup(void)
{
	ctx = ck_ctx();
}

static void teardown(void)
{
	sf_ctx_free(ctx);
}

/* ---- what is drawn: every coin both ways, by hand ---- */
static const double U24 = 1. / 16777216, P = 0.12;

START_TEST(coins)
{
	static const int kinds[] = {SF_AUGMENT_ALL, SF_AUGMENT_XFLIP, SF_AUGMENT_YFLIP, SF_AUGMENT_SCALE, SF_AUGMENT_ROTATE,
	                            SF_AUGMENT_STRETCH, SF_AUGMENT_TRANSLATE, SF_AUGMENT_SCALE | SF_AUGMENT_TRANSLATE};
	double u[SF_TRANSFORM_UNIFORMS], z[SF_TRANSFORM_NORMALS] = {.5, -1.5, 2, -.25}, l[SF_AUGMENT_LABELS], want[9];
	int c, k, i;
	sf_transform t;

	for (k = 0; k < 8; k++)
		for (c = 0; c < 256; c++) {
			int on[8], all = kinds[k];

			for (i = 0; i < 8; i++)
				on[i] = c >> i & 1;
			u[0] = on[0] ? .5 - U24 : .5 + U24;
			u[1] = on[1] ? .5 - U24 : .5 + U24;
			u[2] = on[2] ? P - U24 : P + U24;
			u[3] = on[3] ? P - U24 : P + U24;
			u[4] = .625; /* a quarter of pi */
			u[5] = on[4] ? P - U24 : P + U24;
			u[6] = 1. / 6; /* -2 pi/3 */
			u[7] = on[6] ? .5 - U24 : .5 + U24;
			u[8] = on[5] ? P - U24 : P + U24;
			u[9] = on[7] ? P - U24 : P + U24;
			on[0] &= (all & SF_AUGMENT_XFLIP) != 0;
			on[2] &= (all & SF_AUGMENT_YFLIP) != 0;
			on[3] &= (all & SF_AUGMENT_SCALE) != 0;
			on[4] &= (all & SF_AUGMENT_ROTATE) != 0;
			on[5] &= (all & SF_AUGMENT_STRETCH) != 0;
			on[7] &= (all & SF_AUGMENT_TRANSLATE) != 0;
			want[0] = on[0];
			want[1] = on[1] && on[2];
			want[2] = on[3] ? .5 : 0;
			want[3] = on[4] ? sqrt(.5) - 1 : 0;
			want[4] = on[4] ? sqrt(.5) : 0;
			want[5] = !on[5] ? 0 : on[6] ? .75 : -1.5;                /* -1.5 cos(-2 pi/3) */
			want[6] = !on[5] || !on[6] ? 0 : 1.5 * sqrt(.75);         /* -1.5 sin(-2 pi/3) */
			want[7] = on[7] ? 2 : 0;
			want[8] = on[7] ? -.25 : 0;
			sf_transform_make(u, z, P, all, &t);
			sf_transform_labels(&t, l);
			for (i = 0; i < SF_AUGMENT_LABELS; i++)
				ck_assert_msg(fabs(l[i] - want[i]) < 1e-15, "kinds %d coins %d label %d: %.17g for %.17g", all, c, i, l[i],
				              want[i]);
		}
}
END_TEST

/* Uniforms and normals of a draw are independent, fair and of the stated laws: means within 5 standard errors. */
enum { DRAWS = 60000, STATS = 18 };

static void statistics(const sf_transform *t, double *s)
{
	double plain[7], w[4];
	int i, k = 0;

	w[0] = t->scale;
	w[1] = t->stretch;
	w[2] = t->shift[0];
	w[3] = t->shift[1];
	for (i = 0; i < 4; i++)
		s[k++] = w[i]; /* mean 0 */
	for (i = 0; i < 4; i++)
		s[k++] = w[i] * w[(i + 1) % 4]; /* 0 */
	for (i = 0; i < 3; i++)
		plain[i] = i < 2 ? 2. * t->flip[i] - 1 : t->axis == 0 ? 1 : -1; /* fair */
	for (i = 0; i < 3; i++)
		s[k++] = plain[i];
	for (i = 0; i < 3; i++)
		s[k++] = plain[i] * plain[(i + 1) % 3];
	s[k++] = sqrt(2) * cos(t->rotate);
	s[k++] = sqrt(2) * sin(t->rotate);
	s[k++] = sqrt(2) * sin(2 * t->rotate);
	s[k++] = 2 * sin(t->axis) * cos(t->rotate) * sqrt(2);
	ck_assert_int_eq(k, STATS);
}

START_TEST(laws) /* with probability 1: y-flip is a fair coin then */
{
	double sum[STATS] = {0}, s[STATS], square[4] = {0}, folded = 0;
	int i, k;
	sf_transform t;

	for (i = 0; i < DRAWS; i++) {
		sf_transform_draw(ctx, 7, (uint64_t)i, 1, SF_AUGMENT_ALL, &t);
		statistics(&t, s);
		for (k = 0; k < STATS; k++)
			sum[k] += s[k];
		square[0] += t.scale * t.scale;
		square[1] += t.stretch * t.stretch;
		square[2] += t.shift[0] * t.shift[0];
		square[3] += t.shift[1] * t.shift[1];
		ck_assert(fabs(t.rotate) < SF_PI && fabs(t.axis) < SF_PI);
		folded += t.rotate * t.rotate;
	}
	for (k = 0; k < STATS; k++) /* all have variance 1 */
		ck_assert_msg(fabs(sum[k]) < 5 * sqrt(DRAWS), "statistic %d: mean %g", k, sum[k] / DRAWS);
	for (k = 0; k < 4; k++) /* E w^2 = 1, variance 2 */
		assert_close(square[k] / DRAWS, 1, 0, 5 * sqrt(2. / DRAWS));
	/* E a^2 = pi^2/3, variance 4 pi^4/45 */
	assert_close(folded / DRAWS, SF_PI * SF_PI / 3, 0, 5 * SF_PI * SF_PI * sqrt(4. / 45 / DRAWS));
}
END_TEST

START_TEST(probabilities) /* p for each alone, p^2 for two together, y-flip p/2, translation one coin for both */
{
	double n[6] = {0}, both[6] = {0}, share[6] = {.5, P / 2, P, P, P, P}, square[4] = {0};
	int i, k, on[6];
	sf_transform t;

	for (i = 0; i < DRAWS; i++) {
		sf_transform_draw(ctx, 8, (uint64_t)i + ((uint64_t)1 << 40), P, SF_AUGMENT_ALL, &t);
		on[0] = t.flip[0];
		on[1] = t.flip[1];
		on[2] = t.scale != 0;
		on[3] = t.rotate != 0;
		on[4] = t.stretch != 0;
		on[5] = t.shift[0] != 0;
		ck_assert_int_eq(on[5], t.shift[1] != 0);
		ck_assert(on[4] || t.axis == 0);
		square[0] += t.scale * t.scale;
		square[1] += t.stretch * t.stretch;
		square[2] += t.shift[0] * t.shift[0];
		square[3] += t.shift[1] * t.shift[1];
		for (k = 0; k < 6; k++) {
			n[k] += on[k];
			both[k] += on[k] && on[(k + 1) % 6];
		}
	}
	for (k = 0; k < 6; k++) {
		double p = share[k], q = p * share[(k + 1) % 6];

		assert_close(n[k] / DRAWS, p, 0, 5 * sqrt(p * (1 - p) / DRAWS));
		assert_close(both[k] / DRAWS, q, 0, 5 * sqrt(q * (1 - q) / DRAWS));
	}
	for (k = 0; k < 4; k++) /* coins do not see what they are about: p E w^2, variance 3 p - p^2 */
		assert_close(square[k] / DRAWS, P, 0, 5 * sqrt(3 * P / DRAWS));
}
END_TEST

START_TEST(keys) /* a draw depends on seed and number alone */
{
	sf_transform a, b, c, d;
	uint64_t i;

	sf_transform_draw(ctx, 3, 5, 1, SF_AUGMENT_ALL, &a);
	sf_transform_draw(ctx, 3, 6, 1, SF_AUGMENT_ALL, &b);
	sf_transform_draw(ctx, 4, 5, 1, SF_AUGMENT_ALL, &c);
	sf_transform_draw(ctx, 3, 5, 1, SF_AUGMENT_ALL, &d);
	ck_assert(a.scale == d.scale && a.rotate == d.rotate && a.shift[1] == d.shift[1] && a.stretch == d.stretch);
	ck_assert(a.scale != b.scale && a.rotate != b.rotate && a.shift[1] != b.shift[1]);
	ck_assert(a.scale != c.scale && a.rotate != c.rotate && a.shift[1] != c.shift[1]);
	for (i = 0; i < 16; i++) {
		sf_transform_draw(ctx, 3, i, 1, SF_AUGMENT_ALL, &c);
		sf_transform_draw(ctx, 3, i + 1, 1, SF_AUGMENT_ALL, &b);
		ck_assert(c.rotate != b.rotate && c.scale != b.scale);
	}
	sf_transform_draw(ctx, 3, 5, 1, SF_AUGMENT_SCALE, &d); /* other kinds do not move it */
	ck_assert(d.scale == a.scale && d.rotate == 0 && d.stretch == 0 && d.shift[0] == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("augment");
	TCase *t = tcase_create("draws");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, coins);
	tcase_add_test(t, laws);
	tcase_add_test(t, probabilities);
	tcase_add_test(t, keys);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
