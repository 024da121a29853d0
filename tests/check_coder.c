/* check_coder.c: a pair in use: cuts and threads, its hash, what is refused, and spectral regularisation.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vae_rig.h"

#include "latent/latent.h"
#include "kernel/kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 13 };

static sf_vae_how image_how(void)
{
	sf_vae_how how = vae_how("nvae-encoder:levels=1,width=8", "nvae-decoder:levels=1,width=8", 4, 6, 4, 1);

	vae_levels(&how, SF_VAE_LOGISTIC, 17);
	how.groups = 2;
	how.mixture = 2;
	return how;
}

/* ---- coder ---- */
struct all {
	double mean[N * 24], std[N * 24], z[N * 24], entropy[N], kl[N * 2], x[N * 24], logp[N];
};

/* Everything of n samples with a coder of so many threads and samples at a time, in calls of `cut`. */
static void use(vae_rig *r, sf_dtype type, const void *params, int threads, int64_t batch, int64_t cut, const double *x,
                const double *e, struct all *a)
{
	sf_coder *c;
	int64_t i, d = r->latent, s = r->size;

	ck_assert_int_eq(sf_ctx_set_threads(r->ctx, threads), 0);
	assert_ok(r->ctx, sf_coder_new(r->v, type, params, batch, &c));
	memset(a, 0, sizeof *a);
	for (i = 0; i < N; i += cut) {
		int64_t n = N - i < cut ? N - i : cut;

		assert_ok(r->ctx, sf_coder_encode(c, n, x + i * s, e ? e + i * d : NULL, a->mean + i * d, a->std + i * d, a->z + i * d,
		                                  a->entropy + i, a->kl + 2 * i));
		assert_ok(r->ctx, sf_coder_logp(c, n, a->z + i * d, x + i * s, a->logp + i));
		assert_ok(r->ctx, sf_coder_decode(c, n, a->z + i * d, a->x + i * s));
	}
	sf_coder_free(c);
}

static void data(vae_rig *r, double *x, double *e)
{
	int64_t i;

	for (i = 0; i < N * r->size; i++)
		x[i] = (double)(i * 5 % 17) / 8 - 1;
	vae_normals(r->ctx, 5, N * r->latent, e);
}

START_TEST(same_bytes)
{
	static struct all first, other;
	sf_vae_how how = image_how();
	double x[N * 24], e[N * 24];
	float *params;
	vae_rig r;
	int64_t i;
	int threads;

	vae_open(&r, &how, .05);
	data(&r, x, e);
	params = calloc((size_t)r.total, sizeof *params);
	ck_assert(params != NULL);
	for (i = 0; i < r.total; i++)
		params[i] = (float)r.params[i];
	use(&r, SF_F32, params, 1, 0, N, x, e, &first);
	for (threads = 1; threads < 4; threads++) {
		use(&r, SF_F32, params, threads, 0, 1, x, e, &other);
		ck_assert_mem_eq(&first, &other, sizeof first);
		use(&r, SF_F32, params, threads, 5, 4, x, e, &other);
		ck_assert_mem_eq(&first, &other, sizeof first);
		use(&r, SF_F32, params, threads, 100, N, x, e, &other);
		ck_assert_mem_eq(&first, &other, sizeof first);
	}
	free(params);
	vae_close(&r);
}
END_TEST

/* The same numbers as the graph that a trainer would build. */
START_TEST(as_the_graph)
{
	static struct all a;
	sf_vae_how how = image_how();
	double x[N * 24], e[N * 24], logp[N], z[N * 24], mean[N * 24], *out[3];
	sf_var var[3];
	sf_coder *c;
	vae_rig r;
	int64_t i;

	vae_open(&r, &how, .05);
	data(&r, x, e);
	use(&r, SF_F64, r.params, 2, 0, N, x, e, &a);
	var[0] = r.logp;
	var[1] = r.q.z;
	var[2] = r.mean;
	out[0] = logp;
	out[1] = z;
	out[2] = mean;
	vae_run(&r, SF_F64, var, 3, N, x, e, out);
	for (i = 0; i < N; i++)
		assert_close(a.logp[i], logp[i], 1e-12, 0);
	for (i = 0; i < N * r.latent; i++) {
		assert_close(a.z[i], z[i], 1e-12, 1e-14);
		assert_close(a.z[i], a.mean[i] + a.std[i] * e[i], 1e-12, 1e-14);
	}
	for (i = 0; i < N * r.size; i++)
		assert_close(a.x[i], mean[i], 1e-12, 1e-14);
	/* without noise z is the mean (of the first group: a later group's moves with it), and nothing but z is asked for */
	assert_ok(r.ctx, sf_coder_new(r.v, SF_F64, r.params, 3, &c));
	assert_ok(r.ctx, sf_coder_encode(c, N, x, NULL, NULL, NULL, z, NULL, NULL));
	assert_ok(r.ctx, sf_coder_encode(c, N, x, NULL, mean, NULL, NULL, NULL, NULL));
	for (i = 0; i < N * r.latent; i++)
		assert_close(z[i], mean[i], 0, 0);
	sf_coder_free(c);
	vae_close(&r);
}
END_TEST

/* ---- hash ---- */
static uint64_t fnv(uint64_t h, const unsigned char *p, size_t n)
{
	for (; n > 0; n--)
		h = (h ^ *p++) * UINT64_C(1099511628211);
	return h;
}

/* The bytes of an IEEE single, least significant first, by arithmetic alone: no machine's layout comes in. */
static void single(float f, unsigned char b[4])
{
	int sign = f < 0, exponent;
	double m = frexp(fabs((double)f), &exponent);
	unsigned long bits = 0;

	if (f != 0 && exponent > -126)
		bits = ((unsigned long)(exponent + 126) << 23) | ((unsigned long)ldexp(m, 24) & 0x7fffff);
	else if (f != 0)
		bits = (unsigned long)ldexp(m, exponent + 149);
	bits |= (unsigned long)sign << 31;
	b[0] = (unsigned char)(bits & 255);
	b[1] = (unsigned char)(bits >> 8 & 255);
	b[2] = (unsigned char)(bits >> 16 & 255);
	b[3] = (unsigned char)(bits >> 24 & 255);
}

START_TEST(hash)
{
	sf_vae_how how = vae_how("affine", "mlp:width=4,depth=1,embed=none", 2, 3, 0, 0);
	char hex[17], again[17];
	uint64_t h = fnv(UINT64_C(14695981039346656037), NULL, 0);
	const sf_param_info *p;
	unsigned char b[4];
	float *single_params;
	vae_rig r;
	int64_t j;
	int i;

	ck_assert_int_eq(fnv(UINT64_C(14695981039346656037), (const unsigned char *)"a", 1) == UINT64_C(0xaf63dc4c8601ec8c), 1);
	vae_open(&r, &how, .1);
	sf_vae_hash(r.v, SF_F64, r.params, hex);
	ck_assert_int_eq(strlen(hex), 16);
	/* what is hashed, written a second time */
	h = fnv(h, (const unsigned char *)"affine", 7);
	h = fnv(h, (const unsigned char *)sf_vae_made(r.v)->decoder, strlen(sf_vae_made(r.v)->decoder) + 1);
	h = fnv(h, (const unsigned char *)"2 1 0 0.5 1 1 3 0 0", 20);
	for (i = 0; i < sf_param_count(r.g); i++) {
		p = sf_param_get(r.g, i);
		h = fnv(h, (const unsigned char *)p->name, strlen(p->name) + 1);
		for (j = 0; j < p->shape.size; j++) {
			single((float)r.params[p->offset + j], b);
			h = fnv(h, b, 4);
		}
	}
	snprintf(again, sizeof again, "%08lx%08lx", (unsigned long)(h >> 32), (unsigned long)(h & 0xffffffff));
	ck_assert_str_eq(hex, again);
	/* a buffer of floats that hold the same numbers has the same name */
	single_params = calloc((size_t)r.total, sizeof *single_params);
	ck_assert(single_params != NULL);
	for (j = 0; j < r.total; j++)
		single_params[j] = (float)r.params[j];
	sf_vae_hash(r.v, SF_F32, single_params, again);
	ck_assert_str_eq(hex, again);
	/* gaps between parameters are not weights */
	p = vae_param(&r, "encoder.b");
	ck_assert(p->shape.size % 16 != 0);
	single_params[p->offset + p->shape.size] = 7;
	sf_vae_hash(r.v, SF_F32, single_params, again);
	ck_assert_str_eq(hex, again);
	/* any one number changes it */
	for (i = 0; i < sf_param_count(r.g); i++) {
		p = sf_param_get(r.g, i);
		for (j = p->offset; j < p->offset + p->shape.size; j++) {
			float was = single_params[j];

			single_params[j] = was + 1e-3f;
			sf_vae_hash(r.v, SF_F32, single_params, again);
			ck_assert_str_ne(hex, again);
			single_params[j] = was;
		}
	}
	free(single_params);
	vae_close(&r);
}
END_TEST

/* ---- refusals ---- */
static void refused(const sf_vae_how *how, int code, const char *text)
{
	sf_ctx *ctx = ck_ctx();
	sf_vae *v;
	int rc = sf_vae_new(ctx, how, &v);

	ck_assert_msg(rc == code, "code %d, expected %d: %s", rc, code, sf_ctx_message(ctx));
	ck_assert(v == NULL);
	ck_assert_msg(strstr(sf_ctx_message(ctx), text) != NULL, "'%s' without '%s'", sf_ctx_message(ctx), text);
	sf_ctx_free(ctx);
}

START_TEST(refusals)
{
	sf_vae_how good = vae_how("affine", "affine", 4, 3, 0, 0), h;

	h = good, h.groups = 3, refused(&h, SF_ERANGE, "3 groups");
	h = good, h.latent = 34, h.groups = 17, refused(&h, SF_ERANGE, "17 groups");
	h = good, h.groups = 0, refused(&h, SF_ERANGE, "0 groups");
	h = good, h.latent = 0, refused(&h, SF_ERANGE, "latent of 0");
	h = good, h.rank = 2, refused(&h, SF_EINVAL, "rank 2");
	h = good, h.dim[0] = 0, refused(&h, SF_EINVAL, "dimension");
	h = good, h.std = -1, refused(&h, SF_ERANGE, "std");
	h = good, h.std = NAN, refused(&h, SF_ERANGE, "std");
	h = good, h.scale = 0, refused(&h, SF_ERANGE, "stored");
	h = good, h.mixture = 2, refused(&h, SF_EUNSUP, "logistic");
	h = good, h.likelihood = 3, refused(&h, SF_EINVAL, "likelihood 3");
	h = good, h.likelihood = SF_VAE_LOGISTIC, refused(&h, SF_EUNSUP, "dequantisation");
	h = good, h.likelihood = SF_VAE_BERNOULLI, refused(&h, SF_ERANGE, "range");
	vae_levels(&good, SF_VAE_LOGISTIC, 17);
	h = good, h.mixture = 31, refused(&h, SF_ERANGE, "30");
	h = good, h.encoder = "nothing", refused(&h, SF_ENAME, "nothing");
	h = good, h.encoder = "nvae-encoder", refused(&h, SF_EMISMATCH, "takes images");
	h = good, h.decoder = "nvae-decoder", refused(&h, SF_EMISMATCH, "takes images");
	h = good, h.dim[0] = 5000, refused(&h, SF_EMISMATCH, "4096");
	h = image_how(), h.dim[0] = 7, refused(&h, SF_EMISMATCH, "divisible by 2 (8x4 would do), or levels of at most 0");
	h = image_how(), h.decoder = "nvae-decoder:levels=2", refused(&h, SF_EMISMATCH, "(12,8) pixels of a latent (3,2,4), the data have (6,4)");
	h = image_how(), h.encoder = "nvae-decoder:levels=1", refused(&h, SF_EMISMATCH, "(24,16) pixels");
	h = image_how(), h.encoder = "ncsn", refused(&h, SF_EUNSUP, "ncsn");
}
END_TEST

/* Vectors stand for images where a network takes no images, and the latent is a vector then. */
START_TEST(shapes)
{
	sf_vae_how how = image_how();
	int64_t dim[3], trainable, total;
	sf_ctx *ctx = ck_ctx();
	sf_vae *v;
	int rank;

	assert_ok(ctx, sf_vae_new(ctx, &how, &v));
	ck_assert_int_eq(sf_vae_latent(v, &rank, dim), 24);
	ck_assert(rank == 3 && dim[0] == 3 && dim[1] == 2 && dim[2] == 4);
	sf_vae_free(v);
	how.encoder = how.decoder = "mlp:width=8,depth=1";
	assert_ok(ctx, sf_vae_new(ctx, &how, &v));
	ck_assert_int_eq(sf_vae_latent(v, &rank, dim), 4);
	ck_assert(rank == 1 && dim[0] == 4);
	/* no noise level, so no embedding: 24 -> 8 -> 8; groups: (8 + 2) -> 32 -> 4; 4 -> 8 -> 24 (2 + 4) */
	assert_ok(ctx, sf_vae_params(v, &trainable, &total));
	ck_assert_int_eq(trainable, 25 * 8 + 9 * 8 + 11 * 32 + 33 * 4 + 5 * 8 + 9 * 24 * 6);
	sf_vae_free(v);
	how.encoder = "nvae-encoder:levels=1,width=8"; /* (3,2,4) flattened for the decoder */
	assert_ok(ctx, sf_vae_new(ctx, &how, &v));
	ck_assert_int_eq(sf_vae_latent(v, &rank, dim), 24);
	sf_vae_free(v);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- spectral regularisation ---- */
/* The largest singular value of a (rows, columns), by the eigenvalues of its Gram matrix. */
static double largest(const double *a, int rows, int columns)
{
	double *gram = calloc((size_t)(columns * columns), sizeof *gram), *w = calloc((size_t)columns, sizeof *w), s;
	double *vec = calloc((size_t)(columns * columns), sizeof *vec);
	int i, j, k;

	ck_assert(gram && w && vec);
	for (i = 0; i < columns; i++)
		for (j = 0; j < columns; j++)
			for (k = 0; k < rows; k++)
				gram[i * columns + j] += a[k * columns + i] * a[k * columns + j];
	ck_assert_int_eq(sf_blas_eigh(columns, gram, w, vec), 0); /* LAPACK */
	s = sqrt(w[columns - 1]);
	free(gram);
	free(w);
	free(vec);
	return s;
}

static double penalty(vae_rig *r, double weight, double *grad)
{
	sf_spectral *s;
	double p;

	assert_ok(r->ctx, sf_spectral_new(r->v, SF_F64, &s));
	assert_ok(r->ctx, sf_spectral_add(s, r->params, weight, grad, &p));
	sf_spectral_free(s);
	return p;
}

/* Drawn weights, and with a gap: all rows but the first made small, so that power iteration has converged and R is LAPACK's. */
START_TEST(spectral)
{
	sf_vae_how how = image_how();
	double *grad, R, expected, squares, pieces;
	vae_rig r;
	int i, gap;
	int64_t j;

	for (gap = 0; gap < 2; gap++) {
		vae_open(&r, &how, .05);
		grad = calloc((size_t)r.total, sizeof *grad);
		ck_assert(grad != NULL);
		for (expected = 0, i = 0; i < sf_param_count(r.g); i++) {
			const sf_param_info *p = sf_param_get(r.g, i);
			int64_t columns = p->shape.rank ? p->shape.dim[p->shape.rank - 1] : 1;
			double *a = r.params + p->offset, most = 0;

			for (j = 0; gap && p->shape.rank > 1 && j < p->shape.size; j++)
				a[j] *= j / columns ? .02 : 1; /* nearly one row: rank one */
			if (p->shape.rank > 1) {
				most = largest(a, (int)(p->shape.size / columns), (int)columns);
			} else if (strcmp(p->name + strlen(p->name) - 7, ".weight") == 0) {
				for (j = 0; j < columns; j++)
					most = fabs(a[j]) > most ? fabs(a[j]) : most;
			}
			expected += most;
		}
		R = penalty(&r, 2, grad);
		if (gap)
			assert_close(R, expected, 1e-9, 0);
		else /* a gap is not guaranteed: from below, and not far */
			ck_assert_msg(R <= expected && R > .97 * expected, "%g, largest singular values add up to %g", R, expected);
		/* u v' has norm 1, so does a gain's gradient: squares add up to 4 a piece */
		for (pieces = squares = 0, j = 0; j < r.total; j++)
			squares += grad[j] * grad[j];
		for (i = 0; i < sf_param_count(r.g); i++) {
			const sf_param_info *p = sf_param_get(r.g, i);

			pieces += p->shape.rank > 1 || strcmp(p->name + strlen(p->name) - 7, ".weight") == 0;
		}
		assert_close(squares, 4 * pieces, 1e-10, 0);
		free(grad);
		vae_close(&r);
	}
}
END_TEST

START_TEST(spectral_gradient)
{
	sf_vae_how how = vae_how("affine", "affine", 2, 2, 0, 0);
	double *grad, up, down, *A;
	vae_rig r;
	int i;

	vae_open(&r, &how, .5);
	grad = calloc((size_t)r.total, sizeof *grad);
	ck_assert(grad != NULL);
	A = r.params + vae_param(&r, "decoder.A")->offset;
	A[0] = 3, A[1] = A[2] = 0, A[3] = 1;
	A = r.params + vae_param(&r, "encoder.A")->offset; /* (4,2): with a gap, so that differences see the same direction */
	for (i = 2; i < 8; i++)
		A[i] *= .05;
	penalty(&r, 1, grad);
	for (i = 0; i < 4; i++)
		assert_close(grad[vae_param(&r, "decoder.A")->offset + i], i == 0, 1e-8, 1e-8);
	for (i = 0; i < sf_param_count(r.g); i++) {
		const sf_param_info *p = sf_param_get(r.g, i);
		int64_t j;

		for (j = p->offset; j < p->offset + p->shape.size; j++) {
			r.params[j] += 1e-5;
			up = penalty(&r, 0, grad);
			r.params[j] -= 2e-5;
			down = penalty(&r, 0, grad);
			r.params[j] += 1e-5;
			assert_close(grad[j], (up - down) / 2e-5, 1e-4, 1e-4);
		}
	}
	/* grad is added to */
	penalty(&r, 1, grad);
	assert_close(grad[vae_param(&r, "decoder.A")->offset], 2, 1e-8, 0);
	/* a matrix of zeros has no direction */
	memset(r.params, 0, (size_t)r.total * sizeof *r.params);
	memset(grad, 0, (size_t)r.total * sizeof *grad);
	assert_close(penalty(&r, 1, grad), 0, 0, 0);
	assert_close(grad[vae_param(&r, "decoder.A")->offset], 0, 0, 0);
	free(grad);
	vae_close(&r);
}
END_TEST

/* Any number of threads, and as often as one likes: the same bytes, in single precision too. */
START_TEST(spectral_bytes)
{
	sf_vae_how how = image_how();
	float *params, *first, *grad;
	double R, again, *unused;
	sf_spectral *s;
	vae_rig r;
	int64_t j;
	int threads;

	vae_open(&r, &how, .05);
	params = calloc((size_t)r.total, sizeof *params);
	first = calloc((size_t)r.total, sizeof *first);
	grad = calloc((size_t)r.total, sizeof *grad);
	unused = calloc((size_t)r.total, sizeof *unused);
	ck_assert(params && first && grad && unused);
	for (j = 0; j < r.total; j++)
		params[j] = (float)r.params[j];
	assert_ok(r.ctx, sf_spectral_new(r.v, SF_F32, &s));
	sf_ctx_set_threads(r.ctx, 1);
	assert_ok(r.ctx, sf_spectral_add(s, params, .01, first, &R));
	for (threads = 1; threads < 4; threads++) {
		sf_ctx_set_threads(r.ctx, threads);
		memset(grad, 0, (size_t)r.total * sizeof *grad);
		assert_ok(r.ctx, sf_spectral_add(s, params, .01, grad, &again));
		ck_assert(R == again);
		ck_assert_mem_eq(first, grad, (size_t)r.total * sizeof *grad);
	}
	assert_close(R, penalty(&r, 0, unused), 1e-5, 0);
	sf_spectral_free(s);
	free(params);
	free(first);
	free(grad);
	free(unused);
	vae_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coder");
	TCase *tc = tcase_create("coder");

	tcase_add_test(tc, same_bytes);
	tcase_add_test(tc, as_the_graph);
	tcase_add_test(tc, hash);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, shapes);
	suite_add_tcase(suite, tc);
	tc = tcase_create("spectral");
	tcase_add_test(tc, spectral);
	tcase_add_test(tc, spectral_gradient);
	tcase_add_test(tc, spectral_bytes);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
