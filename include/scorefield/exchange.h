/* exchange.h: weights of other programs in and out, as safetensors.
 *
 * A map is a data file that says what each parameter is called in the other program and how its numbers are laid out
 * there (scorefield-maps(7)). Tensors are looked for by their names without the prefixes "model.", "module.", "net." and
 * "param."; those that start with "ema." are the moving average, by name or, in older files, as a list
 * "ema.shadow_params.K" in the order of the other program's parameters.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_EXCHANGE_H
#define SCOREFIELD_EXCHANGE_H

#include <scorefield/io.h>
#include <scorefield/train.h>

SF_BEGIN

typedef struct sf_map sf_map;
/* A map by name (data folders, maps/NAME.ini), or a file if `name` has a '/' or ends in .ini. SF_ENAME with the nearest
 * name; SF_EFORMAT with file and line. */
SF_API int sf_map_open(sf_ctx *ctx, const char *name, sf_map **map);
SF_API void sf_map_free(sf_map *map);
SF_API const char *sf_map_about(const sf_map *map); /* one line */
/* Names of the maps that come with scorefield, NULL-ended; NULL where there is none. */
SF_API char **sf_map_names(sf_ctx *ctx);
SF_API void sf_map_free_names(char **names);

/* Which weights of a file: both kinds that it has (the one it lacks is a copy of the other), or one kind for both. */
enum { SF_WEIGHTS_BOTH, SF_WEIGHTS_EMA, SF_WEIGHTS_MODEL };

typedef struct sf_import_options { /* all zero: defaults */
	const char *map;           /* NULL: the map that knows most names of the file */
	int weights;               /* SF_WEIGHTS_... */
	const char *const *ignore; /* names of tensors to leave out, '*' for any text; NULL-ended, may be NULL */
	int64_t step;              /* 0: as the file says, 0 where it does not */
	int moments;               /* 1: writes Adam moments of zero, so that training can go on from the run */
	int force;                 /* write over a run that is there */
} sf_import_options;

typedef struct sf_import_report {
	char map[80];
	int64_t step;
	int tensors;    /* in the file, of these: */
	int used;       /* taken as weights or compared */
	int ignored;    /* known not to be weights, or not asked for */
	int model, ema; /* which kinds the run's weights came from: 1 */
	int list;       /* the moving average was a list without names */
} sf_import_report;

/* The weights of a file for a model, into st->param and st->ema (made by sf_state_new for the model's graph, of any
 * type); `file` is its name, for messages. Every tensor is accounted for: SF_EMISMATCH lists by name what is missing,
 * unexpected, of another shape or not finite (the first eight of each kind, and their number); `st` is untouched then. */
SF_API int sf_import_weights(const sf_model *m, const sf_tensors *t, const char *file, const sf_import_options *o,
                             sf_state *st, sf_import_report *r);
/* The same into a new run directory: config.ini and a checkpoint. The data's shape and scaling are those that the file
 * remembers (sf_export writes them), else of [data] shape, else of the data set. SF_EEXIST; nothing is written on failure
 * before the last step, which is the writing. */
SF_API int sf_import(sf_ctx *ctx, sf_config *c, const char *file, const char *dir, const sf_import_options *o,
                     sf_import_report *r);
/* Reads the configuration that an exported file carries into `c`. SF_EFORMAT where there is none. */
SF_API int sf_import_config(sf_config *c, const char *file);

/* Writes a checkpoint's weights (the moving average, or with `raw` those as trained) to a safetensors file under the
 * names and in the layout of a map; NULL: scorefield's own. The metadata hold configuration, step, data shape and scaling,
 * and "format": "pt". The file depends on weights and configuration alone: exporting, importing and exporting again gives the
 * same bytes. *tensors may be NULL. */
SF_API int sf_export(const sf_setup *s, const char *checkpoint, const char *map, int raw, const char *file,
                     int *tensors);

SF_END
#endif
