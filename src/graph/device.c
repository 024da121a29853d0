/* device.c: a context's device: the unit that knows it, which is loaded when it is asked for, and the device itself.
 *
 * The unit is a module beside the library, so that neither the library nor a program needs what the unit is linked to.
 * SCOREFIELD_CUDA names another file than the one that was installed.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/device.h"

#include "graph/exec.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void conv_of(const sf_plan *p, const sf_node *node, sf_conv *c)
{
	*c = sf_conv_of(p, node);
}

const sf_device_host sf_device_hosting = {conv_of};

/* ---- "cuda:1,bf16,deterministic" ---- */

enum { ON_CPU, ON_ANY, ON_CUDA };

static int read_word(sf_ctx *ctx, const char *spec, const char *word, int first, int *where, sf_device_how *how)
{
	static const char *const precision[] = {"strict", "tf32", "bf16"};
	int64_t number;
	int i;

	if (first) {
		*where = strcmp(word, "auto") == 0 ? ON_ANY : strcmp(word, "cpu") == 0 ? ON_CPU : ON_CUDA;
		if (*where != ON_CUDA || strcmp(word, "cuda") == 0)
			return SF_OK;
		if (strncmp(word, "cuda:", 5) == 0 && sf_parse_int(word + 5, &number) == 0 && number >= 0 && number < 1024) {
			how->number = (int)number;
			return SF_OK;
		}
	}
	for (i = 0; !first && i < 3; i++)
		if (strcmp(word, precision[i]) == 0) {
			how->precision = i;
			return SF_OK;
		}
	if (!first && strcmp(word, "deterministic") == 0) {
		how->deterministic = 1;
		return SF_OK;
	}
	return sf_fail(ctx, SF_EINVAL, "device '%s': unknown word '%s'; expected %s", spec, word,
	               first ? "cpu, auto, cuda or cuda:N" : "bf16, tf32, strict or deterministic");
}

static int read_spec(sf_ctx *ctx, const char *spec, int *where, sf_device_how *how)
{
	char word[64];
	const char *s = spec;
	int first = 1;

	memset(how, 0, sizeof *how);
	how->precision = SF_DEVICE_BF16;
	for (;; first = 0) {
		size_t n = strcspn(s, ",");

		if (n >= sizeof word)
			return sf_fail(ctx, SF_EINVAL, "device '%s' has a word of %lu characters", spec, (unsigned long)n);
		memcpy(word, s, n);
		word[n] = '\0';
		SF_TRY(read_word(ctx, spec, word, first, where, how));
		if (s[n] == '\0')
			return SF_OK;
		s += n + 1;
	}
}

/* ---- the unit ---- */

/* NULL, and the reason. */
static const sf_device_unit *load(void **module, char *why)
{
	const char *file = getenv("SCOREFIELD_CUDA");
	const sf_device_unit *unit;

	*module = NULL;
#ifdef SF_CUDA_MODULE
	if (!file || !*file)
		file = SF_CUDA_MODULE;
#endif
	if (!file || !*file) {
		snprintf(why, SF_DEVICE_WHY, "this build has no CUDA unit (./configure --with-cuda)");
		return NULL;
	}
	*module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!*module) {
		const char *said = dlerror();

		snprintf(why, SF_DEVICE_WHY, "the CUDA unit cannot be loaded: %s", said ? said : file);
		return NULL;
	}
	unit = dlsym(*module, SF_DEVICE_SYMBOL);
	if (unit)
		return unit;
	snprintf(why, SF_DEVICE_WHY, "%s is not a CUDA unit", file);
	dlclose(*module);
	*module = NULL;
	return NULL;
}

static void close_link(void *device)
{
	sf_device_link *l = device;

	if (l->d)
		l->unit->close(l->d);
	if (l->module)
		dlclose(l->module);
	sf_free(l);
}

static void describe(sf_device_link *l)
{
	static const char *const precision[] = {"strict", "tf32", "bf16"};
	sf_device_info info;

	memset(&info, 0, sizeof info);
	l->unit->describe(l->d, &info);
	snprintf(l->text, sizeof l->text, "%s:%d %s, %d.%d, %.1f GiB, %s%s", l->unit->name, l->how.number, info.name,
	         info.capability / 10, info.capability % 10, info.bytes / 1073741824, precision[l->how.precision],
	         l->how.deterministic ? ", deterministic" : "");
}

static void drop(sf_ctx *ctx)
{
	if (ctx->device)
		ctx->device_free(ctx->device);
	ctx->device = NULL;
}

/* Takes the module over, also where it fails. */
static int open_device(sf_ctx *ctx, const sf_device_unit *unit, void *module, const sf_device_how *how, char *why)
{
	sf_device_link *l = sf_alloc(1, sizeof *l);
	int rc;

	if (!l) {
		if (module)
			dlclose(module);
		snprintf(why, SF_DEVICE_WHY, "out of memory");
		return SF_ENOMEM;
	}
	l->unit = unit;
	l->module = module;
	l->how = *how;
	if (unit->version != SF_DEVICE_VERSION || unit->plan_size != sizeof(sf_plan) || unit->val_size != sizeof(sf_val)) {
		snprintf(why, SF_DEVICE_WHY, "the CUDA unit is of another version of the library (version %d, expected %d)", unit->version,
		         SF_DEVICE_VERSION);
		close_link(l);
		return SF_EUNSUP;
	}
	rc = unit->count(why) > how->number ? SF_OK : SF_EUNSUP;
	if (rc < 0 && !*why)
		snprintf(why, SF_DEVICE_WHY, "there is no device number %d", how->number);
	if (rc == 0)
		rc = unit->open(how, &sf_device_hosting, &l->d, why);
	if (rc < 0) {
		close_link(l);
		return rc;
	}
	describe(l);
	drop(ctx);
	ctx->device = l;
	ctx->device_free = close_link;
	return SF_OK;
}

int sf_device_use(sf_ctx *ctx, const sf_device_unit *unit, const sf_device_how *how)
{
	char why[SF_DEVICE_WHY] = "";
	void *module = NULL;
	int rc = SF_EUNSUP;

	if (!unit)
		unit = load(&module, why);
	if (unit)
		rc = open_device(ctx, unit, module, how, why);
	return rc < 0 ? sf_fail(ctx, rc, "device: %s", why) : SF_OK;
}

int sf_ctx_set_device(sf_ctx *ctx, const char *spec)
{
	const sf_device_unit *unit;
	char why[SF_DEVICE_WHY] = "";
	sf_device_how how;
	void *module = NULL;
	int where = ON_CPU, rc = SF_EUNSUP;

	SF_TRY(read_spec(ctx, spec, &where, &how));
	if (where == ON_CPU) {
		drop(ctx);
		return SF_OK;
	}
	unit = load(&module, why);
	if (unit)
		rc = open_device(ctx, unit, module, &how, why);
	if (rc == 0)
		return SF_OK;
	if (where == ON_CUDA)
		return sf_fail(ctx, rc, "device '%s': %s", spec, why);
	drop(ctx);
	sf_note(ctx, SF_LOG_INFO, "no device, so the processor is used: %s", why);
	return SF_OK;
}

const char *sf_ctx_device(const sf_ctx *ctx)
{
	return ctx->device ? ((const sf_device_link *)ctx->device)->text : "cpu";
}

const sf_device_link *sf_device_of(const sf_ctx *ctx, int dtype)
{
	return dtype == SF_F32 ? ctx->device : NULL;
}

int sf_device_peak(sf_ctx *ctx, double *flops, double *bytes)
{
	const sf_device_link *l = ctx->device;
	char why[SF_DEVICE_WHY] = "";
	int rc;

	*bytes = 0;
	if (!l) {
		*flops = sf_peak_flops(ctx, 32);
		return SF_OK;
	}
	rc = l->unit->peak(l->d, flops, bytes, why);
	return rc < 0 ? sf_fail(ctx, rc, "%s", why) : SF_OK;
}

/* ---- memory ---- */

void *sf_device_take(sf_ctx *ctx, size_t bytes)
{
	const sf_device_link *l = ctx->device;
	void *p = l->unit->take(l->d, bytes);
	sf_device_info info;

	if (p)
		return p;
	memset(&info, 0, sizeof info);
	l->unit->describe(l->d, &info);
	sf_fail(ctx, SF_ENOMEM, "out of device memory: %.1f MiB more are needed and %.1f MiB are free", (double)bytes / 1048576,
	        info.free / 1048576);
	return NULL;
}

void sf_device_give(sf_ctx *ctx, void *p)
{
	const sf_device_link *l = ctx->device;

	if (p)
		l->unit->give(l->d, p);
}

int sf_device_copy(sf_ctx *ctx, void *to, const void *from, size_t bytes)
{
	const sf_device_link *l = ctx->device;
	char why[SF_DEVICE_WHY] = "";
	int rc = l->unit->copy(l->d, to, from, bytes, why);

	return rc < 0 ? sf_fail(ctx, rc, "%s", why) : SF_OK;
}
