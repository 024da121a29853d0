/* autodiff_fixture.h: a case with values, and finite differences of it by the naive evaluator.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_AUTODIFF_FIXTURE_H
#define SF_AUTODIFF_FIXTURE_H

#include "support.h"

#include "autodiff_cases.h"
#include "graph_naive.h"

enum { N = 3, MOST = 512 }; /* samples; most values of one variable */

typedef struct fixture {
	sf_ctx *ctx;
	instance t;
	naive v;
	char what[96];
	double x[CASE_INPUTS][MOST]; /* values of the inputs */
	int own;                     /* inputs of the case; put_like adds others */
} fixture;

void open_case(fixture *f, const op_case *c, int variant, int order);
void open_plain(fixture *f, int order, const char *what); /* an empty graph */
void close_case(fixture *f);
void set_values(fixture *f); /* checks the graph, then gives every input its values */

/* sum over elements, and over the batch where there is one: of values, and as a node */
double total(fixture *f, sf_var a);
sf_var whole(sf_graph *g, sf_var a);
/* L = sum u y with a new input u */
sf_var weighted(fixture *f);
/* The inputs that are differentiated, x[0..n), and their places among the inputs. */
int smooth_inputs(const fixture *f, sf_var *x, int *at);

double biggest(const double *p, int64_t n);
/* |a - b| <= rtol max(|a|,|b|) + atol in the largest norm, element by element */
void compare(const fixture *f, const char *check, const double *a, const double *b, int64_t n,
             double rtol, double atol);
/* Five-point differences: d total(s)/d(input k) for each element of the input; and of all
 * elements of y along the direction d of input k. */
void difference(fixture *f, sf_var s, int k, double *out);
void directional(fixture *f, sf_var y, int k, const double *d, double *out);

#endif
