/* memory.c: what training will need, from the plan, before any of it is taken.
 *
 *     weights      (3 + averages) buffers of parameters, the gradient, and the partial gradients of shards that wait for
 *                  each other: of S shards and W threads at most log2 S + W - 1, and S - 1 (exec_tree.c)
 *     activations  an arena for each thread, which holds one shard's, and what all threads read
 *     data         records, and the arrays between them and the plan's inputs, of one part of a batch
 *     previews     a plan and the states of the samples that are drawn while training
 *
 * Of a run on a device this is the host's share: gradient and activations are there, and weights in both places. What does not fit
 * there is refused as it is taken, before the first step.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "graph/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATES = 6 }; /* of a sampler: the samples, and what it works with */

static double partials(double shards, double threads)
{
	return fmin(shards - 1, ceil(log2(shards)) + threads - 1);
}

static double previews(const sf_setup *s)
{
	const sf_settings *set = sf_config_settings(s->config);
	double bytes = 0;

	if (!s->sampler || set->train.sample_every == 0 || sf_model_score_bytes(&s->model, s->type, set->sample.batch, &bytes) < 0)
		return 0;
	bytes += STATES * sizeof(double) * (double)set->sample.n * (double)sf_process_blocks(s->process) * (double)s->model.size;
	return s->vae ? bytes + sizeof(double) * (double)set->sample.n * (double)s->info.size : bytes;
}

void sf_memory_of(const sf_setup *s, const sf_batch *b, sf_memory *m)
{
	const sf_settings *set = sf_config_settings(s->config);
	double buffer = (double)sf_param_total(sf_batch_graph(b)) * (s->type == SF_F32 ? sizeof(float) : sizeof(double));
	double shards = (double)sf_batch_shards(b);

	memset(m, 0, sizeof *m);
	sf_batch_describe(b, &m->plan);
	m->threads = sf_ctx_threads(s->ctx);
	m->weights = (4 + sf_averages(set)->n) * buffer +
	             partials(shards, fmin(m->threads, shards)) * (double)m->plan.shard_bytes;
	m->activations = (double)m->plan.shared_bytes + m->threads * (double)m->plan.arena_bytes;
	m->data = (double)s->info.bytes + sf_augmenter_bytes(s->augmenter) + sf_batch_bytes(b) - buffer;
	if (sf_device_of(s->ctx, (int)s->type)) {
		m->weights = (3 + sf_averages(set)->n) * buffer;
		m->activations = 0;
		m->data += buffer; /* there is no gradient in it */
	}
	m->previews = previews(s);
	m->total = m->weights + m->activations + m->data + m->previews;
}

void sf_memory_most(const sf_setup *s, sf_batch *const b[2], sf_memory *m)
{
	sf_memory one;
	int i;

	memset(m, 0, sizeof *m);
	for (i = 0; i < 2; i++) {
		if (!b[i])
			continue;
		sf_memory_of(s, b[i], &one);
		if (one.total > m->total)
			*m = one;
	}
}

int sf_memory_measure(const sf_setup *s, sf_memory *m)
{
	sf_batch *b[2];

	memset(m, 0, sizeof *m);
	if (!s->objective)
		return sf_fail(s->ctx, SF_EINVAL, "memory of training: the set-up has no objective");
	SF_TRY(sf_train_check(s->ctx, sf_config_settings(s->config)));
	SF_TRY(sf_step_phases(s, b));
	sf_memory_most(s, b, m);
	sf_batch_free(b[0]);
	sf_batch_free(b[1]);
	return SF_OK;
}

static const char *amount(double bytes, char *text, size_t size)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	int i = 0;

	for (; bytes >= 1023.5 && i < 4; i++)
		bytes /= 1024;
	if (bytes < 99.95 && i > 0)
		snprintf(text, size, "%.1f %s", bytes, units[i]);
	else
		snprintf(text, size, "%.0f %s", bytes, units[i]);
	return text;
}

void sf_memory_print(const sf_memory *m, char *text, size_t size)
{
	char total[32], weights[32], activations[64] = "on the device", data[32], previews_text[64] = "", one[32];

	if (m->previews > 0)
		snprintf(previews_text, sizeof previews_text, ", previews %s", amount(m->previews, one, sizeof one));
	if (m->activations > 0)
		snprintf(activations, sizeof activations, "%s for %d thread%s", amount(m->activations, one, sizeof one), m->threads,
		         m->threads == 1 ? "" : "s");
	snprintf(text, size, "%s (weights, %smoments and averages %s, activations %s, data %s%s)", amount(m->total, total, sizeof total),
	         m->activations > 0 ? "gradient, " : "", amount(m->weights, weights, sizeof weights), activations,
	         amount(m->data, data, sizeof data), previews_text);
}

/* What of the configuration would bring it down. */
static void advise(const sf_settings *set, const sf_memory *m, sf_text *t)
{
	int large = m->activations > m->total / 10;
	int64_t shards = set->train.shards > 0 ? set->train.shards : SF_SHARDS_AUTO;

	if (large && !set->train.recompute)
		sf_text_add(t, ", train.recompute=blocks");
	if (large && shards * 2 <= set->train.batch && shards * 2 <= 4096)
		sf_text_add(t, ", more train.shards than %lld", (long long)shards);
	if (large && m->threads > 1)
		sf_text_add(t, ", fewer threads than %d", m->threads);
	if (m->data > m->total / 10 && set->train.accumulate < shards)
		sf_text_add(t, ", train.accumulate up to %lld", (long long)shards);
	if (!t->len)
		sf_text_add(t, ", a smaller network");
}

int sf_memory_fits(const sf_setup *s, const sf_memory *m, const sf_limits *l)
{
	const sf_settings *set = sf_config_settings(s->config);
	char needs[300], has[32];
	sf_text t = {NULL, 0, 0, 0};
	int rc = SF_OK;

	sf_memory_print(m, needs, sizeof needs);
	if (l->most > 0 && m->total > l->most && set->train.memory_check) {
		advise(set, m, &t);
		rc = sf_fail(s->ctx, SF_ENOMEM, "training needs %s, more than the %s of %s; less is needed with %s "
		             "(train.memory-check=false tries all the same)", needs, amount(l->most, has, sizeof has), l->what,
		             t.s ? t.s + 2 : "");
		free(t.s);
	} else if (l->free > 0 && m->total > l->free) {
		sf_note(s->ctx, SF_LOG_WARNING, "training needs %s, more than the %s that are free now", needs,
		        amount(l->free, has, sizeof has));
	}
	return rc;
}
