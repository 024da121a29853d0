/* map.h: name maps: what the parameters of a network are called, and how they are laid out, in another program.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TRAIN_MAP_H
#define SF_TRAIN_MAP_H

#include <scorefield/exchange.h>

#include "core/core.h"

/* ---- map_read.c: the file ---- */
enum { SF_LAYOUT_SAME, SF_LAYOUT_LINEAR, SF_LAYOUT_OIHW, SF_LAYOUT_1X1, SF_LAYOUT_NIN }; /* layout.c */

typedef struct sf_rule { /* PATTERN = TEMPLATE KIND | LAYOUT [J/M] */
	char *section, *pattern, *name;
	char *kind;         /* [modules] only: the section of its tensors; NULL: the line is a tensor itself */
	int layout;
	int64_t part, of;   /* output channels part, part + of, part + 2 of, ...; 0/1: all */
	int counts;         /* the template has {n} */
} sf_rule;

struct sf_map {
	sf_ctx *ctx;
	char *name, *about;
	int n;
	sf_rule *rule; /* of all sections, in the file's order; of [taps] and [ignored] too, with the note as `name` */
};
int sf_map_parse(sf_ctx *ctx, const char *path, const char *text, size_t size, sf_map **map);

/* ---- map_match.c: patterns ---- */
enum { SF_CAPTURES = 6, SF_NAME_MAX = 256 };
typedef struct sf_captures {
	int n;
	struct {
		char name[12];
		int64_t value;
	} v[SF_CAPTURES];
	char star[SF_NAME_MAX]; /* what '*' stands for */
} sf_captures;
/* {name} stands for a whole number, '*' (once) for any text of at least one character. */
int sf_pattern_match(const char *pattern, const char *text, size_t len, sf_captures *c);
/* The capture called name[0 .. len), or NULL. */
const int64_t *sf_captures_find(const sf_captures *c, const char *name, size_t len);
void sf_captures_set(sf_captures *c, const char *name, int64_t value);
/* The template with its variables filled in; -1 where one is unknown or the text too long. */
int sf_pattern_expand(const char *template_, const sf_captures *c, char *out, size_t size);
/* NULL, or what is wrong with it. names: at least the captures of the pattern that a template may use. */
const char *sf_pattern_check(const char *pattern, sf_captures *names);

/* ---- layout.c: shapes and orders ---- */
int sf_layout_find(const char *name); /* -1 */
/* Whether a parameter of this shape can be laid out so. */
int sf_layout_fits(const sf_rule *r, const sf_shape *ours);
void sf_layout_shape(const sf_rule *r, const sf_shape *ours, int *rank, int64_t *dim);
/* Element i of ours lies at this place of theirs. */
int64_t sf_layout_place(const sf_rule *r, const sf_shape *ours, int64_t i);

/* ---- map.c: a network's parameters under a map ---- */
typedef struct sf_named {
	const sf_param_info *param;
	const sf_rule *rule;      /* the tensor's line; NULL where the map has no name for the parameter */
	char name[SF_NAME_MAX];   /* theirs */
	int64_t module;           /* {n}, or -1 */
	int64_t place;            /* in a list of averaged weights; -1: fixed, or the map has no order */
} sf_named;
/* One link for each parameter of the graph; sf_free'd by the caller. height: of the images, 0: no images. *unknown
 * counts the ones without a rule. SF_EMISMATCH where two parameters get one place. */
int sf_map_links(const sf_map *map, const sf_graph *g, int64_t height, sf_named **link, int *unknown);
/* The note in [ignored] or [taps] for a tensor of this name, or NULL. */
const char *sf_map_note(const sf_map *map, const char *section, const char *name);

/* ---- taps.c: FIR filters ---- */
/* Whether x (h,w) is the filter of a network's options resample and fir. */
int sf_taps_agree(const sf_net *net, int64_t h, int64_t w, const double *x);

#endif
