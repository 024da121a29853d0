# Examples: built with the public library alone and run by make check; each checks its own output.
SF_EXAMPLES = %reldir%/01-gaussian %reldir%/02-train-mlp %reldir%/03-derivatives %reldir%/04-own-score
check_PROGRAMS += $(SF_EXAMPLES)
TESTS += $(SF_EXAMPLES)
examples_01_gaussian_LDADD = libscorefield.la $(LIBM)
examples_02_train_mlp_LDADD = libscorefield.la $(LIBM)
examples_03_derivatives_LDADD = libscorefield.la $(LIBM)
examples_04_own_score_LDADD = libscorefield.la $(LIBM)

clean-local:
	rm -rf 02-train-mlp.run
.PHONY: clean-local
# The tour that the README's first command runs; needs the program.
EXTRA_DIST += %reldir%/demo.sh
# Pixels beside latents (doc/latent.md); tests/cli/latent.sh runs it with a few steps.
EXTRA_DIST += %reldir%/compare-latent.sh
# The objectives side by side (doc/objectives.md); tests/cli/compare.sh runs it with a few steps.
EXTRA_DIST += %reldir%/compare-objectives.sh
