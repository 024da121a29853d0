/* import_run.c: imported weights as a run directory, and the configuration that exported files carry.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"
#include "train/map.h"
#include "train/meta.h"

#include "io/io.h"

#include <stdlib.h>
#include <string.h>

int sf_import_config(sf_config *c, const char *file)
{
	const char *text;
	sf_tensors t;
	int rc;

	SF_TRY(sf_tensors_read(c->ctx, file, &t));
	text = sf_tensors_meta(&t, "config");
	if (sf_meta_exported(&t) && text)
		rc = sf_config_parse(c, file, text, strlen(text));
	else
		rc = sf_fail(c->ctx, SF_EFORMAT, "%s: carries no configuration of scorefield; name the preset or file that "
		             "describes its network (--preset)", file);
	sf_tensors_free(&t);
	return rc;
}

/* The step that the file tells of. */
static int64_t told_step(const sf_tensors *t)
{
	const char *s = sf_tensors_meta(t, "step");
	int64_t step;

	return s && sf_parse_int(s, &step) == 0 && step >= 0 && step < INT64_C(1000000000000000) ? step : 0;
}

/* To train on, all that training keeps: the averages of the configuration, and Adam's moments, which are zero. To look at, neither. */
static int new_state(const sf_setup *s, const sf_graph *g, int train, sf_state *st)
{
	SF_TRY(sf_state_new(s->ctx, s->type, sf_param_total(g), st));
	if (train) {
		SF_TRY(sf_state_averages(s->ctx, st, sf_averages(sf_config_settings(s->config))->n));
	} else {
		sf_free(st->m);
		sf_free(st->v);
		st->m = st->v = NULL;
	}
	return SF_OK;
}

static int write_run(const sf_setup *s, const sf_graph *g, const sf_state *st, const char *dir)
{
	char path[SF_PATH_MAX];
	sf_rundir run;
	int rc;

	SF_TRY(sf_rundir_open(s->ctx, dir, 0, st->step, s->config, &run));
	rc = sf_run_checkpoint(s->ctx, dir, st->step, path, sizeof path);
	if (rc == 0)
		rc = sf_checkpoint_save(s, g, st, path);
	sf_rundir_close(&run);
	return rc;
}

int sf_import(sf_ctx *ctx, sf_config *c, const char *file, const char *dir, const sf_import_options *o,
              sf_import_report *r)
{
	sf_model_vars v;
	sf_graph *g = NULL;
	sf_tensors t;
	sf_setup s;
	sf_state st;
	int i, rc;

	memset(&s, 0, sizeof s);
	memset(&st, 0, sizeof st);
	SF_TRY(sf_rundir_check(ctx, dir, 0, o->force));
	SF_TRY(sf_tensors_read(ctx, file, &t));
	if (sf_meta_exported(&t))
		rc = sf_setup_open(ctx, c, 0, file, &s);
	else
		rc = sf_setup_open(ctx, c, SF_SETUP_SHAPE, NULL, &s);
	if (rc == 0 && s.vae)
		rc = sf_fail(ctx, SF_EUNSUP, "%s: models of latents ([vae] encoder) are not imported", file);
	if (rc == 0)
		rc = sf_graph_new(ctx, 1, &g);
	sf_model_vars_init(&v);
	if (rc == 0)
		rc = sf_model_build(&s.model, g, 0, &v);
	if (rc == 0)
		rc = new_state(&s, g, o->moments, &st);
	if (rc == 0)
		rc = sf_import_weights(&s.model, &t, file, o, &st, r);
	for (i = 0; rc == 0 && i + 1 < st.averages; i++)
		memcpy(st.more[i], st.ema, (size_t)st.total * (st.type == SF_F32 ? sizeof(float) : sizeof(double)));
	if (rc == 0) {
		st.step = r->step = o->step > 0 ? o->step : told_step(&t);
		rc = write_run(&s, g, &st, dir);
	}
	sf_state_free(&st);
	sf_graph_free(g);
	sf_setup_close(&s);
	sf_tensors_free(&t);
	return rc;
}
