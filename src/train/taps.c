/* taps.c: the FIR filter that checkpoints carry beside their weights, against the options of the network: f f'/(sum f)^2 with
 * the taps of `fir`, or the 2x2 mean where `resample` does without.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The value of an option of the network, as text; freed by the caller. */
static char *option(const sf_net *net, const char *name)
{
	const void *whole = net;
	const sf_object *o = whole; /* every family's object starts with one */
	const sf_opt *opt;
	sf_text t = {NULL, 0, 0, 0};

	for (opt = o->cls->opts; opt && opt->name; opt++)
		if (strcmp(opt->name, name) == 0)
			sf_opt_print(opt, o->state, &t);
	return t.s;
}

/* "1:3:3:1" */
static int read_taps(const char *text, double *f, int most)
{
	char *end;
	int n = 0;

	while (text && *text && n < most) {
		f[n++] = strtod(text, &end);
		if (end == text)
			return 0;
		text = *end ? end + 1 : end;
	}
	return n;
}

int sf_taps_agree(const sf_net *net, int64_t h, int64_t w, const double *x)
{
	char *resample = option(net, "resample"), *fir = option(net, "fir");
	double f[SF_LIST_MAX] = {1, 1}, sum = 0;
	int n = 2, i, j, same;

	if (resample && strncmp(resample, "fir", 3) == 0)
		n = read_taps(fir, f, SF_LIST_MAX);
	for (i = 0; i < n; i++)
		sum += f[i];
	same = resample && h == n && w == n;
	for (i = 0; same && i < n; i++)
		for (j = 0; same && j < n; j++)
			same = fabs(x[i * n + j] - f[i] * f[j] / (sum * sum)) < 1e-6;
	free(resample);
	free(fir);
	return same;
}
