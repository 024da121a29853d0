/* scaling.c: how cost grows: threads, batch, image size of the U-Net's training step.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench/models.h"

#include <string.h>

static int point(bench *b, int threads, int batch, int size)
{
	char images[300] = "", data[320], net[200];
	int all = sf_ctx_threads(b->ctx), rc;
	trial t;
	row r;

	memset(&r, 0, sizeof r);
	r.group = "scaling";
	snprintf(r.what, sizeof r.what, "U-Net step, %d thread%s, batch %d, %d pixels", threads, threads > 1 ? "s" : "",
	         batch, size);
	snprintf(r.request, sizeof r.request, "unet-step %d %d %d", batch, size, threads);
	r.items = batch;
	r.unit = "samples";
	if (!bench_wants(b, &r))
		return 0;
	snprintf(net, sizeof net, "unet:width=64,mult=1:2:2,blocks=2,attn=%d,attn-up=each,resample=conv", size / 2);
	rc = sf_ctx_set_threads(b->ctx, threads);
	if (rc == 0)
		rc = images_file(b->ctx, size, 1, images, sizeof images);
	snprintf(data, sizeof data, "npy:path=%s", images);
	memset(&t, 0, sizeof t);
	if (rc == 0)
		rc = trial_open(b->ctx, data, net, "float32", batch, &t);
	r.flop = t.info.flops * batch;
	if (rc == 0)
		rc = bench_row(b, &r, trial_step, &t);
	trial_close(&t);
	if (*images)
		remove(images);
	sf_ctx_set_threads(b->ctx, all);
	if (rc < 0) {
		fprintf(stderr, "bench: %s: %s\n", r.what, sf_ctx_message(b->ctx));
		b->failed = 1;
	}
	return rc;
}

int bench_scaling(bench *b)
{
	static const int batch[] = {1, 2, 4, 16, 64, 256}, size[] = {8, 16, 64};
	int all = sf_ctx_threads(b->ctx), i;

	for (i = 1; i <= all; i *= 2)
		point(b, i, 32, 28);
	for (i = 0; i < 6; i++)
		point(b, all, batch[i], 28);
	for (i = 0; i < 3; i++)
		point(b, all, 16, size[i]);
	return b->failed;
}
