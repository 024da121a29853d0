/* export.c: the weights of a run as safetensors for other programs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <string.h>
#include <sys/stat.h>

struct opts {
	common common;
	char *map, *output;
	int weights;
	int64_t checkpoint;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION('o', "FILE", "output", "the .safetensors file to write; needed", SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION(0, "NAME|FILE.ini", "map", "names and layouts (scorefield list map)", SF_OPT_STRING, AT(map), "own", 0, 0),
	CHOICE(0, "weights", "the moving average, or the weights as trained", AT(weights), "ema", "ema|model"),
	OPTION(0, "STEP", "checkpoint", "of that step (default: the newest)", SF_OPT_INT, AT(checkpoint), NULL, 0, 1e15),
	OPTION_END
};

enum { PATH = 1200 };

static int find(sf_ctx *ctx, const struct opts *o, const char *run, char *config, char *checkpoint)
{
	const char *slash = strrchr(run, '/');
	struct stat st;
	int n, dir;

	if (stat(run, &st) != 0)
		return fail(STATUS_INPUT, "%s: no such run directory or checkpoint", run);
	dir = S_ISDIR(st.st_mode);
	n = dir ? snprintf(config, PATH, "%s/config.ini", run)
	        : snprintf(config, PATH, "%.*sconfig.ini", slash ? (int)(slash - run + 1) : 0, run);
	if (n < 0 || n >= PATH)
		return fail(STATUS_INPUT, "%.60s...: the name is too long", run);
	if (dir && o->checkpoint >= 0)
		return sf_run_checkpoint(ctx, run, o->checkpoint, checkpoint, PATH);
	return sf_run_latest(ctx, run, checkpoint, PATH, NULL);
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const struct opts *o = options_given;
	char config[PATH], checkpoint[PATH];
	sf_config *c = NULL;
	sf_setup s;
	int rc, tensors = 0;

	(void)n;
	memset(&s, 0, sizeof s);
	if (!o->output)
		return fail(STATUS_USAGE, "export: no file to write; name one with --output");
	rc = find(ctx, o, word[0], config, checkpoint);
	if (rc == 0)
		rc = sf_config_new(ctx, &c);
	if (rc == 0)
		rc = sf_config_read(c, config);
	if (rc == 0)
		rc = sf_setup_open(ctx, c, 0, checkpoint, &s);
	if (rc == 0)
		rc = sf_export(&s, checkpoint, o->map, o->weights, o->output, &tensors);
	if (rc == 0 && o->common.json)
		rc = out_json(json_pack("{s:s, s:s, s:s, s:s, s:i, s:I}", "checkpoint", checkpoint, "file", o->output, "map",
		                        o->map, "weights", o->weights ? "model" : "ema", "tensors", tensors, "parameters",
		                        (json_int_t)s.params));
	else if (rc == 0 && !o->common.quiet)
		out("%s: %d tensors, %lld parameters of %s\n", o->output, tensors, (long long)s.params, checkpoint);
	sf_setup_close(&s);
	sf_config_free(c);
	return rc;
}

const command export_command = {
	"export",
	"Write a run's weights as safetensors",
	"RUN|CHECKPOINT",
	"The file carries the configuration, so that scorefield import FILE needs nothing else.\n",
	options,
	sizeof(struct opts),
	1,
	1,
	run};
