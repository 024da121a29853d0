/* check_cuda_train.c: training on a device: its optimiser against the processor's kernels, inputs made there against inputs sent
 * there, and whole runs: the same course as the processor's, nothing taken in a step. Contracts of runs are in check_cuda_runs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"
#include "support.h"
#include "train_rig.h"

#include "data/data.h"
#include "kernel/kernel.h"
#include "objective/batch.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int64_t sf_cuda_emulated_taken, sf_cuda_emulated_copied;
extern size_t sf_cuda_emulated_free;

static void on_device(void)
{
	rig_device(ctx, SF_DEVICE_STRICT, 1);
}

static void on_processor(void)
{
	assert_ok(ctx, sf_ctx_set_device(ctx, "cpu"));
}

static const sf_device_link *device(void)
{
	const sf_device_link *l = sf_device_of(ctx, SF_F32);

	ck_assert_ptr_nonnull(l);
	return l;
}

/* Normals times `scale` into host memory. */
static void fill(int which, int64_t n, double scale, float *x)
{
	const sf_noise key = {41, SF_NOISE_USER, 0};
	int64_t i;

	sf_noise_normal(ctx, key, (uint64_t)which, 0, (size_t)n, x);
	for (i = 0; i < n; i++)
		x[i] *= (float)scale;
}

/* ---- the optimiser ---- */

enum { MOST = 70001, SHIFT = 5 };
static const int64_t sizes[] = {1, 2, 3, 4, 5, 1023, 4099, MOST};

START_TEST(squares_and_sanitise)
{
	float *x = sf_alloc(MOST + SHIFT, sizeof *x), *back = sf_alloc(MOST + SHIFT, sizeof *x), *there;
	double partial[MOST / SF_TRAIN_TILE + 1], sum = 0, norm;
	long double exact;
	int64_t i, n, found, some;
	size_t k;
	int shift;
	char why[SF_DEVICE_WHY];

	on_device();
	there = sf_device_take(ctx, (MOST + SHIFT) * sizeof *x);
	for (k = 0; k < sizeof sizes / sizeof *sizes; k++)
		for (shift = 0; shift < SHIFT; shift++) {
			n = sizes[k];
			fill(1, n + SHIFT, 3, x);
			assert_ok(ctx, sf_device_copy(ctx, there, x, (size_t)(n + SHIFT) * sizeof *x));
			ck_assert_int_eq(device()->unit->squares(device()->d, n, there + shift, &sum, why), 0);
			for (exact = 0, i = 0; i < n; i++)
				exact += (long double)x[shift + i] * x[shift + i];
			norm = sf_train_norm(ctx, SF_F32, n, x + shift, partial);
			assert_close(sum, (double)exact, 1e-14, 0);
			assert_close(sqrt(sum), norm, 1e-13, 0);
			/* the same, with what is not finite in it: at both ends and inside */
			x[shift] = NAN;
			x[shift + n / 2] = INFINITY;
			x[shift + n - 1] = -INFINITY;
			assert_ok(ctx, sf_device_copy(ctx, there, x, (size_t)(n + SHIFT) * sizeof *x));
			ck_assert_int_eq(device()->unit->squares(device()->d, n, there + shift, &sum, why), 0);
			ck_assert(!isfinite(sum));
			ck_assert_int_eq(device()->unit->sanitise(device()->d, n, there + shift, 7e5, &found, why), 0);
			some = sf_train_sanitise(ctx, SF_F32, n, x + shift, 7e5, partial);
			ck_assert_int_eq((int)found, (int)some);
			assert_ok(ctx, sf_device_copy(ctx, back, there, (size_t)(n + SHIFT) * sizeof *x));
			ck_assert(memcmp(x, back, (size_t)(n + SHIFT) * sizeof *x) == 0);
		}
	sf_device_give(ctx, there);
	sf_free(x);
	sf_free(back);
}
END_TEST

/* A state of n numbers that has been trained for a while. */
static void begin_state(int64_t n, int averages, sf_state *st)
{
	int64_t i;
	int k;

	assert_ok(ctx, sf_state_new(ctx, SF_F32, n, st));
	assert_ok(ctx, sf_state_averages(ctx, st, averages));
	fill(2, n, 1, st->param);
	fill(3, n, .01, st->m);
	fill(4, n, .01, st->v);
	for (i = 0; i < n; i++)
		((float *)st->v)[i] *= ((float *)st->v)[i];
	fill(5, n, 1, st->ema);
	for (k = 1; k < averages; k++)
		fill(5 + k, n, 1, st->more[k - 1]);
	st->step = 7;
}

static void same_state(const sf_state *a, const sf_state *b)
{
	size_t bytes = (size_t)a->total * sizeof(float);
	int k;

	ck_assert(memcmp(a->param, b->param, bytes) == 0);
	ck_assert(memcmp(a->m, b->m, bytes) == 0);
	ck_assert(memcmp(a->v, b->v, bytes) == 0);
	ck_assert(memcmp(a->ema, b->ema, bytes) == 0);
	for (k = 1; k < a->averages; k++)
		ck_assert(memcmp(a->more[k - 1], b->more[k - 1], bytes) == 0);
}

/* The processor's bits: each operation is rounded by itself in both places. Adam in double is where both lead. */
static void one_update(const sf_settings *s, int64_t n, int averages, int64_t first)
{
	sf_state here, there;
	sf_live *live;
	sf_part part;
	float *g = sf_alloc((size_t)n, sizeof *g), *g_there;
	double *exact = sf_alloc((size_t)n, sizeof *exact), error = 0, size = 0, ema[SF_AVERAGES];
	sf_adam a;
	int64_t i;
	int k;

	begin_state(n, averages, &here);
	begin_state(n, averages, &there);
	fill(20, n, .02, g);
	assert_ok(ctx, sf_live_new(ctx, &there, &live));
	ck_assert_ptr_nonnull(live);
	g_there = sf_device_take(ctx, (size_t)n * sizeof *g);
	assert_ok(ctx, sf_device_copy(ctx, g_there, g, (size_t)n * sizeof *g));
	part.first = first;
	part.n = n - first - first / 2; /* both ends stay */
	part.lr = .003;
	for (k = 0; k < 3; k++) {
		part.done = 7 + k;
		if (k == 0) { /* of the first update's weights */
			sf_train_adam(s, &part, .37, averages, &a, ema);
			for (i = first; i < first + part.n; i++) {
				double x = .37 * (double)g[i], m = a.beta1 * (double)((float *)here.m)[i] + (1 - a.beta1) * x;
				double v = a.beta2 * (double)((float *)here.v)[i] + (1 - a.beta2) * x * x;

				exact[i] = (double)((float *)here.param)[i] - a.lr / a.bias1 * m / (sqrt(v / a.bias2) + a.eps);
			}
		}
		assert_ok(ctx, sf_train_part(ctx, s, &here, &part, g, .37));
		assert_ok(ctx, sf_live_part(live, s, &part, g_there, .37));
		for (i = first; k == 0 && i < first + part.n; i++) {
			error = fmax(error, fabs((double)((float *)here.param)[i] - exact[i]));
			size = fmax(size, fabs(exact[i]));
		}
	}
	assert_close(error, 0, 0, 1.3e-7 * size); /* half a unit of its last place and some of the small step's */
	assert_ok(ctx, sf_live_fetch(live));
	same_state(&here, &there);
	sf_device_give(ctx, g_there);
	sf_live_free(live);
	sf_state_free(&here);
	sf_state_free(&there);
	sf_free(g);
	sf_free(exact);
}

START_TEST(updates)
{
	static const char *const lists[] = {"train.ema=0.9", "train.ema=0.9:0.99", "train.ema=0.5:0.9:0.99:0.999:0.9999:0.3:0.2:0.1"};
	static const int averages[] = {1, 2, 8};
	sf_config *c = configured(lists[_i]);
	size_t k;

	on_device();
	for (k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		one_update(sf_config_settings(c), sizes[k], averages[_i], 0);
		if (sizes[k] > 4) {
			one_update(sf_config_settings(c), sizes[k], averages[_i], 1);
			one_update(sf_config_settings(c), sizes[k], averages[_i], 3);
		}
	}
	sf_config_free(c);
}
END_TEST

/* ---- data ---- */

/* 11 images of 5 x 7 in three colours: no multiple of anything. */
static void write_images(void)
{
	enum { N = 11, SIZE = 5 * 7 * 3 };
	unsigned char bytes[N * SIZE];
	sf_array a;
	int i;

	for (i = 0; i < N * SIZE; i++)
		bytes[i] = (unsigned char)(i * 37 % 256);
	memset(&a, 0, sizeof a);
	a.type = SF_U8;
	a.rank = 4;
	a.dim[0] = N;
	a.dim[1] = 5;
	a.dim[2] = 7;
	a.dim[3] = 3;
	a.size = N * SIZE;
	a.data = bytes;
	assert_ok(ctx, sf_npy_write(ctx, in_folder("images.npy"), &a));
}

static sf_config *with_images(const char *settings)
{
	char text[1600];

	snprintf(text, sizeof text, "data.spec=npy:path=%s %s", in_folder("images.npy"), settings);
	return configured(text);
}

/* Row k of a batch as the plan reads it. */
static void row_of(const sf_batch *b, int k, float *out)
{
	size_t bytes = (size_t)(b->draw[0].n * b->row[k].count) * sizeof *out;

	if (b->row[k].made == SF_ROW_DRAWN)
		memcpy(out, b->in[k], bytes);
	else
		assert_ok(ctx, sf_device_copy(ctx, out, b->in[k], bytes));
}

/* Steps 0, 5 and one far on of both ways. */
static void both_ways(sf_config *c)
{
	static const int64_t steps[] = {0, 5, 100000};
	sf_setup s;
	sf_records *r;
	sf_batch *host, *fed;
	float *x, *y;
	int64_t part;
	int i, k, made = 0;

	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
	assert_ok(ctx, sf_records_new(&s, &r));
	ck_assert_ptr_nonnull(r);
	assert_ok(ctx, sf_step_plan(&s, -1, &host));
	assert_ok(ctx, sf_step_plan(&s, -1, &fed));
	assert_ok(ctx, sf_batch_source_set(fed, sf_records_source(r)));
	ck_assert(sf_batch_bytes(fed) < sf_batch_bytes(host));
	assert_ok(ctx, sf_batch_open(host));
	assert_ok(ctx, sf_batch_open(fed));
	x = sf_alloc((size_t)(host->room * s.info.size), sizeof *x);
	y = sf_alloc((size_t)(host->room * s.info.size), sizeof *y);
	for (i = 0; i < 3; i++)
		for (part = 0; part < sf_batch_parts(host); part++) {
			assert_ok(ctx, sf_batch_part(host, part));
			assert_ok(ctx, sf_batch_part(fed, part));
			assert_ok(ctx, sf_step_read(&s, host, steps[i]));
			assert_ok(ctx, sf_step_read(&s, fed, steps[i]));
			assert_ok(ctx, sf_batch_prepare(host));
			assert_ok(ctx, sf_batch_prepare(fed));
			assert_ok(ctx, sf_batch_feed(fed));
			assert_ok(ctx, sf_batch_put(host));
			assert_ok(ctx, sf_batch_put(fed));
			ck_assert_int_eq(host->nrow, fed->nrow);
			for (k = 0; k < host->nrow; k++) {
				row_of(host, k, x);
				row_of(fed, k, y);
				made += fed->row[k].made != SF_ROW_DRAWN;
				ck_assert_msg(memcmp(x, y, (size_t)(host->draw[0].n * host->row[k].count) * sizeof *x) == 0,
				              "input %d of step %d is another one", k, (int)steps[i]);
			}
		}
	ck_assert_int_eq(made, 2 * 3 * (int)sf_batch_parts(host)); /* x_t and z */
	sf_free(x);
	sf_free(y);
	sf_batch_free(host);
	sf_batch_free(fed);
	sf_records_free(r);
	sf_setup_close(&s);
}

static const char *const sources[] = {
	"objective.spec=dsm data.scale=pm1",
	"objective.spec=dsm data.scale=pm1 data.flip=true data.dequantise=true train.seed=77",
	"objective.spec=dsm:t=stratified,weight=one data.scale=standard process.spec=ve data.flip=true train.accumulate=4",
	"objective.spec=dsm:t=importance data.scale=unit process.spec=subvp data.dequantise=true train.accumulate=2 train.batch=19",
	"objective.spec=dsm:t=lognormal,weight=edm process.spec=edm model.parametrisation=edm data.flip=true"};
enum { SOURCES = sizeof sources / sizeof *sources };

START_TEST(inputs)
{
	char text[1000];
	sf_config *c;

	on_device();
	write_images();
	c = with_images(sources[_i]);
	both_ways(c);
	sf_config_free(c);
	snprintf(text, sizeof text, "%s data.spec=digits model.conditional=true train.label-dropout=0.3", sources[_i]);
	c = configured(text);
	both_ways(c);
	sf_config_free(c);
}
END_TEST

START_TEST(what_stays_here) /* data and losses that are read, drawn and sent as without a device */
{
	static const char *const host[] = {
		"objective.spec=dsm", "objective.spec=lcss data.spec=digits", "objective.spec=ssm data.spec=digits",
		"objective.spec=dsm data.spec=digits data.augment=0.1", "objective.spec=stf data.spec=digits",
		"objective.spec=dsm data.spec=digits process.spec=cld", "objective.spec=dsm data.spec=digits model.precision=float64"};
	sf_records *r;
	sf_setup s;
	size_t i;

	on_device();
	for (i = 0; i < sizeof host / sizeof *host; i++) {
		sf_config *c = configured(host[i]);

		assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
		assert_ok(ctx, sf_records_new(&s, &r));
		ck_assert_msg(!r, "%s", host[i]);
		sf_setup_close(&s);
		sf_config_free(c);
	}
	{ /* too large: a quarter of what is free */
		sf_config *c = configured("objective.spec=dsm data.spec=digits");
		size_t all = sf_cuda_emulated_free;

		assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
		for (i = 0; i < 2 && !rig_real(); i++) {
			sf_cuda_emulated_free = 4 * 64 * 1797 - i;
			assert_ok(ctx, sf_records_new(&s, &r));
			ck_assert((r == NULL) == (i == 1));
			sf_records_free(r);
		}
		sf_cuda_emulated_free = all;
		sf_setup_close(&s);
		sf_config_free(c);
	}
}
END_TEST

/* ---- runs ---- */

typedef struct course {
	double loss[128];
	int n;
	int64_t taken, copied; /* by the device, from the second step on */
} course;

static int follow(void *user, const sf_progress *p)
{
	course *k = user;

	k->loss[k->n++] = p->loss;
	if (p->step <= 2) {
		k->taken = -sf_cuda_emulated_taken;
		k->copied = -sf_cuda_emulated_copied;
	}
	if (p->step == p->steps || k->n == 128) {
		k->taken += sf_cuda_emulated_taken;
		k->copied += sf_cuda_emulated_copied;
	}
	return 0;
}

static void run(const char *settings, course *k)
{
	sf_config *c = configured(settings);
	sf_trainer *t;

	memset(k, 0, sizeof *k);
	assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
	assert_ok(ctx, sf_trainer_run(t, follow, k, NULL));
	sf_trainer_free(t);
	sf_config_free(c);
}

/* Root mean square distance of two courses. */
static double apart(const course *a, const course *b)
{
	double sum = 0;
	int i;

	ck_assert_int_eq(a->n, b->n);
	for (i = 0; i < a->n; i++)
		sum += (a->loss[i] - b->loss[i]) * (a->loss[i] - b->loss[i]);
	return sqrt(sum / a->n);
}

#define UNET "data.spec=digits objective.spec=dsm net.spec=unet:width=4,mult=1:2,blocks=1,attn=4 train.batch=8 train.shards=4 "
static const char *const runs[] = {
	"objective.spec=dsm train.lr=0.005",
	"train.lr=0.005 train.clip=1 train.accumulate=4",
	UNET "train.ema=0.9:0.99 train.lr=0.002 data.flip=true",
	UNET "data.dequantise=true process.spec=edm model.parametrisation=edm model.conditional=true train.accumulate=4",
	"data.spec=digits objective.spec=dsm net.spec=ddpmpp:width=4,mult=1:2,blocks=1,attn=4 train.batch=4 train.lr=0.001"};
enum { RUNS = sizeof runs / sizeof *runs };

/* Rounding is what a device and the processor differ in, and training makes it grow. How much it grows the processor tells itself: its
 * float run leaves the run in double, which sees the same data and noise, and a device may be as far from that one, give or take. */
START_TEST(same_course)
{
	char text[1000];
	course exact, here, there;
	double far, mine;

	snprintf(text, sizeof text, "train.steps=100 %s", runs[_i]);
	run(text, &here);
	on_device();
	run(text, &there);
	on_processor();
	snprintf(text, sizeof text, "train.steps=100 %s model.precision=float64", runs[_i]);
	run(text, &exact);
	far = apart(&here, &exact);
	mine = apart(&there, &exact);
	ck_assert_msg(mine <= 4 * far + 1e-7 * fabs(exact.loss[0]), "the device is %g from the run in double, the processor %g", mine, far);
	ck_assert(far > 0);
}
END_TEST

START_TEST(parts) /* sums over parts are added in another order, and that is all */
{
	static const char *const how[] = {UNET "train.accumulate=1", UNET "train.accumulate=4", UNET "model.precision=float64"};
	char text[1000];
	course k[3];
	int i;

	on_device();
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof text, "%s train.steps=20", how[i]);
		run(text, &k[i]);
	}
	assert_close(k[1].loss[0], k[0].loss[0], 1e-6, 0);
	ck_assert_msg(apart(&k[0], &k[1]) <= 4 * apart(&k[0], &k[2]), "%g, %g", apart(&k[0], &k[1]), apart(&k[0], &k[2]));
}
END_TEST

START_TEST(nothing_is_taken) /* nor does much cross the bus: of a sample its record, times and coefficients, and its loss */
{
	course k;
	int steps;

	on_device();
	run(runs[_i], &k);
	steps = k.n - 2;
	ck_assert_int_eq((int)k.taken, 0);
	if (_i >= 2)
		ck_assert_int_le((int)k.copied, steps * (8 * (int)(sizeof(sf_device_sample) + 10 * sizeof(float)) + 8 * 64));
	ck_assert_int_ge((int)k.copied, steps * 8 * (int)(8 * sizeof(float)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cuda_train");
	TCase *tc = tcase_create("train");

	tcase_add_checked_fixture(tc, train_setup, train_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, squares_and_sanitise);
	tcase_add_loop_test(tc, updates, 0, 3);
	tcase_add_loop_test(tc, inputs, 0, SOURCES);
	tcase_add_test(tc, what_stays_here);
	tcase_add_loop_test(tc, same_course, 0, RUNS);
	tcase_add_test(tc, parts);
	if (!rig_real())
		tcase_add_loop_test(tc, nothing_is_taken, 0, RUNS);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
