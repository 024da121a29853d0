/* comm.c: what all members share: construction, the order of calls, and what follows a failure.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "comm/comm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sf_comm_class *record(const sf_comm *c)
{
	const void *cls = c->object.cls; /* the head is its first member */

	return cls;
}

int sf_comm_fail(sf_comm *c, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof c->why, fmt, ap);
	va_end(ap);
	c->over = code;
	if (c->ranks == 0) /* not known yet */
		return sf_fail(c->object.ctx, code, "comm '%s': %s", c->object.cls->name, c->why);
	return sf_fail(c->object.ctx, code, "comm '%s', rank %d of %d: %s", c->object.cls->name, c->rank, c->ranks, c->why);
}

/* The member that the environment asks for. */
static int automatic(sf_ctx *ctx, const char **spec)
{
	const char *text = getenv("SCOREFIELD_RANKS");
	int64_t ranks = 1;

	if (text && *text && sf_parse_int(text, &ranks) < 0)
		return sf_fail(ctx, SF_EINVAL, "SCOREFIELD_RANKS=%.40s is not a whole number", text);
	*spec = ranks == 1 ? "null" : ctx->device ? "nccl" : "local";
	return SF_OK;
}

int sf_comm_new(sf_ctx *ctx, const char *spec, sf_comm **out)
{
	const sf_comm_class *cls;
	sf_comm *c;
	int rc;

	*out = NULL;
	if (!spec || strcmp(spec, "auto") == 0)
		SF_TRY(automatic(ctx, &spec));
	SF_TRY(sf_object_new(ctx, "comm", spec, sizeof *c, &c));
	cls = record(c);
	c->ranks = cls->alone;
	rc = cls->alone ? SF_OK : sf_place_read(c, c->object.state);
	if (rc == 0)
		rc = cls->open(c);
	if (rc < 0)
		sf_comm_free(c);
	else
		*out = c;
	return rc;
}

void sf_comm_free(sf_comm *c)
{
	if (!c)
		return;
	record(c)->close(c);
	sf_object_free(c);
}

int sf_comm_rank(const sf_comm *c)
{
	return c ? c->rank : 0;
}

int sf_comm_ranks(const sf_comm *c)
{
	return c ? c->ranks : 1;
}

int sf_comm_on_device(const sf_comm *c)
{
	return c && record(c)->device;
}

static int still(const sf_comm *c)
{
	if (!c->over)
		return SF_OK;
	return sf_fail(c->object.ctx, c->over, "comm '%s', rank %d of %d, is over: %s", c->object.cls->name, c->rank, c->ranks,
	               c->why);
}

/* The others should not wait for a rank that has failed. */
static int ended(sf_comm *c, int rc)
{
	if (rc < 0)
		record(c)->abort(c);
	return rc;
}

int sf_comm_sum(sf_comm *c, sf_dtype type, int64_t n, void *x)
{
	size_t bytes;

	if (!c)
		return SF_OK;
	SF_TRY(still(c));
	if (n < 0 || sf_mul_size((size_t)n, type == SF_F32 ? sizeof(float) : sizeof(double), &bytes) < 0)
		return ended(c, sf_comm_fail(c, SF_ERANGE, "a sum of %lld numbers", (long long)n));
	return n > 0 ? ended(c, record(c)->sum(c, type, n, x)) : SF_OK;
}

int sf_comm_broadcast(sf_comm *c, size_t bytes, void *p)
{
	if (!c)
		return SF_OK;
	SF_TRY(still(c));
	return bytes > 0 ? ended(c, record(c)->broadcast(c, bytes, p)) : SF_OK;
}

int sf_comm_barrier(sf_comm *c)
{
	if (!c)
		return SF_OK;
	SF_TRY(still(c));
	return ended(c, record(c)->barrier(c));
}

void sf_comm_abort(sf_comm *c, const char *why)
{
	if (!c || c->over)
		return;
	c->over = SF_EIO;
	snprintf(c->why, sizeof c->why, "rank %d stopped: %s", c->rank, why);
	record(c)->abort(c);
}
