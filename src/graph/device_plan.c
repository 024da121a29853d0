/* device_plan.c: a plan whose context has a device: its part there, and runs of it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include "graph/device.h"

struct sf_device_part {
	const sf_device_link *link;
	void *part;
	int64_t room;     /* samples that it has memory for */
};

/* How many samples would fit, at least: everything but what one sample needs is taken to grow with their number. */
static int64_t fitting(const sf_plan *p, int64_t n, const sf_device_how *how, double needed, double free)
{
	sf_device_layout one;
	double each, fixed;

	if (n < 2 || sf_device_lay_out(p, 1, how, &one) < 0)
		return 0;
	fixed = (double)one.bytes;
	each = (needed - fixed) / (double)(n - 1);
	sf_device_layout_free(&one);
	return each > 0 && free * .95 > fixed + each ? 1 + (int64_t)((free * .95 - fixed) / each) : 0;
}

static int too_large(const sf_plan *p, int64_t n, const sf_device_how *how, double needed, double free)
{
	const double gib = 1073741824;
	int64_t fits = fitting(p, n, how, needed, free);

	if (fits < 1 || fits >= n)
		return sf_fail(p->ctx, SF_ENOMEM, "out of device memory: %lld samples at once need %.2f GiB and %.2f GiB are free; "
		               "use a smaller network or another device", (long long)n, needed / gib, free / gib);
	return sf_fail(p->ctx, SF_ENOMEM, "out of device memory: %lld samples at once need %.2f GiB and %.2f GiB are free; "
	               "about %lld samples would fit (a smaller batch, or train.accumulate)", (long long)n, needed / gib,
	               free / gib, (long long)fits);
}

static int open_part(sf_plan *p, int64_t n)
{
	const sf_device_link *l = p->on->link;
	double needed = 0, free = 0;
	char why[SF_DEVICE_WHY] = "";
	sf_device_layout lay;
	int rc;

	l->unit->plan_close(p->on->part);
	p->on->part = NULL;
	p->on->room = 0;
	p->primed = 0;
	if (sf_device_lay_out(p, n, &l->how, &lay) < 0)
		return sf_fail(p->ctx, SF_ENOMEM, "out of memory for a plan of %d nodes on the device", p->nval);
	rc = l->unit->plan_open(l->d, p, &lay, &p->on->part, &needed, &free, why);
	sf_device_layout_free(&lay);
	if (rc == SF_ENOMEM && needed > 0)
		return too_large(p, n, &l->how, needed, free);
	if (rc < 0)
		return sf_fail(p->ctx, rc, "%s", why);
	p->on->room = n;
	return SF_OK;
}

int sf_device_plan_take(sf_plan *p)
{
	if (p->on && p->on->part)
		return SF_OK;
	if (!p->on)
		p->on = sf_alloc(1, sizeof *p->on);
	if (!p->on)
		return sf_fail(p->ctx, SF_ENOMEM, "out of memory for a plan");
	p->on->link = sf_device_of(p->ctx, (int)p->type);
	p->workers = 1; /* of the profile */
	return open_part(p, p->room > 0 ? p->room : p->max_shard);
}

void sf_device_plan_free(sf_plan *p)
{
	if (!p->on)
		return;
	p->on->link->unit->plan_close(p->on->part);
	sf_free(p->on);
	p->on = NULL;
}

/* ---- a run ---- */

struct clock {
	sf_plan *p;
	double last;
	int64_t n;
};

static void lap(void *arg, int step)
{
	struct clock *c = arg;
	double now = sf_seconds();
	sf_lane l = {0};

	l.p = c->p;
	if (step < 0) {
		sf_meter_kind(c->p, 0, SF_KIND_PACK, now - c->last);
	} else {
		l.n = c->p->val[c->p->step[step].val].phase == SF_SHARD ? c->n : 1;
		sf_meter_step(&l, step, now - c->last);
	}
	c->last = now;
}

int sf_device_plan_run(sf_plan *p, const sf_run *run)
{
	const sf_device_link *l = p->on->link;
	char why[SF_DEVICE_WHY] = "";
	double index = 0, start = sf_seconds();
	int64_t first, sample = 0;
	struct clock c;
	int bad = -1, rc;

	c.p = p;
	c.last = start;
	c.n = sf_run_samples(run, &first);
	if (c.n > p->on->room)
		SF_TRY(open_part(p, c.n));
	rc = l->unit->plan_run(p->on->part, p, run, p->primed, p->meter ? lap : NULL, &c, &bad, &sample, &index, why);
	if (p->meter)
		sf_meter_flush(p, 1, sf_seconds() - start);
	if (bad >= 0)
		return sf_fail(p->ctx, rc, "node %d (%s): index %g of sample %lld is not a row of the table", p->val[bad].var,
		               sf_ops[p->val[bad].node.op].name, index, (long long)(sample + first));
	return rc < 0 ? sf_fail(p->ctx, rc, "%s", why) : SF_OK;
}
