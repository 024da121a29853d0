/* check_cuda_maps.c: chains of elementwise nodes on the device: formulas over their whole range, arrays that begin anywhere, when chains
 * are compiled and when not, and all chains of a network.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "chain_rig.h"
#include "device_rig.h"

#include "graph/exec.h"

#include <scorefield/net.h>
#include <scorefield/objective.h>

#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	ck_assert_ptr_nonnull(p);
	return p;
}

enum { POINTS = 4096 };

static const char *const formula_names[] = {"scale", "offset", "square", "sqrt", "exp", "log", "sin", "cos", "tanh", "sigmoid", "softplus",
	"silu", "relu", "elu", "step", "add", "sub", "mul", "div", "silu gradient", "elu gradient"};
enum { FORMULAS = sizeof formula_names / sizeof *formula_names };

/* The last two get y = v silu'(x) and v elu'(x). */
static int formulas(sf_graph *g, sf_var *out)
{
	static const int64_t dim = POINTS;
	sf_var x = sf_input(g, "x", 1, 1, &dim), v = sf_input(g, "v", 1, 1, &dim);
	int n = 0;

	out[n++] = sf_scale(g, x, 1.7);
	out[n++] = sf_offset(g, x, -.3);
	out[n++] = sf_square(g, x);
	out[n++] = sf_sqrt(g, x);
	out[n++] = sf_exp(g, x);
	out[n++] = sf_log(g, x);
	out[n++] = sf_sin(g, x);
	out[n++] = sf_cos(g, x);
	out[n++] = sf_tanh(g, x);
	out[n++] = sf_sigmoid(g, x);
	out[n++] = sf_softplus(g, x);
	out[n++] = sf_silu(g, x);
	out[n++] = sf_relu(g, x);
	out[n++] = sf_elu(g, x);
	out[n++] = sf_step(g, x);
	out[n++] = sf_add(g, x, v);
	out[n++] = sf_sub(g, x, v);
	out[n++] = sf_mul(g, x, v);
	out[n++] = sf_div(g, x, v);
	out[n++] = sf_jvp(g, sf_silu(g, x), x, v);
	out[n++] = sf_jvp(g, sf_elu(g, x), x, v);
	return n;
}

/* Half of a unit in the last place is 6e-8; sums of rounded constants and exponentials need a few. Results that float only holds
 * with fewer digits, or not at all, count as 0 or infinity. */
static void check_number(const char *name, float x, float v, float got, double want)
{
	double size = fabs(want);

	if (strcmp(name, "offset") == 0 || strcmp(name, "add") == 0 || strcmp(name, "sub") == 0)
		size += 1;
	if (strcmp(name, "silu gradient") == 0 && fabsf(x) < 3) /* it has a zero at -1.28 */
		size += fabs((double)v);

	if (isnan(want) || isnan(x)) {
		ck_assert_msg(isnan(got), "%s of %g, %g is %g, expected no number", name, x, v, got);
	} else if (fabs(want) > FLT_MAX) {
		ck_assert_msg(isinf(got) && (got > 0) == (want > 0), "%s of %g, %g is %g, expected %g", name, x, v, got, want);
	} else {
		ck_assert_msg(fabs(got - want) <= 1e-6 * size + 1e-36 * fabs((double)v) + 1e-36,
		              "%s of %g, %g is %.9g, expected %.9g", name, x, v, got, want);
	}
}

START_TEST(check_formulas)
{
	static const float special[] = {0, -0.0f, 1e-30f, -1e-30f, 1e-8f, -1e-8f, .5f, -.5f, 1, -1, 20, -20, 85, -85, 88, -87, 1000, -1000, 1e18f,
	                                -1e18f, NAN};
	enum { SPECIAL = sizeof special / sizeof *special };
	const plan_case c = {"formulas", 1, formulas};
	plan_array *out;
	plan_fixture f;
	double *x, *v;
	int i, k;

	plan_set_up(&f, &c, 1, 0);
	ck_assert_int_eq(f.nout, FORMULAS);
	x = f.leaf[0];
	v = f.leaf[1];
	for (i = 0; i < POINTS; i++) { /* the leaves hold -1 .. 1: both signs, sizes 1e-9 .. 1e4 */
		const double size = pow(10, 13. * ((double)i / POINTS) - 9);

		x[i] = i < SPECIAL ? (double)special[i] : (double)(float)(x[i] < 0 ? -size : size);
		v[i] = (double)(float)(v[i] * 3 + (v[i] < 0 ? -.1 : .1));
		if (fabs(x[i]) > 85 && fabs(x[i]) < 105)
			x[i] = 50; /* where exp leaves float */
	}
	out = chain_run(&f, SF_DEVICE_STRICT, _i);
	for (k = 0; k < FORMULAS; k++)
		for (i = 0; i < POINTS; i++)
			if ((k != 6 && k != 7) || fabs(x[i]) < 1e5)
				check_number(formula_names[k], (float)x[i], (float)v[i], ((float *)out[k].data)[i], plan_expected(&f, k)[i]);
	plan_free_arrays(out, FORMULAS);
	plan_tear_down(&f);
}
END_TEST

/* Device arrays that begin anywhere, dropped outputs, more samples than before; the program is compiled once. */
START_TEST(check_places)
{
	static const int64_t dim[2] = {3, 16}, row[2] = {1, 16};
	enum { MOST = 9, SIZE = 48, ROOM = MOST * SIZE + 8 };
	float *host[3], *on[4], *got = must(malloc(ROOM * sizeof *got));
	sf_ctx *ctx = ck_ctx();
	sf_var x, w, out[2];
	sf_run run = plan_base_run;
	int before = rig_built, shift, k, turn;
	int64_t i, n;
	sf_graph *g;
	sf_plan *p;

	rig_compile_chains(_i);
	rig_device(ctx, SF_DEVICE_STRICT, 1);
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	x = sf_input(g, "x", 1, 2, dim);
	w = sf_input(g, "w", 0, 2, row);
	out[0] = sf_scale(g, sf_add(g, x, w), 2);
	out[1] = sf_mul(g, sf_square(g, out[0]), w);
	for (k = 0; k < 2; k++)
		host[k] = must(malloc(ROOM * sizeof **host));
	for (k = 0; k < 4; k++)
		on[k] = must(sf_device_take(ctx, ROOM * sizeof **on));
	for (turn = 0; turn < 2; turn++) {
		assert_ok(ctx, sf_plan_new(g, out, 2, SF_F32, 2, &p));
		for (shift = 0; shift < 16; shift++) {
			n = 1 + (shift * 5 + turn) % MOST;
			run.n = n;
			for (i = 0; i < ROOM; i++) {
				host[0][i] = (float)((i * 37 + shift) % 101 - 50);
				host[1][i] = (float)((i * 11 + shift) % 13 - 6);
				got[i] = -77;
			}
			/* each of the four begins at a multiple of 16 bytes, or does not */
			assert_ok(ctx, sf_device_copy(ctx, on[0] + shift % 2, host[0], (size_t)(n * SIZE) * sizeof **on));
			assert_ok(ctx, sf_device_copy(ctx, on[1] + shift / 2 % 2, host[1], 16 * sizeof **on));
			for (k = 2; k < 4; k++)
				assert_ok(ctx, sf_device_copy(ctx, on[k], got, ROOM * sizeof **on));
			assert_ok(ctx, sf_plan_bind(p, x, on[0] + shift % 2));
			assert_ok(ctx, sf_plan_bind(p, w, on[1] + shift / 2 % 2));
			for (k = 0; k < 2; k++)
				assert_ok(ctx, sf_plan_output(p, k, shift % 3 == k ? NULL : on[2 + k] + 4 * (shift / 4 % 2) + shift / 8));
			assert_ok(ctx, sf_plan_run(p, &run));
			for (k = 0; k < 2; k++) {
				const int64_t first = 4 * (shift / 4 % 2) + shift / 8;

				assert_ok(ctx, sf_device_copy(ctx, got, on[2 + k], ROOM * sizeof *got));
				for (i = 0; i < ROOM; i++) {
					const int64_t e = i - first;
					float want = -77;

					if (shift % 3 != k && e >= 0 && e < n * SIZE) {
						want = 2 * (host[0][e] + host[1][e % 16]);
						want = k ? want * want * host[1][e % 16] : want;
					}
					ck_assert_msg(got[i] == want, "turn %d, shift %d, output %d: number %lld is %g, expected %g", turn, shift, k,
					              (long long)e, got[i], want);
				}
			}
		}
		sf_plan_free(p);
	}
	ck_assert_int_eq(rig_built - before, _i && rig_compiles());
	for (k = 0; k < 4; k++)
		sf_device_give(ctx, on[k]);
	for (k = 0; k < 2; k++)
		free(host[k]);
	free(got);
	sf_graph_free(g);
	sf_ctx_free(ctx);
	rig_compile_chains(0);
}
END_TEST

/* SCOREFIELD_CHAINS=interpret, and a compiler that fails. */
static void *refuse(const char *text)
{
	rig_built += *text == '#';
	return NULL;
}

START_TEST(check_fallback)
{
	const plan_case c = {"formulas", 1, formulas};
	static const sf_device_builder fails = {refuse, dlsym, rig_drop};
	plan_array *out;
	plan_fixture f;
	int turn, before = rig_built;

	if (!rig_compiles())
		return;
	plan_set_up(&f, &c, 3, 0);
	for (turn = 0; turn < 2; turn++) {
		if (turn)
			setenv("SCOREFIELD_CHAINS", "interpret", 1);
		sf_device_unit_cuda.chains_by(&fails);
		rig_device(f.ctx, SF_DEVICE_STRICT, 1);
		out = plan_run_all(&f, &rig_how);
		rig_close_to(&f, out, 1e-5, "fallback");
		plan_free_arrays(out, f.nout);
		ck_assert_int_eq(rig_built, before + 1); /* asked for the first time alone */
	}
	unsetenv("SCOREFIELD_CHAINS");
	rig_compile_chains(0);
	plan_tear_down(&f);
}
END_TEST

typedef struct training {
	sf_ctx *ctx;
	sf_net *net;
	sf_process *process;
	sf_objective *objective;
	sf_graph *g;
	sf_plan *plan;
} training;

/* The loss of DSM and its gradients for images. */
static void open_training(training *t, const char *net, int64_t side)
{
	enum { MOST = 1200 };
	sf_var wrt[MOST], out[MOST + 1];
	sf_model m;
	sf_loss l;
	int i, n;

	memset(&m, 0, sizeof m);
	t->ctx = ck_ctx();
	assert_ok(t->ctx, sf_net_new(t->ctx, net, &t->net));
	assert_ok(t->ctx, sf_process_new(t->ctx, "vp", &t->process));
	assert_ok(t->ctx, sf_objective_new(t->ctx, "dsm", &t->objective));
	assert_ok(t->ctx, sf_param_find(t->ctx, "eps", &m.param));
	m.ctx = t->ctx;
	m.net = t->net;
	m.process = t->process;
	m.sigma_data = .5;
	m.type = SF_F32;
	m.rank = 3;
	m.dim[0] = m.dim[1] = side;
	m.dim[2] = 3;
	m.size = side * side * 3;
	assert_ok(t->ctx, sf_graph_new(t->ctx, sf_objective_order(t->objective, &m), &t->g));
	assert_ok(t->ctx, sf_objective_build(t->objective, &m, t->g, 1, &l));
	n = sf_param_count(t->g);
	ck_assert_int_lt(n, MOST);
	for (i = 0; i < n; i++)
		wrt[i] = sf_param_get(t->g, i)->var;
	out[0] = l.loss;
	assert_ok(t->ctx, sf_grad(t->g, l.loss, wrt, n, out + 1));
	assert_ok(t->ctx, sf_plan_layout(t->g, out, n + 1, SF_F32, 1, &t->plan));
}

static void close_training(training *t)
{
	sf_plan_free(t->plan);
	sf_graph_free(t->g);
	sf_objective_free(t->objective);
	sf_process_free(t->process);
	sf_net_free(t->net);
	sf_ctx_free(t->ctx);
}

static int chains_of(const sf_plan *p)
{
	int n = 0, i;

	for (i = 0; i < p->nstep; i++)
		n += p->step[i].nlink > 0;
	return n;
}

/* The whole of DDPM++ for CIFAR-10: chains that are alike share a kernel, and every kernel is compiled, by NVRTC for an H100 where
 * there is the real unit (no device is needed), else by the C compiler. */
START_TEST(check_network)
{
	static const int precisions[] = {SF_DEVICE_STRICT, SF_DEVICE_BF16};
	const char *module = getenv("SCOREFIELD_CUDA"), *have = getenv("SF_HAVE_CUDA");
	const sf_device_unit *unit = &sf_device_unit_cuda;
	void *so = NULL;
	char why[SF_DEVICE_WHY] = "";
	training t;
	int i, k;

	if (have && strcmp(have, "yes") == 0 && module && *module) {
		so = dlopen(module, RTLD_NOW | RTLD_LOCAL);
		ck_assert_msg(so != NULL, "%s", dlerror());
		unit = must(dlsym(so, SF_DEVICE_SYMBOL));
	}
	open_training(&t, "songunet:dropout=.1", 32);
	for (i = 0; i < 2; i++) {
		sf_device_how as = {0, 0, 0, 0};
		sf_device_layout lay;
		sf_device_chains c;

		as.precision = precisions[i];
		assert_ok(t.ctx, sf_device_lay_out(t.plan, 128, &as, &lay));
		ck_assert_msg(unit->chains(t.plan, &lay, 90, &c, why) == 0, "%s", why);
		ck_assert_int_eq(c.chains, chains_of(t.plan));
		ck_assert(c.kernels > 0 && c.kernels < c.chains);
		if (so) {
			ck_assert_uint_gt(c.code, 0);
		} else if (rig_compiles()) {
			void *made = rig_build(c.text);
			char name[32];

			ck_assert_ptr_nonnull(made);
			for (k = 0; k < c.kernels; k++) {
				snprintf(name, sizeof name, "cu_chain_%d", k);
				ck_assert_ptr_nonnull(dlsym(made, name));
			}
			rig_drop(made);
		}
		free(c.text);
		sf_device_layout_free(&lay);
	}
	close_training(&t);
	if (so)
		dlclose(so);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cuda_maps");
	TCase *t = tcase_create("maps");

	tcase_set_timeout(t, 60); /* loading the libraries of the real unit takes seconds */
	tcase_add_loop_test(t, check_formulas, 0, 2);
	tcase_add_loop_test(t, check_places, 0, 2);
	tcase_add_test(t, check_fallback);
	tcase_add_test(t, check_network);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
