/* replay.c: runs a fuzz target without a fuzzer: on the files given, or on its seeds: whole, cut at
 * every length, and with bytes changed by a fixed generator. A second of that in `make check` keeps
 * the targets alive.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include <stdio.h>

enum { MUTANTS = 3000 };

/* xorshift32 (Marsaglia 2003). */
static uint32_t next(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* From a block of exactly this size, so that a sanitizer sees a byte too far. */
static void run(const unsigned char *bytes, size_t size)
{
	unsigned char *exact = malloc(size ? size : 1);

	if (!exact)
		abort();
	if (size)
		memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void mutate(unsigned char *p, size_t n, uint32_t *s)
{
	static const unsigned char special[] = {0, 1, 0x7f, 0x80, 0xff, '9', '{', ','};
	int changes = 1 + (int)(next(s) % 4);

	while (changes-- > 0 && n > 0)
		p[next(s) % n] = next(s) % 2 ? (unsigned char)(next(s) >> 9 & 255)
		                             : special[next(s) % sizeof special];
}

static void run_seed(const sf_bytes *seed)
{
	uint32_t state = 2463534242u;
	unsigned char *copy = malloc(seed->n + 1);
	size_t cut, step = seed->n / 500 + 1;
	int i;

	if (!copy)
		abort();
	for (cut = 0; cut <= seed->n; cut += step)
		run(seed->p, cut);
	run(seed->p, seed->n);
	for (i = 0; i < MUTANTS; i++) {
		memcpy(copy, seed->p, seed->n);
		mutate(copy, seed->n, &state);
		run(copy, seed->n);
	}
	free(copy);
}

int main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		unsigned char *bytes;
		size_t size;

		if (sf_file_read(fuzz_ctx(), argv[i], (size_t)1 << 26, &bytes, &size) < 0) {
			fprintf(stderr, "%s\n", sf_ctx_message(fuzz_ctx()));
			return 2;
		}
		run(bytes, size);
		free(bytes);
	}
	for (i = 0; argc == 1; i++) {
		sf_bytes seed = {NULL, 0, 0, 0};
		int more = fuzz_seed(i, &seed);

		if (more)
			run_seed(&seed);
		sf_bytes_free(&seed);
		if (!more)
			break;
	}
	sf_ctx_free(fuzz_ctx());
	return 0;
}
