/* check_augment_warp.c: the matrices and the resampling of EDM's augmentation, against closed forms and an implementation in
 * PyTorch (tests/golden/augment.py).
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

/* ---- PyTorch ---- */
START_TEST(golden)
{
	static const int64_t dims[][3] = {{12, 10, 3}, {32, 32, 1}};
	const char *names[] = {"tests/golden/augment-12x10x3.npy", "tests/golden/augment-32x32x1.npy"};
	int64_t h = dims[_i][0], w = dims[_i][1], c = dims[_i][2], n = h * w * c, r, y, x, k;
	double *img = sf_alloc((size_t)n, sizeof *img), *room = sf_alloc((size_t)sf_warp_room(h, w), sizeof *room);
	sf_array a;

	assert_ok(ctx, sf_npy_read(ctx, sf_test_path(names[_i]), &a));
	ck_assert(a.rank == 2 && a.dim[1] == 23 + n && a.dim[0] == (_i ? 4 : 13));
	for (r = 0; r < a.dim[0]; r++) {
		double p[23], g[2][3], l[SF_AUGMENT_LABELS];
		sf_transform t;

		for (k = 0; k < 23; k++)
			p[k] = sf_array_get(&a, r * a.dim[1] + k);
		t.flip[0] = p[0] > 0;
		t.flip[1] = p[1] > 0;
		t.scale = p[2];
		t.rotate = p[3];
		t.stretch = p[4];
		t.axis = p[5];
		t.shift[0] = p[6];
		t.shift[1] = p[7];
		sf_transform_matrix(&t, h, w, g);
		for (k = 0; k < 6; k++)
			assert_close(g[k / 3][k % 3], p[8 + k], 0, 1e-13);
		sf_transform_labels(&t, l);
		for (k = 0; k < SF_AUGMENT_LABELS; k++)
			assert_close(l[k], p[14 + k], 0, 1e-15);
		for (y = 0; y < h; y++)
			for (x = 0; x < w; x++)
				for (k = 0; k < c; k++)
					img[(y * w + x) * c + k] = sin(1 + .7 * (double)y + 1.3 * (double)x + 2.1 * (double)k +
					                              .05 * (double)(x * y));
		if (t.flip[0])
			sf_mirror(h, w, c, img);
		if (t.flip[1])
			sf_mirror(1, h, w * c, img);
		sf_warp((const double(*)[3])g, h, w, c, img, room);
		for (k = 0; k < n; k++)
			assert_close(img[k], sf_array_get(&a, r * a.dim[1] + 23 + k), 0, 1e-12);
	}
	sf_array_free(&a);
	sf_free(img);
	sf_free(room);
}
END_TEST

/* ---- the resampling ---- */
static double *room, *image, *was; /* of up to 48 x 48 x 3 */
enum { SIDE = 48, SIZE = SIDE * SIDE * 3 };

static void open_images(void)
{
	setup();
	room = sf_alloc((size_t)sf_warp_room(SIDE, SIDE), sizeof *room);
	image = sf_alloc(SIZE, sizeof *image);
	was = sf_alloc(SIZE, sizeof *was);
}

static void close_images(void)
{
	sf_free(room);
	sf_free(image);
	sf_free(was);
	teardown();
}

static void noise_image(int64_t n)
{
	sf_noise key = {1, SF_NOISE_USER, 0};

	sf_noise_normal_d(ctx, key, 0, 0, (size_t)n, was);
	memcpy(image, was, (size_t)n * sizeof *was);
}

static void warp(double a, double b, double x, double c, double d, double y, int64_t h, int64_t w, int64_t channels)
{
	double g[2][3];

	g[0][0] = a;
	g[0][1] = b;
	g[0][2] = x;
	g[1][0] = c;
	g[1][1] = d;
	g[1][2] = y;
	sf_warp((const double(*)[3])g, h, w, channels, image, room);
}

START_TEST(sym6) /* sum sqrt 2, orthogonal to its even shifts, six vanishing moments (Daubechies 1992) */
{
	double sum = 0, power, dot;
	int t, k;

	for (t = 0; t < 12; t++)
		sum += sf_sym6[t];
	assert_close(sum, sqrt(2), 1e-14, 0);
	for (k = 0; k < 6; k++) {
		for (t = 0, dot = 0; t + 2 * k < 12; t++)
			dot += sf_sym6[t] * sf_sym6[t + 2 * k];
		assert_close(dot, k == 0, 0, 1e-11);
		for (t = 0, power = 0; t < 12; t++)
			power += (t % 2 ? -1 : 1) * pow(t, k) * sf_sym6[t];
		assert_close(power, 0, 0, 1e-8);
	}
}
END_TEST

START_TEST(identity) /* to the precision of the taps, the border too, whatever lies in the memory */
{
	static const int64_t dims[][3] = {{6, 6, 1}, {7, 9, 2}, {32, 32, 3}, {6, 48, 1}, {31, 8, 3}};
	int64_t h = dims[_i][0], w = dims[_i][1], c = dims[_i][2], n = h * w * c, k;

	for (k = 0; k < sf_warp_room(h, w); k++)
		room[k] = NAN;
	noise_image(n);
	warp(1, 0, 0, 0, 1, 0, h, w, c);
	for (k = 0; k < n; k++)
		assert_close(image[k], was[k], 0, 2e-11);
}
END_TEST

static int64_t reflected(int64_t i, int64_t n)
{
	return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

START_TEST(whole_shifts) /* move pixels, with mirrored ones coming in; far away there is nothing */
{
	static const int shifts[][2] = {{1, 0}, {0, -1}, {3, -5}, {-10, 2}, {8, 11}};
	int64_t h = 20, w = 18, y, x, k;
	size_t i;

	for (i = 0; i < 5; i++) {
		noise_image(h * w * 2);
		warp(1, 0, -shifts[i][0], 0, 1, -shifts[i][1], h, w, 2);
		for (y = 0; y < h; y++)
			for (x = 0; x < w; x++)
				for (k = 0; k < 2; k++) {
					int64_t fy = reflected(y - shifts[i][1], h), fx = reflected(x - shifts[i][0], w);

					assert_close(image[(y * w + x) * 2 + k], was[(fy * w + fx) * 2 + k], 0, 2e-11);
				}
	}
	noise_image(h * w);
	warp(1, 0, 60, 0, 1, 0, h, w, 1);
	for (k = 0; k < h * w; k++)
		ck_assert(image[k] == 0);
	for (i = 0; i < 4; i++) {
		double far = i % 2 ? -1e300 : 1e300;

		noise_image(h * w);
		warp(1, 0, i < 2 ? far : 0, 0, 1, i < 2 ? 0 : far, h, w, 1);
		for (k = 0; k < h * w; k++)
			ck_assert(image[k] == 0);
	}
}
END_TEST

/* sum_t h_t h_{10-2n-t} */
static double folded(int n)
{
	double sum = 0;
	int t;

	for (t = 0; t < 12; t++)
		if (10 - 2 * n - t >= 0 && 10 - 2 * n - t < 12)
			sum += sf_sym6[t] * sf_sym6[10 - 2 * n - t];
	return sum;
}

START_TEST(turns) /* by a quarter: one axis runs backwards, and is filtered; by half: both */
{
	int64_t n = 24, y, x;
	int i, k;

	noise_image(n * n);
	warp(0, -1, 0, 1, 0, 0, n, n, 1);
	for (y = 6; y < n - 6; y++)
		for (x = 0; x < n; x++) {
			double want = 0;

			for (i = -6; i <= 6; i++)
				want += folded(i) * was[x * n + (n - 1 - y + i)];
			assert_close(image[y * n + x], want, 0, 2e-11);
		}
	noise_image(n * n);
	warp(-1, 0, 0, 0, -1, 0, n, n, 1);
	for (y = 6; y < n - 6; y++)
		for (x = 6; x < n - 6; x++) {
			double want = 0;

			for (i = -6; i <= 6; i++)
				for (k = -6; k <= 6; k++)
					want += folded(i) * folded(k) * was[(n - 1 - y + i) * n + (n - 1 - x + k)];
			assert_close(image[y * n + x], want, 0, 2e-11);
		}
}
END_TEST

START_TEST(brightness) /* a constant stays one wherever the padded image is read */
{
	static const double p[][6] = {{0, 0, 0, 0, 0, 0}, {1.2, 0, 0, 0, 0, 0}, {-1, .7, 0, 0, 0, 0}, {0, 2.5, .8, .4, 0, 0},
	                              {.3, -.6, -.5, 2, .6, -.4}};
	sf_transform t = {{0, 0}, 0, 0, 0, 0, {0, 0}};
	double g[2][3];
	int64_t h = 24, w = 20, i;

	t.scale = p[_i][0];
	t.rotate = p[_i][1];
	t.stretch = p[_i][2];
	t.axis = p[_i][3];
	t.shift[0] = p[_i][4];
	t.shift[1] = p[_i][5];
	sf_transform_matrix(&t, h, w, g);
	for (i = 0; i < h * w; i++)
		image[i] = -.75;
	sf_warp((const double(*)[3])g, h, w, 1, image, room);
	for (i = 0; i < h * w; i++)
		assert_close(image[i], -.75, 0, 1e-11);
}
END_TEST

static double wave(double x, double y, double fx, double fy)
{
	return sin(fx * x + fy * y + .4);
}

/* f(p) becomes f(G (p - tau) + tau), within what linear interpolation between half pixels loses of a sine of that
 * frequency, |f''|/32 along each axis, and the filter's third moment. Where the taps stay inside. Returns the number of places. */
static int against_formula(const sf_transform *t, double fx, double fy, double bound)
{
	double g[2][3], m = 0, tau, c = (SIDE - 1) / 2., reach = 0;
	int64_t y, x;
	int k, seen = 0;

	for (k = 0; k < 12; k++)
		m += k * sf_sym6[k] / sqrt(2);
	tau = (5 - m) / 2;
	assert_close(tau, -.0491, 0, 1e-4); /* of the head comment */
	sf_transform_matrix(t, SIDE, SIDE, g);
	for (y = 0; y < SIDE; y++)
		for (x = 0; x < SIDE; x++)
			image[y * SIDE + x] = wave((double)x - c, (double)y - c, fx, fy);
	sf_warp((const double(*)[3])g, SIDE, SIDE, 1, image, room);
	for (k = 0; k < 2; k++)
		reach = fmax(reach, 3 * (fabs(g[k][0]) + fabs(g[k][1])) + 3);
	for (y = 0; y < SIDE; y++)
		for (x = 0; x < SIDE; x++) {
			double px = (double)x - c - tau, py = (double)y - c - tau;
			double qx = g[0][0] * px + g[0][1] * py + g[0][2] + tau;
			double qy = g[1][0] * px + g[1][1] * py + g[1][2] + tau;

			if (fabs(qx) > c - reach || fabs(qy) > c - reach)
				continue;
			seen++;
			assert_close(image[y * SIDE + x], wave(qx, qy, fx, fy), 0, bound);
		}
	return seen;
}

START_TEST(smooth)
{
	static const sf_transform t[] = {
		{{0, 0}, 1, 0, 0, 0, {0, 0}},   {{0, 0}, -1.3, 0, 0, 0, {0, 0}},    {{0, 0}, 0, 1, 0, 0, {0, 0}},
		{{0, 0}, 0, -2.3, 0, 0, {0, 0}}, {{0, 0}, 0, 0, 1.5, 0, {0, 0}},    {{0, 0}, 0, 0, -1, .9, {0, 0}},
		{{0, 0}, 0, 0, 0, 0, {.3, -.7}}, {{0, 0}, .6, -.8, .9, 2.1, {-.55, .35}}};
	double f = .12, ff = f * f + .07 * .07;

	ck_assert_int_gt(against_formula(&t[_i], f, -.07, 1.05 * ff / 32 + .2 * f * f * f), 200);
}
END_TEST

START_TEST(and_back) /* G and then its inverse */
{
	static const sf_transform t = {{0, 0}, .4, .5, .6, 1.1, {.2, -.3}};
	double g[2][3], det, c = (SIDE - 1) / 2., fx = .12, fy = .05;
	double bound = 2 * (1.05 * (fx * fx + fy * fy) / 32 + .2 * fx * fx * fx);
	int64_t y, x;

	for (y = 0; y < SIDE; y++)
		for (x = 0; x < SIDE; x++)
			was[y * SIDE + x] = image[y * SIDE + x] = wave((double)x - c, (double)y - c, fx, fy);
	sf_transform_matrix(&t, SIDE, SIDE, g);
	det = g[0][0] * g[1][1] - g[0][1] * g[1][0];
	assert_close(det, pow(2, -.4 * t.scale), 1e-13, 0); /* the stretch keeps areas */
	sf_warp((const double(*)[3])g, SIDE, SIDE, 1, image, room);
	warp(g[1][1] / det, -g[0][1] / det, (g[0][1] * g[1][2] - g[1][1] * g[0][2]) / det, -g[1][0] / det, g[0][0] / det,
	     (g[1][0] * g[0][2] - g[0][0] * g[1][2]) / det, SIDE, SIDE, 1);
	for (y = 14; y < SIDE - 14; y++)
		for (x = 14; x < SIDE - 14; x++)
			assert_close(image[y * SIDE + x], was[y * SIDE + x], 0, bound);
}
END_TEST

START_TEST(directions) /* what the labels mean to the eye: a bright pixel right of the centre */
{
	static const struct {
		sf_transform t;
		double x, y; /* where the pixel at (6,0) goes */
	} go[] = {{{{0, 0}, 5, 0, 0, 0, {0, 0}}, 12, 0},           /* twice as large */
	          {{{0, 0}, 0, .5 * SF_PI, 0, 0, {0, 0}}, 0, -6},  /* G turns by a, the image by -a (y down: against the clock) */
	          {{{0, 0}, 0, 0, 5, 0, {0, 0}}, 12, 0},           /* along x */
	          {{{0, 0}, 0, 0, 5, .5 * SF_PI, {0, 0}}, 3, 0},   /* along y: x is halved */
	          {{{0, 0}, 0, 0, 0, 0, {1, -2}}, 12, -12},        /* by 48/8, -2 48/8 */
	          {{{0, 0}, 5, 0, 0, 0, {1, 0}}, 18, 0}};          /* first doubled, then shifted */
	double g[2][3], q[2];
	int k;

	sf_transform_matrix(&go[_i].t, SIDE, SIDE, g);
	for (k = 0; k < 2; k++)
		q[k] = g[k][0] * go[_i].x + g[k][1] * go[_i].y + g[k][2];
	assert_close(q[0], 6, 0, 1e-12);
	assert_close(q[1], 0, 0, 1e-12);
}
END_TEST

START_TEST(channels) /* of an image do not see each other, to the last bit */
{
	double g[2][3], alone[20 * 16];
	sf_transform t = {{0, 0}, -.7, 1.9, .5, -.3, {.4, 1.1}};
	int64_t i, k;

	sf_transform_matrix(&t, 20, 16, g);
	for (k = 0; k < 3; k++) {
		noise_image(20 * 16 * 3);
		for (i = 0; i < 20 * 16; i++)
			alone[i] = was[i * 3 + k];
		sf_warp((const double(*)[3])g, 20, 16, 1, alone, room);
		for (i = 0; i < sf_warp_room(20, 16); i++)
			room[i] = NAN;
		sf_warp((const double(*)[3])g, 20, 16, 3, image, room);
		for (i = 0; i < 20 * 16; i++)
			ck_assert(alone[i] == image[i * 3 + k]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("augment_warp");
	TCase *t = tcase_create("golden");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, golden, 0, 2);
	suite_add_tcase(s, t);
	t = tcase_create("warp");
	tcase_add_checked_fixture(t, open_images, close_images);
	tcase_add_test(t, sym6);
	tcase_add_loop_test(t, identity, 0, 5);
	tcase_add_test(t, whole_shifts);
	tcase_add_test(t, turns);
	tcase_add_loop_test(t, brightness, 0, 5);
	tcase_add_loop_test(t, smooth, 0, 8);
	tcase_add_test(t, and_back);
	tcase_add_loop_test(t, directions, 0, 6);
	tcase_add_test(t, channels);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
