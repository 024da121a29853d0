/* core.h: what the layers above share inside the library: context, failures, threads, memory,
 * instruction sets and object construction.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CORE_H
#define SF_CORE_H

#include <scorefield/object.h>

/* ---- cpu.c: instruction sets, narrowest first ---- */
enum { SF_ISA_REF, SF_ISA_BASE, SF_ISA_V3, SF_ISA_V4, SF_ISA_COUNT };
int sf_isa_best(void);                   /* widest that build and processor have */
int sf_isa_usable(int isa);              /* 0 where build or processor lack it */
const char *sf_isa_name(int isa);
int sf_isa_find(const char *name);       /* -1 for an unknown name */

/* ---- context.c ---- */
enum { SF_MESSAGE_MAX = 2048, SF_MAXTHREADS = 1024 };
struct sf_ctx {
	int threads, isa;
	double wake; /* nanoseconds until other threads are at work, see sf_parallel_work */
	sf_log_fn log;
	void *log_user;
	void *device;                 /* NULL, or what graph/device.c has opened */
	void (*device_free)(void *device);
	int failed; /* code of the last failure */
	char message[SF_MESSAGE_MAX];
};

/* Keeps the text, returns the code: one function, one breakpoint. */
int sf_fail(sf_ctx *ctx, int code, const char *fmt, ...) SF_PRINTF(3, 4);
void sf_note(sf_ctx *ctx, int level, const char *fmt, ...) SF_PRINTF(3, 4);

#define SF_TRY(expr)                                                                               \
	do {                                                                                       \
		int sf_try_rc = (expr);                                                            \
		if (sf_try_rc < 0)                                                                 \
			return sf_try_rc;                                                          \
	} while (0)

/* ---- thread.c: the only file that knows OpenMP ---- */
/* Calls fn(arg, tile, worker) for tile = 0 .. tiles-1 on at most ctx->threads workers (worker is below
 * that number and picks scratch memory). Tiles must write disjoint memory; which worker takes which
 * tile is not fixed. Returns 0 or the first non-zero code in tile order. Calls do not nest: an
 * inner one runs serially. */
typedef int (*sf_tile_fn)(void *arg, int64_t tile, int worker);
int sf_parallel(const sf_ctx *ctx, int64_t tiles, sf_tile_fn fn, void *arg);
/* The same for tiles of about `ns` nanoseconds of work together: where waking other threads takes longer than they would save, the
 * calling thread does it all. A rough guess is enough; results do not depend on it. */
int sf_parallel_work(const sf_ctx *ctx, double ns, int64_t tiles, sf_tile_fn fn, void *arg);
int sf_worth(const sf_ctx *ctx, double ns); /* does work of that length wake other threads? */
double sf_wake(int threads);                /* of sf_ctx.wake, by what the environment says about waiting */
int64_t sf_regions(void);                   /* parallel regions opened so far, by all contexts */
/* Processors that this process may run on, or the number of threads that the environment asks OpenMP for (*asked = 1). */
int sf_cores(int *asked);
/* Runs fn where setting OpenMP's number of threads leaves the caller's own alone. */
void sf_apart(void (*fn)(void *arg), void *arg);
/* Runs fn where no other thread does. */
void sf_alone(void (*fn)(void *arg), void *arg);

/* ---- cgroup.c ---- */
/* Calls each(arg, version, folder) for the control groups of this process that `controller` ("cpu", "memory") belongs to and all
 * groups around them. root: "", or what stands before /proc and /sys (tests). */
typedef void (*sf_cgroup_fn)(void *arg, int version, const char *folder);
void sf_cgroups(const char *root, const char *controller, sf_cgroup_fn each, void *arg);
/* ---- clock.c ---- */
double sf_seconds(void); /* since some time in the past; never goes back */
/* ---- crowd.c ---- */
typedef struct sf_watch {
	double wall, cpu;
} sf_watch;
double sf_processor_seconds(void); /* of the calling thread */
double sf_crowd_lag(void);         /* seconds that a parallel loop waits at present */
void sf_crowd_kept(double seconds); /* work that was kept on one thread */
void sf_crowd_begin(sf_watch *w);
void sf_crowd_end(const sf_watch *w, double busiest); /* processor time of the busiest thread */
/* ---- cores.c ---- */
int sf_cores_granted(const char *root); /* by control groups; 0: no limit known */

/* ---- memory.c ---- */
enum { SF_ALIGN = 64 };
int sf_mul_size(size_t a, size_t b, size_t *product);  /* -1 on overflow */
int sf_mul_i64(int64_t a, int64_t b, int64_t *product); /* the same for counts >= 0 */
void *sf_alloc(size_t count, size_t size);             /* zeroed, 64-byte aligned; NULL */
void sf_free(void *p);
char *sf_strdup(const char *s);
char *sf_strndup(const char *s, size_t n);

/* An arena hands out pieces of one block: measure first (base NULL), then take. */
typedef struct sf_arena {
	unsigned char *base;
	size_t used, size;
} sf_arena;
void *sf_arena_take(sf_arena *a, size_t count, size_t size); /* aligned; NULL while measuring */
int sf_arena_open(sf_arena *a); /* allocates what was measured, starts over. SF_ENOMEM */
void sf_arena_close(sf_arena *a);

/* ---- text.c ---- */
int sf_parse_double(const char *s, double *out);  /* whole string, finite or inf; 0 or -1 */
int sf_parse_int(const char *s, int64_t *out);
int sf_parse_bool(const char *s, int *out);
int sf_edit_distance(const char *a, const char *b);
void sf_format_double(double v, char *out, size_t size); /* shortest text that reads back equal */

/* ---- object.c ---- */
/* Allocates `size` bytes that start with an sf_object, finds the member, fills in the options and
 * calls init. Families wrap this in their constructor. The message names spec and option. */
int sf_object_new(sf_ctx *ctx, const char *family, const char *spec, size_t size, void *out);
void sf_object_free(void *object);
void sf_opt_print(const sf_opt *opt, const void *state, sf_text *out); /* the value alone */

#endif
