/* latent.c: what the latents of a run hold: reconstructions beside the records, walks along directions of the latents, and walks from
 * record to record.
 *
 *     reconstruct    record, its reconstruction                                     rows of pairs
 *     traverse       z + s (deviation of direction j) direction_j, s = LO .. HI     a row a direction
 *     interpolate    z on the great circle, or the line, from record to record      a row a pair of neighbours
 *
 * with z the encoder's mean, or a draw of its posterior. Directions are the channels, or the principal directions, in which the
 * encoder's means vary most over --aggregate records; a channel of an image's latent moves in all places
 * together.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/image.h"
#include "cmd/latent.h"
#include "cmd/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define AT(member) offsetof(latent_opts, member)
static const option options[] = {
	OPTION('o', "FILE", "output", "FILE.png, a grid, or FILE.npy (default: KIND.png or .npy in the run)", SF_OPT_STRING, AT(output), NULL,
	       0, 0),
	OPTION('n', "N", "number", "records, or of traverse directions (default: 16, 8 and of interpolate 9)", SF_OPT_INT, AT(n), NULL, 1, 1e6),
	OPTION(0, "I", "first", "first record", SF_OPT_INT, AT(first), "0", 0, 1e9),
	OPTION(0, "SPEC", "data", "records to encode (default: the run's data)", SF_OPT_STRING, AT(data), NULL, 0, 0),
	OPTION(0, NULL, "draw", "draws of the posterior instead of its mean", SF_OPT_BOOL, AT(draw), "false", 0, 0),
	OPTION(0, "N", "steps", "traverse and interpolate: pictures a row", SF_OPT_INT, AT(steps), "9", 2, 1000),
	CHOICE(0, "along", "traverse: directions", AT(along), "channels", "channels|principal"),
	OPTION(0, "LO:HI", "range", "traverse: from and to, in deviations of the means over --aggregate records", SF_OPT_LIST, AT(range), "-3:3", -1e6, 1e6),
	OPTION(0, "N", "aggregate", "traverse: records whose means give directions and deviations (or all if there are fewer)", SF_OPT_INT, AT(aggregate), "1000", 2, 1e8),
	OPTION(0, NULL, "line", "interpolate on the straight line instead of the great circle", SF_OPT_BOOL, AT(line), "false", 0, 0),
	WEIGHT_OPTIONS(AT(ema), AT(raw)),
	VAE_OPTION(AT(vae)),
	OPTION(0, "N", "zoom", "grid: size of a pixel; 0 makes tiles of at least 40 pixels", SF_OPT_INT, AT(zoom), "0", 0, 64),
	OPTION(0, "N", "cols", "reconstruct: pairs a row of the grid; 0 is near square", SF_OPT_INT, AT(cols), "0", 0, 10000),
	OPTION_END
};

enum { RECONSTRUCT, TRAVERSE, INTERPOLATE };
static const char *const kinds[] = {"reconstruct", "traverse", "interpolate", NULL};

/* ---- records ---- */

static int open_data(latent_work *w)
{
	const char *spec = w->o->data ? w->o->data : sf_config_get(w->m.config, "data.spec");
	const sf_data_info *want = &w->m.setup.info, *info;
	int i, same, rc = sf_data_new(w->ctx, spec, &w->data);

	if (rc)
		return rc;
	info = sf_data_describe(w->data);
	same = info->rank == want->rank;
	for (i = 0; same && i < info->rank; i++)
		same = info->dim[i] == want->dim[i];
	if (!same)
		return fail(STATUS_INPUT, "data '%s' have %lld numbers a record, the encoder was trained on %lld in another shape or number", spec,
		            (long long)info->size, (long long)want->size);
	w->view = w->m.setup.view; /* the scaling that the encoder was trained with */
	w->view.data = w->data;
	return 0;
}

int latent_records(latent_work *w, int64_t first, int64_t n)
{
	int64_t records = sf_data_describe(w->data)->n;

	if (records && (first >= records || n > records - first))
		return fail(STATUS_INPUT, "latent: records %lld to %lld: the data have %lld", (long long)first, (long long)(first + n - 1),
		            (long long)records);
	return 0;
}

int latent_encode(latent_work *w, int64_t first, int64_t n, int draw, double *x, double *z, double *std, double *kl)
{
	sf_noise key = {w->m.seed, SF_NOISE_ENCODE, 0};
	int64_t i;
	double *e = draw ? malloc((size_t)(n * w->d) * sizeof *e) : NULL;
	int rc;

	if (draw && !e)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < n; i++) {
		sf_view_read(&w->view, first + i, x + i * w->size, NULL);
		if (draw)
			sf_noise_normal_d(w->ctx, key, (uint64_t)(first + i), 0, (size_t)w->d, e + i * w->d);
	}
	rc = sf_coder_encode(w->m.coder, n, x, e, NULL, std, z, NULL, kl);
	for (i = 0; rc == 0 && i < n * w->d; i++)
		if (!isfinite(z[i]))
			rc = fail(STATUS_NUMERIC, "latent: record %lld has a latent that is not finite", (long long)(first + i / w->d));
	free(e);
	return rc;
}

/* Room for n records: x (n,size), z (n,d). */
static int take(const latent_work *w, int64_t n, double **x, double **z)
{
	*x = *z = NULL;
	if ((double)n * (double)(w->size + w->d) < 1e9) {
		*x = malloc((size_t)(n * w->size) * sizeof **x);
		*z = malloc((size_t)(n * w->d) * sizeof **z);
	}
	if (*x && *z)
		return 0;
	free(*x);
	free(*z);
	*x = *z = NULL;
	return fail(STATUS_INPUT, "%lld records do not fit into memory", (long long)n);
}

/* ---- pictures ---- */

/* Values (n,size) in network values, rows of `cols`; NPY: (n/cols, cols, shape). */
static int write(latent_work *w, int64_t n, double *x, int64_t cols)
{
	const sf_data_info *info = &w->m.setup.info;
	int64_t i;
	sf_array a;
	float *v;
	int rc;

	model_unscale(&w->m, n * w->size, x);
	if (ends_in(w->path, ".png"))
		return image_grid(w->ctx, w->path, n, info->dim, x, info->lo, info->hi, cols, w->o->zoom);
	memset(&a, 0, sizeof a);
	a.type = SF_FLOAT32;
	a.rank = info->rank + 2;
	a.dim[0] = n / cols;
	a.dim[1] = cols;
	memcpy(a.dim + 2, info->dim, (size_t)info->rank * sizeof *a.dim);
	a.size = n * w->size;
	a.data = v = malloc((size_t)a.size * sizeof *v);
	if (!v)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < a.size; i++)
		v[i] = (float)x[i];
	rc = sf_npy_write(w->ctx, w->path, &a);
	free(v);
	return rc;
}

static int find_output(latent_work *w, const char *operand, const char *kind)
{
	int picture = is_image(w->m.setup.info.rank, w->m.setup.info.dim), dir, n;
	struct stat st;

	dir = stat(operand, &st) == 0 && S_ISDIR(st.st_mode);
	if (w->o->output)
		n = snprintf(w->path, sizeof w->path, "%s", w->o->output);
	else
		n = snprintf(w->path, sizeof w->path, "%s%s%s.%s", dir ? operand : "", dir ? "/" : "", kind, picture ? "png" : "npy");
	if (n < 0 || (size_t)n >= sizeof w->path)
		return fail(STATUS_INPUT, "the output's name is too long");
	if (!ends_in(w->path, ".npy") && !ends_in(w->path, ".png"))
		return fail(STATUS_INPUT, "output '%s': expected a name that ends in .png or .npy", w->path);
	if (ends_in(w->path, ".png") && !picture)
		return fail(STATUS_INPUT, "output '%s': the data are not images; use .npy", w->path);
	return 0;
}

/* ---- the three kinds ---- */

/* Records and reconstructions in pairs; how close they are, and how much each group of latents holds. */
static int reconstruct(latent_work *w)
{
	int64_t n = w->o->n > 0 ? w->o->n : 16, pairs = w->o->cols > 0 ? w->o->cols : (int64_t)ceil(sqrt((double)n / 2)), i, j;
	int groups = sf_vae_made(w->m.setup.vae)->groups, k;
	double *x = NULL, *z = NULL, *kl = NULL, *logp = NULL, *both = NULL;
	int rc = latent_records(w, w->o->first, n);

	if (rc == 0)
		rc = take(w, n, &x, &z);
	if (rc)
		return rc;
	kl = malloc((size_t)(n * groups) * sizeof *kl);
	logp = malloc((size_t)n * sizeof *logp);
	both = malloc((size_t)(2 * n * w->size) * sizeof *both);
	if (!kl || !logp || !both)
		rc = fail(STATUS_INPUT, "out of memory");
	if (rc == 0)
		rc = latent_encode(w, w->o->first, n, w->o->draw, x, z, NULL, kl);
	if (rc == 0)
		rc = sf_coder_logp(w->m.coder, n, z, x, logp);
	if (rc == 0)
		rc = sf_coder_decode(w->m.coder, n, z, both);
	for (i = 0; rc == 0 && i < n; i++) {
		w->logp += logp[i] / (double)n;
		for (j = 0; j < w->size; j++) {
			double off = both[i * w->size + j] - x[i * w->size + j];

			w->square += off * off * w->view.scale * w->view.scale / (double)(n * w->size);
		}
		for (k = 0; k < groups; k++)
			w->kl[k] += kl[i * groups + k] / (double)n;
	}
	for (i = n - 1; rc == 0 && i >= 0; i--) { /* from the back, so that nothing is overwritten too early */
		memmove(both + (2 * i + 1) * w->size, both + i * w->size, (size_t)w->size * sizeof *x);
		memcpy(both + 2 * i * w->size, x + i * w->size, (size_t)w->size * sizeof *x);
	}
	if (rc == 0)
		rc = write(w, 2 * n, both, ends_in(w->path, ".png") ? 2 * (pairs < n ? pairs : n) : 2);
	free(both);
	free(logp);
	free(kl);
	free(x);
	free(z);
	return rc;
}

static int traverse(latent_work *w)
{
	int64_t steps = w->o->steps, rows, i, j, k;
	double lo = w->o->range.v[0], hi = w->o->range.v[1], *x = NULL, *z = NULL, *walk = NULL, *out = NULL;
	int rc = latent_records(w, w->o->first, 1);

	if (rc == 0)
		rc = latent_aggregate(w);
	if (rc)
		return rc;
	rows = w->o->n > 0 ? w->o->n : 8;
	rows = rows < w->directions ? rows : w->directions;
	rc = take(w, rows * steps, &out, &walk);
	if (rc == 0)
		rc = take(w, 1, &x, &z);
	if (rc == 0)
		rc = latent_encode(w, w->o->first, 1, w->o->draw, x, z, NULL, NULL);
	for (i = 0; rc == 0 && i < rows; i++)
		for (j = 0; j < steps; j++)
			for (k = 0; k < w->d; k++)
				walk[(i * steps + j) * w->d + k] =
					z[k] + (lo + (hi - lo) * (double)j / (double)(steps - 1)) * w->direction[i * w->d + k];
	if (rc == 0)
		rc = sf_coder_decode(w->m.coder, rows * steps, walk, out);
	if (rc == 0)
		rc = write(w, rows * steps, out, steps);
	w->rows = rows;
	free(x);
	free(z);
	free(out);
	free(walk);
	return rc;
}

/* On the great circle (sin((1-s) q) a + sin(s q) b)/sin q around the origin, q the angle between a and b, or on the line. */
static void between(int64_t d, const double *a, const double *b, double s, int line, double *out)
{
	double aa = 0, bb = 0, ab = 0, q, from = 1 - s, to = s;
	int64_t k;

	for (k = 0; k < d; k++) {
		aa += a[k] * a[k];
		bb += b[k] * b[k];
		ab += a[k] * b[k];
	}
	q = atan2(sqrt(fmax(0, aa * bb - ab * ab)), ab);
	if (!line && sin(q) > 1e-8) {
		from = sin((1 - s) * q) / sin(q);
		to = sin(s * q) / sin(q);
	}
	for (k = 0; k < d; k++)
		out[k] = from * a[k] + to * b[k];
}

static int interpolate(latent_work *w)
{
	int64_t n = w->o->n > 0 ? w->o->n : 9, steps = w->o->steps, i, j;
	double *x = NULL, *z = NULL, *walk = NULL, *out = NULL;
	int rc = n < 2 ? fail(STATUS_INPUT, "latent: one record has no neighbour to go to") : latent_records(w, w->o->first, n);

	if (rc == 0)
		rc = take(w, n, &x, &z);
	if (rc == 0)
		rc = take(w, (n - 1) * steps, &out, &walk);
	if (rc == 0)
		rc = latent_encode(w, w->o->first, n, w->o->draw, x, z, NULL, NULL);
	for (i = 0; rc == 0 && i + 1 < n; i++)
		for (j = 0; j < steps; j++)
			between(w->d, z + i * w->d, z + (i + 1) * w->d, (double)j / (double)(steps - 1), w->o->line,
			        walk + (i * steps + j) * w->d);
	if (rc == 0)
		rc = sf_coder_decode(w->m.coder, (n - 1) * steps, walk, out);
	if (rc == 0)
		rc = write(w, (n - 1) * steps, out, steps);
	w->rows = n - 1;
	free(x);
	free(z);
	free(out);
	free(walk);
	return rc;
}

/* ---- the command ---- */

static int tell(const latent_work *w, int kind)
{
	int groups = sf_vae_made(w->m.setup.vae)->groups, k;
	json_t *list = json_array(), *j;
	int64_t i;

	if (w->o->common.json) {
		j = json_pack("{s:s, s:s, s:s, s:I}", "file", w->path, "kind", kinds[kind], "checkpoint", w->m.checkpoint, "latent",
		              (json_int_t)w->d);
		if (kind == RECONSTRUCT) {
			for (k = 0; k < groups; k++)
				json_array_append_new(list, json_number(w->kl[k]));
			json_object_set_new(j, "rms", json_number(sqrt(w->square)));
			json_object_set_new(j, "logp", json_number(w->logp));
			json_object_set_new(j, "kl", list);
		} else if (kind == TRAVERSE) {
			for (i = 0; i < w->rows; i++)
				json_array_append_new(list, json_pack("{s:I, s:f}", "direction", (json_int_t)w->which[i], "deviation", w->deviation[i]));
			json_object_set_new(j, "directions", list);
		} else {
			json_object_set_new(j, "rows", json_integer(w->rows));
			json_decref(list);
		}
		return out_json(j);
	}
	json_decref(list);
	if (w->o->common.quiet)
		return 0;
	if (kind == RECONSTRUCT) {
		out("%s: error %.4g rms, log p(x|z) %.6g, KL to N(0,1)", w->path, sqrt(w->square), w->logp);
		for (k = 0; k < groups; k++)
			out(" %.4g", w->kl[k]);
		out(" nats\n");
	} else if (kind == TRAVERSE) {
		out("%s: %s", w->path, w->o->along ? "principal directions" : "channels");
		for (i = 0; i < w->rows; i++)
			out(w->o->along ? "%s%lld (deviation %.3g)" : "%s%lld (%.3g)", i ? ", " : " ", (long long)w->which[i], w->deviation[i]);
		out("\n");
	} else {
		out("%s: %lld rows of %lld\n", w->path, (long long)w->rows, (long long)w->o->steps);
	}
	return 0;
}

static int open_run(sf_ctx *ctx, const latent_opts *o, const char *path, const char *kind, latent_work *w)
{
	model_request want = {0};
	int rc;

	w->ctx = ctx;
	w->o = o;
	want.path = path;
	want.raw = o->raw;
	want.ema = o->ema;
	want.vae = o->vae;
	want.no_sampler = 1;
	rc = model_open(ctx, &o->common, &want, &w->m);
	if (rc == 0 && !w->m.coder)
		rc = fail(STATUS_INPUT, "%s: a model of the data themselves; it has no latents", path);
	if (rc)
		return rc;
	w->size = w->m.setup.info.size;
	w->d = w->m.setup.model.size;
	rc = find_output(w, path, kind);
	return rc ? rc : open_data(w);
}

static int run(sf_ctx *ctx, const void *given, int n, char **word)
{
	static int (*const act[])(latent_work *) = {reconstruct, traverse, interpolate};
	const latent_opts *o = given;
	latent_work w;
	int kind = 0, rc;

	(void)n;
	memset(&w, 0, sizeof w);
	while (kinds[kind] && strcmp(kinds[kind], word[1]) != 0)
		kind++;
	if (!kinds[kind])
		return unknown("kind of picture", word[1], kinds, STATUS_USAGE);
	if (o->range.n != 2)
		return fail(STATUS_USAGE, "latent: --range has %d numbers; expected LO:HI", o->range.n);
	rc = open_run(ctx, o, word[0], kinds[kind], &w);
	if (rc == 0)
		rc = act[kind](&w);
	if (rc == 0)
		rc = tell(&w, kind);
	free(w.direction);
	free(w.deviation);
	free(w.which);
	sf_data_free(w.data);
	model_close(&w.m);
	return rc;
}

const command latent_command = {
	"latent",
	"Show what the latents of a run hold",
	"RUN|CHECKPOINT reconstruct|traverse|interpolate",
	"reconstruct puts records and their reconstructions side by side; traverse moves a record along the directions in\n"
	"which the latents vary most, a row each; interpolate goes from record to record. FILE.npy holds float32\n"
	"(rows, pictures a row, shape) on the scale of the stored data, pairs as rows of two.\n",
	options,
	sizeof(latent_opts),
	2,
	2,
	run};
