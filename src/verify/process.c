/* process.c: checks of the forward processes: published values, and the identities of a linear SDE,
 *
 *     d alpha/dt = F alpha,   d sigma^2/dt = 2 F sigma^2 + g^2,   Phi(s,t) Phi(0,s) = Phi(0,t),
 *     sigma(t)^2 = Phi(s,t)^2 sigma(s)^2 + integral_s^t Phi(r,t)^2 g(r)^2 dr.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>

typedef struct golden {
	double t, alpha, sigma, g;
} golden;

/* Song et al. 2021, appendix C, default ranges, evaluated in double precision. */
static const golden ve_table[] = {{1e-5, 1, 0.0100008517555915, 0.0412762502332571},
                                  {0.1, 1, 0.023436729115921, 0.0967297905497856},
                                  {0.25, 1, 0.0840896415253714, 0.347060947452355},
                                  {0.5, 1, 0.707106781186548, 2.91842306587243},
                                  {0.75, 1, 5.94603557501361, 24.5409149428588},
                                  {1, 1, 50, 206.363674024963},
                                  {0, 0, 0, 0}};
static const golden vp_table[] = {
	{1e-5, 0.999999499502625, 0.00100049712593524, 0.316542256262888},
	{1e-3, 0.999945026511098, 0.0104854163350949, 0.346265793863616},
	{0.01, 0.999002997337746, 0.0446431552446571, 0.546808924579693},
	{0.1, 0.946721798820598, 0.322052535524704, 1.4456832294801},
	{0.25, 0.723657185083086, 0.690159603626309, 2.25277606521376},
	{0.5, 0.281182880796752, 0.959654202068036, 3.17017349682947},
	{0.75, 0.0586635030118808, 0.998277813744438, 3.87620948866286},
	{1, 0.00657158649492962, 0.999978406892339, 4.47213595499958},
	{0, 0, 0, 0}};
static const golden subvp_table[] = {
	{1e-5, 0.999999499502625, 1.00099449900467e-06, 0.000447880782366406},
	{1e-3, 0.999945026511098, 0.000109943955720275, 0.00513450204690594},
	{0.01, 0.999002997337746, 0.00199301131019855, 0.0345055518339881},
	{0.1, 0.946721798820598, 0.103717835637891, 0.641137745776148},
	{0.25, 0.723657185083086, 0.476320278477624, 1.91917422672518},
	{0.5, 0.281182880796752, 0.920936187546839, 3.16024944921785},
	{0.75, 0.0586635030118808, 0.996558593414375, 3.87618653507912},
	{1, 0.00657158649492962, 0.99995681425094, 4.47213595082929},
	{0, 0, 0, 0}};
static const golden edm_table[] = {{0.002, 1, 0.002, 0.0632455532033676},
                                   {0.5, 1, 0.5, 1},
                                   {80, 1, 80, 12.6491106406735},
                                   {0, 0, 0, 0}};

/* From the published formulas in 40 digits: Nichol and Dhariwal's quotient of cosines; Vahdat et al.'s variance and mean; alpha = exp(-3 t^2);
 * EDM's refit of VP to noise levels 0.002 to 80; and Brownian motion. */
static const golden cosine_table[] = {
	{1.0e-5, 0.999999805597202, 0.000623542747997826, 0.197243126905814},
	{0.001, 0.999979357674536, 0.00642528013566551, 0.209078721484645},
	{0.1, 0.985947634062768, 0.167054670350849, 0.7276961777321},
	{0.25, 0.920332636239151, 0.391136598483312, 1.15118928634222},
	{0.5, 0.702740058941169, 0.711446701840245, 1.77644528792058},
	{0.75, 0.37983167638539, 0.925055618659908, 2.75519741423855},
	{0.9946, 0.00841553495936126, 0.999964588758696, 19.2447818413196},
	{0, 0, 0, 0}};
static const golden geometric_table[] = {
	{1.0e-5, 0.999999998437875, 0.00547751076278852, 0.0176760088060597},
	{0.1, 0.999972504007605, 0.00921897928320676, 0.0297506014175932},
	{0.25, 0.999812347430005, 0.0201310374398791, 0.0649753503125738},
	{0.5, 0.997273959543336, 0.0739897714367898, 0.239418759179436},
	{0.75, 0.962327914461971, 0.271942580883764, 0.911916555566117},
	{0.9, 0.804604221855019, 0.593827809900896, 2.38165688317735},
	{1.0, 0.0316232509540058, 0.999499874937461, 101.994604579324},
	{0, 0, 0, 0}};
static const golden formula_table[] = {
	{0.001, 0.9999970000045, 0.00244948606855316, 0.109544511501033},
	{0.1, 0.970445533548508, 0.241320256952771, 1.09544511501033},
	{0.25, 0.8290291181804, 0.559205437392223, 1.73205080756888},
	{0.5, 0.472366552741015, 0.881402200956845, 2.44948974278318},
	{0.75, 0.184981399907304, 0.982742021940821, 3.0},
	{1.0, 0.0497870683678639, 0.998759854931772, 3.46410161513775},
	{0, 0, 0, 0}};
static const golden edm_vp_table[] = {
	{0.001, 0.999998000006, 0.001999996000012, 0.112999869440885},
	{0.1, 0.957330647383954, 0.288994864278622, 1.32250773617152},
	{0.25, 0.760762199173394, 0.649030720620266, 2.09277812018479},
	{0.5, 0.334563003767023, 0.942373384869494, 2.96044076230922},
	{0.75, 0.0850524774354492, 0.99637647306733, 3.62611345023288},
	{1.0, 0.012499023551926, 0.999921884154082, 4.18726497857224},
	{0, 0, 0, 0}};
static const golden edm_ve_table[] = {
	{4.0e-6, 1.0, 0.002, 1.0},
	{0.25, 1.0, 0.5, 1.0},
	{100.0, 1.0, 10.0, 1.0},
	{6400.0, 1.0, 80.0, 1.0},
	{0, 0, 0, 0}};

static int published(sf_ctx *ctx, sf_row *row, const char *name, const golden *g)
{
	double worst = 0;
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	for (; g->t > 0; g++) {
		sf_worst(&worst, sf_process_alpha(rig.process, g->t), g->alpha, 0);
		sf_worst(&worst, sf_process_sigma(rig.process, g->t), g->sigma, 0);
		sf_worst(&worst, sqrt(sf_process_g2(rig.process, g->t)), g->g, 0);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 4e-14); /* the table has 15 digits */
}

/* Times that cover the range, in units of the horizon. */
static const double part[] = {0.003, 0.04, 0.11, 0.29, 0.53, 0.77, 0.96};
enum { PARTS = sizeof part / sizeof *part };

static double variance(const sf_process *p, double t)
{
	double s = sf_process_sigma(p, t);

	return s * s;
}

/* Fourth-order central difference. */
static double slope(double (*f)(const sf_process *p, double t), const sf_process *p, double t)
{
	double h = 3e-4 * t;

	return (8 * (f(p, t + h) - f(p, t - h)) - (f(p, t + 2 * h) - f(p, t - 2 * h))) / (12 * h);
}

static int mean_ode(sf_ctx *ctx, sf_row *row, const char *name)
{
	double worst = 0, F;
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < PARTS; i++) {
		double t = part[i] * sf_process_horizon(rig.process);

		sf_process_drift_matrix(rig.process, t, &F);
		sf_worst(&worst,
		         slope(sf_process_alpha, rig.process, t) / sf_process_alpha(rig.process, t),
		         F, 1);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-8);
}

static int variance_ode(sf_ctx *ctx, sf_row *row, const char *name)
{
	double worst = 0, F;
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < PARTS; i++) {
		double t = part[i] * sf_process_horizon(rig.process),
		       g2 = sf_process_g2(rig.process, t);

		sf_process_drift_matrix(rig.process, t, &F);
		sf_worst(&worst, slope(variance, rig.process, t),
		         2 * F * variance(rig.process, t) + g2, g2);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-8);
}

/* Mean and variance of two stages against those of one; the integral by Simpson's rule. */
static int semigroup(sf_ctx *ctx, sf_row *row, const char *name)
{
	double worst = 0, first, second, both;
	sf_rig rig;
	int i, j;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	for (i = 0; i + 1 < PARTS; i++) {
		double T = sf_process_horizon(rig.process), s = part[i] * T, t = part[i + 1] * T,
		       sum = 0, phi;

		sf_process_phi(rig.process, 0, s, &first);
		sf_process_phi(rig.process, s, t, &second);
		sf_process_phi(rig.process, 0, t, &both);
		sf_worst(&worst, first * second, both, 0);
		for (j = 0; j <= 800; j++) {
			double r = s + (t - s) * j / 800;

			sf_process_phi(rig.process, r, t, &phi);
			sum += (j == 0 || j == 800 ? 1
			        : j % 2            ? 4
			                           : 2) *
			       phi * phi * sf_process_g2(rig.process, r);
		}
		sf_worst(&worst, second * second * variance(rig.process, s) + sum * (t - s) / 2400,
		         variance(rig.process, t), 0);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-8);
}

static int inverse(sf_ctx *ctx, sf_row *row, const char *name)
{
	double worst = 0;
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < PARTS; i++) {
		double t = part[i] * sf_process_horizon(rig.process);
		double ratio = sf_process_sigma(rig.process, t) / sf_process_alpha(rig.process, t);

		sf_worst(&worst, sf_process_time_of_ratio(rig.process, ratio), t, 0);
		sf_worst(&worst, sf_process_logsnr(rig.process, t), -2 * log(ratio), 1);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-11);
}

/* Prior and marginal at T of data N(0.3, 0.5^2): ln of the ratio of the standard deviations. */
static int prior(sf_ctx *ctx, sf_row *row, const char *name, double tolerance)
{
	double x[1] = {1}, T, sd;
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	T = sf_process_horizon(rig.process);
	sf_process_prior(rig.process, 1, 1, x);
	sd = hypot(0.5 * sf_process_alpha(rig.process, T), sf_process_sigma(rig.process, T));
	sf_rig_close(&rig);
	return sf_row_value(row, sd / x[0], 1, tolerance);
}

/* Every process runs through the same checks. The prior forgets the data but for
 * 0.25/sigma_max^2, or alpha(T)^2; half of that, doubled, is the tolerance. */
#define RUN(id, what, call)                                                                        \
	static int id##_##what(sf_ctx *ctx, sf_row *row)                                           \
	{                                                                                          \
		return call;                                                                       \
	}
#define MEMBER(id, spec, tolerance)                                                                \
	RUN(id, published, published(ctx, row, spec, id##_table))                                  \
	RUN(id, mean, mean_ode(ctx, row, spec))                                                    \
	RUN(id, variance, variance_ode(ctx, row, spec))                                            \
	RUN(id, semigroup, semigroup(ctx, row, spec))                                              \
	RUN(id, inverse, inverse(ctx, row, spec))                                                  \
	RUN(id, prior, prior(ctx, row, spec, tolerance))

MEMBER(ve, "ve", 1e-4)
MEMBER(vp, "vp", 5e-5)
MEMBER(subvp, "subvp", 1e-4)
MEMBER(edm, "edm", 4e-5)
MEMBER(cosine, "cosine", 6e-5)
MEMBER(geometric, "geometric-vp", 8e-4)
MEMBER(formula, "formula", 7e-4)
MEMBER(edm_vp, "edm:schedule=vp,scaling=vp", 4e-5)
MEMBER(edm_ve, "edm:schedule=ve", 4e-5)

static int subvp_below(sf_ctx *ctx, sf_row *row)
{
	double most = 0;
	sf_rig vp, sub;
	int i;

	SF_TRY(sf_rig_open(ctx, "vp", NULL, 0, NULL, NULL, &vp));
	if (sf_rig_open(ctx, "subvp", NULL, 0, NULL, NULL, &sub) < 0) {
		sf_rig_close(&vp);
		return SF_ENOMEM;
	}
	for (i = 1; i <= 1000; i++) {
		double ratio = sf_process_sigma(sub.process, i / 1e3) /
		               sf_process_sigma(vp.process, i / 1e3);

		most = ratio <= most ? most : ratio;
	}
	sf_rig_close(&vp);
	sf_rig_close(&sub);
	return sf_row_value(row, most, 0.5, 0.5); /* at most 1 */
}

/* Noise levels and times of EDM's VP columns. */
static int vp_levels(sf_ctx *ctx, sf_row *row)
{
	static const double pair[][2] = {{1e-5, 0.001000497626681674}, {1e-3, 0.010485992786702987},
	                                 {0.5, 3.41291830906912}, {1, 152.16697028394637}};
	static const double inverse_pair[][2] = {
		{80, 0.93351114324}, {1, 0.25896026243}, {0.002, 3.98419754e-5}};
	double worst = 0;
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, "vp", NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < 4; i++)
		sf_worst(&worst,
		         sf_process_sigma(rig.process, pair[i][0]) /
		                 sf_process_alpha(rig.process, pair[i][0]),
		         pair[i][1], 0);
	for (i = 0; i < 3; i++)
		sf_worst(&worst, sf_process_time_of_ratio(rig.process, inverse_pair[i][0]),
		         inverse_pair[i][1], 0);
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1.5e-9); /* the shortest number has nine digits */
}

#define SONG_C "Song et al. 2021 (2011.13456), appendix C"
#define EDM_1 "Karras et al. 2022 (2206.00364), table 1"
#define ROW(id, name, what, ref, run) {"process", name, what, ref, id##_##run}
#define ROWS(id, prefix, ref)                                                                              \
	ROW(id, prefix "published", "largest deviation of alpha, sigma, g from the formulas", ref,        \
	    published),                                                                            \
	ROW(id, prefix "mean-ode", "d ln alpha/dt = F, by differences", "linear SDE, mean", mean),        \
	ROW(id, prefix "variance-ode", "d sigma^2/dt = 2 F sigma^2 + g^2, by differences",                \
	    "linear SDE, variance", variance),                                                     \
	ROW(id, prefix "semigroup", "two stages have the mean and variance of one", "Chapman-Kolmogorov", \
	    semigroup),                                                                            \
	ROW(id, prefix "inverse", "t(sigma/alpha) and ln SNR undo the schedule", "inverse function",      \
	    inverse),                                                                              \
	ROW(id, prefix "prior", "spread at T over that of the prior, data of spread 0.5", ref, prior)

const sf_check sf_checks_process[] = {
	ROWS(ve, "ve.", SONG_C),
	ROWS(vp, "vp.", SONG_C),
	ROWS(subvp, "subvp.", SONG_C),
	ROWS(edm, "edm.", EDM_1),
	ROWS(cosine, "cosine.", "Nichol and Dhariwal 2021 (2102.09672)"),
	ROWS(geometric, "geometric-vp.", "Vahdat, Kreis, Kautz 2021 (2106.05931)"),
	ROWS(formula, "formula.", "linear SDE of given alpha and sigma"),
	ROWS(edm_vp, "edm.vp-", EDM_1),
	ROWS(edm_ve, "edm.ve-", EDM_1),
	{"process", "vp.noise-levels", "sigma/alpha and its inverse at EDM's values", EDM_1,
	 vp_levels},
	{"process", "subvp.below-vp", "largest ratio of sub-VP's to VP's sigma is at most 1",
	 "Song et al. 2021 (2011.13456), appendix B", subvp_below},
	{NULL, NULL, NULL, NULL, NULL}};
