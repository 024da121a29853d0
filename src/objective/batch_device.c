/* batch_device.c: what of a batch lies on the context's device: the gradient where that is asked for, and inputs that are made there.
 *
 * With a source, records of grey levels on the device, the host draws times and says which record each sample is; x_t = alpha x_0 +
 * sigma z and z are made in the plan's own input arrays, with the bits that the host would have sent. Stable targets (stf.c) are made
 * there from what the host has drawn, for every sample has all of the reference batch to go through.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/batch.h"

#include "graph/device.h"

int sf_batch_source_set(sf_batch *b, const sf_batch_source *source)
{
	if (b->taking || b->kind || b->augments || b->reference || b->extras || b->probes || !sf_device_of(b->ctx, (int)b->type) ||
	    !sf_objective_plain(b->o, &b->m))
		return sf_fail(b->ctx, SF_EUNSUP, "a batch whose inputs cannot be made on the device");
	b->source = source;
	sf_batch_count(b);
	return SF_OK;
}

const sf_batch_source *sf_batch_source_of(const sf_batch *b)
{
	return b->source;
}

sf_device_sample *sf_batch_samples(sf_batch *b)
{
	return b->sample;
}

void *sf_batch_there(sf_batch *b, int64_t count, int64_t size, size_t element)
{
	size_t n, bytes;
	void *p = NULL;

	if (b->nthere < SF_BATCH_THERE && sf_mul_size((size_t)count, (size_t)size, &n) == 0 && sf_mul_size(n, element, &bytes) == 0)
		p = sf_device_take(b->ctx, bytes);
	if (p)
		b->there[b->nthere++] = p;
	return p;
}

void sf_batch_leave(sf_batch *b)
{
	while (b->nthere > 0)
		sf_device_give(b->ctx, b->there[--b->nthere]);
}

int sf_batch_feed(sf_batch *b)
{
	const sf_device_link *l = sf_device_of(b->ctx, (int)b->type);
	const sf_batch_source *s = b->source;
	const sf_draw *d = &b->draw[0];
	char why[SF_DEVICE_WHY] = "";
	sf_device_feed f;
	int64_t i;
	int k, rc;

	for (i = 0; i < d->n; i++) {
		b->sample[i].alpha = d->coef[i].alpha;
		b->sample[i].sigma = d->coef[i].sigma;
	}
	f.n = d->n;
	f.size = d->size;
	f.width = s->width;
	f.channels = s->channels;
	f.sample = b->sample;
	f.room = b->sample_there;
	f.records = s->records;
	f.shift = s->shift;
	f.scale = s->scale;
	f.dequantise = s->dequantise;
	f.seed = s->seed;
	f.noise = d->seed;
	f.step = d->step;
	f.first = d->first;
	f.xt = f.z = NULL;
	for (k = 0; k < b->nrow; k++)
		if (b->row[k].made == SF_ROW_NOISY)
			f.xt = b->in[k];
		else if (b->row[k].made == SF_ROW_NOISE)
			f.z = b->in[k];
	rc = l->unit->feed(l->d, &f, why);
	if (rc == 0 && b->profile)
		rc = l->unit->wait(l->d, why);
	return rc < 0 ? sf_fail(b->ctx, rc, "%s", why) : SF_OK;
}

int sf_batch_stable(sf_batch *b)
{
	const sf_device_link *l = sf_device_of(b->ctx, (int)b->type);
	const sf_draw *d = &b->draw[0];
	char why[SF_DEVICE_WHY] = "";
	sf_device_stable s;
	int64_t i;
	int rc;

	for (i = 0; i < d->n; i++) { /* without noise the target is z itself, as with a ratio of 0 */
		b->ratio[i] = d->coef[i].sigma > 0 ? sf_process_alpha(b->m.process, d->t[i]) / d->coef[i].sigma : 0;
		b->own[i] = (int64_t)d->first + i;
	}
	for (i = 0; b->group && i < d->nref; i++)
		b->group[i] = (int64_t)d->ref_label[i];
	s.n = d->n;
	s.size = d->size;
	s.nref = d->nref;
	s.first = sf_stf_first(b->o);
	s.count = b->reference - s.first;
	s.x0 = d->x0;
	s.ref = d->ref;
	s.ratio = b->ratio;
	s.own = b->own;
	s.group = b->group;
	s.z = d->z;
	rc = l->unit->stable(l->d, &s, why);
	return rc < 0 ? sf_fail(b->ctx, rc, "%s", why) : SF_OK;
}
