/* context.c: the context, its message and its log.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *sf_version(void)
{
	return PACKAGE_VERSION;
}

const char *sf_strerror(int code)
{
	switch (code) {
	case SF_OK:
		return "success";
#define SF_ERROR_TEXT(name, value, text)                                                           \
	case value:                                                                                \
		return text;
		SF_ERROR_LIST(SF_ERROR_TEXT)
#undef SF_ERROR_TEXT
	default:
		return "unknown error";
	}
}

struct failure {
	sf_ctx *ctx;
	int code;
	char message[SF_MESSAGE_MAX];
};

static void keep(void *arg)
{
	const struct failure *f = arg;

	f->ctx->failed = f->code;
	memcpy(f->ctx->message, f->message, sizeof f->message);
}

int sf_fail(sf_ctx *ctx, int code, const char *fmt, ...)
{
	struct failure f;
	va_list ap;
	char *p;

	if (!ctx)
		return code;
	f.ctx = ctx;
	f.code = code;
	memset(f.message, 0, sizeof f.message);
	va_start(ap, fmt);
	vsnprintf(f.message, sizeof f.message, fmt, ap);
	va_end(ap);
	for (p = f.message; *p; p++) /* names from files must not break the line */
		if ((unsigned char)*p < 32 || *p == 127)
			*p = '?';
	sf_alone(keep, &f); /* tiles may fail at once */
	return code;
}

void sf_note(sf_ctx *ctx, int level, const char *fmt, ...)
{
	char line[SF_MESSAGE_MAX];
	va_list ap;

	if (!ctx->log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	ctx->log(ctx->log_user, level, line);
}

/* SCOREFIELD_THREADS, OMP_NUM_THREADS, or the processors: no more than the process may run on and is granted. */
static int threads_from_environment(sf_ctx *ctx)
{
	const char *text = getenv("SCOREFIELD_THREADS");
	int asked, granted;
	int64_t n;

	if (text && *text) {
		if (sf_parse_int(text, &n) < 0)
			return sf_fail(ctx, SF_EINVAL, "SCOREFIELD_THREADS='%s' is not a whole number", text);
		return sf_ctx_set_threads(ctx, n < 0 || n > SF_MAXTHREADS ? -1 : (int)n);
	}
	n = sf_cores(&asked);
	granted = asked ? 0 : sf_cores_granted("");
	if (granted > 0 && granted < n)
		n = granted;
	return sf_ctx_set_threads(ctx, n < 1 ? 1 : n > SF_MAXTHREADS ? SF_MAXTHREADS : (int)n);
}

/* The message of a failed sf_ctx_new has no context to live in, so the code says it all. */
int sf_ctx_new(sf_ctx **out)
{
	const char *isa = getenv("SCOREFIELD_ISA");
	sf_ctx *ctx = calloc(1, sizeof *ctx);
	int rc = 0;

	*out = NULL;
	if (!ctx)
		return SF_ENOMEM;
	ctx->isa = sf_isa_best();
	rc = threads_from_environment(ctx);
	if (rc == 0 && isa && *isa)
		rc = sf_ctx_set_isa(ctx, isa);
	if (rc < 0) {
		free(ctx);
		return rc;
	}
	*out = ctx;
	return SF_OK;
}

void sf_ctx_free(sf_ctx *ctx)
{
	if (ctx && ctx->device)
		ctx->device_free(ctx->device);
	free(ctx);
}

int sf_ctx_set_threads(sf_ctx *ctx, int threads)
{
	if (threads < 1 || threads > SF_MAXTHREADS)
		return sf_fail(ctx, SF_ERANGE, "the number of threads must be 1 to %d", SF_MAXTHREADS);
	ctx->threads = threads;
	ctx->wake = sf_wake(threads);
	return SF_OK;
}

int sf_ctx_threads(const sf_ctx *ctx)
{
	return ctx->threads;
}

int sf_ctx_set_isa(sf_ctx *ctx, const char *name)
{
	int isa = sf_isa_find(name);

	if (isa < 0)
		return sf_fail(ctx, SF_ENAME, "unknown instruction set '%s' (ref, base, v3 or v4)", name);
	if (!sf_isa_usable(isa))
		return sf_fail(ctx, SF_EUNSUP, "instruction set '%s' is not in this build or processor", name);
	ctx->isa = isa;
	return SF_OK;
}

const char *sf_ctx_isa(const sf_ctx *ctx)
{
	return sf_isa_name(ctx->isa);
}

const char *sf_ctx_message(const sf_ctx *ctx)
{
	return ctx->message;
}

void sf_ctx_set_log(sf_ctx *ctx, sf_log_fn fn, void *user)
{
	ctx->log = fn;
	ctx->log_user = user;
}
