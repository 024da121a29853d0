/* fuzz.h: a fuzz target is one function that takes any bytes. With clang it is linked to libFuzzer:
 *
 *     clang -fsanitize=fuzzer,address,undefined ... tests/fuzz/fuzz_npy.c libscorefield_all.a ...
 *
 * and otherwise to replay.c, which runs files or mutated seeds. Targets check what must hold after
 * success and after failure, so that a fuzzer finds more than crashes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_FUZZ_H
#define SF_FUZZ_H

#include "io/io.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Seeds of a target, for replay.c: fills `out`, returns 0 past the last. */
int fuzz_seed(int i, sf_bytes *out);

static inline sf_ctx *fuzz_ctx(void)
{
	static sf_ctx *ctx;

	if (!ctx && sf_ctx_new(&ctx) < 0)
		abort();
	return ctx;
}

/* A failure has a message of one line. */
static inline void fuzz_check(int rc)
{
	const char *m = sf_ctx_message(fuzz_ctx());

	if (rc < 0 && (!*m || strchr(m, '\n')))
		abort();
}

#endif
