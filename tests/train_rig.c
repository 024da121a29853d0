/* train_rig.c: see train_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train_rig.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sf_ctx *ctx;
static const char *dir;
int stop_at = -1;

void train_setup(void)
{
	ctx = ck_ctx();
	dir = sf_test_mkdir();
}

void train_teardown(void)
{
	sf_test_rmdir(dir);
	sf_ctx_free(ctx);
}

const char *in_folder(const char *name)
{
	static char path[4][1200];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

/* A small run: settings separated by blanks on top of the test's defaults. */
sf_config *configured(const char *settings)
{
	char text[2000], *at, *next;
	sf_config *c;

	snprintf(text, sizeof text, "net.spec=mlp:width=16,depth=2,embed-width=8 data.spec=checkerboard objective.spec=lcss "
	         "train.steps=12 train.batch=20 train.log-every=3 train.checkpoint-every=5 train.events=false "
	         "train.seed=3 train.keep=100 train.shards=8 %s", settings);
	assert_ok(ctx, sf_config_new(ctx, &c));
	for (at = text; at && *at; at = next) {
		next = strchr(at, ' ');
		if (next)
			*next++ = '\0';
		if (*at)
			assert_ok(ctx, sf_config_set(c, at));
	}
	return c;
}

static int stopper(void *user, const sf_progress *p)
{
	*(int64_t *)user = p->step;
	return p->step == stop_at;
}

/* Trains; returns the trainer's code. */
int train(const char *settings, const char *name, int resume, int force, int threads)
{
	sf_config *c = configured(settings);
	sf_trainer *t;
	int64_t seen = 0;
	int rc;

	sf_ctx_set_threads(ctx, threads);
	rc = sf_trainer_new(ctx, c, in_folder(name), resume, force, &t);
	if (rc == 0)
		rc = sf_trainer_run(t, stopper, &seen, NULL);
	sf_trainer_free(t);
	sf_config_free(c);
	return rc;
}

void same_file(const char *a, const char *b)
{
	unsigned char *one, *two;
	size_t n, m;

	assert_ok(ctx, sf_file_read(ctx, in_folder(a), 1 << 26, &one, &n));
	assert_ok(ctx, sf_file_read(ctx, in_folder(b), 1 << 26, &two, &m));
	ck_assert_msg(n == m && memcmp(one, two, n) == 0, "%s and %s differ", a, b);
	sf_free(one);
	sf_free(two);
}

/* log.jsonl without the times */
char *log_of(const char *name)
{
	unsigned char *text;
	char path[300], *at;
	size_t n;

	snprintf(path, sizeof path, "%s/log.jsonl", name);
	assert_ok(ctx, sf_file_read(ctx, in_folder(path), 1 << 20, &text, &n));
	at = (char *)text;
	while ((at = strstr(at, "\"seconds\": ")))
		while (*at && *at != '}')
			*at++ = '_';
	/* the number's length differs: squeeze the marks */
	{
		char *from = (char *)text, *to = from;

		for (; *from; from++)
			if (*from != '_' || from[1] != '_')
				*to++ = *from;
		*to = '\0';
	}
	return (char *)text;
}

const char *large_data(void)
{
	static char settings[700];
	double x[8 * 2];
	sf_array a;
	int i;

	for (i = 0; i < 16; i++)
		x[i] = i % 2 ? 1e12 : -1e12 * (1 + i);
	memset(&a, 0, sizeof a);
	a.type = SF_FLOAT64;
	a.rank = 2;
	a.dim[0] = 8;
	a.dim[1] = 2;
	a.size = 16;
	a.data = x;
	assert_ok(ctx, sf_npy_write(ctx, in_folder("large.npy"), &a));
	snprintf(settings, sizeof settings, "data.spec=npy:path=%s data.scale=none net.spec=affine model.parametrisation=score "
	         "process.spec=edm:sigma-min=9e8,sigma-max=1e9 objective.spec=dsm",
	         in_folder("large.npy"));
	return settings;
}
