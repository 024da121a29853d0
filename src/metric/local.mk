# Members of the family: one file each, found by its name (<name>.c defines sf_metric_<name>).
SF_METRIC_MEMBERS =
SF_SOURCES += $(SF_METRIC_MEMBERS) %reldir%/bound.c %reldir%/cross.c %reldir%/distance.c %reldir%/encode.c %reldir%/explained.c %reldir%/features.c %reldir%/flow.h %reldir%/likelihood.c %reldir%/nelbo.c \
	%reldir%/score_error.c %reldir%/trace.c
