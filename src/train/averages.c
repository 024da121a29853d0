/* averages.c: the moving averages of the weights: which there are, what they are called, and which one is meant.
 *
 * They are called by their rate, or with ema-ramp=edm by their half-life in images: "0.999:0.9999" in the metadata of a
 * checkpoint names its tensors ema.* and ema1.*.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const sf_list *sf_averages(const sf_settings *s)
{
	return s->train.ema_ramp == SF_RAMP_EDM ? &s->train.ema_halflife : &s->train.ema;
}

const char *sf_averages_ramp(const sf_settings *s)
{
	static const char *const names[] = {"none", "tf", "edm"};

	return names[s->train.ema_ramp];
}

int sf_train_check(sf_ctx *ctx, const sf_settings *s)
{
	const char *key = s->train.ema_ramp == SF_RAMP_EDM ? "ema-halflife" : "ema";
	const sf_list *l = sf_averages(s);
	int i, k;

	if (l->n < 1 || l->n > SF_AVERAGES)
		return sf_fail(ctx, SF_ERANGE, "[train] %s lists %d averages; expected 1 to %d", key, l->n, SF_AVERAGES);
	for (i = 0; i < l->n; i++)
		for (k = 0; k < i; k++)
			if (l->v[i] == l->v[k])
				return sf_fail(ctx, SF_EINVAL, "[train] %s lists %g twice", key, l->v[i]);
	if (s->train.warmup > 0 && s->train.warmup_images > 0)
		return sf_fail(ctx, SF_EINVAL, "[train] warmup=%lld and warmup-images=%lld exclude each other",
		               (long long)s->train.warmup, (long long)s->train.warmup_images);
	return SF_OK;
}

void sf_averages_text(const sf_settings *s, int n, sf_text *t)
{
	const sf_list *l = sf_averages(s);
	char number[40];
	int i;

	for (i = 0; i < n && i < l->n; i++) {
		sf_format_double(l->v[i], number, sizeof number);
		sf_text_add(t, "%s%s", i ? ":" : "", number);
	}
}

int sf_averages_check(sf_ctx *ctx, const sf_settings *s, const char *path, const sf_tensors *file)
{
	const char *names = sf_tensors_meta(file, "ema"), *ramp = sf_tensors_meta(file, "ema-ramp");
	sf_text own = {NULL, 0, 0, 0};
	int rc = SF_OK;

	sf_averages_text(s, SF_AVERAGES, &own);
	if (own.failed || !own.s)
		rc = sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
	else if (names && ramp && (strcmp(names, own.s) != 0 || strcmp(ramp, sf_averages_ramp(s)) != 0))
		rc = sf_fail(ctx, SF_EMISMATCH, "%s: its averages are %.120s (ema-ramp=%.20s), the configuration's %.120s (ema-ramp=%s); "
		             "a run goes on with those that it began with", path, names, ramp, own.s, sf_averages_ramp(s));
	free(own.s);
	return rc;
}

int sf_averages_find(sf_ctx *ctx, const char *path, const sf_tensors *file, const char *name, int *which)
{
	const char *names = sf_tensors_meta(file, "ema"), *at = names;
	double want, is;
	char item[64];
	int i;

	if (!names)
		return sf_fail(ctx, SF_ENAME, "%s: does not say what its averages are; expected 'raw' or no choice", path);
	for (i = 0; sf_parse_double(name, &want) == 0 && *at; i++) {
		size_t n = strcspn(at, ":");

		snprintf(item, sizeof item, "%.*s", n < sizeof item ? (int)n : 0, at);
		if (i < SF_AVERAGES && sf_parse_double(item, &is) == 0 && is == want) {
			*which = i;
			return SF_OK;
		}
		at += n + (at[n] == ':');
	}
	return sf_fail(ctx, SF_ENAME, "%s: holds no average '%.40s'; expected 'raw' or one of %.200s", path, name, names);
}
