/* 03-derivatives.c: derivatives of derivatives in one graph.
 *
 * Sliced score matching needs the gradient of v'Jv, where J is the Jacobian of a score (Song et al.
 * 2019). Here the score is s(x) = -w |x|^2 x with a parameter w, for which everything is known:
 *
 *     Jv         = -w (|x|^2 v + 2 (x.v) x)
 *     y = v'Jv   = -w (|x|^2 |v|^2 + 2 (x.v)^2)
 *     dy/dx      = -w (2 |v|^2 x + 4 (x.v) v),     dy/dw = y/w
 *
 * Forward mode makes Jv, reverse mode the gradients; both append to the same graph.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { D = 3 };

static int derive(sf_ctx *ctx, double w, const double *xv, const double *vv, double *y, double *dx, double *dw)
{
	static const sf_init one = {SF_INIT_CONST, 1, 0, 0};
	int64_t d = D;
	sf_graph *g = NULL;
	sf_plan *plan = NULL;
	sf_run run = {1, 0, 0, 0, 0, 0, 0};
	sf_var x, v, weight, s, out[3], wrt[2];
	double *flat = NULL;
	int rc = sf_graph_new(ctx, 2, &g);

	if (rc < 0)
		return rc;
	x = sf_input(g, "x", 1, 1, &d);
	v = sf_input(g, "v", 1, 1, &d);
	weight = sf_param(g, "w", 0, NULL, one);
	s = sf_neg(g, sf_mul(g, sf_mul(g, weight, sf_sumsq(g, x)), x));
	out[0] = sf_dot(g, v, sf_jvp(g, s, x, v));
	wrt[0] = x;
	wrt[1] = weight;
	sf_grad(g, out[0], wrt, 2, out + 1);

	rc = sf_plan_new(g, out, 3, SF_F64, 1, &plan); /* reports what went wrong above, too */
	flat = calloc((size_t)sf_param_total(g) + 1, sizeof *flat);
	if (rc == 0 && !flat)
		rc = SF_ENOMEM;
	if (rc == 0) {
		flat[sf_param_get(g, 0)->offset] = w;
		sf_plan_bind(plan, x, xv);
		sf_plan_bind(plan, v, vv);
		sf_plan_bind_params(plan, flat);
		sf_plan_output(plan, 0, y);
		sf_plan_output(plan, 1, dx);
		sf_plan_output(plan, 2, dw);
		rc = sf_plan_run(plan, &run);
	}
	free(flat);
	sf_plan_free(plan);
	sf_graph_free(g);
	return rc;
}

int main(void)
{
	const double x[D] = {0.7, -1.3, 0.4}, v[D] = {0.2, 0.9, -1.1}, w = 1.7;
	double y, dx[D], dw, xx = 0, vv = 0, xv = 0, worst;
	sf_ctx *ctx = NULL;
	int i, rc = sf_ctx_new(&ctx);

	if (rc == 0)
		rc = derive(ctx, w, x, v, &y, dx, &dw);
	if (rc < 0) {
		fprintf(stderr, "03-derivatives: %s: %s\n", sf_strerror(rc), ctx ? sf_ctx_message(ctx) : "");
		sf_ctx_free(ctx);
		return EXIT_FAILURE;
	}
	sf_ctx_free(ctx);
	for (i = 0; i < D; i++) {
		xx += x[i] * x[i];
		vv += v[i] * v[i];
		xv += x[i] * v[i];
	}
	worst = fmax(fabs(y + w * (xx * vv + 2 * xv * xv)), fabs(dw - y / w));
	for (i = 0; i < D; i++)
		worst = fmax(worst, fabs(dx[i] + w * (2 * vv * x[i] + 4 * xv * v[i])));
	printf("v'Jv = %.6f, d/dx = (%.6f, %.6f, %.6f), d/dw = %.6f\n", y, dx[0], dx[1], dx[2], dw);
	printf("largest deviation from the closed form: %.1e\n", worst);
	return worst < 1e-12 ? EXIT_SUCCESS : EXIT_FAILURE;
}
