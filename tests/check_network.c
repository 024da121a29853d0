/* check_network.c: a trained network as a score: exactness, labels, packed samples, equal bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model_case.h"
#include "support.h"

#include <math.h>
#include <string.h>

START_TEST(score_affine) /* parametrisation "score": s = A x + b exactly, for any cut into batches and any threads */
{
	static const int64_t dim[] = {2};
	enum { N = 37 };
	sf_ctx *ctx = ck_ctx();
	sf_model m = make_model(ctx, "affine", "vp", "score", 1, dim, 0);
	double params[32] = {0}, x[2 * N], t[N], out[2 * N];
	int batch, threads, i;

	params[0] = -.7, params[1] = .2, params[2] = .1, params[3] = -1.1; /* A, then b at the next multiple of 16 */
	params[16] = .3, params[17] = -.2;
	for (i = 0; i < N; i++) {
		t[i] = .01 + .9 * i / N;
		x[2 * i] = sin(i);
		x[2 * i + 1] = cos(3 * i);
	}
	for (batch = 0; batch <= 8; batch += 4)
		for (threads = 1; threads <= 3; threads++) {
			sf_score *s;

			sf_ctx_set_threads(ctx, threads);
			assert_ok(ctx, sf_model_score(&m, SF_F64, params, batch, &s));
			assert_ok(ctx, sf_score_eval(s, SF_SCORE, N, x, t, out));
			for (i = 0; i < N; i++) {
				assert_close(out[2 * i], -.7 * x[2 * i] + .2 * x[2 * i + 1] + .3, 1e-13, 1e-15);
				assert_close(out[2 * i + 1], .1 * x[2 * i] - 1.1 * x[2 * i + 1] - .2, 1e-13, 1e-15);
			}
			ck_assert_int_eq(sf_score_count(s), N);
			ck_assert_int_lt(sf_model_score_labels(s, 1, &threads), 0); /* no classes */
			sf_score_free(s);
		}
	free_model(&m);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(score_labels) /* labels change the result and go back; bytes do not depend on cut or threads */
{
	static const int64_t dim[] = {2};
	enum { N = 19 };
	static const int cycle[] = {0, 2, -1};
	sf_ctx *ctx = ck_ctx();
	sf_model m = make_model(ctx, "mlp:width=16,embed-width=8", "vp", "v", 1, dim, 3);
	double x[2 * N], t[N], none[2 * N], with[2 * N], again[2 * N];
	int64_t trainable, total;
	sf_model_vars v;
	sf_score *s, *s2;
	sf_graph *g;
	float *w;
	int i;

	assert_ok(ctx, sf_model_params(&m, &trainable, &total));
	w = sf_alloc((size_t)total, sizeof *w);
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	sf_model_vars_init(&v);
	assert_ok(ctx, sf_model_build(&m, g, 0, &v));
	sf_param_init(g, 5, SF_F32, w);
	sf_graph_free(g);
	for (i = 0; i < N; i++) {
		t[i] = .3;
		x[2 * i] = .5;
		x[2 * i + 1] = -.25;
	}
	assert_ok(ctx, sf_model_score(&m, SF_F32, w, 4, &s));
	assert_ok(ctx, sf_score_eval(s, SF_EPS, N, x, t, none));
	assert_ok(ctx, sf_model_score_labels(s, 3, cycle));
	assert_ok(ctx, sf_score_eval(s, SF_EPS, N, x, t, with));
	for (i = 0; i < N; i++) {
		ck_assert((with[2 * i] == none[2 * i]) == (i % 3 == 2)); /* -1 is none */
		ck_assert(with[2 * i] == with[2 * (i % 3)]);
	}
	sf_ctx_set_threads(ctx, 3);
	assert_ok(ctx, sf_model_score(&m, SF_F32, w, 1, &s2));
	assert_ok(ctx, sf_model_score_labels(s2, 3, cycle));
	assert_ok(ctx, sf_score_eval(s2, SF_EPS, N, x, t, again));
	ck_assert(memcmp(with, again, sizeof with) == 0);
	i = 3;
	ck_assert_int_eq(sf_model_score_labels(s, 1, &i), SF_ERANGE);
	assert_ok(ctx, sf_model_score_labels(s, 0, NULL));
	assert_ok(ctx, sf_score_eval(s, SF_EPS, N, x, t, again));
	ck_assert(memcmp(none, again, sizeof none) == 0);
	sf_score_free(s);
	sf_score_free(s2);
	sf_free(w);
	free_model(&m);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(score_which) /* a packed sample keeps its label wherever it stands */
{
	static const int64_t dim[] = {2}, which[] = {3, 0, 3, 2};
	static const int label[] = {0, 1, 2, 0};
	sf_ctx *ctx = ck_ctx();
	sf_model m = make_model(ctx, "mlp:width=16,embed-width=8", "vp", "v", 1, dim, 3);
	double x[8], t[4], one[2], out[8], w[2048];
	int64_t n, total, i;
	sf_score *s;

	assert_ok(ctx, sf_model_params(&m, &n, &total));
	ck_assert_int_le(total, 2048);
	for (i = 0; i < total; i++)
		w[i] = .3 * sin(1.7 * (double)i);
	assert_ok(ctx, sf_model_score(&m, SF_F64, w, 2, &s));
	assert_ok(ctx, sf_model_score_labels(s, 4, label));
	for (i = 0; i < 8; i++) {
		x[i] = .4 * cos((double)i);
		t[i / 2] = .2;
	}
	sf_score_which(s, which);
	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 4, x, t, out));
	sf_score_which(s, NULL);
	for (i = 0; i < 4; i++) {
		assert_ok(ctx, sf_model_score_labels(s, 1, &label[which[i]]));
		assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x + 2 * i, t + i, one));
		ck_assert_msg(one[0] == out[2 * i] && one[1] == out[2 * i + 1], "position %d", (int)i);
		assert_ok(ctx, sf_model_score_labels(s, 1, &label[(which[i] + 1) % 3]));
		assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x + 2 * i, t + i, one));
		ck_assert_msg(one[0] != out[2 * i], "the label has no effect at %d", (int)i);
	}
	sf_score_free(s);
	free_model(&m);
	sf_ctx_free(ctx);
}
END_TEST

static const struct {
	const char *net, *process, *param;
	int rank, classes;
	int64_t dim[3];
} derivatives[] = {{"mlp:width=16,embed-width=8", "vp", "eps", 1, 0, {3, 0, 0}},
                   {"mlp:width=16,embed-width=8", "edm", "edm", 1, 3, {3, 0, 0}},
                   {"mlp:width=16,embed-width=8", "subvp", "energy", 1, 0, {3, 0, 0}},
                   {"mlp:width=16,embed-width=8", "cld", "mixed", 1, 2, {2, 0, 0}},
                   {"mlp:width=16,embed-width=8", "cld", "energy", 1, 0, {2, 0, 0}},
                   {"mlp:width=16,embed-width=8", "sech", "score", 1, 0, {3, 0, 0}},
                   {"unet:width=8,mult=1:2,blocks=1", "vp", "v", 3, 0, {4, 4, 1}}};
enum { DERIVATIVES = sizeof derivatives / sizeof *derivatives };

START_TEST(derivative) /* J v against central differences; single precision; the same bytes for any cut and threads */
{
	enum { N = 7, MOST = N * 16 };
	static const int64_t which[N] = {4, 0, 2, 2, 1, 6, 3};
	static const int label[N] = {0, 1, 1, 0, 1, -1, 0};
	sf_ctx *ctx = ck_ctx();
	sf_model m = make_model(ctx, derivatives[_i].net, derivatives[_i].process, derivatives[_i].param,
	                        derivatives[_i].rank,
	                        derivatives[_i].dim, derivatives[_i].classes);
	int64_t size = m.size * sf_process_blocks(m.process), trainable, total, i;
	double x[MOST], v[MOST], t[N], out[MOST], up[MOST], down[MOST], moved[MOST], *w, h = 1e-5;
	float *single;
	sf_score *s, *s2;
	int pass;

	assert_ok(ctx, sf_model_params(&m, &trainable, &total));
	w = sf_alloc((size_t)total, sizeof *w);
	single = sf_alloc((size_t)total, sizeof *single);
	for (i = 0; i < total; i++) {
		single[i] = (float)(.3 * sin(1.7 * (double)i));
		w[i] = single[i];
	}
	for (i = 0; i < N * size; i++) {
		x[i] = .6 * cos(1.1 * (double)i);
		v[i] = sin(.7 * (double)i);
		t[i / size] = (.1 + .1 * (double)(i / size)) * sf_process_horizon(m.process);
	}
	assert_ok(ctx, sf_model_score(&m, SF_F64, w, 2, &s));
	if (derivatives[_i].classes)
		assert_ok(ctx, sf_model_score_labels(s, N, label));
	sf_score_which(s, which);
	assert_ok(ctx, sf_score_jvp(s, N, x, t, v, out));
	for (pass = -1; pass < 2; pass += 2) {
		for (i = 0; i < N * size; i++)
			moved[i] = x[i] + pass * h * v[i];
		assert_ok(ctx, sf_score_eval(s, SF_SCORE, N, moved, t, pass < 0 ? down : up));
	}
	for (i = 0; i < N * size; i++)
		assert_close(out[i], (up[i] - down[i]) / (2 * h), 1e-6, 1e-6);
	for (i = 0; i < 3; i++) {
		assert_ok(ctx, sf_ctx_set_threads(ctx, (int)i + 1));
		assert_ok(ctx, sf_model_score(&m, SF_F64, w, 2 * i + 1, &s2));
		if (derivatives[_i].classes)
			assert_ok(ctx, sf_model_score_labels(s2, N, label));
		sf_score_which(s2, which);
		assert_ok(ctx, sf_score_jvp(s2, N, x, t, v, up));
		ck_assert(memcmp(up, out, (size_t)(N * size) * sizeof *up) == 0);
		sf_score_free(s2);
	}
	assert_ok(ctx, sf_model_score(&m, SF_F32, single, 2, &s2));
	if (derivatives[_i].classes)
		assert_ok(ctx, sf_model_score_labels(s2, N, label));
	sf_score_which(s2, which);
	assert_ok(ctx, sf_score_jvp(s2, N, x, t, v, up));
	for (i = 0; i < N * size; i++)
		assert_close(up[i], out[i], 1e-3, 1e-3);
	sf_score_free(s);
	sf_score_free(s2);
	sf_free(w);
	sf_free(single);
	free_model(&m);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("network");
	TCase *tc = tcase_create("network");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, score_affine);
	tcase_add_test(tc, score_labels);
	tcase_add_test(tc, score_which);
	tcase_add_loop_test(tc, derivative, 0, DERIVATIVES);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
