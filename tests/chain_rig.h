/* chain_rig.h: plans on the device whose chains are interpreted, or are source text that the C compiler made into functions; for the
 * programs that test either.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CHAIN_RIG_H
#define SF_CHAIN_RIG_H

#include "plan_fixture.h"

#include "graph/device.h"

extern int rig_built; /* programs that were compiled */
int rig_compiles(void); /* there is a compiler: the device is the unit as C */
/* The compiler: $CC. NULL where it fails. */
void *rig_build(const char *text);
void rig_drop(void *so);
/* Chains of plans that are made from here on are compiled. */
void rig_compile_chains(int on);
extern const how rig_how;
/* Runs the fixture's graph on a device of that precision. */
plan_array *chain_run(plan_fixture *f, int precision, int compiled);
/* Fails unless each output is as close to the naive loops' in double. */
void rig_close_to(plan_fixture *f, const plan_array *out, double tolerance, const char *what);
/* Both forms of the chains: close to the truth, and the same bytes. */
enum { SAME = 1, CLOSE = 2 };
void rig_try(const plan_case *c, int64_t n, int precision, int expect);

#endif
