/* multistep.c: checks of the methods that step in lambda or in the noise level: runs on the mixture whose answers are
 * known to all digits, orders of convergence with exact starting values, and identities between methods.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>

#define SKEWED "mixture:preset=skewed"
#define RANGE "edm:sigma-min=0.1,sigma-max=10"
#define START 7.1
#define LOG "logsnr"
#define KARRAS "karras:final=last"

/* ---- runs with their own start: 16 and 64 steps of both grids ---- */

/* In vp the noise levels are those of the grid's options and the state has the factor alpha. */
static int ends_at(sf_ctx *ctx, const char *sampler, const char *grid, int64_t steps, double *x)
{
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, RANGE, SKEWED, 1, sampler, grid, &rig));
	*x = START;
	rc = sf_rig_sample(&rig, 1, steps, NAN, NAN, 0, x, NULL);
	sf_rig_close(&rig);
	return rc;
}

static int golden(sf_ctx *ctx, sf_row *row, const char *sampler, const double expected[4])
{
	double worst = 0, x;
	int i;

	for (i = 0; i < 4; i++) {
		SF_TRY(ends_at(ctx, sampler, i < 2 ? LOG : KARRAS, i % 2 ? 64 : 16, &x));
		sf_worst(&worst, x, expected[i], 0);
	}
	return sf_row_worst(row, worst, 2e-13);
}

#define GOLDEN(name, sampler, log16, log64, karras16, karras64)                                     \
	static int name(sf_ctx *ctx, sf_row *row)                                                   \
	{                                                                                           \
		static const double expected[] = {log16, log64, karras16, karras64};                \
		return golden(ctx, row, sampler, expected);                                         \
	}

GOLDEN(ddim, "ddim", 1.039889196530639, 1.083286641022096, 1.039632675542531, 1.083108398694327)
GOLDEN(dpm_2, "dpm:order=2", 1.104411725153048, 1.099224575807506, 1.104762008913962, 1.099244388808123)
GOLDEN(dpm2, "dpm2", 1.104411725153048, 1.099224575807506, 1.104762008913962, 1.099244388808123)
GOLDEN(dpm_3, "dpm", 1.098894013571170, 1.098896111393817, 1.098853619653216, 1.098895492007033)
GOLDEN(dpmpp_2s, "dpmpp:method=singlestep", 1.095029272374003, 1.098648065602638, 1.094939507815019,
       1.098643611519940)
GOLDEN(dpmpp_3s, "dpmpp:method=singlestep,order=3", 1.098954606938698, 1.098897248761432, 1.098980381997114,
       1.098897702900618)
GOLDEN(dpmpp_2m, "dpmpp", 1.104815547345967, 1.099270583883453, 1.109808869981965, 1.099535631938318)
GOLDEN(dpmpp_2m_taylor, "dpmpp:variant=taylor", 1.108473766215165, 1.099470036030616, 1.114183145549265,
       1.099749446818021)
GOLDEN(dpmpp_published, "dpmpp:order=3,published=true", 1.100763848867074, 1.098992507191250, 1.100784166941483,
       1.099028308450203)
GOLDEN(dpmpp_lower, "dpmpp:order=3,published=true,lower-order-final=always", 1.101909919326646, 1.098993706855627,
       1.103502294749758, 1.099033546320721)
GOLDEN(dpmpp_3m, "dpmpp:order=3", 1.098745054382163, 1.098872669270891, 1.097066496960130, 1.098845621900140)
GOLDEN(sde_2m, "dpmpp-sde:solver=2m,eta=0", 1.104815547345967, 1.099270583883453, 1.109808869981965,
       1.099535631938318)
GOLDEN(sde_2m_taylor, "dpmpp-sde:solver=2m,variant=taylor,eta=0", 1.108473766215165, 1.099470036030616,
       1.114183145549265, 1.099749446818021)
GOLDEN(sde_2s, "dpmpp-sde:eta=0", 1.095029272374003, 1.098648065602638, 1.094939507815019, 1.098643611519940)
GOLDEN(sde_2sa, "dpmpp-sde:solver=2s-ancestral,eta=0", 1.095029272374003, 1.098648065602638, 1.094939507815019,
       1.098643611519940)
GOLDEN(unipc_2, "unipc:order=2,lower-order-final=never", 1.102833317645780, 1.098946758292514, 1.106202448601172,
       1.098977154715241)
GOLDEN(unipc_2_bh2, "unipc:order=2,variant=bh2,lower-order-final=never", 1.101111097953867, 1.098927316292919,
       1.103432184991154, 1.098951707296441)
GOLDEN(unipc_3, "unipc:lower-order-final=never", 1.098194515990930, 1.098894995230588, 1.096735897882526,
       1.098889591248918)
GOLDEN(unipc_3_bh2, "unipc:variant=bh2,lower-order-final=never", 1.098136399213266, 1.098894298333318,
       1.096713899203747, 1.098889320130231)
GOLDEN(unipc_lower, "unipc:variant=bh2", 1.099116342044329, 1.098895362554043, 1.099305511656286, 1.098892988967569)
GOLDEN(lms_4, "lms", 1.093989501286907, 1.098842526453724, 1.095963378250514, 1.098869125749892)
GOLDEN(ipndm_4, "ipndm", 1.101453583538160, 1.099066591744633, 1.101517410997749, 1.099055537800073)
GOLDEN(deis_4, "deis", 1.099036557597258, 1.098879861702516, 1.099666695932161, 1.098890787982353)

/* ---- orders: exact starting values, no lower orders at the end ---- */

/* F(x, sigma) - q of the mixture, or its complement's where q is large; both tails without cancellation. */
static double tail(double x, double sigma, int upper)
{
	static const double weight[] = {0.3, 0.5, 0.2}, mean[] = {-1, 0.6, 1.5}, std[] = {0.3, 0.4, 0.2};
	double sum = 0;
	int i;

	for (i = 0; i < 3; i++) {
		double z = (x - mean[i]) / sqrt(2 * (std[i] * std[i] + sigma * sigma));

		sum += weight[i] * erfc(upper ? z : -z) / 2;
	}
	return sum;
}

/* The probability-flow ODE of one dimension keeps quantiles: bisection to the last bit. */
static double exact(double sigma)
{
	double q = tail(START, 10, 1), lo = -100, hi = 100, mid;

	for (;;) {
		mid = lo + (hi - lo) / 2;
		if (!(mid > lo && mid < hi))
			return mid;
		*(tail(mid, sigma, 1) > q ? &lo : &hi) = mid;
	}
}

typedef struct helper {
	double *x;
	int64_t exact_steps;
} helper;

static int help(void *user, int64_t step, double t, int64_t n, const double *x)
{
	helper *w = user;

	(void)n;
	(void)x;
	if (step > 0 && step <= w->exact_steps)
		*w->x = exact(t);
	return 0;
}

static int error_of(sf_ctx *ctx, const char *sampler, const char *grid, int64_t steps, int64_t exact_steps,
                    double *error)
{
	sf_sample_run run;
	double x = START;
	helper w = {&x, exact_steps};
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, RANGE, SKEWED, 1, sampler, grid, &rig));
	sf_sample_defaults(&run);
	run.n = 1;
	run.steps = steps;
	run.grid = rig.grid;
	run.given_start = 1;
	run.denoise = 0;
	run.observe = help;
	run.user = &w;
	rc = sf_sample(rig.sampler, rig.score, &run, &x, NULL);
	*error = fabs(x - exact(0.1));
	sf_rig_close(&rig);
	return rc;
}

static int order(sf_ctx *ctx, sf_row *row, const char *sampler, const char *grid, int64_t steps, int64_t exact_steps,
                 double expected)
{
	double coarse, fine;

	SF_TRY(error_of(ctx, sampler, grid, steps, exact_steps, &coarse));
	SF_TRY(error_of(ctx, sampler, grid, 2 * steps, exact_steps, &fine));
	return sf_row_value(row, log(coarse / fine) / log(2), expected, 0.1);
}

#define ORDER(name, sampler, grid, steps, history, expected)                                        \
	static int name(sf_ctx *ctx, sf_row *row)                                                   \
	{                                                                                           \
		return order(ctx, row, sampler, grid, steps, history, expected);                    \
	}

ORDER(order_ddim, "ddim", KARRAS, 512, 0, 1)
ORDER(order_dpm_1, "dpm:order=1", LOG, 512, 0, 1)
ORDER(order_dpm_2, "dpm:order=2", LOG, 512, 0, 2)
ORDER(order_dpm_2t, "dpm:order=2,variant=taylor", KARRAS, 512, 0, 2)
ORDER(order_dpm_3, "dpm", LOG, 512, 0, 3)
ORDER(order_dpm_3t, "dpm:variant=taylor", LOG, 512, 0, 3)
ORDER(order_dpm_3dt, "dpm:variant=taylor,prediction=data", KARRAS, 512, 0, 3)
ORDER(order_dpmpp_3s, "dpmpp:method=singlestep,order=3", LOG, 512, 0, 3)
ORDER(order_2m, "dpmpp", KARRAS, 512, 1, 2)
ORDER(order_2m_own, "dpmpp:lower-order-final=always", KARRAS, 512, 0, 2)
ORDER(order_2m_noise, "dpmpp:prediction=noise", KARRAS, 512, 1, 2)
ORDER(order_3m, "dpmpp:order=3", LOG, 512, 2, 3)
ORDER(order_3m_noise, "dpmpp:order=3,prediction=noise", KARRAS, 512, 2, 3)
ORDER(order_3m_published, "dpmpp:order=3,published=true", LOG, 512, 2, 2)
ORDER(order_uni_1, "unipc:order=1,corrector=false", LOG, 512, 0, 1)
ORDER(order_uni_2, "unipc:order=2,corrector=false,lower-order-final=never", LOG, 512, 1, 2)
ORDER(order_uni_3, "unipc:corrector=false,lower-order-final=never", LOG, 512, 2, 3)
ORDER(order_uni_4, "unipc:order=4,corrector=false,lower-order-final=never", LOG, 256, 3, 4)
ORDER(order_unic_1, "unipc:order=1", LOG, 512, 0, 2)
ORDER(order_unic_2, "unipc:order=2,uncorrected=1,lower-order-final=never", LOG, 512, 1, 3)
ORDER(order_unic_3, "unipc:uncorrected=2,lower-order-final=never", LOG, 256, 2, 4)
ORDER(order_unic_4, "unipc:order=4,uncorrected=3,lower-order-final=never", KARRAS, 512, 3, 5)
ORDER(order_unic_3n, "unipc:prediction=noise,uncorrected=2,lower-order-final=never", LOG, 256, 2, 4)
ORDER(order_lms_2, "lms:order=2", KARRAS, 512, 1, 2)
ORDER(order_lms_3, "lms:order=3", KARRAS, 512, 2, 3)
ORDER(order_lms_4, "lms", KARRAS, 256, 3, 4)
ORDER(order_ipndm, "ipndm", KARRAS, 512, 3, 2)
ORDER(order_ipndm_even, "ipndm", "karras:rho=1,final=last", 1024, 3, 4)
ORDER(order_deis_2, "deis:order=2", KARRAS, 512, 1, 2)
ORDER(order_deis_3, "deis:order=3", KARRAS, 512, 2, 3)
ORDER(order_deis_4, "deis", KARRAS, 256, 3, 4)
ORDER(order_rk4, "rk4", KARRAS, 128, 0, 4)

/* ---- one step of two, by hand on normal data ---- */

static int multiplier(sf_ctx *ctx, sf_row *row, const char *sampler, double expected)
{
	double x = 1.7;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "edm", "gaussian:mean=0.3,std=0.7", 1, sampler, LOG, &rig));
	rc = sf_rig_sample(&rig, 1, 1, 2, 1, 0, &x, NULL);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, (x - 0.3) / 1.4, expected, 1e-15);
}

static int step_2s(sf_ctx *ctx, sf_row *row)
{
	return multiplier(ctx, row, "dpmpp:method=singlestep", 0.5727198008571316);
}

static int step_dpm2(sf_ctx *ctx, sf_row *row)
{
	return multiplier(ctx, row, "dpm2", 0.5802394749990772);
}

static int step_ddim(sf_ctx *ctx, sf_row *row)
{
	return multiplier(ctx, row, "ddim", (1.076391982182628 - 0.3) / 1.4);
}

/* ---- identities ---- */

static int alike(sf_ctx *ctx, sf_row *row, const char *const specs[][2])
{
	double worst = 0;
	int i, j;

	for (i = 0; specs[i][0]; i++)
		for (j = 0; j < 2; j++) {
			double x, y;

			SF_TRY(ends_at(ctx, specs[i][0], j ? KARRAS : LOG, 12, &x));
			SF_TRY(ends_at(ctx, specs[i][1], j ? KARRAS : LOG, 12, &y));
			sf_worst(&worst, x, y, 0);
		}
	return sf_row_worst(row, worst, 1e-13);
}

static int first_orders(sf_ctx *ctx, sf_row *row)
{
	static const char *const specs[][2] = {
		{"ddim", "heun:order=1"},  {"dpm:order=1", "ddim"}, {"dpm:order=1,prediction=data", "ddim"},
		{"dpmpp:order=1", "ddim"}, {"lms:order=1", "ddim"}, {"unipc:order=1,corrector=false", "ddim"},
		{"deis:order=1", "ddim"},  {"ipndm:order=1", "ddim"}, {"euler-ancestral:eta=0", "ddim"}, {NULL, NULL}};

	return alike(ctx, row, specs);
}

static int same_methods(sf_ctx *ctx, sf_row *row)
{
	static const char *const specs[][2] = {
		{"unipc:order=2,variant=bh2,corrector=false", "dpmpp:lower-order-final=always"},
		{"unipc:order=3,corrector=false,variant=bh2", "dpmpp:order=3,lower-order-final=always"},
		{"unipc:order=3,corrector=false,variant=bh2,prediction=noise",
	         "dpmpp:order=3,lower-order-final=always,prediction=noise"},
		{"dpm:order=2", "dpm2"},
		{"dpm:prediction=data", "dpmpp:method=singlestep,order=3"},
		{"deis:clock=process,order=3", "lms:order=3"},
		{"dpmpp-sde:solver=3m,eta=0", "dpmpp:order=3,variant=taylor"},
		{"dpmpp-sde:solver=3m,eta=0,published=true", "dpmpp:order=3,variant=taylor,published=true"},
		{NULL, NULL}};

	return alike(ctx, row, specs);
}

#define DPM "Lu et al. 2022 (2206.00927)"
#define DPMPP "Lu et al. 2022 (2211.01095)"
#define SDE "Lu et al. 2022 (2211.01095)"
#define UNIPC "Zhao et al. 2023 (2302.04867)"
#define DEIS "Zhang and Chen 2023 (2204.13902)"
#define IPNDM "Liu et al. 2022 (2202.09778)"
#define DDIM "Song, Meng and Ermon 2021 (2010.02502)"
#define EULER "Song et al. 2021 (2011.13456), eq 13"
#define RUNS "runs of 16 and 64 steps on a mixture: "
#define CONVERGES "order of convergence: "
#define ROW(name, what, ref, run) {"sampler", name, what, ref, run}

const sf_check sf_checks_multistep[] = {
	ROW("ddim.mixture", RUNS "eta = 0", DDIM, ddim),
	ROW("dpm.mixture-2", RUNS "order 2", DPM, dpm_2),
	ROW("dpm.mixture-3", RUNS "order 3", DPM, dpm_3),
	ROW("dpm2.mixture", RUNS "midpoint in the logarithm", DPM, dpm2),
	ROW("dpmpp.mixture-2s", RUNS "2S", DPMPP, dpmpp_2s),
	ROW("dpmpp.mixture-3s", RUNS "3S", DPMPP, dpmpp_3s),
	ROW("dpmpp.mixture-2m", RUNS "2M", DPMPP, dpmpp_2m),
	ROW("dpmpp.mixture-2m-taylor", RUNS "2M, all terms", DPMPP, dpmpp_2m_taylor),
	ROW("dpmpp.mixture-3m", RUNS "3M", DPMPP, dpmpp_3m),
	ROW("dpmpp.mixture-published", RUNS "3M with the published second derivative", DPMPP, dpmpp_published),
	ROW("dpmpp.mixture-lower", RUNS "the same with lower orders at the end", DPMPP, dpmpp_lower),
	ROW("dpmpp-sde.mixture-2m", RUNS "2M, eta = 0", SDE, sde_2m),
	ROW("dpmpp-sde.mixture-2m-taylor", RUNS "2M, all terms, eta = 0", SDE, sde_2m_taylor),
	ROW("dpmpp-sde.mixture-2s", RUNS "2S, eta = 0", SDE, sde_2s),
	ROW("dpmpp-sde.mixture-2s-ancestral", RUNS "2S ancestral, eta = 0", SDE, sde_2sa),
	ROW("unipc.mixture-2", RUNS "order 2, bh1", UNIPC, unipc_2),
	ROW("unipc.mixture-2-bh2", RUNS "order 2, bh2", UNIPC, unipc_2_bh2),
	ROW("unipc.mixture-3", RUNS "order 3, bh1", UNIPC, unipc_3),
	ROW("unipc.mixture-3-bh2", RUNS "order 3, bh2", UNIPC, unipc_3_bh2),
	ROW("unipc.mixture-lower", RUNS "order 3, bh2, lower orders at the end", UNIPC, unipc_lower),
	ROW("lms.mixture", RUNS "order 4", DEIS, lms_4),
	ROW("ipndm.mixture", RUNS "order 4", IPNDM, ipndm_4),
	ROW("deis.mixture", RUNS "tAB3", DEIS, deis_4),
	ROW("ddim.order", CONVERGES "eta = 0", DDIM, order_ddim),
	ROW("dpm.order-1", CONVERGES "1", DPM, order_dpm_1),
	ROW("dpm.order-2", CONVERGES "2", DPM, order_dpm_2),
	ROW("dpm.order-2-taylor", CONVERGES "2, all terms", DPM, order_dpm_2t),
	ROW("dpm.order-3", CONVERGES "3", DPM, order_dpm_3),
	ROW("dpm.order-3-taylor", CONVERGES "3, all terms", DPM, order_dpm_3t),
	ROW("dpm.order-3-taylor-data", CONVERGES "3, all terms, data prediction", DPM, order_dpm_3dt),
	ROW("dpmpp.order-3s", CONVERGES "3S", DPMPP, order_dpmpp_3s),
	ROW("dpmpp.order-2m", CONVERGES "2M", DPMPP, order_2m),
	ROW("dpmpp.order-2m-own", CONVERGES "2M with its own start and end", DPMPP, order_2m_own),
	ROW("dpmpp.order-2m-noise", CONVERGES "2M, noise prediction", DPMPP, order_2m_noise),
	ROW("dpmpp.order-3m", CONVERGES "3M", DPMPP, order_3m),
	ROW("dpmpp.order-3m-noise", CONVERGES "3M, noise prediction", DPMPP, order_3m_noise),
	ROW("dpmpp.order-3m-published", CONVERGES "3M with the published second derivative", DPMPP, order_3m_published),
	ROW("unipc.order-p1", CONVERGES "predictor 1", UNIPC, order_uni_1),
	ROW("unipc.order-p2", CONVERGES "predictor 2", UNIPC, order_uni_2),
	ROW("unipc.order-p3", CONVERGES "predictor 3", UNIPC, order_uni_3),
	ROW("unipc.order-p4", CONVERGES "predictor 4", UNIPC, order_uni_4),
	ROW("unipc.order-1", CONVERGES "1 with corrector", UNIPC, order_unic_1),
	ROW("unipc.order-2", CONVERGES "2 with corrector", UNIPC, order_unic_2),
	ROW("unipc.order-3", CONVERGES "3 with corrector", UNIPC, order_unic_3),
	ROW("unipc.order-4", CONVERGES "4 with corrector", UNIPC, order_unic_4),
	ROW("unipc.order-3-noise", CONVERGES "3 with corrector, noise prediction", UNIPC, order_unic_3n),
	ROW("lms.order-2", CONVERGES "2", DEIS, order_lms_2),
	ROW("lms.order-3", CONVERGES "3", DEIS, order_lms_3),
	ROW("lms.order-4", CONVERGES "4", DEIS, order_lms_4),
	ROW("ipndm.order", CONVERGES "uneven noise levels", IPNDM, order_ipndm),
	ROW("ipndm.order-even", CONVERGES "even noise levels", IPNDM, order_ipndm_even),
	ROW("deis.order-2", CONVERGES "tAB1", DEIS, order_deis_2),
	ROW("deis.order-3", CONVERGES "tAB2", DEIS, order_deis_3),
	ROW("deis.order-4", CONVERGES "tAB3", DEIS, order_deis_4),
	ROW("rk4.order", CONVERGES "classical Runge-Kutta", EULER, order_rk4),
	ROW("dpmpp.step-2s", "one step from 2 to 1 on normal data", DPMPP, step_2s),
	ROW("dpm2.step", "one step from 2 to 1 on normal data", DPM, step_dpm2),
	ROW("ddim.step", "one step from 2 to 1 on normal data", DDIM, step_ddim),
	ROW("ddim.first-orders", "all first orders are one map", DDIM, first_orders),
	ROW("unipc.same-methods", "pairs of methods that are one", UNIPC, same_methods),
	{NULL, NULL, NULL, NULL, NULL}};
