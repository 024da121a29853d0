/* cpu.c: which instruction sets this build and this processor have. Detection is the compiler's
 * (__builtin_cpu_supports), which also asks whether the system saves the wide registers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <string.h>

static const char *const names[SF_ISA_COUNT] = {"ref", "base", "v3", "v4"};

int sf_isa_usable(int isa)
{
	switch (isa) {
	case SF_ISA_REF:
	case SF_ISA_BASE:
		return 1;
#ifdef SF_HAVE_V3
	case SF_ISA_V3:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
#ifdef SF_HAVE_V4
	case SF_ISA_V4:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
	default:
		return 0;
	}
}

int sf_isa_best(void)
{
	int isa = SF_ISA_COUNT - 1;

	while (!sf_isa_usable(isa))
		isa--;
	return isa;
}

const char *sf_isa_name(int isa)
{
	return names[isa];
}

int sf_isa_find(const char *name)
{
	int i;

	for (i = 0; i < SF_ISA_COUNT; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}
