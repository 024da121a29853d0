/* unet_names.c: see unet_names.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"
#include "unet_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* "down0.res1.conv0.weight" -> "down0.res1"; "out.norm.weight" -> "out.norm" */
static void module_of(const char *name, char *module, size_t size)
{
	char *last, *parent;

	snprintf(module, size, "%s", name);
	last = strrchr(module, '.');
	if (!last)
		return;
	*last = '\0';
	last = strrchr(module, '.');
	if (!last)
		return;
	*last = '\0';
	parent = strrchr(module, '.');
	parent = parent ? parent + 1 : module;
	if (!starts(parent, "res") && !starts(parent, "attn") && !starts(parent, "halve") && !starts(parent, "double"))
		*last = '.';
}

static void nth_module(const sf_graph *g, int n, char *module, size_t size)
{
	char was[64] = "";
	int i, k = -1;

	for (i = 0; i < sf_param_count(g); i++) {
		module_of(sf_param_get(g, i)->name, module, size);
		if (strcmp(module, was) != 0 && ++k == n)
			return;
		snprintf(was, sizeof was, "%s", module);
	}
	ck_abort_msg("there is no module %d", n);
}

static int has_block(const sf_graph *g, const char *module)
{
	size_t n = strlen(module);
	int i;

	for (i = 0; i < sf_param_count(g); i++)
		if (starts(sf_param_get(g, i)->name, module) && starts(sf_param_get(g, i)->name + n, ".conv0."))
			return 1;
	return 0;
}

static const char *const song_part[][3] = { /* theirs, of a residual block, of attention */
	{"GroupNorm_0.weight", ".norm0.weight", ".norm.weight"}, {"GroupNorm_0.bias", ".norm0.bias", ".norm.bias"},
	{"Conv_0.weight", ".conv0.weight", NULL}, {"Conv_0.bias", ".conv0.bias", NULL},
	{"Dense_0.weight", ".dense.weight", NULL}, {"Dense_0.bias", ".dense.bias", NULL},
	{"GroupNorm_1.weight", ".norm1.weight", NULL}, {"GroupNorm_1.bias", ".norm1.bias", NULL},
	{"Conv_1.weight", ".conv1.weight", NULL}, {"Conv_1.bias", ".conv1.bias", NULL},
	{"Conv_2.weight", ".skip.weight", NULL}, {"Conv_2.bias", ".skip.bias", NULL},
	{"NIN_0.W", ".skip.weight", ".q.weight"}, {"NIN_0.b", ".skip.bias", ".q.bias"},
	{"NIN_1.W", NULL, ".k.weight"}, {"NIN_1.b", NULL, ".k.bias"},
	{"NIN_2.W", NULL, ".v.weight"}, {"NIN_2.b", NULL, ".v.bias"},
	{"NIN_3.W", NULL, ".out.weight"}, {"NIN_3.b", NULL, ".out.bias"}};

void song_name(const sf_graph *g, const char *theirs, golden_place *p)
{
	char module[64];
	const char *part;
	char *rest;
	size_t i;

	ck_assert_msg(starts(theirs, "all_modules."), "a tensor '%s'", theirs);
	nth_module(g, (int)strtol(theirs + 12, &rest, 10), module, sizeof module);
	part = rest + 1;
	p->keep = strstr(part, "NIN_") != NULL;
	if (starts(part, "Conv2d_0.") || (starts(part, "Conv_0.") && !has_block(g, module)))
		part = strchr(part, '.') + 1; /* a module that is only a convolution */
	for (i = 0; i < sizeof song_part / sizeof *song_part; i++)
		if (strcmp(part, song_part[i][0]) == 0) {
			const char *ours = song_part[i][strstr(module, "attn") ? 2 : 1];

			ck_assert_msg(ours != NULL, "'%s' in %s", theirs, module);
			snprintf(p->name[0], sizeof p->name[0], "%s%s", module, ours);
			return;
		}
	snprintf(p->name[0], sizeof p->name[0], "%s.%.16s", module, part);
}

/* ---- EDM ---- */
static const char *const edm_block[][2] = {
	{"norm0", "norm0"}, {"conv0", "conv0"}, {"affine", "dense"}, {"norm1", "norm1"}, {"conv1", "conv1"}, {"skip", "skip"}};
static const char *const edm_layer[][2] = {
	{"map_label", "embed.labels"}, {"map_augment", "embed.augment"}, {"map_layer0", "embed.dense0"},
	{"map_layer1", "embed.dense1"}};

/* part "conv0.weight" of block "down0.res1", whose attention is "down0.attn1" */
static void edm_part(const char *block, const char *attn, const char *part, golden_place *p)
{
	const char *kind = strchr(part, '.');
	size_t i;
	int j;

	for (i = 0; i < sizeof edm_block / sizeof *edm_block; i++)
		if (starts(part, edm_block[i][0])) {
			snprintf(p->name[0], sizeof p->name[0], "%s.%s%s", block, edm_block[i][1], kind);
			return;
		}
	if (starts(part, "qkv")) {
		p->parts = 3;
		for (j = 0; j < 3; j++)
			snprintf(p->name[j], sizeof p->name[j], "%s.%c%s", attn, "qkv"[j], kind);
		return;
	}
	ck_assert_msg(starts(part, "norm2") || starts(part, "proj"), "a part '%s'", part);
	snprintf(p->name[0], sizeof p->name[0], "%s.%s%s", attn, starts(part, "norm2") ? "norm" : "out", kind);
}

void edm_name(int height, const char *theirs, golden_place *p)
{
	char block[64], attn[64], what[32];
	const char *name = theirs, *part;
	int size, decoder, l = 0;
	size_t i;

	if (starts(name, "model."))
		name += 6;
	part = strrchr(name, '.');
	for (i = 0; i < sizeof edm_layer / sizeof *edm_layer; i++)
		if (starts(name, edm_layer[i][0])) {
			snprintf(p->name[0], sizeof p->name[0], "%s%s", edm_layer[i][1], part);
			return;
		}
	ck_assert_msg(sscanf(name + 3, ".%dx%*d_%31[a-z_0-9]", &size, what) == 2, "a tensor '%s'", theirs);
	decoder = starts(name, "dec");
	while (height > size) {
		height /= 2;
		l++;
	}
	attn[0] = '\0';
	if (starts(what, "aux_norm") || starts(what, "aux_conv"))
		snprintf(p->name[0], sizeof p->name[0], "out.%s%s", what + 4, part);
	else if (starts(what, "aux_residual"))
		snprintf(p->name[0], sizeof p->name[0], "down%d.pyramid%s", l - 1, part);
	else if (starts(what, "conv"))
		snprintf(p->name[0], sizeof p->name[0], "in%s", part);
	if (p->name[0][0])
		return;
	if (starts(what, "block")) {
		snprintf(block, sizeof block, "%s%d.res%s", decoder ? "up" : "down", l, what + 5);
		snprintf(attn, sizeof attn, "%s%d.attn%s", decoder ? "up" : "down", l, what + 5);
	} else if (starts(what, "in")) {
		snprintf(block, sizeof block, "middle.res%s", what + 2);
		snprintf(attn, sizeof attn, "middle.attn");
	} else {
		snprintf(block, sizeof block, decoder ? "up%d.double" : "down%d.halve", decoder ? l + 1 : l - 1);
	}
	part = strchr(strchr(name, '_'), '.');
	edm_part(block, attn, part + 1, p);
}
