/* chain_rig.c: see chain_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "chain_rig.h"

#include "device_rig.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rig_built;

int rig_compiles(void)
{
	return !rig_real();
}

static const char *compiler(void)
{
	const char *cc = getenv("CC");

	return cc && *cc ? cc : "cc";
}

void *rig_build(const char *text)
{
	const char *dir = sf_test_mkdir();
	char name[2][600], command[2000];
	void *so = NULL;
	FILE *f;

	snprintf(name[0], sizeof name[0], "%.500s/chains.c", dir);
	snprintf(name[1], sizeof name[1], "%.500s/chains.so", dir);
	f = fopen(name[0], "w");
	if (f) {
		fputs(text, f);
		fclose(f);
		snprintf(command, sizeof command, "%.200s -std=c99 -O1 -fPIC -shared -ffp-contract=off -o '%s' '%s' -lm", compiler(), name[1],
		         name[0]);
		if (system(command) == 0)
			so = dlopen(name[1], RTLD_NOW | RTLD_LOCAL);
		if (!so)
			printf("%s: %s\n", command, dlerror());
	}
	unlink(name[0]);
	unlink(name[1]);
	sf_test_rmdir(dir);
	rig_built += so != NULL;
	return so;
}

void rig_drop(void *so)
{
	dlclose(so);
}

static const sf_device_builder builder = {rig_build, dlsym, rig_drop};

void rig_compile_chains(int on)
{
	sf_device_unit_cuda.chains_by(on && rig_compiles() ? &builder : NULL);
}

const how rig_how = {SF_F32, "base", 1, 1, SAMPLES, 1};

plan_array *chain_run(plan_fixture *f, int precision, int compiled)
{
	plan_array *out;

	rig_compile_chains(compiled);
	rig_device(f->ctx, precision, 1);
	out = plan_run_all(f, &rig_how);
	rig_compile_chains(0);
	return out;
}

static int64_t count_of(const plan_fixture *f, int i)
{
	const sf_shape s = sf_shape_of(f->g, f->out[i]);

	return s.size * (s.per_sample ? f->n : 1);
}

void rig_close_to(plan_fixture *f, const plan_array *out, double tolerance, const char *what)
{
	int i;

	for (i = 0; i < f->nout; i++) {
		const double d = rig_distance(count_of(f, i), out[i].data, plan_expected(f, i));

		ck_assert_msg(d <= tolerance, "%s: output %d (%s) is %g off, at most %g", what, i, sf_ops[f->g->node[f->out[i]].op].name, d,
		              tolerance);
	}
}

void rig_try(const plan_case *c, int64_t n, int precision, int expect)
{
	plan_array *one, *two;
	plan_fixture f;
	char what[100];
	int i, before = rig_built;

	plan_set_up(&f, c, n, 0);
	snprintf(what, sizeof what, "%s, %s", c->name, rig_precision[precision]);
	one = chain_run(&f, precision, 0);
	if (expect & CLOSE)
		rig_close_to(&f, one, rig_tolerance[precision], what);
	if (rig_compiles()) {
		two = chain_run(&f, precision, 1);
		ck_assert_int_eq(rig_built, before + 1);
		if (expect & CLOSE)
			rig_close_to(&f, two, rig_tolerance[precision], what);
		for (i = 0; i < f.nout && (expect & SAME); i++)
			ck_assert_msg(memcmp(one[i].data, two[i].data, one[i].bytes) == 0, "%s: output %d has other bytes when compiled", what, i);
		plan_free_arrays(two, f.nout);
	}
	plan_free_arrays(one, f.nout);
	plan_tear_down(&f);
}
