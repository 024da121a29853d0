/* rundir.c: a run's directory: config.ini, log.jsonl, checkpoints, sample grids, TensorBoard events.
 *
 * The log is cut after the checkpoint's step on resume, so that it reads as if the run had never stopped; a
 * number that is not finite is written as null, which JSON has instead of NaN.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "io/io.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_MAX = 1 << 30 };
#define STEM "checkpoint-"
#define EXT ".safetensors"

int sf_rundir_path(sf_ctx *ctx, const char *dir, const char *name, int64_t step, const char *ext, char *path,
                   size_t size)
{
	char file[80];

	snprintf(file, sizeof file, "%s-%08lld%s", name, (long long)step, ext);
	return sf_path_join(ctx, dir, file, path, size);
}

/* Step of "checkpoint-STEP.safetensors", or -1. */
static int64_t checkpoint_step(const char *name)
{
	size_t n = strlen(name), head = sizeof STEM - 1, tail = sizeof EXT - 1;
	char digits[20];
	int64_t step;

	if (n <= head + tail || n - head - tail >= sizeof digits || strncmp(name, STEM, head) != 0 ||
	    strcmp(name + n - tail, EXT) != 0)
		return -1;
	snprintf(digits, sizeof digits, "%.*s", (int)(n - head - tail), name + head);
	if (strspn(digits, "0123456789") != strlen(digits) || sf_parse_int(digits, &step) < 0)
		return -1;
	return step;
}

/* Calls on every checkpoint in the directory. */
static int each_checkpoint(sf_ctx *ctx, const char *dir, void (*fn)(void *, const char *, int64_t), void *arg)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		return sf_fail(ctx, SF_EIO, "%s: %s", dir, strerror(errno));
	while ((e = readdir(d))) {
		int64_t step = checkpoint_step(e->d_name);

		if (step >= 0)
			fn(arg, e->d_name, step);
	}
	closedir(d);
	return SF_OK;
}

struct newest {
	int64_t step;
	char name[80];
};

static void take_newest(void *arg, const char *name, int64_t step)
{
	struct newest *n = arg;

	if (step > n->step) {
		n->step = step;
		snprintf(n->name, sizeof n->name, "%s", name);
	}
}

int sf_run_latest(sf_ctx *ctx, const char *path, char *checkpoint, size_t size, int64_t *step)
{
	struct newest n = {-1, ""};
	struct stat st;

	if (stat(path, &st) < 0)
		return sf_fail(ctx, SF_EIO, "%s: %s", path, strerror(errno));
	if (step)
		*step = -1;
	if (!S_ISDIR(st.st_mode)) {
		if (strlen(path) >= size)
			return sf_fail(ctx, SF_ERANGE, "%.80s...: path is too long", path);
		snprintf(checkpoint, size, "%s", path);
		return SF_OK;
	}
	SF_TRY(each_checkpoint(ctx, path, take_newest, &n));
	if (n.step < 0)
		return sf_fail(ctx, SF_EIO, "%s: holds no checkpoint (checkpoint-STEP.safetensors)", path);
	if (step)
		*step = n.step;
	return sf_path_join(ctx, path, n.name, checkpoint, size);
}

struct steps {
	int64_t *step, n, room; /* step NULL: counts */
};

static void take_step(void *arg, const char *name, int64_t step)
{
	struct steps *s = arg;
	int64_t i;

	(void)name;
	if (!s->step) {
		s->n++;
		return;
	}
	if (s->n == s->room) /* written since they were counted */
		return;
	for (i = s->n++; i > 0 && s->step[i - 1] > step; i--)
		s->step[i] = s->step[i - 1];
	s->step[i] = step;
}

int sf_run_checkpoints(sf_ctx *ctx, const char *dir, int64_t **step, int64_t *n)
{
	struct steps s = {NULL, 0, 0};
	int rc;

	*step = NULL;
	*n = 0;
	SF_TRY(each_checkpoint(ctx, dir, take_step, &s));
	if (s.n == 0)
		return sf_fail(ctx, SF_EIO, "%s: holds no checkpoint (checkpoint-STEP.safetensors)", dir);
	s.room = s.n;
	s.n = 0;
	s.step = malloc((size_t)s.room * sizeof *s.step);
	if (!s.step)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", dir);
	rc = each_checkpoint(ctx, dir, take_step, &s);
	if (rc < 0) {
		free(s.step);
		return rc;
	}
	*step = s.step;
	*n = s.n;
	return SF_OK;
}

int sf_run_checkpoint(sf_ctx *ctx, const char *dir, int64_t step, char *path, size_t size)
{
	return sf_rundir_path(ctx, dir, "checkpoint", step, EXT, path, size);
}

struct prune {
	const char *dir;
	int64_t below, found; /* remove steps below; count the ones from it on */
	int64_t cut;          /* largest step below the ones counted */
	int remove;
	sf_ctx *ctx;
};

static void visit(void *arg, const char *name, int64_t step)
{
	struct prune *p = arg;
	char path[SF_PATH_MAX];

	if (step >= p->below) {
		p->found++;
		return;
	}
	if (step > p->cut)
		p->cut = step;
	if (p->remove && sf_path_join(p->ctx, p->dir, name, path, sizeof path) == 0)
		remove(path);
}

void sf_rundir_prune(const sf_rundir *r, int64_t keep)
{
	struct prune p;

	memset(&p, 0, sizeof p);
	p.ctx = r->ctx;
	p.dir = r->dir;
	p.below = INT64_MAX;
	for (p.cut = -1; ; p.cut = -1) { /* lower the bar one checkpoint at a time */
		p.found = 0;
		if (each_checkpoint(r->ctx, r->dir, visit, &p) < 0 || p.cut < 0)
			return;
		if (p.found >= keep)
			break;
		p.below = p.cut;
	}
	p.remove = 1;
	each_checkpoint(r->ctx, r->dir, visit, &p);
}

/* Removes what an earlier run wrote beside its log: checkpoints, samples, events; nothing else. */
static int clear(sf_ctx *ctx, const char *dir)
{
	static const char *const stems[] = {STEM, "samples-", "events.out.tfevents.", NULL};
	char path[SF_PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(dir);
	int i;

	if (!d)
		return sf_fail(ctx, SF_EIO, "%s: %s", dir, strerror(errno));
	while ((e = readdir(d)))
		for (i = 0; stems[i]; i++)
			if (strncmp(e->d_name, stems[i], strlen(stems[i])) == 0 &&
			    sf_path_join(ctx, dir, e->d_name, path, sizeof path) == 0)
				remove(path);
	closedir(d);
	return SF_OK;
}

int sf_rundir_check(sf_ctx *ctx, const char *dir, int resume, int force)
{
	struct stat st;
	int there = stat(dir, &st) == 0;

	if (there && !S_ISDIR(st.st_mode))
		return sf_fail(ctx, SF_EEXIST, "%s: exists and is not a directory", dir);
	if (resume && !there)
		return sf_fail(ctx, SF_EIO, "%s: no such run to resume", dir);
	if (there && !resume && !force)
		return sf_fail(ctx, SF_EEXIST, "%s: exists already; resume the run, force a new one, or name another "
		               "directory", dir);
	return SF_OK;
}

/* Keeps the lines up to `step`. A line that is cut short (the power failed) goes too. */
static int cut_log(sf_ctx *ctx, const char *path, int64_t step)
{
	unsigned char *bytes;
	char *at, *end;
	size_t size, keep = 0;
	int rc;

	if (access(path, F_OK) != 0)
		return SF_OK;
	SF_TRY(sf_file_read(ctx, path, LOG_MAX, &bytes, &size));
	for (at = (char *)bytes; (end = strchr(at, '\n')); at = end + 1) {
		long long is;

		if (sscanf(at, "{\"step\": %lld", &is) != 1 || is > step)
			break;
		keep = (size_t)(end + 1 - (char *)bytes);
	}
	rc = keep == size ? SF_OK : sf_file_write(ctx, path, bytes, keep);
	sf_free(bytes);
	return rc;
}

int sf_rundir_open(sf_ctx *ctx, const char *dir, int resume, int64_t step, const sf_config *c, sf_rundir *r)
{
	char path[SF_PATH_MAX];
	int rc;

	memset(r, 0, sizeof *r);
	r->ctx = ctx;
	r->dir = sf_strdup(dir);
	if (!r->dir)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", dir);
	rc = mkdir(dir, 0777) == 0 || errno == EEXIST ? SF_OK
	     : sf_fail(ctx, SF_EIO, "%s: cannot make the directory: %s", dir, strerror(errno));
	if (rc == 0 && !resume)
		rc = clear(ctx, dir);
	if (rc == 0)
		rc = sf_path_join(ctx, dir, "config.ini", path, sizeof path);
	if (rc == 0)
		rc = sf_config_write(c, path);
	if (rc == 0)
		rc = sf_path_join(ctx, dir, "log.jsonl", path, sizeof path);
	if (rc == 0 && resume)
		rc = cut_log(ctx, path, step);
	if (rc == 0) {
		r->log = fopen(path, resume ? "a" : "w");
		if (!r->log)
			rc = sf_fail(ctx, SF_EIO, "%s: %s", path, strerror(errno));
	}
	if (rc == 0 && sf_config_settings(c)->train.events)
		rc = sf_events_open(ctx, dir, &r->events);
	if (rc < 0)
		sf_rundir_close(r);
	return rc;
}

void sf_rundir_close(sf_rundir *r)
{
	if (r->log)
		fclose(r->log);
	if (r->events)
		sf_events_close(r->events);
	sf_free(r->dir);
	memset(r, 0, sizeof *r);
}

static void add_number(sf_text *t, const char *key, double v)
{
	char s[40];

	sf_format_double(v, s, sizeof s);
	sf_text_add(t, ", \"%s\": %s", key, isfinite(v) ? s : "null");
}

int sf_rundir_log(sf_rundir *r, const sf_log_line *l)
{
	static const char *const terms[SF_TERMS] = {"reconstruction", "kl", "prior"};
	sf_text t = {NULL, 0, 0, 0};
	char key[16];
	int bad, i;

	sf_text_add(&t, "{\"step\": %lld, \"images\": %lld", (long long)l->step, (long long)l->images);
	add_number(&t, "loss", l->loss);
	add_number(&t, "grad_norm", l->grad_norm);
	add_number(&t, "lr", l->lr);
	for (i = 0; i < l->averages; i++) { /* as the tensors are called */
		snprintf(key, sizeof key, i ? "ema%d" : "ema", i);
		add_number(&t, key, l->ema[i]);
	}
	for (i = 0; i < SF_TERMS; i++)
		if (!isnan(l->term[i]))
			add_number(&t, terms[i], l->term[i]);
	if (l->nonfinite >= 0)
		add_number(&t, "nonfinite", (double)l->nonfinite);
	add_number(&t, "seconds", l->seconds);
	sf_text_add(&t, "}\n");
	bad = t.failed || fwrite(t.s, 1, t.len, r->log) != t.len || fflush(r->log) != 0;
	free(t.s);
	if (bad)
		return sf_fail(r->ctx, SF_EIO, "%s/log.jsonl: %s", r->dir, strerror(errno));
	if (r->events) {
		SF_TRY(sf_events_scalar(r->events, l->step, "loss", l->loss));
		SF_TRY(sf_events_scalar(r->events, l->step, "grad_norm", l->grad_norm));
		SF_TRY(sf_events_scalar(r->events, l->step, "lr", l->lr));
		for (i = 0; i < SF_TERMS; i++)
			if (!isnan(l->term[i]))
				SF_TRY(sf_events_scalar(r->events, l->step, terms[i], l->term[i]));
	}
	return SF_OK;
}
