/* inspect.c: what is in a file, or what configurations will need.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/inspect.h"

#include <string.h>
#include <sys/stat.h>

static const option options[] = {
	OPTION(0, "SECTION.KEY=VALUE", "set",
	       "change the configuration first; may be given many times (keys: scorefield list config)",
	       OPTION_MANY, offsetof(inspect_options, set), NULL, 0, 0),
	OPTION(0, NULL, "presets", "a table of all presets, with published parameter counts", SF_OPT_BOOL,
	       offsetof(inspect_options, presets), "false", 0, 0),
	OPTION_END
};

static int is_preset(const char *name, const char *const *preset)
{
	for (; *preset; preset++)
		if (strcmp(*preset, name) == 0)
			return 1;
	return 0;
}

/* A folder, unless its name is a preset's: then "./NAME" is the folder. */
static int is_run(const char *name, const char *const *preset)
{
	struct stat st;

	return stat(name, &st) == 0 && S_ISDIR(st.st_mode) && !is_preset(name, preset);
}

static int inspect_run(sf_ctx *ctx, const common *o, const char *dir)
{
	char checkpoint[1200];
	int rc = sf_run_latest(ctx, dir, checkpoint, sizeof checkpoint, NULL);

	return rc ? rc : inspect_tensors(ctx, o, checkpoint);
}

static int count(const char *const *preset)
{
	int n = 0;

	while (preset[n])
		n++;
	return n;
}

static int inspect(sf_ctx *ctx, const inspect_options *o, int n, char **word, const char *const *preset)
{
	int i, files = 0;

	if (o->presets)
		return n ? fail(STATUS_USAGE, "inspect: --presets takes no names") :
		           inspect_table(ctx, o, count(preset), preset);
	if (n == 0)
		return fail(STATUS_USAGE, "inspect: missing operand (a file, a run, presets, or --presets)");
	for (i = 0; i < n; i++)
		files += inspect_is_file(word[i]) || is_run(word[i], preset);
	if (files && (n > 1 || o->set.n))
		return fail(STATUS_USAGE, n > 1 ? "inspect: several names must all be presets or .ini files"
		                                : "inspect: --set is for presets and .ini files");
	if (n > 1)
		return inspect_table(ctx, o, n, (const char *const *)word);
	if (!files)
		return inspect_config(ctx, o, word[0]);
	return inspect_is_file(word[0]) && !is_run(word[0], preset) ? inspect_file(ctx, &o->common, word[0])
	                                                            : inspect_run(ctx, &o->common, word[0]);
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	sf_config *c = NULL;
	int rc = sf_config_new(ctx, &c);

	if (rc == 0)
		rc = inspect(ctx, options_given, n, word, sf_config_presets(c));
	sf_config_free(c);
	return rc;
}

const command inspect_command = {
	"inspect",
	"Show what a file holds, or what presets need",
	"FILE|RUN|PRESET...",
	"FILE is a .safetensors, .npy, .png or .ini; of a RUN, its newest checkpoint is shown. Several\n"
	"presets make a table: parameters, work and memory; the status is 3 where a count is not the\n"
	"published one. Data sets need not be there.\n",
	options,
	sizeof(inspect_options),
	0,
	-1,
	run};
