/* batch_table.c: the inputs of a batch's graph as a table: which variable, and where in a draw its numbers lie.
 *
 * Draws are double; they are rounded once, to the plan's type, on the way into it. Position and velocity of two-block
 * processes lie one after the other in a draw and go to two inputs. Rows that are made on the device are not drawn.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/batch.h"

#include <string.h>

static void add_made(sf_batch *b, sf_var var, int made, const double *from, int64_t count, int64_t stride)
{
	sf_batch_row *r = &b->row[b->nrow];

	if (var == SF_NOVAR)
		return;
	r->var = var;
	r->made = made;
	r->from = from;
	r->count = count;
	r->stride = stride;
	b->nrow++;
}

static void add(sf_batch *b, sf_var var, const double *from, int64_t count, int64_t stride)
{
	add_made(b, var, SF_ROW_DRAWN, from, count, stride);
}

/* What an objective's loss asks for. */
static void add_draw(sf_batch *b, const sf_loss *l, const sf_draw *d)
{
	const int64_t size = d->size, state = b->blocks * size, probes = b->probes * size;
	const int64_t coef = (int64_t)(sizeof *d->coef / sizeof(double));
	const double *noisy = d->xt && b->blocks == 2 ? d->xt + size : d->xt;
	const sf_coef *c = d->coef;
	int k;

	add_made(b, l->v.x, b->source ? SF_ROW_NOISY : SF_ROW_DRAWN, noisy, size, state);
	add(b, l->v.position, d->xt, size, state);
	add_made(b, l->z, b->source ? SF_ROW_NOISE : SF_ROW_DRAWN, d->z, size, size);
	add(b, l->probe, d->probe, probes, probes);
	add(b, l->v.augment, d->augment, b->augments, b->augments);
	add(b, l->weight, d->weight, 1, 1);
	add(b, l->v.c_in, c ? &c->c_in : NULL, 1, coef);
	add(b, l->v.c_noise, c ? &c->c_noise : NULL, 1, coef);
	add(b, l->v.e_x, c ? &c->e_x : NULL, 1, coef);
	add(b, l->v.e_f, c ? &c->e_f : NULL, 1, coef);
	add(b, l->v.label, b->seen, 1, 1);
	for (k = 0; k < SF_OBJECTIVE_EXTRA; k++)
		add(b, l->extra[k], d->extra[k], 1, 1);
}

void sf_batch_list(sf_batch *b)
{
	int i;

	b->nrow = 0;
	for (i = 0; i < b->made.draws; i++)
		add_draw(b, &b->made.draw[i], &b->draw[i]);
	add(b, b->made.data, b->x0, b->data, b->data);
	for (i = 0; i < SF_BATCH_SCALARS; i++)
		add(b, b->made.scalar[i], b->scalar[i], 1, 1);
}

/* ---- samples, tile by tile ---- */

static void round_to(sf_dtype type, void *to, int64_t at, const double *from, int64_t n)
{
	int64_t i;

	if (type == SF_F32)
		for (i = 0; i < n; i++)
			((float *)to)[at + i] = from ? (float)from[i] : 0;
	else
		for (i = 0; i < n; i++)
			((double *)to)[at + i] = from ? from[i] : 0;
}

static void put(const sf_batch *b, int which, int64_t first, int64_t n)
{
	const sf_batch_row *r = &b->row[which];
	int64_t i;

	if (!r->from || r->stride == r->count) {
		round_to(b->type, b->in[which], first * r->count, r->from ? r->from + first * r->stride : NULL, n * r->count);
		return;
	}
	for (i = first; i < first + n; i++)
		round_to(b->type, b->in[which], i * r->count, r->from + i * r->stride, r->count);
}

/* Ho and Salimans 2022 (2207.12598): the network goes without the label now and then. */
static int drops_label(const sf_draw *d, int64_t i)
{
	sf_noise key = {d->seed, SF_NOISE_LABEL, d->step};

	return d->label_dropout > 0 && sf_noise_uniform53(key, d->first + (uint64_t)i, 0) < d->label_dropout;
}

struct job {
	const sf_batch *b;
	int64_t tile;
};

static int put_tile(void *arg, int64_t tile, int worker)
{
	const struct job *j = arg;
	const sf_batch *b = j->b;
	const sf_draw *d = &b->draw[0];
	int64_t first = tile * j->tile, left = d->n - first, n = left < j->tile ? left : j->tile, i;
	int k;

	(void)worker;
	for (i = first; i < first + n; i++)
		b->seen[i] = drops_label(d, i) ? -1 : d->label[i];
	for (k = 0; k < b->nrow; k++)
		if (b->row[k].made == SF_ROW_DRAWN)
			put(b, k, first, n);
	return 0;
}

int sf_batch_put(const sf_batch *b)
{
	const sf_draw *d = &b->draw[0];
	struct job j;
	int64_t numbers = 0;
	int k;

	for (k = 0; k < b->nrow; k++)
		numbers += b->row[k].made == SF_ROW_DRAWN ? b->row[k].count : 0;
	j.b = b;
	j.tile = numbers < 256 ? 64 : 1;
	return sf_parallel_work(b->ctx, (double)d->n * (100 + (double)numbers), (d->n + j.tile - 1) / j.tile, put_tile, &j);
}
