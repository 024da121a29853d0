/* main.c: finds the subcommand, makes the context, turns status codes into exit statuses.
 *
 *     0 done   1 wrong usage   2 bad input, data or output   3 numerical failure   4 interrupted
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>

static const command *const commands[] = {&train_command,  &sample_command, &evaluate_command, &likelihood_command, &distance_command, &latent_command, &plot_command,
					  &verify_command, &list_command,   &inspect_command,
					  &data_command,   &bench_command,  &variance_command,
					  &fit_command,    &compare_command, &ems_command, &orders_command,
					  &import_command, &export_command, NULL};

/* The one place where a code of the library becomes an exit status. */
static int exit_status(int rc)
{
	switch (rc) {
	case SF_EDIVERGED:
	case SF_EBUDGET:
	case SF_ESTEP:
		return STATUS_NUMERIC;
	case SF_ESTOPPED:
		return STATUS_STOPPED;
	default:
		return STATUS_INPUT;
	}
}

static void usage(void)
{
	int i;

	out("Usage: scorefield COMMAND [OPTION]... [OPERAND]...\n"
	    "Train score-based generative models, sample from them and check their formulas.\n"
	    "\nCommands:\n");
	for (i = 0; commands[i]; i++)
		out("  %-10s %s\n", commands[i]->name, commands[i]->brief);
	out("\nscorefield COMMAND --help explains a command, scorefield --version tells the "
	    "version.\n"
	    "Exit status: 0 done, 1 wrong usage, 2 bad input or output, 3 numerical failure, "
	    "4 interrupted.\n");
}

static const command *find(const char *name)
{
	int i;

	for (i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static void log_line(void *user, int level, const char *line)
{
	const common *opts = user;

	if (level == SF_LOG_WARNING || (level == SF_LOG_INFO && !opts->quiet))
		note("%s", line);
}

static int set_device(sf_ctx *ctx, const common *opts)
{
	const char *rest = opts->device;
	char spec[160], number[20] = "";
	int local = 0;

	if (strcmp(opts->device, "cpu") == 0)
		return 0;
	if (opts->strict)
		return fail(STATUS_USAGE, "--strict asks for the processor's reference kernels; for a device that computes in float "
		            "throughout say --device %s,strict", opts->device);
	if (strncmp(rest, "cuda", 4) == 0 && rest[4] != ':') { /* a launcher's ranks have a device each */
		int rc = sf_comm_local_rank(ctx, &local);

		if (rc < 0)
			return rc;
		if (local > 0)
			snprintf(number, sizeof number, ":%d", local);
		rest += 4;
	}
	snprintf(spec, sizeof spec, "%.*s%s%s%s", (int)(rest - opts->device), opts->device, number, rest,
	         opts->deterministic ? ",deterministic" : "");
	return sf_ctx_set_device(ctx, spec);
}

static int apply(sf_ctx *ctx, common *opts)
{
	int rc = 0;

	if (opts->threads > 0)
		rc = sf_ctx_set_threads(ctx, (int)opts->threads);
	if (rc == 0 && opts->strict)
		rc = sf_ctx_set_isa(ctx, "ref");
	sf_ctx_set_log(ctx, log_line, opts);
	return rc == 0 ? set_device(ctx, opts) : rc;
}

static int run(const command *c, int argc, char **argv)
{
	common *state = calloc(1, c->size);
	sf_ctx *ctx = NULL;
	int rc, n, help = 0;

	if (!state)
		return fail(STATUS_INPUT, "out of memory");
	rc = sf_ctx_new(&ctx);
	if (rc < 0) {
		free(state);
		return fail(STATUS_INPUT,
		            "cannot start: %s; see SCOREFIELD_ISA and SCOREFIELD_THREADS",
		            sf_strerror(rc));
	}
	n = options_parse(ctx, c, argc, argv, state, &help);
	if (n < 0) {
		rc = -1 - n;
	} else if (help) {
		options_help(c);
		rc = 0;
	} else {
		rc = apply(ctx, state);
		if (rc == 0)
			rc = c->run(ctx, state, n, argv);
		if (rc < 0)
			rc = fail(exit_status(rc), "%s", sf_ctx_message(ctx));
	}
	options_free(c, state);
	free(state);
	sf_ctx_free(ctx);
	return rc;
}

int main(int argc, char **argv)
{
	const char *names[32];
	const command *c;
	int i, rc = 0, closed;

	/* Threads inside BLAS would change bits; the library has its own. A BLAS without the call
	 * is single-threaded already. */
	(void)sf_blas_set_threads(1);
	find_data_folder(argv[0]);
	if (argc < 2) {
		rc = fail(STATUS_USAGE, "no command given (see scorefield --help)");
	} else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage();
	} else if (strcmp(argv[1], "--version") == 0) {
		out("scorefield %s\n", sf_version());
	} else if ((c = find(argv[1])) != NULL) {
		rc = run(c, argc - 2, argv + 2);
	} else {
		for (i = 0; commands[i]; i++)
			names[i] = commands[i]->name;
		names[i] = NULL;
		rc = unknown(argv[1][0] == '-' ? "option" : "command", argv[1], names,
		             STATUS_USAGE);
	}
	closed = out_close();
	return rc ? rc : closed;
}
