/* loss_rig.c: see loss_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loss_rig.h"

#include <math.h>
#include <string.h>

void rig_model(rig *r, const char *net, const sf_net_class *own, const char *process, const char *param, int rank,
               const int64_t *dim)
{
	int i;

	memset(r, 0, sizeof *r);
	r->ctx = ck_ctx();
	if (own) { /* an object made by hand */
		sf_object *object = sf_alloc(1, sizeof *object);
		void *made = object;

		ck_assert(object != NULL);
		object->family = "net";
		object->cls = &own->head;
		object->ctx = r->ctx;
		r->net = made;
	} else {
		assert_ok(r->ctx, sf_net_new(r->ctx, net, &r->net));
	}
	assert_ok(r->ctx, sf_process_new(r->ctx, process, &r->process));
	assert_ok(r->ctx, sf_param_find(r->ctx, param, &r->m.param));
	r->m.ctx = r->ctx;
	r->m.net = r->net;
	r->m.process = r->process;
	r->m.sigma_data = .5;
	r->m.type = SF_F64;
	r->m.rank = rank;
	r->m.size = 1;
	for (i = 0; i < rank; i++)
		r->m.size *= r->m.dim[i] = dim[i];
}

void rig_open(rig *r, const char *net, const sf_net_class *own, const char *process, const char *param,
              const char *objective, int rank, const int64_t *dim, int64_t n)
{
	double *x;
	int64_t rows, i;

	rig_model(r, net, own, process, param, rank, dim);
	assert_ok(r->ctx, sf_objective_new(r->ctx, objective, &r->o));
	assert_ok(r->ctx, sf_batch_new(r->o, &r->m, n, 1, 0, &r->b));
	r->d = sf_batch_draw(r->b);
	r->d->seed = 5;
	r->d->step = 1;
	rows = sf_batch_data(r->b, &x, NULL);
	for (i = 0; i < rows * r->m.size; i++)
		x[i] = sin(1.3 * (double)i);
	r->total = sf_param_total(sf_batch_graph(r->b));
	r->param = sf_alloc((size_t)r->total + 1, sizeof *r->param);
	sf_param_init(sf_batch_graph(r->b), 2, SF_F64, r->param);
	r->loss = sf_batch_losses(r->b);
	r->grad = sf_batch_gradient(r->b);
	assert_ok(r->ctx, sf_objective_draw(r->o, &r->m, r->d));
}

void rig_close(rig *r)
{
	sf_batch_free(r->b);
	sf_objective_free(r->o);
	sf_process_free(r->process);
	sf_net_free(r->net);
	sf_free(r->param);
	sf_ctx_free(r->ctx);
}

void rig_draw_at(rig *r, double t)
{
	int64_t i;

	for (i = 0; i < r->d->n; i++)
		r->d->t[i] = t;
	assert_ok(r->ctx, sf_objective_draw_at(r->o, &r->m, r->d));
}

double rig_run(rig *r)
{
	double mean;

	assert_ok(r->ctx, sf_batch_run(r->b, r->param, &mean));
	return mean;
}

double *rig_param(rig *r, const char *name)
{
	const sf_graph *g = sf_batch_graph(r->b);
	int i;

	for (i = 0; i < sf_param_count(g); i++)
		if (strcmp(sf_param_get(g, i)->name, name) == 0)
			return r->param + sf_param_get(g, i)->offset;
	ck_abort_msg("no parameter %s", name);
	return NULL;
}

void rig_eps(rig *r, int64_t i, const double *shift, const double *u, double *eps, double *along)
{
	int64_t size = r->m.size, k = sf_process_blocks(r->process), j;
	const double *xt = r->d->xt + i * k * size;
	double x[64];
	const sf_coef *c = &r->d->coef[i];
	sf_model_vars v;
	sf_var out[2], dir = SF_NOVAR;
	sf_graph *g;
	sf_plan *plan;
	sf_run run;

	ck_assert_int_le(size, 64);
	for (j = 0; j < size; j++)
		x[j] = xt[(k - 1) * size + j] + (shift ? shift[j] : 0);
	assert_ok(r->ctx, sf_graph_new(r->ctx, 2, &g));
	sf_model_vars_init(&v);
	assert_ok(r->ctx, sf_model_build(&r->m, g, 0, &v));
	out[0] = v.eps;
	if (along) {
		dir = sf_input(g, "dir", 1, r->m.rank, r->m.dim);
		out[1] = sf_jvp(g, v.eps, v.x, dir);
	}
	assert_ok(r->ctx, sf_plan_new(g, out, along ? 2 : 1, SF_F64, 1, &plan));
	assert_ok(r->ctx, sf_plan_bind_params(plan, r->param));
	assert_ok(r->ctx, sf_plan_bind(plan, v.x, x));
	if (v.position != SF_NOVAR)
		assert_ok(r->ctx, sf_plan_bind(plan, v.position, xt));
	assert_ok(r->ctx, sf_plan_bind(plan, v.c_in, &c->c_in));
	assert_ok(r->ctx, sf_plan_bind(plan, v.c_noise, &c->c_noise));
	if (v.e_x != SF_NOVAR)
		assert_ok(r->ctx, sf_plan_bind(plan, v.e_x, &c->e_x));
	if (v.e_f != SF_NOVAR)
		assert_ok(r->ctx, sf_plan_bind(plan, v.e_f, &c->e_f));
	if (along) {
		assert_ok(r->ctx, sf_plan_bind(plan, dir, u));
		assert_ok(r->ctx, sf_plan_output(plan, 1, along));
	}
	assert_ok(r->ctx, sf_plan_output(plan, 0, eps));
	memset(&run, 0, sizeof run);
	run.n = 1;
	assert_ok(r->ctx, sf_plan_run(plan, &run));
	sf_plan_free(plan);
	sf_graph_free(g);
}

void rig_check_gradient(rig *r, int64_t stride, double rtol)
{
	double *grad = sf_alloc((size_t)r->total, sizeof *grad), largest = 0, n = (double)r->d->n;
	int64_t p, k;

	rig_run(r);
	memcpy(grad, r->grad, (size_t)r->total * sizeof *grad);
	for (k = 0; k < r->total; k++)
		largest = fmax(largest, fabs(grad[k]));
	ck_assert(largest > 0);
	for (p = 0; p < sf_param_count(sf_batch_graph(r->b)); p++) {
		const sf_param_info *info = sf_param_get(sf_batch_graph(r->b), (int)p);

		for (k = info->offset; k < info->offset + info->shape.size; k += stride) { /* gaps hold nothing */
			double keep = r->param[k], h = 1e-5, up, down;

			r->param[k] = keep + h;
			up = rig_run(r);
			r->param[k] = keep - h;
			down = rig_run(r);
			r->param[k] = keep;
			assert_close(grad[k], n * (up - down) / (2 * h), rtol, rtol * largest);
		}
	}
	sf_free(grad);
}

const double G_M[G] = {.5, -1, 2};
const double G_C[G][G] = {{2, .3, -.4}, {.3, 1, .2}, {-.4, .2, 1.5}};
const double G_A[G][G] = {{-.7, .2, .1}, {0, -1.1, .3}, {-.2, .1, -.4}};
const double G_B[G] = {.3, -.2, .5};

void rig_smoothed(double s2, double c[G][G])
{
	int i, j;

	for (i = 0; i < G; i++)
		for (j = 0; j < G; j++)
			c[i][j] = G_C[i][j] + (i == j ? s2 : 0);
}

void rig_inverse(double a[G][G], double out[G][G])
{
	double det = 0;
	int i, j;

	for (i = 0; i < G; i++)
		for (j = 0; j < G; j++)
			out[i][j] = a[(j + 1) % G][(i + 1) % G] * a[(j + 2) % G][(i + 2) % G] -
			            a[(j + 1) % G][(i + 2) % G] * a[(j + 2) % G][(i + 1) % G];
	for (i = 0; i < G; i++)
		det += a[0][i] * out[i][0];
	for (i = 0; i < G; i++)
		for (j = 0; j < G; j++)
			out[i][j] /= det;
}

void rig_factor(double l[G][G])
{
	int i, j, k;

	memset(l, 0, sizeof(double) * G * G);
	for (i = 0; i < G; i++)
		for (j = 0; j <= i; j++) {
			double sum = G_C[i][j];

			for (k = 0; k < j; k++)
				sum -= l[i][k] * l[j][k];
			l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
		}
}
