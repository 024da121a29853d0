/* check_combinations.c: every objective with every process, parametrisation and kind of network: what fits trains a few
 * steps to a finite loss, the rest is refused with a reason. What fits is said here a second time, from what each objective
 * needs of the mathematics, not from the library's rule.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINEAR = 1, TWO = 2, NONLINEAR = 4, STILL = 8, ANY = 15 }; /* kinds of process */

static const struct {
	const char *name;
	int kind;
} processes[] = {{"ve", LINEAR}, {"vp", LINEAR}, {"subvp", LINEAR}, {"edm", LINEAR}, {"ddpm", LINEAR}, {"cosine", LINEAR}, {"geometric-vp", LINEAR},
                 {"formula", LINEAR}, {"cld", TWO},
                 {"double-well", NONLINEAR}, {"sech", NONLINEAR}, {"static", STILL}};
enum { PROCESSES = sizeof processes / sizeof *processes };

static const struct {
	const char *spec;
	int kinds;  /* of process that it is for */
	int twice;  /* differentiates the network with respect to x */
	int energy; /* 1: needs one, 2: takes its values where there is one */
} objectives[] = {
	{"ism", ANY, 1, 0},
	{"ssm", ANY, 1, 0},
	{"ssm:projections=sphere,slices=2", ANY, 1, 0},
	{"ssm-vr", ANY, 1, 0},
	{"fd-ssm", ANY, 0, 2},
	{"fd-ssm-vr", ANY, 0, 0},
	{"fd-dsm", LINEAR | TWO, 0, 1},
	{"dsm", LINEAR | TWO, 0, 0},
	{"dsm:weight=edm,t=importance", LINEAR, 0, 0},
	{"dsm:weight=min-snr,t=lognormal", LINEAR, 0, 0},
	{"dsm:weight=g2,t=stratified", LINEAR | TWO, 0, 0},
	{"dsm:weight=g2,t=normal", LINEAR | TWO, 0, 0},
	{"dsm:weight=g2-sigma2,t=fixed,at=0.5", LINEAR | TWO, 0, 0},
	{"local-dsm", LINEAR | TWO | NONLINEAR, 0, 0},
	{"local-dsm:step=linearised", LINEAR | NONLINEAR, 0, 0},
	{"stf:n=16", LINEAR, 0, 0},
	{"hsm", TWO, 0, 0},
	{"lcss", LINEAR | TWO | NONLINEAR, 0, 0},
	{"lcss:stage=two,antithetic=true,weight=sigma-p2", ANY, 0, 0},
	{"lcss:stage=two,control-variate=true,norm-at=base", ANY, 0, 0},
	{"lcss:stage=two,relabel=true", LINEAR, 0, 0},
};
enum { OBJECTIVES = sizeof objectives / sizeof *objectives };

static int fits(int o, int p, const char *param, int kinks)
{
	int simple = strcmp(param, "eps") == 0 || strcmp(param, "score") == 0 || strcmp(param, "sigma-score") == 0;
	int energy = strcmp(param, "energy") == 0;
	int kind = processes[p].kind;

	/* sub-VP's noise of 1e-6 at its first times cannot be split in single precision */
	if (strstr(objectives[o].spec, "relabel") && strcmp(processes[p].name, "subvp") == 0)
		return 0;
	if (!(objectives[o].kinds & kind))
		return 0;
	if (!simple && !energy && kind != LINEAR && !(kind == TWO && strncmp(param, "mixed", 5) == 0))
		return 0;
	if (objectives[o].energy == 1 && !energy)
		return 0;
	return !(kinks && (objectives[o].twice || (energy && !objectives[o].energy)));
}

static int train(sf_ctx *ctx, const char *data, const char *net, const char *process, const char *param,
                 const char *objective, double *loss)
{
	const char *const keys[] = {"data.spec", "net.spec", "process.spec", "model.parametrisation", "objective.spec"};
	const char *const rest[] = {"train.steps=2", "train.batch=4", "train.events=false", "train.lr=1e-4"};
	const char *values[5];
	sf_config *c;
	sf_trainer *t = NULL;
	char set[400];
	int i, rc;

	values[0] = data, values[1] = net, values[2] = process, values[3] = param, values[4] = objective;
	assert_ok(ctx, sf_config_new(ctx, &c));
	for (i = 0; i < 5; i++) {
		snprintf(set, sizeof set, "%s=%s", keys[i], values[i]);
		assert_ok(ctx, sf_config_set(c, set));
	}
	for (i = 0; i < 4; i++)
		assert_ok(ctx, sf_config_set(c, rest[i]));
	rc = sf_trainer_new(ctx, c, NULL, 0, 0, &t);
	if (rc == 0)
		rc = sf_trainer_run(t, NULL, NULL, NULL);
	if (rc == 0)
		*loss = sf_trainer_state(t)->loss_sum;
	sf_trainer_free(t);
	sf_config_free(c);
	return rc;
}

static void try(sf_ctx *ctx, const char *data, const char *net, int p, const char *param, int o, int want)
{
	double loss = NAN;
	int rc = train(ctx, data, net, processes[p].name, param, objectives[o].spec, &loss);

	if (want) {
		ck_assert_msg(rc == 0 && isfinite(loss), "%s, %s, %s, %s: %s", processes[p].name, net, param,
		              objectives[o].spec, rc ? sf_ctx_message(ctx) : "the loss is not finite");
		return;
	}
	ck_assert_msg(rc == SF_EUNSUP || (rc == SF_ERANGE && strcmp(processes[p].name, "subvp") == 0), "%s, %s, %s, %s: status %d", processes[p].name, net, param, objectives[o].spec, rc);
	/* the reason names one of the parts, or the bound */
	ck_assert_msg(strstr(sf_ctx_message(ctx), processes[p].name) || strstr(sf_ctx_message(ctx), "is needed") || strstr(sf_ctx_message(ctx), "relu") ||
	              strstr(sf_ctx_message(ctx), param), "%s", sf_ctx_message(ctx));
}

/* Sixteen records in DIR/x.npy, as a data spec. */
static const char *records(sf_ctx *ctx, const char *dir, int rank, const int64_t *dim)
{
	static char spec[740];
	float value[16 * 16];
	sf_array a;
	char path[700];
	int i;

	memset(&a, 0, sizeof a);
	a.type = SF_FLOAT32;
	a.rank = rank + 1;
	a.dim[0] = a.size = 16;
	for (i = 0; i < rank; i++)
		a.size *= a.dim[i + 1] = dim[i];
	for (i = 0; i < a.size; i++)
		value[i] = (float)sin(i);
	a.data = value;
	snprintf(path, sizeof path, "%s/x.npy", dir);
	assert_ok(ctx, sf_npy_write(ctx, path, &a));
	snprintf(spec, sizeof spec, "npy:path=%s", path);
	return spec;
}

START_TEST(vectors) /* one test a process, in _i */
{
	static const int64_t plane[] = {2};
	const char *dir = sf_test_mkdir(), *const *param;
	sf_ctx *ctx = ck_ctx();
	const char *data = records(ctx, dir, 1, plane);
	int o;

	for (o = 0; o < OBJECTIVES; o++)
		for (param = sf_param_names(); *param; param++) {
			try(ctx, data, "mlp:width=8,depth=1", _i, *param, o, fits(o, _i, *param, 0));
			try(ctx, data, "mlp:width=8,depth=1,act=relu", _i, *param, o, fits(o, _i, *param, 1));
			try(ctx, data, "affine", _i, *param, o, fits(o, _i, *param, 0));
		}
	sf_test_rmdir(dir);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(images) /* a small U-Net: each objective on each process, with one parametrisation that fits */
{
	static const int64_t image[] = {4, 4, 1};
	const char *dir = sf_test_mkdir(), *const *names = sf_param_names();
	sf_ctx *ctx = ck_ctx();
	const char *data = records(ctx, dir, 3, image);
	int o, n, k;

	for (n = 0; names[n]; n++)
		;
	for (o = 0; o < OBJECTIVES; o++)
		for (k = 0; k < n; k++) {
			const char *param = names[(o + _i + k) % n];

			if (!fits(o, _i, param, 0))
				continue;
			try(ctx, data, "unet:width=4,mult=1:1,blocks=1", _i, param, o, 1);
			break;
		}
	sf_test_rmdir(dir);
	sf_ctx_free(ctx);
}
END_TEST

/* A member that this file does not know would go untested. */
START_TEST(complete)
{
	const sf_class *const *m;
	int i, found;

	for (m = sf_members("objective"); *m; m++) {
		for (found = 0, i = 0; i < OBJECTIVES; i++)
			found |= strncmp(objectives[i].spec, (*m)->name, strlen((*m)->name)) == 0;
		ck_assert_msg(found, "objective '%s' is not in this test's list", (*m)->name);
	}
	for (m = sf_members("process"); *m; m++) {
		for (found = 0, i = 0; i < PROCESSES; i++)
			found |= strcmp(processes[i].name, (*m)->name) == 0;
		ck_assert_msg(found, "process '%s' is not in this test's list", (*m)->name);
	}
}
END_TEST

START_TEST(reasons) /* bounds and missing parts, with what was expected */
{
	static const struct {
		const char *objective, *process, *param, *net, *say;
		int code;
	} rows[] = {
		{"lcss:stage=two,perturb=constant,sigma-p=1e-5", "ve", "eps", "mlp", "at least", SF_ERANGE},
		{"dsm:t=discrete", "subvp", "eps", "mlp", "continuous", SF_EUNSUP},
		{"dsm:t=fixed,at=2", "vp", "eps", "mlp", "horizon", SF_ERANGE},
		{"dsm:t=importance", "cld", "eps", "mlp", "sigma/alpha", SF_EUNSUP},
		{"lcss:t=normal", "sech", "eps", "mlp", "t=normal", SF_EUNSUP},
		{"lcss:stage=two,t=normal", "static", "eps", "mlp", "t=normal", SF_EUNSUP},
		{"ism", "vp", "eps", "mlp:act=relu", "second derivative", SF_EUNSUP},
		{"dsm", "vp", "energy", "mlp:act=relu", "energy", SF_EUNSUP},
		{"fd-dsm", "vp", "eps", "mlp", "parametrisation energy", SF_EUNSUP},
		{"dsm", "double-well", "eps", "mlp", "closed-form", SF_EUNSUP},
		{"hsm", "vp", "eps", "mlp", "position and velocity", SF_EUNSUP},
		{"ism:weight=g2", "static", "eps", "mlp", "no g(t)", SF_EUNSUP},
		{"dsm", "cld", "v", "mlp", "two", SF_EUNSUP},
		{"lcss", "static", "eps", "mlp", "stage=two", SF_EUNSUP}};
	sf_ctx *ctx = ck_ctx();
	double loss;
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		int rc = train(ctx, "checkerboard", rows[i].net, rows[i].process, rows[i].param, rows[i].objective, &loss);

		ck_assert_msg(rc == rows[i].code, "%s on %s: status %d", rows[i].objective, rows[i].process, rc);
		ck_assert_msg(strstr(sf_ctx_message(ctx), rows[i].say), "%s", sf_ctx_message(ctx));
	}
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("combinations");
	TCase *tc = tcase_create("combinations");

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, complete);
	tcase_add_test(tc, reasons);
	tcase_add_loop_test(tc, vectors, 0, PROCESSES);
	tcase_add_loop_test(tc, images, 0, PROCESSES);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
