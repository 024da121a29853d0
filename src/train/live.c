/* live.c: the state of a run that is trained on a device: weights, moments and averages live there, in one block of its memory,
 * and are updated there. The state on the host is what they were when they were last fetched: for checkpoints, previews, and
 * whatever else looks at them.
 *
 * An update is the processor's bit for bit; a norm is put together from other slices, so it may differ in the last digits of a
 * double, and with it a gradient that is clipped.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "graph/device.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

struct sf_live {
	sf_ctx *ctx;
	const sf_device_link *link;
	sf_state *host, there; /* there: `there.step` and the like are not kept */
	void *block;
	int newer; /* than the host's */
};

enum { BUFFERS = 3 + SF_AVERAGES, ALIGNED = 64 }; /* numbers */

/* All buffers of a state: param, m, v, averages. */
static int buffers(const sf_state *st, void *buf[BUFFERS])
{
	int n = 0, i;

	buf[n++] = st->param;
	buf[n++] = st->m;
	buf[n++] = st->v;
	buf[n++] = st->ema;
	for (i = 1; i < st->averages; i++)
		buf[n++] = st->more[i - 1];
	return n;
}

int sf_live_new(sf_ctx *ctx, sf_state *host, sf_live **out)
{
	const sf_device_link *link = sf_device_of(ctx, (int)host->type);
	int64_t each = (host->total + ALIGNED - 1) / ALIGNED * ALIGNED;
	int n = 3 + host->averages, i;
	sf_live *m;
	float *at;

	*out = NULL;
	if (!link)
		return SF_OK;
	m = sf_alloc(1, sizeof *m);
	if (!m)
		return sf_fail(ctx, SF_ENOMEM, "training: out of memory");
	m->ctx = ctx;
	m->link = link;
	m->host = host;
	m->there = *host;
	m->block = at = sf_device_take(ctx, (size_t)n * (size_t)each * sizeof *at);
	if (!at) {
		sf_free(m);
		return SF_ENOMEM;
	}
	m->there.param = at;
	m->there.m = at + each;
	m->there.v = at + 2 * each;
	m->there.ema = at + 3 * each;
	for (i = 1; i < host->averages; i++)
		m->there.more[i - 1] = at + (3 + i) * each;
	*out = m;
	return sf_live_send(m);
}

void sf_live_free(sf_live *m)
{
	if (!m)
		return;
	sf_device_give(m->ctx, m->block);
	sf_free(m);
}

static int copy(sf_live *m, const sf_state *to, const sf_state *from)
{
	void *a[BUFFERS], *b[BUFFERS];
	int n = buffers(to, a), i;

	buffers(from, b);
	for (i = 0; i < n; i++)
		SF_TRY(sf_device_copy(m->ctx, a[i], b[i], (size_t)m->host->total * sizeof(float)));
	m->newer = 0;
	return SF_OK;
}

int sf_live_send(sf_live *m)
{
	return copy(m, &m->there, m->host);
}

int sf_live_fetch(sf_live *m)
{
	return m && m->newer ? copy(m, m->host, &m->there) : SF_OK;
}

const void *sf_live_params(const sf_live *m)
{
	return m->there.param;
}

static int failed(const sf_live *m, int rc, const char *why)
{
	return rc < 0 ? sf_fail(m->ctx, rc, "training: %s", why) : SF_OK;
}

int sf_live_norm(const sf_live *m, int64_t n, const void *g, double *norm)
{
	char why[SF_DEVICE_WHY] = "";
	double sum = 0;
	int rc = m->link->unit->squares(m->link->d, n, g, &sum, why);

	*norm = sqrt(sum);
	return failed(m, rc, why);
}

int sf_live_sanitise(const sf_live *m, int64_t n, void *g, double most, int64_t *found)
{
	char why[SF_DEVICE_WHY] = "";

	return failed(m, m->link->unit->sanitise(m->link->d, n, g, most, found, why), why);
}

int sf_live_part(sf_live *m, const sf_settings *s, const sf_part *part, const void *grad, double gscale)
{
	char why[SF_DEVICE_WHY] = "";
	double ema[SF_AVERAGES];
	const float *g = grad;
	sf_device_update u;
	sf_adam adam;
	int i;

	if (m->there.averages > sf_averages(s)->n || m->there.averages > SF_DEVICE_AVERAGES)
		return SF_EINVAL;
	memset(&u, 0, sizeof u);
	sf_train_adam(s, part, gscale, m->there.averages, &adam, ema);
	u.adam = &adam;
	u.n = part->n;
	u.g = g + part->first;
	u.param = (float *)m->there.param + part->first;
	u.m = (float *)m->there.m + part->first;
	u.v = (float *)m->there.v + part->first;
	u.averages = m->there.averages;
	for (i = 0; i < u.averages; i++) {
		u.ema[i] = (float *)(i ? m->there.more[i - 1] : m->there.ema) + part->first;
		u.decay[i] = ema[i];
	}
	m->newer = 1;
	return failed(m, m->link->unit->update(m->link->d, &u, why), why);
}

int sf_live_wait(const sf_live *m)
{
	char why[SF_DEVICE_WHY] = "";

	return failed(m, m->link->unit->wait(m->link->d, why), why);
}
