/* profile.c: where the time of training steps went, by kind of work, against the machine's measured peak.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/profile.h"

static int bits(const sf_setup *s)
{
	return s->type == SF_F32 ? 32 : 64;
}

static double all_flops(const sf_profile *f)
{
	double sum = 0;
	int k;

	for (k = 0; k < SF_KINDS; k++)
		sum += f->flops[k];
	return sum;
}

static double rate(double amount, double seconds)
{
	return seconds > 0 ? 1e-9 * amount / seconds : 0;
}

/* Of what the networks ran on; *copy: GB/s of a device's memory, 0 on the processor. */
static double peak_of(sf_ctx *ctx, const sf_setup *s, double *copy)
{
	double flops = 0;

	*copy = 0;
	if (s->type == SF_F64)
		return sf_peak_flops(ctx, 64);
	return sf_device_peak(ctx, &flops, copy) == 0 ? flops : 0;
}

void profile_print(sf_ctx *ctx, const sf_setup *s, const sf_profile *f)
{
	double copy, seconds = sf_profile_seconds(f), peak = 1e-9 * peak_of(ctx, s, &copy), flops = all_flops(f);
	int64_t steps = f->calls[SF_KIND_OTHER];
	int k;

	if (steps == 0)
		return;
	out("%-22s %12s %6s %9s %7s %8s\n", "", "ms a step", "%", "GFLOP/s", "of peak", "GB/s");
	for (k = 0; k < SF_KINDS; k++) {
		if (f->calls[k] == 0 && f->seconds[k] <= 0)
			continue;
		out("%-22s %12.4f %6.1f", sf_kind_name(k), 1e3 * f->seconds[k] / (double)steps, 100 * f->seconds[k] / seconds);
		if (f->bytes[k] > 0)
			out(" %9.2f %7.3f %8.2f", rate(f->flops[k], f->seconds[k]), rate(f->flops[k], f->seconds[k]) / peak,
			    rate(f->bytes[k], f->seconds[k]));
		out("\n");
	}
	out("%-22s %12.4f %6.1f %9.2f %7.3f\n", "total", 1e3 * seconds / (double)steps, 100.0, rate(flops, seconds),
	    rate(flops, seconds) / peak);
	if (copy > 0)
		out("peak %.0f GFLOP/s: a large product, %.0f GB/s: a copy, measured just now (%s); steps one by one, with waits between "
		    "them\n", peak, 1e-9 * copy, sf_ctx_device(ctx));
	else
		out("peak %.1f GFLOP/s: multiply-adds in registers, measured just now (%d %s, %s, %d bits)\n", peak, sf_ctx_threads(ctx),
		    sf_ctx_threads(ctx) == 1 ? "thread" : "threads", sf_ctx_isa(ctx), bits(s));
}

json_t *profile_json(sf_ctx *ctx, const sf_setup *s, const sf_profile *f)
{
	json_t *kinds = json_object();
	double copy, peak = peak_of(ctx, s, &copy);
	int k;

	for (k = 0; k < SF_KINDS; k++)
		if (f->calls[k] > 0 || f->seconds[k] > 0)
			json_object_set_new(kinds, sf_kind_name(k),
			                    json_pack("{s:f, s:f, s:f, s:I}", "seconds", f->seconds[k], "flops", f->flops[k], "bytes",
			                              f->bytes[k], "calls", (json_int_t)f->calls[k]));
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:s, s:i, s:s, s:o}", "steps", (json_int_t)f->calls[SF_KIND_OTHER], "seconds",
	                 sf_profile_seconds(f), "flops", all_flops(f), "peak", peak, "copy", copy, "device",
	                 sf_ctx_device(ctx), "threads", sf_ctx_threads(ctx), "isa", sf_ctx_isa(ctx), "kinds", kinds);
}
