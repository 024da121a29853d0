/* cmd.h: what the subcommands of the program share. Only this folder prints and exits, and it sees
 * nothing of the library but its public headers.
 *
 * A command is a record: its name, its options (one table that drives parsing, --help and
 * completion) and a function. The function returns 0, an SF_E... code whose text is in the context,
 * or an exit status for which it has printed the line itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_H
#define SF_CMD_H

#include <scorefield.h>

#include <jansson.h>
#include <stdio.h>

enum { STATUS_OK, STATUS_USAGE, STATUS_INPUT, STATUS_NUMERIC, STATUS_STOPPED };

/* ---- options.c ---- */
/* Kinds of values besides SF_OPT_...: an option that may be given many times. */
enum { OPTION_MANY = 100 };
typedef struct words {
	int n;
	const char **v; /* point into argv */
} words;

enum { PRECISION_CONFIG, PRECISION_SINGLE, PRECISION_DOUBLE };

/* What every command's struct of options starts with. */
typedef struct common {
	int64_t seed;    /* -1: not given */
	int64_t threads; /* -1: not given */
	int precision;   /* PRECISION_... */
	char *device;
	int deterministic, quiet, json, strict;
} common;

/* A number without a default reads "not given": -1 in an int64_t, NaN in a double; a string NULL.
 */
typedef struct option {
	char letter;     /* "-n", or 0 */
	const char *arg; /* what the value is called in the help; NULL for a switch */
	sf_opt opt;
} option;

#define OPTION(letter, arg, name, help, type, offset, def, min, max)                               \
	{                                                                                          \
		letter, arg,                                                                       \
		{                                                                                  \
			name, help, type, offset, def, min, max, NULL                              \
		}                                                                                  \
	}
#define CHOICE(letter, name, help, offset, def, choices)                                           \
	{                                                                                          \
		letter, choices,                                                                   \
		{                                                                                  \
			name, help, SF_OPT_CHOICE, offset, def, 0, 0, choices                      \
		}                                                                                  \
	}
#define OPTION_END OPTION(0, NULL, NULL, NULL, 0, 0, NULL, 0, 0)

typedef struct command {
	const char *name, *brief;
	const char *operands;  /* "PRESET|FILE.ini" */
	const char *notes;     /* printed after the options; may be NULL */
	const option *options; /* ends with a NULL opt.name; may be NULL */
	size_t size;           /* of the struct of options */
	int min, max;          /* number of operands; max < 0: any */
	int (*run)(sf_ctx *ctx, const void *options, int n, char **operand);
} command;

extern const option common_options[];
/* Sets options and moves the operands to the front of argv. Returns their number, or -1 - status
 * after an error has been printed; *help is set if --help was among the words. */
int options_parse(sf_ctx *ctx, const command *c, int argc, char **argv, void *state, int *help);
/* "float32" or "float64" as model.precision takes it, NULL where not given. */
const char *precision_name(const common *opts);
void options_init(sf_ctx *ctx, const command *c, void *state);
void options_free(const command *c, void *state);
void options_help(const command *c);

/* ---- where.c ---- */
/* Sets SCOREFIELD_DATA for a program that was moved or not installed. */
void find_data_folder(const char *argv0);

/* ---- term.c ---- */
/* To standard output; a write error is remembered and reported at exit. */
void out(const char *fmt, ...) SF_PRINTF(1, 2);
int out_json(json_t *root); /* takes the reference; 0 or STATUS_INPUT */
int out_close(void);        /* 0 or STATUS_INPUT */
/* "scorefield: <message>" on standard error; returns `status`. */
int fail(int status, const char *fmt, ...) SF_PRINTF(2, 3);
void note(const char *fmt, ...) SF_PRINTF(1, 2); /* the same without a status */
int unknown(const char *kind, const char *name, const char *const *valid, int status);
/* Colours where standard output is a terminal and NO_COLOR is unset or empty; else "". */
const char *paint(char colour); /* 'r', 'g', 'y', 'b' (bold), 0 ends it */
int term_width(int fd);
double now(void); /* seconds of a clock that only goes forward */
void format_seconds(double s, char *text, size_t size);
void format_bytes(double bytes, char *text, size_t size);

/* One line on standard error that is drawn again at most ten times a second on a terminal, and
 * printed as a plain line every few seconds elsewhere. */
typedef struct progress {
	int quiet, tty;
	double shown;
	size_t length; /* of the line that stands on the screen */
} progress;
void progress_start(progress *p, int quiet);
void progress_show(progress *p, int last, const char *fmt, ...) SF_PRINTF(3, 4);
void progress_clear(progress *p);
json_t *json_number(double v); /* null where JSON has no such number */

/* ---- commands ---- */
extern const command train_command, sample_command, plot_command, list_command, inspect_command,
	data_command, bench_command, verify_command, variance_command, evaluate_command, likelihood_command, fit_command, compare_command,
	ems_command, orders_command, import_command, export_command, latent_command, distance_command;

/* combinations.c: `list combinations [OBJECTIVE]` */
int list_combinations(sf_ctx *ctx, const common *opts, const char *objective);

#endif
