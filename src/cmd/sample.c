/* sample.c: draws samples from a trained network and writes them.
 *
 *     FILE.npy   float32 (n,h,w,c) or (n,d), values on the scale of the stored data
 *     FILE.npz   "samples": uint8 (n,h,w,c) for images, else as in the NPY; "labels" if any
 *     FILE.png   a grid of the images; points of the plane as a histogram
 *     DIR/       one PNG an image, 00000/img00000000.png as in EDM's data sets
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/image.h"
#include "cmd/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct opts {
	common common;
	int64_t n, steps, nfe, zoom, cols, first;
	char *sampler, *grid, *output;
	int raw, ema, force;
	sf_list labels;
};
#define AT(member) offsetof(struct opts, member)

static const option options[] = {
	OPTION('n', "N", "number", "samples to draw", SF_OPT_INT, AT(n), "64", 1, 1e9),
	OPTION('o', "FILE", "output",
	       "FILE.png, FILE.npy, FILE.npz or DIR/ (default: samples.png or .npy in the run)",
	       SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION(0, "SPEC", "sampler", "sampler (default: the configuration's)", SF_OPT_STRING,
	       AT(sampler), NULL, 0, 0),
	OPTION(0, "SPEC", "grid", "time grid (default: the configuration's, or the sampler's own)",
	       SF_OPT_STRING, AT(grid), NULL, 0, 0),
	OPTION(0, "N", "steps", "steps of the sampler", SF_OPT_INT, AT(steps), NULL, 1, 1e6),
	OPTION(0, "N", "nfe", "evaluations of the network per sample, instead of --steps",
	       SF_OPT_INT, AT(nfe), NULL, 1, 1e6),
	OPTION(0, "I", "first",
	       "index of the first sample: -n 10 --first 30 draws samples 30 to 39 of a longer run",
	       SF_OPT_INT, AT(first), "0", 0, 281474976710655.0),
	OPTION(0, NULL, "ema", "moving average of the weights (the default)", SF_OPT_BOOL, AT(ema),
	       "false", 0, 0),
	OPTION(0, NULL, "raw", "weights as trained instead of their moving average", SF_OPT_BOOL,
	       AT(raw), "false", 0, 0),
	OPTION(0, "K:K:...", "labels", "classes, used in turn (default: all in turn)", SF_OPT_LIST,
	       AT(labels), "", -1, 1e6),
	OPTION(0, "N", "zoom", "grid: size of a pixel; 0 makes tiles of at least 40 pixels",
	       SF_OPT_INT, AT(zoom), "0", 0, 64),
	OPTION(0, "N", "cols", "grid: columns; 0 is near square", SF_OPT_INT, AT(cols), "0", 0,
	       10000),
	OPTION(0, NULL, "force", "write into a directory that exists", SF_OPT_BOOL, AT(force),
	       "false", 0, 0),
	OPTION_END
};

enum { TO_PNG, TO_NPY, TO_NPZ, TO_DIR };
typedef struct target {
	int kind;
	char path[1024];
} target;

static int ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

/* Where to write; refused before any work is done. */
static int find_target(const struct opts *o, const model *m, const char *operand, target *to)
{
	int image = is_image(m->setup.model.rank, m->setup.model.dim), n;
	int plane = m->setup.model.rank == 1 && m->setup.model.size == 2;
	struct stat st;

	if (o->output) {
		n = snprintf(to->path, sizeof to->path, "%s", o->output);
	} else {
		int dir = stat(operand, &st) == 0 && S_ISDIR(st.st_mode);

		n = snprintf(to->path, sizeof to->path, "%s%ssamples.%s", dir ? operand : "",
		             dir ? "/" : "", image || plane ? "png" : "npy");
	}
	if (n < 0 || (size_t)n >= sizeof to->path)
		return fail(STATUS_INPUT, "the output's name is too long");
	if (ends_in(to->path, ".npy"))
		to->kind = TO_NPY;
	else if (ends_in(to->path, ".npz"))
		to->kind = TO_NPZ;
	else if (ends_in(to->path, ".png"))
		to->kind = TO_PNG;
	else if (ends_in(to->path, "/"))
		to->kind = TO_DIR;
	else
		return fail(STATUS_INPUT,
		            "output '%s': expected a name that ends in .png, .npy, .npz or /",
		            to->path);
	if (to->kind == TO_DIR && !image)
		return fail(STATUS_INPUT,
		            "output '%s': the samples are not images; use .npy or .npz", to->path);
	if (to->kind == TO_PNG && !image && !plane)
		return fail(
			STATUS_INPUT,
			"output '%s': the samples are neither images nor points of the plane; use "
			".npy or .npz",
			to->path);
	if (to->kind == TO_DIR && !o->force && stat(to->path, &st) == 0)
		return fail(STATUS_INPUT, "output '%s' exists; choose another name or give --force",
		            to->path);
	return 0;
}

/* ---- writers; x holds stored values (n,size) ---- */

static void shape_of(const model *m, int64_t n, sf_array *a)
{
	int i;

	memset(a, 0, sizeof *a);
	a->rank = m->setup.model.rank + 1;
	a->dim[0] = n;
	a->size = n * m->setup.model.size;
	for (i = 0; i < m->setup.model.rank; i++)
		a->dim[i + 1] = m->setup.model.dim[i];
}

static int fill(sf_array *a, int bytes, const double *x, double lo, double hi)
{
	int64_t i;

	a->type = bytes ? SF_U8 : SF_FLOAT32;
	a->data = malloc((size_t)a->size * (bytes ? 1 : sizeof(float)));
	if (!a->data)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < a->size; i++) {
		if (bytes)
			((unsigned char *)a->data)[i] = pixel(x[i], lo, hi);
		else
			((float *)a->data)[i] = (float)x[i];
	}
	return 0;
}

static int write_npz(sf_ctx *ctx, const char *path, const sf_array *samples, int64_t n,
		     const int32_t *label)
{
	static const char *const names[] = {"samples", "labels"};
	const sf_array *arrays[2];
	sf_array labels;

	memset(&labels, 0, sizeof labels);
	labels.type = SF_I32;
	labels.rank = 1;
	labels.dim[0] = labels.size = n;
	memcpy(&labels.data, &label, sizeof label);
	arrays[0] = samples;
	arrays[1] = &labels;
	return sf_npz_write(ctx, path, label ? 2 : 1, names, arrays);
}

static int make_dir(const char *path)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return fail(STATUS_INPUT, "%s: cannot make the directory: %s", path, strerror(errno));
}

static int write_dir(sf_ctx *ctx, const model *m, const char *path, int64_t first, int64_t n,
		     const unsigned char *pixels)
{
	const int64_t *dim = m->setup.model.dim;
	char name[1200];
	int64_t i;
	int rc = make_dir(path);

	for (i = 0; i < n && rc == 0; i++) {
		long long index = (long long)(first + i);

		snprintf(name, sizeof name, "%s%05lld", path, index / 1000);
		if (i == 0 || index % 1000 == 0)
			rc = make_dir(name);
		snprintf(name, sizeof name, "%s%05lld/img%08lld.png", path, index / 1000, index);
		if (rc == 0)
			rc = sf_png_write(ctx, name, dim[0], dim[1], (int)dim[2],
			                  pixels + i * m->setup.model.size);
	}
	return rc;
}

static int write_plane(sf_ctx *ctx, const model *m, const char *path, int64_t n, const double *x,
		       double lo, double hi)
{
	double box[4], most = 0;
	canvas c;
	panel p;
	int rc = panels_open(ctx, &c, 1, 1, 400);

	(void)m;
	if (rc)
		return rc;
	box[0] = box[2] = lo;
	box[1] = box[3] = hi;
	p = panel_at(&c, 0, 0, 400, box);
	rc = panel_density(ctx, &p, n, x, 100, &most);
	panel_title(&p, "model");
	if (rc == 0)
		rc = canvas_write(ctx, &c, path);
	canvas_free(&c);
	return rc;
}

static int write_out(sf_ctx *ctx, const struct opts *o, const model *m, const target *to,
		     const double *x, const int32_t *label)
{
	int image = is_image(m->setup.model.rank, m->setup.model.dim), rc;
	double lo = m->setup.info.lo, hi = m->setup.info.hi;
	sf_array a;

	if (to->kind == TO_PNG)
		return image ? image_grid(ctx, to->path, o->n, m->setup.model.dim, x, lo, hi,
		                          o->cols, o->zoom)
		             : write_plane(ctx, m, to->path, o->n, x, lo, hi);
	shape_of(m, o->n, &a);
	rc = fill(&a, to->kind == TO_DIR || (to->kind == TO_NPZ && image), x, lo, hi);
	if (rc)
		return rc;
	if (to->kind == TO_NPY)
		rc = sf_npy_write(ctx, to->path, &a);
	else if (to->kind == TO_NPZ)
		rc = write_npz(ctx, to->path, &a, o->n, label);
	else
		rc = write_dir(ctx, m, to->path, o->first, o->n, a.data);
	free(a.data);
	return rc;
}

/* Classes in turn by the sample's index, so that a part of a longer run has the same ones. */
static int make_labels(const struct opts *o, const model *m, int32_t **label)
{
	int64_t i;
	int classes = m->setup.model.classes;

	*label = NULL;
	if (o->labels.n && !classes)
		return fail(STATUS_INPUT,
		            "sample: --labels: this model was trained without classes");
	if (!classes)
		return 0;
	for (i = 0; i < o->labels.n; i++)
		if (o->labels.v[i] >= classes || o->labels.v[i] != (double)(int)o->labels.v[i])
			return fail(STATUS_INPUT,
			            "sample: --labels: %g is not a class (0 to %d, -1 for none)",
			            o->labels.v[i], classes - 1);
	*label = malloc((size_t)o->n * sizeof **label);
	if (!*label)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < o->n; i++)
		(*label)[i] = o->labels.n ? (int32_t)o->labels.v[(o->first + i) % o->labels.n]
		                          : (int32_t)((o->first + i) % classes);
	return 0;
}

static int sample(sf_ctx *ctx, const struct opts *o, model *m, const target *to)
{
	sf_sample_report report = {0, 0, 0};
	int32_t *label = NULL;
	double *x = NULL, start = now();
	int rc = make_labels(o, m, &label);

	if (rc == 0 && ((double)o->n * (double)m->setup.model.size > 1e10 ||
	                !(x = malloc((size_t)o->n * (size_t)m->setup.model.size * sizeof *x))))
		rc = fail(STATUS_INPUT,
		          "%lld samples do not fit into memory; draw them in parts with --first",
		          (long long)o->n);
	if (rc == 0)
		rc = model_sample(m, o->common.quiet, o->n, (uint64_t)o->first, label, x, &report);
	if (rc == 0) {
		model_unscale(m, o->n * m->setup.model.size, x);
		rc = write_out(ctx, o, m, to, x, label);
	}
	if (rc == 0 && o->common.json)
		rc = out_json(json_pack("{s:s, s:I, s:s, s:s, s:I, s:f, s:f}", "file", to->path,
		                        "samples", (json_int_t)o->n, "checkpoint", m->checkpoint,
		                        "sampler", sf_spec(m->setup.sampler), "steps",
		                        (json_int_t)report.steps, "nfe", report.nfe, "seconds",
		                        now() - start));
	else if (rc == 0 && !o->common.quiet)
		out("%s: %lld samples, %s, %.4g evaluations each, %.1f s\n", to->path,
		    (long long)o->n, sf_spec(m->setup.sampler), report.nfe, now() - start);
	free(x);
	free(label);
	return rc;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const struct opts *o = options_given;
	model_request want;
	target to;
	model m;
	int rc;

	(void)n;
	if (o->raw && o->ema)
		return fail(STATUS_USAGE, "sample: --raw and --ema exclude each other");
	if (o->steps > 0 && o->nfe > 0)
		return fail(STATUS_USAGE, "sample: --steps and --nfe exclude each other");
	want.path = word[0];
	want.sampler = o->sampler;
	want.grid = o->grid;
	want.steps = o->steps;
	want.nfe = o->nfe;
	want.raw = o->raw;
	want.with_data = 0;
	want.no_sampler = 0;
	want.no_sampler = 0;
	rc = model_open(ctx, &o->common, &want, &m);
	if (rc)
		return rc;
	rc = find_target(o, &m, word[0], &to);
	if (rc == 0)
		rc = sample(ctx, o, &m, &to);
	model_close(&m);
	return rc;
}

const command sample_command = {
	"sample",
	"Draw samples from a trained network",
	"RUN|CHECKPOINT",
	"FILE.npy holds float32 on the scale of the stored data; FILE.npz \"samples\" as bytes for "
	"images;\n"
	"FILE.png a grid; DIR/ one PNG an image. Sample i depends on the seed and its index alone, "
	"not on\n"
	"-n or --threads. A file is replaced, a directory only with --force.\n",
	options,
	sizeof(struct opts),
	1,
	1,
	run};
