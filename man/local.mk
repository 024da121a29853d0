# Manual pages. The parts between BEGIN and END marks are generated, by `make man-tables`, into the
# source; a test compares them with the program. Building runs nothing that was built.
SF_MAN = %reldir%/scorefield.1 %reldir%/scorefield-bench.1 %reldir%/scorefield-compare.1 %reldir%/scorefield-data.1 \
	%reldir%/scorefield-distance.1 %reldir%/scorefield-ems.1 %reldir%/scorefield-evaluate.1 %reldir%/scorefield-export.1 %reldir%/scorefield-fit.1 %reldir%/scorefield-import.1 %reldir%/scorefield-inspect.1 %reldir%/scorefield-latent.1 %reldir%/scorefield-likelihood.1 %reldir%/scorefield-list.1 %reldir%/scorefield-orders.1 %reldir%/scorefield-plot.1 \
	%reldir%/scorefield-sample.1 %reldir%/scorefield-train.1 %reldir%/scorefield-variance.1 %reldir%/scorefield-verify.1 \
	%reldir%/scorefield.3 %reldir%/scorefield-config.7 %reldir%/scorefield-data.7 \
	%reldir%/scorefield-grids.7 %reldir%/scorefield-maps.7 %reldir%/scorefield-nets.7 %reldir%/scorefield-objectives.7 \
	%reldir%/scorefield-processes.7 %reldir%/scorefield-samplers.7 %reldir%/scorefield-scores.7
dist_man_MANS = $(SF_MAN)

check_PROGRAMS += mantables
mantables_SOURCES = build-aux/mantables.c
mantables_LDADD = libscorefield.la

man-tables: mantables$(EXEEXT) scorefield$(EXEEXT)
	SCOREFIELD_DATA='$(abs_top_srcdir)/data' $(SHELL) $(top_srcdir)/build-aux/man-tables.sh \
		./mantables ./scorefield $(srcdir)/man
.PHONY: man-tables
