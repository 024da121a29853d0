/* object.h: classes, options and spec strings. Every process, score, grid, network, objective,
 * sampler, metric and data source is a member of a family: a const class record that gives it a
 * name, a line of help, a reference and an option table. Objects are made from spec strings,
 *
 *     name  |  name:key=value,key=value          "vp:beta-max=20"  "gaussian:mean=0,std=2"
 *
 * in one place, so that the command line, presets, checkpoints, tests and messages all speak the
 * same language. Lists inside a value are separated by ':' ("mult=1:2:2").
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_OBJECT_H
#define SCOREFIELD_OBJECT_H

#include <scorefield/context.h>

SF_BEGIN

/* Option types and what the member's state holds at `offset` for each. */
enum {
	SF_OPT_DOUBLE, /* double */
	SF_OPT_INT,    /* int64_t */
	SF_OPT_BOOL,   /* int, 0 or 1; written true/false, yes/no, on/off, 1/0 */
	SF_OPT_CHOICE, /* int, index into `choices` ("a|b|c") */
	SF_OPT_STRING, /* char *, owned by the object, never NULL */
	SF_OPT_LIST    /* sf_list */
};

enum { SF_LIST_MAX = 64 };
typedef struct sf_list {
	int n;
	double v[SF_LIST_MAX];
} sf_list;

typedef struct sf_opt {
	const char *name;    /* "beta-max" */
	const char *help;    /* one line; ends up in `scorefield list` and the manual */
	int type;            /* SF_OPT_... */
	size_t offset;       /* offsetof(struct state, member) */
	const char *def;     /* the default, spelled as in a spec string */
	double min, max;     /* legal range of numbers and list entries; not looked at if equal */
	const char *choices; /* SF_OPT_CHOICE only */
} sf_opt;

/* The head of every class record. `init` derives constants and refuses combinations of options
 * that do not make sense (with sf_fail); `fini` releases what `init` took. Both may be NULL. */
typedef struct sf_class {
	const char *name, *brief; /* "vp"; one line without a full stop */
	const char *ref;          /* paper and equation */
	size_t state_size;
	const sf_opt *opts; /* ends with a NULL name; may be NULL */
	int (*init)(void *state, sf_ctx *ctx);
	void (*fini)(void *state);
} sf_class;

/* First member of every family's object. */
typedef struct sf_object {
	const char *family;
	const sf_class *cls;
	sf_ctx *ctx;
	void *state; /* the member's own struct, options filled in */
	char *spec;  /* canonical spec: options that differ from their default, in table order */
} sf_object;

/* NULL-ended list of the families, and of the members of one (NULL for an unknown family). */
SF_API const char *const *sf_families(void);
SF_API const sf_class *const *sf_members(const char *family);

/* Finds a member by name. SF_ENAME with the nearest valid name in the message. */
SF_API int sf_find(sf_ctx *ctx, const char *family, const char *name, const sf_class **cls);

/* The canonical spec of an object; owned by it. */
SF_API const char *sf_spec(const void *object);

/* Option tables without a class: a program's own options. sf_opt_set finds `key` in the table, parses and checks
 * `value` and stores it in `state`; `what` starts the message. SF_ENAME (with the nearest), SF_EINVAL,
 * SF_ERANGE, SF_ENOMEM. sf_opt_defaults sets every option; sf_opt_release frees the strings. */
SF_API int sf_opt_set(sf_ctx *ctx, const char *what, const sf_opt *opts, void *state, const char *key,
                      const char *value);
SF_API int sf_opt_defaults(sf_ctx *ctx, const char *what, const sf_opt *opts, void *state);
SF_API void sf_opt_release(const sf_opt *opts, void *state);

/* The nearest of NULL-ended `names` to `name` by edit distance, or NULL where none is near. */
SF_API const char *sf_nearest(const char *name, const char *const *names);

/* A growing string, all zeros to begin with; the caller frees `s`. Where memory runs out, `failed` is set
 * and further text is dropped. */
typedef struct sf_text {
	char *s;
	size_t len, cap;
	int failed;
} sf_text;
SF_API void sf_text_add(sf_text *t, const char *fmt, ...) SF_PRINTF(2, 3);

SF_END
#endif
