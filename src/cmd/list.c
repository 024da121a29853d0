/* list.c: what there is to choose from: the registry's families and members with their options, the
 * presets, and the keys of a configuration.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"number", "integer", "switch", "choice", "text", "list"};

/* ---- registry ---- */

static json_t *json_option(const sf_opt *o)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "name", o->name, "help", o->help, "type",
	                      type_names[o->type], "default", o->def);

	if (o->min < o->max) {
		json_object_set_new(j, "min", json_number(o->min));
		json_object_set_new(j, "max", json_number(o->max));
	}
	if (o->type == SF_OPT_CHOICE)
		json_object_set_new(j, "choices", json_string(o->choices));
	return j;
}

static json_t *json_member(const sf_class *m)
{
	json_t *options = json_array();
	const sf_opt *o;

	for (o = m->opts; o && o->name; o++)
		json_array_append_new(options, json_option(o));
	return json_pack("{s:s, s:s, s:s, s:o}", "name", m->name, "brief", m->brief, "ref",
	                 m->ref ? m->ref : "", "options", options);
}

static json_t *json_family(const char *family)
{
	const sf_class *const *m = sf_members(family);
	json_t *members = json_array();

	for (; m && *m; m++)
		json_array_append_new(members, json_member(*m));
	return json_pack("{s:s, s:o}", "family", family, "members", members);
}

static void print_family(const char *family, int quiet)
{
	const sf_class *const *m = sf_members(family);

	for (; m && *m; m++) {
		if (quiet)
			out("%s\n", (*m)->name);
		else
			out("  %-14s %s\n", (*m)->name, (*m)->brief);
	}
}

static void print_member(const sf_class *m, int quiet)
{
	const sf_opt *o;

	if (!quiet) {
		out("%s%s%s  %s\n", paint('b'), m->name, paint(0), m->brief);
		if (m->ref && *m->ref)
			out("  %s\n", m->ref);
	}
	for (o = m->opts; o && o->name; o++) {
		if (quiet) {
			out("%s\n", o->name);
			continue;
		}
		out("  %-16s %s", o->name, o->help);
		out(" (%s", o->type == SF_OPT_CHOICE ? o->choices : type_names[o->type]);
		if (o->min < o->max)
			out(" %g to %g", o->min, o->max);
		out(") [%s]\n", o->def);
	}
	if (!quiet && (!m->opts || !m->opts->name))
		out("  no options\n");
}

/* ---- presets ---- */

static const char *const preset_keys[] = {"data.spec", "net.spec", "process.spec", "objective.spec",
					  NULL};

static int find_preset(sf_ctx *ctx, const char *name, sf_config **c)
{
	int rc = sf_config_new(ctx, c);

	if (rc == 0 && name)
		rc = sf_config_preset(*c, name);
	if (rc < 0) {
		sf_config_free(*c);
		*c = NULL;
	}
	return rc;
}

static json_t *json_config(const sf_config *c)
{
	json_t *j = json_object();
	sf_config_key k;
	char key[128];
	int i;

	for (i = 0; sf_config_key_at(i, &k) == 0; i++) {
		const char *value;

		snprintf(key, sizeof key, "%s.%s", k.section, k.key);
		value = sf_config_get(c, key);
		json_object_set_new(j, key, json_string(value ? value : ""));
	}
	return j;
}

/* A published setting: days on large machines, with a data set that scorefield does not bring along. */
static int full_scale(const sf_config *c)
{
	const char *source = sf_config_get(c, "net.source");

	return source && *source;
}

static void print_preset(const char *name, const sf_config *c)
{
	const char *value, *shape = sf_config_get(c, "data.shape");
	int j;

	if (full_scale(c)) {
		out("  %-26s %-13s", name, shape ? shape : "");
		value = sf_config_get(c, "net.source");
		out(" %s\n", value ? value : "");
		return;
	}
	out("  %-20s", name);
	for (j = 0; preset_keys[j]; j++)
		if ((value = sf_config_get(c, preset_keys[j])))
			out(" %s", value);
	out("\n");
}

/* The presets that are, or are not, of papers' size; JSON has all in one list. */
static int list_presets_of(sf_ctx *ctx, const common *opts, const char *const *names, int full, json_t *list)
{
	sf_config *c;
	int i, rc = 0;

	for (i = 0; rc == 0 && names[i]; i++) {
		rc = find_preset(ctx, names[i], &c);
		if (rc < 0)
			break;
		if (opts->json)
			json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "name", names[i], "full_scale", full_scale(c),
			                                      "config", json_config(c)));
		else if (full_scale(c) == full)
			print_preset(names[i], c);
		sf_config_free(c);
	}
	return rc;
}

static int list_presets(sf_ctx *ctx, const common *opts)
{
	json_t *list = opts->json ? json_array() : NULL;
	const char *const *names;
	sf_config *all = NULL;
	int i, rc = find_preset(ctx, NULL, &all);

	if (rc < 0)
		return rc;
	names = sf_config_presets(all);
	if (opts->quiet && !opts->json) {
		for (i = 0; names[i]; i++)
			out("%s\n", names[i]);
		sf_config_free(all);
		return 0;
	}
	rc = list_presets_of(ctx, opts, names, 0, list);
	if (rc == 0 && !opts->json) {
		out("%sas published%s, at full scale: days on large machines, with data sets of your own; see scorefield inspect\n", paint('b'),
		    paint(0));
		rc = list_presets_of(ctx, opts, names, 1, list);
	}
	sf_config_free(all);
	if (opts->json && rc == 0)
		return out_json(json_pack("{s:s, s:o}", "family", "preset", "members", list));
	json_decref(list);
	return rc;
}

static int show_preset(sf_ctx *ctx, const common *opts, const char *name)
{
	const char *section = "";
	sf_config *c = NULL;
	sf_config_key k;
	char key[128];
	int i, rc = find_preset(ctx, name, &c);

	if (rc < 0)
		return rc;
	if (opts->json) {
		rc = out_json(json_pack("{s:s, s:o}", "name", name, "config", json_config(c)));
	} else {
		for (i = 0; sf_config_key_at(i, &k) == 0; i++) {
			if (strcmp(section, k.section) != 0)
				out("%s[%s]\n", i ? "\n" : "", section = k.section);
			snprintf(key, sizeof key, "%s.%s", k.section, k.key);
			out("%s = %s\n", k.key, sf_config_get(c, key) ? sf_config_get(c, key) : "");
		}
	}
	sf_config_free(c);
	return rc;
}

/* ---- keys of a configuration ---- */

static int list_keys(const common *opts)
{
	json_t *list = opts->json ? json_array() : NULL;
	sf_config_key k;
	char key[128];
	int i;

	for (i = 0; sf_config_key_at(i, &k) == 0; i++) {
		snprintf(key, sizeof key, "%s.%s", k.section, k.key);
		if (opts->json)
			json_array_append_new(list,
			                      json_pack("{s:s, s:s, s:s, s:s}", "name", key, "help",
			                                k.help, "type", k.type, "default", k.def));
		else if (opts->quiet)
			out("%s\n", key);
		else
			out("  %-24s %s (%s) [%s]\n", key, k.help, k.type, k.def);
	}
	return opts->json ? out_json(json_pack("{s:s, s:o}", "family", "config", "members", list))
	                  : 0;
}

/* ---- maps ---- */

static int list_maps(sf_ctx *ctx, const common *opts)
{
	json_t *list = opts->json ? json_array() : NULL;
	char **names = sf_map_names(ctx);
	int i, rc = 0;

	for (i = 0; rc == 0 && names && names[i]; i++) {
		sf_map *map;

		rc = sf_map_open(ctx, names[i], &map);
		if (rc < 0)
			break;
		if (opts->json)
			json_array_append_new(list, json_pack("{s:s, s:s}", "name", names[i], "brief", sf_map_about(map)));
		else if (opts->quiet)
			out("%s\n", names[i]);
		else
			out("  %-14s %s\n", names[i], sf_map_about(map));
		sf_map_free(map);
	}
	sf_map_free_names(names);
	if (opts->json && rc == 0)
		return out_json(json_pack("{s:s, s:o}", "family", "map", "members", list));
	json_decref(list);
	return rc;
}

/* ---- the command ---- */

static int list_all(sf_ctx *ctx, const common *opts)
{
	const char *const *f = sf_families();
	json_t *list;

	if (opts->json) {
		for (list = json_array(); *f; f++)
			json_array_append_new(list, json_family(*f));
		return out_json(json_pack("{s:o}", "families", list));
	}
	for (; *f; f++) {
		out("%s%s%s\n", opts->quiet ? "" : paint('b'), *f, opts->quiet ? "" : paint(0));
		if (!opts->quiet)
			print_family(*f, 0);
	}
	out("%s%s%s\n", opts->quiet ? "" : paint('b'), "preset", opts->quiet ? "" : paint(0));
	if (opts->quiet)
		out("config\nmap\n");
	return opts->quiet ? 0 : list_presets(ctx, opts);
}

static int unknown_family(const char *name)
{
	const char *valid[32];
	const char *const *f = sf_families();
	int n = 0;

	for (; *f && n < 26; f++)
		valid[n++] = *f;
	valid[n++] = "preset";
	valid[n++] = "config";
	valid[n++] = "map";
	valid[n++] = "combinations";
	valid[n] = NULL;
	return unknown("family", name, valid, STATUS_INPUT);
}

static int run(sf_ctx *ctx, const void *options, int n, char **word)
{
	const common *opts = options;
	const sf_class *member;
	int rc;

	if (n == 0)
		return list_all(ctx, opts);
	if (strcmp(word[0], "preset") == 0)
		return n == 1 ? list_presets(ctx, opts) : show_preset(ctx, opts, word[1]);
	if (strcmp(word[0], "config") == 0) {
		if (n > 1)
			return fail(STATUS_USAGE, "list: 'config' takes no name");
		return list_keys(opts);
	}
	if (strcmp(word[0], "map") == 0)
		return n == 1 ? list_maps(ctx, opts) : fail(STATUS_USAGE, "list: 'map' takes no name");
	if (strcmp(word[0], "combinations") == 0)
		return list_combinations(ctx, opts, n > 1 ? word[1] : NULL);
	if (!sf_members(word[0]))
		return unknown_family(word[0]);
	if (n == 1) {
		if (opts->json)
			return out_json(json_family(word[0]));
		print_family(word[0], opts->quiet);
		return 0;
	}
	rc = sf_find(ctx, word[0], word[1], &member);
	if (rc < 0)
		return rc;
	if (opts->json)
		return out_json(json_member(member));
	print_member(member, opts->quiet);
	return 0;
}

const command list_command = {
	"list",
	"List processes, networks, samplers, data sets, presets and their options",
	"[FAMILY [NAME]]",
	"Families: process score grid net objective sampler metric data preset config combinations.\n"
	"'config' lists the keys of a configuration, 'combinations [OBJECTIVE]' what goes\n"
	"together. With --quiet, names alone.\n",
	NULL,
	sizeof(common),
	0,
	2,
	run};
