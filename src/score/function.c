/* function.c: a score made of a function: a user's own, or a trained network.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/score.h"

typedef struct function {
	sf_score_fn fn;
	void *user;
	void (*release)(void *user);
} function;

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	const function *f = s->object.state;

	return f->fn(f->user, n, x, t, out);
}

static void fini(void *st)
{
	const function *f = st;

	if (f->release)
		f->release(f->user);
}

static const sf_score_class function_class = {
	.head = {"function", "a function of the caller's", "", sizeof(function), NULL, NULL, fini},
	.eval = eval};

int sf_score_from_function(sf_ctx *ctx, const sf_process *p, int64_t d, sf_score_fn fn, void *user,
                           void (*release)(void *user), sf_score **s)
{
	function *f;

	SF_TRY(sf_score_make(ctx, &function_class, p, d, s));
	f = (*s)->object.state;
	f->fn = fn;
	f->user = user;
	f->release = release;
	return SF_OK;
}
