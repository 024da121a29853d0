/* term.c: standard output whose write errors are seen, messages, colour, width and the progress
 * line. Colour follows https://no-color.org; a width of 80 is assumed where the terminal does not
 * tell.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The first error of a write: a later flush may succeed with nothing left to write and hide it. */
static int write_error;

void out(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vprintf(fmt, ap) < 0 && !write_error)
		write_error = errno ? errno : EIO;
	va_end(ap);
}

int out_json(json_t *root)
{
	char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;

	json_decref(root);
	if (!text)
		return fail(STATUS_INPUT,
		            "cannot make JSON: out of memory or text that is not UTF-8");
	out("%s\n", text);
	free(text);
	return 0;
}

int out_close(void)
{
	errno = 0;
	if (fflush(stdout) != 0 && !write_error)
		write_error = errno ? errno : EIO;
	if (write_error)
		return fail(STATUS_INPUT, "cannot write standard output: %s",
		            strerror(write_error));
	return 0;
}

static void say(const char *fmt, va_list ap) SF_PRINTF(1, 0);
static void say(const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs("scorefield: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return status;
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int unknown(const char *kind, const char *name, const char *const *valid, int status)
{
	const char *near = sf_nearest(name, valid);

	if (near)
		return fail(status, "unknown %s '%s'; did you mean '%s'?", kind, name, near);
	return fail(status, "unknown %s '%s'", kind, name);
}

const char *paint(char colour)
{
	static int use = -1;

	if (use < 0) {
		const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

		use = isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
	}
	if (!use)
		return "";
	switch (colour) {
	case 'r':
		return "\033[31m";
	case 'g':
		return "\033[32m";
	case 'y':
		return "\033[33m";
	case 'b':
		return "\033[1m";
	default:
		return "\033[0m";
	}
}

/* POSIX has no call for the width in this edition; shells keep COLUMNS for their own use, so it is
 * a wish of the user when it is in the environment. */
int term_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	long n = columns ? strtol(columns, NULL, 10) : 0;

	if (n >= 20 && n <= 1000)
		return (int)n;
	return isatty(fd) ? 80 : 1000;
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void format_seconds(double s, char *text, size_t size)
{
	long n;

	if (!(s >= 0 && s < 1e8)) {
		snprintf(text, size, "--:--");
		return;
	}
	n = (long)(s + 0.5);
	if (n >= 3600)
		snprintf(text, size, "%ld:%02ld:%02ld", n / 3600, n / 60 % 60, n % 60);
	else
		snprintf(text, size, "%ld:%02ld", n / 60, n % 60);
}

void format_bytes(double bytes, char *text, size_t size)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	int i = 0;

	for (; bytes >= 1024 && i < 5; i++)
		bytes /= 1024;
	snprintf(text, size, i ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
}

void progress_start(progress *p, int quiet)
{
	const char *term = getenv("TERM");

	p->quiet = quiet;
	p->tty = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
	p->shown = now() - (p->tty ? 1 : 0);
	p->length = 0;
}

void progress_show(progress *p, int last, const char *fmt, ...)
{
	double t = now();
	char line[256];
	size_t length, width;
	va_list ap;

	if (p->quiet || (!last && t - p->shown < (p->tty ? 0.1 : 10)))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	p->shown = t;
	length = strlen(line);
	if (p->tty) {
		width = (size_t)term_width(STDERR_FILENO) - 1;
		if (length > width)
			line[length = width] = '\0';
		fprintf(stderr, "\r%s%*s", line, p->length > length ? (int)(p->length - length) : 0,
		        "");
		p->length = length;
		if (last)
			progress_clear(p);
	} else {
		fprintf(stderr, "%s\n", line);
	}
	fflush(stderr);
}

void progress_clear(progress *p)
{
	if (p->tty && p->length)
		fprintf(stderr, "\r%*s\r", (int)p->length, "");
	p->length = 0;
}

json_t *json_number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}
