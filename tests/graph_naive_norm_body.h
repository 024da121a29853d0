/* graph_naive_norm_body.h: softmax, group normalisation and their gradients by textbook loops. Included
 * by graph_naive.c.
 * SPDX-License-Identifier: BSD-3-Clause */
static double naive_sigmoid(double x)
{
	return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double naive_silu_slope(double x)
{
	return naive_sigmoid(x) * (1 + x * (1 - naive_sigmoid(x)));
}

static void naive_softmax(naive_job *j)
{
	int64_t n = j->y->dim[j->y->rank - 1], rows = j->y->size / n, s, r, i;

	for (s = 0; s < naive_samples(j, j->y); s++) {
		for (r = 0; r < rows; r++) {
			double max = -INFINITY, sum = 0, dot = 0;
			double *o = j->o + s * j->y->size + r * n;

			for (i = 0; i < n; i++) {
				double x = naive_at(j, 0, s, r * n + i);

				max = x > max ? x : max;
				if (j->n->op == SF_OP_SOFTMAX_GRAD)
					dot += x * naive_at(j, 1, s, r * n + i);
			}
			for (i = 0; i < n; i++)
				sum += exp(naive_at(j, 0, s, r * n + i) - max);
			for (i = 0; i < n; i++) {
				double x = naive_at(j, 0, s, r * n + i);

				o[i] = j->n->op == SF_OP_SOFTMAX ? exp(x - max) / sum
				                                 : x * (naive_at(j, 1, s, r * n + i) - dot);
			}
		}
	}
}

/* With h = (x - mu)/sd, u = gamma h + beta, q = dy act'(u):
 *     dgamma = sum q h    dbeta = sum q
 *     dx = (gamma q - mean(gamma q) - h mean(gamma q h)) / sd     means over the group */
static void norm_group(naive_job *j, int64_t s, int64_t group)
{
	const sf_shape *x = j->a[0];
	int64_t c = x->dim[x->rank - 1], per = c / j->n->i[0], p = x->size / c, i, k;
	double m = (double)(p * per), mean = 0, var = 0, sd, mq = 0, mqh = 0;
	int pass;

	for (i = 0; i < p; i++)
		for (k = group * per; k < (group + 1) * per; k++)
			mean += naive_at(j, 0, s, i * c + k) / m;
	for (i = 0; i < p; i++)
		for (k = group * per; k < (group + 1) * per; k++)
			var += pow(naive_at(j, 0, s, i * c + k) - mean, 2) / m;
	sd = sqrt(var + j->n->c);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < p; i++) {
			for (k = group * per; k < (group + 1) * per; k++) {
				int64_t e = i * c + k;
				double h = (naive_at(j, 0, s, e) - mean) / sd, gamma = naive_at(j, 1, s, k);
				double u = gamma * h + naive_at(j, 2, s, k), q;
				int silu = j->n->i[1] == SF_ACT_SILU;

				if (j->n->op == SF_OP_GROUP_NORM) {
					j->o[s * x->size + e] = silu ? u * naive_sigmoid(u) : u;
					continue;
				}
				q = naive_at(j, 3, s, e) * (silu ? naive_silu_slope(u) : 1);
				if (j->n->op == SF_OP_GROUP_NORM_GRAD) {
					mq += pass == 0 ? gamma * q / m : 0;
					mqh += pass == 0 ? gamma * q * h / m : 0;
					j->o[s * x->size + e] = (gamma * q - mq - h * mqh) / sd;
				} else if (pass == 0) {
					j->o[k] += q * h;
					j->o[c + k] += q;
				}
			}
		}
	}
}

static void naive_norm(naive_job *j)
{
	int64_t s, group;

	for (s = 0; s < naive_samples(j, j->a[0]); s++)
		for (group = 0; group < j->n->i[0]; group++)
			norm_group(j, s, group);
}
