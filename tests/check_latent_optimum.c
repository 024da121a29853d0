/* check_latent_optimum.c: runs with latents come to optima that are known in closed form.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent_rig.h"

#include "process/process.h"

enum { D = 3, POINTS = 8 };
static const double sd[D] = {1.6, .7, .5};

/* All (+-s_1, +-s_2, +-s_3): mean 0, covariance diag s^2. */
static const char *write_points(void)
{
	static double x[POINTS * D];
	sf_array a;
	int i, k;

	for (i = 0; i < POINTS; i++)
		for (k = 0; k < D; k++)
			x[i * D + k] = i >> k & 1 ? sd[k] : -sd[k];
	memset(&a, 0, sizeof a);
	a.type = SF_FLOAT64;
	a.rank = 2;
	a.dim[0] = POINTS;
	a.dim[1] = D;
	a.size = POINTS * D;
	a.data = x;
	assert_ok(ctx, sf_npy_write(ctx, in_folder("points.npy"), &a));
	return in_folder("points.npy");
}

/* Mean of a value over the last `steps` lines of a run. */
static double logged(const char *name, const char *key, int lines)
{
	char want[40], *log = log_of(name), *at = log;
	double sum = 0, all[4000];
	int n = 0, i;

	snprintf(want, sizeof want, "\"%s\": ", key);
	while ((at = strstr(at, want)) && n < 4000) {
		at += strlen(want);
		all[n++] = strtod(at, NULL);
	}
	ck_assert_int_ge(n, lines);
	for (i = n - lines; i < n; i++)
		sum += all[i];
	free(log);
	return sum / lines;
}

/* Tipping and Bishop 1999: with one latent number, the likelihood's maximum over W, mean and noise is
 *
 *     log p = -1/2 (ln l_1 + (d-1) ln s^2 + d ln 2 pi + d),    s^2 = the mean of the other eigenvalues of the covariance.
 *
 * A posterior mean of these points takes two values alone, so that a linear encoder bounded by 5 tanh(./5) is exact, the bound is
 * tight, and -log p is the least it can be. */
START_TEST(ppca)
{
	double s2 = (sd[1] * sd[1] + sd[2] * sd[2]) / (D - 1), best, got;
	char settings[1500];

	best = .5 * (2 * log(sd[0]) + (D - 1) * log(s2) + D * log(2 * SF_PI) + D);
	snprintf(settings, sizeof settings, "data.spec=npy:path=%s model.precision=float64 net.spec=mlp:width=4,depth=1,embed-width=4 "
	         "vae.encoder=affine:init=1 vae.decoder=affine:init=1 vae.latent=1 vae.likelihood=gaussian vae.std=0 vae.pretrain=100000 "
	         "objective.spec=dsm train.steps=1500 train.batch=64 train.shards=4 train.lr=0.01 train.log-every=500 train.clip=0 "
	         "train.checkpoint-every=0", write_points());
	assert_ok(ctx, train(settings, "p", 0, 0, 2));
	got = logged("p", "loss", 1);
	/* 32000 samples of the last line; the spread of a sample's bound is that of (|x - W z|^2/s^2 - D)/2, at most sqrt(D/2), and what
	 * the steps' own noise adds is of the order of lr: five standard errors below, and as much and lr above */
	ck_assert_msg(got > best - 5 * sqrt(D / 2. / 32000) && got < best + 5 * sqrt(D / 2. / 32000) + .01, "%.6f, least %.6f", got, best);
}
END_TEST

/* A parameter of a flat buffer by its name. */
static double *named(const sf_graph *g, double *params, const char *name)
{
	int i;

	for (i = 0; i < sf_param_count(g); i++)
		if (strcmp(sf_param_get(g, i)->name, name) == 0)
			return params + sf_param_get(g, i)->offset;
	ck_abort_msg("no parameter %s", name);
	return NULL;
}

/* E|z - eps|^2 at time t, of eps = c_x x + c_v v + d (one block: v is x_t) for latents of these moments: the noise that eps should be
 * is one of two independent normals. */
static double missed(const sf_model *m, const double *A, double b, double a, double t, double mean, double square)
{
	double phi[4] = {0}, l[4] = {0}, cx, cv, from, other;
	sf_coef c;
	int two = sf_process_blocks(m->process) == 2;

	sf_model_coef(m, t, &c);
	sf_process_phi(m->process, 0, t, phi);
	if (two)
		sf_process_factor(m->process, t, 0, l);
	cx = two ? a * A[0] : 0;
	cv = (1 - a) * c.e_x + a * A[two];
	from = two ? cx * phi[0] + cv * phi[2] : cv * c.alpha;
	other = cx * l[0] + cv * l[2];
	return (1 - cv * c.sigma) * (1 - cv * c.sigma) + other * other + from * from * square + 2 * from * a * b * mean + a * b * a * b;
}

/* The bound of the parameters, exactly: means over the N data, Simpson's rule over ln t. */
static double bound(const sf_setup *s, const sf_graph *g, double *params, int n, const double *x, double std)
{
	enum { CUTS = 4000 };
	const double *eA = named(g, params, "encoder.A"), *eb = named(g, params, "encoder.b"), *A = named(g, params, "A");
	double dA = *named(g, params, "decoder.A"), db = *named(g, params, "decoder.b"), b = *named(g, params, "b");
	double a = 1 / (1 + exp(-*named(g, params, "mix.logit")));
	double lo = log(sf_process_t_train(s->process)), h = (log(sf_process_horizon(s->process)) - lo) / CUTS;
	double mean = 0, square = 0, rest = 0, sum = 0, constant;
	int i;

	for (i = 0; i < n; i++) {
		double mu = 5 * tanh((eA[0] * x[i] + eb[0]) / 5), ls = 5 * tanh((eA[1] * x[i] + eb[1]) / 5), miss = x[i] - dA * mu - db;

		mean += mu / n;
		square += (mu * mu + exp(2 * ls)) / n;
		rest += (.5 * log(2 * SF_PI * std * std) + (miss * miss + dA * dA * exp(2 * ls)) / (2 * std * std)) / n;
		rest -= (ls + .5 * log(2 * SF_PI * exp(1))) / n;
	}
	for (i = 0; i <= CUTS; i++) {
		double t = exp(lo + h * i), scale = sf_process_scale(s->process, t), w = sf_process_g2(s->process, t) / (2 * scale * scale);

		sum += (i == 0 || i == CUTS ? 1 : i % 2 ? 4 : 2) * h / 3 * t * w * missed(&s->model, A, b, a, t, mean, square);
	}
	assert_ok(ctx, sf_cross_entropy_constant(s->process, sf_process_t_train(s->process), 1, &constant));
	return rest + sum + constant;
}

static double normals(int n, double deviation, double *x, const char *name)
{
	sf_noise key = {1, SF_NOISE_USER, 0};
	double mean = 0, v = 0;
	sf_array a;
	int i;

	sf_noise_normal_d(ctx, key, 0, 0, (size_t)n, x);
	for (i = 0; i < n; i++)
		mean += (x[i] *= deviation) / n;
	for (i = 0; i < n; i++)
		v += (x[i] - mean) * (x[i] - mean) / n;
	memset(&a, 0, sizeof a);
	a.type = SF_FLOAT64;
	a.rank = 2;
	a.dim[0] = a.size = n;
	a.dim[1] = 1;
	a.data = x;
	assert_ok(ctx, sf_npy_write(ctx, in_folder(name), &a));
	return v;
}

/* The pair that is exact for a prior N(0,1) but for the tanh, and a prior that is what the mixed score starts from. */
static void ideal(const sf_graph *g, int two, double *params, int n, const double *x, double v, double std)
{
	double *eA = named(g, params, "encoder.A"), *eb = named(g, params, "encoder.b"), w = sqrt(v - std * std), mean = 0;
	int i;

	for (i = 0; i < n; i++)
		mean += x[i] / n;
	eA[0] = w / v;
	eA[1] = 0;
	eb[0] = -mean * w / v;
	eb[1] = 5 * atanh(log(std / sqrt(v)) / 5);
	*named(g, params, "decoder.A") = w;
	*named(g, params, "decoder.b") = mean;
	*named(g, params, "mix.logit") = -50;
	memset(named(g, params, "A"), 0, (size_t)(1 + two) * sizeof *params);
	*named(g, params, "b") = 0;
}

/* What a batch says of the bound has the bound for its mean, for parameters that are not the best: within five standard errors. */
START_TEST(estimates)
{
	static const char *const how[] = {
		"process.spec=vp objective.spec=dsm:weight=g2,t=normal", "process.spec=vp objective.spec=dsm:weight=sigma2,t=importance",
		"process.spec=cld objective.spec=hsm:weight=g2,t=normal", "process.spec=cld objective.spec=hsm:weight=sigma2 vae.times=separate"};
	enum { N = 32, STEPS = 400 };
	static double x[N];
	double sum = 0, square = 0, mean, se, want, v;
	char settings[1500];
	latents l;
	int64_t k;

	v = normals(N, 1.5, x, "normal.npy");
	snprintf(settings, sizeof settings, "data.spec=npy:path=%s model.precision=float64 net.spec=affine:init=1 "
	         "model.parametrisation=mixed-learned vae.encoder=affine:init=1 vae.decoder=affine:init=1 vae.latent=1 vae.likelihood=gaussian "
	         "vae.std=0.8 train.batch=256 train.shards=2 %s", in_folder("normal.npy"), how[_i]); /* each record 8 times a step */
	open_latents(&l, settings, SF_LATENT_JOINT);
	ideal(sf_batch_graph(l.b), _i > 1, l.params, N, x, v, .8); /* and from there: */
	*named(sf_batch_graph(l.b), l.params, "mix.logit") = -1;
	*named(sf_batch_graph(l.b), l.params, "encoder.A") *= 1.3;
	for (k = 0; k < STEPS; k++) {
		double one;

		run_latents(&l, k);
		one = sf_batch_value(l.b, 0);
		sum += one;
		square += one * one;
	}
	mean = sum / STEPS;
	se = sqrt((square / STEPS - mean * mean) / (STEPS - 1));
	want = bound(&l.s, sf_batch_graph(l.b), l.params, N, x, .8);
	ck_assert_msg(fabs(mean - want) < 5 * se && se < .1 * fabs(want), "%s: %.6f +- %.6f, is %.6f", how[_i], mean, se, want);
	close_latents(&l);
}
END_TEST

/* Normal data of variance v and p(x|z) of deviation .8: with a linear decoder and a prior N(0,1), the least bound is the data's entropy
 * ln(2 pi e v)/2, which none is below; of vp the mixed score is that prior's, so that it is within the tanh's bend and the cut at
 * t_train; of cld that score leaves the tie of position and velocity out, and what the exact pair has with it can be had. The steps'
 * own noise may add lr/2. A pair that tells nothing of the data (z unused) is worse by (v/.64 - 1 - ln(v/.64))/2. */
START_TEST(toy)
{
	static const char *const how[] = {
		"process.spec=vp objective.spec=dsm:weight=g2,t=normal", "process.spec=cld objective.spec=hsm:weight=g2,t=normal",
		"process.spec=vp objective.spec=dsm:weight=sigma2 vae.times=separate",
		"process.spec=vp objective.spec=dsm:t=importance vae.pretrain=2000"};
	enum { N = 400 };
	static double x[N];
	char settings[1500];
	double v = normals(N, 1.5, x, "normal.npy"), best = .5 * log(2 * SF_PI * exp(1) * v), got, reach;
	void *params;
	sf_config *c;
	sf_graph *g;
	sf_setup s;

	snprintf(settings, sizeof settings, "data.spec=npy:path=%s model.precision=float64 net.spec=affine:init=0 "
	         "model.parametrisation=mixed-learned vae.encoder=affine:init=1 vae.decoder=affine:init=1 vae.latent=1 vae.likelihood=gaussian "
	         "vae.std=0.8 %s train.steps=6000 train.batch=64 train.shards=1 train.lr=0.02 train.ema=0.999 train.clip=0 "
	         "train.checkpoint-every=0", in_folder("normal.npy"), how[_i]);
	assert_ok(ctx, train(settings, "t", 0, 0, 1));
	c = configured(settings);
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	assert_ok(ctx, sf_setup_weights(&s, in_folder("t/checkpoint-00006000.safetensors"), 0, &params));
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	assert_ok(ctx, sf_setup_layout(&s, g));
	got = bound(&s, g, params, N, x, .8);
	ideal(g, _i == 1, params, N, x, v, .8);
	reach = bound(&s, g, params, N, x, .8);
	ck_assert_double_gt((v / .64 - 1 - log(v / .64)) / 2, .5);
	ck_assert_msg(reach > best - 1e-4 && reach < best + (_i == 1 ? .1 : .002), "%s: %.6f of the exact pair, least %.6f", how[_i], reach,
	              best);
	ck_assert_msg(got > best - 1e-4 && got < reach + .01, "%s: %.6f, least %.6f, %.6f can be had", how[_i], got, best, reach);
	sf_graph_free(g);
	sf_setup_free_weights(params);
	sf_setup_close(&s);
	sf_config_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("optima of latents");
	TCase *t = tcase_create("optima");

	tcase_add_checked_fixture(t, train_setup, train_teardown);
	tcase_add_test(t, ppca);
	tcase_add_loop_test(t, estimates, 0, 4);
	tcase_add_loop_test(t, toy, 0, 4);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
