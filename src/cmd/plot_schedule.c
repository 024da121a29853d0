/* plot_schedule.c: coefficients of a process over time: alpha, sigma, half the log-SNR
 * ln(alpha/sigma), g, and the likelihood weighting g^2 in units of sigma^2 (Song et al. 2021,
 * 2101.09258, theorem 1, where it multiplies |s|^2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { POINTS = 400 };

static const char commands[] = "set grid\n"
			       "set multiplot layout 2,2\n"
			       "set xlabel 't'\n"
			       "set title 'mean coefficient'\nset yrange [0:1.05]\n"
			       "plot file using 1:2 with lines lw 2 title 'alpha'\n"
			       "set title 'standard deviation'\nset yrange [*:*]\n"
			       "plot file using 1:3 with lines lw 2 title 'sigma'\n"
			       "set title 'log signal-to-noise ratio'\n"
			       "plot file using 1:4 with lines lw 2 title 'ln(alpha^2/sigma^2)'\n"
			       "set title 'diffusion and likelihood weight'\n"
			       "set logscale y\n"
			       "plot file using 1:5 with lines lw 2 title 'g', file using 1:6 with "
			       "lines lw 2 title 'g^2/sigma^2'\n"
			       "unset multiplot\n";

static int write_curves(sf_ctx *ctx, const sf_process *p, const char *path)
{
	double t0 = sf_process_t_train(p), t1 = sf_process_horizon(p);
	sf_text data = {NULL, 0, 0, 0};
	int i, rc;

	if (sf_process_blocks(p) != 1 || !sf_process_linear(p))
		return fail(
			STATUS_INPUT,
			"a schedule plot needs a linear process without velocities, '%s' is not",
			sf_process_name(p));
	sf_text_add(&data, "# %s\n# t alpha sigma logsnr g g^2/sigma^2\n", sf_spec(p));
	for (i = 0; i <= POINTS; i++) {
		double t = t0 + (t1 - t0) * i / POINTS, s = sf_process_sigma(p, t),
		       g2 = sf_process_g2(p, t);

		sf_text_add(&data, "%.10g %.10g %.10g %.10g %.10g %.10g\n", t, sf_process_alpha(p, t),
		         s, sf_process_logsnr(p, t), sqrt(g2), g2 / (s * s));
	}
	rc = gnuplot(ctx, path, &data, commands);
	free(data.s);
	return rc;
}

/* The operand is a run directory or a preset file (their process), or a process spec. */
static int draw(sf_ctx *ctx, const plot_opts *o, const char *operand, const char *path)
{
	char config[1024];
	const char *spec = operand;
	sf_config *c = NULL;
	sf_process *p = NULL;
	struct stat st;
	int rc = 0;

	(void)o;
	if (stat(operand, &st) == 0) {
		snprintf(config, sizeof config, "%s%s", operand,
		         S_ISDIR(st.st_mode) ? "/config.ini" : "");
		rc = sf_config_new(ctx, &c);
		if (rc == 0)
			rc = sf_config_read(c, config);
		spec = rc == 0 ? sf_config_get(c, "process.spec") : NULL;
		if (rc == 0 && !spec)
			rc = fail(STATUS_INPUT, "%s names no process", config);
	}
	if (rc == 0)
		rc = sf_process_new(ctx, spec, &p);
	if (rc == 0)
		rc = write_curves(ctx, p, path);
	sf_process_free(p);
	sf_config_free(c);
	return rc;
}

const plot_kind plot_schedule = {"schedule", "coefficients of a process", draw};
