/* gnuplot.c: curves. The data and the commands are written next to the picture (NAME.dat, NAME.gp),
 * so that anyone can change them and run gnuplot again; gnuplot itself is needed at run time only.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* "a/b.png" -> "a/b" + ending */
static int sibling(const char *path, const char *ending, char *name, size_t size)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
	int stem = dot && (!slash || dot > slash + 1) && dot != path ? (int)(dot - path)
	                                                             : (int)strlen(path);

	if ((size_t)snprintf(name, size, "%.*s%s", stem, path, ending) >= size)
		return fail(STATUS_INPUT, "the file name '%.60s...' is too long", path);
	return 0;
}

/* gnuplot's single-quoted strings: a quote is doubled, nothing else is special. */
static void quote(sf_text *t, const char *s)
{
	sf_text_add(t, "'");
	for (; *s; s++)
		sf_text_add(t, *s == '\'' ? "''" : "%c", *s);
	sf_text_add(t, "'");
}

int gnuplot_installed(void)
{
	const char *path = getenv("PATH");
	char name[1100];

	for (; path && *path; path += *path == ':') {
		int len = (int)strcspn(path, ":");

		if ((size_t)snprintf(name, sizeof name, "%.*s/gnuplot", len, path) < sizeof name &&
		    access(name, X_OK) == 0)
			return 1;
		path += len;
	}
	return 0;
}

/* Runs gnuplot on a file without a shell. */
static int spawn(const char *gp)
{
	char program[] = "gnuplot", *argv[3], *file = strdup(gp);
	int rc, status = 0;
	pid_t pid;

	if (!file)
		return fail(STATUS_INPUT, "out of memory");
	argv[0] = program;
	argv[1] = file;
	argv[2] = NULL;
	rc = posix_spawnp(&pid, program, NULL, NULL, argv, environ);
	free(file);
	if (rc == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (rc == ENOENT || (rc == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127))
		return fail(STATUS_INPUT, "gnuplot is not installed; the curves are in '%s'", gp);
	if (rc)
		return fail(STATUS_INPUT, "cannot run gnuplot: %s", strerror(rc));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return fail(STATUS_INPUT, "gnuplot failed on '%s'", gp);
	return 0;
}

int gnuplot(sf_ctx *ctx, const char *path, const sf_text *data, const char *commands)
{
	char dat[1100], gp[1100];
	const char *dot = strrchr(path, '.');
	sf_text t = {NULL, 0, 0, 0};
	int rc = sibling(path, ".dat", dat, sizeof dat);

	if (rc == 0)
		rc = sibling(path, ".gp", gp, sizeof gp);
	if (rc)
		return rc;
	if (!dot || (strcmp(dot, ".png") != 0 && strcmp(dot, ".svg") != 0))
		return fail(STATUS_INPUT, "'%s': a plot's name must end in .png or .svg", path);
	sf_text_add(&t, "set terminal %s\nset output ",
	         strcmp(dot, ".svg") == 0 ? "svg size 900,600" : "pngcairo size 900,600");
	quote(&t, path);
	sf_text_add(&t, "\nfile = ");
	quote(&t, dat);
	sf_text_add(&t, "\n%s", commands);
	if (t.failed || data->failed)
		rc = fail(STATUS_INPUT, "out of memory");
	if (rc == 0)
		rc = sf_file_write(ctx, dat, data->s ? data->s : "", data->len);
	if (rc == 0)
		rc = sf_file_write(ctx, gp, t.s, t.len);
	if (rc == 0)
		rc = spawn(gp);
	free(t.s);
	return rc;
}
