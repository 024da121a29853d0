/* golden_net.h: a network of ours against the numbers of another implementation: the files of tests/golden/networks
 * (tests/golden/README.md says what is in them).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_GOLDEN_NET_H
#define SF_TEST_GOLDEN_NET_H

#include <scorefield.h>

/* Inputs of the network; SF_NOVAR where the file has none. Images are (h,w,c). */
typedef struct golden_io {
	sf_var x, cond, label, augment;
	int augments;
} golden_io;

/* Where a tensor of theirs lies in our parameters. */
typedef struct golden_place {
	char name[3][96]; /* ours */
	int parts;        /* 1; 3: their output 3c + j is output c of name[j] */
	int keep;         /* a matrix that is (in,out) with them too; else (out,in) and (out,in,kh,kw) are transposed */
} golden_place;

typedef struct golden_case {
	const char *file;                        /* "ddpmpp-small" */
	sf_var (*build)(sf_graph *g, const golden_io *io, void *user); /* the output that the file has, (h,w,c) */
	/* theirs to ours; fails the test for a name it does not know. */
	void (*place)(const char *theirs, golden_place *p, void *user);
	const char *fixed, *fixed_tensor;        /* our fixed parameter and the tensor of the file it is read from, or NULL */
	void *user;
} golden_case;

/* Output, gradient in x, and per parameter the gradient's projection and norm, all to rtol: of the largest element
 * of an array, and of a gradient's norm for its projection (one that is 0 in theory: of the largest norm). Every
 * parameter must be accounted for on both sides. */
void golden_check(const golden_case *c, sf_dtype type, double rtol);

#endif
