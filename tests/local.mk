# Tests: one Check program a family (tests/check_*.c: add a word to SF_CHECKS), shell scripts for what
# is not a function, the examples. A script's exit status 77 means skipped, with the reason printed.

SF_CHECKS = %reldir%/check_accumulate %reldir%/check_augment %reldir%/check_augment_run %reldir%/check_augment_train %reldir%/check_augment_warp %reldir%/check_autodiff %reldir%/check_cuda_chains %reldir%/check_cuda_noise %reldir%/check_cuda_runs %reldir%/check_parallel %reldir%/check_cuda_dnn %reldir%/check_cuda_linear %reldir%/check_cuda_maps %reldir%/check_cuda_nets %reldir%/check_cuda_norm %reldir%/check_cuda_ops %reldir%/check_cuda_stable %reldir%/check_cuda_train %reldir%/check_comm %reldir%/check_device %reldir%/check_cld %reldir%/check_cld_runs %reldir%/check_cld_score %reldir%/check_config %reldir%/check_core \
	%reldir%/check_bound %reldir%/check_combinations %reldir%/check_components %reldir%/check_data %reldir%/check_draw %reldir%/check_ema %reldir%/check_ems %reldir%/check_energy %reldir%/check_exchange %reldir%/check_export %reldir%/check_explained %reldir%/check_expr %reldir%/check_fd %reldir%/check_fd_forms %reldir%/check_fit %reldir%/check_fuse %reldir%/check_fuse_nets %reldir%/check_graph %reldir%/check_grid %reldir%/check_guidance \
	%reldir%/check_hessian %reldir%/check_hsm %reldir%/check_images %reldir%/check_io %reldir%/check_ism %reldir%/check_kernel %reldir%/check_known %reldir%/check_latent %reldir%/check_latent_time %reldir%/check_latent_loss %reldir%/check_latent_optimum %reldir%/check_latent_train %reldir%/check_lcss %reldir%/check_levels %reldir%/check_multistep %reldir%/check_likelihood %reldir%/check_local %reldir%/check_memory %reldir%/check_maps %reldir%/check_metric \
	%reldir%/check_modelfile %reldir%/check_net %reldir%/check_network %reldir%/check_noise \
	%reldir%/check_nelbo %reldir%/check_objective %reldir%/check_ald %reldir%/check_ggf %reldir%/check_papers %reldir%/check_path %reldir%/check_pc %reldir%/check_sscs %reldir%/check_plan %reldir%/check_polynomials %reldir%/check_precond %reldir%/check_published \
	%reldir%/check_points %reldir%/check_presets %reldir%/check_probes %reldir%/check_process %reldir%/check_profile %reldir%/check_recompute %reldir%/check_recompute_nets %reldir%/check_safetensors %reldir%/check_sampler \
	%reldir%/check_sampler_runs %reldir%/check_schedules %reldir%/check_score %reldir%/check_slices %reldir%/check_stf %reldir%/check_stf_draw %reldir%/check_toys %reldir%/check_trace %reldir%/check_train \
	%reldir%/check_pool %reldir%/check_refine %reldir%/check_teleport %reldir%/check_threads %reldir%/check_resampling %reldir%/check_unet %reldir%/check_coder %reldir%/check_nvae %reldir%/check_posterior %reldir%/check_vae %reldir%/check_v3 %reldir%/check_variance %reldir%/check_verify %reldir%/check_view %reldir%/check_walk
SF_CLI_TESTS = %reldir%/cli/bad.sh %reldir%/cli/compare.sh %reldir%/cli/contrib.sh %reldir%/cli/device.sh %reldir%/cli/evaluate.sh %reldir%/cli/explain.sh %reldir%/cli/fit.sh %reldir%/cli/guide.sh %reldir%/cli/help.sh %reldir%/cli/import.sh %reldir%/cli/latent.sh %reldir%/cli/likelihood.sh %reldir%/cli/list.sh \
	%reldir%/cli/moved.sh %reldir%/cli/orders.sh %reldir%/cli/presets.sh %reldir%/cli/ranks.sh %reldir%/cli/sample.sh %reldir%/cli/train.sh %reldir%/cli/variance.sh %reldir%/cli/verify.sh
SF_SHELL_TESTS = %reldir%/exports.sh %reldir%/forbidden.sh %reldir%/headers.sh \
	%reldir%/includes.sh %reldir%/listed.sh %reldir%/man.sh %reldir%/pkgconfig.sh \
	%reldir%/verify.sh
SF_CLI_FILES = %reldir%/cli/lib.sh
SF_CHECK_PARTS = %reldir%/check_kernel_body.h %reldir%/check_conv_body.h %reldir%/check_product_body.h
SF_GOLDEN = %reldir%/golden/README.md %reldir%/golden/augment-12x10x3.npy %reldir%/golden/augment-32x32x1.npy \
	%reldir%/golden/augment.py %reldir%/golden/edm-cifar10-ddpmpp.txt %reldir%/golden/networks.py \
	%reldir%/golden/networks/ddpm-small.safetensors %reldir%/golden/networks/ddpmpp-small.safetensors \
	%reldir%/golden/networks/edm-ddpmpp-small.safetensors %reldir%/golden/networks/edm-ncsnpp-small.safetensors \
	%reldir%/golden/networks/ncsn-small.safetensors %reldir%/golden/networks/ncsnpp-cat-small.safetensors \
	%reldir%/golden/networks/ncsnpp-ddpm-small.safetensors %reldir%/golden/networks/ncsnpp-skip-small.safetensors \
	%reldir%/golden/networks/ncsnpp-small.safetensors %reldir%/golden/networks/ncsnv2-128-small.safetensors \
	%reldir%/golden/networks/ncsnv2-256-small.safetensors %reldir%/golden/networks/ncsnv2-small.safetensors \
	%reldir%/golden/refine.py

if HAVE_CHECK
check_PROGRAMS += $(SF_CHECKS)
TESTS += $(SF_CHECKS)
check_LTLIBRARIES += libtestsupport.la
endif
# what several programs share
libtestsupport_la_SOURCES = %reldir%/autodiff_cases.c %reldir%/autodiff_cases.h %reldir%/autodiff_cases_image.c %reldir%/autodiff_cases_image.h \
	%reldir%/chain_rig.c %reldir%/chain_rig.h %reldir%/comm_rig.h %reldir%/cuda_unit.c %reldir%/device_rig.c %reldir%/device_rig.h %reldir%/golden_net.c %reldir%/golden_net.h %reldir%/unet_names.c %reldir%/unet_names.h %reldir%/cld_cases.h %reldir%/autodiff_fixture.c %reldir%/autodiff_fixture.h %reldir%/exchange_rig.c %reldir%/exchange_rig.h %reldir%/files.c %reldir%/files.h \
	%reldir%/graph_naive.c %reldir%/graph_naive.h %reldir%/graph_naive_image_body.h %reldir%/graph_naive_norm_body.h \
	%reldir%/latent_rig.h %reldir%/likelihood_base.h %reldir%/likelihood_rig.h %reldir%/loss_rig.c %reldir%/loss_rig.h %reldir%/model_case.c %reldir%/model_case.h %reldir%/moments.h %reldir%/objective_parts.h %reldir%/plan_cases.c %reldir%/plan_cases.h %reldir%/plan_fixture.c \
	%reldir%/plan_fixture.h %reldir%/process_cases.h %reldir%/recompute_rig.c %reldir%/recompute_rig.h %reldir%/sampler_rig.h %reldir%/score_rig.h %reldir%/support.c \
	%reldir%/support.h %reldir%/train_rig.c %reldir%/train_rig.h %reldir%/v3_parts.h %reldir%/vae_rig.c %reldir%/vae_rig.h
LDADD = libtestsupport.la libscorefield_all.la $(CHECK_LIBS)
AM_CPPFLAGS += $(CHECK_CFLAGS)

TESTS += $(SF_SHELL_TESTS) $(SF_CLI_TESTS)
EXTRA_DIST += $(SF_SHELL_TESTS) $(SF_CLI_TESTS) $(SF_CLI_FILES) $(SF_CHECK_PARTS) $(SF_GOLDEN)

# Fuzz targets: replayed on mutated seeds by make check, and with --enable-fuzzers linked to libFuzzer.
SF_FUZZ = %reldir%/fuzz/fuzz.h %reldir%/fuzz/replay.c
SF_REPLAYS = %reldir%/fuzz/replay_cifar %reldir%/fuzz/replay_components %reldir%/fuzz/replay_config %reldir%/fuzz/replay_expr %reldir%/fuzz/replay_idx %reldir%/fuzz/replay_map \
	%reldir%/fuzz/replay_npy %reldir%/fuzz/replay_png %reldir%/fuzz/replay_safetensors %reldir%/fuzz/replay_spec
check_PROGRAMS += $(SF_REPLAYS)
TESTS += $(SF_REPLAYS)
tests_fuzz_replay_cifar_SOURCES = %reldir%/fuzz/fuzz_cifar.c $(SF_FUZZ)
tests_fuzz_replay_cifar_LDADD = libscorefield_all.la
tests_fuzz_replay_components_SOURCES = %reldir%/fuzz/fuzz_components.c $(SF_FUZZ)
tests_fuzz_replay_components_LDADD = libscorefield_all.la
tests_fuzz_replay_config_SOURCES = %reldir%/fuzz/fuzz_config.c $(SF_FUZZ)
tests_fuzz_replay_config_LDADD = libscorefield_all.la
tests_fuzz_replay_expr_SOURCES = %reldir%/fuzz/fuzz_expr.c $(SF_FUZZ)
tests_fuzz_replay_expr_LDADD = libscorefield_all.la
tests_fuzz_replay_idx_SOURCES = %reldir%/fuzz/fuzz_idx.c $(SF_FUZZ)
tests_fuzz_replay_idx_LDADD = libscorefield_all.la
tests_fuzz_replay_map_SOURCES = %reldir%/fuzz/fuzz_map.c $(SF_FUZZ)
tests_fuzz_replay_map_LDADD = libscorefield_all.la
tests_fuzz_replay_npy_SOURCES = %reldir%/fuzz/fuzz_npy.c $(SF_FUZZ)
tests_fuzz_replay_npy_LDADD = libscorefield_all.la
tests_fuzz_replay_png_SOURCES = %reldir%/fuzz/fuzz_png.c $(SF_FUZZ)
tests_fuzz_replay_png_LDADD = libscorefield_all.la
tests_fuzz_replay_safetensors_SOURCES = %reldir%/fuzz/fuzz_safetensors.c $(SF_FUZZ)
tests_fuzz_replay_safetensors_LDADD = libscorefield_all.la
tests_fuzz_replay_spec_SOURCES = %reldir%/fuzz/fuzz_spec.c $(SF_FUZZ)
tests_fuzz_replay_spec_LDADD = libscorefield_all.la
if FUZZERS
noinst_PROGRAMS = %reldir%/fuzz/fuzz_cifar %reldir%/fuzz/fuzz_components %reldir%/fuzz/fuzz_config %reldir%/fuzz/fuzz_expr %reldir%/fuzz/fuzz_idx %reldir%/fuzz/fuzz_map %reldir%/fuzz/fuzz_npy \
	%reldir%/fuzz/fuzz_png %reldir%/fuzz/fuzz_safetensors %reldir%/fuzz/fuzz_spec
tests_fuzz_fuzz_cifar_LDADD = libscorefield_all.la
tests_fuzz_fuzz_cifar_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_components_LDADD = libscorefield_all.la
tests_fuzz_fuzz_components_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_config_LDADD = libscorefield_all.la
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_expr_LDADD = libscorefield_all.la
tests_fuzz_fuzz_expr_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_idx_LDADD = libscorefield_all.la
tests_fuzz_fuzz_idx_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_map_LDADD = libscorefield_all.la
tests_fuzz_fuzz_map_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_npy_LDADD = libscorefield_all.la
tests_fuzz_fuzz_npy_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_png_LDADD = libscorefield_all.la
tests_fuzz_fuzz_png_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_safetensors_LDADD = libscorefield_all.la
tests_fuzz_fuzz_safetensors_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_spec_LDADD = libscorefield_all.la
tests_fuzz_fuzz_spec_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

if HAVE_CUDA
HAVE_CUDA_TEXT = yes
CUDA_TEST_MODULE = $(abs_top_builddir)/.libs/scorefield-cuda.so
endif
TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = $(SHELL)
# Results do not depend on the thread counts; these keep `make -j check` from taking every core twice.
AM_TESTS_ENVIRONMENT = \
	SF_SRCDIR='$(abs_top_srcdir)'; SF_BUILDDIR='$(abs_top_builddir)'; \
	SCOREFIELD='$(abs_top_builddir)/scorefield$(EXEEXT)'; \
	SCOREFIELD_DATA='$(abs_top_srcdir)/data'; \
	OMP_NUM_THREADS=2; OMP_WAIT_POLICY=passive; OPENBLAS_NUM_THREADS=1; \
	CK_DEFAULT_TIMEOUT=$${CK_DEFAULT_TIMEOUT-60}; \
	CC='$(CC)'; CXX='$(CXX)'; CFLAGS='$(CFLAGS)'; LDFLAGS='$(LDFLAGS)'; NM='$(NM)'; \
	PKG_CONFIG='$(PKG_CONFIG)'; \
	SF_HAVE_CUDA='$(HAVE_CUDA_TEXT)'; SCOREFIELD_CUDA='$(CUDA_TEST_MODULE)'; \
	export SF_SRCDIR SF_BUILDDIR SCOREFIELD SCOREFIELD_DATA OMP_NUM_THREADS OMP_WAIT_POLICY \
		OPENBLAS_NUM_THREADS CK_DEFAULT_TIMEOUT CC CXX CFLAGS LDFLAGS NM PKG_CONFIG SF_HAVE_CUDA SCOREFIELD_CUDA;

check-local:
if !HAVE_CHECK
	@echo 'NOTE: Check (https://libcheck.github.io/check/) was not found: the C tests were not run.'
endif
.PHONY: check-local
