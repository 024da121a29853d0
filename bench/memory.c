/* memory.c: peak resident memory of whole processes: three training steps each, in a fresh process on both sides.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench/models.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { STEPS = 3 };

static int child(sf_ctx *ctx, const char *model, int batch)
{
	char images[300] = "", data[320] = "moons";
	const char *net = strcmp(model, "mlp") == 0 ? "mlp:width=128,depth=3,embed=none" : UNET(14);
	struct rusage usage;
	trial t;
	int i, rc = 0;

	memset(&t, 0, sizeof t);
	if (strcmp(model, "mlp") != 0) {
		rc = images_file(ctx, 28, 1, images, sizeof images);
		snprintf(data, sizeof data, "npy:path=%s", images);
	}
	if (rc == 0)
		rc = trial_open(ctx, data, net, "float32", batch, &t);
	for (i = 0; i < STEPS && rc == 0; i++)
		rc = trial_step(&t);
	if (rc < 0)
		fprintf(stderr, "bench: %s\n", sf_ctx_message(ctx));
	trial_close(&t);
	if (*images)
		remove(images);
	getrusage(RUSAGE_SELF, &usage);
	printf("%.0f\n", 1024. * (double)usage.ru_maxrss); /* kilobytes on Linux */
	return rc;
}

int bench_memory_child(const char *what)
{
	char model[20];
	sf_ctx *ctx;
	int batch, rc;

	if (sscanf(what, "%19s %d", model, &batch) != 2 || sf_ctx_new(&ctx) < 0)
		return 1;
	rc = child(ctx, model, batch);
	sf_ctx_free(ctx);
	return rc < 0;
}

static double ours(const char *self, int threads, const char *model, int batch)
{
	char command[600], line[60];
	double bytes = NAN;
	FILE *f;

	snprintf(command, sizeof command, "OMP_NUM_THREADS=%d '%s' --child '%s %d'", threads, self, model, batch);
	f = popen(command, "r");
	if (f && fgets(line, sizeof line, f))
		bytes = strtod(line, NULL);
	if (f)
		pclose(f);
	return bytes;
}

static double theirs(const char *command, const char *model, int batch)
{
	char versions[200], request[80];
	struct peer *p = command ? peer_open(command, versions, sizeof versions) : NULL;
	double bytes = NAN;

	snprintf(request, sizeof request, "%s-step %d", model, batch);
	if (p && !isnan(peer_time(p, request)))
		bytes = peer_time(p, "memory");
	peer_close(p);
	return bytes;
}

int bench_memory(bench *b, const char *self, const char *peer_command)
{
	static const struct {
		const char *model;
		int batch;
	} cases[] = {{"mlp", 512}, {"unet", 32}, {"unet", 128}};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		row r;

		memset(&r, 0, sizeof r);
		snprintf(r.what, sizeof r.what, "%s, training at batch %d", cases[i].model, cases[i].batch);
		r.group = "peak memory";
		if (!bench_wants(b, &r))
			continue;
		r.ours = ours(self, sf_ctx_threads(b->ctx), cases[i].model, cases[i].batch);
		r.theirs = theirs(peer_command, cases[i].model, cases[i].batch);
		r.unit = "bytes";
		if (isnan(r.ours))
			b->failed = 1;
		else if (bench_append(b, &r) < 0)
			return 1;
	}
	return b->failed;
}
