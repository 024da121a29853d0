/* check_cuda_dnn.c: an engine of cuDNN for every convolution of the CIFAR-10 networks' training step, in every precision, found for a
 * described H100, so that no device is needed. The convolutions are those of the planned step: forward and both adjoints, with the types
 * that the device would hold them in.
 *
 * Skipped without a build with CUDA (SCOREFIELD_CUDA is its module).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include "graph/device.h"
#include "objective/batch.h"
#include "train/internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t batches[] = {128, 1, 512}; /* training, and sampling at either end */
static const char *const presets[] = {"cifar10-edm-ddpmpp", "cifar10-edm-ncsnpp"};
static const sf_device_unit *unit;

START_TEST(engines)
{
	static const char *const precisions[] = {"strict", "tf32", "bf16"};
	const int which = _i / 3 % 2;
	const char *preset = presets[which];
	sf_device_how how = {0, _i % 3, 1, 0};
	sf_ctx *ctx = ck_ctx();
	sf_config *config = NULL;
	sf_device_layout lay;
	sf_device_convs found;
	sf_batch *b = NULL;
	sf_setup s;
	char why[SF_DEVICE_WHY] = "";
	int all;

	assert_ok(ctx, sf_config_new(ctx, &config));
	assert_ok(ctx, sf_config_preset(config, preset));
	assert_ok(ctx, sf_setup_open(ctx, config, SF_SETUP_SHAPE | SF_SETUP_OBJECTIVE, NULL, &s));
	assert_ok(ctx, sf_step_plan(&s, sf_phase_at(&s, 0), &b));
	ck_assert_int_eq(sf_device_lay_out(b->plan, batches[_i / 6], &how, &lay), SF_OK);
	ck_assert_msg(unit->convs(&sf_device_hosting, &how, b->plan, &lay, &found, why) == 0, "%s, %s: %s", preset, precisions[how.precision],
	              why);
	all = found.forward + found.data + found.weight;
	/* Two in each of 4 x 3 + 2 blocks down, 2 + 5 x 3 + 2 up, the first and the last, and NCSN++'s two of the smaller images: kernels of
	 * one pixel are matrix products. */
	ck_assert_int_eq(found.forward, 2 * 33 + 2 + 2 * which);
	ck_assert_int_eq(found.weight, found.forward);
	ck_assert_int_ge(found.data, found.forward - 3); /* what is before the first layers needs no gradient */
	ck_assert_int_lt(found.plans, all / 2);          /* equal ones share theirs */
	ck_assert_int_eq(found.bf16, how.precision == SF_DEVICE_BF16 ? all : 0);
	if (how.precision == SF_DEVICE_STRICT)
		ck_assert_int_eq(found.tensor_cores, 0);
	else /* one image is too little for some */
		ck_assert_int_ge(found.tensor_cores, all - all / (batches[_i / 6] > 1 ? 20 : 5));
	ck_assert(found.workspace >= 0 && found.workspace <= (how.precision == SF_DEVICE_STRICT ? 8.0 : 1.0) * 1073741824);
	sf_device_layout_free(&lay);
	sf_batch_free(b);
	sf_setup_close(&s);
	sf_config_free(config);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cuda_dnn");
	TCase *t = tcase_create("engines");
	const char *file = getenv("SCOREFIELD_CUDA"), *have = getenv("SF_HAVE_CUDA");
	void *module;

	if (!have || strcmp(have, "yes") != 0 || !file || !*file) {
		printf("skipped: this build has no CUDA unit (./configure --with-cuda)\n");
		return 77;
	}
	module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	unit = module ? dlsym(module, SF_DEVICE_SYMBOL) : NULL;
	if (!unit) {
		printf("%s\n", dlerror());
		return 1;
	}
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, engines, 0, 3 * 2 * 3);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
