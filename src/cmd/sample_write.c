/* sample_write.c: samples to files.
 *
 *     FILE.npy   float32 (n,h,w,c) or (n,d), values on the scale of the stored data
 *     FILE.npz   "samples": uint8 (n,h,w,c) for images, else as in the NPY; "labels" if any
 *     FILE.png   a grid of the images; points of the plane as a histogram
 *     DIR/       one PNG an image, 00000/img00000000.png as in EDM's data sets; dataset.json with the classes if any
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/image.h"
#include "cmd/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

int has_picture(const model *m)
{
	return is_image(m->setup.info.rank, m->setup.info.dim) || (m->setup.info.rank == 1 && m->setup.info.size == 2);
}

int target_find(const sample_opts *o, const model *m, const char *operand, target *to)
{
	int image = is_image(m->setup.info.rank, m->setup.info.dim), n;
	struct stat st;

	if (o->output) {
		n = snprintf(to->path, sizeof to->path, "%s", o->output);
	} else {
		int dir = stat(operand, &st) == 0 && S_ISDIR(st.st_mode);

		n = snprintf(to->path, sizeof to->path, "%s%ssamples.%s", dir ? operand : "",
		             dir ? "/" : "", has_picture(m) ? "png" : "npy");
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
	if (to->kind == TO_PNG && !has_picture(m))
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

void samples_shape(const model *m, int64_t n, sf_array *a)
{
	int i;

	memset(a, 0, sizeof *a);
	a->rank = m->setup.info.rank + 1;
	a->dim[0] = n;
	a->size = n * m->setup.info.size;
	for (i = 0; i < m->setup.info.rank; i++)
		a->dim[i + 1] = m->setup.info.dim[i];
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

int make_dir(const char *path)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return fail(STATUS_INPUT, "%s: cannot make the directory: %s", path, strerror(errno));
}

/* Classes of the images as EDM's data sets have them; -1 stands for none. */
static int write_labels(sf_ctx *ctx, const char *path, int64_t first, int64_t n, const int32_t *label)
{
	json_t *list = json_array(), *root = json_pack("{s:o}", "labels", list);
	char name[1200], *text;
	int64_t i;
	int rc;

	for (i = 0; i < n; i++) {
		long long index = (long long)(first + i);

		snprintf(name, sizeof name, "%05lld/img%08lld.png", index / 1000, index);
		json_array_append_new(list, json_pack("[s, i]", name, (int)label[i]));
	}
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (!text)
		return fail(STATUS_INPUT, "%s: out of memory", path);
	snprintf(name, sizeof name, "%sdataset.json", path);
	rc = sf_file_write(ctx, name, text, strlen(text));
	free(text);
	return rc;
}

static int write_dir(sf_ctx *ctx, const model *m, const char *path, int64_t first, int64_t n,
		     const unsigned char *pixels, const int32_t *label)
{
	const int64_t *dim = m->setup.info.dim;
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
			                  pixels + i * m->setup.info.size);
	}
	return rc == 0 && label ? write_labels(ctx, path, first, n, label) : rc;
}

static int write_plane(sf_ctx *ctx, const char *path, int64_t n, const double *x, double lo, double hi)
{
	double box[4], most = 0;
	canvas c;
	panel p;
	int rc = panels_open(ctx, &c, 1, 1, 400);

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

int write_picture(sf_ctx *ctx, const sample_opts *o, const model *m, const char *path, const double *x)
{
	double lo = m->setup.info.lo, hi = m->setup.info.hi;

	if (is_image(m->setup.info.rank, m->setup.info.dim))
		return image_grid(ctx, path, o->n, m->setup.info.dim, x, lo, hi, o->cols, o->zoom);
	return write_plane(ctx, path, o->n, x, lo, hi);
}

int write_npy(sf_ctx *ctx, const model *m, const char *path, int64_t n, const double *x)
{
	sf_array a;
	int rc;

	samples_shape(m, n, &a);
	rc = fill(&a, 0, x, 0, 1);
	if (rc == 0)
		rc = sf_npy_write(ctx, path, &a);
	free(a.data);
	return rc;
}

int target_write(sf_ctx *ctx, const sample_opts *o, const model *m, const target *to, const double *x,
		 const int32_t *label)
{
	int image = is_image(m->setup.info.rank, m->setup.info.dim), rc;
	sf_array a;

	if (to->kind == TO_PNG)
		return write_picture(ctx, o, m, to->path, x);
	if (to->kind == TO_NPY)
		return write_npy(ctx, m, to->path, o->n, x);
	samples_shape(m, o->n, &a);
	rc = fill(&a, image, x, m->setup.info.lo, m->setup.info.hi);
	if (rc == 0 && to->kind == TO_NPZ)
		rc = write_npz(ctx, to->path, &a, o->n, label);
	else if (rc == 0)
		rc = write_dir(ctx, m, to->path, o->first, o->n, a.data, label);
	free(a.data);
	return rc;
}
