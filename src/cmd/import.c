/* import.c: weights of another program as a run directory, for sample, likelihood, inspect and further training.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>

struct opts {
	common common;
	char *preset, *map, *output;
	words set, ignore;
	int weights, moments, force;
	int64_t step;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION('o', "RUN", "output", "run directory to make; needed", SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION('p', "PRESET|FILE.ini", "preset", "configuration of the network (default: the one that the file carries)",
	       SF_OPT_STRING, AT(preset), NULL, 0, 0),
	OPTION(0, "SECTION.KEY=VALUE", "set", "change the configuration; may be given many times", OPTION_MANY, AT(set), NULL,
	       0, 0),
	OPTION(0, "NAME|FILE.ini", "map", "names and layouts (scorefield list map; default: the map that knows most of the "
	       "file)", SF_OPT_STRING, AT(map), NULL, 0, 0),
	CHOICE(0, "weights", "which weights to take; of both, samples use the averaged ones", AT(weights), "both",
	       "both|ema|model"),
	OPTION(0, "NAME", "ignore", "leave out tensors of this name, '*' for any text; may be given many times", OPTION_MANY,
	       AT(ignore), NULL, 0, 0),
	OPTION(0, "N", "step", "training step of the weights (default: as the file says, else 0)", SF_OPT_INT, AT(step), NULL,
	       1, 1e15),
	OPTION(0, NULL, "moments", "write Adam moments of zero too, so that train --resume goes on from the run", SF_OPT_BOOL,
	       AT(moments), "false", 0, 0),
	OPTION(0, NULL, "force", "write over a run directory that exists", SF_OPT_BOOL, AT(force), "false", 0, 0),
	OPTION_END
};

static int configure(const struct opts *o, const char *file, sf_config *c)
{
	char line[64];
	int i, rc = o->preset ? sf_config_preset(c, o->preset) : sf_import_config(c, file);

	for (i = 0; rc == 0 && i < o->set.n; i++)
		rc = sf_config_set(c, o->set.v[i]);
	if (rc == 0 && precision_name(&o->common)) {
		snprintf(line, sizeof line, "model.precision=%s", precision_name(&o->common));
		rc = sf_config_set(c, line);
	}
	return rc;
}

static int report(const struct opts *o, const char *file, const sf_import_report *r)
{
	const char *kinds = r->ema && r->model ? "both" : r->ema ? "ema" : "model";

	if (o->common.json)
		return out_json(json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:i, s:i, s:i}", "file", file, "run", o->output, "map",
		                          r->map, "weights", kinds, "list", r->list, "step", (json_int_t)r->step, "tensors",
		                          r->tensors, "used", r->used, "ignored", r->ignored));
	if (o->common.quiet)
		return 0;
	out("%s: map %s, %d tensors: %d used, %d ignored\n", file, r->map, r->tensors, r->used, r->ignored);
	out("%s: step %lld, %s\n", o->output, (long long)r->step, r->ema && r->model ? "weights and their moving average"
	    : r->ema ? "moving average alone" : "weights as trained alone");
	return 0;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const struct opts *o = options_given;
	sf_import_options want;
	sf_import_report r;
	sf_config *c = NULL;
	int rc;

	(void)n;
	if (!o->output)
		return fail(STATUS_USAGE, "import: no run directory; name one with --output");
	memset(&want, 0, sizeof want);
	want.map = o->map;
	want.weights = o->weights;
	want.ignore = o->ignore.v;
	want.step = o->step;
	want.moments = o->moments;
	want.force = o->force;
	rc = sf_config_new(ctx, &c);
	if (rc == 0)
		rc = configure(o, word[0], c);
	if (rc == 0)
		rc = sf_import(ctx, c, word[0], o->output, &want, &r);
	if (rc == 0)
		rc = report(o, word[0], &r);
	sf_config_free(c);
	return rc;
}

const command import_command = {
	"import",
	"Make a run of published weights",
	"FILE.safetensors",
	"contrib/torch2safetensors.py makes such files of .pth and .pkl. Every tensor is accounted for, or nothing is\n"
	"written. Data need not be there: [data] shape stands in for them.\n",
	options,
	sizeof(struct opts),
	1,
	1,
	run};
