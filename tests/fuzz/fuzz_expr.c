/* fuzz_expr.c: formulas, and processes made of them. What parses has a value; a process that is accepted prints a
 * spec that makes it again, and has finite coefficients in its range.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include "core/expr.h"
#include <math.h>
#include <scorefield/process.h>
#include <stdio.h>

static void process(const char *alpha, const char *sigma)
{
	char spec[1100];
	sf_process *p, *again;
	int rc;

	if (strchr(alpha, ',') || strchr(sigma, ','))
		return;
	snprintf(spec, sizeof spec, "formula:alpha=%s,sigma=%s", alpha, sigma);
	rc = sf_process_new(fuzz_ctx(), spec, &p);
	fuzz_check(rc);
	if (rc < 0)
		return;
	if (sf_process_new(fuzz_ctx(), sf_spec(p), &again) < 0 || strcmp(sf_spec(p), sf_spec(again)) != 0)
		abort();
	if (isnan(sf_process_time_of_ratio(p, .3)) || !(sf_process_alpha(p, sf_process_horizon(p)) > 0))
		abort();
	sf_process_free(p);
	sf_process_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char text[500];
	double slope;
	sf_expr e;
	int rc;

	if (size >= sizeof text)
		return 0;
	if (size)
		memcpy(text, bytes, size);
	text[size] = '\0';
	rc = sf_expr_parse(fuzz_ctx(), "formula", text, &e);
	fuzz_check(rc);
	if (rc == 0) {
		if (e.n < 1 || e.n > SF_EXPR_MAX)
			abort();
		(void)sf_expr_at(&e, 0, NULL);
		(void)sf_expr_at(&e, .7, &slope);
		process("1", text);
		process(text, "t");
	}
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	static const char *const seed[] = {
		"exp(-(0.1*t+9.95*t^2)/2)", "sqrt(-expm1(-6*t^2))", "cos(pi*t/2)/(1+t)^-2.5e-1",
		"-(-t)^3+abs(log1p(t))*2",  "((((1-t))))",	    "t^t^t",
		"tanh(sinh(asin(t/2)))"};

	if (i >= (int)(sizeof seed / sizeof *seed))
		return 0;
	sf_bytes_add(out, seed[i], strlen(seed[i]));
	return 1;
}
